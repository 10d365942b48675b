// SPDX-License-Identifier: GPL-2.0-or-later
/* device.c - claiming a device, giving it back, noticing that it is gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <IOKit/IOMessage.h>

#include "internal.h"

#define CLAIM_WAIT_MS 2000
#define CLAIM_STEP_MS 20

/* ---- calls and their outcome ---- */

static void run_gone(void *arg)
{
	struct vfa_device *dev = arg;

	if (dev->cb.gone)
		dev->cb.gone(dev->opaque);
}

void vfa_set_gone(struct vfa_device *dev)
{
	if (atomic_exchange(&dev->gone, true))
		return;
	vfa_reset_wake_all(dev);
	dispatch_async_f(dev->callbacks, dev, run_gone);
}

int vfa_outcome(struct vfa_device *dev, IOReturn ret)
{
	int error = vfa_errno(ret);

	/*
	 * The port of a dead connection that still holds mappings answers
	 * BadArgument to everything, and one that is being torn down NotReady:
	 * ask something that a live dext never refuses.
	 */
	if ((ret == kIOReturnBadArgument || ret == kIOReturnNotReady) && vfa_connection_hello(&dev->connection))
		error = -ENODEV;
	if (error == -ENODEV)
		vfa_set_gone(dev);
	return error;
}

int vfa_device_call(struct vfa_device *dev, struct vfa_call *call)
{
	if (vfa_is_gone(dev))
		return -ENODEV;
	return vfa_outcome(dev, vfa_connection_call(&dev->connection, call));
}

/* ---- termination ---- */

static void service_message(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	(void)service;
	(void)argument;
	if (type == kIOMessageServiceIsTerminated)
		vfa_set_gone(refcon);
}

/* Completions and notices reach the device from now on. */
static IOReturn watch(struct vfa_device *dev)
{
	static const io_name_t interest = kIOGeneralInterest;

	dev->irq_port = IONotificationPortCreate(kIOMainPortDefault);
	dev->event_port = IONotificationPortCreate(kIOMainPortDefault);
	if (!dev->irq_port || !dev->event_port)
		return kIOReturnNoMemory;
	IONotificationPortSetDispatchQueue(dev->irq_port, dev->callbacks);
	IONotificationPortSetDispatchQueue(dev->event_port, dev->events);
	return IOServiceAddInterestNotification(dev->event_port, dev->service, interest, service_message, dev,
						&dev->interest);
}

static void nothing(void *arg)
{
	(void)arg;
}

/* After this nothing runs on the queues, and nothing comes to them. */
static void unwatch(struct vfa_device *dev)
{
	if (dev->interest)
		IOObjectRelease(dev->interest);
	if (dev->event_port)
		IONotificationPortDestroy(dev->event_port);
	if (dev->irq_port)
		IONotificationPortDestroy(dev->irq_port);
	/* An item of `events` may put one on `callbacks`, and that one another, which then finds interrupts off. */
	dispatch_sync_f(dev->events, NULL, nothing);
	dispatch_sync_f(dev->callbacks, NULL, nothing);
	dispatch_sync_f(dev->callbacks, NULL, nothing);
}

/* ---- claim ---- */

static IOReturn read_info(struct vfa_device *dev)
{
	uint8_t reply[VFA_BATCH_BYTES]; /* a newer dext may know more than we do */
	struct vfa_call call = {.selector = VFA_GET_INFO, .out_data = reply, .out_bytes = sizeof(reply)};
	IOReturn ret = vfa_connection_call(&dev->connection, &call);

	if (ret)
		return ret;
	return vfa_take_known(&dev->info, sizeof(dev->info), VFA_DEVICE_INFO_BYTES_1_0, reply, call.out_bytes)
		       ? kIOReturnSuccess
		       : kIOReturnUnderrun;
}

/* The connection of a process that ended is cleaned up after its end, and that includes a reset. */
static IOReturn claim(struct vfa_device *dev)
{
	const struct timespec step = {.tv_nsec = CLAIM_STEP_MS * 1000000L};
	IOReturn ret;

	for (unsigned waited = 0;; waited += CLAIM_STEP_MS) {
		struct vfa_call call = {.selector = VFA_CLAIM};

		ret = vfa_connection_call(&dev->connection, &call);
		if (vfa_errno(ret) != -EBUSY || waited >= CLAIM_WAIT_MS)
			return ret;
		nanosleep(&step, NULL);
	}
}

