# The two commands are `make demo` and `make test`; both set up what they need.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo demo-stop test lint setup setup-test engine collection clean

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
	tools/collection.sh

clean:
	rm -rf $(VENV) build dist
