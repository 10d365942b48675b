# SPDX-License-Identifier: GPL-2.0-or-later
# The guest module for stock Debian kernels, and what those kernels boot with in the tests and the demo:
# $(B)/kernels/VERSION, $(B)/guest/VERSION/apple_dma.ko, $(B)/guest/VERSION/initramfs.gz

GUEST_KERNELS := 6.1 6.12
GUEST_SRCS := $(wildcard guest/linux/*.[ch] guest/linux/Kbuild) abi/apple_dma.h
GUEST_DMATEST_SRCS := $(wildcard tests/guest/dmatest/*.[ch] tests/guest/dmatest/Kbuild)
GUEST_INIT := $(wildcard tests/e2e/guest/*)
GUEST_INITRAMFS := $(GUEST_KERNELS:%=$(B)/guest/%/initramfs.gz)

# Several kernels at once would update the same package lists.
$(B)/kernels/%/release: | $(DEPS)
	@mkdir -p $(B)/kernels
	B=$(B) flock $(B)/kernels scripts/fetch-kernel.sh $(subst -, ,$*)

$(B)/guest/%/apple_dma.ko: $(GUEST_SRCS) scripts/build-module.sh | $(B)/kernels/%/release
	B=$(B) scripts/build-module.sh $* guest/linux $(@D)/apple_dma
	cp $(@D)/apple_dma/apple_dma.ko $@
$(B)/guest/%/dmatest.ko: $(GUEST_DMATEST_SRCS) scripts/build-module.sh | $(B)/kernels/%/release
	B=$(B) scripts/build-module.sh $* tests/guest/dmatest $(@D)/dmatest
	cp $(@D)/dmatest/dmatest.ko $@

$(B)/busybox-arm64: | $(DEPS)
	B=$(B) scripts/fetch-busybox.sh arm64 $@
$(B)/guest/%/initramfs.gz: $(B)/guest/%/apple_dma.ko $(B)/guest/%/dmatest.ko $(GUEST_INIT) scripts/make-initramfs.sh $(B)/busybox-arm64
	scripts/make-initramfs.sh $@ $(B)/busybox-arm64 tests/e2e/guest/init $(@D)/apple_dma.ko=/apple_dma.ko \
		$(@D)/dmatest.ko=/dmatest.ko $(foreach f,$(filter %.sh,$(GUEST_INIT)),$(f)=/scenarios/$(notdir $(f)))

.PRECIOUS: $(B)/kernels/%/release $(B)/guest/%/apple_dma.ko $(B)/guest/%/dmatest.ko
