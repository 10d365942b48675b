// SPDX-License-Identifier: GPL-2.0-or-later
/* Every placement policy of the simulated DART against a plain model of what is mapped. */
#include "macsim/kernel/dart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE  16384ull
#define BASE  0x80000000ull
#define STEPS 20000
#define LIVE  300

static struct dart_config config(const char *policy, uint64_t pages)
{
	return (struct dart_config){.base = BASE,
				    .size = pages * PAGE,
				    .page = PAGE,
				    .max_mappings = 65536,
				    .policy = dart_policy_named(policy),
				    .seed = 7};
}

static void start(struct dart *d, const struct dart_config *c)
{
	char err[256] = "";

	if (!dart_init(d, c, err, sizeof(err)))
		fail_msg("%s", err);
}

static uint64_t rounded(uint64_t pages)
{
	uint64_t power = 1;

	while (power < pages)
		power *= 2;
	return power;
}

struct block {
	uint64_t iova, pages;
};

/* Random maps and unmaps; the model is one byte per page. */
static void random_traffic(const char *policy, uint64_t window, uint64_t reuse_delay)
{
	struct dart_config c = config(policy, window);
	struct block slots[LIVE] = {0};
	uint8_t *used = calloc(window, 1);
	uint64_t mapped = 0, refused = 0, live = 0;
	struct dart d;
	uint64_t iova;

	c.reuse_delay = reuse_delay;
	start(&d, &c);
	srand(42);
	for (unsigned step = 0; step < STEPS; step++) {
		struct block *b = &slots[rand() % LIVE];
		if (!b->pages) {
			uint64_t pages = rand() % 8 ? 1 + rand() % 4 : 1 + rand() % (window / 8);
			if (!dart_map(&d, pages, b, &b->iova)) {
				refused++;
				continue;
			}
			uint64_t first = (b->iova - BASE) / PAGE;
			b->pages = pages;
			assert_true(b->iova >= BASE && b->iova % PAGE == 0);
			assert_true(first + pages <= window);
			if (!strcmp(policy, "buddy"))
				assert_int_equal(first % rounded(pages), 0);
			for (uint64_t i = first; i < first + pages; i++)
				assert_int_equal(used[i]++, 0);
			assert_ptr_equal(dart_owner(&d, b->iova), b);
			assert_ptr_equal(dart_owner(&d, b->iova + pages * PAGE - 1), b);
			mapped += pages;
			live++;
		} else {
			dart_unmap(&d, b->iova, b->pages);
			for (uint64_t i = 0; i < b->pages; i++)
				used[(b->iova - BASE) / PAGE + i]--;
			assert_null(dart_owner(&d, b->iova));
			assert_true(dart_ever_mapped(&d, b->iova));
			mapped -= b->pages;
			live--;
			b->pages = 0;
		}
		assert_int_equal(d.mapped_pages, mapped);
		assert_int_equal(d.mappings, live);
	}
	assert_true(refused > 0); /* the window was small enough to fill */
	for (unsigned i = 0; i < LIVE; i++)
		if (slots[i].pages)
			dart_unmap(&d, slots[i].iova, slots[i].pages);
	/* Nothing was lost: the whole window can be had again. */
	assert_true(dart_map(&d, strcmp(policy, "buddy") || window == rounded(window) ? window : rounded(window) / 2,
			     &c, &iova));
	dart_destroy(&d);
	free(used);
}

static void blocks_never_overlap(void **state)
{
	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		random_traffic(dart_policies[i]->name, 1024, 0);
		random_traffic(dart_policies[i]->name, 1000, 0);
		random_traffic(dart_policies[i]->name, 777, 16);
	}
}

static void a_window_is_used_to_its_last_page(void **state)
{
	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		struct dart_config c = config(dart_policies[i]->name, 300);
		struct dart d;
		uint64_t iova;
		start(&d, &c);
		for (unsigned n = 0; n < 300; n++)
			assert_true(dart_map(&d, 1, &c, &iova));
		assert_false(dart_map(&d, 1, &c, &iova));
		assert_int_equal(d.peak_pages, 300);
		dart_unmap(&d, BASE + 123 * PAGE, 1);
		assert_true(dart_map(&d, 1, &c, &iova));
		assert_int_equal(iova, BASE + 123 * PAGE);
		dart_destroy(&d);
	}
}

