// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmatest_trace.c - replays a trace of DMA requests: maps and unmaps what user
 * space asks for (dmatest_trace.h), in the context it asks for, and moves no
 * data.
 *
 * Memory is blocks of the page allocator's.  Records of one context that follow
 * each other are done together, some at a time: in an interrupt that this CPU
 * sends itself, in a tasklet, or just so.  What needs to sleep is done before
 * and after.
 *
 * Everything here is under the function's run_lock, interrupts included: its
 * holder waits for them.
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmatest.h"
#include "dmatest_trace.h"

#define DTT_GROUP	32

static_assert(DTT_BOTH == (int)DMA_BIDIRECTIONAL && DTT_TO_DEVICE == (int)DMA_TO_DEVICE &&
	      DTT_FROM_DEVICE == (int)DMA_FROM_DEVICE);

enum dtt_state { DTT_FREE, DTT_REFUSED, DTT_PAGE, DTT_LIST, DTT_COHERENT };

struct dtt_request {
	enum dtt_state state;
	enum dma_data_direction direction;
	u32 bytes;
	dma_addr_t dma;
	union {
		struct sg_table *list;
		void *memory;
	};
};

struct dtt_block {
	struct page *page;
	unsigned int order;
};

/* A record on its way. */
struct dtt_step {
	const struct dtt_record *record;
	const struct dtt_piece *pieces;
	struct sg_table *list;	/* taken by a request when it is mapped, left by one that is not any more */
};

struct dt_trace {
	struct dt *dt;
	struct dtt_request *request;
	u32 ids;
	struct dtt_block *block;
	u32 blocks;
	u64 requests, refused, mapped;

	struct dtt_step step[DTT_GROUP];
	unsigned int steps;
	int rc;
	struct irq_work irq_work;
	struct tasklet_struct tasklet;
	struct completion finished;
};

static struct device *dtt_dev(struct dt_trace *t)
{
	return &t->dt->pdev->dev;
}

/* One record, in its context. */

static int dtt_map(struct dt_trace *t, struct dtt_step *s, struct dtt_request *r)
{
	enum dma_data_direction direction = s->record->direction;
	const struct dtt_piece *p = s->pieces;

	if (s->list) {
		if (!dma_map_sg(dtt_dev(t), s->list->sgl, s->list->orig_nents, direction))
			return -ENOMEM;
		*r = (struct dtt_request){ .state = DTT_LIST, .direction = direction, .list = s->list };
		s->list = NULL;
	} else {
		struct page *page = t->block[p->block].page + (p->offset >> PAGE_SHIFT);
		dma_addr_t dma = dma_map_page(dtt_dev(t), page, offset_in_page(p->offset), p->bytes, direction);

		if (dma_mapping_error(dtt_dev(t), dma))
			return -ENOMEM;
		*r = (struct dtt_request){ .state = DTT_PAGE, .direction = direction, .bytes = p->bytes, .dma = dma };
	}
	return 0;
}

static int dtt_alloc(struct dt_trace *t, struct dtt_step *s, struct dtt_request *r)
{
	*r = (struct dtt_request){ .state = DTT_COHERENT, .bytes = s->record->nr };
	r->memory = dma_alloc_coherent(dtt_dev(t), r->bytes, &r->dma, GFP_KERNEL | __GFP_NOWARN);
	return r->memory ? 0 : -ENOMEM;
}

static int dtt_unmap(struct dt_trace *t, struct dtt_step *s, struct dtt_request *r)
{
	switch (r->state) {
	case DTT_FREE:
		return -EINVAL;
	case DTT_REFUSED:
		break;
	case DTT_PAGE:
		dma_unmap_page(dtt_dev(t), r->dma, r->bytes, r->direction);
		t->mapped--;
		break;
	case DTT_LIST:
		dma_unmap_sg(dtt_dev(t), r->list->sgl, r->list->orig_nents, r->direction);
		s->list = r->list;
		t->mapped--;
		break;
	case DTT_COHERENT:
		/* It may not be freed where interrupts are off. */
		if (s->record->context != DTT_TASK)
			return -EINVAL;
		dma_free_coherent(dtt_dev(t), r->bytes, r->memory, r->dma);
		t->mapped--;
		break;
	}
	r->state = DTT_FREE;
	return 0;
}

static int dtt_step(struct dt_trace *t, struct dtt_step *s)
{
	struct dtt_request *r = &t->request[s->record->id];
	int rc;

	if (s->record->op == DTT_UNMAP)
		return dtt_unmap(t, s, r);
	if (r->state != DTT_FREE)
		return -EBUSY;
	t->requests++;
	rc = s->record->op == DTT_MAP ? dtt_map(t, s, r) : dtt_alloc(t, s, r);
	if (rc) {
		r->state = DTT_REFUSED;
		t->refused++;
	} else {
		t->mapped++;
	}
	return 0;
}

