// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor_device_checks.c - judges PCI functions: who has them, and whether those we have are fit for a guest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "doctor.h"
#include "known_devices.h"

#define CLASS_DISPLAY   0x03
#define MIB             (1ull << 20)
#define BRIDGE_WINDOW   (256 * MIB)  /* what a large GPU shows through Thunderbolt */
#define USUAL_DMA_BYTES (1024 * MIB) /* less than that is unusual: 1.5 GiB is common */
#define PAGE_BYTES      16384

/* A PCIe tunnel carries at most these, whatever the device could do. */
#define TUNNEL_SPEED 3
#define TUNNEL_WIDTH 4

static const char *size_text(uint64_t bytes, char text[32])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
	unsigned unit = 0;

	while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, 32, "%" PRIu64 " %s", bytes, units[unit]);
	return text;
}

/* ---- which device an address means ---- */

static bool same_address(const char *address, uint64_t registry_id, const char *bdf)
{
	const char *colon = strchr(address, ':');

	if (!strncasecmp(address, "id:", 3))
		return strtoull(address + 3, NULL, 0) == registry_id;
	/* A domain in front says nothing here. */
	if (colon && strchr(colon + 1, ':'))
		address = colon + 1;
	return !strcasecmp(address, bdf);
}

/* ---- who has what ---- */

static void judge_nub(const struct nub_facts *nub, bool asked_for, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICES, "device-driver", nub->address);
	char name[48];

	snprintf(name, sizeof(name), "%s (%04x:%04x)", nub->address, nub->vendor, nub->device);
	if (nub->ours) {
		doctor_say(f, DOCTOR_OK, "The extension has taken %s.", name);
	} else if (nub->driver[0]) {
		doctor_say(f, asked_for ? DOCTOR_PROBLEM : DOCTOR_NOT_APPLICABLE, "%s is driven by %s%s.", name,
			   nub->driver, nub->built_in ? " and built into the Mac" : "");
		if (asked_for)
			doctor_remedy(f, "A device with a driver of its own stays with macOS: it is taken only if the "
					 "extension is built to match it.");
	} else if (nub->built_in) {
		doctor_say(f, asked_for ? DOCTOR_PROBLEM : DOCTOR_NOT_APPLICABLE, "%s is built into the Mac.", name);
		if (asked_for)
			doctor_remedy(f, "Only devices that are connected from outside can be passed through.");
	} else {
		doctor_say(f, asked_for ? DOCTOR_PROBLEM : DOCTOR_WARNING,
			   "%s has no driver, and the extension has not "
			   "taken it.",
			   name);
		doctor_remedy(
			f, "Enable the extension and plug the device in again; if it stays, the extension is not built "
			   "to match this device.");
	}
}

static void add_count(char text[160], unsigned count, const char *one, const char *several)
{
	size_t used = strlen(text);

	if (count)
		snprintf(text + used, 160 - used, "%s%u %s", used ? ", " : "; of the others ", count,
			 count == 1 ? one : several);
}

/* Bridges do not count. */
static void check_presence(const struct doctor_facts *facts, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICES, "pci-devices", NULL);
	unsigned ours = 0, driven = 0, built_in = 0, idle = 0;
	char others[160] = "";

	for (unsigned i = 0; i < facts->nr_nubs; i++) {
		const struct nub_facts *nub = &facts->nubs[i];

		if (nub->bridge)
			continue;
		ours += nub->ours;
		built_in += !nub->ours && nub->built_in;
		driven += !nub->ours && !nub->built_in && nub->driver[0];
		idle += !nub->ours && !nub->built_in && !nub->driver[0];
	}
	add_count(others, driven, "has another driver", "have another driver");
	add_count(others, idle, "has no driver", "have no driver");
	add_count(others, built_in, "is built into the Mac", "are built into the Mac");
	if (ours) {
		doctor_say(f, DOCTOR_OK, "The extension has taken %u PCI function%s%s.", ours, ours == 1 ? "" : "s",
			   others);
	} else if (driven || idle) {
		doctor_say(f, DOCTOR_PROBLEM, "A PCI device is connected, but the extension has taken none.");
		doctor_remedy(f, "Enable the extension, then unplug the device and plug it in again.");
	} else {
		doctor_say(f, DOCTOR_PROBLEM, "No PCI device is connected to this Mac.");
		doctor_remedy(f,
			      "Check cable and power of the enclosure, connect it to the Mac directly, and allow it in "
			      "System Settings > Privacy & Security > Allow accessories to connect.");
	}
}