static void mappings_are_limited_too(void **state)
{
	struct dart_config c = config("first-fit", 64);
	struct dart d;
	uint64_t iova;

	(void)state;
	c.max_mappings = 3;
	start(&d, &c);
	for (unsigned n = 0; n < 3; n++)
		assert_true(dart_map(&d, 1, &c, &iova));
	assert_false(dart_map(&d, 1, &c, &iova));
	dart_unmap(&d, BASE, 1);
	assert_true(dart_map(&d, 1, &c, &iova));
	dart_destroy(&d);
}

static void first_fit_takes_the_lowest(void **state)
{
	struct dart_config c = config("first-fit", 64);
	struct dart d;
	uint64_t a, b, e;

	(void)state;
	start(&d, &c);
	dart_map(&d, 3, &c, &a);
	dart_map(&d, 2, &c, &b);
	assert_int_equal(a, BASE);
	assert_int_equal(b, BASE + 3 * PAGE);
	dart_unmap(&d, a, 3);
	dart_map(&d, 4, &c, &e); /* does not fit the hole */
	assert_int_equal(e, BASE + 5 * PAGE);
	dart_map(&d, 3, &c, &e);
	assert_int_equal(e, BASE);
	dart_destroy(&d);
}

static void random_depends_on_the_seed(void **state)
{
	struct dart_config c = config("random", 4096);
	uint64_t iova[3];

	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		struct dart d;
		c.seed = i < 2 ? 1 : 2;
		start(&d, &c);
		dart_map(&d, 1, &c, &iova[i]);
		dart_destroy(&d);
	}
	assert_int_equal(iova[0], iova[1]);
	assert_int_not_equal(iova[0], iova[2]);
}

static void an_address_rests_before_reuse(void **state)
{
	struct dart_config c = config("first-fit", 64);
	struct dart d;
	uint64_t first, iova;

	(void)state;
	c.reuse_delay = 2;
	start(&d, &c);
	dart_map(&d, 1, &c, &first);
	dart_unmap(&d, first, 1);
	for (unsigned frees = 0; frees < 2; frees++) {
		assert_true(dart_map(&d, 1, &c, &iova));
		assert_int_not_equal(iova, first);
		dart_unmap(&d, iova, 1);
	}
	/* Two more frees have happened: now it may come back, and first-fit makes it. */
	assert_true(dart_map(&d, 1, &c, &iova));
	assert_int_equal(iova, first);
	/* A full window waits for the flush instead of refusing. */
	assert_true(dart_map(&d, 61, &c, &iova));
	assert_true(dart_map(&d, 1, &c, &iova));
	dart_destroy(&d);
}

static void senseless_windows_are_refused(void **state)
{
	struct dart_config c = config("first-fit", 64);
	struct dart d;
	char err[256];

	(void)state;
	c.page = 5000;
	assert_false(dart_init(&d, &c, err, sizeof(err)));
	c = config("first-fit", 0);
	assert_false(dart_init(&d, &c, err, sizeof(err)));
	c = config("first-fit", 4);
	c.base = UINT64_MAX & ~(PAGE - 1);
	assert_false(dart_init(&d, &c, err, sizeof(err)));
	assert_null(dart_policy_named("worst-fit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_never_overlap),          cmocka_unit_test(a_window_is_used_to_its_last_page),
		cmocka_unit_test(mappings_are_limited_too),      cmocka_unit_test(first_fit_takes_the_lowest),
		cmocka_unit_test(random_depends_on_the_seed),    cmocka_unit_test(an_address_rests_before_reuse),
		cmocka_unit_test(senseless_windows_are_refused),
	};

	return cmocka_run_group_tests_name("dart", tests, NULL, NULL);
}
