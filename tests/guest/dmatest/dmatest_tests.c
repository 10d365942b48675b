// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmatest_tests.c - what a driver may do with the DMA API, and whether it works.
 *
 * Every test moves data with the device and compares it with what the CPU
 * knows.  A test answers 0, DT_SKIP (this system cannot do that, and may say
 * so), or a negative errno after it has said on the log what went wrong.
 */
#include <linux/anon_inodes.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/dmapool.h>
#include <linux/file.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "dmatest.h"

#define DT_SKIP		1
#define DT_GUARD	64
#define DT_MAX_THREADS	16

static unsigned int threads = 4;
module_param(threads, uint, 0644);
MODULE_PARM_DESC(threads, "threads of the parallel tests (default 4)");

static unsigned int iterations = 50;
module_param(iterations, uint, 0644);
MODULE_PARM_DESC(iterations, "repetitions of each test, per thread (default 50)");

static unsigned int max_kb = 256;
module_param(max_kb, uint, 0644);
MODULE_PARM_DESC(max_kb, "largest single buffer in KiB (default 256)");

static unsigned int sg_entries = 48;
module_param(sg_entries, uint, 0644);
MODULE_PARM_DESC(sg_entries, "entries of scatter lists (default 48)");

static char only[32];
module_param_string(only, only, sizeof(only), 0644);
MODULE_PARM_DESC(only, "name of the one test to run");

static unsigned long seed = 1;
module_param(seed, ulong, 0644);
MODULE_PARM_DESC(seed, "start of the pseudo-random sequence (default 1)");

static unsigned int exhaust_mb;
module_param(exhaust_mb, uint, 0644);
MODULE_PARM_DESC(exhaust_mb, "map up to this many MiB at once, or until mapping fails (default 0: do not)");

static unsigned int hold_mb;
module_param(hold_mb, uint, 0644);
MODULE_PARM_DESC(hold_mb,
		 "map this many MiB in both directions and keep them mapped until the next such run (default 0: none)");

static unsigned int touch_pages;
module_param(touch_pages, uint, 0444);
MODULE_PARM_DESC(touch_pages,
		 "map, use and unmap each of this many pages, the same in every run (default 0: none)");

static unsigned int align_kb = 1024;
module_param(align_kb, uint, 0644);
MODULE_PARM_DESC(align_kb, "coherent memory is aligned to its size up to this many KiB (default 1024)");

static bool resource_must_fail = true;
module_param(resource_must_fail, bool, 0644);
MODULE_PARM_DESC(resource_must_fail, "another device's BAR cannot be mapped for DMA here (default 1)");

static unsigned long long stray_address;
module_param(stray_address, ullong, 0644);
MODULE_PARM_DESC(stray_address,
		 "make the device write to this bus address, which nobody mapped (default 0: do not)");

/* One thread of a test. */
struct dt_ctx {
	struct dt *dt;
	struct device *dev;
	struct dt_queue *q;
	u64 seed;
	unsigned int thread;
	void *shared;
};

#define dt_fail(ctx, fmt, ...) ({						\
	dev_err((ctx)->dev, "%s: " fmt "\n", __func__, ##__VA_ARGS__);		\
	-EIO;									\
})

static u64 dt_random(struct dt_ctx *ctx)
{
	ctx->seed ^= ctx->seed << 13;
	ctx->seed ^= ctx->seed >> 7;
	ctx->seed ^= ctx->seed << 17;
	return ctx->seed;
}

static u32 dt_below(struct dt_ctx *ctx, u32 limit)
{
	return limit ? (u32)(dt_random(ctx) >> 16) % limit : 0;
}

static u32 dt_size(struct dt_ctx *ctx)
{
	u32 max = max(max_kb, 4u) * 1024;

	/* Small sizes as often as large ones. */
	return 1 + dt_below(ctx, max >> dt_below(ctx, 10));
}

static void dt_noise(struct dt_ctx *ctx, void *to, size_t bytes)
{
	u8 *p = to;

	while (bytes) {
		u64 word = dt_random(ctx);
		size_t n = min(bytes, sizeof(word));

		memcpy(p, &word, n);
		p += n;
		bytes -= n;
	}
}

static u64 dt_fnv(const void *data, size_t bytes)
{
	const u8 *p = data;
	u64 sum = DMATEST_FNV_OFFSET;

	while (bytes--)
		sum = (sum ^ *p++) * DMATEST_FNV_PRIME;
	return sum;
}

static bool dt_is_pattern(const void *data, u64 pattern, size_t bytes)
{
	const u8 *p = data;
	size_t i;

	for (i = 0; i < bytes; i++)
		if (p[i] != (u8)(pattern >> (i % 8 * 8)))
			return false;
	return true;
}

/* Transfers */

static int dt_do(struct dt_ctx *ctx, struct dt_request *req)
{
	int rc = dt_run(ctx->q, req);

	if (rc == -EREMOTEIO)
		dev_err(ctx->dev, "device reports status %u at bus address 0x%llx, op %u, %u bytes\n",
			le32_to_cpu(req->record.status), le64_to_cpu(req->record.error_address),
			req->desc.op, le32_to_cpu(req->desc.length));
	return rc;
}

static struct dmatest_segment dt_segment(dma_addr_t address, u32 bytes)
{
	return (struct dmatest_segment){
		.address = cpu_to_le64(address),
		.length = cpu_to_le32(bytes),
	};
}

static int dt_copy(struct dt_ctx *ctx, dma_addr_t dst, dma_addr_t src, u32 bytes)
{
	struct dt_request req = {
		.desc = {
			.op = DMATEST_OP_COPY,
			.nr_src = cpu_to_le16(1),
			.nr_dst = cpu_to_le16(1),
			.length = cpu_to_le32(bytes),
			.src = dt_segment(src, bytes),
			.dst = dt_segment(dst, bytes),
		},
	};

	return dt_do(ctx, &req);
}

static void dt_prepare_fill(struct dt_request *req, dma_addr_t dst, u64 pattern, u32 bytes)
{
	memset(req, 0, sizeof(*req));
	req->desc.op = DMATEST_OP_FILL;
	req->desc.nr_dst = cpu_to_le16(1);
	req->desc.pattern = cpu_to_le64(pattern);
	req->desc.length = cpu_to_le32(bytes);
	req->desc.dst = dt_segment(dst, bytes);
}

static int dt_fill(struct dt_ctx *ctx, dma_addr_t dst, u64 pattern, u32 bytes)
{
	struct dt_request req;

	dt_prepare_fill(&req, dst, pattern, bytes);
	return dt_do(ctx, &req);
}

static int dt_checksum(struct dt_ctx *ctx, dma_addr_t src, u32 bytes, u64 *sum)
{
	struct dt_request req = {
		.desc = {
			.op = DMATEST_OP_CHECKSUM,
			.nr_src = cpu_to_le16(1),
			.length = cpu_to_le32(bytes),
			.src = dt_segment(src, bytes),
		},
	};
	int rc = dt_do(ctx, &req);

	*sum = le64_to_cpu(req.record.result);
	return rc;
}

/* The device writes a pattern, then reads what the CPU put there: memory that both may touch at any time. */
static int dt_check_coherent(struct dt_ctx *ctx, void *cpu, dma_addr_t dma, u32 bytes)
{
	u64 pattern = dt_random(ctx), sum;
	int rc;

	rc = dt_fill(ctx, dma, pattern, bytes);
	if (rc)
		return rc;
	if (!dt_is_pattern(cpu, pattern, bytes))
		return dt_fail(ctx, "the CPU does not see what the device wrote, %u bytes at %pad",
			       bytes, &dma);
	dt_noise(ctx, cpu, bytes);
	rc = dt_checksum(ctx, dma, bytes, &sum);
	if (rc)
		return rc;
	if (sum != dt_fnv(cpu, bytes))
		return dt_fail(ctx, "the device does not see what the CPU wrote, %u bytes at %pad",
			       bytes, &dma);
	return 0;
}

/* The device and its BARs */

