/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service.cpp - IOService, and the table of the services the kernel knows. */
#include "runtime.h"
#include "class.h"

#include <PCIDriverKit/IOPCIDevice.h>

struct IOService_IVars {
	uint64_t id;
	IOService *provider; /* retained */
	std::mutex mutex;
	std::map<std::string, IODispatchQueue *> queues; /* retained */
	OSDictionary *properties;                        /* what SetProperties gave */
};

static std::mutex gServicesMutex;
static std::map<uint64_t, IOService *> gServices; /* retained */

OSDefineClass(IOService, OSObject);

kern_return_t IOService::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case IOService_Start_ID:
		return OSInvokeImpl(self, rpc, &IOService::Start_Impl);
	case IOService_Stop_ID:
		return OSInvokeImpl(self, rpc, &IOService::Stop_Impl);
	case IOService_ClientCrashed_ID:
		return OSInvokeImpl(self, rpc, &IOService::ClientCrashed_Impl);
	case IOService_GetRegistryEntryID_ID:
		return OSInvokeImpl(self, rpc, &IOService::GetRegistryEntryID_Impl);
	case IOService_SetName_ID:
		return OSInvokeImpl(self, rpc, &IOService::SetName_Impl);
	case IOService_RegisterService_ID:
		return OSInvokeImpl(self, rpc, &IOService::RegisterService_Impl);
	case IOService_SetDispatchQueue_ID:
		return OSInvokeImpl(self, rpc, &IOService::SetDispatchQueue_Impl);
	case IOService_CopyDispatchQueue_ID:
		return OSInvokeImpl(self, rpc, &IOService::CopyDispatchQueue_Impl);
	case IOService_CopyProperties_ID:
		return OSInvokeImpl(self, rpc, &IOService::CopyProperties_Impl);
	case IOService_SearchProperty_ID:
		return OSInvokeImpl(self, rpc, &IOService::SearchProperty_Impl);
	case IOService_SetProperties_ID:
		return OSInvokeImpl(self, rpc, &IOService::SetProperties_Impl);
	case IOService_SetPowerState_ID:
		return OSInvokeImpl(self, rpc, &IOService::SetPowerState_Impl);
	case IOService_ChangePowerState_ID:
		return OSInvokeImpl(self, rpc, &IOService::ChangePowerState_Impl);
	case IOService_NewUserClient_ID:
		return OSInvokeImpl(self, rpc, &IOService::NewUserClient_Impl);
	case IOService_Create_ID:
		return OSInvokeImpl(self, rpc, &IOService::Create_Impl);
	case IOService_Terminate_ID:
		return OSInvokeImpl(self, rpc, &IOService::Terminate_Impl);
	}
	return super::_Dispatch(self, rpc);
}

bool IOService::init()
{
	IODispatchQueue *queue;

	if (!super::init() || IODispatchQueue::Create(kIOServiceDefaultQueueName, 0, 0, &queue) != kIOReturnSuccess)
		return false;
	ivars = new IOService_IVars();
	ivars->queues[kIOServiceDefaultQueueName] = queue;
	return true;
}

void IOService::free()
{
	if (ivars) {
		for (auto &entry : ivars->queues)
			entry.second->release();
		OSSafeReleaseNULL(ivars->properties);
		OSSafeReleaseNULL(ivars->provider);
		delete ivars;
	}
	super::free();
}

/* ---- the table ---- */

IOService *ServiceForID(uint64_t id)
{
	std::lock_guard<std::mutex> hold(gServicesMutex);
	auto found = gServices.find(id);

	if (found == gServices.end())
		return nullptr;
	found->second->retain();
	return found->second;
}

static bool ServiceAttach(IOService *service, uint64_t id, IOService *provider)
{
	if (!service->init() || !service->ivars) {
		service->release();
		return false;
	}
	std::lock_guard<std::mutex> hold(gServicesMutex);
	service->ivars->id = id;
	service->ivars->provider = provider;
	if (provider)
		provider->retain();
	service->retain();
	gServices[id] = service;
	return true;
}

IOService *ServiceForProvider(uint64_t id, bool pci)
{
	IOService *service = ServiceForID(id);

	if (service)
		return service;
	service = pci ? OSTypeAlloc(IOPCIDevice) : OSTypeAlloc(IOService);
	return ServiceAttach(service, id, nullptr) ? service : nullptr;
}

IOService *ServiceCreate(const char *userClass, uint64_t id, IOService *provider)
{
	OSObject *object = OSMetaClass::allocClassWithName(userClass);
	IOService *service = OSDynamicCast(IOService, object);

	if (!service) {
		IOLog("DriverKit: the dext has no IOService class named %s", userClass);
		OSSafeReleaseNULL(object);
		return nullptr;
	}
	if (!ServiceAttach(service, id, provider)) {
		IOLog("DriverKit: %s: init failed", userClass);
		return nullptr;
	}
	return service;
}

