#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Take drivers out of a kernel of scripts/fetch-kernel.sh, for an initramfs.
#
#   scripts/guest-drivers.sh 6.1|6.12|7 OUT-DIR DRIVER...
#
# OUT-DIR receives every DRIVER and what it depends on as NAME.ko, uncompressed, and DRIVER.order: the files in the order
# they are to be loaded.
set -eu -o pipefail
cd "$(dirname "$0")/.."

kernel=${B:-build}/kernels/$1 out=$2
shift 2

fail()
{
	echo "guest-drivers.sh: $*" >&2
	exit 1
}

# take NAME: what it depends on, then it.
take()
{
	local name=$1 file d
	! grep -qx "$name.ko" "$tmp/order" || return 0
	# Names have underscores where files may have dashes.
	file=$(find -L "$kernel/modules" -name "${name//_/[-_]}.ko" -o -name "${name//_/[-_]}.ko.xz" | head -n 1)
	[ -n "$file" ] || fail "kernel $(cat "$kernel/release") has no driver $name"
	case $file in
	*.xz) xz -dc "$file" >"$tmp/$name.ko" ;;
	*) cp "$file" "$tmp/$name.ko" ;;
	esac
	for d in $(tr '\0' '\n' <"$tmp/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
		take "$d"
	done
	echo "$name.ko" >>"$tmp/order"
}

mkdir -p "$(dirname "$out")"
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
for driver in "$@"; do
	: >"$tmp/order"
	take "$driver"
	mv "$tmp/order" "$tmp/$driver.order"
done
rm -rf "$out"
chmod 755 "$tmp"
mv "$tmp" "$out"
