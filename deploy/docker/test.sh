#!/usr/bin/env bash
# Builds the images without a registry and runs them: test.sh [--programs DIR] [--keep]
#   --programs DIR  take these programs (of the same Debian) in place of compiling in the image, which takes a quarter of an hour
#   --keep          do not build again what is built
# Root only. Images are kept in build/images (podman --root build/images/storage); containers, networks and namespaces are removed again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
programs='' keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --programs) programs=$(cd "${2:?--programs DIR}" && pwd); shift 2 ;;
    --keep) keep=1; shift ;;
    *) echo "test.sh: unknown option $1" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" -eq 0 ] || { echo "test.sh: only root can make the base image and the networks" >&2; exit 2; }
for tool in buildah podman mmdebstrap crun runc ip openssl; do
  command -v $tool >/dev/null || { echo "test.sh: $tool is missing: apt-get install buildah podman mmdebstrap crun runc iproute2 openssl" >&2; exit 2; }
done

images=$repository/build/images
work=$(mktemp -d)
id=pti$$
version=$(sed -nE 's/^project\(portolan VERSION ([^ ]+).*/\1/p' "$repository/CMakeLists.txt")
base=localhost/portolan-base:bookworm
user=64110
containers=() namespaces=()
mkdir -p "$images"

store=(--root "$images/storage" --runroot "$images/run")
# crun knows no hybrid of control groups 1 and 2. Without systemd podman cannot make timers for health checks, and says so as an error each time.
runtime=crun
[ ! -d /sys/fs/cgroup/unified ] || runtime=runc
podman() { command podman "${store[@]}" --log-level fatal --runtime $runtime --cgroup-manager cgroupfs "$@"; }
buildah() { command buildah "${store[@]}" "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
ok() { printf 'ok   %s\n' "$*"; }
fail() { printf 'FAIL %s\n' "$*" >&2; exit 1; }

clean_up() {
  local status=$? one
  if [ "$status" -ne 0 ]; then
    for one in ${containers[@]+"${containers[@]}"}; do printf -- '--- %s\n' "$one"; podman logs --tail 10 "$one" || true; done >&2 2>&1
  fi
  for one in ${containers[@]+"${containers[@]}"}; do podman rm --force --time 1 "$one" >/dev/null 2>&1 || true; done
  for one in ${namespaces[@]+"${namespaces[@]}"}; do ip netns del "$one" 2>/dev/null || true; done
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# eventually SECONDS COMMAND...
eventually() {
  local i most=$(($1 * 5))
  shift
  for ((i = 0; i < most; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  fail "gave up waiting for: $*"
}

make_base() {
  say "A Debian root file system as the base image, from this machine's package sources"
  "$here/../debian/bootstrap.sh" bookworm "$work/base.tar"
  local container
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$work/base.tar" / >/dev/null
  buildah config --cmd /bin/bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" "$base" >/dev/null
  rm "$work/base.tar"
}

# The three images, tagged with the version.
build() {
  local context=$repository target name
  if [ -n "$programs" ]; then
    context=$work/context
    mkdir -p "$context/deploy" "$context/programs"
    cp "$repository/dev" "$context/"
    cp -r "$here" "$context/deploy/docker"
    cp "$programs"/portolan{,-coordinator,-agent} "$context/programs/"
  fi
  for target in coordinator agent cli; do
    name=$(image "$target")
    say "Image $name"
    # The cache of the compiler is kept by buildah between runs (RUN --mount=type=cache).
    buildah build --quiet --layers --isolation chroot --format docker --pull-never --file "$here/Dockerfile" \
      --build-arg BASE="$base" --build-arg VERSION="$version" --build-arg JOBS="${PORTOLAN_JOBS:-$(nproc)}" --target "$target" --tag "$name" "$context"
  done
}
image() { case $1 in cli) echo "localhost/portolan:$version" ;; *) echo "localhost/portolan-$1:$version" ;; esac; }

# A namespace on the bridge of the network: network NAME ADDRESS
network() {
  local ns=$id-$1
  ip netns add "$ns"
  namespaces+=("$ns")
  ip -n "$ns" link set lo up
  ip link add eth0 netns "$ns" type veth peer name "$1" netns "$id-net"
  ip -n "$id-net" link set "$1" master bridge up
  ip -n "$ns" addr add "$2/24" dev eth0
  ip -n "$ns" link set eth0 up
}

# The limits of this machine, which may not allow those that podman likes; health is asked for below, and needs no timer of systemd's.
confined=(--read-only --cap-drop ALL --security-opt no-new-privileges --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=4096:4096
  --health-interval disable)
# The certificates as compose.yaml makes them, by the image of the command line; where that has no `ca` yet, by openssl.
certificates() {
  local role in_image
  mkdir -p "$work"/tls/{authority,coordinator,agent,operator}
  chown $user:$user "$work"/tls/*
  chmod 755 "$work" "$work/tls"
  in_image=(podman run --rm --network none "${confined[@]}" --volume "$work/tls/authority:/var/lib/portolan")
  if "${in_image[@]}" "$(image cli)" ca init --out /var/lib/portolan >/dev/null 2>&1; then
    for role in coordinator agent operator; do
      local names=()
      [ $role != coordinator ] || names=(--dns coordinator)
      "${in_image[@]}" --volume "$work/tls/$role:/etc/portolan/tls" "$(image cli)" ca issue $role --ca /var/lib/portolan --out /etc/portolan/tls \
        ${names[@]+"${names[@]}"} >/dev/null
    done
    ok "certificates by portolan ca"
    return
  fi
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes) ca=$work/tls/authority/ca folder
  openssl req -x509 "${key[@]}" -days 1 -subj /CN=ca -keyout "$ca.key" -out "$ca.pem" 2>/dev/null
  for role in coordinator agent operator; do
    folder=$work/tls/$role
    openssl req "${key[@]}" -subj "/CN=$role" -keyout "$folder/$role.key" -out "$folder/csr" 2>/dev/null
    openssl x509 -req -in "$folder/csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial -days 1 \
      -extfile <(echo "subjectAltName=URI:spiffe://test/portolan/$role,DNS:$role") -out "$folder/$role.pem" 2>/dev/null
    cp "$ca.pem" "$folder/ca.pem"
    chown -R $user:$user "$folder"
  done
  ok "certificates by openssl"
}

tls() {
  echo --volume "$work/tls/$1:/etc/portolan/tls:ro" --env PORTOLAN_TLS_CERT="/etc/portolan/tls/$1.pem" --env PORTOLAN_TLS_KEY="/etc/portolan/tls/$1.key" \
    --env PORTOLAN_TLS_CA=/etc/portolan/tls/ca.pem
}
# start NAME NETWORK ROLE [OPTION...] -- [ARGUMENT...]
start() {
  local name=$id-$1 ns=$2 role=$3 options=()
  shift 3
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  containers+=("$name")
  # shellcheck disable=SC2046  # the options are words
  podman run --detach --name "$name" --network "ns:/run/netns/$id-$ns" --add-host coordinator:198.18.0.2 "${confined[@]}" $(tls "$role") \
    ${options[@]+"${options[@]}"} "$(image "$role")" "$@" >/dev/null
}
portolan() {
  # shellcheck disable=SC2046
  podman run --rm --network "ns:/run/netns/$id-coordinator" --add-host coordinator:198.18.0.2 "${confined[@]}" $(tls operator) \
    --env PORTOLAN_COORDINATOR=coordinator:7411 "$(image cli)" "$@"
}
status_of() { sed -nE "s/^$2:\s+(\S+).*/\1/p" "/proc/$(podman inspect --format '{{.State.Pid}}' "$1")/status"; }
live_agents() { [ "$(portolan agents list --json | grep -c '"live":true')" -eq 3 ]; }

if [ -z "$keep" ] || ! podman image exists "$base"; then podman image exists "$base" || make_base; fi
if [ -z "$keep" ] || ! podman image exists "$(image cli)"; then build; fi

say "What is in the images"
for target in coordinator agent cli; do
  name=$(image $target)
  bytes=$(podman image inspect --format '{{.Size}}' "$name")
  [ "$(podman image inspect --format '{{.Config.User}}' "$name")" = $user:$user ] || fail "$name: runs as somebody else"
  [ "$(podman image inspect --format '{{index .Labels "org.opencontainers.image.version"}}' "$name")" = "$version" ] || fail "$name: label of another version"
  [ "$(podman run --rm --network none "${confined[@]}" "$name" --version 2>/dev/null | grep -c "$version")" -ge 1 ] || fail "$name: the program is not of version $version"
  if podman run --rm --network none "${confined[@]}" --entrypoint /bin/sh "$name" -c true 2>/dev/null; then fail "$name: has a shell"; fi
  mount=$(podman image mount "$name")
  packages=$(wc -l <"$mount/usr/share/portolan/packages.txt")
  podman image unmount "$name" >/dev/null
  ok "$name: $((bytes / 1000000)) MB, files of $packages packages, no shell, user $user"
done

say "A coordinator and three agents, with mutual TLS, in a network without a way out"
ip netns add "$id-net"
namespaces+=("$id-net")
ip -n "$id-net" link add bridge type bridge
ip -n "$id-net" link set bridge up
network coordinator 198.18.0.2
certificates
mkdir "$work/data"
chown $user:$user "$work/data"
start coordinator coordinator coordinator --volume "$work/data:/var/lib/portolan" --
i=2
for vantage in inside dmz outside; do
  i=$((i + 1))
  network "$vantage" "198.18.0.$i"
  start "$vantage" "$vantage" agent -- --coordinator coordinator:7411 --vantage "$vantage" --name "agent-$vantage"
done
for name in "${containers[@]}"; do eventually 30 podman healthcheck run "$name"; done
ok "the health checks of ${#containers[@]} containers pass"
eventually 30 live_agents
for name in "${containers[@]}"; do
  [ "$(status_of "$name" Uid)" = $user ] || fail "$name: uid $(status_of "$name" Uid)"
  [ "$(status_of "$name" CapBnd)" = 0000000000000000 ] || fail "$name: capabilities $(status_of "$name" CapBnd)"
  [ "$(status_of "$name" NoNewPrivs)" = 1 ] || fail "$name: may gain privileges"
  [ "$(status_of "$name" Seccomp)" = 2 ] || fail "$name: no seccomp filter"
done
ok "user $user, no capability, no new privileges, seccomp, read-only root"
engines=$(portolan agents list --json | grep -oE '"engine":"[a-z_]+"' | sort | uniq -c | tr -s ' \n' ' ')
ok "engines under the runtime's seccomp profile:$engines"

portolan scan 198.18.0.2-198.18.0.5 -p 7411-7413 --each-vantage --timeout 1s --json >"$work/scan.json" || fail "the scan ended with $?"
open=$(grep -c '"state":"open"' "$work/scan.json") || true
# From each vantage: two ports of the coordinator, one of each agent.
[ "$open" -eq 15 ] || { cat "$work/scan.json" >&2; fail "15 ports are open, and the scan sees $open"; }
ok "they scan each other: 15 open ports from three vantages"

say "SIGTERM"
for ((n = ${#containers[@]} - 1; n >= 0; n--)); do
  name=${containers[n]}
  begin=$(date +%s%N)
  podman stop --time 40 "$name" >/dev/null
  took=$((($(date +%s%N) - begin) / 1000000))
  code=$(podman inspect --format '{{.State.ExitCode}}' "$name")
  [ "$code" = 0 ] || fail "$name: exit $code"
  [ $took -lt 40000 ] || fail "$name: was killed"
  ok "$name: exit 0 after $took ms of 40 s"
done