static int test_bars(struct dt_ctx *ctx)
{
	void __iomem *const bar[] = { ctx->dt->small, ctx->dt->mem };
	static const unsigned int index[] = { DMATEST_BAR_SMALL, DMATEST_BAR_MEM };
	static const unsigned int bytes[] = { DMATEST_SMALL_BYTES, DMATEST_MEM_BYTES };
	unsigned int b, at;

	for (b = 0; b < ARRAY_SIZE(bar); b++) {
		if (pci_resource_len(ctx->dt->pdev, index[b]) != bytes[b])
			return dt_fail(ctx, "BAR %u has 0x%llx bytes", index[b],
				       (u64)pci_resource_len(ctx->dt->pdev, index[b]));
		for (at = 0; at < bytes[b]; at += 0x1fc)
			writel(at * 0x9e3779b1u + b, bar[b] + at);
		writew(0xbeef, bar[b] + 2);
		writeb(0x5a, bar[b] + 1);
	}
	for (b = 0; b < ARRAY_SIZE(bar); b++) {
		for (at = 0x1fc; at < bytes[b]; at += 0x1fc)
			if (readl(bar[b] + at) != at * 0x9e3779b1u + b)
				return dt_fail(ctx, "BAR %u reads 0x%x at 0x%x", index[b],
					       readl(bar[b] + at), at);
		if (readl(bar[b]) != (0xbeef0000 | 0x5a00 | b))
			return dt_fail(ctx, "BAR %u: narrow stores gave 0x%x", index[b],
				       readl(bar[b]));
	}
	return 0;
}

static int dt_raise(struct dt_ctx *ctx, unsigned int v, u32 n, int wanted)
{
	int before = atomic_read(&ctx->dt->vector[v].interrupts);
	u32 target = dt_read(ctx->dt, DMATEST_IRQ_TEST(v)) + n;
	unsigned long end = jiffies + DT_TIMEOUT;

	dt_write(ctx->dt, DMATEST_IRQ_TEST(v), target);
	while (dt_read(ctx->dt, DMATEST_IRQ_DONE(v)) != target ||
	       atomic_read(&ctx->dt->vector[v].interrupts) - before < wanted) {
		if (time_after(jiffies, end))
			return dt_fail(ctx, "vector %u: raised %u times, %d interrupts arrived", v,
				       n - (target - dt_read(ctx->dt, DMATEST_IRQ_DONE(v))),
				       atomic_read(&ctx->dt->vector[v].interrupts) - before);
		usleep_range(50, 500);
	}
	return 0;
}

static int test_interrupts(struct dt_ctx *ctx)
{
	unsigned int i, v;
	int rc = 0;

	for (i = 0; i < iterations && !rc; i++)
		for (v = 0; v < ctx->dt->vectors && !rc; v++)
			rc = dt_raise(ctx, v, 1, 1);
	/* A storm may be coalesced, but what comes after it must not be lost in it. */
	for (v = 0; v < ctx->dt->vectors && !rc; v++) {
		rc = dt_raise(ctx, v, 1000, 1);
		if (!rc)
			rc = dt_raise(ctx, v, 1, 1);
	}
	return rc;
}

/* Streaming mappings */

static int test_single(struct dt_ctx *ctx)
{
	u32 bytes = dt_size(ctx), in = dt_below(ctx, 64), out = DT_GUARD + dt_below(ctx, 64);
	u8 *src = kmalloc(in + bytes, GFP_KERNEL), *dst = kmalloc(out + bytes + DT_GUARD, GFP_KERNEL);
	dma_addr_t s, d;
	int rc = -ENOMEM;

	if (!src || !dst)
		goto free;
	dt_noise(ctx, src, in + bytes);
	memset(dst, 0xa5, out + bytes + DT_GUARD);
	s = dma_map_single(ctx->dev, src + in, bytes, DMA_TO_DEVICE);
	if (dma_mapping_error(ctx->dev, s)) {
		rc = dt_fail(ctx, "dma_map_single of %u bytes failed", bytes);
		goto free;
	}
	d = dma_map_single(ctx->dev, dst + out, bytes, DMA_FROM_DEVICE);
	if (dma_mapping_error(ctx->dev, d)) {
		rc = dt_fail(ctx, "dma_map_single of %u bytes failed", bytes);
		goto unmap;
	}
	rc = dt_copy(ctx, d, s, bytes);
	dma_unmap_single(ctx->dev, d, bytes, DMA_FROM_DEVICE);
	if (!rc && memcmp(src + in, dst + out, bytes))
		rc = dt_fail(ctx, "%u bytes differ", bytes);
	if (!rc && (!dt_is_pattern(dst, 0xa5a5a5a5a5a5a5a5, out) ||
		    !dt_is_pattern(dst + out + bytes, 0xa5a5a5a5a5a5a5a5, DT_GUARD)))
		rc = dt_fail(ctx, "bytes beside the buffer of %u changed", bytes);
unmap:
	dma_unmap_single(ctx->dev, s, bytes, DMA_TO_DEVICE);
free:
	kfree(dst);
	kfree(src);
	return rc;
}

static int dt_page_part(struct dt_ctx *ctx, struct page *page, u32 offset, u32 bytes)
{
	u8 *cpu = page_address(page);
	u64 pattern = dt_random(ctx), sum, expected;
	dma_addr_t dma;
	int rc;

	/* Both directions in one mapping: read it, then overwrite it. */
	dt_noise(ctx, cpu + offset, bytes);
	expected = dt_fnv(cpu + offset, bytes);
	dma = dma_map_page(ctx->dev, page, offset, bytes, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(ctx->dev, dma))
		return dt_fail(ctx, "dma_map_page of %u bytes at 0x%x failed", bytes, offset);
	if ((dma ^ offset) & (SZ_4K - 1))
		rc = dt_fail(ctx, "bus address %pad loses the offset 0x%x in its page", &dma, offset);
	else
		rc = dt_checksum(ctx, dma, bytes, &sum);
	if (!rc && sum != expected)
		rc = dt_fail(ctx, "the device reads other data, %u bytes at 0x%x", bytes, offset);
	if (!rc)
		rc = dt_fill(ctx, dma, pattern, bytes);
	dma_unmap_page(ctx->dev, dma, bytes, DMA_BIDIRECTIONAL);
	if (!rc && !dt_is_pattern(cpu + offset, pattern, bytes))
		rc = dt_fail(ctx, "the CPU reads other data, %u bytes at 0x%x", bytes, offset);
	return rc;
}

static int dt_pages(struct dt_ctx *ctx, unsigned int order, const u32 (*parts)[2], unsigned int nr)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_COMP, order);
	unsigned int i;
	int rc = 0;

	if (!page)
		return DT_SKIP;
	for (i = 0; i < nr && !rc; i++)
		rc = dt_page_part(ctx, page, parts[i][0], parts[i][1]);
	__free_pages(page, order);
	return rc;
}

static int test_page(struct dt_ctx *ctx)
{
	u32 offset = dt_below(ctx, PAGE_SIZE);
	const u32 part[][2] = { { offset, 1 + dt_below(ctx, PAGE_SIZE - offset) } };

	return dt_pages(ctx, 0, part, ARRAY_SIZE(part));
}

static int test_huge(struct dt_ctx *ctx)
{
	static const u32 parts[][2] = { { 0, SZ_2M }, { 0x3000, SZ_1M }, { SZ_1M - 8, 16 } };

	return dt_pages(ctx, get_order(SZ_2M), parts, ARRAY_SIZE(parts));
}

/* Over every border that a translation of 4 KiB, 16 KiB, 64 KiB or 2 MiB pieces may have. */
static int test_spanning(struct dt_ctx *ctx)
{
	static const u32 parts[][2] = {
		{ 0x0ff0, 0x20 }, { 0x3ff0, 0x20 }, { 0xfff0, 0x20 }, { 0x3000, 0x2000 },
		{ 0x7ffc, 0x8008 }, { SZ_2M - 16, 32 }, { SZ_2M - SZ_64K, SZ_128K + 4 },
		{ 0x5004, SZ_4M - 0x5004 },
	};

	return dt_pages(ctx, get_order(SZ_4M), parts, ARRAY_SIZE(parts));
}

