// SPDX-License-Identifier: GPL-2.0-or-later
/* wire.c - packets of wire.h over a SOCK_SEQPACKET socket. */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 2

union control {
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int mw_send(int sock, const struct mw_msg *m, const void *payload, const int fds[2])
{
	struct iovec iov[2] = {
		{.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = m->len},
	};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = m->len ? 2 : 1};
	union control control;
	int list[FDS_MAX], n = 0;
	ssize_t sent;

	if (m->len > MW_MAX_PAYLOAD || (m->len && !payload))
		return -EMSGSIZE;
	for (int i = 0; fds && i < FDS_MAX; i++)
		if (fds[i] >= 0)
			list[n++] = fds[i];
	if (n) {
		memset(&control, 0, sizeof(control));
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), list, n * sizeof(int));
	}
	do {
		sent = sendmsg(sock, &h, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Keeps the first fds of the packet, in order, and closes any the caller has no place for. */
static void take_fds(struct msghdr *h, int fds[2])
{
	int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (fds && n < FDS_MAX)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
}

int mw_recv(int sock, struct mw_msg *m, void *payload, int fds[2])
{
	struct iovec iov[2] = {
		{.iov_base = m, .iov_len = sizeof(*m)},
		{.iov_base = payload, .iov_len = payload ? MW_MAX_PAYLOAD : 0},
	};
	union control control;
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = payload ? 2 : 1};
	ssize_t got;

	if (fds)
		fds[0] = fds[1] = -1;
	do {
		h.msg_control = control.bytes;
		h.msg_controllen = sizeof(control.bytes);
		h.msg_flags = 0;
		got = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	take_fds(&h, fds);
	/* A caller without a buffer accepts a truncated payload: it wants the header alone. */
	if ((size_t)got < sizeof(*m) || m->len > MW_MAX_PAYLOAD || (payload && (size_t)got != sizeof(*m) + m->len) ||
	    (h.msg_flags & MSG_CTRUNC)) {
		for (int i = 0; fds && i < FDS_MAX; i++) {
			if (fds[i] >= 0)
				close(fds[i]);
			fds[i] = -1;
		}
		return -EPROTO;
	}
	return 0;
}

int mw_call(int sock, struct mw_msg *m, const void *payload, const int send_fds[2], void *out, int recv_fds[2])
{
	uint32_t seq = m->seq;
	int err = mw_send(sock, m, payload, send_fds);

	if (err)
		return err;
	err = mw_recv(sock, m, out, recv_fds);
	if (!err && m->seq != seq)
		err = -EPROTO;
	return err;
}

int mw_connect(void)
{
	const char *path = getenv(MW_SOCKET_ENV);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int sock, err;

	if (!path)
		return -ENOENT;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		close(sock);
		return err;
	}
	return sock;
}
