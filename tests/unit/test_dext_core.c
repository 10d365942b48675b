// SPDX-License-Identifier: GPL-2.0-or-later
// The dext's logic without a platform: hostile DMA batches, the mapping table and its budget, the configuration-space
// filter, the interrupt page, and what is made of mapper properties.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>

#include <cmocka.h>

#include "config_policy.h"
#include "dma_batch.h"
#include "dma_table.h"
#include "irq_page.h"
#include "window.h"

#define PAGE 16384ull

static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static uint64_t random_below(uint64_t n)
{
	return random64() % n;
}

/* ---- batches ---- */

struct builder {
	uint8_t bytes[VFA_BATCH_BYTES];
	size_t used;
	uint32_t count;
};

static void build_begin(struct builder *b)
{
	memset(b, 0, sizeof(*b));
	b->used = sizeof(struct vfa_dma_batch);
}

static void build_op(struct builder *b, struct vfa_dma_op op, const struct vfa_dma_range *ranges)
{
	size_t more = op.nr_ranges * sizeof(*ranges);

	assert_true(b->used + sizeof(op) + more <= sizeof(b->bytes));
	memcpy(b->bytes + b->used, &op, sizeof(op));
	b->used += sizeof(op);
	if (ranges)
		memcpy(b->bytes + b->used, ranges, more);
	b->used += more;
	b->count++;
}

static void build_end(struct builder *b)
{
	struct vfa_dma_batch head = {.count = b->count, .bytes = (uint32_t)b->used};

	memcpy(b->bytes, &head, sizeof(head));
}

/* What one operation alone answers. */
static enum vfa_status judge(struct vfa_dma_op op, const struct vfa_dma_range *ranges)
{
	struct vfa_dma_batch_reader reader;
	struct vfa_dma_parsed parsed;
	struct builder b;

	build_begin(&b);
	build_op(&b, op, ranges);
	build_end(&b);
	assert_true(vfa_dma_batch_open(&reader, b.bytes, b.used, PAGE));
	return vfa_dma_batch_next(&reader, &parsed);
}

static const struct vfa_dma_op a_map = {.op = VFA_DMA_MAP, .flags = VFA_DMA_DEVICE_READS, .nr_ranges = 1};
static const struct vfa_dma_op an_unmap = {.op = VFA_DMA_UNMAP, .handle = 7};
static const struct vfa_dma_range a_range = {4 * PAGE, 2 * PAGE};

static void batch_delivers_what_was_written(void **state)
{
	struct vfa_dma_range ranges[VFA_MAX_RANGES];
	struct vfa_dma_op wide = a_map;
	struct vfa_dma_batch_reader reader;
	struct vfa_dma_parsed parsed;
	struct builder b;

	(void)state;
	for (unsigned i = 0; i < VFA_MAX_RANGES; i++)
		ranges[i] = (struct vfa_dma_range){(100 + 2 * i) * PAGE, (1 + i % 3) * PAGE};
	wide.nr_ranges = VFA_MAX_RANGES;
	wide.align = VFA_MAX_ALIGN_SHIFT;
	build_begin(&b);
	build_op(&b, an_unmap, NULL);
	build_op(&b, wide, ranges);
	build_op(&b, a_map, &a_range);
	build_end(&b);

	assert_true(vfa_dma_batch_open(&reader, b.bytes, b.used, PAGE));
	assert_int_equal(reader.left, 3);
	assert_int_equal(vfa_dma_batch_next(&reader, &parsed), VFA_OK);
	assert_int_equal(parsed.op.op, VFA_DMA_UNMAP);
	assert_int_equal(parsed.op.handle, 7);
	assert_int_equal(vfa_dma_batch_next(&reader, &parsed), VFA_OK);
	assert_int_equal(parsed.op.align, VFA_MAX_ALIGN_SHIFT);
	assert_memory_equal(parsed.ranges, ranges, sizeof(ranges));
	assert_int_equal(parsed.length, 63 * PAGE);
	assert_int_equal(vfa_dma_batch_next(&reader, &parsed), VFA_OK);
	assert_int_equal(parsed.length, 2 * PAGE);
	assert_int_equal(reader.left, 0);
}

