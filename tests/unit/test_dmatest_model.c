// SPDX-License-Identifier: GPL-2.0-or-later
/* The dmatest function against docs/dmatest.md, driven directly. */
#define _GNU_SOURCE
#include "model_core.h"
#include "dmatest_regs.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RING       8u
#define RING_AT    0x0000
#define RECORDS_AT 0x1000
#define LIST_AT    0x2000
#define SRC_AT     0x100000
#define DST_AT     0x800000
#define IOVA(at)   (MEMORY_IOVA + (at))

static struct sim_function *f;
static uint32_t submitted;

static uint32_t load(uint32_t offset)
{
	return model_load(f, DMATEST_BAR_REGS, offset);
}

static void store(uint32_t offset, uint32_t value)
{
	model_store(f, DMATEST_BAR_REGS, offset, value);
}

static void start_queue(unsigned q, uint32_t size, uint32_t vector)
{
	store(DMATEST_QUEUE(q) + DMATEST_Q_CONTROL, 0);
	model_settle(f, 2);
	model_store64(f, 0, DMATEST_QUEUE(q) + DMATEST_Q_RING, IOVA(RING_AT));
	model_store64(f, 0, DMATEST_QUEUE(q) + DMATEST_Q_COMPLETIONS, IOVA(RECORDS_AT));
	store(DMATEST_QUEUE(q) + DMATEST_Q_SIZE, size);
	store(DMATEST_QUEUE(q) + DMATEST_Q_VECTOR, vector);
	store(DMATEST_QUEUE(q) + DMATEST_Q_CONTROL, DMATEST_Q_ENABLE);
	model_settle(f, 2);
	submitted = 0;
}

static struct dmatest_completion run(struct dmatest_desc desc)
{
	struct dmatest_completion *record =
		(struct dmatest_completion *)(void *)(f->memory + RECORDS_AT) + submitted % RING;

	desc.cookie = 0xc00c1e00 + submitted;
	desc.flags |= DMATEST_F_IRQ;
	memcpy(f->memory + RING_AT + submitted % RING * sizeof(desc), &desc, sizeof(desc));
	store(DMATEST_DOORBELL(1), ++submitted);
	model_settle(f, 2);
	assert_int_equal(record->sequence, submitted);
	assert_int_equal(record->cookie, desc.cookie);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_CONSUMED), submitted);
	return *record;
}

static void noise(uint8_t *at, size_t bytes)
{
	uint64_t seed = 42;

	while (bytes--)
		*at++ = (uint8_t)model_random(&seed);
}

static uint64_t fnv(const uint8_t *p, size_t bytes)
{
	uint64_t sum = DMATEST_FNV_OFFSET;

	while (bytes--)
		sum = (sum ^ *p++) * DMATEST_FNV_PRIME;
	return sum;
}

static struct dmatest_desc copy(uint32_t bytes)
{
	return (struct dmatest_desc){
		.op = DMATEST_OP_COPY,
		.nr_src = 1,
		.nr_dst = 1,
		.length = bytes,
		.src = {.address = IOVA(SRC_AT), .length = bytes},
		.dst = {.address = IOVA(DST_AT), .length = bytes},
	};
}

static int start(void **state)
{
	(void)state;
	f = model_start("dmatest", NULL);
	start_queue(1, RING, 3);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	model_stop(f);
	return 0;
}

static void identity_and_bars(void **state)
{
	(void)state;
	assert_int_equal(f->ids.vendor, DMATEST_VENDOR);
	assert_int_equal(f->ids.device, DMATEST_DEVICE);
	assert_int_equal(f->ids.class_code, DMATEST_CLASS);
	assert_int_equal(f->bar_kind[0], SIM_BAR_M32);
	assert_int_equal(f->bar_kind[1], SIM_BAR_M32PF);
	assert_int_equal(f->bar_kind[2], SIM_BAR_M64PF);
	assert_int_equal(f->bar_kind[4], SIM_BAR_M64);
	assert_int_equal(load(DMATEST_ID), DMATEST_ID_VALUE);
	assert_int_equal(DMATEST_FEAT_QUEUES(load(DMATEST_FEATURES)), 4);
	assert_int_equal(DMATEST_FEAT_VECTORS(load(DMATEST_FEATURES)), f->msix_vectors);
	assert_false(load(DMATEST_FEATURES) & DMATEST_FEAT_STRAY);
}

