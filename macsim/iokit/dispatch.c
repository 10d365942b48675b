// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dispatch.c - serial queues, one thread each, and semaphores.
 *
 * A queue's thread starts with its first item and lives until the last
 * reference is gone; every waiting item holds one.
 */
#define _GNU_SOURCE
#include <dispatch/dispatch.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum kind { KIND_QUEUE = 1, KIND_SEMAPHORE };

struct header {
	enum kind kind;
	_Atomic int refs;
	void *context;
	dispatch_function_t finalizer;
};

struct item {
	struct item *next;
	dispatch_function_t work;
	void *context;
	uint64_t due;                  /* 0 = at once */
	dispatch_semaphore_t finished; /* dispatch_sync_f waits for it */
};

struct dispatch_queue_s {
	struct header h;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct item *ready, **ready_tail;
	struct item *delayed; /* by due time */
	bool running;         /* the thread exists and frees the queue */
	bool orphaned;        /* no reference left */
	char label[64];
};

struct dispatch_semaphore_s {
	struct header h;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	intptr_t value;
};

static _Thread_local struct dispatch_queue_s *current;

/* ---- time ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta)
{
	uint64_t base = when == DISPATCH_TIME_NOW ? now_ns() : when;
	uint64_t sum = base + (uint64_t)delta;

	if (when == DISPATCH_TIME_FOREVER || (delta > 0 && sum < base))
		return DISPATCH_TIME_FOREVER;
	return delta < 0 && (sum > base || !sum) ? 1 : sum;
}

static void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* false once `when` has passed. */
static bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, dispatch_time_t when)
{
	struct timespec t = {.tv_sec = (time_t)(when / NSEC_PER_SEC), .tv_nsec = (long)(when % NSEC_PER_SEC)};

	if (when == DISPATCH_TIME_FOREVER)
		return !pthread_cond_wait(cond, lock);
	return pthread_cond_timedwait(cond, lock, &t) != ETIMEDOUT;
}

/* ---- objects ---- */

static void *object_alloc(enum kind kind, size_t bytes)
{
	struct header *h = calloc(1, bytes);

	if (!h)
		abort();
	h->kind = kind;
	h->refs = 1;
	return h;
}

static void object_destroy(struct header *h)
{
	if (h->finalizer && h->context)
		h->finalizer(h->context);
	if (h->kind == KIND_QUEUE) {
		struct dispatch_queue_s *q = (struct dispatch_queue_s *)h;

		pthread_cond_destroy(&q->wake);
		pthread_mutex_destroy(&q->lock);
	} else {
		struct dispatch_semaphore_s *s = (struct dispatch_semaphore_s *)h;

		pthread_cond_destroy(&s->wake);
		pthread_mutex_destroy(&s->lock);
	}
	free(h);
}

void dispatch_retain(dispatch_object_t object)
{
	((struct header *)object)->refs++;
}

void dispatch_release(dispatch_object_t object)
{
	struct header *h = object;

	if (--h->refs > 0)
		return;
	if (h->kind == KIND_QUEUE) {
		struct dispatch_queue_s *q = (struct dispatch_queue_s *)h;
		bool running;

		pthread_mutex_lock(&q->lock);
		running = q->running;
		q->orphaned = true;
		pthread_cond_signal(&q->wake);
		pthread_mutex_unlock(&q->lock);
		if (running)
			return;
	}
	object_destroy(h);
}

void dispatch_set_context(dispatch_object_t object, void *context)
{
	((struct header *)object)->context = context;
}

void *dispatch_get_context(dispatch_object_t object)
{
	return ((struct header *)object)->context;
}

void dispatch_set_finalizer_f(dispatch_object_t object, dispatch_function_t finalizer)
{
	((struct header *)object)->finalizer = finalizer;
}

/* ---- semaphores ---- */

