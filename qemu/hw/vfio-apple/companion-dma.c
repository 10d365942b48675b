/*
 * apple-dma-pci: request pages
 *
 * Everything in a request page comes from the guest.  It is copied once,
 * checked on the copy, and translated from guest-physical addresses to
 * addresses of this process; only then is the host asked.
 *
 * All of it runs on the vCPU that rang, without the BQL unless said so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/bitmap.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "system/address-spaces.h"
#include "budget.h"
#include "vfio-apple.h"
#include "trace.h"

#define PAGE_BYTES_MAX (ADMA_PAGE_SIZE - sizeof(struct adma_page_header))
/* The shortest request that reaches the host is an unmap. */
#define BATCH_MAX (PAGE_BYTES_MAX / sizeof(struct adma_unmap_req))

/* A host that ends all mappings of a function has this long for each, too. */
#define UNMAP_US 200

/* A piece of guest memory that is contiguous in this process. */
typedef struct AppleDMARun {
    MemoryRegion *mr; /* referenced */
    hwaddr offset;    /* in mr */
    hwaddr gpa;
    uint64_t length;
    void *host;
} AppleDMARun;

typedef struct AppleDMAMapping {
    uint64_t handle;      /* the guest's name for it */
    uint64_t host_handle;
    uint64_t bytes;
    uint32_t flags;       /* ADMA_MAP_* */
    unsigned nr_runs;
    AppleDMARun runs[];
} AppleDMAMapping;

/* The translation of one map request: room for as many runs as it may have. */
typedef struct AppleDMARuns {
    unsigned count;
    uint64_t bytes;
    AppleDMARun run[ADMA_MAX_RANGES];
} AppleDMARuns;

/* Requests of one function that travel to the host together. */
struct AppleDMABatch {
    unsigned count;
    struct vfa_dma_request req[BATCH_MAX];
    AppleDMAMapping *mapping[BATCH_MAX];
    struct vfa_dma_range *ranges[BATCH_MAX]; /* of a map, else NULL */
    unsigned at[BATCH_MAX]; /* offset of the request in the page */
    AppleDMASubmit submit;
    bool kept; /* until the host answers */
};

/* A page that is being run. */
typedef struct AppleDMAPage {
    AppleDMADevice *s;
    uint32_t features;   /* that the guest uses */
    AppleDMAFunction *f; /* owned, or NULL */
    int64_t deadline;    /* for the last call to the host to begin */
    DECLARE_BITMAP(seen, APPLE_DMA_MAX_FUNCTIONS); /* has rung for them */
    uint8_t copy[ADMA_PAGE_SIZE];
} AppleDMAPage;

/*
 * Guest-physical to process addresses
 */

static bool section_is_mappable(const MemoryRegionSection *section)
{
    MemoryRegion *mr = section->mr;

    return memory_region_is_ram(mr) && !memory_region_is_ram_device(mr) &&
           !section->readonly && !memory_region_is_rom(mr) &&
           !memory_region_is_romd(mr) && !memory_region_is_protected(mr) &&
           !memory_region_has_guest_memfd(mr) &&
           !memory_region_has_ram_discard_manager(mr);
}

/*
 * Finds the RAM at gpa and takes a reference to its region.
 *
 * Needs no BQL: memory_region_find() looks at the flat view with RCU.  The one
 * list it walks is that of address spaces, and the system's is the first of
 * them, from memory_map_init() to the end.
 */
static bool find_run(hwaddr gpa, uint64_t length, AppleDMARun *run)
{
    MemoryRegionSection section = memory_region_find(get_system_memory(), gpa,
                                                     length);

    if (!section.mr) {
        return false;
    }
    if (section.offset_within_address_space != gpa ||
        !section_is_mappable(&section)) {
        memory_region_unref(section.mr);
        return false;
    }
    *run = (AppleDMARun) {
        .mr = section.mr,
        .offset = section.offset_within_region,
        .gpa = gpa,
        .length = int128_get64(section.size),
        .host = memory_region_get_ram_ptr(section.mr) +
                section.offset_within_region,
    };
    return true;
}

/*
 * The device may have written it: drop translated code, mark it dirty.
 *
 * Needs no BQL, as address_space_unmap() doesn't in I/O threads.  The reference
 * is never the last one here: a region that leaves the memory map is referenced
 * by the old flat view until our RCU critical section ends, and no mapping
 * survives apple_dma_commit(), which runs under the BQL.
 */
