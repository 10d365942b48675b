// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dma.c - IODMACommand, and the device's accesses through its DART.
 *
 * One command holds at most one live mapping.  Bytes that share a DART page
 * with a mapping without belonging to it count as outside, which is stricter
 * than the hardware: nothing may depend on reaching them.
 */
#include "faults.h"
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS_MAX         32 /* more is kIOReturnOverrun in the stub (IIG) */
#define NO_MAPPER_BASE    0x800000000ull
#define VM_PAGE_SHIFT_MIN 14

struct dma_mapping {
	struct function *function; /* whose dext made it */
	uint64_t iova, pages;
	uint32_t direction;
	unsigned nr_chunks;
	struct chunk *chunks; /* by iova */
};

struct command {
	struct object o;
	struct function *function; /* NULL: no mapper, segments are as good as physical */
	unsigned address_bits;
	pthread_mutex_t lock; /* fDextLock */
	bool released;
	struct descriptor *memory; /* while prepared */
	uint64_t offset, length;
	struct dma_mapping mapping;
};

struct slot {
	uint64_t address, length;
};

/* ---- the mapping of a command; command.lock held ---- */

static void drop_chunks(struct dma_mapping *m)
{
	for (unsigned i = 0; i < m->nr_chunks; i++)
		chunk_release(&m->chunks[i]);
	free(m->chunks);
	m->chunks = NULL;
	m->nr_chunks = 0;
}

static void complete(struct command *c)
{
	struct function *f = c->function;

	if (!c->memory)
		return;
	if (f) {
		pthread_rwlock_wrlock(&f->mapper->lock);
		dart_unmap(&f->mapper->dart, c->mapping.iova, c->mapping.pages);
		f->unmaps++;
		f->mappings--;
		f->mapped_pages -= c->mapping.pages;
		pthread_rwlock_unlock(&f->mapper->lock);
	}
	drop_chunks(&c->mapping);
	object_unref(c->memory);
	c->memory = NULL;
}

static void count_mapping(struct function *f, uint64_t pages)
{
	f->maps++;
	f->mapped_pages += pages;
	if (++f->mappings > f->peak_mappings)
		f->peak_mappings = f->mappings;
	if (f->mapped_pages > f->peak_pages)
		f->peak_pages = f->mapped_pages;
}

