/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <DriverKit/IOLib.h>
#include <DriverKit/IOUserClient.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "Device.h"

struct VFIOUserPCIDriver_IVars {
	Device *device;
	IOPCIDevice *pci; /* not NULL: opened */
	bool started;
};

bool VFIOUserPCIDriver::init()
{
	if (!super::init())
		return false;
	ivars = IONewZero(VFIOUserPCIDriver_IVars, 1);
	if (!ivars)
		return false;
	ivars->device = IONewZero(Device, 1);
	return ivars->device != nullptr;
}

void VFIOUserPCIDriver::free()
{
	if (ivars) {
		if (ivars->device)
			device_free(ivars->device);
		IOSafeDeleteNULL(ivars->device, Device, 1);
		OSSafeReleaseNULL(ivars->pci);
	}
	IOSafeDeleteNULL(ivars, VFIOUserPCIDriver_IVars, 1);
	super::free();
}

struct Device *VFIOUserPCIDriver::GetDevice()
{
	return ivars->device;
}

/*
 * The session is opened in the name of this service, not of a user client:
 * only then does the platform find it again after a crash, and silences and
 * resets the device by itself.
 */
kern_return_t IMPL(VFIOUserPCIDriver, Start)
{
	IOPCIDevice *pci;
	kern_return_t ret;

	ret = Start(provider, SUPERDISPATCH);
	if (ret != kIOReturnSuccess)
		return ret;
	pci = OSDynamicCast(IOPCIDevice, provider);
	if (!pci)
		return kIOReturnNoDevice;
	ret = pci->Open(this);
	if (ret != kIOReturnSuccess) {
		IOLog("VFIOUserPCIDriver: a PCI function cannot be opened (0x%08x): another driver uses it\n",
		      (unsigned)ret);
		return ret;
	}
	pci->retain();
	ivars->pci = pci;

	ret = device_start(ivars->device, this, pci);
	if (ret == kIOReturnSuccess)
		ret = RegisterService();
	if (ret != kIOReturnSuccess) {
		DEVICE_LOG(ivars->device, "not started: 0x%08x", (unsigned)ret);
		pci->Close(this);
		return ret;
	}
	ivars->started = true;
	DEVICE_LOG(ivars->device, "%04x:%04x ready, %u interrupt vectors", ivars->device->info.vendor,
		   ivars->device->info.device_id, ivars->device->nr_vectors);
	return kIOReturnSuccess;
}

/*
 * Comes before the Stop of the user clients, and on unplugging after the
 * platform has already taken the session away.  The device is silent when
 * device_stop() returns; what is left to end asynchronously ends in the block.
 */
kern_return_t IMPL(VFIOUserPCIDriver, Stop)
{
	if (!ivars->started)
		return Stop(provider, SUPERDISPATCH);
	retain();
	provider->retain();
	device_stop(ivars->device);
	device_drain(ivars->device, ^{
	  ivars->pci->Close(this);
	  Stop(provider, SUPERDISPATCH);
	  provider->release();
	  release();
	});
	return kIOReturnSuccess;
}

kern_return_t IMPL(VFIOUserPCIDriver, NewUserClient)
{
	IOService *client = nullptr;
	kern_return_t ret;

	if (type != 0)
		return kIOReturnBadArgument;
	ret = Create(this, "UserClientProperties", &client);
	if (ret != kIOReturnSuccess)
		return ret;
	*userClient = OSDynamicCast(IOUserClient, client);
	if (!*userClient) {
		client->release();
		return kIOReturnError;
	}
	return kIOReturnSuccess;
}

void IMPL(VFIOUserPCIDriver, InterruptOccurred)
{
	uint32_t vector;

	(void)time;
	memcpy(&vector, action->GetReference(), sizeof(vector));
	device_interrupt(ivars->device, vector, count);
}
