// SPDX-License-Identifier: GPL-2.0-or-later
/* host.c - keeps one dext process per PCI function: launch, Start, relaunch after a crash, end. */
#include "kernel.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RELAUNCH_MAX  1000 /* per provider (SV 490) */
#define CONNECT_LIMIT 20000000000ull
#define STOP_LIMIT    3000000000ull

extern char **environ;

enum host_state { HOST_STARTING, HOST_STARTED, HOST_REFUSED, HOST_DIED, HOST_ENDED };

struct host {
	struct function *function;
	const char *dext, *class;
	pthread_t thread;
	bool has_thread;
	/* kernel.lock */
	enum host_state state;
	int32_t refusal;
	bool stopping, buried, crashed;
	_Atomic pid_t pid; /* written under the lock */
	struct task *task;
	struct entry *service;
};

struct host *host_new(struct function *f, const char *dext, const char *class)
{
	struct host *h = calloc(1, sizeof(*h));

	h->function = f;
	h->dext = dext;
	h->class = class;
	h->state = HOST_ENDED;
	f->host = h;
	return h;
}

struct function *host_function(struct host *h)
{
	return h->function;
}

pid_t host_pid(struct host *h)
{
	return h->pid;
}

/* ---- one process ---- */

static pid_t launch(struct host *h, uint64_t token)
{
	char *argv[] = {(char *)(uintptr_t)h->dext, NULL}, assignment[64];
	size_t n = 0;
	pid_t pid;

	while (environ[n])
		n++;
	char **envp = calloc(n + 2, sizeof(*envp));
	memcpy(envp, environ, n * sizeof(*envp));
	snprintf(assignment, sizeof(assignment), "MACSIM_TASK=%llu", (unsigned long long)token);
	envp[n] = assignment;
	pid = spawn(argv, envp, true, kernel.log ? fileno(kernel.log) : STDERR_FILENO);
	free(envp);
	return pid;
}

