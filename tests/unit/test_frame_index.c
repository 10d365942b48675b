// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest module's frame index (guest/linux/frame_index.c), outside of a kernel. */
#include "frames_model.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct frame_index fi;
static struct host host;

static int setup(void **state)
{
	(void)state;
	host_init(&host);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fi_destroy(&fi);
	return 0;
}

static void start(bool strict)
{
	struct fi_limits limits;

	host_limits(&host, &limits);
	assert_int_equal(fi_init(&fi, &limits, &host_ops, &host), 0);
	assert_int_equal(fi_add_ram(&fi, 0, RAM_FRAMES), 0);
	fi_set_strict(&fi, strict);
}

static void start_with_less(uint32_t frames)
{
	struct fi_limits limits;

	host.frames_max = frames;
	host_limits(&host, &limits);
	limits.bytes_max *= 4;
	assert_int_equal(fi_init(&fi, &limits, &host_ops, &host), 0);
	assert_int_equal(fi_add_ram(&fi, 0, RAM_FRAMES), 0);
}

static struct held map(uint32_t frame, uint32_t frames)
{
	struct fi_want want = {.frame = frame, .frames = frames};
	struct held held = {0};

	assert_int_equal(driver_map(&fi, &host, &want, 1, &held), 0);
	return held;
}

static void unmap(struct held held)
{
	driver_unmap(&fi, &host, &held, 1);
}

static bool put(uint64_t iova, uint64_t bytes)
{
	struct fi_dying dying = {.count = 0};
	bool ok = fi_put(&fi, &dying, iova, bytes);

	fi_put_done(&fi, &dying);
	return ok;
}

static struct fi_counters counters(void)
{
	struct fi_counters c;

	fi_count(&fi, &c);
	return c;
}

static void ticks(unsigned n)
{
	while (n--)
		fi_work(&fi, true);
}

/* A fixed pool, used over and over: the host hears of each frame once. */
static void fixed_pool_asks_once(void **state)
{
	(void)state;
	start(false);
	for (unsigned round = 0; round < 1000; round++)
		for (uint32_t f = 0; f < 64; f++)
			unmap(map(f, 1));
	assert_int_equal(host.runs, 64);
	assert_int_equal(counters().requests, 64000);
	assert_int_equal(counters().hits, 64000 - 64);
	assert_int_equal(host.frames, 64);
	model_agree(&fi, &host);
}

#define FRAME (1u << HOST_SHIFT)

/* What is one frame and mapped is a hit, and nothing else is. */
static void hits(void **state)
{
	uint64_t phys = 7 * FRAME + 100, address = 0, again = 0;
	struct held held;

	(void)state;
	start(false);
	assert_false(fi_get_hit(&fi, phys, 8, UINT64_MAX, &address));
	held = map(7, 1);
	assert_true(fi_get_hit(&fi, phys, 8, UINT64_MAX, &address));
	assert_int_equal(address, held.iova + 100);
	/* While it is idle, too; to the end of the frame and not behind it, nor behind the device's last address. */
	unmap(held);
	assert_true(fi_put_hit(&fi, address, 8));
	assert_true(fi_get_hit(&fi, phys, FRAME - 100, held.iova + FRAME - 1, &address));
	assert_false(fi_get_hit(&fi, phys, FRAME - 99, UINT64_MAX, &again));
	assert_false(fi_get_hit(&fi, phys, FRAME - 100, held.iova + FRAME - 2, &again));
	assert_false(fi_get_hit(&fi, phys, 0, UINT64_MAX, &again));
	assert_false(fi_get_hit(&fi, phys, UINT64_MAX, UINT64_MAX, &again));
	assert_false(fi_get_hit(&fi, phys + ((uint64_t)1 << 45), 8, UINT64_MAX, &again));
	assert_false(fi_get_hit(&fi, UINT64_MAX - 7, 8, UINT64_MAX, &again));
	fi.refuse = -EACCES;
	assert_false(fi_get_hit(&fi, phys, 8, UINT64_MAX, &again));
	fi.refuse = 0;
	assert_int_equal(counters().requests, 3);
	assert_int_equal(counters().hits, 2);
	assert_int_equal(counters().idle, 0);

	assert_false(fi_put_hit(&fi, address, 0));
	assert_false(fi_put_hit(&fi, address, FRAME - 99));
	assert_false(fi_put_hit(&fi, address, UINT64_MAX));
	assert_false(fi_put_hit(&fi, address + FRAME, 8));
	assert_false(fi_put_hit(&fi, HOST_FIRST - 8, 8));
	assert_false(fi_put_hit(&fi, HOST_FIRST + (uint64_t)HOST_WINDOW * FRAME, 8));
	assert_true(fi_put_hit(&fi, address, 8));
	assert_int_equal(counters().idle, 1);
	assert_false(fi_put_hit(&fi, address, 8));
	assert_false(put(address, 8));
	assert_int_equal(counters().bad_puts, 1);
	model_agree(&fi, &host);
}

/* A span's use is the span's: none of its frames is given back alone. */
static void a_span_is_no_hit(void **state)
{
	struct held one, span;

	(void)state;
	start(false);
	one = map(20, 1);
	span = map(20, 4);
	assert_false(fi_put_hit(&fi, span.iova, FRAME));
	unmap(span);
	unmap(one);
	assert_false(fi_put_hit(&fi, one.iova, FRAME));
	model_agree(&fi, &host);
}

/* In strict mode a mapping ends with its last user, which is no hit; the ones before are. */
static void strict_hits(void **state)
{
	uint64_t address = 0;
	struct held held;

	(void)state;
	start(true);
	held = map(7, 1);
	assert_true(fi_get_hit(&fi, 7 * FRAME, FRAME, UINT64_MAX, &address));
	assert_true(fi_put_hit(&fi, address, FRAME));
	assert_false(fi_put_hit(&fi, address, FRAME));
	unmap(held);
	assert_int_equal(host.mappings, 0);
	assert_false(fi_get_hit(&fi, 7 * FRAME, FRAME, UINT64_MAX, &address));
}

/* One list: one trip, one mapping, whatever order its frames are in. */
static void list_is_born_together(void **state)
{
	struct fi_want wants[32];
	struct held held[32];

	(void)state;
	start(false);
	for (uint32_t i = 0; i < 32; i++)
		wants[i] = (struct fi_want){.frame = 1000 - 2 * i, .frames = 1, .packed = true};
	assert_int_equal(driver_map(&fi, &host, wants, 32, held), 0);
	assert_int_equal(host.runs, 1);
	assert_int_equal(host.maps, 1);
	assert_int_equal(host.ranges_max, 32);
	/* It stays as long as one of them is in use, and then a while. */
	driver_unmap(&fi, &host, held, 31);
	ticks(20);
	assert_int_equal(host.mappings, 1);
	driver_unmap(&fi, &host, held + 31, 1);
	ticks(9);
	assert_int_equal(host.mappings, 1);
	ticks(2);
	assert_int_equal(host.mappings, 0);
	assert_int_equal(counters().evictions, 1);
}

