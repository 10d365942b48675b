// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * object.c - handles: a table of what the task holds send rights to.
 *
 * A handle is its slot and a generation, so that a released one names nothing
 * for a long time.  As with Mach, a service has one name however often it is
 * handed out, and as many references.
 */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOT 0x10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot {
	struct object *object;
	uint8_t generation;
} * slots;
static uint32_t slot_count;

void objects_lock(void)
{
	pthread_mutex_lock(&lock);
}

void objects_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* The child holds no rights.  The objects stay allocated: their other users may have been in the middle of one. */
void objects_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	slots = NULL;
	slot_count = 0;
}

struct object *object_new(enum object_kind kind, uint64_t id)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->kind = kind;
	o->id = id;
	return o;
}

void object_free(struct object *o)
{
	if (o->port)
		port_unref(o->port);
	free(o->entries);
	free(o);
}

mach_port_t object_add(struct object *o)
{
	uint32_t i;

	for (i = 0; i < slot_count && slots[i].object; i++)
		;
	if (i == slot_count) {
		slots = realloc(slots, (slot_count + 64) * sizeof(*slots));
		if (!slots)
			abort();
		memset(slots + slot_count, 0, 64 * sizeof(*slots));
		slot_count += 64;
	}
	slots[i].object = o;
	slots[i].generation += 1;
	o->refs = 1;
	o->name = (i + FIRST_SLOT) << 8 | slots[i].generation;
	return o->name;
}

struct object *object_find(mach_port_t name, enum object_kind kind)
{
	uint32_t i = (name >> 8) - FIRST_SLOT;
	struct object *o = i < slot_count ? slots[i].object : NULL;

	return o && o->name == name && (!kind || o->kind == kind) ? o : NULL;
}

struct object *object_find_id(enum object_kind kind, uint64_t id)
{
	for (uint32_t i = 0; i < slot_count; i++)
		if (slots[i].object && slots[i].object->kind == kind && slots[i].object->id == id)
			return slots[i].object;
	return NULL;
}

mach_port_t object_service(uint64_t entry)
{
	struct object *o = object_find_id(OBJECT_SERVICE, entry);

	if (!o)
		return object_add(object_new(OBJECT_SERVICE, entry));
	o->refs++;
	return o->name;
}

void object_drop_name(struct object *o)
{
	slots[(o->name >> 8) - FIRST_SLOT].object = NULL;
}

void object_append(struct object *o, const uint64_t *entries, size_t count)
{
	o->entries = realloc(o->entries, (o->count + count + 1) * sizeof(*entries));
	if (!o->entries)
		abort();
	if (count)
		memcpy(o->entries + o->count, entries, count * sizeof(*entries));
	o->count += count;
}

/* ---- IOKitLib.h: objects and iterators ---- */

kern_return_t IOObjectRetain(io_object_t object)
{
	struct object *o;

	objects_lock();
	o = object_find(object, 0);
	if (o)
		o->refs++;
	objects_unlock();
	return o ? KERN_SUCCESS : KERN_INVALID_NAME;
}

kern_return_t IOObjectRelease(io_object_t object)
{
	struct object *o;

	objects_lock();
	o = object_find(object, 0);
	if (!o || o->kind == OBJECT_PORT) {
		objects_unlock();
		return KERN_INVALID_NAME;
	}
	if (--o->refs) {
		objects_unlock();
		return KERN_SUCCESS;
	}
	object_drop_name(o);
	objects_unlock();

	/* The kernel notices that no right is left. */
	if (o->kind == OBJECT_CONNECT)
		connect_close(o);
	else if (o->kind == OBJECT_INTEREST || o->kind == OBJECT_MATCHING)
		notify_removed(o);
	else
		object_free(o);
	return KERN_SUCCESS;
}

boolean_t IOObjectIsEqualTo(io_object_t object, io_object_t anObject)
{
	return object == anObject;
}

static struct object *find_iterator(io_iterator_t name)
{
	struct object *o = object_find(name, OBJECT_ITERATOR);

	return o ? o : object_find(name, OBJECT_MATCHING);
}

io_object_t IOIteratorNext(io_iterator_t iterator)
{
	io_object_t result = IO_OBJECT_NULL;
	struct object *o;

	objects_lock();
	o = find_iterator(iterator);
	if (o && o->next < o->count)
		result = object_service(o->entries[o->next++]);
	else if (o)
		o->armed = true;
	objects_unlock();
	return result;
}

void IOIteratorReset(io_iterator_t iterator)
{
	struct object *o;

	objects_lock();
	o = find_iterator(iterator);
	if (o)
		o->next = 0;
	objects_unlock();
}

boolean_t IOIteratorIsValid(io_iterator_t iterator)
{
	bool valid;

	objects_lock();
	valid = find_iterator(iterator) != NULL;
	objects_unlock();
	return valid;
}
