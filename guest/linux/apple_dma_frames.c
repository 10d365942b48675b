// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frame index (frame_index.c) in this kernel: what it asks of the host goes
 * through the companion's request pages, RAM comes and goes with memory
 * hot-plug, and a work looks after what nobody waits for.
 */

#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "apple_dma_priv.h"

#define CREATE_TRACE_POINTS
#include "apple_dma_trace.h"

#define STALE_RETRY_MS	100

/* Of the next driver; NULL: the first of adma_policies. */
static const struct adma_policy *mode;

static const struct adma_policy *mode_policy(void)
{
	return READ_ONCE(mode) ?: adma_policies[0];
}

static int mode_set(const char *value, const struct kernel_param *kp)
{
	const struct adma_policy *const *policy;

	for (policy = adma_policies; *policy; policy++) {
		if (sysfs_streq(value, (*policy)->name)) {
			WRITE_ONCE(mode, *policy);
			return 0;
		}
	}
	return -EINVAL;
}

static int mode_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", mode_policy()->name);
}

static const struct kernel_param_ops mode_ops = {
	.set = mode_set,
	.get = mode_get,
};
module_param_cb(mode, &mode_ops, NULL, 0644);
MODULE_PARM_DESC(mode,
		 "default: memory stays mapped for some seconds after its last use; strict: it does not. Counts from a driver's next probe");

/* Protects the list of tables, and each table's being there. */
static DEFINE_MUTEX(tables_lock);
static LIST_HEAD(tables);

/* The host */

static void add_drop(struct adma_call *call, u32 function, const struct fi_drop *drop)
{
	struct adma_unmap_req *req = adma_call_add(call, ADMA_OP_UNMAP, sizeof(*req), function);

	req->handle = cpu_to_le64(drop->handle);
}

static size_t map_bytes(const struct fi_map *map)
{
	return sizeof(struct adma_map_req) + map->nr_ranges * sizeof(struct adma_range);
}

static void add_map(struct adma_call *call, u32 function, const struct fi_batch *batch, const struct fi_map *map)
{
	unsigned int shift = call->ch->granule_shift;
	struct adma_map_req *req = adma_call_add(call, ADMA_OP_MAP, map_bytes(map), function);
	struct adma_range *range = (struct adma_range *)(req + 1);
	unsigned int i;

	/* A frame is shared by requests of any direction. */
	req->req.flags = cpu_to_le32(ADMA_MAP_DEVICE_READS | ADMA_MAP_DEVICE_WRITES |
				     (call->ch->features & ADMA_F_CONGRUENT ? ADMA_MAP_CONGRUENT : 0));
	req->align = cpu_to_le32(map->align);
	req->nr_ranges = cpu_to_le32(map->nr_ranges);
	for (i = 0; i < map->nr_ranges; i++) {
		const struct fi_range *r = &batch->ranges[map->first_range + i];

		range[i].gpa = cpu_to_le64((u64)r->frame << shift);
		range[i].length = cpu_to_le64((u64)r->frames << shift);
	}
}

