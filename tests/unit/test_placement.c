// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The search for a wished IOVA, against every placement policy of the
 * simulated DART in windows that have seen use.  Prints how often it succeeds
 * and what it costs: docs/spec-dext.md has that table.
 */
#include "macsim/kernel/dart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "padding.h"
#include "placement.h"

#define PAGE   16384ull
#define BASE   0x80000000ull
#define WINDOW (96ull << 10) /* pages: 1.5 GiB */
#define LIVE   6000

/* ---- a mapper ---- */

struct sim {
	struct dart dart;
	uint64_t length;        /* of the request being placed */
	unsigned calls, blocks; /* to the mapper; mapped at the moment */
	unsigned fail_call;     /* the one that fails, counted from 1; 0: none */
};

static enum vfa_status sim_block(struct sim *sim, uint64_t length, struct vfa_block *out)
{
	assert_true(length && length % PAGE == 0);
	if (++sim->calls == sim->fail_call)
		return VFA_E_PLATFORM;
	if (!dart_map(&sim->dart, length / PAGE, sim, &out->iova))
		return VFA_E_NO_SPACE;
	sim->blocks++;
	out->command = sim;
	out->length = length;
	return VFA_OK;
}

static enum vfa_status sim_map(void *context, uint64_t before, uint64_t after, struct vfa_block *out)
{
	struct sim *sim = context;

	return sim_block(sim, before + sim->length + after, out);
}

static enum vfa_status sim_map_part(void *context, uint64_t length, struct vfa_block *out)
{
	assert_true(length < ((struct sim *)context)->length);
	return sim_block(context, length, out);
}

static void sim_unmap(void *context, struct vfa_block *block)
{
	struct sim *sim = context;

	dart_unmap(&sim->dart, block->iova, block->length / PAGE);
	sim->blocks--;
}

static const struct vfa_mapper mapper = {.map = sim_map, .map_part = sim_map_part, .unmap = sim_unmap};

static void sim_start(struct sim *sim, const char *policy, uint64_t base, uint64_t pages)
{
	struct dart_config c = {.base = base,
				.size = pages * PAGE,
				.page = PAGE,
				.max_mappings = 65536,
				.policy = dart_policy_named(policy),
				.seed = 7};
	char err[256] = "";

	memset(sim, 0, sizeof(*sim));
	if (!dart_init(&sim->dart, &c, err, sizeof(err)))
		fail_msg("%s", err);
}

/* As the dext makes them. */
static struct vfa_wish a_wish(uint64_t pages, uint64_t modulus, uint64_t residue)
{
	return (struct vfa_wish){.length = pages * PAGE,
				 .modulus = modulus * PAGE,
				 .residue = residue * PAGE,
				 .filler_max = 16 << 20,
				 .padding_max = pages * PAGE,
				 .padding_room = 4 << 20};
}

static enum vfa_status place(struct sim *sim, struct vfa_placement *p, const struct vfa_wish *wish,
			     struct vfa_placed *out)
{
	enum vfa_status status;
	unsigned blocks = sim->blocks;

	sim->length = wish->length;
	sim->calls = 0;
	status = vfa_place(p, &mapper, sim, wish, out);
	assert_int_equal(out->calls, sim->calls);
	assert_in_range(out->calls, 1, VFA_PLACEMENT_CALLS_MAX);
	assert_int_equal(sim->blocks, blocks + (status == VFA_OK)); /* no filler is left, and nothing of a failure */
	if (status != VFA_OK)
		return status;
	assert_true(out->block.length - wish->length <= wish->padding_max);
	assert_true(out->before <= out->block.length - wish->length);
	assert_true(out->block.iova + out->before != 0);
	assert_int_equal(out->aligned, (out->block.iova + out->before) % wish->modulus == wish->residue);
	return VFA_OK;
}

/* ---- traffic ---- */

static uint64_t random64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Half are single pages, as bounce and scattered buffers are; the rest are runs up to 2 MiB. */
static uint64_t some_pages(uint64_t *rng)
{
	switch (random64(rng) % 8) {
	case 0:
		return 128;
	case 1:
		return 4 << random64(rng) % 5;
	case 2:
	case 3:
		return 4 + random64(rng) % 60;
	default:
		return 1;
	}
}

static uint64_t modulus_of(uint64_t pages)
{
	uint64_t modulus = 1;

	while (modulus * 2 <= pages && modulus < 128)
		modulus *= 2;
	return pages < 4 ? 1 : modulus;
}

enum residues { MULTIPLES, CONGRUENT };

struct outcome {
	uint64_t wishes, met, calls, padding, bytes;
};

