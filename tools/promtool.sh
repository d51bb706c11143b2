#!/bin/sh
# Prints the path of promtool: PATH's own, else the one of the Debian package `prometheus`, which is downloaded and
# unpacked into the cache folder and not installed: installing it would start a service.
# Exit 3, with one sentence that says what to do, when there is none. Nothing but the path is on stdout.
set -eu

CACHE="${OPENKES_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set, and neither is OPENKES_CACHE}/.cache}/openkes}"
home="$CACHE/promtool"

if command -v promtool; then exit 0; fi
if [ ! -x "$home/promtool" ]; then
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
        echo "promtool.sh: promtool is not in PATH and this is no Debian: install Prometheus' promtool" >&2
        exit 3
    fi
    mkdir -p "$CACHE"
    part=$(mktemp -d "$CACHE/.promtool.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    if ! (cd "$part" && apt-get download -q prometheus >log 2>&1 && dpkg-deb -x prometheus_*.deb new); then
        sed 's/^/promtool.sh: /' "$part/log" >&2
        echo "promtool.sh: the package prometheus could not be downloaded (see above): apt-get update, or install promtool" >&2
        exit 3
    fi
    chmod 755 "$part/new/usr/bin/promtool"
    mkdir -p "$home"
    # Renamed into place when whole, so that two runs at once cannot meet half of it.
    mv "$part/new/usr/bin/promtool" "$home/promtool"
fi
if ! "$home/promtool" --version >/dev/null 2>&1; then
    echo "promtool.sh: $home/promtool does not run on this machine: remove it, or install promtool" >&2
    exit 3
fi
echo "$home/promtool"
