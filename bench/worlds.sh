# shellcheck shell=bash disable=SC2034,SC2154  # sourced by peers.sh and curve.sh, which set $build and use what is set here
# Scans of simulated networks (docs/simnet.md), ours and other scanners'. Needs $build; as root: each world is a network namespace
# with no way out. Where there are two cores, the network has the first and the scanner the second; both go before the machine's other
# work, because a network that is held up has other round-trip times than it says.

lab=$(dirname "${BASH_SOURCE[0]}")/../tests/simnet/lab.sh
export SIMNET=$build/bin/simnet
work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-peers.XXXXXX")
ns=ptlpeers
most=360                          # seconds for a scan
base=${PORTOLAN_SEED_BASE:-1}     # the worlds' first seed: another one is another set of worlds of the same kind
network_core=(nice -n -15) scanner_core=(nice -n -15)
if [ "$(nproc)" -ge 2 ]; then network_core+=(taskset -c 0) scanner_core+=(taskset -c 1); fi
tuned_nmap=(-T5 --min-hostgroup 1024 --min-parallelism 500)

if [ "$(id -u)" -ne 0 ]; then
  echo "not run: network namespaces need root"
  exit 0
fi
[[ $base =~ ^[1-9][0-9]{0,8}$ ]] || { echo "PORTOLAN_SEED_BASE=$base: must be a number from 1" >&2; exit 2; }

clean_up() {
  "$lab" down "$ns" >/dev/null 2>&1
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What the network has seen, one number of its counters: counter NAME. Of the world that world_down has ended.
counter() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$work/counters"; }

# Ends the world, and says so when the simulation itself failed: then its runs prove nothing.
world_down() {
  "$lab" down "$ns" >"$work/counters" 2>/dev/null
  [ -s "$work/counters" ] || return 0
  local name
  for name in queue_full device_drops send_failed untracked; do
    [ "$(counter $name)" = 0 ] || echo "  the simulated network failed: $name $(counter $name)"
  done
}

# world NAME [PARAMETER=VALUE...]: the network, and what a perfect scanner finds there, in $work/truth.
world() {
  world=$*
  world_down
  "${network_core[@]}" "$lab" up "$ns" "$@" >/dev/null || { echo "no network \"$*\""; return 1; }
  local show
  show=$("$SIMNET" show "$@")
  targets=$(grep -o '"targets":"[^"]*"' <<<"$show" | cut -d'"' -f4)
  ports=${world_ports:-$(grep -o '"ports":"[^"]*"' <<<"$show" | cut -d'"' -f4)}
  "$SIMNET" truth "$@" --targets "$targets" --ports "$ports" --states open --format csv |
    awk -F, 'NR > 1 { print $1 ":" $2 }' | sort >"$work/truth"
}

# timed COMMAND...: inside the world; seconds in $took, what it printed in $work/out.
timed() {
  local begin end status
  begin=$(date +%s%N)
  timeout -k 10 "$most" "${scanner_core[@]}" ip netns exec "$ns" "$@" >"$work/out" 2>"$work/err"
  status=$?
  end=$(date +%s%N)
  took=$(awk "BEGIN { printf \"%.1f\", ($end - $begin) / 1e9 }")
  stopped=
  [ "$status" -ne 124 ] || stopped=" (stopped)"
  [ "$status" -le 3 ] || [ "$status" -eq 124 ] || tail -n 3 "$work/err"
}

# judge NAME: holds $work/found against the truth; $recall in percent, $false_open.
judge() {
  sort -u -o "$work/found" "$work/found"
  local all hits
  all=$(wc -l <"$work/truth")
  hits=$(comm -12 "$work/truth" "$work/found" | wc -l)
  false_open=$(comm -13 "$work/truth" "$work/found" | wc -l)
  recall=$(awk "BEGIN { printf \"%.2f\", $all ? 100 * $hits / $all : 100 }")
  printf '  %-34s %-42s %6s s%s, recall %6s %% of %s, %s false\n' "$world" "$1" "$took" "$stopped" "$recall" "$all" "$false_open"
}

# ours FLAG...
ours() {
  rm -rf "$work/state"
  XDG_STATE_HOME=$work/state timed "$build/bin/portolan" scan "$targets" -p "$ports" --allow 198.18.0.0/15 --show open --json "$@"
  sed -n 's/.*"ip": *"\([^"]*\)".*"port": *\([0-9]*\).*"state": *"open".*/\1:\2/p' "$work/out" >"$work/found"
  judge "portolan $*"
}

# nmap_run FLAG...: what it has found when it is stopped counts as well, as far as it has told.
nmap_run() {
  timed nmap -sT -Pn -n -p "$ports" -oG - "$@" "$targets"
  awk '/Ports: / { ip = $2; n = split(substr($0, index($0, "Ports: ") + 7), p, ", ");
         for (i = 1; i <= n; ++i) { split(p[i], f, "/"); if (f[2] == "open") { sub(/ /, "", f[1]); print ip ":" f[1] } } }' \
    "$work/out" >"$work/found"
  judge "nmap $*"
}

# masscan_run FLAG...: over the TUN device, with SYNs of its own that the kernel knows nothing of (and answers SYN-ACKs to them by
# RST, after masscan has seen them). It waits for 10 s after its last probe unless told otherwise.
masscan_run() {
  rm -f "$work/paused.conf"
  timed masscan -e sim0 --adapter-ip 198.18.0.1 --adapter-port 61000 "$targets" -p"$ports" -oL "$work/masscan" "$@"
  awk '$1 == "open" { print $4 ":" $3 }' "$work/masscan" >"$work/found"
  judge "masscan $*"
}

# median_run RUN...: three times, what takes over 60 s once: $took is the median, $recall the least, $false_open the most.
median_run() {
  local all_took=() least="" most_false=0 run
  for run in 1 2 3; do
    "$@"
    all_took+=("$took")
    least=$(awk "BEGIN { print (\"$least\" == \"\" || $recall < \"$least\" + 0) ? \"$recall\" : \"$least\" }")
    [ "$false_open" -le "$most_false" ] || most_false=$false_open
    awk "BEGIN { exit !($took > 60) }" && break
  done
  took=$(printf '%s\n' "${all_took[@]}" | sort -g | sed -n "$(((${#all_took[@]} + 1) / 2))p")
  spread=$(printf '%s\n' "${all_took[@]}" | sort -g | sed -n '1p;$p' | paste -sd- )
  recall=$least false_open=$most_false
}

# summary NAME FIGURE WANTED CONDITION (of awk)
summary() {
  local word=MISSED
  awk "BEGIN { exit !($4) }" && word=ok
  echo "$1: $2 (wanted $3) $word"
}
