/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ContractDriver.cpp - lifecycle, interrupts and timers of contract.h. */
#include <os/log.h>
#include <DriverKit/DriverKit.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "ContractDriver.h"
#include "contract.h"
#include "dmatest_regs.h"

struct ContractDriver_IVars {
	IOPCIDevice *device;
	uint64_t start[START_RESULTS];
	IODispatchQueue *queue; /* interrupts and timers */
	/* only touched on that queue */
	uint64_t deliveries, interrupts;
	bool fired;
};

bool ContractDriver::init()
{
	if (!super::init())
		return false;
	ivars = IONewZero(ContractDriver_IVars, 1);
	return ivars != NULL;
}

void ContractDriver::free()
{
	OSSafeReleaseNULL(ivars->device);
	OSSafeReleaseNULL(ivars->queue);
	IOSafeDeleteNULL(ivars, ContractDriver_IVars, 1);
	super::free();
}

static void Look(ContractDriver *driver, IOPCIDevice *device, uint64_t *r)
{
	uint8_t bus = 0, number = 0, function = 0;
	uint32_t value = 0;
	uint16_t command = 0;

	device->ConfigurationRead32(0, &value);
	r[START_CONFIG_CLOSED] = value;
	device->MemoryRead32(0, 0, &value);
	r[START_MEMORY_CLOSED] = value;
	r[START_OPEN] = (uint32_t)device->Open(driver, 0);
	r[START_OPEN_AGAIN] = (uint32_t)device->Open(driver, 0);
	device->ConfigurationRead32(0, &value);
	r[START_CONFIG_OPEN] = value;
	device->ConfigurationRead16(kIOPCIConfigurationOffsetCommand, &command);
	r[START_COMMAND] = command;
	device->GetBusDeviceFunction(&bus, NULL, NULL);
	device->GetBusDeviceFunction(NULL, &number, &function);
	r[START_BUS] = bus;
	r[START_DEVICE] = number;
	r[START_FUNCTION] = function;
	device->ConfigurationWrite16(kIOPCIConfigurationOffsetCommand,
				     command | kIOPCICommandMemorySpace | kIOPCICommandBusLead);
}

kern_return_t IMPL(ContractDriver, Start)
{
	IODispatchQueue *queue = NULL;
	kern_return_t ret = Start(provider, SUPERDISPATCH);

	if (ret != kIOReturnSuccess)
		return ret;
	ivars->device = OSDynamicCast(IOPCIDevice, provider);
	if (!ivars->device || OSDynamicCast(IOUserClient, provider) || provider != GetProvider())
		return kIOReturnNoDevice;
	ivars->device->retain();
	Look(this, ivars->device, ivars->start);
	ret = CopyDispatchQueue(kIOServiceDefaultQueueName, &queue);
	if (ret != kIOReturnSuccess)
		return ret;
	ivars->start[START_ON_QUEUE] = queue->OnQueue();
	queue->release();
	ret = IODispatchQueue::Create("ContractInterrupts", 0, 0, &ivars->queue);
	if (ret != kIOReturnSuccess)
		return ret;
	/* Not visible before Start has succeeded. */
	ivars->start[START_REGISTER] = (uint32_t)RegisterService();
	return kIOReturnSuccess;
}

kern_return_t IMPL(ContractDriver, Stop)
{
	if (ivars->device)
		ivars->device->Close(this, 0);
	return Stop(provider, SUPERDISPATCH);
}

kern_return_t IMPL(ContractDriver, NewUserClient)
{
	IOService *client = NULL;
	kern_return_t ret;

	if (type)
		return kIOReturnUnsupported;
	ret = Create(this, "ContractClientProperties", &client);
	if (ret != kIOReturnSuccess)
		return ret;
	*userClient = OSDynamicCast(IOUserClient, client);
	return kIOReturnSuccess;
}

IOPCIDevice *ContractDriver::GetDevice()
{
	return ivars->device;
}

void ContractDriver::CopyStart(uint64_t *results)
{
	memcpy(results, ivars->start, sizeof(ivars->start));
}

void ContractDriver::BadCreates(uint64_t *out)
{
	IOService *client = NULL;

	out[0] = (uint32_t)Create(this, "NoSuchKey", &client);
	out[1] = (uint32_t)Create(ivars->device, "ContractClientProperties", &client);
	out[2] = (uint32_t)Create(this, "NoIOClass", &client);
	out[3] = (uint32_t)Create(this, "NoSuchClass", &client);
	out[4] = client != NULL;
}

/* ---- interrupts ---- */

void IMPL(ContractDriver, InterruptOccurred)
{
	ivars->deliveries++;
	ivars->interrupts += count;
	if (*static_cast<uint64_t *>(action->GetReference()) != 0x5ca1ab1e || !time || !ivars->queue->OnQueue())
		ivars->interrupts = ~0ull;
}

