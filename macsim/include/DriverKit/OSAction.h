/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/OSAction.iig.  An action is either made here (CreateAction<Method>, then target and
 * message are known) or belongs to a client's asynchronous call (then it only carries completions to that client).
 */
#ifndef _DRIVERKIT_OSACTION_H
#define _DRIVERKIT_OSACTION_H

#include <DriverKit/OSObject.h>

typedef void (^OSActionCancelHandler)(void);
typedef void (^OSActionAbortedHandler)(void);
class OSString;

class OSAction : public OSObject
{
	OSDeclareClass(OSAction, OSObject);
public:
	static kern_return_t Create(OSObject *target, uint64_t targetmsgid, uint64_t msgid, size_t referenceSize,
				    OSAction **action);
	bool init() override;
	void free() override;
	void *GetReference();
	kern_return_t Cancel(OSActionCancelHandler handler);
	kern_return_t SetAbortedHandler(OSActionAbortedHandler handler);
};

#endif
