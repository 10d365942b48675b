/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame index: which frames (granules of guest memory) are mapped for a
 * function, at which IOVA, and who uses them.  frame_index.c says how.
 *
 * It decides and remembers; it talks to the host through one operation, and
 * needs nothing but frame_index_os.h.
 */
#ifndef FRAME_INDEX_H
#define FRAME_INDEX_H

#include "frame_index_os.h"

#define FI_NONE		0xffffffffu
#define FI_MAX_RANGES	32	/* of one mapping, and of all in a batch */
#define FI_MAX_MAPS	32	/* in a batch */
#define FI_MAX_DROPS	60	/* in a batch */
#define FI_MAX_WINDOW	(1u << 22)	/* frames of the IOVA window: 64 GiB of 16 KiB; a word can name 2^27 */
#define FI_STREAMS	4	/* that a CPU remembers */
#define FI_SPARE_GROUPS	256
#define FI_TRIPS	8	/* that a request makes for room and alignment; one for each FI_MAX_DROPS evictions */

/*
 * What is asked of the host in one trip: first the mappings to end, then the
 * ones to make.  Maps whose err is FI_ASK are asked, others have their answer.
 */

#define FI_ASK		1

struct fi_range {
	u32 frame;		/* guest-physical address >> granule_shift */
	u32 frames;
};

struct fi_drop {
	u64 handle;
	u32 group;
	int err;		/* answer */
};

struct fi_map {
	u32 group;
	u32 frames;
	u8 first_range;
	u8 nr_ranges;
	u8 align;		/* wish, as a shift; 0: none */
	bool span;		/* a request that found some of its frames mapped elsewhere */
	bool open;		/* takes more ranges */
	bool natural;		/* its alignment was promised to the driver */
	bool unmet;		/* holds something that cannot be aligned as wished within it */
	bool of_stream;		/* it was made larger for the sake of a stream */
	u32 owned;		/* frames whose word leads here */
	int err;		/* answer: 0, or a negative errno */
	u64 iova;		/* answer */
	u64 handle;		/* answer */
};

struct fi_batch {
	u32 nr_drops;
	u32 nr_maps;
	u32 nr_ranges;
	struct fi_drop drops[FI_MAX_DROPS];
	struct fi_map maps[FI_MAX_MAPS];
	struct fi_range ranges[FI_MAX_RANGES];
};

/* Called with interrupts off. */
struct fi_host {
	/* Answers every drop (0, -EAGAIN: still mapped, anything else: not mapped) and every map that is asked. */
	void (*run)(void *host, struct fi_batch *batch);
	/* fi_work() has something to do: soon, or when its turn comes. */
	void (*wake)(void *host, bool soon);
	/* The host has mapped something at an address that cannot be.  The mapping will be ended. */
	void (*distrust)(void *host, u64 iova);
};

struct fi_limits {
	u32 granule_shift;
	u32 max_align;		/* as a shift */
	u32 max_granule;	/* as a shift: what is mapped ahead stays within blocks of that size; 0: nothing is */
	bool congruent;		/* an alignment is of the IOVA relative to the guest address, whatever that is */
	u32 max_ranges;		/* of a mapping */
	u64 iova_first;
	u64 iova_last;
	u64 bytes_max;
	u32 mappings_max;
	u32 nr_cpus;
};

/* A host mapping: 1 to FI_MAX_RANGES ranges of guest memory, born together. */
struct fi_group {
	fi_word_t use;		/* requests for a span as a whole; laid out like a frame's word */
	u64 handle;
	u32 base;		/* IOVA frame, relative to iova_first */
	u32 frames;
	u32 owned;		/* of them: frames whose word leads here */
	u32 frame;		/* first guest frame; a span is found by it and by frames */
	u32 slot;		/* in spans, or FI_NONE */
	u32 prev, next;		/* in one of the queues, or the free ones */
	u8 where;
	u8 align;		/* what was wished, as a shift */
	bool natural;		/* and that it was promised to the driver */
	bool span;
	bool of_stream;		/* what was mapped ahead in it, was for a stream's sake */
};

