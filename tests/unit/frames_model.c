// SPDX-License-Identifier: GPL-2.0-or-later
#include "frames_model.h"

#include <stdio.h>

__thread u32 fi_thread;

uint64_t xorshift(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint32_t below(uint64_t *seed, uint32_t limit)
{
	return (uint32_t)(xorshift(seed) >> 20) % limit;
}

/* Host */

void host_init(struct host *h)
{
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	h->seed = 88172645463325252ull;
	h->frames_max = HOST_WINDOW;
	h->mappings_max = HOST_SLOTS;
	h->fail_with = -ENOMEM;
}

void host_limits(const struct host *h, struct fi_limits *limits)
{
	*limits = (struct fi_limits){
		.granule_shift = HOST_SHIFT,
		.max_align = 21,
		.congruent = h->congruent,
		.max_granule = h->max_granule,
		.max_ranges = 32,
		.iova_first = HOST_FIRST,
		.iova_last = HOST_FIRST + ((uint64_t)HOST_WINDOW << HOST_SHIFT) - 1,
		.bytes_max = (uint64_t)h->frames_max << HOST_SHIFT,
		.mappings_max = h->mappings_max,
		.nr_cpus = 8,
	};
}

static bool chance(struct host *h, uint32_t one_in)
{
	return one_in && below(&h->seed, one_in) == 0;
}

static bool fits(const struct host *h, uint32_t base, uint32_t frames)
{
	if (base + frames > HOST_WINDOW)
		return false;
	for (uint32_t i = 0; i < frames; i++)
		if (h->frame_at[base + i])
			return false;
	return true;
}

/* Congruent to `frame`, or to 0. */
static uint32_t place(struct host *h, uint32_t frames, uint32_t align, uint32_t frame)
{
	uint32_t start = 0, step = align ? 1u << (align - HOST_SHIFT) : 1;

	if (h->place == PLACE_NEXT_FIT)
		start = h->next;
	else if (h->place == PLACE_RANDOM)
		start = below(&h->seed, HOST_WINDOW);
	start = (start & ~(step - 1)) + (h->congruent ? frame & (step - 1) : 0);
	for (uint32_t i = 0; i < HOST_WINDOW; i += step) {
		uint32_t base = (start + i) % HOST_WINDOW + h->shift_by;

		if (fits(h, base, frames)) {
			h->next = (base + frames) % HOST_WINDOW;
			return base;
		}
	}
	return FI_NONE;
}

static void map(struct host *h, const struct fi_batch *b, struct fi_map *m)
{
	uint32_t slot, base, at, frame;

	if (!m->nr_ranges || m->nr_ranges > 32 || m->first_range + m->nr_ranges > b->nr_ranges)
		violated("a mapping of %u ranges", m->nr_ranges);
	if (m->nr_ranges > h->ranges_max)
		h->ranges_max = m->nr_ranges;
	if (h->gone) {
		m->err = -ENODEV;
		return;
	}
	if (chance(h, h->fail_maps)) {
		m->err = h->fail_with;
		h->refused++;
		return;
	}
	for (slot = 0; slot < h->mappings_max && h->mapping[slot].live; slot++)
		;
	if (slot == h->mappings_max || h->frames + m->frames > h->frames_max) {
		m->err = slot == h->mappings_max ? -ENOSPC : -ENOMEM;
		h->refused++;
		return;
	}
	frame = b->ranges[m->first_range].frame;
	if (m->align && (m->align <= HOST_SHIFT || m->align > 21 || (!h->congruent && frame & ((1u << (m->align - HOST_SHIFT)) - 1))))
		violated("a wish of %u for a mapping of frame %u", m->align, frame);
	/* The larger, the more of the mapper's places are no good. */
	if (m->align && !m->natural && 1u << (m->align - HOST_SHIFT) > m->frames)
		violated("a wish of %u for %u frames", m->align, m->frames);
	base = place(h, m->frames, m->align, frame);
	if (base == FI_NONE && m->align)
		base = place(h, m->frames, 0, 0);
	if (base == FI_NONE) {
		m->err = -ENOMEM;
		h->refused++;
		return;
	}
	at = base;
	for (uint32_t r = m->first_range; r < (uint32_t)m->first_range + m->nr_ranges; r++)
		for (uint32_t i = 0; i < b->ranges[r].frames; i++)
			__atomic_store_n(&h->frame_at[at++], b->ranges[r].frame + i + 1, __ATOMIC_RELAXED);
	if (at != base + m->frames)
		violated("ranges hold %u frames, the mapping %u", at - base, m->frames);
	h->mapping[slot].live = true;
	h->mapping[slot].base = base;
	h->mapping[slot].frames = m->frames;
	h->mapping[slot].generation++;
	h->frames += m->frames;
	h->mappings++;
	if (h->frames > h->frames_peak)
		h->frames_peak = h->frames;
	h->maps++;
	m->err = 0;
	m->handle = (uint64_t)h->mapping[slot].generation << 32 | (slot + 1);
	m->iova = HOST_FIRST + ((uint64_t)base << HOST_SHIFT);
	if (chance(h, h->odd_answers)) {
		static const uint64_t odd[] = {0, 0x1000, HOST_FIRST - 0x4000, HOST_FIRST + 8,
					       HOST_FIRST + ((uint64_t)HOST_WINDOW << HOST_SHIFT) - 0x4000, UINT64_MAX};

		/* For a single frame the last two may be right. */
		m->iova = odd[below(&h->seed, m->frames > 1 ? 6 : 4)];
	}
}

static void unmap(struct host *h, struct fi_drop *d)
{
	uint32_t slot = (uint32_t)d->handle - 1;

	if (slot >= HOST_SLOTS || !h->mapping[slot].live || h->mapping[slot].generation != d->handle >> 32)
		violated("handle %llx is unmapped but not mapped", (unsigned long long)d->handle);
	for (uint32_t i = 0; i < h->mapping[slot].frames; i++)
		if (__atomic_load_n(&h->used[h->mapping[slot].base + i], __ATOMIC_RELAXED))
			violated("IOVA frame %u is unmapped while a driver uses it", h->mapping[slot].base + i);
	if (h->gone) {
		d->err = -ENODEV;
	} else if (chance(h, h->busy_drops)) {
		d->err = -EAGAIN;
		return;
	}
	for (uint32_t i = 0; i < h->mapping[slot].frames; i++)
		__atomic_store_n(&h->frame_at[h->mapping[slot].base + i], 0, __ATOMIC_RELAXED);
	h->mapping[slot].live = false;
	h->frames -= h->mapping[slot].frames;
	h->mappings--;
	h->unmaps++;
}

static void host_run(void *host, struct fi_batch *b)
{
	struct host *h = host;

	pthread_mutex_lock(&h->lock);
	h->runs++;
	if (b->nr_drops > FI_MAX_DROPS || b->nr_maps > FI_MAX_MAPS || b->nr_ranges > FI_MAX_RANGES)
		violated("a batch of %u drops, %u maps, %u ranges", b->nr_drops, b->nr_maps, b->nr_ranges);
	for (uint32_t i = 0; i < b->nr_drops; i++)
		unmap(h, &b->drops[i]);
	if (b->nr_drops > h->in_batch_max)
		h->in_batch_max = b->nr_drops;
	for (uint32_t i = 0; i < b->nr_maps; i++)
		if (b->maps[i].err == FI_ASK)
			map(h, b, &b->maps[i]);
	pthread_mutex_unlock(&h->lock);
}

static void host_wake(void *host, bool soon)
{
	struct host *h = host;

	if (soon)
		__atomic_store_n(&h->woken_soon, true, __ATOMIC_RELAXED);
}

static void host_distrust(void *host, uint64_t iova)
{
	(void)host;
	(void)iova;
}

const struct fi_host host_ops = {.run = host_run, .wake = host_wake, .distrust = host_distrust};

/* Drivers */

static void check_mapped(struct host *h, const struct held *held)
{
	uint32_t base = (held->iova - HOST_FIRST) >> HOST_SHIFT;

	for (uint32_t i = 0; i < held->frames; i++) {
		uint32_t there = __atomic_load_n(&h->frame_at[base + i], __ATOMIC_RELAXED);

		if (there != held->frame + i + 1)
			violated("IOVA frame %u leads to guest frame %d instead of %u", base + i, (int)there - 1,
				 held->frame + i);
	}
}

static void use(struct host *h, const struct held *held, int by)
{
	uint32_t base = (held->iova - HOST_FIRST) >> HOST_SHIFT;

	for (uint32_t i = 0; i < held->frames; i++)
		__atomic_fetch_add(&h->used[base + i], by, __ATOMIC_RELAXED);
}

static void hold(struct frame_index *fi, struct host *h, const struct fi_want *want, struct held *held)
{
	*held = (struct held){
		.iova = fi_address(fi, want->iova),
		.bytes = (uint64_t)want->frames << HOST_SHIFT,
		.frame = want->frame,
		.frames = want->frames,
	};
	check_mapped(h, held);
	use(h, held, 1);
}

static bool hits_first(void)
{
	static __thread unsigned turn;

	return turn++ & 1;
}

bool driver_hit(struct frame_index *fi, struct host *h, struct fi_want *want, struct held *held)
{
	uint64_t offset = 16, address;

	if (want->frames != 1 || !fi_get_hit(fi, ((uint64_t)want->frame << HOST_SHIFT) + offset, (1u << HOST_SHIFT) - offset,
					     UINT64_MAX, &address))
		return false;
	if ((address & ((1u << HOST_SHIFT) - 1)) != offset)
		violated("a hit at %llx", (unsigned long long)address);
	want->iova = (uint32_t)((address - HOST_FIRST) >> HOST_SHIFT);
	hold(fi, h, want, held);
	return true;
}

int driver_map(struct frame_index *fi, struct host *h, struct fi_want *wants, uint32_t count, struct held *held)
{
	int err;

	if (count == 1 && hits_first() && driver_hit(fi, h, wants, held))
		return 0;
	err = fi_get(fi, wants, count);
	for (uint32_t i = 0; i < count && !err; i++)
		hold(fi, h, &wants[i], &held[i]);
	return err;
}

void driver_unmap(struct frame_index *fi, struct host *h, const struct held *held, uint32_t count)
{
	struct fi_dying dying = {.count = 0};

	for (uint32_t i = 0; i < count; i++) {
		check_mapped(h, &held[i]);
		use(h, &held[i], -1);
		if (!(hits_first() && fi_put_hit(fi, held[i].iova, held[i].bytes)) &&
		    !fi_put(fi, &dying, held[i].iova, held[i].bytes))
			violated("what was mapped at %llx cannot be unmapped", (unsigned long long)held[i].iova);
	}
	fi_put_done(fi, &dying);
}

void model_agree(struct frame_index *fi, struct host *h)
{
	struct fi_usage usage;
	struct fi_counters c;

	fi_usage(fi, &usage);
	fi_count(fi, &c);
	if (fi_load(&fi->mapped) != h->frames || fi_load(&fi->mappings) != h->mappings)
		violated("the index counts %llu frames in %llu mappings, the host %u in %u",
			 (unsigned long long)fi_load(&fi->mapped), (unsigned long long)fi_load(&fi->mappings), h->frames,
			 h->mappings);
	if (usage.mapped != h->frames || usage.mappings != h->mappings)
		violated("the index finds %llu frames in %u mappings, the host has %u in %u",
			 (unsigned long long)usage.mapped, usage.mappings, h->frames, h->mappings);
	if (c.maps != h->maps || c.unmaps != h->unmaps || c.doorbells != h->runs)
		violated("the index counts %llu maps, %llu unmaps, %llu doorbells, the host %llu, %llu, %llu",
			 (unsigned long long)c.maps, (unsigned long long)c.unmaps, (unsigned long long)c.doorbells,
			 (unsigned long long)h->maps, (unsigned long long)h->unmaps, (unsigned long long)h->runs);
}

/* Random operations */

#define HELD_MAX 256u

struct run {
	struct frame_index fi;
	struct host host;
	struct held held[HELD_MAX];
	uint32_t nr_held;
	uint64_t seed;
	uint32_t pool;	     /* guest frames in play */
	uint32_t frames_max; /* of a want */
	uint32_t before, after;
};

static bool nothing_idle(const struct host *h)
{
	for (uint32_t s = 0; s < HOST_SLOTS; s++) {
		bool used = false;

		for (uint32_t i = 0; h->mapping[s].live && i < h->mapping[s].frames; i++)
			used |= h->used[h->mapping[s].base + i] != 0;
		if (h->mapping[s].live && !used)
			return false;
	}
	return true;
}

/* Up to where the address should be congruent to the memory's: what docs/gpu.md promises. */
static uint32_t promised(const struct host *h, const struct fi_want *w)
{
	uint32_t frames = 1;

	while ((w->natural ? frames : 2 * frames - 1) < w->frames && frames < 128)
		frames *= 2;
	while (!(h->congruent && frames >= 4) && w->frame & (frames - 1))
		frames /= 2;
	return frames >= 4 || w->natural ? frames : 1;
}

static void check_alignment(struct run *r, const struct fi_want *w, const struct held *held)
{
	struct fi_counters c;

	if (!((held->iova >> HOST_SHIFT ^ w->frame) & (promised(&r->host, w) - 1)))
		return;
	fi_count(&r->fi, &c);
	if (!c.misaligned)
		violated("%u frames at %u are at %llx, and nobody knows", w->frames, w->frame, (unsigned long long)held->iova);
}

static void random_map(struct run *r)
{
	uint32_t count = below(&r->seed, 4) ? 1 : 1 + below(&r->seed, 32);
	struct fi_want wants[32];
	bool packed = count > 1;
	uint64_t runs;
	int err;

	if (count > HELD_MAX - r->nr_held)
		count = HELD_MAX - r->nr_held;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t frames = below(&r->seed, 3) ? 1 : 1 + below(&r->seed, r->frames_max);
		uint32_t frame = below(&r->seed, r->pool);

		/* Streams, in either direction. */
		if (below(&r->seed, 4) == 0)
			frame = (below(&r->seed, 4) ? r->after : r->before + r->pool - frames) % r->pool;
		/* Lists often continue where they were. */
		if (i && below(&r->seed, 2))
			frame = (wants[i - 1].frame + wants[i - 1].frames - below(&r->seed, 2)) % r->pool;
		wants[i] = (struct fi_want){
			.frame = frame,
			.frames = frames,
			.packed = packed,
			.natural = !packed && below(&r->seed, 2),
		};
		r->before = frame;
		r->after = frame + frames;
	}
	if (!count)
		return;
	runs = r->host.runs;
	err = driver_map(&r->fi, &r->host, wants, count, r->held + r->nr_held);
	/* One trip for each mapping at most, one to undo it, the last evictions and what a failure gives back. */
	if (r->host.runs - runs > 2 * count + FI_TRIPS + 2)
		violated("%u pieces took %u trips", count, (unsigned)(r->host.runs - runs));
	for (uint32_t i = 0; i < count && !err; i++)
		check_alignment(r, &wants[i], &r->held[r->nr_held + i]);
	if (!err)
		r->nr_held += count;
	else if (err != -ENOMEM && err != -ENOSPC && !r->host.fail_maps && !r->host.odd_answers)
		violated("mapping failed with %d", err);
	else if (!r->host.fail_maps && !r->host.busy_drops && !r->host.odd_answers && count == 1 && !r->fi.strict &&
		 !nothing_idle(&r->host))
		violated("mapping of %u frames was refused while something was idle", wants[0].frames);
}

