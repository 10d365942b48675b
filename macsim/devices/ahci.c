// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ahci.c - a SATA controller with one disk. Linux calls its driver ahci; the disk is sda.
 *
 * Options of the machine file:
 *
 *	file=PATH	the disk; a multiple of 512 bytes, for one drive at a time
 *	serial=TEXT, model_name=TEXT
 *
 * Bits are set and cleared by storing ones, so every access is trapped. There is no function-level reset: AHCI
 * controllers rarely have one. This file has registers; ahci_port.c command lists and FISes, ahci_disk.c the disk.
 */
#define _GNU_SOURCE
#include "ahci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* 64-bit addresses, NCQ, 6 Gbit/s, AHCI only, 32 slots, one port */
#define CAP_VALUE (1u << 31 | 1u << 30 | 3u << 20 | 1u << 24 | 1u << 18 | (AHCI_SLOTS - 1) << 8)
#define VERSION   0x00010301

volatile uint8_t *ahci_reg(struct sim_function *f, uint32_t offset)
{
	return (volatile uint8_t *)sim_bar(f, AHCI_BAR) + offset;
}

static void restart(struct sim_function *f)
{
	struct ahci *a = sim_state(f);

	memset((void *)ahci_reg(f, 0), 0, AHCI_BAR_BYTES);
	a->ghc = GHC_AE;
	a->is = a->pis = a->serr = a->sact = a->ci = 0;
	a->cmd = CMD_SUD | CMD_POD;
	a->halted = a->srst = a->ncq_failed = false;
	ahci_port_reset(f);
	a->serr = a->pis = 0;
	sim_intx(f, false);
}

static uint64_t ahci_load(struct sim_function *f, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct ahci *a = sim_state(f);

	if (bar != AHCI_BAR || bytes != 4)
		return 0;
	switch (offset) {
	case HBA_CAP:
		return CAP_VALUE;
	case HBA_GHC:
		return a->ghc;
	case HBA_IS:
		return a->is;
	case HBA_PI:
		return 1;
	case HBA_VS:
		return VERSION;
	case PORT_IS:
		return a->pis;
	case PORT_CMD:
		return a->cmd;
	case PORT_TFD:
		return a->tfd;
	case PORT_SIG:
		return a->sig;
	case PORT_SSTS:
		return a->ssts;
	case PORT_SERR:
		return a->serr;
	case PORT_SACT:
		return a->sact;
	case PORT_CI:
		return a->ci;
	}
	return sim_load32(ahci_reg(f, (uint32_t)offset));
}

/* ST and FRE are followed at once: nothing is ever in the middle of something between two polls. */
static void store_cmd(struct sim_function *f, uint32_t value)
{
	struct ahci *a = sim_state(f);

	a->cmd = value & (CMD_ST | CMD_SUD | CMD_POD | CMD_FRE);
	if (a->cmd & CMD_FRE)
		a->cmd |= CMD_FR;
	if (a->cmd & CMD_ST) {
		a->cmd |= CMD_CR;
	} else {
		a->ci = a->sact = 0;
		a->halted = false;
	}
	if (value & CMD_CLO)
		a->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
}

static void store_sctl(struct sim_function *f, uint32_t value)
{
	struct ahci *a = sim_state(f);
	uint32_t before = sim_load32(ahci_reg(f, PORT_SCTL)) & 0xf;

	sim_store32(ahci_reg(f, PORT_SCTL), value & 0xfff);
	switch (value & 0xf) {
	case 0:
		if (before == 1 || before == 4)
			ahci_port_reset(f);
		return;
	case 1:
	case 4:
		a->ssts = (value & 0xf) == 4 ? 4 : 0;
		a->tfd = 0x7f;
		a->srst = false;
	}
}

