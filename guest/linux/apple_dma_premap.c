// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All of the guest's RAM, mapped once.
 *
 * When RAM fits what the host allows the function, every piece of it is mapped
 * before the driver is probed, and dev->dma_range_map tells the kernel's own
 * dma-direct what to add to a physical address: no request reaches us, and no
 * kernel needs dev->dma_ops for it.
 *
 * dma-direct translates the first byte of a request only.  Requests cross any
 * address within physically contiguous RAM, so each such piece is one mapping.
 * It has to lie congruent to its guest-physical address modulo 2 MiB, as
 * drivers of GPUs round what they got down to their page size.
 *
 * What dma-direct does not ask about, it must not get wrong:
 *
 *   dma_set_mask() accepts any mask of 32 bits and more, so nothing may be
 *   mapped above 4 GiB.
 *
 *   P2PDMA and dma_map_resource() use another device's BAR address as it is.
 *   So this is only done for a companion's only function, and bus_dma_limit
 *   keeps it off BARs above what is mapped.
 *
 *   Memory that comes later is not in the map: it is refused while a driver
 *   is bound.
 */

#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"

#define MAX_PIECES	64		/* of RAM; dma-direct walks them for every request */
#define PIECE_ALIGN	SZ_2M
#define WISH_SHIFT	22		/* the buddy allocator's largest block, with pages of 4 KiB */
#define BUSY_WAIT_MS	6000		/* a reset of the function takes at most that long */

static bool premap = true;

static int premap_set(const char *value, const struct kernel_param *kp)
{
	if (sysfs_streq(value, "auto"))
		premap = true;
	else if (sysfs_streq(value, "off"))
		premap = false;
	else
		return -EINVAL;
	return 0;
}

static int premap_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", premap ? "auto" : "off");
}

static const struct kernel_param_ops premap_ops = {
	.set = premap_set,
	.get = premap_get,
};
module_param_cb(premap, &premap_ops, NULL, 0644);
MODULE_PARM_DESC(premap,
		 "auto: when all memory of the guest fits what the host allows, it is mapped once; off: never. Counts from a driver's next probe");

struct piece {
	u64 gpa;
	u64 bytes;
	u64 iova;
	u64 handle;			/* 0: not mapped */
};

struct adma_premap {
	struct list_head node;		/* premaps_lock */
	struct adma_function *fn;
	struct delayed_work work;	/* nobody asks the host any more: has it taken the function away? */
	u32 generation;			/* the work's: of the companion, when it last looked */
	u64 old_limit;			/* bus_dma_limit before us */
	unsigned int nr_pieces;
	struct piece pieces[MAX_PIECES];
};

/* Protects the list, and keeps memory from coming and going while pieces are collected and mapped. */
static DEFINE_MUTEX(premaps_lock);
static LIST_HEAD(premaps);

/* Pieces of RAM */

/* In the order of their addresses.  What lies within the same 2 MiB becomes one. */
static int add_piece(struct resource *res, void *arg)
{
	struct adma_premap *p = arg;
	u64 first = ALIGN_DOWN(res->start, PIECE_ALIGN);
	u64 end = ALIGN(res->end + 1, PIECE_ALIGN);
	struct piece *last = p->nr_pieces ? &p->pieces[p->nr_pieces - 1] : NULL;

	if (last && first <= last->gpa + last->bytes) {
		last->bytes = max(end, last->gpa + last->bytes) - last->gpa;
		return 0;
	}
	if (p->nr_pieces == MAX_PIECES)
		return -E2BIG;
	p->pieces[p->nr_pieces++] = (struct piece){ .gpa = first, .bytes = end - first };
	return 0;
}

static u64 bytes_of(const struct adma_premap *p)
{
	u64 bytes = 0;
	unsigned int i;

	for (i = 0; i < p->nr_pieces; i++)
		bytes += p->pieces[i].bytes;
	return bytes;
}

/* Does what is mapped hold the whole range?  *some: or a part of it? */
static bool holds(const struct adma_premap *p, u64 first, u64 bytes, bool *some)
{
	unsigned int i;

	*some = false;
	for (i = 0; i < p->nr_pieces; i++) {
		const struct piece *piece = &p->pieces[i];

		if (first >= piece->gpa + piece->bytes || first + bytes <= piece->gpa)
			continue;
		*some = true;
		return first >= piece->gpa && first + bytes <= piece->gpa + piece->bytes;
	}
	return false;
}

/* The host */

