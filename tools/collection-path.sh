#!/bin/sh
# Makes this checkout findable as the collection openkes.kes and prints the folder for ANSIBLE_COLLECTIONS_PATH:
#   ANSIBLE_COLLECTIONS_PATH=$(tools/collection-path.sh) ansible-playbook openkes.kes.site
# A link in the cache is all it takes; nothing is built or copied.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd -P)
cache=${OPENKES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openkes}
# One tree for each checkout, so that two of them on one machine do not take turns.
top=$cache/checkout/$(printf %s "$checkout" | sha256sum | cut -c1-12)
mkdir -p "$top/ansible_collections/openkes"
ln -sfn "$checkout" "$top/ansible_collections/openkes/kes"
printf '%s\n' "$top"
