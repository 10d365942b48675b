// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays traces of DMA requests (docs/trace-format.md) under several policies, against a model of the host, and counts.
 *
 *	replay [--policies NAME,...] [--budget MIB] [--mappings N] [--header] TRACE...
 *
 * Writes CSV: a row per trace, policy and phase, and one per label in it.  Nothing depends on time or chance.  Every
 * address a policy hands out is checked against what the host has mapped there, when it is given and when it is given
 * back; what a policy counts itself must be what the host counts.  Exit status 1 when one of that is violated.
 */
#include "policies.h"
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

static const struct policy *const policies[] = {
	&policy_identity, &policy_naive,       &policy_window,	       &policy_strict,	   &policy_default,
	&policy_index,	  &policy_bounce_only, &policy_viommu_strict, &policy_viommu_lazy,
};
#define NR_POLICIES (sizeof(policies) / sizeof(policies[0]))

/* Of a phase, or of a label in it. */
struct counts {
	uint64_t requests, buffers, bytes, missed, refused;
	struct host_counts host;
	struct copies copies;
};

/* Of a phase: what does not add up request by request. */
struct levels {
	uint64_t since; /* ns */
	struct host_counts host; /* when it began */
	struct copies copies;	 /* of the policy, the same */
	double mapped, live, ideal, exposed; /* integrals: bytes * ns */
	uint64_t mapped_peak, live_peak, ideal_peak, exposed_peak, mappings_peak, stranded_peak, pooled_peak;
	uint64_t idle_age;
	uint64_t live_at_refusal; /* bytes in use when the first request was refused; 0: none was */
};

struct replay {
	const char *name;
	const struct trace *trace;
	const struct policy *policy;
	struct host host;
	struct piece *pieces;
	void *state; /* the policy's */
	bool *held;	/* by identifier */
	uint32_t *last; /* of each identifier: the last event that mapped it */
	uint64_t live_bytes;
	struct counts total, label[TRACE_MAX_LABELS];
	struct levels levels;
	uint64_t ns, ticked;
	uint64_t stray;
};

static uint64_t mapped_bytes(const struct replay *r)
{
	return r->policy->foreign ? r->host.foreign_bytes : (uint64_t)r->host.mapped << HOST_SHIFT;
}

static void raise(uint64_t *peak, uint64_t value)
{
	if (value > *peak)
		*peak = value;
}

static void sample(struct replay *r)
{
	struct levels *l = &r->levels;

	raise(&l->mapped_peak, mapped_bytes(r));
	raise(&l->live_peak, r->live_bytes);
	raise(&l->ideal_peak, (uint64_t)r->host.live << HOST_SHIFT);
	raise(&l->exposed_peak, (uint64_t)r->host.exposed << HOST_SHIFT);
	raise(&l->mappings_peak, r->host.mappings);
	raise(&l->pooled_peak, (uint64_t)r->host.pooled << HOST_SHIFT);
}

static void advance(struct replay *r, uint64_t ns)
{
	while (r->ns < ns) {
		uint64_t until = ns < r->ticked + SECOND ? ns : r->ticked + SECOND;
		double span = (double)(until - r->ns);
		struct levels *l = &r->levels;

		l->mapped += span * (double)mapped_bytes(r);
		l->live += span * (double)r->live_bytes;
		l->ideal += span * (double)((uint64_t)r->host.live << HOST_SHIFT);
		l->exposed += span * (double)((uint64_t)r->host.exposed << HOST_SHIFT);
		r->ns = until;
		r->host.now = until;
		if (until != r->ticked + SECOND)
			continue;
		r->ticked = until;
		raise(&l->idle_age, host_idle_age(&r->host));
		raise(&l->stranded_peak, (uint64_t)host_stranded(&r->host) << HOST_SHIFT);
		r->policy->work(r->state, true);
	}
}

static void count(struct host_counts *to, const struct host_counts *c, int sign)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)c;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*a); i++)
		a[i] += sign * b[i];
}

static void add(struct counts *to, const struct counts *c)
{
	to->requests += c->requests;
	to->buffers += c->buffers;
	to->bytes += c->bytes;
	to->missed += c->missed;
	to->refused += c->refused;
	count(&to->host, &c->host, 1);
	to->copies.buffers += c->copies.buffers;
	to->copies.bytes += c->copies.bytes;
	to->copies.moved += c->copies.moved;
}

/* Since then. */
static struct copies copies(const struct replay *r, struct copies then)
{
	const struct copies *c = r->policy->copies ? r->policy->copies(r->state) : &then;

	return (struct copies){c->buffers - then.buffers, c->bytes - then.bytes, c->moved - then.moved};
}

static void check_use(struct replay *r, const struct piece *p, bool begins)
{
	if (r->policy->foreign)
		return;
	if (begins ? host_use(&r->host, p->iova, p->at, p->bytes) : host_leave(&r->host, p->iova, p->at, p->bytes))
		return;
	if (!r->stray++)
		fprintf(stderr, "%s: %s: 0x%llx is at 0x%llx, says the policy; the host has something else there\n", r->name,
			r->policy->name, (unsigned long long)p->at, (unsigned long long)p->iova);
}

