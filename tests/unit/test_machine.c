// SPDX-License-Identifier: GPL-2.0-or-later
/* Machine files: what they mean, and that a bad one is answered with one sentence that names its place. */
#include "macsim/kernel/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_machine.XXXXXX";
static char err[1024];

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Reads, applies one --set unless NULL, configures; the models' keys count as read. */
static struct machine *build(const char *text, const char *set, struct machine_config *c)
{
	struct machine *m;

	write_file(text);
	err[0] = '\0';
	m = machine_load(path, err, sizeof(err));
	if (m && (!set || machine_set(m, set, err, sizeof(err))) && machine_configure(m, c, err, sizeof(err)) &&
	    machine_all_used(m, err, sizeof(err)))
		return m;
	machine_free(m);
	return NULL;
}

static void a_small_file_gets_the_defaults(void **state)
{
	struct machine_config c;
	struct machine *m = build("# one device\n[function 03:00.0]\nmodel = nvme\n", NULL, &c);

	(void)state;
	assert_non_null(m);
	assert_int_equal(c.page, 16384);
	assert_true(c.entitled);
	assert_int_equal(c.dart.base, 0x80000000);
	assert_int_equal(c.dart.size, 1536ull << 20);
	assert_int_equal(c.dart.max_mappings, 65536);
	assert_string_equal(c.dart.policy->name, "first-fit");
	assert_int_equal(c.dart.exhaustion, DART_FULL_ERROR);
	assert_string_equal(c.dext_class, "VFIOUserPCIDriver");
	assert_int_equal(c.nr_functions, 1);
	assert_string_equal(c.functions[0].bdf, "03:00.0");
	assert_true(c.functions[0].flr);
	assert_int_equal(c.functions[0].bars[0], BAR_MAPPED);
	assert_string_equal(c.functions[0].driver, "dext");
	assert_int_equal(c.functions[0].vendor_id, -1);
	assert_int_equal(c.functions[0].link.speed, 3);
	assert_int_equal(c.functions[0].link.width, 4);
	assert_int_equal(c.dext_state, EXTENSION_ENABLED);
	assert_null(c.dext_old_version);
	machine_free(m);
}

