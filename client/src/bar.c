// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bar.c - BAR memory, mapped or through the dext.
 *
 * A load from a BAR whose device has been pulled can take the machine down,
 * so once the device is known to be gone its mappings are not touched.
 */
#include <errno.h>

#include "internal.h"

static uint64_t all_ones(unsigned bytes)
{
	return bytes < 8 ? (UINT64_C(1) << 8 * bytes) - 1 : UINT64_MAX;
}

/* One access of that size, never split or merged. */
static uint64_t load(const volatile uint8_t *p, unsigned bytes)
{
	switch (bytes) {
	case 1:
		return *p;
	case 2:
		return *(const volatile uint16_t *)p;
	case 4:
		return *(const volatile uint32_t *)p;
	default:
		return *(const volatile uint64_t *)p;
	}
}

static void store(volatile uint8_t *p, unsigned bytes, uint64_t value)
{
	switch (bytes) {
	case 1:
		*p = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)p = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)p = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)p = value;
	}
}

static bool valid_access(const struct vfa_device *dev, unsigned bar, uint64_t offset, unsigned bytes)
{
	uint64_t size = bar < VFA_NUM_BARS ? dev->info.bars[bar].size : 0;

	return (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && offset % bytes == 0 && size >= bytes &&
	       offset <= size - bytes;
}

/* With bar_lock held; NULL when this access has to go through the dext. */
static uint8_t *mapped(const struct vfa_device *dev, unsigned bar, uint64_t offset, unsigned bytes)
{
	const struct vfa_bar *b = &dev->bars[bar];

	return b->users && b->bytes >= bytes && offset <= b->bytes - bytes ? b->base + offset : NULL;
}

/* ---- mapping ---- */

static int map(struct vfa_device *dev, unsigned bar)
{
	uint64_t size = dev->info.bars[bar].size;
	mach_vm_address_t at = 0;
	mach_vm_size_t bytes = 0;
	IOReturn ret;

	atomic_fetch_add_explicit(&dev->connection.calls, 1, memory_order_relaxed);
	ret = IOConnectMapMemory64(dev->connection.port, bar, mach_task_self(), &at, &bytes, kIOMapAnywhere);
	/* Every refusal is BadArgument, the dext's wish included. */
	if (ret)
		return vfa_outcome(dev, ret) == -ENODEV ? -ENODEV : -ENOTSUP;
	dev->bars[bar].base = (uint8_t *)(uintptr_t)at;
	dev->bars[bar].bytes = bytes < size ? bytes : size;
	return 0;
}

int vfa_bar_map(struct vfa_device *dev, unsigned bar, void **address, uint64_t *size)
{
	int ret = 0;

	if (bar >= VFA_NUM_BARS || !dev->info.bars[bar].size)
		return -EINVAL;
	if (vfa_is_gone(dev))
		return -ENODEV;
	pthread_rwlock_wrlock(&dev->bar_lock);
	if (!dev->bars[bar].users)
		ret = map(dev, bar);
	if (!ret) {
		dev->bars[bar].users++;
		*address = dev->bars[bar].base;
		*size = dev->bars[bar].bytes;
	}
	pthread_rwlock_unlock(&dev->bar_lock);
	return ret;
}

void vfa_bar_unmap(struct vfa_device *dev, unsigned bar)
{
	pthread_rwlock_wrlock(&dev->bar_lock);
	if (bar < VFA_NUM_BARS && dev->bars[bar].users && !--dev->bars[bar].users) {
		atomic_fetch_add_explicit(&dev->connection.calls, 1, memory_order_relaxed);
		/* Fails when the dext is gone; the memory then goes with the connection. */
		IOConnectUnmapMemory64(dev->connection.port, bar, mach_task_self(),
				       (mach_vm_address_t)(uintptr_t)dev->bars[bar].base);
	}
	pthread_rwlock_unlock(&dev->bar_lock);
}

/* ---- access ---- */

int vfa_bar_read(struct vfa_device *dev, unsigned bar, uint64_t offset, unsigned bytes, uint64_t *value)
{
	uint64_t in[] = {bar, offset, bytes}, out = 0;
	struct vfa_call call = {.selector = VFA_BAR_READ, .in = in, .in_count = 3, .out = &out, .out_count = 1};
	uint8_t *p;
	int ret;

	*value = all_ones(bytes);
	if (!valid_access(dev, bar, offset, bytes))
		return -EINVAL;
	pthread_rwlock_rdlock(&dev->bar_lock);
	p = mapped(dev, bar, offset, bytes);
	if (p && !vfa_is_gone(dev))
		out = load(p, bytes);
	pthread_rwlock_unlock(&dev->bar_lock);
	if (p)
		ret = vfa_is_gone(dev) ? -ENODEV : 0;
	else
		ret = vfa_device_call(dev, &call);
	if (!ret)
		*value &= out;
	return ret;
}

int vfa_bar_write(struct vfa_device *dev, unsigned bar, uint64_t offset, unsigned bytes, uint64_t value)
{
	uint64_t in[] = {bar, offset, bytes, value};
	struct vfa_call call = {.selector = VFA_BAR_WRITE, .in = in, .in_count = 4};
	uint8_t *p;

	if (!valid_access(dev, bar, offset, bytes))
		return -EINVAL;
	pthread_rwlock_rdlock(&dev->bar_lock);
	p = mapped(dev, bar, offset, bytes);
	if (p && !vfa_is_gone(dev))
		store(p, bytes, value);
	pthread_rwlock_unlock(&dev->bar_lock);
	if (p)
		return vfa_is_gone(dev) ? -ENODEV : 0;
	return vfa_device_call(dev, &call);
}
