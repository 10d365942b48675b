// SPDX-License-Identifier: GPL-2.0-or-later
/* NVMe: the admin command set. */
#include "nvme.h"

#include <stdio.h>
#include <string.h>

enum admin_opcode {
	ADMIN_DELETE_SQ = 0x00,
	ADMIN_CREATE_SQ = 0x01,
	ADMIN_GET_LOG_PAGE = 0x02,
	ADMIN_DELETE_CQ = 0x04,
	ADMIN_CREATE_CQ = 0x05,
	ADMIN_IDENTIFY = 0x06,
	ADMIN_ABORT = 0x08,
	ADMIN_SET_FEATURES = 0x09,
	ADMIN_GET_FEATURES = 0x0a,
	ADMIN_ASYNC_EVENT = 0x0c,
};

enum identify_cns { CNS_NAMESPACE = 0, CNS_CONTROLLER = 1, CNS_ACTIVE_LIST = 2, CNS_DESCRIPTORS = 3 };
enum log_page { LOG_ERROR = 1, LOG_SMART = 2, LOG_FIRMWARE = 3, LOG_CHANGED = 4, LOG_EFFECTS = 5 };

#define PAGE_BYTES       4096
#define ERROR_ENTRIES    1
#define KELVIN           310
#define QUEUE_CONTIGUOUS 0x1u /* Create Queue, CDW11 */
#define QUEUE_INTERRUPTS 0x2u
#define FIRMWARE         "1.0     "

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Big-endian, as EUI-64 and UUID are. */
static void put_be64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* ASCII fields are padded with blanks and not terminated. */
static void put_text(uint8_t *p, size_t bytes, const char *text)
{
	size_t n = strlen(text);

	memset(p, ' ', bytes);
	memcpy(p, text, n < bytes ? n : bytes);
}

/* Identify */

static void identify_controller(const struct nvme *n, uint8_t *p)
{
	unsigned mdts = 0;

	while (NVME_MIN_PAGE << mdts < n->max_transfer)
		mdts++;
	put16(p + 0, 0x1b36); /* VID */
	put16(p + 2, 0x1b36); /* SSVID */
	put_text(p + 4, 20, n->serial);
	put_text(p + 24, 40, n->model_name);
	put_text(p + 64, 8, FIRMWARE);
	p[72] = 6; /* RAB */
	p[77] = (uint8_t)mdts;
	put32(p + 80, NVME_VERSION);
	p[111] = 1;                  /* CNTRLTYPE: I/O controller */
	p[258] = 3;                  /* ACL, 0's based */
	p[259] = NVME_AER_LIMIT - 1; /* AERL, 0's based */
	p[260] = 3;                  /* FRMW: one slot, read-only */
	p[261] = 0x6;                /* LPA: effects log, extended data */
	p[262] = ERROR_ENTRIES - 1;
	put16(p + 266, 343);    /* WCTEMP */
	put16(p + 268, 353);    /* CCTEMP */
	p[512] = 0x66;          /* SQES: 64 bytes */
	p[513] = 0x44;          /* CQES: 16 bytes */
	put32(p + 516, 1);      /* NN */
	put16(p + 520, 0x000c); /* ONCS: Dataset Management, Write Zeroes */
	p[525] = 0x07;          /* VWC: present, Flush may name all namespaces */
	snprintf((char *)p + 768, 256, "nqn.2014-08.org.nvmexpress:uuid:%08x-%04x-8%03x-8000-%012llx",
		 (unsigned)(n->eui64 >> 32), (unsigned)(n->eui64 >> 16 & 0xffff), (unsigned)(n->eui64 & 0xfff),
		 (unsigned long long)(n->eui64 & 0xffffffffffffULL)); /* SUBNQN */
	put16(p + 2048, 500);                                         /* PSD0: 5 W */
}

static void identify_namespace(const struct nvme *n, uint8_t *p)
{
	put64(p + 0, n->blocks);  /* NSZE */
	put64(p + 8, n->blocks);  /* NCAP */
	put64(p + 16, n->blocks); /* NUSE */
	p[33] = 0x09;             /* DLFEAT: deallocated blocks read as zeroes */
	put_be64(p + 120, n->eui64);
	p[130] = (uint8_t)n->block_shift; /* LBAF0.LBADS */
}

