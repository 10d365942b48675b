// SPDX-License-Identifier: GPL-2.0-or-later
/* ahci_disk.c - the disk's commands (ACS-3). */
#define _GNU_SOURCE
#include "ahci.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	ATA_READ = 1 << 0,
	ATA_WRITE = 1 << 1,
	ATA_EXT = 1 << 2, /* 48 bits of address, 16 of count */
	ATA_PIO = 1 << 3,
	ATA_NCQ = 1 << 4,
	ATA_FUA = 1 << 5,
	ATA_VERIFY = 1 << 6,
};

static const struct transfer {
	uint8_t command, kind;
} transfers[] = {
	{0x20, ATA_READ | ATA_PIO},
	{0x24, ATA_READ | ATA_PIO | ATA_EXT},
	{0x25, ATA_READ | ATA_EXT},
	{0x29, ATA_READ | ATA_PIO | ATA_EXT}, /* MULTIPLE: the size of blocks shows on a parallel cable only */
	{0x30, ATA_WRITE | ATA_PIO},
	{0x34, ATA_WRITE | ATA_PIO | ATA_EXT},
	{0x35, ATA_WRITE | ATA_EXT},
	{0x39, ATA_WRITE | ATA_PIO | ATA_EXT},
	{0x3d, ATA_WRITE | ATA_EXT | ATA_FUA},
	{0x40, ATA_VERIFY},
	{0x42, ATA_VERIFY | ATA_EXT},
	{0x60, ATA_READ | ATA_EXT | ATA_NCQ},
	{0x61, ATA_WRITE | ATA_EXT | ATA_NCQ},
	{0xc4, ATA_READ | ATA_PIO},
	{0xc5, ATA_WRITE | ATA_PIO},
	{0xc8, ATA_READ},
	{0xca, ATA_WRITE},
};

enum {
	READ_LOG = 0x2f,
	INIT_PARAMETERS = 0x91,
	STANDBY_NOW = 0xe0,
	IDLE_NOW = 0xe1,
	STANDBY = 0xe2,
	IDLE = 0xe3,
	CHECK_POWER = 0xe5,
	FLUSH = 0xe7,
	FLUSH_EXT = 0xea,
	IDENTIFY = 0xec,
	SET_FEATURES = 0xef,
	SET_MULTIPLE = 0xc6,
};

static const struct ata_result good = {ATA_GOOD, 0};

static struct ata_result failed(uint8_t error)
{
	return (struct ata_result){ATA_GOOD | ATA_ERR, error};
}

static uint8_t kind_of(uint8_t command)
{
	for (unsigned i = 0; i < sizeof(transfers) / sizeof(*transfers); i++)
		if (transfers[i].command == command)
			return transfers[i].kind;
	return 0;
}

enum ata_protocol ata_protocol(const struct ata_command *c)
{
	uint8_t kind = kind_of(c->command);

	if (kind & ATA_NCQ)
		return ATA_QUEUED;
	if (c->command == IDENTIFY || c->command == READ_LOG || (kind & ATA_READ && kind & ATA_PIO))
		return ATA_PIO_IN;
	return kind & (ATA_READ | ATA_WRITE) ? ATA_OTHER_DATA : ATA_NO_DATA;
}

static struct ata_result sync_disk(struct sim_function *f)
{
	const struct ahci *a = sim_state(f);

	return fdatasync(a->fd) ? failed(ATA_UNC) : good;
}

