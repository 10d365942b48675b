#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: does the host app compile and link for macOS on Apple Silicon?
#
# As scripts/check-darwin.sh: Zig's macOS headers, and for Foundation, AppKit and SystemExtensions either the ones of
# MACOS_SDK=/path/to/MacOSX.sdk or, for what is not in there, the declarations and symbol lists beside this script.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
out=build/darwin/app
. tests/tap.sh

if [ "$(uname -s)" = Darwin ]; then
	echo "ok 1 - skipped: make app compiles for this very system # SKIP"
	echo 1..1
	exit 0
fi

mkdir -p $out
ZIG=$(scripts/fetch-zig.sh 2>$out/zig.log)
result $? "the cross compiler is at hand" $out/zig.log || exit 1
export ZIG
export ZIG_GLOBAL_CACHE_DIR=$top/build/tools/zig-cache ZIG_LOCAL_CACHE_DIR=$top/build/tools/zig-cache

compiler=("$ZIG" cc -target aarch64-macos.13.0)
flags=(-std=c11 -O2 -Wall -Wextra -Werror -fobjc-arc -fblocks -Iapp)
ours=scripts/darwin/Frameworks
# Apple's first; what is not there is found in ours.
includes=("-F$ours") libraries=("-F$ours" -Lscripts/darwin/lib)
if [ -n "${MACOS_SDK:-}" ]; then
	frameworks=$MACOS_SDK/System/Library/Frameworks
	includes=("-iframework$frameworks" "-F$ours") libraries=("-F$frameworks" "-F$ours" "-L$MACOS_SDK/usr/lib")
	for f in Foundation AppKit SystemExtensions; do
		[ -d "$frameworks/$f.framework" ] && echo "# $f: Apple's" || echo "# $f: declarations of ours"
	done
fi

objects=()
for source in app/*.m app/*.c; do
	object=$out/$(basename "$source").o
	rm -f "$object"
	"${compiler[@]}" "${flags[@]}" "${includes[@]}" -c "$source" -o "$object" >$out/log 2>&1
	result $? "$source compiles for aarch64-macos" $out/log
	objects+=("$object")
done

libraries+=(-framework Foundation -framework AppKit -framework SystemExtensions -framework CoreFoundation -lobjc)
rm -f $out/VFIOApple
"${compiler[@]}" "${objects[@]}" "${libraries[@]}" -o $out/VFIOApple >$out/log 2>&1
result $? "the app links against Foundation, AppKit, SystemExtensions and the Objective-C runtime" $out/log

# mach_header_64: magic MH_MAGIC_64, cputype CPU_TYPE_ARM64, (subtype,) filetype MH_EXECUTE
read -r magic cpu _ type <<<"$(od -An -tx4 -N16 $out/VFIOApple 2>/dev/null | tr '\n' ' ')"
[ "${magic:-} ${cpu:-} ${type:-}" = "feedfacf 0100000c 00000002" ]
result $? "the app is an arm64 Mach-O executable"

# A gate that accepts everything would be no gate.
build()
{	# body of main, declarations before it
	printf '%s\n' '#import "request.h"' "${2:-}" "int main(void) { $1; return 0; }" >$out/one.m
	"${compiler[@]}" "${flags[@]}" "${includes[@]}" $out/one.m "${libraries[@]}" -o $out/one >$out/log 2>&1
}
refused()
{	# description, as build
	! build "$2" "${3:-}"
	result $? "$1 is refused" $out/log
}
build '(void)[OSSystemExtensionManager sharedManager]'
result $? "a program of one call is accepted" $out/log
refused "a method that no framework declares" '[[OSSystemExtensionManager sharedManager] submit]'
refused "an argument of another type" '[[OSSystemExtensionManager sharedManager] submitRequest:@"x"]'
refused "a delegate without what it must answer" '' '@interface Half : NSObject <OSSystemExtensionRequestDelegate>
@end
@implementation Half
@end'
refused "a symbol that macOS does not have" 'return not_in_any_framework' 'extern int not_in_any_framework;'

done_testing