/* Frames that follow each other need one range; entries that share a frame get it once. */
static void neighbours_are_merged(void **state)
{
	struct fi_want wants[32];
	struct held held[32];

	(void)state;
	start(false);
	for (uint32_t i = 0; i < 32; i++)
		wants[i] = (struct fi_want){.frame = 101 + i * 3, .frames = 4, .packed = true};
	assert_int_equal(driver_map(&fi, &host, wants, 32, held), 0);
	assert_int_equal(host.maps, 1);
	assert_int_equal(host.ranges_max, 1);
	assert_int_equal(host.frames, 32 * 3 + 1);
	driver_unmap(&fi, &host, held, 32);
	model_agree(&fi, &host);
}

static void neighbours_are_merged_and_congruent(void **state)
{
	host.congruent = true;
	neighbours_are_merged(state);
	assert_int_equal(counters().misaligned, 0);
}

/* A large page of a GPU keeps its alignment, in a list or not. */
static void large_is_aligned(void **state)
{
	struct fi_want wants[] = {
		{.frame = 3, .frames = 1, .packed = true},
		{.frame = 512, .frames = 128, .packed = true},
		{.frame = 9, .frames = 1, .packed = true},
	};
	struct held held[3], one;
	uint64_t runs;

	(void)state;
	start(false);
	one = map(1, 1);
	assert_int_equal(driver_map(&fi, &host, wants, 3, held), 0);
	assert_int_equal(held[1].iova % (128u << HOST_SHIFT), 0);
	assert_int_equal(host.runs, 2);
	assert_int_equal(counters().misaligned, 0);
	host.shift_by = 1;
	unmap(map(1024, 128));
	assert_int_equal(counters().misaligned, 1);
	/* The host cannot do better: it is not asked every time. */
	runs = host.runs;
	unmap(map(1024, 128));
	assert_int_equal(host.runs, runs);
	driver_unmap(&fi, &host, held, 3);
	unmap(one);
}

/* A host that can: memory that is itself not aligned has the large pages within it where they can be used. */
static void large_pages_within(void **state)
{
	struct held a, b;
	uint64_t runs;

	(void)state;
	host.congruent = true;
	start(false);
	unmap(map(1, 1));
	a = map(131, 200);
	assert_int_equal((a.iova >> HOST_SHIFT) % 128, 131 % 128);
	b = map(401, 4);
	assert_int_equal((b.iova >> HOST_SHIFT) % 4, 1);
	/* Less than a large page: wherever there is room. */
	unmap(map(501, 3));
	assert_int_equal(counters().misaligned, 0);
	runs = host.runs;
	unmap(map(131, 200));
	unmap(map(140, 60));
	assert_int_equal(host.runs, runs);
	unmap(a);
	unmap(b);
	/* And when it cannot for once, that is counted, and not tried again each time. */
	host.shift_by = 1;
	unmap(map(600, 64));
	assert_int_equal(counters().misaligned, 1);
	runs = host.runs;
	unmap(map(600, 64));
	assert_int_equal(host.runs, runs);
	model_agree(&fi, &host);
}

/* A list of large runs: one mapping, as long as each comes to lie where it should. */
static void large_runs_share_a_mapping(void **state)
{
	struct fi_want wants[16];
	struct held held[16];
	const uint32_t sizes[] = {4, 4, 8, 16, 32};
	uint32_t frame = 300;

	(void)state;
	host.congruent = true;
	start(false);
	unmap(map(1, 1));
	for (uint32_t i = 0; i < 16; i++)
		wants[i] = (struct fi_want){.frame = 1024 + i * 12, .frames = 4, .packed = true};
	assert_int_equal(driver_map(&fi, &host, wants, 16, held), 0);
	assert_int_equal(host.maps, 2);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal((held[i].iova >> HOST_SHIFT) % 4, 0);
	driver_unmap(&fi, &host, held, 16);
	/* Read ahead: ever larger runs, each aligned to its size. */
	for (uint32_t i = 0; i < 5; i++) {
		frame = (frame + sizes[i] - 1) / sizes[i] * sizes[i];
		wants[i] = (struct fi_want){.frame = frame, .frames = sizes[i], .packed = true};
		frame += sizes[i];
	}
	assert_int_equal(driver_map(&fi, &host, wants, 5, held), 0);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal((held[i].iova >> HOST_SHIFT) % sizes[i], 0);
	assert_int_equal(counters().misaligned, 0);
	driver_unmap(&fi, &host, held, 5);
	model_agree(&fi, &host);
}

/* Frames that are mapped already, one after the other, but not where a large page may begin. */
static void idle_is_not_misaligned(void **state)
{
	struct fi_want list[] = {
		{.frame = 64, .frames = 1, .packed = true},
		{.frame = 65, .frames = 3, .packed = true},
	};
	struct fi_want ring = {.frame = 256, .frames = 2, .natural = true};
	struct held held[2], one;
	uint64_t runs;

	(void)state;
	start(false);
	unmap(map(1, 1));
	assert_int_equal(driver_map(&fi, &host, list, 2, held), 0);
	assert_int_not_equal(held[0].iova % (4u << HOST_SHIFT), 0);
	one = map(64, 4);
	assert_int_equal(one.iova % (4u << HOST_SHIFT), 0);
	unmap(one);
	runs = host.runs;
	one = map(64, 4);
	assert_int_equal(one.iova % (4u << HOST_SHIFT), 0);
	assert_int_equal(host.runs, runs);
	unmap(one);
	driver_unmap(&fi, &host, held, 2);
	/* 32 KiB are no large page; memory that a driver allocates is aligned all the same. */
	one = map(256, 2);
	assert_int_not_equal(one.iova % (2u << HOST_SHIFT), 0);
	unmap(one);
	assert_int_equal(driver_map(&fi, &host, &ring, 1, &one), 0);
	assert_int_equal(one.iova % (2u << HOST_SHIFT), 0);
	unmap(one);
	model_agree(&fi, &host);
}

/* Idle mappings in the way of memory whose alignment a driver was promised make room for it. */
static void idle_gives_way_to_alignment(void **state)
{
	struct fi_want ring = {.frame = 512, .frames = 64, .natural = true}, page = {.frame = 640, .frames = 64};
	struct held held;

	(void)state;
	start(false);
	/* Gaps that hold 64 frames, but an idle one in each aligned block. */
	host.place = PLACE_NEXT_FIT;
	for (uint32_t i = 0; i < HOST_WINDOW / 128; i++) {
		host.next = i * 128;
		unmap(map(i * 4, 1));
		host.next = i * 128 + 100;
		unmap(map(i * 4 + 2, 1));
	}
	/* For other memory it is a wish. */
	assert_int_equal(driver_map(&fi, &host, &page, 1, &held), 0);
	assert_int_equal(counters().misaligned, 1);
	assert_int_equal(counters().evictions, 0);
	unmap(held);
	/* Not even of the same memory. */
	ring.frame = page.frame;
	assert_int_equal(driver_map(&fi, &host, &ring, 1, &held), 0);
	assert_int_equal(held.iova % (64u << HOST_SHIFT), 0);
	/* What stood in one place had to go, and nothing else. */
	assert_in_range(counters().evictions, 1, 2);
	unmap(held);
	model_agree(&fi, &host);
}