static void table_run(void *host, struct fi_batch *batch)
{
	struct adma_table *t = host;
	struct adma_call call;
	unsigned int nr = 0;
	bool gone = false;
	void *at;
	u32 i;

	/* A full batch fits in a page. */
	BUILD_BUG_ON(sizeof(struct adma_page_header) + FI_MAX_DROPS * sizeof(struct adma_unmap_req) +
		     FI_MAX_MAPS * sizeof(struct adma_map_req) + FI_MAX_RANGES * sizeof(struct adma_range) >
		     ADMA_PAGE_SIZE);
	BUILD_BUG_ON(FI_MAX_RANGES > ADMA_MAX_RANGES);

	adma_call_begin(t->ch, &call);
	for (i = 0; i < batch->nr_drops; i++)
		add_drop(&call, t->fn->index, &batch->drops[i]);
	for (i = 0; i < batch->nr_maps; i++)
		if (batch->maps[i].err == FI_ASK)
			add_map(&call, t->fn->index, batch, &batch->maps[i]);
	adma_call_run(&call);

	at = adma_call_first(&call);
	for (i = 0; i < batch->nr_drops; i++) {
		struct fi_drop *drop = &batch->drops[i];
		int err = adma_call_result(&call, nr++, at);

		trace_adma_unmap(t->fn->pdev, drop->handle, err);
		gone |= err == -ENODEV;
		drop->err = adma_may_be_mapped(err) ? -EAGAIN : err;
		at += sizeof(struct adma_unmap_req);
	}
	for (i = 0; i < batch->nr_maps; i++) {
		struct fi_map *map = &batch->maps[i];
		const struct adma_map_req *req = at;

		if (map->err != FI_ASK)
			continue;
		map->err = adma_call_result(&call, nr++, &req->req);
		map->iova = le64_to_cpu(READ_ONCE(req->iova));
		map->handle = le64_to_cpu(READ_ONCE(req->handle));
		trace_adma_map(t->fn->pdev, (u64)batch->ranges[map->first_range].frame << t->ch->granule_shift,
			       map->frames, map->nr_ranges, map->err ? 0 : map->iova, map->err);
		gone |= map->err == -ENODEV;
		at += map_bytes(map);
	}
	adma_call_end(&call);
	/* A driver that has noticed by itself gives up without another map. */
	if (gone) {
		WRITE_ONCE(t->gone, true);
		mod_delayed_work(adma_wq, &t->work, 0);
	}
}

static void table_wake(void *host, bool soon)
{
	struct adma_table *t = host;

	if (!soon)
		queue_delayed_work(adma_wq, &t->work, HZ);
	else if (!test_and_set_bit(0, &t->soon))
		mod_delayed_work(adma_wq, &t->work, 0);
}

static void table_distrust(void *host, u64 iova)
{
	struct adma_table *t = host;

	pci_err(t->fn->pdev, "the host maps memory at %#llx, which is outside %#llx-%#llx, unaligned or in use\n", iova,
		t->fn->iova_first, t->fn->iova_last);
}

static const struct fi_host table_ops = {
	.run = table_run,
	.wake = table_wake,
	.distrust = table_distrust,
};

/* Background */

/* While requests hit, nobody asks the host, who may have taken the function away meanwhile. */
static void look_after_claim(struct adma_table *t)
{
	u32 generation = adma_channel_read(t->ch, ADMA_REG_GENERATION);
	unsigned int bdf;
	u32 state;
	int err;

	if (generation == t->generation)
		return;
	err = adma_function_query(t->fn->companion, t->fn->index, &bdf, &state);
	if (err == -EAGAIN)
		return;
	t->generation = generation;
	if (err == -ENODEV)
		adma_function_lost(t->fn);
	else if (err || !(state & ADMA_FN_CLAIMED))
		WRITE_ONCE(t->index.refuse, err ?: -EACCES);
}

static void table_work(struct work_struct *work)
{
	struct adma_table *t = container_of(to_delayed_work(work), struct adma_table, work);
	bool tick = time_after_eq(jiffies, t->ticked + HZ);
	bool again;

	clear_bit(0, &t->soon);
	if (READ_ONCE(t->gone))
		adma_function_lost(t->fn);
	if (tick) {
		t->ticked = jiffies;
		look_after_claim(t);
	}
	again = fi_work(&t->index, tick);
	if (fi_load(&t->index.mapped))
		queue_delayed_work(adma_wq, &t->work, again ? msecs_to_jiffies(STALE_RETRY_MS) : HZ);
}

/* RAM */

static int add_ram(struct resource *res, void *arg)
{
	struct adma_table *t = arg;
	unsigned int shift = t->ch->granule_shift;

	return fi_add_ram(&t->index, res->start >> shift, (res->end >> shift) - (res->start >> shift) + 1);
}

