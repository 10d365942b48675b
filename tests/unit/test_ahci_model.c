// SPDX-License-Identifier: GPL-2.0-or-later
/* The SATA controller, driven directly by a host driver small enough to read. */
#define _GNU_SOURCE
#include "model_disk.h"

#include <stdio.h>
#include <string.h>

#define GHC  0x04
#define HIS  0x08
#define CLB  0x100
#define FB   0x108
#define PIS  0x110
#define PIE  0x114
#define CMD  0x118
#define TFD  0x120
#define SIG  0x124
#define SSTS 0x128
#define SCTL 0x12c
#define SERR 0x130
#define SACT 0x134
#define CI   0x138

#define DHR (1u << 0)
#define PS  (1u << 1)
#define SDB (1u << 3)
#define PC  (1u << 6)
#define OFS (1u << 24)
#define IFS (1u << 27)
#define HBD (1u << 28)
#define HBF (1u << 29)
#define TFE (1u << 30)

#define IDENTIFY    0xec
#define READ_DMA    0x25
#define WRITE_DMA   0x35
#define READ_NCQ    0x60
#define WRITE_NCQ   0x61
#define READ_LOG    0x2f
#define FLUSH       0xea
#define SETFEATURES 0xef

#define BLOCKS         (FILE_BYTES / 512)
#define LIST_AT        0x1000
#define FIS_AT         0x2000
#define TABLE_AT(slot) (0x10000 + 0x10000 * (slot))
#define DATA_AT        0x400000

static uint32_t load(uint32_t at)
{
	return model_load(f, 5, at);
}

static void store(uint32_t at, uint32_t value)
{
	model_store(f, 5, at, value);
}

static void put32(uint32_t at, uint32_t v)
{
	memcpy(f->memory + at, &v, 4);
}

static uint32_t get32(uint32_t at)
{
	uint32_t v;

	memcpy(&v, f->memory + at, 4);
	return v;
}

/* A region of a slot's list. */
static void region(unsigned slot, unsigned i, uint32_t at, uint32_t bytes)
{
	uint32_t entry = TABLE_AT(slot) + 0x80 + 16 * i;
	uint64_t iova = IOVA(at);

	memcpy(f->memory + entry, &iova, 8);
	put32(entry + 12, bytes - 1);
}

static void prepare(unsigned slot, uint8_t command, uint64_t lba, uint16_t count, uint16_t features, unsigned regions)
{
	uint8_t *fis = f->memory + TABLE_AT(slot);
	uint32_t header = LIST_AT + 32 * slot;
	uint64_t table = IOVA(TABLE_AT(slot));

	memset(fis, 0, 64);
	fis[0] = 0x27;
	fis[1] = 0x80;
	fis[2] = command;
	fis[3] = (uint8_t)features;
	fis[11] = features >> 8;
	for (unsigned i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(lba >> (8 * i));
		fis[8 + i] = (uint8_t)(lba >> (8 * i + 24));
	}
	fis[7] = 0x40;
	fis[12] = (uint8_t)count;
	fis[13] = count >> 8;
	put32(header, 5 | regions << 16);
	put32(header + 4, 0);
	memcpy(f->memory + header + 8, &table, 8);
}

static void issue(unsigned slot, bool queued)
{
	if (queued)
		store(SACT, 1u << slot);
	store(CI, 1u << slot);
}

static void ncq(unsigned slot, uint8_t command, uint64_t lba, uint16_t blocks, unsigned regions)
{
	prepare(slot, command, lba, (uint16_t)(slot << 3), blocks, regions);
}

static void acknowledge(void)
{
	store(PIS, ~0u);
	store(HIS, ~0u);
}

static void up(void)
{
	store(GHC, 1u << 31 | 2);
	store(CLB, (uint32_t)IOVA(LIST_AT));
	store(FB, (uint32_t)IOVA(FIS_AT));
	store(SERR, ~0u);
	acknowledge();
	store(PIE, ~0u);
	store(CMD, 1 << 4);
	store(CMD, 1 << 4 | 1);
}

static int start(void **state)
{
	const char *options[] = {"file", path, NULL};

	(void)state;
	empty_file();
	f = model_start("ahci", options);
	if (!f)
		return -1;
	up();
	return 0;
}

