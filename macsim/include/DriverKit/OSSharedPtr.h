/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: developer.apple.com DriverKit documentation of OSSharedPtr; xnu libkern/c++/OSSharedPtr.h (same interface).
 */
#ifndef _DRIVERKIT_OSSHAREDPTR_H
#define _DRIVERKIT_OSSHAREDPTR_H

#include <stddef.h>
#include <DriverKit/OSMetaClass.h>

struct OSNoRetain_t {
};
struct OSRetain_t {
};
inline constexpr OSNoRetain_t OSNoRetain{};
inline constexpr OSRetain_t OSRetain{};

template <class T> class OSSharedPtr
{
public:
	OSSharedPtr() = default;
	OSSharedPtr(decltype(nullptr))
	{
	}
	OSSharedPtr(T *object, OSNoRetain_t) : pointer(object)
	{
	}
	OSSharedPtr(T *object, OSRetain_t) : pointer(object)
	{
		if (pointer)
			pointer->retain();
	}
	OSSharedPtr(const OSSharedPtr &other) : OSSharedPtr(other.pointer, OSRetain)
	{
	}
	OSSharedPtr(OSSharedPtr &&other) noexcept : pointer(other.detach())
	{
	}
	~OSSharedPtr()
	{
		reset();
	}
	OSSharedPtr &operator=(const OSSharedPtr &other)
	{
		OSSharedPtr copy(other);
		swap(copy);
		return *this;
	}
	OSSharedPtr &operator=(OSSharedPtr &&other) noexcept
	{
		OSSharedPtr copy(other.detach(), OSNoRetain);
		swap(copy);
		return *this;
	}
	OSSharedPtr &operator=(decltype(nullptr))
	{
		reset();
		return *this;
	}
	T *get() const
	{
		return pointer;
	}
	T *operator->() const
	{
		return pointer;
	}
	T &operator*() const
	{
		return *pointer;
	}
	explicit operator bool() const
	{
		return pointer != nullptr;
	}
	T *detach()
	{
		T *object = pointer;
		pointer = nullptr;
		return object;
	}
	void reset()
	{
		T *object = detach();
		if (object)
			object->release();
	}
	void reset(T *object, OSNoRetain_t)
	{
		*this = OSSharedPtr(object, OSNoRetain);
	}
	void reset(T *object, OSRetain_t)
	{
		*this = OSSharedPtr(object, OSRetain);
	}
	void swap(OSSharedPtr &other)
	{
		T *object = pointer;
		pointer = other.pointer;
		other.pointer = object;
	}
	/* For out-parameters that give a reference away. */
	T **attach()
	{
		reset();
		return &pointer;
	}

private:
	T *pointer = nullptr;
};

template <class T> OSSharedPtr<T> OSMakeShared()
{
	return OSSharedPtr<T>(OSTypeAlloc(T), OSNoRetain);
}

template <class T, class U> OSSharedPtr<T> OSDynamicPtrCast(const OSSharedPtr<U> &source)
{
	return OSSharedPtr<T>(OSDynamicCast(T, source.get()), OSRetain);
}

template <class T, class U> bool operator==(const OSSharedPtr<T> &a, const OSSharedPtr<U> &b)
{
	return a.get() == b.get();
}
template <class T> bool operator==(const OSSharedPtr<T> &a, decltype(nullptr))
{
	return !a.get();
}
template <class T> bool operator!=(const OSSharedPtr<T> &a, decltype(nullptr))
{
	return a.get();
}

#endif