static void batch_of_wrong_shape_is_refused_whole(void **state)
{
	struct vfa_dma_batch_reader reader;
	struct vfa_dma_batch head;
	struct builder b;

	(void)state;
	build_begin(&b);
	build_op(&b, a_map, &a_range);
	build_end(&b);
	assert_true(vfa_dma_batch_open(&reader, b.bytes, b.used, PAGE));

	assert_false(vfa_dma_batch_open(&reader, NULL, b.used, PAGE));
	assert_false(vfa_dma_batch_open(&reader, b.bytes, 0, PAGE));
	assert_false(vfa_dma_batch_open(&reader, b.bytes, b.used - 1, PAGE));
	assert_false(vfa_dma_batch_open(&reader, b.bytes, b.used + 1, PAGE));
	assert_false(vfa_dma_batch_open(&reader, b.bytes, VFA_BATCH_BYTES + 1, PAGE));

	memcpy(&head, b.bytes, sizeof(head));
	for (uint32_t count = 0; count < 80; count += 1 + (count > 2) * 30) {
		head.count = count;
		memcpy(b.bytes, &head, sizeof(head));
		assert_int_equal(vfa_dma_batch_open(&reader, b.bytes, b.used, PAGE), count == 1);
	}
	head.count = UINT32_MAX;
	memcpy(b.bytes, &head, sizeof(head));
	assert_false(vfa_dma_batch_open(&reader, b.bytes, b.used, PAGE));

	/* 65 operations that would fit */
	build_begin(&b);
	for (unsigned i = 0; i < VFA_MAX_OPS + 1; i++)
		build_op(&b, an_unmap, NULL);
	build_end(&b);
	assert_false(vfa_dma_batch_open(&reader, b.bytes, b.used, PAGE));
}

static void operation_content_is_judged_alone(void **state)
{
	struct vfa_dma_range range = a_range;
	struct vfa_dma_range two[2] = {{PAGE, -2 * PAGE}, {PAGE, 2 * PAGE}};
	struct vfa_dma_op op;

	(void)state;
	assert_int_equal(judge(a_map, &a_range), VFA_OK);
	assert_int_equal(judge(an_unmap, NULL), VFA_OK);

	op = a_map;
	op.op = 0;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);
	op.op = 3;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);
	op = a_map;
	op.residue = UINT32_MAX;
	assert_int_equal(judge(op, &a_range), VFA_OK);
	op = an_unmap;
	op.residue = 1;
	assert_int_equal(judge(op, NULL), VFA_E_BAD_REQUEST);
	op = a_map;
	op.flags = 0;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);
	op.flags = VFA_DMA_ALIGN_REQUIRED;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);
	op.flags = VFA_DMA_DEVICE_WRITES | 8;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);
	op = a_map;
	op.align = VFA_MAX_ALIGN_SHIFT + 1;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);
	op = a_map;
	op.nr_ranges = 0;
	assert_int_equal(judge(op, NULL), VFA_E_BAD_REQUEST);
	op = an_unmap;
	op.nr_ranges = 1;
	assert_int_equal(judge(op, &a_range), VFA_E_BAD_REQUEST);

	range.length = 0;
	assert_int_equal(judge(a_map, &range), VFA_E_BAD_RANGE);
	range = (struct vfa_dma_range){PAGE + 4096, PAGE};
	assert_int_equal(judge(a_map, &range), VFA_E_NOT_ALIGNED);
	range = (struct vfa_dma_range){PAGE, PAGE - 1};
	assert_int_equal(judge(a_map, &range), VFA_E_NOT_ALIGNED);
	range = (struct vfa_dma_range){-PAGE, 2 * PAGE};
	assert_int_equal(judge(a_map, &range), VFA_E_BAD_RANGE);
	op = a_map;
	op.nr_ranges = 2;
	assert_int_equal(judge(op, two), VFA_E_BAD_RANGE);
}

/* Written from the header alone, with wide arithmetic instead of overflow tricks. */
static bool shape_by_the_book(const uint8_t *data, size_t size)
{
	unsigned __int128 position = 8;
	uint32_t count, bytes;

	if (size < 8 || size > 4096)
		return false;
	memcpy(&count, data, 4);
	memcpy(&bytes, data + 4, 4);
	if (bytes != size || count < 1 || count > 64)
		return false;
	while (count--) {
		if (position + 16 > size || data[(size_t)position + 3] > 32)
			return false;
		position += 16 + (unsigned __int128)16 * data[(size_t)position + 3];
		if (position > size)
			return false;
	}
	return position == size;
}

static enum vfa_status verdict_by_the_book(const uint8_t *op, uint64_t *total)
{
	unsigned __int128 sum = 0, limit = (unsigned __int128)1 << 64;
	uint32_t residue;

	*total = 0;
	memcpy(&residue, op + 4, 4);
	if (op[0] < 1 || op[0] > 2)
		return VFA_E_BAD_REQUEST;
	if (op[0] == 2)
		return op[1] || op[2] || op[3] || residue ? VFA_E_BAD_REQUEST : VFA_OK;
	if (op[3] == 0 || op[2] > 21 || op[1] > 7 || (op[1] & 3) == 0)
		return VFA_E_BAD_REQUEST;
	for (unsigned i = 0; i < op[3]; i++) {
		uint64_t address, length;

		memcpy(&address, op + 16 + 16 * i, 8);
		memcpy(&length, op + 24 + 16 * i, 8);
		if (length == 0)
			return VFA_E_BAD_RANGE;
		if (address % PAGE || length % PAGE)
			return VFA_E_NOT_ALIGNED;
		sum += length;
		/* A range may not reach the very end of the address space: its end would be 0. */
		if ((unsigned __int128)address + length >= limit || sum >= limit)
			return VFA_E_BAD_RANGE;
	}
	*total = (uint64_t)sum;
	return VFA_OK;
}

