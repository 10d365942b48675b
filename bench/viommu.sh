#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The baseline: QEMU's own virtio-iommu in front of its emulated NVMe disk, with Linux's driver, strict and lazy.  QEMU
# traces each MAP and UNMAP request.
#
#   bench/viommu.sh OUT READS
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build} out=$1 reads=$2
qemu=${VFIO_APPLE_QEMU:-$B/qemu/bin/qemu-system-aarch64}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/viommu.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
truncate -s 512M "$tmp/disk.img"
: >"$out.txt"
for mode in strict lazy; do
	[ $mode = strict ] && strict=1 || strict=0
	timeout 300 "$qemu" -M virt,gic-version=3 -cpu max,pauth-impdef=on -accel tcg -smp 2 -m 512M -nographic -nodefaults \
		-serial stdio -no-reboot -kernel "$B/kernels/6.12/vmlinuz" -initrd "$B/bench/guest/initramfs.gz" \
		-append "console=ttyAMA0 quiet nowatchdog panic=-1 iommu.strict=$strict scenario=viommu reads=$reads depths=1,32,128" \
		-device virtio-iommu-pci -drive "file=$tmp/disk.img,if=none,id=d,format=raw" -device nvme,drive=d,serial=1,addr=5 \
		-trace virtio_iommu_map -trace virtio_iommu_unmap -D "$tmp/trace" </dev/null >"$tmp/console" 2>"$tmp/log" || {
		tail -n 5 "$tmp/console" "$tmp/log" >&2
		exit 1
	}
	# The guest marks the ends of what is measured by how much it had asked until then; QEMU's trace has times, too.
	python3 - "$tmp/console" "$tmp/trace" $mode >>"$out.txt" <<'END' || exit 1
import re, sys
console, trace, mode = sys.argv[1:]
lines = [l for l in open(console, errors="replace").read().replace("\r", "").splitlines() if l.startswith("@@bench ")]
times = []
for line in open(trace, errors="replace"):
    m = re.match(r"(?:\d+@)?(\d+\.\d+):(virtio_iommu_map|virtio_iommu_unmap) ", line)
    if m:
        times.append((float(m[1]), m[2] == "virtio_iommu_map"))
if not lines or not times:
    sys.exit("viommu.sh: QEMU traced no request, or the guest measured nothing")
for line in lines:
    row = dict(w.split("=", 1) for w in line.split()[1:])
    start, end = float(row.pop("from")), float(row.pop("to"))
    inside = [is_map for t, is_map in times if start <= t <= end]
    row["policy"] = "viommu-" + mode
    row["maps"], row["unmaps"] = sum(inside), len(inside) - sum(inside)
    print("@@bench", *(f"{k}={v}" for k, v in row.items()))
END
done
