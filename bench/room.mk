# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark (docs/benchmark.md): what it is made of.

BENCH := $(B)/bench
BENCH_REPLAY_SRCS := $(wildcard bench/replay/*.c) guest/linux/frame_index.c
BENCH_REPLAY_OBJS := $(BENCH_REPLAY_SRCS:%.c=$(B)/%.o)

$(BENCH_REPLAY_OBJS): CPPFLAGS := -Iguest/linux -D_GNU_SOURCE
$(BENCH)/replay/replay: $(BENCH_REPLAY_OBJS)
	$(CC) $(LDFLAGS) $^ -lpthread -o $@
