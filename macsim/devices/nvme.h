/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme.h - data model of the NVMe function: one controller, one namespace in a file.
 *
 * nvme.c holds registers, queues and the entry points, nvme_admin.c the admin
 * commands, nvme_io.c data pointers and the commands that move data.  Names and
 * numbers are those of the NVM Express Base Specification, revision 1.4.
 */
#ifndef MACSIM_NVME_H
#define MACSIM_NVME_H

#include "model.h"

#define NVME_VERSION        0x00010400u
#define NVME_MAX_QUEUES     64 /* I/O queue pairs */
#define NVME_MAX_VECTORS    128
#define NVME_MAX_ENTRIES    1024  /* CAP.MQES + 1 */
#define NVME_MIN_PAGE       4096u /* CAP.MPSMIN */
#define NVME_MAX_PAGE_SHIFT 4     /* CAP.MPSMAX: 64 KiB */
#define NVME_MAX_TRANSFER   (2u * 1024 * 1024)
#define NVME_MAX_SEGMENTS   (NVME_MAX_TRANSFER / NVME_MIN_PAGE + 1)
#define NVME_CHUNK_BYTES    (128 * 1024)
#define NVME_AER_LIMIT      4
#define NVME_NSID           1
#define NVME_NSID_ALL       0xffffffffu

struct nvme_command {
	uint8_t opcode;
	uint8_t flags; /* FUSE, PSDT */
	uint16_t cid;
	uint32_t nsid;
	uint64_t reserved, mptr, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct nvme_completion {
	uint32_t dw0, dw1;
	uint16_t sq_head, sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: phase */
};

/* Status code type in bits 10:8, status code in 7:0. */
enum nvme_status {
	NVME_OK = 0x000,
	NVME_INVALID_OPCODE = 0x001,
	NVME_INVALID_FIELD = 0x002,
	NVME_DATA_TRANSFER_ERROR = 0x004,
	NVME_ABORT_REQUESTED = 0x007,
	NVME_INVALID_NAMESPACE = 0x00b,
	NVME_SEQUENCE_ERROR = 0x00c,
	NVME_INVALID_PRP_OFFSET = 0x013,
	NVME_LBA_RANGE = 0x080,
	NVME_CQ_INVALID = 0x100,
	NVME_INVALID_QUEUE_ID = 0x101,
	NVME_INVALID_QUEUE_SIZE = 0x102,
	NVME_AER_LIMIT_EXCEEDED = 0x105,
	NVME_INVALID_VECTOR = 0x108,
	NVME_INVALID_LOG_PAGE = 0x109,
	NVME_INVALID_QUEUE_DELETION = 0x10c,
	NVME_FEATURE_NOT_SAVEABLE = 0x10d,
	NVME_FEATURE_NOT_CHANGEABLE = 0x10e,
	NVME_WRITE_FAULT = 0x280,
	NVME_READ_ERROR = 0x281,
	NVME_NO_COMPLETION = 0xffff, /* inside the model only: the command stays pending */
};

#define NVME_DNR 0x4000 /* do not retry, in the 15-bit status field */

struct nvme_cq {
	bool valid, interrupts;
	bool posted; /* since the last message */
	bool phase;
	uint64_t base;
	uint32_t entries, head, tail;
	uint32_t doorbell; /* last value seen; a bad one is reported once */
	uint16_t vector;
};

struct nvme_sq {
	bool valid;
	uint64_t base;
	uint32_t entries, head, tail;
	uint32_t doorbell;
	uint16_t cqid;
};

enum nvme_feature {
	NVME_FEAT_ARBITRATION = 0x01,
	NVME_FEAT_POWER = 0x02,
	NVME_FEAT_TEMPERATURE = 0x04,
	NVME_FEAT_ERROR_RECOVERY = 0x05,
	NVME_FEAT_WRITE_CACHE = 0x06,
	NVME_FEAT_QUEUES = 0x07,
	NVME_FEAT_COALESCING = 0x08,
	NVME_FEAT_VECTOR = 0x09,
	NVME_FEAT_ATOMICITY = 0x0a,
	NVME_FEAT_EVENTS = 0x0b,
	NVME_NUM_FEATURES
};

struct nvme_segment {
	uint64_t address;
	uint32_t bytes;
};

/* The host memory of one command, and how far a transfer has come through it. */
struct nvme_data {
	unsigned segments, at;
	uint32_t offset;
	struct nvme_segment segment[NVME_MAX_SEGMENTS];
};

struct nvme {
	/* Constant after init(). */
	int fd;
	uint64_t blocks; /* logical blocks of the namespace */
	unsigned block_shift;
	unsigned queues, vectors;
	uint32_t max_transfer;
	char serial[21], model_name[41];
	uint64_t eui64;

	/* Since the last reset; all of it is cleared there. */
	uint32_t cc, csts; /* as last obeyed, as published */
	uint32_t page;     /* bytes, CC.MPS */
	uint32_t interrupt_mask;
	unsigned turn; /* which I/O queue is served first in this poll */
	struct nvme_sq sq[NVME_MAX_QUEUES + 1];
	struct nvme_cq cq[NVME_MAX_QUEUES + 1];
	uint32_t features[NVME_NUM_FEATURES];
	unsigned aers; /* pending Asynchronous Event Requests */
	uint16_t aer_cid[NVME_AER_LIMIT];
	uint32_t events;    /* bit per error event information, waiting to be reported */
	bool events_masked; /* reported, log page not read yet */

	/* SMART, since the machine started. */
	uint64_t reads, writes, read_bytes, written_bytes, errors, power_on_ns, unsafe_shutdowns;

	struct nvme_data data;
	uint8_t chunk[NVME_CHUNK_BYTES];
};

/* nvme.c */
void nvme_zero_doorbell(struct sim_function *f, unsigned qid, bool cq);
bool nvme_cq_full(const struct nvme_cq *cq);
/* The completion queue must not be full; false is a bus error. */
bool nvme_post(struct sim_function *f, unsigned sqid, uint16_t cid, enum nvme_status status, uint32_t result);

/* nvme_io.c: every transfer of a command starts with nvme_data_map(). */
enum nvme_status nvme_data_map(struct sim_function *f, const struct nvme_command *cmd, uint32_t bytes);
enum nvme_status nvme_data_in(struct sim_function *f, void *to, uint32_t bytes);          /* from the host */
enum nvme_status nvme_data_out(struct sim_function *f, const void *from, uint32_t bytes); /* to the host */
enum nvme_status nvme_io_command(struct sim_function *f, const struct nvme_command *cmd);
void nvme_flush(struct sim_function *f);

/* nvme_admin.c */
void nvme_default_features(struct nvme *n);
enum nvme_status nvme_admin_command(struct sim_function *f, const struct nvme_command *cmd, uint32_t *result);

#endif
