/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - a machine file: the Mac, its DARTs, its dext, what hangs on Thunderbolt and its PCI functions.
 *
 * The file is INI.  Every key must be read by the core or by a device model:
 * one that nobody asked for is an error, so that a misspelt option cannot pass.
 */
#ifndef MACSIM_KERNEL_MACHINE_H
#define MACSIM_KERNEL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dart.h"

#define MACHINE_FUNCTIONS_MAX  16
#define MACHINE_ENCLOSURES_MAX 8
#define MACHINE_BARS           7

struct machine; /* the settings as written, with their places */

enum bar_mode { BAR_MAPPED, BAR_TRAPPED, BAR_UNASSIGNED };

/* As in the link registers: speed 1 is 2.5 GT/s, 2 is 5, 3 is 8, 4 is 16; width is lanes. */
struct link_config {
	unsigned speed, width, speed_max, width_max;
};

struct function_config {
	char section[32]; /* "function 03:00.0" */
	char bdf[8];
	uint8_t bus, device, function;
	const char *model;
	bool flr;           /* false: the machine takes function-level reset away */
	bool msi;           /* false: MSI and MSI-X are taken away */
	unsigned vectors;   /* at most this many in the capability; 0 = the model's */
	unsigned irq_limit; /* at most this many granted by the platform; 0 = all */
	enum bar_mode bars[MACHINE_BARS];
	bool built_in;      /* on the logic board; false: behind Thunderbolt */
	const char *dart;   /* functions with the same name here share a DART; NULL: one of its own */
	const char *driver; /* "dext", "none", or the kernel class that takes the nub first */
	struct link_config link;
	/* Identity in place of the model's; -1: the model's. */
	int64_t vendor_id, device_id, class_code;
};

/* What `systemextensionsctl list` shows of the dext; only an enabled one runs. */
enum extension_state {
	EXTENSION_ENABLED,
	EXTENSION_WAITING,
	EXTENSION_DISABLED,
	EXTENSION_UNINSTALLED,
	EXTENSION_NONE
};

struct enclosure_config {
	const char *vendor, *model;
	unsigned thunderbolt; /* 3, 4 or 5 */
};

struct machine_config {
	uint64_t page; /* the host's VM page */
	bool entitled; /* clients hold com.apple.developer.driverkit.userclient-access */
	const char *macos, *hw_model;
	uint64_t memory;
	bool intel, rosetta;
	struct dart_config dart;
	const char *dext_path; /* NULL: the built one */
	const char *dext_class;
	const char *dext_bundle, *dext_version;
	const char *dext_old_version; /* of a second copy that ends with the next restart; NULL: none */
	enum extension_state dext_state;
	struct enclosure_config enclosures[MACHINE_ENCLOSURES_MAX];
	unsigned nr_enclosures;
	struct function_config functions[MACHINE_FUNCTIONS_MAX];
	unsigned nr_functions;
};

/* All return false (or NULL) with one sentence in err, which names the place as file:line. */
struct machine *machine_load(const char *path, char *err, size_t err_size);
bool machine_set(struct machine *m, const char *assignment, char *err, size_t err_size); /* SECTION.KEY=VALUE */
bool machine_configure(struct machine *m, struct machine_config *c, char *err, size_t err_size);
bool machine_all_used(struct machine *m, char *err, size_t err_size);
void machine_free(struct machine *m);

/* One value; NULL when absent. Marks the key as read. */
const char *machine_value(struct machine *m, const char *section, const char *key);
/* Where that key was written, for messages. */
const char *machine_place(struct machine *m, const char *section, const char *key);

bool machine_parse_size(const char *text, uint64_t *value); /* decimal or 0x, with K, M, G */
bool machine_parse_bool(const char *text, bool *value);

#endif