enum fi_where {
	FI_FREE,
	FI_ASKED,		/* the host is being asked to map it */
	FI_LOOSE,		/* mapped, in no queue (yet) */
	FI_PROBATION,		/* queues from here... */
	FI_PROTECTED,
	FI_STALE,		/* ...to here.  The host could not end it when told: it is told again */
	FI_DROPPED,		/* the host is being told to end it */
	FI_QUEUES,
};

struct fi_queue {
	u32 head, tail;
	u64 frames;
};

struct fi_counters {
	u64 requests;		/* pieces of memory asked for */
	u64 hits;		/* of these, answered without the host */
	u64 maps;		/* mappings the host made */
	u64 unmaps;
	u64 doorbells;
	u64 evictions;		/* of the unmaps: idle mappings that made room, or were idle for too long */
	u64 refusals;		/* requests that failed */
	u64 bad_puts;		/* what was to be unmapped was not mapped */
	u64 misaligned;		/* mappings at an address less aligned than wished */
	u64 grown;		/* mappings the host was asked to make larger than needed */
	u64 prefetched;		/* frames mapped so that nobody had asked for yet */
	u64 prefetch_hits;	/* of these, asked for later */
	s64 idle;		/* frames that went idle minus those taken up again */
};

/* What hits count: of a CPU, but with interrupts on. */
struct fi_tally {
	fi_word_t hits[2];	/* of a frame that was idle; that was in use */
	fi_word_t idled;	/* frames that went idle */
	u64 unused[5];		/* a cache line is one CPU's */
};

/* Misses that follow each other in memory. */
struct fi_stream {
	u32 begin, end;		/* frames of the last one */
	u32 run;		/* frames of all of them; 0: none */
	u32 misses;
};

/* What the last mapping of a batch is larger by than it was asked for. */
struct fi_growth {
	u32 frames;		/* 0: it is not */
	u32 before;		/* of them, in front of what was asked for */
	u32 nr_ranges;		/* as asked for */
	struct fi_range last;
	u8 align;
};

/* How far streams reach: learned from what was mapped ahead of them, by whichever CPU. */
struct fi_reach {
	fi_word_t ahead, useful;	/* frames mapped ahead since it was judged; of such, asked for since */
	u8 shift;			/* a stream is mapped in blocks of so many frames from its beginning */
	u8 patience, wait;		/* judgements that have to go well before a larger one is tried */
};

/* Frames mapped ahead lately, and of such frames those asked for since. */
struct fi_score {
	u32 frames, useful;
};

enum { FI_OF_CLUSTERS, FI_OF_STREAMS, FI_SCORES };

struct fi_cpu {
	struct fi_counters count;	/* its owner's, with interrupts off */
	u32 trips;		/* that its request may still make for room */
	struct fi_score ahead[FI_SCORES];
	u32 next_stream;
	struct fi_stream streams[FI_STREAMS];
	struct fi_growth growth;
	struct fi_batch batch;
} ____cacheline_aligned_in_smp;

struct frame_index {
	struct fi_limits limits;
	const struct fi_host *ops;
	void *host;
	int refuse;		/* a negative errno for every request from now on */
	bool strict;		/* unmapped at once: nothing idle, nothing born together */
	u8 epoch;		/* ticks of fi_work(), modulo 256 */

	fi_word_t **leaves;	/* words of frames; NULL where there is no RAM */
	fi_word_t *reverse;	/* of each frame of the window: which guest frame it is, in which group */
	struct fi_tally *tallies;	/* by CPU */
	u64 granule_mask;
	u32 window;		/* frames in it */
	struct fi_group *groups;
	u32 nr_groups;
	fi_word_t *spans;	/* groups that are spans, by hash; FI_NONE where there is none */
	u32 span_bits;
	struct fi_cpu *cpus;

	u32 budget_frames;
	fi_word_t free;		/* groups: ABA tag << 32 | first */
	fi_word_t newborn;	/* groups that no queue has seen yet, youngest first */
	fi_word_t newborns;	/* about so many */
	fi_word_t missing;	/* frames that a request found no room for within its bounds; the background makes it */
	fi_word_t mapped;	/* frames, the ones being asked for included */
	fi_word_t mappings;	/* the same in mappings */
	u64 mapped_peak, mappings_peak;	/* of what the host granted */

