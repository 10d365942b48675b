/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * padding.h - a request's ranges with padding beside them, made of its own pages (placement.h says what for).
 *
 * A descriptor holds VFA_MAX_RANGES ranges, so padding repeats the request's
 * largest range, as often as there are ranges left.
 */
#ifndef VFA_PADDING_H
#define VFA_PADDING_H

#include "dma_batch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of padding that fit on one side. */
uint64_t vfa_padding_room(const struct vfa_dma_parsed *map);

/* The ranges with `before` and `after` bytes of padding; their number, 0 when they do not fit.  At most one side is not
 * 0. */
unsigned vfa_padded_ranges(const struct vfa_dma_parsed *map, uint64_t before, uint64_t after,
			   struct vfa_dma_range out[VFA_MAX_RANGES]);

#ifdef __cplusplus
}
#endif
#endif
