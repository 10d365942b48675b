// SPDX-License-Identifier: GPL-2.0-or-later
/* connect.c - user clients: open and close, method calls, memory. */
#define _GNU_SOURCE
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SCALARS_MAX 16
#define INBAND_MAX  4096 /* io_struct_inband_t; one byte more travels by address */

/* ---- open and close ---- */

kern_return_t IOServiceOpen(io_service_t service, task_port_t owningTask, uint32_t type, io_connect_t *connect)
{
	struct mw_msg m = {.op = MW_SERVICE_OPEN, .a = {0, type}};
	struct object *o;
	kern_return_t ret;

	*connect = IO_OBJECT_NULL;
	objects_lock();
	o = object_find(service, OBJECT_SERVICE);
	if (o)
		m.a[0] = o->id;
	objects_unlock();
	if (!o)
		return MACH_SEND_INVALID_DEST;
	if (owningTask != mach_task_self())
		return kIOReturnBadArgument;
	ret = task_call(&m, NULL, NULL, NULL);
	if (ret)
		return ret;
	o = object_new(OBJECT_CONNECT, m.a[0]);
	objects_lock();
	*connect = object_add(o);
	objects_unlock();
	return KERN_SUCCESS;
}

kern_return_t connect_close(struct object *o)
{
	struct mw_msg m = {.op = MW_SERVICE_CLOSE, .a = {o->id}};
	kern_return_t ret = task_call(&m, NULL, NULL, NULL);

	while (o->mappings) {
		struct mapping *map = o->mappings;

		o->mappings = map->next;
		munmap(map->base, map->bytes);
		free(map);
	}
	object_free(o);
	return ret;
}

kern_return_t IOServiceClose(io_connect_t connect)
{
	struct object *o;

	objects_lock();
	o = object_find(connect, OBJECT_CONNECT);
	if (o)
		object_drop_name(o);
	objects_unlock();
	return o ? connect_close(o) : MACH_SEND_INVALID_DEST;
}

/* The kernel's id; false for a dead name. */
static bool connect_of(io_connect_t connect, uint64_t *id)
{
	struct object *o;

	objects_lock();
	o = object_find(connect, OBJECT_CONNECT);
	if (o)
		*id = o->id;
	objects_unlock();
	return o != NULL;
}

kern_return_t IOConnectGetService(io_connect_t connect, io_service_t *service)
{
	struct mw_msg m = {.op = MW_CONNECT_SERVICE};
	kern_return_t ret;

	if (!connect_of(connect, &m.a[0]))
		return MACH_SEND_INVALID_DEST;
	ret = task_call(&m, NULL, NULL, NULL);
	if (ret)
		return ret;
	objects_lock();
	*service = object_service(m.a[0]);
	objects_unlock();
	return KERN_SUCCESS;
}

/* ---- method calls ---- */

struct method {
	uint32_t selector;
	mach_port_t wake_port;
	const uint64_t *reference;
	uint32_t reference_count;
	const uint64_t *input;
	uint32_t input_count;
	const void *in;
	size_t in_bytes;
	uint64_t *output;
	uint32_t *output_count;
	void *out;
	size_t *out_bytes;
};

/* The output structure of a variable-size call: fresh memory the caller frees with vm_deallocate(). */
static kern_return_t give_buffer(const struct method *c, const void *data, size_t bytes)
{
	void *p = NULL;

	if (bytes) {
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return KERN_RESOURCE_SHORTAGE;
		memcpy(p, data, bytes);
	}
	*(void **)c->out = p;
	*c->out_bytes = bytes;
	return KERN_SUCCESS;
}

/* Outputs are delivered only on success. */
static kern_return_t deliver(const struct method *c, const struct mw_msg *m, const uint8_t *reply, uint64_t flags,
			     uint32_t scalar_room)
{
	size_t scalars = m->a[0], bytes = m->a[1];
	bool out_of_line = flags & MW_CALL_OOL_OUT;

	if (scalars > scalar_room || m->len != scalars * sizeof(uint64_t) + (out_of_line ? 0 : bytes))
		return MIG_TYPE_ERROR;
	if (c->output_count) {
		if (scalars)
			memcpy(c->output, reply, scalars * sizeof(uint64_t));
		*c->output_count = (uint32_t)scalars;
	}
	if (flags & MW_CALL_VAR_OUT)
		return give_buffer(c, reply + scalars * sizeof(uint64_t), bytes);
	if (!c->out_bytes)
		return KERN_SUCCESS;
	if (bytes > *c->out_bytes)
		return MIG_TYPE_ERROR;
	if (!out_of_line && bytes)
		memcpy(c->out, reply + scalars * sizeof(uint64_t), bytes);
	*c->out_bytes = bytes;
	return KERN_SUCCESS;
}

