// SPDX-License-Identifier: GPL-2.0-or-later
#include "known_devices.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Linux drivers/pci/quirks.c, quirk_no_flr(); the driver extension never tries it on these. */
static const struct known_device broken_flr[] = {
	{0x10de, 0x2b85, "NVIDIA GB202 (10de:2b85)", "Linux, quirk_no_flr"},
	{0x10de, 0x2b87, "NVIDIA GB202 (10de:2b87)", "Linux, quirk_no_flr"},
	{0x10de, 0x2b8c, "NVIDIA GB202 (10de:2b8c)", "Linux, quirk_no_flr"},
};

/* github.com/utmapp/UTM issue 4579, 2026-05-13. */
static const struct known_enclosure bad_enclosures[] = {
	{"AOOSTAR", "EG02", "UTM issue 4579"},
	{"Razer", "Core X V2", "UTM issue 4579"},
};

const struct known_device *known_broken_flr(uint16_t vendor, uint16_t device)
{
	for (size_t i = 0; i < sizeof(broken_flr) / sizeof(broken_flr[0]); i++) {
		if (broken_flr[i].vendor == vendor && broken_flr[i].device == device)
			return &broken_flr[i];
	}
	return NULL;
}

static bool contains(const char *text, const char *part)
{
	size_t length = strlen(part);

	for (; *text; text++) {
		if (!strncasecmp(text, part, length))
			return true;
	}
	return false;
}

const struct known_enclosure *known_bad_enclosure(const char *vendor, const char *model)
{
	for (size_t i = 0; i < sizeof(bad_enclosures) / sizeof(bad_enclosures[0]); i++) {
		if (contains(vendor, bad_enclosures[i].vendor) && contains(model, bad_enclosures[i].model))
			return &bad_enclosures[i];
	}
	return NULL;
}
