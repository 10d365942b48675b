/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.cpp - the dext process: takes the kernel's upcalls and runs each on the queue of the object it is for.
 * Nothing is answered before the method has returned.
 */
#include "runtime.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int gUpcalls = -1;

static void Reply(uint32_t op, uint32_t seq, mw_msg *reply, const void *payload)
{
	reply->op = op;
	reply->seq = seq;
	mw_send(gUpcalls, reply, payload, nullptr);
}

static void ReplyCode(const mw_msg &request, IOReturn ret)
{
	mw_msg reply = {};

	reply.ret = ret;
	Reply(request.op, request.seq, &reply, nullptr);
}

/* Run `work` on that queue; the kernel hears NotReady when the queue has been cancelled (US rpc). */
static void RunFor(IOService *service, uint64_t msgid, const mw_msg &request, IODispatchBlock work)
{
	IODispatchQueue *queue = ServiceQueue(service, msgid);

	if (!QueueEnqueue(queue, work)) {
		ReplyCode(request, kIOReturnNotReady);
		service->release();
	}
	queue->release();
}

/* The service, retained; an answer has been given when there is none. */
static IOService *Find(const mw_msg &request)
{
	IOService *service = ServiceForID(request.a[0]);

	if (!service)
		ReplyCode(request, kIOReturnOffline);
	return service;
}

static IOUserClient *FindClient(const mw_msg &request)
{
	IOService *service = Find(request);
	IOUserClient *client = OSDynamicCast(IOUserClient, service);

	if (service && !client)
		DriverKitViolation("a client's call for another object", request.a[0]);
	return client;
}

/* ---- services ---- */

static void Start(const mw_msg &request, const std::string &userClass)
{
	IOService *provider = ServiceForProvider(request.a[1], request.a[2]);
	IOService *service = provider ? ServiceCreate(userClass.c_str(), request.a[0], provider) : nullptr;

	if (!service) {
		OSSafeReleaseNULL(provider);
		ReplyCode(request, kIOReturnNoResources);
		return;
	}
	const mw_msg copy = request;
	RunFor(service, IOService_Start_ID, request, ^{
	  IOReturn ret = service->Start(provider);

	  if (ret != kIOReturnSuccess)
		  ServiceForget(copy.a[0]);
	  ReplyCode(copy, ret);
	  provider->release();
	  service->release();
	});
}

static void Stop(const mw_msg &request)
{
	IOService *service = ServiceForID(request.a[0]);
	IODispatchQueue *queue;

	if (!service) { /* never got as far as Start */
		KernelCall(MW_DK_DID_STOP, {request.a[0]}).send();
		return;
	}
	queue = ServiceQueue(service, IOService_Stop_ID);
	bool accepted = QueueEnqueue(queue, ^{
	  service->Stop(service->GetProvider());
	  service->release();
	});
	queue->release();
	if (!accepted) {
		IOLog("DriverKit: %s cannot be stopped: its default queue is cancelled",
		      service->getMetaClass()->getClassName());
		service->release();
	}
}

static void NewUserClient(const mw_msg &request)
{
	IOService *service = Find(request);
	const mw_msg copy = request;

	if (!service)
		return;
	RunFor(service, IOService_NewUserClient_ID, request, ^{
	  IOUserClient *client = nullptr;
	  mw_msg reply = {};

	  reply.ret = service->NewUserClient(static_cast<uint32_t>(copy.a[1]), &client);
	  reply.a[0] = ServiceID(client);
	  if (reply.ret == kIOReturnSuccess && !reply.a[0])
		  reply.ret = kIOReturnError;
	  Reply(copy.op, copy.seq, &reply, nullptr);
	  OSSafeReleaseNULL(client);
	  service->release();
	});
}

/* ---- user clients ---- */

static void Call(const mw_msg &request, const uint8_t *payload)
{
	IOUserClient *client = FindClient(request);
	const mw_msg copy = request;

	if (!client)
		return;
	auto *bytes = new std::vector<uint8_t>(payload, payload + request.len);
	IODispatchQueue *queue = ServiceQueue(client, IOUserClient_ExternalMethod_ID);
	bool accepted = QueueEnqueue(queue, ^{
	  UserClientCall(client, copy, *bytes, ^(mw_msg *reply, const void *out) {
	    Reply(copy.op, copy.seq, reply, out);
	  });
	  delete bytes;
	  client->release();
	});
	queue->release();
	if (!accepted) {
		ReplyCode(copy, kIOReturnNotReady);
		delete bytes;
		client->release();
	}
}

