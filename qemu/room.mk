# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU with vfio-apple-pci.  The script knows what has to be rebuilt; make only knows what QEMU is made of.
# QEMU_VERSION=V make ... uses another version of qemu/versions than its first tested one.

QEMU_BIN := $(B)/qemu/bin/qemu-system-aarch64
QEMU_SOURCES := $(wildcard qemu/hw/vfio-apple/* qemu/patches/*/*.patch qemu/configs/* qemu/docs/*) qemu/versions \
	scripts/build-qemu.sh scripts/fetch-qemu.sh scripts/qemu-versions.sh scripts/apt-root.sh \
	abi/apple_dma.h abi/vfa_dext.h client/include/vfapple.h cli/vfio-apple.entitlements \
	app/Identity.xcconfig scripts/qemu-entitlements.py scripts/expand-plist.py

# One QEMU serves the sanitized build as well: its own code is what the sanitizers are for.
ifndef SAN
QEMU_CHOICE := $(B)/stamps/qemu-version
.PHONY: qemu-choice qemu-others
$(QEMU_CHOICE): qemu-choice
	@mkdir -p $(@D)
	@[ -e $@ ] && [ "$$(cat $@)" = "$(QEMU_VERSION)" ] || echo "$(QEMU_VERSION)" >$@

$(QEMU_BIN): $(QEMU_SOURCES) $(QEMU_CHOICE) $(CLIENT_LIB) $(CLIENT_PC) $(PLATFORM_DEPS) | $(DEPS)
	B=$(B) QEMU_VERSION=$(QEMU_VERSION) scripts/build-qemu.sh
	@touch $@

# The other tested versions, as far as their source can be had (else status 75).
qemu-others: $(QEMU_BIN) $(QEMU_SOURCES) $(CLIENT_LIB) $(CLIENT_PC)
	@. scripts/qemu-versions.sh; for v in $$(qemu_versions tested); do \
		[ "$$(readlink $(B)/qemu/bin)" = "$$v/bin" ] || B=$(B) QEMU_VERSION=$$v scripts/build-qemu.sh --beside || \
			[ $$? -eq 75 ] || exit 1; \
	done

CHECK_DEPS += $(QEMU_BIN) qemu-others
endif

# What of it is pure, with a header of ours in the place of QEMU's.
$(B)/qemu/hw/vfio-apple/budget.o $(B)/tests/unit/test_budget.o: CPPFLAGS := -I$(TOP)/tests/unit -I$(TOP)/qemu/hw/vfio-apple
$(B)/tests/unit/test_budget: $(B)/tests/unit/test_budget.o $(B)/qemu/hw/vfio-apple/budget.o
	$(CC) $(LDFLAGS) $^ -lcmocka -o $@

TESTS += $(B)/tests/unit/test_budget
SAN_TESTS += $(B)/tests/unit/test_budget
