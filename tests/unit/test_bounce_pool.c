// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest module's bounce buffers (guest/linux/bounce_pool.c, bounce_choice.c), outside of a kernel: what a driver
 * and its device see, against a model that has a copy of everything.
 */
#include "bounce_choice.h"
#include "bounce_pool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#define MIB    (1u << 20)
#define CHUNKS 3
#define CPUS   4

static const uint32_t chunk_bytes[CHUNKS] = {2 * MIB, 512 << 10, 2 * MIB};
/* Not in order, with holes: what a host that places mappings anywhere gives. */
static const uint64_t chunk_address[CHUNKS] = {0x90000000, 0x80204000, 0x80304000};

static struct bounce_pool pool;
static uint8_t *memory[CHUNKS];
static struct bp_memory pieces[CHUNKS];

static int setup(void **state)
{
	(void)state;
	fi_thread = 0;
	for (unsigned i = 0; i < CHUNKS; i++) {
		memory[i] = aligned_alloc(BP_ALIGN, chunk_bytes[i]);
		assert_non_null(memory[i]);
		memset(memory[i], 0xee, chunk_bytes[i]);
		pieces[i] = (struct bp_memory){chunk_address[i], memory[i], chunk_bytes[i]};
	}
	assert_int_equal(bp_init(&pool, pieces, CHUNKS, CPUS), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bp_destroy(&pool);
	for (unsigned i = 0; i < CHUNKS; i++)
		free(memory[i]);
	return 0;
}

/* What the device has at that address. */
static uint8_t *at_device(uint64_t address, uint64_t bytes)
{
	for (unsigned i = 0; i < CHUNKS; i++)
		if (address >= chunk_address[i] && address + bytes <= chunk_address[i] + chunk_bytes[i])
			return memory[i] + (address - chunk_address[i]);
	fail_msg("%#llx+%#llx is not of the pool", (unsigned long long)address, (unsigned long long)bytes);
	return NULL;
}

static uint64_t noise_state;

static uint64_t noise(void)
{
	noise_state ^= noise_state << 13;
	noise_state ^= noise_state >> 7;
	noise_state ^= noise_state << 17;
	return noise_state;
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)(noise() >> 16) % limit;
}

static void fill(uint8_t *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(noise() >> 24);
}

/* Simple cases */

static void to_device_arrives(void **state)
{
	uint8_t *buffer = aligned_alloc(BP_ALIGN, 8192);
	uint64_t address;

	(void)state;
	noise_state = 1;
	fill(buffer, 8192);
	address = bp_map(&pool, buffer + 100, 5000, BP_TO_DEVICE);
	assert_true(address);
	assert_true(bp_spans(&pool, address) && bp_holds(&pool, address));
	assert_int_equal(address % BP_ALIGN, 100);
	assert_memory_equal(at_device(address, 5000), buffer + 100, 5000);
	/* What a device writes into it is not the driver's. */
	memset(at_device(address, 5000), 0, 5000);
	fill(buffer, 100);
	assert_true(bp_unmap(&pool, address, 5000, true));
	assert_int_not_equal(buffer[200], 0);
	assert_int_equal(fi_load(&pool.in_use), 0);
	free(buffer);
}

/* A device that writes less than it could leaves the rest of the buffer what it was, not what the slot held before. */
static void short_transfer_keeps_the_rest(void **state)
{
	uint8_t buffer[6000], expected[6000];
	uint64_t address;

	(void)state;
	noise_state = 2;
	fill(buffer, sizeof(buffer));
	memcpy(expected, buffer, sizeof(buffer));
	address = bp_map(&pool, buffer, sizeof(buffer), BP_FROM_DEVICE);
	assert_true(address);
	memset(at_device(address, 1000), 0x77, 1000);
	memset(expected, 0x77, 1000);
	assert_true(bp_unmap(&pool, address, sizeof(buffer), true));
	assert_memory_equal(buffer, expected, sizeof(buffer));
}

static void no_copy_when_told(void **state)
{
	uint8_t buffer[512] = {1};
	uint64_t address = bp_map(&pool, buffer, sizeof(buffer), BP_FROM_DEVICE);

	(void)state;
	memset(at_device(address, sizeof(buffer)), 2, sizeof(buffer));
	assert_true(bp_unmap(&pool, address, sizeof(buffer), false));
	assert_int_equal(buffer[0], 1);
}

