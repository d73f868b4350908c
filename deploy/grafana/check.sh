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

work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-grafana.XXXXXX")
pids=()
clean_up() {
  local status=$? pid
  for pid in ${pids[@]+"${pids[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in ${pids[@]+"${pids[@]}"}; do
    timeout 15 tail --pid="$pid" -f /dev/null 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME COMMAND...: in the background, its log in $work/NAME.log
start() {
  local name=$1
  shift
  "$@" >"$work/$name.out" 2>"$work/$name.log" &
  pids+=($!)
}

# wait_for_log NAME PATTERN: prints what the pattern's group matched.
wait_for_log() {
  local i found
  for ((i = 0; i < 200; i++)); do
    found=$(sed -nE "s/.*$2.*/\1/p" "$work/$1.log" 2>/dev/null | head -1)
    if [ -n "$found" ]; then echo "$found"; return; fi
    sleep 0.1
  done
  echo "check.sh: $1 did not start:" >&2
  tail -n 20 "$work/$1.log" >&2
  return 1
}

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
  start coordinator "$bin/portolan-coordinator" --listen 127.0.0.1:0 --http 127.0.0.1:0 --data "$work/data" --monitors "$work/monitors"
  grpc=$(wait_for_log coordinator 'grpc=([^ ]+)')
  coordinators+=("$(wait_for_log coordinator 'http=([^ ]+)')")
  for vantage in office cloud; do
    start "agent-$vantage" "$bin/portolan-agent" --coordinator "$grpc" --name "$vantage" --vantage "$vantage" --http none
  done
  [ "$seconds" -ge 150 ] || seconds=150  # two runs
}

[ ${#coordinators[@]} -gt 0 ] || start_demo

# A list of YAML of its arguments.
list() {
  local all="" one
  for one in "$@"; do all+="${all:+, }\"$one\""; done
  echo "[$all]"
}
cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: ["$here/../prometheus/rules/*.rules.yml"]
scrape_configs:
  - job_name: portolan-coordinator
    static_configs: [{targets: $(list "${coordinators[@]}")}]
  - job_name: portolan-agent
    static_configs: [{targets: $(list ${agents[@]+"${agents[@]}"})}]
YAML
start prometheus prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:0 --log.level=info
address=$(wait_for_log prometheus 'Listening on.*address=([0-9.]+:[0-9]+)')
echo "Prometheus at $address scrapes ${coordinators[*]} ${agents[*]-} for $seconds s" >&2
sleep "$seconds"
python3 "$here/check.py" "http://$address" --rate-interval 20s ${pass[@]+"${pass[@]}"}