static int map_piece(struct adma_function *fn, struct piece *piece)
{
	struct adma_channel *ch = &fn->companion->ch;
	struct adma_map_req *req;
	struct adma_range *range;
	struct adma_call call;
	int err;

	adma_call_begin(ch, &call);
	req = adma_call_add(&call, ADMA_OP_MAP, sizeof(*req) + sizeof(*range), fn->index);
	range = (struct adma_range *)(req + 1);
	req->req.flags = cpu_to_le32(ADMA_MAP_DEVICE_READS | ADMA_MAP_DEVICE_WRITES);
	req->align = cpu_to_le32(min3(ch->max_align, (u32)WISH_SHIFT, (u32)__ffs64(piece->gpa ?: SZ_1G)));
	req->nr_ranges = cpu_to_le32(1);
	range->gpa = cpu_to_le64(piece->gpa);
	range->length = cpu_to_le64(piece->bytes);
	err = adma_call_only(&call, &req->req);
	if (!err) {
		piece->iova = le64_to_cpu(READ_ONCE(req->iova));
		piece->handle = le64_to_cpu(READ_ONCE(req->handle));
	}
	adma_call_end(&call);
	return err;
}

/* May sleep.  False when the host is busy for too long. */
static bool unmap_piece(struct adma_function *fn, struct piece *piece)
{
	unsigned int waited;

	for (waited = 0; piece->handle; waited += 20) {
		struct adma_unmap_req *req;
		struct adma_call call;
		int err;

		adma_call_begin(&fn->companion->ch, &call);
		req = adma_call_add(&call, ADMA_OP_UNMAP, sizeof(*req), fn->index);
		req->handle = cpu_to_le64(piece->handle);
		err = adma_call_only(&call, &req->req);
		adma_call_end(&call);
		if (!adma_may_be_mapped(err)) {
			piece->handle = 0;
			break;
		}
		if (waited >= BUSY_WAIT_MS)
			return false;
		msleep(20);
	}
	return true;
}

static bool unmap_all(struct adma_premap *p)
{
	bool done = true;
	unsigned int i;

	for (i = 0; i < p->nr_pieces; i++)
		done &= unmap_piece(p->fn, &p->pieces[i]);
	return done;
}

/* The host's answer is looked at as any driver's request would rely on it. */
static const char *refuse(const struct adma_premap *p, unsigned int nr)
{
	const struct adma_function *fn = p->fn;
	const struct piece *piece = &p->pieces[nr];
	u64 last = piece->iova + piece->bytes - 1;
	u64 limit = min_not_zero(p->old_limit, (u64)U32_MAX);
	unsigned int i;

	if (piece->iova < fn->iova_first || last > fn->iova_last || last < piece->iova)
		return "the host maps it outside of the function's addresses";
	for (i = 0; i < nr; i++)
		if (piece->iova < p->pieces[i].iova + p->pieces[i].bytes && p->pieces[i].iova <= last)
			return "the host maps two pieces of it to the same addresses";
	if ((piece->iova ^ piece->gpa) & (PIECE_ALIGN - 1))
		return "the host cannot align it to 2 MiB";
	if (last > limit)
		return "the host maps it above 4 GiB";
	return NULL;
}

/* Watching */

static void watch(struct work_struct *work)
{
	struct adma_premap *p = container_of(to_delayed_work(work), struct adma_premap, work);
	u32 generation = adma_channel_read(&p->fn->companion->ch, ADMA_REG_GENERATION);
	unsigned int bdf;
	u32 state;

	if (generation != p->generation) {
		int err = adma_function_query(p->fn->companion, p->fn->index, &bdf, &state);

		if (err != -EAGAIN)
			p->generation = generation;
		if (err == -ENODEV)
			adma_function_lost(p->fn);
	}
	queue_delayed_work(adma_wq, &p->work, HZ);
}

static int memory_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct memory_notify *memory = data;
	u64 first = PFN_PHYS((u64)memory->start_pfn), bytes = PFN_PHYS((u64)memory->nr_pages);
	struct adma_premap *p;
	int err = 0;

	if (event != MEM_GOING_ONLINE && event != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	mutex_lock(&premaps_lock);
	list_for_each_entry(p, &premaps, node) {
		bool some, all = holds(p, first, bytes, &some);

		if (event == MEM_GOING_ONLINE && !all) {
			pci_info(p->fn->pdev,
				 "cannot reach new memory at %#llx, which stays offline: load apple_dma with premap=off to add memory\n",
				 first);
			err = -EBUSY;
		} else if (event == MEM_GOING_OFFLINE && some) {
			pci_info(p->fn->pdev, "reaches all memory; that at %#llx stays online\n", first);
			err = -EBUSY;
		}
	}
	mutex_unlock(&premaps_lock);
	return notifier_from_errno(err);
}

