#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build the debug kernel of the tests, for arm64: Debian's sources with tests/e2e/kernel.config.
#
#   scripts/build-kernel.sh [OUT-DIR]
#
# Fills build/kernels/debug as scripts/fetch-kernel.sh fills its folders: release, headers/, vmlinuz and modules/.
# The sources are those of the package linux-source-6.12, the newest in the archive.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "build-kernel.sh: $*" >&2
	exit 1
}

out=${1:-${B:-build}/kernels/debug}
config=$PWD/tests/e2e/kernel.config
package=linux-source-6.12
native=$(dpkg --print-architecture)
apt=${B:-build}/apt/bookworm-$native
scripts/apt-root.sh "$apt" bookworm "$native" bookworm-backports
options="-c $PWD/$apt/apt.conf"

tmp=$out.part
rm -rf "$tmp"
mkdir -p "$tmp/root"
tmp=$(cd "$tmp" && pwd)
trap 'rm -rf "$tmp"' EXIT
log=$tmp/log
version=$(apt-cache $options madison $package | awk -F'|' '{ gsub(/ /, "", $2); print $2; exit }')
[ -n "$version" ] || fail "the archive has no $package"
echo "building the debug kernel from $package $version"
(cd "$tmp/root" && apt-get $options -q download "$package=$version" >"$log" 2>&1) ||
	fail "cannot download $package $version: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
dpkg-deb -x "$tmp/root/$package"_*.deb "$tmp/root"
mkdir "$tmp/src"
# Other architectures and most documentation play no part.
tar -xJf "$tmp/root/usr/src/$package.tar.xz" -C "$tmp/src" --strip-components=1 \
	--exclude='*/Documentation/[a-z]*' --exclude='*/tools/testing' --exclude='*/drivers/gpu/drm/amd/include'
rm -rf "$tmp/root"

# Environment and flags of a make above us are not the kernel's.
kernel=(env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u B make -s -C "$tmp/src" ARCH=arm64 LOCALVERSION=-debug)
[ "$(uname -m)" = aarch64 ] || kernel+=(CROSS_COMPILE=aarch64-linux-gnu-)
build()
{
	"${kernel[@]}" "$@" >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		fail "make $* failed"
	}
}
build "KCONFIG_ALLCONFIG=$config" allnoconfig
while read -r line; do
	grep -qxF "$line" "$tmp/src/.config" || fail "this kernel cannot be configured with $line"
done < <(grep '^CONFIG_' "$config")
grep -qE '^CONFIG_(XEN|ARCH_HAS_DMA_OPS)=' "$tmp/src/.config" && fail "this kernel has dev->dma_ops"
build -j"$(nproc)" Image
build modules_prepare modules

cp "$tmp/src/arch/arm64/boot/Image" "$tmp/vmlinuz"
cp "$tmp/src/include/config/kernel.release" "$tmp/release.part"
mkdir "$tmp/modules"
# What building a module needs stays.
(
	cd "$tmp/src"
	find . -type f ! -path './include/*' ! -path './arch/arm64/include/*' ! -path './scripts/*' \
		! -path './arch/arm64/Makefile' ! -path './Makefile' ! -path './.config' ! -path './Module.symvers' \
		! -path './System.map' ! -path './tools/include/*' -delete
	find . -name '*.o' ! -path './scripts/*' -delete
	find . -depth -mindepth 1 -type d -empty -delete
)
ln -s src "$tmp/headers"
rm -f "$log"
mv "$tmp/release.part" "$tmp/release"
rm -rf "$out"
mv "$tmp" "$out"
