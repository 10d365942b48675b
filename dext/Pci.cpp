/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <DriverKit/OSCollections.h>

#include "Device.h"
#include "core/window.h"

#define CFG_HEADER_MULTIFUNCTION 0x80
#define CFG_ROM_ENABLE           0x1u

#define PCIE_DEVICE_STATUS    0x0a
#define DEVICE_STATUS_PENDING 0x0020
#define PENDING_WAIT_MS       100

/* ---- what the function is ---- */

static void make_name(Device *dev)
{
	static const char digit[] = "0123456789abcdef";
	const struct vfa_device_info *info = &dev->info;
	const char name[] = {digit[info->bus >> 4],
			     digit[info->bus & 15],
			     ':',
			     digit[info->device >> 4 & 1],
			     digit[info->device & 15],
			     '.',
			     digit[info->function & 7],
			     '\0'};

	memcpy(dev->name, name, sizeof(name));
}

static uint32_t read_for_policy(void *context, unsigned offset)
{
	uint32_t value;

	static_cast<IOPCIDevice *>(context)->ConfigurationRead32(offset, &value);
	return value;
}

static uint64_t number_property(IOPCIDevice *pci, const char *key)
{
	OSContainer *value = nullptr;
	OSNumber *number;
	uint64_t result = 0;

	if (pci->SearchProperty(key, "IOService", 0, &value) != kIOReturnSuccess)
		return 0;
	number = OSDynamicCast(OSNumber, value);
	if (number)
		result = number->unsigned64BitValue();
	OSSafeReleaseNULL(value);
	return result;
}

/*
 * Which DART a function is behind: a phandle in data, as the device tree has
 * it (xnu IOMapper.cpp, copyMapperForDeviceWithIndex).  It can be an object of
 * the kernel instead, which cannot be asked for: unknown.
 */
static uint64_t mapper_property(IOPCIDevice *pci)
{
	OSContainer *value = nullptr;
	uint32_t phandle = 0;
	OSData *data;

	if (pci->SearchProperty("iommu-parent", "IOService", 0, &value) != kIOReturnSuccess)
		return 0;
	data = OSDynamicCast(OSData, value);
	if (data && data->getLength() >= sizeof(phandle))
		memcpy(&phandle, data->getBytesNoCopy(), sizeof(phandle));
	OSSafeReleaseNULL(value);
	return phandle;
}

static void identify_window(Device *dev)
{
	uint64_t page = number_property(dev->pci, kIOPCIDeviceMapperPageSize);
	uint64_t base = number_property(dev->pci, kIOPCIDeviceMemoryMapBase);
	uint64_t size = number_property(dev->pci, kIOPCIDeviceMemoryMapSize);
	struct vfa_window window = vfa_window_from_properties(page, base, size);

	dev->info.dma_page = window.page;
	dev->info.iova_first = window.first;
	dev->info.iova_last = window.last;
	dev->info.dma_bytes_max = vfa_dma_budget(window.last - window.first + 1);
	dev->info.dma_mappings_max = VFA_DMA_MAPPINGS_MAX;
	dev->info.mapper = mapper_property(dev->pci);
	DEVICE_LOG(dev, "mapper properties: page %llu, base 0x%llx, size 0x%llx; used: IOVAs 0x%llx to 0x%llx",
		   (unsigned long long)page, (unsigned long long)base, (unsigned long long)size,
		   (unsigned long long)window.first, (unsigned long long)window.last);
}

/*
 * A BAR smaller than a host page is not offered for mapping: the rest of its
 * page may belong to another device.
 */
static void identify_bar(Device *dev, uint8_t index)
{
	struct vfa_bar_info *info = &dev->info.bars[index];
	DeviceBar *bar = &dev->bars[index];
	uint64_t size = 0;
	uint8_t type = 0;

	if (dev->pci->GetBARInfo(index, &bar->memory_index, &size, &type) != kIOReturnSuccess)
		return;
	info->size = size;
	info->type = type;
	if (type == VFA_BAR_IO || index == kPCIMemoryRangeExpansionROM || size % IOVMPageSize)
		return;
	if (dev->pci->_CopyDeviceMemoryWithIndex(bar->memory_index, &bar->memory, dev->driver) == kIOReturnSuccess)
		info->flags |= VFA_BAR_MAPPABLE;
	else
		bar->memory = nullptr;
}

