/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>

#include "window.h"

#define PAGE_MIN 4096u
#define PAGE_MAX 65536u

/*
 * IOPCIFamily does not document the unit of base and size.  A window below
 * 1 MiB would hold fewer than a hundred pages, so such a number counts pages.
 */
#define SMALLEST_WINDOW 0x100000ull

struct vfa_window vfa_window_from_properties(uint64_t page, uint64_t base, uint64_t size)
{
	struct vfa_window window = {VFA_DEFAULT_DMA_PAGE, VFA_DEFAULT_IOVA_FIRST, VFA_DEFAULT_IOVA_LAST};

	if (page >= PAGE_MIN && page <= PAGE_MAX && (page & (page - 1)) == 0)
		window.page = (uint32_t)page;
	if (size == 0)
		return window;
	if (size < SMALLEST_WINDOW) {
		if (base > UINT64_MAX / window.page)
			return window;
		base *= window.page;
		size *= window.page;
	}
	if (size < SMALLEST_WINDOW || base + (size - 1) < base)
		return window;
	window.first = base;
	window.last = base + (size - 1);
	return window;
}
