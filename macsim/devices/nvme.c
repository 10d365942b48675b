// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme.c - an NVMe 1.4 controller whose one namespace is a file.
 *
 * Options of the machine file:
 *
 *	file=PATH	required; its size is a multiple of the block size
 *	queues=N	I/O queue pairs, 1..64, default 8
 *	vectors=N	1..128, default 9
 *	mdts=SIZE	largest transfer, a power of two, 4K..2M, default 512K
 *	lba=512|4096	block size, default 512
 *	msix=bar0|bar4	where the MSI-X table is; bar0, the default, puts it
 *			behind the doorbells in one 16 KiB BAR as SSDs do
 *	serial=TEXT model_name=TEXT
 *
 * INTMC reads as zero: a write of the current mask would otherwise leave the
 * register as it was and could not be noticed.
 */
#define _GNU_SOURCE
#include "nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Registers of BAR 0 */
#define REG_CAP_LO        0x00
#define REG_CAP_HI        0x04
#define REG_VS            0x08
#define REG_INTMS         0x0c
#define REG_INTMC         0x10
#define REG_CC            0x14
#define CC_EN             0x1u
#define CC_CSS(v)         ((v) >> 4 & 7)
#define CC_MPS(v)         ((v) >> 7 & 0xf)
#define CC_AMS(v)         ((v) >> 11 & 7)
#define CC_SHN(v)         ((v) >> 14 & 3)
#define REG_CSTS          0x1c
#define CSTS_RDY          0x1u
#define CSTS_CFS          0x2u
#define CSTS_SHST         0xcu
#define CSTS_SHUT_DOWN    0x8u
#define REG_AQA           0x24
#define REG_ASQ           0x28
#define REG_ACQ           0x30
#define REG_READ_ONLY_END 0x40
#define REG_DOORBELLS     0x1000

#define BAR_BYTES  0x4000
#define BAR0_TABLE 0x2000
#define BAR0_PBA   0x3000
#define BAR4_PBA   0x2000

#define CAP_LO (0x0f000000u | 0x00010000u | (NVME_MAX_ENTRIES - 1)) /* TO 7.5 s, CQR, MQES */
#define CAP_HI (NVME_MAX_PAGE_SHIFT << 20 | 1u << 5)                /* MPSMAX, CSS: NVM */

/* Error events, "Asynchronous Event Information - Error Status" */
#define EVENT_BAD_DOORBELL_REGISTER 0
#define EVENT_BAD_DOORBELL_VALUE    1

#define POLL_COMMANDS 64
#define POLL_BYTES    (4 * 1024 * 1024)

/* Registers */

static volatile uint8_t *reg(struct sim_function *f, uint32_t offset)
{
	return (volatile uint8_t *)sim_bar(f, 0) + offset;
}

static uint32_t doorbell_offset(unsigned qid, bool cq)
{
	return REG_DOORBELLS + (2 * qid + cq) * 4;
}

void nvme_zero_doorbell(struct sim_function *f, unsigned qid, bool cq)
{
	sim_store32(reg(f, doorbell_offset(qid, cq)), 0);
}

/* A driver that stores into a read-only register finds it unchanged. */
static void publish(struct sim_function *f)
{
	struct nvme *n = sim_state(f);
	const uint32_t image[REG_READ_ONLY_END / 4] = {
		[REG_CAP_LO / 4] = CAP_LO,
		[REG_CAP_HI / 4] = CAP_HI,
		[REG_VS / 4] = NVME_VERSION,
		[REG_CSTS / 4] = n->csts,
	};

	for (uint32_t at = 0; at < REG_READ_ONLY_END; at += 4) {
		bool writable = (at >= REG_INTMS && at <= REG_CC) || (at >= REG_AQA && at < REG_ACQ + 8);

		if (!writable && sim_load32(reg(f, at)) != image[at / 4])
			sim_store32(reg(f, at), image[at / 4]);
	}
}

static void fatal(struct sim_function *f, const char *what)
{
	struct nvme *n = sim_state(f);

	sim_log(f, "%s: the controller stops until it is reset (CSTS.CFS)", what);
	n->csts |= CSTS_CFS;
}

/* Interrupts */

static void interrupts_poll(struct sim_function *f)
{
	struct nvme *n = sim_state(f);
	uint32_t set = sim_load32(reg(f, REG_INTMS));
	uint32_t clear =
		__atomic_exchange_n((volatile uint32_t *)(volatile void *)reg(f, REG_INTMC), 0, __ATOMIC_ACQ_REL);
	bool level = false;

	n->interrupt_mask |= set;
	n->interrupt_mask &= ~clear;
	if (n->interrupt_mask != set)
		sim_store32(reg(f, REG_INTMS), n->interrupt_mask);
	for (unsigned q = 0; q <= n->queues; q++) {
		struct nvme_cq *cq = &n->cq[q];

		if (!cq->valid || !cq->interrupts)
			continue;
		if (cq->posted)
			sim_msi(f, cq->vector);
		cq->posted = false;
		level |= cq->head != cq->tail;
	}
	sim_intx(f, level && !(n->interrupt_mask & 1));
}

