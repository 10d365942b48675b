/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq_page.h - the dext's side of struct vfa_irq_page.
 *
 * The client writes the page at any time.  Nothing read from it is used as an
 * index or a length, so the worst a wrong value does is lose this device's
 * interrupts.
 */
#ifndef VFA_IRQ_PAGE_H
#define VFA_IRQ_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vfa_dext.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `count` interrupts of a vector arrived. True: VFA_IRQ_NOTIFY has to be completed. may_wake false: nobody to wake. */
bool vfa_irq_page_raise(struct vfa_irq_page *page, unsigned vector, uint64_t count, bool may_wake);

/* A waiter appeared: true when something enabled is pending and the client was armed, so it has to be woken at once. */
bool vfa_irq_page_catch_up(struct vfa_irq_page *page);

/* Forget what arrived for an earlier use of the vectors. The counts stay. */
void vfa_irq_page_clear(struct vfa_irq_page *page);

#ifdef __cplusplus
}
#endif
#endif
