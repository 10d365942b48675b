# SPDX-License-Identifier: GPL-2.0-or-later
# Packages, as a user installs them.

ifndef SAN
CHECK_DEPS += $(B)/dist/apple-dma-dkms_$(VERSION)_all.deb
TESTS += tests/packages/dkms.sh tests/packages/doctor.sh tests/packages/image-refusals.sh
endif

# Too long for make check: installs Debian, and boots it twice.
$(B)/image/cloud.qcow2: scripts/make-guest-image.sh | $(DEPS)
	@mkdir -p $(@D)
	rm -f $@
	VFIO_APPLE_QEMU=$(TOP)/$(B)/qemu/bin/qemu-system-aarch64 B=$(TOP)/$(B) scripts/make-guest-image.sh --rootfs --size 3G $@
.PHONY: check-image
check-image: build-all $(E2E_DEPS) $(B)/e2e/disk.img $(B)/dist/apple-dma-dkms_$(VERSION)_all.deb $(B)/image/cloud.qcow2
	@TEST_TIMEOUT=3600 tests/run tests/packages/image.sh