static void read_only_registers_recover(void **state)
{
	(void)state;
	store(DMATEST_ID, 0);
	store(DMATEST_STAT_DESCS, 77);
	store(DMATEST_QUEUE(1) + DMATEST_Q_STATUS, ~0u);
	model_poll(f);
	assert_int_equal(load(DMATEST_ID), DMATEST_ID_VALUE);
	assert_int_equal(load(DMATEST_STAT_DESCS), 0);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_ENABLED);
}

static void copies_exactly_the_length(void **state)
{
	const uint32_t bytes = 300001;
	struct dmatest_completion c;

	(void)state;
	noise(f->memory + SRC_AT, bytes);
	c = run(copy(bytes));
	assert_int_equal(c.status, DMATEST_OK);
	assert_int_equal(c.result, fnv(f->memory + SRC_AT, bytes));
	assert_memory_equal(f->memory + DST_AT, f->memory + SRC_AT, bytes);
	assert_int_equal(f->memory[DST_AT + bytes], 0);
	assert_int_equal(f->msis[3], 1);
	assert_int_equal(load(DMATEST_STAT_READ), bytes);
	assert_int_equal(load(DMATEST_STAT_WRITTEN), bytes);
}

static void lists_of_different_shape(void **state)
{
	struct dmatest_segment *list = (struct dmatest_segment *)(void *)(f->memory + LIST_AT);
	const uint32_t bytes = 64 * 1000;
	struct dmatest_desc desc = {
		.op = DMATEST_OP_COPY,
		.flags = DMATEST_F_SRC_LIST | DMATEST_F_DST_LIST,
		.nr_src = 65,
		.nr_dst = 32,
		.length = bytes,
		.src.address = IOVA(LIST_AT),
		.dst.address = IOVA(LIST_AT + 0x1000),
	};

	(void)state;
	noise(f->memory + SRC_AT, bytes);
	/* Source: pieces in reverse order of memory, one of them empty. Destination: twice as long, every other 2000
	 * bytes. */
	for (unsigned i = 0; i < 64; i++)
		list[i + 1] = (struct dmatest_segment){.address = IOVA(SRC_AT + (63 - i) * 1000), .length = 1000};
	list[0] = (struct dmatest_segment){0};
	for (unsigned i = 0; i < 32; i++)
		list[256 + i] = (struct dmatest_segment){.address = IOVA(DST_AT + i * 4000), .length = 2000};
	assert_int_equal(run(desc).status, DMATEST_OK);
	for (unsigned i = 0; i < 64; i++)
		assert_memory_equal(f->memory + DST_AT + i / 2 * 4000 + i % 2 * 1000,
				    f->memory + SRC_AT + (63 - i) * 1000, 1000);
	assert_int_equal(f->memory[DST_AT + 2000], 0);
}

static void fill_and_checksum(void **state)
{
	struct dmatest_desc fill = copy(1003), sum = copy(1003);
	uint64_t pattern = 0x8877665544332211;

	(void)state;
	fill.op = DMATEST_OP_FILL;
	fill.pattern = pattern;
	assert_int_equal(run(fill).status, DMATEST_OK);
	for (unsigned i = 0; i < 1003; i++)
		assert_int_equal(f->memory[DST_AT + i], (uint8_t)(pattern >> (i % 8 * 8)));
	assert_int_equal(f->memory[DST_AT + 1003], 0);
	sum.op = DMATEST_OP_CHECKSUM;
	sum.src.address = IOVA(DST_AT);
	assert_int_equal(run(sum).result, fnv(f->memory + DST_AT, 1003));
}

static void errors_are_per_descriptor(void **state)
{
	struct dmatest_desc desc = copy(64);
	struct dmatest_completion c;

	(void)state;
	desc.op = 99;
	assert_int_equal(run(desc).status, DMATEST_E_OP);
	desc = copy(64);
	desc.src.length = 63;
	assert_int_equal(run(desc).status, DMATEST_E_SEGMENTS);
	desc = copy(64);
	desc.nr_dst = 2;
	assert_int_equal(run(desc).status, DMATEST_E_SEGMENTS);
	desc = copy(64);
	desc.flags = DMATEST_F_SRC_LIST;
	desc.nr_src = DMATEST_MAX_SEGMENTS + 1;
	assert_int_equal(run(desc).status, DMATEST_E_SEGMENTS);
	desc = copy(64);
	desc.src.address = 0x1000;
	c = run(desc);
	assert_int_equal(c.status, DMATEST_E_READ);
	assert_int_equal(c.error_address, 0x1000);
	desc = copy(64);
	desc.dst.address = 0x2000;
	c = run(desc);
	assert_int_equal(c.status, DMATEST_E_WRITE);
	assert_int_equal(c.error_address, 0x2000);
	desc = copy(64);
	desc.flags = DMATEST_F_SRC_LIST;
	desc.src.address = 0x3000;
	assert_int_equal(run(desc).status, DMATEST_E_READ);
	assert_int_equal(load(DMATEST_STAT_ERRORS), 7);
	assert_int_equal(run(copy(64)).status, DMATEST_OK);
}