/* Requests of several frames share what is contiguous already, and else get a span that is found again. */
static void spans(void **state)
{
	struct held a, b, span, again, part;

	(void)state;
	start(false);
	a = map(11, 1);
	b = map(10, 1);
	assert_int_equal(host.maps, 2);
	span = map(10, 4);
	assert_int_equal(host.maps, 3);
	assert_int_equal(host.frames, 6);
	/* Frames 12 and 13 were nobody's: they are the span's now. */
	part = map(12, 2);
	assert_int_equal(host.maps, 3);
	assert_int_equal(part.iova, span.iova + (2u << HOST_SHIFT));
	again = map(10, 4);
	assert_int_equal(again.iova, span.iova);
	assert_int_equal(host.maps, 3);
	unmap(span);
	unmap(part);
	/* As long as it is in use as a whole it is not evicted, though its own frames are idle. */
	ticks(20);
	assert_int_equal(host.mappings, 3);
	unmap(again);
	assert_int_equal(counters().idle, 4);
	span = map(10, 4);
	assert_int_equal(host.maps, 3);
	unmap(span);
	assert_false(put(span.iova, span.bytes));
	unmap(a);
	unmap(b);
	ticks(12);
	assert_int_equal(host.mappings, 0);
	assert_int_equal(counters().idle, 0);
	/* All of it unmapped, it is an ordinary mapping, in which each frame can be had alone. */
	a = map(10, 4);
	b = map(12, 1);
	assert_int_equal(b.iova, a.iova + (2u << HOST_SHIFT));
	unmap(a);
	unmap(b);
	model_agree(&fi, &host);
}

/*
 * Two frames mapped one by one and used all the time, and now and then something
 * that covers both: once mapped as a whole they stay so.  What is in use, or
 * holds something else, is left alone.
 */
static void parts_become_a_whole(void **state)
{
	struct fi_want list[] = {{.frame = 24, .frames = 1, .packed = true}, {.frame = 40, .frames = 1, .packed = true}};
	struct held held[2], a, b;
	uint64_t runs;

	(void)state;
	start(false);
	unmap(map(11, 1));
	unmap(map(10, 1));
	runs = host.runs;
	unmap(map(10, 2));
	/* Their end and its beginning are one trip. */
	assert_int_equal(host.runs, runs + 1);
	assert_int_equal(host.mappings, 1);
	assert_int_equal(host.frames, 2);
	for (unsigned i = 0; i < 40; i++) {
		unmap(map(10, 1));
		unmap(map(11, 1));
		if (i % 20 == 0)
			unmap(map(10, 2));
		ticks(1);
	}
	assert_int_equal(host.runs, runs + 1);

	a = map(20, 1);
	unmap(map(21, 1));
	assert_int_equal(driver_map(&fi, &host, list, 2, held), 0);
	driver_unmap(&fi, &host, held, 2);
	b = map(20, 5);
	/* Frame 21 alone went: 20 is in use, 24 was born together with another. */
	assert_int_equal(host.mappings, 4);
	assert_int_equal(host.frames, 2 + 1 + 2 + 5);
	unmap(a);
	unmap(b);
	model_agree(&fi, &host);
}

static void wrong_unmaps_change_nothing(void **state)
{
	struct held one, four;

	(void)state;
	start(false);
	one = map(5, 1);
	four = map(20, 4);
	assert_false(put(one.iova + (100u << HOST_SHIFT), 4096));
	assert_false(put(HOST_FIRST - 4096, 4096));
	assert_false(put(0, 4096));
	assert_false(put(UINT64_MAX, 4096));
	assert_false(put(HOST_FIRST + ((uint64_t)HOST_WINDOW << HOST_SHIFT) - 4096, 8192));
	assert_false(put(one.iova, UINT64_MAX));
	assert_false(put(one.iova, 0));
	assert_false(put(four.iova, 5u << HOST_SHIFT));
	assert_int_equal(counters().bad_puts, 8);
	unmap(one);
	assert_false(put(one.iova, one.bytes));
	assert_int_equal(counters().bad_puts, 9);
	/* Nothing of that took a use away. */
	ticks(20);
	assert_int_equal(host.mappings, 1);
	unmap(four);
	ticks(20);
	assert_false(put(four.iova, four.bytes));
	model_agree(&fi, &host);
}

/* In strict mode the length counts as well. */
static void strict_ends_with_the_last_use(void **state)
{
	struct fi_want wants[32];
	struct held held[32], a, b;

	(void)state;
	start(true);
	a = map(7, 1);
	b = map(7, 1);
	unmap(a);
	assert_int_equal(host.mappings, 1);
	unmap(b);
	assert_int_equal(host.mappings, 0);
	a = map(40, 4);
	b = map(41, 2);
	assert_int_equal(host.maps, 3);
	assert_false(put(a.iova, 3u << HOST_SHIFT));
	assert_false(put(a.iova, 5u << HOST_SHIFT));
	assert_false(put(a.iova, 1u << HOST_SHIFT));
	unmap(a);
	unmap(b);
	assert_int_equal(host.mappings, 0);
	for (uint32_t i = 0; i < 32; i++)
		wants[i] = (struct fi_want){.frame = 100 + 2 * i, .frames = 1, .packed = true};
	assert_int_equal(driver_map(&fi, &host, wants, 32, held), 0);
	assert_int_equal(host.mappings, 32);
	host.runs = 0;
	driver_unmap(&fi, &host, held, 32);
	assert_int_equal(host.mappings, 0);
	assert_int_equal(host.runs, 1);
	assert_int_equal(counters().idle, 0);
}

/* However much a driver gives back in one piece, it ends. */
static void strict_gives_back_much_at_once(void **state)
{
	uint64_t iova = 0;
	struct held held;

	(void)state;
	start(true);
	for (uint32_t i = 0; i < 2 * FI_MAX_DROPS + 1; i++) {
		held = map(2 * i, 1);
		iova = i ? iova : held.iova;
		assert_int_equal(held.iova, iova + ((uint64_t)i << HOST_SHIFT));
		host.used[(held.iova - HOST_FIRST) >> HOST_SHIFT] = 0;
	}
	assert_true(put(iova, (2 * FI_MAX_DROPS + 1ull) << HOST_SHIFT));
	assert_int_equal(host.mappings, 0);
	assert_int_equal(host.in_batch_max, FI_MAX_DROPS);
	model_agree(&fi, &host);
}

/* A miss without room takes the place of what is idle, in the same trip. */
static void eviction_shares_the_trip(void **state)
{
	struct held held[32];
	uint64_t runs;

	(void)state;
	host.frames_max = 32;
	start(false);
	for (uint32_t i = 0; i < 32; i++)
		unmap(map(i * 2, 1));
	assert_int_equal(host.frames, 32);
	runs = host.runs;
	for (uint32_t i = 0; i < 32; i++)
		held[i] = map(200 + i * 2, 1);
	assert_int_equal(host.runs, runs + 32);
	assert_int_equal(host.refused, 0);
	assert_int_equal(counters().evictions, 32);
	/* Now everything is in use. */
	assert_int_equal(fi_get(&fi, &(struct fi_want){.frame = 900, .frames = 1}, 1), -ENOMEM);
	assert_int_equal(counters().refusals, 1);
	unmap(held[3]);
	held[3] = map(900, 1);
	driver_unmap(&fi, &host, held, 32);
	model_agree(&fi, &host);
}

