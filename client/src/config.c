// SPDX-License-Identifier: GPL-2.0-or-later
/* config.c - configuration space and the bus master bit. */
#include <errno.h>

#include "internal.h"

static bool valid_access(unsigned offset, unsigned bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && offset < VFA_CONFIG_BYTES && offset % bytes == 0;
}

/* *value is all ones on failure, as on a bus without the device. */
int vfa_config_read(struct vfa_device *dev, unsigned offset, unsigned bytes, uint32_t *value)
{
	uint64_t in[] = {offset, bytes}, out = 0;
	struct vfa_call call = {.selector = VFA_CONFIG_READ, .in = in, .in_count = 2, .out = &out, .out_count = 1};
	int ret;

	*value = bytes < 4 ? (1u << 8 * bytes) - 1 : UINT32_MAX;
	if (!valid_access(offset, bytes))
		return -EINVAL;
	ret = vfa_device_call(dev, &call);
	if (!ret)
		*value &= (uint32_t)out;
	return ret;
}

int vfa_config_write(struct vfa_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	uint64_t in[] = {offset, bytes, value};
	struct vfa_call call = {.selector = VFA_CONFIG_WRITE, .in = in, .in_count = 3};

	return valid_access(offset, bytes) ? vfa_device_call(dev, &call) : -EINVAL;
}

int vfa_config_read_block(struct vfa_device *dev, unsigned offset, void *buf, size_t bytes)
{
	uint64_t in[] = {offset, bytes};
	struct vfa_call call = {
		.selector = VFA_CONFIG_READ_BLOCK, .in = in, .in_count = 2, .out_data = buf, .out_bytes = bytes};
	int ret;

	if (!bytes || offset % 4 || bytes % 4 || offset > VFA_CONFIG_BYTES || bytes > VFA_CONFIG_BYTES - offset)
		return -EINVAL;
	ret = vfa_device_call(dev, &call);
	return !ret && call.out_bytes != bytes ? -EIO : ret;
}

int vfa_set_bus_master(struct vfa_device *dev, bool on)
{
	uint64_t in = on;
	struct vfa_call call = {.selector = VFA_SET_BUS_MASTER, .in = &in, .in_count = 1};

	return vfa_device_call(dev, &call);
}
