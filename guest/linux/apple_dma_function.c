// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Managed functions: claimed from the companion and lent to drivers.
 *
 * Until a function is claimed the host keeps its bus mastering off and its
 * registers read as all ones, so a driver that came too early has failed
 * without harm.  A managed device link makes the driver core probe it again
 * once the companion's driver is there, unbind it before that driver goes,
 * and refuse it in between.
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"

struct workqueue_struct *adma_wq;

#define MAX_MAPPINGS	65536	/* descriptors per function, whatever the host offers */
#define RESET_WAIT_MS	6000	/* a claim waits that long for a reset to end */

/* Requests */

int adma_function_query(struct adma_companion *companion, u32 index, unsigned int *bdf, u32 *state)
{
	struct adma_function_req *req;
	struct adma_call call;
	int err;

	adma_call_begin(&companion->ch, &call);
	req = adma_call_add(&call, ADMA_OP_FUNCTION, sizeof(*req), index);
	err = adma_call_only(&call, &req->req);
	*bdf = le32_to_cpu(READ_ONCE(req->bdf));
	*state = le32_to_cpu(READ_ONCE(req->state));
	adma_call_end(&call);
	if (!err && !(*state & ADMA_FN_PRESENT))
		err = -ENODEV;
	return err;
}

static int request_simple(struct adma_function *fn, u16 op)
{
	struct adma_req *req;
	struct adma_call call;
	int err;

	adma_call_begin(&fn->companion->ch, &call);
	req = adma_call_add(&call, op, sizeof(*req), fn->index);
	err = adma_call_only(&call, req);
	adma_call_end(&call);
	return err;
}

static int request_window(struct adma_function *fn)
{
	struct adma_function_req *req;
	struct adma_call call;
	int err;

	adma_call_begin(&fn->companion->ch, &call);
	req = adma_call_add(&call, ADMA_OP_FUNCTION, sizeof(*req), fn->index);
	err = adma_call_only(&call, &req->req);
	fn->iova_first = le64_to_cpu(READ_ONCE(req->iova_first));
	fn->iova_last = le64_to_cpu(READ_ONCE(req->iova_last));
	adma_call_end(&call);
	if (!err && fn->iova_first >= fn->iova_last)
		err = -EPROTO;
	return err;
}

static int request_budget(struct adma_function *fn, u32 *mappings)
{
	struct adma_budget_req *req;
	struct adma_call call;
	int err;

	adma_call_begin(&fn->companion->ch, &call);
	req = adma_call_add(&call, ADMA_OP_BUDGET, ADMA_BUDGET_BYTES_1_0, fn->index);
	err = adma_call_only(&call, &req->req);
	fn->bytes_max = le64_to_cpu(READ_ONCE(req->bytes_max));
	*mappings = le32_to_cpu(READ_ONCE(req->mappings_max));
	adma_call_end(&call);
	if (!err && (!fn->bytes_max || !*mappings))
		err = -EPROTO;
	return err;
}

/* May sleep. */
static int claim(struct adma_function *fn)
{
	unsigned int waited = 0;
	u32 mappings;
	int err;

	fn->generation = adma_channel_read(&fn->companion->ch, ADMA_REG_GENERATION);
	while ((err = request_simple(fn, ADMA_OP_CLAIM)) == -EAGAIN && waited < RESET_WAIT_MS) {
		msleep(20);
		waited += 20;
	}
	if (err)
		return err;
	err = request_window(fn) ?: request_budget(fn, &mappings);
	if (!err)
		err = adma_table_init(&fn->table, fn, clamp(mappings, 64U, MAX_MAPPINGS));
	if (err)
		request_simple(fn, ADMA_OP_RELEASE);
	else
		fn->claimed = true;
	return err;
}

/* Statistics */