static void put_run(AppleDMARun *run, bool written)
{
    if (written) {
        /* Also drops the reference. */
        address_space_unmap(&address_space_memory, run->host, run->length,
                            true, run->length);
    } else {
        memory_region_unref(run->mr);
    }
}

bool apple_dma_page_is_ram(hwaddr gpa)
{
    AppleDMARun run;
    bool whole;

    if (!find_run(gpa, ADMA_PAGE_SIZE, &run)) {
        return false;
    }
    whole = run.length == ADMA_PAGE_SIZE;
    put_run(&run, false);
    return whole;
}

/*
 * Mappings
 */

static void batch_forget(AppleDMABatch *b, bool ended);
static void room_give_all(AppleDMAFunction *f);

static void mapping_free(AppleDMAMapping *m, bool was_mapped)
{
    unsigned i;

    for (i = 0; i < m->nr_runs; i++) {
        put_run(&m->runs[i],
                was_mapped && (m->flags & ADMA_MAP_DEVICE_WRITES));
    }
    g_free(m);
}

static void mapping_destroy(gpointer data)
{
    mapping_free(data, true);
}

GHashTable *apple_dma_mappings_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                 mapping_destroy);
}

static void mapping_insert(AppleDMAFunction *f, AppleDMAMapping *m)
{
    AppleDMAStats *st = &f->stats;

    g_hash_table_insert(f->mappings, &m->handle, m);
    apple_dma_stat_add(&st->bytes, m->bytes);
    apple_dma_stat_add(&st->mappings, 1);
    qatomic_set(&st->bytes_peak, MAX(st->bytes_peak, st->bytes));
    qatomic_set(&st->mappings_peak, MAX(st->mappings_peak, st->mappings));
}

/* Takes it out of the table; the caller owns it. */
static AppleDMAMapping *mapping_steal(AppleDMAFunction *f, uint64_t handle)
{
    AppleDMAMapping *m = g_hash_table_lookup(f->mappings, &handle);

    if (m) {
        g_hash_table_steal(f->mappings, &handle);
        apple_dma_stat_add(&f->stats.bytes, -(int64_t)m->bytes);
        apple_dma_stat_add(&f->stats.mappings, -1);
    }
    return m;
}

void apple_dma_forget_mappings(AppleDMAFunction *f, int ret)
{
    bool ended = ret == 0 || ret == -ENODEV;

    batch_forget(f->batch, ended);
    if (!ended) {
        /* The device may still reach the memory: it stays referenced. */
        error_report("%s: the host did not end the mappings of the device "
                     "(%s): restart QEMU to free their memory", f->name,
                     strerror(-ret));
        g_hash_table_steal_all(f->mappings);
    } else {
        apple_dma_stat_add(&f->stats.unmaps, g_hash_table_size(f->mappings));
        g_hash_table_remove_all(f->mappings);
        room_give_all(f);
    }
    qatomic_set(&f->stats.bytes, 0);
    qatomic_set(&f->stats.mappings, 0);
}

void apple_dma_drop_mappings(AppleDMAFunction *f)
{
    unsigned mappings = g_hash_table_size(f->mappings);
    int64_t deadline = apple_dma_deadline(f->companion) +
                       (int64_t)mappings * UNMAP_US;
    int ret;

    if (mappings && apple_dma_host_call(f, f->ops->unmap_all, NULL, deadline,
                                        &ret)) {
        apple_dma_forget_mappings(f, ret);
    }
}

bool apple_dma_mappings_valid(AppleDMAFunction *f)
{
    GHashTableIter iter;
    AppleDMAMapping *m;

    g_hash_table_iter_init(&iter, f->mappings);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&m)) {
        unsigned i;

        for (i = 0; i < m->nr_runs; i++) {
            const AppleDMARun *was = &m->runs[i];
            AppleDMARun now;
            bool same;

            if (!find_run(was->gpa, was->length, &now)) {
                return false;
            }
            same = now.mr == was->mr && now.offset == was->offset &&
                   now.length == was->length;
            put_run(&now, false);
            if (!same) {
                return false;
            }
        }
    }
    return true;
}

/*
 * Room
 *
 * Functions behind the same DART share what it has.  Whoever has memory mapped
 * counts, claimed or not.
 */

typedef struct AppleDMARoom {
    uint64_t bytes, mappings;             /* free for the function */
    uint64_t bytes_quota, mappings_quota;
    uint32_t mapper;                      /* the guest's number for it */
} AppleDMARoom;

