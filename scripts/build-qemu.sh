#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Build $B/qemu/bin/qemu-system-aarch64: QEMU's source, qemu/patches/10.2 over it, qemu/hw/vfio-apple into it.
# Needs the client library ($B/client/vfapple.pc).  Run again after a change: only what changed is rebuilt.
#
#   JOBS            parallel compilers (default: all processors)
#   QEMU_CONFIGURE  further arguments of QEMU's configure
set -eu
cd "$(dirname "$0")/.."
top=$PWD

B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac
src=$B/qemu/src obj=$B/qemu/obj orig=$B/qemu/orig
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}

fail()
{
	echo "build-qemu.sh: $*" >&2
	exit 1
}

# Two builds at once would trample on each other.
mkdir -p "$B/qemu/bin"
if command -v flock >/dev/null && [ -z "${QEMU_BUILD_LOCKED:-}" ]; then
	exec env QEMU_BUILD_LOCKED=1 flock "$B/qemu/lock" "$0" "$@"
fi

B=$B scripts/fetch-qemu.sh
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
patches=(qemu/patches/10.2/*.patch)
stage=$B/qemu/stage
rm -rf "$stage"
mkdir -p "$stage" "$orig"
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
	patch -d "$stage" -p1 --no-backup-if-mismatch -s -f <"$p" || fail "$p does not apply to this QEMU"
done
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

if [ -x "$B/tools/meson/bin/meson" ]; then
	export PATH=$B/tools/meson/bin:$PATH
	export PYTHONPATH=$B/tools/meson/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}
fi
export PKG_CONFIG_PATH=$B/client${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

args=(--target-list=aarch64-softmmu --with-devices-aarch64=vfio-apple
	--without-default-devices --without-default-features --disable-install-blobs --disable-download
	--enable-system --enable-fdt=system --enable-tcg --enable-trace-backends=log)
case $(uname -s)-$(uname -m) in
Darwin-*) args+=(--disable-werror --enable-hvf --enable-cocoa) ;;
Linux-aarch64) args+=(--enable-werror --enable-kvm) ;;
*) args+=(--enable-werror) ;;
esac
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

ninja -C "$obj" -j "$jobs" qemu-system-aarch64
if ! cmp -s "$obj/qemu-system-aarch64" "$B/qemu/bin/qemu-system-aarch64"; then
	cp "$obj/qemu-system-aarch64" "$B/qemu/bin/.new"
	mv -f "$B/qemu/bin/.new" "$B/qemu/bin/qemu-system-aarch64"
fi
