/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "config_policy.h"

/* Header, type 0 */
#define CFG_COMMAND       0x04
#define COMMAND_PASS      0x0050 /* memory-write-and-invalidate, parity error response */
#define CFG_STATUS        0x06
#define STATUS_CLEAR      0xf900
#define STATUS_HAS_LIST   0x0010
#define CFG_CACHE_LINE    0x0c
#define CFG_LATENCY_TIMER 0x0d
#define CFG_CAPABILITIES  0x34
#define CFG_HEADER_END    0x40
#define CFG_LEGACY_END    0x100

/* Capabilities and their registers, from the capability's start */
#define CAP_PM               0x01
#define PM_BYTES             8
#define CAP_VPD              0x03
#define VPD_BYTES            8
#define VPD_ADDRESS          2
#define VPD_ADDRESS_PASS     0x7fff
#define VPD_FLAG             0x8000 /* written as 1, stores the data register in the device's EEPROM */
#define CAP_MSI              0x05
#define MSI_CONTROL_MMC(c)   (((c) >> 1) & 0x7)
#define MSI_CONTROL_64       0x0080
#define MSI_CONTROL_MASK     0x0100
#define CAP_VENDOR           0x09
#define VENDOR_HEADER        3
#define CAP_PCIE             0x10
#define PCIE_BYTES           0x3c
#define PCIE_DEVCAP          0x04
#define DEVCAP_FLR           0x10000000u
#define PCIE_DEVCTL          0x08
#define DEVCTL_PASS          0x7010 /* maximum read request, relaxed ordering */
#define PCIE_DEVSTA          0x0a
#define DEVSTA_CLEAR         0x000f
#define CAP_MSIX             0x11
#define MSIX_BYTES           12
#define MSIX_CONTROL_SIZE(c) (((c)&0x7ff) + 1)

/* Extended capabilities */
#define EXT_VSEC    0x000b
#define EXT_DVSEC   0x0023
#define VSEC_LENGTH 0x04 /* of the whole structure, in the upper 12 bits */
#define VSEC_BODY   0x08
#define DVSEC_BODY  0x0c /* its second header ends at 0x0a */

struct capability {
	uint16_t offset;
	uint8_t id;
};

static uint32_t read_at(vfa_config_read32 read, void *context, unsigned offset, unsigned bytes)
{
	uint32_t value = read(context, offset & ~3u) >> (8 * (offset & 3));

	return bytes == 4 ? value : value & ((1u << (8 * bytes)) - 1);
}

static void set16(uint8_t *map, unsigned offset, uint16_t bits)
{
	map[offset] = (uint8_t)bits;
	map[offset + 1] = (uint8_t)(bits >> 8);
}

static void drop(struct vfa_config_policy *policy, unsigned offset, unsigned end)
{
	memset(policy->pass + offset, 0, end - offset);
}

/* Ascending by offset, so that a capability of unknown size ends where the next begins. */
static unsigned find_capabilities(struct capability *found, vfa_config_read32 read, void *context)
{
	uint8_t seen[CFG_LEGACY_END] = {0};
	unsigned count = 0;
	unsigned at;

	if (!(read_at(read, context, CFG_STATUS, 2) & STATUS_HAS_LIST))
		return 0;
	at = read_at(read, context, CFG_CAPABILITIES, 1) & 0xfc;
	while (at >= CFG_HEADER_END && !seen[at]) {
		uint32_t head = read_at(read, context, at, 2);
		unsigned i = count++;

		seen[at] = 1;
		for (; i > 0 && found[i - 1].offset > at; i--)
			found[i] = found[i - 1];
		found[i] = (struct capability){(uint16_t)at, (uint8_t)head};
		at = head >> 8 & 0xfc;
	}
	return count;
}

static unsigned known_bytes(uint8_t id, unsigned control)
{
	switch (id) {
	case CAP_PM:
		return PM_BYTES;
	case CAP_VPD:
		return VPD_BYTES;
	case CAP_MSI:
		return 10 + (control & MSI_CONTROL_64 ? 4 : 0) + (control & MSI_CONTROL_MASK ? 10 : 0);
	case CAP_VENDOR:
		return VENDOR_HEADER; /* the rest is the vendor's business */
	case CAP_PCIE:
		return PCIE_BYTES;
	case CAP_MSIX:
		return MSIX_BYTES;
	default:
		return CFG_LEGACY_END;
	}
}

/* A capability is dropped whole; what a guest driver needs from it is let through again. */
static void apply_capability(struct vfa_config_policy *policy, const struct capability *cap, unsigned limit,
			     vfa_config_read32 read, void *context)
{
	unsigned at = cap->offset;
	unsigned control = read_at(read, context, at, 4) >> 16;
	unsigned bytes = known_bytes(cap->id, control);
	unsigned end = at + bytes < limit ? at + bytes : limit;

	drop(policy, at, end);
	switch (cap->id) {
	case CAP_PM:
		policy->pm = cap->offset;
		break;
	case CAP_VPD:
		if (at + VPD_ADDRESS + 2 > end)
			break;
		set16(policy->pass, at + VPD_ADDRESS, VPD_ADDRESS_PASS);
		set16(policy->clear, at + VPD_ADDRESS, VPD_FLAG);
		break;
	case CAP_MSI:
		policy->msi = cap->offset;
		policy->msi_vectors = 1u << MSI_CONTROL_MMC(control);
		if (policy->msi_vectors > 32)
			policy->msi_vectors = 32;
		break;
	case CAP_PCIE:
		if (at + PCIE_DEVSTA + 2 > end)
			break;
		policy->pcie = cap->offset;
		policy->flr = read_at(read, context, at + PCIE_DEVCAP, 4) & DEVCAP_FLR;
		set16(policy->pass, at + PCIE_DEVCTL, DEVCTL_PASS);
		set16(policy->pass, at + PCIE_DEVSTA, DEVSTA_CLEAR);
		set16(policy->clear, at + PCIE_DEVSTA, DEVSTA_CLEAR);
		break;
	case CAP_MSIX:
		policy->msix = cap->offset;
		policy->msix_vectors = MSIX_CONTROL_SIZE(control);
		break;
	}
}

