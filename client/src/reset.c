// SPDX-License-Identifier: GPL-2.0-or-later
/* reset.c - a reset completes asynchronously; wait for it, but not forever. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#define RESET_WAIT_NS (5 * (int64_t)NSEC_PER_SEC)

/*
 * The refcon of one reset call.  A completion may come long after its waiter
 * has given up, so an unanswered one stays in dev->resets until the device is
 * closed and no completion can come.
 */
struct vfa_reset_wait {
	struct vfa_reset_wait *next;
	struct vfa_device *dev;
	dispatch_semaphore_t wake;
	bool done;
	IOReturn status;
	enum vfa_reset performed;
};

static void wait_free(struct vfa_reset_wait *w)
{
	dispatch_release(w->wake);
	free(w);
}

static struct vfa_reset_wait *wait_new(struct vfa_device *dev)
{
	struct vfa_reset_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->dev = dev;
	w->wake = dispatch_semaphore_create(0);
	if (!w->wake) {
		free(w);
		return NULL;
	}
	pthread_mutex_lock(&dev->reset_lock);
	w->next = dev->resets;
	dev->resets = w;
	pthread_mutex_unlock(&dev->reset_lock);
	return w;
}

static void wait_unlink(struct vfa_device *dev, struct vfa_reset_wait *w)
{
	struct vfa_reset_wait **at = &dev->resets;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* Signals under the lock: when the waiter has the lock, nobody uses *w but him. */
static void reset_completed(void *refcon, IOReturn status, void *performed)
{
	struct vfa_reset_wait *w = refcon;
	struct vfa_device *dev = w->dev;

	pthread_mutex_lock(&dev->reset_lock);
	w->done = true;
	w->status = status;
	w->performed = (enum vfa_reset)(uintptr_t)performed;
	dispatch_semaphore_signal(w->wake);
	pthread_mutex_unlock(&dev->reset_lock);
}

/* The death of the dext gives no completion. */
void vfa_reset_wake_all(struct vfa_device *dev)
{
	pthread_mutex_lock(&dev->reset_lock);
	for (struct vfa_reset_wait *w = dev->resets; w; w = w->next)
		dispatch_semaphore_signal(w->wake);
	pthread_mutex_unlock(&dev->reset_lock);
}

void vfa_reset_forget_all(struct vfa_device *dev)
{
	while (dev->resets) {
		struct vfa_reset_wait *w = dev->resets;

		dev->resets = w->next;
		wait_free(w);
	}
}

int vfa_reset(struct vfa_device *dev, enum vfa_reset type, enum vfa_reset *performed)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0}, in = type;
	struct vfa_reset_wait *w;
	bool done, submitted;
	int ret;

	if (vfa_is_gone(dev))
		return -ENODEV;
	w = wait_new(dev);
	if (!w)
		return -EIO;
	reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)reset_completed;
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)w;
	atomic_fetch_add_explicit(&dev->connection.calls, 1, memory_order_relaxed);
	ret = vfa_outcome(dev, IOConnectCallAsyncScalarMethod(dev->connection.port, VFA_RESET,
							      IONotificationPortGetMachPort(dev->event_port), reference,
							      kIOAsyncCalloutCount, &in, 1, NULL, NULL));
	submitted = !ret;
	if (submitted && !vfa_is_gone(dev))
		dispatch_semaphore_wait(w->wake, dispatch_time(DISPATCH_TIME_NOW, RESET_WAIT_NS));

	pthread_mutex_lock(&dev->reset_lock);
	done = w->done;
	if (done && submitted) {
		ret = vfa_errno(w->status);
		if (performed)
			*performed = w->performed;
	} else if (submitted) {
		ret = vfa_is_gone(dev) ? -ENODEV : -EIO;
	}
	if (done || !submitted)
		wait_unlink(dev, w);
	pthread_mutex_unlock(&dev->reset_lock);
	if (done || !submitted)
		wait_free(w);
	return ret;
}
