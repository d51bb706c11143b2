#!/bin/sh
# Make everything this checkout needs: a virtual environment in .venv and, as root, system packages.
#   setup.sh run    for `make demo`: openkes, Ansible, and the engine where a Rust compiler is at hand
#   setup.sh test   for `make test`: all of it, and what real test hosts need
# A second run finds everything there and takes a second. Talk goes to stderr.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
mode=${1:-run}
venv=${OPENKES_VENV:-$here/.venv}
cache=${OPENKES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openkes}
export OPENKES_VENV="$venv" PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$cache"

say() { echo "setup: $*" >&2; }
fail() {
    say "$1"
    exit 1
}
is_root() { [ "$(id -u)" = 0 ]; }
has_apt() { command -v apt-get >/dev/null 2>&1; }

# As root: install the Debian packages that are not there. Otherwise: name them and go on if $1 is "optional".
packages() {
    need=$1
    shift
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if is_root && has_apt; then
        say "installing$missing"
        apt-get update -q >"$cache/apt.log" 2>&1 || say "apt-get update failed, see $cache/apt.log; going on"
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >>"$cache/apt.log" 2>&1 ||
            fail "apt-get could not install$missing: see $cache/apt.log"
    elif [ "$need" = optional ]; then
        say "not installed:$missing (as root: apt-get install$missing); what needs them is skipped"
    else
        fail "these packages are missing: run 'apt-get install$missing' as root, then try again"
    fi
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer found: install python3 (Debian 12 has 3.11), or set PYTHON"
}

make_venv() {
    if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then packages needed python3-venv; fi
    say "making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "$python cannot make a virtual environment: install python3-venv"
}

# pip runs only when what it would install has changed.
install_python() {
    stamp=$venv/openkes-$mode.stamp
    want=$(cat pyproject.toml tools/constraints.txt tools/setup.sh | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return; fi
    say "installing Python packages into $venv"
    "$venv/bin/pip" install -q -U 'pip>=25.1'
    groups="--group ansible-run"
    if [ "$mode" = test ] || command -v cargo >/dev/null 2>&1; then groups="$groups --group build"; fi
    if [ "$mode" = test ]; then groups="$groups --group test --group lint --group ansible"; fi
    # shellcheck disable=SC2086
    "$venv/bin/pip" install -q -c tools/constraints.txt -e . $groups
    echo "$want" >"$stamp"
}

install_engine() {
    if ! command -v cargo >/dev/null 2>&1; then
        say "no Rust compiler (Debian 12: cargo-web rustc-web): the pure-Python twin serves instead of the engine"
        return
    fi
    wheel=$(tools/engine.sh | tail -n 1)
    stamp=$venv/openkes-engine.stamp
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wheel" ]; then return; fi
    "$venv/bin/pip" install -q --force-reinstall --no-deps "$wheel"
    echo "$wheel" >"$stamp"
}

case "$mode" in
run) ;;
test)
    if ! command -v cargo >/dev/null 2>&1; then packages optional cargo-web rustc-web rustfmt-web gcc libc6-dev; fi
    packages optional openssl git openssh-client iproute2 systemd-container debootstrap nginx-light shellcheck apache2-utils
    # What keeps keys in some tests. Debian starts them as services, too; each test runs one of its own.
    packages optional etcd-server etcd-client postgresql
    ;;
*) fail "usage: tools/setup.sh run|test" ;;
esac
packages needed openssl
make_venv
install_python
install_engine