/* With the budget lock, in an RCU critical section. */
static void room_of(AppleDMAFunction *f, AppleDMARoom *room)
{
    AppleDMADevice *s = f->companion;
    uint64_t bytes[APPLE_DMA_MAX_FUNCTIONS];
    uint64_t mappings[APPLE_DMA_MAX_FUNCTIONS];
    uint64_t mapper = f->info->mapper;
    unsigned i, others = 0;

    room->mapper = mapper ? f->index + 1 : 0;
    for (i = 0; mapper && i < qatomic_read(&s->nr_functions); i++) {
        AppleDMAFunction *g = qatomic_rcu_read(&s->functions[i]);

        if (!g || g == f || g->info->mapper != mapper) {
            continue;
        }
        room->mapper = MIN(room->mapper, g->index + 1);
        if (g->sharing || g->mappings_taken) {
            bytes[others] = g->bytes_taken;
            mappings[others++] = g->mappings_taken;
        }
    }
    room->bytes_quota = apple_dma_quota(f->info->dma_bytes_max, others + 1);
    room->mappings_quota = apple_dma_quota(f->info->dma_mappings_max,
                                           others + 1);
    room->bytes = apple_dma_room(f->info->dma_bytes_max, f->bytes_taken,
                                 bytes, others);
    room->mappings = apple_dma_room(f->info->dma_mappings_max,
                                    f->mappings_taken, mappings, others);
}

static uint32_t room_take(AppleDMAFunction *f, uint64_t bytes)
{
    AppleDMARoom room;

    QEMU_LOCK_GUARD(&f->companion->budget_lock);
    room_of(f, &room);
    if (!room.mappings) {
        return ADMA_E_NO_MAPPINGS;
    }
    if (bytes > room.bytes) {
        return ADMA_E_NO_SPACE;
    }
    f->bytes_taken += bytes;
    f->mappings_taken++;
    return ADMA_OK;
}

static void room_give(AppleDMAFunction *f, uint64_t bytes)
{
    QEMU_LOCK_GUARD(&f->companion->budget_lock);
    f->bytes_taken -= bytes;
    f->mappings_taken--;
}

static void room_give_all(AppleDMAFunction *f)
{
    QEMU_LOCK_GUARD(&f->companion->budget_lock);
    f->bytes_taken = 0;
    f->mappings_taken = 0;
}

void apple_dma_set_sharing(AppleDMAFunction *f, bool sharing)
{
    QEMU_LOCK_GUARD(&f->companion->budget_lock);
    f->sharing = sharing;
}

/*
 * Statuses
 */

static uint32_t status_from_host(enum vfa_status status)
{
    switch (status) {
    case VFA_OK:
        return ADMA_OK;
    case VFA_E_NOT_ALIGNED:
        return ADMA_E_NOT_ALIGNED;
    case VFA_E_BAD_RANGE:
        return ADMA_E_BAD_RANGE;
    case VFA_E_NO_SPACE:
        return ADMA_E_NO_SPACE;
    case VFA_E_NO_MAPPINGS:
        return ADMA_E_NO_MAPPINGS;
    case VFA_E_BAD_HANDLE:
        return ADMA_E_BAD_HANDLE;
    case VFA_E_GONE:
        return ADMA_E_GONE;
    case VFA_E_BUSY:
        return ADMA_E_BUSY;
    case VFA_E_BAD_REQUEST:
    case VFA_E_PLATFORM:
    default:
        return ADMA_E_HOST;
    }
}

static void put_status(uint8_t *page, unsigned at, uint32_t status)
{
    stl_le_p(page + at + offsetof(struct adma_req, status), status);
}

/*
 * Batches
 */

AppleDMABatch *apple_dma_batch_new(void)
{
    return g_new0(AppleDMABatch, 1);
}

void apple_dma_batch_free(AppleDMABatch *b)
{
    g_free(b);
}

static void finish_map(AppleDMAFunction *f, unsigned i, uint8_t *page)
{
    AppleDMABatch *b = f->batch;
    struct vfa_dma_request *req = &b->req[i];
    AppleDMAMapping *m = b->mapping[i];
    uint32_t status = status_from_host(req->status);

    g_free(b->ranges[i]);
    if (status == ADMA_OK) {
        m->handle = f->next_handle++;
        m->host_handle = req->handle;
        stq_le_p(page + b->at[i] + offsetof(struct adma_map_req, handle),
                 m->handle);
        stq_le_p(page + b->at[i] + offsetof(struct adma_map_req, iova),
                 req->iova);
        mapping_insert(f, m);
        apple_dma_stat_add(&f->stats.maps, 1);
        apple_dma_stat_add(&f->stats.runs, m->nr_runs);
        trace_apple_dma_map(f->name, m->runs[0].gpa, m->bytes, m->flags,
                            status, m->handle, req->iova);
    } else {
        if (status == ADMA_E_HOST) {
            error_report("%s: the host refused to map %" PRIu64 " bytes: %s",
                         f->name, m->bytes, vfa_status_text(req->status));
        }
        apple_dma_stat_add(&f->stats.map_failures, 1);
        trace_apple_dma_map(f->name, m->runs[0].gpa, m->bytes, m->flags,
                            status, 0, 0);
        room_give(f, m->bytes);
        mapping_free(m, false);
    }
    put_status(page, b->at[i], status);
}

