/* SPDX-License-Identifier: GPL-2.0-or-later */
/* source.cpp - dispatch sources: interrupts and timers. */
#include "runtime.h"
#include "class.h"

#include <condition_variable>
#include <memory>
#include <thread>

OSDefineAbstractClass(IODispatchSource, OSTypeID(OSObject));

kern_return_t IODispatchSource::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	if (rpc.msgid == IODispatchSource_SetEnable_ID)
		return OSInvokeImpl(self, rpc, &IODispatchSource::SetEnable_Impl);
	return super::_Dispatch(self, rpc);
}

kern_return_t IODispatchSource::Cancel(IODispatchSourceCancelHandler handler, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IODispatchSource_Cancel_ID, handler);
}

kern_return_t IODispatchSource::SetEnableWithCompletion(bool enable, IODispatchSourceCancelHandler handler,
							OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IODispatchSource_SetEnableWithCompletion_ID, enable, handler);
}

kern_return_t IODispatchSource::SetEnable(bool enable, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IODispatchSource_SetEnable_ID, enable);
}

kern_return_t IODispatchSource::SetEnable_Impl(bool enable)
{
	return SetEnableWithCompletion(enable, nullptr);
}

/* ---- interrupts ---- */

struct IOInterruptDispatchSource_IVars {
	uint64_t id;
	IODispatchQueue *queue; /* retained */
	std::mutex mutex;
	OSAction *action; /* retained */
	uint64_t count;   /* arrived, not yet delivered: what comes while the handler is busy is one delivery */
	uint64_t ticks;   /* of the last one */
	bool queued;
	bool cancelled;
	IODispatchSourceCancelHandler cancelHandler; /* copied */
};

static WeakTable<IOInterruptDispatchSource> sources;
WeakTable<IOInterruptDispatchSource> &gSources = sources;

OSDefineClass(IOInterruptDispatchSource, IODispatchSource);

kern_return_t IOInterruptDispatchSource::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case IOInterruptDispatchSource_SetHandler_ID:
		return OSInvokeImpl(self, rpc, &IOInterruptDispatchSource::SetHandler_Impl);
	case IOInterruptDispatchSource_GetLastInterrupt_ID:
		return OSInvokeImpl(self, rpc, &IOInterruptDispatchSource::GetLastInterrupt_Impl);
	case IODispatchSource_Cancel_ID:
		return OSInvokeImpl(self, rpc, &IOInterruptDispatchSource::Cancel_Impl);
	case IODispatchSource_SetEnableWithCompletion_ID:
		return OSInvokeImpl(self, rpc, &IOInterruptDispatchSource::SetEnableWithCompletion_Impl);
	}
	return super::_Dispatch(self, rpc);
}

kern_return_t IOInterruptDispatchSource::Create(IOService *provider, uint32_t index, IODispatchQueue *queue,
						IOInterruptDispatchSource **source)
{
	if (!provider || !queue)
		return kIOReturnBadArgument;
	KernelCall call(MW_IRQ_CREATE, {ServiceID(provider), index & kIOInterruptSourceIndexMask});
	IOReturn ret = call.send();
	if (ret != kIOReturnSuccess)
		return ret;
	IOInterruptDispatchSource *made = OSTypeAlloc(IOInterruptDispatchSource);
	made->init();
	made->ivars->id = call.a(0);
	made->ivars->queue = queue;
	queue->retain();
	gSources.add(made->ivars->id, made);
	*source = made;
	return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::GetInterruptType(IOService *provider, uint32_t index, uint64_t *interruptType)
{
	KernelCall call(MW_IRQ_TYPE, {ServiceID(provider), index & kIOInterruptSourceIndexMask});
	IOReturn ret = call.send();

	if (ret == kIOReturnSuccess)
		*interruptType = call.a(0);
	return ret;
}

bool IOInterruptDispatchSource::init()
{
	ivars = new IOInterruptDispatchSource_IVars();
	return super::init();
}

void IOInterruptDispatchSource::free()
{
	if (ivars->id) {
		gSources.remove(ivars->id);
		KernelCall(MW_IRQ_RELEASE, {ivars->id}).post();
	}
	if (ivars->cancelHandler)
		Block_release(ivars->cancelHandler);
	OSSafeReleaseNULL(ivars->action);
	OSSafeReleaseNULL(ivars->queue);
	delete ivars;
	super::free();
}

kern_return_t IOInterruptDispatchSource::SetHandler(OSAction *action, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOInterruptDispatchSource_SetHandler_ID, action);
}

