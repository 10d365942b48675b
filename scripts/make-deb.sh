#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make the Debian package of the guest module, build/dist/apple-dma-dkms_VERSION_all.deb; prints its path.
#
#   scripts/make-deb.sh [OUT-DIR]
#
# The same tree makes the same package, bit by bit.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "make-deb.sh: $*" >&2
	exit 1
}

out=${1:-${B:-build}/dist}
version=$(scripts/version.sh)
packaged=$(sed -n '1s/.*(\(.*\)).*/\1/p' guest/linux/debian/changelog)
[ "$packaged" = "$version" ] ||
	fail "guest/linux/debian/changelog is of version $packaged, cli/cli.h of $version: add an entry for $version"
command -v dh_dkms >/dev/null || fail "dh_dkms is missing: run scripts/deps.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/make-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
src=$work/apple-dma-$version
mkdir "$src"
cp -R guest/linux/. "$src"
mkdir "$src/abi"
cp abi/apple_dma.h "$src/abi"
(
	umask 022
	cd "$src"
	# A make above us must not hand its variables down.
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u DESTDIR dpkg-buildpackage -b -uc -us >"$work/log" 2>&1
) || {
	cat "$work/log" >&2
	fail "the package cannot be built"
}
mkdir -p "$out"
deb=apple-dma-dkms_${version}_all.deb
mv "$work/$deb" "$out/$deb"
echo "$out/$deb"