static void finish_unmap(AppleDMAFunction *f, unsigned i, uint8_t *page)
{
    AppleDMABatch *b = f->batch;
    AppleDMAMapping *m = b->mapping[i];
    uint32_t status = status_from_host(b->req[i].status);

    trace_apple_dma_unmap(f->name, m->handle, status);
    if (status == ADMA_OK || status == ADMA_E_GONE) {
        apple_dma_stat_add(&f->stats.unmaps, 1);
        room_give(f, m->bytes);
        mapping_free(m, true);
    } else {
        /* Still mapped. */
        mapping_insert(f, m);
    }
    put_status(page, b->at[i], status);
}

/*
 * A call has taken too long.  It may be ours: it keeps the batch, and the guest
 * hears of it.
 */
static void batch_timed_out(AppleDMAFunction *f, uint8_t *page)
{
    AppleDMABatch *b = f->batch;
    unsigned i;

    b->kept = true;
    for (i = 0; i < b->count; i++) {
        if (b->req[i].op == VFA_DMA_MAP) {
            apple_dma_stat_add(&f->stats.map_failures, 1);
        }
        put_status(page, b->at[i], ADMA_E_TIMEOUT);
    }
}

/* It has returned after all, and no mapping is left, unless they can't end. */
static void batch_forget(AppleDMABatch *b, bool ended)
{
    unsigned i;

    for (i = 0; i < b->count; i++) {
        g_free(b->ranges[i]);
        if (ended) {
            mapping_free(b->mapping[i], true);
        }
    }
    b->count = 0;
    b->kept = false;
}

/*
 * Every call has the whole host-timeout: a host must not be blamed for time
 * that others have used.  When they have used too much of it, the host is not
 * asked at all.
 */
static bool batch_run(AppleDMAPage *p)
{
    AppleDMAFunction *f = p->f;
    AppleDMABatch *b = f->batch;
    unsigned i;
    int ret;

    if (g_get_monotonic_time() >= p->deadline) {
        for (i = 0; i < b->count; i++) {
            b->req[i].status = VFA_E_BUSY;
        }
        return true;
    }
    b->submit = (AppleDMASubmit) { .req = b->req, .count = b->count };
    /* A failure of the call is in the statuses. */
    return apple_dma_host_call(f, f->ops->submit, &b->submit,
                               apple_dma_deadline(p->s), &ret);
}

static void batch_flush(AppleDMAPage *p)
{
    AppleDMAFunction *f = p->f;
    AppleDMABatch *b = f->batch;
    unsigned i;

    if (!b->count || b->kept) {
        return;
    }
    if (!batch_run(p)) {
        batch_timed_out(f, p->copy);
        return;
    }
    for (i = 0; i < b->count; i++) {
        if (b->req[i].op == VFA_DMA_MAP) {
            finish_map(f, i, p->copy);
        } else {
            finish_unmap(f, i, p->copy);
        }
    }
    b->count = 0;
}

/*
 * Requests.  Each returns a status, or sets *queued when the batch will give
 * the answer.
 */

static bool is_aligned(AppleDMADevice *s, uint64_t value)
{
    return !(value & (s->granule - 1));
}