static void event_map(struct replay *r, const struct trace_event *e, struct counts *c)
{
	static const enum use uses[] = {[TRACE_BOTH] = USE_BOTH, [TRACE_TO] = USE_TO_DEVICE, [TRACE_FROM] = USE_FROM_DEVICE};
	struct piece *p = &r->pieces[e->first_piece];
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < e->nr_pieces; i++) {
		p[i].at = p[i].gpa;
		bytes += p[i].bytes;
	}
	c->requests = 1;
	c->buffers = e->nr_pieces;
	c->bytes = bytes;
	if (r->policy->map(r->state, p, e->nr_pieces, e->op == TRACE_ALLOC ? USE_ALLOC : uses[e->direction])) {
		c->refused = 1;
		if (!r->levels.live_at_refusal)
			r->levels.live_at_refusal = r->live_bytes;
		return;
	}
	r->held[e->id] = true;
	r->live_bytes += bytes;
	for (uint32_t i = 0; i < e->nr_pieces; i++)
		check_use(r, &p[i], true);
}

static void event_unmap(struct replay *r, const struct trace_event *e)
{
	const struct piece *p = &r->pieces[e->first_piece];

	if (!r->held[e->id])
		return;
	r->held[e->id] = false;
	for (uint32_t i = 0; i < e->nr_pieces; i++) {
		r->live_bytes -= p[i].bytes;
		check_use(r, &p[i], false);
	}
	r->policy->unmap(r->state, p, e->nr_pieces);
}

static void event(struct replay *r, const struct trace_event *e)
{
	struct counts c = {0};
	struct copies copied;
	struct host before;

	advance(r, e->ns);
	if (e->op == TRACE_END)
		return;
	/* What the background does in between is nobody's, but the phase's. */
	before = r->host;
	copied = copies(r, (struct copies){0});
	if (e->op == TRACE_UNMAP)
		event_unmap(r, e);
	else
		event_map(r, e, &c);
	c.host = r->host.counts;
	count(&c.host, &before.counts, -1);
	c.copies = copies(r, copied);
	c.missed = c.requests && c.host.maps;
	add(&r->total, &c);
	add(&r->label[e->label], &c);
	r->policy->work(r->state, false);
	sample(r);
}

static void row(const struct replay *r, const char *phase, const char *label, const struct counts *c, const struct levels *l)
{
	double span = (double)(r->ns - r->levels.since);
	static const struct levels none;

	if (span < 1)
		span = 1;
	l = l ? l : &none;
	printf("%s,%s,%s,%s,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.0f,%llu,%.0f,%llu,%.0f,%llu,%llu,%.0f,%llu,"
	       "%.3f,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu\n",
	       r->name, phase, r->policy->name, label, (unsigned long long)c->requests, (unsigned long long)c->buffers,
	       (unsigned long long)c->bytes, (unsigned long long)c->missed, (unsigned long long)c->refused,
	       (unsigned long long)c->host.maps, (unsigned long long)c->host.unmaps, (unsigned long long)c->host.exits,
	       (unsigned long long)c->host.ranges, (unsigned long long)l->mapped_peak, l->mapped / span,
	       (unsigned long long)l->live_peak, l->live / span, (unsigned long long)l->ideal_peak, l->ideal / span,
	       (unsigned long long)l->mappings_peak, (unsigned long long)l->exposed_peak, l->exposed / span,
	       (unsigned long long)l->stranded_peak, (double)l->idle_age / 1e9, (unsigned long long)l->live_at_refusal,
	       (unsigned long long)r->stray, (unsigned long long)(l == &none ? 0 : r->ns - r->levels.since), (unsigned long long)c->host.drop_exits,
	       (unsigned long long)l->pooled_peak, (unsigned long long)c->copies.buffers, (unsigned long long)c->copies.bytes,
	       (unsigned long long)c->copies.moved, (unsigned long long)c->host.mapper_calls, (unsigned long long)c->host.wishes,
	       (unsigned long long)c->host.misaligned);
}

#define HEADER                                                                                                         \
	"trace,phase,policy,label,requests,buffers,bytes,missed,refused,maps,unmaps,exits,ranges,mapped_peak,mapped_avg," \
	"live_peak,live_avg,ideal_peak,ideal_avg,mappings_peak,exposed_peak,exposed_avg,stranded_peak,idle_age_s,"     \
	"live_at_refusal,stray,ns,drop_exits,pooled_peak,bounced,bounced_bytes,copied_bytes,mapper_calls,wishes,misaligned"

static void end_phase(struct replay *r, const char *phase)
{
	sample(r);
	if (!r->total.requests && r->host.counts.maps == r->levels.host.maps && r->host.counts.unmaps == r->levels.host.unmaps)
		return;
	r->total.host = r->host.counts;
	count(&r->total.host, &r->levels.host, -1);
	r->total.copies = copies(r, r->levels.copies);
	row(r, phase, "", &r->total, &r->levels);
	for (uint32_t i = 0; i < r->trace->nr_labels; i++)
		row(r, phase, r->trace->labels[i], &r->label[i], NULL);
	memset(&r->total, 0, sizeof(r->total));
	memset(r->label, 0, sizeof(r->label));
	r->levels = (struct levels){
		.since = r->ns,
		.host = r->host.counts,
		.copies = copies(r, (struct copies){0}),
	};
}

