#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: do the client library, the tool, their unit tests and the driver extension compile and link for macOS on Apple
# Silicon?
#
# The makefiles run as on a Mac (scripts/darwin/pretend-mac.sh); their compiler is Zig's, with its macOS C library
# headers.  IOKit and CoreFoundation are not among those: the declarations in macsim/include and the symbol lists beside
# this script stand in.  With MACOS_SDK=/path/to/MacOSX.sdk the headers and libraries are Apple's instead, and ours are
# compared with them.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
out=build/darwin
. tests/tap.sh

if [ "$(uname -s)" = Darwin ]; then
	echo "ok 1 - skipped: make compiles for this very system # SKIP"
	echo 1..1
	exit 0
fi

mac=$top/$out/mac
mkdir -p $out/obj "$mac"
ZIG=$(scripts/fetch-zig.sh 2>$out/zig.log)
result $? "the cross compiler is at hand" $out/zig.log || exit 1
export ZIG
export ZIG_GLOBAL_CACHE_DIR=$top/build/tools/zig-cache ZIG_LOCAL_CACHE_DIR=$top/build/tools/zig-cache

# ---- a Mac's compiler, and its libraries by name only ----

target=(-target aarch64-macos.13.0)
if [ -n "${MACOS_SDK:-}" ]; then
	frameworks=$MACOS_SDK/System/Library/Frameworks
	compile="clang -target arm64-apple-macos13.0 -isysroot '$MACOS_SDK'"
else
	frameworks=$top/scripts/darwin/Frameworks
	# Behind Zig's own headers, which are Apple's.
	compile="'$ZIG' cc ${target[*]} -idirafter '$top/macsim/include'"
fi
link="'$ZIG' cc ${target[*]} -F'$frameworks'"

rm -rf "$mac/bin"
HOMEBREW=$mac/homebrew scripts/darwin/pretend-mac.sh "$mac/bin"
rm -f "$mac/bin/clang"
cat >"$mac/bin/clang" <<END
#!/bin/sh
PATH=${PATH@Q}
case " \$* " in
*" -c "*) exec $compile "\$@" ;;
*) exec $link "\$@" ;;
esac
END
printf '#!/bin/sh\nexec %q ar "$@"\n' "$ZIG" >"$mac/bin/ar"
chmod +x "$mac/bin/clang" "$mac/bin/ar"

# cmocka as Homebrew installs it: its header, and the names that the library here exports.
mkdir -p "$mac/homebrew/include" "$mac/homebrew/lib"
find /usr/include /usr/local/include -name 'cmocka*.h' -exec cp {} "$mac/homebrew/include" \;
cmocka=/opt/homebrew/opt/cmocka/lib/libcmocka.0.dylib
{
	printf -- '--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\n'
	printf "install-name: '%s'\nexports:\n  - targets: [ arm64-macos ]\n    symbols:\n" $cmocka
	nm -D --defined-only "$(clang -print-file-name=libcmocka.so)" | sed -E 's/@.*//' | awk '$2 ~ /[TDBR]/ { print "      - _" $3 }'
	echo '...'
} >"$mac/homebrew/lib/libcmocka.tbd"

# ---- make, as on a Mac ----

b=$out/make${MACOS_SDK:+-sdk}
# This may itself have been started by make.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL SAN
mac_make()
{
	PATH=$mac/bin "${MAC_MAKE:-make}" "B=$b" "$@"
}
mac_make -k -j2 all unit-tests >$out/make.log 2>&1
result $? "make builds the client library, the tool and the unit tests for macOS" $out/make.log
tests=$(mac_make --no-print-directory -f - print-tests <<<$'include Makefile\nprint-tests:\n\t@echo $(SAN_TESTS)')
[ "$(wc -w <<<"$tests")" -ge 6 ]
result $? "there are unit tests for a Mac to run"

