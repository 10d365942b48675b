/* SPDX-License-Identifier: GPL-2.0-or-later */
/* collections.cpp - property types, and how they travel to the kernel. */
#include "runtime.h"
#include "class.h"

OSDefineAbstractClass(OSContainer, OSTypeID(OSObject));
OSDefineDispatchNothing(OSContainer);
OSDefineAbstractClass(OSCollection, OSTypeID(OSContainer));
OSDefineDispatchNothing(OSCollection);

/* ---- OSString ---- */

struct OSString_IVars {
	std::string text;
};

OSDefineClass(OSString, OSContainer);
OSDefineDispatchNothing(OSString);

OSString *OSString::withCString(const char *cString)
{
	return withCString(cString, strlen(cString));
}

OSString *OSString::withCString(const char *cString, size_t length)
{
	OSString *string = OSTypeAlloc(OSString);

	string->ivars = new OSString_IVars{std::string(cString, length)};
	return string;
}

void OSString::free()
{
	delete ivars;
	super::free();
}

bool OSString::isEqualTo(const OSMetaClassBase *anObject) const
{
	const OSString *other = OSDynamicCast(OSString, anObject);

	return other && other->ivars->text == ivars->text;
}

bool OSString::isEqualTo(const char *cString) const
{
	return ivars->text == cString;
}

size_t OSString::getLength() const
{
	return ivars->text.size();
}

const char *OSString::getCStringNoCopy() const
{
	return ivars->text.c_str();
}

/* ---- OSData ---- */

struct OSData_IVars {
	std::vector<uint8_t> bytes;
};

OSDefineClass(OSData, OSContainer);
OSDefineDispatchNothing(OSData);

OSData *OSData::withCapacity(uint32_t capacity)
{
	OSData *data = OSTypeAlloc(OSData);

	data->ivars = new OSData_IVars;
	data->ivars->bytes.reserve(capacity);
	return data;
}

OSData *OSData::withBytes(const void *bytes, size_t length)
{
	OSData *data = withCapacity(length);

	data->appendBytes(bytes, length);
	return data;
}

void OSData::free()
{
	delete ivars;
	super::free();
}

bool OSData::isEqualTo(const OSMetaClassBase *anObject) const
{
	const OSData *other = OSDynamicCast(OSData, anObject);

	return other && other->ivars->bytes == ivars->bytes;
}

size_t OSData::getLength() const
{
	return ivars->bytes.size();
}

size_t OSData::getCapacity() const
{
	return ivars->bytes.capacity();
}

const void *OSData::getBytesNoCopy() const
{
	return ivars->bytes.empty() ? nullptr : ivars->bytes.data();
}

const void *OSData::getBytesNoCopy(size_t start, size_t length) const
{
	size_t have = ivars->bytes.size();

	return length && start < have && length <= have - start ? ivars->bytes.data() + start : nullptr;
}

bool OSData::appendBytes(const void *bytes, size_t length)
{
	const uint8_t *from = static_cast<const uint8_t *>(bytes);

	if (from)
		ivars->bytes.insert(ivars->bytes.end(), from, from + length);
	else
		ivars->bytes.resize(ivars->bytes.size() + length);
	return true;
}

bool OSData::appendBytes(const OSData *other)
{
	const std::vector<uint8_t> copy = other->ivars->bytes;

	return appendBytes(copy.data(), copy.size());
}

/* ---- OSNumber ---- */

struct OSNumber_IVars {
	uint64_t value;
	size_t bits;
};

static uint64_t Truncate(uint64_t value, size_t bits)
{
	return bits >= 64 ? value : value & ((1ULL << bits) - 1);
}

OSDefineClass(OSNumber, OSContainer);
OSDefineDispatchNothing(OSNumber);

OSNumber *OSNumber::withNumber(uint64_t value, size_t numberOfBits)
{
	OSNumber *number;

	if (numberOfBits > 64)
		return nullptr;
	number = OSTypeAlloc(OSNumber);
	number->ivars = new OSNumber_IVars{Truncate(value, numberOfBits), numberOfBits};
	return number;
}

void OSNumber::free()
{
	delete ivars;
	super::free();
}

