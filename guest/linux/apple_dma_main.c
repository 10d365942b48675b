// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Driver of the companion, and the events of the PCI bus that concern the
 * functions it manages.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/suspend.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"

/*
 * Protects the list of companions and their lists of functions.  A leaf: taken
 * in notifiers, which run under device_lock of a function.
 */
static DEFINE_MUTEX(adma_lock);
static LIST_HEAD(companions);
static struct dentry *debugfs_root;

static struct adma_function *find_function(struct device *dev)
{
	struct adma_companion *companion;
	struct adma_function *fn, *found = NULL;

	mutex_lock(&adma_lock);
	list_for_each_entry(companion, &companions, node)
		list_for_each_entry(fn, &companion->functions, node)
			if (&fn->pdev->dev == dev)
				found = fn;
	mutex_unlock(&adma_lock);
	/* Stays: whoever removes it does so under device_lock of dev, or after dev is gone. */
	return found;
}

/* The caller holds device_lock of pdev, or no driver can be bound to it yet. */
static void add_function(struct adma_companion *companion, u32 index, struct pci_dev *pdev)
{
	struct adma_function *fn;

	if (find_function(&pdev->dev))
		return;
	fn = adma_function_create(companion, index, pdev);
	if (IS_ERR(fn))
		return;
	mutex_lock(&adma_lock);
	list_add_tail(&fn->node, &companion->functions);
	mutex_unlock(&adma_lock);
}

/* From the list to the caller, who destroys it; dev NULL: any. */
static struct adma_function *take_function(struct adma_companion *companion, struct device *dev)
{
	struct adma_function *fn, *found = NULL;

	mutex_lock(&adma_lock);
	list_for_each_entry(fn, &companion->functions, node) {
		if (dev && &fn->pdev->dev != dev)
			continue;
		found = fn;
		list_del(&fn->node);
		break;
	}
	mutex_unlock(&adma_lock);
	return found;
}

/* Companion */

static struct pci_dev *function_device(struct adma_companion *companion, u32 index)
{
	unsigned int bdf;
	u32 state;

	if (adma_function_query(companion, index, &bdf, &state) || bdf > 0xffff)
		return NULL;
	return pci_get_domain_bus_and_slot(pci_domain_nr(companion->pdev->bus), bdf >> 8, bdf & 0xff);
}

static void discover(struct adma_companion *companion)
{
	u32 functions = min(adma_channel_read(&companion->ch, ADMA_REG_FUNCTIONS), 256U);
	u32 i;

	for (i = 0; i < functions; i++) {
		struct pci_dev *pdev = function_device(companion, i);

		if (!pdev)
			continue;
		/* A driver that is already there cannot have got anything done; it starts again after our probe. */
		device_lock(&pdev->dev);
		while (pdev->dev.driver) {
			device_unlock(&pdev->dev);
			device_release_driver(&pdev->dev);
			device_lock(&pdev->dev);
		}
		add_function(companion, i, pdev);
		device_unlock(&pdev->dev);
		pci_dev_put(pdev);
	}
}

static int adma_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct adma_companion *companion;
	int err;

	companion = kzalloc(sizeof(*companion), GFP_KERNEL);
	if (!companion)
		return -ENOMEM;
	INIT_LIST_HEAD(&companion->functions);
	companion->pdev = pdev;

	err = pci_enable_device_mem(pdev);
	if (err)
		goto free;
	err = pci_request_regions(pdev, KBUILD_MODNAME);
	if (err)
		goto disable;
	if (pci_resource_len(pdev, ADMA_PCI_BAR) < ADMA_BAR_SIZE) {
		pci_err(pdev, "has no registers: the hypervisor is broken\n");
		err = -ENODEV;
		goto release;
	}
	companion->ch.regs = pci_iomap(pdev, ADMA_PCI_BAR, ADMA_BAR_SIZE);
	if (!companion->ch.regs) {
		err = -ENOMEM;
		goto release;
	}
	/* It reads and writes the request pages. */
	pci_set_master(pdev);
	err = adma_channel_open(&companion->ch, pdev);
	if (err)
		goto unmap;

	companion->debugfs = debugfs_create_dir(pci_name(pdev), debugfs_root);
	pci_set_drvdata(pdev, companion);
	/* From now on functions that appear are ours as well. */
	mutex_lock(&adma_lock);
	list_add_tail(&companion->node, &companions);
	mutex_unlock(&adma_lock);
	discover(companion);
	return 0;

unmap:
	pci_clear_master(pdev);
	pci_iounmap(pdev, companion->ch.regs);
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
free:
	kfree(companion);
	return err;
}

/* The driver core has unbound the functions' drivers, through the device links. */
static void adma_remove(struct pci_dev *pdev)
{
	struct adma_companion *companion = pci_get_drvdata(pdev);
	struct adma_function *fn;

	mutex_lock(&adma_lock);
	list_del(&companion->node);
	mutex_unlock(&adma_lock);
	while ((fn = take_function(companion, NULL))) {
		struct pci_dev *function = pci_dev_get(fn->pdev);

		/* A probe that has just failed may still be freeing memory through the ops. */
		device_lock(&function->dev);
		adma_function_destroy(fn);
		device_unlock(&function->dev);
		pci_dev_put(function);
	}
	adma_channel_close(&companion->ch);
	adma_channel_free(&companion->ch);
	debugfs_remove_recursive(companion->debugfs);
	pci_clear_master(pdev);
	pci_iounmap(pdev, companion->ch.regs);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	kfree(companion);
}