static void ring_wraps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5 * RING + 3; i++) {
		f->memory[SRC_AT] = (uint8_t)i;
		assert_int_equal(run(copy(1)).status, DMATEST_OK);
		assert_int_equal(f->memory[DST_AT], i);
	}
	assert_int_equal(f->msis[3], 5 * RING + 3);
}

static void bad_setup_is_refused(void **state)
{
	(void)state;
	start_queue(1, 3, 0);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_BAD_SETUP);
	start_queue(1, 2 * DMATEST_MAX_RING, 0);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_BAD_SETUP);
	start_queue(1, RING, 8);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_BAD_SETUP);
	start_queue(1, RING, 7);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_ENABLED);
}

static void queue_stops_on_its_own_errors(void **state)
{
	(void)state;
	store(DMATEST_DOORBELL(1), RING + 1);
	model_settle(f, 2);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_BAD_DOORBELL);

	start_queue(1, RING, 3);
	f->deny_first = IOVA(RING_AT);
	f->deny_last = IOVA(RING_AT) + 64;
	store(DMATEST_DOORBELL(1), 1);
	model_settle(f, 2);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_BUS_ERROR);

	start_queue(1, RING, 3);
	f->deny_first = IOVA(RECORDS_AT);
	f->deny_last = IOVA(RECORDS_AT) + 32;
	store(DMATEST_DOORBELL(1), 1);
	model_settle(f, 2);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), DMATEST_Q_BUS_ERROR);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_CONSUMED), 0);

	f->deny_last = 0;
	start_queue(1, RING, 3);
	assert_int_equal(run(copy(8)).status, DMATEST_OK);
}

static void interrupts_on_demand(void **state)
{
	(void)state;
	store(DMATEST_IRQ_TEST(5), 1000);
	model_settle(f, 10);
	assert_int_equal(f->msis[5], 1000);
	assert_int_equal(load(DMATEST_IRQ_DONE(5)), 1000);
	store(DMATEST_IRQ_TEST(5), 1001);
	model_settle(f, 2);
	assert_int_equal(f->msis[5], 1001);
	assert_int_equal(f->msis[4], 0);

	store(DMATEST_INTX, 1);
	model_poll(f);
	assert_true(f->intx);
	store(DMATEST_INTX, 0);
	model_poll(f);
	assert_false(f->intx);
}

static void reset_register_and_flr(void **state)
{
	(void)state;
	run(copy(8));
	store(DMATEST_RESET, 17);
	model_settle(f, 2);
	assert_int_equal(load(DMATEST_RESET_DONE), 17);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), 0);
	assert_int_equal(load(DMATEST_STAT_DESCS), 0);
	start_queue(1, RING, 3);
	assert_int_equal(run(copy(8)).status, DMATEST_OK);

	/* A doorbell that the reset overtakes must not be obeyed afterwards. */
	store(DMATEST_DOORBELL(1), 2);
	model_reset(f, SIM_RESET_FLR);
	assert_int_equal(load(DMATEST_ID), DMATEST_ID_VALUE);
	model_settle(f, 2);
	assert_false(f->reading);
	assert_int_equal(load(DMATEST_QUEUE(1) + DMATEST_Q_STATUS), 0);
}