/* One block for everything (MD dmaMap 4605). false: full, and the machine file wants an error. */
static bool reserve(struct command *c)
{
	struct function *f = c->function;
	struct dma_mapping *m = &c->mapping;
	bool ok, first = true;

	for (;;) {
		pthread_rwlock_wrlock(&f->mapper->lock);
		ok = dart_map(&f->mapper->dart, m->pages, m, &m->iova);
		for (unsigned i = 0; ok && i < m->nr_chunks; i++)
			m->chunks[i].iova += m->iova;
		if (ok)
			count_mapping(f, m->pages);
		f->map_failures += !ok && first;
		pthread_rwlock_unlock(&f->mapper->lock);
		first = false;
		if (ok || f->mapper->dart.config.exhaustion == DART_FULL_ERROR)
			return ok;
		if (f->mapper->dart.config.exhaustion == DART_FULL_PANIC)
			kernel_panic(
				"%s: IODARTMapper has no room for %llu pages and asserts; keep a smaller DMA budget",
				f->config.bdf, (unsigned long long)m->pages);
		/* Sleeps uninterruptibly until space frees (VTD 1204). */
		if (!atomic_load(&c->o.owner->alive))
			return false;
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
}

/*
 * Resolves memory and gives every byte its place in the block: each range
 * takes whole pages and keeps its offset in the first (MD 2262).
 * With room for `slots` segments, adjacent pieces are merged and the rest is
 * silently left out (DC 1470).
 */
static int32_t lay_out(struct command *c, struct descriptor *d)
{
	struct dma_mapping *m = &c->mapping;
	uint64_t page = c->function ? c->function->mapper->dart.config.page : kernel.config.page;
	uint64_t skip = c->offset, left = c->length;
	unsigned room = 0;

	*m = (struct dma_mapping){.function = c->function, .direction = d->direction};
	for (unsigned i = 0; i < d->nr_segments && left; i++) {
		const struct segment *s = &d->segments[i];
		if (skip >= s->length) {
			skip -= s->length;
			continue;
		}
		uint64_t part = s->length - skip < left ? s->length - skip : left;
		uint64_t in_page = (s->at + skip) % page; /* BARs and buffers start on a page */
		unsigned from = m->nr_chunks;
		int32_t ret = segment_resolve(s, skip, part, d->direction, &m->chunks, &m->nr_chunks, &room);
		if (ret)
			return ret;
		/* Offsets into the block until its address is known. */
		for (uint64_t at = m->pages * page + in_page; from < m->nr_chunks; at += m->chunks[from++].length)
			m->chunks[from].iova = at;
		m->pages += (in_page + part + page - 1) / page;
		left -= part;
		skip = 0;
	}
	return kIOReturnSuccess;
}

static unsigned list_slots(const struct command *c, struct slot *slots, unsigned room)
{
	const struct dma_mapping *m = &c->mapping;
	unsigned n = 0;

	for (unsigned i = 0; i < m->nr_chunks; i++) {
		if (n && slots[n - 1].address + slots[n - 1].length == m->chunks[i].iova) {
			slots[n - 1].length += m->chunks[i].length;
			continue;
		}
		if (n == room)
			break;
		slots[n++] = (struct slot){m->chunks[i].iova, m->chunks[i].length};
	}
	return n;
}

/* Without a mapper the segments are physical pages: scattered, and useless to a device behind a DART (MAP 163). */
static unsigned list_physical(const struct command *c, struct slot *slots, unsigned room)
{
	uint64_t page = kernel.config.page;
	unsigned n = 0;

	for (unsigned i = 0; i < c->mapping.nr_chunks; i++) {
		uint64_t at = c->mapping.chunks[i].iova, end = at + c->mapping.chunks[i].length;
		while (at < end && n < room) {
			uint64_t part = page - at % page < end - at ? page - at % page : end - at;
			slots[n++] = (struct slot){NO_MAPPER_BASE + (at / page * 3) * page + at % page, part};
			at += part;
		}
	}
	return n;
}

static bool above_limit(const struct command *c, const struct slot *slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (c->address_bits < 64 && (slots[i].address + slots[i].length - 1) >> c->address_bits)
			return true;
	return false;
}

static int32_t prepare(struct command *c, struct descriptor *d, uint64_t offset, uint64_t length, unsigned room,
		       struct slot *slots, unsigned *n)
{
	int32_t ret;

	if (c->released)
		return kIOReturnAborted;
	/* The same descriptor again completes the old mapping first; another one finds it busy (DC
	 * setMemoryDescriptor). */
	if (c->memory && c->memory != d)
		return kIOReturnBusy;
	complete(c);
	if (!d->length)
		return kIOReturnBadArgument;
	/* Nobody checks the range, and the walk of the runs panics on it (DC 936-1010). */
	if (!length && offset < d->length)
		length = d->length - offset;
	if (!length || offset > d->length || length > d->length - offset)
		kernel_panic(
			"PrepareForDMA of bytes 0x%llx + 0x%llx of a descriptor of 0x%llx: dmaCommandOperation panics; "
			"check the range against GetLength",
			(unsigned long long)offset, (unsigned long long)length, (unsigned long long)d->length);
	c->offset = offset;
	c->length = length;
	ret = fault_fails(FAULT_PREPARE) ? kIOReturnNoResources : lay_out(c, d);
	if (!ret && c->function && !reserve(c))
		ret = kIOReturnNoResources;
	if (ret) {
		drop_chunks(&c->mapping);
		return ret;
	}
	c->memory = object_ref(d);
	*n = c->function ? list_slots(c, slots, room) : list_physical(c, slots, room);
	if (above_limit(c, slots, *n)) {
		complete(c);
		return kIOReturnMessageTooLarge; /* DC 1424 */
	}
	return kIOReturnSuccess;
}

/* ---- requests ---- */

static void command_free(struct object *o)
{
	struct command *c = (struct command *)o;

	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void command_release(struct command *c)
{
	pthread_mutex_lock(&c->lock);
	c->released = true;
	complete(c);
	pthread_mutex_unlock(&c->lock);
	object_withdraw(&c->o);
}

void commands_release_all(struct task *t)
{
	void **all = object_all(OBJ_COMMAND, t);

	for (void **at = all; *at; at++) {
		command_release(*at);
		object_unref(*at);
	}
	free(all);
}

int32_t do_dma_create(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	uint64_t bits = in->a[3];
	struct entry *device = object_find(in->a[0], OBJ_ENTRY, NULL);
	struct command *command;
	struct function *f = NULL;
	bool ok;

	/* The mapper is found on the PCI device alone, not through a service above it (MAP 163). */
	if (device && device->kind == ENTRY_NUB && device->function == host_function(c->task->host) &&
	    !device->inactive)
		f = device->function;
	object_unref(device);
	if (in->a[1] || bits > 255) /* US 960 */
		return kIOReturnBadArgument;
	if (fault_fails(FAULT_COMMAND))
		return kIOReturnNoMemory;
	if (bits && bits < VM_PAGE_SHIFT_MIN) /* initWithSpecification refuses (DC 274) */
		return kIOReturnNoMemory;
	command = calloc(1, sizeof(*command));
	object_init(&command->o, OBJ_COMMAND, c->task, command_free);
	pthread_mutex_init(&command->lock, NULL);
	command->function = f;
	command->address_bits = bits ? bits : 64;
	ok = object_publish(&command->o);
	out->a[0] = command->o.id;
	object_unref(command);
	return ok ? kIOReturnSuccess : kIOReturnNotReady;
}

int32_t do_dma_prepare(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct command *command;
	struct descriptor *d;
	unsigned n = 0;
	int32_t ret = kIOReturnBadArgument;

	if (in->a[5] > SLOTS_MAX)
		return kIOReturnOverrun;
	if (in->a[1] || !in->a[5]) /* US 1010 */
		return kIOReturnBadArgument;
	command = object_find(in->a[0], OBJ_COMMAND, c->task);
	d = object_find(in->a[2], OBJ_DESCRIPTOR, c->task);
	if (command && d) {
		pthread_mutex_lock(&command->lock);
		fault_delays(FAULT_PREPARE);
		ret = prepare(command, d, in->a[3], in->a[4], in->a[5], (struct slot *)c->out, &n);
		pthread_mutex_unlock(&command->lock);
		out->a[0] = d->direction; /* Out: the device may read; In: it may write */
		out->a[1] = n;
		out->len = ret ? 0 : n * sizeof(struct slot);
	}
	object_unref(d);
	object_unref(command);
	return ret;
}

int32_t do_dma_complete(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct command *command = object_find(in->a[0], OBJ_COMMAND, c->task);
	int32_t ret = kIOReturnSuccess;

	(void)out;
	if (!command || in->a[1]) {
		object_unref(command);
		return kIOReturnBadArgument;
	}
	pthread_mutex_lock(&command->lock);
	fault_delays(FAULT_COMPLETE);
	if (command->memory)
		complete(command);
	else
		ret = kIOReturnNotReady; /* US 1073 */
	pthread_mutex_unlock(&command->lock);
	object_unref(command);
	return ret;
}

int32_t do_dma_preparation(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct command *command = object_find(in->a[0], OBJ_COMMAND, c->task);
	int32_t ret = kIOReturnNotReady;

	if (!command)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&command->lock);
	if (command->memory) {
		out->a[0] = command->offset;
		out->a[1] = command->length;
		out->a[2] = command->memory->o.id;
		ret = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&command->lock);
	object_unref(command);
	return ret;
}

int32_t do_dma_release(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct command *command = object_find(in->a[0], OBJ_COMMAND, c->task);

	(void)out;
	/* Completes what is prepared (DC 351). */
	if (command)
		command_release(command);
	object_unref(command);
	return kIOReturnSuccess;
}

/* ---- the device; function.lock held ---- */

static const struct chunk *chunk_at(const struct dma_mapping *m, uint64_t iova)
{
	unsigned low = 0, high = m->nr_chunks;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (m->chunks[mid].iova + m->chunks[mid].length <= iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->nr_chunks && m->chunks[low].iova <= iova ? &m->chunks[low] : NULL;
}

static void stray(struct function *f, uint64_t iova, uint64_t bytes, bool write)
{
	bool before = dart_ever_mapped(&f->mapper->dart, iova);

	klog(f->config.bdf, "stray DMA: %s of %llu bytes at 0x%llx, %s", write ? "write" : "read",
	     (unsigned long long)bytes, (unsigned long long)iova, before ? "mapped once, not now" : "never mapped");
	report_add_stray(f->config.bdf, iova, bytes, write, before);
}

static bool transfer(struct function *f, uint64_t iova, uint8_t *buf, size_t bytes, bool write)
{
	atomic_ullong *moved = write ? &f->dma_write_bytes : &f->dma_read_bytes;
	uint32_t needed = write ? kIOMemoryDirectionIn : kIOMemoryDirectionOut;
	bool ok = true;

	if (!f->present || f->in_reset || !(f->space[4] & 4)) {
		atomic_fetch_add(&f->dma_blocked, 1);
		return false;
	}
	/* Held over the copy: when CompleteDMA has returned, no access is still on its way. */
	pthread_rwlock_rdlock(&f->mapper->lock);
	while (bytes) {
		const struct dma_mapping *m = dart_owner(&f->mapper->dart, iova);
		/* A shared DART would let a function reach its neighbour's mappings. Here that is stray too. */
		const struct chunk *c = m && m->function == f ? chunk_at(m, iova) : NULL;
		if (!c || (f->mapper->dart.config.enforce_direction && !(m->direction & needed))) {
			stray(f, iova, bytes, write);
			ok = false;
			break;
		}
		uint64_t at = iova - c->iova;
		size_t part = c->length - at < bytes ? c->length - at : bytes;
		if (!chunk_copy(c, at, buf, part, write)) {
			klog(f->config.bdf, "DMA at 0x%llx reached memory whose process is gone or took it back",
			     (unsigned long long)iova);
			ok = false;
			break;
		}
		atomic_fetch_add(moved, part);
		iova += part;
		buf += part;
		bytes -= part;
	}
	pthread_rwlock_unlock(&f->mapper->lock);
	return ok;
}

bool sim_dma_read(struct sim_function *f, uint64_t iova, void *buf, size_t bytes)
{
	return transfer((struct function *)f, iova, buf, bytes, false);
}

bool sim_dma_write(struct sim_function *f, uint64_t iova, const void *buf, size_t bytes)
{
	return transfer((struct function *)f, iova, (uint8_t *)(uintptr_t)buf, bytes, true);
}
