// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmatest_main.c - PCI driver for the dmatest function.
 *
 *	insmod dmatest.ko			tests every device found, then returns
 *	insmod dmatest.ko run=0
 *	echo 1 > /sys/kernel/debug/dmatest/0000:01:00.0/run	fails when a test does
 *	cat /sys/kernel/debug/dmatest/0000:01:00.0/result
 *
 * The verdict is one line, in `result` and in the kernel log:
 *	dmatest: PASS 0000:01:00.0: ...		or	dmatest: FAIL 0000:01:00.0: ...
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "dmatest.h"

static bool run = true;
module_param(run, bool, 0444);
MODULE_PARM_DESC(run, "test the devices found when the module is loaded (default 1)");

static LIST_HEAD(dt_devices);
static DEFINE_MUTEX(dt_devices_lock);
static struct dentry *dt_debugfs;

/* Queues */

static int dt_wait_status(struct dt_queue *q, u32 wanted)
{
	u32 at = DMATEST_QUEUE(q->index) + DMATEST_Q_STATUS;
	unsigned long end = jiffies + DT_TIMEOUT;
	u32 status;

	for (;;) {
		status = dt_read(q->dt, at);
		if (status == wanted)
			return 0;
		if (time_after(jiffies, end))
			break;
		usleep_range(100, 1000);
	}
	dev_err(&q->dt->pdev->dev, "queue %u: status 0x%x instead of 0x%x\n", q->index, status,
		wanted);
	return -EIO;
}

static void dt_write64(struct dt *dt, u32 offset, u64 value)
{
	dt_write(dt, offset, lower_32_bits(value));
	dt_write(dt, offset + 4, upper_32_bits(value));
}

int dt_queue_start(struct dt_queue *q)
{
	u32 at = DMATEST_QUEUE(q->index);
	int rc;

	memset(q->records, 0, DT_RING * sizeof(*q->records));
	memset(q->slot, 0, sizeof(q->slot));
	q->submitted = 0;
	q->completed = 0;
	dt_write(q->dt, at + DMATEST_Q_CONTROL, 0);
	rc = dt_wait_status(q, 0);
	if (rc)
		return rc;
	dt_write64(q->dt, at + DMATEST_Q_RING, q->ring_dma);
	dt_write64(q->dt, at + DMATEST_Q_COMPLETIONS, q->records_dma);
	dt_write(q->dt, at + DMATEST_Q_SIZE, DT_RING);
	dt_write(q->dt, at + DMATEST_Q_VECTOR, q->index % q->dt->vectors);
	dt_write(q->dt, at + DMATEST_Q_CONTROL, DMATEST_Q_ENABLE);
	return dt_wait_status(q, DMATEST_Q_ENABLED);
}

void dt_queue_stop(struct dt_queue *q)
{
	dt_write(q->dt, DMATEST_QUEUE(q->index) + DMATEST_Q_CONTROL, 0);
	dt_wait_status(q, 0);
}

int dt_submit(struct dt_queue *q, struct dt_request *req)
{
	unsigned long flags;
	unsigned int slot;

	spin_lock_irqsave(&q->lock, flags);
	if (q->submitted - q->completed == DT_RING) {
		spin_unlock_irqrestore(&q->lock, flags);
		return -EBUSY;
	}
	slot = q->submitted % DT_RING;
	q->slot[slot] = req;
	req->desc.cookie = cpu_to_le64(q->submitted);
	req->desc.flags |= DMATEST_F_IRQ;
	q->ring[slot] = req->desc;
	q->submitted++;
	/* writel() orders the descriptor before the doorbell. */
	dt_write(q->dt, DMATEST_DOORBELL(q->index), q->submitted);
	spin_unlock_irqrestore(&q->lock, flags);
	return 0;
}

void dt_forget(struct dt_queue *q, struct dt_request *req)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&q->lock, flags);
	for (i = 0; i < DT_RING; i++)
		if (q->slot[i] == req)
			q->slot[i] = NULL;
	spin_unlock_irqrestore(&q->lock, flags);
}

int dt_run(struct dt_queue *q, struct dt_request *req)
{
	int rc;

	req->done = NULL;
	init_completion(&req->finished);
	while ((rc = dt_submit(q, req)) == -EBUSY)
		usleep_range(50, 500);
	if (rc)
		return rc;
	if (!wait_for_completion_timeout(&req->finished, DT_TIMEOUT)) {
		dt_forget(q, req);
		dev_err(&q->dt->pdev->dev,
			"queue %u: descriptor did not complete: submitted %u, completed %u, device at %u, status 0x%x\n",
			q->index, q->submitted, q->completed,
			dt_read(q->dt, DMATEST_QUEUE(q->index) + DMATEST_Q_CONSUMED),
			dt_read(q->dt, DMATEST_QUEUE(q->index) + DMATEST_Q_STATUS));
		return -ETIMEDOUT;
	}
	return le32_to_cpu(req->record.status) == DMATEST_OK ? 0 : -EREMOTEIO;
}