/* ---- BARs ---- */

static bool is_prefetchable(const struct vfa_bar_info *bar)
{
	return bar->type == VFA_BAR_M32PF || bar->type == VFA_BAR_M64PF;
}

static int unassigned_bar(const struct nub_facts *nub)
{
	for (int bar = 0; nub && nub->bars_known && bar < 6; bar++) {
		if (nub->wanted[bar] && !nub->assigned[bar])
			return bar;
	}
	return -1;
}

static void check_bars(const struct device_facts *device, const char *name, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICE, "device-bars", name);
	const struct vfa_device_info *info = &device->listed.info;
	int missing = unassigned_bar(device->nub), trapped = -1, largest = -1;
	unsigned count = 0;
	char size[32];

	for (int bar = 0; bar < 6; bar++) {
		const struct vfa_bar_info *b = &info->bars[bar];

		if (!b->size || b->type == VFA_BAR_IO)
			continue;
		count++;
		if (trapped < 0 && b->size >= PAGE_BYTES && !(b->flags & VFA_BAR_MAPPABLE))
			trapped = bar;
		if (is_prefetchable(b) && (largest < 0 || b->size > info->bars[largest].size))
			largest = bar;
	}
	if (missing >= 0) {
		doctor_say(f, DOCTOR_PROBLEM,
			   "BAR %d (%s) has no address: macOS found no room for it behind this port.", missing,
			   size_text(device->nub->wanted[missing], size));
		doctor_remedy(
			f, "Shut the Mac down, connect the device directly and without other Thunderbolt devices, and "
			   "start the Mac with it switched on.");
	} else if (!count) {
		doctor_say(f, DOCTOR_PROBLEM, "It has no memory BAR, so a driver could not reach its registers.");
		doctor_remedy(f, "Unplug the device and plug it in again; if that does not help, restart the Mac.");
	} else if (trapped >= 0) {
		doctor_say(f, DOCTOR_WARNING,
			   "macOS does not let BAR %d (%s) be mapped, so each access to it goes through the extension, "
			   "which is "
			   "some thirty times slower.",
			   trapped, size_text(info->bars[trapped].size, size));
		doctor_remedy(f, "Restart the Mac with the device connected; if it stays so, expect it to be slow.");
	} else if (info->class_code >> 16 == CLASS_DISPLAY && largest >= 0 &&
		   info->bars[largest].size <= BRIDGE_WINDOW) {
		doctor_say(f, DOCTOR_OK,
			   "All BARs have addresses; BAR %d is a window of %s into the graphics memory, which is all "
			   "that fits "
			   "behind a Thunderbolt port, and drivers use the rest through it.",
			   largest, size_text(info->bars[largest].size, size));
	} else {
		doctor_say(f, DOCTOR_OK, "%s address%s and can be mapped.",
			   count == 1 ? "Its one memory BAR has an" : "All memory BARs have", count == 1 ? "" : "es");
	}
}

/* ---- link ---- */

static const char *speed_text(unsigned speed)
{
	static const char *const speeds[] = {"?", "2.5", "5", "8", "16", "32", "64"};

	return speeds[speed < 7 ? speed : 0];
}

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void check_link(const struct device_facts *device, const char *name, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICE, "device-link", name);
	const struct nub_facts *nub = device->nub;
	unsigned speed, width, most_speed, most_width;

	if (!nub || !nub->link_known) {
		doctor_say(f, DOCTOR_NOT_APPLICABLE, "macOS does not tell how fast its PCIe link is.");
		return;
	}
	speed = nub->link_status & 0xf;
	width = nub->link_status >> 4 & 0x3f;
	most_speed = nub->link_capabilities & 0xf;
	most_width = nub->link_capabilities >> 4 & 0x3f;
	/* All ones is what a device without a link reads as. */
	if (!speed || !width || speed > 6 || width > 32 || nub->link_status == 0xffff) {
		doctor_say(f, DOCTOR_PROBLEM, "Its PCIe link is down.");
		doctor_remedy(
			f,
			"Switch the enclosure off for ten seconds and on again, and check that the card sits firmly.");
		return;
	}
	if (nub->tunnelled) {
		most_speed = lesser(most_speed, TUNNEL_SPEED);
		most_width = lesser(most_width, TUNNEL_WIDTH);
	}
	if (speed < most_speed || width < most_width) {
		doctor_say(f, DOCTOR_WARNING,
			   "Its PCIe link runs at %s GT/s with %u lane%s, and could at %s GT/s with %u.",
			   speed_text(speed), width, width == 1 ? "" : "s", speed_text(most_speed), most_width);
		doctor_remedy(
			f,
			"If it is as slow under load, use the cable that came with the enclosure, connect it directly "
			"to the Mac, and reseat the card.");
	} else {
		doctor_say(f, DOCTOR_OK, "Its PCIe link runs at %s GT/s with %u lane%s%s.", speed_text(speed), width,
			   width == 1 ? "" : "s", nub->tunnelled ? ", as fast as Thunderbolt carries it" : "");
	}
}

