// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * irq.c - interrupts, by way of the page shared with the dext.
 *
 * An edge travels: page.pending (set by the dext) -> irq_undelivered ->
 * callback, always on the `callbacks` queue.  Three places could lose it, and
 * each is closed the same way, as in Dekker's algorithm: either side stores
 * its word, then loads the other's, all sequentially consistent, so at least
 * one of them sees the other's store.
 *
 *  - the dext sets pending, then takes armed;
 *    we store armed, then look at pending: drain().
 *  - the dext sets pending, then reads enabled;
 *    we set enabled, then look at pending: vfa_irq_set_enabled().
 *  - drain() moves a bit to irq_undelivered, then reads irq_enabled;
 *    vfa_irq_set_enabled() sets irq_enabled, then looks at irq_undelivered.
 *
 * Whoever sees it on the client's side makes drain() run again; one run too
 * many finds nothing.  The dext can write anything into the page at any time:
 * what is read from it is only masked with vectors that we know to exist.
 */
#include <errno.h>

#include "internal.h"

static uint32_t page_load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void page_store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* ---- delivery, on the queue ---- */

static void deliver_word(struct vfa_device *dev, unsigned w)
{
	uint32_t bits = __atomic_exchange_n(&dev->irq_page->pending[w], 0, __ATOMIC_SEQ_CST);

	atomic_fetch_or(&dev->irq_undelivered[w], bits);
	bits = atomic_load(&dev->irq_undelivered[w]) & atomic_load(&dev->irq_enabled[w]);
	atomic_fetch_and(&dev->irq_undelivered[w], ~bits);
	for (; bits; bits &= bits - 1)
		if (dev->cb.interrupt)
			dev->cb.interrupt(dev->opaque, 32 * w + (unsigned)__builtin_ctz(bits));
}

static bool any_pending(const struct vfa_device *dev)
{
	for (unsigned w = 0; w < VFA_IRQ_WORDS; w++)
		if (page_load(&dev->irq_page->pending[w]) & atomic_load(&dev->irq_enabled[w]))
			return true;
	return false;
}

/* Ends when nothing is left or interrupts are switched off. */
static void drain(void *arg)
{
	struct vfa_device *dev = arg;

	while (atomic_load(&dev->irq_vectors)) {
		for (unsigned w = 0; w < VFA_IRQ_WORDS; w++)
			deliver_word(dev, w);
		page_store(&dev->irq_page->armed, 1);
		if (!any_pending(dev))
			return;
	}
}

static void woken(void *refcon, IOReturn result)
{
	(void)result;
	drain(refcon);
}

static void nothing(void *arg)
{
	(void)arg;
}

/* ---- set-up, under irq_lock ---- */

static int map_page(struct vfa_device *dev)
{
	mach_vm_address_t at = 0;
	mach_vm_size_t bytes = 0;
	IOReturn ret;

	if (dev->irq_page)
		return 0;
	atomic_fetch_add_explicit(&dev->connection.calls, 1, memory_order_relaxed);
	ret = IOConnectMapMemory64(dev->connection.port, VFA_MEMORY_IRQ_PAGE, mach_task_self(), &at, &bytes,
				   kIOMapAnywhere);
	if (ret)
		return vfa_outcome(dev, ret) == -ENODEV ? -ENODEV : -EIO;
	if (bytes < sizeof(*dev->irq_page))
		return -EIO;
	dev->irq_page = (struct vfa_irq_page *)(uintptr_t)at;
	for (unsigned v = 0; v < VFA_MAX_VECTORS; v++)
		dev->irq_base[v] = __atomic_load_n(&dev->irq_page->delivered[v], __ATOMIC_RELAXED);
	return 0;
}

/* Nothing is enabled and nothing pends. */
static void clear(struct vfa_device *dev)
{
	for (unsigned w = 0; w < VFA_IRQ_WORDS; w++) {
		atomic_store(&dev->irq_enabled[w], 0);
		page_store(&dev->irq_page->enabled[w], 0);
		page_store(&dev->irq_page->pending[w], 0);
		atomic_store(&dev->irq_undelivered[w], 0);
	}
}