/* A mapping that lives on, with ownership going back and forth. */
static int test_sync(struct dt_ctx *ctx)
{
	u32 bytes = ALIGN(dt_size(ctx), 256), half = ALIGN(bytes / 2, 128);
	u8 *cpu = kzalloc(bytes, GFP_KERNEL);
	dma_addr_t dma;
	unsigned int i;
	u64 pattern, sum;
	int rc = 0;

	if (!cpu)
		return -ENOMEM;
	dma = dma_map_single(ctx->dev, cpu, bytes, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(ctx->dev, dma)) {
		kfree(cpu);
		return dt_fail(ctx, "dma_map_single of %u bytes failed", bytes);
	}
	for (i = 0; i < 4 && !rc; i++) {
		pattern = dt_random(ctx);
		rc = dt_fill(ctx, dma, pattern, bytes);
		if (rc)
			break;
		dma_sync_single_for_cpu(ctx->dev, dma, bytes, DMA_BIDIRECTIONAL);
		if (!dt_is_pattern(cpu, pattern, bytes)) {
			rc = dt_fail(ctx, "the CPU reads stale data, %u bytes", bytes);
			break;
		}
		dt_noise(ctx, cpu, bytes);
		dma_sync_single_range_for_device(ctx->dev, dma, 0, half, DMA_BIDIRECTIONAL);
		dma_sync_single_range_for_device(ctx->dev, dma, half, bytes - half,
						 DMA_BIDIRECTIONAL);
		rc = dt_checksum(ctx, dma, bytes, &sum);
		if (!rc && sum != dt_fnv(cpu, bytes))
			rc = dt_fail(ctx, "the device reads stale data, %u bytes", bytes);
	}
	dma_unmap_single(ctx->dev, dma, bytes, DMA_BIDIRECTIONAL);
	kfree(cpu);
	return rc;
}

/* The device writes less than it could: the rest of the buffer is what it was. */
static int test_short(struct dt_ctx *ctx)
{
	u32 bytes = dt_size(ctx) + 1, part = 1 + dt_below(ctx, bytes - 1);
	u8 *cpu = kmalloc(bytes, GFP_KERNEL), *before = kmalloc(bytes, GFP_KERNEL);
	u64 pattern = dt_random(ctx);
	dma_addr_t dma;
	int rc = -ENOMEM;

	if (!cpu || !before)
		goto free;
	dt_noise(ctx, before, bytes);
	memcpy(cpu, before, bytes);
	dma = dma_map_single(ctx->dev, cpu, bytes, DMA_FROM_DEVICE);
	if (dma_mapping_error(ctx->dev, dma)) {
		rc = dt_fail(ctx, "dma_map_single of %u bytes failed", bytes);
		goto free;
	}
	rc = dt_fill(ctx, dma, pattern, part);
	dma_unmap_single(ctx->dev, dma, bytes, DMA_FROM_DEVICE);
	if (!rc && (!dt_is_pattern(cpu, pattern, part) || memcmp(cpu + part, before + part, bytes - part)))
		rc = dt_fail(ctx, "%u bytes of which the device wrote %u differ", bytes, part);
free:
	kfree(before);
	kfree(cpu);
	return rc;
}

/* Parts of a mapping change hands, in one direction each. */
static int test_partial_sync(struct dt_ctx *ctx)
{
	u32 bytes = ALIGN(dt_size(ctx), 256), at = dt_below(ctx, bytes), n = 1 + dt_below(ctx, bytes - at);
	u8 *cpu = kmalloc(bytes, GFP_KERNEL);
	u64 pattern = dt_random(ctx), sum;
	dma_addr_t dma;
	int rc;

	if (!cpu)
		return -ENOMEM;
	dt_noise(ctx, cpu, bytes);
	dma = dma_map_single(ctx->dev, cpu, bytes, DMA_FROM_DEVICE);
	if (dma_mapping_error(ctx->dev, dma)) {
		kfree(cpu);
		return dt_fail(ctx, "dma_map_single of %u bytes failed", bytes);
	}
	rc = dt_fill(ctx, dma + at, pattern, n);
	dma_sync_single_range_for_cpu(ctx->dev, dma, at, n, DMA_FROM_DEVICE);
	if (!rc && !dt_is_pattern(cpu + at, pattern, n))
		rc = dt_fail(ctx, "the CPU reads stale data, %u bytes at %u of %u", n, at, bytes);
	dma_sync_single_range_for_device(ctx->dev, dma, at, n, DMA_FROM_DEVICE);
	if (!rc)
		rc = dt_fill(ctx, dma + at, ~pattern, n);
	/* The driver has what it wants. */
	dma_unmap_single_attrs(ctx->dev, dma, bytes, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	if (rc)
		goto free;

	dma = dma_map_single(ctx->dev, cpu, bytes, DMA_TO_DEVICE);
	if (dma_mapping_error(ctx->dev, dma)) {
		rc = dt_fail(ctx, "dma_map_single of %u bytes failed", bytes);
		goto free;
	}
	dma_sync_single_range_for_cpu(ctx->dev, dma, at, n, DMA_TO_DEVICE);
	dt_noise(ctx, cpu + at, n);
	dma_sync_single_range_for_device(ctx->dev, dma, at, n, DMA_TO_DEVICE);
	rc = dt_checksum(ctx, dma, bytes, &sum);
	if (!rc && sum != dt_fnv(cpu, bytes))
		rc = dt_fail(ctx, "the device reads stale data, %u bytes at %u of %u", n, at, bytes);
	dma_unmap_single(ctx->dev, dma, bytes, DMA_TO_DEVICE);
free:
	kfree(cpu);
	return rc;
}

/* Scatter lists */

struct dt_list {
	struct sg_table sgt;
	struct dmatest_segment *segments;
	dma_addr_t segments_dma;
	size_t segments_bytes;
	unsigned int nr;
	enum dma_data_direction dir;
	bool by_nents;		/* mapped with dma_map_sg(), not dma_map_sgtable() */
};

static void dt_list_free(struct dt_list *l)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&l->sgt, sg, i)
		if (sg_page(sg))
			__free_page(sg_page(sg));
	sg_free_table(&l->sgt);
}

/* Fragments of separate pages that hold `total` bytes together, at most `entries`. */
static int dt_list_alloc(struct dt_ctx *ctx, struct dt_list *l, unsigned int entries, u32 total)
{
	struct scatterlist *sg;
	unsigned int i;

	if (sg_alloc_table(&l->sgt, entries, GFP_KERNEL))
		return -ENOMEM;
	for_each_sgtable_sg(&l->sgt, sg, i) {
		struct page *page = alloc_page(GFP_KERNEL);
		unsigned int left = entries - 1 - i;
		u32 least = total > left * (u32)PAGE_SIZE ? total - left * (u32)PAGE_SIZE : 1;
		u32 most = min_t(u32, total - left, PAGE_SIZE);
		u32 bytes = i == entries - 1 ? total : least + dt_below(ctx, most - least + 1);

		if (!page) {
			dt_list_free(l);
			return -ENOMEM;
		}
		sg_set_page(sg, page, bytes, dt_below(ctx, PAGE_SIZE - bytes + 1));
		total -= bytes;
	}
	return 0;
}

static void dt_list_unmap(struct dt_ctx *ctx, struct dt_list *l)
{
	dma_unmap_single(ctx->dev, l->segments_dma, l->segments_bytes, DMA_TO_DEVICE);
	kfree(l->segments);
	if (l->by_nents)
		dma_unmap_sg(ctx->dev, l->sgt.sgl, l->sgt.orig_nents, l->dir);
	else
		dma_unmap_sgtable(ctx->dev, &l->sgt, l->dir, 0);
}