kern_return_t IOInterruptDispatchSource::SetHandler_Impl(OSAction *action)
{
	OSAction *old;

	if (action)
		action->retain();
	{
		std::lock_guard<std::mutex> hold(ivars->mutex);
		old = ivars->action;
		ivars->action = action;
	}
	OSSafeReleaseNULL(old);
	return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::GetLastInterrupt(uint64_t *count, uint64_t *time, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOInterruptDispatchSource_GetLastInterrupt_ID, count, time);
}

kern_return_t IOInterruptDispatchSource::GetLastInterrupt_Impl(uint64_t *count, uint64_t *time)
{
	KernelCall call(MW_IRQ_LAST, {ivars->id});
	IOReturn ret = call.send();

	if (ret == kIOReturnSuccess) {
		*count = call.a(0);
		*time = NanosecondsToTicks(call.a(1));
	}
	return ret;
}

kern_return_t IOInterruptDispatchSource::SetEnableWithCompletion_Impl(bool enable,
								      IODispatchSourceCancelHandler handler)
{
	IOReturn ret;
	{
		std::lock_guard<std::mutex> hold(ivars->mutex);
		if (ivars->cancelled)
			return kIOReturnUnsupported;
	}
	ret = KernelCall(MW_IRQ_ENABLE, {ivars->id, enable}).send();
	if (ret == kIOReturnSuccess && handler)
		ivars->queue->DispatchAsync(handler);
	return ret;
}

kern_return_t IOInterruptDispatchSource::Cancel_Impl(IODispatchSourceCancelHandler handler)
{
	{
		std::lock_guard<std::mutex> hold(ivars->mutex);
		if (ivars->cancelled)
			return kIOReturnUnsupported;
		ivars->cancelled = true;
		ivars->cancelHandler = nullptr;
		if (handler)
			ivars->cancelHandler = Block_copy(handler);
	}
	retain(); /* until InterruptCancelled */
	IOReturn ret = KernelCall(MW_IRQ_CANCEL, {ivars->id}).send();
	if (ret != kIOReturnSuccess)
		release();
	return ret;
}

void InterruptCancelled(IOInterruptDispatchSource *source)
{
	IOInterruptDispatchSource_IVars *ivars = source->ivars;
	IODispatchSourceCancelHandler handler;
	{
		std::lock_guard<std::mutex> hold(ivars->mutex);
		handler = ivars->cancelHandler;
		ivars->cancelHandler = nullptr;
	}
	/* Behind the deliveries that are already queued. */
	bool accepted = QueueEnqueue(ivars->queue, ^{
	  if (handler) {
		  handler();
		  Block_release(handler);
	  }
	  source->release();
	});
	if (!accepted)
		source->release();
}

/* The kernel sends the next one after `finished`: what comes while the handler is busy coalesces there. */
void InterruptArrived(IOInterruptDispatchSource *source, uint64_t count, uint64_t ns, void (^finished)(void))
{
	IOInterruptDispatchSource_IVars *ivars = source->ivars;
	OSAction *action;
	{
		std::lock_guard<std::mutex> hold(ivars->mutex);
		action = ivars->action;
		if (action)
			action->retain();
	}
	if (!action) {
		finished();
		return;
	}
	IODispatchQueue *queue = ActionQueue(action, ivars->queue);
	bool accepted = QueueEnqueue(queue, ^{
	  OSAction *target = action;
	  uint64_t number = count, ticks = NanosecondsToTicks(ns);
	  void *const arguments[] = {&target, &number, &ticks};
	  ActionFire(target, arguments);
	  target->release();
	  finished();
	});
	if (!accepted) {
		action->release();
		finished();
	}
	queue->release();
}

/* ---- timers ---- */

namespace
{

/* Shared with the timer's thread, which may outlive the source by a moment. */
struct TimerState {
	std::mutex mutex;
	std::condition_variable changed;
	IODispatchQueue *queue = nullptr; /* retained */
	OSAction *action = nullptr;       /* retained */
	uint64_t deadline = 0;            /* ticks; 0 = not armed */
	bool started = false, enabled = true, cancelled = false;

