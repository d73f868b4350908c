#!/usr/bin/env bash
# Recall and time of a scan in simulated networks, ours and the peers' in the same run: ./dev bench peers
#   peers.sh BUILD_DIRECTORY [RUN...]
# Speeds are with -T5, the default's told beside. A scan is stopped after 6 minutes, and told so; what takes over 60 s runs once, all
# else is the median of three. naabu and RustScan take part where they are found: in PATH, or by PORTOLAN_NAABU=PATH and PORTOLAN_RUSTSCAN=PATH;
# PORTOLAN_NAABU_FLAGS and PORTOLAN_RUSTSCAN_FLAGS are their settings, which are printed beside their recall and sockets.
# PORTOLAN_SEED_BASE=N: other worlds of the same kind than those that the settings were tuned on (1 to 5).
# Lines for run.sh's table: "NAME: FIGURE (wanted WANTED) ok|MISSED". About 50 minutes.
set -uo pipefail

build=$(realpath "${1:?usage: peers.sh BUILD_DIRECTORY [RUN...]}")
shift
# shellcheck source=bench/worlds.sh
. "$(dirname "$0")/worlds.sh"

ratio() { awk "BEGIN { printf \"%.$3f\", $1 / $2 }"; }

run_standard() {
  local seed fast="" hits=0 all=0 false=0 times=()
  for seed in $(seq "$base" $((base + 4))); do
    world standard "seed=$seed" || return
    ours -T5
    times+=("$took")
    hits=$((hits + $(comm -12 "$work/truth" "$work/found" | wc -l)))
    all=$((all + $(wc -l <"$work/truth")))
    false=$((false + false_open))
  done
  fast=$(printf '%s\n' "${times[@]}" | sort -g | sed -n 3p)
  world standard "seed=$base" || return
  others
  median_run ours
  summary standard "$(awk "BEGIN { printf \"%.3f\", 100 * $hits / $all }") % of $all open ports in five worlds, $false false, median $fast s with -T5; default $took s$others" \
    "at least 99.95 % in at most 4 s, none false" "$hits >= 0.9995 * $all && $false == 0 && $fast <= 4"
  median_run nmap_run "${tuned_nmap[@]}"
  summary standard-tuned-nmap "$(ratio "$took" "$fast" 1) times as fast as tuned nmap ($took s$stopped, recall $recall %)" \
    "at least 10" "$took >= 10 * $fast"
  median_run nmap_run -T4
  summary standard-nmap "$(ratio "$took" "$fast" 1) times as fast as nmap -T4 ($took s$stopped, recall $recall %)" \
    "at least 50" "$took >= 50 * $fast"
}

# on_wire: the seconds from the first SYN to the last of what has run in this world, as the network saw them. Ends the world.
on_wire() {
  world_down
  wire=$(counter syn_seconds)
}

# bare LOOP: a loop that makes the system calls alone, in the world of fast256.
bare() {
  world fast256 "seed=$base" || return
  timed "$build/bench/world_rate" --first=198.19.0.0 --addresses=256 --ports=1000 "--loop=$1"
  took=$(cat "$work/out")
  on_wire
  printf '  %-34s %-42s %6.1f s, %.2f s from the first SYN to the last\n' "$world" "bare loop over $1" "$took" "$wire"
}