/* ---- reset ---- */

static void check_reset(const struct device_facts *device, const char *name, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICE, "device-reset", name);
	const struct vfa_device_info *info = &device->listed.info;
	const struct known_device *known = known_broken_flr(info->vendor, info->device_id);

	if (known) {
		doctor_say(f, DOCTOR_WARNING,
			   "%s hangs on function-level reset (%s), so only the reset of its whole slot is used.",
			   known->name, known->source);
		doctor_remedy(
			f, "If it does not come back after a guest was killed, switch the enclosure off and on; shut "
			   "guests down instead of killing them.");
	} else if (info->flags & VFA_DEV_FLR) {
		doctor_say(f, DOCTOR_OK, "It can be reset by itself.");
	} else if (info->flags & VFA_DEV_HOT) {
		doctor_say(
			f, DOCTOR_WARNING,
			"It has no function-level reset; the reset of its whole slot is used, which resets the other "
			"functions of the card as well.");
		doctor_remedy(f, "Give all functions of the card to the same guest.");
	} else {
		doctor_say(f, DOCTOR_PROBLEM, "It cannot be reset, so a guest would find it as the last one left it.");
		doctor_remedy(f, "Switch the enclosure off and on between guests.");
	}
}

/* ---- interrupts ---- */

static void check_interrupts(const struct device_facts *device, const char *name, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICE, "device-interrupts", name);
	const struct vfa_device_info *info = &device->listed.info;

	if (!device->offered && info->vectors[VFA_IRQ_INTX]) {
		doctor_say(f, DOCTOR_WARNING,
			   "It has no MSI, only the one level interrupt that all guests handle slowly.");
		doctor_remedy(f, "Expect it to be slow; nothing on the Mac can change that.");
	} else if (!device->offered) {
		doctor_say(f, DOCTOR_WARNING, "It has no interrupt at all.");
		doctor_remedy(f, "Use it only with a driver that does not need one.");
	} else if (device->granted && device->granted < device->offered) {
		doctor_say(f, DOCTOR_WARNING, "macOS grants only %u of its %u interrupt messages.", device->granted,
			   device->offered);
		doctor_remedy(f, "Tell the guest's driver to use %s, if it does not do so by itself.",
			      device->granted == 1 ? "a single queue" : "as many queues at most");
	} else if (device->granted) {
		doctor_say(f, DOCTOR_OK, "macOS grants all of its %u interrupt messages.", device->offered);
	} else {
		doctor_say(f, DOCTOR_NOT_APPLICABLE,
			   "It offers %u interrupt messages; how many macOS grants can be told only while it is free.",
			   device->offered);
	}
}

/* ---- DMA ---- */

static bool nearly(uint64_t used, uint64_t limit)
{
	return limit && used > limit - limit / 8;
}

