#!/usr/bin/env bash
# A scan from three vantage points, start to end, with real processes: deploy/demo/demo.sh DIRECTORY-OF-PROGRAMS
#
# As root: one target network and three vantage points in network namespaces without a route out; the target's firewall
# answers each vantage differently; all links are mutual TLS. Otherwise: three agents on loopback. Everything that was
# started is stopped again, after at most two minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:?usage: demo.sh DIRECTORY-OF-PROGRAMS}" && pwd)
# shellcheck source=deploy/live.sh
. "$here/../live.sh"
# shellcheck source=deploy/demo/network.sh
. "$here/network.sh"
logs_when_it_fails=yes

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
  printf '\033[2m$ %s\033[0m\n' "$*"
}

demo_in_namespaces() {
  local v
  say "A network (198.19.0.0/24, 2001:db8:ff::/120) and three vantage points: ${vantages[*]}"
  make_network
  make_certificates

  say "The coordinator, and an agent at each vantage point (mutual TLS)"
  # shellcheck disable=SC2046  # the flags are words
  start "$target" coordinator "$bin/portolan-coordinator" --listen 0.0.0.0:7411 --http 127.0.0.1:7412 --data "$work/data" \
    $(tls coordinator)
  wait_for_log coordinator '(listening)' >/dev/null
  for v in "${vantages[@]}"; do start_agent "$v"; done
  # shellcheck disable=SC2207  # the flags are words
  run=(ip netns exec "$target" "$bin/portolan" --coordinator 127.0.0.1:7411 $(tls operator))
  curl_in=(ip netns exec "$target" curl)
  targets=(198.19.0.0/24 2001:db8:ff::/120)
  ports=22,23,80,443,5432
  opened=(198.19.0.20 23)
  open_port() { ip netns exec "$target" nft add element inet demo opened '{ 198.19.0.20 . 23 }'; }
}

demo_on_loopback() {
  say "Not root: three agents on loopback (as root, each vantage has a network and a firewall of its own)"
  start "" coordinator "$bin/portolan-coordinator" --listen 127.0.0.1:0 --http 127.0.0.1:0 --data "$work/data"
  local grpc v
  grpc=$(wait_for_log coordinator 'grpc=([^ ]+)')
  http=$(wait_for_log coordinator 'http=([^ ]+)')
  local scope=()
  for v in inside dmz internet; do
    # the third vantage may not probe 127.0.9.4: its own scope says so
    scope=()
    [ "$v" = internet ] && scope=(--deny 127.0.9.4)
    start "" "agent-$v" "$bin/portolan-agent" --coordinator "$grpc" --vantage "$v" --name "agent-$v" "${scope[@]}"
  done
  start "" service openssl s_server -quiet -accept 127.0.9.4:18080 -nocert -cipher 'aNULL:@SECLEVEL=0'
  start "" service2 openssl s_server -quiet -accept 127.0.9.2:18443 -nocert -cipher 'aNULL:@SECLEVEL=0'
  run=("$bin/portolan" --coordinator "$grpc")
  curl_in=(curl)
  targets=(127.0.9.0/28)
  ports=18080,18443
  opened=(127.0.9.5 18080)
  open_port() {
    start "" service3 openssl s_server -quiet -accept 127.0.9.5:18080 -nocert -cipher 'aNULL:@SECLEVEL=0'
    wait_until 10 accepts 127.0.9.5 18080
  }
}

# The monitor's file: the same targets and ports, and what is expected of them.
monitor_file() {
  local list
  list=$(printf '"%s", ' "${targets[@]}")
  cat <<YAML
apiVersion: portolan/v1
kind: Monitor
metadata: {name: demo, owner: you@example.org}
spec:
  targets: [${list%, }]
  ports: "$ports"
  vantages:
    - {name: inside, role: inside}
    - {name: dmz, role: outside}
    - {name: internet, role: outside}
  schedule: {every: 1h}
  rate: {timeout: 500ms}
  confirmation: {probes: 3, needed: 2, delay: 1s}
  profiles: [no-clear-text, no-databases-from-outside]
  expectations:
    - name: nothing-new
      action: must-not-be-open
      targets: [${opened[0]}]
      ports: ${opened[1]}
      severity: high
      reason: this port was closed for good
YAML
}

accepts() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }
# From each of the three vantages.
has_events() { [ "$("${run[@]}" events demo 2>/dev/null | grep -c ' opened ')" -ge 3 ]; }
port_metrics() {
  "${curl_in[@]}" -s "http://$http/metrics" | grep -F 'portolan_port_open{' | grep -F "target=\"${opened[0]}\",port=\"${opened[1]}\""
}
has_metrics() { [ "$(port_metrics | wc -l)" -ge 3 ]; }

http=127.0.0.1:7412
run=()
curl_in=()
targets=()
ports=
opened=()  # the address and port that opens later
if [ "$(id -u)" -eq 0 ] && ip netns add "portolan$$-try" 2>/dev/null; then
  ip netns del "portolan$$-try"
  demo_in_namespaces
else
  demo_on_loopback
fi

wait_for_agents 3 "${run[@]}"
show portolan agents list
"${run[@]}" agents list

say "Every target from every vantage; rows that differ are marked"
show portolan scan "${targets[*]}" -p "$ports" --each-vantage
status=0
timeout 90 "${run[@]}" scan "${targets[@]}" -p "$ports" --each-vantage --timeout 500ms --name demo || status=$?
# On loopback one vantage's own scope leaves something unprobed: 3, partial.
[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || exit "$status"

say "What the scan was, and the same for programs"
show portolan scans list
"${run[@]}" scans list
show "portolan results last --json | head -3"
"${run[@]}" results last --json | sed -n 1,3p

say "What Prometheus scrapes"
show "curl http://$http/metrics"
"${curl_in[@]}" -s "http://$http/metrics" | grep -E '^portolan_(probes_total|leases_total|agents)' || true

say "The same as a monitor: it recurs, knows what is normal, and what is expected"
monitor_file >"$work/demo.yaml"
show portolan monitor apply -f demo.yaml
"${run[@]}" monitor apply -f "$work/demo.yaml"
show portolan monitor run-now demo --wait
"${run[@]}" monitor run-now demo --wait
show portolan exposure demo
"${run[@]}" exposure demo

say "A port opens on ${opened[0]}, and the next run finds it; it is probed again before anybody is told"
open_port
"${run[@]}" monitor run-now demo --wait
wait_until 60 has_events
show portolan events demo
"${run[@]}" events demo
show portolan findings demo
"${run[@]}" findings demo
show portolan explain "${opened[@]}"
"${run[@]}" explain "${opened[@]}"
show "curl http://$http/metrics | grep port_open"
wait_until 20 has_metrics
port_metrics

say "Done; everything is stopped again"
