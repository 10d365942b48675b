#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fetch a stock Debian kernel for virtual machines, with what building a module for it needs.
#
#   scripts/fetch-kernel.sh 6.1|6.12 [arm64|amd64]
#   scripts/fetch-kernel.sh 7
#
# Fills build/kernels/VERSION (VERSION-amd64): release (the `uname -r`), headers/ (KDIR for scripts/build-module.sh) and,
# for arm64, vmlinuz and modules/ (as in /lib/modules/RELEASE).  The newest build in the archive is taken.
#
# Debian 13's kernel 7 takes a compiler and a C library newer than Debian 12's: compiler/ has both, and the programs
# there and in headers/ run on that library.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "fetch-kernel.sh: $*" >&2
	exit 1
}

version=${1:-} arch=${2:-arm64}
case $version in
6.1) base=bookworm suite=bookworm ;;
6.12) base=bookworm suite=bookworm-backports ;;
7) base=trixie suite=trixie-backports gcc=14 ;;
*) fail "usage: fetch-kernel.sh 6.1|6.12|7 [arm64|amd64]" ;;
esac
[ -z "${gcc:-}" ] || [ "$arch" = arm64 -a "$(uname -m)" = x86_64 ] ||
	fail "kernel $version can only be built for arm64 on x86-64"
out=${B:-build}/kernels/$version
[ "$arch" = arm64 ] || out=$out-$arch
[ ! -e "$out/release" ] || exit 0

# Kernel and headers are the guest's; kbuild's tools run here.
native=$(dpkg --print-architecture)
for a in "$arch" "$native"; do
	scripts/apt-root.sh "${B:-build}/apt/$base-$a" "$base" "$a" "$base-backports"
done
guest="-c $PWD/${B:-build}/apt/$base-$arch/apt.conf"
host="-c $PWD/${B:-build}/apt/$base-$native/apt.conf"

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
	if [ "$arch" = arm64 ]; then
		packages+=("$image=$meta_version")
		# Since 6.19 the image package only depends on what it consists of.
		for p in $(depends "$image" "$meta_version" $guest | grep -E '^linux-(binary|modules)-'); do
			packages+=("$p=$meta_version")
		done
	fi
	apt-get $guest -q download "${packages[@]}" >"$log" 2>&1 &&
		apt-get $host -q download "$kbuild=$meta_version" >>"$log" 2>&1 ||
		fail "cannot download kernel $release: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
	for d in *.deb; do
		dpkg-deb -x "$d" "$tmp/root"
	done
	if [ -n "${gcc:-}" ]; then
		mkdir ../compiler-debs
		cd ../compiler-debs
		apt-get $host -q download "gcc-$gcc-aarch64-linux-gnu" "cpp-$gcc-aarch64-linux-gnu" "libgcc-$gcc-dev-arm64-cross" \
			libc6 libstdc++6 libgcc-s1 libisl23 libmpc3 libmpfr6 libgmp10 zlib1g libzstd1 libelf1t64 libdw1t64 \
			liblzma5 libbz2-1.0 >"$log" 2>&1 ||
			fail "cannot download gcc-$gcc: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
		for d in *.deb; do
			dpkg-deb -x "$d" "$tmp/compiler"
		done
	fi
)
rm -rf "$tmp/debs" "$tmp/compiler-debs" "$tmp/log"

final=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
if [ -n "${gcc:-}" ]; then
	# The machine's assembler will do.
	mkdir -p "$tmp/compiler/usr/aarch64-linux-gnu"
	ln -sfn /usr/aarch64-linux-gnu/bin "$tmp/compiler/usr/aarch64-linux-gnu/bin"
	find "$tmp/compiler/usr/bin" "$tmp/compiler/usr/libexec" "$tmp/root/usr/lib/$kbuild" -type f | while read -r f; do
		patchelf --print-interpreter "$f" >/dev/null 2>&1 || continue
		patchelf --set-interpreter "$final/compiler/usr/lib64/ld-linux-x86-64.so.2" \
			--set-rpath "$final/compiler/usr/lib/x86_64-linux-gnu" "$f"
	done
	ln -s "usr/bin/aarch64-linux-gnu-gcc-$gcc" "$tmp/compiler/gcc"
fi
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
	modules=lib/modules/$release
	[ -d "$tmp/root/$modules" ] || modules=usr/$modules
	ln -s "root/$modules" "$tmp/modules"
	vmlinuz=boot/vmlinuz-$release
	[ -e "$tmp/root/$vmlinuz" ] || vmlinuz=$modules/vmlinuz
	ln -s "root/$vmlinuz" "$tmp/vmlinuz"
fi
echo "$release" >"$tmp/release"
rm -rf "$out"
mv "$tmp" "$out"
