// SPDX-License-Identifier: GPL-2.0-or-later
/* cf.c - reference-counted strings, data, numbers, booleans and dictionaries. */
#include <CoreFoundation/CoreFoundation.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_STRING = 7, TYPE_DICTIONARY = 18, TYPE_DATA = 20, TYPE_BOOLEAN = 21, TYPE_NUMBER = 22 };

#define IMMORTAL INT64_MAX

struct base {
	CFTypeID type;
	_Atomic int64_t refs; /* IMMORTAL: never freed */
};

struct __CFString {
	struct base base;
	const struct __CFString *next; /* constant strings only */
	size_t length;
	char text[];
};

struct __CFData {
	struct base base;
	CFIndex length;
	UInt8 bytes[];
};

struct __CFNumber {
	struct base base;
	int64_t value;
};

struct __CFBoolean {
	struct base base;
};

struct pair {
	CFTypeRef key, value;
};

struct __CFDictionary {
	struct base base;
	struct pair *pairs;
	CFIndex count, room;
};

const CFAllocatorRef kCFAllocatorDefault = NULL;
const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks;
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks;
static const struct __CFBoolean true_object = {{TYPE_BOOLEAN, IMMORTAL}};
static const struct __CFBoolean false_object = {{TYPE_BOOLEAN, IMMORTAL}};
const CFBooleanRef kCFBooleanTrue = &true_object;
const CFBooleanRef kCFBooleanFalse = &false_object;

static void *object_alloc(CFTypeID type, size_t bytes)
{
	struct base *b = calloc(1, bytes);

	if (!b)
		abort();
	b->type = type;
	b->refs = 1;
	return b;
}

CFTypeRef CFRetain(CFTypeRef cf)
{
	struct base *b = (struct base *)(uintptr_t)cf;

	if (b->refs != IMMORTAL)
		b->refs++;
	return cf;
}

void CFRelease(CFTypeRef cf)
{
	struct base *b = (struct base *)(uintptr_t)cf;

	if (!b)
		abort(); /* as on a Mac */
	if (b->refs == IMMORTAL || --b->refs > 0)
		return;
	if (b->type == TYPE_DICTIONARY) {
		struct __CFDictionary *d = (struct __CFDictionary *)b;

		for (CFIndex i = 0; i < d->count; i++) {
			CFRelease(d->pairs[i].key);
			CFRelease(d->pairs[i].value);
		}
		free(d->pairs);
	}
	free(b);
}

CFIndex CFGetRetainCount(CFTypeRef cf)
{
	return (CFIndex)((const struct base *)cf)->refs;
}

CFTypeID CFGetTypeID(CFTypeRef cf)
{
	return ((const struct base *)cf)->type;
}

Boolean CFEqual(CFTypeRef cf1, CFTypeRef cf2)
{
	if (cf1 == cf2)
		return true;
	if (CFGetTypeID(cf1) != CFGetTypeID(cf2))
		return false;
	switch (CFGetTypeID(cf1)) {
	case TYPE_STRING: {
		CFStringRef a = cf1, b = cf2;

		return a->length == b->length && !memcmp(a->text, b->text, a->length);
	}
	case TYPE_DATA: {
		CFDataRef a = cf1, b = cf2;

		return a->length == b->length && !memcmp(a->bytes, b->bytes, (size_t)a->length);
	}
	case TYPE_NUMBER:
		return ((CFNumberRef)cf1)->value == ((CFNumberRef)cf2)->value;
	case TYPE_DICTIONARY: {
		CFDictionaryRef a = cf1, b = cf2;

		if (a->count != b->count)
			return false;
		for (CFIndex i = 0; i < a->count; i++) {
			CFTypeRef other = CFDictionaryGetValue(b, a->pairs[i].key);

			if (!other || !CFEqual(a->pairs[i].value, other))
				return false;
		}
		return true;
	}
	default:
		return false;
	}
}

/* ---- strings ---- */

static struct __CFString *string_new(const char *text)
{
	size_t length = strlen(text);
	struct __CFString *s = object_alloc(TYPE_STRING, sizeof(*s) + length + 1);

	s->length = length;
	memcpy(s->text, text, length + 1);
	return s;
}

CFStringRef __CFStringMakeConstantString(const char *cStr)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static const struct __CFString *constants;
	const struct __CFString *found;

	pthread_mutex_lock(&lock);
	for (found = constants; found && strcmp(found->text, cStr); found = found->next)
		;
	if (!found) {
		struct __CFString *s = string_new(cStr);

		s->base.refs = IMMORTAL;
		s->next = constants;
		constants = found = s;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

CFTypeID CFStringGetTypeID(void)
{
	return TYPE_STRING;
}

CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char *cStr, CFStringEncoding encoding)
{
	(void)alloc;
	(void)encoding;
	return string_new(cStr);
}

/* In UTF-16 units on a Mac; the registry's strings are ASCII. */
CFIndex CFStringGetLength(CFStringRef theString)
{
	return (CFIndex)theString->length;
}