static void identify_descriptors(const struct nvme *n, uint8_t *p)
{
	p[0] = 1; /* EUI-64 */
	p[1] = 8;
	put_be64(p + 4, n->eui64);
	p += 12;
	p[0] = 3; /* UUID, version 8 */
	p[1] = 16;
	put_be64(p + 4, n->eui64);
	put_be64(p + 12, ~n->eui64);
	p[10] = 0x80 | (p[10] & 0x0f);
	p[12] = 0x80 | (p[12] & 0x3f);
}

static enum nvme_status identify(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	enum nvme_status status = nvme_data_map(f, cmd, PAGE_BYTES);
	uint8_t page[PAGE_BYTES] = {0};

	if (status != NVME_OK)
		return status;
	switch (cmd->cdw10 & 0xff) {
	case CNS_NAMESPACE:
		if (cmd->nsid != NVME_NSID)
			return NVME_INVALID_NAMESPACE;
		identify_namespace(n, page);
		break;
	case CNS_CONTROLLER:
		identify_controller(n, page);
		break;
	case CNS_ACTIVE_LIST:
		if (cmd->nsid >= 0xfffffffe)
			return NVME_INVALID_NAMESPACE;
		if (cmd->nsid < NVME_NSID)
			put32(page, NVME_NSID);
		break;
	case CNS_DESCRIPTORS:
		if (cmd->nsid != NVME_NSID)
			return NVME_INVALID_NAMESPACE;
		identify_descriptors(n, page);
		break;
	default:
		return NVME_INVALID_FIELD;
	}
	return nvme_data_out(f, page, PAGE_BYTES);
}

/* Log pages */

static void log_smart(const struct nvme *n, uint8_t *p)
{
	put16(p + 1, KELVIN);
	p[3] = 100;                                       /* available spare, percent */
	p[4] = 10;                                        /* its threshold */
	put64(p + 32, (n->read_bytes + 511999) / 512000); /* thousands of 512-byte units */
	put64(p + 48, (n->written_bytes + 511999) / 512000);
	put64(p + 64, n->reads);
	put64(p + 80, n->writes);
	put64(p + 112, 1); /* power cycles */
	put64(p + 128, (sim_now_ns() - n->power_on_ns) / 3600000000000ULL);
	put64(p + 144, n->unsafe_shutdowns);
	put64(p + 176, n->errors);
}

static void log_effects(uint8_t *p)
{
	static const uint8_t admin[] = {ADMIN_DELETE_SQ,    ADMIN_CREATE_SQ,  ADMIN_GET_LOG_PAGE, ADMIN_DELETE_CQ,
					ADMIN_CREATE_CQ,    ADMIN_IDENTIFY,   ADMIN_ABORT,        ADMIN_SET_FEATURES,
					ADMIN_GET_FEATURES, ADMIN_ASYNC_EVENT};
	static const uint8_t plain[] = {0x00, 0x02}, changes_blocks[] = {0x01, 0x08, 0x09};

	for (unsigned i = 0; i < sizeof(admin); i++)
		put32(p + 4 * admin[i], 1);
	for (unsigned i = 0; i < sizeof(plain); i++)
		put32(p + 1024 + 4 * plain[i], 1);
	for (unsigned i = 0; i < sizeof(changes_blocks); i++)
		put32(p + 1024 + 4 * changes_blocks[i], 3);
}

static enum nvme_status get_log_page(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	uint64_t dwords = ((uint64_t)(cmd->cdw11 & 0xffff) << 16 | cmd->cdw10 >> 16) + 1;
	uint64_t offset = cmd->cdw12 | (uint64_t)cmd->cdw13 << 32;
	bool retain = cmd->cdw10 & 0x8000;
	uint8_t page[2 * PAGE_BYTES] = {0}; /* longer than any log: what is beyond one reads as zeroes */
	uint32_t bytes, length;
	enum nvme_status status;

	switch (cmd->cdw10 & 0xff) {
	case LOG_ERROR:
		put64(page, n->errors);
		length = 64 * ERROR_ENTRIES;
		if (!retain)
			n->events_masked = false;
		break;
	case LOG_SMART:
		log_smart(n, page);
		length = 512;
		break;
	case LOG_FIRMWARE:
		page[0] = 1;
		put_text(page + 8, 8, FIRMWARE);
		length = 512;
		break;
	case LOG_CHANGED:
		length = PAGE_BYTES;
		break;
	case LOG_EFFECTS:
		log_effects(page);
		length = PAGE_BYTES;
		break;
	default:
		return NVME_INVALID_LOG_PAGE;
	}
	if (offset & 3 || offset > length || dwords * 4 > n->max_transfer)
		return NVME_INVALID_FIELD;
	bytes = (uint32_t)(dwords * 4);
	status = nvme_data_map(f, cmd, bytes);
	if (status == NVME_OK)
		status = nvme_data_out(f, page + offset, bytes < PAGE_BYTES ? bytes : PAGE_BYTES);
	memset(page, 0, PAGE_BYTES);
	for (uint32_t done = PAGE_BYTES; status == NVME_OK && done < bytes; done += PAGE_BYTES)
		status = nvme_data_out(f, page, bytes - done < PAGE_BYTES ? bytes - done : PAGE_BYTES);
	return status;
}

