// SPDX-License-Identifier: GPL-2.0-or-later
// What the doctor makes of facts, and how it reads what other programs print.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli.h"
#include "config_policy.h"
#include "doctor.h"
#include "known_devices.h"
#include "subprocess.h"
#include "text.h"

/* ---- what the judgement needs of main.c ---- */

void cli_address(const struct vfa_device_info *info, char text[CLI_ADDRESS_BYTES])
{
	snprintf(text, CLI_ADDRESS_BYTES, "%02x:%02x.%x", info->bus, info->device, info->function);
}

/* ---- a healthy Mac ---- */

static struct doctor_facts facts;
static struct device_facts device;
static struct nub_facts *const nub = &facts.nubs[0];
static struct findings findings;

static int healthy(void **state)
{
	struct vfa_device_info *info = &device.listed.info;

	(void)state;
	memset(&facts, 0, sizeof(facts));
	memset(&device, 0, sizeof(device));
	strcpy(facts.mac.version, "15.5");
	strcpy(facts.mac.tool, "/Applications/VFIO Apple.app/Contents/MacOS/vfio-apple");
	facts.mac.arm64 = true;
	assert_true(extension_list_parse("1 extension(s)\n"
					 "*\t*\tTEAM\torg.x.VFIOUserPCIDriver (1.0/1)\tn\t[activated enabled]\n",
					 &facts.extension.list));
	facts.extension.readable = true;

	*info = (struct vfa_device_info){.bus = 3, .registry_id = 0x1234, .vendor = 0x10de, .device_id = 0x2684};
	info->class_code = 0x030000;
	info->flags = VFA_DEV_FLR | VFA_DEV_HOT;
	info->vectors[VFA_IRQ_MSIX] = 8;
	info->iova_first = 0x80000000;
	info->iova_last = 0xdfffffff;
	info->dma_bytes_max = 1440ull << 20;
	info->dma_mappings_max = 64512;
	info->bars[0] = (struct vfa_bar_info){.size = 16 << 20, .type = VFA_BAR_M32, .flags = VFA_BAR_MAPPABLE};
	info->bars[1] = (struct vfa_bar_info){.size = 256 << 20, .type = VFA_BAR_M64PF, .flags = VFA_BAR_MAPPABLE};
	*nub = (struct nub_facts){.registry_id = 0x1234,
				  .address = "03:00.0",
				  .vendor = 0x10de,
				  .device = 0x2684,
				  .class_code = 0x030000,
				  .tunnelled = true,
				  .ours = true,
				  .link_known = true,
				  .link_status = 0x1043,
				  .link_capabilities = 0x104,
				  .bars_known = true};
	nub->wanted[0] = 16 << 20, nub->assigned[0] = true;
	nub->wanted[1] = 256 << 20, nub->assigned[1] = true;
	facts.nr_nubs = 1;
	device.nub = nub;
	device.offered = device.granted = 8;
	facts.devices = &device;
	facts.nr_devices = 1;

	strcpy(facts.qemu.program, "/opt/qemu");
	strcpy(facts.qemu.version, "10.2.0");
	facts.qemu.accelerator = "hvf";
	facts.qemu.has_device = facts.qemu.has_accelerator = true;
	facts.qemu.may_virtualise = facts.qemu.may_open = true;
	return 0;
}

static void judge(const char *address)
{
	free(findings.list);
	memset(&findings, 0, sizeof(findings));
	doctor_check_host(&facts, &findings);
	doctor_check_devices(&facts, address, &findings);
	doctor_check_qemu(&facts, &findings);
	for (size_t i = 0; i < findings.count; i++) {
		const struct finding *f = &findings.list[i];
		bool wrong = f->result == DOCTOR_WARNING || f->result == DOCTOR_PROBLEM;

		/* Whatever it is: one sentence, and a remedy exactly when something is wrong. */
		assert_int_equal(f->sentence[strlen(f->sentence) - 1], '.');
		if (wrong != (f->remedy[0] != '\0'))
			fail_msg("%s: '%s' has the remedy '%s'", f->id, f->sentence, f->remedy);
		if (wrong)
			assert_int_equal(f->remedy[strlen(f->remedy) - 1], '.');
	}
}

static const struct finding *find(const char *id)
{
	for (size_t i = 0; i < findings.count; i++) {
		if (!strcmp(findings.list[i].id, id))
			return &findings.list[i];
	}
	return NULL;
}