Boolean CFStringGetCString(CFStringRef theString, char *buffer, CFIndex bufferSize, CFStringEncoding encoding)
{
	(void)encoding;
	if (bufferSize <= 0 || (size_t)bufferSize <= theString->length)
		return false;
	memcpy(buffer, theString->text, theString->length + 1);
	return true;
}

const char *CFStringGetCStringPtr(CFStringRef theString, CFStringEncoding encoding)
{
	(void)encoding;
	return theString->text;
}

/* ---- data ---- */

CFTypeID CFDataGetTypeID(void)
{
	return TYPE_DATA;
}

CFDataRef CFDataCreate(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length)
{
	struct __CFData *d;

	(void)allocator;
	if (length < 0)
		return NULL;
	d = object_alloc(TYPE_DATA, sizeof(*d) + (size_t)length);
	d->length = length;
	if (length)
		memcpy(d->bytes, bytes, (size_t)length);
	return d;
}

CFIndex CFDataGetLength(CFDataRef theData)
{
	return theData->length;
}

const UInt8 *CFDataGetBytePtr(CFDataRef theData)
{
	return theData->bytes;
}

void CFDataGetBytes(CFDataRef theData, CFRange range, UInt8 *buffer)
{
	if (range.location < 0 || range.length < 0 || range.location > theData->length ||
	    range.length > theData->length - range.location)
		abort();
	memcpy(buffer, theData->bytes + range.location, (size_t)range.length);
}

/* ---- numbers and booleans ---- */

static size_t number_bytes(CFNumberType type)
{
	switch (type) {
	case kCFNumberSInt8Type:
	case kCFNumberCharType:
		return 1;
	case kCFNumberSInt16Type:
	case kCFNumberShortType:
		return 2;
	case kCFNumberSInt32Type:
	case kCFNumberIntType:
		return 4;
	case kCFNumberSInt64Type:
	case kCFNumberLongType:
	case kCFNumberLongLongType:
	case kCFNumberCFIndexType:
		return 8;
	default:
		abort();
	}
}

CFTypeID CFNumberGetTypeID(void)
{
	return TYPE_NUMBER;
}

CFNumberRef CFNumberCreate(CFAllocatorRef allocator, CFNumberType theType, const void *valuePtr)
{
	struct __CFNumber *n = object_alloc(TYPE_NUMBER, sizeof(*n));
	unsigned shift = 64 - 8 * (unsigned)number_bytes(theType);
	uint64_t raw = 0;

	(void)allocator;
	memcpy(&raw, valuePtr, number_bytes(theType)); /* little-endian, then sign-extended */
	n->value = (int64_t)(raw << shift) >> shift;
	return n;
}

Boolean CFNumberGetValue(CFNumberRef number, CFNumberType theType, void *valuePtr)
{
	unsigned shift = 64 - 8 * (unsigned)number_bytes(theType);

	memcpy(valuePtr, &number->value, number_bytes(theType));
	return (int64_t)((uint64_t)number->value << shift) >> shift == number->value;
}

CFTypeID CFBooleanGetTypeID(void)
{
	return TYPE_BOOLEAN;
}

Boolean CFBooleanGetValue(CFBooleanRef boolean)
{
	return boolean == kCFBooleanTrue;
}

/* ---- dictionaries ---- */

CFTypeID CFDictionaryGetTypeID(void)
{
	return TYPE_DICTIONARY;
}

CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
						 const CFDictionaryKeyCallBacks *keyCallBacks,
						 const CFDictionaryValueCallBacks *valueCallBacks)
{
	(void)allocator;
	(void)capacity;
	(void)keyCallBacks;
	(void)valueCallBacks;
	return object_alloc(TYPE_DICTIONARY, sizeof(struct __CFDictionary));
}

static struct pair *dictionary_find(CFDictionaryRef d, const void *key)
{
	for (CFIndex i = 0; i < d->count; i++)
		if (CFEqual(d->pairs[i].key, key))
			return &d->pairs[i];
	return NULL;
}

CFIndex CFDictionaryGetCount(CFDictionaryRef theDict)
{
	return theDict->count;
}

const void *CFDictionaryGetValue(CFDictionaryRef theDict, const void *key)
{
	struct pair *p = dictionary_find(theDict, key);

	return p ? p->value : NULL;
}

void CFDictionarySetValue(CFMutableDictionaryRef theDict, const void *key, const void *value)
{
	struct pair *p = dictionary_find(theDict, key);

	CFRetain(value);
	if (p) {
		CFRelease(p->value);
		p->value = value;
		return;
	}
	if (theDict->count == theDict->room) {
		theDict->room = theDict->room ? 2 * theDict->room : 4;
		theDict->pairs = realloc(theDict->pairs, (size_t)theDict->room * sizeof(*theDict->pairs));
		if (!theDict->pairs)
			abort();
	}
	theDict->pairs[theDict->count++] = (struct pair){CFRetain(key), value};
}

void CFDictionaryRemoveValue(CFMutableDictionaryRef theDict, const void *key)
{
	struct pair *p = dictionary_find(theDict, key);

	if (!p)
		return;
	CFRelease(p->key);
	CFRelease(p->value);
	*p = theDict->pairs[--theDict->count];
}
