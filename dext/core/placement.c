/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "placement.h"

/* Padding of at most 1/32 of the request is preferred to a filler: it saves a call. */
#define SMALL_SHIFT 5
#define TRUST_MAX   3
#define TRUST_MIN   2 /* to act on it */
#define WARY_AFTER  2
#define MOVE_CALLS  3 /* at most in one move */

struct search {
	struct vfa_placement *p;
	const struct vfa_mapper *mapper;
	void *context;
	const struct vfa_wish *wish;
	unsigned calls, calls_max;
	struct vfa_block held[VFA_PLACEMENT_CALLS_MAX]; /* fillers */
	unsigned nr_held;
	uint64_t held_bytes;
	struct vfa_block block; /* of the request; none when command is NULL */
	uint64_t before;        /* padding in front of the request's first byte */
};

/* ---- the platform ---- */

static enum vfa_status map_sides(struct search *s, uint64_t before, uint64_t after)
{
	enum vfa_status status;

	s->calls++;
	s->before = before;
	status = s->mapper->map(s->context, before, after, &s->block);
	if (status != VFA_OK)
		s->block.command = NULL;
	return status;
}

static enum vfa_status map(struct search *s, uint64_t before)
{
	return map_sides(s, before, 0);
}

/* With the padding on the side from which the mapper continues. */
static enum vfa_status map_padded(struct search *s, uint64_t padding)
{
	return s->p->habit == VFA_HABIT_HIGH ? map_sides(s, 0, padding) : map_sides(s, padding, 0);
}

static void drop(struct search *s)
{
	if (s->block.command)
		s->mapper->unmap(s->context, &s->block);
	s->block.command = NULL;
}

static void hold(struct search *s, const struct vfa_block *block)
{
	s->held[s->nr_held++] = *block;
	s->held_bytes += block->length;
}

static void drop_held(struct search *s)
{
	while (s->nr_held)
		s->mapper->unmap(s->context, &s->held[--s->nr_held]);
	s->held_bytes = 0;
}

static bool may_fill(const struct search *s, uint64_t length)
{
	return s->held_bytes + length <= s->wish->filler_max &&
	       (length < s->wish->length || length - s->wish->length <= s->wish->padding_room);
}

/* Takes up `length` bytes, wherever the mapper puts them: *at. */
static enum vfa_status fill(struct search *s, uint64_t length, uint64_t *at)
{
	struct vfa_block block;
	enum vfa_status status;

	s->calls++;
	if (length < s->wish->length)
		status = s->mapper->map_part(s->context, length, &block);
	else
		status = s->mapper->map(s->context, length - s->wish->length, 0, &block);
	if (status != VFA_OK)
		return status;
	hold(s, &block);
	*at = block.iova;
	return VFA_OK;
}

static bool is_padded(const struct search *s)
{
	return s->block.length != s->wish->length;
}

/* ---- where things will land ---- */

static uint64_t modulo(const struct search *s, uint64_t x)
{
	return x & (s->wish->modulus - 1);
}

/* 0 means "none" to too many drivers to be an address. */
static bool suits(const struct search *s)
{
	uint64_t iova = s->block.iova + s->before;

	return iova != 0 && modulo(s, iova - s->wish->residue) == 0;
}

/* What must be taken up at the edge so that a mapping that continues there suits. */
static uint64_t gap_at(const struct search *s, uint64_t edge)
{
	if (s->p->habit == VFA_HABIT_HIGH)
		return modulo(s, edge - s->wish->length - s->wish->residue);
	return modulo(s, s->wish->residue - edge);
}

/* Where the mapper continues once this block is unmapped. */
static uint64_t edge_without(const struct vfa_placement *p, const struct vfa_block *block)
{
	return p->habit == VFA_HABIT_LOW || p->habit == VFA_HABIT_NATURAL ? block->iova : block->iova + block->length;
}

/* Where it continues while this block stays. */
static uint64_t edge_with(const struct vfa_placement *p, const struct vfa_block *block)
{
	return p->habit == VFA_HABIT_HIGH ? block->iova : block->iova + block->length;
}

/* A mapping continued at the edge if it touches it from the right side. */
static bool touches(const struct vfa_placement *p, uint64_t edge, const struct vfa_block *block)
{
	return (p->habit == VFA_HABIT_HIGH ? block->iova + block->length : block->iova) == edge;
}

static void judge_trust(struct vfa_placement *p, const struct vfa_block *block)
{
	if (!touches(p, p->edge, block))
		p->trust = 0;
	else if (p->trust < TRUST_MAX)
		p->trust++;
}

/* What a filler's place says, after a block was unmapped: false, nothing; it went into some other gap. */
static bool learn(struct vfa_placement *p, const struct vfa_block *was, const struct vfa_block *filler)
{
	if (filler->iova == was->iova)
		p->habit = VFA_HABIT_LOW;
	else if (filler->iova == was->iova + was->length)
		p->habit = VFA_HABIT_NEXT;
	else if (filler->iova + filler->length == was->iova + was->length)
		p->habit = VFA_HABIT_HIGH;
	else
		return false;
	return true;
}

static bool may_pad(const struct search *s, uint64_t padding)
{
	return padding <= s->wish->padding_max && padding <= s->wish->padding_room;
}

static bool is_small(const struct search *s, uint64_t padding)
{
	return padding <= s->wish->length >> SMALL_SHIFT;
}

/* ---- moves; each ends with the request mapped, or fails ---- */

/* The first try, with what is known of the mapper. */
static enum vfa_status open_with(struct search *s)
{
	struct vfa_placement *p = s->p;
	uint64_t gap, at;
	enum vfa_status status;