# shares_of_bare LOOP ENGINE: three pairs of runs in turn; $share is the median of the engine's share of the loop's rate, $fast the median
# of the seconds of a whole command; $recall_mine goes down to the least. The share counts from the first SYN to the last, which the network
# sees of both alike; the last outcome is one round trip later for both. Of a pair in which the network failed nothing counts but its
# recall, and another one is run, up to six in all.
shares_of_bare() {
  local loop=$1 engine=$2 pair bare_wire bare_failed shares=() took_all=()
  for pair in 1 2 3 4 5 6; do
    [ ${#shares[@]} -lt 3 ] || break
    bare "$loop" || return
    bare_wire=$wire bare_failed=$failed
    world fast256 "seed=$base" || return
    ours -T5 --engine "$engine"
    recall_mine=$(awk "BEGIN { print $recall < $recall_mine ? $recall : $recall_mine }")
    on_wire
    [ -z "$bare_failed$failed" ] || continue
    took_all+=("$took")
    shares+=("$(ratio "$bare_wire" "$wire" 3)")
    echo "  pair $pair over $engine: $wire s from the first SYN to the last, ${shares[-1]} of the bare loop"
  done
  [ ${#shares[@]} -eq 3 ] || { echo "  the network failed too often on this machine now"; return 1; }
  share=$(printf '%s\n' "${shares[@]}" | sort -g | sed -n 2p)
  fast=$(printf '%s\n' "${took_all[@]}" | sort -g | sed -n 2p)
}

run_fast256() {
  local share fast epoll uring recall_mine=100 default
  shares_of_bare epoll epoll || return
  epoll=$share
  shares_of_bare io_uring io_uring || return
  uring=$share
  world fast256 "seed=$base" || return
  others
  median_run ours
  default=$took
  median_run nmap_run "${tuned_nmap[@]}"
  summary fast256 "$fast s (default $default s), recall $recall_mine %; $(ratio "$took" "$fast" 2) times tuned nmap's rate ($took s$stopped, recall $recall %)$others" \
    "100 % and 3.5 times" "$recall_mine == 100 && $took >= 3.5 * $fast"
  summary fast256-bare "$epoll of the bare loop's rate over epoll, $uring of the one over io_uring, from the first SYN to the last" \
    "at least 0.95 of each" "$epoll >= 0.95 && $uring >= 0.95"
}

run_onehost() {
  local name mine mine_recall default recall_default
  for name in onehost onehost-drop; do
    world $name "seed=$base" || return
    median_run ours -T5
    mine=$took mine_recall=$recall
    median_run ours
    default=$took recall_default=$recall
    others
    median_run nmap_run "${tuned_nmap[@]}"
    summary $name "$mine s, recall $mine_recall % (default $default s, $recall_default %; tuned nmap $took s$stopped, $recall %)$others" \
      "under 30 s, 100 %" "$mine < 30 && $mine_recall == 100"
  done
}

run_dark() {
  world dark "seed=$base" || return
  median_run ours -T5
  local mine=$took
  median_run ours
  summary dark "$mine s (default $took s$stopped)" "under 60 s" "$mine < 60"
}

# Where packets are lost, the default is what has to be right.
run_lossy() {
  local mine mine_recall fast
  world lossy "seed=$base" || return
  median_run ours -T5
  fast="-T5: $recall % in $took s"
  median_run ours
  mine=$took mine_recall=$recall
  median_run nmap_run "${tuned_nmap[@]}"
  summary lossy "recall $mine_recall % in $mine s ($fast; tuned nmap: $recall % in $took s$stopped)" "at least 99.5 %" "$mine_recall >= 99.5"
}

run_ratelimited() {
  local mine mine_recall others
  world ratelimited "seed=$base" || return
  median_run ours -T5
  others="-T5: $recall % in $took s"
  median_run ours
  mine=$took mine_recall=$recall
  median_run nmap_run "${tuned_nmap[@]}"
  others+="; tuned nmap: $recall % in $took s$stopped"
  median_run nmap_run -T4
  others+="; nmap -T4: $recall % in $took s$stopped"
  local rate
  for rate in 100 1000 10000; do  # 100/s is its default
    median_run masscan_run --rate $rate
    others+="; masscan --rate $rate: $recall % in $took s$stopped"
  done
  summary ratelimited "recall $mine_recall % in $mine s ($others)" "at least 99.5 %" "$mine_recall >= 99.5"
}

run_accept_reset() {
  world accept-reset "seed=$base" || return
  median_run ours
  summary accept-reset "recall $recall %, $false_open false, $took s" "100 %" "$recall == 100"
}

runs=("$@")
[ ${#runs[@]} -gt 0 ] || runs=(standard fast256 onehost dark lossy ratelimited accept_reset)
for run in "${runs[@]}"; do
  declare -F "run_$run" >/dev/null || { echo "no world \"$run\"; there are: standard fast256 onehost dark lossy ratelimited accept_reset" >&2; exit 2; }
done
status=0
for run in "${runs[@]}"; do
  echo "  $run: load $(cut -d' ' -f1-3 /proc/loadavg) before"
  "run_$run" || { echo "$run: did not run to its end (wanted a figure) MISSED"; status=1; }
  echo "  $run: load $(cut -d' ' -f1-3 /proc/loadavg) after"
done
world_down
[ "$status" -eq 0 ]
