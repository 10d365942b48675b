# SPDX-License-Identifier: GPL-2.0-or-later
# PCI functions of the simulated Mac. The simulated kernel links every object here; each registers its model by itself.

MACSIM_DEVICE_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard macsim/devices/*.c))

# Models driven directly, over a stand-in for the core.
MACSIM_MODEL_TESTS := $(addprefix $(B)/tests/unit/,test_nvme_model test_dmatest_model test_ahci_model test_ixgbevf_model)
MACSIM_MODEL_TEST_OBJS := $(MACSIM_MODEL_TESTS:=.o) $(B)/tests/unit/model_core.o

$(MACSIM_MODEL_TEST_OBJS): CPPFLAGS := -I$(TOP)/macsim/devices

$(MACSIM_MODEL_TESTS): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/unit/model_core.o $(MACSIM_DEVICE_OBJS)
	$(CC) $(LDFLAGS) $^ -lcmocka -o $@

TESTS += $(MACSIM_MODEL_TESTS)
SAN_TESTS += $(MACSIM_MODEL_TESTS)

# Devices through the client library.
MACSIM_CLIENT_TESTS := $(addprefix $(B)/tests/integration/,test_nvme test_registers)
$(MACSIM_CLIENT_TESTS:=.o): CPPFLAGS := -I$(TOP)/client/include -I$(TOP)/abi
$(MACSIM_CLIENT_TESTS): %: %.o $(B)/tests/integration/stack.o $(CLIENT_LIB) $(PLATFORM_DEPS)
	$(CC) $(LDFLAGS) $< $(B)/tests/integration/stack.o $(CLIENT_LIB) $(PLATFORM_LIBS) -lcmocka -lpthread -o $@

CHECK_DEPS += $(MACSIM_CLIENT_TESTS)
TESTS += tests/integration/nvme.sh tests/integration/registers.sh
