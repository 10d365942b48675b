#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sign VFIOApple.app from the inside out, each part with its own entitlements.
#
#	sign-app.sh APP [IDENTITY [NAME=VALUE...]]
#
# IDENTITY is what codesign calls it; "-" signs ad hoc: the app runs on Macs without System Integrity Protection only.
# NAME=VALUE overrules app/Identity.xcconfig, for instance VFA_SIGNING=distribution.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
app=${1:-} identity=${2:--}
shift $(($# < 2 ? $# : 2))

fail()
{
	echo "sign-app.sh: $*" >&2
	exit 1
}

value()
{
	"$top/scripts/expand-plist.py" --value "$@"
}

[ -n "$app" ] || fail "name the app to sign"
[ -d "$app" ] || fail "$app is not there; make app builds it"
command -v codesign >/dev/null || fail "codesign is part of macOS; run this on a Mac"
dext_id=$(value VFA_DEXT_ID "$@") || exit 1
app_id=$(value VFA_APP_ID "$@") || exit 1
signing=$(value VFA_SIGNING "$@") || exit 1
dext=$app/Contents/Library/SystemExtensions/$dext_id.dext
[ -d "$dext" ] || fail "$app does not contain $dext_id.dext; build it with this app/Identity.xcconfig"
[ -f "$top/dext/VFIOUserPCIDriver.$signing.entitlements" ] || fail "VFA_SIGNING is $signing: not development or distribution"

work=$(mktemp -d) || fail "no room for a temporary folder"
trap 'rm -rf "$work"' EXIT

sign()
{	# part, identifier, entitlements (or none), NAME=VALUE...
	local part=$1 identifier=$2 entitlements=$3 with=()
	shift 3
	if [ -n "$entitlements" ]; then
		"$top/scripts/expand-plist.py" "$top/$entitlements" "$work/entitlements" "$@" || exit 1
		with=(--entitlements "$work/entitlements")
	fi
	codesign --force --sign "$identity" --identifier "$identifier" --options runtime ${with[@]+"${with[@]}"} "$part" ||
		fail "$part could not be signed as \"$identity\""
}

# As app/project.yml has it: in development the extension lets every program connect.
tool=
[ "$signing" = development ] || tool=cli/vfio-apple.entitlements
sign "$app/Contents/MacOS/vfio-apple" "$app_id.vfio-apple" "$tool" "$@"
sign "$dext" "$dext_id" "dext/VFIOUserPCIDriver.$signing.entitlements" "$@"
sign "$app" "$app_id" app/VFIOApple.entitlements "$@"
codesign --verify --strict --deep "$app" || fail "the signature of $app does not hold"
