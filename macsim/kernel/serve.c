// SPDX-License-Identifier: GPL-2.0-or-later
/* serve.c - the sockets: who may ask what, one thread each. */
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct request {
	uint32_t op;
	enum mw_role role;
	bool one_way;
	handler *handle;
} requests[] = {
	{MW_MATCH, MW_ROLE_CLIENT, false, do_match},
	{MW_ENTRY_NAME, MW_ROLE_CLIENT, false, do_entry_name},
	{MW_ENTRY_PROPERTY, MW_ROLE_CLIENT, false, do_entry_property},
	{MW_SERVICE_OPEN, MW_ROLE_CLIENT, false, do_service_open},
	{MW_SERVICE_CLOSE, MW_ROLE_CLIENT, false, do_service_close},
	{MW_CALL, MW_ROLE_CLIENT, false, do_call},
	{MW_MAP, MW_ROLE_CLIENT, false, do_map},
	{MW_UNMAP, MW_ROLE_CLIENT, false, do_unmap},
	{MW_MEMORY, MW_ROLE_CLIENT, false, do_memory},
	{MW_NOTIFY_ADD, MW_ROLE_CLIENT, false, do_notify_add},
	{MW_NOTIFY_REMOVE, MW_ROLE_CLIENT, false, do_notify_remove},
	{MW_CONNECT_SERVICE, MW_ROLE_CLIENT, false, do_connect_service},
	{MW_ENTRY_CLASS, MW_ROLE_CLIENT, false, do_entry_class},
	{MW_ENTRY_CHILDREN, MW_ROLE_CLIENT, false, do_entry_children},
	{MW_SYSCTL, MW_ROLE_CLIENT, false, do_sysctl},
	{MW_DK_SET_NAME, MW_ROLE_DEXT, false, do_set_name},
	{MW_DK_REGISTER_SERVICE, MW_ROLE_DEXT, false, do_register_service},
	{MW_DK_SET_PROPERTIES, MW_ROLE_DEXT, false, do_set_properties},
	{MW_DK_PROPERTY, MW_ROLE_DEXT, false, do_property},
	{MW_DK_CREATE, MW_ROLE_DEXT, false, do_create},
	{MW_DK_TERMINATE, MW_ROLE_DEXT, false, do_terminate},
	{MW_DK_DID_STOP, MW_ROLE_DEXT, false, do_did_stop},
	{MW_DK_ENTRY_ID, MW_ROLE_DEXT, false, do_entry_id},
	{MW_DK_ASYNC, MW_ROLE_DEXT, true, do_async},
	{MW_DK_ACTION_RELEASE, MW_ROLE_DEXT, true, do_action_release},
	{MW_DK_CLIENT_ENTITLEMENTS, MW_ROLE_DEXT, false, do_client_entitlements},
	{MW_MD_FROM_CLIENT, MW_ROLE_DEXT, false, do_md_from_client},
	{MW_MD_BUFFER, MW_ROLE_DEXT, false, do_md_buffer},
	{MW_MD_SET_LENGTH, MW_ROLE_DEXT, false, do_md_set_length},
	{MW_MD_LENGTH, MW_ROLE_DEXT, false, do_md_length},
	{MW_MD_MAP, MW_ROLE_DEXT, false, do_md_map},
	{MW_MD_SUB, MW_ROLE_DEXT, false, do_md_sub},
	{MW_MD_CONCAT, MW_ROLE_DEXT, false, do_md_concat},
	{MW_MD_RETAIN, MW_ROLE_DEXT, false, do_md_retain},
	{MW_MD_RELEASE, MW_ROLE_DEXT, true, do_md_release},
	{MW_DMA_CREATE, MW_ROLE_DEXT, false, do_dma_create},
	{MW_DMA_PREPARE, MW_ROLE_DEXT, false, do_dma_prepare},
	{MW_DMA_COMPLETE, MW_ROLE_DEXT, false, do_dma_complete},
	{MW_DMA_PREPARATION, MW_ROLE_DEXT, false, do_dma_preparation},
	{MW_DMA_RELEASE, MW_ROLE_DEXT, true, do_dma_release},
	{MW_PCI_OPEN, MW_ROLE_DEXT, false, do_pci_open},
	{MW_PCI_CLOSE, MW_ROLE_DEXT, false, do_pci_close},
	{MW_PCI_BAR_FD, MW_ROLE_DEXT, false, do_pci_bar_fd},
	{MW_PCI_BAR_INFO, MW_ROLE_DEXT, false, do_pci_bar_info},
	{MW_PCI_CONFIG_READ, MW_ROLE_DEXT, false, do_pci_config_read},
	{MW_PCI_CONFIG_WRITE, MW_ROLE_DEXT, false, do_pci_config_write},
	{MW_PCI_MEMORY_READ, MW_ROLE_DEXT, false, do_pci_memory_read},
	{MW_PCI_MEMORY_WRITE, MW_ROLE_DEXT, false, do_pci_memory_write},
	{MW_PCI_COPY_MEMORY, MW_ROLE_DEXT, false, do_pci_copy_memory},
	{MW_PCI_BDF, MW_ROLE_DEXT, false, do_pci_bdf},
	{MW_PCI_RESET, MW_ROLE_DEXT, false, do_pci_reset},
	{MW_PCI_CONFIGURE_IRQS, MW_ROLE_DEXT, false, do_pci_configure_irqs},
	{MW_IRQ_CREATE, MW_ROLE_DEXT, false, do_irq_create},
	{MW_IRQ_TYPE, MW_ROLE_DEXT, false, do_irq_type},
	{MW_IRQ_ENABLE, MW_ROLE_DEXT, false, do_irq_enable},
	{MW_IRQ_CANCEL, MW_ROLE_DEXT, false, do_irq_cancel},
	{MW_IRQ_LAST, MW_ROLE_DEXT, false, do_irq_last},
	{MW_IRQ_RELEASE, MW_ROLE_DEXT, true, do_irq_release},
	{MW_CTL_STATUS, MW_ROLE_CONTROL, false, do_ctl_status},
	{MW_CTL_UNPLUG, MW_ROLE_CONTROL, false, do_ctl_unplug},
	{MW_CTL_PLUG, MW_ROLE_CONTROL, false, do_ctl_plug},
	{MW_CTL_KILL_DEXT, MW_ROLE_CONTROL, false, do_ctl_kill_dext},
	{MW_CTL_SET, MW_ROLE_CONTROL, false, do_ctl_set},
	{MW_CTL_EXTENSIONS, MW_ROLE_CONTROL, false, do_ctl_extensions},
};