static uint32_t translate(AppleDMADevice *s, AppleDMARuns *runs, uint64_t gpa,
                          uint64_t length)
{
    if (!is_aligned(s, gpa) || !is_aligned(s, length)) {
        return ADMA_E_NOT_ALIGNED;
    }
    if (!length || gpa + length - 1 < gpa) {
        return ADMA_E_BAD_RANGE;
    }
    while (length) {
        AppleDMARun run;
        AppleDMARun *last = runs->count ? &runs->run[runs->count - 1] : NULL;

        if (!find_run(gpa, length, &run)) {
            return ADMA_E_NOT_RAM;
        }
        if (!is_aligned(s, (uintptr_t)run.host) ||
            !is_aligned(s, run.length)) {
            put_run(&run, false);
            return ADMA_E_NOT_ALIGNED;
        }
        gpa += run.length;
        length -= run.length;
        runs->bytes += run.length;
        if (last && last->mr == run.mr && last->gpa + last->length == run.gpa &&
            last->offset + last->length == run.offset) {
            last->length += run.length;
            put_run(&run, false);
        } else if (runs->count == ADMA_MAX_RANGES) {
            put_run(&run, false);
            return ADMA_E_BAD_RANGE;
        } else {
            runs->run[runs->count++] = run;
        }
    }
    return ADMA_OK;
}

static uint32_t check_map(const uint8_t *p, unsigned length, uint32_t features)
{
    static const uint32_t directions = ADMA_MAP_DEVICE_READS |
                                       ADMA_MAP_DEVICE_WRITES;
    uint32_t known = directions | ADMA_MAP_ALIGN_REQUIRED |
                     (features & ADMA_F_CONGRUENT ? ADMA_MAP_CONGRUENT : 0);
    uint32_t flags, align, nr_ranges;

    if (length < sizeof(struct adma_map_req)) {
        return ADMA_E_BAD_REQUEST;
    }
    flags = ldl_le_p(p + offsetof(struct adma_req, flags));
    align = ldl_le_p(p + offsetof(struct adma_map_req, align));
    nr_ranges = ldl_le_p(p + offsetof(struct adma_map_req, nr_ranges));
    if (!nr_ranges || nr_ranges > ADMA_MAX_RANGES ||
        length != sizeof(struct adma_map_req) +
                  nr_ranges * sizeof(struct adma_range) ||
        !(flags & directions) || (flags & ~known) ||
        align > VFA_MAX_ALIGN_SHIFT) {
        return ADMA_E_BAD_REQUEST;
    }
    return ADMA_OK;
}

static void batch_add_map(AppleDMAFunction *f, unsigned at, uint32_t flags,
                          uint32_t align, const AppleDMARuns *runs)
{
    AppleDMABatch *b = f->batch;
    AppleDMAMapping *m = g_malloc0(sizeof(*m) + runs->count *
                                   sizeof(m->runs[0]));
    struct vfa_dma_range *ranges = g_new(struct vfa_dma_range, runs->count);
    unsigned i;

    m->flags = flags;
    m->bytes = runs->bytes;
    m->nr_runs = runs->count;
    for (i = 0; i < runs->count; i++) {
        m->runs[i] = runs->run[i];
        ranges[i] = (struct vfa_dma_range) {
            .address = (uintptr_t)m->runs[i].host,
            .length = m->runs[i].length,
        };
    }
    b->req[b->count] = (struct vfa_dma_request) {
        .op = VFA_DMA_MAP,
        .flags = (flags & ADMA_MAP_DEVICE_READS ? VFA_DMA_DEVICE_READS : 0) |
                 (flags & ADMA_MAP_DEVICE_WRITES ? VFA_DMA_DEVICE_WRITES : 0) |
                 (flags & ADMA_MAP_ALIGN_REQUIRED ? VFA_DMA_ALIGN_REQUIRED : 0),
        .align = align,
        .residue = flags & ADMA_MAP_CONGRUENT ?
                   (m->runs[0].gpa & ((1ull << align) - 1)) /
                   f->info->dma_page : 0,
        .nr_ranges = runs->count,
        .ranges = ranges,
    };
    b->mapping[b->count] = m;
    b->ranges[b->count] = ranges;
    b->at[b->count++] = at;
}

