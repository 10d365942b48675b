#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fetch a stock Debian kernel for virtual machines, with what building a module for it needs.
#
#   scripts/fetch-kernel.sh 6.1|6.12 [arm64|amd64]
#
# Fills build/kernels/VERSION (VERSION-amd64): release (the `uname -r`), headers/ (KDIR for scripts/build-module.sh) and,
# for arm64, vmlinuz and modules/ (as in /lib/modules/RELEASE).  The newest build in the archive is taken.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "fetch-kernel.sh: $*" >&2
	exit 1
}

version=${1:-} arch=${2:-arm64}
case $version in
6.1) suite=bookworm ;;
6.12) suite=bookworm-backports ;;
*) fail "usage: fetch-kernel.sh 6.1|6.12 [arm64|amd64]" ;;
esac
out=${B:-build}/kernels/$version
[ "$arch" = arm64 ] || out=$out-$arch
[ ! -e "$out/release" ] || exit 0

# Kernel and headers are the guest's; kbuild's tools run here.
native=$(dpkg --print-architecture)
for a in "$arch" "$native"; do
	scripts/apt-root.sh "${B:-build}/apt/$a" bookworm "$a" bookworm-backports
done
guest="-c $PWD/${B:-build}/apt/$arch/apt.conf"
host="-c $PWD/${B:-build}/apt/$native/apt.conf"

# Version of a meta package from that suite, e.g. 6.12.95-1~bpo12+1; then what it depends on, e.g. linux-image-6.12.95+deb12-cloud-arm64.
meta_version=$(apt-cache $guest madison "linux-image-cloud-$arch" |
	awk -F'|' -v v="$version." '{ gsub(/ /, "", $2); if (index($2, v) == 1) { print $2; exit } }')
[ -n "$meta_version" ] || fail "the archive has no linux-image-cloud-$arch $version in $suite"
depends()
{
	apt-cache "${@:3}" show "$1=$2" | sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//'
}
image=$(depends "linux-image-cloud-$arch" "$meta_version" $guest | grep -m1 '^linux-image-')
headers=$(depends "linux-headers-cloud-$arch" "$meta_version" $guest | grep -m1 '^linux-headers-')
common=$(depends "$headers" "$meta_version" $guest | grep -m1 '^linux-headers-.*-common$')
kbuild=$(depends "$headers" "$meta_version" $guest | grep -m1 '^linux-kbuild-')
release=${image#linux-image-}

tmp=$out.part
rm -rf "$tmp"
mkdir -p "$tmp/debs" "$tmp/root"
tmp=$(cd "$tmp" && pwd)
trap 'rm -rf "$tmp"' EXIT
echo "fetching kernel $release"
(
	cd "$tmp/debs"
	log=$tmp/log
	packages=("$headers=$meta_version" "$common=$meta_version")
	[ "$arch" != arm64 ] || packages+=("$image=$meta_version")
	apt-get $guest -q download "${packages[@]}" >"$log" 2>&1 &&
		apt-get $host -q download "$kbuild=$meta_version" >>"$log" 2>&1 ||
		fail "cannot download kernel $release: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
	for d in *.deb; do
		dpkg-deb -x "$d" "$tmp/root"
	done
)
rm -rf "$tmp/debs" "$tmp/log"

final=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
src=$tmp/root/usr/src/$headers
# The packages expect to lie under /usr.
grep -rlI --include=Makefile --include=.kernelvariables '/usr/src' "$src" | while read -r f; do
	sed -i "s#/usr/src#$final/root/usr/src#g" "$f"
done
for l in scripts tools; do
	link=$tmp/root/usr/src/$common/$l
	[ ! -L "$link" ] || ln -sfn "../../lib/$kbuild/$l" "$link"
done
# Type information of modules would need pahole, and nobody reads it.
rm -f "$src/vmlinux"
ln -s "root/usr/src/$headers" "$tmp/headers"
if [ "$arch" = arm64 ]; then
	ln -s "root/boot/vmlinuz-$release" "$tmp/vmlinuz"
	modules=lib/modules/$release
	[ -d "$tmp/root/$modules" ] || modules=usr/$modules
	ln -s "root/$modules" "$tmp/modules"
fi
echo "$release" >"$tmp/release"
rm -rf "$out"
mv "$tmp" "$out"
