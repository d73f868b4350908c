#!/usr/bin/env bash
# A Debian root file system as a tar archive: bootstrap.sh SUITE ARCHIVE [OPTION of mmdebstrap...]
#
# As root, from the package sources that this machine's apt knows. Made under another name first, so that ARCHIVE is whole or absent.
set -euo pipefail
suite=${1:?usage: bootstrap.sh SUITE ARCHIVE [OPTION...]}
archive=${2:?usage: bootstrap.sh SUITE ARCHIVE [OPTION...]}
shift 2

sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [ -s "$file" ]; then sources+=("$file"); fi
done
[ ${#sources[@]} -gt 0 ] || { echo "bootstrap.sh: no package sources in /etc/apt" >&2; exit 1; }

# What this machine's apt is told about its mirror holds there, too.
settings=$(mktemp)
trap 'rm -f "$settings" "$archive.new"' EXIT
apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy)' >"$settings" || true
options=(--quiet --format=tar --variant=minbase)
[ ! -s "$settings" ] || options+=(--aptopt="$settings")
mmdebstrap "${options[@]}" "$@" "$suite" "$archive.new" "${sources[@]}"
mv "$archive.new" "$archive"
