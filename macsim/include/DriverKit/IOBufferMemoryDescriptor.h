/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IOBufferMemoryDescriptor.iig, IOUserServer.cpp 902 (US).  The length is 0 until
 * SetLength; option bits other than the direction are BadArgument.
 */
#ifndef _DRIVERKIT_IOBUFFERMEMORYDESCRIPTOR_H
#define _DRIVERKIT_IOBUFFERMEMORYDESCRIPTOR_H

#include <DriverKit/IOMemoryDescriptor.h>

#define IOBufferMemoryDescriptor_SetLength_ID   OSMethodID("IOBufferMemoryDescriptor::SetLength")
#define IOBufferMemoryDescriptor_SetLength_Args uint64_t length

class IOBufferMemoryDescriptor : public IOMemoryDescriptor
{
	OSDeclareClass(IOBufferMemoryDescriptor, IOMemoryDescriptor);

public:
	static kern_return_t Create(uint64_t options, uint64_t capacity, uint64_t alignment,
				    IOBufferMemoryDescriptor **memory);
	bool init() override;
	void free() override;
	kern_return_t GetAddressRange(IOAddressSegment *range);
	kern_return_t SetLength(uint64_t length, OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t SetLength_Impl(IOBufferMemoryDescriptor_SetLength_Args);
};

#endif
