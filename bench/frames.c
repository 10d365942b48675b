// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a hit costs: map and unmap of a frame that is mapped, in nanoseconds per pair, by number of mapped frames and of
 * threads.  Every thread has frames of its own, and all share the index.  The host is not asked.
 *
 *	frames [PAIRS]
 *
 * Rounds of all settings take turns; the median and the worst of 9 are shown.
 */
#include "instant_host.h"

#include <stdio.h>
#include <time.h>

#define ROUNDS 9

static struct frame_index fi;
static u64 pairs = 2000000;
static const u32 lives[] = {1024, 8192, 65536};

struct worker {
	pthread_t thread;
	u32 id, first, frames;
	double ns;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 seed = w->id + 1;
	double start = now();

	fi_thread = w->id;
	for (u64 i = 0; i < pairs; i++) {
		u64 phys, address;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		phys = (u64)(w->first + (u32)(seed >> 33) % w->frames) << SHIFT;
		if (!fi_get_hit(&fi, phys, 4096, ~0ull, &address) ||
		    !(fi_put_hit(&fi, address, 4096) || fi_put(&fi, NULL, address, 4096)))
			abort();
	}
	w->ns = (now() - start) / (double)pairs;
	return NULL;
}

static double measure(u32 live, u32 threads)
{
	struct worker w[4];
	double worst = 0;

	for (u32 i = 0; i < threads; i++) {
		w[i] = (struct worker){.id = i, .first = i * (live / threads), .frames = live / threads};
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (u32 i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		worst = w[i].ns > worst ? w[i].ns : worst;
	}
	return worst;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const struct fi_limits limits = {
		.granule_shift = SHIFT,
		.max_ranges = 32,
		.iova_first = 0x80000000,
		.iova_last = 0x80000000 + (1536ull << 20) - 1,
		.bytes_max = 1536ull << 20,
		.mappings_max = 65536,
		.nr_cpus = 4,
	};
	double ns[3][3][ROUNDS];

	if (argc > 1)
		pairs = strtoull(argv[1], NULL, 0);
	next_iova = limits.iova_first;
	if (fi_init(&fi, &limits, &ops, NULL) || fi_add_ram(&fi, 0, 65536))
		return 1;
	for (u32 i = 0; i < 65536; i++)
		if (fi_get(&fi, &(struct fi_want){.frame = i, .frames = 1}, 1))
			return 1;
	for (int round = 0; round < ROUNDS; round++)
		for (int l = 0; l < 3; l++)
			for (int t = 0; t < 3; t++)
				ns[l][t][round] = measure(lives[l], 1u << t);
	printf("frames  threads  ns/pair  worst\n");
	for (int l = 0; l < 3; l++) {
		for (int t = 0; t < 3; t++) {
			qsort(ns[l][t], ROUNDS, sizeof(double), compare);
			printf("%6u  %7u  %7.0f  %5.0f\n", lives[l], 1u << t, ns[l][t][ROUNDS / 2], ns[l][t][ROUNDS - 1]);
		}
	}
	return 0;
}
