// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "model_core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <cmocka.h>

static const struct sim_model *models[8];
static unsigned nr_models;
char model_failure[256];

/* What a model calls */

void sim_register_model(const struct sim_model *m)
{
	models[nr_models++] = m;
}

const char *sim_option(struct sim_function *f, const char *key)
{
	for (const char *const *o = f->options; o && *o; o += 2)
		if (!strcmp(o[0], key))
			return o[1];
	return NULL;
}

uint64_t sim_option_size(struct sim_function *f, const char *key, uint64_t def)
{
	const char *text = sim_option(f, key);

	return text ? strtoull(text, NULL, 0) : def;
}

bool sim_option_bool(struct sim_function *f, const char *key, bool def)
{
	const char *text = sim_option(f, key);

	return text ? !strcmp(text, "yes") : def;
}

void sim_fail(struct sim_function *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->failure, sizeof(f->failure), fmt, ap);
	va_end(ap);
}

void sim_log(struct sim_function *f, const char *fmt, ...)
{
	(void)f;
	(void)fmt;
}

void *sim_state(struct sim_function *f)
{
	return f->state;
}

void sim_set_ids(struct sim_function *f, const struct sim_ids *ids)
{
	f->ids = *ids;
}

void sim_add_bar(struct sim_function *f, unsigned index, enum sim_bar_kind kind, uint64_t size)
{
	assert_true(index < 6 && !f->bar[index] && size >= 4096 && !(size & (size - 1)));
	f->bar[index] = aligned_alloc(4096, size);
	f->bar_bytes[index] = size;
	f->bar_kind[index] = kind;
}

void sim_trap_bar(struct sim_function *f, unsigned index)
{
	assert_true(index < 6 && f->bar[index]);
	f->bar_trapped[index] = true;
}

void sim_wake(struct sim_function *f)
{
	f->woken = true;
}

void sim_add_msix(struct sim_function *f, unsigned vectors, unsigned bar, uint32_t table_offset, uint32_t pba_offset)
{
	assert_true(table_offset + vectors * 16 <= pba_offset && pba_offset + 8 <= f->bar_bytes[bar]);
	f->msix_vectors = vectors;
	f->msix_bar = bar;
}

void sim_add_msi(struct sim_function *f, unsigned vectors)
{
	f->msi_vectors = vectors;
}

void sim_add_intx(struct sim_function *f)
{
	f->has_intx = true;
}

void sim_add_pcie(struct sim_function *f, bool flr)
{
	f->has_flr = flr;
}

void *sim_bar(struct sim_function *f, unsigned index)
{
	return f->bar[index];
}

static uint8_t *reach(struct sim_function *f, uint64_t iova, size_t bytes)
{
	bool inside = iova >= MEMORY_IOVA && bytes <= MEMORY_BYTES && iova - MEMORY_IOVA <= MEMORY_BYTES - bytes;

	if (!f->bus_master || !inside || (iova < f->deny_last && iova + bytes > f->deny_first)) {
		f->bus_errors++;
		return NULL;
	}
	return f->memory + (iova - MEMORY_IOVA);
}

bool sim_dma_read(struct sim_function *f, uint64_t iova, void *buf, size_t bytes)
{
	uint8_t *at = reach(f, iova, bytes);

	if (at)
		memcpy(buf, at, bytes);
	f->reading |= at != NULL;
	return at;
}

bool sim_dma_write(struct sim_function *f, uint64_t iova, const void *buf, size_t bytes)
{
	uint8_t *at = reach(f, iova, bytes);

	if (at)
		memcpy(at, buf, bytes);
	f->writing |= at != NULL;
	return at;
}

void sim_msi(struct sim_function *f, unsigned vector)
{
	assert_true(vector < f->msix_vectors || vector < f->msi_vectors);
	f->msis[vector]++;
}

void sim_intx(struct sim_function *f, bool level)
{
	f->intx = level;
}

uint64_t sim_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What a test calls */

static void release(struct sim_function *f)
{
	for (unsigned b = 0; b < 6; b++)
		free(f->bar[b]);
	free(f->memory);
	free(f->state);
	free(f);
}

struct sim_function *model_start(const char *name, const char *const *options)
{
	struct sim_function *f = calloc(1, sizeof(*f));

	for (unsigned i = 0; i < nr_models; i++)
		if (!strcmp(models[i]->name, name))
			f->model = models[i];
	assert_non_null(f->model);
	f->options = options;
	f->state = calloc(1, f->model->state_bytes);
	f->memory = calloc(1, MEMORY_BYTES);
	f->bus_master = true;
	if (!f->model->init(f)) {
		snprintf(model_failure, sizeof(model_failure), "%s", f->failure);
		release(f);
		return NULL;
	}
	model_reset(f, SIM_RESET_POWER);
	return f;
}

void model_stop(struct sim_function *f)
{
	if (f->model->exit)
		f->model->exit(f);
	release(f);
}

void model_reset(struct sim_function *f, enum sim_reset kind)
{
	for (unsigned b = 0; b < 6; b++)
		if (f->bar[b])
			memset(f->bar[b], 0, f->bar_bytes[b]);
	f->model->reset(f, kind);
}

bool model_poll(struct sim_function *f)
{
	f->reading = f->writing = f->woken = false;
	return f->model->poll(f);
}

void model_settle(struct sim_function *f, unsigned most)
{
	while (model_poll(f))
		assert_true(most-- > 0);
}

uint32_t model_load(struct sim_function *f, unsigned bar, uint32_t offset)
{
	if (f->bar_trapped[bar])
		return (uint32_t)f->model->load(f, bar, offset, 4);
	return sim_load32(f->bar[bar] + offset);
}

void model_store(struct sim_function *f, unsigned bar, uint32_t offset, uint32_t value)
{
	if (f->bar_trapped[bar])
		f->model->store(f, bar, offset, 4, value);
	else
		sim_store32(f->bar[bar] + offset, value);
}

void model_store64(struct sim_function *f, unsigned bar, uint32_t offset, uint64_t value)
{
	model_store(f, bar, offset, (uint32_t)value);
	model_store(f, bar, offset + 4, (uint32_t)(value >> 32));
}

uint64_t model_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}