/* The drivers' shutdown came first, through the device links.  The next kernel must not find DMA going on. */
static void adma_shutdown(struct pci_dev *pdev)
{
	struct adma_companion *companion = pci_get_drvdata(pdev);

	if (companion)
		adma_channel_close(&companion->ch);
}

static const struct pci_device_id adma_ids[] = {
	{ PCI_DEVICE(ADMA_PCI_VENDOR_ID, ADMA_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, adma_ids);

static struct pci_driver adma_driver = {
	.name		= "apple_dma",
	.id_table	= adma_ids,
	.probe		= adma_probe,
	.remove		= adma_remove,
	.shutdown	= adma_shutdown,
	.driver		= {
		/* Unbinding it by hand would take the disk away under the root file system. */
		.suppress_bind_attrs = true,
	},
};

/* Bus events */

/* A device that appeared, by hot-plug or rescan: is it one of ours?  No driver can be bound to it yet. */
static void device_added(struct pci_dev *pdev)
{
	struct adma_companion *companion, *owner = NULL;
	u32 index = 0;

	mutex_lock(&adma_lock);
	list_for_each_entry(companion, &companions, node) {
		u32 functions = min(adma_channel_read(&companion->ch, ADMA_REG_FUNCTIONS), 256U);
		unsigned int bdf;
		u32 i, state;

		if (pci_domain_nr(companion->pdev->bus) != pci_domain_nr(pdev->bus))
			continue;
		for (i = 0; i < functions && !owner; i++) {
			if (!adma_function_query(companion, i, &bdf, &state) && bdf == pci_dev_id(pdev)) {
				owner = companion;
				index = i;
			}
		}
	}
	mutex_unlock(&adma_lock);
	if (owner)
		add_function(owner, index, pdev);
}

static int bus_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct device *dev = data;
	struct adma_function *fn;

	if (event == BUS_NOTIFY_ADD_DEVICE) {
		device_added(to_pci_dev(dev));
		return NOTIFY_OK;
	}
	fn = find_function(dev);
	if (!fn)
		return NOTIFY_DONE;
	switch (event) {
	case BUS_NOTIFY_BIND_DRIVER:
		/* Everything that sets dma_ops has run, the probe has not. */
		adma_function_bind(fn);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		adma_function_unbind(fn, false);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		adma_function_unbind(fn, true);
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		fn = take_function(fn->companion, dev);
		if (fn)
			adma_function_destroy(fn);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block bus_notifier = {
	.notifier_call = bus_event,
};

/* Drivers keep IOVAs in their devices' memory; after hibernation the host would pick others. */
static int power_event(struct notifier_block *nb, unsigned long event, void *data)
{
	bool in_use;

	if (event != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	mutex_lock(&adma_lock);
	in_use = !list_empty(&companions);
	mutex_unlock(&adma_lock);
	if (!in_use)
		return NOTIFY_DONE;
	pr_warn("apple_dma: no hibernation while a passed-through device is present: shut down instead\n");
	return NOTIFY_BAD;
}

static struct notifier_block power_notifier = {
	.notifier_call = power_event,
};

static int __init adma_init(void)
{
	int err;

	adma_wq = alloc_workqueue("apple_dma", WQ_UNBOUND, 0);
	if (!adma_wq)
		return -ENOMEM;
	debugfs_root = debugfs_create_dir("apple_dma", NULL);
	err = adma_frames_init();
	if (err)
		goto debugfs;
	err = adma_premap_init();
	if (err)
		goto frames;
	err = bus_register_notifier(&pci_bus_type, &bus_notifier);
	if (err)
		goto premap;
	err = register_pm_notifier(&power_notifier);
	if (err)
		goto bus;
	err = pci_register_driver(&adma_driver);
	if (err)
		goto power;
	return 0;

power:
	unregister_pm_notifier(&power_notifier);
bus:
	bus_unregister_notifier(&pci_bus_type, &bus_notifier);
premap:
	adma_premap_exit();
frames:
	adma_frames_exit();
debugfs:
	debugfs_remove_recursive(debugfs_root);
	destroy_workqueue(adma_wq);
	return err;
}

static void __exit adma_exit(void)
{
	pci_unregister_driver(&adma_driver);
	unregister_pm_notifier(&power_notifier);
	/* Removals under way still need the notifier. */
	destroy_workqueue(adma_wq);
	bus_unregister_notifier(&pci_bus_type, &bus_notifier);
	adma_redirect_disable();
	adma_premap_exit();
	adma_frames_exit();
	debugfs_remove_recursive(debugfs_root);
}

module_init(adma_init);
module_exit(adma_exit);
MODULE_DESCRIPTION("DMA of PCI devices passed through by an Apple Silicon Mac");
MODULE_LICENSE("GPL");
#ifdef ADMA_PACKAGE_VERSION
MODULE_VERSION(ADMA_PACKAGE_VERSION);
#endif
