#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: what make and its scripts would do on a Mac, where GNU make is 3.81, bash is 3.2 and the tools are BSD's.
#
# MAC_MAKE and MAC_BASH name a GNU make 3.81 and a bash 3.2 to use where there are such; without them the makefiles and
# scripts are searched for what those do not know.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL SAN
. tests/tap.sh

scripts/darwin/pretend-mac.sh "$work/mac" || exit 1
on_mac()
{
	PATH=$work/mac "$@"
}
targets='all check qemu install deps formula help demo clean'
[ ! -e app/room.mk ] || targets="$targets app sign"
b=$work/build

# ---- what make would run ----

: >"$work/hits"
for t in $targets; do
	on_mac "${MAC_MAKE:-make}" "B=$b" -n "$t" >"$work/run.$t" 2>"$work/err" && [ -s "$work/run.$t" ] && [ ! -s "$work/err" ] ||
		{ echo "make -n $t:"; cat "$work/err"; } >>"$work/hits"
done
none "make knows every target on a Mac: $targets" "$work/hits"

cat "$work"/run.* >"$work/run"
# Commands that macOS has not, options that its own do not take, and what only Linux has.
commands='apt|apt-get|apt-cache|dpkg|dpkg-[a-z]+|flock|sha(1|256|512)sum|md5sum|timeout|nproc|ldd|setsid|truncate|tac|'
commands+='patchelf|mkfs\.[a-z0-9]+|losetup|depmod|modprobe|sudo|gcc|g\+\+|aarch64-linux-gnu-[a-z]+|realpath'
options='install [^|;&]*-D|readlink [^|;&]*-f|find [^|;&]*-printf|mv [^|;&]*-T|(cp|mv|install|ln) [^|;&]*-t |stat [^|;&]*-c|'
options+='sed [^|;&]*-i|date [^|;&]*-d|grep [^|;&]*-P|head [^|;&]*-n *-|xargs [^|;&]*-[rd]|cp [^|;&]*--|ln [^|;&]*-[a-zA-Z]*T|mktemp [^|;&]*-p'
linux='/proc/|/sys/|/usr/lib/x86_64|\.so\b|macsim|-lBlocksRuntime|-rpath|-soname|-shared|-fsanitize'
grep -nE "(^|[;&|(\`]|\b(then|do|else|exec|env)) *($commands)( |\$)|(^|[^a-z-])($options)|$linux" "$work/run" >"$work/hits"
none "nothing of Linux is in what would run" "$work/hits"

# Sources, scripts, lists: what the commands name has to be there.
tr -s " \t\"'()=;<>" '\n' <"$work/run" | grep -E '^(abi|app|cli|client|dext|qemu|scripts|tests)/[^*]*\.[a-z0-9]+$' |
	LC_ALL=C sort -u >"$work/named"
[ "$(wc -l <"$work/named")" -ge 25 ] || echo "only these files are named: $(tr '\n' ' ' <"$work/named")" >"$work/few"
while read -r f; do
	# XcodeGen writes the project.
	[ -e "$f" ] || [ "$f" = app/VFIOApple.xcodeproj ] || echo "$f"
done <"$work/named" >>"$work/few"
none "every file of ours that the commands name exists" "$work/few"

grep -L 'vfio-apple' "$work/run.all" >"$work/hits"
on_mac make "B=$b" help >"$work/log" 2>&1
for t in $targets; do
	grep -qE "^make +$t " "$work/log" || [ "$t" = all ] || echo "make help does not tell of $t"
done >>"$work/hits"
grep -q "^tests/run .*$b/tests/unit/test_cli" "$work/run.check" && ! grep -q "tests/run .*\.sh" "$work/run.check" ||
	echo "make check does not run exactly the unit tests" >>"$work/hits"
on_mac make "B=$b" demo >"$work/log" 2>&1 && echo "make demo succeeds on a Mac" >>"$work/hits"
grep -q 'needs Linux' "$work/log" || cat "$work/log" >>"$work/hits"
none "make all, check and demo are what a Mac can do" "$work/hits"

# ---- one source for both systems ----

definitions()
{	# what objects of the library and the tool are compiled with, but for where headers are and what a test needs
	grep -E ' -c (cli|client)/[^ ]+\.c ' | sed -E "s| -I[^ ]*macsim/include||; s| -mmacosx-version-min=[0-9.]*||; s/  */ /g" |
		LC_ALL=C sort
}
make "B=$b" -n all 2>&1 | definitions >"$work/linux.all"
definitions <"$work/run.all" >"$work/mac.all"
[ "$(wc -l <"$work/mac.all")" -ge 15 ] || echo "only $(wc -l <"$work/mac.all") sources are compiled" >"$work/sources"
diff "$work/linux.all" "$work/mac.all" >>"$work/sources"
none "library and tool are compiled from the same sources, with the same definitions, as on Linux" "$work/sources"

