# SPDX-License-Identifier: GPL-2.0-or-later
# The same random reads behind the kernel's own virtio-iommu driver.  Scanning the controller again is what QEMU's trace
# shows between one depth and the next.

insmod /virtio-iommu.ko
if ! check "the disk is found" wait_for 30 test -b $disk; then
	dmesg | tail -n 20 | sed 's/^/# /'
fi
group=$(readlink "/sys/bus/pci/devices/$bdf/iommu_group")
say "group ${group##*/}, $(cat "/sys/bus/pci/devices/$bdf/iommu_group/type")"
check "the disk is behind the IOMMU" test -n "$group"
for d in $(parameter depths | tr , ' '); do
	echo 1 >/sys/class/nvme/nvme0/rescan_controller
	sleep 1
	echo "@@bench kind=viommu depth=$d $(/io $disk "$(parameter reads)" "$d")"
	echo 1 >/sys/class/nvme/nvme0/rescan_controller
	sleep 1
done