static void every_key_arrives(void **state)
{
	struct machine_config c;
	struct machine *m = build(
		"[machine]\npage=4K\nentitled=no\nmacos=13.1\nmodel=M\nmemory=8G\nprocessor=intel\nrosetta=yes\n"
		"[dart]\nbase=0x1000000\nsize=64M\npage=4K\nmappings=100\npolicy=buddy\nseed=9\n"
		"exhaustion=block\ndirection=enforce\nreuse_delay=5\n"
		"[dext]\npath=/d\nclass=C\nbundle=B\nversion=2/3\nold_version=1/2\nstate=waiting\n"
		"[enclosure Box]\nvendor=V\nthunderbolt=5\n"
		"[function 0a:1f.7]\nmodel=x\nflr=no\nmsi=no\nvectors=4\nirq_limit=2\nbars=trapped\nbar2=mapped\n"
		"bar3=unassigned\nlocation=built-in\ndriver=D\nvendor_id=0x10de\ndevice_id=0\nclass_code=0x030000\n"
		"link_speed=1\nlink_width=2\nlink_speed_max=5\nlink_width_max=16\n",
		NULL, &c);

	(void)state;
	assert_non_null(m);
	assert_int_equal(c.page, 4096);
	assert_false(c.entitled);
	assert_int_equal(c.dart.base, 0x1000000);
	assert_int_equal(c.dart.size, 64u << 20);
	assert_int_equal(c.dart.max_mappings, 100);
	assert_ptr_equal(c.dart.policy, &dart_buddy);
	assert_int_equal(c.dart.seed, 9);
	assert_int_equal(c.dart.exhaustion, DART_FULL_BLOCK);
	assert_true(c.dart.enforce_direction);
	assert_int_equal(c.dart.reuse_delay, 5);
	assert_string_equal(c.dext_path, "/d");
	assert_string_equal(c.dext_class, "C");
	assert_int_equal(c.functions[0].bus, 10);
	assert_int_equal(c.functions[0].device, 31);
	assert_int_equal(c.functions[0].function, 7);
	assert_false(c.functions[0].flr);
	assert_false(c.functions[0].msi);
	assert_int_equal(c.functions[0].vectors, 4);
	assert_int_equal(c.functions[0].irq_limit, 2);
	assert_int_equal(c.functions[0].bars[0], BAR_TRAPPED);
	assert_int_equal(c.functions[0].bars[2], BAR_MAPPED);
	assert_int_equal(c.functions[0].bars[3], BAR_UNASSIGNED);
	assert_true(c.functions[0].built_in);
	assert_string_equal(c.functions[0].driver, "D");
	assert_int_equal(c.functions[0].vendor_id, 0x10de);
	assert_int_equal(c.functions[0].device_id, 0);
	assert_int_equal(c.functions[0].class_code, 0x030000);
	assert_int_equal(c.functions[0].link.speed, 1);
	assert_int_equal(c.functions[0].link.width, 2);
	assert_int_equal(c.functions[0].link.speed_max, 5);
	assert_int_equal(c.functions[0].link.width_max, 16);
	assert_string_equal(c.macos, "13.1");
	assert_string_equal(c.hw_model, "M");
	assert_int_equal(c.memory, 8ull << 30);
	assert_true(c.intel && c.rosetta);
	assert_string_equal(c.dext_bundle, "B");
	assert_string_equal(c.dext_version, "2/3");
	assert_string_equal(c.dext_old_version, "1/2");
	assert_int_equal(c.dext_state, EXTENSION_WAITING);
	assert_int_equal(c.nr_enclosures, 1);
	assert_string_equal(c.enclosures[0].vendor, "V");
	assert_string_equal(c.enclosures[0].model, "Box");
	assert_int_equal(c.enclosures[0].thunderbolt, 5);
	machine_free(m);
}

static void the_environment_and_set_fill_in(void **state)
{
	struct machine_config c;
	struct machine *m;

	(void)state;
	setenv("TEST_MODEL", "dma", 1);
	m = build("[function 03:00.0]\nmodel=${TEST_MODEL}test\n", "03:00.0.bars=trapped", &c);
	assert_non_null(m);
	assert_string_equal(c.functions[0].model, "dmatest");
	assert_int_equal(c.functions[0].bars[0], BAR_TRAPPED);
	machine_free(m);
	m = build("[dart]\nsize=1G\n[function 03:00.0]\nmodel=a\n", "dart.size=2M", &c);
	assert_non_null(m);
	assert_int_equal(c.dart.size, 2 << 20);
	machine_free(m);
	/* A value may contain both of the separators. */
	m = build("[function 03:00.0]\nmodel=a\n", "dext.path=/a.b/c=d", &c);
	assert_non_null(m);
	assert_string_equal(c.dext_path, "/a.b/c=d");
	machine_free(m);
}