static void registers(void **state)
{
	(void)state;
	assert_int_equal(f->ids.class_code, 0x010601);
	assert_true(f->bar_trapped[5]);
	assert_false(f->has_flr);
	assert_true(load(0) & 1u << 31 && load(0) & 1u << 30); /* 64 bits, NCQ */
	assert_int_equal(load(0x0c), 1);
	store(0x0c, 3);
	store(0, 0);
	store(TFD, 0);
	store(SSTS, 0);
	assert_int_equal(load(0x0c), 1);
	assert_true(load(0) & 1u << 30);
	assert_int_equal(load(TFD) & 0xff, 0x50);
	assert_int_equal(load(SSTS), 0x133);
	assert_int_equal(load(SIG), 0x101);
	assert_int_equal(load(CMD) & (3u << 14), 3u << 14); /* FR and CR follow FRE and ST */
	store(CMD, 0);
	assert_int_equal(load(CMD) & (3u << 14), 0);
	store(CI, 1); /* nothing is issued to a port that is stopped */
	assert_int_equal(load(CI), 0);
}

static void link_reset(void **state)
{
	(void)state;
	store(CMD, 1 << 4);
	store(SCTL, 0x301);
	assert_int_equal(load(SSTS), 0);
	assert_true(load(TFD) & 0x80 || (load(TFD) & 0x7f) == 0x7f);
	store(SCTL, 0x300);
	assert_int_equal(load(SSTS), 0x133);
	assert_true(load(SERR) & 1u << 26);
	assert_true(load(PIS) & PC);
	assert_int_equal(f->memory[FIS_AT + 0x40], 0x34); /* the disk has introduced itself */
	assert_int_equal(load(TFD) & 0xff, 0x50);
	store(PIS, PC); /* only clearing its cause clears it */
	assert_true(load(PIS) & PC);
	store(SERR, 1u << 26);
	assert_false(load(PIS) & PC);
}

static void soft_reset(void **state)
{
	(void)state;
	prepare(0, 0, 0, 0, 0, 0);
	f->memory[TABLE_AT(0) + 1] = 0;
	f->memory[TABLE_AT(0) + 15] = 4;
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(CI), 0);
	assert_true(load(TFD) & 0x80);
	f->memory[TABLE_AT(0) + 15] = 0;
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(TFD) & 0xff, 0x50);
	assert_int_equal(load(SIG), 0x101);
}

static void identify(void **state)
{
	uint16_t w[256];
	uint8_t sum = 0;

	(void)state;
	prepare(3, IDENTIFY, 0, 0, 0, 1);
	region(3, 0, DATA_AT, 512);
	issue(3, false);
	model_settle(f, 4);
	assert_int_equal(load(CI), 0);
	assert_int_equal(load(PIS), PS);
	assert_int_equal(f->memory[FIS_AT + 0x20], 0x5f);
	assert_int_equal(f->memory[FIS_AT + 0x20 + 15], 0x50);
	assert_int_equal(get32(LIST_AT + 3 * 32 + 4), 512);
	memcpy(w, f->memory + DATA_AT, 512);
	assert_int_equal(w[100] | w[101] << 16, BLOCKS);
	assert_int_equal(w[75], 31);
	assert_int_equal(w[27], 'm' << 8 | 'a');
	for (unsigned i = 0; i < 512; i++)
		sum += f->memory[DATA_AT + i];
	assert_int_equal(sum, 0);
	assert_int_equal(f->msis[0], 1);
}

/* Written from one shape of regions, read into another, queued and not. */
static void data_takes_every_shape(void **state)
{
	const uint32_t bytes = 400 * 512;

	(void)state;
	for (unsigned queued = 0; queued < 2; queued++) {
		uint64_t seed = 77 + queued;
		uint32_t at = 0;
		unsigned i = 0;

		for (uint32_t b = 0; b < bytes; b++)
			f->memory[DATA_AT + b] = (uint8_t)model_random(&seed);
		memset(f->memory + 0xa00000, 0, bytes);
		for (; at < bytes; i++) {
			uint32_t n = i % 3 ? 2 + 2 * (i % 700) : 4096;

			n = n < bytes - at ? n : bytes - at;
			region(0, i, DATA_AT + at, n);
			at += n;
		}
		region(1, 0, 0xa00000, bytes);
		if (queued) {
			ncq(0, WRITE_NCQ, 5, 400, i);
			ncq(1, READ_NCQ, 5, 400, 1);
		} else {
			prepare(0, WRITE_DMA, 5, 400, 0, i);
			prepare(1, READ_DMA, 5, 400, 0, 1);
		}
		acknowledge();
		issue(0, queued);
		model_settle(f, 4);
		assert_int_equal(load(PIS), queued ? SDB : DHR);
		assert_int_equal(load(SACT) | load(CI), 0);
		issue(1, queued);
		model_settle(f, 4);
		assert_int_equal(load(SACT) | load(CI), 0);
		assert_memory_equal(f->memory + DATA_AT, f->memory + 0xa00000, bytes);
		if (!queued)
			assert_int_equal(get32(LIST_AT + 32 + 4), bytes);
	}
}

