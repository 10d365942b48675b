# SPDX-License-Identifier: GPL-2.0-or-later
# DriverKit and PCIDriverKit for the dext: headers in macsim/include, the runtime with main() in libDriverKit.a, and iig.
#
# A dext is compiled with DRIVERKIT_CPPFLAGS, linked with DRIVERKIT_LIBS (depends on DRIVERKIT_DEPS), and
#	$(IIG) X.iig --out DIR
# writes DIR/X.h and DIR/X.iig.cpp.

DRIVERKIT_SRCS := $(wildcard macsim/driverkit/*.cpp)
DRIVERKIT_OBJS := $(DRIVERKIT_SRCS:%.cpp=$(B)/%.o)
DRIVERKIT_LIB := $(B)/macsim/lib/libDriverKit.a

IIG := macsim/driverkit/iig
IIG_DEPS := $(IIG) $(wildcard macsim/include/DriverKit/*.h macsim/include/PCIDriverKit/*.h)
DRIVERKIT_CPPFLAGS := -I$(TOP)/macsim/include -fblocks -fno-exceptions
DRIVERKIT_CXX := clang++
DRIVERKIT_LIBS := $(DRIVERKIT_LIB) -lBlocksRuntime -lpthread
DRIVERKIT_DEPS := $(DRIVERKIT_LIB)

$(DRIVERKIT_OBJS): CXX := $(DRIVERKIT_CXX)
$(DRIVERKIT_OBJS): CPPFLAGS := $(DRIVERKIT_CPPFLAGS) -I$(TOP)
$(DRIVERKIT_OBJS): | $(DEPS)

$(DRIVERKIT_LIB): $(DRIVERKIT_OBJS) $(MACSIM_WIRE) $(B)/macsim/wire/wire.o
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $(sort $^)

ALL += $(DRIVERKIT_LIB)

# A dext that does to DriverKit what the contract test asks for.
CONTRACT_DEXT_DIR := $(B)/tests/contract/dext
CONTRACT_DEXT := $(CONTRACT_DEXT_DIR)/ContractDriver
CONTRACT_DEXT_IIG := ContractDriver ContractClient
CONTRACT_DEXT_HEADERS := $(CONTRACT_DEXT_IIG:%=$(CONTRACT_DEXT_DIR)/%.h)
CONTRACT_DEXT_OBJS := $(CONTRACT_DEXT_IIG:%=$(CONTRACT_DEXT_DIR)/%.o)
CONTRACT_DEXT_IIG_OBJS := $(CONTRACT_DEXT_IIG:%=$(CONTRACT_DEXT_DIR)/%.iig.o)

$(CONTRACT_DEXT_OBJS) $(CONTRACT_DEXT_IIG_OBJS): CXX := $(DRIVERKIT_CXX)
$(CONTRACT_DEXT_OBJS) $(CONTRACT_DEXT_IIG_OBJS): CPPFLAGS = \
	$(DRIVERKIT_CPPFLAGS) -I$(TOP)/macsim/devices -I$(TOP)/tests/contract/dext -I$(TOP)/$(CONTRACT_DEXT_DIR)
$(CONTRACT_DEXT_OBJS) $(CONTRACT_DEXT_IIG_OBJS): | $(CONTRACT_DEXT_HEADERS)
$(CONTRACT_DEXT_DIR)/%.h $(CONTRACT_DEXT_DIR)/%.iig.cpp: tests/contract/dext/%.iig $(IIG_DEPS)
	@mkdir -p $(@D)
	$(IIG) $< --out $(@D)
$(CONTRACT_DEXT_DIR)/ContractClient.h: tests/contract/dext/ContractDriver.iig
$(CONTRACT_DEXT_IIG_OBJS): %.o: %.cpp
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@
$(CONTRACT_DEXT): $(CONTRACT_DEXT_OBJS) $(CONTRACT_DEXT_IIG_OBJS) $(DRIVERKIT_DEPS)
	$(DRIVERKIT_CXX) $(LDFLAGS) $(filter %.o,$^) $(DRIVERKIT_LIBS) -o $@
$(CONTRACT_DEXT_DIR)/Info.plist: tests/contract/dext/Info.plist
	@mkdir -p $(@D)
	cp $< $@

DRIVERKIT_CONTRACT := $(B)/tests/contract/test_driverkit
$(DRIVERKIT_CONTRACT).o: CPPFLAGS = -D_GNU_SOURCE -I$(TOP)/macsim/include -I$(TOP)/macsim/devices -I$(TOP)/tests/contract/dext
$(DRIVERKIT_CONTRACT): $(DRIVERKIT_CONTRACT).o $(B)/macsim/lib/libIOKit.so
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PLATFORM_LIBS) -lcmocka

CHECK_DEPS += $(CONTRACT_DEXT) $(CONTRACT_DEXT_DIR)/Info.plist $(DRIVERKIT_CONTRACT)
TESTS += tests/unit/test_iig.py tests/contract/driverkit.sh