static void dtt_steps(struct dt_trace *t)
{
	unsigned int i;

	for (i = 0; i < t->steps && !t->rc; i++)
		t->rc = dtt_step(t, &t->step[i]);
}

static void dtt_hardirq(struct irq_work *work)
{
	struct dt_trace *t = container_of(work, struct dt_trace, irq_work);

	dtt_steps(t);
	complete(&t->finished);
}

static void dtt_softirq(struct tasklet_struct *tasklet)
{
	struct dt_trace *t = container_of(tasklet, struct dt_trace, tasklet);

	dtt_steps(t);
	complete(&t->finished);
}

/* Groups of records */

static void dtt_free_list(struct sg_table *list)
{
	if (!list)
		return;
	sg_free_table(list);
	kfree(list);
}

/* Do the steps that were gathered, in their context, and forget them. */
static int dtt_run(struct dt_trace *t)
{
	unsigned int i;

	if (!t->steps)
		return 0;
	t->rc = 0;
	reinit_completion(&t->finished);
	switch (t->step[0].record->context) {
	case DTT_HARDIRQ:
		irq_work_queue(&t->irq_work);
		wait_for_completion(&t->finished);
		irq_work_sync(&t->irq_work);
		break;
	case DTT_SOFTIRQ:
		/* Pending softirqs run where they are allowed again. */
		local_bh_disable();
		tasklet_schedule(&t->tasklet);
		local_bh_enable();
		wait_for_completion(&t->finished);
		break;
	default:
		dtt_steps(t);
		break;
	}
	for (i = 0; i < t->steps; i++)
		dtt_free_list(t->step[i].list);
	t->steps = 0;
	return t->rc;
}

static struct sg_table *dtt_list(struct dt_trace *t, const struct dtt_piece *p, u32 nr)
{
	struct sg_table *list = kmalloc(sizeof(*list), GFP_KERNEL);
	struct scatterlist *sg;
	int i;

	if (!list || sg_alloc_table(list, nr, GFP_KERNEL)) {
		kfree(list);
		return NULL;
	}
	for_each_sgtable_sg(list, sg, i)
		sg_set_page(sg, t->block[p[i].block].page + (p[i].offset >> PAGE_SHIFT), p[i].bytes,
			    offset_in_page(p[i].offset));
	return list;
}

/* Its place among the steps, once those before it that differ are done. */
static int dtt_gather(struct dt_trace *t, const struct dtt_record *record, const struct dtt_piece *pieces)
{
	struct dtt_step s = { .record = record, .pieces = pieces };
	int rc;

	if (record->id >= t->ids || record->context > DTT_HARDIRQ || record->direction > DTT_FROM_DEVICE)
		return -EINVAL;
	if (t->steps == DTT_GROUP || (t->steps && t->step[0].record->context != record->context)) {
		rc = dtt_run(t);
		if (rc)
			return rc;
	}
	if (record->op == DTT_MAP && record->nr > 1) {
		s.list = dtt_list(t, pieces, record->nr);
		if (!s.list)
			return -ENOMEM;
	}
	t->step[t->steps++] = s;
	return 0;
}

/* Everything that is mapped or allocated; without a request of its own it is a task's. */
static void dtt_clear(struct dt_trace *t)
{
	static const struct dtt_record unmap = { .op = DTT_UNMAP, .context = DTT_TASK };
	struct dtt_step s = { .record = &unmap };
	u32 i;

	for (i = 0; i < t->ids; i++) {
		if (t->request[i].state == DTT_FREE)
			continue;
		dtt_unmap(t, &s, &t->request[i]);
		dtt_free_list(s.list);
		s.list = NULL;
		cond_resched();
	}
	for (i = 0; i < t->blocks; i++)
		__free_pages(t->block[i].page, t->block[i].order);
	kvfree(t->request);
	kvfree(t->block);
	t->request = NULL;
	t->block = NULL;
	t->ids = t->blocks = 0;
	t->requests = t->refused = 0;
}

static int dtt_begin(struct dt_trace *t, u32 ids)
{
	if (!ids || ids > DTT_MAX_IDS)
		return -EINVAL;
	dtt_clear(t);
	t->request = kvcalloc(ids, sizeof(*t->request), GFP_KERNEL);
	t->block = kvcalloc(DTT_MAX_BLOCKS, sizeof(*t->block), GFP_KERNEL);
	if (!t->request || !t->block)
		return -ENOMEM;
	t->ids = ids;
	return 0;
}

