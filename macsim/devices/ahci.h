/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci.h - a SATA controller of one port with a disk: registers and state.
 *
 * Facts from "Serial ATA Advanced Host Controller Interface 1.3.1" (AHCI), "Serial ATA 3" (FIS layouts) and ACS-3 (ATA
 * commands), by their section names.
 */
#ifndef MACSIM_AHCI_H
#define MACSIM_AHCI_H

#include "model.h"

#define AHCI_BAR       5
#define AHCI_BAR_BYTES 4096
#define AHCI_SLOTS     32
#define AHCI_BLOCK     512

#define HBA_CAP     0x00
#define HBA_GHC     0x04
#define GHC_HR      (1u << 0)
#define GHC_IE      (1u << 1)
#define GHC_AE      (1u << 31)
#define HBA_IS      0x08
#define HBA_PI      0x0c
#define HBA_VS      0x10

#define PORT        0x100
#define PORT_CLB    (PORT + 0x00)
#define PORT_CLBU   (PORT + 0x04)
#define PORT_FB     (PORT + 0x08)
#define PORT_FBU    (PORT + 0x0c)
#define PORT_IS     (PORT + 0x10)
#define PORT_IE     (PORT + 0x14)
#define PORT_CMD    (PORT + 0x18)
#define PORT_TFD    (PORT + 0x20)
#define PORT_SIG    (PORT + 0x24)
#define PORT_SSTS   (PORT + 0x28)
#define PORT_SCTL   (PORT + 0x2c)
#define PORT_SERR   (PORT + 0x30)
#define PORT_SACT   (PORT + 0x34)
#define PORT_CI     (PORT + 0x38)

#define CMD_ST  (1u << 0)
#define CMD_SUD (1u << 1)
#define CMD_POD (1u << 2)
#define CMD_CLO (1u << 3)
#define CMD_FRE (1u << 4)
#define CMD_FR  (1u << 14)
#define CMD_CR  (1u << 15)

#define IS_DHR (1u << 0)  /* a register FIS from the device */
#define IS_PS  (1u << 1)  /* a PIO setup FIS */
#define IS_SDB (1u << 3)  /* a set device bits FIS */
#define IS_PC  (1u << 6)  /* follows SERR.DIAG.X */
#define IS_OF  (1u << 24) /* the transfer was longer than its list */
#define IS_IF  (1u << 27) /* what came over the link makes no sense */
#define IS_HBD (1u << 28) /* bus errors: at data, */
#define IS_HBF (1u << 29) /* elsewhere */
#define IS_TFE (1u << 30) /* status has ERR */

#define SERR_X (1u << 26)

#define ATA_BSY  0x80
#define ATA_DRDY 0x40
#define ATA_DSC  0x10
#define ATA_DRQ  0x08
#define ATA_ERR  0x01
#define ATA_GOOD (ATA_DRDY | ATA_DSC)
#define ATA_ABRT 0x04 /* error register */
#define ATA_IDNF 0x10
#define ATA_UNC  0x40
#define ATA_ICRC 0x80

#define AHCI_CHUNK (128 * 1024)

/* A command as the register FIS from the host has it. */
struct ata_command {
	uint8_t command, device;
	uint16_t features, count;
	uint64_t lba;
};

/* What a command ends with. */
struct ata_result {
	uint8_t status, error;
};

struct ahci {
	int fd;
	uint64_t blocks;
	char serial[21], model[41];

	/* The port. What is written by the driver only stays in BAR memory. */
	uint32_t ghc, is, pis, serr, sact, ci, cmd, tfd, sig, ssts;
	bool halted;    /* after an error, until ST has been cleared */
	bool srst;      /* soft reset in progress */
	unsigned next_slot;
	bool write_cache, read_ahead;
	uint8_t multiple;

	/* The failed command of the NCQ error log. */
	bool ncq_failed;
	uint8_t ncq_tag;
	struct ata_command ncq_command;
	struct ata_result ncq_result;

	uint8_t chunk[AHCI_CHUNK];
};

/* One command's data, by its list of regions. */
struct ahci_data {
	uint64_t table; /* of regions, at the bus */
	unsigned regions;
	unsigned next; /* region to read */
	uint64_t address;
	uint32_t left; /* of this region */
	uint32_t moved;
	bool bus_error, overflow;
};

/* ahci.c */
volatile uint8_t *ahci_reg(struct sim_function *f, uint32_t offset);
/* ahci_port.c */
void ahci_port_reset(struct sim_function *f); /* COMRESET */
void ahci_event(struct sim_function *f, uint32_t bits); /* into PxIS */
void ahci_interrupt(struct sim_function *f);
bool ahci_run(struct sim_function *f);
/* Host to device, device to host; false: it ended early, and d says why. */
bool ahci_data_out(struct sim_function *f, struct ahci_data *d, uint8_t *to, uint32_t bytes);
bool ahci_data_in(struct sim_function *f, struct ahci_data *d, const uint8_t *from, uint32_t bytes);
/* ahci_disk.c */
enum ata_protocol { ATA_NO_DATA, ATA_PIO_IN, ATA_OTHER_DATA, ATA_QUEUED };
enum ata_protocol ata_protocol(const struct ata_command *c);
struct ata_result ata_execute(struct sim_function *f, struct ata_command *c, struct ahci_data *d);

#endif
