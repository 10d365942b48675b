// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor_checks.c - judges the Mac, the driver extension and QEMU. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "doctor.h"
#include "known_devices.h"

#define GROUP_MAC       "This Mac"
#define GROUP_EXTENSION "Driver extension"
#define GROUP_QEMU      "QEMU"

#define OLDEST_MACOS  13
#define THUNDERBOLT_5 64

/* ---- findings ---- */

struct finding *doctor_add(struct findings *findings, const char *group, const char *id, const char *device)
{
	struct finding *list = realloc(findings->list, (findings->count + 1) * sizeof(*list));

	if (!list) {
		fputs(CLI_NAME ": out of memory\n", stderr);
		exit(CLI_FAILURE);
	}
	findings->list = list;
	list += findings->count++;
	memset(list, 0, sizeof(*list));
	list->group = group;
	list->id = id;
	snprintf(list->device, sizeof(list->device), "%s", device ? device : "");
	return list;
}

void doctor_say(struct finding *finding, enum doctor_result result, const char *sentence, ...)
{
	va_list args;

	finding->result = result;
	va_start(args, sentence);
	vsnprintf(finding->sentence, sizeof(finding->sentence), sentence, args);
	va_end(args);
}

void doctor_remedy(struct finding *finding, const char *remedy, ...)
{
	va_list args;

	va_start(args, remedy);
	vsnprintf(finding->remedy, sizeof(finding->remedy), remedy, args);
	va_end(args);
}

/* ---- the Mac ---- */

static unsigned macos_major(const struct mac_facts *mac)
{
	unsigned major = 0;

	sscanf(mac->version, "%4u", &major);
	return major;
}

static void check_macos(const struct mac_facts *mac, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_MAC, "macos-version", NULL);

	if (!mac->version[0]) {
		doctor_say(f, DOCTOR_PROBLEM, "This system does not say that it is macOS.");
		doctor_remedy(f, "Run this on an Apple Silicon Mac with macOS %d or newer.", OLDEST_MACOS);
	} else if (!macos_major(mac)) {
		doctor_say(f, DOCTOR_WARNING, "macOS calls its version \"%s\", which is no version number.",
			   mac->version);
		doctor_remedy(f, "Make sure that it is macOS %d or newer.", OLDEST_MACOS);
	} else if (macos_major(mac) < OLDEST_MACOS) {
		doctor_say(f, DOCTOR_PROBLEM, "macOS %s is too old.", mac->version);
		doctor_remedy(f, "Update to macOS %d or newer in System Settings > General > Software Update.",
			      OLDEST_MACOS);
	} else {
		doctor_say(f, DOCTOR_OK,
			   "macOS %s is supported, which begins with macOS %d; there is no record of the newest "
			   "version that was tried.",
			   mac->version, OLDEST_MACOS);
	}
}

static void check_processor(const struct mac_facts *mac, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_MAC, "apple-silicon", NULL);

	if (!mac->version[0]) {
		doctor_say(f, DOCTOR_NOT_APPLICABLE, "The processor does not matter where there is no macOS.");
	} else if (!mac->arm64) {
		doctor_say(f, DOCTOR_PROBLEM, "This Mac has an Intel processor.");
		doctor_remedy(f, "Use a Mac with Apple Silicon: guests are arm64 and run on its own processors.");
	} else if (mac->translated) {
		doctor_say(f, DOCTOR_PROBLEM, "This tool is an Intel program that runs translated by Rosetta.");
		doctor_remedy(f,
			      "Install the arm64 build, and start it from a terminal that is not set to \"Open using "
			      "Rosetta\".");
	} else {
		doctor_say(f, DOCTOR_OK, "The processor is Apple Silicon, and this tool runs on it natively.");
	}
}

static void check_location(const struct mac_facts *mac, struct findings *findings)
{
	static const char in_app[] = ".app/Contents/", applications[] = "/Applications/";
	struct finding *f = doctor_add(findings, GROUP_MAC, "app-location", NULL);
	const char *inside = strstr(mac->tool, in_app);
	int length = inside ? (int)(inside - mac->tool) + 4 : 0;

	if (!inside) {
		doctor_say(f, DOCTOR_NOT_APPLICABLE,
			   "This tool does not lie inside the app, so it cannot tell whether that is in /Applications, "
			   "from "
			   "where alone macOS installs driver extensions.");
	} else if (!strncmp(mac->tool, applications, sizeof(applications) - 1)) {
		doctor_say(f, DOCTOR_OK, "The app is %.*s, where macOS installs driver extensions from.", length,
			   mac->tool);
	} else {
		doctor_say(f, DOCTOR_PROBLEM,
			   "The app is %.*s, but macOS installs driver extensions only from /Applications.", length,
			   mac->tool);
		doctor_remedy(f, "Move the app to /Applications with the Finder and open it there.");
	}
}

