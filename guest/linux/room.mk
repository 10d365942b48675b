# SPDX-License-Identifier: GPL-2.0-or-later
# The guest module for stock Debian kernels, and what those kernels boot with in the tests and the demo:
# $(B)/kernels/VERSION, $(B)/guest/VERSION/apple_dma.ko, $(B)/guest/VERSION/initramfs.gz; the version debug is the kernel of
# scripts/build-kernel.sh, which has no dev->dma_ops and checks itself (make check-debug).

GUEST_KERNELS := 6.1 6.12
GUEST_SRCS := $(wildcard guest/linux/*.[ch] guest/linux/Kbuild) abi/apple_dma.h
GUEST_DMATEST_SRCS := $(wildcard tests/guest/dmatest/*.[ch] tests/guest/dmatest/Kbuild)
GUEST_INIT := $(wildcard tests/e2e/guest/*)
GUEST_INITRAMFS := $(GUEST_KERNELS:%=$(B)/guest/%/initramfs.gz)

# Several kernels at once would update the same package lists.
$(B)/kernels/%/release: | $(DEPS)
	@mkdir -p $(B)/kernels
	B=$(B) flock $(B)/kernels scripts/fetch-kernel.sh $(subst -, ,$*)

# Not the archive's: built here.
$(B)/kernels/debug/release: scripts/build-kernel.sh tests/e2e/kernel.config | $(DEPS)
	@mkdir -p $(B)/kernels
	B=$(B) flock $(B)/kernels scripts/build-kernel.sh

$(B)/guest/%/apple_dma.ko: $(GUEST_SRCS) scripts/build-module.sh | $(B)/kernels/%/release
	B=$(B) scripts/build-module.sh $* guest/linux $(@D)/apple_dma
	cp $(@D)/apple_dma/apple_dma.ko $@
$(B)/guest/%/dmatest.ko: $(GUEST_DMATEST_SRCS) scripts/build-module.sh | $(B)/kernels/%/release
	B=$(B) scripts/build-module.sh $* tests/guest/dmatest $(@D)/dmatest
	cp $(@D)/dmatest/dmatest.ko $@

# Debian's own drivers, for devices that are passed through in the tests.
GUEST_DRIVERS := ixgbevf ahci sd_mod
$(B)/guest/6.1/drivers/.taken: GUEST_DRIVERS := ixgbevf
$(B)/guest/debug/drivers/.taken: GUEST_DRIVERS :=
$(B)/guest/%/drivers/.taken: scripts/guest-drivers.sh | $(B)/kernels/%/release
	B=$(B) scripts/guest-drivers.sh $* $(@D) $(GUEST_DRIVERS)
	touch $@

$(B)/busybox-arm64: | $(DEPS)
	B=$(B) scripts/fetch-busybox.sh arm64 $@
$(B)/guest/%/initramfs.gz: $(B)/guest/%/apple_dma.ko $(B)/guest/%/dmatest.ko $(B)/guest/%/drivers/.taken $(GUEST_INIT) \
		scripts/make-initramfs.sh $(B)/busybox-arm64
	scripts/make-initramfs.sh $@ $(B)/busybox-arm64 tests/e2e/guest/init $(@D)/apple_dma.ko=/apple_dma.ko \
		$(@D)/dmatest.ko=/dmatest.ko $(foreach f,$(filter %.sh,$(GUEST_INIT)),$(f)=/scenarios/$(notdir $(f))) \
		$$(find $(@D)/drivers -type f ! -name .taken -printf '%p=/drivers/%f\n')

.PRECIOUS: $(B)/kernels/%/release $(B)/guest/%/apple_dma.ko $(B)/guest/%/dmatest.ko $(B)/guest/%/drivers/.taken

# The frame index outside of a kernel, and under the thread sanitizer: gcc's, which comes with it.
FRAMES_SRCS := guest/linux/frame_index.c tests/unit/frames_model.c
FRAMES_OBJS := $(FRAMES_SRCS:%.c=$(B)/%.o)
FRAMES_TESTS := $(B)/tests/unit/test_frame_index $(B)/tests/unit/fuzz_frame_index
FRAMES_TSAN := $(B)/tests/unit/test_frame_index_tsan
FRAMES_CPPFLAGS := -Iguest/linux -D_GNU_SOURCE

$(FRAMES_OBJS) $(FRAMES_TESTS:=.o): CPPFLAGS := $(FRAMES_CPPFLAGS)
$(FRAMES_TESTS): %: %.o $(FRAMES_OBJS)
	$(CC) $(LDFLAGS) $^ -lcmocka -lpthread -o $@
$(FRAMES_TSAN): tests/unit/test_frame_index.c $(FRAMES_SRCS) $(wildcard guest/linux/frame_index*.h tests/unit/frames_model.h) | $(DEPS)
	@mkdir -p $(@D)
	gcc $(FRAMES_CPPFLAGS) -std=c11 -O1 -g $(WARN) -fsanitize=thread $(filter %.c,$^) -lcmocka -lpthread -o $@

CHECK_DEPS += $(FRAMES_TSAN)
TESTS += $(FRAMES_TESTS) tests/unit/frame_index_tsan.sh
SAN_TESTS += $(FRAMES_TESTS)

# The same for bounce buffers, which decide by what the frame index says.
BOUNCE_OBJS := $(B)/guest/linux/bounce_pool.o $(B)/guest/linux/bounce_choice.o
BOUNCE_TESTS := $(B)/tests/unit/test_bounce_pool $(B)/tests/unit/test_bounce_choice
BOUNCE_TSAN := $(B)/tests/unit/test_bounce_pool_tsan
BOUNCE_SRCS := guest/linux/bounce_pool.c $(FRAMES_SRCS)

$(BOUNCE_OBJS) $(BOUNCE_TESTS:=.o): CPPFLAGS := $(FRAMES_CPPFLAGS)
$(BOUNCE_TESTS): %: %.o $(BOUNCE_OBJS) $(FRAMES_OBJS)
	$(CC) $(LDFLAGS) $^ -lcmocka -lpthread -o $@
$(BOUNCE_TSAN): tests/unit/test_bounce_pool.c $(BOUNCE_SRCS) $(wildcard guest/linux/*.h) | $(DEPS)
	@mkdir -p $(@D)
	gcc $(FRAMES_CPPFLAGS) -std=c11 -O1 -g $(WARN) -fsanitize=thread $(filter %.c,$^) -lcmocka -lpthread -o $@

CHECK_DEPS += $(BOUNCE_TSAN)
TESTS += $(BOUNCE_TESTS) tests/unit/bounce_pool_tsan.sh
SAN_TESTS += $(BOUNCE_TESTS)

# OPERATIONS=N SEED=N; a hundred million take some minutes.
.PHONY: fuzz-frames
fuzz-frames: $(B)/tests/unit/fuzz_frame_index
	$< $(or $(OPERATIONS),100000000) $(or $(SEED),1)
.PHONY: fuzz-bounce
fuzz-bounce: $(B)/tests/unit/test_bounce_pool
	OPERATIONS=$(or $(OPERATIONS),10000000) SEED=$(or $(SEED),1) $<

# What a hit costs.
$(B)/bench/frames.o: CPPFLAGS := $(FRAMES_CPPFLAGS)
$(B)/bench/frames: $(B)/bench/frames.o $(B)/guest/linux/frame_index.o
	$(CC) $(LDFLAGS) $^ -lpthread -o $@
.PHONY: bench-frames
bench-frames: $(B)/bench/frames
	$<
