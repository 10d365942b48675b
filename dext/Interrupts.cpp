/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The platform's interrupts of a function are chosen once, at Start: the most
 * capable kind it grants.  Whatever kind a host process asks for later, its
 * vector n is the platform's n-th interrupt; INTx of a function that runs on
 * messages is emulated on the first one.
 */
#include "Device.h"

/* ---- platform ---- */

static bool is_message(uint64_t type)
{
	return type & (kIOInterruptTypePCIMessaged | kIOInterruptTypePCIMessagedX);
}

#define MAX_INDEX (VFA_MAX_VECTORS + 16)

/* Message interrupts need not begin at index 0: a level interrupt may come first. */
static void find_vectors(Device *dev, bool messages)
{
	for (uint32_t index = 0; index < MAX_INDEX && dev->nr_vectors < VFA_MAX_VECTORS; index++) {
		uint64_t type;

		if (IOInterruptDispatchSource::GetInterruptType(dev->pci, index, &type) != kIOReturnSuccess)
			return;
		if (is_message(type) != messages)
			continue;
		dev->vectors[dev->nr_vectors++].index = index;
		if (!messages)
			return;
	}
}

/* One-shot for the life of the nub, so this comes before anything else that touches an interrupt. */
void device_configure_interrupts(Device *dev)
{
	static const struct {
		uint32_t platform;
		enum vfa_irq_type type;
	} kinds[] = {
		{kIOInterruptTypePCIMessagedX, VFA_IRQ_MSIX},
		{kIOInterruptTypePCIMessaged, VFA_IRQ_MSI},
	};

	for (const auto &kind : kinds) {
		uint32_t wanted = dev->info.vectors[kind.type];

		if (wanted > VFA_MAX_VECTORS)
			wanted = VFA_MAX_VECTORS;
		if (!wanted || dev->pci->ConfigureInterrupts(kind.platform, 1, wanted) != kIOReturnSuccess)
			continue;
		find_vectors(dev, true);
		if (dev->nr_vectors)
			return;
	}
	dev->pci->ConfigureInterrupts(kIOInterruptDispatchSourceTypeLevel, 1, 1);
	find_vectors(dev, false);
	dev->level = true;
}

static IOReturn make_source(Device *dev, uint32_t number)
{
	DeviceVector *vector = &dev->vectors[number];
	IOReturn ret;

	if (vector->source)
		return kIOReturnSuccess;
	if (!vector->action) {
		ret = dev->driver->CreateActionInterruptOccurred(sizeof(number), &vector->action);
		if (ret != kIOReturnSuccess)
			return ret;
		memcpy(vector->action->GetReference(), &number, sizeof(number));
	}
	ret = IOInterruptDispatchSource::Create(dev->pci, vector->index, dev->irq_queue, &vector->source);
	if (ret == kIOReturnSuccess)
		ret = vector->source->SetHandler(vector->action);
	if (ret != kIOReturnSuccess)
		OSSafeReleaseNULL(vector->source);
	return ret;
}

/* ---- delivery, irq_lock held ---- */

static void wake(Device *dev)
{
	static const IOUserClientAsyncArgumentsArray nothing = {};

	dev->irq.wakeups++;
	dev->irq.client->AsyncCompletion(dev->irq.notify, kIOReturnSuccess, nothing, 0);
}

static void deliver(Device *dev, uint32_t vector, uint64_t count)
{
	if (dev->irq.type == VFA_IRQ_INTX) {
		if (dev->irq.masked) {
			dev->irq.missed = true;
			return;
		}
		dev->irq.masked = true;
		if (dev->level)
			dev->vectors[0].source->SetEnable(false);
	}
	dev->irq.interrupts += count;
	if (vfa_irq_page_raise(dev->irq.page, vector, count, dev->irq.notify != nullptr))
		wake(dev);
}

void device_interrupt(Device *dev, uint32_t vector, uint64_t count)
{
	IOLockLock(dev->irq_lock);
	if (dev->irq.client && vector < dev->irq.enabled)
		deliver(dev, vector, count);
	IOLockUnlock(dev->irq_lock);
}

/* ---- the owner's calls ---- */

static void disable_sources(Device *dev)
{
	for (uint32_t i = 0; i < dev->irq.enabled; i++)
		dev->vectors[i].source->SetEnable(false);
	dev->irq.enabled = 0;
	dev->irq.masked = false;
	dev->irq.missed = false;
}

/* Replaces an earlier one; the notification stays. */
IOReturn device_irq_enable(Device *dev, VFIOUserPCIUserClient *client, struct vfa_irq_page *page, uint64_t type,
			   uint64_t wanted, uint64_t *granted)
{
	uint32_t count;

	if (type >= VFA_IRQ_TYPES || wanted == 0)
		return kIOReturnBadArgument;
	if (dev->info.vectors[type] == 0)
		return kIOReturnUnsupported;
	count = dev->info.vectors[type] < dev->nr_vectors ? dev->info.vectors[type] : dev->nr_vectors;
	if (count > wanted)
		count = (uint32_t)wanted;

	IOLockLock(dev->irq_lock);
	disable_sources(dev);
	vfa_irq_page_clear(page);
	dev->irq.client = client;
	dev->irq.page = page;
	dev->irq.type = (enum vfa_irq_type)type;
	while (dev->irq.enabled < count && make_source(dev, dev->irq.enabled) == kIOReturnSuccess)
		dev->vectors[dev->irq.enabled++].source->SetEnable(true);
	count = dev->irq.enabled;
	IOLockUnlock(dev->irq_lock);

	*granted = count;
	return count ? kIOReturnSuccess : kIOReturnNoInterrupt;
}

void device_irq_disable(Device *dev)
{
	IOLockLock(dev->irq_lock);
	disable_sources(dev);
	OSSafeReleaseNULL(dev->irq.notify);
	dev->irq.client = nullptr;
	dev->irq.page = nullptr;
	IOLockUnlock(dev->irq_lock);
}

/* Replaces an earlier one. What was armed and pending before is answered at once. */
void device_irq_notify(Device *dev, VFIOUserPCIUserClient *client, struct vfa_irq_page *page, OSAction *completion)
{
	IOLockLock(dev->irq_lock);
	OSSafeReleaseNULL(dev->irq.notify);
	completion->retain();
	dev->irq.notify = completion;
	dev->irq.client = client;
	dev->irq.page = page;
	if (vfa_irq_page_catch_up(page))
		wake(dev);
	IOLockUnlock(dev->irq_lock);
}

IOReturn device_irq_unmask(Device *dev)
{
	IOLockLock(dev->irq_lock);
	if (dev->irq.client && dev->irq.enabled && dev->irq.masked) {
		dev->irq.masked = false;
		if (dev->level) {
			dev->vectors[0].source->SetEnable(true);
		} else if (dev->irq.missed) {
			dev->irq.missed = false;
			deliver(dev, 0, 1);
		}
	}
	IOLockUnlock(dev->irq_lock);
	return kIOReturnSuccess;
}
