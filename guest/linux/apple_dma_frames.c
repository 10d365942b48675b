// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which guest memory is mapped for a function, and at which IOVA.
 *
 * The policy: the host maps whole granules ("frames"), so requests within one
 * frame share its mapping, which lives from the first of them to the last.
 * A request across several frames gets a mapping of its own, as it must see
 * one contiguous IOVA; equal requests share it.  Nothing is kept in reserve
 * and nothing stays mapped that no driver has asked for.
 *
 * A mapping is pending while the host is asked.  Another CPU that wants it
 * waits without locks, after having run what it had pending itself: so no two
 * CPUs ever wait for each other, and as the asking CPU has interrupts off, the
 * wait is as short as the host's answer.
 */

#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/processor.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "apple_dma_priv.h"

#define STALE_RETRY_MS	100

/* Descriptors */

static struct adma_mapping *descriptor_take(struct adma_table *t)
{
	unsigned int first = smp_processor_id();
	unsigned int i;

	for (i = 0; i < ADMA_SHARDS; i++) {
		struct adma_shard *shard = &t->shards[(first + i) % ADMA_SHARDS];
		struct adma_mapping *m = NULL;

		raw_spin_lock(&shard->lock);
		if (!hlist_empty(&shard->unused)) {
			m = hlist_entry(shard->unused.first, struct adma_mapping, by_gpa);
			hlist_del_init(&m->by_gpa);
		}
		raw_spin_unlock(&shard->lock);
		if (m)
			return m;
	}
	return NULL;
}

static void descriptor_release(struct adma_table *t, struct adma_mapping *m)
{
	struct adma_shard *shard = &t->shards[raw_smp_processor_id() % ADMA_SHARDS];
	unsigned long flags;

	WRITE_ONCE(m->state, MAPPING_UNUSED);
	raw_spin_lock_irqsave(&shard->lock, flags);
	hlist_add_head(&m->by_gpa, &shard->unused);
	raw_spin_unlock_irqrestore(&shard->lock, flags);
}

/* Accounting */

static void raise_peak(atomic_t *peak, int value)
{
	int old = atomic_read(peak);

	while (value > old && !atomic_try_cmpxchg(peak, &old, value))
		;
}

static void raise_peak64(atomic64_t *peak, s64 value)
{
	s64 old = atomic64_read(peak);

	while (value > old && !atomic64_try_cmpxchg(peak, &old, value))
		;
}

static void account_mapped(struct adma_table *t, u32 frames)
{
	this_cpu_inc(t->counters->maps);
	raise_peak(&t->live_peak, atomic_inc_return(&t->live));
	raise_peak64(&t->bytes_peak, atomic64_add_return((s64)frames << t->ch->granule_shift, &t->bytes));
}

static void account_unmapped(struct adma_table *t, u32 frames)
{
	this_cpu_inc(t->counters->unmaps);
	atomic_dec(&t->live);
	atomic64_sub((s64)frames << t->ch->granule_shift, &t->bytes);
}

void adma_table_count_failure(struct adma_table *t)
{
	this_cpu_inc(t->counters->failures);
}

void adma_table_sum(struct adma_table *t, struct adma_counters *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct adma_counters *c = per_cpu_ptr(t->counters, cpu);

		sum->requests += c->requests;
		sum->hits += c->hits;
		sum->maps += c->maps;
		sum->unmaps += c->unmaps;
		sum->doorbells += c->doorbells;
		sum->failures += c->failures;
	}
}

/* Buckets */

static struct adma_bucket *bucket_of_gpa(struct adma_table *t, u64 gpa, u32 frames)
{
	return &t->by_gpa[hash_64((gpa >> t->ch->granule_shift) + ((u64)frames << 44), t->bucket_bits)];
}

static struct adma_bucket *bucket_of_iova(struct adma_table *t, u64 iova)
{
	return &t->by_iova[hash_64(iova >> t->ch->granule_shift, t->bucket_bits)];
}

static struct adma_mapping *find_gpa(struct adma_bucket *b, u64 gpa, u32 frames)
{
	struct adma_mapping *m;

	hlist_for_each_entry(m, &b->head, by_gpa)
		if (m->gpa == gpa && m->frames == frames)
			return m;
	return NULL;
}

static void iova_insert(struct adma_table *t, struct adma_mapping *m)
{
	struct adma_bucket *b = bucket_of_iova(t, m->iova);

	raw_spin_lock(&b->lock);
	hlist_add_head(&m->by_iova, &b->head);
	raw_spin_unlock(&b->lock);
}

