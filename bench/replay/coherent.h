/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coherent.h - memory that drivers allocate, cut from chunks of 2 MiB: a model of guest/linux/apple_dma_coherent.c,
 * which is made of the kernel's pages and lists.  What it keeps of it is when a chunk is mapped and when it ends.
 */
#ifndef BENCH_COHERENT_H
#define BENCH_COHERENT_H

#include "index.h"

#define COHERENT_CHUNKS INDEX_OWN_BLOCKS
#define COHERENT_PAGES  512u /* of a chunk, at most */

struct coherent_chunk {
	struct piece mem; /* bytes 0: there is none */
	u64 aligned;      /* its IOVA is a multiple of this, at most of its size */
	u32 used;         /* pages */
	bool taken[COHERENT_PAGES];
};

struct coherent {
	struct index *index;
	bool there;
	u32 order;                                      /* of a chunk, in pages */
	u32 free;                                       /* pages of all of them */
	u32 kept;                                       /* chunks, even if they are empty */
	struct coherent_chunk *chunks[COHERENT_CHUNKS]; /* in the order of their birth */
	u32 nr;
};

/* Maps the first chunks. */
void coherent_start(struct coherent *c, struct index *x);
void coherent_stop(struct coherent *c);
/* False: it has to be mapped for itself. */
bool coherent_alloc(struct coherent *c, struct piece *p);
/* False: it was. */
bool coherent_free(struct coherent *c, const struct piece *p);
/* The work that an allocation has woken. */
void coherent_work(struct coherent *c);

#endif