/* Takes the next completed request off the queue; false when there is none. */
static bool dt_reap(struct dt_queue *q, struct dt_request **req)
{
	struct dmatest_completion *record;
	bool found = false;

	spin_lock(&q->lock);
	record = &q->records[q->completed % DT_RING];
	if (q->completed != q->submitted &&
	    le32_to_cpu(READ_ONCE(record->sequence)) == q->completed + 1) {
		dma_rmb();
		*req = q->slot[q->completed % DT_RING];
		if (*req)
			(*req)->record = *record;
		q->slot[q->completed % DT_RING] = NULL;
		q->completed++;
		found = true;
	}
	spin_unlock(&q->lock);
	return found;
}

static irqreturn_t dt_interrupt(int irq, void *data)
{
	struct dt_vector *vector = data;
	struct dt *dt = vector->dt;
	struct dt_request *req;
	unsigned int q;

	for (q = vector->index; q < dt->queues; q += dt->vectors) {
		while (dt_reap(&dt->queue[q], &req)) {
			if (!req)
				continue;
			if (req->done)
				req->done(req);
			else
				complete(&req->finished);
		}
	}
	atomic_inc(&vector->interrupts);
	return IRQ_HANDLED;
}

/* debugfs */

static ssize_t dt_run_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos)
{
	struct dt *dt = file->private_data;
	int rc;

	if (mutex_lock_interruptible(&dt->run_lock))
		return -EINTR;
	rc = dt->gone ? -ENODEV : dt_run_tests(dt);
	mutex_unlock(&dt->run_lock);
	return rc ? rc : count;
}

static const struct file_operations dt_run_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = dt_run_write,
};

