/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h - a recorded or generated sequence of DMA requests, in memory.
 *
 * docs/trace-format.md is the format.  Whatever a file holds, what trace_read()
 * accepts is consistent: addresses are RAM, identifiers are mapped once before
 * they are unmapped, time does not run backwards.
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_MAX_LABELS 16
#define TRACE_MAX_ID	 (1u << 24)
#define TRACE_MAX_PIECES 4096u /* of one request */
#define TRACE_MAX_NAME	 32

/* In the order in which the format lists them. */
enum trace_context { TRACE_TASK, TRACE_SOFTIRQ, TRACE_HARDIRQ };
enum trace_direction { TRACE_BOTH, TRACE_TO, TRACE_FROM };
enum trace_op { TRACE_MAP, TRACE_ALLOC, TRACE_UNMAP, TRACE_PHASE, TRACE_END };

struct trace_piece {
	uint64_t gpa;
	uint64_t bytes;
};

struct trace_event {
	uint64_t ns;
	uint32_t id;	      /* PHASE: index of its name */
	uint32_t first_piece; /* MAP, ALLOC: in pieces[]; UNMAP: the request's */
	uint32_t nr_pieces;
	uint8_t op;
	uint8_t label;
	uint8_t context;
	uint8_t direction; /* MAP, ALLOC */
};

struct trace {
	uint64_t ram_base, ram_bytes;
	struct trace_event *events;
	uint32_t nr_events;
	struct trace_piece *pieces;
	uint32_t nr_pieces;
	uint32_t ids; /* all identifiers are below */
	char labels[TRACE_MAX_LABELS][TRACE_MAX_NAME];
	uint32_t nr_labels;
	char (*phases)[TRACE_MAX_NAME];
	uint32_t nr_phases;
};

/* "-" is standard input.  On failure a message with file and line is on standard error, and nothing is left behind. */
bool trace_read(struct trace *t, const char *path);
void trace_free(struct trace *t);

#endif
