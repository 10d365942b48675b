// SPDX-License-Identifier: GPL-2.0-or-later
/* Every IOReturn becomes one of the errno values that vfapple.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <mach/mig_errors.h>

#include "internal.h"

static bool promised(int error)
{
	switch (error) {
	case -ENODEV:
	case -EBUSY:
	case -EPERM:
	case -EPROTO:
	case -ENOENT:
	case -ENOTSUP:
	case -EINVAL:
	case -EIO:
		return true;
	default:
		return false;
	}
}

static void table_is_total(void **state)
{
	(void)state;
	assert_int_equal(vfa_errno(kIOReturnSuccess), 0);
	for (int code = 0; code < 0x400; code++)
		assert_true(promised(vfa_errno(iokit_common_err(code))));
	for (int code = 1; code < 100; code++)
		assert_true(promised(vfa_errno(code)));
	for (int code = -320; code < 0; code++)
		assert_true(promised(vfa_errno(code)));
}

static void death_of_the_extension_is_enodev(void **state)
{
	static const IOReturn dead[] = {MIG_SERVER_DIED, MACH_SEND_INVALID_DEST, kIOReturnOffline, kIOReturnNoDevice,
					kIOReturnNotAttached};

	(void)state;
	for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++)
		assert_int_equal(vfa_errno(dead[i]), -ENODEV);
}

static void what_the_user_can_act_on_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(vfa_errno(kIOReturnExclusiveAccess), -EBUSY);
	assert_int_equal(vfa_errno(kIOReturnNotPermitted), -EPERM);
	assert_int_equal(vfa_errno(kIOReturnUnsupported), -ENOTSUP);
	assert_int_equal(vfa_errno(kIOReturnBadArgument), -EINVAL);
	assert_int_equal(vfa_errno(kIOReturnTimeout), -EIO);
}

static void every_dma_status_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < VFA_STATUS_COUNT; i++) {
		assert_string_not_equal(vfa_status_text((enum vfa_status)i), vfa_status_text(VFA_STATUS_COUNT));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(vfa_status_text((enum vfa_status)i),
						vfa_status_text((enum vfa_status)j));
	}
	assert_non_null(vfa_status_text((enum vfa_status) - 1));
}

static void long_errors_are_cut_not_overrun(void **state)
{
	char name[1000];
	struct vfa_error err;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(vfa_fail(&err, -EIO, "%s: failed", name), -EIO);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(vfa_fail(NULL, -EPERM, "%s", name), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_total),
		cmocka_unit_test(death_of_the_extension_is_enodev),
		cmocka_unit_test(what_the_user_can_act_on_is_told_apart),
		cmocka_unit_test(every_dma_status_has_a_text_of_its_own),
		cmocka_unit_test(long_errors_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