/* A host that has less than it said: nobody hears of it while anything is idle. */
static void host_without_room(void **state)
{
	struct held used, big;

	(void)state;
	start_with_less(200);
	used = map(0, 1);
	for (uint32_t i = 1; i < 200; i++)
		unmap(map(i * 2, 1));
	big = map(600, 199);
	assert_int_equal(counters().refusals, 0);
	assert_int_equal(host.in_batch_max, FI_MAX_DROPS);
	assert_int_equal(fi_get(&fi, &(struct fi_want){.frame = 900, .frames = 1}, 1), -ENOMEM);
	unmap(big);
	unmap(used);
	model_agree(&fi, &host);
}

/* One request does not evict without end while interrupts are off: the background goes on, and the next one fits. */
static void requests_are_bounded(void **state)
{
	struct fi_want want = {.frame = 1000, .frames = 900};
	uint64_t runs, unmaps;

	(void)state;
	start_with_less(1000);
	for (uint32_t i = 0; i < 900; i++)
		unmap(map(i, 1));
	runs = host.runs;
	unmaps = host.unmaps;
	host.woken_soon = false;
	assert_int_equal(fi_get(&fi, &want, 1), -ENOMEM);
	assert_int_equal(host.runs - runs, 1 + FI_TRIPS);
	assert_int_equal(host.unmaps - unmaps, FI_TRIPS * FI_MAX_DROPS);
	assert_true(host.woken_soon);
	fi_work(&fi, false);
	assert_true(host.in_batch_max <= FI_MAX_DROPS);
	unmap(map(1000, 900));
	model_agree(&fi, &host);
}

/* What is idle beside what is used cannot be evicted: the background looks once in a tick, not for every refusal. */
static void nothing_to_relieve(void **state)
{
	struct fi_want wants[20], more = {.frame = 1000, .frames = 1};
	struct held held[20];

	(void)state;
	start_with_less(20);
	for (uint32_t i = 0; i < 20; i++)
		wants[i] = (struct fi_want){.frame = i * 3, .frames = 1, .packed = true};
	assert_int_equal(driver_map(&fi, &host, wants, 20, held), 0);
	driver_unmap(&fi, &host, held + 1, 19);
	assert_int_equal(fi_get(&fi, &more, 1), -ENOMEM);
	assert_true(host.woken_soon);
	fi_work(&fi, false);
	host.woken_soon = false;
	assert_int_equal(fi_get(&fi, &more, 1), -ENOMEM);
	assert_false(host.woken_soon);
	ticks(1);
	assert_int_equal(fi_get(&fi, &more, 1), -ENOMEM);
	assert_true(host.woken_soon);
	unmap(held[0]);
	unmap(map(1000, 1));
	model_agree(&fi, &host);
}

/* The same when room is low by the budget: one walk in a tick, however many misses find it low. */
static void nothing_to_keep_room_with(void **state)
{
	struct fi_want wants[32];
	struct held held[3][32], more;

	(void)state;
	host.frames_max = 100;
	start(false);
	for (uint32_t k = 0; k < 3; k++) {
		for (uint32_t i = 0; i < 32; i++)
			wants[i] = (struct fi_want){.frame = k * 100 + i * 3, .frames = 1, .packed = true};
		assert_int_equal(driver_map(&fi, &host, wants, 32, held[k]), 0);
		driver_unmap(&fi, &host, held[k] + 1, 31);
	}
	assert_true(host.woken_soon);
	fi_work(&fi, false);
	assert_true(fi.barren);
	/* What becomes idle after that is found by who needs it at once, and by the background in the next tick. */
	unmap(held[0][0]);
	more = map(1000, 10);
	assert_int_equal(host.mappings, 3);
	unmap(held[1][0]);
	fi_work(&fi, false);
	assert_int_equal(host.mappings, 3);
	unmap(map(2000, 20));
	fi_work(&fi, true);
	assert_false(fi.barren);
	assert_true(host.mappings < 4);
	unmap(held[2][0]);
	unmap(more);
	model_agree(&fi, &host);
}

/* A host that cannot align makes the cache pay for it once in a tick. */
static void hopeless_alignment_is_bounded(void **state)
{
	struct fi_want ring = {.frame = 512, .frames = 64, .natural = true};
	struct held held[3];
	uint64_t evictions;

	(void)state;
	start(false);
	host.shift_by = 1;
	for (uint32_t i = 0; i < 300; i++)
		unmap(map(i, 1));
	for (uint32_t i = 0; i < 3; i++, ring.frame += 64) {
		evictions = counters().evictions;
		assert_int_equal(driver_map(&fi, &host, &ring, 1, &held[i]), 0);
		assert_true(counters().evictions - evictions <= FI_TRIPS * FI_MAX_DROPS);
		assert_true(i == 0 || counters().evictions == evictions);
		for (uint32_t k = 0; k < 300; k++)
			unmap(map(k, 1));
	}
	driver_unmap(&fi, &host, held, 3);
	model_agree(&fi, &host);
}

/* Misses that follow each other: ever larger blocks, in either direction, and what was mapped ahead is hit. */
static void streams_grow(void **state)
{
	static struct held held[1024];

	(void)state;
	host.max_granule = 21;
	start(false);
	for (uint32_t i = 0; i < 512; i++)
		held[i] = map(1000 + i, 1);
	assert_true(host.maps <= 12);
	assert_int_equal(host.runs, host.maps);
	assert_in_range(host.frames, 512, 512 + 128);
	assert_in_range(counters().prefetch_hits, 490, 511);
	assert_true(counters().grown > 0 && counters().prefetched >= counters().prefetch_hits);
	model_agree(&fi, &host);
	for (uint32_t i = 0; i < 256; i++)
		held[512 + i] = map(5000 - i, 1);
	assert_true(host.maps <= 20);
	/* What nobody asked for is idle. */
	assert_int_equal(counters().idle, host.frames - 768);
	driver_unmap(&fi, &host, held, 768);
	ticks(12);
	assert_int_equal(host.mappings, 0);
	model_agree(&fi, &host);
}

static void streams_of_lists_grow(void **state)
{
	struct fi_want wants[4];
	struct held held[4];
	uint64_t runs;

	(void)state;
	host.max_granule = 21;
	host.congruent = true;
	start(false);
	for (uint32_t i = 0; i < 64; i++) {
		for (uint32_t k = 0; k < 4; k++)
			wants[k] = (struct fi_want){.frame = 1003 + i * 8 + k * 2, .frames = 2, .packed = true};
		assert_int_equal(driver_map(&fi, &host, wants, 4, held), 0);
		driver_unmap(&fi, &host, held, 4);
	}
	assert_true(host.maps <= 10);
	/* Large requests within are aligned, so that they hit. */
	runs = host.runs;
	unmap(map(1280, 64));
	assert_int_equal(host.runs, runs);
	model_agree(&fi, &host);
}

