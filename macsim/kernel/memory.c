// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.c - memory of clients, buffers and BARs, and the descriptors over them.
 *
 * A client's addresses are looked up when DMA is prepared, not when the
 * descriptor is made (MD memoryReferenceCreate, VM vm_map_range_physical_size).
 * Memory the client registered (a memfd it maps shared) is mapped here too:
 * what was prepared stays reachable when the client unmaps it or dies, as
 * wired pages do.  Other memory is reached in the living process; it does not
 * survive its exit.
 */
#include "faults.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEGMENTS_MAX      1024
#define CLIENT_RANGES_MAX 32 /* IOUserClient.iig; 33 is kIOReturnOverrun in the stub (IIG) */

/* Short: lists, handles and shadows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- shared files ---- */

struct mapped_view {
	struct mapped_view *next;
	uint8_t *at;
	uint64_t size;
};

struct backing {
	atomic_uint refs;
	int fd;
	pthread_mutex_t lock;
	struct mapped_view *views; /* newest, largest first; older ones may still be pointed into */
};

static struct backing *backing_of(int fd)
{
	struct backing *b = calloc(1, sizeof(*b));

	atomic_init(&b->refs, 1);
	b->fd = fd;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

struct backing *backing_new(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Clients get this fd: nobody may pull the pages from under us. */
	if (fd >= 0 &&
	    (ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? NULL : backing_of(fd);
}

struct backing *backing_ref(struct backing *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

void backing_unref(struct backing *b)
{
	struct mapped_view *v;

	if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	while ((v = b->views)) {
		b->views = v->next;
		munmap(v->at, v->size);
		free(v);
	}
	close(b->fd);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

int backing_fd(const struct backing *b)
{
	return b->fd;
}

uint8_t *backing_at(struct backing *b, uint64_t offset, uint64_t length)
{
	struct stat st;
	uint8_t *at = NULL;

	pthread_mutex_lock(&b->lock);
	if (!b->views || offset + length > b->views->size) {
		/* The file may have grown since. */
		if (fstat(b->fd, &st) < 0 || offset + length < offset || offset + length > (uint64_t)st.st_size)
			goto out;
		void *map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
		if (map == MAP_FAILED)
			goto out;
		struct mapped_view *v = malloc(sizeof(*v));
		*v = (struct mapped_view){.next = b->views, .at = map, .size = st.st_size};
		b->views = v;
	}
	at = b->views->at + offset;
out:
	pthread_mutex_unlock(&b->lock);
	return at;
}

/* ---- copying, even when a client truncates its file meanwhile ---- */

static _Thread_local sigjmp_buf *guard;

static void on_bus_error(int sig)
{
	if (guard)
		siglongjmp(*guard, 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

void memory_start(void)
{
	struct sigaction sa = {.sa_handler = on_bus_error, .sa_flags = SA_NODEFER};

	sigaction(SIGBUS, &sa, NULL);
}

static bool guarded_copy(void *to, const void *from, size_t n)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0)) {
		guard = NULL;
		return false;
	}
	guard = &here;
	memcpy(to, from, n);
	guard = NULL;
	return true;
}

static bool copy_in_task(const struct task *t, uint64_t address, void *buf, size_t n, bool write)
{
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)address, n};
	ssize_t done = write ? process_vm_writev(t->pid, &local, 1, &remote, 1, 0)
			     : process_vm_readv(t->pid, &local, 1, &remote, 1, 0);

	return done == (ssize_t)n;
}

/* ---- a client's address space ---- */

struct region {
	struct region *next;
	dev_t dev;
	ino_t ino;
	struct backing *backing;
};

int32_t do_memory(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct stat st;
	struct region *r;

	(void)in;
	(void)out;
	if (c->fds[0] < 0 || fstat(c->fds[0], &st) < 0 || !S_ISREG(st.st_mode))
		return kIOReturnBadArgument;
	pthread_mutex_lock(&lock);
	for (r = c->task->regions; r && (r->dev != st.st_dev || r->ino != st.st_ino); r = r->next)
		;
	if (!r) {
		r = malloc(sizeof(*r));
		*r = (struct region){
			.next = c->task->regions, .dev = st.st_dev, .ino = st.st_ino, .backing = backing_of(c->fds[0])};
		c->task->regions = r;
		c->fds[0] = -1;
	}
	pthread_mutex_unlock(&lock);
	return kIOReturnSuccess;
}

void regions_drop(struct task *t)
{
	struct region *r;

	while ((r = t->regions)) {
		t->regions = r->next;
		backing_unref(r->backing);
		free(r);
	}
	if (t->maps >= 0)
		close(t->maps);
	t->maps = -1;
}

static struct backing *region_of(struct task *t, dev_t dev, ino_t ino)
{
	struct backing *b = NULL;

	pthread_mutex_lock(&lock);
	for (struct region *r = t->regions; r && !b; r = r->next)
		if (r->dev == dev && r->ino == ino)
			b = backing_ref(r->backing);
	pthread_mutex_unlock(&lock);
	return b;
}

struct vma {
	uint64_t start, end, offset;
	dev_t dev;
	ino_t ino;
	bool readable, writable, shared;
};

/* Linux 6.11, include/uapi/linux/fs.h: one mapping instead of the whole text. Older C libraries do not have it. */
struct procmap_request {
	uint64_t size, query_flags, query_addr;
	uint64_t start, end, flags, page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};
#define PROCMAP_REQUEST _IOWR('f', 17, struct procmap_request)

static int task_maps(struct task *t)
{
	char path[32];

	pthread_mutex_lock(&lock);
	if (t->maps < 0) {
		snprintf(path, sizeof(path), "/proc/%d/maps", t->pid);
		t->maps = open(path, O_RDONLY | O_CLOEXEC);
	}
	pthread_mutex_unlock(&lock);
	return t->maps;
}

static bool vma_by_text(const struct task *t, uint64_t address, struct vma *v)
{
	char path[32], line[PATH_MAX + 128], perms[8];
	unsigned major_no, minor_no;
	unsigned long long start, end, offset, ino;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", t->pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu", &start, &end, perms, &offset, &major_no, &minor_no,
			   &ino) != 7)
			continue;
		if (start > address)
			break;
		found = address < end;
	}
	fclose(f);
	if (found)
		*v = (struct vma){.start = start,
				  .end = end,
				  .offset = offset,
				  .dev = makedev(major_no, minor_no),
				  .ino = ino,
				  .readable = perms[0] == 'r',
				  .writable = perms[1] == 'w',
				  .shared = perms[3] == 's'};
	return found;
}