IOReturn device_identify(Device *dev)
{
	struct vfa_device_info *info = &dev->info;
	IOPCIDevice *pci = dev->pci;
	uint8_t header = 0, pin = 0;
	uint32_t class_revision = 0;
	uint16_t command;

	info->struct_bytes = sizeof(*info);
	pci->GetBusDeviceFunction(&info->bus, &info->device, &info->function);
	make_name(dev);
	pci->GetRegistryEntryID(&info->registry_id);

	pci->ConfigurationRead8(kIOPCIConfigurationOffsetHeaderType, &header);
	if (header & ~CFG_HEADER_MULTIFUNCTION) {
		DEVICE_LOG(dev, "header type %u: only endpoints can be passed through", header);
		return kIOReturnUnsupported;
	}
	pci->ConfigurationRead16(kIOPCIConfigurationOffsetVendorID, &info->vendor);
	pci->ConfigurationRead16(kIOPCIConfigurationOffsetDeviceID, &info->device_id);
	pci->ConfigurationRead16(kIOPCIConfigurationOffsetSubSystemVendorID, &info->subsystem_vendor);
	pci->ConfigurationRead16(kIOPCIConfigurationOffsetSubSystemID, &info->subsystem);
	pci->ConfigurationRead32(kIOPCIConfigurationOffsetRevisionID, &class_revision);
	info->revision = class_revision & 0xff;
	info->class_code = class_revision >> 8;

	vfa_config_policy_build(&dev->policy, read_for_policy, pci);
	pci->ConfigurationRead8(kIOPCIConfigurationOffsetInterruptPin, &pin);
	info->vectors[VFA_IRQ_INTX] = pin >= 1 && pin <= 4;
	info->vectors[VFA_IRQ_MSI] = dev->policy.msi_vectors;
	info->vectors[VFA_IRQ_MSIX] = dev->policy.msix_vectors;
	info->flags = VFA_DEV_HOT;
	if (dev->policy.flr && !vfa_config_flr_is_broken(info->vendor, info->device_id))
		info->flags |= VFA_DEV_FLR;

	pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
	pci->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand,
				  (command & ~kIOPCICommandBusMaster) | kIOPCICommandMemorySpace);

	identify_window(dev);
	for (uint8_t i = 0; i < VFA_NUM_BARS; i++)
		identify_bar(dev, i);
	return kIOReturnSuccess;
}

/* ---- configuration space ---- */

static uint32_t config_read(Device *dev, uint64_t offset, uint64_t bytes)
{
	uint32_t value32;
	uint16_t value16;
	uint8_t value8;

	switch (bytes) {
	case 1:
		dev->pci->ConfigurationRead8(offset, &value8);
		return value8;
	case 2:
		dev->pci->ConfigurationRead16(offset, &value16);
		return value16;
	default:
		dev->pci->ConfigurationRead32(offset, &value32);
		return value32;
	}
}

static void config_write(Device *dev, uint64_t offset, uint64_t bytes, uint32_t value)
{
	switch (bytes) {
	case 1:
		dev->pci->ConfigurationWrite8(offset, (uint8_t)value);
		break;
	case 2:
		dev->pci->ConfigurationWrite16(offset, (uint16_t)value);
		break;
	default:
		dev->pci->ConfigurationWrite32(offset, value);
		break;
	}
}

IOReturn device_config_read(Device *dev, uint64_t offset, uint64_t bytes, uint32_t *value)
{
	if (!vfa_config_access_ok(offset, bytes))
		return kIOReturnBadArgument;
	*value = config_read(dev, offset, bytes);
	return kIOReturnSuccess;
}

