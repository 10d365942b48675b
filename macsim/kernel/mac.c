// SPDX-License-Identifier: GPL-2.0-or-later
/* mac.c - what a Mac tells about itself: system variables, driver extensions, what hangs on Thunderbolt. */
#include "kernel.h"

#include <string.h>

/* ---- sysctl ---- */

static int32_t reply_value(struct conn *c, struct mw_msg *out, const void *value, uint32_t bytes)
{
	memcpy(c->out, value, bytes);
	out->len = bytes;
	return kIOReturnSuccess;
}

/*
 * Types and names: xnu bsd/kern/kern_sysctl.c (osproductversion,
 * proc_translated) and kern_mib.c (hw.*).  An Intel Mac knows neither
 * hw.optional.arm64 nor sysctl.proc_translated; a translated process on Apple
 * Silicon still sees the former.
 */
int32_t do_sysctl(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	const struct machine_config *mac = &kernel.config;
	const int32_t yes = 1, translated = mac->rosetta;
	const struct {
		const char *name;
		const void *value;
		uint32_t bytes;
		bool known;
	} variables[] = {
		{"kern.ostype", "Darwin", sizeof("Darwin"), true},
		{"kern.osproductversion", mac->macos, strlen(mac->macos) + 1, true},
		{"hw.model", mac->hw_model, strlen(mac->hw_model) + 1, true},
		{"hw.memsize", &mac->memory, sizeof(mac->memory), true},
		{"hw.optional.arm64", &yes, sizeof(yes), !mac->intel},
		{"sysctl.proc_translated", &translated, sizeof(translated), !mac->intel},
	};
	char name[128];

	(void)in;
	payload_string(c, name, sizeof(name));
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		if (variables[i].known && !strcmp(variables[i].name, name))
			return reply_value(c, out, variables[i].value, variables[i].bytes);
	}
	return kIOReturnNotFound;
}

/* ---- driver extensions ---- */

static void print_extension(FILE *out, const char *marks, const char *version, const char *state)
{
	fprintf(out, "%s\tSIMULATED0\t%s (%s)\t%s\t[%s]\n", marks, kernel.config.dext_bundle, version,
		kernel.config.dext_class, state);
}

/*
 * The tab-separated table of macOS, as its users quote it: a star under
 * "enabled" once the user has allowed it, one under "active" while it is
 * installed (google/santa issue 506, WCHSoftGroup/ch34xser_macos issue 8,
 * munki/munki-facts pull request 26).
 */
int32_t do_ctl_extensions(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	static const struct {
		const char *marks, *state;
	} rows[] = {
		[EXTENSION_ENABLED] = {"*\t*", "activated enabled"},
		[EXTENSION_WAITING] = {"\t*", "activated waiting for user"},
		[EXTENSION_DISABLED] = {"\t*", "activated disabled"},
		[EXTENSION_UNINSTALLED] = {"\t", "terminated waiting to uninstall on reboot"},
	};
	const struct machine_config *mac = &kernel.config;
	bool present = mac->dext_state != EXTENSION_NONE;
	FILE *table = fmemopen(c->out, MW_MAX_PAYLOAD, "w");

	(void)in;
	fprintf(table, "%d extension(s)\n", present + (mac->dext_old_version != NULL));
	if (present || mac->dext_old_version)
		fputs("--- com.apple.system_extension.driver_extension\n"
		      "enabled\tactive\tteamID\tbundleID (version)\tname\t[state]\n",
		      table);
	if (mac->dext_old_version)
		print_extension(table, rows[EXTENSION_UNINSTALLED].marks, mac->dext_old_version,
				rows[EXTENSION_UNINSTALLED].state);
	if (present)
		print_extension(table, rows[mac->dext_state].marks, mac->dext_version, rows[mac->dext_state].state);
	out->len = ftell(table) + 1;
	fclose(table);
	return kIOReturnSuccess;
}

/* ---- Thunderbolt ---- */

/*
 * A router is an IOThunderboltSwitch of some subclass; the Mac's own has depth
 * 0.  "Thunderbolt Version" is 64 for Thunderbolt 5, 32 for 4 and 16 for 3
 * (registry dumps in darrylmorley/whatcable issue 52).
 */
static void publish_router(const char *class, const char *vendor, const char *model, unsigned depth, unsigned version)
{
	struct entry *e = entry_new_kernel(class, "IOThunderboltSwitch", NULL, NULL);

	entry_set_string(e, "Device Vendor Name", vendor);
	entry_set_string(e, "Device Model Name", model);
	entry_set_number(e, "Depth", depth);
	entry_set_number(e, "Thunderbolt Version", version);
	object_unref(e);
}

void mac_publish_thunderbolt(void)
{
	static const struct {
		const char *class;
		unsigned version;
	} routers[] = {[3] = {"IOThunderboltSwitchType3", 16},
		       [4] = {"IOThunderboltSwitchIntelJHL8440", 32},
		       [5] = {"IOThunderboltSwitchIntelJHL9580", 64}};

	publish_router("IOThunderboltSwitchType5", "Apple Inc.", "iOS", 0, 32);
	for (unsigned i = 0; i < kernel.config.nr_enclosures; i++) {
		const struct enclosure_config *e = &kernel.config.enclosures[i];
		publish_router(routers[e->thunderbolt].class, e->vendor, e->model, 1, routers[e->thunderbolt].version);
	}
}
