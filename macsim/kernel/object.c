// SPDX-License-Identifier: GPL-2.0-or-later
/* object.c - ids and lifetimes of what tasks can name. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *table[BUCKETS];
static uint64_t next_id = 0x100000200; /* registry entry ids of a Mac start about there */

void object_init(struct object *o, enum object_kind kind, struct task *owner, void (*free)(struct object *))
{
	o->kind = kind;
	o->owner = owner ? task_ref(owner) : NULL;
	o->free = free;
	atomic_init(&o->refs, 1);
}

bool object_publish(struct object *o)
{
	bool ok;

	pthread_mutex_lock(&table_lock);
	ok = !o->owner || atomic_load(&o->owner->alive);
	o->id = next_id++;
	if (ok) {
		struct object **bucket = &table[o->id % BUCKETS];
		o->next = *bucket;
		*bucket = o;
		o->listed = true;
		atomic_fetch_add(&o->refs, 1);
	}
	pthread_mutex_unlock(&table_lock);
	return ok;
}

void object_withdraw(struct object *o)
{
	bool listed;

	pthread_mutex_lock(&table_lock);
	listed = o->listed;
	if (listed) {
		struct object **at = &table[o->id % BUCKETS];
		while (*at != o)
			at = &(*at)->next;
		*at = o->next;
		o->listed = false;
	}
	pthread_mutex_unlock(&table_lock);
	if (listed)
		object_unref(o);
}

void *object_find(uint64_t id, enum object_kind kind, const struct task *owner)
{
	struct object *o;

	pthread_mutex_lock(&table_lock);
	for (o = table[id % BUCKETS]; o && o->id != id; o = o->next)
		;
	if (o && (o->kind != kind || (owner && o->owner != owner)))
		o = NULL;
	if (o)
		atomic_fetch_add(&o->refs, 1);
	pthread_mutex_unlock(&table_lock);
	return o;
}

void *object_ref(void *object)
{
	struct object *o = object;

	atomic_fetch_add(&o->refs, 1);
	return o;
}

void object_unref(void *object)
{
	struct object *o = object;
	struct task *owner;

	if (!o || atomic_fetch_sub(&o->refs, 1) != 1)
		return;
	owner = o->owner;
	o->free(o);
	if (owner)
		task_unref(owner);
}

void **object_all(enum object_kind kind, const struct task *owner)
{
	size_t n = 0, room = 16;
	void **all = malloc(room * sizeof(void *));

	pthread_mutex_lock(&table_lock);
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct object *o = table[i]; o; o = o->next) {
			if (o->kind != kind || (owner && o->owner != owner))
				continue;
			if (n + 1 == room)
				all = realloc(all, (room *= 2) * sizeof(void *));
			atomic_fetch_add(&o->refs, 1);
			all[n++] = o;
		}
	}
	pthread_mutex_unlock(&table_lock);
	all[n] = NULL;
	return all;
}
