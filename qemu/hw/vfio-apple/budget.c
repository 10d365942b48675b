/*
 * apple-dma-pci: how functions behind one DART share its room
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "budget.h"

uint64_t apple_dma_quota(uint64_t total, unsigned sharers)
{
    return total / sharers;
}

/* total - part, or 0. */
static uint64_t without(uint64_t total, uint64_t part)
{
    return total > part ? total - part : 0;
}

uint64_t apple_dma_room(uint64_t total, uint64_t own, const uint64_t *others,
                        unsigned nr_others)
{
    uint64_t quota = apple_dma_quota(total, nr_others + 1);
    uint64_t room = without(total, own);
    unsigned i;

    for (i = 0; i < nr_others; i++) {
        uint64_t reserve = without(quota, others[i]) / APPLE_DMA_RESERVE;

        room = without(without(room, others[i]), reserve);
    }
    return room;
}