static void ahci_store(struct sim_function *f, unsigned bar, uint64_t offset, unsigned bytes, uint64_t wide)
{
	struct ahci *a = sim_state(f);
	uint32_t value = (uint32_t)wide;

	if (bar != AHCI_BAR || bytes != 4)
		return;
	switch (offset) {
	case HBA_GHC:
		if (value & GHC_HR) {
			restart(f);
			return;
		}
		if (value & ~a->ghc & GHC_IE && a->is)
			sim_msi(f, 0);
		a->ghc = GHC_AE | (value & GHC_IE);
		ahci_interrupt(f);
		return;
	case HBA_IS:
		a->is &= ~value;
		ahci_interrupt(f);
		return;
	case PORT_IS:
		a->pis &= ~(value & ~IS_PC);
		return;
	case PORT_IE:
		sim_store32(ahci_reg(f, PORT_IE), value);
		ahci_interrupt(f);
		return;
	case PORT_SERR:
		a->serr &= ~value;
		if (!(a->serr & SERR_X))
			a->pis &= ~IS_PC;
		return;
	case PORT_CMD:
		store_cmd(f, value);
		return;
	case PORT_SCTL:
		store_sctl(f, value);
		return;
	case PORT_SACT:
		if (a->cmd & CMD_ST)
			a->sact |= value;
		return;
	case PORT_CI:
		if (a->cmd & CMD_ST)
			a->ci |= value;
		return;
	case PORT_CLB:
		sim_store32(ahci_reg(f, PORT_CLB), value & ~0x3ffu);
		return;
	case PORT_FB:
		sim_store32(ahci_reg(f, PORT_FB), value & ~0xffu);
		return;
	case PORT_CLBU:
	case PORT_FBU:
		sim_store32(ahci_reg(f, (uint32_t)offset), value);
	}
}

/* Entry points */

static bool open_disk(struct sim_function *f)
{
	struct ahci *a = sim_state(f);
	const char *path = sim_option(f, "file"), *serial = sim_option(f, "serial"),
		   *model = sim_option(f, "model_name");
	struct stat st;

	snprintf(a->serial, sizeof(a->serial), "%s", serial ? serial : "MACSIM-SATA-0001");
	snprintf(a->model, sizeof(a->model), "%s", model ? model : "macsim SATA disk");
	if (!path) {
		sim_fail(f, "file= is missing; name the file that holds the disk");
		return false;
	}
	a->fd = open(path, O_RDWR | O_CLOEXEC);
	if (a->fd < 0) {
		sim_fail(f, "%s cannot be opened for writing: %s", path, strerror(errno));
		return false;
	}
	if (flock(a->fd, LOCK_EX | LOCK_NB)) {
		sim_fail(f, "%s is in use by another simulated drive; give each its own file", path);
	} else if (fstat(a->fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size % AHCI_BLOCK) {
		sim_fail(f, "%s must be a file of a non-zero multiple of %d bytes; resize it with truncate -s", path,
			 AHCI_BLOCK);
	} else {
		a->blocks = (uint64_t)st.st_size / AHCI_BLOCK;
		return true;
	}
	close(a->fd);
	return false;
}

static bool ahci_init(struct sim_function *f)
{
	/* The controller of many docks and adapters; drivers take it by its class. */
	static const struct sim_ids ids = {
		.vendor = 0x1b21,
		.device = 0x0612,
		.subsystem_vendor = 0x1b21,
		.subsystem = 0x1060,
		.class_code = 0x010601,
		.revision = 2,
	};

	if (!open_disk(f))
		return false;
	sim_set_ids(f, &ids);
	sim_add_bar(f, AHCI_BAR, SIM_BAR_M32, AHCI_BAR_BYTES);
	sim_trap_bar(f, AHCI_BAR);
	sim_add_pcie(f, false);
	sim_add_msi(f, 1);
	sim_add_intx(f);
	return true;
}

static void ahci_reset(struct sim_function *f, enum sim_reset kind)
{
	struct ahci *a = sim_state(f);

	(void)kind;
	a->write_cache = a->read_ahead = true;
	a->multiple = 0;
	restart(f);
}

static bool ahci_poll(struct sim_function *f)
{
	return ahci_run(f);
}

static void ahci_exit(struct sim_function *f)
{
	struct ahci *a = sim_state(f);

	close(a->fd);
}

SIM_MODEL(ahci, .state_bytes = sizeof(struct ahci), .init = ahci_init, .reset = ahci_reset, .poll = ahci_poll,
	  .load = ahci_load, .store = ahci_store, .exit = ahci_exit)
