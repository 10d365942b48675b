// SPDX-License-Identifier: GPL-2.0-or-later
/* When the guest module copies instead of mapping (guest/linux/bounce_choice.c), with its frame index and a host. */
#include "bounce_choice.h"
#include "frames_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BUDGET      512u /* frames */
#define PAGES       (RAM_FRAMES * 4)
#define HOT         128u /* pages, each in a frame of its own */
#define IN_FLIGHT   8u
#define HZ_OF_TICKS 1000u /* requests in a second */
#define FULL_FOR    20u
#define PAGE_BYTES  4096u

static struct frame_index fi;
static struct host host;
static struct bounce_choice choice;
static uint64_t now, copies, refusals;

static int setup(void **state)
{
	struct fi_limits limits;

	(void)state;
	host_init(&host);
	host.frames_max = BUDGET;
	host_limits(&host, &limits);
	assert_int_equal(fi_init(&fi, &limits, &host_ops, &host), 0);
	assert_int_equal(fi_add_ram(&fi, 0, RAM_FRAMES), 0);
	assert_int_equal(bc_init(&choice, &fi, FULL_FOR), 0);
	now = copies = refusals = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bc_destroy(&choice);
	fi_destroy(&fi);
	return 0;
}

/* A request for one page or more, as the module's ops make it.  held->bytes 0: copied. */
static void request(uint32_t page, uint32_t bytes, struct held *held)
{
	uint64_t phys = (uint64_t)page * PAGE_BYTES;
	struct fi_want want = {.frame = page / 4,
			       .frames = (uint32_t)((phys + bytes - 1) >> HOST_SHIFT) - page / 4 + 1};

	held->bytes = 0;
	if (++now % HZ_OF_TICKS == 0)
		fi_work(&fi, true);
	if (host.woken_soon) {
		host.woken_soon = false;
		fi_work(&fi, false);
	}
	if (bc_short(&choice, now) && bc_copies(&choice, phys, bytes)) {
		copies++;
	} else if (driver_map(&fi, &host, &want, 1, held)) {
		held->bytes = 0;
		refusals++;
		bc_no_room(&choice, now);
		copies++;
	}
}

static void done(struct held *held)
{
	if (held->bytes)
		driver_unmap(&fi, &host, held, 1);
	held->bytes = 0;
}

static uint64_t hits(void)
{
	struct fi_counters c;

	fi_count(&fi, &c);
	return c.hits;
}

/* A file far larger than the budget, read over and over, `pages` of it; every eighth request is for a page of the hot
 * set. */
static uint64_t scan(uint32_t *at, uint32_t pages, uint64_t *hot_hits, uint64_t *hot_requests)
{
	struct held flight[IN_FLIGHT] = {{0}};
	uint64_t seed = 7, maps = host.maps;

	for (uint32_t i = 0; i < pages; i++) {
		struct held *held = &flight[i % IN_FLIGHT];

		done(held);
		if (i % 8 == 0) {
			uint64_t before = hits();

			request((uint32_t)(xorshift(&seed) % HOT) * 4, PAGE_BYTES, held);
			*hot_hits += hits() - before;
			(*hot_requests)++;
		} else {
			request(HOT * 4 + *at, PAGE_BYTES, held);
			*at = (*at + 1) % (PAGES - HOT * 4);
		}
	}
	for (uint32_t i = 0; i < IN_FLIGHT; i++)
		done(&flight[i]);
	return host.maps - maps;
}

static void a_scan_costs_nothing_and_spares_the_hot_set(void **state)
{
	uint64_t hot_hits = 0, hot_requests = 0, maps;
	uint32_t at = 0;

	(void)state;
	scan(&at, 4 * PAGES, &hot_hits, &hot_requests);
	hot_hits = hot_requests = copies = 0;
	maps = scan(&at, 10 * PAGES, &hot_hits, &hot_requests);
	print_message("%u pages: %llu maps, %llu copies, hot set %llu of %llu\n", 10 * PAGES, (unsigned long long)maps,
		      (unsigned long long)copies, (unsigned long long)hot_hits, (unsigned long long)hot_requests);
	assert_true(hot_hits * 100 >= hot_requests * 99);
	/* A page in 50, against one in four when all are mapped. */
	assert_true(maps * 50 <= 10 * PAGES);
	assert_int_equal(refusals, 0);
}

