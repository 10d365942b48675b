// SPDX-License-Identifier: GPL-2.0-or-later
/* call.c - a connection to the dext's user client, and method calls through it. */
#include <errno.h>
#include <string.h>

#include "internal.h"

IOReturn vfa_connection_call(struct vfa_connection *c, struct vfa_call *call)
{
	uint32_t out_count = call->out_count;
	IOReturn ret;

	atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
	ret = IOConnectCallMethod(c->port, call->selector, call->in, call->in_count, call->in_data, call->in_bytes,
				  call->out, &out_count, call->out_data, call->out_data ? &call->out_bytes : NULL);
	return !ret && out_count != call->out_count ? kIOReturnUnderrun : ret;
}

IOReturn vfa_connection_hello(struct vfa_connection *c)
{
	struct vfa_hello in = {.magic = VFA_MAGIC, .major = VFA_VERSION_MAJOR, .minor = VFA_VERSION_MINOR}, out = {0};
	struct vfa_call call = {
		.selector = VFA_HELLO,
		.in_data = &in,
		.in_bytes = sizeof(in),
		.out_data = &out,
		.out_bytes = sizeof(out),
	};
	IOReturn ret = vfa_connection_call(c, &call);

	if (ret)
		return ret;
	if (call.out_bytes != sizeof(out) || out.magic != VFA_MAGIC || out.major != VFA_VERSION_MAJOR)
		return kIOReturnUnsupported;
	c->minor = out.minor;
	return kIOReturnSuccess;
}

bool vfa_take_known(void *out, size_t out_bytes, size_t least, const void *reply, size_t reply_bytes)
{
	uint32_t claimed;

	if (reply_bytes < least)
		return false;
	memcpy(&claimed, reply, sizeof(claimed)); /* struct_bytes comes first */
	if (claimed < least)
		return false;
	if (reply_bytes > claimed)
		reply_bytes = claimed;
	memset(out, 0, out_bytes);
	memcpy(out, reply, reply_bytes < out_bytes ? reply_bytes : out_bytes);
	return true;
}

int vfa_connection_open(struct vfa_connection *c, io_service_t service, const char *name, struct vfa_error *err)
{
	IOReturn ret;

	atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
	ret = IOServiceOpen(service, mach_task_self(), 0, &c->port);
	if (vfa_errno(ret) == -EPERM)
		return vfa_fail(err, -EPERM,
				"%s: macOS does not let this program talk to the driver extension; sign it with the "
				"entitlement com.apple.developer.driverkit.userclient-access.",
				name);
	if (ret)
		return vfa_fail(err, vfa_errno(ret),
				"%s: the driver extension refuses a connection (error 0x%08x); unplug the device and "
				"plug it in again to restart it.",
				name, (unsigned)ret);
	ret = vfa_connection_hello(c);
	if (!ret)
		return 0;
	vfa_connection_close(c);
	/* What is not this protocol at all calls the magic a bad argument. */
	if (ret == kIOReturnUnsupported || ret == kIOReturnBadArgument)
		return vfa_fail(err, -EPROTO,
				"%s: the installed driver extension does not speak version %d of the protocol; update "
				"the extension to the version of this program.",
				name, VFA_VERSION_MAJOR);
	return vfa_fail(err, vfa_errno(ret), "%s: the driver extension does not answer (error 0x%08x); try again.",
			name, (unsigned)ret);
}

void vfa_connection_close(struct vfa_connection *c)
{
	atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
	IOServiceClose(c->port);
	c->port = IO_OBJECT_NULL;
}
