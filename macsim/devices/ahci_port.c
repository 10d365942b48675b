// SPDX-License-Identifier: GPL-2.0-or-later
/* ahci_port.c - command lists, FISes and interrupts of the port. */
#include "ahci.h"

#include <string.h>

#define POLL_COMMANDS 16
#define POLL_BYTES    (4u * 1024 * 1024)

#define HEADER_BYTES    32
#define HEADER_CFL(h)   ((h)&0x1f)
#define HEADER_ATAPI    (1u << 5)
#define HEADER_PRDTL(h) ((h) >> 16)
#define TABLE_REGIONS   0x80

#define FIS_FROM_HOST   0x27
#define FIS_FROM_DEVICE 0x34
#define FIS_SET_BITS    0xa1
#define FIS_PIO_SETUP   0x5f
#define FIS_I           0x40 /* raises an interrupt */
#define RECEIVED_PIO    0x20 /* places in the received FIS structure */
#define RECEIVED_D2H    0x40
#define RECEIVED_SDB    0x58

#define SIGNATURE_ATA 0x00000101

struct header {
	uint32_t flags, moved;
	uint64_t table;
};

struct region {
	uint64_t address;
	uint32_t reserved, count;
};

/* Interrupts */

/* PxIS that is enabled makes IS, IS makes the interrupt; one message each time IS rises (AHCI, "Message Signaled"). */
void ahci_interrupt(struct sim_function *f)
{
	struct ahci *a = sim_state(f);

	if (!a->is && a->pis & sim_load32(ahci_reg(f, PORT_IE))) {
		a->is = 1;
		if (a->ghc & GHC_IE)
			sim_msi(f, 0);
	}
	sim_intx(f, a->is && a->ghc & GHC_IE);
}

void ahci_event(struct sim_function *f, uint32_t bits)
{
	struct ahci *a = sim_state(f);

	a->pis |= bits;
	ahci_interrupt(f);
}

/* The port goes no further until the driver has stopped and started it. */
static void halt(struct sim_function *f, uint32_t bits)
{
	struct ahci *a = sim_state(f);

	a->halted = true;
	ahci_event(f, bits);
}

/* FISes from the device */

/* false: the bus failed, and the port has halted. */
static bool post(struct sim_function *f, uint32_t where, const uint8_t *fis, size_t bytes)
{
	const struct ahci *a = sim_state(f);
	uint64_t base = sim_load32(ahci_reg(f, PORT_FB)) | (uint64_t)sim_load32(ahci_reg(f, PORT_FBU)) << 32;

	if (!(a->cmd & CMD_FRE) || sim_dma_write(f, base + where, fis, bytes))
		return true;
	halt(f, IS_HBF);
	return false;
}

static bool post_register(struct sim_function *f, struct ata_result r, const struct ata_command *c, bool interrupt)
{
	struct ahci *a = sim_state(f);
	uint8_t fis[20] = {FIS_FROM_DEVICE, interrupt ? FIS_I : 0, r.status, r.error};

	for (unsigned i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(c->lba >> (8 * i));
		fis[8 + i] = (uint8_t)(c->lba >> (8 * i + 24));
	}
	fis[7] = c->device;
	fis[12] = (uint8_t)c->count;
	fis[13] = c->count >> 8;
	a->tfd = r.status | r.error << 8;
	return post(f, RECEIVED_D2H, fis, sizeof(fis));
}

/* The disk introduces itself. */
static void sign_on(struct sim_function *f)
{
	static const struct ata_command signature = {.lba = 1, .count = 1};
	struct ahci *a = sim_state(f);

	a->sig = SIGNATURE_ATA;
	post_register(f, (struct ata_result){ATA_GOOD, 1}, &signature, false);
}

void ahci_port_reset(struct sim_function *f)
{
	struct ahci *a = sim_state(f);

	a->ssts = 0x133; /* present, 6 Gbit/s, active */
	a->srst = a->ncq_failed = false;
	a->serr |= SERR_X;
	sign_on(f);
	ahci_event(f, IS_PC);
}

/* Data */

static bool next_region(struct sim_function *f, struct ahci_data *d)
{
	struct region region;

	while (!d->left) {
		if (d->next == d->regions) {
			d->overflow = true;
			return false;
		}
		if (!sim_dma_read(f, d->table + d->next++ * sizeof(region), &region, sizeof(region))) {
			d->bus_error = true;
			return false;
		}
		d->address = region.address & ~1ull;
		d->left = ((region.count & 0x3fffff) | 1) + 1;
	}
	return true;
}

static bool move(struct sim_function *f, struct ahci_data *d, uint8_t *to, const uint8_t *from, uint32_t bytes)
{
	while (bytes) {
		uint32_t n;
		bool moved;

		if (!next_region(f, d))
			return false;
		n = bytes < d->left ? bytes : d->left;
		moved = to ? sim_dma_read(f, d->address, to, n) : sim_dma_write(f, d->address, from, n);
		if (!moved) {
			d->bus_error = true;
			return false;
		}
		if (to)
			to += n;
		else
			from += n;
		d->address += n;
		d->left -= n;
		d->moved += n;
		bytes -= n;
	}
	return true;
}

bool ahci_data_out(struct sim_function *f, struct ahci_data *d, uint8_t *to, uint32_t bytes)
{
	return move(f, d, to, NULL, bytes);
}

bool ahci_data_in(struct sim_function *f, struct ahci_data *d, const uint8_t *from, uint32_t bytes)
{
	return move(f, d, NULL, from, bytes);
}