/* Below the budget nothing is copied, however often it changes. */
static void a_wide_budget_is_used(void **state)
{
	struct held held;

	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t frame = 0; frame < BUDGET * 7 / 16 - 8; frame++) {
			request(frame * 4 + round % 4, PAGE_BYTES, &held);
			done(&held);
		}
	}
	assert_int_equal(copies, 0);
	assert_int_equal(host.maps, BUDGET * 7 / 16 - 8);
}

/* About as much is idle as is kept: what comes once is copied, though half of the budget is free, until that is forgotten. */
static void what_is_idle_counts(void **state)
{
	struct held held;

	(void)state;
	for (uint32_t frame = 0; frame <= BUDGET * 7 / 16; frame++) {
		request(frame * 4, PAGE_BYTES, &held);
		assert_int_not_equal(held.bytes, 0);
		done(&held);
	}
	request(4000, PAGE_BYTES, &held);
	assert_int_equal(held.bytes, 0);
	for (uint32_t i = 0; i < 12; i++)
		fi_work(&fi, true);
	request(4400, PAGE_BYTES, &held);
	assert_int_not_equal(held.bytes, 0);
	done(&held);
}

/* Most of the budget is in use for good: what comes once is copied, what comes again gets the rest of it. */
static void a_second_touch_is_mapped(void **state)
{
	static struct held held[BUDGET * 4 / 5];
	struct held one;

	(void)state;
	for (uint32_t i = 0; i < BUDGET * 3 / 4 + 1; i++)
		request(i * 4, PAGE_BYTES, &held[i]);
	request(4000, PAGE_BYTES, &one);
	assert_int_equal(one.bytes, 0);
	request(4001, PAGE_BYTES, &one);
	assert_int_equal(one.bytes, 0);
	request(4000, PAGE_BYTES, &one);
	assert_int_not_equal(one.bytes, 0);
	done(&one);
	/* And its neighbours with it. */
	request(4002, PAGE_BYTES, &one);
	assert_int_not_equal(one.bytes, 0);
	done(&one);
	/* What is long is cheaper to map at once. */
	request(4096, BC_CHEAP_COPY + 1, &one);
	assert_int_not_equal(one.bytes, 0);
	done(&one);
	for (uint32_t i = 0; i < BUDGET * 3 / 4 + 1; i++)
		done(&held[i]);
	/* It is wide again once what was idle is gone. */
	for (uint32_t i = 0; i < 12; i++)
		fi_work(&fi, true);
	request(4400, PAGE_BYTES, &one);
	assert_int_not_equal(one.bytes, 0);
	done(&one);
}

/* All of it is in use: the host is asked once in a while, and what is mapped is still found. */
static void a_host_without_room_is_left_alone(void **state)
{
	static struct held held[BUDGET];
	struct held one;
	uint64_t runs;

	(void)state;
	for (uint32_t i = 0; i < BUDGET; i++) {
		struct fi_want want = {.frame = i, .frames = 1};

		assert_int_equal(driver_map(&fi, &host, &want, 1, &held[i]), 0);
	}
	bc_no_room(&choice, ++now);
	runs = host.runs;
	for (uint32_t i = 0; i < FULL_FOR - 2; i++) {
		request(4000, PAGE_BYTES, &one);
		assert_int_equal(one.bytes, 0);
		request(4000, 4 * BC_CHEAP_COPY, &one);
		assert_int_equal(one.bytes, 0);
		now--;
	}
	assert_int_equal(host.runs, runs);
	request(8, PAGE_BYTES, &one);
	assert_int_not_equal(one.bytes, 0);
	done(&one);
	/* Later, what comes again is asked for again. */
	now += FULL_FOR;
	request(4000, PAGE_BYTES, &one);
	assert_int_equal(host.runs, runs);
	request(4000, PAGE_BYTES, &one);
	assert_int_equal(one.bytes, 0);
	assert_true(host.runs > runs);
	assert_int_equal(refusals, 1);
	for (uint32_t i = 0; i < BUDGET; i++)
		done(&held[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_scan_costs_nothing_and_spares_the_hot_set, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wide_budget_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_idle_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_touch_is_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_host_without_room_is_left_alone, setup, teardown),
	};

	return cmocka_run_group_tests_name("bounce_choice", tests, NULL, NULL);
}
