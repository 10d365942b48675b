# SPDX-License-Identifier: GPL-2.0-or-later
# Client library, dext and devices together, in a machine but without a virtual one.

INTEGRATION_PROGS := $(addprefix $(B)/tests/integration/,test_stack test_dma test_protocol)
INTEGRATION_COMMON := $(B)/tests/integration/stack.o $(B)/tests/integration/dmatest_user.o
INTEGRATION_OBJS := $(INTEGRATION_PROGS:=.o) $(INTEGRATION_COMMON)

$(INTEGRATION_OBJS): CPPFLAGS := -I$(TOP)/client/include -I$(TOP)/abi -I$(TOP)/macsim/devices $(PLATFORM_CPPFLAGS)
$(INTEGRATION_PROGS): %: %.o $(INTEGRATION_COMMON) $$(CLIENT_LIB) $$(PLATFORM_DEPS)
	$(CC) $(LDFLAGS) $< $(INTEGRATION_COMMON) $(CLIENT_LIB) $(PLATFORM_LIBS) -lcmocka -lpthread -o $@

CHECK_DEPS += $(INTEGRATION_PROGS)
TESTS += tests/integration/stack.sh tests/integration/dma.sh tests/integration/faults.sh tests/integration/budget.sh tests/integration/protocol.sh
