#!/usr/bin/env bash
# Draws the dashboards into docs/dashboards, as previews, from live data: preview.sh DIRECTORY-OF-PROGRAMS [OPTION OF preview.py...]
#
# As root: it makes the demo's network (deploy/demo/network.sh), lets two monitors watch it for eight minutes in which a port opens,
# another closes and comes back, and a vantage is cut off; a real Prometheus scrapes the coordinator and the agents. Nothing leaves the
# machine, and what was started is stopped again. With PROMETHEUS_URL set that one is asked, and nothing is started.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=${1:?usage: preview.sh DIRECTORY-OF-PROGRAMS [OPTION OF preview.py...]}
shift
[ -z "${PROMETHEUS_URL:-}" ] || exec python3 "$here/preview.py" "$PROMETHEUS_URL" "$@"
if [ "$(id -u)" -ne 0 ]; then
  echo "preview.sh: needs root, for network namespaces; or set PROMETHEUS_URL to one that scrapes a coordinator" >&2
  exit 2
fi
bin=$(cd "$bin" && pwd)

# shellcheck source=deploy/live.sh
. "$here/../live.sh"
# shellcheck source=deploy/demo/network.sh
. "$here/../demo/network.sh"
# shellcheck source=deploy/grafana/prometheus.sh
. "$here/prometheus.sh"
logs_when_it_fails=yes

# Addresses of the demo's network that have no service are probed too: a run should take some seconds.
monitors() {
  cat <<'YAML'
apiVersion: portolan/v1
kind: Monitor
metadata: {name: web, owner: web-team@example.org}
spec:
  targets: [198.19.0.0/27, "2001:db8:ff::10"]
  ports: 1-300,443
  vantages:
    - {name: inside, role: inside}
    - {name: dmz, role: outside}
    - {name: internet, role: outside}
  schedule: {every: 1m, at: 5s}
  rate: {maxRate: 2500, timeout: 500ms, retryDelay: 200ms}
  confirmation: {probes: 3, needed: 2, delay: 2s}
  profiles: [no-clear-text, no-remote-admin-from-outside]
  expectations:
    - {name: web-is-up, action: must-be-open, targets: [198.19.0.10], ports: "80,443", severity: high}
  canaries:
    open: ["198.19.0.10:80", "[2001:db8:ff::10]:80", "[2001:db8:ff::10]:443"]
    closed: ["198.19.0.10:9", "198.19.0.20:9"]
  webhooks: [on-call]
---
apiVersion: portolan/v1
kind: Monitor
metadata: {name: databases, owner: data-team@example.org}
spec:
  targets: [198.19.0.16/28]
  ports: "22,1433,3306,5000-5500,6379,27017"
  vantages:
    - {name: inside, role: inside}
    - {name: dmz, role: outside}
  schedule: {every: 1m, at: 35s}
  rate: {maxRate: 1500, timeout: 500ms, retryDelay: 200ms}
  confirmation: {probes: 3, needed: 2, delay: 2s}
  profiles: [no-databases-from-outside]
  webhooks: [on-call]
YAML
}

inside() { ip netns exec "$target" "$@"; }

# What the script changes about the network is a table of its own: `change` adds to it, `restore` takes it all back.
change() { inside nft add rule inet changes in "$@"; }
restore() { inside nft flush chain inet changes in; }

has_runs() { [ "$("${run[@]}" monitor list 2>/dev/null | grep -cE '^(web|databases) ')" -eq 2 ]; }

make_network
make_certificates
inside nft -f - <<'RULES'
table inet changes {
  chain in { type filter hook input priority -1; policy accept; }
}
RULES
mkdir "$work/monitors"
monitors >"$work/monitors/monitors.yaml"
printf 'receivers:\n  - {name: on-call, url: "http://127.0.0.1:8080/"}\n' >"$work/webhooks.yaml"
# shellcheck disable=SC2046  # the flags are words
start "$target" coordinator "$bin/portolan-coordinator" --listen 0.0.0.0:7411 --http 127.0.0.1:7412 --data "$work/data" \
  --monitors "$work/monitors" --webhooks "$work/webhooks.yaml" $(tls coordinator)
wait_for_log coordinator '(listening)' >/dev/null
coordinators=(127.0.0.1:7412) agents=()
i=0
for v in "${vantages[@]}"; do
  i=$((i + 1))
  start_agent "$v" --http "198.18.$i.2:7413"
  agents+=("198.18.$i.2:7413")
done
# shellcheck disable=SC2207  # the flags are words
run=(ip netns exec "$target" "$bin/portolan" --coordinator 127.0.0.1:7411 $(tls operator))
wait_for_agents 3 "${run[@]}"
wait_until 20 has_runs
start_prometheus "$target" 127.0.0.1:9090
begun=$SECONDS

# at SECONDS WHAT: waits until so long after the beginning
at() {
  local left=$(($1 + begun - SECONDS))
  if [ "$left" -gt 0 ]; then sleep "$left"; fi
  printf '%3d s: %s\n' "$1" "$2" >&2
}
scan() { "${run[@]}" scan "$@" --detach >>"$work/scans.log"; }

at 20 "a scan of the whole network, split over the vantages"
scan 198.19.0.0/24 -p 1-400 --max-rate 1500 --timeout 300ms
at 150 "telnet opens on 198.19.0.20, and nobody answers the webhook"
inside nft add element inet demo opened '{ 198.19.0.20 . 23 }'
at 185 "the receiver of the webhook is back"
start "$target" receiver python3 -c '
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Receiver).serve_forever()'
at 215 "https closes on 198.19.0.10"
change ip daddr 198.19.0.10 tcp dport 443 tcp flags syn reject with tcp reset
at 285 "the internet's vantage sees nothing any more"
change iifname internet ip daddr 198.19.0.0/24 drop
change iifname internet ip6 daddr 2001:db8:ff::/120 drop
at 375 "all is as it was, but for telnet"
restore
at 400 "three scans: one is paused"
scan 198.19.0.0/24 -p 1-400 --max-rate 900 --timeout 300ms --each-vantage
scan 198.19.0.0/25 -p 400-1000 --max-rate 800 --timeout 300ms
scan 198.19.0.128/25 -p 1-200 --max-rate 600 --timeout 300ms
at 430 "the last one is paused"
"${run[@]}" scans pause last
at 480 "the pictures"
inside python3 "$here/preview.py" "http://$address" --rate-interval "$rate_interval" --minutes 8 --monitor web "$@"