static bool vma_at(struct task *t, uint64_t address, struct vma *v)
{
	struct procmap_request q = {.size = sizeof(q), .query_addr = address};

	if (ioctl(task_maps(t), PROCMAP_REQUEST, &q) < 0)
		return errno == ENOTTY || errno == EINVAL ? vma_by_text(t, address, v) : false;
	*v = (struct vma){.start = q.start,
			  .end = q.end,
			  .offset = q.offset,
			  .dev = makedev(q.dev_major, q.dev_minor),
			  .ino = q.inode,
			  .readable = q.flags & 1,
			  .writable = q.flags & 2,
			  .shared = q.flags & 8};
	return true;
}

/* ---- pieces ---- */

void chunk_release(struct chunk *c)
{
	backing_unref(c->backing);
	if (c->task)
		task_unref(c->task);
}

bool chunk_copy(const struct chunk *c, uint64_t offset, void *buf, size_t n, bool write)
{
	if (!c->host)
		return copy_in_task(c->task, c->address + offset, buf, n, write);
	return write ? guarded_copy(c->host + offset, buf, n) : guarded_copy(buf, c->host + offset, n);
}

static struct chunk *append(struct chunk **chunks, unsigned *n, unsigned *room)
{
	if (*n == *room) {
		*room = *room ? *room * 2 : 4;
		*chunks = realloc(*chunks, *room * sizeof(**chunks));
	}
	return &(*chunks)[(*n)++];
}

static int32_t resolve_client(struct task *t, uint64_t at, uint64_t length, uint32_t direction, struct chunk **chunks,
			      unsigned *n, unsigned *room)
{
	while (length) {
		struct vma v;
		if (!vma_at(t, at, &v))
			return kIOReturnCannotWire; /* KERN_FAILURE converted (MD 4456) */
		/* The raw Mach code (VM vm_map_create_upl). */
		if (((direction & kIOMemoryDirectionIn) && !v.writable) ||
		    ((direction & kIOMemoryDirectionOut) && !v.readable))
			return KERN_PROTECTION_FAILURE;
		uint64_t part = v.end - at < length ? v.end - at : length;
		struct backing *b = v.shared ? region_of(t, v.dev, v.ino) : NULL;
		struct chunk c = {.length = part};
		if (b) {
			c.host = backing_at(b, v.offset + (at - v.start), part);
			c.backing = b;
			if (!c.host) {
				backing_unref(b);
				return kIOReturnCannotWire;
			}
		} else {
			c.task = task_ref(t);
			c.address = at;
		}
		*append(chunks, n, room) = c;
		at += part;
		length -= part;
	}
	return kIOReturnSuccess;
}

