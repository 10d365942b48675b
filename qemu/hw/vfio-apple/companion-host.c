/*
 * apple-dma-pci: calls to the host, each within a time
 *
 * A request ends with the guest's store to the doorbell, and a guest may ask
 * with interrupts off: a host that never answers must not keep the vCPU.  So
 * a thread of the function makes the calls, and who has asked for one waits no
 * longer than the companion's host-timeout.  A page begins its last call within
 * twice that, so it has all its answers within three times host-timeout.
 *
 * A call that took longer can't be taken back.  The function is unresponsive
 * from then on, its claim ends, and all memory that the device may reach stays
 * referenced.  The same goes for a call for the device's registers (host.c).
 * When no such call is left, all mappings are ended and the memory is let go
 * of; then the guest can claim the function again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "vfio-apple.h"
#include "trace.h"

/*
 * Ownership
 */

int64_t apple_dma_deadline(AppleDMADevice *s)
{
    return g_get_monotonic_time() + s->host_timeout * 1000LL;
}

bool apple_dma_own(AppleDMAFunction *f, int64_t deadline)
{
    QEMU_LOCK_GUARD(&f->lock);
    while (f->owned) {
        if (!vfio_apple_wait(&f->disowned, &f->lock, deadline)) {
            return false;
        }
    }
    f->owned = true;
    return true;
}

void apple_dma_disown(AppleDMAFunction *f)
{
    QEMU_LOCK_GUARD(&f->lock);
    f->owned = false;
    qemu_cond_signal(&f->disowned);
}

/*
 * Calls
 */

bool apple_dma_host_call(AppleDMAFunction *f, VFIOAppleCall *call,
                         void *arg, int64_t deadline, int *ret)
{
    if (qatomic_read(&f->unresponsive)) {
        return false;
    }
    if (!vfio_apple_caller_ask(f->caller, call, arg, deadline, ret)) {
        trace_apple_dma_timeout(f->name, f->companion->host_timeout);
        apple_dma_no_answer(f);
        return false;
    }
    return true;
}

/*
 * What follows from a call that took too long
 */

void apple_dma_no_answer(AppleDMAFunction *f)
{
    qatomic_set(&f->unresponsive, true);
    qatomic_inc(&f->stats.timeouts);
    qemu_bh_schedule(f->bh);
}

/*
 * The call that hangs may not be in the way of one by the other thread.  Nobody
 * waits for it.
 */
static void apple_dma_quiet(AppleDMAFunction *f)
{
    apple_dma_own(f, INT64_MAX);
    vfio_apple_caller_quiet(f->caller);
    vfio_apple_caller_quiet(f->registers);
    apple_dma_disown(f);
}

/*
 * True when nothing is left of the calls that took too long, not even a
 * mapping.
 */
static bool apple_dma_recover(AppleDMAFunction *f)
{
    bool done = false;

    apple_dma_own(f, INT64_MAX);
    if (vfio_apple_caller_busy(f->caller) ||
        vfio_apple_caller_busy(f->registers)) {
        /* We hear when they have returned. */
    } else if (!f->recovering) {
        f->recovering = true;
        vfio_apple_caller_begin(f->caller, f->ops->unmap_all);
    } else {
        apple_dma_forget_mappings(f, vfio_apple_caller_result(f->caller));
        f->recovering = false;
        f->reported = false;
        qatomic_set(&f->unresponsive, false);
        done = true;
    }
    apple_dma_disown(f);
    return done;
}

/* Runs under the BQL. */
static void apple_dma_host_bh(void *opaque)
{
    AppleDMAFunction *f = opaque;

    if (!qatomic_read(&f->unresponsive)) {
        return;
    }
    if (!f->reported) {
        f->reported = true;
        error_report("%s: the host has not answered within %u ms: the guest "
                     "loses the device, and what memory the device may reach "
                     "stays in place, until the host answers", f->name,
                     f->companion->host_timeout);
        f->ops->unresponsive(f->opaque, true);
        apple_dma_quiet(f);
        if (!f->detached) {
            apple_dma_end_claim(f, "timeout");
        }
    }
    if (!apple_dma_recover(f)) {
        return;
    }
    if (!f->gone) {
        warn_report("%s: the host answers again", f->name);
    }
    f->ops->unresponsive(f->opaque, false);
    if (f->detached) {
        apple_dma_host_stop(f);
    }
}

/*
 * Life
 */

void apple_dma_host_start(AppleDMAFunction *f)
{
    qemu_mutex_init(&f->lock);
    qemu_cond_init(&f->disowned);
    f->bh = qemu_bh_new(apple_dma_host_bh, f);
    object_ref(OBJECT(f->opaque));
    object_ref(OBJECT(f->companion));
    f->caller = vfio_apple_caller_new("vfio-apple-dma", f->ops->bus_master_off,
                                      f->opaque);
    vfio_apple_caller_notify(f->caller, f->bh);
    vfio_apple_caller_notify(f->registers, f->bh);
}

static void apple_dma_function_free(AppleDMAFunction *f)
{
    qemu_cond_destroy(&f->disowned);
    qemu_mutex_destroy(&f->lock);
    g_free(f);
}

void apple_dma_host_stop(AppleDMAFunction *f)
{
    vfio_apple_caller_end(f->caller, NULL, INT64_MAX);
    vfio_apple_caller_notify(f->registers, NULL);
    qemu_bh_delete(f->bh);
    g_hash_table_unref(f->mappings);
    apple_dma_batch_free(f->batch);
    object_unref(OBJECT(f->opaque));
    object_unref(OBJECT(f->companion));
    /* A doorbell may have found it, and be waiting to own it. */
    call_rcu(f, apple_dma_function_free, rcu);
}
