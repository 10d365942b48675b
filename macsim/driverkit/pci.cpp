/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci.cpp - IOPCIDevice.  Configuration space and sessions are the kernel's; memory BARs are mapped by Open. */
#include "runtime.h"
#include "class.h"

#include <PCIDriverKit/PCIDriverKit.h>
#include <unistd.h>

/* Long enough for any sane list of capabilities; a device could chain them into a ring. */
static const unsigned kCapabilitiesMax = 1024;

struct IOPCIDevice_IVars {
	std::mutex mutex;  /* Open and Close; accesses in parallel with Close are the driver's mistake */
	IOService *client; /* retained */
	uint64_t nrMemory;
	Mapping *memory; /* those the kernel keeps to itself have no address */
	bool throughKernel;
};

OSDefineClass(IOPCIDevice, IOService);

kern_return_t IOPCIDevice::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case IOPCIDevice_FindPCICapability_ID:
		return OSInvokeImpl(self, rpc, &IOPCIDevice::FindPCICapability_Impl);
	case IOPCIDevice_GetBusDeviceFunction_ID:
		return OSInvokeImpl(self, rpc, &IOPCIDevice::GetBusDeviceFunction_Impl);
	case IOPCIDevice_GetBARInfo_ID:
		return OSInvokeImpl(self, rpc, &IOPCIDevice::GetBARInfo_Impl);
	case IOPCIDevice_ConfigureInterrupts_ID:
		return OSInvokeImpl(self, rpc, &IOPCIDevice::ConfigureInterrupts_Impl);
	case IOPCIDevice_Reset_ID:
		return OSInvokeImpl(self, rpc, &IOPCIDevice::Reset_Impl);
	case IOPCIDevice__CopyDeviceMemoryWithIndex_ID:
		return OSInvokeImpl(self, rpc, &IOPCIDevice::_CopyDeviceMemoryWithIndex_Impl);
	}
	return super::_Dispatch(self, rpc);
}

bool IOPCIDevice::init()
{
	ivars = new IOPCIDevice_IVars();
	return super::init();
}

void IOPCIDevice::free()
{
	delete ivars;
	super::free();
}

/* ---- session ---- */

