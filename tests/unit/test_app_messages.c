// SPDX-License-Identifier: GPL-2.0-or-later
/* What the host app says, and which version it lets replace which. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "messages.h"

static void every_error_is_a_sentence_of_its_own(void **state)
{
	(void)state;
	for (long code = 1; code <= APP_ERROR_LAST; code++) {
		const char *text = app_error_text(code);

		assert_non_null(text);
		assert_true(strlen(text) > 30);
		assert_true(isupper((unsigned char)text[0]) || !strncmp(text, "macOS", 5));
		assert_int_equal(text[strlen(text) - 1], '.');
		assert_non_null(strchr(text, ':')); /* what it is: what to do */
		for (long other = 1; other < code; other++)
			assert_string_not_equal(text, app_error_text(other));
	}
}

static void unknown_codes_have_a_sentence_too(void **state)
{
	static const long codes[] = {0, -1, APP_ERROR_LAST + 1, INT64_MIN, INT64_MAX};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_string_equal(app_error_text(codes[i]), app_error_text(APP_ERROR_UNKNOWN));
}

static void remedies_name_what_to_do(void **state)
{
	(void)state;
	assert_non_null(strstr(app_error_text(APP_ERROR_PARENT_LOCATION), "Applications folder"));
	assert_non_null(
		strstr(app_error_text(APP_ERROR_MISSING_ENTITLEMENT), "com.apple.developer.system-extension.install"));
	assert_non_null(strstr(app_error_text(APP_ERROR_SIGNATURE), "System Integrity Protection"));
	assert_non_null(strstr(app_approval_text(15), "Login Items & Extensions"));
	assert_non_null(strstr(app_approval_text(26), "Driver Extensions"));
	assert_non_null(strstr(app_approval_text(13), "Privacy & Security"));
	assert_non_null(strstr(app_approval_text(14), "Privacy & Security"));
	assert_string_not_equal(app_done_text(APP_ACTIVATE), app_done_text(APP_DEACTIVATE));
	assert_string_not_equal(app_restart_text(APP_ACTIVATE), app_restart_text(APP_DEACTIVATE));
}

static void exit_statuses_are_those_the_help_names(void **state)
{
	(void)state;
	assert_int_equal(APP_DONE, 0);
	assert_non_null(strstr(app_usage, "1 failed, 2 not understood, 3 approval is needed"));
	assert_non_null(strstr(app_usage, "4 the Mac has to restart, 5 not active, 6 a newer version"));
	assert_int_equal(app_error_outcome(APP_ACTIVATE, APP_ERROR_NOT_FOUND), 1);
	assert_int_equal(app_error_outcome(APP_STATUS, APP_ERROR_NOT_FOUND), 5);
	assert_int_equal(app_error_outcome(APP_DEACTIVATE, APP_ERROR_NOT_FOUND), 5);
	assert_int_equal(app_error_outcome(APP_DEACTIVATE, APP_ERROR_AUTHORIZATION), 3);
	assert_int_equal(app_error_outcome(APP_ACTIVATE, APP_ERROR_POLICY), 1);
	assert_int_equal(APP_NEEDS_RESTART, 4);
	assert_int_equal(APP_NEWER_INSTALLED, 6);
}

static void the_state_is_that_of_all_versions_together(void **state)
{
	static const struct app_installed enabled = {.enabled = true}, waiting = {.awaiting_approval = true},
					  leaving = {.enabled = true, .uninstalling = true}, off = {0};

	(void)state;
	assert_int_equal(app_status(NULL, 0), APP_NOT_ACTIVE);
	assert_int_equal(app_status(&off, 1), APP_NOT_ACTIVE);
	assert_int_equal(app_status(&enabled, 1), APP_DONE);
	assert_int_equal(app_status(&waiting, 1), APP_NEEDS_APPROVAL);
	assert_int_equal(app_status(&leaving, 1), APP_NEEDS_RESTART);
	assert_int_equal(app_status((struct app_installed[]){leaving, enabled}, 2), APP_DONE);
	assert_int_equal(app_status((struct app_installed[]){leaving, waiting}, 2), APP_NEEDS_APPROVAL);
	assert_int_equal(app_status((struct app_installed[]){waiting, leaving}, 2), APP_NEEDS_APPROVAL);
}

static void versions_are_compared_number_by_number(void **state)
{
	static const struct {
		struct app_version a, b;
		int order;
	} cases[] = {
		{{"1.0", "1"}, {"1.0", "1"}, 0},     {{"1.10", "1"}, {"1.9", "1"}, 1},
		{{"1.9", "5"}, {"1.10", "1"}, -1},   {{"1.0", "2"}, {"1.0", "1"}, 1},
		{{"1.0", "1"}, {"1.0.0", "1.0"}, 0}, {{"1.0.1", "1"}, {"1.0", "9"}, 1},
		{{"2", "1"}, {"1.99.99", "99"}, 1},  {{"", ""}, {"1", "1"}, -1},
		{{"1.0", "abc"}, {"1.0", "abd"}, 0}, {{"1.0", "10"}, {"1.0", "9"}, 1},
		{{"01.0", "1"}, {"1.0", "1"}, 0},    {{"1..2", "1"}, {"1.0.2", "1"}, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(app_compare_versions(&cases[i].a, &cases[i].b), cases[i].order);
		assert_int_equal(app_compare_versions(&cases[i].b, &cases[i].a), -cases[i].order);
	}
}

static void only_a_newer_or_the_same_version_replaces(void **state)
{
	static const struct app_version old = {"1.0", "3"}, same = {"1.0", "3"}, newer = {"1.0", "4"},
					older = {"0.9", "8"};

	(void)state;
	assert_true(app_may_replace(&old, &same));
	assert_true(app_may_replace(&old, &newer));
	assert_false(app_may_replace(&old, &older));
	assert_false(app_may_replace(&newer, &old));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_is_a_sentence_of_its_own),
		cmocka_unit_test(unknown_codes_have_a_sentence_too),
		cmocka_unit_test(remedies_name_what_to_do),
		cmocka_unit_test(exit_statuses_are_those_the_help_names),
		cmocka_unit_test(the_state_is_that_of_all_versions_together),
		cmocka_unit_test(versions_are_compared_number_by_number),
		cmocka_unit_test(only_a_newer_or_the_same_version_replaces),
	};

	return cmocka_run_group_tests_name("app messages", tests, NULL, NULL);
}
