/* SPDX-License-Identifier: GPL-2.0-or-later */
/* class.h - the run-time type of a framework class; what iig writes for a dext's classes. */
#ifndef MACSIM_DRIVERKIT_CLASS_H
#define MACSIM_DRIVERKIT_CLASS_H

#define OSDefineTypeWithQueues(className, superMeta, allocate, ...)                                                    \
	static const OSMetaClass g##className##MetaClass(#className, superMeta, allocate, __VA_ARGS__);                \
	const OSMetaClass *className::sGetMetaClass()                                                                  \
	{                                                                                                              \
		return &g##className##MetaClass;                                                                       \
	}                                                                                                              \
	const OSMetaClass *className::getMetaClass() const                                                             \
	{                                                                                                              \
		return &g##className##MetaClass;                                                                       \
	}                                                                                                              \
	kern_return_t className::Dispatch(const IORPC rpc)                                                             \
	{                                                                                                              \
		return _Dispatch(this, rpc);                                                                           \
	}

#define OSDefineType(className, superMeta, allocate) OSDefineTypeWithQueues(className, superMeta, allocate, nullptr)
#define OSDefineAbstractClass(className, superMeta)  OSDefineType(className, superMeta, nullptr)

#define OSDefineClass(className, superName)                                                                            \
	static OSObject *Allocate##className()                                                                         \
	{                                                                                                              \
		return new className;                                                                                  \
	}                                                                                                              \
	OSDefineType(className, OSTypeID(superName), Allocate##className)

/* A class that adds no dispatched method. */
#define OSDefineDispatchNothing(className)                                                                             \
	kern_return_t className::_Dispatch(OSMetaClassBase *self, const IORPC rpc)                                     \
	{                                                                                                              \
		return super::_Dispatch(self, rpc);                                                                    \
	}

#endif
