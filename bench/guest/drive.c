// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays a trace of DMA requests (docs/trace-format.md) through the driver of the dmatest function.
 *
 *	drive TRACE FILE begin	allocates the memory that the trace needs
 *	drive TRACE FILE PHASE	has the driver do what that phase asks for; "all" is what comes before the first
 *
 * FILE is the driver's (tests/guest/dmatest/dmatest_trace.h).  Each 256 KiB of the trace's memory become a block of
 * the guest's, or each 2 MiB where a piece is larger or crosses an edge: within a block the trace's pieces lie as they
 * do in the trace, and the blocks lie where the guest has them.  Prints one line about the phase: requests, pieces,
 * bytes, and how many requests were refused.  Times of the trace are not kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tests/guest/dmatest/dmatest_trace.h"
#include "../replay/trace.h"

#define SMALL_SHIFT 18
#define LARGE_SHIFT 21
#define PAGE_SHIFT  12

_Static_assert((int)TRACE_TASK == DTT_TASK && (int)TRACE_SOFTIRQ == DTT_SOFTIRQ && (int)TRACE_HARDIRQ == DTT_HARDIRQ,
	       "the driver's contexts are the format's");
_Static_assert((int)TRACE_BOTH == DTT_BOTH && (int)TRACE_TO == DTT_TO_DEVICE && (int)TRACE_FROM == DTT_FROM_DEVICE,
	       "and so are its directions");

struct memory {
	uint64_t base;    /* of the first block, a multiple of the larger size */
	uint32_t *number; /* of each 256 KiB: its block + 1, or 0 */
	bool *large;      /* of each 2 MiB */
	uint64_t nr_large, nr_small;
};

struct output {
	int fd;
	size_t used;
	char records[DTT_WRITE_MAX];
};

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("drive: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void flush(struct output *o)
{
	if (o->used && write(o->fd, o->records, o->used) != (ssize_t)o->used)
		die("the driver: %s", strerror(errno));
	o->used = 0;
}

/* Room for a record and what belongs to it, which are written together. */
static void *add(struct output *o, size_t bytes)
{
	void *at;

	if (bytes > sizeof(o->records) - o->used)
		flush(o);
	at = o->records + o->used;
	o->used += bytes;
	return at;
}

static bool is_map(const struct trace_event *e)
{
	return e->op == TRACE_MAP;
}

/* Which blocks there are, and which are large. */
static void lay_out(struct memory *m, const struct trace *t)
{
	uint64_t first = t->ram_base >> LARGE_SHIFT;
	uint64_t nr = ((t->ram_base + t->ram_bytes - 1) >> LARGE_SHIFT) - first + 1, next = 0;
	unsigned int per = 1u << (LARGE_SHIFT - SMALL_SHIFT);

	m->base = first << LARGE_SHIFT;
	m->number = calloc(nr * per, sizeof(*m->number));
	m->large = calloc(nr, sizeof(*m->large));
	if (!m->number || !m->large)
		die("out of memory");
	for (uint32_t i = 0; i < t->nr_events; i++) {
		const struct trace_event *e = &t->events[i];

		for (uint32_t k = 0; is_map(e) && k < e->nr_pieces; k++) {
			const struct trace_piece *p = &t->pieces[e->first_piece + k];
			uint64_t begin = p->gpa - m->base, end = begin + p->bytes - 1;

			if (begin >> LARGE_SHIFT != end >> LARGE_SHIFT)
				die("0x%llx+%llu lies in two blocks of 2 MiB", (unsigned long long)p->gpa,
				    (unsigned long long)p->bytes);
			m->large[begin >> LARGE_SHIFT] |= begin >> SMALL_SHIFT != end >> SMALL_SHIFT;
			m->number[begin >> SMALL_SHIFT] = 1;
		}
	}
	/* The larger first, as they are harder to find. */
	for (uint64_t i = 0; i < nr; i++) {
		if (!m->large[i])
			continue;
		next++;
		for (uint64_t k = 0; k < per; k++)
			m->number[i * per + k] = next;
	}
	m->nr_large = next;
	for (uint64_t i = 0; i < nr * per; i++)
		if (m->number[i] && !m->large[i / per])
			m->number[i] = ++next;
	m->nr_small = next - m->nr_large;
	if (next > DTT_MAX_BLOCKS || t->ids > DTT_MAX_IDS)
		die("%llu blocks and %u request numbers are more than the driver has", (unsigned long long)next,
		    t->ids);
}

static void begin(struct output *o, const struct trace *t, const struct memory *m)
{
	*(struct dtt_record *)add(o, sizeof(struct dtt_record)) = (struct dtt_record){.op = DTT_BEGIN, .id = t->ids};
	*(struct dtt_record *)add(o, sizeof(struct dtt_record)) =
		(struct dtt_record){.op = DTT_BLOCKS, .order = LARGE_SHIFT - PAGE_SHIFT, .nr = m->nr_large};
	*(struct dtt_record *)add(o, sizeof(struct dtt_record)) =
		(struct dtt_record){.op = DTT_BLOCKS, .order = SMALL_SHIFT - PAGE_SHIFT, .nr = m->nr_small};
	flush(o);
	printf("mib=%llu\n", (unsigned long long)((m->nr_large << LARGE_SHIFT) + (m->nr_small << SMALL_SHIFT)) >> 20);
}

static uint64_t bytes_of(const struct trace *t, const struct trace_event *e)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < e->nr_pieces; i++)
		bytes += t->pieces[e->first_piece + i].bytes;
	return bytes;
}