/* ---- the driver extension ---- */

static const struct extension_copy *copy_in_state(const struct extension_list *list, enum extension_state state)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->copies[i].state == state)
			return &list->copies[i];
	}
	return NULL;
}

/* macOS 15 moved the switch. */
static const char *where_to_allow(const struct mac_facts *mac)
{
	return macos_major(mac) >= 15 ? "System Settings > General > Login Items & Extensions > Driver Extensions"
				      : "System Settings > Privacy & Security";
}

static void judge_copies(const struct doctor_facts *facts, struct finding *f)
{
	const struct extension_list *list = &facts->extension.list;
	const struct extension_copy *copy;

	if ((copy = copy_in_state(list, EXTENSION_ENABLED))) {
		doctor_say(f, DOCTOR_OK, "Version %s of the extension is installed and enabled.", copy->version);
	} else if ((copy = copy_in_state(list, EXTENSION_WAITING))) {
		doctor_say(f, DOCTOR_PROBLEM, "The extension is installed but waits for your approval.");
		doctor_remedy(f, "Allow " VFA_SERVICE_NAME " in %s.", where_to_allow(&facts->mac));
	} else if ((copy = copy_in_state(list, EXTENSION_DISABLED))) {
		doctor_say(f, DOCTOR_PROBLEM, "The extension is installed but switched off.");
		doctor_remedy(f, "Switch " VFA_SERVICE_NAME " on in %s.", where_to_allow(&facts->mac));
	} else if ((copy = copy_in_state(list, EXTENSION_REBOOT))) {
		doctor_say(f, DOCTOR_PROBLEM, "The extension starts only after the next restart.");
		doctor_remedy(f, "Restart the Mac.");
	} else if ((copy = copy_in_state(list, EXTENSION_REMOVED))) {
		doctor_say(f, DOCTOR_PROBLEM,
			   "The extension has been removed, and its last copy ends with the next restart.");
		doctor_remedy(f, "Restart the Mac, then open the app to install the extension again.");
	} else if (list->count) {
		doctor_say(f, DOCTOR_WARNING, "macOS reports the extension as \"%s\", a state this tool does not know.",
			   list->copies[0].text);
		doctor_remedy(f, "Restart the Mac; if that does not help, install the extension again from the app.");
	} else {
		doctor_say(f, DOCTOR_PROBLEM, "The driver extension is not installed.");
		doctor_remedy(f, "Move the app to /Applications, open it, and install the extension there.");
	}
}

static void check_extension_state(const struct doctor_facts *facts, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_EXTENSION, "extension-state", NULL);
	const struct extension_facts *extension = &facts->extension;

	if (extension->readable) {
		judge_copies(facts, f);
		return;
	}
	if (facts->nr_devices) {
		doctor_say(f, DOCTOR_OK, "The extension runs: it has taken a device.");
		return;
	}
	switch (extension->end) {
	case SUBPROCESS_MISSING:
		doctor_say(f, facts->mac.version[0] ? DOCTOR_WARNING : DOCTOR_NOT_APPLICABLE,
			   "There is no systemextensionsctl, which would tell the state of the extension.");
		break;
	case SUBPROCESS_HUNG:
		doctor_say(f, DOCTOR_WARNING,
			   "systemextensionsctl does not answer, so the state of the extension is not "
			   "known.");
		break;
	default:
		doctor_say(f, DOCTOR_WARNING,
			   "systemextensionsctl answers nothing that this tool understands, so the state "
			   "of the extension is not known.");
	}
	if (f->result == DOCTOR_WARNING)
		doctor_remedy(f, "Run \"systemextensionsctl list\" yourself and look for " VFA_SERVICE_NAME
				 ", which has to be [activated enabled].");
}

