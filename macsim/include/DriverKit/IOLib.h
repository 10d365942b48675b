/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocation, time, locks and logging.  Source: developer.apple.com DriverKit
 * documentation of IOLib.h; the implementation is closed.  mach_absolute_time
 * counts Apple Silicon's 24 MHz ticks (timebase 125/3), so that code which
 * forgets to convert shows up.
 */
#ifndef _DRIVERKIT_IOLIB_H
#define _DRIVERKIT_IOLIB_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <DriverKit/IOTypes.h>

#ifdef __cplusplus
extern "C" {
#endif

void *IOMalloc(size_t length);
void *IOMallocZero(size_t length);
void IOFree(void *address, size_t length);
void IOSleep(uint64_t milliseconds);
void IODelay(uint64_t microseconds);
int IOLog(const char *format, ...) __attribute__((format(printf, 1, 2)));
int IOLogv(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
void IOLogBuffer(const char *title, const void *buffer, size_t size);

extern uint64_t IOVMPageSize;

typedef struct mach_timebase_info {
	uint32_t numer;
	uint32_t denom;
} mach_timebase_info_data_t;
typedef mach_timebase_info_data_t *mach_timebase_info_t;
uint64_t mach_absolute_time(void);
uint64_t mach_continuous_time(void);
kern_return_t mach_timebase_info(mach_timebase_info_t info);

typedef struct IOLock IOLock;
IOLock *IOLockAlloc(void);
void IOLockFree(IOLock *lock);
void IOLockLock(IOLock *lock);
bool IOLockTryLock(IOLock *lock);
void IOLockUnlock(IOLock *lock);

typedef struct IORecursiveLock IORecursiveLock;
IORecursiveLock *IORecursiveLockAlloc(void);
void IORecursiveLockFree(IORecursiveLock *lock);
void IORecursiveLockLock(IORecursiveLock *lock);
bool IORecursiveLockTryLock(IORecursiveLock *lock);
void IORecursiveLockUnlock(IORecursiveLock *lock);

#ifdef __cplusplus
}
#endif

#define IONew(type, count)     ((type *)IOMalloc(sizeof(type) * (count)))
#define IONewZero(type, count) ((type *)IOMallocZero(sizeof(type) * (count)))
#define IODelete(ptr, type, count)                                                                                     \
	do {                                                                                                           \
		IOFree((ptr), sizeof(type) * (count));                                                                 \
	} while (0)
#define IOSafeDeleteNULL(ptr, type, count)                                                                             \
	do {                                                                                                           \
		if ((ptr) != NULL) {                                                                                   \
			IOFree((ptr), sizeof(type) * (count));                                                         \
			(ptr) = NULL;                                                                                  \
		}                                                                                                      \
	} while (0)

#ifndef OSSafeReleaseNULL
#define OSSafeReleaseNULL(inst)                                                                                        \
	do {                                                                                                           \
		if ((inst) != NULL) {                                                                                  \
			(inst)->release();                                                                             \
			(inst) = NULL;                                                                                 \
		}                                                                                                      \
	} while (0)
#endif

#endif
