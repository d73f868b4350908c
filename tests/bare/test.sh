#!/usr/bin/env bash
# The README's commands on a bare Debian, in which nothing is installed but what they install themselves:
#   tests/bare/test.sh [--ccache] [COMMAND...]     without a COMMAND: demo, then test
#   --ccache  take what this machine's compiler cache already holds
#
# As root. What is committed is cloned into a root file system that is made for it, at the same path as here, and removed afterwards.
# Without a compiler cache this takes as long as a first build: an hour and a half on two cores.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cache=
commands=()
while [ $# -gt 0 ]; do
  case $1 in
    --ccache) cache=$(ccache --get-config cache_dir) ;;
    -*) echo "bare-test: unknown option $1; there is --ccache" >&2; exit 2 ;;
    *) commands+=("$1") ;;
  esac
  shift
done
[ ${#commands[@]} -gt 0 ] || commands=(demo test)
[ "$(id -u)" -eq 0 ] || { echo "bare-test: needs root, to make a Debian; run it with sudo" >&2; exit 2; }

mkdir -p "$top/build/bare"
work=$(mktemp -d "$top/build/bare/XXXXXX")
root=$work/root
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
say() { printf '\033[1m--> %s\033[0m\n' "$*"; }

say "making a Debian"
"$top/deploy/debian/bootstrap.sh" bookworm "$work/debian.tar"
mkdir "$root"
tar -xf "$work/debian.tar" -C "$root" --exclude='./dev/*'
rm "$work/debian.tar"
# How this machine finds its package mirror, and trusts it; no package.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy)' >"$root/etc/apt/apt.conf.d/90mirror" || true
git clone --quiet --no-hardlinks "$top" "$root$top"

# Mounts and processes end with the shell that makes them, so nothing of this is left when this script ends, however it does.
# shellcheck disable=SC2016
enter='
  set -e
  mount --make-rprivate /
  mount -t proc proc "$0/proc"
  mount -t sysfs sysfs "$0/sys"
  mount --rbind /dev "$0/dev"
  mount -t tmpfs tmpfs "$0/run"
  mount -t tmpfs tmpfs "$0/tmp"
  [ ! -d /sys/fs/cgroup ] || mount --rbind /sys/fs/cgroup "$0/sys/fs/cgroup"
  if [ -n "$1" ]; then mkdir -p "$0/root/.cache/ccache"; mount --bind "$1" "$0/root/.cache/ccache"; fi
  root=$0
  shift
  exec chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"'
# shellcheck disable=SC2016
for command in "${commands[@]}"; do
  say "./dev $command"
  unshare --mount --pid --fork --kill-child sh -c "$enter" "$root" "$cache" PORTOLAN_JOBS="${PORTOLAN_JOBS:-$(nproc)}" \
    sh -c 'cd "$0" && exec ./dev "$1"' "$top" "$command" </dev/null || { say "./dev $command failed with $? on a bare Debian"; exit 1; }
done
say "on a bare Debian: ${commands[*]/#/./dev } passed"
