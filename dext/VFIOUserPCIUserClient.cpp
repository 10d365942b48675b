/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <DriverKit/IOLib.h>
#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IOMemoryMap.h>
#include <DriverKit/OSData.h>

#include "Device.h"

struct VFIOUserPCIUserClient_IVars {
	VFIOUserPCIDriver *driver;
	Device *device; /* the driver's */
	bool greeted;
	bool ended;
	/* Made for the first claim; a page is never shared between connections. */
	IOBufferMemoryDescriptor *irq_memory;
	IOMemoryMap *irq_map;
	struct vfa_irq_page *irq_page;
	uint32_t bars_given; /* bit per BAR: the same descriptor has to be found again when it is unmapped */
};

/* ---- what a call needs ---- */

enum Needs {
	NEEDS_NOTHING,
	NEEDS_HELLO,
	NEEDS_OWNER,       /* ... and HELLO */
	NEEDS_IDLE_DEVICE, /* ... and to be the owner; kIOReturnBusy during a reset */
};

struct Method {
	IOUserClientMethodDispatch dispatch;
	Needs needs;
};

/* ---- decoding; the lock is held, counts and sizes have been checked against the table ---- */

static VFIOUserPCIUserClient *client_of(OSObject *target)
{
	return static_cast<VFIOUserPCIUserClient *>(target);
}

#define IVARS(reference)  (static_cast<VFIOUserPCIUserClient_IVars *>(reference))
#define DEVICE(reference) (IVARS(reference)->device)

/* None of ours is longer than what travels inline, so a caller that offers a descriptor offers too much. */
static kern_return_t give(IOUserClientMethodArguments *args, const void *bytes, size_t size)
{
	if (args->structureOutputDescriptor || size > args->structureOutputMaximumSize)
		return kIOReturnBadArgument;
	args->structureOutput = OSData::withBytes(bytes, size);
	return args->structureOutput ? kIOReturnSuccess : kIOReturnNoMemory;
}

/* A structure that grows at its end: a caller who knows less of it gets what he knows. */
static kern_return_t give_known(IOUserClientMethodArguments *args, const void *bytes, size_t size)
{
	if (size > args->structureOutputMaximumSize)
		size = args->structureOutputMaximumSize;
	return size < sizeof(uint32_t) ? kIOReturnBadArgument : give(args, bytes, size);
}

static kern_return_t hello(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	struct vfa_hello in, out = {VFA_MAGIC, VFA_VERSION_MAJOR, VFA_VERSION_MINOR, 0};

	memcpy(&in, args->structureInput->getBytesNoCopy(), sizeof(in));
	if (in.magic != VFA_MAGIC)
		return kIOReturnBadArgument;
	if (in.major != VFA_VERSION_MAJOR)
		return kIOReturnUnsupported;
	IVARS(reference)->greeted = true;
	return give(args, &out, sizeof(out));
}

static kern_return_t get_info(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	return give_known(args, &DEVICE(reference)->info, sizeof(DEVICE(reference)->info));
}

static kern_return_t get_stats(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	struct vfa_stats stats;

	device_stats(DEVICE(reference), &stats);
	return give_known(args, &stats, sizeof(stats));
}

static kern_return_t make_irq_page(VFIOUserPCIUserClient_IVars *ivars)
{
	kern_return_t ret;

	if (ivars->irq_page)
		return kIOReturnSuccess;
	ret = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, IOVMPageSize, IOVMPageSize, &ivars->irq_memory);
	if (ret == kIOReturnSuccess)
		ret = ivars->irq_memory->SetLength(IOVMPageSize);
	if (ret == kIOReturnSuccess)
		ret = ivars->irq_memory->CreateMapping(0, 0, 0, 0, 0, &ivars->irq_map);
	if (ret != kIOReturnSuccess) {
		OSSafeReleaseNULL(ivars->irq_memory);
		return ret;
	}
	ivars->irq_page = reinterpret_cast<struct vfa_irq_page *>(ivars->irq_map->GetAddress());
	memset(ivars->irq_page, 0, sizeof(*ivars->irq_page));
	return kIOReturnSuccess;
}

static kern_return_t claim(OSObject *target, void *reference, IOUserClientMethodArguments *)
{
	kern_return_t ret = make_irq_page(IVARS(reference));

	return ret == kIOReturnSuccess ? device_claim(DEVICE(reference), client_of(target)) : ret;
}

static kern_return_t release_device(OSObject *, void *reference, IOUserClientMethodArguments *)
{
	device_release(DEVICE(reference));
	return kIOReturnSuccess;
}

static kern_return_t config_read(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	uint32_t value = 0;
	kern_return_t ret = device_config_read(DEVICE(reference), args->scalarInput[0], args->scalarInput[1], &value);

	args->scalarOutput[0] = value;
	return ret;
}

