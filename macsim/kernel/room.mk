# SPDX-License-Identifier: GPL-2.0-or-later
# The simulated kernel with its device models (macsim), its control tool, and the tests of its parts.

MACSIM_PROGRAMS := macsim/kernel/ctl.c macsim/kernel/systemextensionsctl.c
MACSIM_KERNEL_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out $(MACSIM_PROGRAMS),$(wildcard macsim/kernel/*.c)))
MACSIM_MODEL_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard macsim/devices/*.c))
MACSIM_DART_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard macsim/kernel/dart*.c))

$(MACSIM_KERNEL_OBJS) $(MACSIM_PROGRAMS:%.c=$(B)/%.o): CPPFLAGS = -I$(TOP) -D_GNU_SOURCE -DMACSIM_MACHINES_DIR='"$(TOP)/macsim/machines"'

$(B)/macsim/bin/macsim: $(MACSIM_KERNEL_OBJS) $(MACSIM_MODEL_OBJS) $(B)/macsim/wire/wire.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ -o $@ -lpthread

# In a folder of its own: what the command finds before everything else.
$(B)/macsim/usr/bin/systemextensionsctl: $(B)/macsim/kernel/systemextensionsctl.o $(B)/macsim/wire/wire.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ -o $@

$(B)/macsim/bin/macsim-ctl: $(B)/macsim/kernel/ctl.o $(B)/macsim/wire/wire.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ -o $@

$(B)/tests/unit/test_dart.o $(B)/tests/unit/test_machine.o: CPPFLAGS = -I$(TOP) -D_GNU_SOURCE
$(B)/tests/unit/test_dart: $(B)/tests/unit/test_dart.o $(MACSIM_DART_OBJS)
	$(CC) $(LDFLAGS) $^ -o $@ -lcmocka
$(B)/tests/unit/test_machine: $(B)/tests/unit/test_machine.o $(B)/macsim/kernel/machine.o $(MACSIM_DART_OBJS)
	$(CC) $(LDFLAGS) $^ -o $@ -lcmocka

# The dext's search for addresses, on the placement policies.
$(B)/tests/unit/test_placement.o: CPPFLAGS = -I$(TOP) -I$(TOP)/abi -I$(TOP)/dext/core
$(B)/tests/unit/test_placement: $(B)/tests/unit/test_placement.o $(MACSIM_DART_OBJS) $(B)/dext/libvfacore.a
	$(CC) $(LDFLAGS) $^ -o $@ -lcmocka

# The program as a whole, with a peer that speaks the wire itself.
$(B)/tests/contract/wire_peer.o: CPPFLAGS = -I$(TOP)
$(B)/tests/contract/wire_peer: $(B)/tests/contract/wire_peer.o $(B)/macsim/wire/wire.o
	$(CC) $(LDFLAGS) $^ -o $@ -lpthread

ALL += $(B)/macsim/bin/macsim $(B)/macsim/bin/macsim-ctl $(B)/macsim/usr/bin/systemextensionsctl
TESTS += $(B)/tests/unit/test_dart $(B)/tests/unit/test_machine $(B)/tests/unit/test_placement tests/contract/macsim.sh
CHECK_DEPS += $(B)/tests/contract/wire_peer
SAN_TESTS += $(B)/tests/unit/test_placement