void ServiceForget(uint64_t id)
{
	IOService *service;
	{
		std::lock_guard<std::mutex> hold(gServicesMutex);
		auto found = gServices.find(id);

		if (found == gServices.end())
			return;
		service = found->second;
		gServices.erase(found);
	}
	service->release();
}

uint64_t ServiceID(const IOService *service)
{
	return service && service->ivars ? service->ivars->id : 0;
}

IODispatchQueue *ServiceNamedQueue(IOService *service, const char *name)
{
	std::lock_guard<std::mutex> hold(service->ivars->mutex);
	auto found = service->ivars->queues.find(name);

	if (found == service->ivars->queues.end())
		return nullptr;
	found->second->retain();
	return found->second;
}

IODispatchQueue *ServiceQueue(IOService *service, uint64_t msgid)
{
	const char *name = service->getMetaClass()->queueName(msgid);
	IODispatchQueue *queue = name ? ServiceNamedQueue(service, name) : nullptr;

	return queue ? queue : ServiceNamedQueue(service, kIOServiceDefaultQueueName);
}

/* ---- lifecycle ---- */

kern_return_t IOService::Start(IOService *provider, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_Start_ID, provider);
}

kern_return_t IOService::Start_Impl(IOService *)
{
	return kIOReturnSuccess;
}

kern_return_t IOService::Stop(IOService *provider, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_Stop_ID, provider);
}

kern_return_t IOService::Stop_Impl(IOService *)
{
	IOReturn ret = KernelCall(MW_DK_DID_STOP, {ivars->id}).send();

	ServiceForget(ivars->id);
	return ret;
}

kern_return_t IOService::ClientCrashed(IOService *client, uint64_t options, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_ClientCrashed_ID, client, options);
}

kern_return_t IOService::ClientCrashed_Impl(IOService *, uint64_t)
{
	return kIOReturnUnsupported;
}

kern_return_t IOService::RegisterService(OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_RegisterService_ID);
}

kern_return_t IOService::RegisterService_Impl()
{
	return KernelCall(MW_DK_REGISTER_SERVICE, {ivars->id}).send();
}

kern_return_t IOService::Terminate(uint64_t options, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_Terminate_ID, options);
}

kern_return_t IOService::Terminate_Impl(uint64_t options)
{
	return KernelCall(MW_DK_TERMINATE, {ivars->id, options}).send();
}

kern_return_t IOService::NewUserClient(uint32_t type, IOUserClient **userClient, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_NewUserClient_ID, type, userClient);
}

kern_return_t IOService::NewUserClient_Impl(uint32_t, IOUserClient **)
{
	return kIOReturnError;
}

kern_return_t IOService::Create(IOService *provider, const IOPropertyName propertiesKey, IOService **result,
				OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_Create_ID, provider, propertiesKey, result);
}

kern_return_t IOService::Create_Impl(IOService *provider, const char *propertiesKey, IOService **result)
{
	std::string userClass;
	IOReturn ret;

	if (provider != this)
		return kIOReturnUnsupported;
	ret = Personality::userClass(getMetaClass()->getClassName(), propertiesKey, userClass);
	if (ret != kIOReturnSuccess)
		return ret;
	KernelCall call(MW_DK_CREATE, {ivars->id});
	ret = call.send(userClass.c_str());
	if (ret != kIOReturnSuccess)
		return ret;
	uint64_t id = call.a(0);
	IOService *service = ServiceCreate(userClass.c_str(), id, this);
	if (!service) {
		KernelCall(MW_DK_TERMINATE, {id}).send();
		return kIOReturnUnsupported;
	}
	IODispatchQueue *queue = ServiceNamedQueue(service, kIOServiceDefaultQueueName);
	ret = queue->RunAction(^kern_return_t {
	  return service->Start(this);
	});
	queue->release();
	if (ret != kIOReturnSuccess) {
		ServiceForget(id);
		KernelCall(MW_DK_TERMINATE, {id}).send();
		service->release();
		return ret;
	}
	*result = service;
	return kIOReturnSuccess;
}

IOService *IOService::GetProvider() const
{
	return ivars->provider;
}

/* ---- queues ---- */

kern_return_t IOService::SetDispatchQueue_Impl(const char *name, IODispatchQueue *queue)
{
	IODispatchQueue *old = nullptr;

	if (!name || !queue)
		return kIOReturnBadArgument;
	queue->retain();
	{
		std::lock_guard<std::mutex> hold(ivars->mutex);
		std::swap(old, ivars->queues[name]);
		ivars->queues[name] = queue;
	}
	OSSafeReleaseNULL(old);
	return kIOReturnSuccess;
}

