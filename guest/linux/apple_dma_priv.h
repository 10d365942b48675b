/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apple_dma - DMA of passed-through PCI functions, translated by the host.
 *
 * A companion PCI device (abi/apple_dma.h) manages one or more functions of
 * the same PCI domain.  For each of them:
 *
 *   struct adma_companion   the companion and the functions it manages (apple_dma_main.c)
 *     struct adma_channel     its registers and request pages (apple_dma_channel.c)
 *     struct adma_function    one managed function (apple_dma_function.c)
 *       struct adma_table       what is mapped for it (apple_dma_frames.c)
 *         struct frame_index      and for whom (frame_index.c)
 *       struct adma_bounce      copies of what is not mapped (apple_dma_bounce.c)
 *         struct bounce_pool      the memory for them (bounce_pool.c)
 *         struct bounce_choice    when to copy (bounce_choice.c)
 *       struct adma_coherent    memory that its driver allocates (apple_dma_coherent.c)
 *       struct dma_map_ops      what its driver calls (apple_dma_ops.c), one way or another
 *                               (apple_dma_backend.c, apple_dma_redirect.c), unless the kernel
 *                               does it alone (apple_dma_premap.c)
 *
 * A map or unmap that needs no host takes no lock: frame_index.c says how.
 * Locks, in the order in which they nest:
 *
 *   device_lock of a function	the driver core; held around our bus notifier
 *   memory hot-plug		the core's; held around our memory notifier
 *   premaps_lock		list of functions all memory is mapped for; held while it is mapped,
 *				and by our memory notifiers
 *   redirect_lock		which functions' calls are redirected; held while ftrace is asked to
 *   tables_lock		list of tables, and each one's being there; held while idle mappings of
 *				memory that goes away are ended
 *   adma_lock			list of companions and their lists of functions; never held while
 *				the driver core is called
 *   bounce_lock			a bounce pool's being there; held while its memory is mapped
 *   adma_coherent.lock		chunks of coherent memory, and what of them is allocated
 *   bp_chunk.lock		what of a chunk of the bounce pool is lent; never held while copying
 *   frame_index.lock		the order in which idle mappings are evicted; taken by a miss that has
 *				no room, by one in 256 others, and by the table's work
 *   adma_slot.lock		a request page, from filling it to reading the answers
 *
 * The last four are raw spin locks taken with interrupts off, because drivers
 * map and unmap in every context, and do not nest in one another.  bounce_lock
 * and adma_lock do not nest either.  The host
 * serves a request within the store that rings the doorbell, so a slot lock is
 * held for one such store, and there is a slot per CPU when the host offers
 * that many.  Interrupts are off for the whole of a request, as what it has
 * asked for makes other CPUs wait: for one trip to the host as a rule, and for
 * FI_TRIPS more when room has to be made (frame_index.c, BOUNDS).
 */
#ifndef APPLE_DMA_PRIV_H
#define APPLE_DMA_PRIV_H

#include <linux/atomic.h>
#include <linux/dma-map-ops.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "apple_dma.h"
#include "bounce_choice.h"
#include "bounce_pool.h"
#include "frame_index.h"

/* apple_dma_channel.c: talks to the companion, decides nothing. */

struct adma_slot {
	raw_spinlock_t lock;
	void *page;
} ____cacheline_aligned_in_smp;

struct adma_channel {
	struct pci_dev *pdev;		/* the companion */
	void __iomem *regs;
	struct adma_slot *slots;
	unsigned int nr_slots;
	unsigned int granule_shift;
	unsigned int max_align;
	unsigned int max_ranges;
	u32 features;			/* ADMA_F_*: offered and used */
	bool closed;			/* nothing is sent any more */
};

/* One trip to the host: begin, add..., run, read the answers, end.  Interrupts are off in between. */
struct adma_call {
	struct adma_channel *ch;
	struct adma_slot *slot;
	unsigned long flags;
	unsigned int bytes;
	unsigned int count;
	unsigned int done;
};

int adma_channel_open(struct adma_channel *ch, struct pci_dev *pdev);
/* Every later call answers -ENODEV, and the host has dropped what it held. */
void adma_channel_close(struct adma_channel *ch);
void adma_channel_free(struct adma_channel *ch);
u32 adma_channel_read(struct adma_channel *ch, unsigned int reg);

