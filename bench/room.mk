# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark (docs/benchmark.md): what it is made of.

BENCH := $(B)/bench
BENCH_KERNEL := 6.12
BENCH_REPLAY_SRCS := $(wildcard bench/replay/*.c) $(addprefix guest/linux/,frame_index.c bounce_pool.c bounce_choice.c)
BENCH_REPLAY_OBJS := $(BENCH_REPLAY_SRCS:%.c=$(B)/%.o)
# Rooms that come later have the same lists, too late for this one.
BENCH_MODULE_SRCS := $(filter-out %/apple_dma_policies.c,$(wildcard guest/linux/*.[ch])) guest/linux/Kbuild
BENCH_MACHINE := $(addprefix $(B)/,macsim/bin/macsim macsim/bin/macsim-ctl dext/VFIOUserPCIDriver cli/vfio-apple \
	qemu/bin/qemu-system-aarch64)

# Traces against a model of the host.
$(BENCH_REPLAY_OBJS): CPPFLAGS := -Iguest/linux -Idext/core -Iabi -D_GNU_SOURCE
$(BENCH)/replay/replay: $(BENCH_REPLAY_OBJS) $(B)/dext/libvfacore.a
	$(CC) $(LDFLAGS) $^ -lpthread -o $@

# The guest's module with the benchmark's policies: one file of it is another.
$(BENCH)/guest/apple_dma.ko: $(BENCH_MODULE_SRCS) abi/apple_dma.h bench/guest/apple_dma_policies.c \
		scripts/build-module.sh | $(B)/kernels/$(BENCH_KERNEL)/release
	rm -rf $(@D)/source
	mkdir -p $(@D)/source
	cp -p $(BENCH_MODULE_SRCS) bench/guest/apple_dma_policies.c $(@D)/source
	B=$(B) scripts/build-module.sh $(BENCH_KERNEL) $(@D)/source $(@D)/apple_dma
	cp $(@D)/apple_dma/apple_dma.ko $@
# Programs of the guest's.
BENCH_PROGRAMS := $(addprefix $(BENCH)/guest/,io loop drive)
$(BENCH)/guest/io $(BENCH)/guest/loop: bench/guest/insns.h
$(BENCH)/guest/drive: bench/replay/trace.c bench/replay/trace.h tests/guest/dmatest/dmatest_trace.h
$(BENCH_PROGRAMS): $(BENCH)/guest/%: bench/guest/%.c | $(DEPS)
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc -std=c11 -D_GNU_SOURCE -O2 $(WARN) -static $(filter %.c,$^) -o $@

# Counts a guest's instructions; and a guest of a few, to see that it does.
BENCH_INSN_ROUNDS := 100000
$(BENCH)/insn/insn.so: bench/insn/insn.c bench/guest/insns.h $(B)/qemu/bin/qemu-system-aarch64
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -fPIC -shared $$(pkg-config --cflags glib-2.0) -I$(B)/qemu/src/include $< -o $@
$(BENCH)/insn/count: bench/insn/count.S bench/guest/insns.h | $(DEPS)
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc -nostdlib -static -Wl,-Ttext=0x40080000 -Wl,--build-id=none -DROUNDS=$(BENCH_INSN_ROUNDS) $< -o $@

BENCH_SCENARIOS := $(wildcard bench/guest/*.sh) tests/e2e/guest/lib.sh
$(BENCH)/guest/initramfs.gz: $(BENCH)/guest/apple_dma.ko $(B)/guest/$(BENCH_KERNEL)/dmatest.ko $(BENCH_PROGRAMS) $(BENCH_SCENARIOS) tests/e2e/guest/init \
		scripts/make-initramfs.sh $(B)/busybox-arm64
	xz -dc $(B)/kernels/$(BENCH_KERNEL)/modules/kernel/drivers/iommu/virtio-iommu.ko.xz >$(@D)/virtio-iommu.ko
	scripts/make-initramfs.sh $@ $(B)/busybox-arm64 tests/e2e/guest/init $(@D)/apple_dma.ko=/apple_dma.ko \
		$(B)/guest/$(BENCH_KERNEL)/dmatest.ko=/dmatest.ko $(foreach f,$(BENCH_PROGRAMS),$(f)=/$(notdir $(f))) \
		$(@D)/virtio-iommu.ko=/virtio-iommu.ko $(foreach f,$(BENCH_SCENARIOS),$(f)=/scenarios/$(notdir $(f)))

# What a hit costs: instructions of the guest's processor, nanoseconds of this one.
$(BENCH)/hit-arm64: bench/hit.c guest/linux/frame_index.c bench/instant_host.h $(wildcard guest/linux/frame_index*.h) | $(DEPS)
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc -std=gnu11 -O2 -static -march=armv8.1-a -Iguest/linux -D_GNU_SOURCE $(filter %.c,$^) -o $@ -lpthread
$(BENCH)/hit: $(BENCH)/hit.o $(B)/guest/linux/frame_index.o
	$(CC) $(LDFLAGS) $^ -lpthread -o $@
$(BENCH)/hit.o: CPPFLAGS := -Iguest/linux -D_GNU_SOURCE

# Generator, replayer, recorder, judge and the count of instructions against what is known.
CHECK_DEPS += $(BENCH)/replay/replay $(BENCH)/insn/insn.so $(BENCH)/insn/count
TESTS += bench/selftest.sh

# The benchmark itself.  QEMU, disk and machine are the end-to-end tests'.
BENCH_DEPS := $(DEPS) $(BENCH)/replay/replay $(BENCH)/hit $(BENCH)/hit-arm64 $(BENCH)/frames $(BENCH)/insn/insn.so
.PHONY: bench bench-quick bench-replay
bench: $(BENCH_DEPS) $(BENCH_MACHINE) $(BENCH)/guest/initramfs.gz
	B=$(B) bench/run.sh
bench-quick: $(BENCH_DEPS) $(BENCH_MACHINE) $(BENCH)/guest/initramfs.gz
	B=$(B) bench/run.sh --quick
bench-replay: $(BENCH_DEPS)
	B=$(B) bench/run.sh --part replay --part hits
