/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames_model.h - a host for the frame index that checks what it is told, and
 * drivers that check what they get.
 *
 * A violation prints what is wrong and aborts, so that it ends a test, a fuzz
 * run and a run under a sanitizer alike.
 */
#ifndef FRAMES_MODEL_H
#define FRAMES_MODEL_H

#include <pthread.h>

#include "frame_index_hit.h"

#define HOST_SHIFT  14u
#define HOST_FIRST  0x80000000ull
#define HOST_WINDOW 4096u /* frames */
#define HOST_SLOTS  2048u
#define RAM_FRAMES  8192u

enum place { PLACE_FIRST_FIT, PLACE_NEXT_FIT, PLACE_RANDOM };

struct host {
	pthread_mutex_t lock;
	enum place place;
	uint64_t seed;
	uint32_t frames_max, mappings_max;
	/* One in so many is refused; 0: none. */
	uint32_t fail_maps, busy_drops, odd_answers;
	int fail_with;
	uint32_t shift_by; /* IOVAs are never better aligned than this many frames off */
	bool congruent;
	uint32_t max_granule;
	bool gone;

	uint32_t frame_at[HOST_WINDOW]; /* guest frame + 1 */
	uint32_t used[HOST_WINDOW];	/* by drivers: requests that cover it */
	struct {
		uint32_t base, frames, generation;
		bool live;
	} mapping[HOST_SLOTS];
	uint32_t next;
	uint32_t frames, mappings, frames_peak;
	uint64_t maps, unmaps, runs, refused, in_batch_max, ranges_max;
	bool woken_soon;
};

extern const struct fi_host host_ops;

void host_init(struct host *h);
void host_limits(const struct host *h, struct fi_limits *limits);

/* A request that a driver holds. */
struct held {
	uint64_t iova;
	uint64_t bytes;
	uint32_t frame, frames;
};

/* As a driver: through the index, and the result is compared with what the host has mapped.  Every other time hits first. */
int driver_map(struct frame_index *fi, struct host *h, struct fi_want *wants, uint32_t count, struct held *held);
/* If it is one frame, and a hit. */
bool driver_hit(struct frame_index *fi, struct host *h, struct fi_want *want, struct held *held);
void driver_unmap(struct frame_index *fi, struct host *h, const struct held *held, uint32_t count);

uint64_t xorshift(uint64_t *seed);

/* Host and index agree on what is mapped. */
void model_agree(struct frame_index *fi, struct host *h);

/* `operations` random ones, by one driver and its background, checked all along.  Everything follows from the seed. */
void model_random(uint64_t seed, uint64_t operations);

#define violated(...)                                                                                                  \
	do {                                                                                                           \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                        \
		fprintf(stderr, __VA_ARGS__);                                                                          \
		fputc('\n', stderr);                                                                                   \
		abort();                                                                                               \
	} while (0)

#endif
