# The two commands are `make demo` and `make test`; both set up what they need. `make collection` builds what
# ansible-galaxy installs, with an engine that needs a Rust compiler here and none on the hosts.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo demo-stop test lint setup engine collection clean

demo:
	tools/demo.sh

demo-stop:
	tools/demo.sh stop

test:
	tools/setup.sh test
	tools/test.sh

lint: 
	tools/lint.sh

setup:
	tools/setup.sh run

engine:
	tools/engine.sh

collection:
	tools/setup.sh run
	tools/collection.sh

clean:
	rm -rf $(VENV) build dist