/* Write the mapped list down for the device. */
static int dt_list_describe(struct dt_ctx *ctx, struct dt_list *l, u32 total)
{
	struct scatterlist *sg;
	unsigned int i;
	u64 held = 0;

	l->segments_bytes = l->nr * sizeof(*l->segments);
	l->segments = kmalloc(l->segments_bytes, GFP_KERNEL);
	if (!l->segments)
		return -ENOMEM;
	for_each_sg(l->sgt.sgl, sg, l->nr, i) {
		l->segments[i] = dt_segment(sg_dma_address(sg), sg_dma_len(sg));
		held += sg_dma_len(sg);
	}
	l->segments_dma = dma_map_single(ctx->dev, l->segments, l->segments_bytes, DMA_TO_DEVICE);
	if (dma_mapping_error(ctx->dev, l->segments_dma) || held != total) {
		if (!dma_mapping_error(ctx->dev, l->segments_dma))
			dma_unmap_single(ctx->dev, l->segments_dma, l->segments_bytes,
					 DMA_TO_DEVICE);
		kfree(l->segments);
		return dt_fail(ctx, "%u DMA segments hold %llu bytes of %u", l->nr, held, total);
	}
	return 0;
}

static int dt_list_map(struct dt_ctx *ctx, struct dt_list *l, enum dma_data_direction dir, u32 total)
{
	int rc;

	l->dir = dir;
	l->by_nents = dt_below(ctx, 2);
	if (l->by_nents) {
		rc = dma_map_sg(ctx->dev, l->sgt.sgl, l->sgt.orig_nents, dir);
		l->nr = rc;
		rc = rc ? 0 : -ENOMEM;
	} else {
		rc = dma_map_sgtable(ctx->dev, &l->sgt, dir, 0);
		l->nr = l->sgt.nents;
	}
	if (rc || !l->nr || l->nr > l->sgt.orig_nents)
		return dt_fail(ctx, "mapping %u entries gave %d, %u segments", l->sgt.orig_nents, rc,
			       l->nr);
	rc = dt_list_describe(ctx, l, total);
	if (rc) {
		if (l->by_nents)
			dma_unmap_sg(ctx->dev, l->sgt.sgl, l->sgt.orig_nents, dir);
		else
			dma_unmap_sgtable(ctx->dev, &l->sgt, dir, 0);
	}
	return rc;
}

static int dt_list_copy(struct dt_ctx *ctx, struct dt_list *dst, struct dt_list *src, u32 total)
{
	struct dt_request req = {
		.desc = {
			.op = DMATEST_OP_COPY,
			.flags = DMATEST_F_SRC_LIST | DMATEST_F_DST_LIST,
			.nr_src = cpu_to_le16(src->nr),
			.nr_dst = cpu_to_le16(dst->nr),
			.length = cpu_to_le32(total),
			.src = dt_segment(src->segments_dma, 0),
			.dst = dt_segment(dst->segments_dma, 0),
		},
	};

	return dt_do(ctx, &req);
}

static int test_sg(struct dt_ctx *ctx)
{
	unsigned int most = clamp(sg_entries, 1u, (unsigned int)DMATEST_MAX_SEGMENTS);
	unsigned int nr_src = 1 + dt_below(ctx, most), nr_dst = 1 + dt_below(ctx, most);
	u32 least = max(nr_src, nr_dst), room = min(nr_src, nr_dst) * (u32)PAGE_SIZE;
	u32 total = least + dt_below(ctx, room - least + 1);
	struct dt_list src = { }, dst = { };
	u8 *in, *out;
	int rc = -ENOMEM;

	in = vmalloc(total);
	out = vmalloc(total);
	if (!in || !out || dt_list_alloc(ctx, &src, nr_src, total))
		goto free;
	if (dt_list_alloc(ctx, &dst, nr_dst, total))
		goto free_src;
	dt_noise(ctx, in, total);
	sg_copy_from_buffer(src.sgt.sgl, nr_src, in, total);
	rc = dt_list_map(ctx, &src, DMA_TO_DEVICE, total);
	if (rc)
		goto free_dst;
	rc = dt_list_map(ctx, &dst, DMA_FROM_DEVICE, total);
	if (!rc) {
		rc = dt_list_copy(ctx, &dst, &src, total);
		dt_list_unmap(ctx, &dst);
	}
	dt_list_unmap(ctx, &src);
	if (!rc) {
		sg_copy_to_buffer(dst.sgt.sgl, nr_dst, out, total);
		if (memcmp(in, out, total))
			rc = dt_fail(ctx, "%u bytes over %u and %u entries differ", total, nr_src,
				     nr_dst);
	}
free_dst:
	dt_list_free(&dst);
free_src:
	dt_list_free(&src);
free:
	vfree(out);
	vfree(in);
	return rc;
}

/* Lists that live on: what is read anew, or was written since, arrives. */
static int test_sg_sync(struct dt_ctx *ctx)
{
	unsigned int nr = 1 + dt_below(ctx, clamp(sg_entries, 1u, (unsigned int)DMATEST_MAX_SEGMENTS));
	u32 total = nr + dt_below(ctx, nr * (u32)(PAGE_SIZE - 1) + 1);
	struct dt_list src = { }, dst = { };
	u8 *in = vmalloc(total), *out = vmalloc(total);
	unsigned int i;
	int rc = -ENOMEM;

	if (!in || !out || dt_list_alloc(ctx, &src, nr, total))
		goto free;
	if (dt_list_alloc(ctx, &dst, nr, total))
		goto free_src;
	rc = dt_list_map(ctx, &src, DMA_TO_DEVICE, total);
	if (rc)
		goto free_dst;
	rc = dt_list_map(ctx, &dst, DMA_FROM_DEVICE, total);
	if (rc)
		goto unmap_src;
	for (i = 0; i < 3 && !rc; i++) {
		dma_sync_sg_for_cpu(ctx->dev, src.sgt.sgl, src.sgt.orig_nents, DMA_TO_DEVICE);
		dt_noise(ctx, in, total);
		sg_copy_from_buffer(src.sgt.sgl, nr, in, total);
		dma_sync_sg_for_device(ctx->dev, src.sgt.sgl, src.sgt.orig_nents, DMA_TO_DEVICE);
		rc = dt_list_copy(ctx, &dst, &src, total);
		dma_sync_sg_for_cpu(ctx->dev, dst.sgt.sgl, dst.sgt.orig_nents, DMA_FROM_DEVICE);
		sg_copy_to_buffer(dst.sgt.sgl, nr, out, total);
		if (!rc && memcmp(in, out, total))
			rc = dt_fail(ctx, "%u bytes in %u entries differ in round %u", total, nr, i);
		dma_sync_sg_for_device(ctx->dev, dst.sgt.sgl, dst.sgt.orig_nents, DMA_FROM_DEVICE);
	}
	dt_list_unmap(ctx, &dst);
unmap_src:
	dt_list_unmap(ctx, &src);
free_dst:
	dt_list_free(&dst);
free_src:
	dt_list_free(&src);
free:
	vfree(out);
	vfree(in);
	return rc;
}

/* Memory from the DMA API */

/*
 * Documentation/core-api/dma-api-howto.rst: both addresses are aligned to the
 * order of the size.  For larger sizes not everybody keeps that promise:
 * dma-direct takes them from CMA, whose alignment ends at 1 MiB
 * (CONFIG_CMA_ALIGNMENT).
 */
static size_t dt_alignment(size_t bytes)
{
	return min_t(size_t, PAGE_SIZE << get_order(bytes), align_kb * SZ_1K);
}

static int dt_coherent(struct dt_ctx *ctx, size_t bytes)
{
	size_t align = dt_alignment(bytes);
	dma_addr_t dma;
	void *cpu = dma_alloc_coherent(ctx->dev, bytes, &dma, GFP_KERNEL | __GFP_NOWARN);
	int rc;

	if (!cpu)
		return bytes > SZ_1M ? DT_SKIP :
				       dt_fail(ctx, "dma_alloc_coherent of %zu bytes failed", bytes);
	if (!dt_is_pattern(cpu, 0, bytes))
		rc = dt_fail(ctx, "%zu coherent bytes are not zeroed", bytes);
	else if (dma & (align - 1) || (!is_vmalloc_addr(cpu) && (unsigned long)cpu & (align - 1)))
		rc = dt_fail(ctx, "%zu coherent bytes at %p, %pad are not aligned", bytes, cpu, &dma);
	else
		rc = dt_check_coherent(ctx, cpu, dma, bytes);
	dma_free_coherent(ctx->dev, bytes, cpu, dma);
	return rc;
}

