/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping is one IODMACommand over one descriptor of client memory: the
 * mapper puts all its ranges into one block of IOVAs, provided their edges are
 * page-aligned, which dma_batch.c has checked.
 */
#include <DriverKit/IODMACommand.h>

#include "Device.h"

/* Wiring memory answers with raw Mach codes (mach/kern_return.h), which DriverKit has no names for. */
enum { MACH_INVALID_ADDRESS = 1, MACH_PROTECTION_FAILURE = 2 };

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

/* `part`: 0, or as many bytes of a longer descriptor. */
static enum vfa_status prepare(Device *dev, IOMemoryDescriptor *memory, uint64_t part, uint64_t length,
			       struct vfa_block *out)
{
	static const IODMACommandSpecification specification = {
		.options = kIODMACommandSpecificationNoOptions,
		.maxAddressBits = 64,
		._resv = {},
	};
	IOAddressSegment segments[VFA_MAX_RANGES] = {};
	IODMACommand *command = nullptr;
	uint32_t count = VFA_MAX_RANGES;
	uint64_t flags = 0;
	IOReturn ret;

	ret = IODMACommand::Create(dev->pci, kIODMACommandCreateNoOptions, &specification, &command);
	if (ret != kIOReturnSuccess)
		return refused(dev, ret);
	ret = command->PrepareForDMA(kIODMACommandPrepareForDMANoOptions, memory, 0, part, &flags, &count, segments);
	if (ret != kIOReturnSuccess) {
		OSSafeReleaseNULL(command);
		return refused(dev, ret);
	}
	if (!is_one_block(dev, segments, count, length)) {
		DEVICE_LOG(dev, "mapper gave %u segments from 0x%llx for %llu bytes: refused", count,
			   (unsigned long long)segments[0].address, (unsigned long long)length);
		command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
		OSSafeReleaseNULL(command);
		return refused(dev, kIOReturnDMAError);
	}
	*out = {command, segments[0].address, length};
	return VFA_OK;
}

static void complete(IODMACommand *command)
{
	command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
	OSSafeReleaseNULL(command);
}

/* ---- the mapper, as vfa_place() wants it ---- */

struct Request {
	Device *dev;
	VFIOUserPCIUserClient *client;
	const vfa_dma_parsed *parsed;
	IOMemoryDescriptor *memory; /* of it, without padding */
};

/*
 * Always in and out: a read-only descriptor of copy-on-write memory would make
 * the platform copy it, and the device would see the copy.
 */
static IOReturn describe(VFIOUserPCIUserClient *client, const struct vfa_dma_range *ranges, unsigned count,
			 IOMemoryDescriptor **memory)
{
	IOAddressSegment segments[VFA_MAX_RANGES];
	IOReturn ret;

	for (unsigned i = 0; i < count; i++)
		segments[i] = {ranges[i].address, ranges[i].length};
	ret = client->CreateMemoryDescriptorFromClient(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite, count,
						       segments, memory);
	return ret == kIOReturnNoMemory ? kIOReturnVMError : ret; /* here: more pages than the Mac has */
}

static enum vfa_status map_request(void *context, uint64_t before, uint64_t after, struct vfa_block *out)
{
	Request *request = static_cast<Request *>(context);
	const vfa_dma_parsed *parsed = request->parsed;
	struct vfa_dma_range ranges[VFA_MAX_RANGES];
	IOMemoryDescriptor *padded = nullptr;
	enum vfa_status status;
	unsigned count;
	IOReturn ret;

	if (!before && !after)
		return prepare(request->dev, request->memory, 0, parsed->length, out);
	count = vfa_padded_ranges(parsed, before, after, ranges);
	if (!count)
		return VFA_E_NO_SPACE;
	ret = describe(request->client, ranges, count, &padded);
	if (ret != kIOReturnSuccess)
		return refused(request->dev, ret);
	status = prepare(request->dev, padded, 0, before + parsed->length + after, out);
	OSSafeReleaseNULL(padded);
	return status;
}

static enum vfa_status map_part(void *context, uint64_t length, struct vfa_block *out)
{
	Request *request = static_cast<Request *>(context);

	return prepare(request->dev, request->memory, length, length, out);
}

static void unmap_block(void *context, struct vfa_block *block)
{
	(void)context;
	complete(static_cast<IODMACommand *>(block->command));
}

static const struct vfa_mapper mapper = {map_request, map_part, unmap_block};

static struct vfa_wish wish_of(const Device *dev, const vfa_dma_parsed *map)
{
	uint64_t page = dev->info.dma_page, modulus = (uint64_t)1 << map->op.align;
	struct vfa_wish wish = {};

	wish.length = map->length;
	wish.modulus = modulus < page ? page : modulus;
	wish.residue = map->op.residue * page & (wish.modulus - 1);
	wish.required = map->op.flags & VFA_DMA_ALIGN_REQUIRED;
	wish.filler_max = vfa_dma_table_spare(&dev->dma);
	wish.padding_max = vfa_dma_table_padding_max(&dev->dma, map->length);
	wish.padding_room = vfa_padding_room(map);
	return wish;
}

/* ---- operations ---- */

static enum vfa_status place(Device *dev, VFIOUserPCIUserClient *client, const vfa_dma_parsed *parsed,
			     struct vfa_placed *placed)
{
	struct vfa_wish wish = wish_of(dev, parsed);
	Request request = {dev, client, parsed, nullptr};
	enum vfa_status status;
	IOReturn ret;

	ret = describe(client, parsed->ranges, parsed->op.nr_ranges, &request.memory);
	if (ret != kIOReturnSuccess)
		return refused(dev, ret);
	status = vfa_place(&dev->placement, &mapper, &request, &wish, placed);
	OSSafeReleaseNULL(request.memory);
	dev->align_attempts += placed->calls - 1;
	if (status != VFA_OK)
		return status;
	if (placed->aligned)
		return VFA_OK;
	dev->misaligned++;
	if (!wish.required)
		return VFA_OK;
	unmap_block(&request, &placed->block);
	return VFA_E_NOT_ALIGNED;
}

static enum vfa_status map(Device *dev, VFIOUserPCIUserClient *client, const vfa_dma_parsed *request,
			   struct vfa_dma_result *result)
{
	struct vfa_placed placed;
	enum vfa_status status;

	status = vfa_dma_table_reserve(&dev->dma, request->length, &result->handle);
	if (status != VFA_OK)
		return status;
	status = place(dev, client, request, &placed);
	if (status != VFA_OK) {
		vfa_dma_table_cancel(&dev->dma, result->handle);
		result->handle = 0;
		return status;
	}
	result->iova = placed.block.iova + placed.before;
	result->length = request->length;
	vfa_dma_table_commit(&dev->dma, result->handle, placed.block.command, result->iova,
			     (uint32_t)(placed.block.length - request->length));
	return VFA_OK;
}

static enum vfa_status unmap(Device *dev, uint64_t handle, struct vfa_dma_result *result)
{
	void *command = vfa_dma_table_remove(&dev->dma, handle, &result->iova, &result->length);

	if (!command)
		return VFA_E_BAD_HANDLE;
	result->handle = handle;
	complete(static_cast<IODMACommand *>(command));
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
	dev->submit_calls++;
	dev->operations += reader.left;
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
	void *command;

	while ((command = vfa_dma_table_pop(&dev->dma, &cursor))) {
		complete(static_cast<IODMACommand *>(command));
		completed++;
	}
	return completed;
}
