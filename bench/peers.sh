#!/usr/bin/env bash
# Recall and time of a scan in simulated networks, ours and the peers' in the same run: ./dev bench peers
#   peers.sh BUILD_DIRECTORY [RUN...]
# Speeds are with -T5, the default's told beside. A scan is stopped after 6 minutes, and told so; what takes over 60 s runs once, all
# else is the median of three. PORTOLAN_SEED_BASE=N: other worlds of the same kind than those that the settings were tuned on (1 to 5).
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
  median_run ours
  summary standard "$(awk "BEGIN { printf \"%.3f\", 100 * $hits / $all }") % of $all open ports in five worlds, $false false, median $fast s with -T5; default $took s" \
    "at least 99.9 %, none false" "$hits >= 0.999 * $all && $false == 0"
  median_run nmap_run "${tuned_nmap[@]}"
  summary standard-tuned-nmap "$(ratio "$took" "$fast" 1) times as fast as tuned nmap ($took s$stopped, recall $recall %)" \
    "at least 10" "$took >= 10 * $fast"
  median_run nmap_run -T4
  summary standard-nmap "$(ratio "$took" "$fast" 1) times as fast as nmap -T4 ($took s$stopped, recall $recall %)" \
    "at least 50" "$took >= 50 * $fast"
}

# bare LOOP: the seconds of a loop that makes the system calls alone, in the world of fast256.
bare() {
  timed "$build/bench/world_rate" --first=198.19.0.0 --addresses=256 --ports=1000 "--loop=$1"
  took=$(cat "$work/out")
  printf '  %-34s %-42s %6.1f s\n' "$world" "bare loop over $1" "$took"
}

run_fast256() {
  local run mine=() shares=() twins=() epoll uring fast recall_mine=100 default
  world fast256 "seed=$base" || return
  for run in 1 2 3; do
    bare epoll
    epoll=$took
    bare io_uring
    uring=$took
    ours -T5
    mine+=("$took")
    shares+=("$(ratio "$epoll" "$took" 3)")
    twins+=("$(ratio "$uring" "$took" 3)")
    recall_mine=$(awk "BEGIN { print $recall < $recall_mine ? $recall : $recall_mine }")
  done
  fast=$(printf '%s\n' "${mine[@]}" | sort -g | sed -n 2p)
  median_run ours
  default=$took
  median_run nmap_run "${tuned_nmap[@]}"
  summary fast256 "$fast s (default $default s), recall $recall_mine %; $(ratio "$took" "$fast" 2) times tuned nmap's rate ($took s$stopped, recall $recall %)" \
    "100 % and 3.5 times" "$recall_mine == 100 && $took >= 3.5 * $fast"
  shares=("$(printf '%s\n' "${shares[@]}" | sort -g | sed -n 2p)")
  twins=("$(printf '%s\n' "${twins[@]}" | sort -g | sed -n 2p)")
  summary fast256-bare "${shares[0]} of the bare reusing loop's rate, command to results (${twins[0]} of the bare io_uring loop's)" \
    "at least 0.85" "${shares[0]} >= 0.85"
}

run_onehost() {
  local name mine mine_recall default recall_default
  for name in onehost onehost-drop; do
    world $name "seed=$base" || return
    median_run ours -T5
    mine=$took mine_recall=$recall
    median_run ours
    default=$took recall_default=$recall
    median_run nmap_run "${tuned_nmap[@]}"
    summary $name "$mine s, recall $mine_recall % (default $default s, $recall_default %; tuned nmap $took s$stopped, $recall %)" \
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
for run in "${runs[@]}"; do "run_$run"; done
world_down