/* A source that calls InterruptOccurred; the action is the source's from here on. */
static kern_return_t MakeSource(ContractDriver *driver, IOPCIDevice *device, IODispatchQueue *queue, uint64_t index,
				IOInterruptDispatchSource **source)
{
	OSAction *action = NULL;
	kern_return_t ret = IOInterruptDispatchSource::Create(device, static_cast<uint32_t>(index), queue, source);

	if (ret != kIOReturnSuccess)
		return ret;
	ret = driver->CreateActionInterruptOccurred(sizeof(uint64_t), &action);
	if (ret == kIOReturnSuccess) {
		*static_cast<uint64_t *>(action->GetReference()) = 0x5ca1ab1e;
		ret = (*source)->SetHandler(action);
		action->release();
	}
	return ret;
}

void ContractDriver::Source(uint64_t *out, uint64_t index)
{
	IOInterruptDispatchSource *source = NULL;
	uint64_t type = 0;

	out[0] = (uint32_t)IOInterruptDispatchSource::Create(ivars->device, static_cast<uint32_t>(index), ivars->queue,
							     &source);
	out[1] = (uint32_t)IOInterruptDispatchSource::GetInterruptType(ivars->device, static_cast<uint32_t>(index),
								       &type);
	out[2] = type;
	OSSafeReleaseNULL(source);
}

/* dmatest raises vector 0 until IRQ_DONE has caught up with IRQ_TEST. */
static void Raise(IOPCIDevice *device, uint64_t times)
{
	uint32_t test = 0, done = 0;

	device->MemoryRead32(0, DMATEST_IRQ_TEST(0), &test);
	test += static_cast<uint32_t>(times);
	device->MemoryWrite32(0, DMATEST_IRQ_TEST(0), test);
	for (int i = 0; i < 500 && done != test; i++) {
		IOSleep(10);
		device->MemoryRead32(0, DMATEST_IRQ_DONE(0), &done);
	}
}

void ContractDriver::Interrupts(uint64_t *out, uint64_t index, uint64_t raise)
{
	IOInterruptDispatchSource *source = NULL;
	ContractDriver_IVars *state = ivars;
	uint64_t count = 0, time = 0;

	ivars->queue->DispatchSync(^{
	  state->deliveries = state->interrupts = 0;
	});
	out[0] = (uint32_t)MakeSource(this, ivars->device, ivars->queue, index, &source);
	if (out[0] == kIOReturnSuccess) {
		/* Born disabled: these are not delivered one by one. */
		source->SetEnable(true);
		ivars->queue->DispatchSync(^{
		  Raise(state->device, raise);
		});
		for (int i = 0; i < 500; i++) {
			__block uint64_t seen = 0;
			ivars->queue->DispatchSync(^{
			  seen = state->interrupts;
			});
			if (seen >= raise)
				break;
			IOSleep(10);
		}
		source->GetLastInterrupt(&count, &time);
	}
	out[1] = ivars->deliveries;
	out[2] = ivars->interrupts;
	out[3] = count;
	OSSafeReleaseNULL(source);
}

void ContractDriver::Cancel(uint64_t *out, uint64_t index)
{
	IOInterruptDispatchSource *source = NULL;
	__block bool ran = false;

	out[0] = (uint32_t)MakeSource(this, ivars->device, ivars->queue, index, &source);
	if (out[0] != kIOReturnSuccess)
		return;
	IODispatchQueue *queue = ivars->queue;
	__block bool on_queue = false;
	out[1] = (uint32_t)source->Cancel(^{
	  on_queue = queue->OnQueue();
	  ran = true;
	});
	out[2] = (uint32_t)source->SetEnable(true);
	for (int i = 0; i < 500; i++) {
		__block bool seen = false;
		queue->DispatchSync(^{
		  seen = ran;
		});
		if (seen)
			break;
		IOSleep(10);
	}
	out[3] = ran && on_queue;
	source->release();
}

/* ---- timers ---- */

void IMPL(ContractDriver, TimerOccurred)
{
	(void)action;
	ivars->fired = time <= mach_absolute_time();
}

void ContractDriver::Timer(uint64_t *out, uint64_t milliseconds)
{
	IOTimerDispatchSource *timer = NULL;
	ContractDriver_IVars *state = ivars;
	mach_timebase_info_data_t base;
	__block bool fired = false;
	OSAction *action = NULL;
	uint64_t begin = mach_absolute_time();

	mach_timebase_info(&base);
	ivars->fired = false;
	IOTimerDispatchSource::Create(ivars->queue, &timer);
	CreateActionTimerOccurred(0, &action);
	timer->SetHandler(action);
	timer->WakeAtTime(kIOTimerClockMachAbsoluteTime, begin + milliseconds * 1000000 * base.denom / base.numer, 0);
	for (int i = 0; i < 1000 && !fired; i++) {
		IOSleep(1);
		ivars->queue->DispatchSync(^{
		  fired = state->fired;
		});
	}
	out[0] = fired;
	out[1] = (mach_absolute_time() - begin) * base.numer / base.denom / 1000000;
	timer->Cancel(NULL);
	timer->release();
	action->release();
}
