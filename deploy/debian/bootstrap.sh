#!/usr/bin/env bash
# A Debian like this machine's, as a tar archive: bootstrap.sh ARCHIVE [OPTION of mmdebstrap...]
#
# As root, from the package sources that this machine's apt knows. Made under another name first, so that ARCHIVE is whole or absent.
set -euo pipefail
archive=${1:?usage: bootstrap.sh ARCHIVE [OPTION...]}
shift

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || { echo "bootstrap.sh: /etc/os-release names no release of Debian" >&2; exit 1; }
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