static void random_unmap(struct run *r)
{
	uint32_t n = below(&r->seed, 3) ? 1 : 1 + below(&r->seed, 32);
	struct held gone[32];

	if (n > r->nr_held)
		n = r->nr_held;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = below(&r->seed, r->nr_held);

		gone[i] = r->held[k];
		r->held[k] = r->held[--r->nr_held];
	}
	driver_unmap(&r->fi, &r->host, gone, n);
}

/* An address that is not in use, or a range that ends in one. */
static void wrong_unmap(struct run *r)
{
	struct fi_dying dying = {.count = 0};
	uint32_t first = below(&r->seed, HOST_WINDOW), frames = 1 + below(&r->seed, 4);
	uint64_t address = HOST_FIRST + ((uint64_t)first << HOST_SHIFT);
	bool unused = first + frames > HOST_WINDOW;

	for (uint32_t i = 0; i < frames && !unused; i++)
		unused = !r->host.used[first + i];
	if (unused && (fi_put_hit(&r->fi, address, (uint64_t)frames << HOST_SHIFT) ||
		       fi_put(&r->fi, &dying, address, (uint64_t)frames << HOST_SHIFT)))
		violated("%u frames at %u were given back but are not in use", frames, first);
	fi_put_done(&r->fi, &dying);
}