void payload_string(const struct conn *c, char *text, size_t size)
{
	size_t n = c->in->len < size - 1 ? c->in->len : size - 1;

	memset(text, 0, size);
	memcpy(text, c->in_payload, strnlen((const char *)c->in_payload, n));
}

static const struct request *find_request(uint32_t op, enum mw_role role)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].op == op && requests[i].role == role)
			return &requests[i];
	return NULL;
}

static void close_fds(int fds[2])
{
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Requests of one caller, in order. Ends when the caller's socket does, or its task. */
static void serve_requests(struct conn *c, enum mw_role role)
{
	struct mw_msg in, out;

	while (mw_recv(c->sock, &in, c->in_payload, c->fds) == 0) {
		const struct request *r = find_request(in.op, role);
		int send_fds[2] = {-1, -1};
		if (c->task && !atomic_load(&c->task->alive)) {
			close_fds(c->fds);
			return;
		}
		c->in = &in;
		c->send_fd = -1;
		c->after = NULL;
		out = (struct mw_msg){.op = in.op, .seq = in.seq};
		out.ret = r ? r->handle(c, &in, &out) : kIOReturnBadArgument;
		if (out.ret && role != MW_ROLE_CONTROL)
			out.len = 0;
		close_fds(c->fds);
		send_fds[0] = c->send_fd;
		if (!r || !r->one_way)
			mw_send(c->sock, &out, c->out, send_fds);
		if (c->send_fd >= 0)
			close(c->send_fd);
		if (c->after)
			c->after(c->after_arg);
	}
}

static void serve_upcalls(struct conn *c)
{
	struct mw_msg in;

	while (mw_recv(c->sock, &in, c->in_payload, c->fds) == 0) {
		close_fds(c->fds);
		task_answer(c->task, &in, c->in_payload);
	}
	/* A dext without its upcall socket is as good as crashed. By now its successor may be running. */
	host_kill(c->task->host, c->task->pid);
	task_died(c->task);
}

static void serve_events(struct conn *c)
{
	struct mw_msg in;

	while (mw_recv(c->sock, &in, c->in_payload, c->fds) == 0)
		close_fds(c->fds);
	task_died(c->task);
}

/* The task behind a first message; NULL: refused. */
static struct task *hello_task(int sock, enum mw_role role, uint64_t token)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);
	struct task *t;
	bool main_socket = role == MW_ROLE_CLIENT_EVENTS || role == MW_ROLE_DEXT_UPCALLS;
	bool dext = role == MW_ROLE_DEXT || role == MW_ROLE_DEXT_UPCALLS, ok;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return NULL;
	t = token || dext ? task_find(token) : task_new(cred.pid, 0, NULL);
	if (!t)
		return NULL;
	pthread_mutex_lock(&kernel.lock);
	ok = t->dext == dext && atomic_load(&t->alive) && (dext || t->pid == cred.pid) &&
	     !(main_socket && t->has_main_socket);
	if (ok) {
		t->sockets++;
		t->has_main_socket |= main_socket;
	}
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	if (ok)
		return t;
	task_unref(t);
	return NULL;
}