static void stray_needs_permission(void **state)
{
	static const char *const options[] = {"allow_stray", "yes", NULL};
	struct dmatest_desc desc = copy(16);
	unsigned before;

	(void)state;
	desc.op = DMATEST_OP_STRAY;
	desc.src.address = desc.dst.address = 0x1000;
	assert_int_equal(run(desc).status, DMATEST_E_OP);
	assert_int_equal(f->bus_errors, 0);

	model_stop(f);
	f = model_start("dmatest", options);
	start_queue(1, RING, 3);
	assert_true(load(DMATEST_FEATURES) & DMATEST_FEAT_STRAY);
	assert_int_equal(run(desc).status, DMATEST_OK);
	assert_int_equal(f->bus_errors, 2);

	/* PERSIST goes on at every poll, until the queue is disabled. */
	desc.op = DMATEST_OP_PERSIST;
	desc.dst.address = IOVA(DST_AT);
	desc.pattern = 0x5a;
	memcpy(f->memory + RING_AT + submitted * sizeof(desc), &desc, sizeof(desc));
	store(DMATEST_DOORBELL(1), submitted + 1);
	model_poll(f);
	f->memory[DST_AT] = 0;
	before = f->bus_errors;
	assert_true(model_poll(f));
	assert_int_equal(f->memory[DST_AT], 0x5a);
	assert_int_equal(f->bus_errors, before + 1);
	store(DMATEST_QUEUE(1) + DMATEST_Q_CONTROL, 0);
	model_settle(f, 2);
	assert_false(f->writing);
}

static void options_are_checked(void **state)
{
	static const char *const queues[] = {"queues", "17", NULL}, *const vectors[] = {"vectors", "0", NULL};

	(void)state;
	assert_null(model_start("dmatest", queues));
	assert_non_null(strstr(model_failure, "queues=17"));
	assert_null(model_start("dmatest", vectors));
	assert_non_null(strstr(model_failure, "vectors=0"));
}

/* Nothing a driver writes, anywhere, may hurt the simulator, and afterwards a reset brings the device back. */
static void random_driver(void **state)
{
	uint64_t seed = 0x5eed;

	(void)state;
	noise(f->memory, 1 << 20);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t r = model_random(&seed);
		uint32_t value = (uint32_t)(r >> 32) & (uint32_t)model_random(&seed);

		switch (r % 4) {
		case 0:
			store((uint32_t)(r >> 8) % DMATEST_REGS_BYTES & ~3u, value);
			break;
		case 1:
			model_store64(f, 0, DMATEST_QUEUE(r >> 8 & 3) + (r >> 16 & 1) * 8,
				      IOVA((value & 0xfffff) & ~63u));
			store(DMATEST_QUEUE(r >> 8 & 3) + DMATEST_Q_SIZE, 1u << (r >> 20 & 7));
			store(DMATEST_QUEUE(r >> 8 & 3) + DMATEST_Q_VECTOR, 0);
			break;
		case 2:
			store(DMATEST_QUEUE(r >> 8 & 3) + DMATEST_Q_CONTROL, r >> 16 & 1);
			model_poll(f);
			store(DMATEST_DOORBELL(r >> 8 & 3), value & 7);
			break;
		case 3: {
			struct dmatest_desc desc = copy(value & 0xffff);

			desc.op = r >> 8 & 7;
			desc.flags = r >> 16 & 7;
			desc.nr_src = r >> 24 & 3;
			desc.nr_dst = r >> 26 & 3;
			desc.dst.address = IOVA(value & 0xffffff);
			memcpy(f->memory + (value & 0xfffc0), &desc, sizeof(desc));
			break;
		}
		}
		model_poll(f);
	}
	assert_true(load(DMATEST_STAT_DESCS) > 100);
	model_reset(f, SIM_RESET_HOT);
	start_queue(1, RING, 3);
	memset(f->memory + RECORDS_AT, 0, RING * sizeof(struct dmatest_completion));
	assert_int_equal(run(copy(8)).status, DMATEST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identity_and_bars, start, stop),
		cmocka_unit_test_setup_teardown(read_only_registers_recover, start, stop),
		cmocka_unit_test_setup_teardown(copies_exactly_the_length, start, stop),
		cmocka_unit_test_setup_teardown(lists_of_different_shape, start, stop),
		cmocka_unit_test_setup_teardown(fill_and_checksum, start, stop),
		cmocka_unit_test_setup_teardown(errors_are_per_descriptor, start, stop),
		cmocka_unit_test_setup_teardown(ring_wraps, start, stop),
		cmocka_unit_test_setup_teardown(bad_setup_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(queue_stops_on_its_own_errors, start, stop),
		cmocka_unit_test_setup_teardown(interrupts_on_demand, start, stop),
		cmocka_unit_test_setup_teardown(reset_register_and_flr, start, stop),
		cmocka_unit_test_setup_teardown(stray_needs_permission, start, stop),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test_setup_teardown(random_driver, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
