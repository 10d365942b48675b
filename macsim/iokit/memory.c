// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.c - mmap() that keeps a client's large memory reachable for devices.
 *
 * On a Mac a page that is wired for DMA stays with the device even when its
 * process unmaps it or dies; Linux gives one process no such hold on another's
 * anonymous pages.  So large writable anonymous mappings, guest RAM foremost,
 * become shared mappings of a fresh memfd, and the simulated kernel gets a
 * copy of its descriptor (MW_MEMORY).  It recognises the memory by inode in
 * /proc/PID/maps.  Anything smaller, and what the C library allocates by
 * itself, stays private: the kernel falls back to process_vm_readv().
 *
 * Visible differences: a child of fork() shares such memory with its parent,
 * and mremap() cannot grow it.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHARED_MIN  (1u << 20)
#define PENDING_MAX 256 /* descriptors held before the task is connected */

static struct {
	pthread_mutex_t lock;
	bool connected;
	int count;
	int fds[PENDING_MAX];
} pending = {.lock = PTHREAD_MUTEX_INITIALIZER};

void memory_connected(void (*send)(int fd))
{
	pthread_mutex_lock(&pending.lock);
	for (int i = 0; i < pending.count; i++) {
		send(pending.fds[i]);
		close(pending.fds[i]);
	}
	pending.count = 0;
	pending.connected = true;
	pthread_mutex_unlock(&pending.lock);
}

void memory_after_fork(void)
{
	pthread_mutex_init(&pending.lock, NULL);
	pending.connected = false;
}

static void *plain_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}

static bool wanted(size_t length, int prot, int flags)
{
	const int never = MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB;

	return length >= SHARED_MIN && (prot & PROT_WRITE) && !(prot & PROT_EXEC) && (flags & MAP_ANONYMOUS) &&
	       (flags & MAP_TYPE) == MAP_PRIVATE && !(flags & never) && getenv(MW_SOCKET_ENV);
}

/* Takes over fd: the kernel learns of it now, or when the task connects. */
static void register_memory(int fd)
{
	struct mw_msg m = {.op = MW_MEMORY};
	int inout = fd;

	pthread_mutex_lock(&pending.lock);
	if (!pending.connected) {
		pending.fds[pending.count++] = fd;
		pthread_mutex_unlock(&pending.lock);
		return;
	}
	pthread_mutex_unlock(&pending.lock);
	task_call(&m, NULL, NULL, &inout);
	if (inout >= 0 && inout != fd)
		close(inout);
	close(fd);
}

static bool room_for_one(void)
{
	bool room;

	pthread_mutex_lock(&pending.lock);
	room = pending.connected || pending.count < PENDING_MAX;
	pthread_mutex_unlock(&pending.lock);
	return room;
}

static void *shared_mmap(void *addr, size_t length, int prot, int flags)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd < 0)
		return MAP_FAILED;
	if (!ftruncate(fd, (off_t)length))
		p = plain_mmap(addr, length, prot, (flags & ~(MAP_TYPE | MAP_ANONYMOUS)) | MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		close(fd);
	else
		register_memory(fd);
	return p;
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (wanted(length, prot, flags) && room_for_one()) {
		int before = errno;
		void *p = shared_mmap(addr, length, prot, flags);

		errno = before;
		if (p != MAP_FAILED)
			return p;
	}
	return plain_mmap(addr, length, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset) __attribute__((alias("mmap")));
