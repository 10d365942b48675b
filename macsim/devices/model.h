/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what a simulated PCI function is written against.
 *
 * A model is one file in macsim/devices/ that ends in SIM_MODEL(name, ...).
 * It declares its configuration space in init(), keeps its registers in BAR
 * memory, and does its work in poll(), which looks at those registers for
 * what the driver changed.  It never learns whether a BAR is mapped (guest
 * stores land in the shared memory directly, and the core polls, often while
 * the device is busy, rarely when it idles) or trapped (the core performs the
 * access on the same memory and polls once before it answers).  So a register
 * must be readable without side effect, and a write must be recognisable by
 * the value it leaves: a sequence number, a doorbell, a level.
 *
 * Devices whose registers are not like that (cleared by a load, bits set or
 * cleared by a store of ones) declare the BAR with sim_trap_bar(): it is never
 * mapped, whatever the machine file says, and load() and store() see every
 * access as it happens.
 *
 * Every callback runs with the function's lock held, on a core thread; the
 * sim_* calls below may be made from callbacks only.
 */
#ifndef MACSIM_MODEL_H
#define MACSIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_function;

enum sim_reset { SIM_RESET_POWER, SIM_RESET_FLR, SIM_RESET_HOT };

struct sim_model {
	const char *name;
	size_t state_bytes;	/* zeroed private state, sim_state() */
	/* Declare identity, BARs and capabilities; open backing files. false + sim_fail() = the machine does not start. */
	bool (*init)(struct sim_function *f);
	/* Back to power-on register values in BAR memory (the core has zeroed it) and in the state; in-flight work is dropped. */
	void (*reset)(struct sim_function *f, enum sim_reset kind);
	/* Do what the registers ask; true if there was anything to do. Bounded work per call (a few ms). */
	bool (*poll)(struct sim_function *f);
	/*
	 * One access of 1, 2, 4 or 8 bytes, naturally aligned and inside of the BAR, to a BAR of sim_trap_bar(). NULL: BAR
	 * memory is accessed. They are short: what a store asks for is done by poll(), which follows on the core's thread.
	 */
	uint64_t (*load)(struct sim_function *f, unsigned bar, uint64_t offset, unsigned bytes);
	void (*store)(struct sim_function *f, unsigned bar, uint64_t offset, unsigned bytes, uint64_t value);
	void (*exit)(struct sim_function *f);	/* may be NULL */
};

#define SIM_MODEL(ident, ...)									\
	static const struct sim_model ident##_model = { .name = #ident, __VA_ARGS__ };		\
	__attribute__((constructor)) static void ident##_register(void) { sim_register_model(&ident##_model); }
void sim_register_model(const struct sim_model *m);

/* Options of the function's section in the machine file; NULL or def when absent. A size takes K, M, G. */
const char *sim_option(struct sim_function *f, const char *key);
uint64_t sim_option_size(struct sim_function *f, const char *key, uint64_t def);
bool sim_option_bool(struct sim_function *f, const char *key, bool def);
/* One sentence for the user; the core puts the function's name before it. */
void sim_fail(struct sim_function *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line in the run's log. */
void sim_log(struct sim_function *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *sim_state(struct sim_function *f);

/* init() only. */
struct sim_ids {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code;
	uint8_t revision;
};
void sim_set_ids(struct sim_function *f, const struct sim_ids *ids);
enum sim_bar_kind { SIM_BAR_M32, SIM_BAR_M32PF, SIM_BAR_M64, SIM_BAR_M64PF };
/* size: power of two, >= 4096. A 64-bit BAR takes index and index + 1. Trapped or mapped is the machine file's choice. */
void sim_add_bar(struct sim_function *f, unsigned index, enum sim_bar_kind kind, uint64_t size);
/* This BAR, added before, is only accessed through load() and store(). */
void sim_trap_bar(struct sim_function *f, unsigned index);
/* Vectors may be lowered by the machine file (`vectors=`). The core keeps table and PBA; drivers only see them through QEMU. */
void sim_add_msix(struct sim_function *f, unsigned vectors, unsigned bar, uint32_t table_offset, uint32_t pba_offset);
void sim_add_msi(struct sim_function *f, unsigned vectors);	/* power of two, <= 32 */
void sim_add_intx(struct sim_function *f);			/* INTA */
void sim_add_pcie(struct sim_function *f, bool flr);		/* the machine file's `flr=no` wins */
/* Vendor-specific capability of n bytes (n >= 3; byte 2 is n); returns its offset. */
unsigned sim_add_vendor_cap(struct sim_function *f, const uint8_t *bytes, unsigned n);

/* BAR memory. Other processes write it at any time: read with sim_load32/64, once, and validate. */
void *sim_bar(struct sim_function *f, unsigned index);
static inline uint32_t sim_load32(const volatile void *p) { return __atomic_load_n((const volatile uint32_t *)p, __ATOMIC_ACQUIRE); }
static inline uint64_t sim_load64(const volatile void *p) { return __atomic_load_n((const volatile uint64_t *)p, __ATOMIC_ACQUIRE); }
static inline void sim_store32(volatile void *p, uint32_t v) { __atomic_store_n((volatile uint32_t *)p, v, __ATOMIC_RELEASE); }
static inline void sim_store64(volatile void *p, uint64_t v) { __atomic_store_n((volatile uint64_t *)p, v, __ATOMIC_RELEASE); }

/*
 * DMA through the DART. false: nothing was transferred beyond what had already
 * been, the access was refused (bus master off: silently dropped, as hardware
 * does) or stray (recorded; the run fails). The model treats false as a bus error.
 */
bool sim_dma_read(struct sim_function *f, uint64_t iova, void *buf, size_t bytes);
bool sim_dma_write(struct sim_function *f, uint64_t iova, const void *buf, size_t bytes);

void sim_msi(struct sim_function *f, unsigned vector);	/* MSI or MSI-X message, whichever is configured; dropped without bus master */
void sim_intx(struct sim_function *f, bool level);
uint64_t sim_now_ns(void);
/* Have f's poll() called soon. The one call that may be made for another function, whose lock is not held. */
void sim_wake(struct sim_function *f);

#endif
