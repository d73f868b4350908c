#!/usr/bin/env bash
# Asks a real Prometheus for every query of the dashboards and rules: check.sh DIRECTORY-OF-PROGRAMS [OPTION...] [-- OPTION OF check.py...]
#   --coordinator HOST:PORT   scrape this one (its --http), several times; without it, one is started on loopback, with two agents and a monitor
#   --agent HOST:PORT         scrape this agent, several times
#   --seconds N               let Prometheus scrape for so long before it is asked (45)
# With PROMETHEUS_URL set that one is asked, and nothing is started. What was started is stopped again.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=${1:?usage: check.sh DIRECTORY-OF-PROGRAMS [OPTION...]}
shift
coordinators=() agents=() pass=() seconds=45
while [ $# -gt 0 ]; do
  case $1 in
    --coordinator) coordinators+=("${2:?}"); shift 2 ;;
    --agent) agents+=("${2:?}"); shift 2 ;;
    --seconds) seconds=${2:?}; shift 2 ;;
    --) shift; pass=("$@"); break ;;
    *) echo "check.sh: unknown option $1; see deploy/grafana/README.md" >&2; exit 2 ;;
  esac
done
[ -z "${PROMETHEUS_URL:-}" ] || exec python3 "$here/check.py" "$PROMETHEUS_URL" ${pass[@]+"${pass[@]}"}

# shellcheck source=deploy/live.sh
. "$here/../live.sh"
# shellcheck source=deploy/grafana/prometheus.sh
. "$here/prometheus.sh"

# A monitor of loopback that runs each minute, from two agents that stand for an office and a cloud.
start_demo() {
  local grpc vantage
  if ! "$bin/portolan-coordinator" --help | grep -q -- '--monitors'; then
    echo "check.sh: this portolan-coordinator runs no monitors; give --coordinator HOST:PORT, or PROMETHEUS_URL" >&2
    exit 2
  fi
  mkdir "$work/monitors"
  cat >"$work/monitors/demo.yaml" <<'YAML'
apiVersion: portolan/v1
kind: Monitor
metadata: {name: demo, owner: demo}
spec:
  targets: [127.0.0.1-127.0.0.9]
  ports: 1-1024,7000-10000
  vantages:
    - {name: office, role: inside}
    - {name: cloud, role: outside}
  schedule: {every: 1m}
  rate: {maxRate: 2000}
  profiles: [no-databases-from-outside, only-well-known]
YAML
  start "" coordinator "$bin/portolan-coordinator" --listen 127.0.0.1:0 --http 127.0.0.1:0 --data "$work/data" --monitors "$work/monitors"
  grpc=$(wait_for_log coordinator 'grpc=([^ ]+)')
  coordinators+=("$(wait_for_log coordinator 'http=([^ ]+)')")
  for vantage in office cloud; do
    start "" "agent-$vantage" "$bin/portolan-agent" --coordinator "$grpc" --name "$vantage" --vantage "$vantage" --http none
  done
  [ "$seconds" -ge 150 ] || seconds=150  # two runs
}

[ ${#coordinators[@]} -gt 0 ] || start_demo

start_prometheus "" 127.0.0.1:0
echo "Prometheus at $address scrapes ${coordinators[*]} ${agents[*]-} for $seconds s" >&2
sleep "$seconds"
python3 "$here/check.py" "http://$address" --rate-interval "$rate_interval" ${pass[@]+"${pass[@]}"}
