// SPDX-License-Identifier: GPL-2.0-or-later
/* How DMA requests are split into calls, and what a wrong answer may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dma_batch.h"

#define PAGE 16384

static const struct vfa_dma_range ranges[VFA_MAX_RANGES] = {{PAGE, PAGE}, {4 * PAGE, 2 * PAGE}};

static struct vfa_dma_request map_request(unsigned nr_ranges)
{
	return (struct vfa_dma_request){.op = VFA_DMA_MAP,
					.flags = VFA_DMA_DEVICE_READS,
					.align = 21,
					.nr_ranges = (uint8_t)nr_ranges,
					.ranges = ranges};
}

static struct vfa_dma_request unmap_request(uint64_t handle)
{
	return (struct vfa_dma_request){.op = VFA_DMA_UNMAP, .handle = handle};
}

/* Walks a batch as the other side does: operations without gaps, ending exactly at `bytes`. */
static unsigned walk(const struct vfa_batch *b)
{
	struct vfa_dma_batch header;
	size_t at = sizeof(header);
	unsigned n = 0;

	memcpy(&header, b->data, sizeof(header));
	assert_int_equal(header.bytes, b->bytes);
	assert_in_range(header.bytes, sizeof(header), VFA_BATCH_BYTES);
	while (at < header.bytes) {
		struct vfa_dma_op op;

		memcpy(&op, b->data + at, sizeof(op));
		at += sizeof(op) + op.nr_ranges * sizeof(struct vfa_dma_range);
		n++;
	}
	assert_int_equal(at, header.bytes);
	assert_int_equal(header.count, n);
	assert_in_range(n, 0, VFA_MAX_OPS);
	return n;
}

static void writes_the_wire_format(void **state)
{
	struct vfa_dma_request req[] = {map_request(2), unmap_request(0x500000007)};
	struct vfa_dma_range wire[2];
	struct vfa_dma_op op;
	struct vfa_batch b = {.residues = true};

	(void)state;
	assert_int_equal(vfa_batch_fill(&b, req, 0, 2), 2);
	assert_int_equal(walk(&b), 2);
	memcpy(&op, b.data + 8, sizeof(op));
	assert_int_equal(op.op, VFA_DMA_MAP);
	assert_int_equal(op.flags, VFA_DMA_DEVICE_READS);
	assert_int_equal(op.align, 21);
	assert_int_equal(op.nr_ranges, 2);
	memcpy(wire, b.data + 24, sizeof(wire));
	assert_memory_equal(wire, ranges, sizeof(wire));
	memcpy(&op, b.data + 56, sizeof(op));
	assert_int_equal(op.op, VFA_DMA_UNMAP);
	assert_true(op.handle == 0x500000007);
}

/* Version 1.0 aligns to multiples only, so another wish is kept from it, and cannot be required of it. */
static void an_old_dext_is_not_told_residues(void **state)
{
	struct vfa_dma_request req[] = {map_request(1), map_request(1), unmap_request(9)};
	struct vfa_batch old = {.residues = false}, new = {.residues = true};
	struct vfa_dma_op op;

	(void)state;
	req[0].residue = req[1].residue = 3;
	req[1].flags |= VFA_DMA_ALIGN_REQUIRED;
	req[2].residue = 3; /* says nothing in an unmap */
	assert_int_equal(vfa_batch_fill(&new, req, 0, 3), 3);
	assert_int_equal(walk(&new), 3);
	memcpy(&op, new.data + 8, sizeof(op));
	assert_true(op.align == 21 && op.residue == 3);
	memcpy(&op, new.data + new.bytes - sizeof(op), sizeof(op));
	assert_int_equal(op.residue, 0);

	assert_int_equal(vfa_batch_fill(&old, req, 0, 3), 3);
	assert_int_equal(walk(&old), 2);
	memcpy(&op, old.data + 8, sizeof(op));
	assert_true(op.align == 0 && op.residue == 0);
	assert_int_equal(req[1].status, VFA_E_NOT_ALIGNED);
	assert_int_equal(old.request[1], 2);
}

static void splits_by_count(void **state)
{
	enum { COUNT = VFA_MAX_OPS + 1 };
	struct vfa_dma_request req[COUNT];
	struct vfa_batch b = {.residues = true};

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		req[i] = unmap_request(i + 1);
	assert_int_equal(vfa_batch_fill(&b, req, 0, COUNT), VFA_MAX_OPS);
	assert_int_equal(walk(&b), VFA_MAX_OPS);
	assert_int_equal(vfa_batch_fill(&b, req, VFA_MAX_OPS, COUNT), COUNT);
	assert_int_equal(walk(&b), 1);
}