static uint32_t queue_map(AppleDMAPage *p, unsigned at, unsigned length,
                          bool *queued)
{
    const uint8_t *req = p->copy + at;
    AppleDMAFunction *f = p->f;
    AppleDMABatch *b = f->batch;
    AppleDMARuns runs;
    uint32_t status = check_map(req, length, p->features);
    unsigned i, nr_ranges;

    runs.count = 0;
    runs.bytes = 0;
    nr_ranges = status == ADMA_OK ?
                ldl_le_p(req + offsetof(struct adma_map_req, nr_ranges)) : 0;
    for (i = 0; i < nr_ranges && status == ADMA_OK; i++) {
        const uint8_t *r = req + sizeof(struct adma_map_req) +
                           i * sizeof(struct adma_range);

        status = translate(p->s, &runs,
                           ldq_le_p(r + offsetof(struct adma_range, gpa)),
                           ldq_le_p(r + offsetof(struct adma_range, length)));
    }
    if (status == ADMA_OK) {
        status = room_take(f, runs.bytes);
    }
    if ((status == ADMA_E_NO_SPACE || status == ADMA_E_NO_MAPPINGS) &&
        b->count) {
        /* What is left is known when the batch has been run. */
        batch_flush(p);
        status = qatomic_read(&f->unresponsive) ? ADMA_E_TIMEOUT :
                                                  room_take(f, runs.bytes);
    }
    if (status != ADMA_OK) {
        apple_dma_stat_add(&f->stats.map_failures, 1);
        for (i = 0; i < runs.count; i++) {
            put_run(&runs.run[i], false);
        }
        return status;
    }
    batch_add_map(f, at, ldl_le_p(req + offsetof(struct adma_req, flags)),
                  ldl_le_p(req + offsetof(struct adma_map_req, align)), &runs);
    *queued = true;
    return ADMA_OK;
}

static uint32_t queue_unmap(AppleDMAPage *p, unsigned at, bool *queued)
{
    uint64_t handle = ldq_le_p(p->copy + at +
                               offsetof(struct adma_unmap_req, handle));
    AppleDMABatch *b = p->f->batch;
    AppleDMAMapping *m = mapping_steal(p->f, handle);

    if (!m) {
        return ADMA_E_BAD_HANDLE;
    }
    b->req[b->count] = (struct vfa_dma_request) {
        .op = VFA_DMA_UNMAP,
        .handle = m->host_handle,
    };
    b->mapping[b->count] = m;
    b->ranges[b->count] = NULL;
    b->at[b->count++] = at;
    *queued = true;
    return ADMA_OK;
}

static uint32_t run_function(AppleDMAFunction *f, uint8_t *p)
{
    stl_le_p(p + offsetof(struct adma_function_req, bdf),
             f->ops->bdf(f->opaque));
    stl_le_p(p + offsetof(struct adma_function_req, state),
             ADMA_FN_PRESENT | (f->claimed ? ADMA_FN_CLAIMED : 0));
    stq_le_p(p + offsetof(struct adma_function_req, iova_first),
             f->info->iova_first);
    stq_le_p(p + offsetof(struct adma_function_req, iova_last),
             f->info->iova_last);
    return ADMA_OK;
}

static void put_sharing(AppleDMAFunction *f, uint8_t *p)
{
    AppleDMARoom room;

    WITH_QEMU_LOCK_GUARD(&f->companion->budget_lock) {
        room_of(f, &room);
    }
    stq_le_p(p + offsetof(struct adma_budget_req, bytes_quota),
             room.bytes_quota);
    stq_le_p(p + offsetof(struct adma_budget_req, bytes_free), room.bytes);
    stl_le_p(p + offsetof(struct adma_budget_req, mappings_quota),
             room.mappings_quota);
    stl_le_p(p + offsetof(struct adma_budget_req, mappings_free),
             room.mappings);
    stl_le_p(p + offsetof(struct adma_budget_req, mapper), room.mapper);
    stl_le_p(p + offsetof(struct adma_budget_req, reserved), 0);
}

static uint32_t run_budget(AppleDMAFunction *f, uint8_t *p)
{
    stq_le_p(p + offsetof(struct adma_budget_req, bytes_max),
             f->info->dma_bytes_max);
    stq_le_p(p + offsetof(struct adma_budget_req, bytes_used),
             f->stats.bytes);
    stl_le_p(p + offsetof(struct adma_budget_req, mappings_max),
             f->info->dma_mappings_max);
    stl_le_p(p + offsetof(struct adma_budget_req, mappings_used),
             f->stats.mappings);
    return ADMA_OK;
}

static void set_claimed(AppleDMAFunction *f, bool claimed)
{
    apple_dma_own(f, INT64_MAX);
    f->claimed = claimed;
    apple_dma_set_sharing(f, claimed);
    apple_dma_disown(f);
}

/* Under the BQL. */
static uint32_t run_claim(AppleDMAFunction *f)
{
    uint32_t status;

    if (f->claimed) {
        return ADMA_E_CLAIMED;
    }
    set_claimed(f, true);
    status = f->ops->claim(f->opaque);
    if (status != ADMA_OK) {
        set_claimed(f, false);
    }
    trace_apple_dma_claim(f->name, status);
    return status;
}

