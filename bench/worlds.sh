# shellcheck shell=bash disable=SC2034,SC2154  # sourced by peers.sh and curve.sh, which set $build and use what is set here
# Scans of simulated networks (docs/simnet.md), ours and other scanners'. Needs $build; as root: each world is a network namespace
# with no way out. Where there are two cores, the network has the first and the scanner the second; both go before the machine's other
# work, because a network that is held up has other round-trip times than it says.

lab=$(dirname "${BASH_SOURCE[0]}")/../tests/simnet/lab.sh
export SIMNET=$build/bin/simnet
work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-peers.XXXXXX")
ns=ptl$(($$ % 1000000))  # so that two runs on one machine have worlds of their own
most=360                          # seconds for a scan
base=${PORTOLAN_SEED_BASE:-1}     # the worlds' first seed: another one is another set of worlds of the same kind
network_core=(nice -n -15) scanner_core=(nice -n -15)
if [ "$(nproc)" -ge 2 ]; then network_core+=(taskset -c 0) scanner_core+=(taskset -c 1); fi
tuned_nmap=(-T5 --min-hostgroup 1024 --min-parallelism 500)
# Programs of others that are run where the developer's machine has them, in PATH or where a variable says; nothing of them is here.
naabu=${PORTOLAN_NAABU:-$(command -v naabu)} rustscan=${PORTOLAN_RUSTSCAN:-$(command -v rustscan)}
read -ra naabu_flags <<<"${PORTOLAN_NAABU_FLAGS:--c 4096 -rate 100000 -retries 2}"
read -ra rustscan_flags <<<"${PORTOLAN_RUSTSCAN_FLAGS:--b 4096 -t 500 --tries 2}"

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

# Ends the world, and says so when the simulation itself failed ($failed is then not empty): then its runs prove nothing.
world_down() {
  failed=
  "$lab" down "$ns" >"$work/counters" 2>/dev/null
  [ -s "$work/counters" ] || return 0
  local name
  for name in queue_full device_drops send_failed untracked; do
    [ "$(counter $name)" = 0 ] || failed+=" $name $(counter $name)"
  done
  [ -z "$failed" ] || echo "  the simulated network failed:$failed"
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

# found NAME PROGRAM VARIABLE: whether there is such a program; else says what to do, once.
found() {
  [ -n "$2" ] && [ -x "$2" ] && return 0
  [ -e "$work/no-$1" ] || echo "  $1: not run: ${2:-no such program in PATH}${2:+ is no program}; $3=PATH says where it is"
  : >"$work/no-$1"
  return 1
}

# The most TCP sockets that the world had at once so far, in $work/sockets, ten times a second until it is killed.
count_sockets() {
  local most=0 name word now
  while :; do
    while read -r name word now _; do
      [ "$name" = TCP: ] && [ "$word" = inuse ] && [ "$now" -gt "$most" ] && most=$now
    done </proc/net/sockstat
    echo "$most" >"$work/sockets"
    sleep 0.1
  done
}

# timed COMMAND...: inside the world; seconds in $took, what it printed in $work/out, the most sockets at once in $sockets.
timed() {
  local begin end status counter_pid
  echo 0 >"$work/sockets"
  export work
  ip netns exec "$ns" bash -c "$(declare -f count_sockets); count_sockets" 2>/dev/null &
  counter_pid=$!
  begin=$(date +%s%N)
  timeout -k 10 "$most" "${scanner_core[@]}" ip netns exec "$ns" "$@" >"$work/out" 2>"$work/err" </dev/null
  status=$?
  end=$(date +%s%N)
  kill "$counter_pid"
  wait "$counter_pid" 2>/dev/null
  sockets=$(cat "$work/sockets")
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
  printf '  %-34s %-42s %6s s%s, recall %6s %% of %s, %s false, at most %s sockets\n' "$world" "$1" "$took" "$stopped" "$recall" "$all" \
    "$false_open" "${sockets:-?}"
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
  timed masscan -e sim0 --adapter-ip 198.18.0.1 --adapter-port 61000 "$targets" -p"$ports" -oL "$work/masscan.out" "$@"
  awk '$1 == "open" { print $4 ":" $3 }' "$work/masscan.out" >"$work/found"
  judge "masscan $*"
}

# naabu_found FILE: "address:port" lines, of which others (its banner, warnings, colours) are left out.
naabu_found() { sed 's/\x1b\[[0-9;]*m//g; s/[[:space:]]*$//' "$1" | grep -E '^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+$'; }

# naabu_run FLAG...: connect scan; no look for live hosts, no call for updates, no files in the home directory.
naabu_run() {
  timed env "HOME=$work/home" "$naabu" -host "$targets" -p "$ports" -s c -Pn -duc -silent "$@"
  naabu_found "$work/out" >"$work/found"
  judge "naabu $*"
}

# rustscan_found FILE: of "198.19.0.1 -> [22,80]".
rustscan_found() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '$1 ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/ && $2 == "->" {
    ip = $1; list = $0; sub(/^[^[]*\[/, "", list); sub(/\].*$/, "", list); n = split(list, p, ",")
    for (i = 1; i <= n; ++i) { gsub(/[^0-9]/, "", p[i]); if (p[i] != "") print ip ":" p[i] } }'
}

# rustscan_run FLAG...: the ports alone, no nmap after it.
rustscan_run() {
  local which=(-p "$ports")
  [[ $ports =~ ^[0-9]+-[0-9]+$ ]] && which=(-r "$ports")
  timed env "HOME=$work/home" "$rustscan" -a "$targets" "${which[@]}" -g --no-config --scan-order random "$@"
  rustscan_found "$work/out" >"$work/found"
  judge "rustscan $*"
}

# others: naabu and RustScan in this world, as far as they are here; what they did in $others, "" or "; naabu ...: 91.20 % in 11.0 s ...".
others() {
  others=
  if found naabu "$naabu" PORTOLAN_NAABU; then
    median_run naabu_run "${naabu_flags[@]}"
    others+="; naabu ${naabu_flags[*]}: $recall % in $took s$stopped, $sockets sockets"
  fi
  if found rustscan "$rustscan" PORTOLAN_RUSTSCAN; then
    median_run rustscan_run "${rustscan_flags[@]}"
    others+="; rustscan ${rustscan_flags[*]}: $recall % in $took s$stopped, $sockets sockets"
  fi
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
