// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor_facts.c - asks the system, the driver extension and QEMU. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "cli.h"
#include "doctor.h"
#include "host.h"
#include "qemu_program.h"
#include "text.h"

#define TOOL_LIMIT_MS 5000
#define QEMU_LIMIT_MS 10000      /* macOS examines a program when it is first run */
#define ANSWER_BYTES  (1u << 20) /* `qemu -device help` writes some 40 KB */

static void *must(void *memory)
{
	if (!memory) {
		fputs(CLI_NAME ": out of memory\n", stderr);
		exit(CLI_FAILURE);
	}
	return memory;
}

/* ---- the Mac ---- */

static bool variable_is_set(const char *name)
{
	int32_t value = 0;
	size_t bytes = sizeof(value);

	return !sysctlbyname(name, &value, &bytes, NULL, 0) && value != 0;
}

static void gather_mac(struct mac_facts *mac)
{
	char version[64] = "";
	size_t bytes = sizeof(version) - 1;

	if (!sysctlbyname("kern.osproductversion", version, &bytes, NULL, 0))
		text_clean(mac->version, sizeof(mac->version), version);
	mac->arm64 = variable_is_set("hw.optional.arm64");
	mac->translated = variable_is_set("sysctl.proc_translated");
	if (!host_executable_path(mac->tool, sizeof(mac->tool)))
		mac->tool[0] = '\0';
}

static void gather_extension(struct extension_facts *extension, char *answer)
{
	char *argv[] = {"systemextensionsctl", "list", NULL};

	extension->end = subprocess_run(argv, TOOL_LIMIT_MS, answer, ANSWER_BYTES);
	extension->readable = extension->end == SUBPROCESS_OK && extension_list_parse(answer, &extension->list);
}

/* ---- devices ---- */

static const struct nub_facts *nub_of(const struct doctor_facts *facts, uint64_t registry_id)
{
	for (unsigned i = 0; i < facts->nr_nubs; i++) {
		if (facts->nubs[i].registry_id == registry_id)
			return &facts->nubs[i];
	}
	return NULL;
}

/* How many messages the platform grants is known only to who asks for them, which takes the device for a moment. */
static void measure_interrupts(struct device_facts *device)
{
	const struct vfa_device_info *info = &device->listed.info;
	enum vfa_irq_type type = info->vectors[VFA_IRQ_MSIX] ? VFA_IRQ_MSIX : VFA_IRQ_MSI;
	struct vfa_device *dev;
	char address[32];
	unsigned granted = 0;

	device->offered = info->vectors[type] < VFA_MAX_VECTORS ? info->vectors[type] : VFA_MAX_VECTORS;
	if (!device->offered || device->listed.claimed || device->opened)
		return;
	snprintf(address, sizeof(address), "id:0x%" PRIx64, info->registry_id);
	if (vfa_open(address, NULL, NULL, &dev, NULL))
		return;
	if (!vfa_irq_enable(dev, type, device->offered, &granted)) {
		device->granted = granted;
		vfa_irq_disable(dev);
	}
	vfa_close(dev);
}

static void gather_devices(struct doctor_facts *facts)
{
	struct vfa_listed *list = NULL;
	size_t count = 0;

	if (cli_devices(&list, &count) != CLI_OK || !count) {
		free(list);
		return;
	}
	facts->devices = must(calloc(count, sizeof(*facts->devices)));
	facts->nr_devices = count;
	for (size_t i = 0; i < count; i++) {
		struct device_facts *device = &facts->devices[i];

		device->listed = list[i];
		device->nub = nub_of(facts, list[i].info.registry_id);
		device->opened = vfa_stats_of(list[i].info.registry_id, &device->stats, &device->error);
		measure_interrupts(device);
	}
	free(list);
}

/* ---- QEMU ---- */

static enum subprocess_end ask(const char *program, const char *option, const char *argument, char *answer)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)option, (char *)(uintptr_t)argument, NULL};

	return subprocess_run(argv, QEMU_LIMIT_MS, answer, ANSWER_BYTES);
}

/* "QEMU emulator version 10.2.0 (Debian ...)" */
static void parse_version(const char *answer, char version[64])
{
	static const char before[] = "QEMU emulator version ";
	char text[64];

	version[0] = '\0';
	if (strncmp(answer, before, sizeof(before) - 1))
		return;
	text_clean(text, sizeof(text), answer + sizeof(before) - 1);
	text[strcspn(text, " ")] = '\0';
	memcpy(version, text, sizeof(text));
}

static bool has_line(const char *answer, const char *line)
{
	size_t length = strlen(line);

	while (answer && *answer) {
		if (!strncmp(answer, line, length) && strchr("\r\n", answer[length]))
			return true;
		answer = strchr(answer, '\n');
		answer = answer ? answer + 1 : NULL;
	}
	return false;
}

static void gather_signature(struct qemu_facts *qemu, char *answer)
{
	char *argv[] = {"codesign", "-d", "--entitlements", "-", "--xml", qemu->program, NULL};

	qemu->signature = subprocess_run(argv, QEMU_LIMIT_MS, answer, ANSWER_BYTES);
	qemu->may_virtualise = strstr(answer, "<key>com.apple.security.hypervisor</key>") != NULL;
	qemu->may_open = strstr(answer, "<key>com.apple.developer.driverkit.userclient-access</key>") != NULL;
}

/* The file behind a name for the PATH; the name itself when there is none. */
static void locate(const char *name, char file[PATH_MAX])
{
	const char *path = strchr(name, '/') ? NULL : getenv("PATH");

	while (path && *path) {
		int length = (int)strcspn(path, ":");
		int n = snprintf(file, PATH_MAX, "%.*s/%s", length, path, name);

		if (length && n < PATH_MAX && !access(file, X_OK))
			return;
		path += length;
		path += *path == ':';
	}
	snprintf(file, PATH_MAX, "%s", name);
}

static void gather_qemu(struct qemu_facts *qemu, char *answer)
{
	char room[PATH_MAX];

	locate(qemu_program(NULL, room), qemu->program);
	qemu->accelerator = host_accelerator();
	qemu->end = ask(qemu->program, "--version", NULL, answer);
	parse_version(answer, qemu->version);
	if (qemu->end != SUBPROCESS_OK || !qemu->version[0])
		return;
	if (ask(qemu->program, "-device", "help", answer) == SUBPROCESS_OK)
		qemu->has_device = strstr(answer, "name \"vfio-apple-pci\"") != NULL;
	if (ask(qemu->program, "-accel", "help", answer) == SUBPROCESS_OK)
		qemu->has_accelerator = has_line(answer, qemu->accelerator);
	gather_signature(qemu, answer);
}

/* ---- all ---- */

struct doctor_facts *doctor_gather(void)
{
	struct doctor_facts *facts = must(calloc(1, sizeof(*facts)));
	char *answer = must(malloc(ANSWER_BYTES));

	gather_mac(&facts->mac);
	gather_extension(&facts->extension, answer);
	doctor_read_registry(facts); /* before this process opens anything itself */
	gather_devices(facts);
	gather_qemu(&facts->qemu, answer);
	free(answer);
	return facts;
}

void doctor_free(struct doctor_facts *facts)
{
	free(facts->devices);
	free(facts);
}
