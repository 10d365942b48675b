// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * task.c - this process as a task of the simulated kernel.
 *
 * One EVENTS socket with its thread stands for the task; each thread that
 * makes calls has a socket of its own, closed when the thread ends.  Without a
 * kernel every call fails as a message to a dead port does.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct link {
	struct link *next;
	int sock;
	uint32_t seq;
	uint64_t payload[MW_MAX_PAYLOAD / sizeof(uint64_t)];
};

enum state { TASK_UNCONNECTED, TASK_CONNECTED, TASK_LOST };

static struct {
	pthread_mutex_t lock;
	enum state state;
	uint64_t token;
	int events;
	struct link *links;
	pthread_key_t key;
} task = {.lock = PTHREAD_MUTEX_INITIALIZER, .events = -1};

mach_port_t mach_task_self_ = 0x103;

/* The first message on a socket; *token becomes the task's. */
static int hello(int sock, enum mw_role role, uint64_t *token)
{
	struct mw_msg m = {.op = MW_HELLO, .a = {role, *token}};
	int err = mw_call(sock, &m, NULL, NULL, NULL, NULL);

	if (err || m.ret)
		return -1;
	*token = m.a[0];
	return 0;
}

static int connect_as(enum mw_role role, uint64_t *token)
{
	int sock = mw_connect();

	if (sock >= 0 && hello(sock, role, token)) {
		close(sock);
		sock = -1;
	}
	return sock < 0 ? -1 : sock;
}

/* ---- events ---- */

void task_start_thread(void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, run, arg))
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_setname_np(thread, "iokit-events");
	pthread_detach(thread);
}

static void *events_thread(void *arg)
{
	static uint64_t payload[MW_MAX_PAYLOAD / sizeof(uint64_t)];
	int sock = (int)(intptr_t)arg;
	struct mw_msg m;

	while (!mw_recv(sock, &m, payload, NULL))
		notify_event(&m, payload);
	pthread_mutex_lock(&task.lock);
	task.state = TASK_LOST;
	pthread_mutex_unlock(&task.lock);
	return NULL;
}

/* ---- calls ---- */

static void link_destroy(void *arg)
{
	struct link *l = arg, **at;

	pthread_mutex_lock(&task.lock);
	for (at = &task.links; *at && *at != l; at = &(*at)->next)
		;
	if (*at)
		*at = l->next;
	pthread_mutex_unlock(&task.lock);
	close(l->sock);
	free(l);
}

/* With the task's lock held and the token known. */
static struct link *link_create(void)
{
	struct link *l = malloc(sizeof(*l));

	if (!l)
		return NULL;
	l->seq = 0;
	l->sock = connect_as(MW_ROLE_CLIENT, &task.token);
	if (l->sock < 0) {
		free(l);
		return NULL;
	}
	l->next = task.links;
	task.links = l;
	pthread_setspecific(task.key, l);
	return l;
}

static IOReturn link_call(struct link *l, struct mw_msg *m, const void *payload, int *fd)
{
	int send[2] = {fd ? *fd : -1, -1}, got[2] = {-1, -1};

	m->seq = ++l->seq;
	if (mw_call(l->sock, m, payload, send, l->payload, got))
		return MACH_SEND_INVALID_DEST;
	if (got[1] >= 0)
		close(got[1]);
	if (fd)
		*fd = got[0];
	else if (got[0] >= 0)
		close(got[0]);
	return m->ret;
}

static void send_memory(int fd)
{
	struct mw_msg m = {.op = MW_MEMORY};

	link_call(pthread_getspecific(task.key), &m, NULL, &fd);
	if (fd >= 0)
		close(fd);
}

static bool task_connect(void)
{
	uint64_t token = 0;
	int sock;

	if (task.state != TASK_UNCONNECTED)
		return task.state == TASK_CONNECTED;
	sock = connect_as(MW_ROLE_CLIENT_EVENTS, &token);
	if (sock < 0)
		return false;
	task.token = token;
	if (!link_create()) {
		close(sock);
		return false;
	}
	task.events = sock;
	task.state = TASK_CONNECTED;
	memory_connected(send_memory);
	task_start_thread(events_thread, (void *)(intptr_t)sock);
	return true;
}

static struct link *link_get(void)
{
	struct link *l = pthread_getspecific(task.key);

	if (l)
		return l;
	pthread_mutex_lock(&task.lock);
	if (task_connect()) {
		l = pthread_getspecific(task.key);
		if (!l)
			l = link_create();
	}
	pthread_mutex_unlock(&task.lock);
	return l;
}

IOReturn task_call(struct mw_msg *m, const void *payload, const void **reply, int *fd)
{
	struct link *l = link_get();

	if (reply)
		*reply = l ? l->payload : NULL;
	return l ? link_call(l, m, payload, fd) : MACH_SEND_INVALID_DEST;
}

/* ---- fork ---- */

/*
 * A child is a new task with no rights.  It must not keep the parent's
 * sockets: the kernel takes the end of the EVENTS socket for the task's death.
 * Locks are made anew, because their holders do not exist here.
 */
static void after_fork(void)
{
	pthread_mutex_init(&task.lock, NULL);
	for (struct link *l = task.links; l; l = l->next)
		close(l->sock);
	free(pthread_getspecific(task.key));
	pthread_setspecific(task.key, NULL);
	task.links = NULL;
	if (task.events >= 0)
		close(task.events);
	task.events = -1;
	task.token = 0;
	task.state = TASK_UNCONNECTED;
	objects_after_fork();
	notify_after_fork();
	memory_after_fork();
}

__attribute__((constructor)) static void task_init(void)
{
	if (pthread_key_create(&task.key, link_destroy) || pthread_atfork(NULL, NULL, after_fork))
		abort();
}