static void start_run(struct run *r, uint64_t seed)
{
	struct fi_limits limits;

	memset(r, 0, sizeof(*r));
	r->seed = seed * 0x9e3779b97f4a7c15ull | 1;
	host_init(&r->host);
	r->host.seed = xorshift(&r->seed) | 1;
	r->host.place = (enum place)below(&r->seed, 3);
	r->host.frames_max = 8 + below(&r->seed, 400);
	r->host.mappings_max = 4 + below(&r->seed, 120);
	r->pool = 8 + below(&r->seed, 600);
	r->frames_max = 1 + below(&r->seed, 20);
	if (!below(&r->seed, 3))
		r->host.fail_maps = 2 + below(&r->seed, 30);
	if (!below(&r->seed, 3))
		r->host.busy_drops = 2 + below(&r->seed, 30);
	if (!below(&r->seed, 4))
		r->host.odd_answers = 2 + below(&r->seed, 30);
	r->host.congruent = below(&r->seed, 2);
	r->host.max_granule = below(&r->seed, 3) ? 17 + below(&r->seed, 5) : 0;
	r->host.fail_with = below(&r->seed, 2) ? -ENOMEM : -EIO;
	host_limits(&r->host, &limits);
	if (!below(&r->seed, 2))
		limits.bytes_max *= 2; /* the host has less than it says */
	if (fi_init(&r->fi, &limits, &host_ops, &r->host) || fi_add_ram(&r->fi, 0, RAM_FRAMES))
		violated("no memory");
	fi_set_strict(&r->fi, !below(&r->seed, 4));
}