static kern_return_t call_method(mach_port_t connection, const struct method *c)
{
	uint8_t payload[(SCALARS_MAX + kOSAsyncRef64Count) * sizeof(uint64_t) + INBAND_MAX];
	bool variable = c->out_bytes && *c->out_bytes == (size_t)kIOConnectMethodVarOutputSize;
	uint32_t scalar_room = c->output_count ? *c->output_count : 0;
	struct mw_msg m = {.op = MW_CALL};
	size_t out_room = c->out_bytes ? *c->out_bytes : 0;
	const void *reply;
	uint64_t flags = 0;
	kern_return_t ret;

	/* What the message cannot carry fails before it is sent; room for more than that is merely not used. */
	if (c->input_count > SCALARS_MAX || c->reference_count > kOSAsyncRef64Count)
		return MIG_ARRAY_TOO_LARGE;
	if (scalar_room > SCALARS_MAX)
		scalar_room = SCALARS_MAX;
	if (!connect_of(connection, &m.a[0]))
		return MACH_SEND_INVALID_DEST;

	m.a[1] = c->selector;
	m.a[2] = c->input_count;
	m.a[3] = c->in_bytes;
	m.a[4] = scalar_room;
	m.a[5] = variable ? UINT32_MAX : out_room;
	if (c->input_count)
		memcpy(payload, c->input, c->input_count * sizeof(uint64_t));
	m.len = c->input_count * sizeof(uint64_t);
	if (c->wake_port) {
		uint64_t reference[kOSAsyncRef64Count] = {0};

		memcpy(reference, c->reference, c->reference_count * sizeof(uint64_t));
		reference[kIOAsyncReservedIndex] = c->wake_port;
		memcpy(payload + m.len, reference, sizeof(reference));
		m.len += sizeof(reference);
		m.a[7] = c->reference_count;
		flags |= MW_CALL_ASYNC;
	}
	if (c->in_bytes > INBAND_MAX) {
		flags |= MW_CALL_OOL_IN;
		m.a[8] = (uintptr_t)c->in;
	} else if (c->in_bytes) {
		memcpy(payload + m.len, c->in, c->in_bytes);
		m.len += (uint32_t)c->in_bytes;
	}
	if (variable) {
		flags |= MW_CALL_VAR_OUT;
	} else if (out_room > INBAND_MAX) {
		flags |= MW_CALL_OOL_OUT;
		m.a[9] = (uintptr_t)c->out;
	}
	m.a[6] = flags;
	ret = task_call(&m, payload, &reply, NULL);
	return ret ? ret : deliver(c, &m, reply, flags, scalar_room);
}

kern_return_t IOConnectCallMethod(mach_port_t connection, uint32_t selector, const uint64_t *input, uint32_t inputCnt,
				  const void *inputStruct, size_t inputStructCnt, uint64_t *output, uint32_t *outputCnt,
				  void *outputStruct, size_t *outputStructCnt)
{
	struct method c = {selector, 0,         NULL,         0,
			   input,    inputCnt,  inputStruct,  inputStructCnt,
			   output,   outputCnt, outputStruct, outputStructCnt};

	return call_method(connection, &c);
}

kern_return_t IOConnectCallScalarMethod(mach_port_t connection, uint32_t selector, const uint64_t *input,
					uint32_t inputCnt, uint64_t *output, uint32_t *outputCnt)
{
	return IOConnectCallMethod(connection, selector, input, inputCnt, NULL, 0, output, outputCnt, NULL, NULL);
}

kern_return_t IOConnectCallStructMethod(mach_port_t connection, uint32_t selector, const void *inputStruct,
					size_t inputStructCnt, void *outputStruct, size_t *outputStructCnt)
{
	return IOConnectCallMethod(connection, selector, NULL, 0, inputStruct, inputStructCnt, NULL, NULL, outputStruct,
				   outputStructCnt);
}

kern_return_t IOConnectCallAsyncMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
				       uint64_t *reference, uint32_t referenceCnt, const uint64_t *input,
				       uint32_t inputCnt, const void *inputStruct, size_t inputStructCnt,
				       uint64_t *output, uint32_t *outputCnt, void *outputStruct,
				       size_t *outputStructCnt)
{
	static const uint64_t none[1];
	struct method c = {selector,    wake_port,      reference, referenceCnt, input,        inputCnt,
			   inputStruct, inputStructCnt, output,    outputCnt,    outputStruct, outputStructCnt};

	if (!reference && !referenceCnt) {
		c.reference = none;
		c.reference_count = 1;
	}
	if (!c.reference_count)
		return kIOReturnBadArgument;
	return call_method(connection, &c);
}

kern_return_t IOConnectCallAsyncScalarMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
					     uint64_t *reference, uint32_t referenceCnt, const uint64_t *input,
					     uint32_t inputCnt, uint64_t *output, uint32_t *outputCnt)
{
	return IOConnectCallAsyncMethod(connection, selector, wake_port, reference, referenceCnt, input, inputCnt, NULL,
					0, output, outputCnt, NULL, NULL);
}

