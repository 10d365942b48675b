/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * index.h - guest/linux/frame_index.c itself, with the model of the host behind it, asked as the module asks it.
 *
 * The memory that the module allocates for its pools is cut from the host's HOST_OWN frames: a block of 2 MiB at a
 * time, or the beginning of one.
 */
#ifndef BENCH_INDEX_H
#define BENCH_INDEX_H

#include "policies.h"

#include "frame_index_hit.h"

#define INDEX_BATCH      32u /* entries of a list that are asked for together, as in apple_dma_priv.h */
#define INDEX_OWN_BYTES  (2ull << 20)
#define INDEX_OWN_BLOCKS (HOST_OWN / (INDEX_OWN_BYTES >> HOST_SHIFT))

struct index {
	struct host *host;
	struct frame_index fi;
	bool soon; /* it has asked for its background work */
	bool own[INDEX_OWN_BLOCKS];
};

void index_start(struct index *x, struct host *h, bool strict);
void index_stop(struct index *x);

/* At most INDEX_BATCH pieces, all or none, which then have addresses.  0 or a negative errno. */
int index_get(struct index *x, struct piece *const *pieces, u32 nr, bool packed, bool natural);
/* A piece that is a hit. */
bool index_hit(struct index *x, struct piece *p);
/* Aborts for what is not mapped.  fi_put_done() is the caller's. */
void index_put(struct index *x, struct fi_dying *dying, const struct piece *p);
/* The background: what the last request has woken, or a tick. */
void index_work(struct index *x, bool tick);
void index_believes(struct index *x, uint64_t *maps, uint64_t *unmaps, uint64_t *exits);

/* Memory for a pool, at most INDEX_OWN_BYTES, mapped and in use.  False when there is no room. */
bool index_own_get(struct index *x, u64 bytes, bool natural, struct piece *p);
void index_own_put(struct index *x, const struct piece *p);

#endif