static int bring_up(struct vfa_device *dev, struct vfa_error *err)
{
	IOReturn ret;
	int error = vfa_connection_open(&dev->connection, dev->service, dev->name, err);

	if (error)
		return error;
	ret = read_info(dev);
	if (ret)
		return vfa_fail(err, vfa_errno(ret),
				"%s: the driver extension does not describe the device (error 0x%08x); unplug it and "
				"plug it in again.",
				dev->name, (unsigned)ret);
	ret = watch(dev);
	if (ret)
		return vfa_fail(err, -ENODEV, "%s: the device has just been removed; plug it in again.", dev->name);
	ret = claim(dev);
	if (vfa_errno(ret) == -EBUSY)
		return vfa_fail(err, -EBUSY, "%s: another process has claimed the device; end that one first.",
				dev->name);
	if (ret)
		return vfa_fail(err, vfa_errno(ret),
				"%s: the driver extension does not hand out the device (error 0x%08x); unplug it and "
				"plug it in again.",
				dev->name, (unsigned)ret);
	return 0;
}

/*
 * Closing the connection would do all this too, but after we have returned.
 * BARs first: the next owner must not find us at its registers.
 */
static void give_back(struct vfa_device *dev)
{
	struct vfa_call call = {.selector = VFA_RELEASE};

	if (vfa_is_gone(dev))
		return;
	for (unsigned bar = 0; bar < VFA_NUM_BARS; bar++)
		while (dev->bars[bar].users)
			vfa_bar_unmap(dev, bar);
	vfa_connection_call(&dev->connection, &call);
}

static void destroy(struct vfa_device *dev, bool claimed)
{
	atomic_store(&dev->irq_vectors, 0);
	unwatch(dev);
	vfa_reset_forget_all(dev);
	if (claimed)
		give_back(dev);
	if (dev->connection.port)
		vfa_connection_close(&dev->connection); /* takes the mappings with it */
	IOObjectRelease(dev->service);
	dispatch_release(dev->events);
	dispatch_release(dev->callbacks);
	pthread_mutex_destroy(&dev->irq_lock);
	pthread_mutex_destroy(&dev->reset_lock);
	pthread_rwlock_destroy(&dev->bar_lock);
	free(dev);
}

/* ---- entry points ---- */

struct hand_over {
	struct vfa_device *dev;
	const struct vfa_callbacks *cb;
	bool gone;
};

/* On the callbacks' queue, so that the end of the device is either a failed open or a callback, not both. */
static void hand_over(void *arg)
{
	struct hand_over *h = arg;

	h->gone = vfa_is_gone(h->dev);
	if (!h->gone && h->cb)
		h->dev->cb = *h->cb;
}

int vfa_open(const char *address, const struct vfa_callbacks *cb, void *opaque, struct vfa_device **out,
	     struct vfa_error *err)
{
	struct vfa_device *dev = calloc(1, sizeof(*dev));
	struct hand_over handing = {.cb = cb};
	struct vfa_listed listed;
	int ret;

	*out = NULL;
	if (!dev)
		return vfa_fail(err, -EIO, "%s: out of memory.", address);
	ret = vfa_find_service(address, &dev->service, &listed, err);
	if (ret) {
		free(dev);
		return ret;
	}
	vfa_format_name(&listed.info, dev->name);
	dev->opaque = opaque;
	pthread_rwlock_init(&dev->bar_lock, NULL);
	pthread_mutex_init(&dev->reset_lock, NULL);
	pthread_mutex_init(&dev->irq_lock, NULL);
	dev->callbacks = dispatch_queue_create("vfapple.callbacks", NULL);
	dev->events = dispatch_queue_create("vfapple.events", NULL);
	ret = bring_up(dev, err);
	if (ret) {
		destroy(dev, false);
		return ret;
	}
	handing.dev = dev;
	dispatch_sync_f(dev->callbacks, &handing, hand_over);
	if (handing.gone) {
		ret = vfa_fail(err, -ENODEV, "%s: the device has just been removed; plug it in again.", dev->name);
		destroy(dev, true);
		return ret;
	}
	*out = dev;
	return 0;
}

void vfa_close(struct vfa_device *dev)
{
	destroy(dev, true);
}

const struct vfa_device_info *vfa_info(const struct vfa_device *dev)
{
	return &dev->info;
}

const char *vfa_name(const struct vfa_device *dev)
{
	return dev->name;
}

int vfa_stats(struct vfa_device *dev, struct vfa_stats *out)
{
	uint8_t reply[VFA_BATCH_BYTES];
	struct vfa_call call = {.selector = VFA_GET_STATS, .out_data = reply, .out_bytes = sizeof(reply)};
	int ret = vfa_device_call(dev, &call);

	if (ret)
		return ret;
	return vfa_take_known(out, sizeof(*out), VFA_STATS_BYTES_1_0, reply, call.out_bytes) ? 0 : -EIO;
}

uint64_t vfa_host_calls(const struct vfa_device *dev)
{
	return atomic_load_explicit(&dev->connection.calls, memory_order_relaxed);
}
