// SPDX-License-Identifier: GPL-2.0-or-later
/* ixgbevf_checksum.c - the Internet checksum (RFC 1071). */
#include "ixgbevf.h"

/* Adds bytes in network order, an odd last byte as if zero followed; for one frame at most, or the sum overflows. */
uint32_t vf_sum(uint32_t sum, const uint8_t *data, size_t bytes)
{
	size_t i;

	for (i = 0; i + 1 < bytes; i += 2)
		sum += be16(data + i);
	if (i < bytes)
		sum += (uint32_t)data[i] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

uint16_t vf_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
