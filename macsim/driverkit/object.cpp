/* SPDX-License-Identifier: GPL-2.0-or-later */
/* object.cpp - classes by name, references, casts, and OSAction. */
#include "runtime.h"
#include "class.h"

#include <stdio.h>

/* ---- OSMetaClass ---- */

/* Constant-initialised: constructors of other files add themselves to it in any order. */
static const OSMetaClass *gClasses;

OSMetaClass::OSMetaClass(const char *className, const OSMetaClass *superClass, OSObject *(*allocate)(),
			 const OSMethodQueue *queues)
    : name(className), superMeta(superClass), allocator(allocate), methodQueues(queues), next(gClasses)
{
	gClasses = this;
}

OSObject *OSMetaClass::alloc() const
{
	return allocator ? allocator() : nullptr;
}

const char *OSMetaClass::queueName(uint64_t msgid) const
{
	for (const OSMetaClass *c = this; c; c = c->superMeta)
		for (const OSMethodQueue *q = c->methodQueues; q && q->name; q++)
			if (q->msgid == msgid)
				return q->name;
	return nullptr;
}

const OSMetaClass *OSMetaClass::getMetaClassWithName(const char *className)
{
	for (const OSMetaClass *c = gClasses; c; c = c->next)
		if (!strcmp(c->name, className))
			return c;
	return nullptr;
}

OSObject *OSMetaClass::allocClassWithName(const char *className)
{
	const OSMetaClass *c = getMetaClassWithName(className);

	return c ? c->alloc() : nullptr;
}

/* ---- OSMetaClassBase ---- */

bool OSMetaClassBase::isEqualTo(const OSMetaClassBase *anObject) const
{
	return this == anObject;
}

kern_return_t OSMetaClassBase::_Dispatch(OSMetaClassBase *, const IORPC)
{
	return kIOReturnUnsupported;
}

OSMetaClassBase *OSMetaClassBase::safeMetaCast(const OSMetaClassBase *me, const OSMetaClass *toType)
{
	if (!me)
		return nullptr;
	for (const OSMetaClass *c = me->getMetaClass(); c; c = c->getSuperClass())
		if (c == toType)
			return const_cast<OSMetaClassBase *>(me);
	return nullptr;
}

OSMetaClassBase *OSMetaClassBase::requiredMetaCast(const OSMetaClassBase *me, const OSMetaClass *toType)
{
	OSMetaClassBase *cast = safeMetaCast(me, toType);

	if (me && !cast) {
		fprintf(stderr, "DriverKit: OSRequiredCast: a %s is no %s\n", me->getMetaClass()->getClassName(),
			toType->getClassName());
		abort();
	}
	return cast;
}

/* ---- OSObject ---- */

OSDefineAbstractClass(OSObject, nullptr);

kern_return_t OSObject::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	switch (rpc.msgid) {
	case OSObject_SetDispatchQueue_ID:
		return OSInvokeImpl(self, rpc, &OSObject::SetDispatchQueue_Impl);
	case OSObject_CopyDispatchQueue_ID:
		return OSInvokeImpl(self, rpc, &OSObject::CopyDispatchQueue_Impl);
	}
	return OSMetaClassBase::_Dispatch(self, rpc);
}

bool OSObject::init()
{
	return true;
}

void OSObject::free()
{
	delete this;
}

void OSObject::retain() const
{
	__atomic_add_fetch(&references, 1, __ATOMIC_RELAXED);
}

void OSObject::release() const
{
	int32_t left = __atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL);

	if (left < 0) {
		fprintf(stderr, "DriverKit: a %s is released more often than retained\n",
			getMetaClass()->getClassName());
		abort();
	}
	if (!left)
		const_cast<OSObject *>(this)->free();
}

