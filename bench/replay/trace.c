// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct trace *t;
	const char *path;
	FILE *file;
	uint32_t line;
	uint64_t now;
	uint32_t events_max, pieces_max;
	/* Of each identifier: the event that mapped it + 1, or 0. */
	uint32_t *mapped;
	uint32_t ids_max;
};

#define bad(r, ...)                                                                                                    \
	(fprintf(stderr, "%s:%u: ", (r)->path, (r)->line), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), false)

static void *grow(void *array, uint32_t *max, uint32_t want, size_t size)
{
	uint32_t n = *max ? *max : 1024;

	if (want <= *max)
		return array;
	while (n < want)
		n *= 2;
	array = realloc(array, n * size);
	if (!array) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	memset((char *)array + *max * size, 0, (n - *max) * size);
	*max = n;
	return array;
}

static bool number(const char **at, uint64_t *value)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*value = strtoull(*at, &end, 0);
	if (errno || end == *at)
		return false;
	*at = end;
	return true;
}

/* gpa+bytes[,gpa+bytes]... */
static bool pieces(struct reader *r, const char *at, struct trace_event *e)
{
	struct trace *t = r->t;

	e->first_piece = t->nr_pieces;
	for (;;) {
		struct trace_piece p;

		if (!number(&at, &p.gpa) || *at++ != '+' || !number(&at, &p.bytes) || !p.bytes)
			return bad(r, "a piece is not ADDRESS+BYTES");
		if (p.gpa < t->ram_base || p.bytes > t->ram_bytes || p.gpa - t->ram_base > t->ram_bytes - p.bytes)
			return bad(r, "0x%llx+%llu is not in the guest's RAM", (unsigned long long)p.gpa,
				   (unsigned long long)p.bytes);
		if (e->nr_pieces == TRACE_MAX_PIECES)
			return bad(r, "more than %u pieces in a request", TRACE_MAX_PIECES);
		t->pieces = grow(t->pieces, &r->pieces_max, t->nr_pieces + 1, sizeof(p));
		t->pieces[t->nr_pieces++] = p;
		e->nr_pieces++;
		if (*at != ',')
			break;
		at++;
	}
	return *at ? bad(r, "'%s' after the pieces", at) : true;
}

static bool name_ok(const char *name)
{
	return *name && strlen(name) < TRACE_MAX_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name);
}

static bool label(struct reader *r, const char *word, struct trace_event *e)
{
	struct trace *t = r->t;

	if (!word)
		word = "@-";
	if (*word != '@' || !name_ok(word + 1))
		return bad(r, "'%s' is no label", word);
	for (e->label = 0; e->label < t->nr_labels; e->label++)
		if (!strcmp(t->labels[e->label], word + 1))
			return true;
	if (t->nr_labels == TRACE_MAX_LABELS)
		return bad(r, "more than %u labels", TRACE_MAX_LABELS);
	strcpy(t->labels[t->nr_labels++], word + 1);
	return true;
}

static bool add(struct reader *r, const struct trace_event *e)
{
	struct trace *t = r->t;

	if (t->nr_events == UINT32_MAX - 1)
		return bad(r, "too long");
	t->events = grow(t->events, &r->events_max, t->nr_events + 1, sizeof(*e));
	t->events[t->nr_events++] = *e;
	return true;
}

static bool phase(struct reader *r, const char *name)
{
	struct trace *t = r->t;
	struct trace_event e = {.ns = r->now, .op = TRACE_PHASE, .id = t->nr_phases};
	uint32_t max = t->nr_phases;

	if (!name || !name_ok(name))
		return bad(r, "a phase needs a name");
	t->phases = realloc(t->phases, (max + 1) * sizeof(*t->phases));
	if (!t->phases)
		return bad(r, "out of memory");
	strcpy(t->phases[t->nr_phases++], name);
	return add(r, &e);
}

static bool one_of(const char *word, const char *const *names, uint8_t *which)
{
	for (*which = 0; word && names[*which]; ++*which)
		if (!strcmp(word, names[*which]))
			return true;
	return false;
}