static struct vfa_dma_range hostile_range(void)
{
	static const uint64_t lengths[] = {0, 1, PAGE - 1, PAGE, 2 * PAGE, 1ull << 40, 1ull << 63, -PAGE};
	struct vfa_dma_range range = {random_below(1000) * PAGE, (1 + random_below(8)) * PAGE};

	if (random_below(8) == 0)
		range.address = random64();
	if (random_below(8) == 0)
		range.length = lengths[random_below(8)];
	return range;
}

static void hostile_batch(struct builder *b)
{
	unsigned count = 1 + random_below(random_below(8) ? 8 : 80);

	build_begin(b);
	for (unsigned i = 0; i < count; i++) {
		struct vfa_dma_range ranges[VFA_MAX_RANGES];
		struct vfa_dma_op op = random_below(2) ? a_map : an_unmap;

		if (op.op == VFA_DMA_MAP)
			op.nr_ranges = 1 + random_below(random_below(4) ? 3 : VFA_MAX_RANGES);
		if (random_below(10) == 0)
			((uint8_t *)&op)[random_below(8)] = (uint8_t)random64();
		if (op.nr_ranges > VFA_MAX_RANGES)
			op.nr_ranges %= VFA_MAX_RANGES + 1;
		for (unsigned r = 0; r < op.nr_ranges; r++)
			ranges[r] = hostile_range();
		if (b->used + sizeof(op) + op.nr_ranges * sizeof(ranges[0]) > sizeof(b->bytes))
			break;
		build_op(b, op, ranges);
	}
	build_end(b);
	for (unsigned damage = random_below(3) ? 0 : 1 + random_below(3); damage; damage--)
		b->bytes[random_below(b->used)] = (uint8_t)random64();
	if (random_below(10) == 0)
		b->used = random_below(sizeof(b->bytes) + 1);
}

static void hostile_batches_agree_with_the_book(void **state)
{
	unsigned accepted = 0, refused = 0, good = 0, bad = 0;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		struct vfa_dma_batch_reader reader;
		struct vfa_dma_parsed parsed;
		struct builder b;
		uint8_t *exact;
		size_t at = 8;

		hostile_batch(&b);
		exact = malloc(b.used + !b.used); /* so that ASan sees any step beyond the end */
		assert_non_null(exact);
		memcpy(exact, b.bytes, b.used);
		if (!vfa_dma_batch_open(&reader, exact, b.used, PAGE)) {
			assert_false(shape_by_the_book(exact, b.used));
			refused++;
			free(exact);
			continue;
		}
		assert_true(shape_by_the_book(exact, b.used));
		accepted++;
		while (reader.left) {
			uint64_t total;
			enum vfa_status expected = verdict_by_the_book(exact + at, &total);

			assert_int_equal(vfa_dma_batch_next(&reader, &parsed), expected);
			if (expected == VFA_OK && parsed.op.op == VFA_DMA_MAP)
				assert_true(parsed.length == total);
			at += 16 + 16u * exact[at + 3];
			*(expected == VFA_OK ? &good : &bad) += 1;
		}
		assert_int_equal(at, b.used);
		free(exact);
	}
	assert_true(accepted > 10000 && refused > 10000 && good > 10000 && bad > 10000);
}

/* ---- mapping table ---- */

static int commands[4096]; /* addresses to give as commands */