static void expect(const char *id, enum doctor_result result, const char *part)
{
	const struct finding *f;

	judge(NULL);
	f = find(id);
	if (!f)
		fail_msg("no check %s", id);
	if (f->result != result || !strstr(f->sentence, part))
		fail_msg("%s: result %d, '%s' has no '%s'", id, f->result, f->sentence, part);
}

/* ---- judgement ---- */

static void nothing_is_wrong_with_a_healthy_mac(void **state)
{
	(void)state;
	judge(NULL);
	for (size_t i = 0; i < findings.count; i++) {
		const struct finding *f = &findings.list[i];

		if (f->result != DOCTOR_OK && strcmp(f->id, "enclosure"))
			fail_msg("%s: %s", f->id, f->sentence);
	}
	expect("app-location", DOCTOR_OK, "/Applications/VFIO Apple.app,");
}

static void versions_of_macos(void **state)
{
	(void)state;
	strcpy(facts.mac.version, "13.0");
	expect("macos-version", DOCTOR_OK, "13.0");
	strcpy(facts.mac.version, "12.7.6");
	expect("macos-version", DOCTOR_PROBLEM, "12.7.6");
	strcpy(facts.mac.version, "26.1");
	expect("macos-version", DOCTOR_OK, "no record");
	strcpy(facts.mac.version, "Tahoe");
	expect("macos-version", DOCTOR_WARNING, "Tahoe");
	strcpy(facts.mac.version, "");
	expect("macos-version", DOCTOR_PROBLEM, "does not say");
}

static void places_of_the_app(void **state)
{
	(void)state;
	strcpy(facts.mac.tool, "/Users/me/Downloads/VFIO Apple.app/Contents/MacOS/vfio-apple");
	expect("app-location", DOCTOR_PROBLEM, "/Users/me/Downloads/VFIO Apple.app,");
	strcpy(facts.mac.tool, "/usr/local/bin/vfio-apple");
	expect("app-location", DOCTOR_NOT_APPLICABLE, "not lie inside the app");
	strcpy(facts.mac.tool, "/Applications.old/VFIO Apple.app/Contents/MacOS/vfio-apple");
	expect("app-location", DOCTOR_PROBLEM, "only from /Applications");
}

static void the_switch_for_extensions_depends_on_macos(void **state)
{
	(void)state;
	facts.extension.list.copies[0].state = EXTENSION_WAITING;
	judge(NULL);
	assert_non_null(strstr(find("extension-state")->remedy, "Login Items & Extensions"));
	strcpy(facts.mac.version, "14.2");
	judge(NULL);
	assert_non_null(strstr(find("extension-state")->remedy, "Privacy & Security"));
}

static void an_unreadable_list_does_not_contradict_a_taken_device(void **state)
{
	(void)state;
	facts.extension.readable = false;
	facts.extension.end = SUBPROCESS_HUNG;
	expect("extension-state", DOCTOR_OK, "taken a device");
	facts.nr_devices = 0;
	expect("extension-state", DOCTOR_WARNING, "does not answer");
}

