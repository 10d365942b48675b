#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build QEMU: its source, the patches of qemu/patches that belong to its version over it, qemu/hw/vfio-apple into it.
# Needs the client library ($B/client/vfapple.pc).  Run again after a change: only what changed is rebuilt.
#
#   scripts/build-qemu.sh [--beside]
#
# Every version has its own $B/qemu/VERSION/{src,orig,obj,bin}.  $B/qemu/{src,orig,obj,bin} are links to the ones of the
# version built last without --beside: $B/qemu/bin/qemu-system-aarch64 is the QEMU that everything else uses.
# Exit status 75: the version's source can be had from nowhere.
#
#   QEMU_VERSION    a version of qemu/versions (default: its first tested one)
#   JOBS            parallel compilers (default: all processors)
#   QEMU_CONFIGURE  further arguments of QEMU's configure, for example --enable-vmnet on a Mac
#   CODESIGN_ID     on a Mac, the identity to sign with (default: none, an ad hoc signature)
set -eu
cd "$(dirname "$0")/.."
top=$PWD
. scripts/qemu-versions.sh

B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
beside=${1:-}

fail()
{
	echo "build-qemu.sh: $*" >&2
	exit 1
}

[ -z "${QEMU_VERSION:-}" ] || [ "$(qemu_field "$QEMU_VERSION" state)" != unported ] ||
	fail "there are no patches for QEMU $QEMU_VERSION yet; these versions can be built: $(qemu_versions tested)"

# Two builds at once would trample on each other.
mkdir -p "$B/qemu"
if command -v flock >/dev/null && [ -z "${QEMU_BUILD_LOCKED:-}" ]; then
	exec env QEMU_BUILD_LOCKED=1 flock "$B/qemu/lock" "$top/scripts/build-qemu.sh" "$@"
fi

if [ "$(uname -s)" = Darwin ]; then
	absent=
	for tool in ninja pkg-config; do
		command -v "$tool" >/dev/null || absent="$absent $tool"
	done
	[ -z "$absent" ] || fail "missing:$absent; run brew install ninja pkgconf glib pixman dtc libslirp"
fi

version=$(B=$B scripts/fetch-qemu.sh ${QEMU_VERSION:+"$QEMU_VERSION"}) || exit $?
tree=$B/qemu/$version
src=$tree/src obj=$tree/obj orig=$tree/orig bin=$tree/bin
mkdir -p "$obj" "$orig" "$bin"
[ -e "$B/client/vfapple.pc" ] || fail "$B/client/vfapple.pc is missing: build the client library first (make $B/client/vfapple.pc)"

# put FROM TO: copy when the content differs, so that ninja sees real changes only.
put()
{
	if ! cmp -s "$1" "$2"; then
		mkdir -p "$(dirname "$2")"
		cp "$1" "$2"
	fi
}

# Patched files are made anew from the originals, in a scratch tree, and copied over.  Files that a patch creates have
# no original.
patches=("qemu/patches/$(qemu_field "$version" series)"/*.patch)
stage=$tree/stage
rm -rf "$stage"
mkdir -p "$stage"
touched=$(sed -n 's|^+++ b/||p' "${patches[@]}" | sort -u)
for f in $touched; do
	if [ ! -e "$orig/$f" ] && [ -e "$src/$f" ] && ! grep -qxF "$f" "$orig/.created" 2>/dev/null; then
		mkdir -p "$orig/$(dirname "$f")"
		cp -p "$src/$f" "$orig/$f"
	fi
	if [ -e "$orig/$f" ]; then
		mkdir -p "$stage/$(dirname "$f")"
		cp "$orig/$f" "$stage/$f"
	else
		grep -qxF "$f" "$orig/.created" 2>/dev/null || echo "$f" >>"$orig/.created"
	fi
done
for p in "${patches[@]}"; do
	patch -d "$stage" -p1 -s -f <"$p" || fail "$p does not apply to QEMU $version"
done
find "$stage" -name '*.orig' -exec rm -f {} +
# Files that only an older patch series touched go back to what they were.
(cd "$orig" && find . -type f ! -name .created) | while read -r f; do
	[ -e "$stage/$f" ] || put "$orig/$f" "$src/$f"
done
(cd "$stage" && find . -type f) | while read -r f; do
	put "$stage/$f" "$src/$f"
done
if [ -e "$orig/.created" ]; then
	while read -r f; do
		[ -e "$stage/$f" ] || rm -f "$src/$f"
	done <"$orig/.created"
fi
rm -rf "$stage"

for f in qemu/hw/vfio-apple/*; do
	put "$f" "$src/hw/vfio-apple/${f##*/}"