static void put(struct output *o, const struct trace *t, const struct memory *m, const struct trace_event *e)
{
	uint32_t nr = is_map(e) ? e->nr_pieces : 0;
	struct dtt_record *r = add(o, sizeof(*r) + nr * sizeof(struct dtt_piece));
	struct dtt_piece *pieces = (void *)(r + 1);

	*r = (struct dtt_record){.context = e->context, .direction = e->direction, .id = e->id};
	switch (e->op) {
	case TRACE_UNMAP:
		r->op = DTT_UNMAP;
		break;
	case TRACE_ALLOC:
		r->op = DTT_ALLOC;
		r->nr = bytes_of(t, e);
		break;
	default:
		r->op = DTT_MAP;
		r->nr = nr;
		break;
	}
	for (uint32_t i = 0; i < nr; i++) {
		const struct trace_piece *p = &t->pieces[e->first_piece + i];
		uint64_t at = p->gpa - m->base;
		unsigned int shift = m->large[at >> LARGE_SHIFT] ? LARGE_SHIFT : SMALL_SHIFT;

		pieces[i] = (struct dtt_piece){
			.block = m->number[at >> SMALL_SHIFT] - 1,
			.offset = at & ((1u << shift) - 1),
			.bytes = p->bytes,
		};
	}
}

/* What the driver has refused since "begin". */
static unsigned long long refused(int fd)
{
	char text[256], *at;
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	if (got <= 0)
		die("the driver says nothing: %s", strerror(errno));
	text[got] = 0;
	at = strstr(text, "refused ");
	if (!at)
		die("the driver says: %s", text);
	return strtoull(at + strlen("refused "), NULL, 10);
}

static void play(struct output *o, const struct trace *t, const struct memory *m, const char *phase)
{
	unsigned long long requests = 0, pieces = 0, bytes = 0, before = refused(o->fd);
	bool in = !strcmp(phase, "all"), known = in;

	for (uint32_t i = 0; i < t->nr_events; i++) {
		const struct trace_event *e = &t->events[i];

		if (e->op == TRACE_PHASE) {
			in = !strcmp(t->phases[e->id], phase);
			known |= in;
		}
		if (!in || e->op == TRACE_PHASE || e->op == TRACE_END)
			continue;
		put(o, t, m, e);
		if (e->op == TRACE_UNMAP)
			continue;
		requests++;
		pieces += e->nr_pieces;
		bytes += bytes_of(t, e);
	}
	if (!known)
		die("the trace has no phase %s", phase);
	flush(o);
	printf("requests=%llu pieces=%llu bytes=%llu refused=%llu\n", requests, pieces, bytes, refused(o->fd) - before);
}

int main(int argc, char **argv)
{
	static struct output o;
	struct memory m = {0};
	struct trace t;

	if (argc != 4) {
		fputs("usage: drive TRACE FILE begin|PHASE\n", stderr);
		return 2;
	}
	if (!trace_read(&t, argv[1]))
		return 1;
	o.fd = open(argv[2], O_RDWR);
	if (o.fd < 0)
		die("%s: %s", argv[2], strerror(errno));
	lay_out(&m, &t);
	if (!strcmp(argv[3], "begin"))
		begin(&o, &t, &m);
	else
		play(&o, &t, &m, argv[3]);
	trace_free(&t);
	return 0;
}