static int test_coherent(struct dt_ctx *ctx)
{
	static const size_t sizes[] = { 64, SZ_4K, SZ_8K, SZ_16K + 8, SZ_64K, 100000, SZ_256K,
					SZ_1M, SZ_2M, SZ_4M };
	unsigned int i;
	int rc = 0;

	for (i = 0; i < ARRAY_SIZE(sizes) && rc >= 0; i++)
		rc = dt_coherent(ctx, sizes[i]);
	return min(rc, 0);
}

/* As many as a driver with many queues has, some of them allocated where nobody may sleep. */
static int test_coherent_many(struct dt_ctx *ctx)
{
	enum { NR = 160 };
	struct dt_block {
		void *cpu;
		dma_addr_t dma;
		u32 bytes;
	} *block = kcalloc(NR, sizeof(*block), GFP_KERNEL);
	u64 salt = dt_random(ctx);
	unsigned int i, k;
	int rc = block ? 0 : -ENOMEM;

	for (i = 0; i < NR && !rc; i++) {
		struct dt_block *b = &block[i];

		b->bytes = 1 + dt_below(ctx, SZ_64K >> dt_below(ctx, 6));
		if (i % 4) {
			b->cpu = dma_alloc_coherent(ctx->dev, b->bytes, &b->dma, GFP_KERNEL);
		} else {
			unsigned long flags;

			local_irq_save(flags);
			b->cpu = dma_alloc_coherent(ctx->dev, b->bytes, &b->dma, GFP_ATOMIC);
			local_irq_restore(flags);
		}
		if (!b->cpu)
			rc = dt_fail(ctx, "dma_alloc_coherent of %u bytes failed after %u", b->bytes, i);
		else if (!dt_is_pattern(b->cpu, 0, b->bytes))
			rc = dt_fail(ctx, "%u coherent bytes are not zeroed", b->bytes);
		else if ((b->dma | (unsigned long)b->cpu) & (dt_alignment(b->bytes) - 1))
			rc = dt_fail(ctx, "%u coherent bytes at %p, %pad are not aligned", b->bytes,
				     b->cpu, &b->dma);
		else
			rc = dt_fill(ctx, b->dma, salt + i, b->bytes);
		/* Some go while others come. */
		k = dt_below(ctx, i + 1);
		if (!rc && i % 3 == 0 && k != i && block[k].cpu) {
			dma_free_coherent(ctx->dev, block[k].bytes, block[k].cpu, block[k].dma);
			block[k].cpu = NULL;
		}
	}
	for (i = 0; block && i < NR; i++) {
		struct dt_block *b = &block[i];

		if (!b->cpu)
			continue;
		if (!rc && !dt_is_pattern(b->cpu, salt + i, b->bytes))
			rc = dt_fail(ctx, "block %u holds another one's data", i);
		dma_free_coherent(ctx->dev, b->bytes, b->cpu, b->dma);
	}
	kfree(block);
	return rc;
}

static int test_noncoherent(struct dt_ctx *ctx)
{
	size_t bytes = PAGE_SIZE * (1 + dt_below(ctx, 16));
	u64 pattern = dt_random(ctx), sum;
	dma_addr_t dma;
	void *cpu = dma_alloc_noncoherent(ctx->dev, bytes, &dma, DMA_BIDIRECTIONAL, GFP_KERNEL);
	int rc;

	if (!cpu)
		return dt_fail(ctx, "dma_alloc_noncoherent of %zu bytes failed", bytes);
	rc = dt_fill(ctx, dma, pattern, bytes);
	dma_sync_single_for_cpu(ctx->dev, dma, bytes, DMA_BIDIRECTIONAL);
	if (!rc && !dt_is_pattern(cpu, pattern, bytes))
		rc = dt_fail(ctx, "the CPU reads stale data, %zu bytes", bytes);
	dt_noise(ctx, cpu, bytes);
	dma_sync_single_for_device(ctx->dev, dma, bytes, DMA_BIDIRECTIONAL);
	if (!rc)
		rc = dt_checksum(ctx, dma, bytes, &sum);
	if (!rc && sum != dt_fnv(cpu, bytes))
		rc = dt_fail(ctx, "the device reads stale data, %zu bytes", bytes);
	dma_free_noncoherent(ctx->dev, bytes, cpu, dma, DMA_BIDIRECTIONAL);
	return rc;
}

static int test_noncontiguous(struct dt_ctx *ctx)
{
	size_t bytes = PAGE_SIZE * (1 + dt_below(ctx, 64)), done = 0;
	struct sg_table *sgt = dma_alloc_noncontiguous(ctx->dev, bytes, DMA_FROM_DEVICE,
						       GFP_KERNEL, 0);
	u64 pattern = dt_random(ctx);
	struct scatterlist *sg;
	unsigned int i;
	void *cpu;
	int rc = 0;

	if (!sgt)
		return dt_fail(ctx, "dma_alloc_noncontiguous of %zu bytes failed", bytes);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		size_t n = min_t(size_t, sg_dma_len(sg), bytes - done);

		if (!rc)
			rc = dt_fill(ctx, sg_dma_address(sg), pattern, n);
		done += n;
	}
	cpu = dma_vmap_noncontiguous(ctx->dev, bytes, sgt);
	if (!rc && (!cpu || done != bytes))
		rc = dt_fail(ctx, "%zu bytes of %zu, mapped at %p", done, bytes, cpu);
	dma_sync_sgtable_for_cpu(ctx->dev, sgt, DMA_FROM_DEVICE);
	if (!rc && !dt_is_pattern(cpu, pattern, bytes))
		rc = dt_fail(ctx, "the CPU reads other data, %zu bytes", bytes);
	if (cpu)
		dma_vunmap_noncontiguous(ctx->dev, cpu);
	dma_free_noncontiguous(ctx->dev, bytes, sgt, DMA_FROM_DEVICE);
	return rc;
}

static int test_pool(struct dt_ctx *ctx)
{
	enum { NR = 200, BYTES = 96, ALIGNMENT = 32 };
	struct dma_pool *pool = dma_pool_create("dmatest", ctx->dev, BYTES, ALIGNMENT, SZ_4K);
	u64 salt = dt_random(ctx);
	struct {
		void *cpu;
		dma_addr_t dma;
	} *block = kcalloc(NR, sizeof(*block), GFP_KERNEL);
	unsigned int i;
	int rc = pool && block ? 0 : -ENOMEM;

	for (i = 0; i < NR && !rc; i++) {
		block[i].cpu = dma_pool_alloc(pool, GFP_KERNEL, &block[i].dma);
		if (!block[i].cpu)
			rc = dt_fail(ctx, "dma_pool_alloc failed after %u", i);
		else if (block[i].dma % ALIGNMENT ||
			 (block[i].dma & (SZ_4K - 1)) + BYTES > SZ_4K)
			rc = dt_fail(ctx, "block at %pad crosses its boundary", &block[i].dma);
		else
			rc = dt_fill(ctx, block[i].dma, salt + i, BYTES);
	}
	for (i = 0; i < NR && !rc; i++)
		if (!dt_is_pattern(block[i].cpu, salt + i, BYTES))
			rc = dt_fail(ctx, "block %u holds another one's data", i);
	for (i = 0; block && i < NR && block[i].cpu; i++)
		dma_pool_free(pool, block[i].cpu, block[i].dma);
	kfree(block);
	dma_pool_destroy(pool);
	return rc;
}

