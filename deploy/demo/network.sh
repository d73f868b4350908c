# shellcheck shell=bash
# The network of the demo and of the dashboards' previews, for root: hosts, a firewall, three vantage points, without a route out.
# After live.sh; $bin holds the programs.
# shellcheck disable=SC2154  # both are the script's that reads this

vantages=(inside dmz internet)

# make_network: 198.19.0.0/24 and 2001:db8:ff::/120 in the namespace $target. The namespace of a vantage is "$target-VANTAGE"; the network is
# its 198.18.N.1, it is 198.18.N.2, in the order of $vantages.
make_network() {
  local ns i v
  target=portolan$$
  ip netns add "$target"
  namespaces+=("$target")
  ip -n "$target" link set lo up
  ip -n "$target" route add local 198.19.0.0/24 dev lo
  ip -n "$target" -6 route add local 2001:db8:ff::/120 dev lo
  i=0
  for v in "${vantages[@]}"; do
    i=$((i + 1))
    ns=$target-$v
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
}

# Certificates of the coordinator, its agents and its operators.
make_certificates() {
  "$bin/portolan" ca init --out "$work/ca" --valid 1d 2>"$work/ca.log"
  "$bin/portolan" ca issue coordinator --out "$work/ca" --ip 198.18.1.1 --ip 198.18.2.1 --ip 198.18.3.1 --ip 127.0.0.1
  "$bin/portolan" ca issue agent --out "$work/ca"
  "$bin/portolan" ca issue operator --out "$work/ca"
}

tls() { echo --tls-cert "$work/ca/$1.pem" --tls-key "$work/ca/$1.key" --tls-ca "$work/ca/ca.pem"; }

# start_agent VANTAGE [OPTION...]: calls the coordinator at its side of the network
start_agent() {
  local v=$1 i
  shift
  for i in "${!vantages[@]}"; do [ "${vantages[i]}" != "$v" ] || break; done
  # shellcheck disable=SC2046  # the flags are words
  start "$target-$v" "agent-$v" "$bin/portolan-agent" --coordinator "198.18.$((i + 1)).1:7411" --vantage "$v" --name "agent-$v" \
    $(tls agent) "$@"
}
