// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "dmatest_user.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES   (DMATEST_USER_RING * sizeof(struct dmatest_desc))
#define RECORD_BYTES (DMATEST_USER_RING * sizeof(struct dmatest_completion))
#define QUEUE_BYTES  (RING_BYTES + RECORD_BYTES)

__attribute__((format(printf, 3, 4))) static int failed(struct dmatest *d, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
	return error;
}

static struct timespec deadline(unsigned timeout_ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += timeout_ms / 1000;
	t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void on_interrupt(void *opaque, unsigned vector)
{
	struct dmatest *d = opaque;

	pthread_mutex_lock(&d->lock);
	if (vector < DMATEST_MAX_VECTORS)
		d->interrupts[vector]++;
	pthread_cond_broadcast(&d->event);
	pthread_mutex_unlock(&d->lock);
}

static void on_gone(void *opaque)
{
	struct dmatest *d = opaque;

	pthread_mutex_lock(&d->lock);
	d->gone = true;
	pthread_cond_broadcast(&d->event);
	pthread_mutex_unlock(&d->lock);
}

/* Registers */

uint32_t dmatest_reg(struct dmatest *d, uint32_t offset)
{
	uint64_t value = ~0ULL;

	vfa_bar_read(d->dev, DMATEST_BAR_REGS, offset, 4, &value);
	return (uint32_t)value;
}

uint64_t dmatest_stat(struct dmatest *d, uint32_t offset)
{
	return dmatest_reg(d, offset) | (uint64_t)dmatest_reg(d, offset + 4) << 32;
}

void dmatest_set_reg(struct dmatest *d, uint32_t offset, uint32_t value)
{
	vfa_bar_write(d->dev, DMATEST_BAR_REGS, offset, 4, value);
}

static void set_reg64(struct dmatest *d, uint32_t offset, uint64_t value)
{
	dmatest_set_reg(d, offset, (uint32_t)value);
	dmatest_set_reg(d, offset + 4, (uint32_t)(value >> 32));
}

/* false: the register did not take the value within five seconds. */
static bool wait_reg(struct dmatest *d, uint32_t offset, uint32_t value, unsigned timeout_ms)
{
	for (unsigned waited = 0; dmatest_reg(d, offset) != value; waited++) {
		if (waited >= timeout_ms)
			return false;
		usleep(1000);
	}
	return true;
}

/* Memory */

int dmatest_map(struct dmatest *d, size_t bytes, struct dmatest_buffer *b)
{
	size_t page = vfa_info(d->dev)->dma_page;
	struct vfa_dma_range range;
	struct vfa_dma_request req = {
		.op = VFA_DMA_MAP,
		.flags = VFA_DMA_DEVICE_READS | VFA_DMA_DEVICE_WRITES,
		.nr_ranges = 1,
		.ranges = &range,
	};
	uint8_t *raw;
	int rc;

	memset(b, 0, sizeof(*b));
	if (!bytes || !page)
		return failed(d, -EINVAL, "%s: a buffer of %zu bytes cannot be mapped", vfa_name(d->dev), bytes);
	bytes = (bytes + page - 1) / page * page;
	/* The host's page may be smaller than the DMA page: take more, give the ends back. */
	raw = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw == MAP_FAILED)
		return failed(d, -ENOMEM, "%s: no memory for a buffer of %zu bytes", vfa_name(d->dev), bytes);
	b->mem = raw + (page - (uintptr_t)raw % page) % page;
	b->bytes = bytes;
	if (b->mem != raw)
		munmap(raw, (size_t)(b->mem - raw));
	if (b->mem + bytes != raw + bytes + page)
		munmap(b->mem + bytes, (size_t)(raw + page - b->mem));

	range.address = (uint64_t)(uintptr_t)b->mem;
	range.length = bytes;
	rc = vfa_dma_submit(d->dev, &req, 1);
	if (rc || req.status != VFA_OK) {
		munmap(b->mem, b->bytes);
		b->mem = NULL;
		return failed(d, rc ? rc : -EIO, "%s: mapping %zu bytes for DMA: %s", vfa_name(d->dev), bytes,
			      vfa_status_text(req.status));
	}
	b->handle = req.handle;
	b->iova = req.iova;
	return 0;
}