/* The disk's files lie in pieces of 256 KiB: that is learned, and then each of them is one mapping and nothing else. */
static void reach_is_learned(void **state)
{
	static struct held held[16];
	uint64_t maps = 0, frames = 0;

	(void)state;
	host.max_granule = 21;
	start(false);
	for (unsigned piece = 0; piece < 300; piece++) {
		uint32_t at = piece * 3 % (RAM_FRAMES / 16) * 16;

		if (piece == 200) {
			maps = host.maps;
			frames = counters().prefetched - counters().prefetch_hits;
		}
		for (uint32_t i = 0; i < 16; i++)
			held[i] = map(at + i, 1);
		driver_unmap(&fi, &host, held, 16);
		ticks(piece % 4 == 0);
	}
	/* Now and then more is tried. */
	assert_in_range(host.maps - maps, 100, 130);
	assert_in_range(counters().prefetched - counters().prefetch_hits - frames, 0, 16 * 16);
	model_agree(&fi, &host);
}

/* A first stream that made use of what was mapped ahead of it is enough: the next are mapped in whole blocks. */
static void next_streams_are_mapped_whole(void **state)
{
	static struct held held[512];
	uint64_t maps;

	(void)state;
	host.max_granule = 21;
	start(false);
	for (uint32_t i = 0; i < 256; i++)
		held[i] = map(512 + i, 1);
	driver_unmap(&fi, &host, held, 256);
	maps = host.maps;
	for (uint32_t i = 0; i < 512; i++)
		held[i] = map(2048 + i, 1);
	assert_int_equal(host.maps - maps, 512 / 128);
	driver_unmap(&fi, &host, held, 512);
	model_agree(&fi, &host);
}

/*
 * Blocks that fill up page by page are no streams: what is mapped ahead in them
 * being of use does not make a stream of what begins a block of 2 MiB.
 */
static void clusters_are_no_streams(void **state)
{
	(void)state;
	host.max_granule = 21;
	start(false);
	for (uint32_t block = 0; block < 24; block++)
		for (uint32_t i = 1; i < 16; i++)
			map(block * 16 + i * 5 % 16, 1);
	assert_true(counters().prefetch_hits > 100);
	for (uint32_t block = 8; block < 16; block++)
		map(block * 128, 1);
	assert_in_range(host.frames, 24 * 13, 24 * 16 + 8);
	model_agree(&fi, &host);
}

/* One page here and one there: nothing more is mapped.  Nor is it in strict mode, or for memory a driver allocates. */
static void scattered_does_not_grow(void **state)
{
	struct fi_want ring = {.frames = 1, .natural = true};
	uint64_t seed = 99;
	struct held held;

	(void)state;
	host.max_granule = 21;
	start(false);
	for (uint32_t i = 0; i < 500; i++)
		unmap(map(xorshift(&seed) % 8000, 1));
	assert_int_equal(counters().grown, 0);
	fi_clear(&fi);
	for (ring.frame = 0; ring.frame < 32; ring.frame++) {
		assert_int_equal(driver_map(&fi, &host, &ring, 1, &held), 0);
		unmap(held);
	}
	fi_clear(&fi);
	fi_set_strict(&fi, true);
	for (uint32_t i = 0; i < 64; i++)
		unmap(map(i, 1));
	assert_int_equal(counters().grown, 0);
	assert_int_equal(host.mappings, 0);
}

/* Above half of the budget nothing is mapped that nobody asks for, so that all of it can be used. */
static void growth_ends_with_the_room(void **state)
{
	static struct held held[1024];

	(void)state;
	host.max_granule = 21;
	host.frames_max = 1024;
	start(false);
	for (uint32_t i = 0; i < 1024; i++) {
		uint64_t grown = counters().grown;
		bool half = host.frames >= 512;

		held[i] = map(64 * (i % 64) + i / 64, 1);
		assert_true(!half || counters().grown == grown);
	}
	assert_int_equal(counters().refusals, 0);
	assert_int_equal(host.frames, 1024);
	assert_true(counters().grown > 0);
	driver_unmap(&fi, &host, held, 1024);
	model_agree(&fi, &host);
}

/* A host with less room than it says: mapping ahead is given up before anything is refused or evicted for it. */
static void growth_is_never_refused(void **state)
{
	static struct held held[128];
	struct held idle;

	(void)state;
	host.max_granule = 21;
	start_with_less(100);
	/* In use with what follows it: not to be evicted. */
	idle = map(4000, 1);
	for (uint32_t i = 0; i < 99; i++)
		held[i] = map(i, 1);
	assert_int_equal(counters().refusals, 0);
	assert_int_equal(host.frames, 100);
	assert_true(host.refused > 0);
	assert_int_equal(fi_get(&fi, &(struct fi_want){.frame = 99, .frames = 1}, 1), -ENOMEM);
	driver_unmap(&fi, &host, held, 99);
	unmap(idle);
	model_agree(&fi, &host);
}

/* The page cache in runs of 2 MiB, more than fits, read 128 KiB at a time: two trips for each run at most. */
static void streams_beyond_the_budget(void **state)
{
	enum { RUN = 128, RUNS = 56, IO = 8, DEPTH = 16, PASSES = 40 };
	struct held flight[DEPTH];
	uint64_t seed = 5, calls = 0, pages = 0;
	uint32_t at = 0, runs[RUNS];

	(void)state;
	host.max_granule = 21;
	host.congruent = true;
	host.frames_max = 2048;
	start(false);
	for (uint32_t i = 0; i < RUNS; i++)
		runs[i] = 1 + i;
	for (uint32_t i = RUNS - 1; i; i--) {
		uint32_t k = xorshift(&seed) % (i + 1), r = runs[i];

		runs[i] = runs[k];
		runs[k] = r;
	}
	for (uint32_t pass = 0; pass < PASSES; pass++) {
		if (pass == 2)
			calls = host.maps + host.unmaps;
		for (uint32_t i = 0; i < RUNS * (RUN / IO); i++, at++) {
			if (at >= DEPTH)
				unmap(flight[at % DEPTH]);
			flight[at % DEPTH] = map(runs[i / (RUN / IO)] * RUN + i % (RUN / IO) * IO, IO);
			if (pass >= 2)
				pages += IO * 4;
			if (host.woken_soon) {
				host.woken_soon = false;
				fi_work(&fi, false);
			}
		}
		fi_work(&fi, true);
	}
	calls = host.maps + host.unmaps - calls;
	print_message("# %llu calls for %llu pages\n", (unsigned long long)calls, (unsigned long long)pages);
	assert_true(calls * 1000 <= pages * 8);
	driver_unmap(&fi, &host, flight, DEPTH);
	model_agree(&fi, &host);
}

