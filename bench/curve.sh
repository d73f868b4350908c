#!/usr/bin/env bash
# Recall against rate where too fast loses, for ours, nmap, masscan, and naabu and RustScan where they are found, as a picture: ./dev bench curve
#   curve.sh BUILD_DIRECTORY [PICTURE.svg]
# The world: four /24s of which each passes 200 SYN/s and drops the rest in silence, as a firewall's limit does; so 800 a second
# get through, spread evenly. Every scanner is asked for the same rates, and ours also for none: then it finds its own. RustScan has no
# rate: it is asked for half as many sockets at once, and waits 0.5 s for each. A point is what was found against how many of the ports
# were done a second, from the first SYN to the last: who slows down moves to the left. A scan is stopped after 100 s. About 6 minutes.
set -uo pipefail

build=$(realpath "${1:?usage: curve.sh BUILD_DIRECTORY [PICTURE.svg]}")
here=$(cd "$(dirname "$0")" && pwd)
picture=${2:-$here/../docs/recall-against-rate.svg}
# shellcheck source=bench/worlds.sh
. "$here/worlds.sh"
most=100
world_ports=1-5
rates=(400 800 1600 6400)

# point FILE ASKED RUN...: one scan of a fresh world.
point() {
  local file=$1 asked=$2 probes=5120
  shift 2
  world ratelimited "seed=$base" || exit 1
  "$@"
  world_down
  echo "$(awk "BEGIN { printf \"%.0f\", $probes / $(counter syn_seconds) }") $recall $asked${stopped:+ stopped}" >>"$work/$file"
}

found naabu "$naabu" PORTOLAN_NAABU
found rustscan "$rustscan" PORTOLAN_RUSTSCAN
for rate in "${rates[@]}"; do
  [ ! -x "$naabu" ] || point naabu "$rate" naabu_run -c 4096 -retries 2 -rate "$rate"
  [ ! -x "$rustscan" ] || point rustscan "b=$((rate / 2))" rustscan_run -t 500 --tries 2 -b "$((rate / 2))"
  point masscan "$rate" masscan_run --rate "$rate" --wait 3
  point nmap "$rate" nmap_run --min-rate "$rate" --max-rate "$rate"
  point portolan "$rate" ours --max-rate "$rate"
done
point own own ours
for tool in portolan own nmap masscan naabu rustscan; do
  [ -e "$work/$tool" ] || continue
  echo "  $tool: ports/s, recall in percent, asked for"
  sed 's/^/    /' "$work/$tool"
done

gnuplot -e "dir='$work'; picture='$picture'" "$here/curve.gp" || exit 1
least=$(awk '{ print $2 }' "$work/portolan" "$work/own" | sort -g | head -1)
summary curve "least recall of ours $least %; its own rate $(awk '{ print $1 " ports/s, " $2 " %" }' "$work/own"); nmap and masscan when asked for ${rates[-1]}/s: $(awk 'END { print $2 }' "$work/nmap") % and $(awk 'END { print $2 }' "$work/masscan") %; picture: $(realpath "$picture")" \
  "at least 99.5 % at any rate" "$least >= 99.5"