static void syncs_copy_their_part(void **state)
{
	uint8_t in[4096], out[4096];
	uint64_t a = bp_map(&pool, memset(in, 1, sizeof(in)), sizeof(in), BP_FROM_DEVICE);
	uint64_t b = bp_map(&pool, memset(out, 1, sizeof(out)), sizeof(out), BP_TO_DEVICE);

	(void)state;
	memset(at_device(a, sizeof(in)), 2, sizeof(in));
	assert_true(bp_sync(&pool, a + 100, 50, true));
	for (unsigned i = 0; i < sizeof(in); i++)
		assert_int_equal(in[i], i >= 100 && i < 150 ? 2 : 1);
	/* The device is not given what it is about to write. */
	memset(in, 3, sizeof(in));
	assert_true(bp_sync(&pool, a, sizeof(in), false));
	assert_int_equal(at_device(a, 1)[0], 2);

	memset(out, 4, sizeof(out));
	assert_true(bp_sync(&pool, b + 4000, 96, false));
	for (unsigned i = 0; i < sizeof(out); i++)
		assert_int_equal(at_device(b + i, 1)[0], i >= 4000 ? 4 : 1);
	memset(at_device(b, sizeof(out)), 5, sizeof(out));
	assert_true(bp_sync(&pool, b, sizeof(out), true));
	assert_int_equal(out[0], 4);

	/* Not more than the buffer has. */
	assert_false(bp_sync(&pool, a + 4000, 97, true));
	assert_false(bp_sync(&pool, a + 4096, 1, true));
	assert_true(bp_unmap(&pool, a, sizeof(in), true));
	assert_true(bp_unmap(&pool, b, sizeof(out), true));
	assert_false(bp_sync(&pool, a, 1, true));
}

static void what_is_not_mapped_is_not_unmapped(void **state)
{
	uint8_t buffer[3000];
	uint64_t address = bp_map(&pool, memset(buffer, 0, sizeof(buffer)), sizeof(buffer), BP_TO_DEVICE);
	const uint64_t others[] = {0,
				   1,
				   chunk_address[1] - 1,
				   chunk_address[1] + chunk_bytes[1],
				   chunk_address[2] + 8192,
				   chunk_address[0] + chunk_bytes[0],
				   UINT64_MAX};

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(bp_unmap(&pool, others[i], sizeof(buffer), true));
		assert_false(bp_sync(&pool, others[i], 1, true));
	}
	assert_false(bp_holds(&pool, chunk_address[1] - 1));
	assert_false(bp_holds(&pool, chunk_address[1] + chunk_bytes[1]));
	assert_true(bp_holds(&pool, chunk_address[1]));
	assert_false(bp_unmap(&pool, address + 1, sizeof(buffer), true));
	assert_false(bp_unmap(&pool, address, sizeof(buffer) - 1, true));
	assert_false(bp_unmap(&pool, address + BP_SLOT, 1, true));
	assert_true(bp_unmap(&pool, address, sizeof(buffer), true));
	assert_false(bp_unmap(&pool, address, sizeof(buffer), true));
	assert_int_equal(fi_load(&pool.in_use), 0);
}

/* The pool as a whole is lent, wherever the CPU looks first, and the largest buffer fits while half a chunk is free. */
static void all_of_it_is_lent(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	static uint64_t address[CHUNKS * 512 + 2];
	uint8_t *large = aligned_alloc(BP_ALIGN, pool.max_bytes);
	unsigned nr = 0, left;

	(void)state;
	memset(large, 0, pool.max_bytes);
	assert_int_equal(pool.max_bytes, MIB);
	fi_thread = 3;
	for (nr = 0; (address[nr] = bp_map(&pool, page, sizeof(page), BP_TO_DEVICE)); nr++)
		;
	assert_int_equal(nr, pool.bytes / sizeof(page));
	assert_int_equal(fi_load(&pool.in_use), pool.bytes);
	assert_int_equal(pool.peak, pool.bytes);
	for (left = nr; left; left--)
		assert_true(bp_unmap(&pool, address[left - 1], sizeof(page), true));
	for (nr = 0; (address[nr] = bp_map(&pool, large, MIB, BP_TO_DEVICE)); nr++)
		;
	assert_int_equal(nr, 4);
	for (left = nr; left; left--)
		assert_true(bp_unmap(&pool, address[left - 1], MIB, true));
	assert_int_equal(bp_map(&pool, large, 0, BP_TO_DEVICE), 0);
	assert_int_equal(bp_map(&pool, large, MIB + 1, BP_TO_DEVICE), 0);
	free(large);
}

/* A buffer begins anywhere, in a chunk of which nothing is lent, too. */
static void offsets_are_kept(void **state)
{
	static uint8_t pages[2 * BP_ALIGN] __attribute__((aligned(BP_ALIGN)));

	(void)state;
	for (unsigned offset = 0; offset < BP_ALIGN; offset++) {
		uint64_t address = bp_map(&pool, pages + offset, 100, BP_TO_DEVICE);

		assert_true(address);
		assert_int_equal(address % BP_ALIGN, offset);
		assert_true(bp_unmap(&pool, address, 100, true));
	}
	all_of_it_is_lent(state);
}