/* For another function that has no room left. */
static void idle_for_others(void **state)
{
	struct held held[10];
	uint64_t runs;

	(void)state;
	start(false);
	assert_int_equal(fi_evict_idle(&fi, 10, 10), 0);
	for (uint32_t i = 0; i < 100; i++)
		unmap(map(i, 1));
	for (uint32_t i = 0; i < 10; i++)
		held[i] = map(500 + i * 2, 1);
	runs = host.runs;
	assert_int_equal(fi_evict_idle(&fi, 30, 0), 30);
	assert_int_equal(fi_evict_idle(&fi, 0, 5), 5);
	assert_int_equal(host.runs, runs + 2);
	assert_int_equal(fi_evict_idle(&fi, 1000, 1000), FI_MAX_DROPS);
	assert_int_equal(fi_evict_idle(&fi, 1000, 1000), 100 - 35 - FI_MAX_DROPS);
	assert_int_equal(fi_evict_idle(&fi, 1000, 1000), 0);
	assert_int_equal(host.mappings, 10);
	driver_unmap(&fi, &host, held, 10);
	model_agree(&fi, &host);
}

/* What is used again and again survives a scan of any length. */
static void scan_resistance(void **state)
{
	uint64_t maps;

	(void)state;
	host.frames_max = 200;
	start(false);
	for (unsigned round = 0; round < 4; round++)
		for (uint32_t f = 0; f < 40; f++)
			unmap(map(f, 1));
	for (uint32_t f = 0; f < 1900; f++)
		unmap(map(100 + f, 1));
	maps = host.maps;
	for (uint32_t f = 0; f < 40; f++)
		unmap(map(f, 1));
	assert_int_equal(host.maps, maps);
}

static void idle_is_bounded(void **state)
{
	struct fi_usage usage;

	(void)state;
	host.frames_max = 1000;
	start(false);
	for (uint32_t f = 0; f < 460; f++)
		unmap(map(f, 1));
	assert_false(host.woken_soon);
	/* As the background would be, never more than half. */
	for (uint32_t f = 460; f < 5000; f++) {
		unmap(map(f, 1));
		if (host.woken_soon) {
			host.woken_soon = false;
			fi_work(&fi, false);
		}
		assert_true(counters().idle <= 500);
	}
	fi_usage(&fi, &usage);
	assert_in_range(usage.idle, 400, 500);
	assert_true(host.in_batch_max >= 32);
	ticks(11);
	assert_int_equal(host.mappings, 0);
}

/* A driver that gives back everything, and asks for nothing more, does not leave more than half idle. */
static void idle_is_bounded_without_a_miss(void **state)
{
	static struct held held[1900];

	(void)state;
	host.frames_max = 2000;
	start(false);
	for (uint32_t i = 0; i < 1900; i++)
		held[i] = map(i * 2, 1);
	host.woken_soon = false;
	for (uint32_t i = 0; i < 1900; i++) {
		unmap(held[i]);
		if (host.woken_soon) {
			host.woken_soon = false;
			fi_work(&fi, false);
		}
		assert_true(counters().idle <= 1000 + 256);
	}
}

static void low_water_wakes_the_background(void **state)
{
	struct held held[90];

	(void)state;
	host.frames_max = 100;
	start(false);
	for (uint32_t i = 0; i < 90; i++)
		held[i] = map(i * 2, 1);
	assert_false(host.woken_soon);
	for (uint32_t i = 90; i < 96; i++)
		unmap(map(i * 2, 1));
	assert_true(host.woken_soon);
	fi_work(&fi, false);
	assert_int_equal(host.frames, 90);
	driver_unmap(&fi, &host, held, 90);
}

/* A resetting host cannot end mappings: it is asked again, and meanwhile they count. */
static void host_that_is_busy(void **state)
{
	(void)state;
	start(true);
	host.busy_drops = 1;
	unmap(map(3, 1));
	assert_int_equal(host.mappings, 1);
	assert_int_equal(fi_load(&fi.mappings), 1);
	assert_true(fi_work(&fi, false));
	host.busy_drops = 0;
	unmap(map(3, 1));
	assert_false(fi_work(&fi, false));
	assert_int_equal(host.mappings, 0);
	model_agree(&fi, &host);
}

static void host_that_is_gone(void **state)
{
	struct held held;

	(void)state;
	start(false);
	held = map(3, 1);
	host.gone = true;
	assert_int_equal(fi_get(&fi, &(struct fi_want){.frame = 9, .frames = 1}, 1), -ENODEV);
	unmap(held);
	fi.refuse = -EACCES;
	assert_int_equal(fi_get(&fi, &(struct fi_want){.frame = 3, .frames = 1}, 1), -EACCES);
	fi.refuse = 0;
	fi_clear(&fi);
	assert_int_equal(host.mappings, 0);
}

static void all_or_none(void **state)
{
	struct fi_want wants[] = {
		{.frame = 1, .frames = 1, .packed = true},
		{.frame = 20, .frames = 1, .packed = true},
		{.frame = RAM_FRAMES * 64, .frames = 1, .packed = true},
	};

	(void)state;
	start(false);
	unmap(map(1, 1));
	assert_int_equal(fi_get(&fi, wants, 3), -EFAULT);
	ticks(12);
	assert_int_equal(host.mappings, 0);
	/* A mapping is refused in the middle: the others are not in use any more either. */
	wants[2] = (struct fi_want){.frame = 512, .frames = 16, .packed = true};
	host.frames_max = 10;
	assert_int_equal(fi_get(&fi, wants, 3), -ENOMEM);
	assert_int_equal(counters().idle, 2);
	ticks(12);
	assert_int_equal(host.mappings, 0);
	fi_set_strict(&fi, true);
	assert_int_equal(fi_get(&fi, wants, 3), -ENOMEM);
	assert_int_equal(host.mappings, 0);
	wants[0].frames = RAM_FRAMES * 64;
	assert_int_equal(fi_get(&fi, wants, 1), -EFAULT);
	model_agree(&fi, &host);
}

static void memory_that_goes_away(void **state)
{
	struct held a, b;

	(void)state;
	start(false);
	a = map(100, 1);
	unmap(map(101, 1));
	unmap(map(99, 4));
	b = map(300, 2);
	assert_int_equal(fi_evict_range(&fi, 100, 100), 1);
	assert_int_equal(host.mappings, 2);
	unmap(a);
	assert_int_equal(fi_evict_range(&fi, 100, 100), 0);
	assert_int_equal(host.mappings, 1);
	unmap(b);
}

static void clear_counts_what_was_used(void **state)
{
	(void)state;
	start(false);
	map(1, 1);
	map(10, 3);
	map(9, 2);
	for (uint32_t i = 0; i < 100; i++)
		unmap(map(100 + i * 2, 1));
	memset(host.used, 0, sizeof(host.used));
	assert_int_equal(fi_clear(&fi), 3);
	assert_int_equal(host.mappings, 0);
	assert_int_equal(counters().idle, 0);
	/* And all is as new. */
	for (uint32_t i = 0; i < 50; i++)
		unmap(map(i * 2, 1));
	assert_int_equal(host.mappings, 50);
	ticks(12);
	assert_int_equal(host.mappings, 0);
	model_agree(&fi, &host);
}

