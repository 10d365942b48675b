/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue.cpp - IODispatchQueue: a serial FIFO with a thread, started by the first block. */
#include "runtime.h"
#include "class.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <stdio.h>
#include <thread>

namespace
{

/* The thread shares it with the queue object: either may go first. */
struct QueueState {
	std::mutex mutex;
	std::condition_variable wake;
	std::deque<IODispatchBlock> blocks; /* each one copied */
	std::string name;
	bool started = false;
	bool cancelled = false; /* nothing more is accepted */
	bool gone = false;      /* the thread ends when it has run what is there */
};

thread_local QueueState *currentQueue;

void QueueThread(std::shared_ptr<QueueState> state)
{
	currentQueue = state.get();
	for (;;) {
		IODispatchBlock block;
		{
			std::unique_lock<std::mutex> hold(state->mutex);
			state->wake.wait(hold, [&] { return !state->blocks.empty() || state->gone; });
			if (state->blocks.empty())
				return;
			block = state->blocks.front();
			state->blocks.pop_front();
		}
		block();
		Block_release(block);
	}
}

/* With the mutex held. */
void Append(const std::shared_ptr<QueueState> &state, IODispatchBlock block)
{
	state->blocks.push_back(Block_copy(block));
	if (!state->started) {
		state->started = true;
		std::thread(QueueThread, state).detach();
	}
	state->wake.notify_one();
}

bool Enqueue(const std::shared_ptr<QueueState> &state, IODispatchBlock block)
{
	std::lock_guard<std::mutex> hold(state->mutex);

	if (state->cancelled)
		return false;
	Append(state, block);
	return true;
}

} // namespace

struct IODispatchQueue_IVars {
	std::shared_ptr<QueueState> state = std::make_shared<QueueState>();
};

OSDefineClass(IODispatchQueue, OSObject);
OSDefineDispatchNothing(IODispatchQueue);

kern_return_t IODispatchQueue::Create(const IODispatchQueueName name, uint64_t options, uint64_t priority,
				      IODispatchQueue **queue)
{
	if ((options & ~uint64_t(kIODispatchQueueMethodsNotSynchronized)) || priority)
		return kIOReturnUnsupported;
	IODispatchQueue *made = OSTypeAlloc(IODispatchQueue);
	if (!made->init()) {
		made->release();
		return kIOReturnNoMemory;
	}
	made->ivars->state->name = name ? name : "";
	*queue = made;
	return kIOReturnSuccess;
}

bool IODispatchQueue::init()
{
	ivars = new IODispatchQueue_IVars;
	return super::init();
}

void IODispatchQueue::free()
{
	{
		std::lock_guard<std::mutex> hold(ivars->state->mutex);
		ivars->state->gone = true;
		ivars->state->wake.notify_one();
	}
	delete ivars;
	super::free();
}

bool IODispatchQueue::OnQueue()
{
	return currentQueue == ivars->state.get();
}

const char *IODispatchQueue::GetName()
{
	return ivars->state->name.c_str();
}

kern_return_t IODispatchQueue::Cancel(IODispatchQueueCancelHandler handler)
{
	std::lock_guard<std::mutex> hold(ivars->state->mutex);

	if (ivars->state->cancelled)
		return kIOReturnNotReady;
	ivars->state->cancelled = true;
	if (handler)
		Append(ivars->state, handler);
	return kIOReturnSuccess;
}

void IODispatchQueue::DispatchAsync(IODispatchBlock block)
{
	if (!Enqueue(ivars->state, block))
		IOLog("DriverKit: queue %s is cancelled and drops a block", GetName());
}

void IODispatchQueue::DispatchAsync_f(void *context, IODispatchFunction function)
{
	DispatchAsync(^{
	  function(context);
	});
}

void IODispatchQueue::DispatchSync(IODispatchBlock block)
{
	std::mutex mutex;
	std::condition_variable finished;
	__block bool done = false;
	std::mutex *lock = &mutex;
	std::condition_variable *signal = &finished;

	if (OnQueue()) {
		IOLog("DriverKit: DispatchSync on queue %s from itself never returns", GetName());
		abort();
	}
	bool accepted = Enqueue(ivars->state, ^{
	  block();
	  std::lock_guard<std::mutex> hold(*lock);
	  done = true;
	  signal->notify_one();
	});
	if (!accepted) {
		IOLog("DriverKit: queue %s is cancelled and drops a block", GetName());
		return;
	}
	std::unique_lock<std::mutex> hold(mutex);
	while (!done)
		finished.wait(hold);
}

void IODispatchQueue::DispatchSync_f(void *context, IODispatchFunction function)
{
	DispatchSync(^{
	  function(context);
	});
}

kern_return_t IODispatchQueue::RunAction(IODispatchAction action)
{
	__block kern_return_t result = kIOReturnNotReady;

	DispatchSync(^{
	  result = action();
	});
	return result;
}

bool QueueEnqueue(IODispatchQueue *queue, IODispatchBlock block)
{
	return Enqueue(queue->ivars->state, block);
}
