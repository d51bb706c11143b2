#!/bin/sh
# Usage: build.sh OUT
# Builds minio-standin, a static binary that runs on minimal hosts, into the cache and copies it to OUT.
# Built again only when its sources or the compiler changed. GOOS and GOARCH are respected.
set -eu

[ $# -eq 1 ] || { echo "usage: build.sh OUT" >&2; exit 2; }
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
go=$("$here/../../tools/go.sh")

CACHE="${OPENKES_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set, and neither is OPENKES_CACHE}/.cache}/openkes}"
# readonly: go.mod and go.sum say what is built, and a build does not change them.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-mod=readonly" GOTOOLCHAIN=local CGO_ENABLED=0

mkdir -p "$CACHE/standin"
sum=$( (cd "$here" && cat ./*.go go.mod go.sum; "$go" version; "$go" env GOOS GOARCH) | sha256sum | cut -c1-16)
built="$CACHE/standin/minio-standin-$sum"
if [ ! -x "$built" ]; then
    (cd "$here" && "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o "$built.$$" .)
    mv "$built.$$" "$built"
    # What other sources gave before; a day is more than any run takes.
    find "$CACHE/standin" -name 'minio-standin-*' -mtime +0 ! -path "$built" -delete
fi
touch "$built"
install -m 0755 "$built" "$1"
