/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IOInterruptDispatchSource.iig, IOUserServer.cpp 1448 on (US).  Born disabled.  The
 * handler runs on the source's queue with the number of interrupts since the last delivery: they coalesce.  Bad index:
 * NoInterrupt.  After Cancel, SetEnable is Unsupported.  Cancel is asynchronous: release the source in its block.
 */
#ifndef _DRIVERKIT_IOINTERRUPTDISPATCHSOURCE_H
#define _DRIVERKIT_IOINTERRUPTDISPATCHSOURCE_H

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IOService.h>

enum {
	kIOInterruptDispatchSourceTypeEdge = 0x00000000,
	kIOInterruptDispatchSourceTypeLevel = 0x00000001,
};

enum {
	kIOInterruptSourceIndexMask = 0x0000FFFF,
	kIOInterruptSourceAbsoluteTime = 0x00000000,
	kIOInterruptSourceContinuousTime = 0x00010000,
};

#define IOInterruptDispatchSource_SetHandler_ID          OSMethodID("IOInterruptDispatchSource::SetHandler")
#define IOInterruptDispatchSource_GetLastInterrupt_ID    OSMethodID("IOInterruptDispatchSource::GetLastInterrupt")
#define IOInterruptDispatchSource_InterruptOccurred_ID   OSMethodID("IOInterruptDispatchSource::InterruptOccurred")
#define IOInterruptDispatchSource_SetHandler_Args        OSAction *action
#define IOInterruptDispatchSource_GetLastInterrupt_Args  uint64_t *count, uint64_t *time
#define IOInterruptDispatchSource_InterruptOccurred_Args OSAction *action, uint64_t count, uint64_t time

class IOInterruptDispatchSource : public IODispatchSource
{
	OSDeclareClass(IOInterruptDispatchSource, IODispatchSource);

public:
	static kern_return_t Create(IOService *provider, uint32_t index, IODispatchQueue *queue,
				    IOInterruptDispatchSource **source);
	static kern_return_t GetInterruptType(IOService *provider, uint32_t index, uint64_t *interruptType);
	bool init() override;
	void free() override;
	kern_return_t SetHandler(OSAction *action, OSDispatchMethod supermethod = NULL);
	kern_return_t GetLastInterrupt(uint64_t *count, uint64_t *time, OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t SetHandler_Impl(IOInterruptDispatchSource_SetHandler_Args);
	kern_return_t GetLastInterrupt_Impl(IOInterruptDispatchSource_GetLastInterrupt_Args);
	kern_return_t Cancel_Impl(IODispatchSource_Cancel_Args);
	kern_return_t SetEnableWithCompletion_Impl(IODispatchSource_SetEnableWithCompletion_Args);
};

#endif