/* Features */

void nvme_default_features(struct nvme *n)
{
	memset(n->features, 0, sizeof(n->features));
	n->features[NVME_FEAT_TEMPERATURE] = 343;
	n->features[NVME_FEAT_WRITE_CACHE] = 1;
}

static bool feature_known(uint32_t feature)
{
	return feature >= NVME_FEAT_ARBITRATION && feature < NVME_NUM_FEATURES && feature != 0x03;
}

static enum nvme_status get_features(struct nvme *n, const struct nvme_command *cmd, uint32_t *result)
{
	uint32_t feature = cmd->cdw10 & 0xff;

	if (!feature_known(feature))
		return NVME_INVALID_FIELD;
	if (feature == NVME_FEAT_VECTOR && (cmd->cdw11 & 0xffff) >= n->vectors)
		return NVME_INVALID_FIELD;
	if (feature == NVME_FEAT_QUEUES)
		*result = (n->queues - 1) | (n->queues - 1) << 16;
	else if (feature == NVME_FEAT_VECTOR)
		*result = cmd->cdw11 & 0xffff;
	else
		*result = n->features[feature];
	return NVME_OK;
}

static enum nvme_status set_features(struct nvme *n, const struct nvme_command *cmd, uint32_t *result)
{
	uint32_t feature = cmd->cdw10 & 0xff;

	if (!feature_known(feature))
		return NVME_INVALID_FIELD;
	if (cmd->cdw10 & 0x80000000u)
		return NVME_FEATURE_NOT_SAVEABLE;
	switch (feature) {
	case NVME_FEAT_QUEUES:
		if ((cmd->cdw11 & 0xffff) == 0xffff || cmd->cdw11 >> 16 == 0xffff)
			return NVME_INVALID_FIELD;
		for (unsigned q = 1; q <= n->queues; q++)
			if (n->sq[q].valid || n->cq[q].valid)
				return NVME_SEQUENCE_ERROR;
		*result = (n->queues - 1) | (n->queues - 1) << 16;
		return NVME_OK;
	case NVME_FEAT_VECTOR:
		return (cmd->cdw11 & 0xffff) >= n->vectors ? NVME_INVALID_FIELD : NVME_OK;
	case NVME_FEAT_POWER:
		if (cmd->cdw11 & 0x1f) /* there is one power state */
			return NVME_INVALID_FIELD;
		break;
	}
	n->features[feature] = cmd->cdw11;
	return NVME_OK;
}

/* Queues */

/* What Create I/O Submission and Completion Queue have in common. */
static enum nvme_status check_queue(const struct nvme *n, const struct nvme_command *cmd, bool taken)
{
	uint32_t qid = cmd->cdw10 & 0xffff, entries = (cmd->cdw10 >> 16) + 1;

	if (!qid || qid > n->queues || taken)
		return NVME_INVALID_QUEUE_ID;
	if (entries < 2 || entries > NVME_MAX_ENTRIES)
		return NVME_INVALID_QUEUE_SIZE;
	if (!(cmd->cdw11 & QUEUE_CONTIGUOUS)) /* CAP.CQR */
		return NVME_INVALID_FIELD;
	if (cmd->prp1 & (n->page - 1))
		return NVME_INVALID_PRP_OFFSET;
	return NVME_OK;
}

static enum nvme_status create_cq(struct nvme *n, const struct nvme_command *cmd)
{
	uint32_t qid = cmd->cdw10 & 0xffff;
	enum nvme_status status = check_queue(n, cmd, qid <= n->queues && n->cq[qid].valid);

	if (status != NVME_OK)
		return status;
	if ((n->cc >> 20 & 0xf) != 4) /* CC.IOCQES */
		return NVME_INVALID_QUEUE_SIZE;
	if (cmd->cdw11 & QUEUE_INTERRUPTS && cmd->cdw11 >> 16 >= n->vectors)
		return NVME_INVALID_VECTOR;
	n->cq[qid] = (struct nvme_cq){
		.valid = true,
		.interrupts = cmd->cdw11 & QUEUE_INTERRUPTS,
		.phase = true,
		.base = cmd->prp1,
		.entries = (cmd->cdw10 >> 16) + 1,
		.vector = (uint16_t)(cmd->cdw11 >> 16),
	};
	return NVME_OK;
}

