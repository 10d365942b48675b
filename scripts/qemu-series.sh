#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Write everything that this project changes in QEMU as one series of patches for qemu-devel, cover letter included.
#
#   scripts/qemu-series.sh VERSION OUT-DIR
#
# VERSION is a folder in qemu/patches, for instance 10.2.  The files that are patched come from the source that
# scripts/build-qemu.sh works on ($B/qemu), or from $QEMU_SOURCE, a source tree without our patches.
#
# The same sources always give the same patches.  They carry no Signed-off-by: only a person can give one.
set -eu
cd "$(dirname "$0")/.."
top=$PWD

B=${B:-build}
case $B in /*) ;; *) B=$top/$B ;; esac

fail()
{
	echo "qemu-series.sh: $*" >&2
	exit 1
}

[ $# -eq 2 ] || fail "usage: scripts/qemu-series.sh VERSION OUT-DIR"
version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
patches=("$top/qemu/patches/$version"/*.patch)
[ -e "${patches[0]}" ] || fail "qemu/patches/$version holds no patches"

is_version()
{	# source tree
	case $(cat "$1/VERSION" 2>/dev/null) in
	"$version" | "$version".*) ;;
	*) return 1 ;;
	esac
}

src=${QEMU_SOURCE:-} orig=
for tree in "$B/qemu" "$B"/qemu/*; do
	if [ -z "$src" ] && is_version "$tree/src"; then
		# Of a file that the build has patched, orig has what it was.
		src=$tree/src orig=$tree/orig
	fi
done
[ -n "$src" ] || fail "the source of QEMU $version is missing: run scripts/build-qemu.sh, or set QEMU_SOURCE to it"
is_version "$src" || fail "$src is not QEMU $version"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME="vfio-apple developers" GIT_AUTHOR_EMAIL=vfio-apple@localhost
export GIT_AUTHOR_DATE="2026-11-22T00:00:00+0000"
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

git_in()
{
	git -C "$scratch/tree" -c core.autocrlf=false "$@"
}

# The files that the patches touch, as they were, are all that git needs to know of QEMU.
mkdir "$scratch/tree"
git_in -c init.defaultBranch=series init -q
sed -n 's|^+++ b/||p' "${patches[@]}" | LC_ALL=C sort -u | while read -r f; do
	from=
	if [ -n "$orig" ] && [ -e "$orig/$f" ]; then
		from=$orig/$f
	elif [ -e "$src/$f" ] && ! grep -qxF "$f" "$orig/.created" 2>/dev/null; then
		from=$src/$f
	fi
	if [ -n "$from" ]; then
		mkdir -p "$scratch/tree/$(dirname "$f")"
		cp "$from" "$scratch/tree/$f"
	fi
done
git_in add -A -f .
git_in commit -q -m "QEMU $version"
git_in tag base

take()
{	# file, its place in QEMU
	mkdir -p "$scratch/tree/$(dirname "$2")"
	cp "$1" "$scratch/tree/$2"
	chmod 644 "$scratch/tree/$2"
}

commit()
{	# message on standard input
	git_in add -A -f .
	git_in commit -q --cleanup=verbatim -F -
}

apply()
{	# patches...
	git_in am -q --whitespace=nowarn "$@" || fail "${1#"$top/"} or one behind it does not apply to QEMU $version"
}

# The last patch is the one that builds the new files: all of them are in place before it.
last=${patches[${#patches[@]} - 1]}
apply "${patches[@]:0:${#patches[@]}-1}"

take abi/apple_dma.h include/standard-headers/misc/apple_dma.h
commit <<'END'
standard-headers: add the contract of the Apple DMA companion

This header describes the PCI device apple-dma-pci to both of its sides, the
Linux driver and the device model.  It is under the same licences as the other
headers that guests share with QEMU (BSD-3-Clause at the reader's choice), and
defines no more than registers, requests and status codes.
END

for f in container.c pci.c config.c irq.c host.c caller.c vfio-apple.h Kconfig meson.build trace.h trace-events; do
	take "qemu/hw/vfio-apple/$f" "hw/vfio-apple/$f"
done
commit <<'END'
vfio-apple: add PCI passthrough on Apple silicon

vfio-apple-pci is a VFIO PCI device whose requests to the device go to a
driver extension (DriverKit) instead of a kernel driver, through a client
library that is found with pkg-config as "vfapple".

- container.c: the container.  The IOMMU of the platform (DART) picks the
  addresses that a device sees, so there is nothing to map when guest memory
  appears.  It refuses a virtual IOMMU, and memory that may be discarded.
- pci.c: the device, its regions, its life cycle.  BARs are mapped into the
  guest in whole pages of the host, without the pages of the MSI-X table.
- config.c: what vfio-pci-core does on Linux: the part of configuration space
  that the guest must not reach is emulated here.
- irq.c: the library's thread signals the notifiers that VFIO set up.
- host.c, caller.c: calls to the extension.  It answers them in time or not,
  and nobody can take them back, so a thread makes them and a vCPU waits for
  each no longer than a limit.

The companion device, in the next patch, maps memory on behalf of the guest.
END

for f in companion.c companion-dma.c companion-host.c budget.c budget.h; do
	take "qemu/hw/vfio-apple/$f" "hw/vfio-apple/$f"
done
take qemu/docs/apple-dma.rst docs/specs/apple-dma.rst
commit <<'END'
vfio-apple: add the companion device apple-dma-pci

A guest can't choose the addresses that an assigned device uses for DMA: it
has to ask for a mapping, and use the address in the answer.  It asks through
this device, with requests in a page of its memory and a doorbell.  The
companion checks that all of what is to be mapped is RAM of the guest, keeps
it in place, and hands the host's addresses to the device's backend.

Until the guest has claimed a function through the companion, the BARs of the
function read as all ones and its bus mastering is off.  So a driver that does
not know about the companion fails at once, and no DMA goes astray.
END

take qemu/docs/vfio-apple.rst docs/system/devices/vfio-apple.rst
commit <<'END'
docs/system: describe vfio-apple-pci and apple-dma-pci
END

# Nothing may be forgotten.
for f in qemu/hw/vfio-apple/*; do
	[ -e "$scratch/tree/hw/vfio-apple/${f##*/}" ] || fail "no patch of the series adds ${f##*/}"
done
apply "$last"

rm -f "$out"/*.patch
git_in -c format.signature= format-patch -q -o "$out" --zero-commit --no-signature --full-index --no-base --no-thread \
	--cover-letter --cover-from-description=none --stat=72 base..HEAD
cover=$(echo "$out"/0000-*.patch)
subject=$(head -n 1 qemu/cover-letter.txt)
awk -v subject="$subject" -v text="$top/qemu/cover-letter.txt" '
	/^\*\*\* BLURB HERE \*\*\*$/ {
		getline line < text
		getline line < text
		while ((getline line < text) > 0)
			print line
		next
	}
	{ sub(/\*\*\* SUBJECT HERE \*\*\*/, subject); print }' "$cover" >"$scratch/cover"
cp "$scratch/cover" "$cover"