static void use(const char *policy, unsigned fill_percent, enum residues residues, struct outcome *o)
{
	static struct vfa_block live[LIVE];
	struct vfa_placement p = {0};
	uint64_t rng = fill_percent, mapped = 0;
	unsigned n = 0, rounds = 0;
	struct sim sim;

	sim_start(&sim, policy, BASE, WINDOW);
	memset(o, 0, sizeof(*o));
	/* Grow to the level, then keep it: what comes goes at random. */
	while (rounds < 10000) {
		uint64_t pages = some_pages(&rng), modulus = modulus_of(pages);
		uint64_t residue = residues == CONGRUENT ? random64(&rng) % modulus : 0;
		struct vfa_wish wish = a_wish(pages, modulus, residue);
		bool full = n == LIVE || mapped + pages > WINDOW * fill_percent / 100;
		struct vfa_placed placed;

		if (full) {
			unsigned victim = random64(&rng) % n;

			mapped -= live[victim].length / PAGE;
			sim_unmap(&sim, &live[victim]);
			live[victim] = live[--n];
			rounds++;
			continue;
		}
		if (place(&sim, &p, &wish, &placed) != VFA_OK) {
			assert_true(n);
			mapped -= live[--n].length / PAGE;
			sim_unmap(&sim, &live[n]);
			rounds++;
			continue;
		}
		live[n++] = placed.block;
		mapped += placed.block.length / PAGE;
		if (modulus == 1)
			continue;
		o->wishes++;
		o->met += placed.aligned;
		o->calls += placed.calls;
		o->padding += placed.block.length - wish.length;
		o->bytes += wish.length;
	}
	while (n)
		sim_unmap(&sim, &live[--n]);
	assert_int_equal(sim.dart.mappings, 0);
	dart_destroy(&sim.dart);
}

static void every_policy_in_a_used_window(void **state)
{
	static const unsigned levels[] = {25, 60, 85};

	/* Less than this and something has been unlearned; the numbers are some percent below what is printed. */
	static const struct {
		const char *policy;
		unsigned multiples, congruent;
	} least[] = {{"first-fit", 86, 82}, {"buddy", 100, 99},   {"next-fit", 55, 50},
		     {"best-fit", 80, 68},  {"last-fit", 94, 80}, {"random", 30, 30}};

	(void)state;
	printf("# policy      full    multiples: met  calls  padding   congruent: met  calls  padding\n");
	for (unsigned i = 0; dart_policies[i]; i++) {
		for (unsigned level = 0; level < 3; level++) {
			struct outcome m, c;

			use(dart_policies[i]->name, levels[level], MULTIPLES, &m);
			use(dart_policies[i]->name, levels[level], CONGRUENT, &c);
			printf("# %-10s  %3u %%    %13.1f %%  %5.2f  %5.1f %%   %13.1f %%  %5.2f  %5.1f %%\n",
			       dart_policies[i]->name, levels[level], 100.0 * m.met / m.wishes,
			       1.0 * m.calls / m.wishes, 100.0 * m.padding / m.bytes, 100.0 * c.met / c.wishes,
			       1.0 * c.calls / c.wishes, 100.0 * c.padding / c.bytes);
			for (unsigned k = 0; k < sizeof(least) / sizeof(least[0]); k++) {
				if (strcmp(least[k].policy, dart_policies[i]->name))
					continue;
				assert_true(100 * m.met >= least[k].multiples * m.wishes);
				assert_true(100 * c.met >= least[k].congruent * c.wishes);
			}
		}
	}
}

/* In a window that only fills, little is left to chance. */
static void a_fresh_window_is_cheap(void **state)
{
	static const struct {
		const char *policy;
		unsigned calls; /* of 100 wishes, at most */
	} most[] = {{"first-fit", 300}, {"next-fit", 215}, {"last-fit", 300}, {"best-fit", 300}, {"buddy", 110}};

	(void)state;
	for (unsigned i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct vfa_placement p = {0};
		unsigned calls = 0;
		uint64_t rng = 1;
		struct sim sim;

		sim_start(&sim, most[i].policy, BASE, WINDOW);
		for (unsigned n = 0; n < 100; n++) {
			struct vfa_wish wish = a_wish(128, 128, random64(&rng) % 128);
			struct vfa_placed placed;

			assert_int_equal(place(&sim, &p, &wish, &placed), VFA_OK);
			assert_true(placed.aligned);
			calls += placed.calls;
		}
		printf("# %-10s %u calls for 100 requests of 2 MiB\n", most[i].policy, calls);
		assert_true(calls <= most[i].calls);
		dart_destroy(&sim.dart);
	}
}

static void without_a_wish_there_is_one_call(void **state)
{
	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		struct vfa_placement p = {0};
		struct sim sim;

		sim_start(&sim, dart_policies[i]->name, BASE, 1024);
		for (unsigned n = 0; n < 30; n++) {
			struct vfa_wish wish = a_wish(1 + n % 7, 1, 0);
			struct vfa_placed placed;

			assert_int_equal(place(&sim, &p, &wish, &placed), VFA_OK);
			assert_true(placed.aligned && placed.calls == 1 && placed.before == 0);
		}
		dart_destroy(&sim.dart);
	}
}