static bool event(struct reader *r, const char *time, char **save)
{
	static const char *const contexts[] = {"task", "softirq", "hardirq", NULL};
	static const char *const directions[] = {"both", "to", "from", NULL};
	const char *op = strtok_r(NULL, " \t", save), *id = op ? strtok_r(NULL, " \t", save) : NULL;
	const char *context = id ? strtok_r(NULL, " \t", save) : NULL;
	const char *direction, *list;
	struct trace_event e = {.op = TRACE_END};
	struct trace *t = r->t;
	uint64_t value;

	if (!number(&time, &e.ns) || *time)
		return bad(r, "a line begins with nanoseconds");
	if (e.ns < r->now)
		return bad(r, "time runs backwards");
	r->now = e.ns;
	if (op && !strcmp(op, "end"))
		return id ? bad(r, "'%s' after end", id) : add(r, &e);
	if (!id || !number(&id, &value) || *id || value >= TRACE_MAX_ID)
		return bad(r, "no request number below %u", TRACE_MAX_ID);
	if (!one_of(context, contexts, &e.context))
		return bad(r, "no context: task, softirq or hardirq");
	e.id = value;
	r->mapped = grow(r->mapped, &r->ids_max, e.id + 1, sizeof(*r->mapped));
	if (e.id >= t->ids)
		t->ids = e.id + 1;
	if (!strcmp(op, "unmap")) {
		const struct trace_event *m;

		if (!r->mapped[e.id])
			return bad(r, "request %u is unmapped but not mapped", e.id);
		m = &t->events[r->mapped[e.id] - 1];
		r->mapped[e.id] = 0;
		e.op = TRACE_UNMAP;
		e.label = m->label;
		e.first_piece = m->first_piece;
		e.nr_pieces = m->nr_pieces;
		return (list = strtok_r(NULL, " \t", save)) ? bad(r, "'%s' after an unmap", list) : add(r, &e);
	}
	if (strcmp(op, "map") && strcmp(op, "alloc"))
		return bad(r, "'%s' is no event", op);
	e.op = *op == 'm' ? TRACE_MAP : TRACE_ALLOC;
	direction = strtok_r(NULL, " \t", save);
	list = direction ? strtok_r(NULL, " \t", save) : NULL;
	if (r->mapped[e.id])
		return bad(r, "request %u is mapped already", e.id);
	if (!one_of(direction, directions, &e.direction) || !list)
		return bad(r, "no direction (both, to, from) and pieces");
	if (!pieces(r, list, &e) || !label(r, strtok_r(NULL, " \t", save), &e))
		return false;
	r->mapped[e.id] = t->nr_events + 1;
	return add(r, &e);
}

static bool ram(struct reader *r, char **save)
{
	const char *base = strtok_r(NULL, " \t", save), *bytes = base ? strtok_r(NULL, " \t", save) : NULL;
	struct trace *t = r->t;

	if (!bytes || !number(&base, &t->ram_base) || *base || !number(&bytes, &t->ram_bytes) || *bytes)
		return bad(r, "ram needs BASE BYTES");
	if (!t->ram_bytes || t->ram_base > UINT64_MAX - t->ram_bytes || t->ram_base + t->ram_bytes > 1ull << 44)
		return bad(r, "impossible RAM");
	return true;
}

static bool line(struct reader *r, char *text)
{
	char *save, *word;

	text[strcspn(text, "\r\n")] = 0;
	word = strtok_r(text, " \t", &save);
	if (r->line == 1) {
		const char *version = word ? strtok_r(NULL, " \t", &save) : NULL;

		return word && !strcmp(word, "dma-trace") && version && !strcmp(version, "1") ? true :
												bad(r, "not a dma-trace of version 1");
	}
	if (!word || *word == '#')
		return true;
	if (!strcmp(word, "ram"))
		return r->t->nr_events ? bad(r, "ram comes before the events") : ram(r, &save);
	if (!r->t->ram_bytes)
		return bad(r, "no line says what RAM the guest has");
	if (!strcmp(word, "phase"))
		return phase(r, strtok_r(NULL, " \t", &save));
	return event(r, word, &save);
}

bool trace_read(struct trace *t, const char *path)
{
	struct reader r = {.t = t, .path = path};
	char *text = NULL;
	size_t size = 0;
	bool ok = true;

	memset(t, 0, sizeof(*t));
	r.file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	if (!r.file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	while (ok && getline(&text, &size, r.file) >= 0) {
		r.line++;
		ok = line(&r, text);
	}
	if (ok && !r.line) {
		r.line = 1;
		ok = bad(&r, "not a dma-trace of version 1");
	}
	free(text);
	free(r.mapped);
	if (r.file != stdin)
		fclose(r.file);
	if (!ok)
		trace_free(t);
	return ok;
}

void trace_free(struct trace *t)
{
	free(t->events);
	free(t->pieces);
	free(t->phases);
	memset(t, 0, sizeof(*t));
}