int32_t segment_resolve(const struct segment *s, uint64_t offset, uint64_t length, uint32_t direction,
			struct chunk **chunks, unsigned *n, unsigned *room)
{
	if (s->kind == SEGMENT_CLIENT)
		return resolve_client(s->task, s->at + offset, length, direction, chunks, n, room);
	uint8_t *host = s->kind == SEGMENT_BACKING ? backing_at(s->backing, s->at + offset, length) : NULL;
	if (!host)
		return kIOReturnCannotWire;
	*append(chunks, n, room) = (struct chunk){.length = length, .host = host, .backing = backing_ref(s->backing)};
	return kIOReturnSuccess;
}

/* ---- descriptors ---- */

static void descriptor_free(struct object *o)
{
	struct descriptor *d = (struct descriptor *)o;

	for (unsigned i = 0; i < d->nr_segments; i++) {
		if (d->segments[i].task)
			task_unref(d->segments[i].task);
		backing_unref(d->segments[i].backing);
	}
	backing_unref(d->shadow);
	if (d->parent)
		object_unref(d->parent);
	free(d);
}

static struct descriptor *descriptor_new(struct task *owner, unsigned segments, uint32_t direction)
{
	struct descriptor *d = calloc(1, sizeof(*d) + segments * sizeof(d->segments[0]));

	object_init(&d->o, OBJ_DESCRIPTOR, owner, descriptor_free);
	d->direction = direction;
	return d;
}

static void add_segment(struct descriptor *d, const struct segment *s)
{
	struct segment *new = &d->segments[d->nr_segments++];

	*new = *s;
	if (s->task)
		task_ref(s->task);
	if (s->backing)
		backing_ref(s->backing);
	d->length += s->length;
}

bool descriptor_give_handle(struct descriptor *d)
{
	bool ok;

	pthread_mutex_lock(&lock);
	ok = d->handles || object_publish(&d->o);
	d->handles += ok;
	pthread_mutex_unlock(&lock);
	return ok;
}

void descriptor_drop_handle(struct descriptor *d)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = d->handles && --d->handles == 0;
	pthread_mutex_unlock(&lock);
	if (last)
		object_withdraw(&d->o);
}

struct descriptor *descriptor_from_client(struct task *client, struct task *owner, uint32_t options, unsigned n,
					  const uint64_t *address_length, int32_t *ret)
{
	struct descriptor *d;
	uint64_t pages = 0, page = kernel.config.page;

	*ret = kIOReturnBadArgument;
	if (!n || (options & ~(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite)))
		return NULL;
	d = descriptor_new(owner, n, options & kIOMemoryDirectionInOut);
	d->copy_on_write = !(options & kIOMemoryDisableCopyOnWrite);
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = address_length[2 * i], length = address_length[2 * i + 1], end = at + length;
		/* Only overflow and absurd size are looked at now (MD 1978). */
		if (end < at || end + page - 1 < end || d->length + length < length) {
			*ret = kIOReturnNoMemory;
			object_unref(d);
			return NULL;
		}
		pages += (end + page - 1) / page - at / page;
		add_segment(d, &(struct segment){.kind = SEGMENT_CLIENT, .task = client, .at = at, .length = length});
	}
	if (pages > (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / page) {
		*ret = kIOReturnNoMemory;
		object_unref(d);
		return NULL;
	}
	*ret = kIOReturnSuccess;
	return d;
}

struct descriptor *descriptor_from_backing(struct backing *b, uint64_t length, struct task *owner, bool device,
					   uint32_t direction)
{
	struct descriptor *d = descriptor_new(owner, 1, direction);

	add_segment(d, &(struct segment){
			       .kind = device ? SEGMENT_DEVICE : SEGMENT_BACKING, .backing = b, .length = length});
	return d;
}

/* Copies all of a client's ranges from or to the shadow. */
static bool shadow_copy(struct descriptor *d, bool to_client)
{
	uint8_t *at = d->length ? backing_at(d->shadow, 0, d->length) : NULL;

	for (unsigned i = 0; at && i < d->nr_segments; i++) {
		struct segment *s = &d->segments[i];
		if (!copy_in_task(s->task, s->at, at, s->length, to_client))
			return false;
		at += s->length;
	}
	return at != NULL;
}

void descriptor_write_back(struct descriptor *d)
{
	if (d->write_back && d->shadow && !shadow_copy(d, true))
		klog("kernel", "out-of-line output of a call could not be written to process %d",
		     d->segments[0].task->pid);
}

