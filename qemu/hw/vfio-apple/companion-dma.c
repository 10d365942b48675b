/*
 * apple-dma-pci: request pages
 *
 * Everything in a request page comes from the guest.  It is copied once,
 * checked on the copy, and translated from guest-physical addresses to
 * addresses of this process; only then is the host asked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "system/address-spaces.h"
#include "vfio-apple.h"
#include "trace.h"

#define PAGE_BYTES_MAX (ADMA_PAGE_SIZE - sizeof(struct adma_page_header))
/* The shortest request that reaches the host is an unmap. */
#define BATCH_MAX (PAGE_BYTES_MAX / sizeof(struct adma_unmap_req))

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
typedef struct AppleDMABatch {
    AppleDMAFunction *f;
    unsigned count;
    struct vfa_dma_request req[BATCH_MAX];
    AppleDMAMapping *mapping[BATCH_MAX];
    struct vfa_dma_range *ranges[BATCH_MAX]; /* of a map */
    unsigned at[BATCH_MAX]; /* offset of the request in the page */
} AppleDMABatch;

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

/* Finds the RAM at gpa and takes a reference to its region. */
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

/* The device may have written it: drop translated code, mark it dirty. */
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
    st->bytes += m->bytes;
    st->mappings++;
    st->bytes_peak = MAX(st->bytes_peak, st->bytes);
    st->mappings_peak = MAX(st->mappings_peak, st->mappings);
}

/* Takes it out of the table; the caller owns it. */
static AppleDMAMapping *mapping_steal(AppleDMAFunction *f, uint64_t handle)
{
    AppleDMAMapping *m = g_hash_table_lookup(f->mappings, &handle);

    if (m) {
        g_hash_table_steal(f->mappings, &handle);
        f->stats.bytes -= m->bytes;
        f->stats.mappings--;
    }
    return m;
}

void apple_dma_drop_mappings(AppleDMAFunction *f)
{
    int ret;

    if (!g_hash_table_size(f->mappings)) {
        return;
    }
    ret = f->ops->unmap_all(f->opaque);
    if (ret < 0 && ret != -ENODEV) {
        /* The device may still reach the memory: it stays referenced. */
        error_report("%s: the host did not end the mappings of the device "
                     "(%s): restart QEMU to free their memory", f->name,
                     strerror(-ret));
        g_hash_table_steal_all(f->mappings);
    } else {
        f->stats.unmaps += g_hash_table_size(f->mappings);
        g_hash_table_remove_all(f->mappings);
    }
    f->stats.bytes = 0;
    f->stats.mappings = 0;
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

static void finish_map(AppleDMABatch *b, unsigned i, uint8_t *page)
{
    struct vfa_dma_request *req = &b->req[i];
    AppleDMAMapping *m = b->mapping[i];
    AppleDMAFunction *f = b->f;
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
        f->stats.maps++;
        trace_apple_dma_map(f->name, m->runs[0].gpa, m->bytes, m->flags,
                            status, m->handle, req->iova);
    } else {
        if (status == ADMA_E_HOST) {
            error_report("%s: the host refused to map %" PRIu64 " bytes: %s",
                         f->name, m->bytes, vfa_status_text(req->status));
        }
        f->stats.map_failures++;
        trace_apple_dma_map(f->name, m->runs[0].gpa, m->bytes, m->flags,
                            status, 0, 0);
        mapping_free(m, false);
    }
    put_status(page, b->at[i], status);
}

static void finish_unmap(AppleDMABatch *b, unsigned i, uint8_t *page)
{
    AppleDMAMapping *m = b->mapping[i];
    AppleDMAFunction *f = b->f;
    uint32_t status = status_from_host(b->req[i].status);

    trace_apple_dma_unmap(f->name, m->handle, status);
    if (status == ADMA_OK || status == ADMA_E_GONE) {
        f->stats.unmaps++;
        mapping_free(m, true);
    } else {
        /* Still mapped. */
        mapping_insert(f, m);
    }
    put_status(page, b->at[i], status);
}