IOReturn device_config_write(Device *dev, uint64_t offset, uint64_t bytes, uint32_t value)
{
	struct vfa_config_filtered writes;

	if (!vfa_config_access_ok(offset, bytes))
		return kIOReturnBadArgument;
	writes = vfa_config_filter(&dev->policy, offset, bytes, value);
	if (writes.dropped)
		dev->config_writes_filtered++;
	for (unsigned i = 0; i < writes.count; i++) {
		const struct vfa_config_write *write = &writes.write[i];
		uint32_t kept = write->keep ? config_read(dev, write->offset, write->bytes) & write->keep : 0;

		config_write(dev, write->offset, write->bytes, write->value | kept);
	}
	return kIOReturnSuccess;
}

/* ---- BARs: PCIDriverKit does not check bounds, so this is the place ---- */

static IOReturn check_bar(Device *dev, uint64_t bar, uint64_t offset, uint64_t bytes)
{
	const struct vfa_bar_info *info;

	if (bar >= VFA_NUM_BARS || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || offset % bytes)
		return kIOReturnBadArgument;
	info = &dev->info.bars[bar];
	if (offset >= info->size || bytes > info->size - offset)
		return kIOReturnBadArgument;
	return info->type == VFA_BAR_IO ? kIOReturnUnsupported : kIOReturnSuccess;
}

static uint64_t memory_read(Device *dev, uint8_t memory_index, uint64_t offset, uint64_t bytes)
{
	uint64_t value64;
	uint32_t value32;
	uint16_t value16;
	uint8_t value8;

	switch (bytes) {
	case 1:
		dev->pci->MemoryRead8(memory_index, offset, &value8);
		return value8;
	case 2:
		dev->pci->MemoryRead16(memory_index, offset, &value16);
		return value16;
	case 4:
		dev->pci->MemoryRead32(memory_index, offset, &value32);
		return value32;
	default:
		dev->pci->MemoryRead64(memory_index, offset, &value64);
		return value64;
	}
}

IOReturn device_bar_read(Device *dev, uint64_t bar, uint64_t offset, uint64_t bytes, uint64_t *value)
{
	IOReturn ret = check_bar(dev, bar, offset, bytes);
	uint32_t rom;

	if (ret != kIOReturnSuccess)
		return ret;
	if (bar != kPCIMemoryRangeExpansionROM) {
		*value = memory_read(dev, dev->bars[bar].memory_index, offset, bytes);
		return kIOReturnSuccess;
	}
	/* Decoded only while it is read: a ROM may share its address decoder with a BAR. */
	dev->pci->ConfigurationRead32(kIOPCIConfigurationOffsetExpansionROMBase, &rom);
	dev->pci->ConfigurationWrite32(kIOPCIConfigurationOffsetExpansionROMBase, rom | CFG_ROM_ENABLE);
	*value = memory_read(dev, dev->bars[bar].memory_index, offset, bytes);
	dev->pci->ConfigurationWrite32(kIOPCIConfigurationOffsetExpansionROMBase, rom & ~CFG_ROM_ENABLE);
	return kIOReturnSuccess;
}

IOReturn device_bar_write(Device *dev, uint64_t bar, uint64_t offset, uint64_t bytes, uint64_t value)
{
	IOReturn ret = check_bar(dev, bar, offset, bytes);
	uint8_t index;

	if (ret != kIOReturnSuccess)
		return ret;
	if (bar == kPCIMemoryRangeExpansionROM)
		return kIOReturnUnsupported;
	index = dev->bars[bar].memory_index;
	switch (bytes) {
	case 1:
		dev->pci->MemoryWrite8(index, offset, (uint8_t)value);
		break;
	case 2:
		dev->pci->MemoryWrite16(index, offset, (uint16_t)value);
		break;
	case 4:
		dev->pci->MemoryWrite32(index, offset, (uint32_t)value);
		break;
	default:
		dev->pci->MemoryWrite64(index, offset, value);
		break;
	}
	return kIOReturnSuccess;
}

