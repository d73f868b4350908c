#!/usr/bin/env bash
# Whether a rate that is asked for is kept, counted where the SYNs arrive: ./dev bench rate
#   rate.sh BUILD_DIRECTORY
# As root: the simulated network (docs/simnet.md) is in a network namespace with no way out. Lines for run.sh's table:
# "NAME: FIGURE (wanted WANTED) ok|MISSED".
set -uo pipefail

build=$(realpath "${1:?usage: rate.sh BUILD_DIRECTORY}")
here=$(cd "$(dirname "$0")" && pwd)
lab=$here/../tests/simnet/lab.sh
export SIMNET=$build/bin/simnet
work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-rate.XXXXXX")
ns=ptlrate

if [ "$(id -u)" -ne 0 ]; then
  echo "rate: not run: network namespaces need root"
  exit 0
fi

clean_up() {
  "$lab" down "$ns" >/dev/null 2>&1
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# measure RATE SECONDS PARAMETER...: scans so much that it takes about so long. In $work/run: SYN/s between the first and the last, seconds,
# the most in any 10 ms, the kernel's own.
measure() {
  local rate=$1 seconds=$2 ports=16 addresses
  shift 2
  addresses=$((rate * seconds / ports))
  "$lab" down "$ns" >/dev/null 2>&1
  "$lab" up "$ns" plain open=0 rtt=20 "$@" >/dev/null || return 1
  XDG_STATE_HOME=$work/state timeout -k 10 120 ip netns exec "$ns" "$build/bin/portolan" scan \
    "198.19.0.0-198.19.$(((addresses - 1) / 256)).$(((addresses - 1) % 256))" -p "1-$ports" -T5 --timeout 1500ms --max-rate "$rate" --json \
    >"$work/out" 2>"$work/err" || { tail -n 3 "$work/err"; return 1; }
  "$lab" down "$ns" >"$work/counters" || return 1
  rm -rf "$work/state"
  local name
  for name in syn_rate syn_seconds max_syn_10ms retransmits; do
    sed -n "s/.*\"$name\":\([0-9.]*\).*/\1/p" "$work/counters"
  done | paste -sd' ' >"$work/run"
}

# column N: the median of that number over the runs.
column() { cut -d' ' -f"$1" "$work/runs" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# verdict NAME FIGURE WANTED CONDITION (of awk)
verdict() {
  local word=MISSED
  awk "BEGIN { exit !($4) }" && word=ok
  echo "$1: $2 (wanted $3) $word"
}

for rate in 100 1000 10000 100000; do
  rm -f "$work/runs"
  for run in 1 2 3; do
    measure "$rate" 10 || exit 1
    cat "$work/run" >>"$work/runs"
    echo "  rate $rate, run $run: $(awk '{ printf "%.1f SYN/s for %.1f s, at most %d in 10 ms", $1, $2, $3 }' "$work/run")"
  done
  kept=$(column 1) most=$(column 3)
  verdict "rate-$rate" "$(printf '%.1f SYN/s' "$kept")" "within 1 %" "$kept >= 0.99 * $rate && $kept <= 1.01 * $rate"
  verdict "burst-$rate" "$most in the busiest 10 ms" "at most $((rate / 50)), twice the share" "$most <= $rate / 50"
done

# Half of the addresses are silent: the kernel's own SYNs count too. At the end only retries are waited for, so the mean is lower; but
# before that, the rate must be used as well: the least second without the last four.
measure 1000 10 alive=0.5 || exit 1
read -r kept seconds most again <"$work/run"
least=$(sed -n 's/.*"syns_by_second":\[\([0-9,]*\)\].*/\1/p' "$work/counters" | tr ',' '\n' | head -n -4 | sort -n | head -1)
verdict rate-silent "$(printf '%.1f SYN/s, of which the kernel sent %d %% again; %d in the busiest 10 ms' "$kept" "$(awk "BEGIN { print int(100 * $again / ($kept * $seconds)) }")" "$most")" \
  "at most 1,010 SYN/s" "$kept <= 1010"
verdict rate-silent-used "${least:-0} SYN/s in the least second" "at least 950" "${least:-0} >= 950"
