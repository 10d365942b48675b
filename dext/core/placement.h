/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement.h - a mapping at the IOVA it wishes, from a mapper that cannot be asked for one.
 *
 * The mapper alone chooses (IODMACommand.iig has no alignment and no address),
 * but most choose by rule: the lowest gap, behind the last block, the highest
 * gap, a block of a power of two.  So blocks are mapped that take up what lies
 * before the wished address, while mapping again.  Two kinds:
 *
 *   filler   a mapping of its own, gone before the caller sees the result;
 *   padding  pages beside the request in the same descriptor, which stay
 *            as long as the mapping and count against the budget.  Only where
 *            it is small against the request, or where fillers fail.
 *
 * Both are made of the request's own pages: the device reaches nothing more.
 *
 * What a mapper does is learned from where it puts things.  A wrong guess
 * costs calls, never correctness: only the address that came back counts.
 */
#ifndef VFA_PLACEMENT_H
#define VFA_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "vfa_dext.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Times the mapper is asked for one mapping, fillers included: at most; and
 * at most where wishes have been missed of late, unless the wish is required.
 */
#define VFA_PLACEMENT_CALLS_MAX  9
#define VFA_PLACEMENT_CALLS_WARY 5

/* A block of IOVAs as the mapper gave it. */
struct vfa_block {
	void *command; /* the platform's object; NULL: none */
	uint64_t iova, length;
};

/* The platform.  A status but VFA_OK leaves nothing behind. */
struct vfa_mapper {
	/* `before` bytes of the request's pages, the request, `after` bytes of its pages, in one block. */
	enum vfa_status (*map)(void *context, uint64_t before, uint64_t after, struct vfa_block *out);
	/* The first `length` bytes of the request, fewer than all. */
	enum vfa_status (*map_part)(void *context, uint64_t length, struct vfa_block *out);
	void (*unmap)(void *context, struct vfa_block *block);
};

/* All sizes are bytes and multiples of the mapper's page. */
struct vfa_wish {
	uint64_t length;
	uint64_t modulus;      /* a power of two; the page: any address will do, but 0 */
	uint64_t residue;      /* the IOVA's, below modulus */
	bool required;         /* all calls are made before it is given up */
	uint64_t filler_max;   /* fillers at a time: what the budget can spare for a moment */
	uint64_t padding_max;  /* what it can spare for as long as the mapping lives */
	uint64_t padding_room; /* what fits beside the request in one descriptor */
};

struct vfa_placed {
	struct vfa_block block;
	uint64_t before; /* padding in front: block.iova + before is the request's IOVA */
	bool aligned;    /* the wish was met */
	unsigned calls;  /* to map and map_part */
};

/* What was learned about one mapper.  All zero to begin with; the caller serialises. */
struct vfa_placement {
	enum vfa_habit {
		VFA_HABIT_LOW,     /* the lowest gap, from its bottom; also what is assumed of an unknown one */
		VFA_HABIT_NEXT,    /* behind the block before */
		VFA_HABIT_HIGH,    /* from the top of the highest gap */
		VFA_HABIT_NATURAL, /* blocks of a power of two at multiples of their size */
	} habit;
	uint64_t edge;         /* where the last block ended, in the direction of the habit */
	unsigned trust;        /* how often in a row the next block began there, up to 3 */
	unsigned disappointed; /* wishes missed in a row, up to 2: fewer calls for the next */
};

/* VFA_OK: *out is mapped, at an address other than 0, aligned or not.  Else nothing is. */
enum vfa_status vfa_place(struct vfa_placement *p, const struct vfa_mapper *mapper, void *context,
			  const struct vfa_wish *wish, struct vfa_placed *out);

#ifdef __cplusplus
}
#endif
#endif
