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
 * referenced.  When the call returns after all, all mappings are ended and the
 * memory is let go of; then the guest can claim the function again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "block/aio.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "vfio-apple.h"
#include "trace.h"

/* Waits until signalled or until then; false when it is later than that. */
static bool wait_until(QemuCond *cond, QemuMutex *lock, int64_t deadline)
{
    int64_t left = deadline - g_get_monotonic_time();

    if (left <= 0) {
        return false;
    }
    qemu_cond_timedwait(cond, lock, MIN(left / 1000 + 1, 60 * 1000));
    return true;
}

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
        if (!wait_until(&f->disowned, &f->lock, deadline)) {
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

static void *apple_dma_worker(void *opaque)
{
    AppleDMAFunction *f = opaque;

    qemu_mutex_lock(&f->lock);
    for (;;) {
        AppleDMAHostCall *call = f->call;
        void *arg = f->arg;
        int ret;

        if (!call) {
            if (f->quit) {
                break;
            }
            qemu_cond_wait(&f->called, &f->lock);
            continue;
        }
        qemu_mutex_unlock(&f->lock);
        ret = call(f->opaque, arg);
        qemu_mutex_lock(&f->lock);
        if (f->unresponsive) {
            /* Nobody waits.  Undo whatever the call has done. */
            qemu_mutex_unlock(&f->lock);
            ret = f->ops->unmap_all(f->opaque, NULL);
            qemu_mutex_lock(&f->lock);
            f->late = true;
            qemu_bh_schedule(f->bh);
        }
        f->call = NULL;
        f->ret = ret;
        qemu_cond_signal(&f->returned);
    }
    qemu_mutex_unlock(&f->lock);
    return NULL;
}

bool apple_dma_host_call(AppleDMAFunction *f, AppleDMAHostCall *call,
                         void *arg, int64_t deadline, int *ret)
{
    QEMU_LOCK_GUARD(&f->lock);
    if (f->unresponsive) {
        return false;
    }
    f->call = call;
    f->arg = arg;
    qemu_cond_signal(&f->called);
    while (f->call) {
        if (!wait_until(&f->returned, &f->lock, deadline)) {
            qatomic_set(&f->unresponsive, true);
            apple_dma_stat_add(&f->stats.timeouts, 1);
            trace_apple_dma_timeout(f->name, f->companion->host_timeout);
            qemu_bh_schedule(f->bh);
            return false;
        }
    }
    *ret = f->ret;
    return true;
}

int apple_dma_ask(AppleDMAFunction *f, AppleDMAHostCall *call, void *arg)
{
    int ret;

    apple_dma_own(f, INT64_MAX);
    if (!apple_dma_host_call(f, call, arg, apple_dma_deadline(f->companion),
                             &ret)) {
        ret = -ETIMEDOUT;
    }
    apple_dma_disown(f);
    return ret;
}

/*
 * What follows from a call that took too long
 */

/* Has a reference on its device, which outlives the function. */
typedef struct AppleDMAQuiet {
    const AppleDMAFunctionOps *ops;
    void *opaque;
} AppleDMAQuiet;

static void quiet_done(void *opaque)
{
    AppleDMAQuiet *q = opaque;

    object_unref(OBJECT(q->opaque));
    g_free(q);
}

static void *quiet_thread(void *opaque)
{
    AppleDMAQuiet *q = opaque;

    q->ops->bus_master_off(q->opaque, NULL);
    /* A device ends in the main loop. */
    aio_bh_schedule_oneshot(qemu_get_aio_context(), quiet_done, q);
    return NULL;
}

/* The call that hangs may not be in the way of this one.  Nobody waits. */
static void apple_dma_quiet(AppleDMAFunction *f)
{
    AppleDMAQuiet *q = g_new(AppleDMAQuiet, 1);
    QemuThread thread;

    q->ops = f->ops;
    q->opaque = object_ref(OBJECT(f->opaque));
    qemu_thread_create(&thread, "vfio-apple-quiet", quiet_thread, q,
                       QEMU_THREAD_DETACHED);
}

/* Runs under the BQL. */
static void apple_dma_host_bh(void *opaque)
{
    AppleDMAFunction *f = opaque;
    bool late;
    int ret;

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

    WITH_QEMU_LOCK_GUARD(&f->lock) {
        late = f->late;
        ret = f->ret;
    }
    if (!late) {
        return;
    }
    apple_dma_own(f, INT64_MAX);
    apple_dma_forget_mappings(f, ret);
    WITH_QEMU_LOCK_GUARD(&f->lock) {
        f->late = false;
        f->reported = false;
        qatomic_set(&f->unresponsive, false);
    }
    apple_dma_disown(f);
    f->ops->unresponsive(f->opaque, false);
    warn_report("%s: the host answers again", f->name);
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
    qemu_cond_init(&f->called);
    qemu_cond_init(&f->returned);
    f->bh = qemu_bh_new(apple_dma_host_bh, f);
    object_ref(OBJECT(f->opaque));
    object_ref(OBJECT(f->companion));
    qemu_thread_create(&f->worker, "vfio-apple-dma", apple_dma_worker, f,
                       QEMU_THREAD_JOINABLE);
}

static void apple_dma_function_free(AppleDMAFunction *f)
{
    qemu_cond_destroy(&f->returned);
    qemu_cond_destroy(&f->called);
    qemu_cond_destroy(&f->disowned);
    qemu_mutex_destroy(&f->lock);
    g_free(f);
}

void apple_dma_host_stop(AppleDMAFunction *f)
{
    WITH_QEMU_LOCK_GUARD(&f->lock) {
        f->quit = true;
        qemu_cond_signal(&f->called);
    }
    qemu_thread_join(&f->worker);
    qemu_bh_delete(f->bh);
    g_hash_table_unref(f->mappings);
    apple_dma_batch_free(f->batch);
    object_unref(OBJECT(f->opaque));
    object_unref(OBJECT(f->companion));
    /* A doorbell may have found it, and be waiting to own it. */
    call_rcu(f, apple_dma_function_free, rcu);
}
