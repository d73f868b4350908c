#!/usr/bin/env bash
# The checks of the manifests, with the programs of PORTOLAN_BIN: check.sh [manifests] [tests] [run]; without an argument all three.
set -euo pipefail
PORTOLAN_BIN=$(cd "${PORTOLAN_BIN:?name the folder of the programs}" && pwd)
export PORTOLAN_BIN
cd "$(dirname "$0")"
for program in portolan portolan-coordinator portolan-agent; do
  [ -x "$PORTOLAN_BIN/$program" ] || { echo "check.sh: $PORTOLAN_BIN/$program: missing; build it" >&2; exit 1; }
done
# npm notes here what it has installed. PORTOLAN_CHECK_MODULES=installed: take what is there, download nothing.
if [ "${PORTOLAN_CHECK_MODULES:-}" != installed ] && ! [[ node_modules/.package-lock.json -nt package-lock.json ]]; then npm ci --no-audit --no-fund --loglevel=error; fi
[ $# -gt 0 ] || set -- manifests tests run
for part in "$@"; do
  case $part in
    manifests) node check.js ;;
    tests) node --test ;;
    run) node run.js ;;
    *) echo "check.sh: $part: not manifests, tests or run" >&2; exit 2 ;;
  esac
done
