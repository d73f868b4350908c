# shellcheck shell=bash
# What scripts share that run real programs for a while: . live.sh, first of all. Makes $work, a directory for logs and data.
# Everything that was started is stopped again, and $work is removed, however the script ends.
work=$(mktemp -d "${TMPDIR:-/tmp}/portolan.XXXXXX")
pids=()
namespaces=()
logs_when_it_fails=  # set by scripts that fail only when something that was started did

clean_up() {
  local status=$? pid ns
  for pid in ${pids[@]+"${pids[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in ${pids[@]+"${pids[@]}"}; do
    timeout 15 tail --pid="$pid" -f /dev/null 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  done
  for ns in ${namespaces[@]+"${namespaces[@]}"}; do ip netns del "$ns" 2>/dev/null || true; done
  if [ "$status" -ne 0 ] && [ -n "$logs_when_it_fails" ]; then
    echo "$(basename "$0") failed ($status); the logs:" >&2
    tail -n 20 "$work"/*.log >&2 || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAMESPACE NAME COMMAND...: in the background, its log in $work/NAME.log; NAMESPACE "": in none of its own.
start() {
  local ns=$1 name=$2
  shift 2
  if [ -n "$ns" ]; then
    ip netns exec "$ns" "$@" >"$work/$name.out" 2>"$work/$name.log" &
  else
    "$@" >"$work/$name.out" 2>"$work/$name.log" &
  fi
  pids+=($!)
}

# wait_for_log NAME PATTERN: prints what the pattern's group matched.
wait_for_log() {
  local i found
  for ((i = 0; i < 200; i++)); do
    found=$(sed -nE "s/.*$2.*/\1/p" "$work/$1.log" 2>/dev/null | head -1)
    if [ -n "$found" ]; then echo "$found"; return; fi
    sleep 0.1
  done
  echo "gave up waiting for \"$2\" in the log of $1:" >&2
  tail -n 20 "$work/$1.log" >&2
  return 1
}

# wait_until SECONDS COMMAND...: until it succeeds
wait_until() {
  local i most=$(($1 * 5))
  shift
  for ((i = 0; i < most; i++)); do
    "$@" && return
    sleep 0.2
  done
  echo "gave up waiting for: $*" >&2
  return 1
}

# wait_for_agents COUNT PORTOLAN-COMMAND...
wait_for_agents() {
  local want=$1 i
  shift
  for ((i = 0; i < 100; i++)); do
    [ "$("$@" agents list --json 2>/dev/null | grep -c '"live":true')" -ge "$want" ] && return
    sleep 0.1
  done
  echo "the agents did not connect" >&2
  return 1
}