static void bad_memory_is_refused(void **state)
{
	struct bounce_pool other;
	struct bp_memory bad[2];

	(void)state;
	assert_int_equal(bp_init(&other, pieces, 0, CPUS), -EINVAL);
	memcpy(bad, pieces, sizeof(bad));
	bad[1].address += 1;
	assert_int_equal(bp_init(&other, bad, 2, CPUS), -EINVAL);
	memcpy(bad, pieces, sizeof(bad));
	bad[1].bytes = 0;
	assert_int_equal(bp_init(&other, bad, 2, CPUS), -EINVAL);
	memcpy(bad, pieces, sizeof(bad));
	bad[1].address = bad[0].address + bad[0].bytes - BP_ALIGN;
	assert_int_equal(bp_init(&other, bad, 2, CPUS), -EINVAL);
}

/* Against a model */

#define BUFFERS 300
#define ARENA   (4 * MIB)

struct buffer {
	uint64_t address; /* 0: not mapped */
	uint32_t offset;  /* in the arena */
	uint32_t bytes;
	enum bp_dir dir;
	uint8_t *driver; /* what the driver's memory has to be */
	uint8_t *device; /* what the device's has to be */
};

static struct buffer buffers[BUFFERS];

static void expect(const struct buffer *b, const uint8_t *arena)
{
	if (memcmp(arena + b->offset, b->driver, b->bytes))
		fail_msg("the driver's memory differs");
	if (memcmp(at_device(b->address, b->bytes), b->device, b->bytes))
		fail_msg("the device's memory differs");
}

static bool overlaps(uint32_t offset, uint32_t bytes)
{
	for (unsigned i = 0; i < BUFFERS; i++)
		if (buffers[i].address && offset < buffers[i].offset + buffers[i].bytes &&
		    buffers[i].offset < offset + bytes)
			return true;
	return false;
}

static void step(uint8_t *arena)
{
	struct buffer *b = &buffers[below(BUFFERS)];
	uint32_t at, n;

	fi_thread = below(CPUS);
	if (!b->address) {
		uint32_t bytes = 1 + below(MIB >> below(11)), offset = below(ARENA - bytes);

		if (below(2))
			offset &= ~(BP_ALIGN - 1);
		if (overlaps(offset, bytes))
			return;
		b->address = bp_map(&pool, arena + offset, bytes, b->dir = below(2) ? BP_TO_DEVICE : BP_FROM_DEVICE);
		if (!b->address) {
			assert_true(fi_load(&pool.in_use) > pool.bytes / 8);
			return;
		}
		assert_int_equal(b->address % BP_ALIGN, (uintptr_t)(arena + offset) % BP_ALIGN);
		/* Nobody else's, slot by slot. */
		for (unsigned i = 0; i < BUFFERS; i++) {
			const struct buffer *o = &buffers[i];

			assert_true(o == b || !o->address ||
				    b->address / BP_SLOT > (o->address + o->bytes - 1) / BP_SLOT ||
				    o->address / BP_SLOT > (b->address + bytes - 1) / BP_SLOT);
		}
		b->offset = offset;
		b->bytes = bytes;
		b->driver = malloc(bytes);
		b->device = malloc(bytes);
		memcpy(b->driver, arena + offset, bytes);
		memcpy(b->device, arena + offset, bytes);
		expect(b, arena);
		return;
	}
	at = below(b->bytes);
	n = 1 + below(b->bytes - at);
	switch (below(6)) {
	case 0: /* the device writes */
		fill(at_device(b->address + at, n), n);
		memcpy(b->device + at, at_device(b->address + at, n), n);
		break;
	case 1: /* the driver writes */
		fill(arena + b->offset + at, n);
		memcpy(b->driver + at, arena + b->offset + at, n);
		break;
	case 2:
		assert_true(bp_sync(&pool, b->address + at, n, true));
		if (b->dir == BP_FROM_DEVICE)
			memcpy(b->driver + at, b->device + at, n);
		break;
	case 3:
		assert_true(bp_sync(&pool, b->address + at, n, false));
		if (b->dir == BP_TO_DEVICE)
			memcpy(b->device + at, b->driver + at, n);
		break;
	default: {
		bool copy = below(4);

		expect(b, arena);
		assert_true(bp_unmap(&pool, b->address, b->bytes, copy));
		if (copy && b->dir == BP_FROM_DEVICE)
			memcpy(b->driver, b->device, b->bytes);
		if (memcmp(arena + b->offset, b->driver, b->bytes))
			fail_msg("the driver's memory differs in the end");
		free(b->driver);
		free(b->device);
		b->address = 0;
		return;
	}
	}
	expect(b, arena);
}