static void every_state_of_the_extension_has_its_sentence(void **state)
{
	static const struct {
		enum extension_state state;
		const char *part;
	} rows[] = {
		{EXTENSION_DISABLED, "switched off"},
		{EXTENSION_REBOOT, "next restart"},
		{EXTENSION_REMOVED, "removed"},
		{EXTENSION_WAITING, "approval"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		facts.extension.list.copies[0].state = rows[i].state;
		expect("extension-state", DOCTOR_PROBLEM, rows[i].part);
	}
	facts.extension.list.copies[0].state = EXTENSION_OTHER;
	expect("extension-state", DOCTOR_WARNING, "does not know");
	facts.extension.list.count = 0;
	expect("extension-state", DOCTOR_PROBLEM, "not installed");
}

static void enclosures(void **state)
{
	struct enclosure_facts *e = &facts.enclosures[0];

	(void)state;
	facts.nr_enclosures = 1;
	*e = (struct enclosure_facts){"OWC", "Express 4M2", 32};
	expect("enclosure", DOCTOR_OK, "OWC Express 4M2");
	e->version = 64;
	expect("enclosure", DOCTOR_WARNING, "Thunderbolt 5");
	*e = (struct enclosure_facts){"RAZER Inc.", "Core X V2 Chroma", 32};
	expect("enclosure", DOCTOR_WARNING, "UTM issue 4579");
	assert_null(known_bad_enclosure("Razer", "Core X"));
	assert_null(known_bad_enclosure("", ""));
}

static void bars(void **state)
{
	struct vfa_bar_info *bar = device.listed.info.bars;

	(void)state;
	expect("device-bars", DOCTOR_OK, "window of 256 MiB into the graphics memory");
	bar[1].size = 32ull << 30;
	expect("device-bars", DOCTOR_OK, "All memory BARs have addresses and can be mapped.");
	bar[1].flags = 0;
	expect("device-bars", DOCTOR_WARNING, "BAR 1 (32 GiB)");
	bar[1].size = 4096; /* shares its page: never mapped */
	expect("device-bars", DOCTOR_OK, "window of 4 KiB");
	bar[1].size = 0;
	nub->assigned[1] = false;
	expect("device-bars", DOCTOR_PROBLEM, "BAR 1 (256 MiB) has no address");
	nub->bars_known = false;
	expect("device-bars", DOCTOR_OK, "one memory BAR has an address and");
	bar[0].size = 0;
	expect("device-bars", DOCTOR_PROBLEM, "no memory BAR");
	nub->bars_known = true;
	nub->assigned[0] = false;
	expect("device-bars", DOCTOR_PROBLEM, "BAR 0 (16 MiB) has no address");
}

static void links(void **state)
{
	(void)state;
	/* A card for sixteen lanes at 16 GT/s: a tunnel has four at 8. */
	expect("device-link", DOCTOR_OK, "8 GT/s with 4 lanes, as fast as Thunderbolt carries it");
	nub->link_status = 0x1041;
	expect("device-link", DOCTOR_WARNING, "2.5 GT/s with 4 lanes, and could at 8 GT/s with 4");
	nub->link_status = 0x1013;
	expect("device-link", DOCTOR_WARNING, "8 GT/s with 1 lane,");
	nub->tunnelled = false;
	nub->link_status = 0x1043;
	expect("device-link", DOCTOR_WARNING, "could at 16 GT/s with 16");
	/* What registers without a link read as. */
	static const uint16_t down[] = {0xffff, 0x03ff, 0x0000, 0x0040, 0x0003, 0x03f3};
	for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++) {
		nub->link_status = down[i];
		expect("device-link", DOCTOR_PROBLEM, "down");
	}
	nub->link_known = false;
	expect("device-link", DOCTOR_NOT_APPLICABLE, "does not tell");
	device.nub = NULL;
	expect("device-link", DOCTOR_NOT_APPLICABLE, "does not tell");
}

static void resets(void **state)
{
	static const uint16_t broken[] = {0x2b85, 0x2b87, 0x2b8c};
	struct vfa_device_info *info = &device.listed.info;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		info->device_id = broken[i];
		expect("device-reset", DOCTOR_WARNING, "hangs on function-level reset");
	}
	info->device_id = 0x2684;
	info->flags = VFA_DEV_HOT;
	expect("device-reset", DOCTOR_WARNING, "whole slot");
	info->flags = 0;
	expect("device-reset", DOCTOR_PROBLEM, "cannot be reset");
	/* The extension keeps its own list: it must not reset what the tool warns of, nor the reverse. */
	for (unsigned id = 0; id < 0x10000; id++) {
		assert_int_equal(known_broken_flr(0x10de, (uint16_t)id) != NULL,
				 vfa_config_flr_is_broken(0x10de, (uint16_t)id));
		assert_int_equal(known_broken_flr(0x1002, (uint16_t)id) != NULL,
				 vfa_config_flr_is_broken(0x1002, (uint16_t)id));
	}
}

static void interrupts(void **state)
{
	struct vfa_device_info *info = &device.listed.info;

	(void)state;
	device.granted = 3;
	expect("device-interrupts", DOCTOR_WARNING, "only 3 of its 8");
	device.granted = 1;
	expect("device-interrupts", DOCTOR_WARNING, "only 1 of its 8");
	assert_non_null(strstr(find("device-interrupts")->remedy, "single queue"));
	device.granted = 0;
	expect("device-interrupts", DOCTOR_NOT_APPLICABLE, "only while it is free");
	device.offered = 0;
	info->vectors[VFA_IRQ_INTX] = 1;
	expect("device-interrupts", DOCTOR_WARNING, "no MSI");
	info->vectors[VFA_IRQ_INTX] = 0;
	expect("device-interrupts", DOCTOR_WARNING, "no interrupt at all");
}