dispatch_semaphore_t dispatch_semaphore_create(intptr_t value)
{
	struct dispatch_semaphore_s *s;

	if (value < 0)
		return NULL;
	s = object_alloc(KIND_SEMAPHORE, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	cond_init(&s->wake);
	s->value = value;
	return s;
}

intptr_t dispatch_semaphore_wait(dispatch_semaphore_t dsema, dispatch_time_t timeout)
{
	bool in_time = true;

	pthread_mutex_lock(&dsema->lock);
	while (!dsema->value && in_time && timeout != DISPATCH_TIME_NOW)
		in_time = cond_wait_until(&dsema->wake, &dsema->lock, timeout);
	in_time = dsema->value > 0;
	if (in_time)
		dsema->value--;
	pthread_mutex_unlock(&dsema->lock);
	return !in_time;
}

intptr_t dispatch_semaphore_signal(dispatch_semaphore_t dsema)
{
	/* The waiter may drop its reference as soon as it has seen the value. */
	dispatch_retain(dsema);
	pthread_mutex_lock(&dsema->lock);
	dsema->value++;
	pthread_cond_signal(&dsema->wake);
	pthread_mutex_unlock(&dsema->lock);
	dispatch_release(dsema);
	return 0;
}

/* ---- queues ---- */

/* With the lock held: the next item to run, or NULL when the queue is done for. */
static struct item *next_item(struct dispatch_queue_s *q)
{
	for (;;) {
		struct item *i = q->delayed;

		if (i && i->due <= now_ns()) {
			q->delayed = i->next;
			return i;
		}
		i = q->ready;
		if (i) {
			q->ready = i->next;
			if (!q->ready)
				q->ready_tail = &q->ready;
			return i;
		}
		if (q->orphaned)
			return NULL;
		cond_wait_until(&q->wake, &q->lock, q->delayed ? q->delayed->due : DISPATCH_TIME_FOREVER);
	}
}

static void *queue_thread(void *arg)
{
	struct dispatch_queue_s *q = arg;
	struct item *i;

	current = q;
	pthread_mutex_lock(&q->lock);
	while ((i = next_item(q))) {
		pthread_mutex_unlock(&q->lock);
		i->work(i->context);
		if (i->finished)
			dispatch_semaphore_signal(i->finished);
		free(i);
		dispatch_release(q); /* the item's reference; `running` keeps q alive */
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	object_destroy(&q->h);
	return NULL;
}

static void queue_start(struct dispatch_queue_s *q)
{
	sigset_t all, before;
	pthread_t thread;
	char name[16];

	/* The program's signals belong to its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, queue_thread, q))
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	snprintf(name, sizeof(name), "%.15s", q->label);
	pthread_setname_np(thread, name);
	pthread_detach(thread);
	q->running = true;
}

static void enqueue(struct dispatch_queue_s *q, void *context, dispatch_function_t work, uint64_t due,
		    dispatch_semaphore_t finished)
{
	struct item *i = malloc(sizeof(*i)), **at;

	if (!i)
		abort();
	*i = (struct item){.work = work, .context = context, .due = due, .finished = finished};
	dispatch_retain(q);
	pthread_mutex_lock(&q->lock);
	if (due) {
		for (at = &q->delayed; *at && (*at)->due <= due; at = &(*at)->next)
			;
		i->next = *at;
		*at = i;
	} else {
		*q->ready_tail = i;
		q->ready_tail = &i->next;
	}
	if (!q->running)
		queue_start(q);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attr)
{
	struct dispatch_queue_s *q = object_alloc(KIND_QUEUE, sizeof(*q));

	(void)attr;
	pthread_mutex_init(&q->lock, NULL);
	cond_init(&q->wake);
	q->ready_tail = &q->ready;
	snprintf(q->label, sizeof(q->label), "%s", label ? label : "queue");
	return q;
}

const char *dispatch_queue_get_label(dispatch_queue_t queue)
{
	return queue->label;
}

void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t work)
{
	enqueue(queue, context, work, 0, NULL);
}

void dispatch_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t work)
{
	dispatch_semaphore_t finished;

	if (current == queue) {
		fprintf(stderr, "%s: dispatch_sync called on the queue that already runs this thread\n", queue->label);
		abort();
	}
	finished = dispatch_semaphore_create(0);
	enqueue(queue, context, work, 0, finished);
	dispatch_semaphore_wait(finished, DISPATCH_TIME_FOREVER);
	dispatch_release(finished);
}

void dispatch_after_f(dispatch_time_t when, dispatch_queue_t queue, void *context, dispatch_function_t work)
{
	if (when != DISPATCH_TIME_FOREVER)
		enqueue(queue, context, work, when == DISPATCH_TIME_NOW ? 0 : when, NULL);
}
