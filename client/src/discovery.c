// SPDX-License-Identifier: GPL-2.0-or-later
/* discovery.c - which devices the dext holds, from the properties of its services. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CoreFoundation/CoreFoundation.h>

#include "internal.h"

/* ---- properties ---- */

static bool read_info(io_service_t service, struct vfa_device_info *info)
{
	CFTypeRef data = IORegistryEntryCreateCFProperty(service, CFSTR(VFA_PROPERTY_INFO), kCFAllocatorDefault, 0);
	bool valid;

	if (!data)
		return false;
	valid = CFGetTypeID(data) == CFDataGetTypeID() &&
		vfa_take_known(info, sizeof(*info), VFA_DEVICE_INFO_BYTES_1_0, CFDataGetBytePtr(data),
			       (size_t)CFDataGetLength(data));
	CFRelease(data);
	return valid;
}

static bool read_claimed(io_service_t service)
{
	CFTypeRef n = IORegistryEntryCreateCFProperty(service, CFSTR(VFA_PROPERTY_CLAIMED), kCFAllocatorDefault, 0);
	int64_t value = 0;

	if (!n)
		return false;
	if (CFGetTypeID(n) == CFNumberGetTypeID())
		CFNumberGetValue(n, kCFNumberSInt64Type, &value);
	CFRelease(n);
	return value != 0;
}

/* A service that is starting or ending has no valid properties: not listed. */
static bool read_listed(io_service_t service, struct vfa_listed *out)
{
	if (!read_info(service, &out->info))
		return false;
	out->claimed = read_claimed(service);
	return true;
}

static int all_services(io_iterator_t *all, struct vfa_error *err)
{
	kern_return_t ret =
		IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceNameMatching(VFA_SERVICE_NAME), all);

	if (ret)
		return vfa_fail(err, vfa_errno(ret), "The I/O registry cannot be searched (error 0x%08x).",
				(unsigned)ret);
	return 0;
}

void vfa_format_name(const struct vfa_device_info *info, char name[VFA_NAME_BYTES])
{
	snprintf(name, VFA_NAME_BYTES, "%02x:%02x.%x", info->bus, info->device & 0x1f, info->function & 7);
}

/* ---- entry points ---- */

int vfa_list(struct vfa_listed **list, size_t *count, struct vfa_error *err)
{
	struct vfa_listed *found = NULL, *bigger, one;
	io_iterator_t all;
	io_service_t service;
	size_t n = 0;
	int ret;

	*list = NULL;
	*count = 0;
	ret = all_services(&all, err);
	if (ret)
		return ret;
	while ((service = IOIteratorNext(all))) {
		if (read_listed(service, &one)) {
			bigger = realloc(found, (n + 1) * sizeof(*found));
			if (!bigger)
				ret = vfa_fail(err, -EIO, "Out of memory while listing devices.");
			else
				(found = bigger)[n++] = one;
		}
		IOObjectRelease(service);
	}
	IOObjectRelease(all);
	if (ret) {
		free(found);
		return ret;
	}
	*list = found;
	*count = n;
	return 0;
}

int vfa_find_service(const char *address, io_service_t *service, struct vfa_listed *out, struct vfa_error *err)
{
	io_service_t each, found = IO_OBJECT_NULL;
	struct vfa_listed listed;
	struct vfa_address a;
	uint64_t second = 0;
	io_iterator_t all;
	int ret;

	if (!vfa_address_parse(address, &a))
		return vfa_fail(err, -EINVAL,
				"%s: not a device address; write bus:device.function such as 03:00.0, or "
				"id: and a registry entry id.",
				address);
	ret = all_services(&all, err);
	if (ret)
		return ret;
	while ((each = IOIteratorNext(all))) {
		bool matches = read_listed(each, &listed) && vfa_address_matches(&a, &listed.info);

		if (matches && !found) {
			found = each;
			*out = listed;
			continue;
		}
		if (matches)
			second = listed.info.registry_id;
		IOObjectRelease(each);
	}
	IOObjectRelease(all);
	if (!found)
		return vfa_fail(err, -ENOENT,
				"%s: the driver extension holds no such device; check that it is plugged in and "
				"that the extension is enabled for it.",
				address);
	if (second) {
		IOObjectRelease(found);
		return vfa_fail(err, -EINVAL,
				"%s: several devices have this address; name one as id:0x%" PRIx64 " or id:0x%" PRIx64
				".",
				address, out->info.registry_id, second);
	}
	*service = found;
	return 0;
}

int vfa_parse_address(const char *text, struct vfa_listed *out, struct vfa_error *err)
{
	io_service_t service;
	int ret = vfa_find_service(text, &service, out, err);

	if (!ret)
		IOObjectRelease(service);
	return ret;
}

int vfa_stats_of(uint64_t registry_id, struct vfa_stats *out, struct vfa_error *err)
{
	uint8_t reply[VFA_BATCH_BYTES];
	struct vfa_call call = {.selector = VFA_GET_STATS, .out_data = reply, .out_bytes = sizeof(reply)};
	struct vfa_connection c = {0};
	char text[32], name[VFA_NAME_BYTES];
	struct vfa_listed listed;
	io_service_t service;
	IOReturn io;
	int ret;

	snprintf(text, sizeof(text), "id:0x%" PRIx64, registry_id);
	ret = vfa_find_service(text, &service, &listed, err);
	if (ret)
		return ret;
	vfa_format_name(&listed.info, name);
	ret = vfa_connection_open(&c, service, name, err);
	IOObjectRelease(service);
	if (ret)
		return ret;
	io = vfa_connection_call(&c, &call);
	vfa_connection_close(&c);
	if (!io && !vfa_take_known(out, sizeof(*out), VFA_STATS_BYTES_1_0, reply, call.out_bytes))
		io = kIOReturnUnderrun;
	if (io)
		return vfa_fail(err, vfa_errno(io), "%s: the driver extension gives no statistics (error 0x%08x).",
				name, (unsigned)io);
	return 0;
}