/* Queues */

bool nvme_cq_full(const struct nvme_cq *cq)
{
	return (cq->tail + 1) % cq->entries == cq->head;
}

/* The phase tag is in the last word, and must be the last to arrive. */
bool nvme_post(struct sim_function *f, unsigned sqid, uint16_t cid, enum nvme_status status, uint32_t result)
{
	struct nvme *n = sim_state(f);
	struct nvme_sq *sq = &n->sq[sqid];
	struct nvme_cq *cq = &n->cq[sq->cqid];
	uint32_t field = status;
	struct nvme_completion c = {
		.dw0 = result,
		.sq_head = (uint16_t)sq->head,
		.sq_id = (uint16_t)sqid,
		.cid = cid,
	};
	const size_t body = offsetof(struct nvme_completion, cid);
	uint64_t at = cq->base + cq->tail * sizeof(c);

	if (status != NVME_OK) {
		n->errors++;
		/* A transfer that failed may succeed later; a wrong command stays wrong. */
		if (status != NVME_DATA_TRANSFER_ERROR && status != NVME_ABORT_REQUESTED)
			field |= NVME_DNR;
	}
	c.status = (uint16_t)(field << 1 | cq->phase);
	if (!sim_dma_write(f, at, &c, body))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (!sim_dma_write(f, at + body, &c.cid, sizeof(c) - body))
		return false;
	cq->tail = (cq->tail + 1) % cq->entries;
	cq->phase ^= cq->tail == 0;
	cq->posted = true;
	return true;
}

/* Execute commands of one submission queue; false when the controller has failed. */
static bool run_queue(struct sim_function *f, unsigned sqid, unsigned *commands, uint64_t start_bytes)
{
	struct nvme *n = sim_state(f);
	struct nvme_sq *sq = &n->sq[sqid];

	while (sq->valid && sq->head != sq->tail && !nvme_cq_full(&n->cq[sq->cqid])) {
		struct nvme_command cmd;
		enum nvme_status status;
		uint32_t result = 0;

		if (*commands == POLL_COMMANDS || n->read_bytes + n->written_bytes - start_bytes >= POLL_BYTES)
			break;
		if (!sim_dma_read(f, sq->base + sq->head * sizeof(cmd), &cmd, sizeof(cmd))) {
			fatal(f, "bus error fetching a command");
			return false;
		}
		sq->head = (sq->head + 1) % sq->entries;
		++*commands;
		status = sqid ? nvme_io_command(f, &cmd) : nvme_admin_command(f, &cmd, &result);
		if (status != NVME_NO_COMPLETION && !nvme_post(f, sqid, cmd.cid, status, result)) {
			fatal(f, "bus error posting a completion");
			return false;
		}
	}
	return true;
}

/* Doorbells */

/* What a doorbell says is believed only if it lies between what the queue holds and what it can hold. */
static bool doorbell_fits(uint32_t value, uint32_t entries, uint32_t from, uint32_t to)
{
	return value < entries && (value + entries - from) % entries <= (to + entries - from) % entries;
}

static bool doorbells_poll(struct sim_function *f)
{
	struct nvme *n = sim_state(f);
	bool rung = false;

	for (unsigned q = 0; q <= n->queues; q++) {
		struct nvme_cq *cq = &n->cq[q];
		struct nvme_sq *sq = &n->sq[q];
		uint32_t head = sim_load32(reg(f, doorbell_offset(q, true)));
		uint32_t tail = sim_load32(reg(f, doorbell_offset(q, false)));

		if (head != cq->doorbell) {
			rung = true;
			cq->doorbell = head;
			if (!cq->valid) {
				n->events |= 1u << EVENT_BAD_DOORBELL_REGISTER;
				nvme_zero_doorbell(f, q, true);
				cq->doorbell = 0;
			} else if (doorbell_fits(head, cq->entries, cq->head, cq->tail)) {
				cq->head = head;
			} else {
				n->events |= 1u << EVENT_BAD_DOORBELL_VALUE;
			}
		}
		if (tail != sq->doorbell) {
			rung = true;
			sq->doorbell = tail;
			if (!sq->valid) {
				n->events |= 1u << EVENT_BAD_DOORBELL_REGISTER;
				nvme_zero_doorbell(f, q, false);
				sq->doorbell = 0;
			} else if (tail < sq->entries) {
				sq->tail = tail;
			} else {
				n->events |= 1u << EVENT_BAD_DOORBELL_VALUE;
			}
		}
	}
	return rung;
}