/* True once the dext has opened its upcall socket; false when the process ended or time is up. kernel.lock held. */
static bool wait_connected(struct task *t)
{
	uint64_t deadline = now_ns() + CONNECT_LIMIT;
	siginfo_t info = {0};

	while (!t->has_main_socket && now_ns() < deadline) {
		if (waitid(P_PID, t->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
			return false;
		kernel_wait(now_ns() + 5000000);
	}
	return t->has_main_socket;
}

/* IOUserServer's part of matching: a service on the nub, Start, and RegisterService when Start went well. */
static void start_service(struct host *h, struct task *t)
{
	struct function *f = h->function;
	struct entry *nub, *service = NULL;
	struct mw_msg m = {.op = MW_UP_START, .len = strlen(h->class) + 1};
	uint8_t answer[MW_MAX_PAYLOAD];
	bool lives, registered;

	pthread_mutex_lock(&f->lock);
	nub = f->nub ? object_ref(f->nub) : NULL;
	pthread_mutex_unlock(&f->lock);
	if (nub)
		service = entry_new(ENTRY_SERVICE, t, h->class, nub, f);
	if (!service) {
		/* The device went meanwhile. */
		object_unref(nub);
		host_maybe_exit(t);
		return;
	}
	entry_set_string(service, "IOClass", "IOUserService");
	entry_set_string(service, "IOUserClass", h->class);
	entry_set_string(service, "IOProviderClass", "IOPCIDevice");
	m.a[0] = service->o.id;
	m.a[1] = nub->o.id;
	m.a[2] = 1;
	object_unref(nub);
	pthread_mutex_lock(&kernel.lock);
	h->service = object_ref(service);
	service->starting = true;
	pthread_mutex_unlock(&kernel.lock);

	lives = task_upcall(t, &m, h->class, answer);
	pthread_mutex_lock(&kernel.lock);
	service->starting = false;
	service->started = lives && !m.ret;
	registered = service->started && service->want_registered;
	pthread_mutex_unlock(&kernel.lock);
	if (registered)
		entry_register(service);
	if (lives && m.ret) {
		/* Not matched: the kernel detaches it. */
		entry_make_inactive(service);
		pci_close(f, service->o.id);
		entry_forget(service);
		host_maybe_exit(t);
	}
	pthread_mutex_lock(&kernel.lock);
	h->refusal = m.ret;
	h->state = !lives ? HOST_DIED : m.ret ? HOST_REFUSED : HOST_STARTED;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	object_unref(service);
}

void host_dext_buried(struct host *h, bool crashed)
{
	pthread_mutex_lock(&kernel.lock);
	h->buried = true;
	h->crashed = crashed;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
}

/* Runs one dext process to its end; true if it crashed and is to be replaced. */
static bool run_once(struct host *h)
{
	struct task *t = task_new(0, 0, h);
	struct entry *service;
	bool again, connected;
	pid_t pid;
	int status = 0;

	pthread_mutex_lock(&kernel.lock);
	h->buried = h->crashed = false;
	h->task = t;
	h->pid = t->pid = pid = launch(h, t->token);
	connected = pid > 0 && wait_connected(t);
	pthread_mutex_unlock(&kernel.lock);
	if (connected) {
		start_service(h, t);
	} else {
		klog(h->function->config.bdf, "the dext process did not connect");
		pthread_mutex_lock(&kernel.lock);
		if (pid > 0)
			kill(pid, SIGKILL);
		h->state = HOST_DIED;
		pthread_cond_broadcast(&kernel.changed);
		pthread_mutex_unlock(&kernel.lock);
	}
	/* Keep the pid ours until nobody can send it a signal any more. */
	if (pid > 0) {
		siginfo_t info;
		while (waitid(P_PID, pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
			;
		kill(-pid, SIGKILL);
	}
	pthread_mutex_lock(&kernel.lock);
	h->pid = 0;
	pthread_mutex_unlock(&kernel.lock);
	if (pid > 0)
		waitpid(pid, &status, 0);
	task_died(t);
	pthread_mutex_lock(&kernel.lock);
	while (!h->buried)
		kernel_wait(UINT64_MAX);
	again = h->crashed && !h->stopping;
	service = h->service;
	h->service = NULL;
	h->task = NULL;
	pthread_mutex_unlock(&kernel.lock);
	klog(h->function->config.bdf, "the dext process %d ended, status 0x%x%s", pid, status,
	     again ? ", launching it again" : "");
	object_unref(service);
	task_unref(t);
	return again;
}

static void *host_run(void *arg)
{
	struct host *h = arg;
	struct function *f = h->function;
	bool used;

	for (int i = 0; i < RELAUNCH_MAX; i++) {
		/* The device is reset before the next driver after a clean detach (PD 425, 1080). */
		pthread_mutex_lock(&f->lock);
		used = f->reset_before_start;
		f->reset_before_start = false;
		pthread_mutex_unlock(&f->lock);
		if (used && pci_reset(f, kIOPCIDeviceResetTypeFunction, 0))
			pci_reset(f, kIOPCIDeviceResetTypeHot, 0);
		if (!run_once(h))
			break;
	}
	pthread_mutex_lock(&kernel.lock);
	if (h->state == HOST_STARTED)
		h->state = HOST_ENDED;
	h->has_thread = false;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	return NULL;
}

/* ---- for the rest of the kernel ---- */

void host_start(struct host *h)
{
	pthread_mutex_lock(&kernel.lock);
	if (h->dext && !h->has_thread && !h->stopping) {
		h->state = HOST_STARTING;
		h->has_thread = true;
		pthread_create(&h->thread, NULL, host_run, h);
		pthread_detach(h->thread);
	}
	pthread_mutex_unlock(&kernel.lock);
}

bool host_wait_started(struct host *h, uint64_t deadline, char *err, size_t err_size)
{
	const char *bdf = h->function->config.bdf;

	if (!h->dext)
		return true;
	pthread_mutex_lock(&kernel.lock);
	while (h->state == HOST_STARTING && now_ns() < deadline && !interrupted())
		kernel_wait(now_ns() + 50000000);
	switch (h->state) {
	case HOST_STARTED:
		break;
	case HOST_STARTING:
		snprintf(err, err_size, "%s: %s has not finished Start in time", bdf, h->dext);
		break;
	case HOST_REFUSED:
		snprintf(err, err_size, "%s: %s refused to start with 0x%08x", bdf, h->class, (uint32_t)h->refusal);
		break;
	default:
		snprintf(err, err_size, "%s: the dext %s ended before its Start was done", bdf, h->dext);
	}
	bool ok = h->state == HOST_STARTED;
	pthread_mutex_unlock(&kernel.lock);
	return ok;
}

void host_kill(struct host *h, pid_t pid)
{
	pthread_mutex_lock(&kernel.lock);
	if (h->pid > 0 && (!pid || h->pid == pid))
		kill(h->pid, SIGKILL);
	pthread_mutex_unlock(&kernel.lock);
}

static struct entry *current_service(struct host *h)
{
	struct entry *e;

	pthread_mutex_lock(&kernel.lock);
	e = h->service ? object_ref(h->service) : NULL;
	pthread_mutex_unlock(&kernel.lock);
	return e;
}

void host_maybe_exit(struct task *dext)
{
	void **all = object_all(OBJ_ENTRY, dext);
	struct mw_msg m = {.op = MW_UP_EXIT};
	bool empty = !all[0];

	for (void **at = all; *at; at++)
		object_unref(*at);
	free(all);
	if (empty)
		outbox_post(&dext->outbox, &m, NULL);
}

/* The thread has STOP_LIMIT to end by itself; then its process is killed. */
static void wait_ended(struct host *h)
{
	uint64_t deadline = now_ns() + STOP_LIMIT;

	pthread_mutex_lock(&kernel.lock);
	while (h->has_thread && kernel_wait(deadline))
		;
	if (h->has_thread)
		klog(h->function->config.bdf, "the dext did not finish Stop and is killed");
	while (h->has_thread) {
		if (h->pid > 0)
			kill(h->pid, SIGKILL);
		kernel_wait(now_ns() + 50000000);
	}
	pthread_mutex_unlock(&kernel.lock);
}

void host_stop(struct host *h)
{
	struct entry *service;

	pthread_mutex_lock(&kernel.lock);
	h->stopping = true;
	pthread_mutex_unlock(&kernel.lock);
	service = current_service(h);
	if (service)
		service_stop(service, true);
	else
		host_kill(h, 0);
	object_unref(service);
	wait_ended(h);
}

void host_unplug(struct host *h)
{
	struct entry *service = current_service(h);
	struct function *f = h->function;
	uint64_t opener;

	function_unplug(f);
	/* The provider is inactive: Stop is sent, nobody waits, and the session is closed by force at once (US 5808).
	 */
	if (service)
		service_stop(service, false);
	object_unref(service);
	pthread_mutex_lock(&f->lock);
	opener = f->open_by;
	pthread_mutex_unlock(&f->lock);
	if (opener)
		pci_close(f, opener);
}

bool host_plug(struct host *h)
{
	bool present;

	pthread_mutex_lock(&h->function->lock);
	present = h->function->present;
	pthread_mutex_unlock(&h->function->lock);
	if (present)
		return false;
	wait_ended(h);
	function_publish(h->function);
	host_start(h);
	return true;
}

static void *replug(void *arg)
{
	host_unplug(arg);
	host_plug(arg);
	return NULL;
}

void host_replug(struct host *h)
{
	pthread_t thread;

	pthread_create(&thread, NULL, replug, h);
	pthread_detach(thread);
}
