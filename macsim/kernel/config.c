// SPDX-License-Identifier: GPL-2.0-or-later
/* config.c - the configuration space a model declares: identity, BARs, capabilities and which bits can be written. */
#include "kernel.h"

#include <string.h>
#include <sys/mman.h>

#define COMMAND_WRITABLE 0x0547 /* IO, memory, bus master, parity, SERR, INTx disable */
#define FIRST_CAPABILITY 0x40
#define M64_HOST_BASE    0x600000000ull /* where an Apple host bridge might put BARs */
#define M32_HOST_BASE    0xc0000000ull

static void put16(struct function *f, unsigned at, uint16_t v)
{
	memcpy(f->space + at, &v, 2);
}

static void put32(struct function *f, unsigned at, uint32_t v)
{
	memcpy(f->space + at, &v, 4);
}

static void writable16(struct function *f, unsigned at, uint16_t mask)
{
	memcpy(f->writable + at, &mask, 2);
}

static bool declaring(struct function *f)
{
	if (!f->initialising)
		klog(f->config.bdf, "%s declares configuration space outside init()", f->model->name);
	return f->initialising;
}

void sim_set_ids(struct sim_function *sf, const struct sim_ids *ids)
{
	struct function *f = (struct function *)sf;

	if (!declaring(f))
		return;
	put16(f, 0x00, f->config.vendor_id < 0 ? ids->vendor : f->config.vendor_id);
	put16(f, 0x02, f->config.device_id < 0 ? ids->device : f->config.device_id);
	put32(f, 0x08, (f->config.class_code < 0 ? ids->class_code : f->config.class_code) << 8 | ids->revision);
	put16(f, 0x2c, ids->subsystem_vendor);
	put16(f, 0x2e, ids->subsystem);
	writable16(f, 0x04, COMMAND_WRITABLE);
	writable16(f, 0x0c, 0xffff); /* cache line size, latency timer */
	f->writable[0x3c] = 0xff;    /* interrupt line */
}

static uint64_t host_address(bool wide, uint64_t size)
{
	static uint64_t next[2] = {M32_HOST_BASE, M64_HOST_BASE};
	uint64_t at = (next[wide] + size - 1) & ~(size - 1);

	next[wide] = at + size;
	return at;
}

void sim_add_bar(struct sim_function *sf, unsigned index, enum sim_bar_kind kind, uint64_t size)
{
	static const uint8_t types[] = {
		[SIM_BAR_M32] = 0x0, [SIM_BAR_M32PF] = 0x8, [SIM_BAR_M64] = 0x4, [SIM_BAR_M64PF] = 0xc};
	struct function *f = (struct function *)sf;
	bool wide = kind == SIM_BAR_M64 || kind == SIM_BAR_M64PF;
	struct bar *b;
	void *memory;

	if (!declaring(f))
		return;
	if (index + wide > 5 || size < 4096 || (size & (size - 1)) || (!wide && size > 1u << 30) || size > 1ull << 36 ||
	    f->bars[index].size || (wide && f->bars[index + 1].size) ||
	    (index && f->bars[index - 1].size && (f->bars[index - 1].type & 4))) {
		sim_fail(sf, "BAR %u of %llu bytes cannot be declared", index, (unsigned long long)size);
		return;
	}
	b = &f->bars[index];
	/* Reserves the place; memory comes with power. */
	memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		sim_fail(sf, "no memory for BAR %u of %llu bytes", index, (unsigned long long)size);
		return;
	}
	b->size = size;
	b->type = types[kind];
	b->memory = memory;
	b->mode = f->config.bars[index];
	b->address = b->mode == BAR_UNASSIGNED ? 0 : host_address(wide, size);
	put32(f, 0x10 + 4 * index, (uint32_t)b->address | b->type);
	if (wide)
		put32(f, 0x14 + 4 * index, b->address >> 32);
	/* Memory indices count the BARs that have an address, in order, whatever their numbers. */
	f->nr_memory = 0;
	for (unsigned i = 0; i < MACHINE_BARS; i++)
		if (bar_assigned(&f->bars[i]))
			f->bars[i].memory_index = f->nr_memory++;
}

