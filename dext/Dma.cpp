/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping is one IODMACommand over one descriptor of client memory: the
 * mapper puts all its ranges into one block of IOVAs, provided their edges are
 * page-aligned, which dma_batch.c has checked.
 */
#include <DriverKit/IODMACommand.h>

#include "Device.h"

/* Tries until the mapper happens to return an aligned block. */
#define ALIGN_ATTEMPTS 4

/* Wiring memory answers with raw Mach codes (mach/kern_return.h), which DriverKit has no names for. */
enum { MACH_INVALID_ADDRESS = 1, MACH_PROTECTION_FAILURE = 2 };

struct Mapping {
	IODMACommand *command; /* holds the descriptor */
	uint64_t iova;
};

/* The one translation of platform codes into answers. */
static enum vfa_status status_of(IOReturn ret)
{
	switch (ret) {
	case kIOReturnSuccess:
		return VFA_OK;
	case kIOReturnNoResources:
	case kIOReturnNoSpace:
	case kIOReturnNoMemory:
		return VFA_E_NO_SPACE;
	case kIOReturnCannotWire:
	case kIOReturnVMError:
	case kIOReturnNotWritable:
	case MACH_PROTECTION_FAILURE:
	case MACH_INVALID_ADDRESS:
		return VFA_E_BAD_RANGE;
	case kIOReturnNotReady:
	case kIOReturnOffline:
	case kIOReturnNoDevice:
		return VFA_E_GONE;
	default:
		return VFA_E_PLATFORM;
	}
}

static enum vfa_status refused(Device *dev, IOReturn ret)
{
	dev->last_error = ret;
	return status_of(ret);
}

/* Too few segment slots are not an error for the platform, so what came back is measured. */
static bool is_one_block(const Device *dev, const IOAddressSegment *segments, uint32_t count, uint64_t length)
{
	return count == 1 && segments[0].length == length && segments[0].address % dev->info.dma_page == 0 &&
	       segments[0].address >= dev->info.iova_first && segments[0].address <= dev->info.iova_last &&
	       length - 1 <= dev->info.iova_last - segments[0].address;
}

/* length 0: the whole descriptor. */
static enum vfa_status prepare(Device *dev, IOMemoryDescriptor *memory, uint64_t part, uint64_t length, Mapping *out)
{
	static const IODMACommandSpecification specification = {
		.options = kIODMACommandSpecificationNoOptions,
		.maxAddressBits = 64,
		._resv = {},
	};
	IOAddressSegment segments[VFA_MAX_RANGES] = {};
	uint32_t count = VFA_MAX_RANGES;
	uint64_t flags = 0;
	IOReturn ret;

	ret = IODMACommand::Create(dev->pci, kIODMACommandCreateNoOptions, &specification, &out->command);
	if (ret != kIOReturnSuccess)
		return refused(dev, ret);
	ret = out->command->PrepareForDMA(kIODMACommandPrepareForDMANoOptions, memory, 0, part, &flags, &count,
					  segments);
	if (ret != kIOReturnSuccess) {
		OSSafeReleaseNULL(out->command);
		return refused(dev, ret);
	}
	if (!is_one_block(dev, segments, count, length)) {
		DEVICE_LOG(dev, "mapper gave %u segments from 0x%llx for %llu bytes: refused", count,
			   (unsigned long long)segments[0].address, (unsigned long long)length);
		out->command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
		OSSafeReleaseNULL(out->command);
		return refused(dev, kIOReturnDMAError);
	}
	out->iova = segments[0].address;
	return VFA_OK;
}

static void complete(Mapping *mapping)
{
	if (!mapping->command)
		return;
	mapping->command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
	OSSafeReleaseNULL(mapping->command);
}

/* 0 means "none" to too many drivers to be an address. */
static bool suits(uint64_t iova, uint64_t residue, uint64_t mask)
{
	return iova != 0 && !((iova - residue) & mask);
}

/*
 * Nobody can ask the mapper for an address.  But most allocators hand out the
 * first gap, so a block that just fills the gap up to the next suitable
 * address, held while mapping again, makes the next one land there.  Fillers
 * map the client's own pages and are gone before the IOVA is told to anyone.
 */
static enum vfa_status prepare_aligned(Device *dev, IOMemoryDescriptor *memory, const vfa_dma_parsed *map, Mapping *out)
{
	uint64_t mask = ((uint64_t)1 << map->op.align) - 1, residue = map->op.residue * (uint64_t)dev->info.dma_page;
	Mapping held[ALIGN_ATTEMPTS] = {};
	enum vfa_status status = prepare(dev, memory, 0, map->length, out);

