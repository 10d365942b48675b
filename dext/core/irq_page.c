/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything here is sequentially consistent: the protocol is Dekker's.  The
 * dext stores pending and loads armed; the client stores armed and loads
 * pending.  In the single total order of these operations at least one of the
 * two loads comes after the other side's store, so either the dext wakes the
 * client or the client sees the bit by itself.
 */
#include "irq_page.h"

static bool take_armed(struct vfa_irq_page *page)
{
	return __atomic_exchange_n(&page->armed, 0, __ATOMIC_SEQ_CST) == 1;
}

bool vfa_irq_page_raise(struct vfa_irq_page *page, unsigned vector, uint64_t count, bool may_wake)
{
	uint32_t bit = 1u << (vector % 32);

	__atomic_fetch_add(&page->delivered[vector], count, __ATOMIC_RELAXED);
	__atomic_fetch_or(&page->pending[vector / 32], bit, __ATOMIC_SEQ_CST);
	return may_wake && (__atomic_load_n(&page->enabled[vector / 32], __ATOMIC_SEQ_CST) & bit) && take_armed(page);
}

bool vfa_irq_page_catch_up(struct vfa_irq_page *page)
{
	for (unsigned i = 0; i < VFA_MAX_VECTORS / 32; i++)
		if (__atomic_load_n(&page->pending[i], __ATOMIC_SEQ_CST) &
		    __atomic_load_n(&page->enabled[i], __ATOMIC_SEQ_CST))
			return take_armed(page);
	return false;
}

void vfa_irq_page_clear(struct vfa_irq_page *page)
{
	for (unsigned i = 0; i < VFA_MAX_VECTORS / 32; i++)
		__atomic_store_n(&page->pending[i], 0, __ATOMIC_SEQ_CST);
}
