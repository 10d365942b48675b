#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: what make-guest-image.sh refuses, before anything is booted or written.
set -u
cd "$(dirname "$0")/../.." || exit 1

B=${B:-build}
deb=$PWD/$B/dist/apple-dma-dkms_$(scripts/version.sh)_all.deb
tmp=$(mktemp -d "${TMPDIR:-/tmp}/refusals.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
export TMPDIR=$tmp VFIO_APPLE_QEMU=$tmp/qemu
tap=0 failed=0

# refuses WORDS ARGUMENT...: one sentence with these words, no image, nothing left in the temporary folder.
refuses()
{
	local words=$1 out
	shift
	tap=$((tap + 1))
	out=$(scripts/make-guest-image.sh "$@" 2>&1)
	if [ $? -eq 1 ] && [ "$(grep -c . <<<"$out")" = 1 ] && [[ $out == "make-guest-image.sh: "*"$words"*. ]] && [ ! -e "$tmp/out.qcow2" ] &&
		! compgen -G "$tmp/guest-image.*" >/dev/null; then
		echo "ok $tap - refused: $words"
	else
		echo "not ok $tap - refused: $words"
		echo "$out" | sed 's/^/#   /'
		failed=1
	fi
}

# A QEMU that is never reached.
printf '#!/bin/sh\nexit 0\n' >"$tmp/qemu"
chmod +x "$tmp/qemu"
qemu-img create -q -f qcow2 "$tmp/cloud.qcow2" 64M
qemu-img create -q -f qcow2 -b "$tmp/cloud.qcow2" -F qcow2 "$tmp/overlay.qcow2"
head -c 100000 /dev/urandom >"$tmp/noise"
: >"$tmp/exists.qcow2"
openssl req -new -x509 -nodes -days 9 -subj /CN=x -newkey rsa:2048 -keyout "$tmp/key" -outform PEM -out "$tmp/cert.pem" 2>/dev/null
openssl rsa -in "$tmp/key" -aes128 -passout pass:secret -out "$tmp/locked" 2>/dev/null
openssl x509 -in "$tmp/cert.pem" -outform DER -out "$tmp/cert"
echo 'ssh-ed25519 AAAA "; rm -rf /' >"$tmp/evil.pub"
cp "$tmp/noise" "$tmp/noise.pub"

from=(--from "$tmp/cloud.qcow2" --package "$deb" "$tmp/out.qcow2")
refuses "none.qcow2 cannot be read" --from "$tmp/none.qcow2" --package "$deb" "$tmp/out.qcow2"
refuses "is no qcow2 image" --from "$tmp/noise" --package "$deb" "$tmp/out.qcow2"
refuses "depends on another image" --from "$tmp/overlay.qcow2" --package "$deb" "$tmp/out.qcow2"
refuses "needs --package" --from "$tmp/cloud.qcow2" "$tmp/out.qcow2"
refuses "is no Debian package" --from "$tmp/cloud.qcow2" --package "$tmp/noise" "$tmp/out.qcow2"
refuses "exists already" --from "$tmp/cloud.qcow2" --package "$deb" "$tmp/exists.qcow2"
refuses "name the new image .qcow2" --from "$tmp/cloud.qcow2" --package "$deb" "$tmp/out.img"
refuses "exclude each other" --rootfs "${from[@]}"
refuses "characters that a seed cannot carry" "${from[@]}" --ssh-key "$tmp/evil.pub"
refuses "is no public SSH key" "${from[@]}" --ssh-key "$tmp/noise.pub"
refuses "belong together" "${from[@]}" --mok-key "$tmp/key"
refuses "no private key" "${from[@]}" --mok-key "$tmp/cert" --mok-cert "$tmp/cert"
refuses "has a passphrase" "${from[@]}" --mok-key "$tmp/locked" --mok-cert "$tmp/cert"
refuses "in DER format" "${from[@]}" --mok-key "$tmp/key" --mok-cert "$tmp/cert.pem"
refuses "is no size" "${from[@]}" --size 8T
refuses "no number of seconds" "${from[@]}" --timeout soon
refuses "a value is missing" "${from[@]}" --log
refuses "unknown option" "${from[@]}" --frm
echo "1..$tap"
exit $failed
