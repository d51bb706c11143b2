#!/bin/sh
# Builds the collection: dist/openkes-kes-VERSION.tar.gz, with the server's wheels inside, so that a controller needs
# neither this repository nor a compiler. Prints the path of the archive on the last line.
#
# usage: tools/collection.sh [--output DIR] [--native]
# --native: an engine for this machine's glibc and newer only; quicker, for tests.
set -eu
output=dist
portable=--portable
while [ $# -gt 0 ]; do
    case $1 in
        --output) output=$2; shift 2 ;;
        --native) portable=; shift ;;
        *) sed -n 's/^# usage:/usage:/p' "$0" >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
galaxy=${OPENKES_VENV:-.venv}/bin/ansible-galaxy
[ -x "$galaxy" ] || galaxy=$(command -v ansible-galaxy)
house=$(tools/wheelhouse.sh $portable | tail -n 1)

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT INT TERM
for part in galaxy.yml LICENSE README.md changelogs docs meta monitoring playbooks plugins roles; do
    if [ -e "$part" ]; then cp -R "$part" "$stage/"; fi
done
find "$stage" -name __pycache__ -prune -exec rm -rf {} +
# Ours only: dependencies come from an index, or from a wheelhouse that the operator names.
wheels=$stage/roles/kes_server/files/wheels
rm -rf "$wheels"
mkdir -p "$wheels" "$output"
cp "$house"/openkes*.whl "$wheels/"
"$galaxy" collection build --force --output-path "$output" "$stage" >&2
version=$(sed -n 's/^version: *//p' galaxy.yml)
echo "$output/openkes-kes-$version.tar.gz"
