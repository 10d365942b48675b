// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The companion's registers and request pages.
 *
 * Once the store to the doorbell has completed, the answers are in the page:
 * there is nothing to wait for and no interrupt.
 */

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "apple_dma_priv.h"

/* What this module knows to use. */
#define ADMA_FEATURES	ADMA_F_CONGRUENT

static void adma_write(struct adma_channel *ch, unsigned int reg, u32 value)
{
	writel(value, ch->regs + reg);
}

u32 adma_channel_read(struct adma_channel *ch, unsigned int reg)
{
	return readl(ch->regs + reg);
}

/* Every status of the contract, and whatever a later host invents. */
static int adma_errno(u32 status)
{
	switch (status) {
	case ADMA_OK:
		return 0;
	case ADMA_E_BAD_REQUEST:
	case ADMA_E_BAD_FUNCTION:
	case ADMA_E_NOT_ALIGNED:
	case ADMA_E_BAD_RANGE:
		return -EINVAL;
	case ADMA_E_NOT_CLAIMED:
		return -EACCES;
	case ADMA_E_CLAIMED:
		return -EALREADY;
	case ADMA_E_NOT_RAM:
		return -EFAULT;
	case ADMA_E_NO_SPACE:
		return -ENOMEM;
	case ADMA_E_NO_MAPPINGS:
		return -ENOSPC;
	case ADMA_E_BAD_HANDLE:
		return -ENOENT;
	case ADMA_E_GONE:
		return -ENODEV;
	case ADMA_E_BUSY:
		return -EAGAIN;
	case ADMA_E_TIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

static int adma_slot_register(struct adma_channel *ch, unsigned int nr, u64 addr)
{
	adma_write(ch, ADMA_REG_SLOT_SELECT, nr);
	adma_write(ch, ADMA_REG_SLOT_ADDR_LO, lower_32_bits(addr));
	adma_write(ch, ADMA_REG_SLOT_ADDR_HI, upper_32_bits(addr));
	return adma_channel_read(ch, ADMA_REG_STATUS) & ADMA_ST_SLOT_BAD ? -EINVAL : 0;
}

static void adma_slots_free(struct adma_channel *ch)
{
	unsigned int i;

	for (i = 0; i < ch->nr_slots; i++)
		free_page((unsigned long)ch->slots[i].page);
	kfree(ch->slots);
}

int adma_channel_open(struct adma_channel *ch, struct pci_dev *pdev)
{
	u32 magic, version, granule, slots, align, ranges;
	unsigned int i;
	int err;

	ch->pdev = pdev;
	magic = adma_channel_read(ch, ADMA_REG_MAGIC);
	version = adma_channel_read(ch, ADMA_REG_VERSION);
	if (magic != ADMA_MAGIC || version >> 16 != ADMA_VERSION_MAJOR) {
		pci_err(pdev, "speaks version %u.%u (magic %#x), this module %u: install the apple_dma that belongs to the hypervisor\n",
			version >> 16, version & 0xffff, magic, ADMA_VERSION_MAJOR);
		return -EPROTO;
	}

	/* A crashed or replaced kernel may have left mappings, and pages it registered may be anything by now. */
	adma_write(ch, ADMA_REG_CONTROL, ADMA_CTL_RESET);
	adma_write(ch, ADMA_REG_DRIVER_FEATURES, adma_channel_read(ch, ADMA_REG_FEATURES) & ADMA_FEATURES);
	ch->features = adma_channel_read(ch, ADMA_REG_DRIVER_FEATURES) & ADMA_FEATURES;

	granule = adma_channel_read(ch, ADMA_REG_GRANULE);
	slots = adma_channel_read(ch, ADMA_REG_MAX_SLOTS);
	align = adma_channel_read(ch, ADMA_REG_MAX_ALIGN);
	ranges = adma_channel_read(ch, ADMA_REG_MAX_RANGES);
	if (!is_power_of_2(granule) || granule < SZ_4K || granule > SZ_2M || !slots || align > 63 || !ranges) {
		pci_err(pdev, "offers a granule of %u bytes and %u request pages: the hypervisor is broken\n", granule, slots);
		return -EPROTO;
	}
	ch->granule_shift = ilog2(granule);
	ch->max_align = align;
	ch->max_ranges = ranges;

	slots = min(slots, nr_cpu_ids);
	ch->slots = kcalloc(slots, sizeof(*ch->slots), GFP_KERNEL);
	if (!ch->slots)
		return -ENOMEM;
	for (i = 0; i < slots; i++) {
		struct adma_slot *slot = &ch->slots[i];

		raw_spin_lock_init(&slot->lock);
		slot->page = (void *)get_zeroed_page(GFP_KERNEL);
		if (!slot->page) {
			err = -ENOMEM;
			goto free;
		}
		ch->nr_slots++;
		err = adma_slot_register(ch, i, virt_to_phys(slot->page));
		if (err) {
			pci_err(pdev, "refuses request page %u: the hypervisor is broken\n", i);
			goto reset;
		}
	}
	return 0;

reset:
	adma_write(ch, ADMA_REG_CONTROL, ADMA_CTL_RESET);
free:
	adma_slots_free(ch);
	return err;
}

void adma_channel_close(struct adma_channel *ch)
{
	unsigned int i;

	WRITE_ONCE(ch->closed, true);
	/* Calls under way end before their request page is forgotten. */
	for (i = 0; i < ch->nr_slots; i++) {
		unsigned long flags;

		raw_spin_lock_irqsave(&ch->slots[i].lock, flags);
		raw_spin_unlock_irqrestore(&ch->slots[i].lock, flags);
	}
	adma_write(ch, ADMA_REG_CONTROL, ADMA_CTL_RESET);
}

void adma_channel_free(struct adma_channel *ch)
{
	adma_slots_free(ch);
}

void adma_call_begin(struct adma_channel *ch, struct adma_call *call)
	__acquires(call->slot->lock)
{
	unsigned long flags;

	local_irq_save(flags);
	call->ch = ch;
	call->slot = &ch->slots[smp_processor_id() % ch->nr_slots];
	raw_spin_lock(&call->slot->lock);
	call->flags = flags;
	call->bytes = 0;
	call->count = 0;
	call->done = 0;
}

void *adma_call_add(struct adma_call *call, u16 op, size_t bytes, u32 function)
{
	struct adma_req *req;

	if (sizeof(struct adma_page_header) + call->bytes + bytes > ADMA_PAGE_SIZE)
		return NULL;
	req = call->slot->page + sizeof(struct adma_page_header) + call->bytes;
	memset(req, 0, bytes);
	req->op = cpu_to_le16(op);
	req->length = cpu_to_le16(bytes);
	req->function = cpu_to_le32(function);
	call->bytes += bytes;
	call->count++;
	return req;
}

void adma_call_run(struct adma_call *call)
{
	struct adma_page_header *page = call->slot->page;

	memset(page, 0, sizeof(*page));
	page->count = cpu_to_le32(call->count);
	page->bytes = cpu_to_le32(call->bytes);
	/* Stays when nobody answers. */
	page->status = cpu_to_le32(ADMA_E_GONE);
	if (READ_ONCE(call->ch->closed))
		return;
	/* Orders the stores above before the doorbell, as every writel() does. */
	adma_write(call->ch, ADMA_REG_DOORBELL, call->slot - call->ch->slots);
	/* The store traps, so it is complete when the next instruction runs; keep the loads behind it. */
	mb();
	call->done = min(le32_to_cpu(READ_ONCE(page->done)), call->count);
}

void *adma_call_first(const struct adma_call *call)
{
	return call->slot->page + sizeof(struct adma_page_header);
}

int adma_call_result(struct adma_call *call, unsigned int nr, const struct adma_req *req)
{
	const struct adma_page_header *page = call->slot->page;

	if (nr < call->done)
		return adma_errno(le32_to_cpu(READ_ONCE(req->status)));
	return adma_errno(le32_to_cpu(page->status)) ?: -EIO;
}

int adma_call_only(struct adma_call *call, const struct adma_req *req)
{
	adma_call_run(call);
	return adma_call_result(call, 0, req);
}

void adma_call_end(struct adma_call *call)
	__releases(call->slot->lock)
{
	unsigned long flags = call->flags;

	raw_spin_unlock(&call->slot->lock);
	local_irq_restore(flags);
}