int dmatest_unmap_dma(struct dmatest *d, struct dmatest_buffer *b)
{
	struct vfa_dma_request req = {.op = VFA_DMA_UNMAP, .handle = b->handle};
	int rc;

	if (!b->handle)
		return 0;
	rc = vfa_dma_submit(d->dev, &req, 1);
	b->handle = 0;
	if (rc || req.status != VFA_OK)
		return failed(d, rc ? rc : -EIO, "%s: unmapping IOVA 0x%llx: %s", vfa_name(d->dev),
			      (unsigned long long)b->iova, vfa_status_text(req.status));
	return 0;
}

int dmatest_unmap(struct dmatest *d, struct dmatest_buffer *b)
{
	int rc = dmatest_unmap_dma(d, b);

	if (b->mem)
		munmap(b->mem, b->bytes);
	b->mem = NULL;
	return rc;
}

/* Queues */

static struct dmatest_desc *ring(struct dmatest *d, unsigned queue)
{
	return (struct dmatest_desc *)(d->rings.mem + queue * QUEUE_BYTES);
}

static struct dmatest_completion *records(struct dmatest *d, unsigned queue)
{
	return (struct dmatest_completion *)(d->rings.mem + queue * QUEUE_BYTES + RING_BYTES);
}

static int start_queue(struct dmatest *d, unsigned queue)
{
	uint32_t at = DMATEST_QUEUE(queue);
	uint64_t iova = d->rings.iova + queue * QUEUE_BYTES;

	dmatest_set_reg(d, at + DMATEST_Q_CONTROL, 0);
	if (!wait_reg(d, at + DMATEST_Q_STATUS, 0, 5000))
		return failed(d, -EIO, "%s: queue %u does not stop; reset the device", vfa_name(d->dev), queue);
	memset(ring(d, queue), 0, QUEUE_BYTES);
	d->submitted[queue] = d->completed[queue] = 0;
	set_reg64(d, at + DMATEST_Q_RING, iova);
	set_reg64(d, at + DMATEST_Q_COMPLETIONS, iova + RING_BYTES);
	dmatest_set_reg(d, at + DMATEST_Q_SIZE, DMATEST_USER_RING);
	dmatest_set_reg(d, at + DMATEST_Q_VECTOR, queue % d->vectors);
	dmatest_set_reg(d, at + DMATEST_Q_CONTROL, DMATEST_Q_ENABLE);
	if (!wait_reg(d, at + DMATEST_Q_STATUS, DMATEST_Q_ENABLED, 5000))
		return failed(d, -EIO, "%s: queue %u does not start, status 0x%x; reset the device", vfa_name(d->dev),
			      queue, dmatest_reg(d, at + DMATEST_Q_STATUS));
	return 0;
}

int dmatest_restart(struct dmatest *d)
{
	int rc = vfa_set_bus_master(d->dev, true);

	if (rc)
		return failed(d, rc, "%s: bus master cannot be turned on", vfa_name(d->dev));
	for (unsigned q = 0; q < d->queues && !rc; q++)
		rc = start_queue(d, q);
	return rc;
}

static int start_interrupts(struct dmatest *d)
{
	const struct vfa_device_info *info = vfa_info(d->dev);
	enum vfa_irq_type type = info->vectors[VFA_IRQ_MSIX] ? VFA_IRQ_MSIX : VFA_IRQ_MSI;
	int rc = vfa_irq_enable(d->dev, type, DMATEST_FEAT_VECTORS(dmatest_reg(d, DMATEST_FEATURES)), &d->vectors);

	if (!rc && (!d->vectors || d->vectors > DMATEST_MAX_VECTORS))
		rc = -EIO;
	if (rc)
		return failed(d, rc, "%s: interrupts cannot be enabled", vfa_name(d->dev));
	for (unsigned v = 0; v < d->vectors; v++)
		vfa_irq_set_enabled(d->dev, v, true);
	return 0;
}

