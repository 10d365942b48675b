#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: do VFIO with our patches, and our files in QEMU, compile for macOS on Apple Silicon?
#
# ZIG names the cross compiler.  The QEMU that was built here ($B/qemu/obj) supplies generated headers; its
# config-host.h is turned into that of a Mac.  IOKit is not needed: QEMU sees it through the client library only.
# For Hypervisor.framework the declarations beside this script stand in.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
B=${B:-build}
src=$top/$B/qemu/src obj=$top/$B/qemu/obj out=$top/$B/darwin/qemu
count=0 failed=0

result()
{	# status, description, file with details
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
		return
	fi
	failed=1
	echo "not ok $count - $2"
	[ -z "${3:-}" ] || grep -v FileNotFound "$3" | head -n 30 | sed 's/^/# /'
}

if [ ! -x "${ZIG:-}" ] || [ ! -e "$obj/config-host.h" ]; then
	echo "# ZIG has to name the compiler, and QEMU has to be built (make $B/qemu/bin/qemu-system-aarch64)"
	echo "not ok 1 - QEMU for macOS was checked"
	exit 1
fi
export ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-$top/$B/tools/zig-cache}
export ZIG_LOCAL_CACHE_DIR=${ZIG_LOCAL_CACHE_DIR:-$top/$B/tools/zig-cache}

# What a Mac has: POSIX and the compiler's features.  The rest of config-host.h describes this machine.
mkdir -p "$out"
{
	grep -E '^#define (QEMU_VERSION|CONFIG_(PREFIX|BINDIR|SYSCONFDIR|QEMU_|INT128|ATOMIC64|IOVEC|MADVISE|POSIX|PREADV|FDT|TCG|TRACE_|QOM_CAST_DEBUG|COROUTINE_POOL|GETLOADAVG|TLS_PRIORITY|HOST_DSOSUF)|HAVE_(GETIFADDRS|OPENPTY|SYSTEM_FUNCTION|UTMPX))' \
		"$obj/config-host.h" | grep -Ev 'POSIX_(FALLOCATE|MADVISE|MEMALIGN)|INT128_TYPE'
	echo '#define CONFIG_DARWIN'
	echo '#define CONFIG_INT128_TYPE'
	echo '#define HOST_AARCH64 1'
	echo '#define CONFIG_PTHREAD_SETNAME_NP_WO_TID'
} >"$out/config-host.h"

glib=$(pkg-config --cflags-only-I glib-2.0)
flags=(-target aarch64-macos.13.0 -std=gnu11 -O2 -Wall -Werror -Wno-unused-command-line-argument
	-DCONFIG_SOFTMMU -DCOMPILING_SYSTEM_VS_USER -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -UNDEBUG
	-I"$out" -I"$obj" -I"$obj/qapi" -I"$obj/trace"
	-isystem "$src/include/compat/darwin"
	-iquote "$out" -iquote "$obj" -iquote "$src" -iquote "$src/include"
	-iquote "$src/host/include/aarch64" -iquote "$src/host/include/generic" -iquote "$src/tcg/aarch64"
	-I"$top/client/include" -I"$top/abi" -Wno-system-headers)
for d in $glib; do
	flags+=(-idirafter "${d#-I}")
done
# Files built once per target see its configuration.
target=(-DCOMPILE_SYSTEM_ARCH -DCOMPILING_PER_TARGET -I"$src/target/arm" -I"$obj/target/arm"
	-DCONFIG_TARGET="\"aarch64-softmmu-config-target.h\"" -DCONFIG_DEVICES="\"aarch64-softmmu-config-devices.h\"")

compile()
{	# source, further flags...
	local source=$1 object
	shift
	object=$out/$(tr / _ <<<"${source%.c}").o
	rm -f "$object"
	(cd "$obj" && "$ZIG" cc "${flags[@]}" "$@" -c "$src/$source" -o "$object") >"$out/log" 2>&1
	result $? "$source compiles for aarch64-macos" "$out/log"
}

for f in pci pci-quirks container container-legacy listener helpers; do
	compile "hw/vfio/$f.c" "${target[@]}"
done
for f in device region migration migration-multifd display cpr cpr-legacy; do
	compile "hw/vfio/$f.c"
done
for f in qemu/hw/vfio-apple/*.c; do
	compile "hw/vfio-apple/${f##*/}"
done
compile accel/hvf/hvf-all.c -I"$top/scripts/darwin"

# Functions that exist only where there is eventfd or Linux, by their names in the symbol tables.
! grep -laP '\x00_(event_notifier_init_fd|eventfd|signalfd|epoll_wait|prctl)\x00' "$out"/*.o >"$out/log" 2>/dev/null
result $? "no object needs a function of Linux" "$out/log"

# A gate that accepts everything would be no gate.
(cd "$obj" && "$ZIG" cc "${flags[@]}" "${target[@]}" -iquote "$src/hw/vfio" -c "$top/$B/qemu/orig/hw/vfio/pci.c" \
	-o "$out/unpatched") >"$out/log" 2>&1
[ ! -e "$out/unpatched" ] && grep -q 'hw/vfio/.*error: .*vfio_' "$out/log"
result $? "VFIO without our patches is refused" "$out/log"

echo "1..$count"
exit $failed
