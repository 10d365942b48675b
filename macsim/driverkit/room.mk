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