static void all_slots_at_once(void **state)
{
	(void)state;
	for (unsigned s = 0; s < 32; s++) {
		memset(f->memory + DATA_AT + 4096 * s, (int)s + 1, 4096);
		ncq(s, WRITE_NCQ, 8 * s, 8, 1);
		region(s, 0, DATA_AT + 4096 * s, 4096);
	}
	store(SACT, ~0u);
	store(CI, 0xffff); /* one store does not undo another */
	store(CI, 0xffff0000);
	assert_int_equal(load(CI), ~0u);
	model_settle(f, 8);
	assert_int_equal(load(SACT), 0);
	for (unsigned s = 0; s < 32; s++) {
		uint8_t block[4096];

		assert_int_equal(pread(file, block, 4096, 4096 * s), 4096);
		assert_int_equal(block[4095], s + 1);
	}
}

static void failures_are_reported(void **state)
{
	(void)state;
	/* Unknown command: error, and the port stands still until it is restarted. */
	prepare(0, 0xfe, 0, 0, 0, 0);
	prepare(1, FLUSH, 0, 0, 0, 0);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), DHR | TFE);
	assert_int_equal(load(TFD), 0x0451);
	issue(1, false);
	model_settle(f, 4);
	assert_int_equal(load(CI), 3);
	store(CMD, 1 << 4);
	assert_int_equal(load(CI), 0);
	store(CMD, 1 << 4 | 1);
	acknowledge();
	issue(1, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), DHR);
	assert_int_equal(load(TFD), 0x50);
	acknowledge();

	/* Beyond the end; without LBA; an unknown feature. */
	prepare(0, READ_DMA, BLOCKS - 1, 2, 0, 1);
	region(0, 0, DATA_AT, 1024);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(TFD), 0x1051);
	up();
	prepare(0, READ_DMA, 0xffffffffffff, 0, 0, 1);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(TFD), 0x1051);
	up();
	prepare(0, SETFEATURES, 0, 0, 0x10, 0);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(TFD), 0x0451);
	store(CMD, 0);
	up();

	/* Queued: which one it was is in the log. */
	ncq(9, READ_NCQ, BLOCKS, 1, 1);
	region(9, 0, DATA_AT, 512);
	issue(9, true);
	model_settle(f, 4);
	assert_int_equal(load(PIS), SDB | TFE);
	assert_int_equal(load(SACT), 1u << 9);
	store(CMD, 1 << 4);
	up();
	prepare(0, READ_LOG, 0x10, 1, 0, 1);
	region(0, 0, DATA_AT, 512);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(f->memory[DATA_AT], 9);
	assert_int_equal(f->memory[DATA_AT + 2], 0x51);
	assert_int_equal(f->memory[DATA_AT + 4] | f->memory[DATA_AT + 5] << 8, BLOCKS);
}

static void bus_errors(void **state)
{
	(void)state;
	prepare(0, READ_DMA, 0, 8, 0, 2);
	region(0, 0, DATA_AT, 2048);
	region(0, 1, DATA_AT + 4096, 2048);
	f->deny_first = IOVA(DATA_AT + 4096);
	f->deny_last = IOVA(DATA_AT + 8192);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), HBD);
	assert_int_equal(load(CI), 1);
	store(CMD, 0);
	up();
	/* The command list, the table, where FISes are received. */
	for (unsigned i = 0; i < 3; i++) {
		uint32_t at = (uint32_t[]){LIST_AT, TABLE_AT(0), FIS_AT}[i];

		f->deny_first = IOVA(at);
		f->deny_last = IOVA(at + 256);
		issue(0, false);
		model_settle(f, 4);
		assert_int_equal(load(PIS), HBF);
		assert_false(model_poll(f));
		store(CMD, 0);
		up();
	}
	f->deny_first = f->deny_last = 0;
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), DHR);
}

/* A list shorter than the transfer, and regions where there are none. */
static void short_lists(void **state)
{
	(void)state;
	prepare(0, READ_DMA, 0, 8, 0, 1);
	region(0, 0, DATA_AT, 512);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), DHR | OFS);
	assert_int_equal(get32(LIST_AT + 4), 512);
	acknowledge();
	prepare(0, WRITE_DMA, 0, 8, 0, 1);
	issue(0, false);
	model_settle(f, 4);
	assert_true(load(PIS) & TFE);
	store(CMD, 0);
	up();
	prepare(0, READ_DMA, 0, 8, 0, 1);
	put32(LIST_AT, 2); /* a FIS too short for its kind */
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), IFS);
}

