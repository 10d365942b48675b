/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory.cpp - memory descriptors, their mappings, and DMA commands.  What they describe is the kernel's. */
#include "runtime.h"
#include "class.h"

#include <sys/mman.h>
#include <unistd.h>

static const size_t kGuard = 0x4000;

/* ---- mappings ---- */

bool Mapping::map(int fd, uint64_t offset, uint64_t bytes, bool readOnly)
{
	size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
	uint64_t delta = offset % page;
	size_t body = static_cast<size_t>((delta + bytes + page - 1) / page * page);
	size_t total = body + 2 * kGuard;
	void *reserved = mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!bytes || reserved == MAP_FAILED) {
		if (reserved != MAP_FAILED)
			munmap(reserved, total);
		return false;
	}
	uint8_t *inner = static_cast<uint8_t *>(reserved) + kGuard;
	int access = PROT_READ | (readOnly ? 0 : PROT_WRITE);
	if (mmap(inner, body, access, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(offset - delta)) == MAP_FAILED) {
		munmap(reserved, total);
		return false;
	}
	base = reserved;
	span = total;
	address = inner + delta;
	length = bytes;
	return true;
}

void Mapping::unmap()
{
	if (base)
		munmap(base, span);
	*this = Mapping();
}

struct IOMemoryMap_IVars {
	Mapping mapping;
	uint64_t offset;
};

OSDefineClass(IOMemoryMap, OSObject);
OSDefineDispatchNothing(IOMemoryMap);

bool IOMemoryMap::init()
{
	ivars = new IOMemoryMap_IVars();
	return super::init();
}

void IOMemoryMap::free()
{
	ivars->mapping.unmap();
	delete ivars;
	super::free();
}

uint64_t IOMemoryMap::GetAddress()
{
	return reinterpret_cast<uint64_t>(ivars->mapping.address);
}

uint64_t IOMemoryMap::GetLength()
{
	return ivars->mapping.length;
}

uint64_t IOMemoryMap::GetOffset()
{
	return ivars->offset;
}

/* ---- descriptors ---- */

struct IOMemoryDescriptor_IVars {
	uint64_t id; /* one kernel reference */
};

OSDefineClass(IOMemoryDescriptor, OSObject);

kern_return_t IOMemoryDescriptor::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	if (rpc.msgid == IOMemoryDescriptor_CreateMapping_ID)
		return OSInvokeImpl(self, rpc, &IOMemoryDescriptor::CreateMapping_Impl);
	return super::_Dispatch(self, rpc);
}

bool IOMemoryDescriptor::init()
{
	ivars = new IOMemoryDescriptor_IVars();
	return super::init();
}

void IOMemoryDescriptor::free()
{
	if (ivars->id)
		KernelCall(MW_MD_RELEASE, {ivars->id}).post();
	delete ivars;
	super::free();
}

uint64_t DescriptorID(IOMemoryDescriptor *descriptor)
{
	return descriptor ? descriptor->ivars->id : 0;
}

IOMemoryDescriptor *DescriptorForID(uint64_t id)
{
	IOMemoryDescriptor *descriptor;

	if (!id)
		return nullptr;
	descriptor = OSTypeAlloc(IOMemoryDescriptor);
	descriptor->init();
	descriptor->ivars->id = id;
	return descriptor;
}

kern_return_t IOMemoryDescriptor::GetLength(uint64_t *returnLength)
{
	KernelCall call(MW_MD_LENGTH, {ivars->id});
	IOReturn ret = call.send();

	if (ret == kIOReturnSuccess)
		*returnLength = call.a(0);
	return ret;
}

static IOReturn MapDescriptor(uint64_t id, uint64_t options, uint64_t offset, uint64_t length, Mapping &mapping)
{
	KernelCall call(MW_MD_MAP, {id, options, offset, length});
	IOReturn ret = call.send();
	int fd;

	if (ret != kIOReturnSuccess)
		return ret;
	fd = call.takeFd();
	if (fd < 0)
		DriverKitViolation("a mapping without memory", id);
	ret = mapping.map(fd, call.a(0), call.a(1), call.a(2)) ? kIOReturnSuccess : kIOReturnError;
	close(fd);
	return ret;
}

kern_return_t IOMemoryDescriptor::CreateMapping(uint64_t options, uint64_t address, uint64_t offset, uint64_t length,
						uint64_t alignment, IOMemoryMap **map, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOMemoryDescriptor_CreateMapping_ID, options, address, offset, length,
			alignment, map);
}

