/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: xnu iokit/DriverKit/IOMemoryMap.iig.  The last release unmaps. */
#ifndef _DRIVERKIT_IOMEMORYMAP_H
#define _DRIVERKIT_IOMEMORYMAP_H

#include <DriverKit/OSObject.h>

class IOMemoryMap : public OSObject
{
	OSDeclareClass(IOMemoryMap, OSObject);

public:
	bool init() override;
	void free() override;
	uint64_t GetAddress();
	uint64_t GetLength();
	uint64_t GetOffset();
};

#endif
