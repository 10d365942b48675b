/* SPDX-License-Identifier: GPL-2.0-or-later */
/* userclient.cpp - IOUserClient: calls of a client process, its memory, its completions. */
#include "runtime.h"
#include "class.h"

struct IOUserClient_IVars {
};

static OSObject *AllocateIOUserClient()
{
	return new IOUserClient;
}

static const OSMethodQueue kQueues[] = {
	{IOUserClient_ExternalMethod_ID, kIOUserClientQueueNameExternalMethod},
	{0, nullptr},
};

OSDefineTypeWithQueues(IOUserClient, OSTypeID(IOService), AllocateIOUserClient, kQueues);

kern_return_t IOUserClient::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case IOUserClient_CreateMemoryDescriptorFromClient_ID:
		return OSInvokeImpl(self, rpc, &IOUserClient::CreateMemoryDescriptorFromClient_Impl);
	case IOUserClient_CopyClientEntitlements_ID:
		return OSInvokeImpl(self, rpc, &IOUserClient::CopyClientEntitlements_Impl);
	}
	return super::_Dispatch(self, rpc);
}

bool IOUserClient::init()
{
	return super::init();
}

void IOUserClient::free()
{
	super::free();
}

/* ---- calls ---- */

static bool Matches(uint32_t check, uint64_t value)
{
	return check == kIOUserClientVariableStructureSize || check == value;
}

kern_return_t IOUserClient::ExternalMethod(uint64_t, IOUserClientMethodArguments *arguments,
					   const IOUserClientMethodDispatch *dispatch, OSObject *target,
					   void *reference)
{
	if (!dispatch)
		return kIOReturnUnsupported;
	if (!Matches(dispatch->checkCompletionExists, arguments->completion != nullptr))
		return kIOReturnBadArgument;
	if (!Matches(dispatch->checkScalarInputCount, arguments->scalarInputCount))
		return kIOReturnBadArgument;
	uint64_t inputBytes = 0, outputBytes = arguments->structureOutputMaximumSize;
	if (arguments->structureInput)
		inputBytes = arguments->structureInput->getLength();
	else if (arguments->structureInputDescriptor)
		arguments->structureInputDescriptor->GetLength(&inputBytes);
	if (!Matches(dispatch->checkStructureInputSize, inputBytes))
		return kIOReturnBadArgument;
	if (!Matches(dispatch->checkScalarOutputCount, arguments->scalarOutputCount))
		return kIOReturnBadArgument;
	if (arguments->structureOutputDescriptor)
		arguments->structureOutputDescriptor->GetLength(&outputBytes);
	if (!Matches(dispatch->checkStructureOutputSize, outputBytes))
		return kIOReturnBadArgument;
	if (!dispatch->function)
		return kIOReturnNoCompletion;
	return dispatch->function(target, reference, arguments);
}

/* What the client gets: nothing unless the method succeeded. */
static void AnswerCall(IOReturn ret, const IOUserClientMethodArguments &arguments, uint32_t room,
		       void (^answer)(mw_msg *reply, const void *payload))
{
	mw_msg reply = {};
	std::vector<uint8_t> out;
	size_t bytes = arguments.structureOutput ? arguments.structureOutput->getLength() : 0;

	reply.ret = ret;
	if (ret == kIOReturnSuccess) {
		uint32_t scalars = arguments.scalarOutputCount < room ? arguments.scalarOutputCount : room;
		out.resize(scalars * sizeof(uint64_t) + bytes);
		if (scalars)
			memcpy(out.data(), arguments.scalarOutput, scalars * sizeof(uint64_t));
		if (bytes)
			memcpy(out.data() + scalars * sizeof(uint64_t), arguments.structureOutput->getBytesNoCopy(),
			       bytes);
		reply.a[0] = scalars;
		reply.a[1] = bytes;
		if (out.size() > MW_MAX_PAYLOAD) {
			reply.ret = kIOReturnIPCError;
			reply.a[0] = reply.a[1] = 0;
			out.clear();
		}
	}
	reply.len = static_cast<uint32_t>(out.size());
	answer(&reply, out.data());
}

/* An out-of-line structure's descriptor is the kernel's; the method may keep its own reference. */
static IOMemoryDescriptor *LentDescriptor(uint64_t id)
{
	if (!id || KernelCall(MW_MD_RETAIN, {id}).send() != kIOReturnSuccess)
		return nullptr;
	return DescriptorForID(id);
}