static void random_use_agrees_with_model(void **state)
{
	const char *seed = getenv("SEED"), *operations = getenv("OPERATIONS");
	unsigned long steps = operations ? strtoul(operations, NULL, 0) : 40000;
	uint8_t *arena = aligned_alloc(BP_ALIGN, ARENA);
	struct bp_counters c;

	(void)state;
	noise_state = 0x9e3779b97f4a7c15 * (seed ? strtoul(seed, NULL, 0) | 1 : 1);
	fill(arena, ARENA);
	memset(buffers, 0, sizeof(buffers));
	for (unsigned long i = 0; i < steps; i++)
		step(arena);
	for (unsigned i = 0; i < BUFFERS; i++) {
		if (!buffers[i].address)
			continue;
		expect(&buffers[i], arena);
		assert_true(bp_unmap(&pool, buffers[i].address, buffers[i].bytes, true));
		free(buffers[i].driver);
		free(buffers[i].device);
	}
	assert_int_equal(fi_load(&pool.in_use), 0);
	bp_count(&pool, &c);
	assert_true(c.buffers > 1000 && c.bytes > pool.bytes && pool.peak <= pool.bytes);
	/* All is whole again. */
	all_of_it_is_lent(state);
	free(arena);
}

/* Threads: each has buffers that nobody else may touch, while all compete for the pool. */

#define OWN 16

static void *user(void *arg)
{
	uint64_t address[OWN] = {0};
	uint8_t *mine = aligned_alloc(BP_ALIGN, OWN * 65536);
	unsigned seed = fi_thread = (uint32_t)(uintptr_t)arg;
	unsigned long wrong = 0;

	memset(mine, 0, OWN * 65536);
	for (unsigned i = 0; i < 30000; i++) {
		unsigned k = (seed = seed * 1103515245 + 12345) >> 16 & (OWN - 1);
		uint32_t bytes = 1 + (k * 4001) % 65536;
		uint8_t *buffer = mine + k * 65536, value = (uint8_t)(fi_thread * OWN + k);

		if (!address[k]) {
			memset(buffer, value, bytes);
			address[k] = bp_map(&pool, buffer, bytes, k & 1 ? BP_FROM_DEVICE : BP_TO_DEVICE);
			continue;
		}
		for (uint32_t n = 0; n < bytes; n += 97)
			wrong += at_device(address[k], bytes)[n] != value;
		if (k & 1)
			memset(at_device(address[k], bytes), value + 1, bytes);
		wrong += !bp_sync(&pool, address[k] + bytes / 2, bytes - bytes / 2, k & 1);
		wrong += !bp_unmap(&pool, address[k], bytes, true);
		wrong += buffer[bytes - 1] != (uint8_t)(k & 1 ? value + 1 : value);
		address[k] = 0;
	}
	for (unsigned k = 0; k < OWN; k++)
		if (address[k])
			wrong += !bp_unmap(&pool, address[k], 1 + (k * 4001) % 65536, true);
	free(mine);
	return (void *)wrong;
}

static void threads_do_not_meet(void **state)
{
	pthread_t thread[CPUS];
	void *wrong;

	(void)state;
	for (uintptr_t i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, user, (void *)i), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_ptr_equal(wrong, NULL);
	}
	assert_int_equal(fi_load(&pool.in_use), 0);
	all_of_it_is_lent(state);
}

/* A second one gives back what somebody is about to: here, from within the copy, when that touches the driver's memory.
 */
static uint64_t contended;
static uint8_t *guarded;
static volatile int second_time = -1;

static void on_fault(int signal)
{
	(void)signal;
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
	second_time = bp_unmap(&pool, contended, 4096, false) || bp_sync(&pool, contended, 1, false);
}

static void one_of_two_gives_back(void **state)
{
	struct sigaction action = {.sa_handler = on_fault}, before;

	(void)state;
	guarded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(guarded, MAP_FAILED);
	contended = bp_map(&pool, guarded, 4096, BP_FROM_DEVICE);
	memset(at_device(contended, 4096), 0x55, 4096);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	assert_int_equal(mprotect(guarded, 4096, PROT_READ), 0);
	assert_true(bp_unmap(&pool, contended, 4096, true));
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(second_time, 0);
	assert_int_equal(guarded[4095], 0x55);
	assert_int_equal(fi_load(&pool.in_use), 0);
	munmap(guarded, 4096);
	all_of_it_is_lent(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_device_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(short_transfer_keeps_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(no_copy_when_told, setup, teardown),
		cmocka_unit_test_setup_teardown(syncs_copy_their_part, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_mapped_is_not_unmapped, setup, teardown),
		cmocka_unit_test_setup_teardown(all_of_it_is_lent, setup, teardown),
		cmocka_unit_test_setup_teardown(offsets_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_memory_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(random_use_agrees_with_model, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_do_not_meet, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_two_gives_back, setup, teardown),
	};

	return cmocka_run_group_tests_name("bounce_pool", tests, NULL, NULL);
}