bool OSNumber::isEqualTo(const OSMetaClassBase *anObject) const
{
	const OSNumber *other = OSDynamicCast(OSNumber, anObject);

	return other && other->ivars->value == ivars->value;
}

size_t OSNumber::numberOfBits() const
{
	return ivars->bits;
}

size_t OSNumber::numberOfBytes() const
{
	return (ivars->bits + 7) / 8;
}

uint8_t OSNumber::unsigned8BitValue() const
{
	return static_cast<uint8_t>(ivars->value);
}

uint16_t OSNumber::unsigned16BitValue() const
{
	return static_cast<uint16_t>(ivars->value);
}

uint32_t OSNumber::unsigned32BitValue() const
{
	return static_cast<uint32_t>(ivars->value);
}

uint64_t OSNumber::unsigned64BitValue() const
{
	return ivars->value;
}

void OSNumber::setValue(uint64_t value)
{
	ivars->value = Truncate(value, ivars->bits);
}

/* ---- OSBoolean ---- */

OSDefineClass(OSBoolean, OSContainer);
OSDefineDispatchNothing(OSBoolean);

OSBoolean *const kOSBooleanTrue = static_cast<OSBoolean *>(AllocateOSBoolean());
OSBoolean *const kOSBooleanFalse = static_cast<OSBoolean *>(AllocateOSBoolean());

OSBoolean *OSBoolean::withBoolean(bool value)
{
	return value ? kOSBooleanTrue : kOSBooleanFalse;
}

void OSBoolean::retain() const
{
}

void OSBoolean::release() const
{
}

bool OSBoolean::isTrue() const
{
	return this == kOSBooleanTrue;
}

bool OSBoolean::isFalse() const
{
	return this == kOSBooleanFalse;
}

bool OSBoolean::getValue() const
{
	return isTrue();
}

/* ---- OSArray ---- */

struct OSArray_IVars {
	std::vector<OSObject *> objects;
};

OSDefineClass(OSArray, OSCollection);
OSDefineDispatchNothing(OSArray);

OSArray *OSArray::withCapacity(uint32_t capacity)
{
	OSArray *array = OSTypeAlloc(OSArray);

	array->ivars = new OSArray_IVars;
	array->ivars->objects.reserve(capacity);
	return array;
}

void OSArray::free()
{
	for (OSObject *object : ivars->objects)
		object->release();
	delete ivars;
	super::free();
}

uint32_t OSArray::getCount() const
{
	return static_cast<uint32_t>(ivars->objects.size());
}

OSObject *OSArray::getObject(uint32_t index) const
{
	return index < ivars->objects.size() ? ivars->objects[index] : nullptr;
}

bool OSArray::setObject(OSMetaClassBase *anObject)
{
	return setObject(getCount(), anObject);
}

bool OSArray::setObject(uint32_t index, OSMetaClassBase *anObject)
{
	OSObject *object = OSDynamicCast(OSObject, anObject);

	if (!object || index > ivars->objects.size())
		return false;
	object->retain();
	ivars->objects.insert(ivars->objects.begin() + index, object);
	return true;
}

void OSArray::removeObject(uint32_t index)
{
	OSObject *object = getObject(index);

	if (!object)
		return;
	ivars->objects.erase(ivars->objects.begin() + index);
	object->release();
}

/* ---- OSDictionary ---- */

struct OSDictionary_IVars {
	std::map<std::string, OSObject *> entries;
};

OSDefineClass(OSDictionary, OSCollection);
OSDefineDispatchNothing(OSDictionary);

OSDictionary *OSDictionary::withCapacity(uint32_t)
{
	OSDictionary *dictionary = OSTypeAlloc(OSDictionary);

	dictionary->ivars = new OSDictionary_IVars;
	return dictionary;
}

void OSDictionary::free()
{
	for (auto &entry : ivars->entries)
		entry.second->release();
	delete ivars;
	super::free();
}

uint32_t OSDictionary::getCount() const
{
	return static_cast<uint32_t>(ivars->entries.size());
}

OSObject *OSDictionary::getObject(const char *key) const
{
	auto found = ivars->entries.find(key);

	return found == ivars->entries.end() ? nullptr : found->second;
}