static kern_return_t config_read_block(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	uint64_t offset = args->scalarInput[0], bytes = args->scalarInput[1];
	uint32_t block[VFA_CONFIG_BYTES / 4];

	if (offset % 4 || bytes % 4 || bytes == 0 || offset >= sizeof(block) || bytes > sizeof(block) - offset ||
	    bytes > args->structureOutputMaximumSize)
		return kIOReturnBadArgument;
	for (uint64_t i = 0; i < bytes; i += 4)
		device_config_read(DEVICE(reference), offset + i, 4, &block[i / 4]);
	return give(args, block, bytes);
}

static kern_return_t config_write(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	return device_config_write(DEVICE(reference), args->scalarInput[0], args->scalarInput[1],
				   (uint32_t)args->scalarInput[2]);
}

static kern_return_t bar_read(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	return device_bar_read(DEVICE(reference), args->scalarInput[0], args->scalarInput[1], args->scalarInput[2],
			       &args->scalarOutput[0]);
}

static kern_return_t bar_write(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	return device_bar_write(DEVICE(reference), args->scalarInput[0], args->scalarInput[1], args->scalarInput[2],
				args->scalarInput[3]);
}

static kern_return_t set_bus_master(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	if (args->scalarInput[0] > 1)
		return kIOReturnBadArgument;
	return device_set_bus_master(DEVICE(reference), args->scalarInput[0]);
}

static kern_return_t reset(OSObject *target, void *reference, IOUserClientMethodArguments *args)
{
	return device_reset(DEVICE(reference), client_of(target), args->scalarInput[0], args->completion);
}

static kern_return_t irq_enable(OSObject *target, void *reference, IOUserClientMethodArguments *args)
{
	return device_irq_enable(DEVICE(reference), client_of(target), IVARS(reference)->irq_page, args->scalarInput[0],
				 args->scalarInput[1], &args->scalarOutput[0]);
}

static kern_return_t irq_disable(OSObject *, void *reference, IOUserClientMethodArguments *)
{
	device_irq_disable(DEVICE(reference));
	return kIOReturnSuccess;
}

static kern_return_t irq_notify(OSObject *target, void *reference, IOUserClientMethodArguments *args)
{
	device_irq_notify(DEVICE(reference), client_of(target), IVARS(reference)->irq_page, args->completion);
	return kIOReturnSuccess;
}

static kern_return_t irq_unmask(OSObject *, void *reference, IOUserClientMethodArguments *)
{
	return device_irq_unmask(DEVICE(reference));
}

static kern_return_t dma_submit(OSObject *target, void *reference, IOUserClientMethodArguments *args)
{
	struct vfa_dma_results results;
	kern_return_t ret;

	if (!args->structureInput)
		return kIOReturnBadArgument;
	ret = device_dma_submit(DEVICE(reference), client_of(target), args->structureInput->getBytesNoCopy(),
				args->structureInput->getLength(), &results);
	return ret == kIOReturnSuccess ? give(args, &results, sizeof(results)) : ret;
}

static kern_return_t dma_unmap_all(OSObject *, void *reference, IOUserClientMethodArguments *args)
{
	args->scalarOutput[0] = device_quiesce(DEVICE(reference), 0);
	return kIOReturnSuccess;
}

#define SYNC     0
#define ASYNC    1
#define VARIABLE kIOUserClientVariableStructureSize

/* function, completion, scalars in, structure in, scalars out, structure out */
static const Method methods[VFA_NUM_SELECTORS] = {
	/* VFA_HELLO */ {{hello, SYNC, 0, sizeof(vfa_hello), 0, VARIABLE}, NEEDS_NOTHING},
	/* VFA_GET_INFO */ {{get_info, SYNC, 0, 0, 0, VARIABLE}, NEEDS_HELLO},
	/* VFA_GET_STATS */ {{get_stats, SYNC, 0, 0, 0, VARIABLE}, NEEDS_HELLO},
	/* VFA_CLAIM */ {{claim, SYNC, 0, 0, 0, 0}, NEEDS_HELLO},
	/* VFA_RELEASE */ {{release_device, SYNC, 0, 0, 0, 0}, NEEDS_OWNER},
	/* VFA_CONFIG_READ */ {{config_read, SYNC, 2, 0, 1, 0}, NEEDS_IDLE_DEVICE},
	/* VFA_CONFIG_READ_BLOCK */ {{config_read_block, SYNC, 2, 0, 0, VARIABLE}, NEEDS_IDLE_DEVICE},
	/* VFA_CONFIG_WRITE */ {{config_write, SYNC, 3, 0, 0, 0}, NEEDS_IDLE_DEVICE},
	/* VFA_BAR_READ */ {{bar_read, SYNC, 3, 0, 1, 0}, NEEDS_IDLE_DEVICE},
	/* VFA_BAR_WRITE */ {{bar_write, SYNC, 4, 0, 0, 0}, NEEDS_IDLE_DEVICE},
	/* VFA_SET_BUS_MASTER */ {{set_bus_master, SYNC, 1, 0, 0, 0}, NEEDS_IDLE_DEVICE},
	/* VFA_RESET */ {{reset, ASYNC, 1, 0, 0, 0}, NEEDS_IDLE_DEVICE},
	/* VFA_IRQ_ENABLE */ {{irq_enable, SYNC, 2, 0, 1, 0}, NEEDS_OWNER},
	/* VFA_IRQ_DISABLE */ {{irq_disable, SYNC, 0, 0, 0, 0}, NEEDS_OWNER},
	/* VFA_IRQ_NOTIFY */ {{irq_notify, ASYNC, 0, 0, 0, 0}, NEEDS_OWNER},
	/* VFA_IRQ_UNMASK */ {{irq_unmask, SYNC, 0, 0, 0, 0}, NEEDS_OWNER},
	/* VFA_DMA_SUBMIT */ {{dma_submit, SYNC, 0, VARIABLE, 0, VARIABLE}, NEEDS_OWNER},
	/* VFA_DMA_UNMAP_ALL */ {{dma_unmap_all, SYNC, 0, 0, 1, 0}, NEEDS_OWNER},
};