int dmatest_open(struct dmatest *d, const char *address)
{
	static const struct vfa_callbacks callbacks = {.interrupt = on_interrupt, .gone = on_gone};
	struct vfa_error err = {.text = ""};
	uint64_t bytes;
	void *bar;
	int rc;

	memset(d, 0, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->event, NULL);
	rc = vfa_open(address, &callbacks, d, &d->dev, &err);
	if (rc) {
		d->dev = NULL;
		return failed(d, rc, "%s", err.text);
	}
	/* Where mapping is refused, vfa_bar_read() goes through the dext by itself. */
	vfa_bar_map(d->dev, DMATEST_BAR_REGS, &bar, &bytes);
	d->queues = DMATEST_FEAT_QUEUES(dmatest_reg(d, DMATEST_FEATURES));
	if (dmatest_reg(d, DMATEST_ID) != DMATEST_ID_VALUE || !d->queues || d->queues > DMATEST_MAX_QUEUES)
		rc = failed(d, -ENODEV, "%s: not a dmatest function; give the address of one", vfa_name(d->dev));
	if (!rc)
		rc = start_interrupts(d);
	if (!rc)
		rc = dmatest_map(d, d->queues * QUEUE_BYTES, &d->rings);
	if (!rc)
		rc = dmatest_restart(d);
	if (rc)
		dmatest_close(d);
	return rc;
}

void dmatest_close(struct dmatest *d)
{
	if (!d->dev)
		return;
	vfa_close(d->dev);
	d->dev = NULL;
	if (d->rings.mem)
		munmap(d->rings.mem, d->rings.bytes);
	d->rings.mem = NULL;
	pthread_cond_destroy(&d->event);
	pthread_mutex_destroy(&d->lock);
}

/* Work */

int dmatest_submit(struct dmatest *d, unsigned queue, const struct dmatest_desc *desc)
{
	uint32_t index;

	if (queue >= d->queues || d->submitted[queue] - d->completed[queue] >= DMATEST_USER_RING)
		return failed(d, -EBUSY, "%s: queue %u is full or absent", vfa_name(d->dev), queue);
	index = d->submitted[queue]++;
	ring(d, queue)[index % DMATEST_USER_RING] = *desc;
	ring(d, queue)[index % DMATEST_USER_RING].flags |= DMATEST_F_IRQ;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	dmatest_set_reg(d, DMATEST_DOORBELL(queue), index + 1);
	return 0;
}

int dmatest_wait(struct dmatest *d, unsigned queue, struct dmatest_completion *out, unsigned timeout_ms)
{
	struct dmatest_completion *record = &records(d, queue)[d->completed[queue] % DMATEST_USER_RING];
	struct timespec until = deadline(timeout_ms);
	bool done, gone;
	int rc = 0;

	/* Nothing but an interrupt wakes this up: a record without one is a failure the caller wants to see. */
	pthread_mutex_lock(&d->lock);
	while (!(done = __atomic_load_n(&record->sequence, __ATOMIC_ACQUIRE) == d->completed[queue] + 1) && !d->gone &&
	       !rc)
		rc = pthread_cond_timedwait(&d->event, &d->lock, &until);
	gone = d->gone;
	pthread_mutex_unlock(&d->lock);
	if (rc || !done)
		return failed(d, gone ? -ENODEV : -ETIMEDOUT, "%s: queue %u: descriptor %u %s, queue status 0x%x",
			      vfa_name(d->dev), queue, d->completed[queue],
			      done ? "completed without an interrupt" : "did not complete",
			      dmatest_reg(d, DMATEST_QUEUE(queue) + DMATEST_Q_STATUS));
	if (out)
		*out = *record;
	d->completed[queue]++;
	return 0;
}