/* Beyond 0x100 the platform owns everything but the vendor's own structures. */
static void apply_extended(struct vfa_config_policy *policy, vfa_config_read32 read, void *context)
{
	uint8_t begins[VFA_CONFIG_BYTES / 4] = {0};
	unsigned at = CFG_LEGACY_END;

	while (at >= CFG_LEGACY_END && !begins[at / 4]) {
		uint32_t head = read(context, at);

		begins[at / 4] = 1;
		if (head == 0 || head == UINT32_MAX)
			break;
		at = head >> 20 & 0xffc;
	}

	/* A structure that claims to be longer than it can be does not reopen its neighbour. */
	for (at = CFG_LEGACY_END; at + VSEC_BODY < VFA_CONFIG_BYTES; at += 4) {
		unsigned id = begins[at / 4] ? read(context, at) & 0xffff : 0;
		unsigned claimed, end;

		if (id != EXT_VSEC && id != EXT_DVSEC)
			continue;
		claimed = at + (read(context, at + VSEC_LENGTH) >> 20);
		end = at + 4;
		while (end < VFA_CONFIG_BYTES && end < claimed && !begins[end / 4])
			end += 4;
		at += id == EXT_VSEC ? VSEC_BODY : DVSEC_BODY;
		if (end > at)
			memset(policy->pass + at, 0xff, end - at);
		at = end - 4;
	}
}

void vfa_config_policy_build(struct vfa_config_policy *policy, vfa_config_read32 read, void *context)
{
	struct capability found[CFG_LEGACY_END / 4];
	unsigned count;

	memset(policy, 0, sizeof(*policy));
	set16(policy->pass, CFG_COMMAND, COMMAND_PASS);
	set16(policy->pass, CFG_STATUS, STATUS_CLEAR);
	set16(policy->clear, CFG_STATUS, STATUS_CLEAR);
	policy->pass[CFG_CACHE_LINE] = 0xff;
	policy->pass[CFG_LATENCY_TIMER] = 0xff;
	memset(policy->pass + CFG_HEADER_END, 0xff, CFG_LEGACY_END - CFG_HEADER_END);

	count = find_capabilities(found, read, context);
	for (unsigned i = 0; i < count; i++)
		apply_capability(policy, &found[i], i + 1 < count ? found[i + 1].offset : CFG_LEGACY_END, read,
				 context);
	apply_extended(policy, read, context);
}

bool vfa_config_access_ok(uint64_t offset, uint64_t bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && offset < VFA_CONFIG_BYTES && offset % bytes == 0;
}

static uint32_t gather(const uint8_t *map, unsigned offset, unsigned bytes)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < bytes; i++)
		bits |= (uint32_t)map[offset + i] << (8 * i);
	return bits;
}

/* A register of which both bytes change is written as one; else the write narrows to the bytes that do. */
static bool must_split(const struct vfa_config_policy *policy, unsigned offset, unsigned bytes)
{
	return bytes == 4 || (bytes == 2 && (!policy->pass[offset] || !policy->pass[offset + 1]));
}

static void filter(const struct vfa_config_policy *policy, unsigned offset, unsigned bytes, uint32_t value,
		   struct vfa_config_filtered *out)
{
	uint32_t all = bytes == 4 ? UINT32_MAX : (1u << (8 * bytes)) - 1;
	uint32_t pass = gather(policy->pass, offset, bytes);

	if (pass != all && must_split(policy, offset, bytes)) {
		filter(policy, offset, bytes / 2, value, out);
		filter(policy, offset + bytes / 2, bytes / 2, value >> (8 * (bytes / 2)), out);
		return;
	}
	if (pass != all)
		out->dropped = true;
	if (pass == 0)
		return;
	out->write[out->count++] = (struct vfa_config_write){
		.offset = (uint16_t)offset,
		.bytes = (uint8_t)bytes,
		.value = value & pass,
		.keep = all & ~pass & ~gather(policy->clear, offset, bytes),
	};
}

struct vfa_config_filtered vfa_config_filter(const struct vfa_config_policy *policy, unsigned offset, unsigned bytes,
					     uint32_t value)
{
	struct vfa_config_filtered out = {0};

	filter(policy, offset, bytes, value, &out);
	return out;
}

/* NVIDIA GB202 board variants: the function does not come back (Linux lists the same as quirk_no_flr). */
bool vfa_config_flr_is_broken(uint16_t vendor, uint16_t device)
{
	return vendor == 0x10de && (device == 0x2b85 || device == 0x2b87 || device == 0x2b8c);
}
