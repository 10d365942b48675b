// SPDX-License-Identifier: GPL-2.0-or-later
/* NVMe: physical region pages, and the commands of the NVM command set. */
#define _GNU_SOURCE
#include "nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum io_opcode { IO_FLUSH = 0x00, IO_WRITE = 0x01, IO_READ = 0x02, IO_WRITE_ZEROES = 0x08, IO_DSM = 0x09 };

#define RW_FUA         0x40000000u /* CDW12 */
#define DSM_DEALLOCATE 0x4u        /* CDW11 */

struct dsm_range {
	uint32_t attributes, blocks;
	uint64_t first;
};

/* Data pointers */

static bool add_segment(struct nvme_data *d, uint64_t address, uint32_t bytes)
{
	struct nvme_segment *last = d->segments ? &d->segment[d->segments - 1] : NULL;

	if (last && last->address + last->bytes == address) {
		last->bytes += bytes;
		return true;
	}
	if (d->segments == NVME_MAX_SEGMENTS)
		return false;
	d->segment[d->segments++] = (struct nvme_segment){address, bytes};
	return true;
}

static uint32_t smaller(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* Walk PRP lists from `list` on; the last entry of a list page points to the next page when more is left. */
static enum nvme_status map_list(struct sim_function *f, uint64_t list, uint32_t left)
{
	struct nvme *n = sim_state(f);
	uint64_t *entries = (uint64_t *)(void *)n->chunk;

	if (list & 7)
		return NVME_INVALID_PRP_OFFSET;
	while (left) {
		uint32_t room = (n->page - (uint32_t)(list & (n->page - 1))) / 8;
		uint32_t pages = (left + n->page - 1) / n->page;
		bool chained = pages > room;
		uint32_t count = chained ? room : pages;

		if (!sim_dma_read(f, list, entries, count * 8))
			return NVME_DATA_TRANSFER_ERROR;
		for (uint32_t i = 0; i < count; i++) {
			if (entries[i] & (n->page - 1))
				return NVME_INVALID_PRP_OFFSET;
			if (chained && i == count - 1) {
				list = entries[i];
				break;
			}
			if (!add_segment(&n->data, entries[i], smaller(left, n->page)))
				return NVME_INVALID_FIELD;
			left -= smaller(left, n->page);
		}
	}
	return NVME_OK;
}

enum nvme_status nvme_data_map(struct sim_function *f, const struct nvme_command *cmd, uint32_t bytes)
{
	struct nvme *n = sim_state(f);
	uint32_t first = smaller(bytes, n->page - (cmd->prp1 & (n->page - 1)));
	uint32_t left = bytes - first;

	n->data.segments = n->data.at = n->data.offset = 0;
	if (bytes > n->max_transfer)
		return NVME_INVALID_FIELD;
	if (cmd->prp1 & 3)
		return NVME_INVALID_PRP_OFFSET;
	if (first)
		add_segment(&n->data, cmd->prp1, first);
	if (!left)
		return NVME_OK;
	if (left > n->page)
		return map_list(f, cmd->prp2, left);
	if (cmd->prp2 & (n->page - 1))
		return NVME_INVALID_PRP_OFFSET;
	add_segment(&n->data, cmd->prp2, left);
	return NVME_OK;
}

/* The next piece of the mapped data, at most *bytes long; false at the end. */
static bool next_piece(struct nvme_data *d, uint32_t left, uint64_t *address, uint32_t *bytes)
{
	struct nvme_segment *s;

	if (d->at == d->segments || !left)
		return false;
	s = &d->segment[d->at];
	*address = s->address + d->offset;
	*bytes = smaller(left, s->bytes - d->offset);
	d->offset += *bytes;
	if (d->offset == s->bytes) {
		d->at++;
		d->offset = 0;
	}
	return true;
}

enum nvme_status nvme_data_in(struct sim_function *f, void *to, uint32_t bytes)
{
	struct nvme *n = sim_state(f);
	uint8_t *p = to;
	uint64_t address;
	uint32_t piece;

	for (; next_piece(&n->data, bytes, &address, &piece); p += piece, bytes -= piece)
		if (!sim_dma_read(f, address, p, piece))
			return NVME_DATA_TRANSFER_ERROR;
	return NVME_OK;
}

enum nvme_status nvme_data_out(struct sim_function *f, const void *from, uint32_t bytes)
{
	struct nvme *n = sim_state(f);
	const uint8_t *p = from;
	uint64_t address;
	uint32_t piece;

	for (; next_piece(&n->data, bytes, &address, &piece); p += piece, bytes -= piece)
		if (!sim_dma_write(f, address, p, piece))
			return NVME_DATA_TRANSFER_ERROR;
	return NVME_OK;
}

/* The file */

static bool file_read(int fd, uint8_t *to, size_t bytes, off_t at)
{
	while (bytes) {
		ssize_t got = pread(fd, to, bytes, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		at += got;
		bytes -= (size_t)got;
	}
	return true;
}

static bool file_write(int fd, const uint8_t *from, size_t bytes, off_t at)
{
	while (bytes) {
		ssize_t put = pwrite(fd, from, bytes, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		from += put;
		at += put;
		bytes -= (size_t)put;
	}
	return true;
}

/* A hole reads as zeroes. */
static bool file_punch(struct nvme *n, uint64_t bytes, off_t at)
{
	return !fallocate(n->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)bytes);
}

static bool file_zero(struct nvme *n, uint64_t bytes, off_t at)
{
	if (file_punch(n, bytes, at))
		return true;
	memset(n->chunk, 0, NVME_CHUNK_BYTES);
	while (bytes) {
		uint32_t piece = smaller(bytes, NVME_CHUNK_BYTES);

		if (!file_write(n->fd, n->chunk, piece, at))
			return false;
		at += piece;
		bytes -= piece;
	}
	return true;
}

void nvme_flush(struct sim_function *f)
{
	struct nvme *n = sim_state(f);

	if (fdatasync(n->fd))
		sim_log(f, "the backing file cannot be flushed: %s", strerror(errno));
}

/* Commands */

static bool in_range(const struct nvme *n, uint64_t first, uint64_t blocks)
{
	return first <= n->blocks && blocks <= n->blocks - first;
}

static uint64_t first_block(const struct nvme_command *cmd)
{
	return cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
}

/* Without a volatile write cache every write is on stable storage before it completes. */
static enum nvme_status settle(struct nvme *n, const struct nvme_command *cmd)
{
	bool through = !(n->features[NVME_FEAT_WRITE_CACHE] & 1) || cmd->cdw12 & RW_FUA;

	return through && fdatasync(n->fd) ? NVME_WRITE_FAULT : NVME_OK;
}

static enum nvme_status io_read(struct sim_function *f, const struct nvme_command *cmd, uint32_t bytes, off_t at)
{
	struct nvme *n = sim_state(f);
	enum nvme_status status = nvme_data_map(f, cmd, bytes);

	for (uint32_t left = bytes, piece; status == NVME_OK && left; left -= piece, at += piece) {
		piece = smaller(left, NVME_CHUNK_BYTES);
		if (!file_read(n->fd, n->chunk, piece, at))
			return NVME_READ_ERROR;
		status = nvme_data_out(f, n->chunk, piece);
	}
	n->reads++;
	n->read_bytes += bytes;
	return status;
}

static enum nvme_status io_write(struct sim_function *f, const struct nvme_command *cmd, uint32_t bytes, off_t at)
{
	struct nvme *n = sim_state(f);
	enum nvme_status status = nvme_data_map(f, cmd, bytes);

	for (uint32_t left = bytes, piece; status == NVME_OK && left; left -= piece, at += piece) {
		piece = smaller(left, NVME_CHUNK_BYTES);
		status = nvme_data_in(f, n->chunk, piece);
		if (status == NVME_OK && !file_write(n->fd, n->chunk, piece, at))
			return NVME_WRITE_FAULT;
	}
	n->writes++;
	n->written_bytes += bytes;
	return status == NVME_OK ? settle(n, cmd) : status;
}

static enum nvme_status io_transfer(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	uint64_t first = first_block(cmd), blocks = (cmd->cdw12 & 0xffff) + 1;
	off_t at = (off_t)(first << n->block_shift);

	if (!in_range(n, first, blocks))
		return NVME_LBA_RANGE;
	if (cmd->opcode == IO_WRITE_ZEROES)
		return file_zero(n, blocks << n->block_shift, at) ? settle(n, cmd) : NVME_WRITE_FAULT;
	if (blocks << n->block_shift > n->max_transfer)
		return NVME_INVALID_FIELD;
	if (cmd->opcode == IO_READ)
		return io_read(f, cmd, (uint32_t)(blocks << n->block_shift), at);
	return io_write(f, cmd, (uint32_t)(blocks << n->block_shift), at);
}

static enum nvme_status io_dsm(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	struct dsm_range ranges[256];
	unsigned count = (cmd->cdw10 & 0xff) + 1;
	enum nvme_status status = nvme_data_map(f, cmd, count * sizeof(ranges[0]));

	if (status == NVME_OK)
		status = nvme_data_in(f, ranges, count * sizeof(ranges[0]));
	for (unsigned i = 0; status == NVME_OK && i < count; i++)
		if (!in_range(n, ranges[i].first, ranges[i].blocks))
			status = NVME_LBA_RANGE;
	if (!(cmd->cdw11 & DSM_DEALLOCATE))
		return status;
	/* Advice: where the file system cannot make holes, the data stays. */
	for (unsigned i = 0; status == NVME_OK && i < count; i++)
		if (ranges[i].blocks)
			file_punch(n, (uint64_t)ranges[i].blocks << n->block_shift,
				   (off_t)(ranges[i].first << n->block_shift));
	return status;
}

enum nvme_status nvme_io_command(struct sim_function *f, const struct nvme_command *cmd)
{
	struct nvme *n = sim_state(f);
	bool known = cmd->opcode == IO_FLUSH || cmd->opcode == IO_WRITE || cmd->opcode == IO_READ ||
		     cmd->opcode == IO_WRITE_ZEROES || cmd->opcode == IO_DSM;

	if (!known)
		return NVME_INVALID_OPCODE;
	if (cmd->flags) /* fused operations and SGLs are not offered */
		return NVME_INVALID_FIELD;
	if (cmd->nsid != NVME_NSID && !(cmd->opcode == IO_FLUSH && cmd->nsid == NVME_NSID_ALL))
		return NVME_INVALID_NAMESPACE;
	switch (cmd->opcode) {
	case IO_FLUSH:
		return fdatasync(n->fd) ? NVME_WRITE_FAULT : NVME_OK;
	case IO_DSM:
		return io_dsm(f, cmd);
	default:
		return io_transfer(f, cmd);
	}
}