/* NotFound leaves the range to the kernel; only a failing map is an error (PK Open). */
static IOReturn MapMemory(uint64_t id, uint64_t index, Mapping &mapping)
{
	KernelCall call(MW_PCI_BAR_FD, {id, index});
	int fd;

	if (call.send() != kIOReturnSuccess)
		return kIOReturnSuccess;
	fd = call.takeFd();
	if (fd < 0)
		DriverKitViolation("a BAR without memory", index);
	bool mapped = mapping.map(fd, call.a(0), call.a(1), false);
	close(fd);
	return mapped ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t IOPCIDevice::Open(IOService *forClient, IOOptionBits options)
{
	std::lock_guard<std::mutex> hold(ivars->mutex);
	OSContainer *property = nullptr;

	if (!forClient)
		return kIOReturnBadArgument;
	KernelCall call(MW_PCI_OPEN, {ServiceID(this), ServiceID(forClient), options});
	IOReturn ret = call.send();
	if (ret != kIOReturnSuccess)
		return ret;
	if (call.a(0) > kPCIMemoryRangeExpansionROM + 1)
		DriverKitViolation("too many memory BARs", call.a(0));
	ivars->client = forClient;
	forClient->retain();
	ivars->throughKernel =
		forClient->SearchProperty(kIOPCIKernelMemoryAccess, "IOService", 0, &property) == kIOReturnSuccess;
	OSSafeReleaseNULL(property);
	ivars->memory = new Mapping[call.a(0)];
	ivars->nrMemory = call.a(0);
	for (uint64_t i = 0; i < ivars->nrMemory && ret == kIOReturnSuccess; i++)
		ret = MapMemory(ServiceID(this), i, ivars->memory[i]);
	return ret;
}

void IOPCIDevice::Close(IOService *forClient, IOOptionBits options)
{
	std::lock_guard<std::mutex> hold(ivars->mutex);

	if (!forClient || ivars->client != forClient)
		return;
	KernelCall(MW_PCI_CLOSE, {ServiceID(this), ServiceID(forClient), options}).send();
	for (uint64_t i = 0; i < ivars->nrMemory; i++)
		ivars->memory[i].unmap();
	delete[] ivars->memory;
	ivars->memory = nullptr;
	ivars->nrMemory = 0;
	OSSafeReleaseNULL(ivars->client);
}

/* ---- configuration space ---- */

template <class T> static void ConfigurationRead(IOPCIDevice *device, uint64_t offset, T *readData)
{
	KernelCall call(MW_PCI_CONFIG_READ, {ServiceID(device), offset, sizeof(T)});

	*readData = call.send() == kIOReturnSuccess ? static_cast<T>(call.a(0)) : static_cast<T>(-1);
}

template <class T> static void ConfigurationWrite(IOPCIDevice *device, uint64_t offset, T data)
{
	KernelCall(MW_PCI_CONFIG_WRITE, {ServiceID(device), offset, sizeof(T), data}).send();
}

#define DEFINE_CONFIGURATION_ACCESS(bits)                                                                              \
	void IOPCIDevice::ConfigurationRead##bits(uint64_t offset, uint##bits##_t *readData)                           \
	{                                                                                                              \
		ConfigurationRead(this, offset, readData);                                                             \
	}                                                                                                              \
	void IOPCIDevice::ConfigurationWrite##bits(uint64_t offset, uint##bits##_t data)                               \
	{                                                                                                              \
		ConfigurationWrite(this, offset, data);                                                                \
	}

DEFINE_CONFIGURATION_ACCESS(8)
DEFINE_CONFIGURATION_ACCESS(16)
DEFINE_CONFIGURATION_ACCESS(32)

/* ---- memory ---- */

/* The mapping to use directly, or NULL for the kernel. */
static uint8_t *Direct(const IOPCIDevice_IVars *ivars, uint8_t memoryIndex, IOOptionBits options)
{
	if (ivars->throughKernel || (options & kIOPCIAccessLatencyTolerantHint))
		return nullptr;
	return ivars->memory[memoryIndex].address;
}

template <class T>
static void MemoryRead(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset, T *readData, IOOptionBits options)
{
	if (memoryIndex >= device->ivars->nrMemory) {
		*readData = static_cast<T>(-1);
		return;
	}
	uint8_t *address = Direct(device->ivars, memoryIndex, options);
	if (address) {
		*readData = *reinterpret_cast<volatile T *>(address + offset);
		return;
	}
	KernelCall call(MW_PCI_MEMORY_READ, {ServiceID(device), memoryIndex, offset, sizeof(T)});
	*readData = call.send() == kIOReturnSuccess ? static_cast<T>(call.a(0)) : static_cast<T>(-1);
}

template <class T>
static void MemoryWrite(IOPCIDevice *device, uint8_t memoryIndex, uint64_t offset, T data, IOOptionBits options)
{
	if (memoryIndex >= device->ivars->nrMemory)
		return;
	uint8_t *address = Direct(device->ivars, memoryIndex, options);
	if (address)
		*reinterpret_cast<volatile T *>(address + offset) = data;
	else
		KernelCall(MW_PCI_MEMORY_WRITE, {ServiceID(device), memoryIndex, offset, sizeof(T), data}).send();
}

#define DEFINE_MEMORY_ACCESS(bits)                                                                                     \
	void IOPCIDevice::MemoryRead##bits(uint8_t memoryIndex, uint64_t offset, uint##bits##_t *readData,             \
					   IOOptionBits options)                                                       \
	{                                                                                                              \
		MemoryRead(this, memoryIndex, offset, readData, options);                                              \
	}                                                                                                              \
	void IOPCIDevice::MemoryRead##bits(uint8_t memoryIndex, uint64_t offset, uint##bits##_t *readData)             \
	{                                                                                                              \
		MemoryRead(this, memoryIndex, offset, readData, 0);                                                    \
	}                                                                                                              \
	void IOPCIDevice::MemoryWrite##bits(uint8_t memoryIndex, uint64_t offset, uint##bits##_t data,                 \
					    IOOptionBits options)                                                      \
	{                                                                                                              \
		MemoryWrite(this, memoryIndex, offset, data, options);                                                 \
	}                                                                                                              \
	void IOPCIDevice::MemoryWrite##bits(uint8_t memoryIndex, uint64_t offset, uint##bits##_t data)                 \
	{                                                                                                              \
		MemoryWrite(this, memoryIndex, offset, data, 0);                                                       \
	}

DEFINE_MEMORY_ACCESS(8)
DEFINE_MEMORY_ACCESS(16)
DEFINE_MEMORY_ACCESS(32)
DEFINE_MEMORY_ACCESS(64)

kern_return_t IOPCIDevice::GetBARInfo(uint8_t barIndex, uint8_t *memoryIndex, uint64_t *barSize, uint8_t *barType,
				      OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOPCIDevice_GetBARInfo_ID, barIndex, memoryIndex, barSize, barType);
}

kern_return_t IOPCIDevice::GetBARInfo_Impl(uint8_t barIndex, uint8_t *memoryIndex, uint64_t *barSize, uint8_t *barType)
{
	KernelCall call(MW_PCI_BAR_INFO, {ServiceID(this), barIndex});
	IOReturn ret = call.send();

	if (ret != kIOReturnSuccess)
		return ret;
	if (memoryIndex)
		*memoryIndex = static_cast<uint8_t>(call.a(0));
	if (barSize)
		*barSize = call.a(1);
	if (barType)
		*barType = static_cast<uint8_t>(call.a(2));
	return kIOReturnSuccess;
}

