#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: the package apple-dma-dkms on clean Debian systems.  It is installed with apt beside two stock kernels, DKMS
# builds the module for both, and after a purge nothing is left.  For arm64 what it installs in /usr/src is built with
# the cross compiler.
set -u
cd "$(dirname "$0")/../.." || exit 1

B=${B:-build}
deb=$B/dist/apple-dma-dkms_$(scripts/version.sh)_all.deb
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dkms.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh

# The package itself.
lintian --allow-root --fail-on error,warning "$deb" >"$tmp/lintian" 2>&1
result $? "lintian finds neither errors nor warnings" "$tmp/lintian"
scripts/make-deb.sh "$tmp/again" >"$tmp/log" 2>&1 && cmp "$deb" "$tmp/again/${deb##*/}" >>"$tmp/log" 2>&1
result $? "the same tree makes the same package" "$tmp/log"

# What it installs, built for arm64 kernels.
dpkg-deb -x "$deb" "$tmp/root"
src=$(echo "$tmp"/root/usr/src/apple-dma-*)
for kernel in "$B"/kernels/*/release; do
	kernel=${kernel%/release}
	kernel=${kernel##*/}
	scripts/build-module.sh "$kernel" "$src" "$tmp/$kernel" >"$tmp/log" 2>&1 &&
		[ "$(modinfo -F vermagic "$tmp/$kernel/apple_dma.ko" | cut -d ' ' -f 1)" = "$(cat "$B/kernels/$kernel/release")" ] &&
		! grep -q warning: "$tmp/log"
	result $? "the sources in the package build for kernel $(cat "$B/kernels/$kernel/release") without a warning" "$tmp/log"
done

# A clean system.
apt=$B/apt/bookworm-amd64
if [ "$(dpkg --print-architecture)" != amd64 ]; then
	skip "clean system" "the clean system is amd64's"
elif ! scripts/apt-root.sh "$apt" bookworm amd64 bookworm-backports >"$tmp/log" 2>&1; then
	skip "clean system" "$(tail -n 1 "$tmp/log")"
else
	packages=dkms,openssl
	depends()
	{
		apt-cache -c "$apt/apt.conf" show "$1=$2" | sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//' | grep -m1 "$3"
	}
	for version in 6.1 6.12; do
		newest=$(apt-cache -c "$apt/apt.conf" madison linux-image-cloud-amd64 |
			awk -F'|' -v v="$version." '{ gsub(/ /, "", $2); if (index($2, v) == 1) { print $2; exit } }')
		for p in image headers; do
			packages+=,$(depends "linux-$p-cloud-amd64" "$newest" "^linux-$p-")
		done
	done
	install -m 644 "$deb" "$tmp/package.deb"
	chmod 755 "$tmp"
	# Packages that were fetched before need not be again.
	mkdir -p "$B/packages/archives"
	mmdebstrap --variant=apt --format=null --quiet --include="$packages,initramfs-tools,zstd" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--setup-hook='mkdir -p "$1/var/cache/apt/archives"; cp '"$B"'/packages/archives/*.deb "$1/var/cache/apt/archives" 2>/dev/null || true' \
		--setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"; echo MODULES=list >"$1/etc/initramfs-tools/conf.d/small"' \
		--skip=essential/unlink,cleanup/apt \
		--customize-hook='cp -n "$1"/var/cache/apt/archives/*.deb '"$B"'/packages/archives 2>/dev/null || true' \
		--customize-hook="copy-in $tmp/package.deb tests/packages/inside.sh /root" \
		--customize-hook='chroot "$1" sh /root/inside.sh >&2' \
		bookworm /dev/null - <"$apt/sources.list" >"$tmp/log" 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		'@@ok '*) result 0 "${line#@@ok }" ;;
		'@@not ok '*) result 1 "${line#@@not ok }" ;;
		'# '*) echo "$line" ;;
		esac
	done < <(grep -aE '^(@@|# )' "$tmp/log")
	grep -q '^@@end' "$tmp/log" && [ $status -eq 0 ]
	result $? "a clean Debian 12 system is set up and the test in it ends" "$tmp/log"
fi

done_testing
