#!/bin/sh
# Runs Molecule with what the scenarios need: this checkout as openkes.kes, a wheelhouse, the stand-in for MinIO.
#   tools/molecule.sh test -s kes_server          tools/molecule.sh converge -s fleet
# Two at a time on one scenario need a folder each: MOLECULE_EPHEMERAL_DIRECTORY=/tmp/mine tools/molecule.sh …
set -eu
cd "$(dirname "$0")/.."
PATH=${OPENKES_VENV:-$PWD/.venv}/bin:$PATH
cache=${OPENKES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/openkes}
: "${ANSIBLE_COLLECTIONS_PATH:=$(tools/collection-path.sh)}"
# What the scenario's key store needs beside the server.
case " $* " in *" group "*) extras=vault ;; *) extras= ;; esac
: "${OPENKES_WHEELHOUSE:=$(tools/wheelhouse.sh --extras "$extras" | tail -n 1)}"
: "${OPENKES_STANDIN:=$cache/standin/minio-standin}"
export PATH ANSIBLE_COLLECTIONS_PATH OPENKES_WHEELHOUSE OPENKES_STANDIN
export MOLECULE_GLOB="${MOLECULE_GLOB:-molecule/*/molecule.yml}"
export MOLECULE_COMMAND_BORDERS="${MOLECULE_COMMAND_BORDERS:-false}"
case " $* " in
    # The others have no MinIO and need no Go.
    *" fleet "* | *" group "* | *" kes_minio "*) mkdir -p "$cache/standin"; tests/standin/build.sh "$OPENKES_STANDIN" >&2 ;;
esac
exec molecule "$@"