	if (p->habit == VFA_HABIT_NATURAL) {
		status = map(s, may_pad(s, s->wish->residue) ? s->wish->residue : 0);
		if (status == VFA_OK && modulo(s, s->block.iova) && s->wish->length > s->wish->modulus / 2)
			p->habit = VFA_HABIT_LOW;
		return status;
	}
	gap = p->trust >= TRUST_MIN ? gap_at(s, p->edge) : 0;
	if (gap && !(is_small(s, gap) && may_pad(s, gap)) && may_fill(s, gap)) {
		if (fill(s, gap, &at) == VFA_OK)
			judge_trust(p, &s->held[0]);
		return map(s, 0);
	}
	status = map_padded(s, gap && is_small(s, gap) && may_pad(s, gap) ? gap : 0);
	if (status == VFA_OK)
		judge_trust(p, &s->block);
	return status;
}

/* Blocks in sizes of a power of two begin at multiples of the modulus, so the residue is padding's to make. */
static enum vfa_status pad_residue(struct search *s)
{
	enum vfa_status status;

	drop(s);
	status = map(s, s->wish->residue);
	if (status == VFA_OK && modulo(s, s->block.iova))
		s->p->habit = VFA_HABIT_LOW;
	return status;
}

/*
 * Takes up the gap before the wished address and maps again.  A filler that
 * went elsewhere has taught us the habit, or plugged a smaller gap: then
 * padding goes where the request goes.
 */
static enum vfa_status fill_gap(struct search *s)
{
	struct vfa_block was = s->block;
	uint64_t edge = edge_without(s->p, &was), gap = gap_at(s, edge), more, at;
	bool padded = is_padded(s);
	struct vfa_block *filler;

	if (gap && may_pad(s, gap) && (padded || is_small(s, gap) || !may_fill(s, gap))) {
		/* With less than before it could land before: in a gap that was too small then. */
		if (padded && gap < was.length - s->wish->length && may_pad(s, gap + s->wish->modulus))
			gap += s->wish->modulus;
		drop(s);
		return map_padded(s, gap);
	}
	if (gap && !may_fill(s, gap))
		return VFA_E_NO_SPACE;
	drop(s);
	if (gap == 0)
		return map(s, 0);
	if (fill(s, gap, &at) != VFA_OK)
		return map(s, 0);
	filler = &s->held[s->nr_held - 1];
	if (touches(s->p, edge, filler))
		return map(s, 0);
	s->p->trust = 0;
	if (learn(s->p, &was, filler)) {
		more = gap_at(s, edge_with(s->p, filler));
		if (more && may_fill(s, more))
			fill(s, more, &at);
		return map(s, 0);
	}
	return map_padded(s, may_pad(s, gap) ? gap : 0);
}

/* The mapper must not give address 0 again. */
static enum vfa_status block_zero(struct search *s)
{
	hold(s, &s->block);
	return map(s, 0);
}

/* Whether two blocks in a row began at multiples of the modulus, and fillers did not change that. */
static bool looks_natural(const struct search *s, uint64_t first)
{
	return s->wish->residue && modulo(s, first) == 0 && modulo(s, s->block.iova) == 0 && !is_padded(s);
}

static enum vfa_status search(struct search *s)
{
	enum vfa_status status = open_with(s);
	uint64_t first = s->block.iova;

	for (unsigned moves = 0; status == VFA_OK && !suits(s) && s->calls + MOVE_CALLS <= s->calls_max; moves++) {
		if (s->p->habit != VFA_HABIT_NATURAL && moves && looks_natural(s, first))
			s->p->habit = VFA_HABIT_NATURAL;
		if (s->block.iova + s->before == 0)
			status = block_zero(s);
		else if (s->p->habit == VFA_HABIT_NATURAL && may_pad(s, s->wish->residue) && !is_padded(s))
			status = pad_residue(s);
		else
			status = fill_gap(s);
		if (status == VFA_E_NO_SPACE && s->block.command) /* no room for another move */
			return VFA_OK;
	}
	return status;
}

/* ---- entry point ---- */

enum vfa_status vfa_place(struct vfa_placement *p, const struct vfa_mapper *mapper, void *context,
			  const struct vfa_wish *wish, struct vfa_placed *out)
{
	struct search s = {
		.p = p,
		.mapper = mapper,
		.context = context,
		.wish = wish,
		.calls_max = (p->disappointed < WARY_AFTER || wish->required ? VFA_PLACEMENT_CALLS_MAX
									     : VFA_PLACEMENT_CALLS_WARY) -
			     1,
	};
	enum vfa_status status;

	status = search(&s);
	drop_held(&s);
	/* What failed may have failed for the fillers' sake; and padding that did not help is not kept. */
	if (status == VFA_OK && !suits(&s) && is_padded(&s))
		drop(&s);
	for (unsigned tries = 0; tries < 2 && !s.block.command && s.calls > 1 && s.calls < VFA_PLACEMENT_CALLS_MAX;
	     tries++)
		status = map(&s, 0);
	if (status == VFA_OK && s.block.iova + s.before == 0) {
		drop(&s);
		status = VFA_E_PLATFORM;
	}
	*out = (struct vfa_placed){.block = s.block, .before = s.before, .calls = s.calls};
	if (status != VFA_OK)
		return status;
	out->aligned = suits(&s);
	if (out->aligned)
		p->disappointed = 0;
	else if (p->disappointed < WARY_AFTER)
		p->disappointed++;
	p->edge = edge_with(p, &s.block);
	return VFA_OK;
}
