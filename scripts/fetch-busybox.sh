#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fetch Debian's static busybox of another architecture: scripts/fetch-busybox.sh ARCH OUT
set -eu -o pipefail
cd "$(dirname "$0")/.."

arch=$1 out=$2
root=${B:-build}/apt/bookworm-$arch
scripts/apt-root.sh "$root" bookworm "$arch" bookworm-backports
options="-c $PWD/$root/apt.conf"
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
(cd "$tmp" && apt-get $options -q download busybox-static >log 2>&1) || {
	echo "fetch-busybox.sh: cannot download busybox-static for $arch: $(grep -m1 '^E:' "$tmp/log" || tail -n1 "$tmp/log")" >&2
	exit 1
}
dpkg-deb -x "$tmp"/busybox-static_*.deb "$tmp/root"
mv "$(find "$tmp/root" -path '*bin/busybox' -type f)" "$out"
touch "$out"
