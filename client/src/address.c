// SPDX-License-Identifier: GPL-2.0-or-later
/* address.c - "03:00.0", "0000:03:00.0" and "id:0x1000004f2". */
#include <ctype.h>
#include <string.h>

#include "internal.h"

/* At most `digits` hexadecimal digits, then `end`; the character behind `end`, or NULL. */
static const char *hex_field(const char *s, unsigned digits, char end, uint64_t max, uint64_t *value)
{
	unsigned n = 0;

	for (*value = 0; n < digits && isxdigit((unsigned char)s[n]); n++) {
		int c = tolower((unsigned char)s[n]);

		*value = *value << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return n && s[n] == end && *value <= max ? s + n + 1 : NULL;
}

bool vfa_address_parse(const char *text, struct vfa_address *out)
{
	const char *first = strchr(text, ':'), *s = text;
	uint64_t bus, device, function, domain;

	*out = (struct vfa_address){0};
	if (!strncmp(text, "id:", 3)) {
		s += strncmp(text + 3, "0x", 2) ? 3 : 5;
		out->by_id = true;
		return hex_field(s, 16, '\0', UINT64_MAX, &out->id) != NULL;
	}
	if (first && strchr(first + 1, ':'))
		s = hex_field(s, 8, ':', UINT32_MAX, &domain);
	if (!s || !(s = hex_field(s, 2, ':', 0xff, &bus)) || !(s = hex_field(s, 2, '.', 0x1f, &device)) ||
	    !hex_field(s, 1, '\0', 7, &function))
		return false;
	out->bus = (uint8_t)bus;
	out->device = (uint8_t)device;
	out->function = (uint8_t)function;
	return true;
}

bool vfa_address_matches(const struct vfa_address *a, const struct vfa_device_info *info)
{
	if (a->by_id)
		return a->id == info->registry_id;
	return a->bus == info->bus && a->device == info->device && a->function == info->function;
}
