// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmatest.c - a PCI function that exists to exercise DMA, interrupts and BARs.
 *
 * docs/dmatest.md is its specification.  Options of the machine file:
 *
 *	queues=N	1..16, default 4
 *	vectors=N	1..32, default 8
 *	allow_stray=yes	DMATEST_OP_STRAY and DMATEST_OP_PERSIST: provoke DMA to
 *			addresses the device was never given, for negative tests
 */
#include "model.h"
#include "dmatest_regs.h"

#include <string.h>

#define CHUNK_BYTES     (128 * 1024)
#define POLL_BYTES      (4 * 1024 * 1024) /* payload after which a poll returns */
#define POLL_DESCS      64
#define POLL_INTERRUPTS 256

struct queue {
	uint64_t ring, completions;
	uint32_t size, vector;
	uint32_t status; /* DMATEST_Q_STATUS; nothing else is valid unless it is ENABLED */
	uint32_t consumed;
	bool persisting; /* the ring has stopped at `persist` */
	struct dmatest_desc persist;
};

struct dmatest {
	unsigned queues, vectors;
	bool allow_stray;
	uint32_t reset_done;
	uint32_t irq_done[DMATEST_MAX_VECTORS];
	uint64_t descs, errors, read, written, irqs;
	struct queue queue[DMATEST_MAX_QUEUES];
	struct dmatest_segment src[DMATEST_MAX_SEGMENTS], dst[DMATEST_MAX_SEGMENTS];
	uint8_t chunk[CHUNK_BYTES];
};

/* A scatter list on the way through it. */
struct cursor {
	const struct dmatest_segment *segment;
	unsigned left; /* segments, this one included */
	uint32_t offset;
};

/* Registers */

static volatile uint8_t *reg(struct sim_function *f, uint32_t offset)
{
	return (volatile uint8_t *)sim_bar(f, DMATEST_BAR_REGS) + offset;
}

/* Stores into memory only what changed: the memory is shared, and mostly nothing did. */
static void publish32(struct sim_function *f, uint32_t offset, uint32_t value)
{
	if (sim_load32(reg(f, offset)) != value)
		sim_store32(reg(f, offset), value);
}

static void publish64(struct sim_function *f, uint32_t offset, uint64_t value)
{
	if (sim_load64(reg(f, offset)) != value)
		sim_store64(reg(f, offset), value);
}

/* What is read-only stays what it is, whatever was stored there. */
static void publish(struct sim_function *f)
{
	struct dmatest *d = sim_state(f);

	publish32(f, DMATEST_ID, DMATEST_ID_VALUE);
	publish32(f, DMATEST_VERSION, DMATEST_VERSION_VALUE);
	publish32(f, DMATEST_FEATURES, d->queues | d->vectors << 8 | (d->allow_stray ? DMATEST_FEAT_STRAY : 0));
	publish64(f, DMATEST_STAT_DESCS, d->descs);
	publish64(f, DMATEST_STAT_ERRORS, d->errors);
	publish64(f, DMATEST_STAT_READ, d->read);
	publish64(f, DMATEST_STAT_WRITTEN, d->written);
	publish64(f, DMATEST_STAT_IRQS, d->irqs);
	for (unsigned v = 0; v < d->vectors; v++)
		publish32(f, DMATEST_IRQ_DONE(v), d->irq_done[v]);
	for (unsigned q = 0; q < d->queues; q++) {
		publish32(f, DMATEST_QUEUE(q) + DMATEST_Q_CONSUMED, d->queue[q].consumed);
		publish32(f, DMATEST_QUEUE(q) + DMATEST_Q_STATUS, d->queue[q].status);
	}
	publish32(f, DMATEST_RESET_DONE, d->reset_done);
}

static void raise(struct sim_function *f, unsigned vector)
{
	struct dmatest *d = sim_state(f);

	d->irqs++;
	sim_msi(f, vector);
}

/* Scatter lists */

static uint32_t cursor_take(struct cursor *c, uint32_t wanted, uint64_t *address)
{
	uint32_t rest;

	while (c->left && c->offset == c->segment->length) {
		c->segment++;
		c->left--;
		c->offset = 0;
	}
	if (!c->left)
		return 0;
	rest = c->segment->length - c->offset;
	if (wanted > rest)
		wanted = rest;
	*address = c->segment->address + c->offset;
	c->offset += wanted;
	return wanted;
}