static void iova_remove(struct adma_table *t, struct adma_mapping *m)
{
	struct adma_bucket *b = bucket_of_iova(t, m->iova);

	raw_spin_lock(&b->lock);
	hlist_del_init(&m->by_iova);
	raw_spin_unlock(&b->lock);
}

/* Asking the host */

/*
 * GPU drivers program naturally aligned memory as one large page and drop the
 * low address bits, so the IOVA should be congruent to the address as far as
 * such a page could reach.
 */
static u32 wished_align(const struct adma_table *t, u64 gpa, u32 frames)
{
	u32 of_size = ilog2(roundup_pow_of_two(frames)) + t->ch->granule_shift;
	u32 of_gpa = gpa ? __ffs64(gpa) : 63;
	u32 align = min3(of_size, of_gpa, t->ch->max_align);

	return align > t->ch->granule_shift ? align : 0;
}

/* An answer that would let the device reach something else than asked for is worth no trust. */
static bool answer_sane(const struct adma_table *t, u64 iova, u64 handle, u32 frames)
{
	u64 granule = 1ULL << t->ch->granule_shift;
	u64 last = iova + ((u64)frames << t->ch->granule_shift) - 1;

	return handle && iova && !(iova & (granule - 1)) && last > iova && iova >= t->fn->iova_first &&
	       last <= t->fn->iova_last;
}

static void host_drop(struct adma_table *t, u64 handle)
{
	struct adma_unmap_req *req;
	struct adma_call call;

	adma_call_begin(t->ch, &call);
	req = adma_call_add(&call, ADMA_OP_UNMAP, sizeof(*req), t->fn->index);
	req->handle = cpu_to_le64(handle);
	adma_call_run(&call);
	adma_call_end(&call);
}

/* Make the pending mappings live, or failed.  Returns the first error. */
static int host_map(struct adma_table *t, struct adma_mapping **list, unsigned int count)
{
	struct adma_map_req *reqs[ADMA_BATCH];
	int errs[ADMA_BATCH];
	struct adma_call call;
	unsigned int i;
	int err = 0;

	/* ADMA_BATCH map requests with one range each fit in a page. */
	BUILD_BUG_ON(sizeof(struct adma_page_header) +
		     ADMA_BATCH * (sizeof(struct adma_map_req) + sizeof(struct adma_range)) > ADMA_PAGE_SIZE);
	if (!count)
		return 0;

	adma_call_begin(t->ch, &call);
	for (i = 0; i < count; i++) {
		const struct adma_mapping *m = list[i];
		struct adma_map_req *req = adma_call_add(&call, ADMA_OP_MAP, sizeof(*req) + sizeof(struct adma_range),
							 t->fn->index);
		struct adma_range *range = (struct adma_range *)(req + 1);

		/* A frame is shared by requests of any direction. */
		req->req.flags = cpu_to_le32(ADMA_MAP_DEVICE_READS | ADMA_MAP_DEVICE_WRITES);
		req->align = cpu_to_le32(wished_align(t, m->gpa, m->frames));
		req->nr_ranges = cpu_to_le32(1);
		range->gpa = cpu_to_le64(m->gpa);
		range->length = cpu_to_le64((u64)m->frames << t->ch->granule_shift);
		reqs[i] = req;
	}
	adma_call_run(&call);
	this_cpu_inc(t->counters->doorbells);
	for (i = 0; i < count; i++) {
		errs[i] = adma_call_result(&call, i, &reqs[i]->req);
		if (errs[i])
			continue;
		list[i]->iova = le64_to_cpu(READ_ONCE(reqs[i]->iova));
		list[i]->handle = le64_to_cpu(READ_ONCE(reqs[i]->handle));
	}
	adma_call_end(&call);

	for (i = 0; i < count; i++) {
		struct adma_mapping *m = list[i];
		struct adma_bucket *b = bucket_of_gpa(t, m->gpa, m->frames);

		if (!errs[i])
			account_mapped(t, m->frames);
		if (!errs[i] && !answer_sane(t, m->iova, m->handle, m->frames)) {
			pci_err(t->fn->pdev, "the host maps it at %#llx, which is outside %#llx-%#llx or unaligned\n",
				m->iova, t->fn->iova_first, t->fn->iova_last);
			host_drop(t, m->handle);
			account_unmapped(t, m->frames);
			errs[i] = -EIO;
		}
		raw_spin_lock(&b->lock);
		if (!errs[i]) {
			iova_insert(t, m);
			m->state = MAPPING_LIVE;
		} else {
			hlist_del_init(&m->by_gpa);
			m->state = MAPPING_FAILED;
		}
		raw_spin_unlock(&b->lock);
		if (errs[i] && !err)
			err = errs[i];
	}
	return err;
}