/* Exact length of each operation; ADMA_OP_MAP checks its own. */
static unsigned op_length(uint16_t op, uint32_t features)
{
    switch (op) {
    case ADMA_OP_FUNCTION:
        return sizeof(struct adma_function_req);
    case ADMA_OP_CLAIM:
    case ADMA_OP_RELEASE:
        return sizeof(struct adma_req);
    case ADMA_OP_UNMAP:
        return sizeof(struct adma_unmap_req);
    case ADMA_OP_BUDGET:
        return features & ADMA_F_SHARING ? sizeof(struct adma_budget_req) :
                                           ADMA_BUDGET_BYTES_1_0;
    default:
        return 0;
    }
}

static bool op_needs_claim(uint16_t op)
{
    return op == ADMA_OP_RELEASE || op == ADMA_OP_MAP || op == ADMA_OP_UNMAP;
}

/* Those that change what a function is to the rest of QEMU, or ask for it. */
static bool op_needs_bql(uint16_t op)
{
    return op == ADMA_OP_FUNCTION || op == ADMA_OP_CLAIM ||
           op == ADMA_OP_RELEASE;
}

/* Requests run in order: what was queued goes first. */
static void page_disown(AppleDMAPage *p)
{
    if (p->f) {
        batch_flush(p);
        apple_dma_disown(p->f);
        p->f = NULL;
    }
}

static uint32_t page_own(AppleDMAPage *p, uint32_t index)
{
    AppleDMAFunction *f = NULL;

    if (index < qatomic_read(&p->s->nr_functions)) {
        f = qatomic_rcu_read(&p->s->functions[index]);
    }
    if (!f) {
        return ADMA_E_BAD_FUNCTION;
    }
    if (f != p->f) {
        page_disown(p);
        /* Others use their time up: nothing was changed. */
        if (!apple_dma_own(f, p->deadline)) {
            return ADMA_E_BUSY;
        }
        p->f = f;
        if (!test_and_set_bit(index, p->seen)) {
            apple_dma_stat_add(&f->stats.doorbells, 1);
        }
    }
    apple_dma_stat_add(&f->stats.requests, 1);
    if (f->detached) {
        return ADMA_E_BAD_FUNCTION;
    }
    if (f->gone) {
        return ADMA_E_GONE;
    }
    return qatomic_read(&f->unresponsive) ? ADMA_E_TIMEOUT : ADMA_OK;
}

static uint32_t run_request(AppleDMAPage *p, unsigned at, unsigned length,
                            bool *queued)
{
    uint8_t *req = p->copy + at;
    uint16_t op = lduw_le_p(req + offsetof(struct adma_req, op));
    AppleDMAFunction *f;
    uint32_t status;

    if (op < ADMA_OP_FUNCTION || op > ADMA_OP_BUDGET) {
        return ADMA_E_BAD_REQUEST;
    }
    if (op != ADMA_OP_MAP &&
        (length != op_length(op, p->features) ||
         ldl_le_p(req + offsetof(struct adma_req, flags)))) {
        return ADMA_E_BAD_REQUEST;
    }
    status = page_own(p, ldl_le_p(req + offsetof(struct adma_req, function)));
    if (status != ADMA_OK) {
        return status;
    }
    f = p->f;
    if (op_needs_claim(op) && !f->claimed) {
        return ADMA_E_NOT_CLAIMED;
    }

    switch (op) {
    case ADMA_OP_MAP:
        return queue_map(p, at, length, queued);
    case ADMA_OP_UNMAP:
        return queue_unmap(p, at, queued);
    case ADMA_OP_FUNCTION:
        return run_function(f, req);
    case ADMA_OP_BUDGET:
        batch_flush(p);
        if (p->features & ADMA_F_SHARING) {
            put_sharing(f, req);
        }
        return run_budget(f, req);
    case ADMA_OP_CLAIM:
        page_disown(p);
        return run_claim(f);
    default:
        page_disown(p);
        apple_dma_end_claim(f, "release");
        return qatomic_read(&f->unresponsive) ? ADMA_E_TIMEOUT : ADMA_OK;
    }
}

/*
 * Pages
 */

/* The offset of the request behind the one at at, or 0. */
static unsigned next_request(const AppleDMAPage *p, unsigned at)
{
    unsigned end = sizeof(struct adma_page_header) +
                   ldl_le_p(p->copy + offsetof(struct adma_page_header, bytes));
    unsigned length;

    if (end - at < sizeof(struct adma_req)) {
        return 0;
    }
    length = lduw_le_p(p->copy + at + offsetof(struct adma_req, length));
    if (length < sizeof(struct adma_req) || length & 7 || length > end - at) {
        return 0;
    }
    return at + length;
}

