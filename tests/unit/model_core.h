/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model_core.h - the smallest core a device model runs on: plain memory, no
 * threads.  A test is the driver: it stores into the BARs and into `memory`,
 * which the device reaches at IOVA MEMORY_IOVA, and calls model_poll().
 */
#ifndef MODEL_CORE_H
#define MODEL_CORE_H

#include "model.h"

#define MEMORY_IOVA  0x80000000ULL
#define MEMORY_BYTES (16u * 1024 * 1024)

struct sim_function {
	const struct sim_model *model;
	const char *const *options; /* key, value, key, value, NULL */
	void *state;
	struct sim_ids ids;
	uint8_t *bar[6];
	uint64_t bar_bytes[6];
	enum sim_bar_kind bar_kind[6];
	bool bar_trapped[6];
	unsigned msix_vectors, msix_bar, msi_vectors;
	bool has_intx, has_flr;

	uint8_t *memory;
	uint64_t deny_first, deny_last; /* IOVAs in [first, last) answer with a bus error */
	unsigned bus_errors;
	bool bus_master;
	bool woken;            /* by sim_wake(), since the last model_poll() */
	bool reading, writing; /* what the device did since the last model_poll() */

	unsigned msis[256];
	bool intx;
	char failure[256]; /* what sim_fail() said */
};

/* NULL when init() refused; why is in model_failure. */
struct sim_function *model_start(const char *name, const char *const *options);
extern char model_failure[256];
void model_stop(struct sim_function *f);
void model_reset(struct sim_function *f, enum sim_reset kind); /* as the core does it: BAR memory zeroed first */
bool model_poll(struct sim_function *f);
/* Poll until the model has nothing to do; fails the test when that takes more than `most` polls. */
void model_settle(struct sim_function *f, unsigned most);

uint32_t model_load(struct sim_function *f, unsigned bar, uint32_t offset);
void model_store(struct sim_function *f, unsigned bar, uint32_t offset, uint32_t value);
void model_store64(struct sim_function *f, unsigned bar, uint32_t offset, uint64_t value);

/* Reproducible noise. */
uint64_t model_random(uint64_t *seed);

#endif
