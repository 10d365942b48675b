#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: scripts/fetch-qemu.sh takes QEMU's source from where it can be had, and nothing that is not what it should be.
#
# A QEMU of two files stands in for the real one; its packages and releases lie in folders.
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. tests/tap.sh

# A release and a Debian package of each version: $dir/site, $dir/cache-VERSION.
for version in 1.0.0 2.0.0; do
	mkdir -p "$dir/qemu-$version/debian/source" "$dir/qemu-$version/python/wheels" "$dir/site" "$dir/cache-$version"
	echo $version >"$dir/qemu-$version/VERSION"
	: >"$dir/qemu-$version/python/wheels/meson-9.whl"
	tar -C "$dir" --exclude debian -cJf "$dir/site/qemu-$version.tar.xz" qemu-$version
	(
		cd "$dir/qemu-$version" || exit 1
		echo '3.0 (quilt)' >debian/source/format
		printf 'qemu (1:%s+ds-1) unstable; urgency=low\n\n  * Test.\n\n -- A B <a@b>  Sun, 22 Nov 2026 00:00:00 +0000\n' \
			$version >debian/changelog
		printf 'Source: qemu\nMaintainer: A B <a@b>\n\nPackage: qemu\nArchitecture: all\nDescription: test\n' \
			>debian/control
		cp "$dir/site/qemu-$version.tar.xz" "../qemu_$version+ds.orig.tar.xz"
		dpkg-source -b . >/dev/null 2>&1
	) || exit 1
	mv "$dir/qemu_$version"* "$dir/cache-$version"
done

sum()
{
	sha256sum "$1" | cut -d ' ' -f 1
}

stanza()
{	# version, state, which of package and release
	echo "version $1"
	echo "series 1"
	echo "state $2"
	case $3 in *package*)
		echo "debian 1:$1+ds-1 sid"
		for f in "$dir/cache-$1"/*; do
			echo "file $(sum "$f") ${f##*/}"
		done
		;;
	esac
	case $3 in *release*) echo "release $(sum "$dir/site/qemu-$1.tar.xz")" ;; esac
}

# The tools that a Mac has too, and no others of this kind: neither dpkg nor apt nor sha256sum.
mkdir -p "$dir/mac"
for tool in awk bash cat cut dirname env ls mkdir mv perl rm shasum tail tar uname xz; do
	ln -s "$(command -v $tool)" "$dir/mac/$tool"
done
ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$dir/mac/python3"

# fetch [NAME=VALUE...] -- [version]: prints the version; folder $dir/b is new unless "keep" comes first.
fetch()
{
	local settings=()
	if [ "$1" = keep ]; then
		shift
	else
		rm -rf "$dir/b"
	fi
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	shift
	env -u VFIO_APPLE_CACHE -u QEMU_VERSION B="$dir/b" QEMU_TABLE="$dir/table" QEMU_MIRROR="file://$dir/site" \
		${settings[@]+"${settings[@]}"} scripts/fetch-qemu.sh "$@" 2>"$dir/log"
}

has()
{	# version
	[ "$(cat "$dir/b/qemu/$1/src/VERSION" 2>/dev/null)" = "$1" ]
}

{ stanza 1.0.0 tested package,release; stanza 2.0.0 tested release; } >"$dir/table"
[ "$(fetch VFIO_APPLE_CACHE="$dir/cache-1.0.0" --)" = 1.0.0 ] && has 1.0.0 && [ -e "$dir/b/qemu/1.0.0/src/debian" ]
result $? "a Debian package in the cache is used" "$dir/log"
rm -rf "$dir/empty" && mkdir "$dir/empty"
cp "$dir/site/qemu-1.0.0.tar.xz" "$dir/empty"
[ "$(fetch VFIO_APPLE_CACHE="$dir/empty" QEMU_MIRROR=file:///nowhere PATH="$dir/mac" --)" = 1.0.0 ] && has 1.0.0
result $? "a release in the cache is used" "$dir/log"
[ "$(fetch PATH="$dir/mac" --)" = 1.0.0 ] && has 1.0.0
result $? "without Debian's tools QEMU's own release is used" "$dir/log"
[ "$(fetch keep PATH="$dir/mac" QEMU_MIRROR=file:///nowhere --)" = 1.0.0 ]
result $? "what is unpacked is not fetched again" "$dir/log"
[ "$(fetch PATH="$dir/mac" -- 2.0.0)" = 2.0.0 ] && has 2.0.0 && [ ! -e "$dir/b/qemu/1.0.0" ]
result $? "another version can be chosen" "$dir/log"