/* What lies beside a mapping is budget as long as the mapping lives, and is not to be had when little is left. */
static void padding_is_accounted(void **state)
{
	struct vfa_dma_slot slots[4];
	struct vfa_dma_table table;
	uint64_t handle, other, iova, length;

	(void)state;
	vfa_dma_table_init(&table, slots, 4, 4, 160 * PAGE);
	assert_int_equal(vfa_dma_table_reserve(&table, 10 * PAGE, &handle), VFA_OK);
	assert_int_equal(vfa_dma_table_padding_max(&table, 10 * PAGE), 10 * PAGE);
	assert_int_equal(vfa_dma_table_padding_max(&table, 100 * PAGE), 20 * PAGE); /* an eighth, for all */
	assert_true(vfa_dma_table_spare(&table) >= 150 * PAGE);
	vfa_dma_table_commit(&table, handle, &commands[0], 0x80000000, 7 * PAGE);
	assert_int_equal(table.bytes_live, 17 * PAGE);
	assert_int_equal(table.bytes_peak, 17 * PAGE);
	assert_int_equal(table.padding_live, 7 * PAGE);
	assert_int_equal(vfa_dma_table_padding_max(&table, 100 * PAGE), 13 * PAGE);

	assert_int_equal(vfa_dma_table_reserve(&table, 143 * PAGE, &other), VFA_OK);
	assert_int_equal(vfa_dma_table_padding_max(&table, 143 * PAGE), 0);
	assert_true(vfa_dma_table_spare(&table) < 6 * PAGE); /* half of the headroom */
	assert_int_equal(vfa_dma_table_reserve(&table, PAGE, &iova), VFA_E_NO_SPACE);
	vfa_dma_table_cancel(&table, other);

	assert_ptr_equal(vfa_dma_table_remove(&table, handle, &iova, &length), &commands[0]);
	assert_int_equal(length, 10 * PAGE); /* the client's */
	assert_int_equal(table.bytes_live, 0);
	assert_int_equal(table.padding_live, 0);
}

static void table_handles_do_not_outlive_their_mapping(void **state)
{
	struct vfa_dma_slot slots[2];
	struct vfa_dma_table table;
	uint64_t first, second, iova, length;

	(void)state;
	vfa_dma_table_init(&table, slots, 2, 2, 100 * PAGE);
	assert_int_equal(vfa_dma_table_reserve(&table, PAGE, &first), VFA_OK);
	assert_int_not_equal(first, 0);
	assert_null(vfa_dma_table_remove(&table, first, &iova, &length)); /* reserved is not yet mapped */
	vfa_dma_table_commit(&table, first, &commands[0], 0x80000000, 0);
	assert_ptr_equal(vfa_dma_table_remove(&table, first, &iova, &length), &commands[0]);
	assert_int_equal(iova, 0x80000000);
	assert_int_equal(length, PAGE);
	assert_null(vfa_dma_table_remove(&table, first, &iova, &length));

	assert_int_equal(vfa_dma_table_reserve(&table, PAGE, &second), VFA_OK);
	vfa_dma_table_commit(&table, second, &commands[1], 0x80000000, 0);
	assert_int_not_equal(first, second);
	assert_int_equal((uint32_t)first,
			 (uint32_t)second); /* the same slot, so only the generation tells them apart */
	assert_null(vfa_dma_table_remove(&table, first, &iova, &length));
	assert_null(vfa_dma_table_remove(&table, 0, &iova, &length));
	assert_null(vfa_dma_table_remove(&table, 3, &iova, &length));
	assert_null(vfa_dma_table_remove(&table, UINT64_MAX, &iova, &length));
	assert_ptr_equal(vfa_dma_table_remove(&table, second, &iova, &length), &commands[1]);
}

static void table_refuses_beyond_its_budget(void **state)
{
	struct vfa_dma_slot slots[8];
	struct vfa_dma_table table;
	uint64_t handle, more;

	(void)state;
	vfa_dma_table_init(&table, slots, 8, 3, 10 * PAGE);
	assert_int_equal(vfa_dma_table_reserve(&table, 11 * PAGE, &handle), VFA_E_NO_SPACE);
	assert_int_equal(vfa_dma_table_reserve(&table, UINT64_MAX, &handle), VFA_E_NO_SPACE);
	assert_int_equal(vfa_dma_table_reserve(&table, 10 * PAGE, &handle), VFA_OK);
	assert_int_equal(vfa_dma_table_reserve(&table, PAGE, &more), VFA_E_NO_SPACE);
	vfa_dma_table_cancel(&table, handle); /* a mapping the platform refused costs nothing */
	assert_int_equal(table.bytes_live, 0);
	assert_int_equal(table.bytes_peak, 0);

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vfa_dma_table_reserve(&table, PAGE, &handle), VFA_OK);
		vfa_dma_table_commit(&table, handle, &commands[i], 0x80000000 + i * PAGE, 0);
	}
	assert_int_equal(vfa_dma_table_reserve(&table, PAGE, &more), VFA_E_NO_MAPPINGS);
	assert_int_equal(table.maps, 3);
	assert_int_equal(table.map_failures, 5);
	assert_int_equal(table.mappings_peak, 3);
	assert_int_equal(table.bytes_peak, 3 * PAGE);
	assert_true(vfa_dma_budget(0x60000000) < 0x60000000 && vfa_dma_budget(0x60000000) > 0x50000000);
}