void adma_call_begin(struct adma_channel *ch, struct adma_call *call) __acquires(call->slot->lock);
/* NULL when the page is full.  bytes includes struct adma_req. */
void *adma_call_add(struct adma_call *call, u16 op, size_t bytes, u32 function);
void adma_call_run(struct adma_call *call);
/* The first request; the others follow without gaps. */
void *adma_call_first(const struct adma_call *call);
/* 0 or a negative errno; nr counts the requests of this call in the order they were added. */
int adma_call_result(struct adma_call *call, unsigned int nr, const struct adma_req *req);
/* For a call of one request: run it and return its result. */
int adma_call_only(struct adma_call *call, const struct adma_req *req);
void adma_call_end(struct adma_call *call) __releases(call->slot->lock);

/* After an unmap with that result.  Any other failure says that the host does not have it (any more). */
static inline bool adma_may_be_mapped(int err)
{
	return err == -EAGAIN || err == -EIO || err == -ETIMEDOUT;
}

/* apple_dma_frames.c: which guest memory is mapped where. */

#define ADMA_BATCH	FI_MAX_MAPS	/* entries of a list that are asked for together */

struct adma_function;
struct adma_table;

/* How a table answers requests. */
struct adma_policy {
	const char *name;			/* of the module parameter mode */
	bool strict;				/* fi_set_strict() */
	/* NULL: the frame index answers (frame_index.c) */
	int (*start)(struct adma_table *t);	/* a driver is about to be probed; may sleep */
	void (*stop)(struct adma_table *t);	/* no driver is left: end every mapping */
	/* From any context but NMI, as fi_get() and fi_put(). */
	int (*get)(struct adma_table *t, struct fi_want *wants, unsigned int count);
	bool (*put)(struct adma_table *t, dma_addr_t iova, size_t size);
};

/* apple_dma_policies.c */
extern const struct adma_policy *const adma_policies[];	/* NULL at the end; the first is the default */

struct adma_table {
	struct adma_channel *ch;
	struct adma_function *fn;
	struct list_head node;		/* tables_lock */
	struct list_head sharer;	/* apple_dma_sharing.c */
	bool shares;			/* is on its list: there, and the function has a mapper */
	bool there;			/* written under tables_lock and device_lock of the function */
	struct fi_limits limits;	/* what it was made for */
	/* Written while no driver is bound. */
	const struct adma_policy *policy;	/* of the last driver's; NULL before the first */
	void *policy_data;			/* the policy's own */
	bool by_index;			/* there, and the frame index answers */
	bool running;			/* the policy was started */
	struct frame_index index;
	struct delayed_work work;	/* runs while anything is mapped */
	unsigned long soon;		/* bit 0: it is on its way */
	unsigned long ticked;		/* the work's: jiffies */
	u32 generation;			/* the work's: of the companion, when it last looked */
	bool gone;			/* the host says so */
	atomic64_t failures;		/* requests the driver heard no good of */
};

int adma_frames_init(void);
void adma_frames_exit(void);

/* Makes the index, or leaves it when it is for the same window and budget.  No driver is bound. */
int adma_table_init(struct adma_table *t, struct adma_function *fn, u32 nr_mappings);
/* A driver is about to be probed. */
void adma_table_start(struct adma_table *t);
/* No driver is left that could map.  Unmaps everything and returns how many mappings were in use. */
unsigned int adma_table_clear(struct adma_table *t);
void adma_table_destroy(struct adma_table *t);

/* All wants (at most ADMA_BATCH) or none.  0, or a negative errno. */
int adma_table_get(struct adma_table *t, struct fi_want *wants, unsigned int count);
/* False when that is not in use. */
bool adma_table_put(struct adma_table *t, struct fi_dying *dying, dma_addr_t iova, size_t size);
void adma_table_put_done(struct adma_table *t, struct fi_dying *dying);
void adma_table_show(struct adma_table *t, struct seq_file *s);

static inline u32 adma_frames_of(const struct adma_channel *ch, u64 addr, size_t size)
{
	u64 granule = 1ULL << ch->granule_shift;

	return ((addr & (granule - 1)) + size + granule - 1) >> ch->granule_shift;
}

/* apple_dma_sharing.c: room that functions behind one DART share. */

