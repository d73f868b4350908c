#!/usr/bin/env bash
# The Debian packages on a fresh Debian: deploy/debian/test.sh PACKAGES-DIRECTORY WORK-DIRECTORY
#
# As root. A Debian is made by mmdebstrap from this machine's own apt sources (kept in WORK-DIRECTORY for the next time),
# with what the packages depend on, and booted by systemd-nspawn in a network of its own without a way out. There: install,
# certificates, services, a scan, upgrade, remove, install again, purge; what is left of it all is told. About two minutes,
# and two more to make the Debian.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
packages=$(cd "${1:?usage: test.sh PACKAGES-DIRECTORY WORK-DIRECTORY}" && pwd)
mkdir -p "${2:?usage: test.sh PACKAGES-DIRECTORY WORK-DIRECTORY}"
work=$(cd "$2" && pwd)
root=$work/root
machine=portolan-deb-$$
nspawn=
leader=

say() { printf '\033[1m--> %s\033[0m\n' "$*"; }
die() {
  printf 'deb-test: %s\n' "$*" >&2
  exit 1
}
[ "$(id -u)" -eq 0 ] || die "needs root, to boot a Debian; run it with sudo"

cleanup() {
  local status=$?
  if [ "$status" -ne 0 ] && [ -n "$leader" ]; then
    inside journalctl --no-pager -n 40 -u 'portolan-*' >&2 || true
  fi
  if [ -n "$nspawn" ]; then
    kill -TERM "$nspawn" 2>/dev/null || true
    timeout 60 tail --pid="$nspawn" -f /dev/null || kill -KILL "$nspawn" 2>/dev/null || true
  fi
  rm -rf "$root" "$work/new"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# inside COMMAND...: in the booted Debian
inside() { nsenter -t "$leader" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# eventually SECONDS COMMAND...: until it succeeds
eventually() {
  local i most=$(($1 * 5))
  shift
  for ((i = 0; i < most; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  die "gave up waiting for: $*"
}
# is WANTED COMMAND...: its output
is() {
  local wanted=$1 got
  shift
  got=$("$@" 2>&1) || true
  [ "$got" = "$wanted" ] || die "$*: \"$got\", expected \"$wanted\""
}
refuse() {
  if "$@" >/dev/null 2>&1; then die "succeeded, and must not: $*"; fi
}

debs=("$packages"/portolan_*.deb "$packages"/portolan-coordinator_*.deb "$packages"/portolan-agent_*.deb)
[ -e "${debs[2]}" ] || die "$packages: not all three packages; run ./dev package"
[ ${#debs[@]} -eq 3 ] || die "$packages: more than three packages; remove the old ones"

# ---- the programs in them ----

rm -rf "$work/new"
for deb in "${debs[@]}"; do dpkg-deb -x "$deb" "$work/new"; done
"$here/../../tests/deploy/hardening_test.py" "$work/new/usr/bin"
rm -rf "$work/new"

# ---- a fresh Debian ----

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
# The first alternative of each dependency, without its version.
depends=$(for deb in "${debs[@]}"; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' |
  sed -E 's/[|(].*//; s/[[:space:]]//g; /^(portolan.*)?$/d' | sort -u | paste -sd, -)
base=$work/debian-$suite-$(printf %s "$depends" | cksum | cut -d' ' -f1).tar
if [ ! -e "$base" ]; then
  say "making a Debian ($suite)"
  "$here/bootstrap.sh" "$suite" "$base" --include="systemd-sysv,dbus,$depends"
fi
rm -rf "$root"
mkdir -p "$root"
# Device nodes are the container's own affair.
tar -xf "$base" -C "$root" --exclude='./dev/*'
mkdir "$root/packages"
cp "${debs[@]}" "$root/packages"

# The same as a higher version, whose conffiles have changed.
old=$(dpkg-deb -f "${debs[0]}" Version)
new=$old+next
mkdir -p "$root/newer"
for deb in "${debs[@]}"; do
  rm -rf "$work/new"
  dpkg-deb -R "$deb" "$work/new"
  sed -i "s/^Version: .*/Version: $new/" "$work/new/DEBIAN/control"
  for file in "$work"/new/etc/portolan/*.env; do
    if [ -e "$file" ]; then echo '# of the new version' >>"$file"; fi
  done
  (cd "$work/new" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
  dpkg-deb --root-owner-group -b "$work/new" "$root/newer" >/dev/null
done

say "booting it, without a way out"
systemd-nspawn --quiet -D "$root" --private-network --register=no --keep-unit --boot --machine="$machine" --console=pipe \
  </dev/null >"$work/boot.log" 2>&1 &
nspawn=$!
has_leader() { leader=$(pgrep -P "$nspawn" | head -1) && [ -n "$leader" ]; }
for ((i = 0; i < 50; i++)); do has_leader && break; sleep 0.2; done
[ -n "$leader" ] || die "systemd-nspawn did not start: $(tail -3 "$work/boot.log")"
booted() { [ "$(inside systemctl is-system-running)" = running ]; }
eventually 60 booted
is 1 inside sh -c 'wc -l </proc/net/route'  # the heading: no way out

# What the packages could leave behind. The rest of /var is the system's own doing, as is what tools keep of the past.
list() {
  inside find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
    -o -path /packages -o -path /newer -o -path /root -o -path /var/cache/ldconfig -o -path /var/lib/systemd/timers \) -prune -o \
    ! -path '/var/lib/dpkg/*-old' ! -path '/var/lib/dpkg/lock*' ! -path /var/lib/dpkg/available ! -path '/etc/*-' \
    ! -path /etc/.pwd.lock ! -path '/var/lib/systemd/random-seed' ! -path '/var/lib/dpkg/triggers/*' -print | sort
  inside cat /etc/passwd /etc/group /etc/shadow /etc/gshadow
}
list >"$work/before"

# ---- install ----

say "install"
inside sh -c 'dpkg -i /packages/*.deb' >"$work/install.log" 2>&1 || die "$(cat "$work/install.log")"
for unit in portolan-coordinator portolan-agent; do
  is enabled inside systemctl is-enabled $unit
  is inactive inside systemctl is-active $unit  # no certificates yet, which is no failure
  is no inside systemctl show -P ConditionResult $unit
done
is "" inside systemctl --failed --no-legend
for program in portolan portolan-coordinator portolan-agent; do
  is "$program ${old%%-*}" inside $program --version
  inside test -s /usr/share/man/man1/$program.1.gz -a -s /usr/share/bash-completion/completions/$program
done
# shellcheck disable=SC2016  # for the inner shell
is 'init issue' inside bash -c '. /usr/share/bash-completion/completions/portolan
  COMP_WORDS=(portolan ca "") COMP_CWORD=2; _portolan portolan; echo "${COMPREPLY[*]}"'

say "certificates, services"
inside portolan ca init --out /root/ca
inside portolan ca issue coordinator --ca /root/ca --out /etc/portolan/coordinator --owner portolan-coordinator --ip 127.0.0.1
inside portolan ca issue agent --ca /root/ca --out /etc/portolan/agent --owner portolan-agent
inside portolan ca issue operator --ca /root/ca --out /root/operator
is "600 portolan-agent" inside stat -c '%a %U' /etc/portolan/agent/agent.key
inside sed -i 's/^PORTOLAN_COORDINATOR=.*/PORTOLAN_COORDINATOR=127.0.0.1:7411/; s/^PORTOLAN_VANTAGE=.*/PORTOLAN_VANTAGE=here/' /etc/portolan/agent.env
inside systemctl start portolan-coordinator portolan-agent

portolan() {
  inside portolan "$@" --coordinator 127.0.0.1:7411 --tls-cert /root/operator/operator.pem --tls-key /root/operator/operator.key \
    --tls-ca /root/operator/ca.pem
}
at_work() { [ "$(inside systemctl show -P StatusText portolan-agent)" = "connected to 127.0.0.1:7411" ]; }
serving() {
  local unit
  eventually 30 at_work
  for unit in portolan-coordinator portolan-agent; do
    is active inside systemctl is-active $unit
    is 0 inside systemctl show -P NRestarts $unit
  done
}
serving
is "700 portolan-coordinator" inside stat -c '%a %U' /var/lib/portolan
inside systemctl status --no-pager -n 0 portolan-coordinator portolan-agent | sed -n '/Loaded\|Active\|Status/p'
for unit in portolan-coordinator portolan-agent; do
  inside systemd-analyze verify --man=no $unit.service
  inside systemd-analyze security --no-pager $unit | tail -1
done

say "a scan of loopback, with mutual TLS"
scan() {
  portolan scan 127.0.0.1 -p 7410-7412 --show all | tee "$work/scan"
  [ "$(grep -c '/tcp *open ' "$work/scan")" -eq 2 ] || die "the two ports of the coordinator are open"
}
scan
is 0 inside sh -c "su -s /bin/sh nobody -c 'cat /etc/portolan/agent/agent.key' 2>/dev/null | wc -c"

# ---- upgrade ----

say "upgrade to $new"
pids() { inside systemctl show -P MainPID portolan-coordinator portolan-agent | paste -sd' ' -; }
before=$(pids)
inside sh -c 'dpkg --force-confold -i /newer/*.deb' >"$work/upgrade.log" 2>&1 || die "$(cat "$work/upgrade.log")"
serving
[ "$before" != "$(pids)" ] || die "the services run the old programs"
# shellcheck disable=SC2016  # dpkg's
is "$new" inside dpkg-query -W -f='${Version}' portolan-agent
is '# of the new version' inside tail -1 /etc/portolan/coordinator.env            # was never changed here
is PORTOLAN_VANTAGE=here inside grep PORTOLAN_VANTAGE /etc/portolan/agent.env  # was
inside test -e /etc/portolan/agent.env.dpkg-dist
portolan results last --show all | grep -q '/tcp *open ' || die "the results of before are gone"
scan

say "what is disabled stays so"
inside systemctl disable --quiet --now portolan-agent
inside sh -c 'dpkg --force-confold -i /newer/portolan-agent_*.deb' >"$work/upgrade.log" 2>&1 || die "$(cat "$work/upgrade.log")"
is disabled inside systemctl is-enabled portolan-agent
is inactive inside systemctl is-active portolan-agent
inside systemctl enable --quiet --now portolan-agent
serving

# ---- remove, install again, purge ----

say "remove"
inside dpkg -r portolan portolan-coordinator portolan-agent >"$work/remove.log" 2>&1 || die "$(cat "$work/remove.log")"
for user in portolan-coordinator portolan-agent; do is "" inside find /proc -maxdepth 1 -name '[1-9]*' -user $user; done
refuse inside test -e /usr/bin/portolan-agent
for file in /etc/portolan/agent.env /etc/portolan/agent/agent.key /var/lib/portolan/portolan.db; do inside test -e $file; done

say "install again: goes on where it was"
inside sh -c 'dpkg --force-confold -i /newer/*.deb' >"$work/install.log" 2>&1 || die "$(cat "$work/install.log")"
serving
portolan results last --show all | grep -q '/tcp *open ' || die "the results of before are gone"

say "purge"
inside dpkg -P portolan portolan-coordinator portolan-agent >"$work/purge.log" 2>&1 || die "$(cat "$work/purge.log")"
list >"$work/after"
diff "$work/before" "$work/after" || die "the lines above are what is left behind (>) or gone (<)"
is "" inside systemctl list-unit-files --no-legend 'portolan*'
is "" inside systemctl --failed --no-legend
say "nothing is left behind"