static void check_extension_copies(const struct extension_facts *extension, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_EXTENSION, "extension-copies", NULL);
	const struct extension_copy *old = NULL;

	if (!extension->readable || !extension->list.count) {
		doctor_say(f, DOCTOR_NOT_APPLICABLE, "No copy of the extension is listed.");
		return;
	}
	if (extension->list.count == 1) {
		doctor_say(f, DOCTOR_OK, "There is one copy of the extension.");
		return;
	}
	for (unsigned i = 0; i < extension->list.count; i++) {
		if (extension->list.copies[i].state != EXTENSION_ENABLED)
			old = &extension->list.copies[i];
	}
	doctor_say(f, DOCTOR_WARNING, "There are %u copies of the extension; %s %s is \"%s\".", extension->list.count,
		   old ? "version" : "even", old ? old->version : extension->list.copies[0].version,
		   old ? old->text : extension->list.copies[0].text);
	doctor_remedy(f, "Restart the Mac: until then the old copy may still serve devices.");
}

/* The first device that failed in this way; 0 = the first that answered. */
static const struct device_facts *first_with(const struct doctor_facts *facts, int opened)
{
	for (size_t i = 0; i < facts->nr_devices; i++) {
		if (facts->devices[i].opened == opened)
			return &facts->devices[i];
	}
	return NULL;
}

static void check_entitlement(const struct doctor_facts *facts, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_EXTENSION, "entitlement", NULL);

	if (first_with(facts, -EPERM)) {
		doctor_say(f, DOCTOR_PROBLEM, "macOS does not let this tool talk to the extension.");
		doctor_remedy(f, "Install a build that is signed with the entitlement "
				 "com.apple.developer.driverkit.userclient-access for the extension.");
	} else if (first_with(facts, 0) || first_with(facts, -EPROTO)) {
		doctor_say(f, DOCTOR_OK, "macOS lets this tool talk to the extension.");
	} else {
		doctor_say(f, DOCTOR_NOT_APPLICABLE, "There is no device through which the extension could be asked.");
	}
}

static void check_protocol(const struct doctor_facts *facts, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_EXTENSION, "extension-protocol", NULL);
	const struct device_facts *silent = NULL;

	for (size_t i = 0; i < facts->nr_devices && !silent; i++) {
		if (facts->devices[i].opened && facts->devices[i].opened != -EPERM)
			silent = &facts->devices[i];
	}
	if (first_with(facts, -EPROTO)) {
		doctor_say(f, DOCTOR_PROBLEM,
			   "The extension does not speak version %d of the protocol, this tool no other.",
			   VFA_VERSION_MAJOR);
		doctor_remedy(f, "Install app and tool of the same version, then restart the Mac.");
	} else if (silent) {
		doctor_say(f, DOCTOR_PROBLEM, "%s", silent->error.text);
		doctor_remedy(f, "Unplug the device and plug it in again; if that does not help, restart the Mac.");
	} else if (first_with(facts, 0)) {
		doctor_say(f, DOCTOR_OK, "Extension and tool speak version %d of the protocol.", VFA_VERSION_MAJOR);
	} else {
		doctor_say(f, DOCTOR_NOT_APPLICABLE, "There is no device through which the extension could be asked.");
	}
}

/* ---- what hangs on Thunderbolt ---- */

static void check_enclosure(const struct enclosure_facts *enclosure, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICES, "enclosure", NULL);
	const struct known_enclosure *known = known_bad_enclosure(enclosure->vendor, enclosure->model);
	char name[140];

	snprintf(name, sizeof(name), "%s%s%s", enclosure->vendor, enclosure->vendor[0] ? " " : "",
		 enclosure->model[0] ? enclosure->model : "(without a name)");
	if (known) {
		doctor_say(f, DOCTOR_WARNING, "%s is connected, which was reported not to work with passthrough (%s).",
			   name, known->source);
		doctor_remedy(
			f,
			"If the device does not appear or fails under load, try it in a Thunderbolt 3 or 4 enclosure.");
	} else if (enclosure->version >= THUNDERBOLT_5) {
		doctor_say(f, DOCTOR_WARNING,
			   "%s is a Thunderbolt 5 device, and several Thunderbolt 5 enclosures were reported not to "
			   "work with "
			   "passthrough.",
			   name);
		doctor_remedy(
			f,
			"If the device does not appear or fails under load, try it in a Thunderbolt 3 or 4 enclosure.");
	} else {
		doctor_say(f, DOCTOR_OK, "%s is connected, and nothing is known against it.", name);
	}
}