/* A fixed address is refused: where the dext has room is not known to anyone but its process. */
kern_return_t IOMemoryDescriptor::CreateMapping_Impl(uint64_t options, uint64_t, uint64_t offset, uint64_t length,
						     uint64_t, IOMemoryMap **map)
{
	IOMemoryMap *made;
	IOReturn ret;

	if (options & kIOMemoryMapFixedAddress)
		return kIOReturnError;
	switch (options & 0xff00) {
	case kIOMemoryMapCacheModeDefault:
	case kIOMemoryMapCacheModeInhibit:
	case kIOMemoryMapCacheModeCopyback:
	case kIOMemoryMapCacheModeWriteThrough:
	case kIOMemoryMapCacheModeRealTime:
		break;
	default:
		return kIOReturnBadArgument;
	}
	made = OSTypeAlloc(IOMemoryMap);
	made->init();
	made->ivars->offset = offset;
	ret = MapDescriptor(ivars->id, options, offset, length, made->ivars->mapping);
	if (ret != kIOReturnSuccess) {
		made->release();
		return ret;
	}
	*map = made;
	return kIOReturnSuccess;
}

static IOReturn TakeDescriptor(KernelCall &call, IOReturn ret, IOMemoryDescriptor **memory)
{
	if (ret != kIOReturnSuccess)
		return ret;
	*memory = DescriptorForID(call.a(0));
	return *memory ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t IOMemoryDescriptor::CreateSubMemoryDescriptor(uint64_t memoryDescriptorCreateOptions, uint64_t offset,
							    uint64_t length, IOMemoryDescriptor *ofDescriptor,
							    IOMemoryDescriptor **memory)
{
	if (!ofDescriptor)
		return kIOReturnBadArgument;
	KernelCall call(MW_MD_SUB, {ofDescriptor->ivars->id, memoryDescriptorCreateOptions, offset, length});
	return TakeDescriptor(call, call.send(), memory);
}

kern_return_t IOMemoryDescriptor::CreateWithMemoryDescriptors(uint64_t memoryDescriptorCreateOptions,
							      uint32_t withDescriptorsCount,
							      IOMemoryDescriptor *const withDescriptors[32],
							      IOMemoryDescriptor **memory)
{
	uint64_t ids[32];

	if (withDescriptorsCount > 32)
		return kIOReturnOverrun;
	for (uint32_t i = 0; i < withDescriptorsCount; i++)
		ids[i] = DescriptorID(withDescriptors[i]);
	KernelCall call(MW_MD_CONCAT, {memoryDescriptorCreateOptions});
	return TakeDescriptor(call, call.send(ids, withDescriptorsCount * sizeof(ids[0])), memory);
}

/* ---- buffers ---- */

struct IOBufferMemoryDescriptor_IVars {
	std::mutex mutex;
	std::vector<Mapping> mappings; /* the last is current; earlier ones may still be in use */
};

OSDefineClass(IOBufferMemoryDescriptor, IOMemoryDescriptor);

kern_return_t IOBufferMemoryDescriptor::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	if (rpc.msgid == IOBufferMemoryDescriptor_SetLength_ID)
		return OSInvokeImpl(self, rpc, &IOBufferMemoryDescriptor::SetLength_Impl);
	return super::_Dispatch(self, rpc);
}

kern_return_t IOBufferMemoryDescriptor::Create(uint64_t options, uint64_t capacity, uint64_t alignment,
					       IOBufferMemoryDescriptor **memory)
{
	KernelCall call(MW_MD_BUFFER, {options, capacity, alignment});
	IOReturn ret = call.send();

	if (ret != kIOReturnSuccess)
		return ret;
	IOBufferMemoryDescriptor *made = OSTypeAlloc(IOBufferMemoryDescriptor);
	made->init();
	made->IOMemoryDescriptor::ivars->id = call.a(0);
	*memory = made;
	return kIOReturnSuccess;
}

bool IOBufferMemoryDescriptor::init()
{
	ivars = new IOBufferMemoryDescriptor_IVars();
	return super::init();
}

void IOBufferMemoryDescriptor::free()
{
	for (Mapping &mapping : ivars->mappings)
		mapping.unmap();
	delete ivars;
	super::free();
}

kern_return_t IOBufferMemoryDescriptor::GetAddressRange(IOAddressSegment *range)
{
	std::lock_guard<std::mutex> hold(ivars->mutex);
	uint64_t length = 0;
	IOReturn ret = GetLength(&length);

	if (ret != kIOReturnSuccess)
		return ret;
	if (ivars->mappings.empty() || ivars->mappings.back().length < length) {
		Mapping mapping;
		ret = MapDescriptor(DescriptorID(this), 0, 0, 0, mapping);
		if (ret != kIOReturnSuccess)
			return ret;
		ivars->mappings.push_back(mapping);
	}
	range->address = reinterpret_cast<uint64_t>(ivars->mappings.back().address);
	range->length = length;
	return kIOReturnSuccess;
}

kern_return_t IOBufferMemoryDescriptor::SetLength(uint64_t length, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOBufferMemoryDescriptor_SetLength_ID, length);
}

