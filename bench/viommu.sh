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
		-trace virtio_iommu_map -trace virtio_iommu_unmap -trace pci_nvme_read -trace 'pci_nvme_identify*' -D "$tmp/trace" </dev/null >"$tmp/console" 2>"$tmp/log" || {
		tail -n 5 "$tmp/console" "$tmp/log" >&2
		exit 1
	}
	# A measurement lies between two scans of the controller, and is the one part with so many reads.
	python3 - "$tmp/console" "$tmp/trace" $mode >>"$out.txt" <<'END' || exit 1
import sys
console, trace, mode = sys.argv[1:]
lines = [l for l in open(console, errors="replace").read().replace("\r", "").splitlines() if l.startswith("@@bench ")]
parts = [{}]
for line in open(trace, errors="replace"):
    event = next((e for e in ("virtio_iommu_map", "virtio_iommu_unmap", "pci_nvme_read", "pci_nvme_identify") if e in line), None)
    if event == "pci_nvme_identify":
        parts.append({})
    elif event:
        parts[-1][event] = parts[-1].get(event, 0) + 1
for line in lines:
    row = dict(w.split("=", 1) for w in line.split()[1:])
    row["policy"] = "viommu-" + mode
    row["reads"] = int(row["reads"]) + int(row.pop("warm"))
    fitting = [p for p in parts if 0 <= p.get("pci_nvme_read", 0) - row["reads"] < 50]
    if not fitting:
        sys.exit(f"viommu.sh: QEMU traced no part with {row['reads']} reads: {parts}")
    part = fitting[0]
    parts = parts[parts.index(part) + 1:]
    row["maps"], row["unmaps"] = part.get("virtio_iommu_map", 0), part.get("virtio_iommu_unmap", 0)
    print("@@bench", *(f"{k}={v}" for k, v in row.items()))
if not lines:
    sys.exit("viommu.sh: the guest measured nothing")
END
done