static int test_get_sgtable(struct dt_ctx *ctx)
{
	const size_t bytes = 5 * PAGE_SIZE;
	struct sg_table sgt;
	dma_addr_t dma;
	void *copy = kmalloc(bytes, GFP_KERNEL);
	void *cpu = dma_alloc_coherent(ctx->dev, bytes, &dma, GFP_KERNEL);
	int rc = -ENOMEM;

	if (!cpu || !copy)
		goto free;
	dt_noise(ctx, cpu, bytes);
	rc = dma_get_sgtable(ctx->dev, &sgt, cpu, dma, bytes);
	if (rc) {
		rc = dt_fail(ctx, "dma_get_sgtable answers %d", rc);
		goto free;
	}
	if (sg_copy_to_buffer(sgt.sgl, sgt.orig_nents, copy, bytes) != bytes ||
	    memcmp(copy, cpu, bytes))
		rc = dt_fail(ctx, "the table describes other memory");
	sg_free_table(&sgt);
free:
	if (cpu)
		dma_free_coherent(ctx->dev, bytes, cpu, dma);
	kfree(copy);
	return rc;
}

struct dt_mmap {
	struct device *dev;
	void *cpu;
	dma_addr_t dma;
	size_t bytes;
};

static int dt_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dt_mmap *m = file->private_data;

	return dma_mmap_coherent(m->dev, vma, m->cpu, m->dma, m->bytes);
}

static const struct file_operations dt_mmap_fops = { .owner = THIS_MODULE, .mmap = dt_mmap };

/* As user space sees it: into the address space of the process that runs the tests. */
static int test_mmap(struct dt_ctx *ctx)
{
	struct dt_mmap m = { .dev = ctx->dev, .bytes = 3 * PAGE_SIZE };
	void *copy = kmalloc(m.bytes, GFP_KERNEL);
	u64 pattern = dt_random(ctx);
	unsigned long user;
	struct file *file;
	int rc = -ENOMEM;

	if (!current->mm) {
		kfree(copy);
		return DT_SKIP;
	}
	m.cpu = dma_alloc_coherent(ctx->dev, m.bytes, &m.dma, GFP_KERNEL);
	if (!m.cpu || !copy)
		goto free;
	file = anon_inode_getfile("dmatest", &dt_mmap_fops, &m, O_RDWR);
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		goto free;
	}
	user = vm_mmap(file, 0, m.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (IS_ERR_VALUE(user)) {
		rc = dt_fail(ctx, "dma_mmap_coherent: %ld", (long)user);
		goto close;
	}
	rc = dt_fill(ctx, m.dma, pattern, m.bytes);
	if (!rc && (copy_from_user(copy, (void __user *)user, m.bytes) ||
		    !dt_is_pattern(copy, pattern, m.bytes)))
		rc = dt_fail(ctx, "user space does not see what the device wrote");
	vm_munmap(user, m.bytes);
close:
	fput(file);
free:
	if (m.cpu)
		dma_free_coherent(ctx->dev, m.bytes, m.cpu, m.dma);
	kfree(copy);
	return rc;
}

/* Properties of the device's DMA */

static int test_limits(struct dt_ctx *ctx)
{
	size_t most = dma_max_mapping_size(ctx->dev);
	size_t best = dma_opt_mapping_size(ctx->dev);
	u32 bytes = min_t(size_t, most, SZ_4M);
	const u32 part[][2] = { { 0, bytes } };

	if (most < SZ_64K || best > most)
		return dt_fail(ctx, "dma_max_mapping_size is %zu, dma_opt_mapping_size %zu", most,
			       best);
	return dt_pages(ctx, get_order(bytes), part, ARRAY_SIZE(part));
}

static int test_mask32(struct dt_ctx *ctx)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t dma, coherent_dma;
	void *coherent;
	int rc = 0;

	if (!page)
		return -ENOMEM;
	/* A platform that cannot promise low addresses refuses the mask; then there is nothing to test. */
	if (dma_set_mask_and_coherent(ctx->dev, DMA_BIT_MASK(32))) {
		__free_page(page);
		return DT_SKIP;
	}
	dma = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (!dma_mapping_error(ctx->dev, dma)) {
		if (dma + PAGE_SIZE - 1 > DMA_BIT_MASK(32))
			rc = dt_fail(ctx, "%pad for a device with 32 address bits", &dma);
		dma_unmap_page(ctx->dev, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	}
	coherent = dma_alloc_coherent(ctx->dev, PAGE_SIZE, &coherent_dma, GFP_KERNEL);
	if (coherent) {
		if (coherent_dma + PAGE_SIZE - 1 > DMA_BIT_MASK(32))
			rc = dt_fail(ctx, "%pad for a device with 32 address bits", &coherent_dma);
		if (!rc)
			rc = dt_check_coherent(ctx, coherent, coherent_dma, PAGE_SIZE);
		dma_free_coherent(ctx->dev, PAGE_SIZE, coherent, coherent_dma);
	}
	dma_set_mask_and_coherent(ctx->dev, DMA_BIT_MASK(64));
	__free_page(page);
	return rc;
}

