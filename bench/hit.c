// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a hit costs by itself: map and unmap of one frame that is mapped.
 *
 *	hit insns LIVE PAIRS	only that: for whoever counts instructions, once with PAIRS and once without
 *	hit ns LIVE PAIRS	50th and 99th percentile of a pair in nanoseconds, over groups of 16: a clock is no finer
 */
#include "instant_host.h"

#include <stdio.h>
#include <time.h>

#define GROUP 16

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return (x > y) - (x < y);
}

/* Not inlined, so that it is the same code with and without a clock. */
static noinline void pair(struct frame_index *fi, u32 frame)
{
	u64 address;

	/* One in FI_GLANCE is given back less quickly. */
	if (!fi_get_hit(fi, (u64)frame << SHIFT, 4096, ~0ull, &address) ||
	    !(fi_put_hit(fi, address, 4096) || fi_put(fi, NULL, address, 4096)))
		abort();
}

int main(int argc, char **argv)
{
	static struct frame_index fi;
	u32 live = argc > 2 ? (u32)strtoul(argv[2], NULL, 0) : 0;
	/* No larger than needed: whoever counts instructions counts this, too. */
	const struct fi_limits limits = {
		.granule_shift = SHIFT,
		.max_ranges = 32,
		.iova_first = 0x80000000,
		.iova_last = 0x80000000 + ((u64)live << SHIFT) - 1,
		.bytes_max = (u64)live << SHIFT,
		.mappings_max = live,
		.nr_cpus = 1,
	};
	u64 pairs = argc > 3 ? strtoull(argv[3], NULL, 0) : 0, seed = 1, clock = ~0ull;
	u32 *took;

	if (argc != 4 || live < 64 || live > 65536)
		return 2;
	next_iova = limits.iova_first;
	if (fi_init(&fi, &limits, &ops, NULL) || fi_add_ram(&fi, 0, live))
		return 1;
	/* Mapped, and idle. */
	for (u32 i = 0; i < live; i++) {
		struct fi_want want = {.frame = i, .frames = 1};

		if (fi_get(&fi, &want, 1) || !fi_put(&fi, NULL, fi_address(&fi, want.iova), 4096))
			return 1;
	}
	if (!strcmp(argv[1], "insns")) {
		for (u64 i = 0; i < pairs; i++)
			pair(&fi, (u32)(i * 2654435761u % live));
		return 0;
	}
	took = calloc(pairs + 1, sizeof(*took));
	for (u32 i = 0; i < 10000; i++) {
		u64 start = now();

		clock = min(clock, now() - start);
	}
	pairs /= GROUP;
	for (u64 i = 0; i < pairs; i++) {
		u64 start = now();

		for (u32 k = 0; k < GROUP; k++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			pair(&fi, (u32)(seed >> 33) % live);
		}
		start = now() - start;
		took[i] = (u32)((start > clock ? start - clock : 0) / GROUP);
	}
	qsort(took, pairs, sizeof(*took), compare);
	printf("p50=%u p99=%u\n", took[pairs / 2], took[pairs * 99 / 100]);
	return 0;
}
