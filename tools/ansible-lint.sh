#!/bin/sh
# ansible-lint at its strictest profile over everything that Ansible reads, with this checkout as openkes.kes.
set -eu
cd "$(dirname "$0")/.."
PATH=${OPENKES_VENV:-$PWD/.venv}/bin:$PATH
ANSIBLE_COLLECTIONS_PATH=$(tools/collection-path.sh)
export PATH ANSIBLE_COLLECTIONS_PATH
exec ansible-lint --offline --profile production --strict -q roles playbooks plugins examples molecule meta