static void CopyMemory(const mw_msg &request)
{
	IOUserClient *client = FindClient(request);
	const mw_msg copy = request;

	if (!client)
		return;
	RunFor(client, IOUserClient_CopyClientMemoryForType_ID, request, ^{
	  IOMemoryDescriptor *memory = nullptr;
	  uint64_t options = 0;
	  mw_msg reply = {};

	  reply.ret = client->CopyClientMemoryForType(copy.a[1], &options, &memory);
	  if (reply.ret == kIOReturnSuccess && !memory)
		  reply.ret = kIOReturnError;
	  if (reply.ret == kIOReturnSuccess) { /* the kernel's reference; the dext's ends here */
		  reply.a[0] = DescriptorID(memory);
		  reply.a[1] = options;
		  KernelCall(MW_MD_RETAIN, {reply.a[0]}).send();
		  memory->release();
	  }
	  Reply(copy.op, copy.seq, &reply, nullptr);
	  client->release();
	});
}

/* ---- interrupts ---- */

static void Interrupt(const mw_msg &request)
{
	IOInterruptDispatchSource *source = gSources.copy(request.a[0]);
	const mw_msg copy = request;

	if (!source) { /* released while this was on its way */
		ReplyCode(request, kIOReturnSuccess);
		return;
	}
	InterruptArrived(source, request.a[1], request.a[2], ^{
	  ReplyCode(copy, kIOReturnSuccess);
	});
	source->release();
}

/* ---- the process ---- */

static void Upcall(const mw_msg &request, const uint8_t *payload)
{
	switch (request.op) {
	case MW_UP_START:
		if (!request.len || payload[request.len - 1])
			DriverKitViolation("a class name without end", request.len);
		Start(request, reinterpret_cast<const char *>(payload));
		return;
	case MW_UP_STOP:
		Stop(request);
		return;
	case MW_UP_NEW_USER_CLIENT:
		NewUserClient(request);
		return;
	case MW_UP_CALL:
		Call(request, payload);
		return;
	case MW_UP_COPY_MEMORY:
		CopyMemory(request);
		return;
	case MW_UP_INTERRUPT:
		Interrupt(request);
		return;
	case MW_UP_CANCELLED:
		if (IOInterruptDispatchSource *source = gSources.copy(request.a[0])) {
			InterruptCancelled(source);
			source->release();
		}
		return;
	case MW_UP_ABORTED:
		if (OSAction *action = gActions.copy(request.a[0])) {
			ActionAborted(action);
			action->release();
		}
		return;
	}
	DriverKitViolation("an unknown upcall", request.op);
}

static bool Connect()
{
	const char *token = getenv("MACSIM_TASK");
	mw_msg hello = {};

	gUpcalls = token ? mw_connect() : -1;
	if (gUpcalls < 0)
		return false;
	hello.op = MW_HELLO;
	hello.a[0] = MW_ROLE_DEXT_UPCALLS;
	hello.a[1] = strtoull(token, nullptr, 0);
	return !mw_call(gUpcalls, &hello, nullptr, nullptr, nullptr, nullptr) && !hello.ret;
}

int main(int, char **argv)
{
	std::vector<uint8_t> payload(MW_MAX_PAYLOAD);
	mw_msg request;
	int err;

	if (!Connect()) {
		fprintf(stderr, "%s: this is a driver extension: macsim starts it, it cannot be run by hand\n",
			argv[0]);
		return 1;
	}
	while (!(err = mw_recv(gUpcalls, &request, payload.data(), nullptr)) && request.op != MW_UP_EXIT)
		Upcall(request, payload.data());
	if (err && err != -EPIPE)
		DriverKitViolation("a packet that is none", static_cast<uint64_t>(-err));
	/* Queues and their threads are not unwound: a dext just ends. */
	fflush(nullptr);
	_exit(err ? 1 : 0);
}
