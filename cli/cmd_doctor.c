// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "doctor.h"
#include "json.h"
#include "text.h"

static const char usage[] = "Usage: " CLI_NAME " doctor [--json] [ADDRESS]\n"
			    "Check everything that passthrough needs, and say what to do about what is wrong.\n"
			    "A device that is free is claimed for a moment, to count the interrupts it gets.\n"
			    "\n"
			    "  --json    print JSON\n"
			    "  --guest   (in a guest) check the guest instead\n"
			    "\n"
			    "ADDRESS is 03:00.0, or id:0x1000004f2 as " CLI_NAME " list prints it.\n";

static const char *const result_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARNING] = "warning",
	[DOCTOR_PROBLEM] = "problem",
	[DOCTOR_NOT_APPLICABLE] = "not applicable",
};

static unsigned count_of(const struct findings *findings, enum doctor_result result)
{
	unsigned count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->list[i].result == result;
	return count;
}

/* Each device has a section of its own. */
static bool begins_section(const struct finding *before, const struct finding *f)
{
	return !before || strcmp(before->group, f->group) ||
	       (!strcmp(f->group, DOCTOR_GROUP_DEVICE) && strcmp(before->device, f->device));
}

static void print_heading(const struct finding *before, const struct finding *f)
{
	bool names_device = !strcmp(f->group, DOCTOR_GROUP_DEVICE);

	printf("%s%s%s%s\n", before ? "\n" : "", f->group, names_device ? " " : "", names_device ? f->device : "");
}

static void print_text(const struct findings *findings)
{
	static const char *const marks[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_WARNING] = "WARNING",
		[DOCTOR_PROBLEM] = "PROBLEM",
		[DOCTOR_NOT_APPLICABLE] = "-",
	};
	unsigned problems = count_of(findings, DOCTOR_PROBLEM), warnings = count_of(findings, DOCTOR_WARNING);
	const struct finding *before = NULL;

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *f = &findings->list[i];
		int used;

		if (begins_section(before, f))
			print_heading(before, f);
		before = f;
		used = printf("  %-7s  %s: ", marks[f->result], f->id);
		text_wrap(stdout, f->sentence, 11, (unsigned)used);
		if (f->remedy[0]) {
			used = printf("           Remedy: ");
			text_wrap(stdout, f->remedy, 11, (unsigned)used);
		}
	}
	printf("\n%u problem%s, %u warning%s.\n", problems, problems == 1 ? "" : "s", warnings,
	       warnings == 1 ? "" : "s");
}

static void print_json(const struct findings *findings)
{
	struct json json;

	json_start(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "version", CLI_VERSION);
	json_number(&json, "problems", count_of(findings, DOCTOR_PROBLEM));
	json_number(&json, "warnings", count_of(findings, DOCTOR_WARNING));
	json_array(&json, "checks");
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *f = &findings->list[i];

		json_object(&json, NULL);
		json_string(&json, "id", f->id);
		json_string(&json, "group", f->group);
		json_string(&json, "device", f->device[0] ? f->device : NULL);
		json_string(&json, "result", result_names[f->result]);
		json_string(&json, "sentence", f->sentence);
		json_string(&json, "remedy", f->remedy[0] ? f->remedy : NULL);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
}

/* A device that is not there is a finding; what is no address is a mistake. */
static int check_address(const char *address)
{
	struct vfa_error err = {{0}};
	struct vfa_listed listed;
	int rc = vfa_parse_address(address, &listed, &err);

	return rc == -EINVAL ? cli_fail_client(rc, &err) : CLI_OK;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"guest", no_argument, NULL, 'g'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct findings findings = {0};
	struct doctor_facts *facts;
	const char *address;
	bool as_json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'g':
			return cli_fail(CLI_USAGE,
					"doctor: --guest is for the guest, where the package apple-dma-dkms installs "
					"the same command");
		case 'h':
			fputs(usage, stdout);
			return cli_finish();
		default:
			return cli_bad_option("doctor", c, argv);
		}
	}
	if (argc - optind > 1)
		return cli_fail_extra_argument("doctor", argv[optind + 1]);
	address = argv[optind];
	status = address ? check_address(address) : CLI_OK;
	if (status != CLI_OK)
		return status;

	facts = doctor_gather();
	doctor_check_host(facts, &findings);
	doctor_check_devices(facts, address, &findings);
	doctor_check_qemu(facts, &findings);
	if (as_json)
		print_json(&findings);
	else
		print_text(&findings);
	status = cli_finish();
	if (status == CLI_OK && count_of(&findings, DOCTOR_PROBLEM))
		status = CLI_FAILURE;
	free(findings.list);
	doctor_free(facts);
	return status;
}
