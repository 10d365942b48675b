#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: what scripts/qemu-series.sh writes is a series that QEMU's developers could apply, check and build, and is the
# QEMU that is built here.
#
#   tests/contract/qemu-series.sh [VERSION...]   default: each folder of qemu/patches whose source has been built
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@localhost
. tests/tap.sh

# The tree that scripts/build-qemu.sh works on: src, and orig with the files it has patched as they were.
tree_of()
{	# version
	local tree
	for tree in "$B/qemu" "$B"/qemu/*; do
		case $(cat "$tree/src/VERSION" 2>/dev/null) in
		"$1" | "$1".*) echo "$tree" ;;
		esac
	done | head -n 1
}

# The file as it is in QEMU: nothing when it is one of those that the series creates.
pristine()
{	# tree, file
	if [ -e "$1/orig/$2" ]; then
		cat "$1/orig/$2"
	elif ! grep -qxF "$2" "$work/created"; then
		cat "$1/src/$2"
	fi
}

# Built by scripts/build-qemu.sh without being part of the series: the choice of devices for our own binary.
not_in_series='^configs/devices/aarch64-softmmu/vfio-apple\.mak$'

# No file of the series is left out of the gate for macOS.  If one has to be, it is added here, with the reason.
not_for_darwin='^$'

check_version()
{	# version, tree
	local version=$1 tree=$2 series=$work/series repo=$work/repo f patch
	rm -rf "$series" "$work/again" "$repo"
	scripts/qemu-series.sh "$version" "$series" >"$work/log" 2>&1
	result $? "$version: the series can be written" "$work/log" || return
	scripts/qemu-series.sh "$version" "$work/again" >"$work/log" 2>&1
	diff -r "$series" "$work/again" >"$work/log" 2>&1
	result $? "$version: writing it again gives the same files" "$work/log"

	# git am on QEMU as it was.  Files that no patch names play no part in that.
	sed -n 's|^+++ b/||p; s|^--- a/||p' "$series"/*.patch | LC_ALL=C sort -u >"$work/files"
	sed -n '/^--- \/dev\/null$/{n;s|^+++ b/||p}' "$series"/*.patch >"$work/created"
	mkdir "$repo"
	git -C "$repo" -c init.defaultBranch=test init -q
	while read -r f; do
		pristine "$tree" "$f" >"$work/file"
		if [ -s "$work/file" ]; then
			mkdir -p "$repo/$(dirname "$f")"
			cp "$work/file" "$repo/$f"
		fi
	done <"$work/files"
	git -C "$repo" add -A -f . && git -C "$repo" -c user.name=test -c user.email=test@localhost commit -q -m pristine
	git -C "$repo" am -q "$series"/000[1-9]-*.patch "$series"/00[1-9][0-9]-*.patch >"$work/log" 2>&1
	[ $? -eq 0 ] && [ ! -s "$work/log" ]
	result $? "$version: git am applies it, without a complaint about white space" "$work/log"

	while read -r f; do
		cmp "$repo/$f" "$tree/src/$f"
	done <"$work/files" >"$work/log" 2>&1
	none "$version: every file of it is what is built here" "$work/log"
	{
		(cd "$tree/orig" && find . -type f ! -name .created -printf '%P\n' | while read -r f; do
			cmp -s "$f" "$tree/src/$f" || echo "$f"
		done)
		cat "$tree/orig/.created" 2>/dev/null
		(cd "$tree/src" && ls -d hw/vfio-apple/*)
		# What the build adds beside them.
		sed -n 's|.*put [^ ]* "\$src/\([^"$]*\)".*|\1|p' scripts/build-qemu.sh
	} | LC_ALL=C sort -u | grep -vE "$not_in_series" | LC_ALL=C comm -13 "$work/files" - >"$work/log"
	none "$version: what is built here has nothing more" "$work/log"

	# QEMU's own check.  A person has to sign off, and to say who maintains new files; the header is ours, and no
	# script imports it from Linux.
	for patch in "$series"/*.patch; do
		case $patch in */0000-*) continue ;; esac
		perl "$tree/src/scripts/checkpatch.pl" --no-tree --terse --no-summary "$patch" 2>&1 |
			sed "s|^$series/||" | grep -E 'ERROR|WARNING|^[^ ]*:[0-9]+:' |
			grep -vE ': ERROR: Missing Signed-off-by: line\(s\)$' |
			grep -vE ': WARNING: added, moved or deleted file\(s\):$' |
			grep -vE '^[0-9]+-standard-headers-[^:]*:[0-9]+: WARNING: added, moved or deleted file\(s\) imported from Linux'
	done >"$work/log"
	none "$version: checkpatch.pl has no complaint" "$work/log"

	# The check above must be able to fail.
	sed '0,/^+\(\t\|    \)[a-z]/s//+\t  &/' "$(grep -lE '^\+    [a-z]' "$series"/*.patch | head -n 1)" >"$work/bad.patch"
	perl "$tree/src/scripts/checkpatch.pl" --no-tree --terse --no-summary "$work/bad.patch" 2>&1 |
		grep -q 'ERROR: code indent'
	result $? "$version: checkpatch.pl would complain about a tab"

	! grep -l '^Signed-off-by:' "$series"/*.patch >"$work/log"
	result $? "$version: nobody has signed off in another's name" "$work/log"

	scripts/check-darwin-qemu.sh --list | LC_ALL=C sort >"$work/gate"
	grep '\.c$' "$work/files" | grep -vE "$not_for_darwin" | LC_ALL=C comm -23 - "$work/gate" >"$work/log"
	none "$version: every C file of it is compiled for macOS by the gate" "$work/log"

	# MAINTAINERS covers what the series adds.
	git -C "$repo" diff --name-only --diff-filter=A "$(git -C "$repo" rev-list --max-parents=0 HEAD)" HEAD |
		while read -r f; do
			sed -n '/^VFIO-APPLE:/,/^$/s/^F: //p' "$repo/MAINTAINERS" | while read -r pattern; do
				# shellcheck disable=SC2254
				case $f in $pattern | ${pattern%/}/*) echo "$f" ;; esac
			done | grep -q . || echo "$f"
		done >"$work/log"
	none "$version: MAINTAINERS names every new file" "$work/log"
}

versions=("$@")
if [ $# -eq 0 ]; then
	for folder in qemu/patches/*/; do
		[ -z "$(tree_of "$(basename "$folder")")" ] || versions+=("$(basename "$folder")")
	done
fi
[ ${#versions[@]} -gt 0 ]
result $? "there is a QEMU to compare with (make $B/qemu/bin/qemu-system-aarch64)"
for version in "${versions[@]}"; do
	tree=$(tree_of "$version")
	if [ -z "$tree" ]; then
		result 1 "$version: its source is in $B/qemu"
		continue
	fi
	check_version "$version" "$tree"
done

done_testing