/* The table is there, and its function has a mapper.  Under the tables' lock. */
void adma_sharing_add(struct adma_table *t);
/* Nobody looks at the table any more.  May sleep. */
void adma_sharing_remove(struct adma_table *t);
/*
 * The host has no room for that much.  If the function is below its quota, end
 * what others that are over theirs keep idle.  Returns whether asking again is
 * worth while.  From any context but NMI, and not from an index's operations.
 */
bool adma_sharing_make_room(struct adma_table *t, u64 frames, u32 mappings);

/* apple_dma_bounce.c: copies of what cannot be mapped, or is not worth it. */

struct adma_bounce_chunk;

struct adma_bounce {
	bool there;			/* written while no driver uses it, under bounce_lock */
	struct bounce_pool pool;
	struct bounce_choice choice;
	struct adma_bounce_chunk *chunks;
	unsigned int nr;
	struct bp_counters past;	/* of pools that are gone */
	atomic64_t refusals;		/* requests that found no room here after the host had none */
};

/* A driver is about to be probed; its table has been started.  May sleep. */
void adma_bounce_start(struct adma_function *fn);
/* No driver is left that could map.  May sleep. */
void adma_bounce_stop(struct adma_function *fn);
/* Whether it is worth asking the next two. */
bool adma_bounce_short(struct adma_function *fn);
/* Nothing forbids a copy. */
bool adma_bounce_may(struct adma_function *fn, phys_addr_t phys, size_t size, enum dma_data_direction dir,
		     unsigned long attrs);
/* For what may be copied, when room is short: rather copied than mapped. */
bool adma_bounce_prefers(struct adma_function *fn, phys_addr_t phys, size_t size, const struct bc_list *list);
/* The host has no room for more. */
void adma_bounce_no_room(struct adma_function *fn);
/* For what may be copied.  False when there is no room. */
bool adma_bounce_map(struct adma_function *fn, phys_addr_t phys, size_t size, enum dma_data_direction dir, u64 limit,
		     dma_addr_t *addr);
size_t adma_bounce_max_request(struct adma_function *fn);
void adma_bounce_show(struct adma_function *fn, struct seq_file *s);

/* apple_dma_coherent.c: memory that drivers allocate. */

struct adma_coherent {
	bool there;			/* written while no driver uses it */
	unsigned int order;		/* of a chunk, when memory allows */
	unsigned int kept;		/* chunks, even if they are empty */
	raw_spinlock_t lock;
	struct list_head chunks;	/* lock */
	unsigned int nr_chunks;		/* lock */
	unsigned int free;		/* lock: pages of all chunks */
	struct work_struct work;	/* adds a chunk */
	atomic64_t misaligned;		/* requests that no chunk's IOVA was aligned for */
};

void adma_coherent_init(struct adma_function *fn);
/* As for bounce buffers. */
void adma_coherent_start(struct adma_function *fn);
void adma_coherent_stop(struct adma_function *fn);
/* From any context; sleeps when gfp allows it.  NULL: it takes a mapping of its own. */
struct page *adma_coherent_alloc(struct adma_function *fn, size_t size, dma_addr_t *addr, u64 limit, gfp_t gfp);
/* False when it is not from here. */
bool adma_coherent_free(struct adma_function *fn, size_t size, struct page *page, dma_addr_t addr);
void adma_coherent_show(struct adma_function *fn, struct seq_file *s);

/* apple_dma_function.c: claims functions and lends them to drivers. */

struct adma_companion {
	struct list_head node;		/* adma_lock */
	struct list_head functions;	/* adma_lock */
	struct adma_channel ch;
	struct pci_dev *pdev;
	struct dentry *debugfs;
};

enum adma_backend {
	ADMA_NO_BACKEND,
	ADMA_RANGE_MAP,
	ADMA_OPS,
	ADMA_REDIRECT,
};

struct adma_premap;

