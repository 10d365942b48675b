// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a block device at random, past the page cache, into a fixed pool of buffers.
 *
 *	io DEVICE READS DEPTH [BYTES [POOL [SEED]]]
 *
 * DEPTH reads are under way at any time; BYTES each (4096), into POOL buffers (DEPTH, at least 512 pages).  Prints one
 * line: reads, microseconds in all, and the 50th and 99th percentile of a read's.  The system's asynchronous I/O by
 * its system calls, so that nothing has to be installed in the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 1024

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t random_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static int fail(const char *what)
{
	fprintf(stderr, "io: %s: %s\n", what, strerror(errno));
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static struct iocb iocbs[MAX_DEPTH], *list[MAX_DEPTH];
	static struct io_event events[MAX_DEPTH];
	static uint64_t began[MAX_DEPTH];
	aio_context_t context = 0;
	uint64_t reads, depth, bytes = 4096, pool, seed = 1, size, start, submitted = 0, done = 0;
	uint32_t *took;
	char *buffers;
	int fd;

	if (argc < 4 || argc > 7) {
		fputs("usage: io DEVICE READS DEPTH [BYTES [POOL [SEED]]]\n", stderr);
		return 2;
	}
	reads = strtoull(argv[2], NULL, 0);
	depth = strtoull(argv[3], NULL, 0);
	if (argc > 4)
		bytes = strtoull(argv[4], NULL, 0);
	pool = argc > 5 ? strtoull(argv[5], NULL, 0) : depth > 512 ? depth : 512;
	if (argc > 6)
		seed = strtoull(argv[6], NULL, 0) | 1;
	if (!reads || !depth || depth > MAX_DEPTH || pool < depth || !bytes || bytes % 512) {
		fputs("io: impossible\n", stderr);
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return fail(argv[1]);
	buffers = mmap(NULL, pool * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	took = calloc(reads, sizeof(*took));
	if (buffers == MAP_FAILED || !took)
		return fail("memory");
	/* Pages of their own, wherever the kernel has some: no huge ones. */
	madvise(buffers, pool * bytes, MADV_NOHUGEPAGE);
	memset(buffers, 1, pool * bytes);
	if (syscall(SYS_io_setup, depth, &context))
		return fail("io_setup");
	start = now();
	for (uint64_t i = 0; i < depth; i++)
		list[i] = &iocbs[i];
	for (uint64_t idle = depth; done < reads;) {
		uint64_t n = 0;
		long got;

		for (; n < idle && submitted < reads; n++, submitted++) {
			struct iocb *cb = list[n];

			memset(cb, 0, sizeof(*cb));
			cb->aio_fildes = (uint32_t)fd;
			cb->aio_lio_opcode = IOCB_CMD_PREAD;
			cb->aio_buf = (uintptr_t)buffers + submitted % pool * bytes;
			cb->aio_nbytes = bytes;
			cb->aio_offset = (int64_t)(random_number(&seed) % (size / bytes) * bytes);
			cb->aio_data = (uint64_t)(cb - iocbs);
			began[cb - iocbs] = now();
		}
		if (n && syscall(SYS_io_submit, context, n, list) != (long)n)
			return fail("io_submit");
		got = syscall(SYS_io_getevents, context, 1, depth, events, NULL);
		if (got <= 0)
			return fail("io_getevents");
		for (long i = 0; i < got; i++) {
			if (events[i].res != (int64_t)bytes) {
				errno = events[i].res < 0 ? (int)-events[i].res : EIO;
				return fail("read");
			}
			took[done++] = (uint32_t)((now() - began[events[i].data]) / 100);
			list[i] = &iocbs[events[i].data];
		}
		idle = (uint64_t)got;
	}
	start = now() - start;
	qsort(took, reads, sizeof(*took), compare);
	printf("reads=%llu us=%llu p50=%.1f p99=%.1f\n", (unsigned long long)reads, (unsigned long long)(start / 1000),
	       took[reads / 2] / 10.0, took[reads * 99 / 100] / 10.0);
	return 0;
}
