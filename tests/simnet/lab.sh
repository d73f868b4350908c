#!/usr/bin/env bash
# A simulated network in a network namespace with no other way out, for benches and tries by hand. As root:
#   lab.sh up NS [WORLD] [NAME=VALUE...] [--OPTION VALUE...]   namespace NS with the network (arguments: simnet run)
#   lab.sh vantage NS I        namespace NSvI (I of 1..250), 198.18.I.2 and 2001:db8:I::2, on a wire of its own to NS, which forwards
#   lab.sh counters NS         prints what was seen so far, one line of JSON
#   lab.sh down NS             ends it, prints what was seen, removes NS and its vantages
# Scan with: ip netns exec NS portolan scan ... (or NSvI). SIMNET is the program, if not build/gcc/bin/simnet.
# Files: ${TMPDIR:-/tmp}/simnet-NS/{counters.json,hosts.csv,log,pid}
set -euo pipefail

die() {
  echo "lab.sh: $*" >&2
  exit 1
}
usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -ge 2 ] || usage
verb=$1 ns=$2
shift 2
[[ $ns =~ ^[a-z][a-z0-9]{0,9}$ ]] || die "namespace \"$ns\": 1 to 10 small letters and digits"
simnet=${SIMNET:-$(dirname "$0")/../../build/gcc/bin/simnet}
dir=${TMPDIR:-/tmp}/simnet-$ns

remove() {
  local name
  for name in $(ip netns list | awk '{ print $1 }'); do
    [[ $name =~ ^${ns}(v[0-9]+)?$ ]] && ip netns del "$name"
  done
  rm -rf "$dir"
}

# Whether the simulation still runs (and the number is not another process's by now).
running() { [ -e "$dir/pid" ] && grep -qs simnet "/proc/$(cat "$dir/pid")/comm"; }

up() {
  [ -x "$simnet" ] || die "$simnet: no such program; SIMNET says where it is"
  [ ! -e "$dir" ] || die "$dir exists: end the last one with: lab.sh down $ns"
  mkdir "$dir"
  ip netns add "$ns"
  ip netns exec "$ns" "$simnet" run --counters "$dir/counters.json" --per-address "$dir/hosts.csv" "$@" \
    >"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  for _ in $(seq 100); do
    grep -qx ready "$dir/log" && return
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.05
  done
  cat "$dir/log" >&2
  remove
  die "the network did not come up"
}

vantage() {
  local i=$1 v=${ns}v$1 w=w$1
  if ! [[ $i =~ ^[1-9][0-9]{0,2}$ ]] || [ "$i" -gt 250 ]; then die "vantage $i: 1 to 250"; fi
  ip netns add "$v"
  ip link add wire netns "$v" type veth peer name "$w" netns "$ns"
  ip -n "$v" -batch - <<TEXT
link set lo up
link set wire up
addr add 198.18.$i.2/24 dev wire
addr add 2001:db8:$i::2/64 dev wire nodad
TEXT
  ip -n "$ns" -batch - <<TEXT
link set $w up
addr add 198.18.$i.1/24 dev $w
addr add 2001:db8:$i::1/64 dev $w nodad
TEXT
  ip -n "$v" route add 198.18.0.0/15 via "198.18.$i.1"
  ip -n "$v" route add 2001:db8::/32 via "2001:db8:$i::1"
  ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

counters() {
  running || die "nothing runs in $ns"
  rm -f "$dir/counters.json"
  kill -USR1 "$(cat "$dir/pid")"
  for _ in $(seq 100); do
    [ ! -e "$dir/counters.json" ] || break
    sleep 0.02
  done
  cat "$dir/counters.json"
}

down() {
  if running; then
    rm -f "$dir/counters.json"
    kill -TERM "$(cat "$dir/pid")"
    for _ in $(seq 100); do
      running || break
      sleep 0.05
    done
    cat "$dir/counters.json"
  fi
  remove
}

case $verb in
  up) up "$@" ;;
  vantage) vantage "${1:?which one?}" ;;
  counters) counters ;;
  down) down ;;
  *) usage ;;
esac
