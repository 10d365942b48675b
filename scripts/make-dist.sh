#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make what a release consists of, from the last commit: build/dist receives
#
#   vfio-apple-VERSION.tar.xz                  the source
#   apple-dma-dkms_VERSION_all.deb             the guest's package
#   vfio-apple-VERSION-macos-arm64             the tool for macOS, unsigned
#   vfio-apple-VERSION-qemu-QEMUVERSION.tar.xz patches for each QEMU version
#   SHA256SUMS
#
#   scripts/make-dist.sh [OUT-DIR]
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail()
{
	echo "make-dist.sh: $*." >&2
	exit 1
}

out=${1:-${B:-build}/dist}
git rev-parse -q --verify HEAD >/dev/null || fail "this is no git clone, and a release is made from a commit"
[ -z "$(git status --porcelain)" ] || echo "make-dist.sh: what is not committed is not in the release" >&2
work=$(mktemp -d "${TMPDIR:-/tmp}/make-dist.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/new"

# Owner, time and order are git's; one thread, because more of them cut the stream at other places.
git archive --format=tar HEAD scripts/version.sh cli/cli.h | tar -x -C "$work"
version=$("$work/scripts/version.sh")
[ -n "$version" ] || fail "cli/cli.h states no version"
name=vfio-apple-$version
git archive --format=tar --prefix="$name/" HEAD | xz -9 -T1 >"$work/new/$name.tar.xz"

# The rest comes from the tarball, so it does not lack a file.
tar -x -f "$work/new/$name.tar.xz" -C "$work"
"$work/$name/scripts/make-deb.sh" "$work/new" >/dev/null

tool=build/darwin/vfio-apple
if [ ! -e $tool ]; then
	scripts/check-darwin.sh >"$work/log" 2>&1 || fail "the tool for macOS cannot be built: $(grep -m1 '^not ok' "$work/log")"
fi
cp $tool "$work/new/$name-macos-arm64"

if [ -x "$work/$name/scripts/qemu-series.sh" ]; then
	time=$(git log -1 --format=%ct)
	for series in "$work/$name"/qemu/patches/*/; do
		qemu=$(basename "$series")
		# It needs QEMU's source, which is in the build folder.
		B=$(realpath "${B:-build}") "$work/$name/scripts/qemu-series.sh" "$qemu" "$work/$name-qemu-$qemu" >"$work/log" 2>&1 ||
			fail "the patches for QEMU $qemu cannot be made: $(tail -n 1 "$work/log")"
		tar -c --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$time" -C "$work" "$name-qemu-$qemu" |
			xz -9 -T1 >"$work/new/$name-qemu-$qemu.tar.xz"
	done
fi

(cd "$work/new" && sha256sum -- *) >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" "$work/new"
mv -f "$work"/new/* "$out"
cat "$out/SHA256SUMS"