/* A call that fails in the middle of the search costs the alignment at most; the first one has nothing to fall back on.
 */
static void any_call_may_fail(void **state)
{
	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		for (unsigned fail = 1; fail <= VFA_PLACEMENT_CALLS_MAX; fail++) {
			struct vfa_placement p = {0};
			uint64_t rng = fail;
			struct sim sim;

			sim_start(&sim, dart_policies[i]->name, BASE, WINDOW);
			for (unsigned n = 0; n < 300; n++) {
				uint64_t pages = some_pages(&rng), modulus = modulus_of(pages);
				struct vfa_wish wish = a_wish(pages, modulus, random64(&rng) % modulus);
				struct vfa_placed placed;
				enum vfa_status status;

				sim.fail_call = fail;
				status = place(&sim, &p, &wish, &placed);
				if (status != VFA_OK)
					assert_true(fail == 1 && placed.calls == 1 && status == VFA_E_PLATFORM);
			}
			dart_destroy(&sim.dart);
		}
	}
}

static void a_tight_budget_is_left_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		struct vfa_placement p = {0};
		uint64_t rng = 5;
		struct sim sim;

		sim_start(&sim, dart_policies[i]->name, BASE, WINDOW);
		for (unsigned n = 0; n < 200; n++) {
			uint64_t pages = some_pages(&rng), modulus = modulus_of(pages);
			struct vfa_wish wish = a_wish(pages, modulus, random64(&rng) % modulus);
			struct vfa_placed placed;

			wish.filler_max = wish.padding_max = 0;
			assert_int_equal(place(&sim, &p, &wish, &placed), VFA_OK);
			assert_int_equal(placed.block.length, wish.length);
			assert_int_equal(sim.dart.peak_pages, sim.dart.mapped_pages); /* nothing beside it, ever */
		}
		dart_destroy(&sim.dart);
	}
}

/* 0 is "no address" to drivers, so a window that begins there has one page less. */
static void address_0_is_never_given(void **state)
{
	(void)state;
	for (unsigned i = 0; dart_policies[i]; i++) {
		struct vfa_placement p = {0};
		unsigned given = 0;
		struct sim sim;

		sim_start(&sim, dart_policies[i]->name, 0, 64);
		for (unsigned n = 0; n < 64; n++) {
			struct vfa_wish wish = a_wish(1, n % 4 ? 1 : 2, 0);
			struct vfa_placed placed;

			wish.padding_max = 0; /* it would use the window up */
			given += place(&sim, &p, &wish, &placed) == VFA_OK;
		}
		assert_int_equal(given, 63);
		dart_destroy(&sim.dart);
	}
}

/* ---- padding ---- */

static void padding_is_made_of_the_request(void **state)
{
	uint64_t rng = 3;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct vfa_dma_parsed map = {.op.nr_ranges = 1 + random64(&rng) % VFA_MAX_RANGES};
		struct vfa_dma_range out[VFA_MAX_RANGES];
		uint64_t room, padding, sum = 0, own = 0;
		bool after = random64(&rng) % 2;
		unsigned n;

		for (unsigned i = 0; i < map.op.nr_ranges; i++)
			map.ranges[i] = (struct vfa_dma_range){i << 24, (1 + random64(&rng) % 64) * PAGE};
		room = vfa_padding_room(&map);
		assert_int_equal(vfa_padded_ranges(&map, after ? 0 : room + PAGE, after ? room + PAGE : 0, out), 0);
		padding = room ? random64(&rng) % (room / PAGE + 1) * PAGE : 0;
		n = vfa_padded_ranges(&map, after ? 0 : padding, after ? padding : 0, out);
		assert_in_range(n, map.op.nr_ranges, VFA_MAX_RANGES);
		for (unsigned i = 0; i < n; i++) {
			const struct vfa_dma_range *of = &map.ranges[out[i].address >> 24];

			assert_true(out[i].length && out[i].length <= of->length);
			sum += out[i].length;
		}
		for (unsigned i = 0; i < map.op.nr_ranges; i++)
			own += map.ranges[i].length;
		assert_int_equal(sum, own + padding);
		assert_memory_equal(out + (after ? 0 : n - map.op.nr_ranges), map.ranges,
				    map.op.nr_ranges * sizeof(out[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_policy_in_a_used_window),    cmocka_unit_test(a_fresh_window_is_cheap),
		cmocka_unit_test(without_a_wish_there_is_one_call), cmocka_unit_test(any_call_may_fail),
		cmocka_unit_test(a_tight_budget_is_left_alone),     cmocka_unit_test(address_0_is_never_given),
		cmocka_unit_test(padding_is_made_of_the_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