static enum nvme_status create_sq(struct nvme *n, const struct nvme_command *cmd)
{
	uint32_t qid = cmd->cdw10 & 0xffff, cqid = cmd->cdw11 >> 16;
	enum nvme_status status = check_queue(n, cmd, qid <= n->queues && n->sq[qid].valid);

	if (status != NVME_OK)
		return status;
	if ((n->cc >> 16 & 0xf) != 6) /* CC.IOSQES */
		return NVME_INVALID_QUEUE_SIZE;
	if (!cqid || cqid > n->queues || !n->cq[cqid].valid)
		return NVME_CQ_INVALID;
	n->sq[qid] = (struct nvme_sq){
		.valid = true,
		.base = cmd->prp1,
		.entries = (cmd->cdw10 >> 16) + 1,
		.cqid = (uint16_t)cqid,
	};
	return NVME_OK;
}

static enum nvme_status delete_sq(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	uint32_t qid = cmd->cdw10 & 0xffff;

	if (!qid || qid > n->queues || !n->sq[qid].valid)
		return NVME_INVALID_QUEUE_ID;
	n->sq[qid] = (struct nvme_sq){0};
	nvme_zero_doorbell(f, qid, false);
	return NVME_OK;
}

static enum nvme_status delete_cq(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	uint32_t qid = cmd->cdw10 & 0xffff;

	if (!qid || qid > n->queues || !n->cq[qid].valid)
		return NVME_INVALID_QUEUE_ID;
	for (unsigned q = 1; q <= n->queues; q++)
		if (n->sq[q].valid && n->sq[q].cqid == qid)
			return NVME_INVALID_QUEUE_DELETION;
	n->cq[qid] = (struct nvme_cq){0};
	nvme_zero_doorbell(f, qid, true);
	return NVME_OK;
}

static enum nvme_status async_event(struct nvme *n, const struct nvme_command *cmd)
{
	if (n->aers == NVME_AER_LIMIT)
		return NVME_AER_LIMIT_EXCEEDED;
	n->aer_cid[n->aers++] = cmd->cid;
	return NVME_NO_COMPLETION;
}

/* Commands are executed when they are fetched: only event requests can be pending. Bit 0 says "not aborted". */
static enum nvme_status abort_command(struct sim_function *f, const struct nvme_command *cmd, uint32_t *result)
{
	struct nvme *n = sim_state(f);
	uint16_t sqid = cmd->cdw10 & 0xffff, cid = (uint16_t)(cmd->cdw10 >> 16);

	*result = 1;
	for (unsigned i = 0; !sqid && i < n->aers; i++) {
		struct nvme_cq after = n->cq[0];

		/* Its completion comes before that of the Abort; both must fit. */
		after.tail = (after.tail + 1) % after.entries;
		if (n->aer_cid[i] != cid || nvme_cq_full(&after))
			continue;
		if (nvme_post(f, 0, cid, NVME_ABORT_REQUESTED, 0)) {
			n->aer_cid[i] = n->aer_cid[--n->aers];
			*result = 0;
		}
		break;
	}
	return NVME_OK;
}

enum nvme_status nvme_admin_command(struct sim_function *f, const struct nvme_command *cmd, uint32_t *result)
{
	struct nvme *n = sim_state(f);

	if (cmd->flags) /* fused operations and SGLs are not offered */
		return NVME_INVALID_FIELD;
	switch (cmd->opcode) {
	case ADMIN_DELETE_SQ:
		return delete_sq(f, cmd);
	case ADMIN_CREATE_SQ:
		return create_sq(n, cmd);
	case ADMIN_GET_LOG_PAGE:
		return get_log_page(f, cmd);
	case ADMIN_DELETE_CQ:
		return delete_cq(f, cmd);
	case ADMIN_CREATE_CQ:
		return create_cq(n, cmd);
	case ADMIN_IDENTIFY:
		return identify(f, cmd);
	case ADMIN_ABORT:
		return abort_command(f, cmd, result);
	case ADMIN_SET_FEATURES:
		return set_features(n, cmd, result);
	case ADMIN_GET_FEATURES:
		return get_features(n, cmd, result);
	case ADMIN_ASYNC_EVENT:
		return async_event(n, cmd);
	default:
		return NVME_INVALID_OPCODE;
	}
}