OSObject *OSDictionary::getObject(const OSObject *key) const
{
	const OSString *string = OSDynamicCast(OSString, key);

	return string ? getObject(string->getCStringNoCopy()) : nullptr;
}

bool OSDictionary::setObject(const char *key, const OSMetaClassBase *anObject)
{
	OSObject *object = OSDynamicCast(OSObject, anObject);

	if (!object)
		return false;
	object->retain();
	removeObject(key);
	ivars->entries[key] = object;
	return true;
}

bool OSDictionary::setObject(const OSObject *key, const OSMetaClassBase *anObject)
{
	const OSString *string = OSDynamicCast(OSString, key);

	return string && setObject(string->getCStringNoCopy(), anObject);
}

void OSDictionary::removeObject(const char *key)
{
	auto found = ivars->entries.find(key);

	if (found == ivars->entries.end())
		return;
	found->second->release();
	ivars->entries.erase(found);
}

void OSDictionary::removeObject(const OSObject *key)
{
	const OSString *string = OSDynamicCast(OSString, key);

	if (string)
		removeObject(string->getCStringNoCopy());
}

bool OSDictionary::iterateObjects(bool (^block)(OSObject *key, OSObject *value)) const
{
	for (auto &entry : ivars->entries) {
		OSString *key = OSString::withCString(entry.first.c_str());
		bool stop = block(key, entry.second);

		key->release();
		if (stop)
			break;
	}
	return true;
}

/* ---- the C functions ---- */

const char *OSStringGetStringPtr(OSStringPtr obj)
{
	return obj->getCStringNoCopy();
}

size_t OSStringGetLength(OSStringPtr obj)
{
	return obj->getLength();
}

OSStringPtr OSStringCreate(const char *cstring, size_t length)
{
	return OSString::withCString(cstring, length);
}

size_t OSDataGetLength(OSDataPtr obj)
{
	return obj->getLength();
}

const void *OSDataGetBytesPtr(OSDataPtr obj, size_t offset, size_t length)
{
	return obj->getBytesNoCopy(offset, length);
}

size_t OSDataGetBytes(OSDataPtr obj, void *buffer, size_t offset, size_t length)
{
	size_t have = obj->getLength();

	if (offset >= have)
		return 0;
	length = length < have - offset ? length : have - offset;
	if (length)
		memcpy(buffer, obj->getBytesNoCopy(offset, length), length);
	return length;
}

OSDataPtr OSDataCreate(const void *bytes, size_t length)
{
	return OSData::withBytes(bytes, length);
}

bool OSDataAppendBytes(OSDataPtr obj, const void *bytes, size_t length)
{
	return obj->appendBytes(bytes, length);
}

uint64_t OSNumberGetUInt64Value(OSNumberPtr obj)
{
	return obj->unsigned64BitValue();
}

OSNumberPtr OSNumberCreateWithUInt64Value(uint64_t value)
{
	return OSNumber::withNumber(value, 64);
}

OSDictionaryPtr OSDictionaryCreate(void)
{
	return OSDictionary::withCapacity(0);
}

uint32_t OSDictionaryGetCount(OSDictionaryPtr obj)
{
	return obj->getCount();
}

bool OSDictionaryApply(OSDictionaryPtr obj, OSDictionaryApplier applier)
{
	return obj->iterateObjects(^bool(OSObject *key, OSObject *value) {
	  return applier(OSDynamicCast(OSString, key)->getCStringNoCopy(), value);
	});
}

bool OSDictionarySetValue(OSDictionaryPtr obj, const char *key, OSObjectPtr value)
{
	return obj->setObject(key, value);
}

OSObjectPtr OSDictionaryGetValue(OSDictionaryPtr obj, const char *key)
{
	return obj->getObject(key);
}

const char *OSDictionaryGetStringValue(OSDictionaryPtr obj, const char *key)
{
	OSString *string = OSDynamicCast(OSString, obj->getObject(key));

	return string ? string->getCStringNoCopy() : nullptr;
}

