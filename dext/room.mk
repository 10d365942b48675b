# SPDX-License-Identifier: GPL-2.0-or-later
# The dext: $(B)/dext/VFIOUserPCIDriver, and its logic alone as $(B)/dext/libvfacore.a for tests.

# DRIVERKIT_DEPS and IIG_DEPS are known when every room has been read.
.SECONDEXPANSION:

DEXT_CORE_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard dext/core/*.c))
DEXT_CORE := $(B)/dext/libvfacore.a
DEXT_OBJS := $(patsubst %.cpp,$(B)/%.o,$(wildcard dext/*.cpp))
DEXT_IIG := $(wildcard dext/*.iig)
DEXT_HEADERS := $(DEXT_IIG:%.iig=$(B)/%.h)
DEXT_IIG_OBJS := $(DEXT_IIG:%.iig=$(B)/%.iig.o)
DEXT := $(B)/dext/VFIOUserPCIDriver

$(DEXT_CORE_OBJS): CPPFLAGS := -I$(TOP)/abi
$(DEXT_OBJS) $(DEXT_IIG_OBJS): CPPFLAGS = $(DRIVERKIT_CPPFLAGS) -I$(TOP)/abi -I$(TOP)/dext -I$(TOP)/$(B)/dext
$(DEXT_OBJS) $(DEXT_IIG_OBJS): | $(DEXT_HEADERS)

$(B)/dext/%.h $(B)/dext/%.iig.cpp: dext/%.iig $$(IIG_DEPS)
	@mkdir -p $(@D)
	$(IIG) $< --out $(@D)
$(DEXT_IIG_OBJS): $(B)/dext/%.iig.o: $(B)/dext/%.iig.cpp
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

$(DEXT_CORE): $(DEXT_CORE_OBJS)
	rm -f $@
	$(AR) rcs $@ $^

# With the property list beside it, as in its bundle.
$(DEXT): $(DEXT_OBJS) $(DEXT_IIG_OBJS) $(DEXT_CORE) $$(DRIVERKIT_DEPS) $(B)/dext/Info.plist
	$(CXX) $(LDFLAGS) $(DEXT_OBJS) $(DEXT_IIG_OBJS) $(DEXT_CORE) $(DRIVERKIT_LIBS) -o $@

# A .dext bundle is flat: Info.plist stands beside the executable.
$(B)/dext/Info.plist: dext/Info.plist app/Identity.xcconfig scripts/expand-plist.py
	@mkdir -p $(@D)
	scripts/expand-plist.py $< $@ EXECUTABLE_NAME=$(notdir $(DEXT))

ALL += $(DEXT)

$(B)/tests/unit/test_dext_core.o: CPPFLAGS := -I$(TOP)/abi -I$(TOP)/dext/core
$(B)/tests/unit/test_dext_core: $(B)/tests/unit/test_dext_core.o $(DEXT_CORE)
	$(CC) $(LDFLAGS) $^ -lcmocka -lpthread -o $@

# The search for addresses is tried on the placement policies of the simulated DART.
$(B)/tests/unit/test_placement.o: CPPFLAGS := -I$(TOP) -I$(TOP)/abi -I$(TOP)/dext/core
$(B)/tests/unit/test_placement: $(B)/tests/unit/test_placement.o $(DEXT_CORE) $$(MACSIM_DART_OBJS)
	$(CC) $(LDFLAGS) $^ -lcmocka -o $@

TESTS += $(B)/tests/unit/test_dext_core $(B)/tests/unit/test_placement
SAN_TESTS += $(B)/tests/unit/test_dext_core $(B)/tests/unit/test_placement