/* Mappings that no queue has seen when all are ended are in none afterwards: their descriptors are others' by then. */
static void clear_takes_the_newborn(void **state)
{
	struct held held[64];

	(void)state;
	host.mappings_max = 64;
	start(false);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 40; i++)
			unmap(map(round * 7 + i * 2, 1));
		assert_int_equal(fi_clear(&fi), 0);
		assert_int_equal((u32)fi_load(&fi.newborn), FI_NONE);
		assert_int_equal(fi_load(&fi.newborns), 0);
		assert_int_equal(fi.queue[FI_PROBATION].frames, 0);
		assert_int_equal(host.mappings, 0);
	}
	for (uint32_t i = 0; i < 64; i++)
		held[i] = map(i * 2, 1);
	fi_work(&fi, true);
	driver_unmap(&fi, &host, held, 64);
	ticks(12);
	assert_int_equal(host.mappings, 0);
	model_agree(&fi, &host);
}

/* Many are born before anybody looks: none waits for long behind them. */
static void newborn_are_few(void **state)
{
	(void)state;
	start(false);
	for (uint32_t i = 0; i < 1000; i++)
		unmap(map(i, 1));
	assert_in_range(fi_load(&fi.newborns), 1, 256);
	ticks(1);
	assert_int_equal(fi_load(&fi.newborns), 0);
	assert_int_equal(fi.queue[FI_PROBATION].frames, 1000);
}

static void largest_free_run(void **state)
{
	struct fi_usage usage;
	struct held a;

	(void)state;
	start(false);
	fi_usage(&fi, &usage);
	assert_int_equal(usage.largest_free, HOST_WINDOW);
	host.place = PLACE_NEXT_FIT;
	host.next = 1000;
	a = map(5, 96);
	fi_usage(&fi, &usage);
	assert_int_equal(usage.largest_free, HOST_WINDOW - 1096);
	unmap(a);
}

static void descriptors_run_out(void **state)
{
	static struct held held[HOST_SLOTS];
	struct fi_want want = {.frame = 1500, .frames = 1};

	(void)state;
	host.mappings_max = 600;
	start(false);
	for (uint32_t i = 0; i < 600; i++)
		held[i] = map(i * 2, 1);
	assert_int_equal(fi_get(&fi, &want, 1), -ENOSPC);
	unmap(held[17]);
	held[17] = map(1500, 1);
	driver_unmap(&fi, &host, held, 600);
	model_agree(&fi, &host);
}

static void too_large_a_window(void **state)
{
	struct fi_limits limits;

	(void)state;
	host_limits(&host, &limits);
	limits.iova_last = UINT64_MAX;
	assert_int_equal(fi_init(&fi, &limits, &host_ops, &host), -E2BIG);
}

/* A GPU's memory */

/* Grants what the budget allows, one address after the other; what is asked for is counted. */
static struct {
	uint64_t next, frames;
	uint32_t mappings, runs;
} large_host;

#define LARGE_BUDGET (1536ull << 20)

static void large_run(void *h, struct fi_batch *b)
{
	(void)h;
	large_host.runs++;
	for (uint32_t i = 0; i < b->nr_maps; i++) {
		struct fi_map *m = &b->maps[i];
		uint64_t align = (1ull << (m->align > HOST_SHIFT ? m->align : HOST_SHIFT)) - 1;

		if (m->err != FI_ASK)
			continue;
		m->err = (large_host.frames + m->frames) << HOST_SHIFT > LARGE_BUDGET ? -ENOMEM : 0;
		if (m->err)
			continue;
		m->iova = (large_host.next + align) & ~align;
		m->handle = ++large_host.mappings;
		large_host.next = m->iova + ((uint64_t)m->frames << HOST_SHIFT);
		large_host.frames += m->frames;
	}
}

static void host_no_wake(void *h, bool soon)
{
	(void)h;
	(void)soon;
}

static const struct fi_host large_ops = {.run = large_run, .wake = host_no_wake};

/* A game loads: buffers of 4 KiB, some in each 256 KiB, and between them pieces of 2 MiB. */
struct load {
	uint32_t small, density, large;
	uint32_t list;				  /* buffers asked for together */
	uint32_t ideal, mapped, mappings, trips; /* out: trips for the small ones */
};

static void load(struct load *l)
{
	enum { RAM = 1 << 20, BLOCKS = RAM / 2 / 16 };
	const struct fi_limits limits = {
		.granule_shift = HOST_SHIFT,
		.max_align = 21,
		.max_granule = 21,
		.max_ranges = 32,
		.iova_first = HOST_FIRST,
		.iova_last = HOST_FIRST + (4096ull << 20) - 1,
		.bytes_max = LARGE_BUDGET,
		.mappings_max = 65536,
		.nr_cpus = 1,
	};
	static uint8_t touched[RAM];
	struct fi_want wants[32], one;
	uint64_t seed = 4711, slots = 0;
	uint32_t block = 0, in_block = l->density, loaded = 0;
	struct fi_usage usage;

	memset(touched, 0, sizeof(touched));
	memset(&large_host, 0, sizeof(large_host));
	large_host.next = HOST_FIRST;
	assert_int_equal(fi_init(&fi, &limits, &large_ops, NULL), 0);
	assert_int_equal(fi_add_ram(&fi, 0, RAM), 0);
	for (uint32_t i = 0; i < l->small; i += l->list) {
		uint32_t runs = large_host.runs;

		for (uint32_t k = 0; k < l->list; k++) {
			uint32_t slot;

			if (in_block == l->density) {
				/* Every block once, in no order. */
				block = (block + 20261) % BLOCKS;
				in_block = 0;
				slots = 0;
			}
			do
				slot = (uint32_t)(xorshift(&seed) >> 20) % 64;
			while (slots >> slot & 1);
			slots |= 1ull << slot;
			in_block++;
			wants[k] = (struct fi_want){.frame = block * 16 + slot / 4, .frames = 1, .packed = l->list > 1};
			l->ideal += !touched[wants[k].frame];
			touched[wants[k].frame] = 1;
		}
		assert_int_equal(fi_get(&fi, wants, l->list), 0);
		l->trips += large_host.runs - runs;
		for (; loaded < (uint64_t)l->large * (i + l->list) / l->small; loaded++) {
			one = (struct fi_want){.frame = RAM - (loaded + 1) * 128, .frames = 128};
			assert_int_equal(fi_get(&fi, &one, 1), 0);
			l->ideal += 128;
		}
	}
	fi_usage(&fi, &usage);
	l->mapped = usage.mapped;
	l->mappings = usage.mappings;
	print_message("# %u in each 256 KiB, lists of %u: %u mappings, %u of %u frames, %u trips for %u buffers, %llu of %llu "
		      "frames ahead of need were\n",
		      l->density, l->list, l->mappings, l->mapped, l->ideal, l->trips, l->small,
		      (unsigned long long)counters().prefetch_hits, (unsigned long long)counters().prefetched);
	assert_int_equal(counters().refusals, 0);
	assert_int_equal(counters().misaligned, 0);
}

