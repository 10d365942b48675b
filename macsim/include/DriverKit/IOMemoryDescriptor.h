/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IOMemoryDescriptor.iig, IOUserServer.cpp 663 on (US), iig's array limits (IIG).  A client
 * descriptor made without kIOMemoryDisableCopyOnWrite maps as a private snapshot; a direction-Out one maps read-only,
 * but never a buffer for the dext that made it (US 703, 928); every failure to map is kIOReturnError.  More than 32 descriptors: kIOReturnOverrun before anything is sent.
 */
#ifndef _DRIVERKIT_IOMEMORYDESCRIPTOR_H
#define _DRIVERKIT_IOMEMORYDESCRIPTOR_H

#include <DriverKit/OSObject.h>

class IOService;
class IOMemoryMap;

enum {
	kIOMemoryDirectionNone = 0x00000000,
	kIOMemoryDirectionIn = 0x00000001,
	kIOMemoryDirectionOut = 0x00000002,
	kIOMemoryDirectionOutIn = kIOMemoryDirectionIn | kIOMemoryDirectionOut,
	kIOMemoryDirectionInOut = kIOMemoryDirectionOutIn,
	kIOMemoryDisableCopyOnWrite = 0x00000010,
};

enum {
	kIOMemoryMapFixedAddress = 0x00000001,
	kIOMemoryMapReadOnly = 0x00000002,
	kIOMemoryMapGuardedMask = 0x0000001C,
	kIOMemoryMapGuardedDefault = 0x00000000,
	kIOMemoryMapGuardedNone = 0x00000004,
	kIOMemoryMapGuardedSmall = 0x00000008,
	kIOMemoryMapGuardedLarge = 0x0000000C,
	kIOMemoryMapCacheModeDefault = 0x00000000,
	kIOMemoryMapCacheModeInhibit = 0x00000100,
	kIOMemoryMapCacheModeCopyback = 0x00000200,
	kIOMemoryMapCacheModeWriteThrough = 0x00000400,
	kIOMemoryMapCacheModeRealTime = 0x00000800,
};

struct IOAddressSegment {
	uint64_t address;
	uint64_t length;
};

#define IOMemoryDescriptor_CreateMapping_ID OSMethodID("IOMemoryDescriptor::CreateMapping")
#define IOMemoryDescriptor_CreateMapping_Args                                                                          \
	uint64_t options, uint64_t address, uint64_t offset, uint64_t length, uint64_t alignment, IOMemoryMap **map

class IOMemoryDescriptor : public OSObject
{
	OSDeclareClass(IOMemoryDescriptor, OSObject);

public:
	bool init() override;
	void free() override;
	kern_return_t GetLength(uint64_t *returnLength);
	kern_return_t CreateMapping(uint64_t options, uint64_t address, uint64_t offset, uint64_t length,
				    uint64_t alignment, IOMemoryMap **map, OSDispatchMethod supermethod = NULL);
	static kern_return_t CreateSubMemoryDescriptor(uint64_t memoryDescriptorCreateOptions, uint64_t offset,
						       uint64_t length, IOMemoryDescriptor *ofDescriptor,
						       IOMemoryDescriptor **memory);
	static kern_return_t CreateWithMemoryDescriptors(uint64_t memoryDescriptorCreateOptions,
							 uint32_t withDescriptorsCount,
							 IOMemoryDescriptor *const withDescriptors[32],
							 IOMemoryDescriptor **memory);

protected:
	kern_return_t CreateMapping_Impl(IOMemoryDescriptor_CreateMapping_Args);
};

#endif
