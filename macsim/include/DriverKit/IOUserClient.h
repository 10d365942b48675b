/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: xnu iokit/DriverKit/IOUserClient.iig, IOUserServer.cpp 832, 4674, 6224 (US), iig's array limits (IIG), and
 * for the checks of IOUserClient::ExternalMethod the kernel's twin in IOUserClient.cpp (UC; the DriverKit build is
 * closed): mismatch BadArgument, NULL function NoCompletion.
 */
#ifndef _DRIVERKIT_IOUSERCLIENT_H
#define _DRIVERKIT_IOUSERCLIENT_H

#include <DriverKit/OSAction.h>
#include <DriverKit/IOService.h>
#include <DriverKit/IOBufferMemoryDescriptor.h>

enum {
	kIOUserClientScalarArrayCountMax = 16,
};
typedef uint64_t IOUserClientScalarArray[kIOUserClientScalarArrayCountMax];

enum {
	kIOUserClientAsyncReferenceCountMax = 16,
};
typedef uint64_t IOUserClientAsyncReferenceArray[kIOUserClientAsyncReferenceCountMax];

enum {
	kIOUserClientAsyncArgumentsCountMax = 16,
};
typedef uint64_t IOUserClientAsyncArgumentsArray[kIOUserClientAsyncArgumentsCountMax];

enum {
	kIOUserClientMemoryReadOnly = 0x00000001,
};

#define kIOUserClientQueueNameExternalMethod "IOUserClientQueueExternalMethod"

enum { kIOUserClientVariableStructureSize = 0xffffffff };

enum {
#define IO_USER_CLIENT_METHOD_ARGUMENTS_CURRENT_VERSION 2
	kIOUserClientMethodArgumentsCurrentVersion = IO_USER_CLIENT_METHOD_ARGUMENTS_CURRENT_VERSION
};

struct IOUserClientMethodArguments {
	uint64_t version;
	uint64_t selector;
	OSAction *completion;
	const uint64_t *scalarInput;
	uint32_t scalarInputCount;
	OSData *structureInput;
	IOMemoryDescriptor *structureInputDescriptor;
	uint64_t *scalarOutput;
	uint32_t scalarOutputCount;
	OSData *structureOutput;
	IOMemoryDescriptor *structureOutputDescriptor;
	uint64_t structureOutputMaximumSize;
	uint64_t __reserved[30];
};
static_assert(offsetof(IOUserClientMethodArguments, selector) == 8, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, completion) == 16, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, scalarInput) == 24, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, scalarInputCount) == 32, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, structureInput) == 40, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, structureInputDescriptor) == 48, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, scalarOutput) == 56, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, scalarOutputCount) == 64, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, structureOutput) == 72, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, structureOutputDescriptor) == 80, "LP64 layout");
static_assert(offsetof(IOUserClientMethodArguments, structureOutputMaximumSize) == 88, "LP64 layout");
static_assert(sizeof(IOUserClientMethodArguments) == 336, "LP64 layout");

typedef kern_return_t (*IOUserClientMethodFunction)(OSObject *target, void *reference,
						    IOUserClientMethodArguments *arguments);

struct IOUserClientMethodDispatch {
	IOUserClientMethodFunction function;
	uint32_t checkCompletionExists;
	uint32_t checkScalarInputCount;
	uint32_t checkStructureInputSize;
	uint32_t checkScalarOutputCount;
	uint32_t checkStructureOutputSize;
};
static_assert(sizeof(IOUserClientMethodDispatch) == 32, "LP64 layout");

#define IOUserClient_ExternalMethod_ID                   OSMethodID("IOUserClient::_ExternalMethod")
#define IOUserClient_AsyncCompletion_ID                  OSMethodID("IOUserClient::AsyncCompletion")
#define IOUserClient_CopyClientMemoryForType_ID          OSMethodID("IOUserClient::CopyClientMemoryForType")
#define IOUserClient_CreateMemoryDescriptorFromClient_ID OSMethodID("IOUserClient::CreateMemoryDescriptorFromClient")
#define IOUserClient_CopyClientEntitlements_ID           OSMethodID("IOUserClient::CopyClientEntitlements")

#define IOUserClient_AsyncCompletion_Args                                                                              \
	OSAction *action, IOReturn status, const uint64_t *asyncData, uint32_t asyncDataCount
#define IOUserClient_CopyClientMemoryForType_Args uint64_t type, uint64_t *options, IOMemoryDescriptor **memory
#define IOUserClient_CreateMemoryDescriptorFromClient_Args                                                             \
	uint64_t memoryDescriptorCreateOptions, uint32_t segmentsCount, const IOAddressSegment *segments,              \
		IOMemoryDescriptor **memory
#define IOUserClient_CopyClientEntitlements_Args OSDictionary **entitlements

class IOUserClient : public IOService
{
	OSDeclareClass(IOUserClient, IOService);

public:
	bool init() override;
	void free() override;

	virtual kern_return_t ExternalMethod(uint64_t selector, IOUserClientMethodArguments *arguments,
					     const IOUserClientMethodDispatch *dispatch, OSObject *target,
					     void *reference);

	void AsyncCompletion(OSAction *action, IOReturn status, const IOUserClientAsyncArgumentsArray asyncData,
			     uint32_t asyncDataCount, OSDispatchMethod supermethod = NULL);
	kern_return_t CopyClientMemoryForType(uint64_t type, uint64_t *options, IOMemoryDescriptor **memory,
					      OSDispatchMethod supermethod = NULL);
	kern_return_t CreateMemoryDescriptorFromClient(uint64_t memoryDescriptorCreateOptions, uint32_t segmentsCount,
						       const IOAddressSegment segments[32], IOMemoryDescriptor **memory,
						       OSDispatchMethod supermethod = NULL);
	kern_return_t CopyClientEntitlements(OSDictionary **entitlements, OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t CreateMemoryDescriptorFromClient_Impl(IOUserClient_CreateMemoryDescriptorFromClient_Args);
	kern_return_t CopyClientEntitlements_Impl(IOUserClient_CopyClientEntitlements_Args);
};

#endif