static int dtt_blocks(struct dt_trace *t, u32 nr, unsigned int order)
{
	if (!t->ids || order > DTT_MAX_ORDER || nr > DTT_MAX_BLOCKS - t->blocks)
		return -EINVAL;
	for (; nr; nr--) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, order);

		if (!page)
			return -ENOMEM;
		t->block[t->blocks++] = (struct dtt_block){ .page = page, .order = order };
		cond_resched();
	}
	return 0;
}

static bool dtt_pieces_ok(const struct dt_trace *t, const struct dtt_piece *p, u32 nr)
{
	for (; nr; nr--, p++) {
		size_t size;

		if (p->block >= t->blocks)
			return false;
		size = PAGE_SIZE << t->block[p->block].order;
		if (!p->bytes || p->offset >= size || p->bytes > size - p->offset)
			return false;
	}
	return true;
}

/* The record at `at`, of which the write has `left` bytes: how many of them it took, or an error. */
static ssize_t dtt_record(struct dt_trace *t, const void *at, size_t left)
{
	const struct dtt_record *record = at;
	const struct dtt_piece *pieces = (const void *)(record + 1);
	int rc;

	if (left < sizeof(*record))
		return -EINVAL;
	left -= sizeof(*record);
	switch (record->op) {
	case DTT_BEGIN:
	case DTT_BLOCKS:
		rc = dtt_run(t);
		if (!rc)
			rc = record->op == DTT_BEGIN ? dtt_begin(t, record->id) : dtt_blocks(t, record->nr, record->order);
		return rc ?: sizeof(*record);
	case DTT_MAP:
		if (!record->nr || record->nr > DTT_MAX_PIECES || left / sizeof(*pieces) < record->nr ||
		    !dtt_pieces_ok(t, pieces, record->nr))
			return -EINVAL;
		rc = dtt_gather(t, record, pieces);
		return rc ?: sizeof(*record) + record->nr * sizeof(*pieces);
	case DTT_ALLOC:
		if (!record->nr || record->nr > DTT_MAX_ALLOC || record->context != DTT_TASK)
			return -EINVAL;
		fallthrough;
	case DTT_UNMAP:
		rc = dtt_gather(t, record, NULL);
		return rc ?: sizeof(*record);
	default:
		return -EINVAL;
	}
}

/* The file */

static ssize_t dtt_write(struct file *file, const char __user *from, size_t count, loff_t *ppos)
{
	struct dt *dt = ((struct seq_file *)file->private_data)->private;
	struct dt_trace *t = dt->trace;
	size_t done = 0;
	ssize_t rc = 0;
	int last;
	void *records;

	if (!count || count > DTT_WRITE_MAX)
		return -EINVAL;
	records = vmemdup_user(from, count);
	if (IS_ERR(records))
		return PTR_ERR(records);
	if (mutex_lock_interruptible(&dt->run_lock)) {
		kvfree(records);
		return -EINTR;
	}
	if (dt->gone)
		rc = -ENODEV;
	while (rc >= 0 && done < count) {
		rc = dtt_record(t, records + done, count - done);
		if (rc > 0)
			done += rc;
		cond_resched();
	}
	/* What was gathered is done even if what follows it is wrong. */
	last = dtt_run(t);
	mutex_unlock(&dt->run_lock);
	kvfree(records);
	return rc < 0 ? rc : last ?: count;
}

static int dtt_show(struct seq_file *s, void *unused)
{
	struct dt *dt = s->private;
	struct dt_trace *t = dt->trace;

	mutex_lock(&dt->run_lock);
	seq_printf(s, "requests %llu\nrefused %llu\nmapped %llu\nblocks %u\n", t->requests, t->refused, t->mapped, t->blocks);
	mutex_unlock(&dt->run_lock);
	return 0;
}

static int dtt_open(struct inode *inode, struct file *file)
{
	return single_open(file, dtt_show, inode->i_private);
}

static const struct file_operations dtt_fops = {
	.owner = THIS_MODULE,
	.open = dtt_open,
	.read = seq_read,
	.write = dtt_write,
	.llseek = seq_lseek,
	.release = single_release,
};

int dt_trace_init(struct dt *dt)
{
	struct dt_trace *t = devm_kzalloc(&dt->pdev->dev, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->dt = dt;
	t->irq_work = IRQ_WORK_INIT_HARD(dtt_hardirq);
	tasklet_setup(&t->tasklet, dtt_softirq);
	init_completion(&t->finished);
	dt->trace = t;
	return 0;
}

void dt_trace_show(struct dt *dt)
{
	debugfs_create_file("trace", 0600, dt->debugfs, dt, &dtt_fops);
}

void dt_trace_exit(struct dt *dt)
{
	dtt_clear(dt->trace);
	tasklet_kill(&dt->trace->tasklet);
}
