// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a driver's requests become addresses of the function:
 *
 *   range_map	all RAM is mapped, the kernel calculates (apple_dma_premap.c)
 *   ops	the kernel calls dev->dma_ops (apple_dma_ops.c)
 *   redirect	the same operations, called by redirected functions of the DMA
 *		API (apple_dma_redirect.c), where the kernel has no dev->dma_ops
 *
 * The first that works is taken, each time a driver is about to be probed.
 */

#include <linux/dma-direct.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"

static const char *const names[] = {
	[ADMA_NO_BACKEND] = "none",
	[ADMA_RANGE_MAP] = "range_map",
	[ADMA_OPS] = "ops",
	[ADMA_REDIRECT] = "redirect",
};

static const char *const descriptions[] = {
	[ADMA_NO_BACKEND] = "impossible",
	[ADMA_RANGE_MAP] = "of all memory, which is mapped",
	[ADMA_OPS] = "by DMA operations",
	[ADMA_REDIRECT] = "by redirected calls",
};

static bool always_redirect = !ADMA_HAVE_DMA_OPS;

static int backend_set(const char *value, const struct kernel_param *kp)
{
	if (sysfs_streq(value, "auto"))
		always_redirect = !ADMA_HAVE_DMA_OPS;
	else if (sysfs_streq(value, "redirect"))
		always_redirect = true;
	else if (sysfs_streq(value, "ops") && ADMA_HAVE_DMA_OPS)
		always_redirect = false;
	else
		return -EINVAL;
	return 0;
}

static int backend_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", always_redirect ? "redirect" : "ops");
}

static const struct kernel_param_ops backend_ops = {
	.set = backend_set,
	.get = backend_get,
};
module_param_cb(backend, &backend_ops, NULL, 0644);
MODULE_PARM_DESC(backend,
		 "what memory is mapped by that is not mapped once: ops, redirect, or auto: ops where the kernel has them. Counts from a driver's next probe");

static enum adma_backend choose(struct adma_function *fn)
{
	if (adma_premap_start(fn))
		return ADMA_RANGE_MAP;
	if (!READ_ONCE(always_redirect))
		return ADMA_OPS;
	return adma_redirect_enable() ? ADMA_NO_BACKEND : ADMA_REDIRECT;
}

/*
 * An empty map of ranges: whoever asks the kernel, and not us, is told that no
 * address fits ("DMA addr ... overflow").  The core frees it when the driver is
 * gone, as it would have freed the firmware's.
 */
static void no_addresses(struct device *dev)
{
	struct bus_dma_region *none = kzalloc(sizeof(*none), GFP_KERNEL | __GFP_NOFAIL);

	kfree(dev->dma_range_map);
	dev->dma_range_map = none;
}

void adma_backend_install(struct adma_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	/* A failed probe has left the last one in place. */
	adma_redirect_remove(fn);
	adma_set_dma_ops(dev, NULL);
	fn->backend = choose(fn);
	switch (fn->backend) {
	case ADMA_OPS:
		adma_set_dma_ops(dev, &fn->ops);
		break;
	case ADMA_REDIRECT:
		no_addresses(dev);
		adma_redirect_add(fn);
		break;
	case ADMA_RANGE_MAP:
		break;
	case ADMA_NO_BACKEND:
		pci_err(fn->pdev, "this kernel has neither DMA operations nor calls that can be redirected: no DMA is possible\n");
		no_addresses(dev);
		return;
	}
	pci_info(fn->pdev, "DMA through %s %s\n", pci_name(fn->companion->pdev), descriptions[fn->backend]);
}

void adma_backend_remove(struct adma_function *fn)
{
	if (fn->backend == ADMA_OPS)
		adma_set_dma_ops(&fn->pdev->dev, NULL);
	adma_redirect_remove(fn);
	adma_premap_stop(fn);
	fn->backend = ADMA_NO_BACKEND;
}

const char *adma_backend_name(const struct adma_function *fn)
{
	return names[fn->backend];
}
