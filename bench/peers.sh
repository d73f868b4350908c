#!/usr/bin/env bash
# Recall and time of a scan in simulated networks (docs/simnet.md), ours and a peer's in the same run: ./dev bench peers
#   peers.sh BUILD_DIRECTORY [RUN...]
# As root: each world is a network namespace with no way out. A scan is stopped after 6 minutes, and told so. What takes long runs
# once. Lines for run.sh's table: "NAME: FIGURE (wanted WANTED) ok|MISSED".
set -uo pipefail

build=$(realpath "${1:?usage: peers.sh BUILD_DIRECTORY [RUN...]}")
shift
here=$(cd "$(dirname "$0")" && pwd)
lab=$here/../tests/simnet/lab.sh
export SIMNET=$build/bin/simnet
work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-peers.XXXXXX")
ns=ptlpeers
most=360  # seconds for a scan

if [ "$(id -u)" -ne 0 ]; then
  echo "peers: not run: network namespaces need root"
  exit 0
fi

clean_up() {
  "$lab" down "$ns" >/dev/null 2>&1
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# world NAME [PARAMETER=VALUE...]: the network, and what a perfect scanner finds there, in $work/truth.
world() {
  world=$*
  "$lab" down "$ns" >/dev/null 2>&1
  "$lab" up "$ns" "$@" >/dev/null || { echo "no network \"$*\""; return 1; }
  "$SIMNET" truth "$@" --states open --format csv | awk -F, 'NR > 1 { print $1 ":" $2 }' | sort >"$work/truth"
  targets=$("$SIMNET" show "$@" | sed 's/.*"targets":"\([^"]*\)".*/\1/')
  ports=$("$SIMNET" show "$@" | sed 's/.*"ports":"\([^"]*\)".*/\1/')
}

# timed NAME COMMAND...: inside the world; seconds in $took, what it printed in $work/out.
timed() {
  local name=$1 begin end status
  shift
  begin=$(date +%s%N)
  timeout -k 10 "$most" ip netns exec "$ns" "$@" >"$work/out" 2>"$work/err"
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
  printf '  %-34s %-34s %6s s%s, recall %6s %% of %s, %s false\n' "$world" "$1" "$took" "$stopped" "$recall" "$all" "$false_open"
}

# ours NAME FLAG...
ours() {
  local name=$1
  shift
  rm -rf "$work/state"
  XDG_STATE_HOME=$work/state timed "$name" "$build/bin/portolan" scan "$targets" -p "$ports" --allow 198.18.0.0/15 --show open --json "$@"
  sed -n 's/.*"ip": *"\([^"]*\)".*"port": *\([0-9]*\).*"state": *"open".*/\1:\2/p' "$work/out" >"$work/found"
  judge "portolan $*"
}

# nmap_run FLAG...
nmap_run() {
  timed nmap nmap -sT -Pn -n -p "$ports" -oG - "$@" "$targets"
  awk '/Ports: / { ip = $2; n = split(substr($0, index($0, "Ports: ") + 7), p, ", ");
         for (i = 1; i <= n; ++i) { split(p[i], f, "/"); if (f[2] == "open") { sub(/ /, "", f[1]); print ip ":" f[1] } } }' \
    "$work/out" >"$work/found"
  judge "nmap $*"
}

# summary NAME FIGURE WANTED CONDITION (of awk)
summary() {
  local word=MISSED
  awk "BEGIN { exit !($4) }" && word=ok
  echo "$1: $2 (wanted $3) $word"
}

run_standard() {
  local seed fast="" hits=0 all=0 false=0 times=() careful_took
  for seed in 1 2 3 4 5; do
    world standard "seed=$seed" || return
    ours portolan -T5
    times+=("$took")
    hits=$((hits + $(comm -12 "$work/truth" "$work/found" | wc -l)))
    all=$((all + $(wc -l <"$work/truth")))
    false=$((false + false_open))
  done
  fast=$(printf '%s\n' "${times[@]}" | sort -g | sed -n 3p)
  summary standard "$(awk "BEGIN { printf \"%.3f\", 100 * $hits / $all }") % of $all open ports in five worlds, $false false, median $fast s with -T5" \
    "at least 99.9 %, none false" "$hits >= 0.999 * $all && $false == 0"
  world standard seed=1 || return
  ours portolan
  careful_took=$took
  echo "  (with the default, -T3: $careful_took s)"
  nmap_run -T5 --min-hostgroup 1024 --min-parallelism 500
  summary standard-tuned-nmap "$(awk "BEGIN { printf \"%.1f\", $took / $fast }") times as fast as tuned nmap ($took s$stopped, recall $recall %)" \
    "at least 10" "$took >= 10 * $fast"
  nmap_run -T4
  summary standard-nmap "$(awk "BEGIN { printf \"%.1f\", $took / $fast }") times as fast as nmap -T4 ($took s$stopped, recall $recall %)" \
    "at least 50" "$took >= 50 * $fast"
}

run_fast256() {
  local mine
  world fast256 || return
  ours portolan -T5
  mine=$took
  local mine_recall=$recall
  nmap_run -T5 --min-hostgroup 1024 --min-parallelism 500
  summary fast256 "$mine s, recall $mine_recall %; $(awk "BEGIN { printf \"%.1f\", $took / $mine }") times tuned nmap's rate ($took s$stopped)" \
    "100 % and 3.5 times" "$mine_recall == 100 && $took >= 3.5 * $mine"
}

run_onehost() {
  local name
  for name in onehost onehost-drop; do
    world $name || return
    ours portolan -T5
    summary $name "$took s, recall $recall %" "under 30 s, 100 %" "$took < 30 && $recall == 100"
  done
}

run_dark() {
  world dark || return
  ours portolan -T5
  summary dark "$took s" "under 60 s" "$took < 60"
}

run_lossy() {
  world lossy || return
  ours portolan
  summary lossy "recall $recall % in $took s" "at least 99.5 %" "$recall >= 99.5"
}

run_ratelimited() {
  world ratelimited || return
  ours portolan
  summary ratelimited "recall $recall % in $took s" "at least 99.5 %" "$recall >= 99.5"
}

run_accept_reset() {
  world accept-reset || return
  ours portolan
  summary accept-reset "recall $recall %, $false_open false" "100 %" "$recall == 100"
}

runs=("$@")
[ ${#runs[@]} -gt 0 ] || runs=(standard fast256 onehost dark lossy ratelimited accept_reset)
for run in "${runs[@]}"; do "run_$run"; done