static void dma_budget(void **state)
{
	struct vfa_device_info *info = &device.listed.info;

	(void)state;
	expect("device-dma", DOCTOR_OK, "1536 MiB at 0x80000000; 0 of 1440 MiB");
	strcpy(nub->users, "pid 42, qemu-system-aarch64");
	device.stats.bytes_live = 1400ull << 20;
	device.stats.mappings_live = 7;
	expect("device-dma", DOCTOR_WARNING, "1400 of 1440 MiB, 7 of 64512 mappings, by pid 42, qemu");
	device.stats.bytes_live = 0;
	device.stats.mappings_live = 64000;
	expect("device-dma", DOCTOR_WARNING, "64000 of 64512");
	device.stats.mappings_live = 0;
	device.stats.map_failures = 5;
	expect("device-dma", DOCTOR_WARNING, "5 DMA mappings were refused");
	device.stats.map_failures = 0;
	info->iova_last = info->iova_first + (64 << 20) - 1;
	expect("device-dma", DOCTOR_WARNING, "only 64 MiB");
	device.opened = -EPERM;
	expect("device-dma", DOCTOR_NOT_APPLICABLE, "not known");
	info->dma_bytes_max = 0;
	expect("device-dma", DOCTOR_PROBLEM, "no address space");
}

static void who_uses_it(void **state)
{
	(void)state;
	device.listed.claimed = true;
	strcpy(nub->users, "pid 42, qemu-system-aarch64");
	expect("device-use", DOCTOR_WARNING, "in use by pid 42, qemu-system-aarch64.");
	device.nub = NULL;
	expect("device-use", DOCTOR_WARNING, "It is in use.");
}

static void who_may_talk_to_the_extension(void **state)
{
	(void)state;
	device.opened = -EPERM;
	expect("entitlement", DOCTOR_PROBLEM, "does not let");
	expect("extension-protocol", DOCTOR_NOT_APPLICABLE, "no device");
	device.opened = -EPROTO;
	expect("entitlement", DOCTOR_OK, "lets");
	expect("extension-protocol", DOCTOR_PROBLEM, "does not speak");
	device.opened = -ENODEV;
	strcpy(device.error.text, "03:00.0: gone.");
	expect("extension-protocol", DOCTOR_PROBLEM, "03:00.0: gone.");
}

static void devices_that_the_extension_has_not(void **state)
{
	(void)state;
	facts.nr_devices = 0;
	nub->ours = false;
	expect("pci-devices", DOCTOR_PROBLEM, "has taken none");
	expect("device-driver", DOCTOR_WARNING, "has no driver");
	strcpy(nub->driver, "AppleAHCI");
	expect("device-driver", DOCTOR_NOT_APPLICABLE, "03:00.0 (10de:2684) is driven by AppleAHCI.");
	judge("03:00.0"); /* now it is asked for */
	assert_int_equal(find("device-driver")->result, DOCTOR_PROBLEM);
	judge("0000:03:00.0");
	assert_int_equal(find("device-driver")->result, DOCTOR_PROBLEM);
	judge("id:0x1234");
	assert_non_null(strstr(find("device-driver")->sentence, "AppleAHCI"));
	judge("04:00.0");
	assert_non_null(strstr(find("device-driver")->sentence, "no PCI device 04:00.0"));
	nub->built_in = true;
	expect("pci-devices", DOCTOR_PROBLEM, "No PCI device is connected");
	nub->built_in = false;
	nub->bridge = true;
	expect("pci-devices", DOCTOR_PROBLEM, "No PCI device is connected");
	assert_null(find("device-driver"));
}

static void two_devices_of_one_address_keep_apart(void **state)
{
	static struct device_facts two[2];
	unsigned first = 0, second = 0;

	(void)state;
	judge(NULL);
	assert_string_equal(find("device-use")->device, "03:00.0");
	two[0] = two[1] = device;
	two[1].listed.info.registry_id = 0x5678;
	facts.devices = two;
	facts.nr_devices = 2;
	judge(NULL);
	for (size_t i = 0; i < findings.count; i++) {
		first += !strcmp(findings.list[i].device, "id:0x1234");
		second += !strcmp(findings.list[i].device, "id:0x5678");
	}
	assert_int_equal(first, 6);
	assert_int_equal(second, 6);
}

