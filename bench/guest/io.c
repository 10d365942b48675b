// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a block device at random, past the page cache, into a fixed pool of buffers.
 *
 *	io DEVICE READS DEPTH [STATISTICS]
 *
 * DEPTH reads of 4 KiB are under way at any time, into 512 buffers in turn (DEPTH, if that is more).  Each buffer is used
 * twice before anything is measured.  Prints one line: reads, those before, microseconds in all, the 50th and 99th
 * percentile of a read's, the instructions that the machine executed per read, if somebody counts them, and by how much the
 * counters rose in STATISTICS, the module's file of them.  Instructions are the first quartile of groups of DEPTH reads: what
 * else the kernel does, as clock ticks, disturbs the others.  The system's asynchronous I/O by its system calls, so that nothing has to be installed
 * in the guest.
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

#include "insns.h"

#define MAX_DEPTH 1024
#define BYTES	  4096u
#define POOL	  512u

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

/* In the module's words and ours. */
static const char *const counters[][2] = {
	{"maps", "maps"}, {"unmaps", "unmaps"}, {"doorbells", "exits"}, {"requests", "requests"}, {"hits", "hits"}, {"failures", "failures"},
};
#define NR_COUNTERS (sizeof(counters) / sizeof(counters[0]))

static int count(const char *path, uint64_t values[NR_COUNTERS])
{
	FILE *file = fopen(path, "r");
	char line[128], name[64];
	unsigned long long value;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < NR_COUNTERS && sscanf(line, "%63s %llu", name, &value) == 2; i++)
			if (!strcmp(name, counters[i][0]))
				values[i] = value;
	fclose(file);
	return 0;
}

struct pool {
	int fd;
	aio_context_t context;
	uint64_t blocks, seed, depth, buffers;
	char *memory;
	uint64_t next; /* buffer */
	uint32_t *took;
	uint32_t *groups; /* instructions per read */
	uint64_t nr_groups;
};

/* 0, or -1 with errno. */
static int run(struct pool *p, uint64_t reads)
{
	static struct iocb iocbs[MAX_DEPTH], *list[MAX_DEPTH];
	static struct io_event events[MAX_DEPTH];
	static uint64_t began[MAX_DEPTH];
	uint64_t submitted = 0, done = 0, idle = p->depth;
	uint64_t counted = insns_now(), counted_at = 0;

	p->nr_groups = 0;
	for (uint64_t i = 0; i < p->depth; i++)
		list[i] = &iocbs[i];
	while (done < reads) {
		uint64_t n = 0;
		long got;

		for (; n < idle && submitted < reads; n++, submitted++) {
			struct iocb *cb = list[n];

			memset(cb, 0, sizeof(*cb));
			cb->aio_fildes = (uint32_t)p->fd;
			cb->aio_lio_opcode = IOCB_CMD_PREAD;
			cb->aio_buf = (uintptr_t)p->memory + p->next++ % p->buffers * BYTES;
			cb->aio_nbytes = BYTES;
			cb->aio_offset = (int64_t)(random_number(&p->seed) % p->blocks * BYTES);
			cb->aio_data = (uint64_t)(cb - iocbs);
			began[cb - iocbs] = now();
		}
		if (n && syscall(SYS_io_submit, p->context, n, list) != (long)n)
			return -1;
		got = syscall(SYS_io_getevents, p->context, 1, p->depth, events, NULL);
		if (got <= 0)
			return -1;
		for (long i = 0; i < got; i++) {
			if (events[i].res != (int64_t)BYTES) {
				errno = events[i].res < 0 ? (int)-events[i].res : EIO;
				return -1;
			}
			p->took[done++] = (uint32_t)((now() - began[events[i].data]) / 100);
			list[i] = &iocbs[events[i].data];
		}
		idle = (uint64_t)got;
		if (counted && done - counted_at >= p->depth) {
			uint64_t count = insns_now();

			p->groups[p->nr_groups++] = (uint32_t)((count - counted) / (done - counted_at));
			counted = count;
			counted_at = done;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t before[NR_COUNTERS] = {0}, after[NR_COUNTERS] = {0}, reads, warm, size, start;
	struct pool p = {.seed = 88172645463325252u};

	if (argc < 4 || argc > 5) {
		fputs("usage: io DEVICE READS DEPTH [STATISTICS]\n", stderr);
		return 2;
	}
	reads = strtoull(argv[2], NULL, 0);
	p.depth = strtoull(argv[3], NULL, 0);
	p.buffers = p.depth > POOL ? p.depth : POOL;
	warm = 2 * p.buffers;
	if (!reads || !p.depth || p.depth > MAX_DEPTH) {
		fputs("io: impossible\n", stderr);
		return 2;
	}
	p.fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (p.fd < 0 || ioctl(p.fd, BLKGETSIZE64, &size))
		return fail(argv[1]);
	p.blocks = size / BYTES;
	p.memory = mmap(NULL, p.buffers * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p.took = calloc(reads > warm ? reads : warm, sizeof(*p.took));
	p.groups = calloc(reads > warm ? reads : warm, sizeof(*p.groups));
	if (p.memory == MAP_FAILED || !p.took || !p.groups)
		return fail("memory");
	/* Pages of their own, wherever the kernel has some: no huge ones. */
	madvise(p.memory, p.buffers * BYTES, MADV_NOHUGEPAGE);
	memset(p.memory, 1, p.buffers * BYTES);
	if (syscall(SYS_io_setup, p.depth, &p.context))
		return fail("io_setup");
	if (run(&p, warm))
		return fail("reading");
	if (argc == 5 && count(argv[4], before))
		return fail(argv[4]);
	start = now();
	if (run(&p, reads))
		return fail("reading");
	start = now() - start;
	if (argc == 5 && count(argv[4], after))
		return fail(argv[4]);
	qsort(p.took, reads, sizeof(*p.took), compare);
	printf("reads=%llu warm=%llu us=%llu p50=%.1f p99=%.1f", (unsigned long long)reads, (unsigned long long)warm,
	       (unsigned long long)(start / 1000), p.took[reads / 2] / 10.0, p.took[reads * 99 / 100] / 10.0);
	if (p.nr_groups) {
		qsort(p.groups, p.nr_groups, sizeof(*p.groups), compare);
		printf(" insns=%u", p.groups[p.nr_groups / 4]);
	}
	for (size_t i = 0; argc == 5 && i < NR_COUNTERS; i++)
		printf(" %s=%llu", counters[i][1], (unsigned long long)(after[i] - before[i]));
	putchar('\n');
	return 0;
}