# ---- the makefiles in GNU make 3.81 ----

# Introduced since (the manual's NEWS): assignments != and ::=, define with an assignment, grouped targets, these
# functions and special targets.
{
	grep -nE '^[^#]*(\$\((file|guile|let|intcmp) |&:|::=|!=\s*[^ "=])|^\.(ONESHELL|NOTINTERMEDIATE|WAIT)|^(undefine|private|load) |^define +\S+ *[:+?]?=|\.SHELLFLAGS|\.EXTRA_PREREQS|\.SHELLSTATUS' \
		Makefile ./*/room.mk | grep -vE ':[0-9]+:\s+(@|\[)'
	grep -nE ': private |[:+?]?= *\\?#' Makefile ./*/room.mk
} >"$work/hits"
none "the makefiles use nothing newer than GNU make 3.81" "$work/hits"

# ---- the scripts in bash 3.2 ----

# Those that the commands name, and those that these call in turn; only a Debian system gets as far as apt-root.sh.
grep -E '^(scripts/.*\.sh|tests/run)$' "$work/named" >"$work/scripts"
echo tests/run >>"$work/scripts"
[ ! -e scripts/make-guest-image.sh ] || echo scripts/make-guest-image.sh >>"$work/scripts"
for round in 1 2 3; do
	xargs grep -ohE 'scripts/[a-z/-]+\.sh' <"$work/scripts" | sort -u | grep -vE 'apt-root|fetch-kernel|fetch-zig' |
		while read -r s; do [ ! -e "$s" ] || echo "$s"; done >>"$work/scripts"
	sort -u -o "$work/scripts" "$work/scripts"
done
newer='mapfile|readarray|coproc|(declare|local|typeset) -[a-zA-Z]*[AgnI]|\$\{[A-Za-z_]+(\[[^]]*\])?(\^|,|@[A-Za-z]\})|[[:space:]]\|&|&>>|;;&|;&|wait -n|'
newer+='BASHPID|EPOCH(SECONDS|REALTIME)|printf [^|;]*%\(|shopt -s (globstar|lastpipe)|\[\[? [^]]*-v [A-Za-z]|\{[A-Za-z_]+\}[<>]'
while read -r s; do
	# On a Mac deps.sh ends before its part for Debian.
	[ "$s" != scripts/deps.sh ] || continue
	grep -nHE "^[^#]*($newer)" "$s"
	[ -z "${MAC_BASH:-}" ] || "$MAC_BASH" -n "$s" 2>&1
done <"$work/scripts" >"$work/hits"
none "$(wc -l <"$work/scripts") scripts on a Mac's way use nothing newer than bash 3.2" "$work/hits"

deps()
{
	on_mac "${MAC_BASH:-bash}" scripts/deps.sh "$@" >"$work/out" 2>&1
}
answers()
{	# program, what it prints; or nothing, and it fails
	rm -f "$work/mac/$1"
	printf '#!/bin/sh\n%s\n' "$([ $# -eq 2 ] && echo "echo $2" || echo 'exit 1')" >"$work/mac/$1"
	chmod +x "$work/mac/$1"
}
says()
{	# words; the script has to fail with one line that has them
	[ "$(wc -l <"$work/out")" -eq 1 ] && grep -q "$1" "$work/out" || { echo "expected '$1':" && cat "$work/out"; }
}
{
	deps || cat "$work/out"
	! grep -q '^brew bundle' "$work/mac/calls" || echo "plain make lets Homebrew install something"
	deps --install || cat "$work/out"
	file=$(sed -n 's/^brew bundle --file=//p' "$work/mac/calls")
	[ -e "${file:-/nonexistent}" ] && [ "$file" -ef Brewfile ] || echo "brew bundle was not told of the Brewfile: $file"
	rm "$work/mac/brew"
	deps --install && echo "without Homebrew it succeeds"
	says brew.sh
	answers xcode-select
	deps && echo "without the command line tools it succeeds"
	says 'xcode-select --install'
	answers sw_vers 12.7
	deps && echo "on macOS 12 it succeeds"
	says 'macOS 13 or newer'
	sed -i 's/arm64/x86_64/' "$work/mac/uname"
	deps && echo "on Intel it succeeds"
	says Intel
} >"$work/hits"
none "deps.sh checks the Mac, and has Homebrew install only when asked to" "$work/hits"

# ---- the Brewfile ----

{
	grep -vE '^(#.*|brew "[a-z0-9@-]+" +# .+|)$' Brewfile
	for name in pkgconf meson ninja glib pixman dtc cmocka xcodegen; do
		grep -q "^brew \"$name\" " Brewfile || echo "$name is missing"
	done
} >"$work/hits"
none "each line of the Brewfile names a formula and its reason" "$work/hits"

done_testing
