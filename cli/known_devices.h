/* SPDX-License-Identifier: GPL-2.0-or-later */
/* known_devices.h - devices and enclosures that somebody has had trouble with, each with its source. */
#ifndef VFIO_APPLE_KNOWN_DEVICES_H
#define VFIO_APPLE_KNOWN_DEVICES_H

#include <stdint.h>

struct known_device {
	uint16_t vendor, device;
	const char *name;
	const char *source; /* for the reader of a message */
};

struct known_enclosure {
	const char *vendor, *model; /* parts of the names that the enclosure gives itself, whatever the case */
	const char *source;
};

/* Claims function-level reset, and hangs on it; NULL: not known. */
const struct known_device *known_broken_flr(uint16_t vendor, uint16_t device);

/* Reported not to work with passthrough; NULL: not known. */
const struct known_enclosure *known_bad_enclosure(const char *vendor, const char *model);

#endif