static bool move_in(struct sim_function *f, struct cursor *c, uint8_t *to, uint32_t bytes, uint64_t *failed)
{
	struct dmatest *d = sim_state(f);
	uint64_t address = 0;

	while (bytes) {
		uint32_t n = cursor_take(c, bytes, &address);

		if (!sim_dma_read(f, address, to, n)) {
			*failed = c->segment->address;
			return false;
		}
		d->read += n;
		to += n;
		bytes -= n;
	}
	return true;
}

static bool move_out(struct sim_function *f, struct cursor *c, const uint8_t *from, uint32_t bytes, uint64_t *failed)
{
	struct dmatest *d = sim_state(f);
	uint64_t address = 0;

	while (bytes) {
		uint32_t n = cursor_take(c, bytes, &address);

		if (!sim_dma_write(f, address, from, n)) {
			*failed = c->segment->address;
			return false;
		}
		d->written += n;
		from += n;
		bytes -= n;
	}
	return true;
}

/* The segments of one side of a descriptor, checked to hold `length` bytes. */
static enum dmatest_status fetch_list(struct sim_function *f, const struct dmatest_segment *inline_segment, bool list,
				      unsigned nr, uint32_t length, struct dmatest_segment *out, struct cursor *c,
				      uint64_t *failed)
{
	uint64_t held = 0;

	if (list) {
		if (nr > DMATEST_MAX_SEGMENTS)
			return DMATEST_E_SEGMENTS;
		if (nr && !sim_dma_read(f, inline_segment->address, out, nr * sizeof(*out))) {
			*failed = inline_segment->address;
			return DMATEST_E_READ;
		}
	} else {
		if (nr > 1)
			return DMATEST_E_SEGMENTS;
		out[0] = *inline_segment;
	}
	for (unsigned i = 0; i < nr; i++)
		held += out[i].length;
	if (held < length)
		return DMATEST_E_SEGMENTS;
	*c = (struct cursor){.segment = out, .left = nr};
	return DMATEST_OK;
}

/* Operations */

static uint64_t fnv(uint64_t sum, const uint8_t *p, uint32_t bytes)
{
	while (bytes--)
		sum = (sum ^ *p++) * DMATEST_FNV_PRIME;
	return sum;
}

static enum dmatest_status transfer(struct sim_function *f, const struct dmatest_desc *desc,
				    struct dmatest_completion *record)
{
	struct dmatest *d = sim_state(f);
	bool reads = desc->op != DMATEST_OP_FILL, writes = desc->op != DMATEST_OP_CHECKSUM;
	struct cursor src = {0}, dst = {0};
	enum dmatest_status status = DMATEST_OK;
	uint32_t left = desc->length;
	uint64_t failed = 0;

	if (reads)
		status = fetch_list(f, &desc->src, desc->flags & DMATEST_F_SRC_LIST, desc->nr_src, left, d->src, &src,
				    &failed);
	if (status == DMATEST_OK && writes)
		status = fetch_list(f, &desc->dst, desc->flags & DMATEST_F_DST_LIST, desc->nr_dst, left, d->dst, &dst,
				    &failed);
	if (!reads)
		for (uint32_t i = 0; i < CHUNK_BYTES && i < left; i += sizeof(desc->pattern))
			memcpy(d->chunk + i, &desc->pattern, sizeof(desc->pattern));
	if (reads)
		record->result = DMATEST_FNV_OFFSET;
	while (status == DMATEST_OK && left) {
		uint32_t n = left < CHUNK_BYTES ? left : CHUNK_BYTES;

		if (reads) {
			if (!move_in(f, &src, d->chunk, n, &failed)) {
				status = DMATEST_E_READ;
				break;
			}
			record->result = fnv(record->result, d->chunk, n);
		}
		if (writes && !move_out(f, &dst, d->chunk, n, &failed))
			status = DMATEST_E_WRITE;
		left -= n;
	}
	record->error_address = failed;
	return status;
}

/* DMA to where the driver said, wherever that is, and no complaint: what a broken device does. */
static void stray(struct sim_function *f, const struct dmatest_desc *desc)
{
	struct dmatest *d = sim_state(f);
	uint32_t n = desc->length < CHUNK_BYTES ? desc->length : CHUNK_BYTES;

	if (desc->nr_src && sim_dma_read(f, desc->src.address, d->chunk, n))
		d->read += n;
	for (uint32_t i = 0; i < n; i++)
		d->chunk[i] = (uint8_t)(desc->pattern >> (i % 8 * 8));
	if (desc->nr_dst && sim_dma_write(f, desc->dst.address, d->chunk, n))
		d->written += n;
}

static enum dmatest_status execute(struct sim_function *f, const struct dmatest_desc *desc,
				   struct dmatest_completion *record)
{
	struct dmatest *d = sim_state(f);

