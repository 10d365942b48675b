// SPDX-License-Identifier: GPL-2.0-or-later
/* What users may write to name a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "internal.h"

static void accepts_bdf_with_and_without_domain(void **state)
{
	static const char *const same[] = {"03:1f.7", "0000:03:1f.7", "0:3:1F.7", "abcd0001:03:1f.7"};
	struct vfa_address a;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_true(vfa_address_parse(same[i], &a));
		assert_false(a.by_id);
		assert_int_equal(a.bus, 3);
		assert_int_equal(a.device, 0x1f);
		assert_int_equal(a.function, 7);
	}
}

static void accepts_registry_ids(void **state)
{
	struct vfa_address a;

	(void)state;
	assert_true(vfa_address_parse("id:0x1000004f2", &a));
	assert_true(a.by_id);
	assert_true(a.id == 0x1000004f2);
	assert_true(vfa_address_parse("id:ffffffffffffffff", &a));
	assert_true(a.id == UINT64_MAX);
}

static void refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",           ":",
		"03",         "03:00",
		"03:00.",     "03:00.8",
		"03:20.0",    "103:00.0",
		"03:00.00",   "03:00.0 ",
		" 03:00.0",   "-3:00.0",
		"03:00.g",    "::",
		"0000:03:00", "0:0:03:00.0",
		"03.00:0",    ":03:00.0",
		"id:",        "id:0x",
		"id:0xg",     "id:0x10000000000000000",
		"ID:1",       "03:+0.0",
	};
	struct vfa_address a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (vfa_address_parse(bad[i], &a))
			fail_msg("\"%s\" was accepted", bad[i]);
}

static void id_tells_equal_bdfs_apart(void **state)
{
	struct vfa_device_info one = {.bus = 3, .registry_id = 0x11}, two = {.bus = 3, .registry_id = 0x12};
	struct vfa_address a;

	(void)state;
	assert_true(vfa_address_parse("03:00.0", &a));
	assert_true(vfa_address_matches(&a, &one) && vfa_address_matches(&a, &two));
	one.function = 1;
	assert_false(vfa_address_matches(&a, &one));
	assert_true(vfa_address_parse("id:0x12", &a));
	assert_false(vfa_address_matches(&a, &one));
	assert_true(vfa_address_matches(&a, &two));
}

static void errors_name_the_device_and_the_remedy(void **state)
{
	struct vfa_device *dev = (void *)1;
	struct vfa_listed listed;
	struct vfa_error err;

	(void)state;
	assert_int_equal(vfa_parse_address("nonsense", &listed, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nonsense"));
	assert_non_null(strstr(err.text, "03:00.0"));
	assert_int_equal(vfa_open("7f:1f.7", NULL, NULL, &dev, &err), -ENOENT);
	assert_null(dev);
	assert_non_null(strstr(err.text, "7f:1f.7"));
	assert_int_equal(vfa_open("7f:1f.7", NULL, NULL, &dev, NULL), -ENOENT);
}

static void no_device_is_an_empty_list(void **state)
{
	struct vfa_listed *list;
	size_t count = 1;

	(void)state;
	assert_int_equal(vfa_list(&list, &count, NULL), 0);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_bdf_with_and_without_domain),
		cmocka_unit_test(accepts_registry_ids),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(id_tells_equal_bdfs_apart),
		cmocka_unit_test(errors_name_the_device_and_the_remedy),
		cmocka_unit_test(no_device_is_an_empty_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