static void qemu(void **state)
{
	struct qemu_facts *q = &facts.qemu;

	(void)state;
	q->may_open = false;
	expect("qemu-signature", DOCTOR_PROBLEM, "userclient-access");
	q->may_virtualise = false;
	expect("qemu-signature", DOCTOR_PROBLEM, "com.apple.security.hypervisor");
	q->signature = SUBPROCESS_HUNG;
	expect("qemu-signature", DOCTOR_WARNING, "does not come to an end");
	q->signature = SUBPROCESS_MISSING;
	expect("qemu-signature", DOCTOR_NOT_APPLICABLE, "no codesign");
	q->has_device = q->has_accelerator = false;
	expect("qemu-device", DOCTOR_PROBLEM, "vfio-apple-pci");
	expect("qemu-accelerator", DOCTOR_PROBLEM, "hvf");
	q->version[0] = '\0';
	expect("qemu-build", DOCTOR_PROBLEM, "does not say that it is QEMU");
	assert_null(find("qemu-device"));
	q->end = SUBPROCESS_MISSING;
	expect("qemu-build", DOCTOR_PROBLEM, "no QEMU at /opt/qemu");
	q->end = SUBPROCESS_HUNG;
	expect("qemu-build", DOCTOR_PROBLEM, "does not come to an end");
}

/* ---- systemextensionsctl ---- */

static void extensions_are_found_in_the_table(void **state)
{
	struct extension_list list;

	(void)state;
	assert_true(extension_list_parse(
		"4 extension(s)\n"
		"--- com.apple.system_extension.network_extension (Go to 'System Settings' to modify)\n"
		"enabled\tactive\tteamID\tbundleID (version)\tname\t[state]\n"
		"*\t*\tT\tio.example.network-extension (1.1/2)\tNet\t[activated enabled]\n"
		"--- com.apple.system_extension.driver_extension\n"
		"enabled\tactive\tteamID\tbundleID (version)\tname\t[state]\n"
		"*\t*\tT\torg.vfio-apple.VFIOUserPCIDriver (1.1/7)\tD\t[activated enabled]\n"
		"\t\tT\torg.vfio-apple.VFIOUserPCIDriver (1.0/1)\tD\t[terminated waiting to uninstall on reboot]\n"
		"\t*\tT\torg.vfio-apple.NotVFIOUserPCIDriver (1.0/1)\tD\t[activated enabled]\n",
		&list));
	assert_int_equal(list.count, 2);
	assert_int_equal(list.copies[0].state, EXTENSION_ENABLED);
	assert_string_equal(list.copies[0].version, "1.1/7");
	assert_string_equal(list.copies[0].bundle, "org.vfio-apple.VFIOUserPCIDriver");
	assert_int_equal(list.copies[1].state, EXTENSION_REMOVED);
	assert_string_equal(list.copies[1].text, "terminated waiting to uninstall on reboot");
}

static void garbage_is_no_table(void **state)
{
	static const char row[] = "*\t*\tT\torg.x.VFIOUserPCIDriver (1.0/1)\tD\t[activated enabled]\n";
	char many[32 + 20 * sizeof(row)] = "20 extension(s)\n";
	struct extension_list list;

	(void)state;
	assert_false(extension_list_parse("", &list));
	assert_false(extension_list_parse(row, &list));
	assert_false(extension_list_parse("\377\376\t\t\t\t\t\n", &list));
	assert_true(extension_list_parse("0 extension(s)\n", &list));
	assert_int_equal(list.count, 0);
	for (int i = 0; i < 20; i++)
		strcat(many, row);
	assert_true(extension_list_parse(many, &list));
	assert_int_equal(list.count, EXTENSION_COPIES_MAX);
	assert_true(extension_list_parse("1 extension(s)\n"
					 "*\t*\tT\torg.x.VFIOUserPCIDriver (\033[2J)\tD\t[\007\n"
					 "\t\t\t)( .VFIOUserPCIDriver (\t\t\n",
					 &list));
	assert_int_equal(list.count, 1);
	assert_string_equal(list.copies[0].version, "?[2J");
	assert_int_equal(list.copies[0].state, EXTENSION_OTHER);
}

/* ---- other programs ---- */

