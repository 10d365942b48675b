/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IOService.iig, IOUserServer.cpp (US): Start and Stop must reach super; RegisterService
 * before Start succeeds is deferred; Create instantiates IOUserClass of the named property and starts it; Terminate
 * with options is Unsupported.  Start of the created object runs inside Create (unconfirmed: the runtime is closed).
 * CopyProperties knows what this service set; power is a single On.
 */
#ifndef _DRIVERKIT_IOSERVICE_H
#define _DRIVERKIT_IOSERVICE_H

#include <DriverKit/OSObject.h>
#include <DriverKit/OSCollections.h>

class IOMemoryDescriptor;
class IOBufferMemoryDescriptor;
class IOUserClient;
class OSAction;

typedef char IOServiceName[128];
typedef char IOPropertyName[128];
typedef char IORegistryPlaneName[128];

enum {
	kIOServiceSearchPropertyParents = 0x00000001,
};

#define kIOServiceDefaultQueueName "Default"

enum {
	kIOServicePowerCapabilityOff = 0x00000000,
	kIOServicePowerCapabilityOn = 0x00000002,
	kIOServicePowerCapabilityLow = 0x00010000,
};

#define IOService_Start_ID              OSMethodID("IOService::Start")
#define IOService_Stop_ID               OSMethodID("IOService::Stop")
#define IOService_ClientCrashed_ID      OSMethodID("IOService::ClientCrashed")
#define IOService_GetRegistryEntryID_ID OSMethodID("IOService::GetRegistryEntryID")
#define IOService_SetName_ID            OSMethodID("IOService::SetName")
#define IOService_RegisterService_ID    OSMethodID("IOService::RegisterService")
#define IOService_SetDispatchQueue_ID   OSObject_SetDispatchQueue_ID
#define IOService_CopyDispatchQueue_ID  OSObject_CopyDispatchQueue_ID
#define IOService_CopyProperties_ID     OSMethodID("IOService::CopyProperties")
#define IOService_SearchProperty_ID     OSMethodID("IOService::SearchProperty")
#define IOService_SetProperties_ID      OSMethodID("IOService::SetProperties")
#define IOService_SetPowerState_ID      OSMethodID("IOService::SetPowerState")
#define IOService_ChangePowerState_ID   OSMethodID("IOService::ChangePowerState")
#define IOService_NewUserClient_ID      OSMethodID("IOService::NewUserClient")
#define IOService_Create_ID             OSMethodID("IOService::Create")
#define IOService_Terminate_ID          OSMethodID("IOService::Terminate")

#define IOService_Start_Args              IOService *provider
#define IOService_Stop_Args               IOService *provider
#define IOService_ClientCrashed_Args      IOService *client, uint64_t options
#define IOService_GetRegistryEntryID_Args uint64_t *registryEntryID
#define IOService_SetName_Args            const char *name
#define IOService_RegisterService_Args
#define IOService_SetDispatchQueue_Args  OSObject_SetDispatchQueue_Args
#define IOService_CopyDispatchQueue_Args OSObject_CopyDispatchQueue_Args
#define IOService_CopyProperties_Args    OSDictionary **properties
#define IOService_SearchProperty_Args    const char *name, const char *plane, uint64_t options, OSContainer **property
#define IOService_SetProperties_Args     OSDictionary *properties
#define IOService_SetPowerState_Args     uint32_t powerFlags
#define IOService_ChangePowerState_Args  uint32_t powerFlags
#define IOService_NewUserClient_Args     uint32_t type, IOUserClient **userClient
#define IOService_Create_Args            IOService *provider, const char *propertiesKey, IOService **result
#define IOService_Terminate_Args         uint64_t options

class IOService : public OSObject
{
	OSDeclareClass(IOService, OSObject);

public:
	bool init() override;
	void free() override;
	kern_return_t Start(IOService *provider, OSDispatchMethod supermethod = NULL);
	kern_return_t Stop(IOService *provider, OSDispatchMethod supermethod = NULL);
	kern_return_t ClientCrashed(IOService *client, uint64_t options, OSDispatchMethod supermethod = NULL);
	kern_return_t GetRegistryEntryID(uint64_t *registryEntryID, OSDispatchMethod supermethod = NULL);
	kern_return_t SetName(const IOServiceName name, OSDispatchMethod supermethod = NULL);
	kern_return_t RegisterService(OSDispatchMethod supermethod = NULL);
	kern_return_t CopyProperties(OSDictionary **properties, OSDispatchMethod supermethod = NULL);
	kern_return_t SearchProperty(const IOPropertyName name, const IORegistryPlaneName plane, uint64_t options,
				     OSContainer **property, OSDispatchMethod supermethod = NULL);
	kern_return_t SetProperties(OSDictionary *properties, OSDispatchMethod supermethod = NULL);
	kern_return_t SetPowerState(uint32_t powerFlags, OSDispatchMethod supermethod = NULL);
	kern_return_t ChangePowerState(uint32_t powerFlags, OSDispatchMethod supermethod = NULL);
	kern_return_t NewUserClient(uint32_t type, IOUserClient **userClient, OSDispatchMethod supermethod = NULL);
	kern_return_t Create(IOService *provider, const IOPropertyName propertiesKey, IOService **result,
			     OSDispatchMethod supermethod = NULL);
	kern_return_t Terminate(uint64_t options, OSDispatchMethod supermethod = NULL);
	IOService *GetProvider() const;

protected:
	kern_return_t Start_Impl(IOService_Start_Args);
	kern_return_t Stop_Impl(IOService_Stop_Args);
	kern_return_t ClientCrashed_Impl(IOService_ClientCrashed_Args);
	kern_return_t GetRegistryEntryID_Impl(IOService_GetRegistryEntryID_Args);
	kern_return_t SetName_Impl(IOService_SetName_Args);
	kern_return_t RegisterService_Impl(IOService_RegisterService_Args);
	kern_return_t SetDispatchQueue_Impl(IOService_SetDispatchQueue_Args);
	kern_return_t CopyDispatchQueue_Impl(IOService_CopyDispatchQueue_Args);
	kern_return_t CopyProperties_Impl(IOService_CopyProperties_Args);
	kern_return_t SearchProperty_Impl(IOService_SearchProperty_Args);
	kern_return_t SetProperties_Impl(IOService_SetProperties_Args);
	kern_return_t SetPowerState_Impl(IOService_SetPowerState_Args);
	kern_return_t ChangePowerState_Impl(IOService_ChangePowerState_Args);
	kern_return_t NewUserClient_Impl(IOService_NewUserClient_Args);
	kern_return_t Create_Impl(IOService_Create_Args);
	kern_return_t Terminate_Impl(IOService_Terminate_Args);
};

#endif