void doctor_check_host(const struct doctor_facts *facts, struct findings *findings)
{
	check_macos(&facts->mac, findings);
	check_processor(&facts->mac, findings);
	check_location(&facts->mac, findings);
	check_extension_state(facts, findings);
	check_extension_copies(&facts->extension, findings);
	check_entitlement(facts, findings);
	check_protocol(facts, findings);
	for (unsigned i = 0; i < facts->nr_enclosures; i++)
		check_enclosure(&facts->enclosures[i], findings);
	if (!facts->nr_enclosures)
		doctor_say(doctor_add(findings, DOCTOR_GROUP_DEVICES, "enclosure", NULL), DOCTOR_NOT_APPLICABLE,
			   "Nothing is connected by Thunderbolt.");
}

/* ---- QEMU ---- */

static bool check_build(const struct qemu_facts *qemu, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_QEMU, "qemu-build", NULL);

	if (qemu->end == SUBPROCESS_OK && qemu->version[0]) {
		doctor_say(f, DOCTOR_OK, "%s is QEMU %s.", qemu->program, qemu->version);
		return true;
	}
	switch (qemu->end) {
	case SUBPROCESS_MISSING:
		doctor_say(f, DOCTOR_PROBLEM, "There is no QEMU at %s, or it may not be run.", qemu->program);
		break;
	case SUBPROCESS_HUNG:
		doctor_say(f, DOCTOR_PROBLEM, "%s --version does not come to an end.", qemu->program);
		break;
	case SUBPROCESS_FAILED:
		doctor_say(f, DOCTOR_PROBLEM, "%s --version fails.", qemu->program);
		break;
	default:
		doctor_say(f, DOCTOR_PROBLEM, "%s does not say that it is QEMU.", qemu->program);
	}
	doctor_remedy(f, "Install the QEMU that belongs to this tool, or name one in $VFIO_APPLE_QEMU.");
	return false;
}

static void check_signature(const struct qemu_facts *qemu, struct findings *findings)
{
	struct finding *f = doctor_add(findings, GROUP_QEMU, "qemu-signature", NULL);
	const char *missing = !qemu->may_virtualise ? "com.apple.security.hypervisor"
			      : !qemu->may_open     ? "com.apple.developer.driverkit.userclient-access"
						    : NULL;

	if (qemu->signature == SUBPROCESS_MISSING) {
		doctor_say(f, DOCTOR_NOT_APPLICABLE,
			   "There is no codesign, which would tell what QEMU is entitled to.");
	} else if (qemu->signature == SUBPROCESS_HUNG || qemu->signature == SUBPROCESS_FLOOD) {
		doctor_say(f, DOCTOR_WARNING,
			   "codesign does not come to an end, so QEMU's entitlements are not known.");
		doctor_remedy(f, "Run \"codesign -d --entitlements - %s\" yourself.", qemu->program);
	} else if (missing) {
		doctor_say(f, DOCTOR_PROBLEM, "%s is not signed with the entitlement %s.", qemu->program, missing);
		doctor_remedy(f, "Use the signed QEMU that belongs to this tool; without it no %s.",
			      qemu->may_virtualise ? "device can be opened" : "guest can run on the Mac's processors");
	} else {
		doctor_say(f, DOCTOR_OK, "QEMU is signed with the entitlements it needs.");
	}
}

void doctor_check_qemu(const struct doctor_facts *facts, struct findings *findings)
{
	const struct qemu_facts *qemu = &facts->qemu;
	struct finding *f;

	if (!check_build(qemu, findings))
		return;
	f = doctor_add(findings, GROUP_QEMU, "qemu-device", NULL);
	if (qemu->has_device) {
		doctor_say(f, DOCTOR_OK, "It has the device vfio-apple-pci.");
	} else {
		doctor_say(f, DOCTOR_PROBLEM, "It was built without the device vfio-apple-pci.");
		doctor_remedy(f, "Use the QEMU that belongs to this tool, or name it in $VFIO_APPLE_QEMU.");
	}
	f = doctor_add(findings, GROUP_QEMU, "qemu-accelerator", NULL);
	if (qemu->has_accelerator) {
		doctor_say(f, DOCTOR_OK, "It has the accelerator %s.", qemu->accelerator);
	} else {
		doctor_say(f, DOCTOR_PROBLEM, "It was built without the accelerator %s.", qemu->accelerator);
		doctor_remedy(f, "Use the QEMU that belongs to this tool, or name it in $VFIO_APPLE_QEMU.");
	}
	check_signature(qemu, findings);
}
