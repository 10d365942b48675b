# SPDX-License-Identifier: GPL-2.0-or-later
# Promises that hold for the tree as a whole.

$(B)/tests/unit/test_abi.o: CPPFLAGS += -Iabi

$(B)/tests/unit/test_abi: $(B)/tests/unit/test_abi.o
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka

TESTS += $(B)/tests/unit/test_abi tests/contract/shipped-rooms.sh tests/contract/dext-interfaces.sh scripts/check-darwin.sh \
	tests/contract/qemu-series.sh tests/contract/hvf-memory.sh
SAN_TESTS += $(B)/tests/unit/test_abi

TESTS += tests/contract/qemu-source.sh