	~TimerState()
	{
		OSSafeReleaseNULL(action);
		OSSafeReleaseNULL(queue);
	}
};

void FireTimer(const std::shared_ptr<TimerState> &state)
{
	OSAction *action = state->action;
	IODispatchQueue *queue;

	if (!action)
		return;
	action->retain();
	queue = ActionQueue(action, state->queue);
	bool accepted = QueueEnqueue(queue, ^{
	  OSAction *self = action;
	  uint64_t now = mach_absolute_time();
	  void *const arguments[] = {&self, &now};
	  ActionFire(self, arguments);
	  self->release();
	});
	if (!accepted)
		action->release();
	queue->release();
}

void TimerThread(std::shared_ptr<TimerState> state)
{
	std::unique_lock<std::mutex> hold(state->mutex);

	while (!state->cancelled) {
		if (!state->deadline || !state->enabled) {
			state->changed.wait(hold);
			continue;
		}
		uint64_t now = mach_absolute_time();
		if (now >= state->deadline) {
			state->deadline = 0;
			FireTimer(state);
			continue;
		}
		mach_timebase_info_data_t base;
		mach_timebase_info(&base);
		state->changed.wait_for(
			hold, std::chrono::nanoseconds((state->deadline - now) * base.numer / base.denom + 1));
	}
}

} // namespace

struct IOTimerDispatchSource_IVars {
	std::shared_ptr<TimerState> state = std::make_shared<TimerState>();
};

OSDefineClass(IOTimerDispatchSource, IODispatchSource);

kern_return_t IOTimerDispatchSource::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case IOTimerDispatchSource_SetHandler_ID:
		return OSInvokeImpl(self, rpc, &IOTimerDispatchSource::SetHandler_Impl);
	case IOTimerDispatchSource_WakeAtTime_ID:
		return OSInvokeImpl(self, rpc, &IOTimerDispatchSource::WakeAtTime_Impl);
	case IODispatchSource_Cancel_ID:
		return OSInvokeImpl(self, rpc, &IOTimerDispatchSource::Cancel_Impl);
	case IODispatchSource_SetEnableWithCompletion_ID:
		return OSInvokeImpl(self, rpc, &IOTimerDispatchSource::SetEnableWithCompletion_Impl);
	}
	return super::_Dispatch(self, rpc);
}

kern_return_t IOTimerDispatchSource::Create(IODispatchQueue *queue, IOTimerDispatchSource **source)
{
	if (!queue)
		return kIOReturnBadArgument;
	IOTimerDispatchSource *made = OSTypeAlloc(IOTimerDispatchSource);
	made->init();
	made->ivars->state->queue = queue;
	queue->retain();
	*source = made;
	return kIOReturnSuccess;
}

bool IOTimerDispatchSource::init()
{
	ivars = new IOTimerDispatchSource_IVars;
	return super::init();
}

void IOTimerDispatchSource::free()
{
	{
		std::lock_guard<std::mutex> hold(ivars->state->mutex);
		ivars->state->cancelled = true;
		ivars->state->changed.notify_one();
	}
	delete ivars;
	super::free();
}

kern_return_t IOTimerDispatchSource::SetHandler(OSAction *action, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOTimerDispatchSource_SetHandler_ID, action);
}

kern_return_t IOTimerDispatchSource::SetHandler_Impl(OSAction *action)
{
	OSAction *old;

	if (action)
		action->retain();
	{
		std::lock_guard<std::mutex> hold(ivars->state->mutex);
		old = ivars->state->action;
		ivars->state->action = action;
	}
	OSSafeReleaseNULL(old);
	return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::WakeAtTime(uint64_t options, uint64_t deadline, uint64_t leeway,
						OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOTimerDispatchSource_WakeAtTime_ID, options, deadline, leeway);
}

kern_return_t IOTimerDispatchSource::WakeAtTime_Impl(uint64_t options, uint64_t deadline, uint64_t)
{
	std::lock_guard<std::mutex> hold(ivars->state->mutex);

	if (options != kIOTimerClockMachAbsoluteTime)
		return kIOReturnUnsupported;
	if (ivars->state->cancelled)
		return kIOReturnNotReady;
	ivars->state->deadline = deadline ? deadline : 1;
	if (!ivars->state->started) {
		ivars->state->started = true;
		std::thread(TimerThread, ivars->state).detach();
	}
	ivars->state->changed.notify_one();
	return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::SetEnableWithCompletion_Impl(bool enable, IODispatchSourceCancelHandler handler)
{
	std::lock_guard<std::mutex> hold(ivars->state->mutex);

	if (ivars->state->cancelled)
		return kIOReturnUnsupported;
	ivars->state->enabled = enable;
	ivars->state->changed.notify_one();
	if (handler)
		ivars->state->queue->DispatchAsync(handler);
	return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::Cancel_Impl(IODispatchSourceCancelHandler handler)
{
	std::lock_guard<std::mutex> hold(ivars->state->mutex);

	if (ivars->state->cancelled)
		return kIOReturnUnsupported;
	ivars->state->cancelled = true;
	ivars->state->changed.notify_one();
	if (handler)
		ivars->state->queue->DispatchAsync(handler);
	return kIOReturnSuccess;
}