void UserClientCall(IOUserClient *client, const mw_msg &request, const std::vector<uint8_t> &payload,
		    void (^answer)(mw_msg *reply, const void *payload))
{
	uint64_t scalarInput[kIOUserClientScalarArrayCountMax] = {};
	uint64_t scalarOutput[kIOUserClientScalarArrayCountMax] = {};
	IOUserClientMethodArguments arguments = {};
	uint64_t scalars = request.a[2], bytes = request.a[3], room = request.a[4];
	IOReturn ret;

	if (scalars > kIOUserClientScalarArrayCountMax || room > kIOUserClientScalarArrayCountMax ||
	    bytes > MW_MAX_PAYLOAD || payload.size() != scalars * sizeof(uint64_t) + bytes)
		DriverKitViolation("a malformed external method call", request.a[1]);
	if (scalars)
		memcpy(scalarInput, payload.data(), scalars * sizeof(uint64_t));

	arguments.version = kIOUserClientMethodArgumentsCurrentVersion;
	arguments.selector = request.a[1];
	arguments.scalarInput = scalarInput;
	arguments.scalarInputCount = static_cast<uint32_t>(scalars);
	arguments.scalarOutput = scalarOutput;
	arguments.scalarOutputCount = static_cast<uint32_t>(room);
	arguments.structureOutputMaximumSize = request.a[5];
	if (bytes)
		arguments.structureInput =
			OSData::withBytes(payload.data() + scalars * sizeof(uint64_t), static_cast<uint32_t>(bytes));
	if (request.a[6]) {
		IODispatchQueue *queue = ServiceNamedQueue(client, kIOServiceDefaultQueueName);
		arguments.completion = ActionForCompletion(request.a[6], queue);
		queue->release();
	}
	arguments.structureInputDescriptor = LentDescriptor(request.a[7]);
	arguments.structureOutputDescriptor = LentDescriptor(request.a[8]);

	/* The method may clear these, but the references are the runtime's. */
	OSData *input = arguments.structureInput;
	OSAction *completion = arguments.completion;
	IOMemoryDescriptor *inputDescriptor = arguments.structureInputDescriptor;
	IOMemoryDescriptor *outputDescriptor = arguments.structureOutputDescriptor;

	ret = client->ExternalMethod(request.a[1], &arguments, nullptr, nullptr, nullptr);
	arguments.scalarOutput = scalarOutput;
	AnswerCall(ret, arguments, static_cast<uint32_t>(room), answer);

	OSSafeReleaseNULL(arguments.structureOutput);
	OSSafeReleaseNULL(input);
	OSSafeReleaseNULL(completion);
	OSSafeReleaseNULL(inputDescriptor);
	OSSafeReleaseNULL(outputDescriptor);
}

/* The action is the target: this goes to the client, whatever AsyncCompletion_Impl a dext has. */
void IOUserClient::AsyncCompletion(OSAction *action, IOReturn status, const IOUserClientAsyncArgumentsArray asyncData,
				   uint32_t asyncDataCount, OSDispatchMethod)
{
	if (asyncDataCount > kIOUserClientAsyncArgumentsCountMax || !action || !ActionKernelID(action))
		return;
	KernelCall(MW_DK_ASYNC,
		   {ServiceID(this), ActionKernelID(action), static_cast<uint32_t>(status), asyncDataCount})
		.post(asyncData, asyncDataCount * sizeof(uint64_t));
}

/* ---- memory ---- */

kern_return_t IOUserClient::CopyClientMemoryForType(uint64_t type, uint64_t *options, IOMemoryDescriptor **memory,
						    OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOUserClient_CopyClientMemoryForType_ID, type, options, memory);
}

kern_return_t IOUserClient::CreateMemoryDescriptorFromClient(uint64_t memoryDescriptorCreateOptions,
							     uint32_t segmentsCount,
							     const IOAddressSegment segments[32],
							     IOMemoryDescriptor **memory, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOUserClient_CreateMemoryDescriptorFromClient_ID,
			memoryDescriptorCreateOptions, segmentsCount, segments, memory);
}

kern_return_t IOUserClient::CreateMemoryDescriptorFromClient_Impl(uint64_t memoryDescriptorCreateOptions,
								  uint32_t segmentsCount,
								  const IOAddressSegment *segments,
								  IOMemoryDescriptor **memory)
{
	if (segmentsCount > 32)
		return kIOReturnOverrun;
	KernelCall call(MW_MD_FROM_CLIENT, {ServiceID(this), memoryDescriptorCreateOptions, segmentsCount});
	IOReturn ret = call.send(segments, segmentsCount * sizeof(segments[0]));
	if (ret != kIOReturnSuccess)
		return ret;
	*memory = DescriptorForID(call.a(0));
	return *memory ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t IOUserClient::CopyClientEntitlements(OSDictionary **entitlements, OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, IOUserClient_CopyClientEntitlements_ID, entitlements);
}

kern_return_t IOUserClient::CopyClientEntitlements_Impl(OSDictionary **entitlements)
{
	KernelCall call(MW_DK_CLIENT_ENTITLEMENTS, {ServiceID(this)});
	IOReturn ret = call.send();

	if (ret == kIOReturnSuccess)
		*entitlements = PropertiesDecode(call.payload(), call.bytes());
	return ret;
}