static void batch_flush(AppleDMABatch *b, uint8_t *page)
{
    unsigned i;

    if (!b->count) {
        return;
    }
    /* A failure of the call is in the statuses. */
    b->f->ops->submit(b->f->opaque, b->req, b->count);
    for (i = 0; i < b->count; i++) {
        if (b->req[i].op == VFA_DMA_MAP) {
            finish_map(b, i, page);
        } else {
            finish_unmap(b, i, page);
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

static uint32_t check_map(const uint8_t *p, unsigned length)
{
    static const uint32_t directions = ADMA_MAP_DEVICE_READS |
                                       ADMA_MAP_DEVICE_WRITES;
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
        !(flags & directions) ||
        (flags & ~(directions | ADMA_MAP_ALIGN_REQUIRED)) ||
        align > VFA_MAX_ALIGN_SHIFT) {
        return ADMA_E_BAD_REQUEST;
    }
    return ADMA_OK;
}

static void batch_add_map(AppleDMABatch *b, unsigned at, uint32_t flags,
                          uint32_t align, const AppleDMARuns *runs)
{
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
        .nr_ranges = runs->count,
        .ranges = ranges,
    };
    b->mapping[b->count] = m;
    b->ranges[b->count] = ranges;
    b->at[b->count++] = at;
}

static uint32_t queue_map(AppleDMADevice *s, AppleDMABatch *b, uint8_t *page,
                          unsigned at, unsigned length, bool *queued)
{
    const uint8_t *p = page + at;
    AppleDMAFunction *f = b->f;
    AppleDMARuns runs;
    uint32_t status = check_map(p, length);
    unsigned i, nr_ranges;

    runs.count = 0;
    runs.bytes = 0;
    nr_ranges = status == ADMA_OK ?
                ldl_le_p(p + offsetof(struct adma_map_req, nr_ranges)) : 0;
    for (i = 0; i < nr_ranges && status == ADMA_OK; i++) {
        const uint8_t *r = p + sizeof(struct adma_map_req) +
                           i * sizeof(struct adma_range);

        status = translate(s, &runs,
                           ldq_le_p(r + offsetof(struct adma_range, gpa)),
                           ldq_le_p(r + offsetof(struct adma_range, length)));
    }
    if (status == ADMA_OK &&
        f->stats.mappings + b->count >= f->info->dma_mappings_max) {
        /* What is left is known when the batch has been run. */
        batch_flush(b, page);
        if (f->stats.mappings >= f->info->dma_mappings_max) {
            status = ADMA_E_NO_MAPPINGS;
        }
    }
    if (status != ADMA_OK) {
        f->stats.map_failures++;
        for (i = 0; i < runs.count; i++) {
            put_run(&runs.run[i], false);
        }
        return status;
    }
    batch_add_map(b, at, ldl_le_p(p + offsetof(struct adma_req, flags)),
                  ldl_le_p(p + offsetof(struct adma_map_req, align)), &runs);
    *queued = true;
    return ADMA_OK;
}

static uint32_t queue_unmap(AppleDMABatch *b, const uint8_t *page, unsigned at,
                            bool *queued)
{
    uint64_t handle = ldq_le_p(page + at +
                               offsetof(struct adma_unmap_req, handle));
    AppleDMAMapping *m = mapping_steal(b->f, handle);

    if (!m) {
        return ADMA_E_BAD_HANDLE;
    }
    b->req[b->count] = (struct vfa_dma_request) {
        .op = VFA_DMA_UNMAP,
        .handle = m->host_handle,
    };
    b->mapping[b->count] = m;
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

static uint32_t run_claim(AppleDMAFunction *f)
{
    uint32_t status;

    if (f->claimed) {
        return ADMA_E_CLAIMED;
    }
    f->claimed = true;
    status = f->ops->claim(f->opaque);
    if (status != ADMA_OK) {
        f->claimed = false;
    }
    trace_apple_dma_claim(f->name, status);
    return status;
}

/* Exact length of each operation; ADMA_OP_MAP checks its own. */
static unsigned op_length(uint16_t op)
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
        return ADMA_BUDGET_BYTES_1_0;
    default:
        return 0;
    }
}

static bool op_needs_claim(uint16_t op)
{
    return op == ADMA_OP_RELEASE || op == ADMA_OP_MAP || op == ADMA_OP_UNMAP;
}

