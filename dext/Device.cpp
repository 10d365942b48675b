/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <DriverKit/OSData.h>
#include <DriverKit/OSDictionary.h>
#include <DriverKit/OSNumber.h>

#include "Device.h"

static void publish(Device *dev, bool with_info)
{
	OSDictionary *properties = OSDictionary::withCapacity(2);
	OSNumber *claimed = OSNumber::withNumber(dev->owner != nullptr, 32);
	OSData *info = with_info ? OSData::withBytes(&dev->info, sizeof(dev->info)) : nullptr;

	if (properties && claimed && (info || !with_info)) {
		properties->setObject(VFA_PROPERTY_CLAIMED, claimed);
		if (info)
			properties->setObject(VFA_PROPERTY_INFO, info);
		dev->driver->SetProperties(properties);
	}
	OSSafeReleaseNULL(info);
	OSSafeReleaseNULL(claimed);
	OSSafeReleaseNULL(properties);
}

uint64_t device_quiesce(Device *dev, unsigned also)
{
	enum vfa_reset performed;

	device_bus_master_off(dev);
	if (also & QUIESCE_INTERRUPTS)
		device_irq_disable(dev);
	if (also & QUIESCE_RESET)
		device_perform_reset(dev, VFA_RESET_AUTO, &performed);
	return device_dma_complete_all(dev);
}

/* ---- life ---- */

IOReturn device_start(Device *dev, VFIOUserPCIDriver *driver, IOPCIDevice *pci)
{
	struct vfa_dma_slot *slots;
	IOReturn ret;

	dev->driver = driver;
	dev->pci = pci;
	dev->lock = IOLockAlloc();
	dev->irq_lock = IOLockAlloc();
	slots = IONewZero(struct vfa_dma_slot, VFA_DMA_SLOTS);
	if (slots)
		vfa_dma_table_init(&dev->dma, slots, VFA_DMA_SLOTS, VFA_DMA_MAPPINGS_MAX, 0);
	if (!dev->lock || !dev->irq_lock || !slots)
		return kIOReturnNoMemory;

	ret = IODispatchQueue::Create("VFAReset", 0, 0, &dev->reset_queue);
	if (ret == kIOReturnSuccess)
		ret = IODispatchQueue::Create("VFAInterrupts", 0, 0, &dev->irq_queue);
	if (ret == kIOReturnSuccess)
		ret = device_identify(dev);
	if (ret != kIOReturnSuccess)
		return ret;

	dev->dma.bytes_max = dev->info.dma_bytes_max;
	device_configure_interrupts(dev);
	publish(dev, true);
	return kIOReturnSuccess;
}

void device_stop(Device *dev)
{
	IOLockLock(dev->lock);
	dev->stopping = true;
	dev->owner = nullptr;
	device_quiesce(dev, QUIESCE_INTERRUPTS);
	device_dma_end(dev);
	IOLockUnlock(dev->lock);
}

/* Queued behind the last reset; from here on no call starts another one. */
void device_drain(Device *dev, void (^done)(void))
{
	if (!dev->reset_queue) {
		done();
		return;
	}
	dev->reset_queue->DispatchAsync(^{
	  __block uint32_t left = 1;
	  void (^ended)(void) = ^{
	    if (__atomic_sub_fetch(&left, 1, __ATOMIC_ACQ_REL) == 0)
		    done();
	  };

	  for (DeviceVector &vector : dev->vectors) {
		  if (!vector.source)
			  continue;
		  __atomic_add_fetch(&left, 1, __ATOMIC_RELAXED);
		  vector.source->Cancel(ended);
	  }
	  ended();
	});
}

void device_free(Device *dev)
{
	for (DeviceVector &vector : dev->vectors) {
		OSSafeReleaseNULL(vector.source);
		OSSafeReleaseNULL(vector.action);
	}
	for (DeviceBar &bar : dev->bars)
		OSSafeReleaseNULL(bar.memory);
	OSSafeReleaseNULL(dev->reset_queue);
	OSSafeReleaseNULL(dev->irq_queue);
	if (dev->dma.slots)
		IODelete(dev->dma.slots, struct vfa_dma_slot, VFA_DMA_SLOTS);
	if (dev->irq_lock)
		IOLockFree(dev->irq_lock);
	if (dev->lock)
		IOLockFree(dev->lock);
}

/* ---- ownership ---- */

IOReturn device_claim(Device *dev, VFIOUserPCIUserClient *client)
{
	if (dev->owner == client)
		return kIOReturnSuccess;
	if (dev->owner || dev->resetting)
		return kIOReturnExclusiveAccess;
	dev->owner = client;
	publish(dev, false);
	return kIOReturnSuccess;
}

/*
 * A device that was left running would go on with its old addresses as soon
 * as the next owner turns bus master on.  The reset takes its time, so nobody
 * waits for it but that next owner.
 */
static void recover(Device *dev)
{
	dev->resetting++;
	dev->driver->retain();
	dev->reset_queue->DispatchAsync(^{
		IOLockLock(dev->lock);
		if (!dev->stopping) {
			uint64_t left = device_quiesce(dev, QUIESCE_INTERRUPTS | QUIESCE_RESET);

			DEVICE_LOG(dev, "reset after its owner, %llu mappings completed", (unsigned long long)left);
		}
		dev->resetting--;
		if (!dev->stopping)
			publish(dev, false);
		IOLockUnlock(dev->lock);
		dev->driver->release();
	});
}

void device_release(Device *dev)
{
	device_quiesce(dev, QUIESCE_INTERRUPTS);
	dev->owner = nullptr;
	if (dev->used)
		recover(dev);
	else
		publish(dev, false);
}

/* The owner died or closed without a word, so the device may be in the middle of anything. It is silenced at once. */
static void end_owner(Device *dev)
{
	dev->owner = nullptr;
	device_bus_master_off(dev);
	device_irq_disable(dev);
	recover(dev);
}

void device_client_gone(Device *dev, VFIOUserPCIUserClient *client)
{
	IOLockLock(dev->lock);
	if (dev->owner == client)
		end_owner(dev);
	IOLockUnlock(dev->lock);
}

void device_stats(Device *dev, struct vfa_stats *out)
{
	*out = {};
	out->struct_bytes = sizeof(*out);
	out->owner = dev->owner != nullptr;
	out->maps = dev->dma.maps;
	out->unmaps = dev->dma.unmaps;
	out->map_failures = dev->dma.map_failures;
	out->bytes_live = dev->dma.bytes_live;
	out->bytes_peak = dev->dma.bytes_peak;
	out->mappings_live = dev->dma.mappings_live;
	out->mappings_peak = dev->dma.mappings_peak;
	out->resets = dev->resets;
	out->config_writes_filtered = dev->config_writes_filtered;
	out->last_error = dev->last_error;
	out->bus_master = dev->bus_master;
	out->submit_calls = dev->submit_calls;
	out->operations = dev->operations;
	out->misaligned = dev->misaligned;
	out->align_attempts = dev->align_attempts;
	out->padding_bytes = dev->dma.padding_live;
	IOLockLock(dev->irq_lock);
	out->irq_wakeups = dev->irq.wakeups;
	out->irqs = dev->irq.interrupts;
	IOLockUnlock(dev->irq_lock);
}
