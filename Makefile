# SPDX-License-Identifier: GPL-2.0-or-later
#
# make              the client library and the tool; off a Mac the simulated one and the driver extension for it, too
# make check        build what is missing, run every test; last line "N passed, N failed"
# make check-debug  the guest module on a kernel that checks itself and has no DMA operations (builds it: ten minutes; Linux)
# make demo         build everything, pass a device through, show the evidence (Linux)
# make qemu         QEMU with the device vfio-apple-pci
# make app          the app with the driver extension inside (a Mac with Xcode)
# make sign         sign the app once more, as SIGN_IDENTITY
# make deb          the guest's package apple-dma-dkms (Linux)
# make guest-image  FROM=cloud.qcow2 [PACKAGE=FILE.deb] [OUT=guest.qcow2]: a guest image with the package in it
# make dist         a release: sources, package, tool for the Mac, series for QEMU, checksums (Linux)
# make install      tool, QEMU and manual page below PREFIX (/usr/local); DESTDIR is honoured
# make deps         install what building needs: Debian packages, or what the Brewfile lists
# make formula      a Homebrew formula for what is committed here, or for ARCHIVE=vfio-apple-VERSION.tar.xz URL=...
# make bench        the benchmark: results in bench/results (about 40 minutes; bench-quick: 5; bench-replay: no guests)
# make clean        remove build/
# make help         this list
#
# Works with GNU make 3.81, which is what macOS has.
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
SYSTEM := $(shell uname -s)
ifeq ($(SYSTEM),Darwin)
CFLAGS += -mmacosx-version-min=13.0
LDFLAGS += -mmacosx-version-min=13.0
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

.PHONY: all check demo clean deps help
all: build-all

help:
	@sed -n 's/^# \(make  *[^ ].*\)/\1/p' Makefile

# A fresh machine has neither compiler nor libraries: install them before anything is built.
DEPS := $(B)/stamps/deps
ifneq ($(SYSTEM),Darwin)
deps: $(DEPS)
else
# Nothing of Homebrew's is installed unless asked for.
deps:
	scripts/deps.sh --install
endif
$(DEPS): scripts/deps.sh
	@mkdir -p $(@D)
	scripts/deps.sh
	@touch $@

ROOMS := $(sort $(wildcard */room.mk)) $(sort $(wildcard */*/room.mk))
ifeq ($(SYSTEM),Darwin)
include $(filter-out macsim/% guest/% bench/% tests/integration/% tests/qtest/% tests/e2e/%,$(ROOMS))
# Xcode builds the extension: make app.
ALL := $(filter-out $(DEXT),$(ALL))

CMOCKA_PREFIX = $(shell brew --prefix 2>/dev/null || echo /opt/homebrew)
$(B)/tests/unit/%.o: CFLAGS += -I$(CMOCKA_PREFIX)/include
$(B)/tests/unit/%: LDFLAGS += -L$(CMOCKA_PREFIX)/lib
$(SAN_TESTS:=.o): | have-cmocka
.PHONY: have-cmocka
have-cmocka:
	@[ -e $(CMOCKA_PREFIX)/include/cmocka.h ] || { echo "The tests need cmocka: run make deps" >&2; exit 1; }

demo:
	@echo "The demo passes a simulated device through and needs Linux; on a Mac, see docs/macos.md" >&2; exit 1
else
include $(ROOMS)
endif

.PHONY: build-all unit-tests qemu
build-all: $(DEPS) $(ALL)
ifeq ($(SYSTEM),Darwin)
	@cat scripts/darwin/signing.txt
endif

# The tests that need nothing underneath.
unit-tests: $(SAN_TESTS)

ifndef SAN
qemu: $(QEMU_BIN)
endif

ifeq ($(SYSTEM),Darwin)
check: build-all $(SAN_TESTS)
	@tests/run $(SAN_TESTS)
else ifdef SAN
check: $(DEPS) $(SAN_TESTS)
	@tests/run $(SAN_TESTS)
else
check: build-all $(CHECK_DEPS) $(TESTS)
	@tests/run $(TESTS)
endif

clean:
	rm -rf $(B)

-include $(shell find $(addprefix $(B)/,dext client cli macsim tests bench guest/linux) -type f -name '*.d' 2>/dev/null)

# Objects: $(B)/ROOM/FILE.o from ROOM/FILE.c; a room sets its own flags with target-specific CPPFLAGS.
$(B)/%.o: %.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/%.o: %.cpp | $(DEPS)
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@
