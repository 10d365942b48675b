// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor_registry.c - PCI functions, their drivers, and Thunderbolt routers, from the I/O registry. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

#include "doctor.h"
#include "text.h"

#define TEXT_BYTES   128
#define ENTRIES_MAX  1024 /* of one iterator: no Mac has as many */
#define CLASS_BRIDGE 0x0604

/* ---- properties ---- */

static CFTypeRef copy_property(io_registry_entry_t entry, const char *name, CFTypeID type)
{
	CFStringRef key = CFStringCreateWithCString(kCFAllocatorDefault, name, kCFStringEncodingUTF8);
	CFTypeRef value = IORegistryEntryCreateCFProperty(entry, key, kCFAllocatorDefault, 0);

	CFRelease(key);
	if (value && CFGetTypeID(value) != type) {
		CFRelease(value);
		value = NULL;
	}
	return value;
}

/* Of any type. */
static bool has_property(io_registry_entry_t entry, CFStringRef key)
{
	CFTypeRef value = IORegistryEntryCreateCFProperty(entry, key, kCFAllocatorDefault, 0);

	if (value)
		CFRelease(value);
	return value != NULL;
}

static bool read_number(io_registry_entry_t entry, const char *name, uint64_t *number)
{
	CFNumberRef value = copy_property(entry, name, CFNumberGetTypeID());
	int64_t read = 0;

	if (!value)
		return false;
	CFNumberGetValue(value, kCFNumberSInt64Type, &read);
	CFRelease(value);
	*number = (uint64_t)read;
	return true;
}

/* At most room bytes; how many there were, 0 when there is no such property. */
static size_t read_data(io_registry_entry_t entry, const char *name, void *bytes, size_t room)
{
	CFDataRef value = copy_property(entry, name, CFDataGetTypeID());
	size_t length;

	if (!value)
		return 0;
	length = (size_t)CFDataGetLength(value);
	if (length > room)
		length = room;
	memcpy(bytes, CFDataGetBytePtr(value), length);
	CFRelease(value);
	return length;
}