static int test_resource(struct dt_ctx *ctx)
{
	phys_addr_t bar = pci_resource_start(ctx->dt->pdev, DMATEST_BAR_MEM);
	dma_addr_t dma = dma_map_resource(ctx->dev, bar, PAGE_SIZE, DMA_BIDIRECTIONAL, 0);

	if (dma_mapping_error(ctx->dev, dma))
		return 0;
	dma_unmap_resource(ctx->dev, dma, PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
	return resource_must_fail ? dt_fail(ctx, "a BAR was mapped for DMA") : DT_SKIP;
}

/* Contexts: map, submit, unmap and compare where a driver may not sleep. */

enum dt_where { DT_HARDIRQ, DT_SOFTIRQ, DT_WORK };

struct dt_chain {
	struct dt_ctx *ctx;
	struct dt_request req;
	enum dt_where where;
	struct tasklet_struct tasklet;
	struct work_struct work;
	struct page *page;
	dma_addr_t dma;
	u64 pattern;
	unsigned int left;
	int rc;
	struct completion finished;
};

static void dt_chain_done(struct dt_request *req);

static int dt_chain_start(struct dt_chain *c)
{
	c->dma = dma_map_page(c->ctx->dev, c->page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(c->ctx->dev, c->dma))
		return -ENOMEM;
	c->pattern = dt_random(c->ctx);
	dt_prepare_fill(&c->req, c->dma, c->pattern, PAGE_SIZE);
	c->req.done = dt_chain_done;
	return dt_submit(c->ctx->q, &c->req);
}

static void dt_chain_next(struct dt_chain *c)
{
	dma_unmap_page(c->ctx->dev, c->dma, PAGE_SIZE, DMA_FROM_DEVICE);
	if (le32_to_cpu(c->req.record.status) != DMATEST_OK ||
	    !dt_is_pattern(page_address(c->page), c->pattern, PAGE_SIZE))
		c->rc = -EIO;
	else if (--c->left)
		c->rc = dt_chain_start(c);
	if (c->rc || !c->left)
		complete(&c->finished);
}

static void dt_chain_tasklet(struct tasklet_struct *t)
{
	dt_chain_next(container_of(t, struct dt_chain, tasklet));
}

static void dt_chain_work(struct work_struct *work)
{
	dt_chain_next(container_of(work, struct dt_chain, work));
}

static void dt_chain_done(struct dt_request *req)
{
	struct dt_chain *c = container_of(req, struct dt_chain, req);

	switch (c->where) {
	case DT_HARDIRQ:
		dt_chain_next(c);
		break;
	case DT_SOFTIRQ:
		tasklet_schedule(&c->tasklet);
		break;
	case DT_WORK:
		schedule_work(&c->work);
		break;
	}
}

static int dt_chain(struct dt_ctx *ctx, enum dt_where where)
{
	struct dt_chain *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int rc = -ENOMEM;

	if (!c)
		return rc;
	c->ctx = ctx;
	c->where = where;
	c->left = max(iterations, 1u) * 4;
	c->page = alloc_page(GFP_KERNEL);
	tasklet_setup(&c->tasklet, dt_chain_tasklet);
	INIT_WORK(&c->work, dt_chain_work);
	init_completion(&c->finished);
	if (!c->page)
		goto free;
	rc = dt_chain_start(c);
	if (!rc && !wait_for_completion_timeout(&c->finished, DT_TIMEOUT)) {
		dt_forget(ctx->q, &c->req);
		rc = -ETIMEDOUT;
	}
	tasklet_kill(&c->tasklet);
	flush_work(&c->work);
	if (!rc)
		rc = c->rc;
	if (rc)
		rc = dt_fail(ctx, "%d with %u transfers left", rc, c->left);
	__free_page(c->page);
free:
	kfree(c);
	return rc;
}

static int test_in_hardirq(struct dt_ctx *ctx)
{
	return dt_chain(ctx, DT_HARDIRQ);
}

static int test_in_softirq(struct dt_ctx *ctx)
{
	return dt_chain(ctx, DT_SOFTIRQ);
}

static int test_in_work(struct dt_ctx *ctx)
{
	return dt_chain(ctx, DT_WORK);
}

/* Threads */

struct dt_thread {
	struct dt_ctx ctx;
	struct task_struct *task;
	int (*test)(struct dt_ctx *ctx);
	int rc;
	struct completion finished;
};

static int dt_thread(void *data)
{
	struct dt_thread *t = data;
	unsigned int i;

	for (i = 0; i < iterations && !t->rc; i++)
		t->rc = t->test(&t->ctx);
	kthread_complete_and_exit(&t->finished, 0);
}

/* `test` in nr threads at once, on different processors and queues where there are that many. */
static int dt_parallel(struct dt_ctx *ctx, unsigned int nr, int (*test)(struct dt_ctx *ctx))
{
	struct dt_thread *t = kcalloc(nr, sizeof(*t), GFP_KERNEL);
	unsigned int i, cpu = cpumask_first(cpu_online_mask);
	int rc = 0;

	if (!t)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		t[i].ctx = *ctx;
		t[i].ctx.thread = i;
		t[i].ctx.seed = dt_random(ctx) | 1;
		t[i].ctx.q = &ctx->dt->queue[i % ctx->dt->queues];
		t[i].test = test;
		init_completion(&t[i].finished);
		t[i].task = kthread_create(dt_thread, &t[i], "dmatest/%u", i);
		if (IS_ERR(t[i].task)) {
			rc = PTR_ERR(t[i].task);
			break;
		}
		kthread_bind(t[i].task, cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	nr = i;
	for (i = 0; i < nr; i++)
		wake_up_process(t[i].task);
	for (i = 0; i < nr; i++) {
		wait_for_completion(&t[i].finished);
		if (!rc)
			rc = t[i].rc;
	}
	kfree(t);
	return min(rc, 0);
}

static int dt_any(struct dt_ctx *ctx)
{
	static int (*const tests[])(struct dt_ctx *ctx) = {
		test_single, test_page, test_sg, test_sync, test_noncoherent,
	};

	return min(tests[dt_below(ctx, ARRAY_SIZE(tests))](ctx), 0);
}

static int test_parallel(struct dt_ctx *ctx)
{
	return dt_parallel(ctx, clamp(threads, 1u, (unsigned int)DT_MAX_THREADS), dt_any);
}

/* All map the same page, read it, and unmap it, while the others are at it, too. */
static int dt_read_shared(struct dt_ctx *ctx)
{
	u32 offset = dt_below(ctx, PAGE_SIZE / 2), bytes = 1 + dt_below(ctx, PAGE_SIZE / 2);
	dma_addr_t dma = dma_map_page(ctx->dev, ctx->shared, offset, bytes, DMA_TO_DEVICE);
	u64 sum;
	int rc;

	if (dma_mapping_error(ctx->dev, dma))
		return dt_fail(ctx, "dma_map_page of a page that is mapped already failed");
	rc = dt_checksum(ctx, dma, bytes, &sum);
	dma_unmap_page(ctx->dev, dma, bytes, DMA_TO_DEVICE);
	if (!rc && sum != dt_fnv(page_address(ctx->shared) + offset, bytes))
		rc = dt_fail(ctx, "the device reads other data, %u bytes at 0x%x", bytes, offset);
	return rc;
}

static int test_shared_page(struct dt_ctx *ctx)
{
	struct page *page = alloc_page(GFP_KERNEL);
	int rc;

	if (!page)
		return -ENOMEM;
	dt_noise(ctx, page_address(page), PAGE_SIZE);
	ctx->shared = page;
	rc = dt_parallel(ctx, max(2u, num_online_cpus()), dt_read_shared);
	__free_page(page);
	return rc;
}

/* Extremes */

static int test_reset(struct dt_ctx *ctx)
{
	unsigned int i;
	int rc = pci_try_reset_function(ctx->dt->pdev);

	if (rc == -ENOTTY || rc == -EAGAIN)
		return DT_SKIP;
	if (rc)
		return dt_fail(ctx, "pci_reset_function: %d", rc);
	if (dt_read(ctx->dt, DMATEST_ID) != DMATEST_ID_VALUE || dt_read(ctx->dt, DMATEST_SCRATCH))
		return dt_fail(ctx, "registers are not as after a reset");
	for (i = 0; i < ctx->dt->queues && !rc; i++)
		rc = dt_queue_start(&ctx->dt->queue[i]);
	return rc ? rc : test_single(ctx);
}

/* Buffers of 64 KiB that are mapped until there is no room for more, or as many as asked for. */
struct dt_hoard {
	unsigned int most, nr;
	enum dma_data_direction dir;
	struct page **pages;
	dma_addr_t *dma;
	bool full;
};

#define DT_HOARD_ORDER	get_order(SZ_64K)

static void dt_hoard_free(struct device *dev, struct dt_hoard *h)
{
	for (; h->nr; h->nr--) {
		dma_unmap_page(dev, h->dma[h->nr - 1], SZ_64K, h->dir);
		__free_pages(h->pages[h->nr - 1], DT_HOARD_ORDER);
	}
	kvfree(h->dma);
	kvfree(h->pages);
}

static int dt_hoard(struct dt_ctx *ctx, struct dt_hoard *h, unsigned int mb, enum dma_data_direction dir)
{
	*h = (struct dt_hoard){ .most = mb * (SZ_1M / SZ_64K), .dir = dir };
	h->pages = kvcalloc(h->most, sizeof(*h->pages), GFP_KERNEL);
	h->dma = kvcalloc(h->most, sizeof(*h->dma), GFP_KERNEL);
	if (!h->most || !h->pages || !h->dma)
		return DT_SKIP;
	for (; h->nr < h->most; h->nr++) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, DT_HOARD_ORDER);
		dma_addr_t dma;

		if (!page)
			break;
		dma = dma_map_page(ctx->dev, page, 0, SZ_64K, dir);
		if (dma_mapping_error(ctx->dev, dma)) {
			__free_pages(page, DT_HOARD_ORDER);
			h->full = true;
			break;
		}
		h->pages[h->nr] = page;
		h->dma[h->nr] = dma;
	}
	dev_info(ctx->dev, "%u KiB were mapped at once, %s\n", h->nr * 64,
		 h->nr == h->most ? "as asked" : "then mapping or memory ended");
	return 0;
}

static int test_exhaust(struct dt_ctx *ctx)
{
	struct dt_hoard h;
	u64 pattern = dt_random(ctx);
	int rc = dt_hoard(ctx, &h, exhaust_mb, DMA_FROM_DEVICE);
	unsigned int i, nr = h.nr;

	for (i = 0; i < nr && !rc; i++)
		rc = dt_fill(ctx, h.dma[i], pattern + i, SZ_64K);
	for (; h.nr; h.nr--) {
		i = h.nr - 1;
		dma_unmap_page(ctx->dev, h.dma[i], SZ_64K, h.dir);
		if (!rc && !dt_is_pattern(page_address(h.pages[i]), pattern + i, SZ_64K))
			rc = dt_fail(ctx, "buffer %u holds other data", i);
		__free_pages(h.pages[i], DT_HOARD_ORDER);
	}
	dt_hoard_free(ctx->dev, &h);
	/* And everything works as before. */
	return rc ? rc : test_single(ctx);
}