static void table_agrees_with_a_list_under_random_use(void **state)
{
	enum { SLOTS = 512 };
	static struct vfa_dma_slot slots[SLOTS];
	static struct {
		uint64_t handle, length;
		void *command;
	} live[SLOTS];
	struct vfa_dma_table table;
	unsigned count = 0, seen = 0;
	uint64_t bytes = 0, iova, length;
	uint32_t cursor = 0;

	(void)state;
	vfa_dma_table_init(&table, slots, SLOTS, SLOTS - 10, 2000 * PAGE);
	for (unsigned round = 0; round < 400000; round++) {
		if (random_below(100) < 52) {
			uint64_t handle, want = (1 + random_below(10)) * PAGE;
			enum vfa_status status = vfa_dma_table_reserve(&table, want, &handle);

			if (count == SLOTS - 10) {
				assert_int_equal(status, VFA_E_NO_MAPPINGS);
			} else if (bytes + want > 2000 * PAGE) {
				assert_int_equal(status, VFA_E_NO_SPACE);
			} else {
				assert_int_equal(status, VFA_OK);
				for (unsigned i = 0; i < count && round % 64 == 0; i++)
					assert_true(live[i].handle != handle);
				vfa_dma_table_commit(&table, handle, &commands[round % 4096], round, 0);
				live[count].handle = handle;
				live[count].length = want;
				live[count++].command = &commands[round % 4096];
				bytes += want;
			}
		} else if (count) {
			unsigned victim = (unsigned)random_below(count);

			assert_ptr_equal(vfa_dma_table_remove(&table, live[victim].handle, &iova, &length),
					 live[victim].command);
			assert_int_equal(length, live[victim].length);
			bytes -= length;
			live[victim] = live[--count];
		}
		assert_int_equal(table.mappings_live, count);
		assert_int_equal(table.bytes_live, bytes);
	}
	assert_true(count > 0);
	while (vfa_dma_table_pop(&table, &cursor))
		seen++;
	assert_int_equal(seen, count);
	assert_int_equal(table.bytes_live, 0);
	assert_int_equal(table.mappings_live, 0);
	assert_int_equal(table.maps, table.unmaps);
}

/* ---- configuration space ---- */

static uint8_t config[VFA_CONFIG_BYTES];

static uint32_t read_config(void *context, unsigned offset)
{
	uint32_t value;

	(void)context;
	assert_true(offset % 4 == 0 && offset + 4 <= sizeof(config));
	memcpy(&value, config + offset, 4);
	return value;
}

static void put(unsigned offset, unsigned bytes, uint32_t value)
{
	memcpy(config + offset, &value, bytes);
}

enum {
	PM_AT = 0x40,
	MSI_AT = 0x50,
	PCIE_AT = 0x70,
	MSIX_AT = 0xb0,
	VENDOR_AT = 0xc0,
	VPD_AT = 0xd0,
	AF_AT = 0xe0,
	AER_AT = 0x100,
	VSEC_AT = 0x160
};

static void a_typical_function(struct vfa_config_policy *policy)
{
	memset(config, 0, sizeof(config));
	put(0x00, 4, 0x00f11b36);
	put(0x04, 2, 0x0546); /* memory, bus master, parity, SERR, INTx off */
	put(0x06, 2, 0x0010);
	put(0x34, 1, PM_AT);
	put(PM_AT, 4, 0x00030001 | MSI_AT << 8);
	put(MSI_AT, 4, 0x018a0005 | (uint32_t)PCIE_AT << 8); /* 64 bits, maskable, 32 vectors */
	put(PCIE_AT, 4, 0x00020010 | (uint32_t)MSIX_AT << 8);
	put(PCIE_AT + 4, 4, 0x10008000); /* FLR */
	put(PCIE_AT + 8, 2, 0x2010);
	put(MSIX_AT, 4, 0x001f0011 | (uint32_t)VENDOR_AT << 8);
	put(VENDOR_AT, 4, 0xaa100009 | (uint32_t)VPD_AT << 8); /* 16 bytes */
	put(VPD_AT, 4, 0x80000003 | (uint32_t)AF_AT << 8);
	put(AF_AT, 4, 0x00060013);
	put(AER_AT, 4, 0x00020001 | (uint32_t)VSEC_AT << 20);
	put(VSEC_AT, 4, 0x0001000b);
	put(VSEC_AT + 4, 4, 0x02000001); /* 32 bytes */
	vfa_config_policy_build(policy, read_config, NULL);
}

/* Performs a filtered write as the dext does. */
static void write_config(const struct vfa_config_policy *policy, unsigned offset, unsigned bytes, uint32_t value)
{
	struct vfa_config_filtered filtered = vfa_config_filter(policy, offset, bytes, value);

	for (unsigned i = 0; i < filtered.count; i++) {
		const struct vfa_config_write *w = &filtered.write[i];
		uint32_t now = 0;

		assert_true(w->offset >= offset && w->offset + w->bytes <= offset + bytes);
		memcpy(&now, config + w->offset, w->bytes);
		put(w->offset, w->bytes, w->value | (now & w->keep));
	}
}

