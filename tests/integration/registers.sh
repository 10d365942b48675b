#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: devices whose registers act on access, through the client library.
set -eu

cd "$(dirname "$0")/../.."
b=${B:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SATA_FILE=$work/disk
truncate -s 16M "$SATA_FILE"
cat >"$work/machine" <<END
[function 06:00.0]
model = ixgbevf
wire = cable
bars = mapped
[function 07:00.0]
model = ixgbevf
wire = cable
[function 08:00.0]
model = ahci
file = $SATA_FILE
bars = mapped
END
"$b/macsim/bin/macsim" "$work/machine" -- "$b/tests/integration/test_registers"