static int memory_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct memory_notify *memory = data;
	struct adma_table *t;
	int err = 0;

	mutex_lock(&tables_lock);
	list_for_each_entry(t, &tables, node) {
		unsigned int shift = t->ch->granule_shift;
		u64 first = PFN_PHYS((u64)memory->start_pfn) >> shift;
		u64 frames = max(PFN_PHYS((u64)memory->nr_pages) >> shift, 1ULL);

		switch (event) {
		case MEM_GOING_ONLINE:
			err = err ?: fi_add_ram(&t->index, first, frames);
			break;
		case MEM_GOING_OFFLINE:
			if (fi_evict_range(&t->index, first, frames)) {
				pci_info(t->fn->pdev, "uses memory at %#llx, which stays online\n",
					 (u64)PFN_PHYS((u64)memory->start_pfn));
				err = -EBUSY;
			}
			break;
		case MEM_OFFLINE:
			/* What was in use for a moment since then. */
			fi_evict_range(&t->index, first, frames);
			break;
		}
	}
	mutex_unlock(&tables_lock);
	return notifier_from_errno(err);
}

static struct notifier_block memory_notifier = {
	.notifier_call = memory_event,
};

int adma_frames_init(void)
{
	return register_memory_notifier(&memory_notifier);
}

void adma_frames_exit(void)
{
	unregister_memory_notifier(&memory_notifier);
}

/* What the ops call */

static bool others_made_room(struct adma_table *t, const struct fi_want *wants, unsigned int count)
{
	u64 frames = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		frames += wants[i].frames;
	return adma_sharing_make_room(t, frames, count);
}

int adma_table_get(struct adma_table *t, struct fi_want *wants, unsigned int count)
{
	int err;

	if (likely(t->by_index)) {
		err = fi_get(&t->index, wants, count);
		if (unlikely(err == -ENOMEM || err == -ENOSPC) && others_made_room(t, wants, count))
			err = fi_get(&t->index, wants, count);
		return err;
	}
	return t->running ? t->policy->get(t, wants, count) : -ENODEV;
}

bool adma_table_put(struct adma_table *t, struct fi_dying *dying, dma_addr_t iova, size_t size)
{
	if (likely(t->by_index))
		return fi_put(&t->index, dying, iova, size);
	return t->running && t->policy->put(t, iova, size);
}

void adma_table_put_done(struct adma_table *t, struct fi_dying *dying)
{
	fi_put_done(&t->index, dying);
}

/* Statistics */

void adma_table_show(struct adma_table *t, struct seq_file *s)
{
	struct frame_index *fi = &t->index;
	unsigned int shift = t->ch->granule_shift;
	struct fi_counters c;
	struct fi_usage u;

	mutex_lock(&tables_lock);
	if (!t->there)
		goto out;
	fi_count(fi, &c);
	fi_usage(fi, &u);
	seq_printf(s, "mode %s\n", (t->policy ?: mode_policy())->name);
	seq_printf(s, "requests %llu\nhits %llu\nmisses %llu\nmaps %llu\nunmaps %llu\ndoorbells %llu\nevictions %llu\n",
		   c.requests, c.hits, c.requests - c.hits, c.maps, c.unmaps, c.doorbells, c.evictions);
	seq_printf(s, "failures %llu\nrefusals %llu\nbad_unmaps %llu\nmisaligned %llu\n",
		   atomic64_read(&t->failures) + c.bad_puts, c.refusals, c.bad_puts, c.misaligned);
	/* Mappings and bytes that the host holds for us, and what of them is in use; stranded: idle beside what is. */
	seq_printf(s, "live %llu\nlive_peak %llu\nlive_max %u\nlive_used %u\n", fi_load(&fi->mappings), fi->mappings_peak,
		   fi->limits.mappings_max, u.used_mappings);
	seq_printf(s, "bytes %llu\nbytes_peak %llu\nbytes_max %llu\nbytes_used %llu\nbytes_idle %llu\nbytes_stranded %llu\n",
		   fi_load(&fi->mapped) << shift, fi->mapped_peak << shift, fi->limits.bytes_max, u.used << shift,
		   u.idle << shift, u.stranded << shift);
	seq_printf(s, "largest_free %llu\n", u.largest_free << shift);
	seq_printf(s, "granule_grown %llu\nframes_prefetched %llu\nprefetch_hits %llu\n", c.grown, c.prefetched,
		   c.prefetch_hits);
out:
	mutex_unlock(&tables_lock);
}

