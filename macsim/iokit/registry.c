// SPDX-License-Identifier: GPL-2.0-or-later
/* registry.c - matching services and reading their properties. */
#include "internal.h"

#include <string.h>

const mach_port_t kIOMainPortDefault = MACH_PORT_NULL;

/* ---- matching ---- */

enum { MATCH_NAME = 0, MATCH_CLASS = 1 }; /* MW_MATCH's kind */

static CFMutableDictionaryRef matching_create(CFStringRef key, const char *name)
{
	CFMutableDictionaryRef d;
	CFStringRef value;

	if (!name)
		return NULL;
	d = CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks,
				      &kCFTypeDictionaryValueCallBacks);
	value = CFStringCreateWithCString(kCFAllocatorDefault, name, kCFStringEncodingUTF8);
	CFDictionarySetValue(d, key, value);
	CFRelease(value);
	return d;
}

CFMutableDictionaryRef IOServiceMatching(const char *name)
{
	return matching_create(CFSTR(kIOProviderClassKey), name);
}

CFMutableDictionaryRef IOServiceNameMatching(const char *name)
{
	return matching_create(CFSTR(kIONameMatchKey), name);
}

bool registry_parse_matching(CFDictionaryRef matching, uint64_t *kind, char name[128])
{
	CFTypeRef by_name = CFDictionaryGetValue(matching, CFSTR(kIONameMatchKey));
	CFTypeRef by_class = CFDictionaryGetValue(matching, CFSTR(kIOProviderClassKey));
	CFTypeRef value = by_name ? by_name : by_class;

	*kind = by_name ? MATCH_NAME : MATCH_CLASS;
	return value && CFGetTypeID(value) == CFStringGetTypeID() &&
	       CFStringGetCString(value, name, 128, kCFStringEncodingUTF8);
}

kern_return_t IOServiceGetMatchingServices(mach_port_t mainPort, CFDictionaryRef matching, io_iterator_t *existing)
{
	struct object *o = object_new(OBJECT_ITERATOR, 0);
	struct mw_msg m = {.op = MW_MATCH};
	const void *reply;
	char name[128];
	bool valid;

	(void)mainPort;
	if (!matching) {
		object_free(o);
		return kIOReturnBadArgument;
	}
	valid = registry_parse_matching(matching, &m.a[0], name);
	CFRelease(matching);
	m.len = valid ? (uint32_t)strlen(name) + 1 : 0;
	/* No kernel is a Mac without that device: an empty iterator. */
	if (valid && !task_call(&m, name, &reply, NULL))
		object_append(o, reply, m.len / sizeof(uint64_t));
	objects_lock();
	*existing = object_add(o);
	objects_unlock();
	return KERN_SUCCESS;
}

io_service_t IOServiceGetMatchingService(mach_port_t mainPort, CFDictionaryRef matching)
{
	io_service_t service;
	io_iterator_t all;

	if (IOServiceGetMatchingServices(mainPort, matching, &all))
		return IO_OBJECT_NULL;
	service = IOIteratorNext(all);
	IOObjectRelease(all);
	return service;
}

/* ---- properties ---- */

static bool entry_of(io_registry_entry_t entry, uint64_t *id)
{
	struct object *o;

	objects_lock();
	o = object_find(entry, OBJECT_SERVICE);
	if (o)
		*id = o->id;
	objects_unlock();
	return o != NULL;
}

CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key, CFAllocatorRef allocator,
					  IOOptionBits options)
{
	const char *text = CFStringGetCStringPtr(key, kCFStringEncodingUTF8);
	struct mw_msg m = {.op = MW_ENTRY_PROPERTY, .len = (uint32_t)strlen(text) + 1};
	const void *reply;

	(void)options;
	if (!entry_of(entry, &m.a[0]) || task_call(&m, text, &reply, NULL))
		return NULL;
	switch (m.a[0]) {
	case MW_T_NUMBER:
		return CFNumberCreate(allocator, kCFNumberSInt64Type, &m.a[1]);
	case MW_T_BOOL:
		return CFRetain(m.a[1] ? kCFBooleanTrue : kCFBooleanFalse);
	case MW_T_STRING:
		return CFStringCreateWithCString(allocator, reply, kCFStringEncodingUTF8);
	case MW_T_DATA:
		return CFDataCreate(allocator, reply, m.len);
	default:
		return NULL;
	}
}

kern_return_t IORegistryEntryGetRegistryEntryID(io_registry_entry_t entry, uint64_t *entryID)
{
	return entry_of(entry, entryID) ? KERN_SUCCESS : kIOReturnBadArgument;
}

static kern_return_t ask_name(io_registry_entry_t entry, uint32_t op, io_name_t name)
{
	struct mw_msg m = {.op = op};
	const void *reply;
	kern_return_t ret;

	if (!entry_of(entry, &m.a[0]))
		return kIOReturnBadArgument;
	ret = task_call(&m, NULL, &reply, NULL);
	if (ret)
		return ret;
	strncpy(name, reply, sizeof(io_name_t) - 1);
	name[sizeof(io_name_t) - 1] = 0;
	return KERN_SUCCESS;
}

kern_return_t IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name)
{
	return ask_name(entry, MW_ENTRY_NAME, name);
}

kern_return_t IOObjectGetClass(io_object_t object, io_name_t className)
{
	return ask_name(object, MW_ENTRY_CLASS, className);
}

kern_return_t IORegistryEntryGetChildIterator(io_registry_entry_t entry, const io_name_t plane, io_iterator_t *iterator)
{
	struct mw_msg m = {.op = MW_ENTRY_CHILDREN};
	const void *reply;
	struct object *o;
	kern_return_t ret;

	*iterator = IO_OBJECT_NULL;
	/* UC is_io_registry_entry_get_child_iterator: an unknown plane has no entries. */
	if (strcmp(plane, kIOServicePlane) || !entry_of(entry, &m.a[0]))
		return kIOReturnBadArgument;
	ret = task_call(&m, NULL, &reply, NULL);
	if (ret)
		return ret;
	o = object_new(OBJECT_ITERATOR, 0);
	object_append(o, reply, m.len / sizeof(uint64_t));
	objects_lock();
	*iterator = object_add(o);
	objects_unlock();
	return KERN_SUCCESS;
}
