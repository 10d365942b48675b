/*
 * apple-dma-pci: how functions behind one DART share its room
 *
 * Room is bytes or mappings: the rules are the same for both.  Pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_APPLE_BUDGET_H
#define HW_VFIO_APPLE_BUDGET_H

#include <stdint.h>

/* Of what another function has not used of its quota, this part stays its. */
#define APPLE_DMA_RESERVE 4

/* What each of so many sharers (at least 1) is guaranteed. */
uint64_t apple_dma_quota(uint64_t total, unsigned sharers);
/*
 * What one may take now, given what it uses and what each of the others does.
 * Never more than total - own - sum(others); 0 when more than total is used.
 */
uint64_t apple_dma_room(uint64_t total, uint64_t own, const uint64_t *others,
                        unsigned nr_others);

#endif
