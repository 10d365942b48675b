// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions behind one DART share its room.  The host guarantees each of them
 * a quota, and lends what others do not use, but takes nothing back: what a
 * function keeps mapped beyond its quota without using it is ended here, when
 * one that is below its own finds no room.
 */

#include <linux/rculist.h>

#include "apple_dma_priv.h"

#define MAX_TRIPS	8	/* to the host for evictions, per request without room */

/* Tables whose functions have a mapper.  Changed under the tables' lock, walked with RCU. */
static LIST_HEAD(sharers);

void adma_sharing_add(struct adma_table *t)
{
	list_add_tail_rcu(&t->sharer, &sharers);
}

void adma_sharing_remove(struct adma_table *t)
{
	list_del_rcu(&t->sharer);
	synchronize_rcu();
}

static bool is_below(const struct adma_budget *b)
{
	return b->bytes_used < b->bytes_quota && b->mappings_used < b->mappings_quota;
}

static bool is_over(const struct adma_budget *b)
{
	return b->bytes_used > b->bytes_quota || b->mappings_used > b->mappings_quota;
}

static bool has_room(const struct adma_budget *b, u64 bytes, u32 mappings)
{
	return b->bytes_free >= bytes && b->mappings_free >= mappings;
}

static bool shares(const struct adma_table *a, const struct adma_table *b)
{
	return a != b && a->ch == b->ch && a->fn->mapper == b->fn->mapper;
}

bool adma_sharing_make_room(struct adma_table *t, u64 frames, u32 mappings)
{
	u64 bytes = frames << t->ch->granule_shift;
	unsigned int trips = MAX_TRIPS;
	struct adma_budget own, other;
	struct adma_table *s;
	bool room = false;

	if (!t->fn->mapper || adma_function_budget(t->fn, &own) || !is_below(&own))
		return false;
	rcu_read_lock();
	list_for_each_entry_rcu(s, &sharers, sharer) {
		if (!shares(t, s))
			continue;
		while (!room && trips && !adma_function_budget(s->fn, &other) && is_over(&other) &&
		       fi_evict_idle(&s->index, frames, mappings)) {
			trips--;
			room = !adma_function_budget(t->fn, &own) && has_room(&own, bytes, mappings);
		}
		if (room || !trips)
			break;
	}
	rcu_read_unlock();
	/* Somewhat less than was asked for may do, too: the host knows. */
	return trips < MAX_TRIPS;
}
