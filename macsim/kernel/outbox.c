// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * outbox.c - messages to a client or a dext.
 *
 * Kernel sends ignore queue limits (UC 2278, MACH_SEND_ALWAYS): nothing is
 * dropped, nobody waits, and a reader that never reads lets the queue grow.
 */
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct packet {
	struct packet *next;
	struct mw_msg m;
	uint8_t payload[];
};

void outbox_init(struct outbox *o)
{
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->wake, NULL);
	o->first = NULL;
	o->last = &o->first;
	o->sock = -1;
	o->running = o->closed = false;
}

static bool try_send(int sock, const struct mw_msg *m, const void *payload)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)m, sizeof(*m)}, {(void *)(uintptr_t)payload, m->len}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = m->len ? 2 : 1};
	ssize_t n;

	do {
		n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	/* A peer that is gone has been served: its end is noticed where its socket is read. */
	return n >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static void *drain(void *arg)
{
	struct outbox *o = arg;

	pthread_mutex_lock(&o->lock);
	while (o->running) {
		struct packet *p = o->first;
		if (!p || o->sock < 0) {
			pthread_cond_wait(&o->wake, &o->lock);
			continue;
		}
		int sock = o->sock;
		o->first = p->next;
		if (!o->first)
			o->last = &o->first;
		if (try_send(sock, &p->m, p->payload)) {
			free(p);
			continue;
		}
		/* Full: put it back in front and look again in a moment. */
		p->next = o->first;
		if (!o->first)
			o->last = &p->next;
		o->first = p;
		pthread_mutex_unlock(&o->lock);
		struct timespec t = {0, 200 * 1000};
		nanosleep(&t, NULL);
		pthread_mutex_lock(&o->lock);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

bool outbox_open(struct outbox *o, int sock)
{
	bool ok;

	pthread_mutex_lock(&o->lock);
	ok = !o->running && !o->closed;
	if (ok) {
		o->sock = sock;
		o->running = true;
		pthread_create(&o->thread, NULL, drain, o);
	}
	pthread_mutex_unlock(&o->lock);
	return ok;
}

void outbox_close(struct outbox *o)
{
	bool join;

	pthread_mutex_lock(&o->lock);
	join = o->running;
	o->running = false;
	o->closed = true;
	o->sock = -1;
	while (o->first) {
		struct packet *p = o->first;
		o->first = p->next;
		free(p);
	}
	o->last = &o->first;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	if (join)
		pthread_join(o->thread, NULL);
}

void outbox_post(struct outbox *o, const struct mw_msg *m, const void *payload)
{
	pthread_mutex_lock(&o->lock);
	if (o->closed || (o->sock >= 0 && !o->first && try_send(o->sock, m, payload)))
		goto out;
	struct packet *p = malloc(sizeof(*p) + m->len);
	p->next = NULL;
	p->m = *m;
	if (m->len)
		memcpy(p->payload, payload, m->len);
	*o->last = p;
	o->last = &p->next;
	pthread_cond_signal(&o->wake);
out:
	pthread_mutex_unlock(&o->lock);
}