for program in $b/cli/vfio-apple $tests; do
	llvm-objdump --macho --private-headers "$program" >$out/headers 2>&1 || : >$out/headers
	grep -q 'MH_MAGIC_64 *ARM64 .* EXECUTE ' $out/headers
	result $? "${program#"$b"/} is an arm64 executable" $out/headers
	[ "$(awk '$1 == "platform" { p = $2 } $1 == "minos" { m = $2 } END { print p, m }' $out/headers)" = "macos 13.0" ]
	result $? "${program#"$b"/} runs on macOS 13 and newer" $out/headers
	awk '$2 ~ /^LC_.*_DYLIB$/ { load = 1 } load && $1 == "name" { print $2; load = 0 }' $out/headers >$out/libraries
	grep -qx /usr/lib/libSystem.B.dylib $out/libraries &&
		! grep -vE '^(/usr/lib|/System/Library/Frameworks)/' $out/libraries |
			grep -vxF "$([ "$program" = $b/cli/vfio-apple ] || echo $cmocka)" >$out/log
	result $? "${program#"$b"/} needs only what macOS has$([ "$program" = $b/cli/vfio-apple ] || echo ', and cmocka')" $out/log
done

cp $b/cli/vfio-apple $out/vfio-apple	# for a release
touch $out/qemu-system-aarch64
rm -rf $out/destdir
mac_make -o $out/qemu-system-aarch64 QEMU_BIN=$out/qemu-system-aarch64 DESTDIR=$out/destdir PREFIX=/opt/va install >$out/log 2>&1 &&
	[ "$(cd $out/destdir && find . -type f | LC_ALL=C sort | tr '\n' ' ')" = "./opt/va/bin/vfio-apple ./opt/va/libexec/\
vfio-apple/qemu-system-aarch64 ./opt/va/share/man/man1/vfio-apple.1 " ] && cmp -s $b/cli/vfio-apple $out/destdir/opt/va/bin/vfio-apple
result $? "make install puts tool, QEMU and manual page below DESTDIR and PREFIX" $out/log

# ---- the driver extension ----

if [ -e build/dext/VFIOUserPCIDriver.h ]; then
	# DriverKit is in no macOS SDK: always our declarations of it.
	printf '%s\n' dext/*.cpp | xargs -P 2 -I {} sh -c '"$ZIG" c++ '"${target[*]}"' -std=c++17 -fblocks -O2 -Wall -Wextra \
		-Werror -Iabi -Idext -Ibuild/dext -idirafter macsim/include -c {} -o '$out'/obj/$(basename {}).o' >$out/log 2>&1
	result $? "the driver extension compiles for macOS" $out/log
else
	echo "the headers made from dext/*.iig are missing: run make first" >$out/log
	result 1 "the driver extension compiles for macOS" $out/log
fi

# ---- a gate that accepts everything would be no gate ----

printf 'int not_in_any_framework(void);\nint main(void) { return not_in_any_framework(); }\n' >$out/bad.c
! { "$mac/bin/clang" -c $out/bad.c -o $out/bad.o && "$mac/bin/clang" $out/bad.o -framework IOKit -o $out/bad; } >$out/log 2>&1 &&
	grep -q not_in_any_framework $out/log
result $? "a symbol that macOS does not have is refused" $out/log
printf '#include <sys/eventfd.h>\nint main(void) { return eventfd(0, 0); }\n' >$out/bad.c
! "$mac/bin/clang" -c $out/bad.c -o $out/bad.o >$out/log 2>&1 && grep -q 'eventfd.h.*not found' $out/log
result $? "a Linux-only header is refused" $out/log

# ---- our stand-ins, against Apple's SDK ----

if [ -n "${MACOS_SDK:-}" ]; then
	for stub in scripts/darwin/Frameworks/*/*.tbd; do
		name=$(basename "$stub" .tbd)
		if [ ! -e "$frameworks/$name.framework/$name.tbd" ]; then
			echo "# the SDK has no $name"
			continue
		fi
		grep -oE '_[A-Za-z0-9_]+' "$frameworks/$name.framework/$name.tbd" | sort -u >$out/exported
		sed -n 's/^ *- \(_[A-Za-z0-9_]*\)$/\1/p' "$stub" | sort -u | comm -23 - $out/exported >$out/log
		[ ! -s $out/log ]
		result $? "every symbol of our $name is in Apple's" $out/log
	done
	scripts/darwin/compare-headers.py macsim/include >$out/compare.c &&
		"$mac/bin/clang" -std=c11 -Wall -Wno-deprecated-declarations -ferror-limit=0 -Werror -c $out/compare.c \
			-o $out/obj/compare.o >$out/log 2>&1
	result $? "our IOKit, CoreFoundation, Mach and dispatch headers say what Apple's say" $out/log
else
	echo "# MACOS_SDK names no SDK: our stand-ins are not compared with Apple's headers and libraries"
fi

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

done_testing