void sim_trap_bar(struct sim_function *sf, unsigned index)
{
	struct function *f = (struct function *)sf;

	if (!declaring(f) || index >= MACHINE_BARS)
		return;
	f->bars[index].registers = true;
	if (f->bars[index].mode == BAR_MAPPED)
		f->bars[index].mode = BAR_TRAPPED;
}

/* Room for n bytes, linked behind the last capability. */
static unsigned add_capability(struct function *f, uint8_t id, unsigned n)
{
	unsigned at = f->next_capability ? f->next_capability : FIRST_CAPABILITY;

	if (!declaring(f))
		return 0;
	if (at + n > 0x100) {
		sim_fail((struct sim_function *)f, "no room for capability 0x%02x", id);
		return 0;
	}
	f->space[at] = id;
	f->space[f->last_capability ? f->last_capability + 1 : 0x34] = at;
	f->space[0x06] |= 0x10;
	f->last_capability = at;
	f->next_capability = (at + n + 3) & ~3u;
	return at;
}

static unsigned limit(const struct function *f, unsigned vectors)
{
	return f->config.vectors && f->config.vectors < vectors ? f->config.vectors : vectors;
}

void sim_add_msix(struct sim_function *sf, unsigned vectors, unsigned bar, uint32_t table, uint32_t pba)
{
	struct function *f = (struct function *)sf;
	unsigned at;

	vectors = limit(f, vectors);
	if (!f->config.msi)
		return;
	if (!vectors || vectors > FUNCTION_VECTORS || bar > 5 || !f->bars[bar].size || table % 8 || pba % 8 ||
	    table + vectors * 16ull > f->bars[bar].size || pba + (vectors + 63) / 64 * 8ull > f->bars[bar].size) {
		sim_fail(sf, "MSI-X table of %u vectors does not fit BAR %u", vectors, bar);
		return;
	}
	at = add_capability(f, 0x11, 12);
	if (!at)
		return;
	put16(f, at + 2, vectors - 1);
	put32(f, at + 4, table | bar);
	put32(f, at + 8, pba | bar);
	f->msix = at;
	f->msix_vectors = vectors;
	f->msix_bar = bar;
	f->msix_table = table;
}

void sim_add_msi(struct sim_function *sf, unsigned vectors)
{
	struct function *f = (struct function *)sf;
	unsigned at, log = 0;

	if (!f->config.msi)
		return;
	while (2u << log <= limit(f, vectors) && log < 5)
		log++;
	at = add_capability(f, 0x05, 24);
	if (!at)
		return;
	put16(f, at + 2, 0x0180 | log << 1); /* 64-bit, per-vector masking */
	f->msi = at;
	f->msi_vectors = 1u << log;
}

void sim_add_intx(struct sim_function *sf)
{
	struct function *f = (struct function *)sf;

	if (!declaring(f))
		return;
	f->intx = true;
	f->space[0x3d] = 1;
}

void sim_add_pcie(struct sim_function *sf, bool flr)
{
	struct function *f = (struct function *)sf;
	unsigned at = add_capability(f, 0x10, 0x3c);

	if (!at)
		return;
	flr = flr && f->config.flr;
	put16(f, at + 0x02, 0x0002);                           /* version 2, endpoint */
	put32(f, at + 0x04, 0x00008001 | (uint32_t)flr << 28); /* 256-byte payload, role-based errors */
	put16(f, at + 0x08, 0x2810);
	writable16(f, at + 0x08, 0x7fff);
	put32(f, at + 0x0c, f->config.link.width_max << 4 | f->config.link.speed_max);
	writable16(f, at + 0x10, 0x01fb);
	put16(f, at + 0x12, f->config.link.width << 4 | f->config.link.speed);
	put32(f, at + 0x24, 0x0000001f);
	writable16(f, at + 0x28, 0x041f);
	put32(f, at + 0x2c, 0x0000000e);
	put16(f, at + 0x30, 0x0003);
	f->pcie = at;
}

unsigned sim_add_vendor_cap(struct sim_function *sf, const uint8_t *bytes, unsigned n)
{
	struct function *f = (struct function *)sf;
	unsigned at = n >= 3 ? add_capability(f, 0x09, n) : 0;

	if (at)
		memcpy(f->space + at + 2, bytes + 2, n - 2);
	return at;
}