/* What a mapping of client memory shows: a snapshot unless DisableCopyOnWrite (MD 789). */
static struct backing *make_shadow(struct descriptor *d)
{
	pthread_mutex_lock(&lock);
	if (!d->shadow) {
		d->shadow = backing_new("macsim-snapshot", d->length);
		if (d->shadow && !shadow_copy(d, false)) {
			backing_unref(d->shadow);
			d->shadow = NULL;
		}
	}
	pthread_mutex_unlock(&lock);
	return d->shadow;
}

/* The one place in one file that holds [offset, offset + length); false when it is scattered. */
static bool find_whole(struct descriptor *d, uint64_t offset, uint64_t length, struct backing **b, uint64_t *at)
{
	uint64_t covered = 0, start = 0;

	*b = NULL;
	for (unsigned i = 0; i < d->nr_segments && covered < length; start += d->segments[i].length, i++) {
		struct segment *s = &d->segments[i];
		uint64_t skip = offset + covered > start ? offset + covered - start : 0;
		while (skip < s->length && covered < length) {
			struct backing *here = s->backing;
			uint64_t place = s->at + skip, part = s->length - skip;
			struct vma v;
			if (s->kind == SEGMENT_CLIENT) {
				if (!vma_at(s->task, place, &v) || !v.shared)
					return false;
				here = region_of(s->task, v.dev, v.ino);
				if (!here)
					return false;
				backing_unref(here); /* the task keeps it */
				if (part > v.end - place)
					part = v.end - place;
				place = v.offset + (place - v.start);
			}
			if (!covered) {
				*b = here;
				*at = place;
			} else if (here != *b || place != *at + covered) {
				return false;
			}
			covered += part;
			skip += part;
		}
	}
	return covered >= length;
}

int32_t descriptor_map(struct descriptor *d, uint64_t offset, uint64_t length, bool read_only, int *fd, uint64_t *at,
		       uint64_t *mapped)
{
	struct backing *b;
	char path[32];
	bool client = true;

	for (unsigned i = 0; i < d->nr_segments; i++)
		client &= d->segments[i].kind == SEGMENT_CLIENT;
	if (!length && offset <= d->length)
		length = d->length - offset;
	if (!length || offset > d->length || length > d->length - offset)
		return kIOReturnError; /* whatever the reason (US 663) */
	if (client && (d->copy_on_write || d->write_back)) {
		b = make_shadow(d);
		*at = offset;
		if (!b)
			return kIOReturnError;
	} else if (!find_whole(d, offset, length, &b, at)) {
		klog("kernel", "memory scattered over several files cannot be shown in one mapping");
		return kIOReturnError;
	}
	if (read_only) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd);
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	} else {
		*fd = fcntl(b->fd, F_DUPFD_CLOEXEC, 0);
	}
	*mapped = length;
	return *fd < 0 ? kIOReturnNoResources : kIOReturnSuccess;
}

/* ---- requests ---- */

static int32_t reply_descriptor(struct descriptor *d, struct mw_msg *out)
{
	bool ok = descriptor_give_handle(d);

	out->a[0] = d->o.id;
	object_unref(d);
	return ok ? kIOReturnSuccess : kIOReturnNotReady;
}

int32_t do_md_from_client(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *client = object_find(in->a[0], OBJ_ENTRY, c->task);
	struct task *process = NULL;
	struct descriptor *d;
	int32_t ret;

	if (!client)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&kernel.lock);
	/* The user client drops its task when it stops: NotReady from then on (US 832). */
	if (!client->inactive && client->connect)
		process = task_ref(client->connect->o.owner);
	pthread_mutex_unlock(&kernel.lock);
	object_unref(client);
	if (!process)
		return kIOReturnNotReady;
	if (in->a[2] > CLIENT_RANGES_MAX)
		ret = kIOReturnOverrun;
	else if (in->len != in->a[2] * 16)
		ret = kIOReturnBadArgument;
	else if (fault_fails(FAULT_DESCRIPTOR))
		ret = kIOReturnNoMemory;
	else if ((d = descriptor_from_client(process, c->task, in->a[1] > UINT32_MAX ? UINT32_MAX : in->a[1], in->a[2],
					     (uint64_t *)c->in_payload, &ret)))
		ret = reply_descriptor(d, out);
	task_unref(process);
	return ret;
}

int32_t do_md_buffer(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	uint64_t capacity = in->a[1];
	struct descriptor *d;
	struct backing *b;

	if (in->a[0] & ~(uint64_t)kIOMemoryDirectionInOut) /* US 902 */
		return kIOReturnBadArgument;
	if (!capacity || capacity > 1ull << 32)
		return kIOReturnNoMemory;
	b = backing_new("macsim-buffer", (capacity + 16383) & ~16383ull);
	if (!b)
		return kIOReturnNoMemory;
	/* Length 0 until SetLength, as the header says. */
	d = descriptor_from_backing(b, 0, c->task, false, in->a[0]);
	d->capacity = capacity;
	backing_unref(b);
	return reply_descriptor(d, out);
}