	for (unsigned i = 0; status == VFA_OK && !suits(out->iova, residue, mask) && i < ALIGN_ATTEMPTS; i++) {
		uint64_t gap = (residue - out->iova) & mask;

		if (gap == 0)
			gap = dev->info.dma_page;
		if (gap < map->length) {
			complete(out);
			status = prepare(dev, memory, gap, gap, &held[i]);
		} else {
			held[i] = *out;
			*out = {};
		}
		if (status == VFA_OK)
			status = prepare(dev, memory, 0, map->length, out);
	}
	for (Mapping &mapping : held)
		complete(&mapping);
	if (status != VFA_OK)
		return status;
	if (out->iova == 0)
		status = refused(dev, kIOReturnDMAError);
	else if ((out->iova - residue) & mask && map->op.flags & VFA_DMA_ALIGN_REQUIRED)
		status = VFA_E_NOT_ALIGNED;
	if (status != VFA_OK)
		complete(out);
	return status;
}

/*
 * Always in and out: a read-only descriptor of copy-on-write memory would make
 * the platform copy it, and the device would see the copy.
 */
static enum vfa_status map(Device *dev, VFIOUserPCIUserClient *client, const vfa_dma_parsed *request,
			   struct vfa_dma_result *result)
{
	IOAddressSegment ranges[VFA_MAX_RANGES];
	IOMemoryDescriptor *memory = nullptr;
	Mapping mapping = {};
	enum vfa_status status;
	IOReturn ret;

	status = vfa_dma_table_reserve(&dev->dma, request->length, &result->handle);
	if (status != VFA_OK)
		return status;

	for (unsigned i = 0; i < request->op.nr_ranges; i++)
		ranges[i] = {request->ranges[i].address, request->ranges[i].length};
	ret = client->CreateMemoryDescriptorFromClient(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite,
						       request->op.nr_ranges, ranges, &memory);
	if (ret == kIOReturnNoMemory) /* here: more pages than the Mac has */
		ret = kIOReturnVMError;
	status = ret == kIOReturnSuccess ? prepare_aligned(dev, memory, request, &mapping) : refused(dev, ret);
	OSSafeReleaseNULL(memory);
	if (status != VFA_OK) {
		vfa_dma_table_cancel(&dev->dma, result->handle);
		result->handle = 0;
		return status;
	}
	vfa_dma_table_commit(&dev->dma, result->handle, mapping.command, mapping.iova);
	result->iova = mapping.iova;
	result->length = request->length;
	return VFA_OK;
}

static enum vfa_status unmap(Device *dev, uint64_t handle, struct vfa_dma_result *result)
{
	Mapping mapping = {};

	mapping.command =
		static_cast<IODMACommand *>(vfa_dma_table_remove(&dev->dma, handle, &result->iova, &result->length));
	if (!mapping.command)
		return VFA_E_BAD_HANDLE;
	result->handle = handle;
	complete(&mapping);
	return VFA_OK;
}

/* Unmapping stays possible during a reset: bus master is off then. */
static enum vfa_status perform(Device *dev, VFIOUserPCIUserClient *client, const vfa_dma_parsed *request,
			       struct vfa_dma_result *result)
{
	if (request->op.op == VFA_DMA_UNMAP)
		return unmap(dev, request->op.handle, result);
	return dev->resetting ? VFA_E_BUSY : map(dev, client, request, result);
}

IOReturn device_dma_submit(Device *dev, VFIOUserPCIUserClient *client, const void *data, size_t bytes,
			   struct vfa_dma_results *results)
{
	struct vfa_dma_batch_reader reader;
	vfa_dma_parsed request;

	*results = {};
	if (!vfa_dma_batch_open(&reader, data, bytes, dev->info.dma_page))
		return kIOReturnBadArgument;
	while (reader.left) {
		struct vfa_dma_result *result = &results->result[results->count++];
		enum vfa_status status = vfa_dma_batch_next(&reader, &request);

		if (status == VFA_OK)
			status = perform(dev, client, &request, result);
		result->status = status;
	}
	return kIOReturnSuccess;
}

uint64_t device_dma_complete_all(Device *dev)
{
	uint64_t completed = 0;
	uint32_t cursor = 0;
	Mapping mapping;

	while ((mapping.command = static_cast<IODMACommand *>(vfa_dma_table_pop(&dev->dma, &cursor)))) {
		complete(&mapping);
		completed++;
	}
	return completed;
}