static enum subprocess_end shell(const char *script, unsigned limit_ms, char *out, size_t room)
{
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};

	return subprocess_run(argv, limit_ms, out, room);
}

/* An orphan may stay as a zombie where nobody collects them. */
static bool ends(pid_t pid)
{
	const struct timespec step = {.tv_nsec = 20000000};
	char path[32], line[256], state;
	FILE *f;

	for (int i = 0; i < 250; i++) {
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		f = fopen(path, "r");
		if (!f)
			return true;
		state = fgets(line, sizeof(line), f) && strrchr(line, ')') ? strrchr(line, ')')[2] : 'Z';
		fclose(f);
		if (state == 'Z')
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

static void programs_are_not_trusted(void **state)
{
	char out[64], *missing[] = {"/nonexistent/program", NULL};
	struct timespec before, after;

	(void)state;
	assert_int_equal(shell("echo a; echo b >&2; cat", 5000, out, sizeof(out)), SUBPROCESS_OK);
	assert_string_equal(out, "a\n");
	assert_int_equal(shell("printf 'a\\0b'", 5000, out, sizeof(out)), SUBPROCESS_OK);
	assert_string_equal(out, "a b");
	assert_int_equal(shell("echo a; exit 3", 5000, out, sizeof(out)), SUBPROCESS_FAILED);
	assert_int_equal(shell("kill -9 $$", 5000, out, sizeof(out)), SUBPROCESS_FAILED);
	assert_int_equal(subprocess_run(missing, 5000, out, sizeof(out)), SUBPROCESS_MISSING);
	assert_int_equal(shell("while :; do echo again; done", 5000, out, sizeof(out)), SUBPROCESS_FLOOD);
	assert_int_equal(strlen(out), sizeof(out) - 1);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(shell("echo a; sleep 100", 200, out, sizeof(out)), SUBPROCESS_HUNG);
	assert_string_equal(out, "a\n");
	assert_int_equal(shell("exec >&-; sleep 100", 200, out, sizeof(out)), SUBPROCESS_HUNG);
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(shell("echo a", 5000, out, sizeof(out)), SUBPROCESS_OK);
	signal(SIGCHLD, SIG_DFL);
	/* A grandchild that keeps the output open; it is ended, too. */
	assert_int_equal(shell("sleep 100 & echo $!", 200, out, sizeof(out)), SUBPROCESS_HUNG);
	assert_true(ends(atoi(out)));
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 10);
}

static void text_is_wrapped_at_eighty_columns(void **state)
{
	char *text = NULL, *line, *save = NULL, words[400] = "";
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(words, i ? " word" : "word");
	text_wrap(out, words, 12, 30);
	fclose(out);
	line = strtok_r(text, "\n", &save);
	assert_true(strlen(line) <= 50 && strlen(line) > 40);
	while ((line = strtok_r(NULL, "\n", &save))) {
		assert_memory_equal(line, "            word", 16);
		assert_true(strlen(line) <= 80);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_wrong_with_a_healthy_mac, healthy),
		cmocka_unit_test_setup(versions_of_macos, healthy),
		cmocka_unit_test_setup(places_of_the_app, healthy),
		cmocka_unit_test_setup(the_switch_for_extensions_depends_on_macos, healthy),
		cmocka_unit_test_setup(an_unreadable_list_does_not_contradict_a_taken_device, healthy),
		cmocka_unit_test_setup(every_state_of_the_extension_has_its_sentence, healthy),
		cmocka_unit_test_setup(enclosures, healthy),
		cmocka_unit_test_setup(bars, healthy),
		cmocka_unit_test_setup(links, healthy),
		cmocka_unit_test_setup(resets, healthy),
		cmocka_unit_test_setup(interrupts, healthy),
		cmocka_unit_test_setup(dma_budget, healthy),
		cmocka_unit_test_setup(who_uses_it, healthy),
		cmocka_unit_test_setup(who_may_talk_to_the_extension, healthy),
		cmocka_unit_test_setup(devices_that_the_extension_has_not, healthy),
		cmocka_unit_test_setup(two_devices_of_one_address_keep_apart, healthy),
		cmocka_unit_test_setup(qemu, healthy),
		cmocka_unit_test(extensions_are_found_in_the_table),
		cmocka_unit_test(garbage_is_no_table),
		cmocka_unit_test(programs_are_not_trusted),
		cmocka_unit_test(text_is_wrapped_at_eighty_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
