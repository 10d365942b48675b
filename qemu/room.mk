# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU with vfio-apple-pci.  The script knows what has to be rebuilt; make only knows what QEMU is made of.

QEMU_BIN := $(B)/qemu/bin/qemu-system-aarch64
QEMU_SOURCES := $(wildcard qemu/hw/vfio-apple/* qemu/patches/10.2/*.patch qemu/configs/* qemu/docs/*) \
	scripts/build-qemu.sh scripts/fetch-qemu.sh scripts/apt-root.sh \
	abi/apple_dma.h abi/vfa_dext.h client/include/vfapple.h

# One QEMU serves the sanitized build as well: its own code is what the sanitizers are for.
ifndef SAN
$(QEMU_BIN): $(QEMU_SOURCES) $(CLIENT_LIB) $(CLIENT_PC) $(PLATFORM_DEPS) | $(DEPS)
	B=$(B) scripts/build-qemu.sh
	@touch $@

CHECK_DEPS += $(QEMU_BIN)
endif
