#!/bin/sh
# Everything: lint and types first, then one pytest run (unit, contract, key stores, front, command line, SDK,
# roles on real hosts). Arguments go to pytest; `LINT=no` leaves the first part out.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
venv=${OPENKES_VENV:-$here/.venv}
PATH="$venv/bin:$PATH"
export PATH
[ "${LINT:-yes}" = no ] || tools/lint.sh
exec python -m pytest --durations=15 "$@"