static const struct {
	const char *text, *set;
	int line; /* 0: the place is not a line */
	const char *says;
} bad[] = {
	{"[function 03:00.0]\nmodel=a\n[network]\n", NULL, 3, "network"},
	{"[function 03:00.0]\nmodel=a\n[function 03:00.0]\n", NULL, 3, "twice"},
	{"[function 03:00.0]\nmodel=a\n[function 03:00.00]\nmodel=a\n", NULL, 3, "not a PCI address"},
	{"[function 03:20.0]\nmodel=a\n", NULL, 1, "not a PCI address"},
	{"[function 03:00.0]\nmodel=a\nmodel=b\n", NULL, 3, "twice"},
	{"[function 03:00.0]\nmodel=a\ncolour=red\n", NULL, 3, "colour"},
	{"[function 03:00.0]\nflr=no\n", NULL, 1, "model="},
	{"[function 03:00.0]\nmodel=a\nflr=maybe\n", NULL, 3, "yes or no"},
	{"[function 03:00.0]\nmodel=a\nbar1=open\n", NULL, 3, "mapped|trapped"},
	{"[function 03:00.0]\nmodel=a\nlink_speed=4\n", NULL, 3, "link_speed_max"},
	{"[function 03:00.0]\nmodel=a\nlink_width=8\n", NULL, 3, "link_width_max"},
	{"[function 03:00.0]\nmodel=a\nvendor_id=0x10000\n", NULL, 3, "0xffff"},
	{"[enclosure A]\nthunderbolt=2\n[function 03:00.0]\nmodel=a\n", NULL, 2, "3|4|5"},
	{"[function 03:00.0]\nmodel=a\nvectors=many\n", NULL, 3, "not a number"},
	{"[function 03:00.0]\nmodel=a\nvectors=4096\n", NULL, 3, "2048"},
	{"[function 03:00.0]\nmodel=${NO_SUCH_VARIABLE}\n", NULL, 2, "NO_SUCH_VARIABLE"},
	{"[dart]\nsize=1.5G\n", NULL, 2, "not a number"},
	{"[dart]\nsize=-1\n", NULL, 2, "not a number"},
	{"[dart]\nsize=99999999999999999999\n", NULL, 2, "not a number"},
	{"[dart]\nsize=5000\n", NULL, 2, "whole pages"},
	{"[dart]\npolicy=worst-fit\n", NULL, 2, "first-fit|buddy|random"},
	{"[dart]\npolicy=first\n", NULL, 2, "first-fit|buddy|random"},
	{"[dart]\nexhaustion=ignore\n", NULL, 2, "error|block|panic"},
	{"[machine]\npage=64K\n", NULL, 2, "4K or 16K"},
	{"[machine]\npage\n", NULL, 2, "key=value"},
	{"[machine\n", NULL, 1, "]"},
	{"page=4K\n", NULL, 1, "before any"},
	{"[machine]\n", NULL, 0, "no PCI device"},
	{"[function 03:00.0]\nmodel=a\n", "dart.colour=red", 0, "colour"},
	{"[function 03:00.0]\nmodel=a\n", "dart=red", 0, "SECTION.KEY=VALUE"},
	{"[function 03:00.0]\nmodel=a\n", "nets.size=1", 0, "nets"},
};

static void a_bad_file_is_one_sentence_with_its_place(void **state)
{
	struct machine_config c;
	char place[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct machine *m = build(bad[i].text, bad[i].set, &c);
		if (m)
			fail_msg("accepted: %s %s", bad[i].text, bad[i].set ? bad[i].set : "");
		if (bad[i].line) {
			snprintf(place, sizeof(place), "%s:%d: ", path, bad[i].line);
			if (strncmp(err, place, strlen(place)))
				fail_msg("'%s' does not start with '%s'", err, place);
		} else if (bad[i].set && !strstr(err, bad[i].set)) {
			fail_msg("'%s' does not name --set %s", err, bad[i].set);
		}
		if (!strstr(err, bad[i].says) || strchr(err, '\n'))
			fail_msg("'%s' should be one line with '%s'", err, bad[i].says);
	}
}

static void a_missing_file_is_one_sentence(void **state)
{
	(void)state;
	assert_null(machine_load("/nonexistent/machine.conf", err, sizeof(err)));
	assert_non_null(strstr(err, "/nonexistent/machine.conf"));
}

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_gets_the_defaults),
		cmocka_unit_test(every_key_arrives),
		cmocka_unit_test(the_environment_and_set_fill_in),
		cmocka_unit_test(a_bad_file_is_one_sentence_with_its_place),
		cmocka_unit_test(a_missing_file_is_one_sentence),
	};

	return cmocka_run_group_tests_name("machine", tests, make_path, remove_path);
}
