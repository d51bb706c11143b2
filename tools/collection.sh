#!/bin/sh
# Builds the collection: dist/openkes-kes-VERSION.tar.gz, with the server's wheels inside, so that a controller needs
# neither this repository nor a compiler. Prints the path of the archive on the last line.
#
# usage: tools/collection.sh [--output DIR] [wheelhouse options]
set -eu
output=dist
if [ "${1-}" = --output ]; then output=$2; shift 2; fi
cd "$(dirname "$0")/.."
galaxy=${OPENKES_GALAXY:-.venv/bin/ansible-galaxy}
[ -x "$galaxy" ] || galaxy=$(command -v ansible-galaxy)
house=$(tools/wheelhouse.sh "$@" | tail -n 1)

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT INT TERM
for part in galaxy.yml LICENSE README.md changelogs docs meta playbooks plugins roles; do
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