	switch (desc->op) {
	case DMATEST_OP_NOP:
		return DMATEST_OK;
	case DMATEST_OP_COPY:
	case DMATEST_OP_FILL:
	case DMATEST_OP_CHECKSUM:
		/* A longer transfer could keep the function's lock for seconds. */
		if (desc->length > 16 * POLL_BYTES)
			return DMATEST_E_SEGMENTS;
		return transfer(f, desc, record);
	case DMATEST_OP_STRAY:
	case DMATEST_OP_PERSIST:
		if (!d->allow_stray)
			return DMATEST_E_OP;
		stray(f, desc);
		return DMATEST_OK;
	default:
		return DMATEST_E_OP;
	}
}

/* Queues */

static void queue_start(struct sim_function *f, unsigned index)
{
	struct dmatest *d = sim_state(f);
	struct queue *q = &d->queue[index];
	uint32_t at = DMATEST_QUEUE(index);

	*q = (struct queue){
		.ring = sim_load64(reg(f, at + DMATEST_Q_RING)),
		.completions = sim_load64(reg(f, at + DMATEST_Q_COMPLETIONS)),
		.size = sim_load32(reg(f, at + DMATEST_Q_SIZE)),
		.vector = sim_load32(reg(f, at + DMATEST_Q_VECTOR)),
	};
	sim_store32(reg(f, DMATEST_DOORBELL(index)), 0);
	if (q->ring % sizeof(struct dmatest_desc) || q->completions % sizeof(struct dmatest_completion) ||
	    q->size < 2 || q->size > DMATEST_MAX_RING || (q->size & (q->size - 1)) || q->vector >= d->vectors)
		q->status = DMATEST_Q_BAD_SETUP;
	else
		q->status = DMATEST_Q_ENABLED;
}

/* The record's last word tells a driver that polls memory that the rest is there. */
static bool complete(struct sim_function *f, struct queue *q, const struct dmatest_completion *record)
{
	uint64_t at = q->completions + (uint64_t)(q->consumed % q->size) * sizeof(*record);
	const size_t body = offsetof(struct dmatest_completion, sequence);

	if (!sim_dma_write(f, at, record, body))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return sim_dma_write(f, at + body, &record->sequence, sizeof(record->sequence));
}

/* false: the queue has stopped. */
static bool run_one(struct sim_function *f, struct queue *q, uint64_t *payload)
{
	struct dmatest *d = sim_state(f);
	struct dmatest_desc desc;
	struct dmatest_completion record = {.sequence = q->consumed + 1};
	uint64_t before = d->read + d->written;

	if (!sim_dma_read(f, q->ring + (uint64_t)(q->consumed % q->size) * sizeof(desc), &desc, sizeof(desc))) {
		q->status = DMATEST_Q_BUS_ERROR;
		return false;
	}
	record.cookie = desc.cookie;
	record.status = execute(f, &desc, &record);
	*payload += d->read + d->written - before;
	d->descs++;
	d->errors += record.status != DMATEST_OK;
	if (!complete(f, q, &record)) {
		q->status = DMATEST_Q_BUS_ERROR;
		return false;
	}
	q->consumed++;
	if (desc.flags & DMATEST_F_IRQ) {
		publish(f); /* whoever the interrupt wakes finds registers that include this descriptor */
		raise(f, q->vector);
	}
	if (desc.op == DMATEST_OP_PERSIST && record.status == DMATEST_OK) {
		q->persisting = true;
		q->persist = desc;
	}
	return true;
}

static bool queue_poll(struct sim_function *f, unsigned index, uint64_t *payload)
{
	struct dmatest *d = sim_state(f);
	struct queue *q = &d->queue[index];
	bool wanted = sim_load32(reg(f, DMATEST_QUEUE(index) + DMATEST_Q_CONTROL)) & DMATEST_Q_ENABLE;
	uint32_t doorbell;

	if (!wanted) {
		bool was = q->status;

		*q = (struct queue){0};
		return was;
	}
	if (!q->status) {
		queue_start(f, index);
		return true;
	}
	if (!(q->status & DMATEST_Q_ENABLED))
		return false;
	if (q->persisting) {
		stray(f, &q->persist);
		return true;
	}
	doorbell = sim_load32(reg(f, DMATEST_DOORBELL(index)));
	if (doorbell == q->consumed)
		return false;
	if (doorbell - q->consumed > q->size) {
		q->status = DMATEST_Q_BAD_DOORBELL;
		return true;
	}
	for (unsigned i = 0; i < POLL_DESCS && q->consumed != doorbell && *payload < POLL_BYTES; i++)
		if (!run_one(f, q, payload) || q->persisting)
			break;
	return true;
}