static int stats_show(struct seq_file *s, void *unused)
{
	struct adma_function *fn = s->private;

	seq_printf(s, "function %u\nclaimed %d\nbound %d\n", fn->index, fn->claimed, fn->bound);
	seq_printf(s, "iova_first %#llx\niova_last %#llx\n", fn->iova_first, fn->iova_last);
	adma_table_show(&fn->table, s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* Loss of the device */

struct loss {
	struct work_struct work;
	struct pci_dev *pdev;		/* counted */
};

/*
 * A driver whose mappings fail may retry for ever and so never touch the
 * device, from which it would learn that there is none.
 */
static void loss_work(struct work_struct *work)
{
	struct loss *loss = container_of(work, struct loss, work);

	pci_warn(loss->pdev, "is gone from the host: removing it\n");
	/* Drivers ask for this before they wait for a device that cannot answer. */
	loss->pdev->error_state = pci_channel_io_perm_failure;
	/* Our notifier takes the function away meanwhile. */
	pci_stop_and_remove_bus_device_locked(loss->pdev);
	pci_dev_put(loss->pdev);
	kfree(loss);
}

void adma_function_lost(struct adma_function *fn)
{
	struct loss *loss;

	if (READ_ONCE(fn->companion->ch.closed) || test_and_set_bit(0, &fn->lost))
		return;
	loss = kmalloc(sizeof(*loss), GFP_ATOMIC | __GFP_NOWARN);
	if (!loss) {
		/* The next failure tries again. */
		clear_bit(0, &fn->lost);
		return;
	}
	INIT_WORK(&loss->work, loss_work);
	loss->pdev = pci_dev_get(fn->pdev);
	queue_work(adma_wq, &loss->work);
}

/* Life of a function */

struct adma_function *adma_function_create(struct adma_companion *companion, u32 index, struct pci_dev *pdev)
{
	struct adma_function *fn;
	int err;

	fn = kzalloc(sizeof(*fn), GFP_KERNEL);
	if (!fn)
		return ERR_PTR(-ENOMEM);
	fn->ops = adma_ops;
	fn->companion = companion;
	fn->pdev = pci_dev_get(pdev);
	fn->index = index;

	if (!device_link_add(&pdev->dev, &companion->pdev->dev, DL_FLAG_AUTOPROBE_CONSUMER)) {
		pci_err(pdev, "cannot be made to depend on %s: it stays unusable\n", pci_name(companion->pdev));
		err = -EINVAL;
		goto free;
	}
	if (adma_behind_iommu(&pdev->dev)) {
		pci_err(pdev, "is behind an IOMMU of this guest: it stays unusable; attach it to a bus without one\n");
		err = -EINVAL;
		goto free;
	}
	err = claim(fn);
	if (err) {
		pci_err(pdev, "cannot be claimed from %s: error %d; it stays unusable\n", pci_name(companion->pdev), err);
		goto free;
	}
	fn->debugfs = debugfs_create_file(pci_name(pdev), 0444, companion->debugfs, fn, &stats_fops);
	pci_info(pdev, "DMA through %s: %llu MiB in %u mappings, addresses %#llx-%#llx\n", pci_name(companion->pdev),
		 fn->bytes_max >> 20, fn->table.limits.mappings_max, fn->iova_first, fn->iova_last);
	return fn;

free:
	pci_dev_put(pdev);
	kfree(fn);
	return ERR_PTR(err);
}

void adma_function_bind(struct adma_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	/* Drivers such as vfio-pci bring their own translation. */
	if (to_pci_driver(dev->driver)->driver_managed_dma || fn->bound)
		return;

	/* The function may have been replaced or reset behind our back since the last driver. */
	if (fn->claimed && fn->generation != adma_channel_read(&fn->companion->ch, ADMA_REG_GENERATION)) {
		unsigned int bdf;
		u32 state;
		int err;

		fn->generation = adma_channel_read(&fn->companion->ch, ADMA_REG_GENERATION);
		err = adma_function_query(fn->companion, fn->index, &bdf, &state);
		if (!err && !(state & ADMA_FN_CLAIMED)) {
			fn->claimed = false;
			err = claim(fn);
		}
		if (err) {
			fn->claimed = false;
			pci_err(fn->pdev, "cannot be claimed again: error %d\n", err);
		}
	}
	adma_table_start(&fn->table);
	__module_get(THIS_MODULE);
	fn->bound = true;
	adma_force_coherent(dev);
	/* Without a claim they only fail, which is what a driver needs to hear. */
	dev->dma_ops = &fn->ops;
}

void adma_function_unbind(struct adma_function *fn, bool released)
{
	unsigned int left;

	/* After a failed probe, managed allocations are freed through the ops, later than this. */
	if (released && fn->pdev->dev.dma_ops == &fn->ops)
		fn->pdev->dev.dma_ops = NULL;
	if (!fn->bound)
		return;
	fn->bound = false;
	if (released) {
		left = adma_table_clear(&fn->table);
		if (left)
			pci_warn(fn->pdev, "its driver left %u DMA mappings behind, now removed\n", left);
	}
	module_put(THIS_MODULE);
}

void adma_function_destroy(struct adma_function *fn)
{
	debugfs_remove(fn->debugfs);
	adma_function_unbind(fn, true);
	request_simple(fn, ADMA_OP_RELEASE);
	adma_table_destroy(&fn->table);
	pci_dev_put(fn->pdev);
	kfree(fn);
}
