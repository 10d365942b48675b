// SPDX-License-Identifier: GPL-2.0-or-later
/* ether.c - the cables, by name. */
#include "ether.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FULL_BYTES (256 * 1024) /* from here on the sender waits */
#define STUCK_NS   1000000000ull

struct frame {
	struct frame *next;
	size_t bytes;
	uint8_t data[];
};

struct cable;

struct ether {
	struct cable *cable;
	struct sim_function *function; /* NULL: nothing is plugged in here */
	bool listening, sender_waits;
	struct frame *first, **last; /* on their way to this end */
	size_t bytes;
	uint64_t taken_ns; /* when this end last took a frame, or the queue was empty */
};

/* Cables live as long as the process: there are few, and their ends come and go. */
struct cable {
	struct cable *next;
	pthread_mutex_t lock;
	struct ether end[2];
	char name[];
};

static pthread_mutex_t cables_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cable *cables;

static struct ether *other(struct ether *e)
{
	return &e->cable->end[e == &e->cable->end[0]];
}

static struct cable *cable_named(const char *name)
{
	struct cable *c;

	for (c = cables; c; c = c->next)
		if (!strcmp(c->name, name))
			return c;
	c = calloc(1, sizeof(*c) + strlen(name) + 1);
	if (!c)
		return NULL;
	strcpy(c->name, name);
	pthread_mutex_init(&c->lock, NULL);
	for (unsigned i = 0; i < 2; i++) {
		c->end[i].cable = c;
		c->end[i].last = &c->end[i].first;
	}
	c->next = cables;
	cables = c;
	return c;
}

static void flush(struct ether *e)
{
	while (e->first) {
		struct frame *f = e->first;
		e->first = f->next;
		free(f);
	}
	e->last = &e->first;
	e->bytes = 0;
}

/* Who waits for room at the other end's queue, which is e. */
static void wake_sender(struct ether *e)
{
	if (e->sender_waits && other(e)->function)
		sim_wake(other(e)->function);
	e->sender_waits = false;
}

struct ether *ether_attach(struct sim_function *f, const char *name, unsigned *index)
{
	struct ether *e = NULL;
	struct cable *c;

	pthread_mutex_lock(&cables_lock);
	c = cable_named(name);
	pthread_mutex_unlock(&cables_lock);
	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < 2 && !e; i++)
		if (!c->end[i].function) {
			e = &c->end[i];
			e->function = f;
			*index = i;
		}
	pthread_mutex_unlock(&c->lock);
	return e;
}

void ether_detach(struct ether *e)
{
	pthread_mutex_lock(&e->cable->lock);
	flush(e);
	e->listening = false;
	wake_sender(e);
	e->function = NULL;
	pthread_mutex_unlock(&e->cable->lock);
}

bool ether_linked(struct ether *e)
{
	bool linked;

	pthread_mutex_lock(&e->cable->lock);
	linked = other(e)->function;
	pthread_mutex_unlock(&e->cable->lock);
	return linked;
}

void ether_listen(struct ether *e, bool listening)
{
	pthread_mutex_lock(&e->cable->lock);
	if (!listening) {
		flush(e);
		wake_sender(e);
	}
	e->listening = listening;
	pthread_mutex_unlock(&e->cable->lock);
}

bool ether_room(struct ether *e)
{
	struct ether *to = other(e);
	bool room;

	pthread_mutex_lock(&e->cable->lock);
	if (to->bytes >= FULL_BYTES && sim_now_ns() - to->taken_ns > STUCK_NS)
		flush(to);
	room = !to->listening || to->bytes < FULL_BYTES;
	to->sender_waits = !room;
	pthread_mutex_unlock(&e->cable->lock);
	return room;
}

void ether_send(struct ether *e, const void *data, size_t bytes)
{
	struct ether *to = other(e);
	struct frame *f = bytes <= ETHER_FRAME_MAX ? malloc(sizeof(*f) + bytes) : NULL;
	bool first;

	if (!f)
		return;
	f->next = NULL;
	f->bytes = bytes;
	memcpy(f->data, data, bytes);
	pthread_mutex_lock(&e->cable->lock);
	if (!to->function || !to->listening) {
		pthread_mutex_unlock(&e->cable->lock);
		free(f);
		return;
	}
	first = !to->first;
	if (first)
		to->taken_ns = sim_now_ns();
	*to->last = f;
	to->last = &f->next;
	to->bytes += bytes;
	if (first)
		sim_wake(to->function);
	pthread_mutex_unlock(&e->cable->lock);
}

size_t ether_peek(struct ether *e, void *data, size_t size)
{
	size_t bytes = 0;

	pthread_mutex_lock(&e->cable->lock);
	if (e->first && e->first->bytes <= size) {
		bytes = e->first->bytes;
		memcpy(data, e->first->data, bytes);
	}
	pthread_mutex_unlock(&e->cable->lock);
	return bytes;
}

void ether_drop(struct ether *e)
{
	struct frame *f;

	pthread_mutex_lock(&e->cable->lock);
	f = e->first;
	if (f) {
		e->first = f->next;
		if (!e->first)
			e->last = &e->first;
		e->bytes -= f->bytes;
		e->taken_ns = sim_now_ns();
		if (e->bytes < FULL_BYTES / 2)
			wake_sender(e);
	}
	pthread_mutex_unlock(&e->cable->lock);
	free(f);
}