static void end_run(struct run *r)
{
	struct fi_usage usage;
	struct fi_counters c;

	r->host.busy_drops = 0;
	while (r->nr_held)
		random_unmap(r);
	while (fi_work(&r->fi, false))
		;
	model_agree(&r->fi, &r->host);
	fi_usage(&r->fi, &usage);
	fi_count(&r->fi, &c);
	if (usage.used || usage.idle != usage.mapped || c.idle != (s64)usage.mapped)
		violated("nothing is used, but of %llu frames %llu are idle, and %lld by count", (unsigned long long)usage.mapped,
			 (unsigned long long)usage.idle, (long long)c.idle);
	if (r->fi.strict && usage.mapped)
		violated("strict, and %llu frames stay mapped", (unsigned long long)usage.mapped);
	if (below(&r->seed, 2)) {
		for (int i = 0; i < 12; i++)
			fi_work(&r->fi, true);
	} else if (below(&r->seed, 2)) {
		if (fi_clear(&r->fi))
			violated("something was in use when nothing was");
	} else if (fi_evict_range(&r->fi, 0, RAM_FRAMES)) {
		violated("something could not be evicted when nothing was in use");
	}
	model_agree(&r->fi, &r->host);
	if (r->host.mappings)
		violated("%u mappings are left", r->host.mappings);
	fi_destroy(&r->fi);
}

void model_random(uint64_t seed, uint64_t operations)
{
	static __thread struct run r;

	while (operations) {
		uint64_t part = operations < 4000 ? operations : 4000;

		start_run(&r, seed++);
		for (uint64_t i = 0; i < part; i++) {
			switch (below(&r.seed, 32)) {
			case 0:
				wrong_unmap(&r);
				break;
			case 1:
				fi_work(&r.fi, below(&r.seed, 4) == 0);
				break;
			case 2:
				if (!below(&r.seed, 8))
					fi_evict_range(&r.fi, below(&r.seed, r.pool), below(&r.seed, r.pool));
				break;
			default:
				if (below(&r.seed, HELD_MAX) > r.nr_held)
					random_map(&r);
				else
					random_unmap(&r);
			}
			if (i % 64 == 0)
				model_agree(&r.fi, &r.host);
		}
		end_run(&r);
		operations -= part;
	}
}