static int dt_one_way(struct dt_ctx *ctx)
{
	static int (*const tests[])(struct dt_ctx *ctx) = {
		test_single, test_short, test_partial_sync, test_sg, test_sg_sync,
	};

	return min(tests[dt_below(ctx, ARRAY_SIZE(tests))](ctx), 0);
}

/*
 * Buffers that the device may read and write at any time have taken all the
 * room there is: everything that goes one way works none the less.
 */
static int test_beyond(struct dt_ctx *ctx)
{
	struct dt_hoard h;
	int rc = dt_hoard(ctx, &h, exhaust_mb, DMA_BIDIRECTIONAL);

	if (!rc && !h.full)
		rc = DT_SKIP;
	if (!rc)
		rc = dt_parallel(ctx, clamp(threads, 1u, (unsigned int)DT_MAX_THREADS), dt_one_way);
	if (!rc)
		rc = test_in_hardirq(ctx);
	dt_hoard_free(ctx->dev, &h);
	return rc ? rc : test_single(ctx);
}

/* What a function keeps from one run to the next, for those who read statistics in between. */
struct dt_kept {
	struct dt_hoard held;
	struct page **pages;
	unsigned int nr;
};

static void dt_kept_release(struct device *dev, void *res)
{
	struct dt_kept *kept = res;

	dt_hoard_free(dev, &kept->held);
	for (; kept->nr; kept->nr--)
		__free_pages(kept->pages[kept->nr - 1], DT_HOARD_ORDER);
	kvfree(kept->pages);
}

static struct dt_kept *dt_kept(struct dt_ctx *ctx)
{
	struct dt_kept *kept = devres_find(ctx->dev, dt_kept_release, NULL, NULL);

	if (kept)
		return kept;
	kept = devres_alloc(dt_kept_release, sizeof(*kept), GFP_KERNEL);
	if (kept)
		devres_add(ctx->dev, kept);
	return kept;
}

static int test_hold(struct dt_ctx *ctx)
{
	struct dt_kept *kept = hold_mb ? dt_kept(ctx) : NULL;
	int rc;

	if (!kept)
		return DT_SKIP;
	dt_hoard_free(ctx->dev, &kept->held);
	rc = dt_hoard(ctx, &kept->held, hold_mb, DMA_BIDIRECTIONAL);
	return rc || kept->held.nr == kept->held.most ? rc :
		dt_fail(ctx, "only %u KiB of %u MiB could be mapped", kept->held.nr * 64, hold_mb);
}

/* Each at the beginning of 64 KiB: no page shares with another what a translation has for its smallest piece. */
static int dt_kept_pages(struct dt_kept *kept)
{
	if (!kept->pages)
		kept->pages = kvcalloc(touch_pages, sizeof(*kept->pages), GFP_KERNEL);
	if (!kept->pages)
		return -ENOMEM;
	for (; kept->nr < touch_pages; kept->nr++) {
		kept->pages[kept->nr] = alloc_pages(GFP_KERNEL, DT_HOARD_ORDER);
		if (!kept->pages[kept->nr])
			return -ENOMEM;
	}
	return 0;
}

static int dt_touch(struct dt_ctx *ctx, struct page *page)
{
	u64 pattern = dt_random(ctx);
	dma_addr_t dma;
	int rc;

	memset(page_address(page), 0, PAGE_SIZE);
	dma = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(ctx->dev, dma))
		return dt_fail(ctx, "dma_map_page failed");
	rc = dt_fill(ctx, dma, pattern, PAGE_SIZE);
	dma_unmap_page(ctx->dev, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	if (!rc && !dt_is_pattern(page_address(page), pattern, PAGE_SIZE))
		rc = dt_fail(ctx, "the CPU reads other data");
	return rc;
}

static int test_touch(struct dt_ctx *ctx)
{
	struct dt_kept *kept = touch_pages ? dt_kept(ctx) : NULL;
	unsigned int i;
	int rc;

	if (!kept)
		return DT_SKIP;
	rc = dt_kept_pages(kept);
	for (i = 0; i < kept->nr && !rc; i++)
		rc = dt_touch(ctx, kept->pages[i]);
	return rc;
}

/* Not a test of this system but of its tests: the host must notice. */
static int test_stray(struct dt_ctx *ctx)
{
	struct dt_request req;

	if (!stray_address)
		return DT_SKIP;
	dt_prepare_fill(&req, stray_address, 0x5742415359415254, 64);
	req.desc.op = DMATEST_OP_STRAY;
	dev_info(ctx->dev, "writing to bus address 0x%llx\n", stray_address);
	return dt_do(ctx, &req);
}

static const struct dt_test {
	const char *name;
	int (*run)(struct dt_ctx *ctx);
	bool once;
} dt_tests[] = {
	{ "bars", test_bars, true },
	{ "interrupts", test_interrupts, true },
	{ "limits", test_limits, true },
	{ "single", test_single },
	{ "page", test_page },
	{ "sg", test_sg },
	{ "sync", test_sync },
	{ "short", test_short },
	{ "partial_sync", test_partial_sync },
	{ "sg_sync", test_sg_sync },
	{ "huge", test_huge, true },
	{ "spanning", test_spanning, true },
	{ "coherent", test_coherent, true },
	{ "coherent_many", test_coherent_many, true },
	{ "noncoherent", test_noncoherent },
	{ "noncontiguous", test_noncontiguous },
	{ "pool", test_pool, true },
	{ "get_sgtable", test_get_sgtable, true },
	{ "mmap", test_mmap, true },
	{ "mask32", test_mask32, true },
	{ "resource", test_resource, true },
	{ "hardirq", test_in_hardirq, true },
	{ "softirq", test_in_softirq, true },
	{ "work", test_in_work, true },
	{ "shared_page", test_shared_page, true },
	{ "parallel", test_parallel, true },
	{ "exhaust", test_exhaust, true },
	{ "beyond", test_beyond, true },
	{ "hold", test_hold, true },
	{ "touch", test_touch, true },
	{ "reset", test_reset, true },
	{ "stray", test_stray, true },
};

int dt_run_tests(struct dt *dt)
{
	struct dt_ctx ctx = { .dt = dt, .dev = &dt->pdev->dev, .q = &dt->queue[0], .seed = seed };
	unsigned int i, n, passed = 0, skipped = 0, failed = 0;
	const char *first = NULL;
	int rc;

	if (!ctx.seed)
		ctx.seed = 1;
	for (i = 0; i < ARRAY_SIZE(dt_tests); i++) {
		const struct dt_test *t = &dt_tests[i];

		if (!sysfs_streq(only, "") && !sysfs_streq(only, t->name))
			continue;
		rc = 0;
		for (n = 0; n < (t->once ? 1 : iterations) && !rc; n++)
			rc = t->run(&ctx);
		dev_info(ctx.dev, "test %s: %s\n", t->name,
			 rc == DT_SKIP ? "skipped" : rc ? "FAILED" : "ok");
		if (rc == DT_SKIP) {
			skipped++;
		} else if (rc) {
			failed++;
			first = first ?: t->name;
		} else {
			passed++;
		}
		/* A queue that lost a descriptor is of no use to the tests that follow. */
		if (rc == -ETIMEDOUT)
			break;
	}
	if (failed || !passed)
		snprintf(dt->result, sizeof(dt->result), "FAIL %s: %u failed (%s), %u passed, %u skipped",
			 pci_name(dt->pdev), failed, first ?: "nothing ran", passed, skipped);
	else
		snprintf(dt->result, sizeof(dt->result), "PASS %s: %u passed, %u skipped",
			 pci_name(dt->pdev), passed, skipped);
	pr_info("dmatest: %s\n", dt->result);
	return failed || !passed ? -EIO : 0;
}
