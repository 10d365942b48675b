/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IODispatchQueue.iig and its documentation.  A queue is a serial FIFO with a thread of
 * its own.  DispatchSync on the queue one is running on deadlocks, as on a Mac.  Not here: Sleep/Wakeup,
 * DispatchConcurrent, which need a reentrant queue.
 */
#ifndef _DRIVERKIT_IODISPATCHQUEUE_H
#define _DRIVERKIT_IODISPATCHQUEUE_H

#include <DriverKit/OSObject.h>
#include <DriverKit/OSAction.h>
#include <DriverKit/IODispatchSource.h>

typedef void (^IODispatchBlock)(void);
typedef void (*IODispatchFunction)(void *context);
typedef kern_return_t (^IODispatchAction)(void);
typedef void (^IODispatchQueueCancelHandler)(void);

enum {
	kIODispatchQueueReentrant = 0x00000001,
	kIODispatchQueueMethodsNotSynchronized = 0x00000002,
};

class IODispatchQueue : public OSObject
{
	OSDeclareClass(IODispatchQueue, OSObject);
public:
	static kern_return_t Create(const IODispatchQueueName name, uint64_t options, uint64_t priority,
				    IODispatchQueue **queue);
	bool init() override;
	void free() override;
	bool OnQueue();
	const char *GetName();
	kern_return_t Cancel(IODispatchQueueCancelHandler handler);
	void DispatchAsync(IODispatchBlock block);
	void DispatchAsync_f(void *context, IODispatchFunction function);
	void DispatchSync(IODispatchBlock block);
	void DispatchSync_f(void *context, IODispatchFunction function);
	kern_return_t RunAction(IODispatchAction action);
};

#endif