static kern_return_t may_call(const VFIOUserPCIUserClient_IVars *ivars, const VFIOUserPCIUserClient *client,
			      Needs needs)
{
	const Device *dev = ivars->device;

	if (ivars->ended || dev->stopping)
		return kIOReturnOffline;
	if (needs >= NEEDS_HELLO && !ivars->greeted)
		return kIOReturnNotReady;
	if (needs >= NEEDS_OWNER && dev->owner != client)
		return kIOReturnNotOpen;
	if (needs >= NEEDS_IDLE_DEVICE && dev->resetting)
		return kIOReturnBusy;
	return kIOReturnSuccess;
}

/* ---- life ---- */

bool VFIOUserPCIUserClient::init()
{
	if (!super::init())
		return false;
	ivars = IONewZero(VFIOUserPCIUserClient_IVars, 1);
	return ivars != nullptr;
}

void VFIOUserPCIUserClient::free()
{
	if (ivars) {
		OSSafeReleaseNULL(ivars->irq_map);
		OSSafeReleaseNULL(ivars->irq_memory);
		OSSafeReleaseNULL(ivars->driver);
	}
	IOSafeDeleteNULL(ivars, VFIOUserPCIUserClient_IVars, 1);
	super::free();
}

kern_return_t IMPL(VFIOUserPCIUserClient, Start)
{
	VFIOUserPCIDriver *driver = OSDynamicCast(VFIOUserPCIDriver, provider);
	kern_return_t ret;

	if (!driver)
		return kIOReturnBadArgument;
	ret = Start(provider, SUPERDISPATCH);
	if (ret != kIOReturnSuccess)
		return ret;
	driver->retain();
	ivars->driver = driver;
	ivars->device = driver->GetDevice();
	return kIOReturnSuccess;
}

/* Calls that are still under way hold the lock or will find `ended`. */
kern_return_t IMPL(VFIOUserPCIUserClient, Stop)
{
	if (ivars->device) {
		IOLockLock(ivars->device->lock);
		ivars->ended = true;
		IOLockUnlock(ivars->device->lock);
		device_client_gone(ivars->device, this);
	}
	return Stop(provider, SUPERDISPATCH);
}

/* ---- entry points ---- */

kern_return_t VFIOUserPCIUserClient::ExternalMethod(uint64_t selector, IOUserClientMethodArguments *arguments,
						    const IOUserClientMethodDispatch *, OSObject *, void *)
{
	const Method *method;
	kern_return_t ret;

	if (selector >= VFA_NUM_SELECTORS || !ivars->device)
		return kIOReturnBadArgument;
	method = &methods[selector];
	/* A structure that came out of line is memory the client can still change; none of ours is that long. */
	if (arguments->structureInputDescriptor)
		return kIOReturnBadArgument;

	IOLockLock(ivars->device->lock);
	ret = may_call(ivars, this, method->needs);
	if (ret == kIOReturnSuccess)
		ret = super::ExternalMethod(selector, arguments, &method->dispatch, this, ivars);
	IOLockUnlock(ivars->device->lock);
	return ret;
}

kern_return_t IMPL(VFIOUserPCIUserClient, CopyClientMemoryForType)
{
	IOMemoryDescriptor *found = nullptr;
	Device *dev = ivars->device;

	if (!dev)
		return kIOReturnNotReady;
	*options = 0;
	IOLockLock(dev->lock);
	if (type == VFA_MEMORY_IRQ_PAGE) {
		found = ivars->irq_memory;
	} else if (type < VFA_NUM_BARS && (dev->owner == this || ivars->bars_given & 1u << type)) {
		found = dev->bars[type].memory;
		ivars->bars_given |= 1u << type;
	}
	if (found)
		found->retain();
	IOLockUnlock(dev->lock);
	*memory = found;
	return found ? kIOReturnSuccess : kIOReturnUnsupported;
}
