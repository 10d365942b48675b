# SPDX-License-Identifier: GPL-2.0-or-later
#
# make demo    build everything, pass a device through, show the evidence
# make check   build what is missing, run every test; last line "N passed, N failed"
# make         the client library, the tool and, off a Mac, the simulated one
#
# Each room describes itself in room.mk: what it builds, and TESTS it adds.
# B is the build folder; SAN=1 builds with ASan and UBSan into $(B)/san, and checks what it can: SAN_TESTS.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
SHELL := /bin/bash

TOP := $(CURDIR)
B ?= build
ifdef SAN
override B := $(B)/san
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

CC := clang
CXX := clang++
AR := ar
WARN := -Wall -Wextra -Werror
CFLAGS = -std=c11 -O2 -g $(WARN) -fPIC $(SAN_FLAGS)
CXXFLAGS = -std=c++17 -O2 -g $(WARN) -fPIC $(SAN_FLAGS)
LDFLAGS = $(SAN_FLAGS)

# What stands underneath the shipped rooms: Apple's frameworks on a Mac, macsim elsewhere.
ifeq ($(shell uname -s),Darwin)
PLATFORM_CPPFLAGS :=
PLATFORM_LIBS := -framework IOKit -framework CoreFoundation
else
PLATFORM_CPPFLAGS := -I$(TOP)/macsim/include
PLATFORM_LIBS := -L$(TOP)/$(B)/macsim/lib -Wl,-rpath,$(TOP)/$(B)/macsim/lib -lIOKit
PLATFORM_DEPS := $(B)/macsim/lib/libIOKit.so
endif

ALL :=
TESTS :=
SAN_TESTS :=

.PHONY: all check demo clean deps
all: build-all

# A fresh machine has neither compiler nor libraries: install them before anything is built.
DEPS := $(B)/stamps/deps
deps: $(DEPS)
$(DEPS): scripts/deps.sh
	@mkdir -p $(@D)
	scripts/deps.sh
	@touch $@

include $(wildcard */room.mk */*/room.mk)

.PHONY: build-all
build-all: $(DEPS) $(ALL)

ifdef SAN
check: $(DEPS) $(SAN_TESTS)
	@tests/run $(SAN_TESTS)
else
check: build-all $(CHECK_DEPS) $(TESTS)
	@tests/run $(TESTS)
endif

clean:
	rm -rf $(B)

-include $(shell find $(addprefix $(B)/,dext client cli macsim tests) -type f -name '*.d' 2>/dev/null)

# Objects: $(B)/ROOM/FILE.o from ROOM/FILE.c; a room sets its own flags with target-specific CPPFLAGS.
$(B)/%.o: %.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/%.o: %.cpp | $(DEPS)
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@