static void gpu_memory_fits(void **state)
{
	struct load sparse = {.small = 65536, .density = 4, .large = 256, .list = 32};
	struct load dense = {.small = 20000, .density = 16, .large = 350, .list = 32};

	(void)state;
	load(&sparse);
	assert_in_range(sparse.mappings, 1, 3277);
	assert_in_range(sparse.mapped, sparse.ideal, sparse.ideal + sparse.ideal / 20);
	assert_in_range(sparse.trips, 1, sparse.small / 20);
	fi_destroy(&fi);
	load(&dense);
	assert_in_range(dense.mapped, dense.ideal, dense.ideal + dense.ideal / 20);
	assert_in_range(dense.trips, 1, dense.small / 20);
}

/* The same by drivers that ask for one page after the other. */
static void gpu_memory_page_by_page(void **state)
{
	struct load sparse = {.small = 65536, .density = 4, .large = 256, .list = 1};
	struct load middle = {.small = 40000, .density = 8, .large = 300, .list = 1};
	struct load dense = {.small = 20000, .density = 16, .large = 350, .list = 1};

	(void)state;
	load(&sparse);
	assert_in_range(sparse.trips, 1, sparse.small / 100 * 95);
	assert_in_range(sparse.mapped, sparse.ideal, sparse.ideal + sparse.ideal / 20);
	fi_destroy(&fi);
	load(&middle);
	assert_in_range(middle.mapped, middle.ideal, middle.ideal + middle.ideal / 10);
	fi_destroy(&fi);
	load(&dense);
	assert_in_range(dense.trips, 1, dense.small / 10 * 3);
	assert_in_range(dense.mapped, dense.ideal, dense.ideal + dense.ideal / 4);
}

static void random_operations(void **state)
{
	(void)state;
	model_random(1, 100000);
}

/* Threads */

#define THREADS 4

static uint64_t thread_operations = 15000;
static uint32_t thread_frames;

static void *driver_thread(void *arg)
{
	uint64_t seed = 0x9e3779b97f4a7c15ull * (uintptr_t)arg;
	struct held held[24];
	uint32_t nr = 0, next = 0;

	fi_thread = (uint32_t)(uintptr_t)arg;
	for (uint64_t i = 0; i < thread_operations; i++) {
		uint32_t count = xorshift(&seed) % 8 ? 1 : 1 + xorshift(&seed) % 6;

		if (nr + count <= 24 && xorshift(&seed) % 2) {
			struct fi_want wants[6];

			for (uint32_t k = 0; k < count; k++) {
				/* Streams, for a while. */
				if (xorshift(&seed) % 8 == 0)
					next = (xorshift(&seed) >> 8) % thread_frames;
				wants[k] = (struct fi_want){
					.frame = next % thread_frames,
					.frames = xorshift(&seed) % 4 ? 1 : 1 + xorshift(&seed) % 3,
					.packed = count > 1,
				};
				next = xorshift(&seed) % 2 ? next + wants[k].frames : (uint32_t)(xorshift(&seed) >> 8);
			}
			if (!driver_map(&fi, &host, wants, count, held + nr))
				nr += count;
		} else if (nr) {
			uint32_t n = 1 + xorshift(&seed) % nr;

			driver_unmap(&fi, &host, held + nr - n, n);
			nr -= n;
		}
	}
	driver_unmap(&fi, &host, held, nr);
	return NULL;
}

static bool stop;

static void *background_thread(void *arg)
{
	uint64_t seed = 42;

	(void)arg;
	fi_thread = 0;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		fi_work(&fi, xorshift(&seed) % 4 == 0);
		if (xorshift(&seed) % 64 == 0)
			fi_evict_range(&fi, xorshift(&seed) % 48, 8);
		sched_yield();
	}
	return NULL;
}

/* Several CPUs, a tiny budget: nothing in use is ever unmapped, and every address leads where it should. */
static void at_once(bool strict, enum place place, uint32_t budget)
{
	pthread_t thread[THREADS], background;
	struct fi_counters c;

	host.frames_max = budget;
	host.max_granule = 21;
	host.congruent = budget > 40;
	thread_frames = budget + budget / 4;
	host.mappings_max = 30;
	host.place = place;
	host.busy_drops = 50;
	start(strict);
	stop = false;
	pthread_create(&background, NULL, background_thread, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, driver_thread, (void *)(i + 1));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(background, NULL);
	host.busy_drops = 0;
	while (fi_work(&fi, false))
		;
	ticks(12);
	model_agree(&fi, &host);
	assert_int_equal(host.mappings, 0);
	fi_count(&fi, &c);
	assert_int_equal(c.idle, 0);
	assert_int_equal(c.bad_puts, 0);
	assert_true(c.hits > 0 && (strict || c.evictions > 0));
}

static void threads_default(void **state)
{
	(void)state;
	at_once(false, PLACE_FIRST_FIT, 40);
}

static void threads_random(void **state)
{
	(void)state;
	at_once(false, PLACE_RANDOM, 40);
}

static void threads_grow(void **state)
{
	(void)state;
	at_once(false, PLACE_NEXT_FIT, 300);
	assert_true(counters().prefetch_hits > 0);
}

static void threads_strict(void **state)
{
	(void)state;
	at_once(true, PLACE_FIRST_FIT, 40);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(fixed_pool_asks_once),
		test(hits),
		test(a_span_is_no_hit),
		test(strict_hits),
		test(list_is_born_together),
		test(neighbours_are_merged),
		test(neighbours_are_merged_and_congruent),
		test(large_pages_within),
		test(large_runs_share_a_mapping),
		test(large_is_aligned),
		test(idle_is_not_misaligned),
		test(idle_gives_way_to_alignment),
		test(spans),
		test(parts_become_a_whole),
		test(wrong_unmaps_change_nothing),
		test(strict_ends_with_the_last_use),
		test(strict_gives_back_much_at_once),
		test(eviction_shares_the_trip),
		test(host_without_room),
		test(requests_are_bounded),
		test(nothing_to_relieve),
		test(nothing_to_keep_room_with),
		test(hopeless_alignment_is_bounded),
		test(streams_grow),
		test(streams_of_lists_grow),
		test(reach_is_learned),
		test(next_streams_are_mapped_whole),
		test(clusters_are_no_streams),
		test(scattered_does_not_grow),
		test(growth_ends_with_the_room),
		test(growth_is_never_refused),
		test(streams_beyond_the_budget),
		test(idle_for_others),
		test(scan_resistance),
		test(idle_is_bounded),
		test(idle_is_bounded_without_a_miss),
		test(low_water_wakes_the_background),
		test(host_that_is_busy),
		test(host_that_is_gone),
		test(all_or_none),
		test(memory_that_goes_away),
		test(clear_counts_what_was_used),
		test(clear_takes_the_newborn),
		test(newborn_are_few),
		test(largest_free_run),
		test(descriptors_run_out),
		test(too_large_a_window),
		test(gpu_memory_fits),
		test(gpu_memory_page_by_page),
		test(random_operations),
		test(threads_default),
		test(threads_random),
		test(threads_grow),
		test(threads_strict),
	};
	const char *operations = getenv("FRAMES_THREAD_OPERATIONS");

	if (operations)
		thread_operations = strtoull(operations, NULL, 0);
	return cmocka_run_group_tests_name("frame index", tests, NULL, NULL);
}
