#!/usr/bin/env bash
# Runs benchmarks, each beside its baseline in the same run, and ends with one line for each: ./dev bench [NAME...]
#   run.sh BUILD_DIRECTORY [NAME...]
# Without a name about 15 minutes; "peers" 50 more, "monitors" 20, "curve" 9 and "hardening" 9, by name only. "whole" is all of them. With
# PORTOLAN_BENCH_RESULTS=DIRECTORY each part's output is kept there, so that the whole can be run in parts: "missing" runs those parts of
# the whole that have no result there yet, and the table at the end is of all that are there. Probes go to loopback and to namespaces made here,
# nowhere else. What was measured, and how to read it: docs/performance.md. Exits 1 when a figure is not what is wanted.
set -uo pipefail

build=$(realpath "${1:?usage: run.sh BUILD_DIRECTORY [NAME...]}")
shift
all=(plan ingest scheduler resolver engine veth path rate store scrape report fleet memory stored)
worlds=(standard fast256 onehost dark lossy ratelimited accept_reset)
whole=("${all[@]}" "${worlds[@]/#/peers=}" curve monitors hardening)
bin=$build/bench
work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-bench.XXXXXX")
netns_scanner=ptlbench$$s netns_target=ptlbench$$t
child=

clean_up() {
  [ -z "$child" ] || kill "$child" 2>/dev/null
  ip netns del "$netns_scanner" 2>/dev/null
  ip netns del "$netns_target" 2>/dev/null
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

# program SECONDS COMMAND...: at most so long; ended when this script is.
program() {
  local seconds=$1 status
  shift
  timeout -k 20 "$seconds" "$@" &
  child=$!
  wait "$child"
  status=$?
  child=
  [ "$status" -ne 124 ] || echo "stopped after $seconds s" >&2
  return "$status"
}

# summary NAME FIGURE WANTED CONDITION (of awk)
summary() {
  local word=MISSED
  awk "BEGIN { exit !($4) }" && word=ok
  echo "$1: $2 (wanted $3) $word"
}

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

bench_plan() {
  local us rss
  program 120 "$bin/scan_bench" --benchmark_color=false || return
  program 60 "$bin/scan_bench" --benchmark_filter=BM_PlanSlash8AllPorts --benchmark_format=json >"$work/plan.json" 2>/dev/null || return
  us=$(sed -n 's/.*"real_time": *\([0-9.e+-]*\),*/\1/p' "$work/plan.json" | head -1)
  rss=$(sed -n 's/.*"rss_bytes": *\([0-9.e+-]*\),*/\1/p' "$work/plan.json" | head -1)
  summary plan "$(awk "BEGIN { printf \"%.3f ms, process of %.1f MB\", $us / 1000, $rss / 1e6 }") for a /8 x 65,535 ports" \
    "under 50 ms and 20 MB" "$us < 50000 && $rss < 20e6"
}

# The target's side answers for all of 198.19.0.0/16, each port closed; neither side has a route out.
make_namespaces() {
  local s=$netns_scanner t=$netns_target
  ip netns add "$s" && ip link add wire netns "$s" type veth peer name wire netns "$t" &&
    ip -n "$s" link set lo up && ip -n "$t" link set lo up && ip -n "$s" link set wire up && ip -n "$t" link set wire up &&
    ip -n "$s" addr add 198.18.1.2/24 dev wire && ip -n "$t" addr add 198.18.1.1/24 dev wire &&
    ip -n "$s" route add 198.19.0.0/16 via 198.18.1.1 && ip -n "$t" route add local 198.19.0.0/16 dev lo
}

bench_veth() {
  if [ "$(id -u)" -ne 0 ] || ! ip netns add "$netns_target" 2>/dev/null; then
    echo "veth: not run: network namespaces need root"
    return
  fi
  make_namespaces || return
  program 300 ip netns exec "$netns_scanner" "$bin/engine_bench" --name veth --first 198.19.0.0 --addresses 32768
}

# 16 ports on which nobody listens, "2,3,4,...".
closed_ports() {
  local used port
  used=" $(ss -Hltn | awk '{ sub(/.*:/, "", $4); print $4 }' | tr '\n' ' ')"
  for port in $(seq 2 200); do [[ $used == *" $port "* ]] || echo "$port"; done | head -16 | paste -sd,
}

# The first so many addresses of 127.128.0.0/9.
loopback_range() { echo "127.128.0.0-127.$((128 + ($1 - 1) / 65536)).$((($1 - 1) / 256 % 256)).$((($1 - 1) % 256))"; }

# rate_of_engine TARGETS PORTS SECONDS: appends it to $work/engine.
rate_of_engine() { program 60 "$bin/engine_rate" "--targets=$1" "--ports=$2" "--seconds=$3" >>"$work/engine"; }

bench_path() {
  local ports addresses targets probes begin end run ratio
  ports=$(closed_ports)
  rate_of_engine 127.128.0.0/13 "$ports" 4 || return
  addresses=$(awk '{ n = int($1 * 34 / 16); print (n > 4194304 ? 4194304 : n) }' "$work/engine")
  targets=$(loopback_range "$addresses")
  probes=$((addresses * 16))
  echo "  $probes probes: $targets, ports $ports"
  rm -f "$work/engine" "$work/path" "$work/ratio"
  rate_of_engine "$targets" "$ports" 8 || return
  for run in 1 2 3; do
    rm -rf "$work/state"
    begin=$(date +%s%N)
    XDG_STATE_HOME=$work/state program 300 "$build/bin/portolan" scan "$targets" -p "$ports" --engine-threads 1 --json \
      >"$work/path.json" 2>"$work/path.log" || { cat "$work/path.log"; return 1; }
    end=$(date +%s%N)
    grep -Eq '"closed": ?'"$probes"'[,}]' "$work/path.json" || { echo "not all of $probes ports were found closed:"; tail -1 "$work/path.json"; return 1; }
    rate_of_engine "$targets" "$ports" 8 || return
    awk "BEGIN { printf \"%.0f\n\", $probes / (($end - $begin) / 1e9) }" >>"$work/path"
    tail -2 "$work/engine" | cat - <(tail -1 "$work/path") | awk '{ v[NR] = $1 } END { printf "%.4f\n", v[3] / ((v[1] + v[2]) / 2) }' >>"$work/ratio"
    echo "  run $run: engine alone $(tail -2 "$work/engine" | head -1), command to results $(tail -1 "$work/path"), engine alone $(tail -1 "$work/engine") probes/s: $(tail -1 "$work/ratio")"
  done
  ratio=$(median "$work/ratio")
  summary path "$(printf '%.2f of the engine alone, %.0f of %.0f probes/s' "$ratio" "$(median "$work/path")" "$(median "$work/engine")")" \
    "at least 0.90" "$ratio >= 0.90"
}

# cpu_of PROGRAM ENGINE: microseconds of CPU a probe costs the engine and the runner over it, with one thread.
cpu_of() {
  program 60 "$1" --engine "$2" --seconds 1 --runs 1 --min-ratio 0 >"$work/cpu" || return
  sed -nE "/^1 thread/,/^2 threads/ s/^  ($2 engine|runner over $2) .* ([0-9.]+) us CPU a probe.*/\\2/p" "$work/cpu" | awk '{ sum += $1; n++ } END { if (n != 2) exit 1; print sum / 2 }'
}

# What hardening costs: 15 pairs of the same benchmark with and without it, in turn. The interval holds the median with 96 % confidence: the
# 4th and the 12th of 15 sorted ratios.
bench_hardening() {
  local hardened=$bin/engine_bench plain=${build%/*}/bench-plain/bench/engine_bench engine pair with without
  [ -x "$plain" ] || { echo "hardening: $plain: not built; ./dev bench hardening builds it"; return 1; }
  for engine in epoll io_uring; do
    : >"$work/ratios"
    for pair in {1..15}; do
      if ((pair % 2)); then with=$(cpu_of "$hardened" $engine) && without=$(cpu_of "$plain" $engine) || return
      else without=$(cpu_of "$plain" $engine) && with=$(cpu_of "$hardened" $engine) || return; fi
      echo "  $engine pair $pair: $with us of CPU a probe, $without without hardening"
      awk "BEGIN { print $with / $without }" >>"$work/ratios"
    done
    summary "hardening-$engine" "$(sort -g "$work/ratios" | awk '{ v[NR] = $1 } END { printf "%.3f times the CPU a probe (%.3f to %.3f)", v[8], v[4], v[12] }')" \
      "at most 1.05" "$(median "$work/ratios") <= 1.05"
  done
}

certificates() {
  [ ! -e "$work/tls/ca.pem" ] || return 0
  (
    set -e
    "$build/bin/portolan" ca init --out "$work/tls" --valid 1d
    for name in agent operator; do "$build/bin/portolan" ca issue "$name" --out "$work/tls"; done
    "$build/bin/portolan" ca issue coordinator --out "$work/tls" --ip 127.0.0.1 --dns localhost
  ) >"$work/tls.txt" 2>&1
}

# lab SECONDS PROGRAM [ARGUMENT...]: simulated agents against a coordinator.
lab() {
  local seconds=$1 name=$2
  shift 2
  certificates || { cat "$work/tls.txt"; return 1; }
  program "$seconds" "$bin/$name" "--bin=$build" "--tls=$work/tls" "--work=$work" "$@" || { tail -n 20 "$work"/*.log; return 1; }
}

run_one() {
  case $1 in
    plan) bench_plan ;;
    engine) program 300 "$bin/engine_bench" --name engine --min-ratio 0.9 --min-plain 1.4 ;;
    veth) bench_veth ;;
    hardening) bench_hardening ;;
    path) bench_path ;;
    resolver) program 300 "$bin/resolver_bench" ;;
    scheduler) program 300 "$bin/scheduler_bench" ;;
    scrape) program 120 "$bin/monitor_metrics_bench" ;;
    ingest) program 120 "$bin/ingest_bench" --benchmark_color=false ;;
    store) program 600 "$bin/store_bench" ;;
    report) lab 300 report_bench ;;
    fleet) lab 300 fleet_bench ;;
    rate) program 1800 "$(dirname "$0")/rate.sh" "$build" ;;
    peers) program 3600 "$(dirname "$0")/peers.sh" "$build" ;;
    peers=*) IFS=, read -ra worlds <<<"${1#*=}" && program 3600 "$(dirname "$0")/peers.sh" "$build" "${worlds[@]}" ;;
    curve) program 720 "$(dirname "$0")/curve.sh" "$build" ;;
    memory) lab 900 memory_bench --only=memory ;;
    stored) lab 600 memory_bench --only=stored ;;
    monitors) lab 2400 monitors_bench ;;
    monitors=*) lab 5400 monitors_bench "--minutes=${1#*=}" ;;
    *) echo "no benchmark \"$1\"; there are: ${all[*]}, whole, missing, peers (or some of it: peers=fast256,dark) monitors (or so many minutes of them: monitors=60) curve hardening" >&2; exit 2 ;;
  esac
}

results=${PORTOLAN_BENCH_RESULTS:-$work/results}
mkdir -p "$results" || exit 2
names=()
for name in "$@"; do
  case $name in
    whole) names+=("${whole[@]}") ;;
    missing)
      [ -n "${PORTOLAN_BENCH_RESULTS:-}" ] || { echo "missing: say where the results are kept: PORTOLAN_BENCH_RESULTS=DIRECTORY" >&2; exit 2; }
      for part in "${whole[@]}"; do [ -s "$results/$part.out" ] || names+=("$part"); done
      [ ${#names[@]} -gt 0 ] || say "no part is missing in $results"
      ;;
    *) names+=("$name") ;;
  esac
done
[ $# -gt 0 ] || names=("${all[@]}")
ulimit -n 8192 2>/dev/null  # two descriptors for each of 1,000 agents, on either side
load() { cut -d' ' -f1-3 /proc/loadavg; }
say "$(nproc) cores, Linux $(uname -r); a busy machine shows in the figures, less in the ratios"
for name in "${names[@]}"; do
  say "$name (load $(load))"
  # The result appears when the part has ended: a part that was interrupted is still missing.
  exec {out}> >(tee "$work/$name.out")
  tee=$!
  echo "$name: $(date -u +%FT%TZ), load $(load) before" >&"$out"
  run_one "$name" >&"$out" 2>&1 || echo "$name: did not run to its end (wanted a figure) MISSED" >&"$out"
  echo "$name: load $(load) after" >&"$out"
  exec {out}>&-
  wait "$tee"
  cp "$work/$name.out" "$results/$name.out"
done

say "all figures, each with the load of its machine before and after"
for file in "$results"/*.out; do
  [ -e "$file" ] || continue
  loads=$(sed -nE 's/.*load ([0-9. ]+) (before|after)$/\1/p' "$file" | sed -n '1p;$p' | paste -sd/ | tr ' ' ',')
  grep -hE '^[a-z0-9-]+: .*\(wanted .*\) (ok|MISSED)$' "$file" | sed "s|\$| [load $loads]|"
done | tee "$work/table"
! grep -qE ' MISSED \[load ' "$work/table"
