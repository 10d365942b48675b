#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: which pages QEMU's HVF accelerator maps into the guest, see hvf/memory.c.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac

tree=
for t in "$B/qemu" "$B"/qemu/*; do
	if [ -z "$tree" ] && [ -e "$t/src/VERSION" ] && [ -e "$t/obj/config-host.h" ]; then
		tree=$t
	fi
done
if [ -z "$tree" ]; then
	echo "not ok 1 - QEMU has been built (make $B/qemu/bin/qemu-system-aarch64)"
	echo "1..1"
	exit 1
fi
src=$tree/src obj=$tree/obj
machine=$(uname -m)

mkdir -p "$B/tests/contract"
read -ra glib <<<"$(pkg-config --cflags --libs glib-2.0)"
if ! (cd "$obj" && clang -std=gnu11 -O1 -g -Wall -Werror -Wno-unused -Wno-format -ffunction-sections \
	-DCONFIG_SOFTMMU -DCOMPILING_SYSTEM_VS_USER -DCOMPILE_SYSTEM_ARCH -DCOMPILING_PER_TARGET -DCONFIG_HVF -D_GNU_SOURCE \
	-DCONFIG_TARGET='"aarch64-softmmu-config-target.h"' -DCONFIG_DEVICES='"aarch64-softmmu-config-devices.h"' \
	-I"$top/tests/contract/hvf" -I"$top/scripts/darwin" -I"$obj" -I"$obj/qapi" -I"$obj/trace" -I"$src/target/arm" \
	-I"$obj/target/arm" -isystem "$src/linux-headers" -iquote "$obj" -iquote "$src" -iquote "$src/include" \
	-iquote "$src/host/include/$machine" -iquote "$src/host/include/generic" -iquote "$src/tcg/$machine" "${glib[@]}" \
	"$top/tests/contract/hvf/memory.c" -Wl,--gc-sections \
	-o "$B/tests/contract/hvf-memory") >"$B/tests/contract/hvf-memory.log" 2>&1; then
	head -n 30 "$B/tests/contract/hvf-memory.log" | sed 's/^/# /'
	echo "not ok 1 - QEMU's accel/hvf compiles for a test on this machine"
	echo "1..1"
	exit 1
fi
exec "$B/tests/contract/hvf-memory"
