/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The property types; keys of a dictionary are strings here.  Source: DriverKit SDK OSCollections.h (C functions) and developer.apple.com documentation of
 * the classes; the implementation is closed.  A dictionary keeps one reference to each value.
 */
#ifndef _DRIVERKIT_OSCOLLECTIONS_H
#define _DRIVERKIT_OSCOLLECTIONS_H

#include <DriverKit/OSObject.h>

class OSContainer : public OSObject
{
	OSDeclareClass(OSContainer, OSObject);
};

class OSString : public OSContainer
{
	OSDeclareClass(OSString, OSContainer);
public:
	static OSString *withCString(const char *cString);
	static OSString *withCString(const char *cString, size_t length);
	void free() override;
	bool isEqualTo(const OSMetaClassBase *anObject) const override;
	bool isEqualTo(const char *cString) const;
	size_t getLength() const;
	const char *getCStringNoCopy() const;
};

class OSData : public OSContainer
{
	OSDeclareClass(OSData, OSContainer);
public:
	static OSData *withCapacity(uint32_t capacity);
	static OSData *withBytes(const void *bytes, size_t length);
	void free() override;
	bool isEqualTo(const OSMetaClassBase *anObject) const override;
	size_t getLength() const;
	size_t getCapacity() const;
	const void *getBytesNoCopy() const;
	const void *getBytesNoCopy(size_t start, size_t length) const;
	bool appendBytes(const void *bytes, size_t length);
	bool appendBytes(const OSData *other);
};

class OSNumber : public OSContainer
{
	OSDeclareClass(OSNumber, OSContainer);
public:
	static OSNumber *withNumber(uint64_t value, size_t numberOfBits);
	void free() override;
	bool isEqualTo(const OSMetaClassBase *anObject) const override;
	size_t numberOfBits() const;
	size_t numberOfBytes() const;
	uint8_t unsigned8BitValue() const;
	uint16_t unsigned16BitValue() const;
	uint32_t unsigned32BitValue() const;
	uint64_t unsigned64BitValue() const;
	void setValue(uint64_t value);
};

class OSBoolean : public OSContainer
{
	OSDeclareClass(OSBoolean, OSContainer);
public:
	static OSBoolean *withBoolean(bool value);
	/* There are two of them, for ever. */
	void retain() const override;
	void release() const override;
	bool isTrue() const;
	bool isFalse() const;
	bool getValue() const;
};
extern OSBoolean *const kOSBooleanTrue;
extern OSBoolean *const kOSBooleanFalse;

class OSCollection : public OSContainer
{
	OSDeclareClass(OSCollection, OSContainer);
public:
	virtual uint32_t getCount() const = 0;
};

class OSArray : public OSCollection
{
	OSDeclareClass(OSArray, OSCollection);
public:
	static OSArray *withCapacity(uint32_t capacity);
	void free() override;
	uint32_t getCount() const override;
	OSObject *getObject(uint32_t index) const;
	bool setObject(OSMetaClassBase *anObject);
	bool setObject(uint32_t index, OSMetaClassBase *anObject);
	void removeObject(uint32_t index);
};

class OSDictionary : public OSCollection
{
	OSDeclareClass(OSDictionary, OSCollection);
public:
	static OSDictionary *withCapacity(uint32_t capacity);
	void free() override;
	uint32_t getCount() const override;
	OSObject *getObject(const char *key) const;
	OSObject *getObject(const OSObject *key) const;
	bool setObject(const char *key, const OSMetaClassBase *anObject);
	bool setObject(const OSObject *key, const OSMetaClassBase *anObject);
	void removeObject(const char *key);
	void removeObject(const OSObject *key);
	/* block returns true to stop */
	bool iterateObjects(bool (^block)(OSObject *key, OSObject *value)) const;
};

typedef OSString *OSStringPtr;
typedef OSData *OSDataPtr;
typedef OSNumber *OSNumberPtr;
typedef OSBoolean *OSBooleanPtr;
typedef OSArray *OSArrayPtr;
typedef OSDictionary *OSDictionaryPtr;
typedef bool (^OSDictionaryApplier)(const char *key, OSObjectPtr value);

extern "C" {
const char *OSStringGetStringPtr(OSStringPtr obj);
size_t OSStringGetLength(OSStringPtr obj);
OSStringPtr OSStringCreate(const char *cstring, size_t length);
size_t OSDataGetLength(OSDataPtr obj);
const void *OSDataGetBytesPtr(OSDataPtr obj, size_t offset, size_t length);
size_t OSDataGetBytes(OSDataPtr obj, void *buffer, size_t offset, size_t length);
OSDataPtr OSDataCreate(const void *bytes, size_t length);
bool OSDataAppendBytes(OSDataPtr obj, const void *bytes, size_t length);
uint64_t OSNumberGetUInt64Value(OSNumberPtr obj);
OSNumberPtr OSNumberCreateWithUInt64Value(uint64_t value);
OSDictionaryPtr OSDictionaryCreate(void);
uint32_t OSDictionaryGetCount(OSDictionaryPtr obj);
bool OSDictionaryApply(OSDictionaryPtr obj, OSDictionaryApplier applier);
bool OSDictionarySetValue(OSDictionaryPtr obj, const char *key, OSObjectPtr value);
OSObjectPtr OSDictionaryGetValue(OSDictionaryPtr obj, const char *key);
const char *OSDictionaryGetStringValue(OSDictionaryPtr obj, const char *key);
uint64_t OSDictionaryGetUInt64Value(OSDictionaryPtr obj, const char *key);
void OSDictionarySetStringValue(OSDictionaryPtr obj, const char *key, const char *value);
void OSDictionarySetUInt64Value(OSDictionaryPtr obj, const char *key, uint64_t value);
}

#endif