/* Answer a pending Asynchronous Event Request: one event until the host has read the log page. */
static bool events_poll(struct sim_function *f)
{
	struct nvme *n = sim_state(f);
	unsigned event =
		n->events & 1u << EVENT_BAD_DOORBELL_REGISTER ? EVENT_BAD_DOORBELL_REGISTER : EVENT_BAD_DOORBELL_VALUE;
	const uint32_t error_log = 1;

	if (!n->events || n->events_masked || !n->aers || nvme_cq_full(&n->cq[0]))
		return false;
	n->events &= ~(1u << event);
	n->events_masked = true;
	n->aers--;
	if (!nvme_post(f, 0, n->aer_cid[n->aers], NVME_OK, error_log << 16 | event << 8))
		fatal(f, "bus error posting a completion");
	return true;
}

/* Controller states */

static void forget(struct sim_function *f)
{
	struct nvme *n = sim_state(f);

	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	for (unsigned q = 0; q <= n->queues; q++) {
		nvme_zero_doorbell(f, q, false);
		nvme_zero_doorbell(f, q, true);
	}
	nvme_default_features(n);
	n->aers = 0;
	n->events = 0;
	n->events_masked = false;
	n->interrupt_mask = 0;
	sim_store32(reg(f, REG_INTMS), 0);
	sim_store32(reg(f, REG_INTMC), 0);
	n->csts = 0;
	sim_intx(f, false);
}

static void enable(struct sim_function *f, uint32_t cc)
{
	struct nvme *n = sim_state(f);
	uint32_t aqa = sim_load32(reg(f, REG_AQA));
	uint64_t asq = sim_load64(reg(f, REG_ASQ)), acq = sim_load64(reg(f, REG_ACQ));
	uint32_t sq_entries = (aqa & 0xfff) + 1, cq_entries = (aqa >> 16 & 0xfff) + 1;

	forget(f);
	if (CC_MPS(cc) > NVME_MAX_PAGE_SHIFT || CC_CSS(cc) || CC_AMS(cc)) {
		fatal(f, "CC asks for a page size, command set or arbitration that CAP does not offer");
		return;
	}
	n->page = NVME_MIN_PAGE << CC_MPS(cc);
	if (sq_entries < 2 || cq_entries < 2 || asq & (n->page - 1) || acq & (n->page - 1)) {
		fatal(f, "AQA, ASQ or ACQ does not describe admin queues");
		return;
	}
	n->sq[0] = (struct nvme_sq){.valid = true, .base = asq, .entries = sq_entries};
	n->cq[0] = (struct nvme_cq){
		.valid = true,
		.interrupts = true,
		.phase = true,
		.base = acq,
		.entries = cq_entries,
	};
	n->csts = CSTS_RDY;
}

static bool cc_poll(struct sim_function *f)
{
	struct nvme *n = sim_state(f);
	uint32_t cc = sim_load32(reg(f, REG_CC)), old = n->cc;

	if (cc == old)
		return false;
	n->cc = cc;
	if (old & CC_EN && !(cc & CC_EN)) {
		n->unsafe_shutdowns += (n->csts & (CSTS_RDY | CSTS_SHST)) == CSTS_RDY;
		forget(f);
	} else if (!(old & CC_EN) && cc & CC_EN) {
		enable(f, cc);
	}
	if (CC_SHN(cc) && !(n->csts & CSTS_SHST)) {
		nvme_flush(f);
		n->csts |= CSTS_SHUT_DOWN;
	}
	return true;
}

/* Entry points */

/* The namespace's identity follows from what the user can see of it. */
static uint64_t identity(const char *serial, const char *model_name)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (const char *p = serial; *p; p++)
		sum = (sum ^ (uint8_t)*p) * 0x100000001b3ULL;
	for (const char *p = model_name; *p; p++)
		sum = (sum ^ (uint8_t)*p) * 0x100000001b3ULL;
	return sum;
}

static bool number_option(struct sim_function *f, const char *key, uint64_t def, uint64_t min, uint64_t max,
			  uint64_t *value)
{
	*value = sim_option_size(f, key, def);
	if (*value >= min && *value <= max)
		return true;
	sim_fail(f, "%s=%llu is impossible; give %llu to %llu", key, (unsigned long long)*value,
		 (unsigned long long)min, (unsigned long long)max);
	return false;
}