static uint32_t get(unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, config + offset, bytes);
	return value;
}

static void policy_finds_capabilities(void **state)
{
	struct vfa_config_policy policy;

	(void)state;
	a_typical_function(&policy);
	assert_int_equal(policy.pm, PM_AT);
	assert_int_equal(policy.msi, MSI_AT);
	assert_int_equal(policy.msi_vectors, 32);
	assert_int_equal(policy.pcie, PCIE_AT);
	assert_int_equal(policy.msix, MSIX_AT);
	assert_int_equal(policy.msix_vectors, 32);
	assert_true(policy.flr);
}

static void host_owned_registers_do_not_change(void **state)
{
	static const struct {
		unsigned first, end;
		const char *what;
	} owned[] = {
		{0x00, 0x04, "identity"},
		{0x08, 0x0c, "class"},
		{0x0e, 0x40, "header type, BIST, BARs, ROM BAR, interrupt line"},
		{PM_AT, PM_AT + 8, "power management"},
		{MSI_AT, MSI_AT + 24, "MSI"},
		{PCIE_AT, PCIE_AT + 8, "PCIe device capabilities"},
		{PCIE_AT + 12, PCIE_AT + 0x3c, "PCIe link and device control 2"},
		{MSIX_AT, MSIX_AT + 12, "MSI-X"},
		{VENDOR_AT, VENDOR_AT + 3, "vendor capability header"},
		{VPD_AT + 4, VPD_AT + 8, "VPD data"},
		{AF_AT, AF_AT + 6, "AF reset"},
		{AER_AT, AER_AT + 0x48, "AER"},
		{VSEC_AT, VSEC_AT + 8, "VSEC header"},
		{VSEC_AT + 32, VFA_CONFIG_BYTES, "rest of the extended space"},
	};
	struct vfa_config_policy policy;

	(void)state;
	for (unsigned i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		for (unsigned bytes = 1; bytes <= 4; bytes *= 2) {
			a_typical_function(&policy);
			for (unsigned at = owned[i].first & ~(bytes - 1); at < owned[i].end; at += bytes) {
				uint8_t before[4];
				unsigned from = at < owned[i].first ? owned[i].first - at : 0;

				memcpy(before, config + at, bytes);
				write_config(&policy, at, bytes, ~get(at, bytes));
				for (unsigned b = from; b < bytes && at + b < owned[i].end; b++)
					if (config[at + b] != before[b])
						fail_msg("%s changed at 0x%x", owned[i].what, at + b);
			}
		}
	}
}

static void registers_of_the_driver_pass(void **state)
{
	struct vfa_config_policy policy;

	(void)state;
	a_typical_function(&policy);
	write_config(&policy, VENDOR_AT + 4, 4, 0x12345678);
	assert_int_equal(get(VENDOR_AT + 4, 4), 0x12345678);
	write_config(&policy, VSEC_AT + 8, 4, 0xcafef00d);
	assert_int_equal(get(VSEC_AT + 8, 4), 0xcafef00d);
	write_config(&policy, 0x68, 4, 0x55aa55aa); /* between capabilities: the device's own */
	assert_int_equal(get(0x68, 4), 0x55aa55aa);
	write_config(&policy, 0x0c, 1, 0x10);
	assert_int_equal(get(0x0c, 1), 0x10);

	/* Maximum read request changes; payload size, error reporting and reset beside it do not. */
	write_config(&policy, PCIE_AT + 8, 2, 0xdfff);
	assert_int_equal(get(PCIE_AT + 8, 2), 0x5010);
}

static void command_register_keeps_what_the_host_set(void **state)
{
	struct vfa_config_policy policy;
	struct vfa_config_filtered filtered;

	(void)state;
	a_typical_function(&policy);
	write_config(&policy, 0x04, 2, 0x0000);
	assert_int_equal(get(0x04, 2), 0x0506);
	write_config(&policy, 0x04, 4, 0xffffffff);
	assert_int_equal(get(0x04, 2), 0x0556);
	filtered = vfa_config_filter(&policy, 0x04, 2, 0x0007);
	assert_true(filtered.dropped);
}