/* Dying mappings: tell the host and reuse the descriptors. */
static void host_unmap(struct adma_table *t, struct adma_mapping **list, unsigned int count)
{
	struct adma_unmap_req *reqs[ADMA_BATCH];
	bool stale[ADMA_BATCH];
	struct adma_call call;
	bool lost = false;
	unsigned int i;

	if (!count)
		return;
	adma_call_begin(t->ch, &call);
	for (i = 0; i < count; i++) {
		reqs[i] = adma_call_add(&call, ADMA_OP_UNMAP, sizeof(*reqs[i]), t->fn->index);
		reqs[i]->handle = cpu_to_le64(list[i]->handle);
	}
	adma_call_run(&call);
	this_cpu_inc(t->counters->doorbells);
	for (i = 0; i < count; i++) {
		int err = adma_call_result(&call, i, &reqs[i]->req);

		/* Any other failure says that the host does not have it (any more). */
		stale[i] = err == -EAGAIN || err == -EIO;
		lost |= err == -ENODEV;
	}
	adma_call_end(&call);
	/* A driver that has noticed by itself gives up without another map. */
	if (lost)
		adma_function_lost(t->fn);

	for (i = 0; i < count; i++) {
		if (stale[i]) {
			unsigned long flags;

			raw_spin_lock_irqsave(&t->stale_lock, flags);
			hlist_add_head(&list[i]->by_gpa, &t->stale);
			raw_spin_unlock_irqrestore(&t->stale_lock, flags);
			schedule_delayed_work(&t->stale_work, msecs_to_jiffies(STALE_RETRY_MS));
		} else {
			account_unmapped(t, list[i]->frames);
			descriptor_release(t, list[i]);
		}
	}
}

static void stale_work(struct work_struct *work)
{
	struct adma_table *t = container_of(to_delayed_work(work), struct adma_table, stale_work);
	struct adma_mapping *list[ADMA_BATCH];
	unsigned int count = 0;

	raw_spin_lock_irq(&t->stale_lock);
	while (count < ADMA_BATCH && !hlist_empty(&t->stale)) {
		list[count] = hlist_entry(t->stale.first, struct adma_mapping, by_gpa);
		hlist_del_init(&list[count++]->by_gpa);
	}
	raw_spin_unlock_irq(&t->stale_lock);
	host_unmap(t, list, count);
	if (count == ADMA_BATCH)
		schedule_delayed_work(&t->stale_work, 0);
}

/* What the ops call */

static void put_mapping(struct adma_table *t, struct adma_dying *dying, struct adma_mapping *m)
{
	struct adma_bucket *b = bucket_of_gpa(t, m->gpa, m->frames);
	unsigned long flags;
	bool last;

	raw_spin_lock_irqsave(&b->lock, flags);
	last = --m->count == 0;
	if (last && m->state == MAPPING_LIVE) {
		hlist_del_init(&m->by_gpa);
		/* Before the host hears of it, as it may give the IOVA to another CPU at once. */
		iova_remove(t, m);
		m->state = MAPPING_DYING;
		dying->mapping[dying->count++] = m;
		last = false;
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);

	if (last)
		descriptor_release(t, m);
	if (dying->count == ADMA_BATCH)
		adma_table_put_done(t, dying);
}