/* A queue that is not known here may be the provider's (US CopyDispatchQueue_Impl). */
kern_return_t IOService::CopyDispatchQueue_Impl(const char *name, IODispatchQueue **queue)
{
	*queue = ServiceNamedQueue(this, name);
	if (*queue)
		return kIOReturnSuccess;
	return ivars->provider ? ivars->provider->CopyDispatchQueue(name, queue) : kIOReturnNotFound;
}

/* ---- registry ---- */

kern_return_t IOService::GetRegistryEntryID(uint64_t *registryEntryID, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_GetRegistryEntryID_ID, registryEntryID);
}

kern_return_t IOService::GetRegistryEntryID_Impl(uint64_t *registryEntryID)
{
	KernelCall call(MW_DK_ENTRY_ID, {ivars->id});
	IOReturn ret = call.send();

	if (ret == kIOReturnSuccess)
		*registryEntryID = call.a(0);
	return ret;
}

kern_return_t IOService::SetName(const IOServiceName name, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_SetName_ID, name);
}

kern_return_t IOService::SetName_Impl(const char *name)
{
	if (strnlen(name, sizeof(IOServiceName)) == sizeof(IOServiceName))
		return kIOReturnOverrun;
	return KernelCall(MW_DK_SET_NAME, {ivars->id}).send(name);
}

kern_return_t IOService::SetProperties(OSDictionary *properties, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_SetProperties_ID, properties);
}

kern_return_t IOService::SetProperties_Impl(OSDictionary *properties)
{
	std::vector<uint8_t> encoded;
	IOReturn ret;

	if (!properties || !PropertiesEncode(properties, encoded))
		return kIOReturnBadArgument;
	ret = KernelCall(MW_DK_SET_PROPERTIES, {ivars->id}).send(encoded.data(), encoded.size());
	if (ret != kIOReturnSuccess)
		return ret;
	std::lock_guard<std::mutex> hold(ivars->mutex);
	if (!ivars->properties)
		ivars->properties = OSDictionary::withCapacity(0);
	OSDictionary *all = ivars->properties;
	properties->iterateObjects(^bool(OSObject *key, OSObject *value) {
	  all->setObject(OSDynamicCast(OSString, key), value);
	  return false;
	});
	return kIOReturnSuccess;
}

kern_return_t IOService::CopyProperties(OSDictionary **properties, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_CopyProperties_ID, properties);
}

kern_return_t IOService::CopyProperties_Impl(OSDictionary **properties)
{
	OSDictionary *copy = OSDictionary::withCapacity(0);
	std::lock_guard<std::mutex> hold(ivars->mutex);

	if (ivars->properties)
		ivars->properties->iterateObjects(^bool(OSObject *key, OSObject *value) {
		  copy->setObject(OSDynamicCast(OSString, key), value);
		  return false;
		});
	*properties = copy;
	return kIOReturnSuccess;
}

kern_return_t IOService::SearchProperty(const IOPropertyName name, const IORegistryPlaneName plane, uint64_t options,
					OSContainer **property, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_SearchProperty_ID, name, plane, options, property);
}

static OSContainer *CopyProperty(uint64_t id, const char *name)
{
	KernelCall call(MW_DK_PROPERTY, {id});

	if (call.send(name) != kIOReturnSuccess)
		return nullptr;
	const char *bytes = static_cast<const char *>(call.payload());
	switch (call.a(0)) {
	case MW_T_NUMBER:
		return OSNumber::withNumber(call.a(1), 64);
	case MW_T_BOOL:
		return OSBoolean::withBoolean(call.a(1));
	case MW_T_STRING:
		return OSString::withCString(bytes, strnlen(bytes, call.bytes()));
	case MW_T_DATA:
		return OSData::withBytes(bytes, call.bytes());
	}
	DriverKitViolation("a property of unknown type", call.a(0));
}

kern_return_t IOService::SearchProperty_Impl(const char *name, const char *, uint64_t options, OSContainer **property)
{
	for (IOService *service = this; service; service = service->ivars->provider) {
		*property = CopyProperty(service->ivars->id, name);
		if (*property)
			return kIOReturnSuccess;
		if (!(options & kIOServiceSearchPropertyParents))
			break;
	}
	return kIOReturnNotFound;
}

/* ---- power ---- */

kern_return_t IOService::SetPowerState(uint32_t powerFlags, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_SetPowerState_ID, powerFlags);
}

kern_return_t IOService::SetPowerState_Impl(uint32_t)
{
	return kIOReturnSuccess;
}

kern_return_t IOService::ChangePowerState(uint32_t powerFlags, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOService_ChangePowerState_ID, powerFlags);
}

kern_return_t IOService::ChangePowerState_Impl(uint32_t)
{
	return kIOReturnSuccess;
}
