#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Unpack a version of QEMU into $B/qemu/VERSION/src and the meson that builds it into $B/tools/meson; print VERSION.
#
#   scripts/fetch-qemu.sh [VERSION]
#
# qemu/versions lists the versions.  Without VERSION its first tested one is taken and, when that can be had from
# nowhere, the next tested one.  A version comes from the first of these that has it:
#   1. $VFIO_APPLE_CACHE, a folder with its Debian source package (all files of it) or QEMU's own qemu-VERSION.tar.xz
#   2. the Debian source package from the mirror this machine uses, through a private apt root
#   3. QEMU's own release, from $QEMU_MIRROR if that is set
# What does not have its SHA-256 sum of qemu/versions ends the script.  Exit status 75: the version can be had from
# nowhere.
set -eu
cd "$(dirname "$0")/.."
. scripts/qemu-versions.sh

B=${B:-build}
mirror=${QEMU_MIRROR:-https://download.qemu.org}
download=$B/qemu/download
mkdir -p "$download" "$B/tools"

say()
{
	echo "fetch-qemu.sh: $*" >&2
}

fail()
{
	say "$@"
	exit 1
}

sha256()
{
	if command -v sha256sum >/dev/null; then
		sha256sum "$1"
	else
		shasum -a 256 "$1"
	fi | cut -d ' ' -f 1
}

# Are the files there, and are they the right ones?  1: some are missing; 2: one is not to be trusted, named in $wrong.
wrong=
trusted()
{	# folder, then SHA-256 and name of each file
	local folder=$1 missing=0
	shift
	while [ $# -ge 2 ]; do
		if [ ! -e "$folder/$2" ]; then
			missing=1
		elif [ "$(sha256 "$folder/$2")" != "$1" ]; then
			wrong=$folder/$2
			return 2
		fi
		shift 2
	done
	return $missing
}

# Why a version could not be had, source by source.
reasons=
because()
{
	reasons="${reasons:+$reasons; }$*"
}

unpack_package()
{	# folder, names of its files...
	local folder=$1 name
	shift
	for name; do
		case $name in *.dsc) break ;; esac
	done
	say "unpacking $name"
	dpkg-source --no-check -x "$folder/$name" "$tree/src.new" >"$tree/unpack.log" 2>&1 ||
		fail "$folder/$name does not unpack: see $tree/unpack.log"
}

unpack_release()
{
	say "unpacking $1"
	mkdir -p "$tree/src.new"
	tar -xf "$1" -C "$tree/src.new" --strip-components=1 || fail "$1 does not unpack"
}

names()
{	# of SHA-256 and name of each file, the names
	while [ $# -ge 2 ]; do
		echo "$2"
		shift 2
	done
}

# Each of these unpacks the version into $tree/src.new, or returns 1.

from_cached_package()
{	# folder, package, suite, then SHA-256 and name of each file
	local folder=$1 status=0
	shift 3
	command -v dpkg-source >/dev/null || return 1
	trusted "$folder" "$@" || status=$?
	[ $status -ne 2 ] || fail "$wrong is not the file that qemu/versions describes (SHA-256): replace or remove it"
	[ $status -eq 0 ] || return 1
	# shellcheck disable=SC2046
	unpack_package "$folder" $(names "$@")
}

from_cached_release()
{	# folder
	local file=$1/qemu-$version.tar.xz
	[ -e "$file" ] || return 1
	if [ -z "$release" ]; then
		because "qemu/versions has no SHA-256 for $file"
		return 1
	fi
	[ "$(sha256 "$file")" = "$release" ] ||
		fail "$file is not the file that qemu/versions describes (SHA-256): replace or remove it"
	unpack_release "$file"
}

from_debian()
{	# package, suite, then SHA-256 and name of each file
	local package=$1 suite=$2 root=$B/apt/qemu-$2 log=$tree/download.log options
	shift 2
	if ! command -v dpkg-source >/dev/null || ! command -v apt-get >/dev/null; then
		because "this is no Debian system"
		return 1
	fi
	if trusted "$download" "$@"; then
		# shellcheck disable=SC2046
		unpack_package "$download" $(names "$@")
		return
	fi
	mkdir -p "$B/apt"
	if ! scripts/apt-root.sh "$root" "$suite" source >"$log" 2>&1; then
		because "Debian's $suite: $(tail -n 1 "$log")"
		return 1
	fi
	options=$(cat "$root/options")
	# shellcheck disable=SC2086
	if ! (cd "$download" && apt-get -q $options source --download-only "qemu=$package") >"$log" 2>&1; then
		because "Debian's $suite: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
		return 1
	fi
	trusted "$download" "$@" ||
		fail "Debian's mirror has another ${wrong:-package} than qemu/versions describes (SHA-256): it is not used"
	# shellcheck disable=SC2046
	unpack_package "$download" $(names "$@")
}

get='
import shutil, sys, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=60) as answer, open(sys.argv[2], "wb") as out:
        shutil.copyfileobj(answer, out)
except OSError as e:
    sys.exit(f"{sys.argv[1]}: {e}")
'

from_release()
{
	local name=qemu-$version.tar.xz answer
	if [ -z "$release" ]; then
		because "qemu/versions has no SHA-256 for QEMU's own release"
		return 1
	fi
	if [ "$(sha256 "$download/$name" 2>/dev/null)" != "$release" ]; then
		if ! answer=$(python3 -c "$get" "$mirror/$name" "$download/$name.part" 2>&1); then
			because "QEMU's release: $answer"
			return 1
		fi
		[ "$(sha256 "$download/$name.part")" = "$release" ] ||
			fail "$mirror/$name is not the file that qemu/versions describes (SHA-256): it is not used"
		mv "$download/$name.part" "$download/$name"
	fi
	unpack_release "$download/$name"
}

# The version from wherever it can be had.  1: nowhere.
fetch()
{
	local package
	tree=$B/qemu/$version release=$(qemu_field "$version" release) reasons=
	[ "$(cat "$tree/src/VERSION" 2>/dev/null)" != "$version" ] || return 0
	rm -rf "$tree/src" "$tree/src.new" "$tree/orig"
	mkdir -p "$tree"
	if [ -n "${VFIO_APPLE_CACHE:-}" ]; then
		while read -r package <&3; do
			# shellcheck disable=SC2086
			[ -n "$package" ] && from_cached_package "$VFIO_APPLE_CACHE" $package && return
		done 3<<<"$(qemu_packages "$version")"
		from_cached_release "$VFIO_APPLE_CACHE" && return
	fi
	while read -r package <&3; do
		# shellcheck disable=SC2086
		[ -n "$package" ] && from_debian $package && return
	done 3<<<"$(qemu_packages "$version")"
	from_release
}

# QEMU needs meson 1.5; Debian 12 has 1.0, its backports have enough, and meson is plain Python.
meson_new_enough()
{
	"$1" --version 2>/dev/null | awk -F . '{ enough = $1 > 1 || ($1 == 1 && $2 >= 5) } END { exit !enough }'
}

fetch_meson()
{
	local meson=$B/tools/meson codename options
	if meson_new_enough meson || meson_new_enough "$meson/bin/meson" || ls "$1"/python/wheels/meson-*.whl >/dev/null 2>&1
	then
		return
	fi
	command -v apt-get >/dev/null || fail "meson 1.5 or newer is missing: install it"
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
	scripts/apt-root.sh "$B/apt/meson" "$codename-backports" "$(dpkg --print-architecture)" >&2
	options=$(cat "$B/apt/meson/options")
	rm -f "$download"/meson_*.deb
	# shellcheck disable=SC2086
	(cd "$download" && apt-get -q $options download meson) >"$download/meson.log" 2>&1 ||
		fail "meson 1.5 or newer is missing and $codename-backports does not give it: install it"
	rm -rf "$meson"
	dpkg-deb -x "$download"/meson_*.deb "$meson"
	mkdir -p "$meson/bin"
	cat >"$meson/bin/meson" <<-'SCRIPT'
	#!/bin/sh
	here=$(cd "$(dirname "$0")/.." && pwd)
	PYTHONPATH="$here/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}" exec python3 "$here/usr/bin/meson" "$@"
	SCRIPT
	chmod +x "$meson/bin/meson"
	meson_new_enough "$meson/bin/meson" || fail "meson of $codename-backports is older than 1.5: install a newer one"
}

versions=${1:-$(qemu_versions tested)}
[ -n "$(qemu_field "${versions%%[[:space:]]*}" state)" ] ||
	fail "qemu/versions does not list QEMU $versions; it lists" "$(qemu_versions tested)" "$(qemu_versions unported)"
before=
for version in $versions; do
	[ -z "$before" ] || say "QEMU $before; taking $version, the next tested version in qemu/versions"
	if fetch; then
		if [ -d "$tree/src.new" ]; then
			[ "$(cat "$tree/src.new/VERSION")" = "$version" ] ||
				fail "the source is QEMU $(cat "$tree/src.new/VERSION"), not $version"
			mv "$tree/src.new" "$tree/src"
		fi
		rm -f "$tree/missing"
		fetch_meson "$tree/src"
		echo "$version"
		exit 0
	fi
	echo "$reasons" >"$tree/missing"
	before="$version cannot be had ($reasons)"
done
say "QEMU $before: put its source package into a folder and set VFIO_APPLE_CACHE to it"
exit 75
