/*
 * A thread that makes calls to the host
 *
 * A call to the host takes no time limit, and nobody can take it back.  So a
 * thread makes it, and who has asked for it waits no longer than he wants to.
 * A call that takes longer is given up: nobody looks at its argument any more,
 * and the thread makes no other call before it has returned.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "vfio-apple.h"

struct VFIOAppleCaller {
    VFIOAppleCall *quiet;
    void *opaque;

    QemuMutex lock;
    /* Under lock. */
    QemuCond called, returned;
    VFIOAppleCall *call; /* until it has returned */
    void *arg;
    int ret;
    bool given_up;       /* nobody waits for the call */
    QEMUBH *bh;
    VFIOAppleCall *last; /* when ending */
    bool ending, ended, left;
};

bool vfio_apple_wait(QemuCond *cond, QemuMutex *lock, int64_t deadline)
{
    int64_t left = deadline - g_get_monotonic_time();

    if (left <= 0) {
        return false;
    }
    qemu_cond_timedwait(cond, lock, MIN(left / 1000 + 1, 60 * 1000));
    return true;
}

static void caller_free(VFIOAppleCaller *c)
{
    qemu_cond_destroy(&c->returned);
    qemu_cond_destroy(&c->called);
    qemu_mutex_destroy(&c->lock);
    g_free(c);
}

/* With the lock, but for the calls themselves. */
static void caller_make_call(VFIOAppleCaller *c)
{
    VFIOAppleCall *call = c->call;
    void *arg = c->arg;
    int ret;

    qemu_mutex_unlock(&c->lock);
    ret = call(c->opaque, arg);
    qemu_mutex_lock(&c->lock);
    if (c->given_up && c->quiet) {
        qemu_mutex_unlock(&c->lock);
        c->quiet(c->opaque, NULL);
        qemu_mutex_lock(&c->lock);
    }
    c->call = NULL;
    c->ret = ret;
    if (c->given_up && c->bh) {
        qemu_bh_schedule(c->bh);
    }
    c->given_up = false;
    qemu_cond_signal(&c->returned);
}

static void *caller_thread(void *opaque)
{
    VFIOAppleCaller *c = opaque;
    bool left;

    qemu_mutex_lock(&c->lock);
    while (c->call || !c->ending) {
        if (c->call) {
            caller_make_call(c);
        } else {
            qemu_cond_wait(&c->called, &c->lock);
        }
    }
    if (c->last) {
        qemu_mutex_unlock(&c->lock);
        c->last(c->opaque, NULL);
        qemu_mutex_lock(&c->lock);
    }
    c->ended = true;
    left = c->left;
    qemu_cond_signal(&c->returned);
    qemu_mutex_unlock(&c->lock);
    if (left) {
        caller_free(c);
    }
    return NULL;
}

VFIOAppleCaller *vfio_apple_caller_new(const char *name, VFIOAppleCall *quiet,
                                       void *opaque)
{
    VFIOAppleCaller *c = g_new0(VFIOAppleCaller, 1);
    QemuThread thread;

    c->quiet = quiet;
    c->opaque = opaque;
    qemu_mutex_init(&c->lock);
    qemu_cond_init(&c->called);
    qemu_cond_init(&c->returned);
    /* Nobody can wait for the end of a thread whose call may never return. */
    qemu_thread_create(&thread, name, caller_thread, c, QEMU_THREAD_DETACHED);
    return c;
}

bool vfio_apple_caller_ask(VFIOAppleCaller *c, VFIOAppleCall *call, void *arg,
                           int64_t deadline, int *ret)
{
    QEMU_LOCK_GUARD(&c->lock);
    if (c->call) {
        return false;
    }
    c->call = call;
    c->arg = arg;
    qemu_cond_signal(&c->called);
    while (c->call) {
        if (!vfio_apple_wait(&c->returned, &c->lock, deadline)) {
            c->given_up = true;
            return false;
        }
    }
    *ret = c->ret;
    return true;
}

void vfio_apple_caller_begin(VFIOAppleCaller *c, VFIOAppleCall *call)
{
    QEMU_LOCK_GUARD(&c->lock);
    if (!c->call) {
        c->call = call;
        c->arg = NULL;
        c->given_up = true;
        qemu_cond_signal(&c->called);
    }
}

void vfio_apple_caller_quiet(VFIOAppleCaller *c)
{
    vfio_apple_caller_begin(c, c->quiet);
}

bool vfio_apple_caller_busy(VFIOAppleCaller *c)
{
    QEMU_LOCK_GUARD(&c->lock);
    return c->call;
}

int vfio_apple_caller_result(VFIOAppleCaller *c)
{
    QEMU_LOCK_GUARD(&c->lock);
    return c->ret;
}

void vfio_apple_caller_notify(VFIOAppleCaller *c, QEMUBH *bh)
{
    QEMU_LOCK_GUARD(&c->lock);
    c->bh = bh;
}

bool vfio_apple_caller_end(VFIOAppleCaller *c, VFIOAppleCall *last,
                           int64_t deadline)
{
    WITH_QEMU_LOCK_GUARD(&c->lock) {
        c->last = last;
        c->ending = true;
        qemu_cond_signal(&c->called);
        while (!c->ended) {
            if (c->call ||
                !vfio_apple_wait(&c->returned, &c->lock, deadline)) {
                /* The thread frees it. */
                c->left = true;
                return false;
            }
        }
    }
    caller_free(c);
    return true;
}