done
for f in "$src"/hw/vfio-apple/*; do
	[ -e "qemu/hw/vfio-apple/${f##*/}" ] || rm -f "$f"
done
put qemu/docs/vfio-apple.rst "$src/docs/system/devices/vfio-apple.rst"
put qemu/docs/apple-dma.rst "$src/docs/specs/apple-dma.rst"
put abi/apple_dma.h "$src/include/standard-headers/misc/apple_dma.h"
put qemu/configs/vfio-apple.mak "$src/configs/devices/aarch64-softmmu/vfio-apple.mak"
# QEMU's own build signs it ad hoc with its own entitlement; CODESIGN_ID below, with these.
scripts/qemu-entitlements.py "$src/accel/hvf/entitlements.plist" "$tree/entitlements" || fail "see above"

if [ -x "$B/tools/meson/bin/meson" ]; then
	export PATH=$B/tools/meson/bin:$PATH
	export PYTHONPATH=$B/tools/meson/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}
fi
export PKG_CONFIG_PATH=$B/client${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

args=(--target-list=aarch64-softmmu --with-devices-aarch64=vfio-apple
	--without-default-devices --without-default-features --disable-install-blobs --disable-download
	--enable-system --enable-tools --enable-fdt=system --enable-tcg --enable-trace-backends=log --enable-vvfat)
case $(uname -s)-$(uname -m) in
Darwin-arm64) args+=(--disable-werror --enable-pixman --enable-cocoa --enable-hvf) ;;
Darwin-*) args+=(--disable-werror --enable-pixman --enable-cocoa) ;;
Linux-aarch64) args+=(--enable-werror --enable-kvm) ;;
*) args+=(--enable-werror) ;;
esac
# What bench/insn counts instructions with; it costs nothing where no plugin is named.
[ "$(uname -s)" = Darwin ] || args+=(--enable-plugins)
# The guest's way to the network that needs no privilege.
if pkg-config --exists slirp; then
	args+=(--enable-slirp)
fi
# shellcheck disable=SC2206
args+=(${QEMU_CONFIGURE:-})

# The library's flags are part of what configure finds.
stamp="${args[*]} $(cat "$B/client/vfapple.pc")"
if [ "$stamp" != "$(cat "$obj/configured" 2>/dev/null)" ]; then
	mkdir -p "$obj"
	echo "build-qemu.sh: configuring QEMU"
	rm -f "$obj/configured" "$obj/build.ninja" "$obj/meson-private/cmd_line.txt" "$obj/meson-private/coredata.dat"
	(cd "$obj" && "$src/configure" "${args[@]}") >"$obj/configure.log" 2>&1 ||
		fail "QEMU's configure failed: $(grep -m1 -i error "$obj/configure.log"; echo "see $obj/configure.log")"
	echo "$stamp" >"$obj/configured"
fi

ninja -C "$obj" -j "$jobs" qemu-system-aarch64 qemu-img
for program in qemu-system-aarch64 qemu-img; do
	if ! cmp -s "$obj/$program" "$bin/$program"; then
		cp "$obj/$program" "$bin/.new"
		if [ -n "${CODESIGN_ID:-}" ] && [ "$program" = qemu-system-aarch64 ]; then
			codesign --force --sign "$CODESIGN_ID" --entitlements "$tree/entitlements" "$bin/.new"
		fi
		mv -f "$bin/.new" "$bin/$program"
	fi
done

if [ "$beside" != --beside ]; then
	for name in src orig obj bin; do
		[ -L "$B/qemu/$name" ] || rm -rf "${B:?}/qemu/$name"
		ln -sfn "$version/$name" "$B/qemu/$name"
	done
fi
