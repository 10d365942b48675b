/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: developer.apple.com documentation of IOTimerDispatchSource.  One shot, re-armed by WakeAtTime; deadline is in
 * mach_absolute_time units, the only clock here.
 */
#ifndef _DRIVERKIT_IOTIMERDISPATCHSOURCE_H
#define _DRIVERKIT_IOTIMERDISPATCHSOURCE_H

#include <DriverKit/IODispatchQueue.h>

enum {
	kIOTimerClockMachAbsoluteTime = 8,
};

#define IOTimerDispatchSource_SetHandler_ID      OSMethodID("IOTimerDispatchSource::SetHandler")
#define IOTimerDispatchSource_WakeAtTime_ID      OSMethodID("IOTimerDispatchSource::WakeAtTime")
#define IOTimerDispatchSource_TimerOccurred_ID   OSMethodID("IOTimerDispatchSource::TimerOccurred")
#define IOTimerDispatchSource_SetHandler_Args    OSAction *action
#define IOTimerDispatchSource_WakeAtTime_Args    uint64_t options, uint64_t deadline, uint64_t leeway
#define IOTimerDispatchSource_TimerOccurred_Args OSAction *action, uint64_t time

class IOTimerDispatchSource : public IODispatchSource
{
	OSDeclareClass(IOTimerDispatchSource, IODispatchSource);

public:
	static kern_return_t Create(IODispatchQueue *queue, IOTimerDispatchSource **source);
	bool init() override;
	void free() override;
	kern_return_t SetHandler(OSAction *action, OSDispatchMethod supermethod = NULL);
	kern_return_t WakeAtTime(uint64_t options, uint64_t deadline, uint64_t leeway,
				 OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t SetHandler_Impl(IOTimerDispatchSource_SetHandler_Args);
	kern_return_t WakeAtTime_Impl(IOTimerDispatchSource_WakeAtTime_Args);
	kern_return_t Cancel_Impl(IODispatchSource_Cancel_Args);
	kern_return_t SetEnableWithCompletion_Impl(IODispatchSource_SetEnableWithCompletion_Args);
};

#endif