	fi_lock_t lock;		/* queues, and the right to evict what is in them */
	struct fi_queue queue[FI_QUEUES];
	u32 sweep;		/* groups: where the search for idle ones goes on */
	u32 place;		/* the same for a place to align something at */
	struct fi_reach reach;
	bool crowded;		/* about as much was idle as may be, half of the budget, and much of it still is */
	bool narrow;		/* in this tick the host had no room for what was mapped ahead */
	bool barren;		/* in this tick the background found nothing idle */
	u8 hopeless;		/* in this tick the host did not align to that shift, though much was evicted for it */
};

/* A piece of memory that somebody wants mapped, in whole frames. */
struct fi_want {
	u32 frame;
	u32 frames;
	bool packed;		/* may share a mapping with other wants of the same call */
	bool natural;		/* aligned to its size even when that is no large page */
	/* out */
	u32 iova;		/* frame of the window */
	/* the index's own */
	u8 state;
	u8 map;
	u32 offset;
};

/* Groups that nobody uses any more, in strict mode: at most one trip per FI_MAX_DROPS of them. */
struct fi_dying {
	u32 group[FI_MAX_DROPS];
	u32 count;
};

struct fi_usage {
	u64 mapped, used, idle, stranded;	/* frames; stranded: idle ones in groups that are in use */
	u64 largest_free;	/* frames of the window, one after the other, where nothing is mapped */
	u32 mappings, used_mappings;
};

/* May sleep.  0, -ENOMEM, or -E2BIG for a window that is too large to remember. */
int fi_init(struct frame_index *fi, const struct fi_limits *limits, const struct fi_host *ops, void *host);
void fi_destroy(struct frame_index *fi);
/* There is RAM: its frames can be mapped from now on.  May sleep. */
int fi_add_ram(struct frame_index *fi, u64 first, u64 frames);
/* While nothing is mapped. */
void fi_set_strict(struct frame_index *fi, bool strict);

/*
 * From any context but NMI.  All wants or none; 0, -ENOSPC, -ENOMEM (room),
 * -EFAULT (no RAM), or what the host said.  Room may be refused although there
 * is some, when FI_TRIPS trips have not made enough of it; the background has
 * been woken then.
 */
int fi_get(struct frame_index *fi, struct fi_want *wants, u32 count);
/*
 * False when that is not in use; then nothing has changed.  dying: for several
 * in a row, with fi_put_done() behind them; NULL: what nobody uses any more
 * ends at once.
 */
bool fi_put(struct frame_index *fi, struct fi_dying *dying, u64 iova, u64 bytes);
void fi_put_done(struct frame_index *fi, struct fi_dying *dying);

/* All of these frames are mapped at the moment: who can do without a mapping need not ask for one that is missing. */
bool fi_has(const struct frame_index *fi, u64 frame, u64 frames);

/*
 * Background: retry what the host could not end, keep room free, end what was
 * idle for too long.  tick: a second has passed since the last one with it.
 * Returns true when it should be called again before the next tick.
 */
bool fi_work(struct frame_index *fi, bool tick);
/*
 * For others who share the host's room: end idle mappings, in one trip, until
 * about so many frames and mappings are free.  Returns how many mappings it
 * told the host to end; 0: what it looked at is in use.  From any context but
 * NMI, and not from the operations of the same index.
 */
u32 fi_evict_idle(struct frame_index *fi, u32 frames, u32 mappings);
/* End every idle mapping that touches those frames.  Returns the mappings that are in use and do. */
u32 fi_evict_range(struct frame_index *fi, u64 first, u64 frames);
/* Nobody is left who could use it: end every mapping.  Returns how many were in use. */
u32 fi_clear(struct frame_index *fi);

void fi_count(struct frame_index *fi, struct fi_counters *sum);
/* A walk over all that is mapped: for people. */
void fi_usage(struct frame_index *fi, struct fi_usage *usage);

static inline u64 fi_address(const struct frame_index *fi, u32 iova)
{
	return fi->limits.iova_first + ((u64)iova << fi->limits.granule_shift);
}

#endif
