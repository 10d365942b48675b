# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual machines from end to end, and the demo.

E2E_IMAGES := $(B)/e2e/disk.img
E2E_DEPS := $(GUEST_KERNELS:%=$(B)/guest/%/initramfs.gz)
E2E_GUEST := $(wildcard tests/e2e/guest/*)

$(B)/e2e/disk.img: scripts/make-disk.sh | $(DEPS)
	@mkdir -p $(@D)
	scripts/make-disk.sh $@ 128 24