/* A bit that is cleared by writing 1 must not be cleared by reading it and writing it back. */
static void status_bits_clear_only_when_asked(void **state)
{
	struct vfa_config_policy policy;
	struct vfa_config_filtered filtered;

	(void)state;
	a_typical_function(&policy);
	put(0x06, 2, 0xf910);
	filtered = vfa_config_filter(&policy, 0x04, 4, 0x01000000);
	assert_int_equal(filtered.count, 2);
	assert_int_equal(filtered.write[1].offset, 0x07);
	assert_int_equal(filtered.write[1].value, 0x01);
	assert_int_equal(filtered.write[1].keep & 0xf9, 0);

	filtered = vfa_config_filter(&policy, PCIE_AT + 8, 4, 0x00040000);
	assert_int_equal(filtered.count, 2);
	assert_int_equal(filtered.write[1].offset, PCIE_AT + 10);
	assert_int_equal(filtered.write[1].value, 0x04);
	assert_int_equal(filtered.write[1].keep & 0x0f, 0);

	/* VPD: writing the address must never start a store into the EEPROM. */
	filtered = vfa_config_filter(&policy, VPD_AT + 2, 2, 0x8004);
	assert_int_equal(filtered.count, 1);
	assert_int_equal(filtered.write[0].value, 0x0004);
	assert_int_equal(filtered.write[0].keep & 0x8000, 0);
}

static void policy_survives_hostile_devices(void **state)
{
	struct vfa_config_policy policy;

	(void)state;
	a_typical_function(&policy);
	put(AF_AT, 4, 0x00060013 | PM_AT << 8); /* both lists loop */
	put(VSEC_AT, 4, 0x0001000b | (uint32_t)AER_AT << 20);
	put(VSEC_AT + 4, 4, 0xfff00001);
	vfa_config_policy_build(&policy, read_config, NULL);
	assert_int_equal(policy.msix, MSIX_AT);

	memset(config, 0xff, sizeof(config));
	vfa_config_policy_build(&policy, read_config, NULL);
	for (unsigned round = 0; round < 3000; round++) {
		for (unsigned i = 0; i < sizeof(config); i += 8) {
			uint64_t value = random64();

			memcpy(config + i, &value, 8);
		}
		put(0x06, 2, 0x0010);
		if (round % 2) { /* a dense list with likely identifiers */
			for (unsigned at = 0x40; at < 0x100; at += 8)
				put(at, 2, (uint32_t)random_below(0x16) | (uint32_t)random_below(256) << 8);
			for (unsigned at = 0x100; at < 0x1000; at += 16)
				put(at, 4, (random_below(2) ? 0x0b : 0x23) | (uint32_t)random64() << 16);
		}
		vfa_config_policy_build(&policy, read_config, NULL);
		for (unsigned at = 0x0e; at < 0x40; at++)
			assert_int_equal(policy.pass[at], 0);
		if (policy.msix)
			assert_int_equal(policy.pass[policy.msix], 0);
	}
}

/* A vendor structure that claims the space of the next one does not open it. */
static void vendor_structures_end_where_the_next_begins(void **state)
{
	struct vfa_config_policy policy;

	(void)state;
	a_typical_function(&policy);
	put(VSEC_AT, 4, 0x2000000b | 0x00010000);
	put(VSEC_AT + 4, 4, 0xe0000001);
	put(0x200, 4, 0x00010010); /* SR-IOV */
	vfa_config_policy_build(&policy, read_config, NULL);
	assert_int_equal(policy.pass[0x1fc], 0xff);
	for (unsigned at = 0x200; at < 0x1000; at++)
		assert_int_equal(policy.pass[at], 0);
}

static void accesses_stay_inside_configuration_space(void **state)
{
	(void)state;
	assert_true(vfa_config_access_ok(0, 1) && vfa_config_access_ok(0xffc, 4) && vfa_config_access_ok(0xffe, 2));
	assert_false(vfa_config_access_ok(0x1000, 1));
	assert_false(vfa_config_access_ok(UINT64_MAX, 1));
	assert_false(vfa_config_access_ok(0xffe, 4));
	assert_false(vfa_config_access_ok(2, 4));
	assert_false(vfa_config_access_ok(1, 2));
	assert_false(vfa_config_access_ok(0, 3));
	assert_false(vfa_config_access_ok(0, 8));
	assert_false(vfa_config_access_ok(0, 0));
}

/* ---- interrupt page ---- */

static void interrupts_wake_only_an_armed_client_that_wants_them(void **state)
{
	struct vfa_irq_page page = {0};

	(void)state;
	assert_false(vfa_irq_page_raise(&page, 33, 2, true)); /* neither enabled nor armed */
	assert_int_equal(page.pending[1], 2);
	assert_int_equal(page.delivered[33], 2);
	page.armed = 1;
	assert_false(vfa_irq_page_raise(&page, 33, 1, true)); /* armed but not enabled */
	assert_int_equal(page.armed, 1);
	page.enabled[1] = 2;
	assert_false(vfa_irq_page_raise(&page, 33, 1, false)); /* nobody listens: armed stays for later */
	assert_int_equal(page.armed, 1);
	assert_true(vfa_irq_page_catch_up(&page));
	assert_int_equal(page.armed, 0);
	assert_false(vfa_irq_page_raise(&page, 33, 1, true)); /* one wake-up per arming */
	page.armed = 0xdeadbeef;
	assert_false(vfa_irq_page_raise(&page, 33, 1, true));
	page.armed = 1;
	assert_true(vfa_irq_page_raise(&page, 33, 1, true));
	vfa_irq_page_clear(&page);
	assert_false(vfa_irq_page_catch_up(&page));
	assert_int_equal(page.delivered[33], 7);
}

