/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run-time types and method dispatch.  Source: xnu iokit/DriverKit/OSObject.iig
 * and the shape of iig's output ([IIG] in the fact sheet): M() sends, M_Impl()
 * implements, Class::_Dispatch() of the superclass is what SUPERDISPATCH names.
 *
 * A message is an identifier and pointers to its arguments.  It never leaves
 * the process in this form: what the kernel implements is sent from the
 * M_Impl() of the framework class.
 */
#ifndef _DRIVERKIT_OSMETACLASS_H
#define _DRIVERKIT_OSMETACLASS_H

#include <stddef.h>
#include <stdint.h>
#include <DriverKit/IOReturn.h>

class OSObject;
class OSMetaClassBase;

struct IORPC {
	uint64_t msgid;
	void *const *arguments;
};

typedef kern_return_t (*OSDispatchMethod)(OSMetaClassBase *self, const IORPC rpc);
#define SUPERDISPATCH ((OSDispatchMethod)&super::_Dispatch)

/* Methods that asked for a queue of their own with QUEUENAME(). */
struct OSMethodQueue {
	uint64_t msgid;
	const char *name;
};

class OSMetaClass
{
public:
	OSMetaClass(const char *className, const OSMetaClass *superClass, OSObject *(*allocate)(),
		    const OSMethodQueue *queues = nullptr);

	const char *getClassName() const
	{
		return name;
	}
	const OSMetaClass *getSuperClass() const
	{
		return superMeta;
	}
	OSObject *alloc() const;
	const char *queueName(uint64_t msgid) const;
	static const OSMetaClass *getMetaClassWithName(const char *className);
	static OSObject *allocClassWithName(const char *className);

private:
	const char *name;
	const OSMetaClass *superMeta;
	OSObject *(*allocator)();
	const OSMethodQueue *methodQueues;
	const OSMetaClass *next;
};

class OSMetaClassBase
{
public:
	virtual const OSMetaClass *getMetaClass() const = 0;
	virtual void retain() const = 0;
	virtual void release() const = 0;
	virtual bool isEqualTo(const OSMetaClassBase *anObject) const;
	virtual kern_return_t Dispatch(const IORPC rpc) = 0;
	static kern_return_t _Dispatch(OSMetaClassBase *self, const IORPC rpc);

	static OSMetaClassBase *safeMetaCast(const OSMetaClassBase *me, const OSMetaClass *toType);
	static OSMetaClassBase *requiredMetaCast(const OSMetaClassBase *me, const OSMetaClass *toType);

protected:
	virtual ~OSMetaClassBase() = default;
};

#define OSTypeID(type)             (type::sGetMetaClass())
#define OSTypeAlloc(type)          (static_cast<type *>(OSTypeID(type)->alloc()))
#define OSDynamicCast(type, inst)  (static_cast<type *>(OSMetaClassBase::safeMetaCast((inst), OSTypeID(type))))
#define OSRequiredCast(type, inst) (static_cast<type *>(OSMetaClassBase::requiredMetaCast((inst), OSTypeID(type))))

/* What iig puts into every class. */
#define OSDeclareClass(className, superName)                                                                           \
public:                                                                                                                \
	using super = superName;                                                                                       \
	static const OSMetaClass *sGetMetaClass();                                                                     \
	const OSMetaClass *getMetaClass() const override;                                                              \
	kern_return_t Dispatch(const IORPC rpc) override;                                                              \
	static kern_return_t _Dispatch(OSMetaClassBase *self, const IORPC rpc);                                        \
	struct className##_IVars *ivars = nullptr;                                                                     \
                                                                                                                       \
private:

/* Message identifiers: FNV-1a of "Class::Method", fixed at compile time. */
constexpr uint64_t OSMethodID(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	while (*text)
		hash = (hash ^ static_cast<unsigned char>(*text++)) * 0x100000001b3ULL;
	return hash;
}

template <class T, T... indices> struct OSIndexList {
};

template <class T, class R, class... A, unsigned... I>
inline kern_return_t OSApply(T *self, R (T::*method)(A...), [[maybe_unused]] void *const *arguments,
			     OSIndexList<unsigned, I...>)
{
	if constexpr (__is_same(R, void)) {
		(self->*method)(*static_cast<A *>(arguments[I])...);
		return kIOReturnSuccess;
	} else {
		return (self->*method)(*static_cast<A *>(arguments[I])...);
	}
}

/* The receiving half: call M_Impl() with the arguments of a message. */
template <class T, class R, class... A>
inline kern_return_t OSInvokeImpl(OSMetaClassBase *self, const IORPC &rpc, R (T::*method)(A...))
{
	return OSApply(static_cast<T *>(self), method, rpc.arguments,
		       __make_integer_seq<OSIndexList, unsigned, sizeof...(A)>());
}

/* The sending half.  Arguments must have exactly the types M_Impl() takes. */
template <class... A>
inline kern_return_t OSInvoke(OSMetaClassBase *self, OSDispatchMethod supermethod, uint64_t msgid, A... values)
{
	void *const arguments[] = {const_cast<void *>(static_cast<const void *>(&values))..., nullptr};
	const IORPC rpc = {msgid, arguments};

	return supermethod ? supermethod(self, rpc) : self->Dispatch(rpc);
}

#endif
