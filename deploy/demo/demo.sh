#!/usr/bin/env bash
# A scan from three vantage points, start to end, with real processes: deploy/demo/demo.sh DIRECTORY-OF-PROGRAMS
#
# As root: one target network and three vantage points in network namespaces without a route out; the target's firewall
# answers each vantage differently; all links are mutual TLS. Otherwise: three agents on loopback. Everything that was
# started is stopped again, after at most two minutes.
set -euo pipefail

bin=$(cd "${1:?usage: demo.sh DIRECTORY-OF-PROGRAMS}" && pwd)
work=$(mktemp -d)
pids=()
namespaces=()

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
  printf '\033[2m$ %s\033[0m\n' "$*"
}

cleanup() {
  local status=$? pid ns
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    timeout 15 tail --pid="$pid" -f /dev/null 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  done
  for ns in "${namespaces[@]}"; do ip netns del "$ns" 2>/dev/null || true; done
  if [ "$status" -ne 0 ]; then
    echo "the demo failed ($status); the logs:" >&2
    tail -n 20 "$work"/*.log >&2 || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAMESPACE NAME COMMAND...: in the background, its log in $work/NAME.log
start() {
  local ns=$1 name=$2
  shift 2
  if [ -n "$ns" ]; then
    ip netns exec "$ns" "$@" >"$work/$name.out" 2>"$work/$name.log" &
  else
    "$@" >"$work/$name.out" 2>"$work/$name.log" &
  fi
  pids+=($!)
}

wait_for_log() {
  local file=$1 text=$2 i
  for ((i = 0; i < 200; i++)); do
    grep -q "$text" "$file" 2>/dev/null && return
    sleep 0.1
  done
  echo "gave up waiting for \"$text\" in $file" >&2
  return 1
}

tls() { echo --tls-cert "$work/ca/$1.pem" --tls-key "$work/ca/$1.key" --tls-ca "$work/ca/ca.pem"; }

# wait_for_agents COUNT PORTOLAN-COMMAND...
wait_for_agents() {
  local want=$1 i
  shift
  for ((i = 0; i < 100; i++)); do
    [ "$("$@" agents list --json 2>/dev/null | grep -c '"live":true')" -ge "$want" ] && return
    sleep 0.1
  done
  echo "the agents did not connect" >&2
  return 1
}

demo_in_namespaces() {
  local id=$$ target i v
  target=portolan$id-net
  say "A network (198.19.0.0/24, 2001:db8:ff::/120) and three vantage points: inside, dmz, internet"
  ip netns add "$target"
  namespaces+=("$target")
  ip -n "$target" link set lo up
  ip -n "$target" route add local 198.19.0.0/24 dev lo
  ip -n "$target" -6 route add local 2001:db8:ff::/120 dev lo
  i=0
  for v in inside dmz internet; do
    i=$((i + 1))
    local ns=portolan$id-$v
    ip netns add "$ns"
    namespaces+=("$ns")
    ip link add wire netns "$ns" type veth peer name "$v" netns "$target"
    ip -n "$ns" link set lo up
    ip -n "$ns" link set wire up
    ip -n "$target" link set "$v" up
    ip -n "$ns" addr add "198.18.$i.2/24" dev wire
    ip -n "$target" addr add "198.18.$i.1/24" dev "$v"
    ip -n "$ns" addr add "2001:db8:$i::2/64" dev wire nodad
    ip -n "$target" addr add "2001:db8:$i::1/64" dev "$v" nodad
    ip -n "$ns" route add 198.19.0.0/24 via "198.18.$i.1"
    ip -n "$ns" -6 route add 2001:db8:ff::/120 via "2001:db8:$i::1"
  done
  cat >"$work/rules.nft" <<'RULES'
table inet demo {
  set opened { type ipv4_addr . inet_service; }
  chain in {
    type filter hook input priority 0; policy accept;
    ip daddr . tcp dport @opened accept
    # only these hosts listen; the listeners themselves are on all addresses of the namespace
    ip daddr 198.19.0.0/24 ip daddr != { 198.19.0.10, 198.19.0.20, 198.19.0.30 } tcp flags syn reject with tcp reset
    ip6 daddr 2001:db8:ff::/120 ip6 daddr != 2001:db8:ff::10 tcp flags syn reject with tcp reset
    ip daddr 198.19.0.10 tcp dport != { 22, 80, 443 } tcp flags syn reject with tcp reset
    ip6 daddr 2001:db8:ff::10 tcp dport != { 22, 80, 443 } tcp flags syn reject with tcp reset
    ip daddr 198.19.0.20 tcp dport != { 22, 5432 } tcp flags syn reject with tcp reset
    ip daddr 198.19.0.30 tcp dport != { 22, 23 } tcp flags syn reject with tcp reset
    # the firewall: what each vantage may see
    iifname { dmz, internet } tcp dport 22 meta nfproto ipv4 drop
    iifname internet tcp dport 22 meta nfproto ipv6 drop
    iifname internet tcp dport 5432 reject with icmp type admin-prohibited
    iifname dmz tcp dport 23 reject with icmpx type port-unreachable
  }
}
RULES
  ip netns exec "$target" nft -f "$work/rules.nft"
  # The services: anything that accepts will do.
  for v in 22 23 80 443 5432; do
    start "$target" "service4-$v" openssl s_server -quiet -4 -accept "0.0.0.0:$v" -nocert -cipher 'aNULL:@SECLEVEL=0'
    start "$target" "service6-$v" openssl s_server -quiet -6 -accept "[::]:$v" -nocert -cipher 'aNULL:@SECLEVEL=0'
  done

  "$bin/portolan" ca init --out "$work/ca" --valid 1d 2>"$work/ca.log"
  "$bin/portolan" ca issue coordinator --out "$work/ca" --ip 198.18.1.1 --ip 198.18.2.1 --ip 198.18.3.1 --ip 127.0.0.1
  "$bin/portolan" ca issue agent --out "$work/ca"
  "$bin/portolan" ca issue operator --out "$work/ca"

  say "The coordinator, and an agent at each vantage point (mutual TLS)"
  # shellcheck disable=SC2046  # the flags are words
  start "$target" coordinator "$bin/portolan-coordinator" --listen 0.0.0.0:7411 --http 127.0.0.1:7412 --data "$work/data" \
    $(tls coordinator)
  wait_for_log "$work/coordinator.log" listening
  i=0
  for v in inside dmz internet; do
    i=$((i + 1))
    # shellcheck disable=SC2046
    start "portolan$id-$v" "agent-$v" "$bin/portolan-agent" --coordinator "198.18.$i.1:7411" --vantage "$v" --name "agent-$v" \
      $(tls agent)
  done
  # shellcheck disable=SC2207  # the flags are words
  run=(ip netns exec "$target" "$bin/portolan" --coordinator 127.0.0.1:7411 $(tls operator))
  curl_in=(ip netns exec "$target" curl)
  targets=(198.19.0.0/24 2001:db8:ff::/120)
  ports=22,23,80,443,5432
  opened=(198.19.0.20 23)
  demo_network=$target
  open_port() { ip netns exec "$demo_network" nft add element inet demo opened '{ 198.19.0.20 . 23 }'; }
}

demo_on_loopback() {
  say "Not root: three agents on loopback (as root, each vantage has a network and a firewall of its own)"
  start "" coordinator "$bin/portolan-coordinator" --listen 127.0.0.1:0 --http 127.0.0.1:0 --data "$work/data"
  wait_for_log "$work/coordinator.log" listening
  local grpc v
  grpc=$(grep -o 'grpc=[^ ]*' "$work/coordinator.log" | head -1 | cut -d= -f2)
  http=$(grep -o 'http=[^ ]*' "$work/coordinator.log" | head -1 | cut -d= -f2)
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

# wait_until SECONDS COMMAND...: until it succeeds
wait_until() {
  local i most=$(($1 * 5))
  shift
  for ((i = 0; i < most; i++)); do
    "$@" && return
    sleep 0.2
  done
  echo "gave up waiting for: $*" >&2
  return 1
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
demo_network=
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