#define EDGES 300000

struct waker {
	struct vfa_irq_page page;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	uint64_t wakeups;
};

static void *raise_edges(void *context)
{
	struct waker *w = context;

	for (unsigned i = 0; i < EDGES; i++) {
		if (vfa_irq_page_raise(&w->page, 5, 1, true)) {
			pthread_mutex_lock(&w->lock);
			w->wakeups++;
			pthread_cond_signal(&w->woken);
			pthread_mutex_unlock(&w->lock);
		}
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* The client of the header's protocol: after the last edge it has seen everything, without a timeout to save it. */
static void no_edge_is_lost(void **state)
{
	static struct waker w = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
	struct vfa_irq_page *page = &w.page;
	uint64_t seen_wakeups = 0, last = 0;
	pthread_t thread;

	(void)state;
	page->enabled[0] = 1u << 5;
	assert_int_equal(pthread_create(&thread, NULL, raise_edges, &w), 0);
	while (last < EDGES) {
		__atomic_store_n(&page->armed, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&page->pending[0], __ATOMIC_SEQ_CST)) {
			pthread_mutex_lock(&w.lock);
			while (w.wakeups == seen_wakeups)
				pthread_cond_wait(&w.woken, &w.lock);
			seen_wakeups = w.wakeups;
			pthread_mutex_unlock(&w.lock);
		}
		if (__atomic_exchange_n(&page->pending[0], 0, __ATOMIC_SEQ_CST) & 1u << 5)
			last = __atomic_load_n(&page->delivered[5], __ATOMIC_SEQ_CST);
	}
	pthread_join(thread, NULL);
	assert_int_equal(last, EDGES);
	assert_true(w.wakeups > 0);
}

/* ---- mapper properties ---- */

static void window_comes_from_the_nub_or_is_the_known_one(void **state)
{
	struct vfa_window w;

	(void)state;
	w = vfa_window_from_properties(0, 0, 0);
	assert_true(w.page == 16384 && w.first == 0x80000000 && w.last == 0xdfffffff);
	w = vfa_window_from_properties(16384, 0x80000000, 0x60000000);
	assert_true(w.page == 16384 && w.first == 0x80000000 && w.last == 0xdfffffff);
	w = vfa_window_from_properties(16384, 0x20000, 0x18000); /* the same in pages */
	assert_true(w.first == 0x80000000 && w.last == 0xdfffffff);
	w = vfa_window_from_properties(4096, 0x100000000, 0x4000000);
	assert_true(w.page == 4096 && w.first == 0x100000000 && w.last == 0x103ffffff);
	w = vfa_window_from_properties(12345, UINT64_MAX - 5, 0x4000000);
	assert_true(w.page == 16384 && w.first == 0x80000000 && w.last == 0xdfffffff);
}

static void resets_known_not_to_return_are_avoided(void **state)
{
	(void)state;
	assert_true(vfa_config_flr_is_broken(0x10de, 0x2b85));
	assert_false(vfa_config_flr_is_broken(0x10de, 0x2684));
	assert_false(vfa_config_flr_is_broken(0x1b36, 0x2b85));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batch_delivers_what_was_written),
		cmocka_unit_test(batch_of_wrong_shape_is_refused_whole),
		cmocka_unit_test(operation_content_is_judged_alone),
		cmocka_unit_test(hostile_batches_agree_with_the_book),
		cmocka_unit_test(padding_is_accounted),
		cmocka_unit_test(table_handles_do_not_outlive_their_mapping),
		cmocka_unit_test(table_refuses_beyond_its_budget),
		cmocka_unit_test(table_agrees_with_a_list_under_random_use),
		cmocka_unit_test(policy_finds_capabilities),
		cmocka_unit_test(host_owned_registers_do_not_change),
		cmocka_unit_test(registers_of_the_driver_pass),
		cmocka_unit_test(command_register_keeps_what_the_host_set),
		cmocka_unit_test(status_bits_clear_only_when_asked),
		cmocka_unit_test(policy_survives_hostile_devices),
		cmocka_unit_test(vendor_structures_end_where_the_next_begins),
		cmocka_unit_test(accesses_stay_inside_configuration_space),
		cmocka_unit_test(interrupts_wake_only_an_armed_client_that_wants_them),
		cmocka_unit_test(no_edge_is_lost),
		cmocka_unit_test(window_comes_from_the_nub_or_is_the_known_one),
		cmocka_unit_test(resets_known_not_to_return_are_avoided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
