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

static int set_up(uint32_t max_granule)
{
	struct fi_limits limits;

	host_init(&host);
	host.frames_max = BUDGET;
	host.max_granule = max_granule;
	host_limits(&host, &limits);
	assert_int_equal(fi_init(&fi, &limits, &host_ops, &host), 0);
	assert_int_equal(fi_add_ram(&fi, 0, RAM_FRAMES), 0);
	assert_int_equal(bc_init(&choice, &fi, FULL_FOR), 0);
	now = copies = refusals = 0;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return set_up(0);
}

/* The index maps ahead. */
static int setup_ahead(void **state)
{
	(void)state;
	return set_up(21);
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
	if (!bc_was_short(&choice) && driver_hit(&fi, &host, &want, held))
		return;
	if (bc_short(&choice, now) && bc_copies(&choice, phys, bytes, &(struct bc_list){phys, bytes})) {
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

/* Most of the budget is in use, for good. */
static struct held most[BUDGET * 3 / 4 + 1];

static void use_most(void)
{
	for (uint32_t i = 0; i < BUDGET * 3 / 4 + 1; i++)
		request(i * 4, PAGE_BYTES, &most[i]);
}

static void leave_most(void)
{
	for (uint32_t i = 0; i < BUDGET * 3 / 4 + 1; i++)
		done(&most[i]);
}

/* What comes once is copied, what comes again gets the rest of the budget. */
static void a_second_touch_is_mapped(void **state)
{
	struct held one;

	(void)state;
	use_most();
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
	leave_most();
	/* It is wide again once what was idle is gone. */
	for (uint32_t i = 0; i < 12; i++)
		fi_work(&fi, true);
	request(4400, PAGE_BYTES, &one);
	assert_int_not_equal(one.bytes, 0);
	done(&one);
}

/* What comes again so late that it would not stay mapped until it comes for the third time is copied again. */
static void a_late_second_touch_is_not(void **state)
{
	struct held one;

	(void)state;
	use_most();
	request(4000, PAGE_BYTES, &one);
	assert_int_equal(one.bytes, 0);
	for (uint32_t i = 0; i < BUDGET / 2; i++) {
		request(8000 + i * 4, PAGE_BYTES, &one);
		done(&one);
	}
	request(4000, PAGE_BYTES, &one);
	assert_int_equal(one.bytes, 0);
	leave_most();
}

/* A list that one mapping is enough for is mapped when it is long, however short its pieces. */
static void a_long_list_is_mapped(void **state)
{
	const struct bc_list brief = {4000 * PAGE_BYTES, BC_CHEAP_COPY}, lengthy = {5000 * PAGE_BYTES, BC_CHEAP_COPY + 1};

	(void)state;
	use_most();
	assert_true(bc_short(&choice, now));
	assert_true(bc_copies(&choice, brief.phys, PAGE_BYTES, &brief));
	assert_false(bc_copies(&choice, lengthy.phys, PAGE_BYTES, &lengthy));
	leave_most();
}

/*
 * `pieces` of 64 KiB out of the first `all` of them, over and over, one behind the other or each somewhere else.  Returns
 * how many were mapped.
 */
static uint32_t large_scan(uint32_t *at, uint32_t pieces, uint32_t all, bool together)
{
	struct held flight[IN_FLIGHT] = {{0}};
	uint32_t mapped = 0;

	for (uint32_t i = 0; i < pieces; i++) {
		struct held *held = &flight[i % IN_FLIGHT];

		done(held);
		/* In steps of an odd number every piece comes once in a round. */
		request((together ? *at : *at * 1237 % (PAGES / 16)) * 16, 16 * PAGE_BYTES, held);
		mapped += held->bytes != 0;
		*at = (*at + 1) % all;
	}
	for (uint32_t i = 0; i < IN_FLIGHT; i++)
		done(&flight[i]);
	return mapped;
}

/* Memory that lies together is mapped in large pieces; when it does not any more, it is copied. */
static void a_scan_is_mapped_while_that_pays(void **state)
{
	uint32_t at = 0, scattered, together, all = PAGES / 16;
	uint64_t maps;

	(void)state;
	large_scan(&at, 8 * all, all, true);
	maps = host.maps;
	together = large_scan(&at, 4 * all, all, true);
	maps = host.maps - maps;
	large_scan(&at, 8 * all, all, false);
	scattered = large_scan(&at, 4 * all, all, false);
	print_message("of %u pieces %u are mapped, in %llu mappings, when together, %u when scattered\n", 4 * all, together,
		      (unsigned long long)maps, scattered);
	assert_true(together * 10 >= 4 * all * 9);
	assert_true(maps * 4 <= together);
	assert_true(scattered * 10 <= 4 * all);
	assert_int_equal(refusals, 0);
}

/* Half of what is read over and over is as much as may be idle: it stays mapped, and the rest is copied. */
static void what_stays_mapped_is_no_reason_to_map(void **state)
{
	uint32_t at = 0, all = BUDGET * 7 / 8 / 4, found;
	uint64_t maps;

	(void)state;
	large_scan(&at, 100 * all, all, false);
	maps = host.maps;
	found = large_scan(&at, 100 * all, all, false);
	print_message("of %u pieces %u are found mapped, %llu maps\n", 100 * all, found, (unsigned long long)(host.maps - maps));
	assert_true(found * 4 >= 100 * all * 2);
	assert_true((host.maps - maps) * 50 <= 100 * all);
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
		cmocka_unit_test_setup_teardown(a_late_second_touch_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_list_is_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_scan_is_mapped_while_that_pays, setup_ahead, teardown),
		cmocka_unit_test_setup_teardown(what_stays_mapped_is_no_reason_to_map, setup_ahead, teardown),
		cmocka_unit_test_setup_teardown(a_host_without_room_is_left_alone, setup, teardown),
	};

	return cmocka_run_group_tests_name("bounce_choice", tests, NULL, NULL);
}
