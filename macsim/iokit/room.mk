# SPDX-License-Identifier: GPL-2.0-or-later
# IOKitLib, and what it needs of CoreFoundation and libdispatch, on top of the simulated kernel.

MACSIM_IOKIT := $(B)/macsim/lib/libIOKit.so
MACSIM_IOKIT_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard macsim/iokit/*.c))

$(MACSIM_IOKIT_OBJS): CPPFLAGS = -I$(TOP)/macsim/include -I$(TOP)/macsim/wire

$(MACSIM_IOKIT): $(MACSIM_IOKIT_OBJS) $(B)/macsim/wire/wire.o macsim/iokit/exports.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libIOKit.so -Wl,--version-script,macsim/iokit/exports.map \
		-o $@ $(filter %.o,$^) -lpthread

ALL += $(MACSIM_IOKIT)

IOKIT_TEST := $(B)/tests/unit/test_iokit
$(IOKIT_TEST).o: CPPFLAGS = -I$(TOP)/macsim/include -I$(TOP)/macsim/wire
$(IOKIT_TEST): $(IOKIT_TEST).o $(B)/macsim/wire/wire.o $(MACSIM_IOKIT)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PLATFORM_LIBS) -lcmocka -lpthread

TESTS += $(IOKIT_TEST)
SAN_TESTS += $(IOKIT_TEST)

IOKIT_CONTRACT := $(B)/tests/contract/test_iokit
$(IOKIT_CONTRACT).o: CPPFLAGS = -D_GNU_SOURCE -I$(TOP)/macsim/include -I$(TOP)/macsim/wire -Iabi
$(IOKIT_CONTRACT): $(IOKIT_CONTRACT).o $(B)/macsim/wire/wire.o $(MACSIM_IOKIT)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PLATFORM_LIBS) -lcmocka

CHECK_DEPS += $(IOKIT_CONTRACT)
TESTS += tests/contract/iokit.sh