/* Life of a table */

static bool same_limits(const struct fi_limits *a, const struct fi_limits *b)
{
	return a->iova_first == b->iova_first && a->iova_last == b->iova_last && a->bytes_max == b->bytes_max &&
	       a->mappings_max == b->mappings_max;
}

static void stop_policy(struct adma_table *t)
{
	if (!t->running)
		return;
	if (t->policy->stop)
		t->policy->stop(t);
	t->running = false;
}

static void forget_index(struct adma_table *t)
{
	if (!t->there)
		return;
	stop_policy(t);
	list_del(&t->node);
	if (t->shares)
		adma_sharing_remove(t);
	t->there = false;
	t->by_index = false;
	fi_destroy(&t->index);
}

int adma_table_init(struct adma_table *t, struct adma_function *fn, u32 nr_mappings)
{
	struct adma_channel *ch = &fn->companion->ch;
	const struct fi_limits limits = {
		.granule_shift = ch->granule_shift,
		.max_align = ch->max_align,
		.max_granule = ilog2(SZ_2M),
		.congruent = ch->features & ADMA_F_CONGRUENT,
		.max_ranges = ch->max_ranges,
		.iova_first = fn->iova_first,
		.iova_last = fn->iova_last,
		.bytes_max = fn->bytes_max,
		.mappings_max = nr_mappings,
		.nr_cpus = nr_cpu_ids,
	};
	int err;

	if (t->there && same_limits(&limits, &t->limits))
		return 0;
	if (t->there)
		cancel_delayed_work_sync(&t->work);
	mutex_lock(&tables_lock);
	forget_index(t);
	t->ch = ch;
	t->fn = fn;
	t->limits = limits;
	INIT_DELAYED_WORK(&t->work, table_work);
	err = fi_init(&t->index, &limits, &table_ops, t);
	if (!err) {
		t->there = true;
		list_add_tail(&t->node, &tables);
		t->shares = fn->mapper;
		if (t->shares)
			adma_sharing_add(t);
		/* Memory that is going online has its notifier wait for us. */
		err = walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1, t, add_ram);
		if (err)
			forget_index(t);
	}
	mutex_unlock(&tables_lock);
	return err;
}

void adma_table_start(struct adma_table *t)
{
	int err;

	if (!t->there)
		return;
	/* A failed probe may have left something. */
	adma_table_clear(t);
	t->policy = mode_policy();
	fi_set_strict(&t->index, t->policy->strict);
	WRITE_ONCE(t->index.refuse, 0);
	t->generation = t->fn->generation;
	t->gone = false;
	t->ticked = jiffies;
	t->by_index = !t->policy->get;
	err = t->policy->start ? t->policy->start(t) : 0;
	t->running = !err;
	if (err)
		pci_err(t->fn->pdev, "mode %s cannot be started: error %d\n", t->policy->name, err);
}

unsigned int adma_table_clear(struct adma_table *t)
{
	unsigned int left;

	if (!t->there)
		return 0;
	cancel_delayed_work_sync(&t->work);
	stop_policy(t);
	left = fi_clear(&t->index);
	/* What the host could not end. */
	if (fi_load(&t->index.mapped))
		queue_delayed_work(adma_wq, &t->work, msecs_to_jiffies(STALE_RETRY_MS));
	return left;
}

void adma_table_destroy(struct adma_table *t)
{
	if (!t->there)
		return;
	cancel_delayed_work_sync(&t->work);
	mutex_lock(&tables_lock);
	forget_index(t);
	mutex_unlock(&tables_lock);
}