int adma_table_get(struct adma_table *t, struct adma_want *wants, unsigned int count)
{
	struct adma_mapping *pending[ADMA_BATCH];
	struct adma_dying dying = { .count = 0 };
	unsigned int nr_pending = 0;
	unsigned int i = 0;
	unsigned int have;
	unsigned long flags;
	int err = 0;

	local_irq_save(flags);
	while (i < count) {
		struct adma_want *w = &wants[i];
		struct adma_bucket *b = bucket_of_gpa(t, w->gpa, w->frames);
		struct adma_mapping *m;

		raw_spin_lock(&b->lock);
		m = find_gpa(b, w->gpa, w->frames);
		if (m && m->state == MAPPING_PENDING && m->cpu != smp_processor_id()) {
			raw_spin_unlock(&b->lock);
			err = host_map(t, pending, nr_pending);
			nr_pending = 0;
			if (err)
				break;
			cpu_relax();
			continue;
		}
		if (m) {
			m->count++;
			this_cpu_inc(t->counters->hits);
		} else {
			m = descriptor_take(t);
			if (!m) {
				raw_spin_unlock(&b->lock);
				err = -ENOSPC;
				break;
			}
			m->gpa = w->gpa;
			m->frames = w->frames;
			m->count = 1;
			m->cpu = smp_processor_id();
			m->state = MAPPING_PENDING;
			hlist_add_head(&m->by_gpa, &b->head);
			pending[nr_pending++] = m;
		}
		raw_spin_unlock(&b->lock);
		w->mapping = m;
		i++;
	}
	have = i;
	this_cpu_add(t->counters->requests, have);
	err = host_map(t, pending, nr_pending) ?: err;
	local_irq_restore(flags);

	if (!err)
		return 0;
	for (i = 0; i < have; i++)
		put_mapping(t, &dying, wants[i].mapping);
	adma_table_put_done(t, &dying);
	return err;
}

bool adma_table_put(struct adma_table *t, struct adma_dying *dying, dma_addr_t iova, size_t size)
{
	u64 first = iova & ~((1ULL << t->ch->granule_shift) - 1);
	u32 frames = adma_frames_of(t->ch, iova, size);
	struct adma_bucket *b = bucket_of_iova(t, first);
	struct adma_mapping *m, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&b->lock, flags);
	hlist_for_each_entry(m, &b->head, by_iova) {
		if (m->iova == first && m->frames == frames) {
			found = m;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	/* The caller's own use keeps it live; a driver that unmaps twice takes away a neighbour's. */
	if (!found)
		return false;
	put_mapping(t, dying, found);
	return true;
}

void adma_table_put_done(struct adma_table *t, struct adma_dying *dying)
{
	host_unmap(t, dying->mapping, dying->count);
	dying->count = 0;
}

/* Life of a table */

unsigned int adma_table_clear(struct adma_table *t)
{
	struct adma_dying dying = { .count = 0 };
	unsigned int left = 0;
	u32 i;

	for (i = 0; i < t->nr_mappings; i++) {
		struct adma_mapping *m = &t->mappings[i];

		if (m->state != MAPPING_LIVE)
			continue;
		left++;
		m->count = 1;
		put_mapping(t, &dying, m);
	}
	adma_table_put_done(t, &dying);
	return left;
}

int adma_table_init(struct adma_table *t, struct adma_channel *ch, struct adma_function *fn, u32 nr_mappings)
{
	u32 buckets, i;

	t->ch = ch;
	t->fn = fn;
	t->nr_mappings = nr_mappings;
	t->bucket_bits = clamp(ilog2(nr_mappings) - 1, 8, 14);
	buckets = 1U << t->bucket_bits;
	raw_spin_lock_init(&t->stale_lock);
	INIT_HLIST_HEAD(&t->stale);
	INIT_DELAYED_WORK(&t->stale_work, stale_work);

	t->mappings = kvcalloc(nr_mappings, sizeof(*t->mappings), GFP_KERNEL);
	t->by_gpa = kvcalloc(buckets, sizeof(*t->by_gpa), GFP_KERNEL);
	t->by_iova = kvcalloc(buckets, sizeof(*t->by_iova), GFP_KERNEL);
	t->counters = alloc_percpu(struct adma_counters);
	if (!t->mappings || !t->by_gpa || !t->by_iova || !t->counters) {
		adma_table_destroy(t);
		return -ENOMEM;
	}
	for (i = 0; i < buckets; i++) {
		raw_spin_lock_init(&t->by_gpa[i].lock);
		raw_spin_lock_init(&t->by_iova[i].lock);
	}
	for (i = 0; i < ADMA_SHARDS; i++)
		raw_spin_lock_init(&t->shards[i].lock);
	for (i = 0; i < nr_mappings; i++)
		hlist_add_head(&t->mappings[i].by_gpa, &t->shards[i % ADMA_SHARDS].unused);
	return 0;
}

void adma_table_destroy(struct adma_table *t)
{
	cancel_delayed_work_sync(&t->stale_work);
	kvfree(t->mappings);
	kvfree(t->by_gpa);
	kvfree(t->by_iova);
	free_percpu(t->counters);
}