struct adma_function {
	struct dma_map_ops ops;		/* dev->dma_ops of the function; finds us again */
	struct hlist_node redirected;	/* redirect_lock, RCU */
	struct list_head node;		/* adma_lock */
	struct adma_companion *companion;
	struct pci_dev *pdev;		/* counted */
	u32 index;
	unsigned long lost;		/* bit 0: the host has no device any more, and the guest is being told */
	/* The rest is written under device_lock of the function, while no driver uses it. */
	u32 generation;			/* of the companion, when we last knew the claim to be good */
	bool claimed;
	bool bound;			/* a driver uses the backend; we hold a reference on the module for it */
	enum adma_backend backend;	/* the last driver's */
	struct adma_premap *premap;	/* NULL: none */
	u64 premapped;			/* bytes; read at any time */
	u64 iova_first;
	u64 iova_last;
	u64 bytes_max;
	u32 mapper;			/* functions with the same one share its room; 0: none is known */
	struct adma_table table;
	struct adma_bounce bounce;
	struct adma_coherent coherent;
	struct delayed_work leftovers;	/* after a failed probe: what is kept for its driver goes */
	struct dentry *debugfs;
};

extern struct workqueue_struct *adma_wq;	/* removals and tables' work; the module goes after the last of them */

/* What the host says of a function's room. */
struct adma_budget {
	u64 bytes_max, bytes_used;
	u64 bytes_quota, bytes_free;	/* as in the contract; of a host without ADMA_F_SHARING: all, and what is left of it */
	u32 mappings_max, mappings_used;
	u32 mappings_quota, mappings_free;
	u32 mapper;
};

/* 0, or a negative errno.  From any context but NMI. */
int adma_function_budget(struct adma_function *fn, struct adma_budget *b);
/* What the companion says of its function at that index: 0, or a negative errno when there is none. */
int adma_function_query(struct adma_companion *companion, u32 index, unsigned int *bdf, u32 *state);
/*
 * Make the function ready for a driver: no driver without the companion, the
 * claim, the table.  The caller holds device_lock of pdev, or knows that no
 * driver can be bound to it yet.
 */
struct adma_function *adma_function_create(struct adma_companion *companion, u32 index, struct pci_dev *pdev);
/* A driver is about to be probed. */
void adma_function_bind(struct adma_function *fn);
/* Its probe has failed, and it may still free memory (released == false), or it is gone. */
void adma_function_unbind(struct adma_function *fn, bool released);
/* The host has no device any more: let the driver core remove it.  From any context. */
void adma_function_lost(struct adma_function *fn);
/* No driver is bound.  The host gates the function again. */
void adma_function_destroy(struct adma_function *fn);

/* apple_dma_ops.c */
extern const struct dma_map_ops adma_ops;

/* A mapping of one contiguous piece of RAM, at an address up to limit.  natural: as struct fi_want has it. */
int adma_get_range(struct adma_function *fn, phys_addr_t phys, size_t size, u64 limit, bool natural, dma_addr_t *addr);
void adma_put_range(struct adma_function *fn, dma_addr_t addr, size_t size);

/* apple_dma_backend.c: how a driver's requests reach us, or need not. */

/* A driver is about to be probed.  May sleep; the caller holds device_lock of the function. */
void adma_backend_install(struct adma_function *fn);
/* No driver is left. */
void adma_backend_remove(struct adma_function *fn);
const char *adma_backend_name(const struct adma_function *fn);

/* apple_dma_premap.c: all of the guest's RAM, mapped once. */

int adma_premap_init(void);
void adma_premap_exit(void);
/* True: the kernel's own DMA works for the function.  May sleep, as may the next two. */
bool adma_premap_start(struct adma_function *fn);
/* False: the host was too busy to end it; then it is there still, and can be tried again. */
bool adma_premap_stop(struct adma_function *fn);
/* The host has ended everything the function had mapped. */
void adma_premap_forget(struct adma_function *fn);

/* apple_dma_redirect.c: operations for kernels that have no dev->dma_ops. */
#ifdef ADMA_HAVE_REDIRECT
/* From now on the DMA API can be redirected.  0, or a negative errno after saying why not. */
int adma_redirect_enable(void);
/* No function is redirected. */
void adma_redirect_disable(void);
void adma_redirect_add(struct adma_function *fn);
/* Also when it is not redirected. */
void adma_redirect_remove(struct adma_function *fn);
/* In the middle of a redirected call. */
struct adma_function *adma_redirect_function(struct device *dev);
#else
static inline int adma_redirect_enable(void) { return -EOPNOTSUPP; }
static inline void adma_redirect_disable(void) { }
static inline void adma_redirect_add(struct adma_function *fn) { }
static inline void adma_redirect_remove(struct adma_function *fn) { }
static inline struct adma_function *adma_redirect_function(struct device *dev) { return NULL; }
#endif

#endif
