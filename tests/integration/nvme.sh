#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: an NVMe drive through the client library, with mapped and with trapped registers.
set -eu

cd "$(dirname "$0")/../.."
b=${B:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export NVME_FILE=$work/drive

for bars in mapped trapped; do
	for msix in bar0 bar4; do
		truncate -s 0 "$NVME_FILE"
		truncate -s 16M "$NVME_FILE"
		cat >"$work/machine" <<END
[function 03:00.0]
model = nvme
file = $NVME_FILE
serial = INTEGRATION
bars = $bars
msix = $msix
END
		"$b/macsim/bin/macsim" "$work/machine" -- "$b/tests/integration/test_nvme"
	done
done
