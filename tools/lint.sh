#!/bin/sh
# Every check that needs no running server: Python, types, YAML, Ansible, shell, Rust, Go.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
venv=${OPENKES_VENV:-$here/.venv}
cache=${OPENKES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openkes}
PATH="$venv/bin:$PATH"

step() {
    echo "lint: $*" >&2
    "$@"
}

step ruff check .
step ruff format --check .
step mypy
step yamllint --strict .
if command -v shellcheck >/dev/null 2>&1; then step shellcheck tools/*.sh .ci/run; fi
if [ -x tools/ansible-lint.sh ]; then step tools/ansible-lint.sh; fi
if command -v cargo >/dev/null 2>&1; then
    export CARGO_TARGET_DIR="$cache/engine-target"
    step cargo fmt --manifest-path src/engine/Cargo.toml --check
    if cargo clippy --version >/dev/null 2>&1; then
        step cargo clippy -q --locked --manifest-path src/engine/Cargo.toml --all-targets -- -D warnings
    else
        echo "lint: no clippy with this Rust compiler, left out" >&2
    fi
fi
if go=$(tools/go.sh 2>/dev/null | tail -n 1); then
    for module in tests/sdk tests/standin tests/trials tests/bench; do
        [ -f "$module/go.mod" ] || continue
        unformatted=$("$(dirname "$go")/gofmt" -l "$module")
        [ -z "$unformatted" ] || { echo "lint: gofmt: $unformatted" >&2; exit 1; }
        (cd "$module" && step "$go" vet ./...)
    done
fi
