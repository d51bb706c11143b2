#!/bin/sh
# Build the wheel of openkes-engine, unless this very source was built before, and print its path on the last
# line. `--manylinux`: one for every target of this architecture (manylinux2014, linked by zig).
# Exit 3: there is no Rust compiler here. Talk goes to stderr.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
crate=$here/src/engine
cache=${OPENKES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openkes}
bin=${OPENKES_VENV:-$here/.venv}/bin

kind=native
case "${1:-}" in
"") ;;
--manylinux) kind=manylinux2014 ;;
*)
    echo "usage: tools/engine.sh [--manylinux]" >&2
    exit 2
    ;;
esac

if ! command -v cargo >/dev/null 2>&1; then
    echo "engine: no cargo found: install Rust (Debian 12: apt install cargo-web rustc-web), or use the Python twin" >&2
    exit 3
fi
if [ ! -x "$bin/maturin" ]; then
    echo "engine: no maturin in $bin: run 'make setup' first, or set OPENKES_VENV" >&2
    exit 1
fi

# Paths inside the crate only, so that two checkouts of the same source share one wheel.
hash=$(
    cd "$crate"
    {
        find . -type f \( -name '*.rs' -o -name '*.toml' -o -name Cargo.lock \) ! -path './target/*' -print |
            LC_ALL=C sort | while read -r file; do sha256sum "$file"; done
        rustc --version --verbose
        echo "$kind"
    } | sha256sum | cut -c1-16
)
wheels=$cache/engine-wheels/$hash
mkdir -p "$wheels"

# Two builds at once would write into one target directory.
exec 9>"$cache/engine.lock"
flock 9

found() { find "$wheels" -maxdepth 1 -name '*.whl' -print | head -n 1; }

if [ -z "$(found)" ]; then
    fresh=$(mktemp -d "$wheels/build.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    set -- build --release --locked --manifest-path "$crate/Cargo.toml" --out "$fresh"
    if [ "$kind" = manylinux2014 ]; then
        # The target's name makes cargo keep these objects apart from the native ones.
        set -- "$@" --zig --compatibility manylinux2014 --target "$(rustc -vV | sed -n 's/^host: //p')"
    else
        set -- "$@" --compatibility linux
    fi
    # 9>&-: a compiler server left behind by cargo must not hold the lock.
    PATH="$bin:$PATH" CARGO_TARGET_DIR="$cache/engine-target" maturin "$@" >&2 9>&-
    mv "$fresh"/*.whl "$wheels/"
fi
found