static void interrupts(void **state)
{
	unsigned before;

	(void)state;
	prepare(0, FLUSH, 0, 0, 0, 0);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(f->msis[0], 1);
	assert_true(f->intx);
	assert_int_equal(load(HIS), 1);
	/* What comes before IS is cleared is announced when it is. */
	store(PIS, ~0u);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(f->msis[0], 1);
	store(HIS, 1);
	assert_int_equal(f->msis[0], 2);
	assert_int_equal(load(HIS), 1);
	acknowledge();
	assert_int_equal(load(HIS), 0);
	assert_false(f->intx);
	/* Masked in the port, then in the controller. */
	before = f->msis[0];
	store(PIE, 0);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(f->msis[0], before);
	assert_int_equal(load(HIS), 0);
	store(GHC, 1u << 31);
	store(PIE, ~0u);
	assert_int_equal(load(HIS), 1);
	assert_int_equal(f->msis[0], before);
	store(GHC, 1u << 31 | 2);
	assert_int_equal(f->msis[0], before + 1);
}

static void resets_drop_work(void **state)
{
	(void)state;
	prepare(0, FLUSH, 0, 0, 0, 0);
	issue(0, false);
	model_reset(f, SIM_RESET_HOT);
	assert_false(model_poll(f));
	assert_int_equal(load(CI), 0);
	assert_int_equal(load(GHC), 1u << 31);
	assert_int_equal(load(CLB), 0);
	up();
	issue(0, false);
	store(GHC, 1); /* the controller's own */
	assert_int_equal(load(GHC), 1u << 31);
	assert_int_equal(load(PIE), 0);
	assert_false(model_poll(f));
}

static void random_driver(void **state)
{
	uint64_t seed = 4711;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t r = model_random(&seed);
		unsigned slot = r >> 8 & 31;

		switch (r & 7) {
		case 0:
			store((uint32_t)(r >> 16) % 1024 * 4, (uint32_t)model_random(&seed));
			break;
		case 1:
			up();
			break;
		case 2:
			f->memory[(r >> 16) % 0x210000] = (uint8_t)model_random(&seed);
			break;
		case 3:
			prepare(slot, (uint8_t)(r >> 16), r >> 24 & 0x3fff, (uint16_t)(r >> 40), 1 + (r >> 50 & 7),
				r >> 60);
			region(slot, 0, DATA_AT, 2 + (r >> 30 & 0xffe));
			break;
		case 4:
			issue(slot, r >> 20 & 1);
			break;
		default:
			(void)load((uint32_t)(r >> 16) % 1024 * 4);
			model_poll(f);
		}
	}
	/* Whatever it was, the next driver finds a device that works. */
	model_reset(f, SIM_RESET_HOT);
	up();
	prepare(0, FLUSH, 0, 0, 0, 0);
	issue(0, false);
	model_settle(f, 4);
	assert_int_equal(load(PIS), DHR);
}

static void options_are_checked(void **state)
{
	const char *none[] = {NULL}, *nowhere[] = {"file", "/nonexistent/disk", NULL}, *right[] = {"file", path, NULL};
	struct sim_function *first;

	(void)state;
	assert_null(model_start("ahci", none));
	assert_non_null(strstr(model_failure, "file="));
	assert_null(model_start("ahci", nowhere));
	assert_int_equal(ftruncate(file, 1000), 0);
	assert_null(model_start("ahci", right));
	assert_int_equal(ftruncate(file, FILE_BYTES), 0);
	first = model_start("ahci", right);
	assert_non_null(first);
	assert_null(model_start("ahci", right));
	assert_non_null(strstr(model_failure, "in use"));
	model_stop(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(registers, start, stop),
		cmocka_unit_test_setup_teardown(link_reset, start, stop),
		cmocka_unit_test_setup_teardown(soft_reset, start, stop),
		cmocka_unit_test_setup_teardown(identify, start, stop),
		cmocka_unit_test_setup_teardown(data_takes_every_shape, start, stop),
		cmocka_unit_test_setup_teardown(all_slots_at_once, start, stop),
		cmocka_unit_test_setup_teardown(failures_are_reported, start, stop),
		cmocka_unit_test_setup_teardown(bus_errors, start, stop),
		cmocka_unit_test_setup_teardown(short_lists, start, stop),
		cmocka_unit_test_setup_teardown(interrupts, start, stop),
		cmocka_unit_test_setup_teardown(resets_drop_work, start, stop),
		cmocka_unit_test_setup_teardown(random_driver, start, stop),
		cmocka_unit_test(options_are_checked),
	};

	return RUN_ON_A_FILE(tests);
}
