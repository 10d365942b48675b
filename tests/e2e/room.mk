# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual machines from end to end, and the demo.

E2E_DISKS := $(B)/e2e/disk.img $(B)/e2e/rootfs.img
E2E_DEPS := $(B)/macsim/bin/macsim $(B)/macsim/bin/macsim-ctl $(B)/dext/VFIOUserPCIDriver $(B)/cli/vfio-apple \
	$(B)/qemu/bin/qemu-system-aarch64

$(B)/e2e/disk.img: scripts/make-disk.sh | $(DEPS)
	@mkdir -p $(@D)
	scripts/make-disk.sh $@ 128 24
$(B)/e2e/demo.img: scripts/make-disk.sh | $(DEPS)
	@mkdir -p $(@D)
	scripts/make-disk.sh $@ 256 102

# A root file system of busybox alone.
$(B)/e2e/rootfs.img: scripts/make-disk.sh $(GUEST_INIT) $(B)/busybox-arm64 | $(DEPS)
	@mkdir -p $(@D)
	rm -rf $(@D)/rootfs
	mkdir -p $(addprefix $(@D)/rootfs/,bin sbin dev proc sys tmp)
	install -m 755 $(B)/busybox-arm64 $(@D)/rootfs/bin/busybox
	ln -s busybox $(@D)/rootfs/bin/sh
	install -m 755 tests/e2e/guest/rootfs-init $(@D)/rootfs/sbin/init
	install -m 644 tests/e2e/guest/lib.sh $(@D)/rootfs/lib.sh
	scripts/make-disk.sh $@ 64 12 $(@D)/rootfs
	rm -rf $(@D)/rootfs

.PHONY: demo
demo: $(DEPS) $(E2E_DEPS) $(B)/e2e/demo.img $(B)/guest/6.12/initramfs.gz
	@scripts/demo.sh

ifndef SAN
CHECK_DEPS += $(E2E_DEPS) $(E2E_DISKS) $(GUEST_INITRAMFS) $(B)/kernels/6.12-amd64/release
TESTS += $(filter-out tests/e2e/lib.sh,$(wildcard tests/e2e/*.sh))
endif

# The debug kernel takes ten minutes to build, so it is not in make check.
.PHONY: check-debug
check-debug: build-all $(E2E_DEPS) $(B)/e2e/disk.img $(B)/guest/debug/initramfs.gz
	@TEST_TIMEOUT=1800 tests/run tests/debug/kernel.sh