static bool agrees(const struct replay *r)
{
	uint64_t maps, unmaps, exits;

	if (!r->policy->believes)
		return true;
	r->policy->believes(r->state, &maps, &unmaps, &exits);
	if (maps == r->host.counts.maps && unmaps == r->host.counts.unmaps && exits == r->host.counts.exits)
		return true;
	fprintf(stderr, "%s: %s counts %llu maps, %llu unmaps and %llu exits, the host %llu, %llu and %llu\n", r->name,
		r->policy->name, (unsigned long long)maps, (unsigned long long)unmaps, (unsigned long long)exits,
		(unsigned long long)r->host.counts.maps, (unsigned long long)r->host.counts.unmaps, (unsigned long long)r->host.counts.exits);
	return false;
}

/* The drivers go: what is still mapped is given back, and counted nowhere. */
static void leave(struct replay *r)
{
	for (uint32_t i = 0; i < r->trace->nr_events; i++) {
		const struct trace_event *e = &r->trace->events[i];

		if (e->op == TRACE_MAP || e->op == TRACE_ALLOC)
			r->last[e->id] = i;
	}
	for (uint32_t id = 0; id < r->trace->ids; id++)
		if (r->held[id])
			event_unmap(r, &r->trace->events[r->last[id]]);
}

static bool replay(const char *name, const struct trace *t, const struct policy *policy, uint64_t budget, uint32_t mappings)
{
	struct replay r = {.name = name, .trace = t, .policy = policy};
	const char *phase = "all";
	bool ok;

	host_init(&r.host, budget, mappings, t->ram_base, t->ram_bytes);
	r.state = policy->start(&r.host);
	if (!r.state) {
		fprintf(stderr, "%s: %s is not possible here: %s\n", name, policy->name, strerror(errno));
		host_destroy(&r.host);
		return true;
	}
	r.pieces = calloc(t->nr_pieces + 1, sizeof(*r.pieces));
	r.held = calloc(t->ids + 1, sizeof(*r.held));
	r.last = calloc(t->ids + 1, sizeof(*r.last));
	for (uint32_t i = 0; i < t->nr_pieces; i++)
		r.pieces[i] = (struct piece){.gpa = t->pieces[i].gpa, .bytes = t->pieces[i].bytes};
	/* What is mapped before the first request, pools among them, is a phase without requests. */
	end_phase(&r, "start");
	for (uint32_t i = 0; i < t->nr_events; i++) {
		const struct trace_event *e = &t->events[i];

		if (e->op != TRACE_PHASE) {
			event(&r, e);
			continue;
		}
		advance(&r, e->ns);
		end_phase(&r, phase);
		phase = t->phases[e->id];
	}
	end_phase(&r, phase);
	leave(&r);
	ok = agrees(&r) && !r.stray;
	policy->stop(r.state);
	if (r.host.mappings || r.host.mapped) {
		fprintf(stderr, "%s: %s leaves %u mappings behind\n", name, policy->name, r.host.mappings);
		ok = false;
	}
	free(r.pieces);
	free(r.held);
	free(r.last);
	host_destroy(&r.host);
	return ok;
}

/* The file's name without folders and ending. */
static void trace_name(const char *path, char *name, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(name, size, "%s", slash ? slash + 1 : path);
	name[strcspn(name, ".")] = 0;
}

static int usage(void)
{
	fputs("usage: replay [--policies NAME,...] [--budget MIB] [--mappings N] [--header] TRACE...\npolicies:", stderr);
	for (size_t i = 0; i < NR_POLICIES; i++)
		fprintf(stderr, " %s", policies[i]->name);
	fputc('\n', stderr);
	return 2;
}

static bool named(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	uint64_t budget = 1536, mappings = 65536;
	const char *list = NULL;
	bool ok = true, header = false;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (!strcmp(argv[i], "--header"))
			header = true;
		else if (!strcmp(argv[i], "--policies") && i + 1 < argc)
			list = argv[++i];
		else if (!strcmp(argv[i], "--budget") && i + 1 < argc)
			budget = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--mappings") && i + 1 < argc)
			mappings = strtoull(argv[++i], NULL, 0);
		else
			return usage();
	}
	if (i == argc || !budget || budget > 65536 || !mappings || mappings > 65536)
		return usage();
	if (header)
		puts(HEADER);
	for (; i < argc; i++) {
		struct trace t;
		char name[128];

		if (!trace_read(&t, argv[i]))
			return 1;
		trace_name(argv[i], name, sizeof(name));
		for (size_t k = 0; k < NR_POLICIES; k++)
			if (!list || named(list, policies[k]->name))
				ok &= replay(name, &t, policies[k], budget << 20, mappings);
		trace_free(&t);
	}
	return !ok;
}