int dmatest_run(struct dmatest *d, unsigned queue, const struct dmatest_desc *desc, struct dmatest_completion *out)
{
	struct dmatest_completion record;
	int rc = dmatest_submit(d, queue, desc);

	if (!rc)
		rc = dmatest_wait(d, queue, &record, 10000);
	if (rc)
		return rc;
	if (out)
		*out = record;
	if (record.cookie != desc->cookie)
		return failed(d, -EIO, "%s: queue %u: completion of another descriptor", vfa_name(d->dev), queue);
	if (record.status != DMATEST_OK)
		return failed(d, -EIO, "%s: queue %u: descriptor failed with status %u at IOVA 0x%llx",
			      vfa_name(d->dev), queue, record.status, (unsigned long long)record.error_address);
	return 0;
}

int dmatest_copy(struct dmatest *d, unsigned queue, uint64_t dst, uint64_t src, uint32_t bytes)
{
	struct dmatest_desc desc = {
		.op = DMATEST_OP_COPY,
		.nr_src = 1,
		.nr_dst = 1,
		.cookie = dst,
		.length = bytes,
		.src = {.address = src, .length = bytes},
		.dst = {.address = dst, .length = bytes},
	};

	return dmatest_run(d, queue, &desc, NULL);
}

int dmatest_fill(struct dmatest *d, unsigned queue, uint64_t dst, uint64_t pattern, uint32_t bytes)
{
	struct dmatest_desc desc = {
		.op = DMATEST_OP_FILL,
		.nr_dst = 1,
		.cookie = dst,
		.pattern = pattern,
		.length = bytes,
		.dst = {.address = dst, .length = bytes},
	};

	return dmatest_run(d, queue, &desc, NULL);
}

int dmatest_checksum(struct dmatest *d, unsigned queue, uint64_t src, uint32_t bytes, uint64_t *result)
{
	struct dmatest_desc desc = {
		.op = DMATEST_OP_CHECKSUM,
		.nr_src = 1,
		.cookie = src,
		.length = bytes,
		.src = {.address = src, .length = bytes},
	};
	struct dmatest_completion record = {0};
	int rc = dmatest_run(d, queue, &desc, &record);

	*result = record.result;
	return rc;
}

uint64_t dmatest_fnv(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint64_t sum = DMATEST_FNV_OFFSET;

	while (bytes--)
		sum = (sum ^ *p++) * DMATEST_FNV_PRIME;
	return sum;
}

int dmatest_raise(struct dmatest *d, unsigned vector, uint32_t n, unsigned timeout_ms)
{
	uint32_t target = dmatest_reg(d, DMATEST_IRQ_TEST(vector)) + n;

	dmatest_set_reg(d, DMATEST_IRQ_TEST(vector), target);
	if (!wait_reg(d, DMATEST_IRQ_DONE(vector), target, timeout_ms))
		return failed(d, -ETIMEDOUT, "%s: vector %u was raised %u times of %u", vfa_name(d->dev), vector,
			      n - (target - dmatest_reg(d, DMATEST_IRQ_DONE(vector))), n);
	return 0;
}

int dmatest_wait_interrupts(struct dmatest *d, unsigned vector, uint64_t n, unsigned timeout_ms)
{
	struct timespec until = deadline(timeout_ms);
	uint64_t seen;
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	while (d->interrupts[vector] < n && !d->gone && !rc)
		rc = pthread_cond_timedwait(&d->event, &d->lock, &until);
	seen = d->interrupts[vector];
	pthread_mutex_unlock(&d->lock);
	if (seen < n)
		return failed(d, -ETIMEDOUT, "%s: %llu interrupts of vector %u instead of %llu", vfa_name(d->dev),
			      (unsigned long long)seen, vector, (unsigned long long)n);
	return 0;
}