static void leave_task(struct task *t)
{
	bool last;

	pthread_mutex_lock(&kernel.lock);
	last = --t->sockets == 0 && !t->has_main_socket && !t->dext;
	pthread_mutex_unlock(&kernel.lock);
	if (last)
		task_died(t);
	task_unref(t);
}

static void serve_conn(struct conn *c)
{
	struct mw_msg m;
	enum mw_role role;

	if (mw_recv(c->sock, &m, c->in_payload, c->fds) < 0)
		return;
	close_fds(c->fds);
	role = m.a[0];
	if (m.op != MW_HELLO || role < MW_ROLE_CLIENT || role > MW_ROLE_CONTROL)
		return;
	if (role != MW_ROLE_CONTROL) {
		c->task = hello_task(c->sock, role, m.a[1]);
		m.a[0] = c->task ? c->task->token : 0;
	}
	m.ret = c->task || role == MW_ROLE_CONTROL ? kIOReturnSuccess : kIOReturnNotPermitted;
	m.len = 0;
	mw_send(c->sock, &m, NULL, NULL);
	if (m.ret)
		return;
	if (role == MW_ROLE_DEXT_UPCALLS || role == MW_ROLE_CLIENT_EVENTS) {
		outbox_open(&c->task->outbox, c->sock);
		if (role == MW_ROLE_DEXT_UPCALLS)
			serve_upcalls(c);
		else
			serve_events(c);
	} else {
		serve_requests(c, role);
	}
	if (c->task)
		leave_task(c->task);
}

static void *conn_thread(void *arg)
{
	struct conn *c = arg;

	serve_conn(c);
	close(c->sock);
	free(c);
	return NULL;
}

static void *accept_thread(void *arg)
{
	int listener = (int)(intptr_t)arg;
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock < 0) {
			if (errno == EMFILE || errno == ENFILE)
				usleep(10000);
			else if (errno != EINTR && errno != ECONNABORTED)
				return NULL;
			continue;
		}
		struct conn *c = calloc(1, sizeof(*c));
		c->sock = sock;
		c->fds[0] = c->fds[1] = c->send_fd = -1;
		if (pthread_create(&thread, &attr, conn_thread, c)) {
			close(sock);
			free(c);
		}
	}
}

bool serve_start(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pthread_t thread;

	if (listener < 0 || strlen(path) >= sizeof(addr.sun_path))
		return false;
	memcpy(addr.sun_path, path, strlen(path));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 128) < 0)
		return false;
	return pthread_create(&thread, NULL, accept_thread, (void *)(intptr_t)listener) == 0 &&
	       pthread_detach(thread) == 0;
}
