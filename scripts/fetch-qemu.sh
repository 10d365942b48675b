#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Unpack QEMU's source into $B/qemu/src and the meson that builds it into $B/tools/meson.
#
# QEMU comes from, in this order:
#   1. $VFIO_APPLE_CACHE, a folder that holds the Debian source package (.dsc, .orig.tar.xz, .debian.tar.xz)
#   2. the same package from Debian's mirror, through a private apt root
#   3. QEMU's own release, of which only the version is checked
# The files of 1 and 2 must have the SHA-256 sums below.
set -eu
cd "$(dirname "$0")/.."

B=${B:-build}
version=10.2.2
package=10.2.2+ds-1
sums="f1684b3aa5ec500c3389d346c6501dee45041ea91656c6556d4da9023b7987dd  qemu_$package.dsc
be05230fe47a6937cd29f28f562932c8125f9c93c2a82c625198f7a4aa601dfb  qemu_${package%-*}.orig.tar.xz
ddf75aceab4f8f77374f3cb34fc97b41514895aeb293ce8b2ddd5e072bb0f5c0  qemu_$package.debian.tar.xz"

src=$B/qemu/src
download=$B/qemu/download
mkdir -p "$download" "$B/tools"

say()
{
	echo "fetch-qemu.sh: $*"
}

fail()
{
	echo "fetch-qemu.sh: $*" >&2
	exit 1
}

trusted()
{
	(cd "$1" 2>/dev/null && sha256sum --quiet -c - <<<"$sums" >/dev/null 2>&1)
}

# Prints the folder that holds the verified Debian source package.  1: there is none; 2: there is one not to be trusted.
debian_source()
{
	local folder
	for folder in "${VFIO_APPLE_CACHE:-}" "$download"; do
		if [ -n "$folder" ] && trusted "$folder"; then
			echo "$folder"
			return
		fi
	done
	if [ -n "${VFIO_APPLE_CACHE:-}" ] && [ -e "$VFIO_APPLE_CACHE/qemu_$package.dsc" ]; then
		say "$VFIO_APPLE_CACHE holds a QEMU package whose SHA-256 sums differ from the pinned ones: replace its files" >&2
		return 2
	fi
	scripts/apt-root.sh "$B/apt/qemu-source" sid source >&2 || return 1
	local options
	options=$(cat "$B/apt/qemu-source/options")
	# shellcheck disable=SC2086
	(cd "$download" && apt-get -q $options source --download-only "qemu=1:$package") >"$B/qemu/download.log" 2>&1 ||
		return 1
	if ! trusted "$download"; then
		say "the mirror's QEMU package has other SHA-256 sums than the pinned ones: it is not used" >&2
		return 2
	fi
	echo "$download"
}

unpack_upstream()
{
	local tarball=$download/qemu-$version.tar.xz
	say "the Debian source package is not available; taking QEMU's own release, whose checksum is not pinned"
	[ -s "$tarball" ] || python3 - "https://download.qemu.org/qemu-$version.tar.xz" "$tarball.part" <<-'END' ||
		import shutil, sys, urllib.request
		try:
		    with urllib.request.urlopen(sys.argv[1], timeout=60) as answer, open(sys.argv[2], "wb") as out:
		        shutil.copyfileobj(answer, out)
		except OSError as e:
		    sys.exit(f"{sys.argv[1]}: {e}")
	END
		fail "QEMU $version can be had from nowhere: put its Debian source package into a folder and set VFIO_APPLE_CACHE to it"
	[ -s "$tarball" ] || mv "$tarball.part" "$tarball"
	mkdir -p "$src.new"
	tar -xf "$tarball" -C "$src.new" --strip-components=1
}

if [ "$(cat "$src/VERSION" 2>/dev/null)" != "$version" ]; then
	rm -rf "$src" "$src.new" "$B/qemu/orig"
	folder='' status=1
	if command -v dpkg-source >/dev/null; then
		folder=$(debian_source) && status=0 || status=$?
	fi
	[ $status -ne 2 ] || exit 1
	if [ -n "$folder" ]; then
		say "unpacking QEMU $package"
		dpkg-source --no-check -x "$folder/qemu_$package.dsc" "$src.new" >"$B/qemu/unpack.log" 2>&1 ||
			fail "QEMU's source does not unpack: see $B/qemu/unpack.log"
	else
		unpack_upstream
	fi
	[ "$(cat "$src.new/VERSION")" = "$version" ] || fail "the source is QEMU $(cat "$src.new/VERSION"), not $version"
	mv "$src.new" "$src"
fi

# QEMU needs meson 1.5; Debian 12 has 1.0, its backports have enough, and meson is plain Python.
meson_new_enough()
{
	local found
	found=$("$1" --version 2>/dev/null) || return 1
	[ "$(printf '%s\n1.5.0\n' "$found" | sort -V | head -n1)" = 1.5.0 ]
}

if ! meson_new_enough meson && ! meson_new_enough "$B/tools/meson/bin/meson"; then
	if ls "$src"/python/wheels/meson-*.whl >/dev/null 2>&1; then
		exit 0
	fi
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
	scripts/apt-root.sh "$B/apt/meson" "$codename-backports" "$(dpkg --print-architecture)"
	options=$(cat "$B/apt/meson/options")
	rm -f "$download"/meson_*.deb
	# shellcheck disable=SC2086
	(cd "$download" && apt-get -q $options download meson) >"$B/qemu/download.log" 2>&1 ||
		fail "meson 1.5 or newer is missing and $codename-backports does not give it: install it"
	rm -rf "$B/tools/meson"
	dpkg-deb -x "$download"/meson_*.deb "$B/tools/meson"
	mkdir -p "$B/tools/meson/bin"
	cat >"$B/tools/meson/bin/meson" <<-'END'
	#!/bin/sh
	here=$(cd "$(dirname "$0")/.." && pwd)
	PYTHONPATH="$here/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}" exec python3 "$here/usr/bin/meson" "$@"
	END
	chmod +x "$B/tools/meson/bin/meson"
	meson_new_enough "$B/tools/meson/bin/meson" || fail "meson of $codename-backports is older than 1.5: install a newer one"
fi