/* All of it, or false. */
static bool file_io(int fd, uint8_t *buffer, size_t bytes, uint64_t at, bool write)
{
	while (bytes) {
		ssize_t n = write ? pwrite(fd, buffer, bytes, (off_t)at) : pread(fd, buffer, bytes, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buffer += n;
		at += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return true;
}

static struct ata_result transfer(struct sim_function *f, const struct ata_command *c, uint8_t kind,
				  struct ahci_data *d)
{
	struct ahci *a = sim_state(f);
	uint64_t lba = c->lba, left, at;
	uint32_t count = kind & ATA_NCQ ? c->features : c->count;
	bool fua = kind & ATA_FUA || (kind & ATA_NCQ && c->device & 0x80);

	if (!(c->device & 0x40))
		return failed(ATA_ABRT); /* cylinders and heads */
	if (kind & ATA_EXT) {
		count = count ? count : 65536;
	} else {
		lba = (lba & 0xffffff) | (uint64_t)(c->device & 0xf) << 24;
		count = count & 0xff ? count & 0xff : 256;
	}
	if (lba >= a->blocks || count > a->blocks - lba)
		return failed(ATA_IDNF);
	if (kind & ATA_VERIFY)
		return good;
	at = lba * AHCI_BLOCK;
	left = (uint64_t)count * AHCI_BLOCK;
	while (left) {
		uint32_t n = left < AHCI_CHUNK ? (uint32_t)left : AHCI_CHUNK;

		if (kind & ATA_WRITE) {
			if (!ahci_data_out(f, d, a->chunk, n))
				return failed(ATA_ICRC | ATA_ABRT);
			if (!file_io(a->fd, a->chunk, n, at, true))
				return failed(ATA_UNC);
		} else {
			if (!file_io(a->fd, a->chunk, n, at, false))
				return failed(ATA_UNC);
			if (!ahci_data_in(f, d, a->chunk, n))
				return good; /* what the list had no room for is discarded, and PxIS.OFS says so */
		}
		at += n;
		left -= n;
	}
	if (kind & ATA_WRITE && (fua || !a->write_cache))
		return sync_disk(f);
	return good;
}

/* IDENTIFY DEVICE */

/* Two characters a word, the first in the upper half; padded with spaces. */
static void put_text(uint16_t *words, unsigned nr, const char *text)
{
	for (unsigned i = 0; i < nr; i++) {
		uint8_t first = *text ? (uint8_t)*text++ : ' ', second = *text ? (uint8_t)*text++ : ' ';

		words[i] = (uint16_t)(first << 8 | second);
	}
}

static void identify(const struct ahci *a, uint16_t *w)
{
	uint32_t short_blocks = a->blocks > 0x0fffffff ? 0x0fffffff : (uint32_t)a->blocks;
	uint8_t sum = 0;

	memset(w, 0, AHCI_BLOCK);
	w[0] = 0x0040;
	w[1] = 16383;
	w[3] = 16;
	w[6] = 63;
	put_text(w + 10, 10, a->serial);
	put_text(w + 23, 4, "1.0");
	put_text(w + 27, 20, a->model);
	w[47] = 0x8000 | 16;
	w[49] = 0x2f00; /* DMA, LBA, IORDY, standby timer values */
	w[50] = 0x4000;
	w[53] = 0x0006;
	w[59] = a->multiple ? 0x100 | a->multiple : 0;
	w[60] = (uint16_t)short_blocks;
	w[61] = (uint16_t)(short_blocks >> 16);
	w[63] = 0x0007;
	w[64] = 0x0003;
	w[65] = w[66] = w[67] = w[68] = 120;
	w[75] = AHCI_SLOTS - 1;
	w[76] = 0x010e; /* NCQ, 1.5 to 6 Gbit/s */
	w[80] = 0x03f0;
	w[82] = 0x0060; /* write cache, look-ahead */
	w[83] = 0x7400; /* FLUSH, FLUSH EXT, 48 bits */
	w[84] = 0x4060; /* FUA, general purpose logging */
	w[85] = (uint16_t)((a->write_cache ? 0x0020 : 0) | (a->read_ahead ? 0x0040 : 0));
	w[86] = 0x3400;
	w[87] = 0x4060;
	w[88] = 0x407f;
	for (unsigned i = 0; i < 4; i++)
		w[100 + i] = (uint16_t)(a->blocks >> (16 * i));
	w[106] = 0x4000;
	w[217] = 1; /* does not rotate */
	w[222] = 0x107f;
	for (unsigned i = 0; i < 255; i++)
		sum += (uint8_t)w[i] + (uint8_t)(w[i] >> 8);
	sum += 0xa5;
	w[255] = (uint16_t)((uint8_t)-sum << 8 | 0xa5);
}

/* The directory of logs, or the NCQ command error log. */
static struct ata_result read_log(struct sim_function *f, const struct ata_command *c, struct ahci_data *d)
{
	struct ahci *a = sim_state(f);
	uint8_t page[AHCI_BLOCK] = {0}, log = (uint8_t)c->lba, sum = 0;

	if (c->count != 1 || c->lba >> 8)
		return failed(ATA_ABRT);
	if (log == 0) {
		page[0] = 1;
		page[2 * 0x10] = 1;
	} else if (log == 0x10) {
		const struct ata_command *bad = &a->ncq_command;

		page[0] = a->ncq_failed ? a->ncq_tag : 0x80;
		if (a->ncq_failed) {
			page[2] = a->ncq_result.status;
			page[3] = a->ncq_result.error;
			for (unsigned i = 0; i < 3; i++) {
				page[4 + i] = (uint8_t)(bad->lba >> (8 * i));
				page[8 + i] = (uint8_t)(bad->lba >> (8 * i + 24));
			}
			page[7] = bad->device;
			page[12] = (uint8_t)bad->count;
			page[13] = bad->count >> 8;
		}
		for (unsigned i = 0; i < AHCI_BLOCK - 1; i++)
			sum += page[i];
		page[AHCI_BLOCK - 1] = (uint8_t)-sum;
		a->ncq_failed = false;
	} else {
		return failed(ATA_ABRT);
	}
	ahci_data_in(f, d, page, sizeof(page));
	return good;
}

static struct ata_result set_features(struct sim_function *f, const struct ata_command *c)
{
	struct ahci *a = sim_state(f);

	switch (c->features & 0xff) {
	case 0x02:
		a->write_cache = true;
		return good;
	case 0x82:
		a->write_cache = false;
		return sync_disk(f);
	case 0xaa:
		a->read_ahead = true;
		return good;
	case 0x55:
		a->read_ahead = false;
		return good;
	case 0x03: /* transfer mode: PIO, multiword DMA to 2, Ultra DMA to 6 */
		return c->count <= 1 || (c->count & 0xf8) == 0x08 ||
				       ((c->count & 0xf8) == 0x20 && (c->count & 7) <= 2) ||
				       ((c->count & 0xf8) == 0x40 && (c->count & 7) <= 6)
			       ? good
			       : failed(ATA_ABRT);
	default:
		return failed(ATA_ABRT);
	}
}

struct ata_result ata_execute(struct sim_function *f, struct ata_command *c, struct ahci_data *d)
{
	struct ahci *a = sim_state(f);
	uint16_t words[AHCI_BLOCK / 2];
	uint8_t kind = kind_of(c->command);

	if (kind)
		return transfer(f, c, kind, d);
	switch (c->command) {
	case IDENTIFY:
		identify(a, words);
		ahci_data_in(f, d, (const uint8_t *)words, sizeof(words));
		return good;
	case READ_LOG:
		return read_log(f, c, d);
	case SET_FEATURES:
		return set_features(f, c);
	case FLUSH:
	case FLUSH_EXT:
	case STANDBY_NOW:
	case STANDBY:
		return sync_disk(f);
	case SET_MULTIPLE:
		if (c->count & (c->count - 1) || c->count > 16)
			return failed(ATA_ABRT);
		a->multiple = (uint8_t)c->count;
		return good;
	case CHECK_POWER:
		c->count = 0xff; /* active */
		return good;
	case IDLE_NOW:
	case IDLE:
	case INIT_PARAMETERS:
		return good;
	default:
		return failed(ATA_ABRT);
	}
}