mv "$dir/site/qemu-1.0.0.tar.xz" "$dir/kept"
[ "$(fetch PATH="$dir/mac" --)" = 2.0.0 ] && has 2.0.0 && [ "$(grep -c '1\.0\.0.*taking 2\.0\.0' "$dir/log")" = 1 ]
result $? "the next version stands in for a default that is nowhere, and that is said" "$dir/log"
fetch PATH="$dir/mac" -- 1.0.0 >/dev/null
[ $? -eq 75 ] && ! has 2.0.0 && grep -q 'qemu-1.0.0.tar.xz' "$dir/log"
result $? "nothing stands in for a version that was asked for; the reason is given" "$dir/log"
{ stanza 2.0.0 tested package; } >"$dir/table"
fetch PATH="$dir/mac" -- >/dev/null
[ $? -eq 75 ] && grep -q 'no SHA-256' "$dir/log"
result $? "a release of unknown checksum is not used" "$dir/log"
{ stanza 2.0.0 unported release; } >"$dir/table"
[ -z "$(fetch PATH="$dir/mac" --)" ] && [ "$(fetch PATH="$dir/mac" -- 2.0.0)" = 2.0.0 ]
result $? "a version without patches has to be asked for" "$dir/log"
fetch PATH="$dir/mac" -- 3.0.0 >/dev/null
[ $? -eq 1 ] && grep -q '2\.0\.0' "$dir/log"
result $? "a version that is not listed is refused" "$dir/log"
mv "$dir/kept" "$dir/site/qemu-1.0.0.tar.xz"

{ stanza 1.0.0 tested package,release; stanza 2.0.0 tested release; } >"$dir/table"
cp "$dir/site/qemu-2.0.0.tar.xz" "$dir/site/qemu-1.0.0.tar.xz"
fetch PATH="$dir/mac" -- >"$dir/out"
[ $? -eq 1 ] && [ ! -s "$dir/out" ] && ! has 1.0.0 && ! has 2.0.0 && [ ! -e "$dir/b/qemu/1.0.0/src.new" ]
result $? "a release of wrong checksum ends it, unopened" "$dir/log"
echo >>"$dir/cache-1.0.0/qemu_1.0.0+ds-1.debian.tar.xz"
fetch VFIO_APPLE_CACHE="$dir/cache-1.0.0" -- >"$dir/out"
[ $? -eq 1 ] && [ ! -s "$dir/out" ] && ! has 1.0.0 && grep -q 'debian.tar.xz' "$dir/log"
result $? "a cached package with a wrong file ends it, and the file is named" "$dir/log"

# The real table.
(
	. scripts/qemu-versions.sh
	for version in $(qemu_versions tested); do
		[ -n "$(ls "qemu/patches/$(qemu_field "$version" series)"/*.patch 2>/dev/null)" ] || echo "$version has no patches"
	done
	for version in $(qemu_versions tested) $(qemu_versions unported); do
		qemu_field "$version" release | grep -qvE '^[0-9a-f]{64}$' && echo "$version: bad release sum"
		qemu_packages "$version" | awk 'NF < 8 || NF % 2 { print "package without its three files: " $1 }
			{ for (i = 3; i < NF; i += 2) if ($i !~ /^[0-9a-f]+$/ || length($i) != 64) print "bad sum of " $(i + 1) }'
	done
	[ -n "$(qemu_versions tested)" ] || echo "no version is tested"
) >"$dir/log"
[ ! -s "$dir/log" ]
result $? "every version in qemu/versions has sums, and patches if it is tested" "$dir/log"

done_testing
