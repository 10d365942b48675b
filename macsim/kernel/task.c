// SPDX-License-Identifier: GPL-2.0-or-later
/* task.c - processes that speak to the kernel, the kernel's calls into a dext, and their deaths. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct task *task_ref(struct task *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void task_unref(struct task *t)
{
	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	regions_drop(t);
	outbox_close(&t->outbox);
	free(t);
}

struct task *task_new(pid_t pid, uint64_t token, struct host *host)
{
	struct task *t = calloc(1, sizeof(*t));

	while (!token)
		if (getrandom(&token, sizeof(token), 0) != sizeof(token))
			token = 0;
	t->token = token;
	t->pid = pid;
	t->host = host;
	t->dext = host != NULL;
	t->maps = -1;
	atomic_init(&t->refs, 2); /* the list's and the caller's */
	atomic_init(&t->alive, true);
	outbox_init(&t->outbox);
	pthread_mutex_init(&t->lock, NULL);
	t->next_seq = 1;
	pthread_mutex_lock(&kernel.lock);
	t->next = kernel.tasks;
	kernel.tasks = t;
	pthread_mutex_unlock(&kernel.lock);
	return t;
}

struct task *task_find(uint64_t token)
{
	struct task *t;

	pthread_mutex_lock(&kernel.lock);
	for (t = kernel.tasks; t && t->token != token; t = t->next)
		;
	if (t)
		task_ref(t);
	pthread_mutex_unlock(&kernel.lock);
	return t;
}

bool tasks_clients_left(void)
{
	bool left = false;

	for (struct task *t = kernel.tasks; t; t = t->next)
		left |= !t->dext;
	return left;
}

/* ---- upcalls ---- */

struct waiting {
	struct upcall u;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool finished, died;
	struct mw_msg *m;
	void *out;
};

static void wake_waiter(struct upcall *u, const struct mw_msg *answer, const void *payload)
{
	struct waiting *w = (struct waiting *)u;

	pthread_mutex_lock(&w->lock);
	if (answer) {
		*w->m = *answer;
		if (w->out && answer->len)
			memcpy(w->out, payload, answer->len);
	}
	w->died = !answer;
	w->finished = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void task_upcall_async(struct task *dext, struct mw_msg *m, const void *payload, struct upcall *u)
{
	bool alive;

	pthread_mutex_lock(&dext->lock);
	alive = atomic_load(&dext->alive);
	if (alive) {
		u->seq = dext->next_seq++;
		m->seq = u->seq;
		u->next = dext->pending;
		dext->pending = u;
		outbox_post(&dext->outbox, m, payload);
	}
	pthread_mutex_unlock(&dext->lock);
	if (!alive)
		u->done(u, NULL, NULL);
}

bool task_upcall(struct task *dext, struct mw_msg *m, const void *payload, void *out)
{
	struct waiting w = {.u.done = wake_waiter, .m = m, .out = out};

	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.wake, NULL);
	task_upcall_async(dext, m, payload, &w.u);
	/* Uninterruptible: only an answer or the dext's death ends it (US 3494). */
	pthread_mutex_lock(&w.lock);
	while (!w.finished)
		pthread_cond_wait(&w.wake, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.wake);
	return !w.died;
}

void task_answer(struct task *dext, const struct mw_msg *m, const void *payload)
{
	struct upcall *u, **at;

	pthread_mutex_lock(&dext->lock);
	for (at = &dext->pending; *at && (*at)->seq != m->seq; at = &(*at)->next)
		;
	u = *at;
	if (u)
		*at = u->next;
	pthread_mutex_unlock(&dext->lock);
	if (u)
		u->done(u, m, payload);
}

void task_fail_upcalls(struct task *dext)
{
	struct upcall *u;

	for (;;) {
		pthread_mutex_lock(&dext->lock);
		u = dext->pending;
		if (u)
			dext->pending = u->next;
		pthread_mutex_unlock(&dext->lock);
		if (!u)
			return;
		u->done(u, NULL, NULL);
	}
}

/* ---- death ---- */

static void withdraw_all(enum object_kind kind, struct task *t)
{
	void **all = object_all(kind, t);

	for (void **o = all; *o; o++) {
		object_withdraw(*o);
		object_unref(*o);
	}
	free(all);
}

static void client_died(struct task *t)
{
	/* The dext hears of it as Stop of its user clients only; its DMA stays up until it completes it (TK 3160). */
	connects_of_dead_client(t);
	withdraw_all(OBJ_NOTIFICATION, t);
}

static void dext_died(struct task *t)
{
	struct function *f = host_function(t->host);
	void **all = object_all(OBJ_ENTRY, t), **e;
	uint64_t service = 0, opener;

	for (e = all; *e; e++) {
		struct entry *entry = *e;
		if (entry->kind == ENTRY_SERVICE && entry->provider->kind == ENTRY_NUB && !entry->inactive)
			service = entry->o.id;
	}
	/* First the device is made quiet, then the dext's objects go and with them its DMA (US clientClose 4219, PD
	 * 3140). */
	if (service)
		pci_crash_recovery(f, service);
	task_fail_upcalls(t);
	commands_release_all(t);
	pthread_mutex_lock(&f->lock);
	opener = f->open_task == t ? f->open_by : 0;
	pthread_mutex_unlock(&f->lock);
	if (opener)
		pci_close(f, opener);
	irq_release_all(t);
	for (e = all; *e; e++) {
		entry_make_inactive(*e);
		entry_forget(*e);
		object_unref(*e);
	}
	free(all);
	withdraw_all(OBJ_ACTION, t);
	withdraw_all(OBJ_DESCRIPTOR, t);
	host_dext_buried(t->host, service != 0);
}

void task_died(struct task *t)
{
	struct task **at;

	pthread_mutex_lock(&t->lock);
	bool first = atomic_exchange(&t->alive, false);
	pthread_mutex_unlock(&t->lock);
	if (!first)
		return;
	if (t->dext)
		dext_died(t);
	else
		client_died(t);
	outbox_close(&t->outbox);
	pthread_mutex_lock(&kernel.lock);
	for (at = &kernel.tasks; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	task_unref(t);
}
