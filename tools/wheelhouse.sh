#!/bin/sh
# Makes a wheelhouse: everything pip needs to install openkes on a host without a way to an index. Prints its folder
# on the last line. Quick when nothing changed; after a change in src/ only that wheel is built again.
#
# usage: tools/wheelhouse.sh [--python 3.11] [--machine x86_64] [--glibc 2.36] [--no-engine] [--portable] [--extras vault,…]
# These say what the *targets* are (the defaults: Debian 12), whatever this machine is. --portable: an engine wheel
# for every glibc since 2014; without it one is linked here, which is quicker, unless the targets are older. --extras: of
# openkes, as key stores need them.
set -eu
python_version=3.11 machine=x86_64 glibc=2.36 engine=auto extras=
while [ $# -gt 0 ]; do
    case $1 in
        --python) python_version=$2; shift 2 ;;
        --machine) machine=$2; shift 2 ;;
        --glibc) glibc=$2; shift 2 ;;
        --no-engine) engine=no; shift ;;
        --extras) extras=$2; shift 2 ;;
        --portable) engine=--manylinux; shift ;;
        *) sed -n 's/^# usage:/usage:/p' "$0" >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
cache=${OPENKES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openkes}
houses=$cache/wheelhouse
python=${OPENKES_PYTHON:-${OPENKES_VENV:-.venv}/bin/python}
[ -x "$python" ] || python=$(command -v python3)

say() { echo "wheelhouse: $*" >&2; }

older() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

if [ "$engine" != no ]; then
    if [ "$machine" != "$(uname -m)" ]; then
        say "no engine wheel: it is built for this machine's architecture only; targets get the Python twin"
        engine=no
    elif [ ! -x tools/engine.sh ] || ! command -v cargo >/dev/null; then
        say "no engine wheel: no Rust compiler (cargo) here; targets get the Python twin"
        engine=no
    elif [ "$engine" = auto ]; then
        engine=
        if older "$glibc" "$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)"; then engine=--manylinux; fi
    fi
fi

hash_of() { # of all files below the given paths, names included
    find "$@" -type f ! -name '*.pyc' ! -path '*/target/*' ! -path '*.egg-info/*' -print0 | LC_ALL=C sort -z |
        xargs -0 sha256sum | sha256sum | cut -c1-16
}
target="$python_version $machine $glibc ${engine:-native} $extras"
sources="pyproject.toml README.md LICENSE src/openkes"
[ "$engine" = no ] || sources="$sources src/engine"
# shellcheck disable=SC2086  # a list of paths without blanks
name=$( (hash_of $sources; echo "$target"; cat tools/wheelhouse.sh tools/wheel_gaps.py) | sha256sum | cut -c1-16)
house=$houses/$name
if [ -d "$house" ]; then
    touch "$house"
    echo "$house"
    exit 0
fi

mkdir -p "$houses"
exec 9>"$houses/.lock"
flock 9
[ -d "$house" ] && { echo "$house"; exit 0; }
work=$(mktemp -d "$houses/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
mkdir "$work/src" "$work/house"

say "building openkes"
mkdir "$work/src/src"
cp pyproject.toml README.md LICENSE "$work/src/"
cp -R src/openkes "$work/src/src/"
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$work/house" "$work/src"
if [ "$engine" != no ]; then
    say "building openkes-engine"
    wheel=$(tools/engine.sh $engine | tail -n 1)
    [ -f "$wheel" ] || { say "error: tools/engine.sh printed no wheel on its last line"; exit 1; }
    cp "$wheel" "$work/house/"
fi

# What the target's pip would take: every manylinux up to its glibc. pip does not derive the older ones itself.
tags="--only-binary=:all: --implementation cp --python-version $python_version"
for abi in "cp$(echo "$python_version" | tr -d .)" abi3 none; do tags="$tags --abi $abi"; done
minor=${glibc#*.}
while [ "$minor" -ge 5 ]; do
    tags="$tags --platform manylinux_2_${minor}_$machine"
    minor=$((minor - 1))
done
tags="$tags --platform manylinux2014_$machine --platform manylinux2010_$machine --platform manylinux1_$machine"

say "fetching dependencies for Python $python_version on $machine, glibc $glibc"
fetch() {
    # shellcheck disable=SC2086
    "$python" -m pip download --quiet --no-deps --dest "$work/house" --find-links "$work/house" $tags "$@"
}
gaps=first
while [ -n "$gaps" ]; do
    gaps=$("$python" tools/wheel_gaps.py "$work/house" "$python_version" "$machine" "$extras")
    # shellcheck disable=SC2086  # one requirement a word
    if [ -n "$gaps" ]; then fetch $gaps; fi
done

# Ten are plenty: one for each of the last states of the source.
find "$houses" -mindepth 1 -maxdepth 1 -type d ! -name '.*' -printf '%T@ %p\n' | sort -rn | tail -n +10 | cut -d' ' -f2- |
    xargs -r rm -rf
chmod 755 "$work/house"
mv "$work/house" "$house"
echo "$house"