static int dt_result_show(struct seq_file *s, void *unused)
{
	struct dt *dt = s->private;

	mutex_lock(&dt->run_lock);
	seq_printf(s, "%s\n", dt->result);
	mutex_unlock(&dt->run_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dt_result);

/* PCI */

static int dt_init_queues(struct dt *dt)
{
	struct device *dev = &dt->pdev->dev;
	unsigned int i;
	int rc;

	for (i = 0; i < dt->queues; i++) {
		struct dt_queue *q = &dt->queue[i];

		q->dt = dt;
		q->index = i;
		spin_lock_init(&q->lock);
		q->ring = dmam_alloc_coherent(dev, DT_RING * sizeof(*q->ring), &q->ring_dma,
					      GFP_KERNEL);
		q->records = dmam_alloc_coherent(dev, DT_RING * sizeof(*q->records),
						 &q->records_dma, GFP_KERNEL);
		if (!q->ring || !q->records)
			return -ENOMEM;
	}
	for (i = 0; i < dt->queues; i++) {
		rc = dt_queue_start(&dt->queue[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static void dt_exit_interrupts(struct dt *dt)
{
	unsigned int v;

	for (v = 0; v < dt->vectors; v++)
		if (dt->vector[v].dt)
			free_irq(dt->vector[v].irq, &dt->vector[v]);
	pci_free_irq_vectors(dt->pdev);
}

static int dt_init_interrupts(struct dt *dt)
{
	unsigned int v;
	int rc;

	rc = pci_alloc_irq_vectors(dt->pdev, 1, dt->vectors, PCI_IRQ_MSIX | PCI_IRQ_MSI);
	if (rc < 0)
		return rc;
	dt->vectors = rc;
	for (v = 0; v < dt->vectors; v++) {
		struct dt_vector *vector = &dt->vector[v];

		vector->index = v;
		vector->irq = pci_irq_vector(dt->pdev, v);
		vector->dt = dt;
		rc = request_irq(vector->irq, dt_interrupt, 0, "dmatest", vector);
		if (rc) {
			vector->dt = NULL;
			dt_exit_interrupts(dt);
			return rc;
		}
	}
	return 0;
}

static void dt_release_regions(void *pdev)
{
	pci_release_regions(pdev);
}

static int dt_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct dt *dt;
	int rc;

	dt = devm_kzalloc(dev, sizeof(*dt), GFP_KERNEL);
	if (!dt)
		return -ENOMEM;
	dt->pdev = pdev;
	mutex_init(&dt->run_lock);
	strscpy(dt->result, "not run", sizeof(dt->result));

	rc = pcim_enable_device(pdev);
	if (rc)
		return dev_err_probe(dev, rc, "cannot be enabled\n");
	rc = pci_request_regions(pdev, "dmatest");
	if (!rc)
		rc = devm_add_action_or_reset(dev, dt_release_regions, pdev);
	if (rc)
		return dev_err_probe(dev, rc, "BARs are in use\n");
	dt->regs = pcim_iomap(pdev, DMATEST_BAR_REGS, 0);
	dt->small = pcim_iomap(pdev, DMATEST_BAR_SMALL, 0);
	dt->mem = pcim_iomap(pdev, DMATEST_BAR_MEM, 0);
	if (!dt->regs || !dt->small || !dt->mem)
		return dev_err_probe(dev, -ENOMEM, "BARs cannot be mapped\n");
	if (dt_read(dt, DMATEST_ID) != DMATEST_ID_VALUE)
		return dev_err_probe(dev, -ENODEV, "ID register reads 0x%x\n",
				     dt_read(dt, DMATEST_ID));
	dt->queues = min_t(u32, DMATEST_FEAT_QUEUES(dt_read(dt, DMATEST_FEATURES)),
			   DMATEST_MAX_QUEUES);
	dt->vectors = min_t(u32, DMATEST_FEAT_VECTORS(dt_read(dt, DMATEST_FEATURES)),
			    DMATEST_MAX_VECTORS);
	rc = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (rc)
		return dev_err_probe(dev, rc, "64-bit DMA is refused\n");
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_min_align_mask(dev, SZ_4K - 1);
	pci_set_master(pdev);

	rc = dt_trace_init(dt);
	if (rc)
		return rc;
	rc = dt_init_interrupts(dt);
	if (rc)
		return dev_err_probe(dev, rc, "no interrupt vectors\n");
	rc = dt_init_queues(dt);
	if (rc) {
		dt_exit_interrupts(dt);
		pci_clear_master(pdev);
		return dev_err_probe(dev, rc, "queues cannot be started\n");
	}

	pci_set_drvdata(pdev, dt);
	dt->debugfs = debugfs_create_dir(pci_name(pdev), dt_debugfs);
	debugfs_create_file("run", 0200, dt->debugfs, dt, &dt_run_fops);
	debugfs_create_file("result", 0444, dt->debugfs, dt, &dt_result_fops);
	dt_trace_show(dt);
	mutex_lock(&dt_devices_lock);
	list_add_tail(&dt->node, &dt_devices);
	mutex_unlock(&dt_devices_lock);
	dev_info(dev, "dmatest function: %u queues, %u vectors\n", dt->queues, dt->vectors);
	return 0;
}

static void dt_remove(struct pci_dev *pdev)
{
	struct dt *dt = pci_get_drvdata(pdev);
	unsigned int i;

	mutex_lock(&dt_devices_lock);
	list_del(&dt->node);
	mutex_unlock(&dt_devices_lock);
	/* A run that is under way ends first. */
	mutex_lock(&dt->run_lock);
	dt->gone = true;
	mutex_unlock(&dt->run_lock);
	debugfs_remove(dt->debugfs);
	dt_trace_exit(dt);
	for (i = 0; i < dt->queues; i++)
		dt_queue_stop(&dt->queue[i]);
	pci_clear_master(pdev);
	dt_exit_interrupts(dt);
}

static const struct pci_device_id dt_ids[] = {
	{ PCI_DEVICE(DMATEST_VENDOR, DMATEST_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, dt_ids);

static struct pci_driver dt_driver = {
	.name = "dmatest",
	.id_table = dt_ids,
	.probe = dt_probe,
	.remove = dt_remove,
};

static int __init dt_init(void)
{
	struct dt *dt;
	int rc;

	dt_debugfs = debugfs_create_dir("dmatest", NULL);
	rc = pci_register_driver(&dt_driver);
	if (rc) {
		debugfs_remove(dt_debugfs);
		return rc;
	}
	if (!run)
		return 0;
	/* Not in probe(): the tests reset the device, and probe() holds its lock. */
	mutex_lock(&dt_devices_lock);
	list_for_each_entry(dt, &dt_devices, node) {
		mutex_lock(&dt->run_lock);
		dt_run_tests(dt);
		mutex_unlock(&dt->run_lock);
	}
	mutex_unlock(&dt_devices_lock);
	return 0;
}
module_init(dt_init);

static void __exit dt_exit(void)
{
	pci_unregister_driver(&dt_driver);
	debugfs_remove(dt_debugfs);
}
module_exit(dt_exit);

MODULE_DESCRIPTION("Test of the DMA API through a dmatest PCI function");
MODULE_LICENSE("GPL");