static void check_dma(const struct device_facts *device, const char *name, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICE, "device-dma", name);
	const struct vfa_device_info *info = &device->listed.info;
	const struct vfa_stats *stats = &device->stats;
	uint64_t window = info->iova_last - info->iova_first + 1;
	unsigned long long used = stats->bytes_live / MIB, limit = info->dma_bytes_max / MIB;

	if (!limit || !info->dma_mappings_max) {
		doctor_say(f, DOCTOR_PROBLEM, "There is no address space for its DMA.");
		doctor_remedy(f, "Restart the Mac with the device connected.");
	} else if (device->opened) {
		doctor_say(f, DOCTOR_NOT_APPLICABLE,
			   "Up to %llu MiB in %u mappings may be used for DMA; what is used now is not "
			   "known.",
			   limit, info->dma_mappings_max);
	} else if (nearly(stats->bytes_live, info->dma_bytes_max) ||
		   nearly(stats->mappings_live, info->dma_mappings_max)) {
		doctor_say(f, DOCTOR_WARNING,
			   "Its DMA budget is nearly used up: %llu of %llu MiB, %u of %u mappings, by %s.", used, limit,
			   stats->mappings_live, info->dma_mappings_max,
			   device->nub && device->nub->users[0] ? device->nub->users : "an unknown process");
		doctor_remedy(f, "Give the guest less memory, or close programs in it that use the device.");
	} else if (stats->map_failures) {
		doctor_say(f, DOCTOR_WARNING, "%llu DMA mappings were refused since the extension started.",
			   (unsigned long long)stats->map_failures);
		doctor_remedy(f, "If a driver in the guest complains, give the guest less memory; unplugging the "
				 "device and plugging "
				 "it in again makes the address space whole.");
	} else if (window < USUAL_DMA_BYTES) {
		doctor_say(f, DOCTOR_WARNING, "Its DMA address space is only %llu MiB, where 1536 are common.",
			   (unsigned long long)(window / MIB));
		doctor_remedy(f, "Try another port; otherwise give the guest little memory.");
	} else {
		doctor_say(f, DOCTOR_OK,
			   "Its DMA address space is %llu MiB at 0x%" PRIx64
			   "; %llu of %llu MiB and %u of %u mappings are used.",
			   (unsigned long long)(window / MIB), info->iova_first, used, limit, stats->mappings_live,
			   info->dma_mappings_max);
	}
}

/* ---- use ---- */

static void check_use(const struct device_facts *device, const char *name, struct findings *findings)
{
	struct finding *f = doctor_add(findings, DOCTOR_GROUP_DEVICE, "device-use", name);
	const char *users = device->nub ? device->nub->users : "";

	if (!device->listed.claimed) {
		doctor_say(f, DOCTOR_OK, "It is free.");
		return;
	}
	doctor_say(f, DOCTOR_WARNING, "It is in use%s%s.", users[0] ? " by " : "", users);
	doctor_remedy(f, "Shut that virtual machine down before you start another one with this device.");
}

/* ---- all ---- */

/* Bus numbers repeat across Thunderbolt ports: then the registry ID tells devices apart. */
static void name_device(const struct doctor_facts *facts, size_t index, char name[DOCTOR_DEVICE_BYTES])
{
	const struct vfa_device_info *info = &facts->devices[index].listed.info;
	char address[CLI_ADDRESS_BYTES], other[CLI_ADDRESS_BYTES];

	cli_address(info, address);
	snprintf(name, DOCTOR_DEVICE_BYTES, "%s", address);
	for (size_t i = 0; i < facts->nr_devices; i++) {
		cli_address(&facts->devices[i].listed.info, other);
		if (i != index && !strcmp(address, other))
			snprintf(name, DOCTOR_DEVICE_BYTES, "id:0x%" PRIx64, info->registry_id);
	}
}

static void check_device(const struct doctor_facts *facts, size_t index, struct findings *findings)
{
	const struct device_facts *device = &facts->devices[index];
	char name[DOCTOR_DEVICE_BYTES];

	name_device(facts, index, name);
	check_use(device, name, findings);
	check_bars(device, name, findings);
	check_link(device, name, findings);
	check_reset(device, name, findings);
	check_interrupts(device, name, findings);
	check_dma(device, name, findings);
}

static void check_nubs(const struct doctor_facts *facts, const char *address, struct findings *findings)
{
	bool found = false;
	struct finding *f;

	for (unsigned i = 0; i < facts->nr_nubs; i++) {
		const struct nub_facts *nub = &facts->nubs[i];

		if (address ? !same_address(address, nub->registry_id, nub->address) : nub->bridge)
			continue;
		judge_nub(nub, address != NULL, findings);
		found = true;
	}
	if (found || !address)
		return;
	f = doctor_add(findings, DOCTOR_GROUP_DEVICES, "device-driver", address);
	doctor_say(f, DOCTOR_PROBLEM, "There is no PCI device %s.", address);
	doctor_remedy(f, "Give an address that \"" CLI_NAME " list\" or \"" CLI_NAME
			 " doctor\" without an address shows.");
}

void doctor_check_devices(const struct doctor_facts *facts, const char *address, struct findings *findings)
{
	check_presence(facts, findings);
	check_nubs(facts, address, findings);
	for (size_t i = 0; i < facts->nr_devices; i++) {
		const struct vfa_device_info *info = &facts->devices[i].listed.info;
		char bdf[CLI_ADDRESS_BYTES];

		cli_address(info, bdf);
		if (!address || same_address(address, info->registry_id, bdf))
			check_device(facts, i, findings);
	}
}
