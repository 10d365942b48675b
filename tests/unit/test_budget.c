// SPDX-License-Identifier: GPL-2.0-or-later
// How functions behind one DART share its room (qemu/hw/vfio-apple/budget.c).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "budget.h"

#define TOTAL 1000

static uint64_t room(uint64_t own, uint64_t other)
{
	return apple_dma_room(TOTAL, own, &other, 1);
}

static void alone_it_has_everything(void **state)
{
	(void)state;
	assert_int_equal(apple_dma_quota(TOTAL, 1), TOTAL);
	assert_int_equal(apple_dma_room(TOTAL, 0, NULL, 0), TOTAL);
	assert_int_equal(apple_dma_room(TOTAL, 400, NULL, 0), 600);
	assert_int_equal(apple_dma_room(TOTAL, TOTAL, NULL, 0), 0);
}

static void an_idle_other_lends_all_but_a_quarter_of_its_quota(void **state)
{
	(void)state;
	assert_int_equal(apple_dma_quota(TOTAL, 2), 500);
	assert_int_equal(room(0, 0), 875);
	/* The borrower has taken all it could; the other finds what was kept, with no one reserving from it. */
	assert_int_equal(room(875, 0), 0);
	assert_int_equal(room(0, 875), 125);
}

static void a_busy_other_keeps_less(void **state)
{
	(void)state;
	assert_int_equal(room(0, 300), 700 - 50);
	assert_int_equal(room(0, 500), 500);
	assert_int_equal(room(500, 500), 0);
}

static void nobody_over_means_everybody_reaches_the_quota(void **state)
{
	uint64_t others[3];

	(void)state;
	srand(1);
	for (unsigned n = 0; n < 100000; n++) {
		uint64_t quota = apple_dma_quota(TOTAL, 4), own = rand() % (quota + 1);

		for (unsigned i = 0; i < 3; i++)
			others[i] = rand() % (quota + 1);
		assert_true(apple_dma_room(TOTAL, own, others, 3) >= quota - own);
	}
}

/* Whatever is taken, in any order, is there. */
static void never_more_than_there_is(void **state)
{
	(void)state;
	srand(2);
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t used[5] = {0}, sum = 0;

		for (unsigned step = 0; step < 20; step++) {
			unsigned who = rand() % 5, k = 0;
			uint64_t others[4], free;

			for (unsigned i = 0; i < 5; i++)
				if (i != who)
					others[k++] = used[i];
			free = apple_dma_room(TOTAL, used[who], others, 4);
			if (free)
				used[who] += rand() % (free + 1);
			else if (used[who])
				used[who] -= rand() % used[who];
		}
		for (unsigned i = 0; i < 5; i++)
			sum += used[i];
		assert_true(sum <= TOTAL);
	}
}

/* A function that was claimed later finds others far over their quota. */
static void more_than_all_is_used(void **state)
{
	uint64_t others[2] = {900, 300};

	(void)state;
	assert_int_equal(apple_dma_room(TOTAL, 0, others, 2), 0);
	others[0] = UINT64_MAX;
	assert_int_equal(apple_dma_room(TOTAL, 10, others, 2), 0);
	assert_int_equal(apple_dma_room(UINT64_MAX, 0, others, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_it_has_everything),
		cmocka_unit_test(an_idle_other_lends_all_but_a_quarter_of_its_quota),
		cmocka_unit_test(a_busy_other_keeps_less),
		cmocka_unit_test(nobody_over_means_everybody_reaches_the_quota),
		cmocka_unit_test(never_more_than_there_is),
		cmocka_unit_test(more_than_all_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