static struct notifier_block memory_notifier = {
	.notifier_call = memory_event,
};

int adma_premap_init(void)
{
	return register_memory_notifier(&memory_notifier);
}

void adma_premap_exit(void)
{
	unregister_memory_notifier(&memory_notifier);
}

/* Life of a premap */

/* False when there is something the host could not end. */
bool adma_premap_stop(struct adma_function *fn)
{
	struct adma_premap *p = fn->premap;

	if (!p)
		return true;
	cancel_delayed_work_sync(&p->work);
	if (!list_empty(&p->node)) {
		mutex_lock(&premaps_lock);
		list_del_init(&p->node);
		mutex_unlock(&premaps_lock);
		fn->pdev->dev.bus_dma_limit = p->old_limit;
		WRITE_ONCE(fn->premapped, 0);
	}
	if (!unmap_all(p))
		return false;
	fn->premap = NULL;
	kfree(p);
	return true;
}

void adma_premap_forget(struct adma_function *fn)
{
	if (!adma_premap_stop(fn)) {
		kfree(fn->premap);
		fn->premap = NULL;
	}
}

static struct bus_dma_region *region_map(const struct adma_premap *p)
{
	struct bus_dma_region *map = kcalloc(p->nr_pieces + 1, sizeof(*map), GFP_KERNEL);
	unsigned int i;

	for (i = 0; map && i < p->nr_pieces; i++) {
		map[i].cpu_start = p->pieces[i].gpa;
		map[i].dma_start = p->pieces[i].iova;
		map[i].size = p->pieces[i].bytes;
#ifdef ADMA_HAVE_REGION_OFFSET
		map[i].offset = map[i].cpu_start - map[i].dma_start;
#endif
	}
	return map;
}

/* NULL, or why not. */
static const char *map_everything(struct adma_premap *p)
{
	struct adma_function *fn = p->fn;
	struct device *dev = &fn->pdev->dev;
	struct bus_dma_region *map;
	u64 bytes, top = 0;
	const char *why;
	unsigned int i;

	if (walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1, p, add_piece) ||
	    !p->nr_pieces)
		return "it is in too many pieces";
	bytes = bytes_of(p);
	/* A sixteenth is left to whom else the device's addresses are shared with. */
	if (bytes > fn->bytes_max - fn->bytes_max / 16)
		return "it is more than the host allows";
	for (i = 0; i < p->nr_pieces; i++) {
		if (map_piece(fn, &p->pieces[i]))
			return "the host does not map it in one piece";
		why = refuse(p, i);
		if (why)
			return why;
		top = max(top, p->pieces[i].iova + p->pieces[i].bytes - 1);
	}
	map = region_map(p);
	if (!map)
		return "no memory is left";
	/* The core frees it when the driver is gone. */
	dev->dma_range_map = map;
	/* All ones, as dma-direct compares it with a mask that covers what is mapped. */
	dev->bus_dma_limit = min_not_zero(p->old_limit, DMA_BIT_MASK(fls64(top)));
	list_add_tail(&p->node, &premaps);
	WRITE_ONCE(fn->premapped, bytes);
	return NULL;
}

bool adma_premap_start(struct adma_function *fn)
{
	struct device *dev = &fn->pdev->dev;
	struct adma_premap *p;
	const char *why;

	if (!adma_premap_stop(fn))
		return false;
	/* In strict mode the device reaches what it was given, and nothing else. */
	if (!READ_ONCE(premap) || !fn->claimed || !fn->table.by_index || fn->table.index.strict)
		return false;
	/* The firmware translates as well, or there are others whose BARs could be used. */
	if (dev->dma_range_map || adma_channel_read(&fn->companion->ch, ADMA_REG_FUNCTIONS) != 1)
		return false;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return false;
	INIT_LIST_HEAD(&p->node);
	INIT_DELAYED_WORK(&p->work, watch);
	p->fn = fn;
	p->generation = fn->generation;
	p->old_limit = dev->bus_dma_limit;
	mutex_lock(&premaps_lock);
	why = map_everything(p);
	mutex_unlock(&premaps_lock);
	fn->premap = p;
	if (why) {
		pci_info(fn->pdev, "memory is mapped as it is used: %s\n", why);
		adma_premap_stop(fn);
		return false;
	}
	queue_delayed_work(adma_wq, &p->work, HZ);
	return true;
}
