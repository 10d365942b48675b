#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: do the client library, the tool and the driver extension's core compile and link for macOS on Apple Silicon?
#
# Cross-compiles with Zig's macOS C library headers.  IOKit and CoreFoundation are not among them: without
# MACOS_SDK=/path/to/MacOSX.sdk the declarations in macsim/include and the symbol lists beside this script stand in.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
out=build/darwin
count=0 failed=0

result()
{	# status, description, file with details
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
		return 0
	fi
	echo "not ok $count - $2"
	[ -z "${3:-}" ] || sed 's/^/# /' "$3" | head -n 40
	failed=1
	return 1
}

if [ "$(uname -s)" = Darwin ]; then
	echo "ok 1 - skipped: make compiles for this very system # SKIP"
	echo 1..1
	exit 0
fi

mkdir -p $out/obj
ZIG=$(scripts/fetch-zig.sh 2>$out/zig.log)
result $? "the cross compiler is at hand" $out/zig.log || exit 1
export ZIG
export ZIG_GLOBAL_CACHE_DIR=$top/build/tools/zig-cache ZIG_LOCAL_CACHE_DIR=$top/build/tools/zig-cache

compiler_cxx=("$ZIG" c++ -target aarch64-macos.13.0)
compiler=("$ZIG" cc -target aarch64-macos.13.0)
flags=(-std=c11 -O2 -Wall -Wextra -Werror)
if [ -n "${MACOS_SDK:-}" ]; then
	frameworks=$MACOS_SDK/System/Library/Frameworks
	includes=("-iframework$frameworks")
else
	frameworks=scripts/darwin/Frameworks
	includes=(-idirafter macsim/include)	# behind Zig's own headers, which are Apple's
fi

compile()
{	# source, flags of its room...
	local source=$1 object
	shift
	object=$out/obj/$(tr / _ <<<"${source%.c}").o
	"${compiler[@]}" "${flags[@]}" "$@" "${includes[@]}" -c "$source" -o "$object" >$out/log 2>&1
	result $? "$source compiles for aarch64-macos" $out/log && objects+=("$object")
}

sources()
{
	find "$@" -name '*.c' -not -path '*/test*' 2>/dev/null | LC_ALL=C sort
}

objects=()
for s in $(sources client cli); do
	compile "$s" -Iabi -Iclient/include -Iclient/src -Icli
done
tool=("${objects[@]}")
for s in $(sources dext/core); do
	compile "$s" -Iabi -Idext -Idext/core
done
if [ -e build/dext/VFIOUserPCIDriver.h ]; then
	for s in dext/*.cpp; do
		# DriverKit is in no macOS SDK: always our declarations of it.
		"${compiler_cxx[@]}" -std=c++17 -fblocks -O2 -Wall -Wextra -Werror -Iabi -Idext -Ibuild/dext \
			-idirafter macsim/include -c "$s" -o $out/obj/dext.o >$out/log 2>&1
		result $? "$s compiles for aarch64-macos" $out/log
	done
else
	echo "the headers made from dext/*.iig are missing: run make first" >$out/log
	result 1 "the driver extension compiles for aarch64-macos" $out/log
fi

rm -f $out/vfio-apple
"${compiler[@]}" "${tool[@]}" -F"$frameworks" -framework IOKit -framework CoreFoundation -o $out/vfio-apple >$out/log 2>&1
result $? "the tool links against IOKit, CoreFoundation and libSystem" $out/log

# mach_header_64: magic MH_MAGIC_64, cputype CPU_TYPE_ARM64, (subtype,) filetype MH_EXECUTE
read -r magic cpu _ type <<<"$(od -An -tx4 -N16 $out/vfio-apple 2>/dev/null | tr '\n' ' ')"
[ "${magic:-} ${cpu:-} ${type:-}" = "feedfacf 0100000c 00000002" ]
result $? "the tool is an arm64 Mach-O executable"

# A gate that accepts everything would be no gate.
printf 'int not_in_any_framework(void);\nint main(void) { return not_in_any_framework(); }\n' >$out/bad.c
! "${compiler[@]}" $out/bad.c -F"$frameworks" -framework IOKit -o $out/bad >$out/log 2>&1
result $? "a symbol that macOS does not have is refused"
printf '#include <sys/eventfd.h>\nint main(void) { return eventfd(0, 0); }\n' >$out/bad.c
! "${compiler[@]}" "${flags[@]}" "${includes[@]}" -c $out/bad.c -o $out/bad.o >$out/log 2>&1
result $? "a Linux-only header is refused"

if [ -x scripts/check-darwin-qemu.sh ]; then
	# Its results follow on, renumbered.
	scripts/check-darwin-qemu.sh >$out/qemu.log 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			[ "${line%%ok *}" = "" ]
			result $? "QEMU: $(sed -E 's/^(not )?ok( [0-9]+)?( - )?//' <<<"$line")"
			;;
		1..*) ;;
		*) echo "# $line" ;;
		esac
	done <$out/qemu.log
	[ $status -eq 0 ] || failed=1
	grep -qE '^(not )?ok ' $out/qemu.log || result 1 "QEMU for macOS was checked" $out/qemu.log
fi

echo "1..$count"
exit $failed