static bool open_file(struct sim_function *f, const char *path)
{
	struct nvme *n = sim_state(f);
	uint64_t block = 1ULL << n->block_shift;
	struct stat st;

	if (!path) {
		sim_fail(f, "file= is missing; name the file that holds the namespace");
		return false;
	}
	n->fd = open(path, O_RDWR | O_CLOEXEC);
	if (n->fd < 0) {
		sim_fail(f, "%s cannot be opened for writing: %s", path, strerror(errno));
		return false;
	}
	if (flock(n->fd, LOCK_EX | LOCK_NB)) {
		sim_fail(f, "%s is in use by another simulated drive; give each its own file", path);
	} else if (fstat(n->fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size % block) {
		sim_fail(f, "%s must be a file of a non-zero multiple of %llu bytes; resize it with truncate -s", path,
			 (unsigned long long)block);
	} else {
		n->blocks = (uint64_t)st.st_size >> n->block_shift;
		return true;
	}
	close(n->fd);
	return false;
}

static bool nvme_init(struct sim_function *f)
{
	static const struct sim_ids ids = {
		.vendor = 0x1b36,
		.device = 0x0010,
		.subsystem_vendor = 0x1b36,
		.subsystem = 0x1b36,
		.class_code = 0x010802,
		.revision = 2,
	};
	struct nvme *n = sim_state(f);
	const char *msix = sim_option(f, "msix"), *serial = sim_option(f, "serial");
	const char *model_name = sim_option(f, "model_name");
	uint64_t queues, vectors, mdts, lba;

	if (!number_option(f, "queues", 8, 1, NVME_MAX_QUEUES, &queues) ||
	    !number_option(f, "vectors", 9, 1, NVME_MAX_VECTORS, &vectors) ||
	    !number_option(f, "mdts", 512 * 1024, NVME_MIN_PAGE, NVME_MAX_TRANSFER, &mdts) ||
	    !number_option(f, "lba", 512, 512, 4096, &lba))
		return false;
	if ((lba != 512 && lba != 4096) || mdts & (mdts - 1)) {
		sim_fail(f, "lba= is 512 or 4096, and mdts= is a power of two");
		return false;
	}
	if (msix && strcmp(msix, "bar0") && strcmp(msix, "bar4")) {
		sim_fail(f, "msix=%s is impossible; give bar0 or bar4", msix);
		return false;
	}
	n->queues = (unsigned)queues;
	n->vectors = (unsigned)vectors;
	n->max_transfer = (uint32_t)mdts;
	n->block_shift = lba == 512 ? 9 : 12;
	snprintf(n->serial, sizeof(n->serial), "%s", serial ? serial : "MACSIM0001");
	snprintf(n->model_name, sizeof(n->model_name), "%s", model_name ? model_name : "macsim NVMe drive");
	n->eui64 = identity(n->serial, n->model_name);
	n->power_on_ns = sim_now_ns();
	if (!open_file(f, sim_option(f, "file")))
		return false;

	sim_set_ids(f, &ids);
	sim_add_bar(f, 0, SIM_BAR_M64, BAR_BYTES);
	sim_add_pcie(f, true);
	sim_add_msi(f, 8);
	if (msix && !strcmp(msix, "bar4")) {
		sim_add_bar(f, 4, SIM_BAR_M64, BAR_BYTES);
		sim_add_msix(f, n->vectors, 4, 0, BAR4_PBA);
	} else {
		sim_add_msix(f, n->vectors, 0, BAR0_TABLE, BAR0_PBA);
	}
	sim_add_intx(f);
	return true;
}

static void nvme_reset(struct sim_function *f, enum sim_reset kind)
{
	struct nvme *n = sim_state(f);

	n->unsafe_shutdowns += kind != SIM_RESET_POWER && (n->csts & (CSTS_RDY | CSTS_SHST)) == CSTS_RDY;
	n->cc = 0;
	n->page = NVME_MIN_PAGE;
	forget(f);
	publish(f);
}

static bool nvme_poll(struct sim_function *f)
{
	struct nvme *n = sim_state(f);
	uint64_t start_bytes = n->read_bytes + n->written_bytes;
	unsigned commands = 0;
	bool busy = cc_poll(f);

	if ((n->csts & (CSTS_RDY | CSTS_CFS | CSTS_SHST)) == CSTS_RDY) {
		busy |= doorbells_poll(f);
		/* The admin queue first; the others take turns at being first. */
		if (run_queue(f, 0, &commands, start_bytes))
			for (unsigned i = 0; i < n->queues; i++)
				if (!run_queue(f, 1 + (n->turn + i) % n->queues, &commands, start_bytes))
					break;
		n->turn++;
		busy |= commands != 0;
		if (!(n->csts & CSTS_CFS))
			busy |= events_poll(f);
	}
	interrupts_poll(f);
	publish(f);
	return busy;
}

static void nvme_exit(struct sim_function *f)
{
	struct nvme *n = sim_state(f);

	nvme_flush(f);
	close(n->fd);
}

SIM_MODEL(nvme, .state_bytes = sizeof(struct nvme), .init = nvme_init, .reset = nvme_reset, .poll = nvme_poll,
	  .exit = nvme_exit)