bool OSObjectAccess::tryRetain(const OSObject *object)
{
	int32_t count = __atomic_load_n(&object->references, __ATOMIC_RELAXED);

	while (count > 0)
		if (__atomic_compare_exchange_n(&object->references, &count, count + 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void *OSObject::operator new(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

void OSObject::operator delete(void *address)
{
	::free(address);
}

kern_return_t OSObject::SetDispatchQueue(const IODispatchQueueName name, IODispatchQueue *queue,
					 OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, OSObject_SetDispatchQueue_ID, name, queue);
}

kern_return_t OSObject::CopyDispatchQueue(const IODispatchQueueName name, IODispatchQueue **queue,
					  OSDispatchMethod supermethod)
{
	return OSInvoke(this, supermethod, OSObject_CopyDispatchQueue_ID, name, queue);
}

kern_return_t OSObject::SetDispatchQueue_Impl(const char *, IODispatchQueue *)
{
	return kIOReturnUnsupported;
}

kern_return_t OSObject::CopyDispatchQueue_Impl(const char *, IODispatchQueue **)
{
	return kIOReturnUnsupported;
}

/* ---- OSAction ---- */

struct OSAction_IVars {
	OSObject *target;
	uint64_t targetmsgid, msgid;
	uint64_t kernelID; /* of a client's asynchronous call */
	void *reference;
	IODispatchQueue *queue; /* of its user client; retained */
	OSActionAbortedHandler aborted;
};

static WeakTable<OSAction> actions;
WeakTable<OSAction> &gActions = actions;

OSDefineClass(OSAction, OSObject);

kern_return_t OSAction::_Dispatch(OSMetaClassBase *self, const IORPC rpc)
{
	return super::_Dispatch(self, rpc);
}

bool OSAction::init()
{
	ivars = IONewZero(OSAction_IVars, 1);
	return super::init() && ivars;
}

void OSAction::free()
{
	if (ivars->kernelID) {
		gActions.remove(ivars->kernelID);
		KernelCall(MW_DK_ACTION_RELEASE, {ivars->kernelID}).post();
	}
	if (ivars->aborted)
		Block_release(ivars->aborted);
	OSSafeReleaseNULL(ivars->target);
	OSSafeReleaseNULL(ivars->queue);
	::free(ivars->reference);
	IOSafeDeleteNULL(ivars, OSAction_IVars, 1);
	super::free();
}

kern_return_t OSAction::Create(OSObject *target, uint64_t targetmsgid, uint64_t msgid, size_t referenceSize,
			       OSAction **action)
{
	OSAction *made = OSTypeAlloc(OSAction);

	if (!made->init())
		return kIOReturnNoMemory;
	if (referenceSize && !(made->ivars->reference = calloc(1, referenceSize))) {
		made->release();
		return kIOReturnNoMemory;
	}
	made->ivars->target = target;
	if (target)
		target->retain();
	made->ivars->targetmsgid = targetmsgid;
	made->ivars->msgid = msgid;
	*action = made;
	return kIOReturnSuccess;
}

void *OSAction::GetReference()
{
	return ivars->reference;
}

kern_return_t OSAction::Cancel(OSActionCancelHandler handler)
{
	if (handler)
		handler();
	return kIOReturnSuccess;
}

kern_return_t OSAction::SetAbortedHandler(OSActionAbortedHandler handler)
{
	if (ivars->aborted)
		Block_release(ivars->aborted);
	ivars->aborted = nullptr;
	if (handler)
		ivars->aborted = Block_copy(handler);
	return kIOReturnSuccess;
}

OSAction *ActionForCompletion(uint64_t kernelID, IODispatchQueue *queue)
{
	OSAction *action;

	if (OSAction::Create(nullptr, 0, IOUserClient_AsyncCompletion_ID, 0, &action) != kIOReturnSuccess)
		return nullptr;
	action->ivars->kernelID = kernelID;
	action->ivars->queue = queue;
	queue->retain();
	gActions.add(kernelID, action);
	return action;
}

uint64_t ActionKernelID(OSAction *action)
{
	return action->ivars->kernelID;
}

void ActionFire(OSAction *action, void *const *arguments)
{
	const IORPC rpc = {action->ivars->targetmsgid, arguments};

	if (action->ivars->target)
		action->ivars->target->Dispatch(rpc);
}

void ActionAborted(OSAction *action)
{
	action->retain();
	bool accepted = QueueEnqueue(action->ivars->queue, ^{
	  if (action->ivars->aborted)
		  action->ivars->aborted();
	  action->release();
	});
	if (!accepted)
		action->release();
}

IODispatchQueue *ActionQueue(OSAction *action, IODispatchQueue *otherwise)
{
	IOService *service = OSDynamicCast(IOService, action->ivars->target);
	const char *name = service ? service->getMetaClass()->queueName(action->ivars->targetmsgid) : nullptr;
	IODispatchQueue *queue = name ? ServiceNamedQueue(service, name) : nullptr;

	if (!queue) {
		queue = otherwise;
		queue->retain();
	}
	return queue;
}
