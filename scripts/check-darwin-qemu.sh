#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: do VFIO and HVF with our patches, and our files in QEMU, compile for macOS on Apple Silicon?
#
#   scripts/check-darwin-qemu.sh          compile and check
#   scripts/check-darwin-qemu.sh --list   print the sources that are compiled, for tests/contract/qemu-series.sh
#
# ZIG names the cross compiler.  The QEMU that was built here ($B/qemu) supplies generated headers; its config-host.h
# is turned into that of a Mac.  IOKit is not needed: QEMU sees it through the client library only.  For
# Hypervisor.framework the declarations beside this script stand in, unless MACOS_SDK=/path/to/MacOSX.sdk has it.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac
out=$B/darwin/qemu
count=0 failed=0

# Files that QEMU builds once per target, and once for all of them.
per_target=(hw/vfio/{pci,pci-quirks,container,container-legacy,listener,helpers}.c accel/hvf/{hvf-all,hvf-accel-ops}.c
	target/arm/hvf/hvf.c)
common=(hw/vfio/{device,region,migration,migration-multifd,display,cpr,cpr-legacy}.c hw/cxl/cxl-host-stubs.c)
for f in qemu/hw/vfio-apple/*.c; do
	common+=("hw/vfio-apple/${f##*/}")
done
if [ "${1:-}" = --list ]; then
	printf '%s\n' "${per_target[@]}" "${common[@]}"
	exit
fi

# The built tree: $B/qemu itself, or a folder in it for each version.
tree=
for t in "$B/qemu" "$B"/qemu/*; do
	if [ -z "$tree" ] && [ -e "$t/src/VERSION" ] && [ -e "$t/obj/config-host.h" ]; then
		tree=$t
	fi
done
src=$tree/src obj=$tree/obj

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

if [ ! -x "${ZIG:-}" ] || [ -z "$tree" ]; then
	echo "# ZIG has to name the compiler, and QEMU has to be built (make $B/qemu/bin/qemu-system-aarch64)"
	echo "not ok 1 - QEMU for macOS was checked"
	exit 1
fi
export ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-$B/tools/zig-cache}
export ZIG_LOCAL_CACHE_DIR=${ZIG_LOCAL_CACHE_DIR:-$B/tools/zig-cache}

# What a Mac has: POSIX and the compiler's features.  The rest of config-host.h describes this machine.
rm -rf "$out"
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
# Files built once per target see its configuration, which has HVF on a Mac.
target=(-DCOMPILE_SYSTEM_ARCH -DCOMPILING_PER_TARGET -DCONFIG_HVF -I"$src/target/arm" -I"$obj/target/arm"
	-DCONFIG_TARGET="\"aarch64-softmmu-config-target.h\"" -DCONFIG_DEVICES="\"aarch64-softmmu-config-devices.h\"")

if [ -n "${MACOS_SDK:-}" ]; then
	hypervisor=("-iframework$MACOS_SDK/System/Library/Frameworks" -idirafter "$MACOS_SDK/usr/include")
else
	hypervisor=(-I"$top/scripts/darwin")
fi
flags+=("${hypervisor[@]}")

object()
{	# source
	echo "$out/$(tr / _ <<<"${1%.c}").o"
}

# In the background: leaves an object, or a log that ends in the compiler's complaints.
compile()
{	# source, further flags...
	local source=$1 object
	shift
	object=$(object "$source")
	while [ "$(jobs -rp | wc -l)" -ge "$parallel" ]; do
		wait -n
	done
	(cd "$obj" && "$ZIG" cc "${flags[@]}" "$@" -c "$src/$source" -o "$object" >"$object.log" 2>&1 || rm -f "$object") &
}

parallel=$(getconf _NPROCESSORS_ONLN)
for f in "${per_target[@]}"; do
	compile "$f" "${target[@]}"
done
for f in "${common[@]}"; do
	compile "$f"
done
wait
for f in "${per_target[@]}" "${common[@]}"; do
	[ -e "$(object "$f")" ]
	result $? "$f compiles for aarch64-macos" "$(object "$f").log"
done

# Functions that exist only where there is eventfd or Linux, by their names in the symbol tables.
! grep -laP '\x00_(event_notifier_init_fd|eventfd|signalfd|epoll_wait|prctl)\x00' "$out"/*.o >"$out/log" 2>/dev/null
result $? "no object needs a function of Linux" "$out/log"

# A gate that accepts everything would be no gate.  Each of these is a source that must not compile.
refused()
{	# description, source, what the compiler has to complain about
	(cd "$obj" && "$ZIG" cc "${flags[@]}" "${target[@]}" -iquote "$src/hw/vfio" -c "$2" -o "$out/refused") >"$out/log" 2>&1
	[ ! -e "$out/refused" ] && grep -q "error: .*$3" "$out/log"
	result $? "$1" "$out/log"
}

refused "VFIO without our patches is refused" "$tree/orig/hw/vfio/pci.c" vfio_
# Files of HVF belong together as well: the old one does not know of a list that grows.
if grep -q 'hvf_slot \*slots' "$src/include/system/hvf_int.h"; then
	refused "HVF without our patches is refused" "$tree/orig/accel/hvf/hvf-all.c" slot
fi
sed 's/hvf_raise_external_abort(cpu, excp);/hvf_raise_external_abort(cpu);/' "$src/target/arm/hvf/hvf.c" >"$out/hvf.c"
flags+=(-iquote "$src/target/arm/hvf" -I"$src/target/arm/hvf")
refused "a mistake in the abort that HVF raises is refused" "$out/hvf.c" "too few arguments"

# What the patches add is in the objects, not only in the sources.
grep -qaP '\x00_pthread_set_qos_class_self_np\x00' "$(object accel/hvf/hvf-accel-ops.c)"
result $? "vCPU threads ask for a quality of service class"

echo "1..$count"
exit $failed
