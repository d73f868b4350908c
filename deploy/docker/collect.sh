#!/usr/bin/env bash
# Makes the root of an image: a program, its shared libraries and what it reads at run time, and nothing else: collect.sh PROGRAM ROOT
# Which packages these files are of is kept where scanners look for it (/var/lib/dpkg/status.d), with their licences, and for people in
# /usr/share/portolan/packages.txt. Runs in the build, as root, on Debian.
set -euo pipefail
program=${1:?usage: collect.sh PROGRAM ROOT}
root=${2:?usage: collect.sh PROGRAM ROOT}
name=$(basename "$program")
user=64110

mkdir -p "$root"/{etc/portolan/tls,etc/ssl/certs,tmp,usr/bin,usr/lib,usr/lib64,usr/sbin,usr/share/portolan,var/lib/dpkg/status.d,var/lib/portolan,var/tmp}
for folder in bin lib lib64 sbin; do ln -s "usr/$folder" "$root/$folder"; done
chmod 1777 "$root/tmp" "$root/var/tmp"
install -m 755 "$program" "$root/usr/bin/$name"
strip --strip-unneeded "$root/usr/bin/$name"

# take FILE: in its place, by all of its names; the package that it is of is noted.
declare -A packages=()
take() {
  local file=$1 real owner
  real=$(realpath "$file")
  mkdir -p "$root$(dirname "$real")"
  cp -p "$real" "$root$real"
  [ "$(basename "$file")" = "$(basename "$real")" ] || ln -sf "$(basename "$real")" "$root$(dirname "$real")/$(basename "$file")"
  # The package database may know it by the name from before /usr was merged.
  owner=$(dpkg-query --search "$real" "${real#/usr}" 2>/dev/null | head -1) || true
  [ -n "$owner" ] || { echo "collect.sh: $real: of no package" >&2; return 1; }
  packages[${owner%%:*}]=1
}
while read -r library; do take "$library"; done < <(ldd "$program" | grep -oE '/[^ ]+' | sort -u)
# The kernel asks for the interpreter by the path in the program.
interpreter=$(ldd "$program" | sed -nE 's|^\s+(/[^ ]+) .*|\1|p')
mkdir -p "$root/usr$(dirname "$interpreter")"
[ -e "$root/usr$interpreter" ] || ln -sr "$root$(realpath "$interpreter")" "$root/usr$interpreter"

# Webhooks are called over TLS; monitors have time zones.
if [ "$name" != portolan-agent ]; then
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  mkdir -p "$root/usr/share/zoneinfo"
  cp -a /usr/share/zoneinfo/. "$root/usr/share/zoneinfo/"
  rm -rf "$root"/usr/share/zoneinfo/{posix,right}
  packages[ca-certificates]=1 packages[tzdata]=1
fi
printf 'root:x:0:0:root:/:/nonexistent\nportolan:x:%s:%s:portolan:/var/lib/portolan:/nonexistent\n' "$user" "$user" >"$root/etc/passwd"
printf 'root:x:0:\nportolan:x:%s:\n' "$user" >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp /etc/os-release "$root/etc/os-release"
# A new volume that is mounted there takes over owner and mode.
chown "$user:$user" "$root/var/lib/portolan" "$root/etc/portolan/tls"
chmod 700 "$root/var/lib/portolan" "$root/etc/portolan/tls"

# shellcheck disable=SC2016  # dpkg-query's own
for package in $(printf '%s\n' "${!packages[@]}" | sort); do
  dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/$package"
  dpkg-query --show --showformat '${Package} ${Version}\n' "$package" >>"$root/usr/share/portolan/packages.txt"
  if [ -f "/usr/share/doc/$package/copyright" ]; then
    install -D -m 644 "$(realpath "/usr/share/doc/$package/copyright")" "$root/usr/share/doc/$package/copyright"
  fi
done
"$program" --version
du -sh "$root" | cut -f1