static uint32_t run_request(AppleDMADevice *s, AppleDMABatch *b, uint8_t *page,
                            unsigned at, unsigned length, bool *queued)
{
    uint8_t *p = page + at;
    uint16_t op = lduw_le_p(p + offsetof(struct adma_req, op));
    uint32_t index = ldl_le_p(p + offsetof(struct adma_req, function));
    AppleDMAFunction *f;

    if (op < ADMA_OP_FUNCTION || op > ADMA_OP_BUDGET) {
        return ADMA_E_BAD_REQUEST;
    }
    if (op != ADMA_OP_MAP &&
        (length != op_length(op) ||
         ldl_le_p(p + offsetof(struct adma_req, flags)))) {
        return ADMA_E_BAD_REQUEST;
    }
    f = index < s->nr_functions ? s->functions[index] : NULL;
    if (!f) {
        return ADMA_E_BAD_FUNCTION;
    }
    if (f->gone) {
        return ADMA_E_GONE;
    }
    if (op_needs_claim(op) && !f->claimed) {
        return ADMA_E_NOT_CLAIMED;
    }

    /* Requests run in order: what was queued goes first. */
    if (b->count && (f != b->f || (op != ADMA_OP_MAP && op != ADMA_OP_UNMAP))) {
        batch_flush(b, page);
    }
    b->f = f;

    switch (op) {
    case ADMA_OP_FUNCTION:
        return run_function(f, p);
    case ADMA_OP_CLAIM:
        return run_claim(f);
    case ADMA_OP_RELEASE:
        apple_dma_end_claim(f, "release");
        return ADMA_OK;
    case ADMA_OP_MAP:
        return queue_map(s, b, page, at, length, queued);
    case ADMA_OP_UNMAP:
        return queue_unmap(b, page, at, queued);
    default:
        return run_budget(f, p);
    }
}

/*
 * Pages
 */

/* Runs the requests of the copy.  Returns the number that has an answer. */
static unsigned run_copy(AppleDMADevice *s, uint8_t *page, uint32_t *status)
{
    AppleDMABatch batch, *b = &batch;
    uint32_t count = ldl_le_p(page + offsetof(struct adma_page_header, count));
    uint32_t bytes = ldl_le_p(page + offsetof(struct adma_page_header, bytes));
    unsigned at = sizeof(struct adma_page_header), end, done;

    b->count = 0;
    *status = ADMA_E_BAD_REQUEST;
    if (bytes > PAGE_BYTES_MAX ||
        !buffer_is_zero(page + offsetof(struct adma_page_header, reserved),
                        sizeof_field(struct adma_page_header, reserved))) {
        return 0;
    }
    end = at + bytes;
    for (done = 0; done < count; done++) {
        bool queued = false;
        unsigned length;
        uint32_t answer;

        if (end - at < sizeof(struct adma_req)) {
            break;
        }
        length = lduw_le_p(page + at + offsetof(struct adma_req, length));
        if (length < sizeof(struct adma_req) || length & 7 ||
            length > end - at) {
            break;
        }
        answer = run_request(s, b, page, at, length, &queued);
        if (!queued) {
            put_status(page, at, answer);
        }
        at += length;
    }
    batch_flush(b, page);
    if (done == count) {
        *status = ADMA_OK;
    }
    return done;
}

/* Only the fields that are the host's, and only of requests that were run. */
static void put_answers(uint8_t *guest, const uint8_t *page, unsigned done,
                        uint32_t status)
{
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
            to = op_length(op);
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

void apple_dma_run_page(AppleDMADevice *s, unsigned slot)
{
    AppleDMARun run;
    uint8_t page[ADMA_PAGE_SIZE];
    uint32_t status;
    unsigned done;

    /* It was RAM when it was registered; look again, and hold on to it. */
    if (!find_run(s->slots[slot], ADMA_PAGE_SIZE, &run)) {
        return;
    }
    if (run.length == ADMA_PAGE_SIZE) {
        memcpy(page, run.host, sizeof(page));
        done = run_copy(s, page, &status);
        put_answers(run.host, page, done, status);
        trace_apple_dma_doorbell(slot, done, status);
    }
    put_run(&run, true);
}