static void splits_by_bytes_keeping_order(void **state)
{
	enum { COUNT = 200 };
	struct vfa_dma_request req[COUNT];
	size_t next = 0, expected = 0;
	struct vfa_batch b = {.residues = true};

	(void)state;
	srand(1);
	for (unsigned i = 0; i < COUNT; i++)
		req[i] = rand() % 4 ? map_request(1 + (unsigned)rand() % VFA_MAX_RANGES) : unmap_request(i);
	while (next < COUNT) {
		size_t first = next, left;

		next = vfa_batch_fill(&b, req, first, COUNT);
		assert_true(next > first);
		assert_int_equal(walk(&b), next - first);
		for (unsigned i = 0; i < b.count; i++)
			assert_int_equal(b.request[i], expected++);
		/* No batch ends early: the next request would not have fitted. */
		left = VFA_BATCH_BYTES - b.bytes;
		if (next < COUNT && b.count < VFA_MAX_OPS)
			assert_true(sizeof(struct vfa_dma_op) + req[next].nr_ranges * sizeof(ranges[0]) > left);
	}
	assert_int_equal(expected, COUNT);
}

static void answers_malformed_requests_without_sending_them(void **state)
{
	struct vfa_dma_request req[] = {map_request(0),  map_request(VFA_MAX_RANGES + 1),
					map_request(1),  unmap_request(1),
					{.op = 77},      map_request(1),
					unmap_request(9)};
	struct vfa_batch b = {.residues = true};

	(void)state;
	req[2].ranges = NULL;
	req[3].nr_ranges = 1;
	assert_int_equal(vfa_batch_fill(&b, req, 0, 7), 7);
	assert_int_equal(walk(&b), 2);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(req[i].status, VFA_E_BAD_REQUEST);
	assert_int_equal(b.request[0], 5);
	assert_int_equal(b.request[1], 6);
}

static void answers_reach_their_requests(void **state)
{
	struct vfa_dma_request req[] = {map_request(1), {.op = 77}, map_request(1), unmap_request(9)};
	struct vfa_dma_results results = {.count = 3};
	struct vfa_batch b = {.residues = true};

	(void)state;
	vfa_batch_fill(&b, req, 0, 4);
	results.result[0] = (struct vfa_dma_result){.status = VFA_OK, .handle = 5, .iova = 0x80000000};
	results.result[1] = (struct vfa_dma_result){.status = VFA_E_NO_SPACE, .handle = 6, .iova = 0x90000000};
	results.result[2] = (struct vfa_dma_result){.status = VFA_STATUS_COUNT + 3, .handle = 7};
	assert_true(vfa_batch_answers(&b, req, &results, 8 + 3 * sizeof(results.result[0])));
	assert_int_equal(req[0].status, VFA_OK);
	assert_true(req[0].handle == 5 && req[0].iova == 0x80000000);
	assert_int_equal(req[1].status, VFA_E_BAD_REQUEST);
	assert_int_equal(req[2].status, VFA_E_NO_SPACE);
	assert_true(req[2].handle == 0 && req[2].iova == 0);
	assert_int_equal(req[3].status, VFA_E_PLATFORM); /* a status we do not know is a failure */
	assert_true(req[3].handle == 9);
}

static void wrong_answers_change_nothing(void **state)
{
	struct vfa_dma_request req[] = {map_request(1), map_request(1)};
	struct vfa_dma_results results = {.count = 2};
	size_t full = 8 + 2 * sizeof(results.result[0]);
	struct vfa_batch b = {.residues = true};

	(void)state;
	vfa_batch_fill(&b, req, 0, 2);
	req[0].status = req[1].status = VFA_E_GONE;
	assert_false(vfa_batch_answers(&b, req, &results, 0));
	assert_false(vfa_batch_answers(&b, req, &results, full - 1));
	results.count = 1;
	assert_false(vfa_batch_answers(&b, req, &results, full));
	results.count = UINT32_MAX;
	assert_false(vfa_batch_answers(&b, req, &results, full));
	assert_int_equal(req[0].status, VFA_E_GONE);
	assert_int_equal(req[1].status, VFA_E_GONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_wire_format),
		cmocka_unit_test(an_old_dext_is_not_told_residues),
		cmocka_unit_test(splits_by_count),
		cmocka_unit_test(splits_by_bytes_keeping_order),
		cmocka_unit_test(answers_malformed_requests_without_sending_them),
		cmocka_unit_test(answers_reach_their_requests),
		cmocka_unit_test(wrong_answers_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