/* Commands */

static struct ata_command parse(const uint8_t *fis)
{
	struct ata_command c = {
		.command = fis[2],
		.device = fis[7],
		.features = (uint16_t)(fis[3] | fis[11] << 8),
		.count = (uint16_t)(fis[12] | fis[13] << 8),
	};

	for (unsigned i = 0; i < 3; i++)
		c.lba |= (uint64_t)fis[4 + i] << (8 * i) | (uint64_t)fis[8 + i] << (8 * i + 24);
	return c;
}

static void soft_reset(struct sim_function *f, unsigned slot, const uint8_t *fis)
{
	struct ahci *a = sim_state(f);

	a->ci &= ~(1u << slot);
	if (fis[15] & 4) {
		a->srst = true;
		a->tfd = ATA_BSY;
	} else if (a->srst) {
		a->srst = a->ncq_failed = false;
		sign_on(f);
	}
}

static void finish_queued(struct sim_function *f, unsigned slot, const struct ata_command *c, struct ata_result r)
{
	struct ahci *a = sim_state(f);
	uint32_t done = 1u << slot;
	uint8_t fis[8] = {FIS_SET_BITS, FIS_I, r.status & 0x77, r.error};

	if (r.status & ATA_ERR) {
		a->ncq_failed = true;
		a->ncq_tag = (uint8_t)slot;
		a->ncq_command = *c;
		a->ncq_result = r;
		done = 0;
	}
	if (!post_register(f, (struct ata_result){ATA_GOOD, 0}, c, false))
		return;
	memcpy(fis + 4, &done, 4);
	if (!post(f, RECEIVED_SDB, fis, sizeof(fis)))
		return;
	a->ci &= ~(1u << slot);
	a->sact &= ~done;
	a->tfd = r.status | r.error << 8;
	if (r.status & ATA_ERR)
		halt(f, IS_SDB | IS_TFE);
	else
		ahci_event(f, IS_SDB);
}

static void finish(struct sim_function *f, unsigned slot, const struct ata_command *c, enum ata_protocol protocol,
		   struct ata_result r, uint64_t header, const struct ahci_data *d)
{
	struct ahci *a = sim_state(f);

	if (!sim_dma_write(f, header + offsetof(struct header, moved), &d->moved, 4)) {
		halt(f, IS_HBF);
		return;
	}
	if (r.status & ATA_ERR) {
		if (post_register(f, r, c, true))
			halt(f, IS_DHR | IS_TFE);
		return;
	}
	if (protocol == ATA_PIO_IN) {
		uint8_t fis[20] = {FIS_PIO_SETUP, 0x20 | FIS_I, r.status | ATA_DRQ, 0};

		fis[7] = c->device;
		fis[15] = r.status;
		fis[16] = (uint8_t)d->moved;
		fis[17] = (uint8_t)(d->moved >> 8);
		if (!post(f, RECEIVED_PIO, fis, sizeof(fis)))
			return;
		a->tfd = r.status;
	} else if (!post_register(f, r, c, true)) {
		return;
	}
	a->ci &= ~(1u << slot);
	ahci_event(f, (protocol == ATA_PIO_IN ? IS_PS : IS_DHR) | (d->overflow ? IS_OF : 0));
}

static uint32_t run_slot(struct sim_function *f, unsigned slot)
{
	uint64_t list = sim_load32(ahci_reg(f, PORT_CLB)) | (uint64_t)sim_load32(ahci_reg(f, PORT_CLBU)) << 32;
	uint64_t at = list + slot * HEADER_BYTES;
	struct ahci_data data = {0};
	enum ata_protocol protocol;
	struct ata_command c;
	struct ata_result r;
	struct header header;
	uint8_t fis[20];

	if (!sim_dma_read(f, at, &header, sizeof(header)) ||
	    !sim_dma_read(f, header.table & ~0x7full, fis, sizeof(fis))) {
		halt(f, IS_HBF);
		return 0;
	}
	if (HEADER_CFL(header.flags) < 5 || header.flags & HEADER_ATAPI || fis[0] != FIS_FROM_HOST) {
		halt(f, IS_IF);
		return 0;
	}
	if (!(fis[1] & 0x80)) {
		soft_reset(f, slot, fis);
		return 0;
	}
	c = parse(fis);
	data.table = (header.table & ~0x7full) + TABLE_REGIONS;
	data.regions = HEADER_PRDTL(header.flags);
	protocol = ata_protocol(&c);
	r = ata_execute(f, &c, &data);
	if (data.bus_error)
		halt(f, IS_HBD);
	else if (protocol == ATA_QUEUED)
		finish_queued(f, slot, &c, r);
	else
		finish(f, slot, &c, protocol, r, at, &data);
	return data.moved;
}

bool ahci_run(struct sim_function *f)
{
	struct ahci *a = sim_state(f);
	uint32_t bytes = 0;
	bool busy = false;

	for (unsigned i = 0; i < POLL_COMMANDS && bytes < POLL_BYTES; i++) {
		if (!(a->cmd & CMD_ST) || a->halted || !a->ci)
			return busy;
		/* In turn, so that no command waits for ever. */
		while (!(a->ci & 1u << a->next_slot))
			a->next_slot = (a->next_slot + 1) % AHCI_SLOTS;
		bytes += run_slot(f, a->next_slot);
		a->next_slot = (a->next_slot + 1) % AHCI_SLOTS;
		busy = true;
	}
	return busy;
}
