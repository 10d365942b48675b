/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: xnu iokit/DriverKit/OSObject.iig.  Objects are born with one reference and all bytes zero. */
#ifndef _DRIVERKIT_OSOBJECT_H
#define _DRIVERKIT_OSOBJECT_H

#include <string.h>
#include <DriverKit/IOTypes.h>
#include <DriverKit/OSMetaClass.h>

class OSObject;
typedef OSObject *OSObjectPtr;
class IODispatchQueue;
typedef char IODispatchQueueName[256];

/* Words of the .iig language that mean nothing to a compiler. */
#define LOCALONLY

#define DEFN(classname, name) name##_Impl(classname##_##name##_Args)
#define IMPL(classname, name) classname ::DEFN(classname, name)

#define OSObject_SetDispatchQueue_ID    OSMethodID("OSObject::SetDispatchQueue")
#define OSObject_CopyDispatchQueue_ID   OSMethodID("OSObject::CopyDispatchQueue")
#define OSObject_SetDispatchQueue_Args  const char *name, IODispatchQueue *queue
#define OSObject_CopyDispatchQueue_Args const char *name, IODispatchQueue **queue

class OSObject : public OSMetaClassBase
{
	OSDeclareClass(OSObject, OSMetaClassBase);

public:
	virtual bool init();
	virtual void free();
	void retain() const override;
	void release() const override;

	kern_return_t SetDispatchQueue(const IODispatchQueueName name, IODispatchQueue *queue,
				       OSDispatchMethod supermethod = NULL);
	kern_return_t CopyDispatchQueue(const IODispatchQueueName name, IODispatchQueue **queue,
					OSDispatchMethod supermethod = NULL);

	void *operator new(size_t size);
	void operator delete(void *address);

protected:
	kern_return_t SetDispatchQueue_Impl(OSObject_SetDispatchQueue_Args);
	kern_return_t CopyDispatchQueue_Impl(OSObject_CopyDispatchQueue_Args);

private:
	friend struct OSObjectAccess;
	mutable int32_t references = 1;
};

#endif