kern_return_t IOPCIDevice::_CopyDeviceMemoryWithIndex(uint64_t memoryIndex, IOMemoryDescriptor **returnMemory,
						      IOService *forClient, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOPCIDevice__CopyDeviceMemoryWithIndex_ID, memoryIndex, returnMemory,
			forClient);
}

kern_return_t IOPCIDevice::_CopyDeviceMemoryWithIndex_Impl(uint64_t memoryIndex, IOMemoryDescriptor **returnMemory,
							   IOService *forClient)
{
	KernelCall call(MW_PCI_COPY_MEMORY, {ServiceID(this), memoryIndex, ServiceID(forClient)});
	IOReturn ret = call.send();

	if (ret == kIOReturnSuccess)
		*returnMemory = DescriptorForID(call.a(0));
	return ret;
}

/* ---- capabilities ---- */

kern_return_t IOPCIDevice::FindPCICapability(uint32_t capabilityID, uint64_t searchOffset,
					     uint64_t *foundCapabilityOffset, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOPCIDevice_FindPCICapability_ID, capabilityID, searchOffset,
			foundCapabilityOffset);
}

/* The first capability with this number behind the one at `after`, 0 = from the start; 0 = none. */
static uint64_t Search(IOPCIDevice *device, uint32_t id, uint64_t after, uint64_t at, bool extended)
{
	for (unsigned n = 0; at && !(at & 3) && n < kCapabilitiesMax; n++) {
		uint32_t header;

		device->ConfigurationRead32(at, &header);
		if (id == (extended ? header & 0xffff : header & 0xff)) {
			if (!after)
				return at;
			if (at == after)
				after = 0;
		}
		at = extended ? header >> 20 : header >> 8 & 0xff;
		if (extended && at < 0x100)
			return 0;
	}
	return 0;
}

kern_return_t IOPCIDevice::FindPCICapability_Impl(uint32_t capabilityID, uint64_t searchOffset,
						  uint64_t *foundCapabilityOffset)
{
	uint16_t status;
	uint8_t first;

	*foundCapabilityOffset = 0;
	ConfigurationRead16(kIOPCIConfigurationOffsetStatus, &status);
	if (status == 0xffff || !(status & kIOPCIStatusCapabilities))
		return kIOReturnNotFound;
	ConfigurationRead8(kIOPCIConfigurationOffsetCapabilitiesPtr, &first);
	if (capabilityID < 0x100)
		*foundCapabilityOffset = Search(this, capabilityID, searchOffset, first, false);
	else if (Search(this, kIOPCICapabilityIDPCIExpress, 0, first, false))
		*foundCapabilityOffset = Search(this, -capabilityID, searchOffset, 0x100, true);
	return *foundCapabilityOffset ? kIOReturnSuccess : kIOReturnNotFound;
}

/* ---- the rest is the kernel's ---- */

kern_return_t IOPCIDevice::GetBusDeviceFunction(uint8_t *returnBusNumber, uint8_t *returnDeviceNumber,
						uint8_t *returnFunctionNumber, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOPCIDevice_GetBusDeviceFunction_ID, returnBusNumber, returnDeviceNumber,
			returnFunctionNumber);
}

kern_return_t IOPCIDevice::GetBusDeviceFunction_Impl(uint8_t *returnBusNumber, uint8_t *returnDeviceNumber,
						     uint8_t *returnFunctionNumber)
{
	KernelCall call(MW_PCI_BDF, {ServiceID(this)});
	IOReturn ret = call.send();

	if (ret != kIOReturnSuccess)
		return ret;
	if (returnBusNumber)
		*returnBusNumber = static_cast<uint8_t>(call.a(0));
	if (returnDeviceNumber)
		*returnDeviceNumber = static_cast<uint8_t>(call.a(1));
	if (returnFunctionNumber)
		*returnFunctionNumber = static_cast<uint8_t>(call.a(2));
	return kIOReturnSuccess;
}

kern_return_t IOPCIDevice::ConfigureInterrupts(uint32_t interruptType, uint32_t numRequired, uint32_t numRequested,
					       IOOptionBits options, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOPCIDevice_ConfigureInterrupts_ID, interruptType, numRequired, numRequested,
			options);
}

kern_return_t IOPCIDevice::ConfigureInterrupts_Impl(uint32_t interruptType, uint32_t numRequired, uint32_t numRequested,
						    IOOptionBits options)
{
	return KernelCall(MW_PCI_CONFIGURE_IRQS, {ServiceID(this), interruptType, numRequired, numRequested, options})
		.send();
}

kern_return_t IOPCIDevice::Reset(IOOptionBits type, IOOptionBits options, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOPCIDevice_Reset_ID, type, options);
}

kern_return_t IOPCIDevice::Reset_Impl(IOOptionBits type, IOOptionBits options)
{
	return KernelCall(MW_PCI_RESET, {ServiceID(this), type, options}).send();
}