static struct descriptor *descriptor_of(struct conn *c, uint64_t id)
{
	return object_find(id, OBJ_DESCRIPTOR, c->task);
}

int32_t do_md_set_length(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct descriptor *d = descriptor_of(c, in->a[0]);
	int32_t ret = kIOReturnBadArgument;

	(void)out;
	if (d && d->capacity && in->a[1] <= d->capacity) {
		d->length = d->segments[0].length = in->a[1];
		ret = kIOReturnSuccess;
	}
	object_unref(d);
	return ret;
}

int32_t do_md_length(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct descriptor *d = descriptor_of(c, in->a[0]);

	if (!d)
		return kIOReturnBadArgument;
	out->a[0] = d->length;
	object_unref(d);
	return kIOReturnSuccess;
}

int32_t do_md_map(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct descriptor *d = descriptor_of(c, in->a[0]);
	int32_t ret;

	if (!d)
		return kIOReturnBadArgument;
	/* A buffer stays writable for the dext that made it, whatever its direction and the options (US 703, 928). */
	out->a[2] = !d->capacity && ((in->a[1] & kIOMemoryMapReadOnly) || d->direction == kIOMemoryDirectionOut);
	ret = descriptor_map(d, in->a[2], in->a[3], out->a[2], &c->send_fd, &out->a[0], &out->a[1]);
	object_unref(d);
	return ret;
}

/* Appends [offset, offset + length) of from; the caller made room. */
static void add_slice(struct descriptor *d, const struct descriptor *from, uint64_t offset, uint64_t length)
{
	for (unsigned i = 0; i < from->nr_segments && length; i++) {
		struct segment s = from->segments[i];
		if (offset >= s.length) {
			offset -= s.length;
			continue;
		}
		s.at += offset;
		s.length -= offset;
		if (s.length > length)
			s.length = length;
		length -= s.length;
		offset = 0;
		add_segment(d, &s);
	}
}

int32_t do_md_sub(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct descriptor *of = descriptor_of(c, in->a[0]), *d;
	uint64_t offset = in->a[2], length = in->a[3];

	if (!of)
		return kIOReturnBadArgument;
	if (offset > of->length || length > of->length - offset || !length) {
		object_unref(of);
		return kIOReturnBadArgument;
	}
	d = descriptor_new(c->task, of->nr_segments, in->a[1] & kIOMemoryDirectionInOut ?: of->direction);
	d->copy_on_write = of->copy_on_write;
	d->parent = of;
	add_slice(d, of, offset, length);
	return reply_descriptor(d, out);
}

int32_t do_md_concat(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	unsigned n = in->len / 8, segments = 0;
	const uint64_t *ids = (const uint64_t *)c->in_payload;
	struct descriptor *parts[CLIENT_RANGES_MAX], *d;
	uint32_t direction = in->a[0] & kIOMemoryDirectionInOut;
	int32_t ret = kIOReturnBadArgument;

	if (!n || n > CLIENT_RANGES_MAX)
		return n ? kIOReturnOverrun : kIOReturnBadArgument;
	for (unsigned i = 0; i < n; i++) {
		parts[i] = descriptor_of(c, ids[i]);
		if (!parts[i]) {
			n = i;
			goto out;
		}
		segments += parts[i]->nr_segments;
	}
	if (segments > SEGMENTS_MAX)
		goto out;
	d = descriptor_new(c->task, segments, direction ? direction : parts[0]->direction);
	for (unsigned i = 0; i < n; i++) {
		d->copy_on_write |= parts[i]->copy_on_write;
		add_slice(d, parts[i], 0, parts[i]->length);
	}
	ret = reply_descriptor(d, out);
out:
	for (unsigned i = 0; i < n; i++)
		object_unref(parts[i]);
	return ret;
}

int32_t do_md_retain(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct descriptor *d = descriptor_of(c, in->a[0]);
	bool ok;

	(void)out;
	if (!d)
		return kIOReturnBadArgument;
	ok = descriptor_give_handle(d);
	object_unref(d);
	return ok ? kIOReturnSuccess : kIOReturnBadArgument;
}

int32_t do_md_release(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct descriptor *d = descriptor_of(c, in->a[0]);

	(void)out;
	if (!d)
		return kIOReturnBadArgument;
	descriptor_drop_handle(d);
	object_unref(d);
	return kIOReturnSuccess;
}