/* Interrupts asked for directly */

static bool interrupts_poll(struct sim_function *f)
{
	struct dmatest *d = sim_state(f);
	bool busy = false;

	for (unsigned v = 0; v < d->vectors; v++) {
		uint32_t wanted = sim_load32(reg(f, DMATEST_IRQ_TEST(v)));

		for (unsigned i = 0; i < POLL_INTERRUPTS && d->irq_done[v] != wanted; i++) {
			d->irq_done[v]++;
			raise(f, v);
			busy = true;
		}
	}
	sim_intx(f, sim_load32(reg(f, DMATEST_INTX)) & 1);
	return busy;
}

static bool reset_poll(struct sim_function *f)
{
	struct dmatest *d = sim_state(f);
	uint32_t wanted = sim_load32(reg(f, DMATEST_RESET));

	if (wanted == d->reset_done)
		return false;
	for (unsigned q = 0; q < d->queues; q++) {
		sim_store32(reg(f, DMATEST_QUEUE(q) + DMATEST_Q_CONTROL), 0);
		sim_store32(reg(f, DMATEST_DOORBELL(q)), 0);
		d->queue[q] = (struct queue){0};
	}
	d->descs = d->errors = d->read = d->written = d->irqs = 0;
	d->reset_done = wanted;
	return true;
}

/* Entry points */

static bool dmatest_init(struct sim_function *f)
{
	static const struct sim_ids ids = {
		.vendor = DMATEST_VENDOR,
		.device = DMATEST_DEVICE,
		.subsystem_vendor = DMATEST_VENDOR,
		.subsystem = DMATEST_DEVICE,
		.class_code = DMATEST_CLASS,
		.revision = 1,
	};
	struct dmatest *d = sim_state(f);
	uint64_t queues = sim_option_size(f, "queues", 4), vectors = sim_option_size(f, "vectors", 8);

	if (!queues || queues > DMATEST_MAX_QUEUES) {
		sim_fail(f, "queues=%llu is impossible; give 1 to %d", (unsigned long long)queues, DMATEST_MAX_QUEUES);
		return false;
	}
	if (!vectors || vectors > DMATEST_MAX_VECTORS) {
		sim_fail(f, "vectors=%llu is impossible; give 1 to %d", (unsigned long long)vectors,
			 DMATEST_MAX_VECTORS);
		return false;
	}
	d->queues = (unsigned)queues;
	d->vectors = (unsigned)vectors;
	d->allow_stray = sim_option_bool(f, "allow_stray", false);

	sim_set_ids(f, &ids);
	sim_add_bar(f, DMATEST_BAR_REGS, SIM_BAR_M32, DMATEST_REGS_BYTES);
	sim_add_bar(f, DMATEST_BAR_SMALL, SIM_BAR_M32PF, DMATEST_SMALL_BYTES);
	sim_add_bar(f, DMATEST_BAR_MEM, SIM_BAR_M64PF, DMATEST_MEM_BYTES);
	sim_add_bar(f, DMATEST_BAR_MSIX, SIM_BAR_M64, DMATEST_MSIX_BYTES);
	sim_add_pcie(f, true);
	sim_add_msi(f, 1);
	sim_add_msix(f, d->vectors, DMATEST_BAR_MSIX, DMATEST_MSIX_TABLE, DMATEST_MSIX_PBA);
	sim_add_intx(f);
	return true;
}

static void dmatest_reset(struct sim_function *f, enum sim_reset kind)
{
	struct dmatest *d = sim_state(f);

	(void)kind;
	memset(d->queue, 0, sizeof(d->queue));
	memset(d->irq_done, 0, sizeof(d->irq_done));
	d->descs = d->errors = d->read = d->written = d->irqs = 0;
	d->reset_done = 0;
	sim_intx(f, false);
	publish(f);
}

static bool dmatest_poll(struct sim_function *f)
{
	struct dmatest *d = sim_state(f);
	uint64_t payload = 0;
	bool busy = reset_poll(f);

	busy |= interrupts_poll(f);
	for (unsigned q = 0; q < d->queues; q++)
		busy |= queue_poll(f, q, &payload);
	publish(f);
	return busy;
}

SIM_MODEL(dmatest, .state_bytes = sizeof(struct dmatest), .init = dmatest_init, .reset = dmatest_reset,
	  .poll = dmatest_poll)