uint64_t OSDictionaryGetUInt64Value(OSDictionaryPtr obj, const char *key)
{
	OSNumber *number = OSDynamicCast(OSNumber, obj->getObject(key));

	return number ? number->unsigned64BitValue() : 0;
}

void OSDictionarySetStringValue(OSDictionaryPtr obj, const char *key, const char *value)
{
	OSString *string = OSString::withCString(value);

	obj->setObject(key, string);
	string->release();
}

void OSDictionarySetUInt64Value(OSDictionaryPtr obj, const char *key, uint64_t value)
{
	OSNumber *number = OSNumber::withNumber(value, 64);

	obj->setObject(key, number);
	number->release();
}

/* ---- struct mw_property ---- */

static void Append(std::vector<uint8_t> &out, const void *bytes, size_t length)
{
	const uint8_t *from = static_cast<const uint8_t *>(bytes);

	out.insert(out.end(), from, from + length);
}

static bool EncodeOne(const char *key, OSObject *value, std::vector<uint8_t> &out)
{
	mw_property p = {};
	const void *bytes = nullptr;

	p.key_bytes = static_cast<uint32_t>(strlen(key) + 1);
	if (OSNumber *number = OSDynamicCast(OSNumber, value)) {
		p.type = MW_T_NUMBER;
		p.bits = static_cast<uint32_t>(number->numberOfBits());
		p.value = number->unsigned64BitValue();
	} else if (OSBoolean *boolean = OSDynamicCast(OSBoolean, value)) {
		p.type = MW_T_BOOL;
		p.value = boolean->getValue();
	} else if (OSString *string = OSDynamicCast(OSString, value)) {
		p.type = MW_T_STRING;
		p.value_bytes = static_cast<uint32_t>(string->getLength() + 1);
		bytes = string->getCStringNoCopy();
	} else if (OSData *data = OSDynamicCast(OSData, value)) {
		p.type = MW_T_DATA;
		p.value_bytes = static_cast<uint32_t>(data->getLength());
		bytes = data->getBytesNoCopy();
	} else {
		return false;
	}
	Append(out, &p, sizeof(p));
	Append(out, key, p.key_bytes);
	if (p.value_bytes)
		Append(out, bytes, p.value_bytes);
	out.resize((out.size() + 7) & ~size_t(7));
	return true;
}

bool PropertiesEncode(const OSDictionary *dictionary, std::vector<uint8_t> &out)
{
	__block bool good = true;
	std::vector<uint8_t> *to = &out;

	dictionary->iterateObjects(^bool(OSObject *key, OSObject *value) {
	  good = EncodeOne(OSDynamicCast(OSString, key)->getCStringNoCopy(), value, *to);
	  return !good;
	});
	return good && out.size() <= MW_MAX_PAYLOAD;
}

static OSObject *DecodeValue(const mw_property &p, const char *value)
{
	switch (p.type) {
	case MW_T_NUMBER:
		return OSNumber::withNumber(p.value, p.bits && p.bits <= 64 ? p.bits : 64);
	case MW_T_BOOL:
		return OSBoolean::withBoolean(p.value);
	case MW_T_STRING:
		return OSString::withCString(value, strnlen(value, p.value_bytes));
	case MW_T_DATA:
		return OSData::withBytes(value, p.value_bytes);
	}
	DriverKitViolation("a property of unknown type", p.type);
}

OSDictionary *PropertiesDecode(const void *bytes, size_t length)
{
	const char *at = static_cast<const char *>(bytes);
	OSDictionary *dictionary = OSDictionary::withCapacity(0);
	mw_property p;

	while (length) {
		if (length < sizeof(p))
			DriverKitViolation("a truncated property list", length);
		memcpy(&p, at, sizeof(p));
		uint64_t size = (sizeof(p) + uint64_t(p.key_bytes) + p.value_bytes + 7) & ~uint64_t(7);
		if (!p.key_bytes || size > length || at[sizeof(p) + p.key_bytes - 1])
			DriverKitViolation("a malformed property", p.key_bytes);
		OSObject *value = DecodeValue(p, at + sizeof(p) + p.key_bytes);
		dictionary->setObject(at + sizeof(p), value);
		value->release();
		at += size;
		length -= size;
	}
	return dictionary;
}
