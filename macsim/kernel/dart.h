/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dart.h - one device's DART: a window of I/O virtual addresses, who sits where in it.
 *
 * The DART alone chooses addresses (notes, section 3.1).  How it chooses is a
 * policy, one file each, because Apple's is not published (section 3.5): code
 * that works under all of them relies on none.
 *
 * A struct dart locks nothing; its owner does.
 */
#ifndef MACSIM_KERNEL_DART_H
#define MACSIM_KERNEL_DART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Page numbers count from the window's base. */
struct dart_policy {
	const char *name;
	void *(*create)(uint64_t pages, uint64_t seed);
	bool (*alloc)(void *state, uint64_t pages, uint64_t *first); /* false: no room */
	void (*free)(void *state, uint64_t first, uint64_t pages);   /* exactly as allocated */
	void (*destroy)(void *state);
};
extern const struct dart_policy dart_first_fit, dart_buddy, dart_random, dart_next_fit, dart_best_fit, dart_last_fit;
/* All of them, NULL at the end; the first is the default. */
extern const struct dart_policy *const dart_policies[];
const struct dart_policy *dart_policy_named(const char *name);

enum dart_exhaustion { DART_FULL_ERROR, DART_FULL_BLOCK, DART_FULL_PANIC };

struct dart_config {
	uint64_t base, size, page;
	uint64_t max_mappings;
	const struct dart_policy *policy;
	uint64_t seed;
	enum dart_exhaustion exhaustion;
	bool enforce_direction; /* AppleVTD does, DART reportedly not (section 3.4) */
	uint64_t reuse_delay;   /* later frees that must happen before an address is given out again (VTD 2209) */
};

struct dart {
	struct dart_config config;
	uint64_t pages;
	void *state;   /* the policy's */
	void **owner;  /* per page; NULL = not mapped */
	uint8_t *ever; /* per page: was mapped once, bitmap */
	uint64_t mappings, mapped_pages;
	uint64_t peak_mappings, peak_pages;
	/* Freed but not yet given back to the policy, oldest at head. */
	struct dart_extent {
		uint64_t first, pages;
	} * resting;
	uint64_t resting_head, resting_count, resting_room;
};

/* A sentence in err (false) when the configuration makes no sense. */
bool dart_init(struct dart *d, const struct dart_config *config, char *err, size_t err_size);
void dart_destroy(struct dart *d);
/* A block of pages for owner (not NULL); false when there is no room or all mappings are taken. */
bool dart_map(struct dart *d, uint64_t pages, void *owner, uint64_t *iova);
void dart_unmap(struct dart *d, uint64_t iova, uint64_t pages);
void *dart_owner(const struct dart *d, uint64_t iova);
bool dart_ever_mapped(const struct dart *d, uint64_t iova);

/* Shared by policies that keep one bit per page: a run of clear bits at or after `from`. */
bool dart_find_run(const uint64_t *used, uint64_t pages, uint64_t from, uint64_t to, uint64_t run, uint64_t *first);
void dart_set_run(uint64_t *used, uint64_t first, uint64_t run, bool value);

#endif
