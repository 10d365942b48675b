/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.h - what the mapper properties of a PCI nub say about IOVAs.
 */
#ifndef VFA_WINDOW_H
#define VFA_WINDOW_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Observed on Apple Silicon; used where the nub says nothing usable. */
#define VFA_DEFAULT_DMA_PAGE   16384u
#define VFA_DEFAULT_IOVA_FIRST 0x80000000ull
#define VFA_DEFAULT_IOVA_LAST  0xdfffffffull

struct vfa_window {
	uint32_t page;
	uint64_t first, last; /* inclusive */
};

/* Values of IOPCIDeviceMapperPageSize, IOPCIDeviceMemoryMapBase and IOPCIDeviceMemoryMapSize; 0 = absent. */
struct vfa_window vfa_window_from_properties(uint64_t page, uint64_t base, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
