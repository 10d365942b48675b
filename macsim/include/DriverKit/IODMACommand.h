/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IODMACommand.iig, IOUserServer.cpp 948-1090 (US), IODMACommand.cpp (DC), iig's array
 * limits (IIG).  The mapper alone picks the address.  Slots: 0 is BadArgument, above 32 Overrun, too few silently give
 * a prefix: add up the lengths.  Releasing the command completes it.
 */
#ifndef _DRIVERKIT_IODMACOMMAND_H
#define _DRIVERKIT_IODMACOMMAND_H

#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOService.h>

enum {
	kIODMACommandCreateNoOptions = 0,
};
enum {
	kIODMACommandPrepareForDMANoOptions = 0,
};
enum {
	kIODMACommandCompleteDMANoOptions = 0,
};
enum {
	kIODMACommandSpecificationNoOptions = 0,
};

struct IODMACommandSpecification {
	uint64_t options;
	uint64_t maxAddressBits;
	uint64_t _resv[16];
};
static_assert(sizeof(struct IODMACommandSpecification) == 144, "layout of xnu's IODMACommand.iig");

#define IODMACommand_PrepareForDMA_ID  OSMethodID("IODMACommand::PrepareForDMA")
#define IODMACommand_CompleteDMA_ID    OSMethodID("IODMACommand::CompleteDMA")
#define IODMACommand_GetPreparation_ID OSMethodID("IODMACommand::GetPreparation")
#define IODMACommand_PrepareForDMA_Args                                                                                \
	uint64_t options, IOMemoryDescriptor *memory, uint64_t offset, uint64_t length, uint64_t *flags,               \
		uint32_t *segmentsCount, IOAddressSegment *segments
#define IODMACommand_CompleteDMA_Args    uint64_t options
#define IODMACommand_GetPreparation_Args uint64_t *offset, uint64_t *length, IOMemoryDescriptor **memory

class IODMACommand : public OSObject
{
	OSDeclareClass(IODMACommand, OSObject);

public:
	static kern_return_t Create(IOService *device, uint64_t options, const IODMACommandSpecification *specification,
				    IODMACommand **command);
	bool init() override;
	void free() override;
	kern_return_t PrepareForDMA(uint64_t options, IOMemoryDescriptor *memory, uint64_t offset, uint64_t length,
				    uint64_t *flags, uint32_t *segmentsCount, IOAddressSegment segments[32],
				    OSDispatchMethod supermethod = NULL);
	kern_return_t CompleteDMA(uint64_t options, OSDispatchMethod supermethod = NULL);
	kern_return_t GetPreparation(uint64_t *offset, uint64_t *length, IOMemoryDescriptor **memory,
				     OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t PrepareForDMA_Impl(IODMACommand_PrepareForDMA_Args);
	kern_return_t CompleteDMA_Impl(IODMACommand_CompleteDMA_Args);
	kern_return_t GetPreparation_Impl(IODMACommand_GetPreparation_Args);
};

#endif