static int ask_notify(struct vfa_device *dev)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)woken;
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)dev;
	atomic_fetch_add_explicit(&dev->connection.calls, 1, memory_order_relaxed);
	return vfa_outcome(dev, IOConnectCallAsyncScalarMethod(dev->connection.port, VFA_IRQ_NOTIFY,
							       IONotificationPortGetMachPort(dev->irq_port), reference,
							       kIOAsyncCalloutCount, NULL, 0, NULL, NULL));
}

static int disable(struct vfa_device *dev)
{
	struct vfa_call call = {.selector = VFA_IRQ_DISABLE};

	if (!atomic_exchange(&dev->irq_vectors, 0))
		return 0;
	clear(dev);
	return vfa_device_call(dev, &call);
}

static int enable(struct vfa_device *dev, enum vfa_irq_type type, unsigned wanted, unsigned *granted)
{
	uint64_t in[] = {type, wanted}, out = 0;
	struct vfa_call call = {.selector = VFA_IRQ_ENABLE, .in = in, .in_count = 2, .out = &out, .out_count = 1};
	int ret;

	if (atomic_load(&dev->irq_vectors))
		return -EINVAL;
	ret = map_page(dev);
	if (ret)
		return ret;
	clear(dev);
	ret = vfa_device_call(dev, &call);
	if (ret)
		return ret;
	*granted = out < wanted ? (unsigned)out : wanted;
	atomic_store(&dev->irq_vectors, *granted);
	if (!*granted)
		ret = -EIO;
	else
		ret = ask_notify(dev);
	if (ret) {
		disable(dev);
		return ret;
	}
	page_store(&dev->irq_page->armed, 1);
	if (type == VFA_IRQ_INTX)
		vfa_irq_set_enabled(dev, 0, true);
	return 0;
}

/* ---- entry points ---- */

int vfa_irq_enable(struct vfa_device *dev, enum vfa_irq_type type, unsigned wanted, unsigned *granted)
{
	int ret;

	*granted = 0;
	if ((unsigned)type >= VFA_IRQ_TYPES || !wanted)
		return -EINVAL;
	if (vfa_is_gone(dev))
		return -ENODEV;
	pthread_mutex_lock(&dev->irq_lock);
	ret = enable(dev, type, wanted < VFA_MAX_VECTORS ? wanted : VFA_MAX_VECTORS, granted);
	pthread_mutex_unlock(&dev->irq_lock);
	if (ret)
		*granted = 0;
	return ret;
}

void vfa_irq_set_enabled(struct vfa_device *dev, unsigned vector, bool enabled)
{
	unsigned w = vector / 32;
	uint32_t bit = 1u << vector % 32;

	if (vector >= atomic_load(&dev->irq_vectors))
		return;
	if (!enabled) {
		atomic_fetch_and(&dev->irq_enabled[w], ~bit);
		__atomic_fetch_and(&dev->irq_page->enabled[w], ~bit, __ATOMIC_SEQ_CST);
		return;
	}
	atomic_fetch_or(&dev->irq_enabled[w], bit);
	__atomic_fetch_or(&dev->irq_page->enabled[w], bit, __ATOMIC_SEQ_CST);
	if ((page_load(&dev->irq_page->pending[w]) | atomic_load(&dev->irq_undelivered[w])) & bit)
		dispatch_async_f(dev->callbacks, dev, drain);
}

int vfa_irq_unmask(struct vfa_device *dev)
{
	struct vfa_call call = {.selector = VFA_IRQ_UNMASK};

	return vfa_device_call(dev, &call);
}

int vfa_irq_disable(struct vfa_device *dev)
{
	int ret;

	if (vfa_is_gone(dev) && !atomic_load(&dev->irq_vectors))
		return -ENODEV;
	pthread_mutex_lock(&dev->irq_lock);
	ret = disable(dev);
	pthread_mutex_unlock(&dev->irq_lock);
	dispatch_sync_f(dev->callbacks, NULL, nothing);
	return ret;
}

uint64_t vfa_irq_count(struct vfa_device *dev, unsigned vector)
{
	uint64_t count = 0;

	pthread_mutex_lock(&dev->irq_lock);
	if (dev->irq_page && vector < VFA_MAX_VECTORS)
		count = __atomic_load_n(&dev->irq_page->delivered[vector], __ATOMIC_RELAXED) - dev->irq_base[vector];
	pthread_mutex_unlock(&dev->irq_lock);
	return count;
}
