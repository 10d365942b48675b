/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_policy.h - which configuration-space bits a host process may change.
 *
 * Built once from the device's capability lists, then consulted on every
 * write.  docs/spec-dext.md, "Configuration space", is the table this
 * implements.
 */
#ifndef VFA_CONFIG_POLICY_H
#define VFA_CONFIG_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VFA_CONFIG_BYTES 4096

struct vfa_config_policy {
	uint8_t pass[VFA_CONFIG_BYTES];  /* bits that reach the device as written */
	uint8_t clear[VFA_CONFIG_BYTES]; /* bits that act when a 1 is written: 0 is written unless they pass */
	uint16_t msi, msix, pcie, pm;    /* capability offsets, 0 = absent */
	uint32_t msi_vectors;            /* the capability's, 0 = absent */
	uint32_t msix_vectors;
	bool flr;
};

typedef uint32_t (*vfa_config_read32)(void *context, unsigned offset);

/* Reads the header and both capability lists; survives any content, loops included. */
void vfa_config_policy_build(struct vfa_config_policy *policy, vfa_config_read32 read, void *context);

/* 1, 2 or 4 bytes, naturally aligned, inside configuration space. */
bool vfa_config_access_ok(uint64_t offset, uint64_t bytes);

/* What is left of a write: new = value | (current & keep). */
struct vfa_config_write {
	uint16_t offset;
	uint8_t bytes;
	uint32_t value;
	uint32_t keep; /* 0: no need to read the current value */
};

struct vfa_config_filtered {
	unsigned count; /* writes to perform, in order; 0 = all dropped */
	bool dropped;   /* a bit of the request did not pass */
	struct vfa_config_write write[4];
};

/* The access must be vfa_config_access_ok(). */
struct vfa_config_filtered vfa_config_filter(const struct vfa_config_policy *policy, unsigned offset, unsigned bytes,
					     uint32_t value);

/* Devices whose function-level reset is advertised and does not work. */
bool vfa_config_flr_is_broken(uint16_t vendor, uint16_t device);

#ifdef __cplusplus
}
#endif
#endif
