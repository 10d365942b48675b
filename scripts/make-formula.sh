#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Print the Homebrew formula for an archive of the sources: packaging/homebrew/vfio-apple.rb.in with the archive's
# version and checksum, and those of the QEMU that qemu/versions puts first.
#
#   scripts/make-formula.sh vfio-apple-VERSION.tar.[gx]z [URL]      URL: where users will find it (default: this very file)
#
#   HEAD_URL     git repository for brew install --HEAD (default: where this clone came from)
#   HOMEPAGE     default: HEAD_URL
#   QEMU_TABLE   another table than qemu/versions
set -eu
cd "$(dirname "$0")/.."

fail()
{
	echo "make-formula.sh: $*" >&2
	exit 1
}

archive=${1:?archive} url=${2:-}
name=${archive##*/}
version=$(echo "$name" | sed -n 's/^vfio-apple-\([0-9][0-9.]*\)\.tar\.[gx]z$/\1/p')
[ -n "$version" ] || fail "$name is not named vfio-apple-VERSION.tar.gz or .tar.xz"
[ -r "$archive" ] || fail "$archive cannot be read"
sha256=$(if command -v shasum >/dev/null; then shasum -a 256 "$archive"; else sha256sum "$archive"; fi | cut -d ' ' -f 1)
[ -n "$url" ] || url=file://$(cd "$(dirname "$archive")" && pwd)/$name

table=${QEMU_TABLE:-qemu/versions}
[ -r "$table" ] || fail "$table cannot be read"
read -r qemu_version qemu_sha256 <<END
$(awk '$1 == "version" { version = $2 } $1 == "state" { state = $2 }
	$1 == "release" && state == "tested" { print version, $2; exit }' "$table")
END
[ -n "$qemu_sha256" ] || fail "$table has no tested version with the checksum of QEMU's release"

head=${HEAD_URL:-$(git config --get remote.origin.url || echo "$PWD")}
case $head in
/*) head=file://$head ;;
*://*@*) head=${head%%://*}://${head#*@} ;; # who cloned it, and with what password, is nobody's business
esac

# Slashes, ampersands and the like stay what they are.
quoted()
{
	printf '%s' "$1" | sed 's/[\\&|]/\\&/g'
}
sed -e '2d' \
	-e "s|@URL@|$(quoted "$url")|" -e "s|@VERSION@|$(quoted "$version")|" -e "s|@SHA256@|$sha256|" \
	-e "s|@HOMEPAGE@|$(quoted "${HOMEPAGE:-$head}")|" -e "s|@HEAD@|$(quoted "$head")|" \
	-e "s|@QEMU_VERSION@|$(quoted "$qemu_version")|" -e "s|@QEMU_SHA256@|$(quoted "$qemu_sha256")|" \
	packaging/homebrew/vfio-apple.rb.in
