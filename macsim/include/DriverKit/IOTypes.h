/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: xnu iokit/DriverKit/IOTypes.h, the DriverKit half. */
#ifndef _DRIVERKIT_IOTYPES_H
#define _DRIVERKIT_IOTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <DriverKit/IOReturn.h>

typedef uint32_t IOOptionBits;
typedef int32_t IOFixed;
typedef uint32_t IOVersion;
typedef uint32_t IOItemCount;
typedef uint32_t IOCacheMode;
typedef uint64_t IOByteCount;
typedef uint64_t IOPhysicalAddress;
typedef uint64_t IOPhysicalLength;
typedef uint64_t IOVirtualAddress;

#endif
