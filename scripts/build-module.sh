#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build an out-of-tree kernel module for a kernel of scripts/fetch-kernel.sh or scripts/build-kernel.sh.
#
#   scripts/build-module.sh 6.1|6.12|7|6.1-amd64|6.12-amd64|debug SOURCE-DIR OUT-DIR
#
# OUT-DIR receives the sources' copy and the .ko; the source folder stays clean.
set -eu -o pipefail
cd "$(dirname "$0")/.."

version=$1 src=$2 out=$3
kernel=${B:-build}/kernels/$version
[ -e "$kernel/release" ] || {
	echo "build-module.sh: $kernel is missing: run scripts/fetch-kernel.sh ${version%-*}" >&2
	exit 1
}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cp -p "$src"/Kbuild "$src"/*.[ch] "$out"
mkdir -p "$out/abi"
cp -p abi/*.h "$out/abi"

make=(make -s -C "$(readlink -f "$kernel/headers")" M="$out" W=1)
case $version in
*-amd64) arch=x86_64 ;;
*) arch=aarch64 ;;
esac
if [ -e "$kernel/compiler/gcc" ]; then
	make+=(CROSS_COMPILE=$arch-linux-gnu- "CC=$(realpath -s "$kernel/compiler/gcc")")
elif [ "$arch" = "$(uname -m)" ]; then
	make+=(CC=gcc)
else
	make+=(CROSS_COMPILE=$arch-linux-gnu- CC=$arch-linux-gnu-gcc)
fi
# Debian's headers know this by themselves.
[ "$version" != debug ] || make+=(ARCH=arm64)
[ -z "${SPARSE:-}" ] || make+=(C=2)
log=$out/build.log
rm -f "$out"/*.ko
# A make above us must not hand its variables down.
if ! env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS "${make[@]}" modules >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
case $arch in
"$(uname -m)") strip -g "$out"/*.ko ;;
*) $arch-linux-gnu-strip -g "$out"/*.ko ;;
esac
grep -vE '^(Skipping BTF|make)|warning: (the compiler|pahole version) differs|The kernel was built (by|with)|You are using' "$log" || true