/* ---- bus master ---- */

/*
 * Reading the register back pushes upstream what the device wrote before; the
 * pending bit covers reads it still waits for.  A device that never drains is
 * not waited for: it can no longer start anything.
 */
void device_bus_master_off(Device *dev)
{
	uint16_t command, status;

	dev->bus_master = false;
	dev->pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
	if (command == UINT16_MAX)
		return;
	if (command & kIOPCICommandBusMaster) {
		dev->pci->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand, command & ~kIOPCICommandBusMaster);
		dev->pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
	}
	for (unsigned i = 0; dev->policy.pcie && i < PENDING_WAIT_MS; i++) {
		dev->pci->ConfigurationRead16(dev->policy.pcie + PCIE_DEVICE_STATUS, &status);
		if (status == UINT16_MAX || !(status & DEVICE_STATUS_PENDING))
			return;
		IOSleep(1);
	}
}

IOReturn device_set_bus_master(Device *dev, bool on)
{
	uint16_t command;

	if (!on) {
		device_bus_master_off(dev);
		return kIOReturnSuccess;
	}
	dev->pci->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
	if (command == UINT16_MAX)
		return kIOReturnOffline;
	dev->pci->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand,
				       command | kIOPCICommandBusMaster | kIOPCICommandMemorySpace);
	dev->bus_master = true;
	dev->used = true;
	return kIOReturnSuccess;
}

/* ---- reset ---- */

/* The platform saves and restores configuration space around both kinds. */
static IOReturn try_resets(Device *dev, enum vfa_reset wanted, enum vfa_reset *performed)
{
	IOReturn ret = kIOReturnUnsupported;

	if (wanted != VFA_RESET_HOT && dev->info.flags & VFA_DEV_FLR) {
		*performed = VFA_RESET_FLR;
		ret = dev->pci->Reset(kIOPCIDeviceResetTypeFunctionReset);
	}
	if (ret != kIOReturnSuccess && wanted != VFA_RESET_FLR && dev->info.flags & VFA_DEV_HOT) {
		*performed = VFA_RESET_HOT;
		ret = dev->pci->Reset(kIOPCIDeviceResetTypeHotReset);
	}
	return ret;
}

IOReturn device_perform_reset(Device *dev, enum vfa_reset wanted, enum vfa_reset *performed)
{
	IOReturn ret;

	device_bus_master_off(dev);
	IOLockUnlock(dev->lock);
	ret = try_resets(dev, wanted, performed);
	IOLockLock(dev->lock);
	if (ret == kIOReturnSuccess) {
		dev->resets++;
		dev->used = false;
		device_bus_master_off(dev);
	} else {
		dev->last_error = ret;
		DEVICE_LOG(dev, "reset failed: 0x%08x", (unsigned)ret);
	}
	return ret;
}

IOReturn device_reset(Device *dev, VFIOUserPCIUserClient *client, uint64_t type, OSAction *completion)
{
	if (type > VFA_RESET_HOT)
		return kIOReturnBadArgument;
	if (type == VFA_RESET_FLR && !(dev->info.flags & VFA_DEV_FLR))
		return kIOReturnUnsupported;

	dev->resetting++;
	dev->driver->retain();
	client->retain();
	completion->retain();
	dev->reset_queue->DispatchAsync(^{
	  IOUserClientAsyncArgumentsArray answer = {};
	  enum vfa_reset performed = VFA_RESET_AUTO;
	  IOReturn ret = kIOReturnOffline;

	  IOLockLock(dev->lock);
	  if (!dev->stopping)
		  ret = device_perform_reset(dev, (enum vfa_reset)type, &performed);
	  dev->resetting--;
	  IOLockUnlock(dev->lock);

	  answer[0] = performed;
	  client->AsyncCompletion(completion, ret, answer, 1);
	  completion->release();
	  client->release();
	  dev->driver->release();
	});
	return kIOReturnSuccess;
}