static bool page_is_sound(const AppleDMAPage *p)
{
    return ldl_le_p(p->copy + offsetof(struct adma_page_header, bytes)) <=
           PAGE_BYTES_MAX &&
           buffer_is_zero(p->copy + offsetof(struct adma_page_header, reserved),
                          sizeof_field(struct adma_page_header, reserved));
}

static bool page_needs_bql(const AppleDMAPage *p)
{
    uint32_t count = ldl_le_p(p->copy +
                              offsetof(struct adma_page_header, count));
    unsigned at = sizeof(struct adma_page_header);

    while (page_is_sound(p) && count--) {
        unsigned next = next_request(p, at);

        if (!next) {
            break;
        }
        if (op_needs_bql(lduw_le_p(p->copy + at +
                                   offsetof(struct adma_req, op)))) {
            return true;
        }
        at = next;
    }
    return false;
}

/* Runs the requests of the copy.  Returns the number that has an answer. */
static unsigned run_copy(AppleDMAPage *p, uint32_t *status)
{
    uint32_t count = ldl_le_p(p->copy +
                              offsetof(struct adma_page_header, count));
    unsigned at = sizeof(struct adma_page_header), done;

    *status = ADMA_E_BAD_REQUEST;
    if (!page_is_sound(p)) {
        return 0;
    }
    for (done = 0; done < count; done++) {
        unsigned next = next_request(p, at);
        bool queued = false;
        uint32_t answer;

        if (!next) {
            break;
        }
        answer = run_request(p, at, next - at, &queued);
        if (!queued) {
            put_status(p->copy, at, answer);
        }
        at = next;
    }
    page_disown(p);
    if (done == count) {
        *status = ADMA_OK;
    }
    return done;
}

/* Only the fields that are the host's, and only of requests that were run. */
static void put_answers(uint8_t *guest, const AppleDMAPage *p, unsigned done,
                        uint32_t status)
{
    const uint8_t *page = p->copy;
    unsigned at = sizeof(struct adma_page_header), i;

    for (i = 0; i < done; i++) {
        uint16_t op = lduw_le_p(page + at + offsetof(struct adma_req, op));
        unsigned length = lduw_le_p(page + at +
                                    offsetof(struct adma_req, length));
        uint32_t result = ldl_le_p(page + at +
                                   offsetof(struct adma_req, status));
        unsigned from = 0, to = 0;

        if (result == ADMA_OK && (op == ADMA_OP_FUNCTION ||
                                  op == ADMA_OP_BUDGET)) {
            from = sizeof(struct adma_req);
            to = op_length(op, p->features);
        } else if (result == ADMA_OK && op == ADMA_OP_MAP) {
            from = offsetof(struct adma_map_req, handle);
            to = sizeof(struct adma_map_req);
        }
        memcpy(guest + at + from, page + at + from, to - from);
        stl_le_p(guest + at + offsetof(struct adma_req, status), result);
        at += length;
    }
    stl_le_p(guest + offsetof(struct adma_page_header, done), done);
    stl_le_p(guest + offsetof(struct adma_page_header, status), status);
}

/* False: not without the BQL. */
static bool run_page(AppleDMADevice *s, unsigned slot, uint8_t *guest)
{
    AppleDMAPage page = {
        .s = s,
        .features = qatomic_read(&s->driver_features),
        .deadline = apple_dma_deadline(s) + s->host_timeout * 1000LL,
    };
    uint32_t status;
    unsigned done;

    /* What the guest changes from here on has no effect. */
    memcpy(page.copy, guest, sizeof(page.copy));
    if (!bql_locked() && page_needs_bql(&page)) {
        return false;
    }
    done = run_copy(&page, &status);
    put_answers(guest, &page, done, status);
    trace_apple_dma_doorbell(slot, done, status);
    return true;
}

bool apple_dma_run_page(AppleDMADevice *s, unsigned slot)
{
    AppleDMARun run;
    bool done = true;

    RCU_READ_LOCK_GUARD();
    QEMU_LOCK_GUARD(&s->slots[slot].lock);
    if (!s->slots[slot].gpa || qatomic_read(&s->resetting)) {
        return true;
    }
    /* It was RAM when it was registered; look again, and hold on to it. */
    if (!find_run(s->slots[slot].gpa, ADMA_PAGE_SIZE, &run)) {
        return true;
    }
    if (run.length == ADMA_PAGE_SIZE) {
        done = run_page(s, slot, run.host);
    }
    put_run(&run, done);
    return done;
}
