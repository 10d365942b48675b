#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make an ext4 disk image that holds files/ and files.sha256, without root.
#
#   scripts/make-disk.sh OUT IMAGE-MIB FILES-MIB [FOLDER]      FOLDER's contents are added
#
# Contents are the same on every machine.
set -eu -o pipefail

out=$1 image=$2 files=$3 extra=${4:-}
PATH=$PATH:/usr/sbin:/sbin
tree=$(mktemp -d "${TMPDIR:-/tmp}/disk.XXXXXX")
trap 'rm -rf "$tree"' EXIT
[ -z "$extra" ] || cp -a "$extra/." "$tree"
python3 - "$tree" "$files" <<'END'
import hashlib, os, random, sys

tree, total = sys.argv[1], int(sys.argv[2]) << 20
r = random.Random(20260401)
sums = []
n = 0
while total > 0:
    # Mostly small, now and then a large one.
    size = min(total, r.choice([1, 700, 4096, 20000, 65536, 65537, 120000, 131072] if n % 200 else [4 << 20]))
    data = r.randbytes(size)
    name = f"files/d{n % 40:02}/f{n:05}"
    os.makedirs(os.path.dirname(f"{tree}/{name}"), exist_ok=True)
    with open(f"{tree}/{name}", "wb") as f:
        f.write(data)
    sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    total -= size
    n += 1
with open(f"{tree}/files.sha256", "w") as f:
    f.writelines(sums)
END
rm -f "$out.part"
truncate -s "${image}M" "$out.part"
mkfs.ext4 -q -F -L passthrough -E root_owner=0:0 -d "$tree" "$out.part"
mv "$out.part" "$out"
