// SPDX-License-Identifier: GPL-2.0-or-later
/* dart.c - bookkeeping of one DART window, common to all placement policies. */
#include "dart.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool bit(const uint64_t *map, uint64_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

void dart_set_run(uint64_t *used, uint64_t first, uint64_t run, bool value)
{
	for (uint64_t i = first; i < first + run;) {
		uint64_t n = 64 - i % 64;
		if (n > first + run - i)
			n = first + run - i;
		uint64_t mask = (n == 64 ? ~0ull : (1ull << n) - 1) << (i % 64);
		if (value)
			used[i / 64] |= mask;
		else
			used[i / 64] &= ~mask;
		i += n;
	}
}

bool dart_find_run(const uint64_t *used, uint64_t pages, uint64_t from, uint64_t to, uint64_t run, uint64_t *first)
{
	uint64_t start = from, i = from;

	/* `to` bounds where the run may begin, `pages` where it may end. */
	while (start < to && start + run <= pages) {
		if (i == start + run) {
			*first = start;
			return true;
		}
		if (i % 64 == 0 && used[i / 64] == ~0ull)
			start = i += 64;
		else if (i % 64 == 0 && used[i / 64] == 0 && start + run - i >= 64)
			i += 64;
		else if (bit(used, i))
			start = ++i;
		else
			i++;
	}
	return false;
}

const struct dart_policy *const dart_policies[] = {&dart_first_fit, &dart_buddy,    &dart_random, &dart_next_fit,
						   &dart_best_fit,  &dart_last_fit, NULL};

const struct dart_policy *dart_policy_named(const char *name)
{
	for (size_t i = 0; dart_policies[i]; i++)
		if (!strcmp(dart_policies[i]->name, name))
			return dart_policies[i];
	return NULL;
}

bool dart_init(struct dart *d, const struct dart_config *config, char *err, size_t err_size)
{
	uint64_t page = config->page;

	memset(d, 0, sizeof(*d));
	if (page < 4096 || (page & (page - 1))) {
		snprintf(err, err_size, "the DART page of %llu bytes is not a power of two of at least 4K",
			 (unsigned long long)page);
		return false;
	}
	if (!config->size || config->size % page || config->base % page || config->base + config->size < config->base ||
	    config->size / page > 1u << 24) {
		snprintf(err, err_size,
			 "the DART window 0x%llx + 0x%llx must be whole pages, not empty and at most 16M pages",
			 (unsigned long long)config->base, (unsigned long long)config->size);
		return false;
	}
	d->config = *config;
	d->pages = config->size / page;
	d->state = config->policy->create(d->pages, config->seed);
	d->owner = calloc(d->pages, sizeof(*d->owner));
	d->ever = calloc(d->pages / 8 + 1, 1);
	d->resting_room = config->reuse_delay + 1;
	d->resting = config->reuse_delay < 1u << 24 ? calloc(d->resting_room, sizeof(*d->resting)) : NULL;
	if (!d->state || !d->owner || !d->ever || !d->resting) {
		snprintf(err, err_size, "no memory for a DART of %llu pages", (unsigned long long)d->pages);
		dart_destroy(d);
		return false;
	}
	return true;
}

void dart_destroy(struct dart *d)
{
	if (d->state)
		d->config.policy->destroy(d->state);
	free(d->owner);
	free(d->ever);
	free(d->resting);
	memset(d, 0, sizeof(*d));
}

static void give_back_oldest(struct dart *d)
{
	struct dart_extent *e = &d->resting[d->resting_head];

	d->config.policy->free(d->state, e->first, e->pages);
	d->resting_head = (d->resting_head + 1) % d->resting_room;
	d->resting_count--;
}

bool dart_map(struct dart *d, uint64_t pages, void *owner, uint64_t *iova)
{
	uint64_t first;

	if (!pages || pages > d->pages || d->mappings >= d->config.max_mappings)
		return false;
	/* A full window waits for the flush, as AppleVTD does (VTD 1204), rather than refuse what is free. */
	while (!d->config.policy->alloc(d->state, pages, &first)) {
		if (!d->resting_count)
			return false;
		give_back_oldest(d);
	}
	for (uint64_t i = first; i < first + pages; i++) {
		assert(!d->owner[i]);
		d->owner[i] = owner;
		d->ever[i / 8] |= 1u << (i % 8);
	}
	d->mapped_pages += pages;
	if (++d->mappings > d->peak_mappings)
		d->peak_mappings = d->mappings;
	if (d->mapped_pages > d->peak_pages)
		d->peak_pages = d->mapped_pages;
	*iova = d->config.base + first * d->config.page;
	return true;
}

void dart_unmap(struct dart *d, uint64_t iova, uint64_t pages)
{
	uint64_t first = (iova - d->config.base) / d->config.page;

	for (uint64_t i = first; i < first + pages; i++)
		d->owner[i] = NULL;
	d->mappings--;
	d->mapped_pages -= pages;
	d->resting[(d->resting_head + d->resting_count) % d->resting_room] = (struct dart_extent){first, pages};
	if (++d->resting_count > d->config.reuse_delay)
		give_back_oldest(d);
}

static bool in_window(const struct dart *d, uint64_t iova)
{
	return iova >= d->config.base && iova - d->config.base < d->config.size;
}

void *dart_owner(const struct dart *d, uint64_t iova)
{
	return in_window(d, iova) ? d->owner[(iova - d->config.base) / d->config.page] : NULL;
}

bool dart_ever_mapped(const struct dart *d, uint64_t iova)
{
	uint64_t page = (iova - d->config.base) / d->config.page;

	return in_window(d, iova) && (d->ever[page / 8] >> (page % 8) & 1);
}