kern_return_t IOConnectCallAsyncStructMethod(mach_port_t connection, uint32_t selector, mach_port_t wake_port,
					     uint64_t *reference, uint32_t referenceCnt, const void *inputStruct,
					     size_t inputStructCnt, void *outputStruct, size_t *outputStructCnt)
{
	return IOConnectCallAsyncMethod(connection, selector, wake_port, reference, referenceCnt, NULL, 0, inputStruct,
					inputStructCnt, NULL, NULL, outputStruct, outputStructCnt);
}

/* ---- memory ---- */

/*
 * Cache modes are accepted and have no effect.  Without kIOMapAnywhere the
 * mapping goes to *atAddress or nowhere.
 */
static struct mapping *map_fd(int fd, const struct mw_msg *m, mach_vm_address_t at, IOOptionBits options)
{
	uint64_t size = m->a[1], offset = m->a[2], skip = offset & ((uint64_t)getpagesize() - 1);
	int prot = m->a[3] ? PROT_READ : PROT_READ | PROT_WRITE;
	int fixed = options & kIOMapAnywhere ? 0 : MAP_FIXED_NOREPLACE;
	struct mapping *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->bytes = size + skip;
	map->base = mmap(fixed ? (void *)(uintptr_t)(at - skip) : NULL, map->bytes, prot, MAP_SHARED | fixed, fd,
			 (off_t)(offset - skip));
	if (map->base == MAP_FAILED) {
		free(map);
		return NULL;
	}
	map->cookie = m->a[0];
	map->address = (uintptr_t)map->base + skip;
	return map;
}

static kern_return_t unmap_in_kernel(uint64_t connect, uint32_t type, uint64_t cookie)
{
	struct mw_msg m = {.op = MW_UNMAP, .a = {connect, type, cookie}};

	return task_call(&m, NULL, NULL, NULL);
}

static bool keep_mapping(io_connect_t connect, struct mapping *map)
{
	struct object *o;

	objects_lock();
	o = object_find(connect, OBJECT_CONNECT);
	if (o) {
		map->next = o->mappings;
		o->mappings = map;
	}
	objects_unlock();
	return o != NULL;
}

kern_return_t IOConnectMapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t intoTask,
				   mach_vm_address_t *atAddress, mach_vm_size_t *ofSize, IOOptionBits options)
{
	struct mw_msg m = {.op = MW_MAP, .a = {0, memoryType, options & kIOMapUserOptionsMask}};
	struct mapping *map = NULL;
	uint64_t id;
	kern_return_t ret;
	int fd = -1;

	if (!connect_of(connect, &id))
		return MACH_SEND_INVALID_DEST;
	if (intoTask != mach_task_self())
		return kIOReturnBadArgument;
	m.a[0] = id;
	ret = task_call(&m, NULL, NULL, &fd);
	if (!ret && fd >= 0)
		map = map_fd(fd, &m, *atAddress, options);
	if (fd >= 0)
		close(fd);
	if (ret)
		return ret;
	if (!map) {
		unmap_in_kernel(id, memoryType, m.a[0]);
		return kIOReturnBadArgument;
	}
	map->type = memoryType;
	*atAddress = map->address;
	*ofSize = m.a[1];
	if (keep_mapping(connect, map))
		return KERN_SUCCESS;
	munmap(map->base, map->bytes); /* closed meanwhile */
	free(map);
	return MACH_SEND_INVALID_DEST;
}

/* When the kernel cannot ask the dext any more it refuses, and the memory stays until the connection is closed. */
kern_return_t IOConnectUnmapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t fromTask,
				     mach_vm_address_t atAddress)
{
	struct mapping *map = NULL, **at;
	struct object *o;
	uint64_t id = 0;
	kern_return_t ret;

	if (fromTask != mach_task_self())
		return kIOReturnBadArgument;
	objects_lock();
	o = object_find(connect, OBJECT_CONNECT);
	if (o) {
		id = o->id;
		for (at = &o->mappings; *at && ((*at)->address != atAddress || (*at)->type != memoryType);
		     at = &(*at)->next)
			;
		map = *at;
		if (map)
			*at = map->next;
	}
	objects_unlock();
	if (!o)
		return MACH_SEND_INVALID_DEST;
	if (!map)
		return kIOReturnBadArgument;
	ret = unmap_in_kernel(id, memoryType, map->cookie);
	if (ret && keep_mapping(connect, map))
		return ret;
	munmap(map->base, map->bytes);
	free(map);
	return ret;
}

kern_return_t vm_deallocate(task_t task, vm_address_t address, vm_size_t size)
{
	if (task != mach_task_self() || (size && munmap((void *)address, size)))
		return KERN_INVALID_ARGUMENT;
	return KERN_SUCCESS;
}

kern_return_t mach_vm_deallocate(task_t task, mach_vm_address_t address, mach_vm_size_t size)
{
	return vm_deallocate(task, (vm_address_t)address, (vm_size_t)size);
}