static uint32_t read_register(io_registry_entry_t entry, const char *name)
{
	uint32_t value = 0;

	return read_data(entry, name, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

static void read_text(io_registry_entry_t entry, const char *name, char *text, size_t room)
{
	CFStringRef value = copy_property(entry, name, CFStringGetTypeID());
	char read[TEXT_BYTES];

	text[0] = '\0';
	if (!value)
		return;
	if (CFStringGetCString(value, read, sizeof(read), kCFStringEncodingUTF8))
		text_clean(text, room, read);
	CFRelease(value);
}

/* ---- PCI functions ---- */

/* "b:d:f", and for a bridge more behind it (IOPCIConfigurator.cpp, "pcidebug"). */
static void read_address(io_service_t service, struct nub_facts *nub)
{
	unsigned bus, device, function;
	char text[32];

	read_text(service, "pcidebug", text, sizeof(text));
	if (sscanf(text, "%3u:%3u:%3u", &bus, &device, &function) == 3 && bus < 256 && device < 32 && function < 8)
		snprintf(nub->address, sizeof(nub->address), "%02x:%02x.%x", bus, device, function);
}

/*
 * "reg" holds what each BAR asks for, "assigned-addresses" those that got an
 * address; entries as on 64-bit Arm (IOPCIDevice.h, struct IOPCIPhysicalAddress).
 */
struct physical_address {
	uint32_t space, low, high, length_low, length_high;
};

#define SPACE_REGISTER(space) ((space)&0xff)
#define SPACE_KIND(space)     ((space) >> 24 & 3)
#define KIND_CONFIG           0
#define KIND_IO               1

/* Which memory BAR or ROM; -1: none. */
static int bar_of(const struct physical_address *address)
{
	uint32_t number = SPACE_REGISTER(address->space), kind = SPACE_KIND(address->space);

	if (kind == KIND_CONFIG || kind == KIND_IO)
		return -1;
	if (number == 0x30)
		return 6;
	return number >= 0x10 && number <= 0x24 && number % 4 == 0 ? (int)(number - 0x10) / 4 : -1;
}

static void read_bars(io_service_t service, struct nub_facts *nub)
{
	struct physical_address addresses[16];
	size_t count = read_data(service, "reg", addresses, sizeof(addresses)) / sizeof(addresses[0]);

	nub->bars_known = count > 0;
	for (size_t i = 0; i < count; i++) {
		int bar = bar_of(&addresses[i]);

		if (bar >= 0)
			nub->wanted[bar] = (uint64_t)addresses[i].length_high << 32 | addresses[i].length_low;
	}
	count = read_data(service, "assigned-addresses", addresses, sizeof(addresses)) / sizeof(addresses[0]);
	for (size_t i = 0; i < count; i++) {
		int bar = bar_of(&addresses[i]);

		if (bar >= 0)
			nub->assigned[bar] = addresses[i].low || addresses[i].high;
	}
}

static void read_link(io_service_t service, struct nub_facts *nub)
{
	uint64_t status, capabilities;

	nub->link_known = read_number(service, "IOPCIExpressLinkStatus", &status) &&
			  read_number(service, "IOPCIExpressLinkCapabilities", &capabilities);
	if (!nub->link_known)
		return;
	nub->link_status = (uint16_t)status;
	nub->link_capabilities = (uint32_t)capabilities;
}

static void add_user(struct nub_facts *nub, const char *user)
{
	size_t used = strlen(nub->users);

	if (user[0])
		snprintf(nub->users + used, sizeof(nub->users) - used, "%s%s", used ? "; " : "", user);
}

static void each_child(io_service_t service, void (*read)(io_service_t, struct nub_facts *), struct nub_facts *nub)
{
	static const io_name_t plane = kIOServicePlane;
	io_iterator_t children;
	io_service_t child;

	if (IORegistryEntryGetChildIterator(service, plane, &children))
		return;
	for (unsigned i = 0; i < ENTRIES_MAX && (child = IOIteratorNext(children)); i++) {
		read(child, nub);
		IOObjectRelease(child);
	}
	IOObjectRelease(children);
}

/* A user client says who opened it: "pid 123, name". */
static void read_user(io_service_t client, struct nub_facts *nub)
{
	char creator[TEXT_BYTES];

	read_text(client, kIOUserClientCreatorKey, creator, sizeof(creator));
	add_user(nub, creator);
}

static void read_driver(io_service_t driver, struct nub_facts *nub)
{
	io_name_t name = "";

	if (!IORegistryEntryGetName(driver, name) && !strcmp(name, VFA_SERVICE_NAME)) {
		nub->ours = true;
		each_child(driver, read_user, nub);
	} else if (!nub->driver[0] && !IOObjectGetClass(driver, name)) {
		text_clean(nub->driver, sizeof(nub->driver), name);
	}
}

static void read_nub(io_service_t service, struct doctor_facts *facts)
{
	struct nub_facts *nub = &facts->nubs[facts->nr_nubs];

	if (facts->nr_nubs == DOCTOR_NUBS_MAX || IORegistryEntryGetRegistryEntryID(service, &nub->registry_id))
		return;
	facts->nr_nubs++;
	nub->vendor = (uint16_t)read_register(service, "vendor-id");
	nub->device = (uint16_t)read_register(service, "device-id");
	nub->class_code = read_register(service, "class-code") & 0xffffff;
	nub->bridge = nub->class_code >> 8 == CLASS_BRIDGE;
	nub->built_in = has_property(service, CFSTR("built-in"));
	nub->tunnelled = has_property(service, CFSTR("IOPCITunnelled"));
	read_address(service, nub);
	read_bars(service, nub);
	read_link(service, nub);
	each_child(service, read_driver, nub);
}

/* ---- Thunderbolt ---- */

static void read_router(io_service_t service, struct doctor_facts *facts)
{
	struct enclosure_facts *enclosure = &facts->enclosures[facts->nr_enclosures];
	uint64_t depth = 0, version = 0;

	/* Depth 0 is the Mac's own. */
	if (facts->nr_enclosures == DOCTOR_ENCLOSURES_MAX || !read_number(service, "Depth", &depth) || !depth)
		return;
	facts->nr_enclosures++;
	read_number(service, "Thunderbolt Version", &version);
	enclosure->version = version > UINT32_MAX ? 0 : (unsigned)version;
	read_text(service, "Device Vendor Name", enclosure->vendor, sizeof(enclosure->vendor));
	read_text(service, "Device Model Name", enclosure->model, sizeof(enclosure->model));
}

static void each_of_class(const char *class, void (*read)(io_service_t, struct doctor_facts *),
			  struct doctor_facts *facts)
{
	io_iterator_t all;
	io_service_t service;

	if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceMatching(class), &all))
		return;
	for (unsigned i = 0; i < ENTRIES_MAX && (service = IOIteratorNext(all)); i++) {
		read(service, facts);
		IOObjectRelease(service);
	}
	IOObjectRelease(all);
}

void doctor_read_registry(struct doctor_facts *facts)
{
	each_of_class("IOPCIDevice", read_nub, facts);
	each_of_class("IOThunderboltSwitch", read_router, facts);
}