kern_return_t IOBufferMemoryDescriptor::SetLength_Impl(uint64_t length)
{
	return KernelCall(MW_MD_SET_LENGTH, {DescriptorID(this), length}).send();
}

/* ---- DMA commands ---- */

struct IODMACommand_IVars {
	uint64_t id;
	std::mutex mutex;
	IOMemoryDescriptor *memory; /* of the preparation; retained */
};

OSDefineClass(IODMACommand, OSObject);

kern_return_t IODMACommand::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case IODMACommand_PrepareForDMA_ID:
		return OSInvokeImpl(self, rpc, &IODMACommand::PrepareForDMA_Impl);
	case IODMACommand_CompleteDMA_ID:
		return OSInvokeImpl(self, rpc, &IODMACommand::CompleteDMA_Impl);
	case IODMACommand_GetPreparation_ID:
		return OSInvokeImpl(self, rpc, &IODMACommand::GetPreparation_Impl);
	}
	return super::_Dispatch(self, rpc);
}

kern_return_t IODMACommand::Create(IOService *device, uint64_t options, const IODMACommandSpecification *specification,
				   IODMACommand **command)
{
	if (!device || !specification)
		return kIOReturnBadArgument;
	KernelCall call(MW_DMA_CREATE,
			{ServiceID(device), options, specification->options, specification->maxAddressBits});
	IOReturn ret = call.send();
	if (ret != kIOReturnSuccess)
		return ret;
	IODMACommand *made = OSTypeAlloc(IODMACommand);
	made->init();
	made->ivars->id = call.a(0);
	*command = made;
	return kIOReturnSuccess;
}

bool IODMACommand::init()
{
	ivars = new IODMACommand_IVars();
	return super::init();
}

void IODMACommand::free()
{
	if (ivars->id)
		KernelCall(MW_DMA_RELEASE, {ivars->id}).post();
	OSSafeReleaseNULL(ivars->memory);
	delete ivars;
	super::free();
}

kern_return_t IODMACommand::PrepareForDMA(uint64_t options, IOMemoryDescriptor *memory, uint64_t offset,
					  uint64_t length, uint64_t *flags, uint32_t *segmentsCount,
					  IOAddressSegment segments[32], OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IODMACommand_PrepareForDMA_ID, options, memory, offset, length, flags,
			segmentsCount, segments);
}

kern_return_t IODMACommand::PrepareForDMA_Impl(uint64_t options, IOMemoryDescriptor *memory, uint64_t offset,
					       uint64_t length, uint64_t *flags, uint32_t *segmentsCount,
					       IOAddressSegment *segments)
{
	std::lock_guard<std::mutex> hold(ivars->mutex);

	if (*segmentsCount > 32)
		return kIOReturnOverrun;
	KernelCall call(MW_DMA_PREPARE, {ivars->id, options, DescriptorID(memory), offset, length, *segmentsCount});
	IOReturn ret = call.send();
	if (ret != kIOReturnSuccess)
		return ret;
	uint64_t count = call.a(1);
	if (count > *segmentsCount || call.bytes() != count * sizeof(segments[0]))
		DriverKitViolation("more DMA segments than asked for", count);
	memcpy(segments, call.payload(), call.bytes());
	*segmentsCount = static_cast<uint32_t>(count);
	if (flags)
		*flags = call.a(0);
	memory->retain();
	OSSafeReleaseNULL(ivars->memory);
	ivars->memory = memory;
	return kIOReturnSuccess;
}

kern_return_t IODMACommand::CompleteDMA(uint64_t options, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IODMACommand_CompleteDMA_ID, options);
}

kern_return_t IODMACommand::CompleteDMA_Impl(uint64_t options)
{
	std::lock_guard<std::mutex> hold(ivars->mutex);
	IOReturn ret = KernelCall(MW_DMA_COMPLETE, {ivars->id, options}).send();

	if (ret == kIOReturnSuccess)
		OSSafeReleaseNULL(ivars->memory);
	return ret;
}

kern_return_t IODMACommand::GetPreparation(uint64_t *offset, uint64_t *length, IOMemoryDescriptor **memory,
					   OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IODMACommand_GetPreparation_ID, offset, length, memory);
}

kern_return_t IODMACommand::GetPreparation_Impl(uint64_t *offset, uint64_t *length, IOMemoryDescriptor **memory)
{
	std::lock_guard<std::mutex> hold(ivars->mutex);
	KernelCall call(MW_DMA_PREPARATION, {ivars->id});
	IOReturn ret = call.send();

	if (ret != kIOReturnSuccess)
		return ret;
	if (offset)
		*offset = call.a(0);
	if (length)
		*length = call.a(1);
	if (memory) {
		*memory = ivars->memory;
		if (ivars->memory)
			ivars->memory->retain();
	}
	return kIOReturnSuccess;
}
