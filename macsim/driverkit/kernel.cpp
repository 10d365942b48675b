/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel.cpp - calls to the simulated kernel: a socket for each calling thread, as Mach calls run concurrently. */
#include "runtime.h"

#include <stdio.h>
#include <unistd.h>

namespace
{

struct Connection {
	int sock = -1;
	uint32_t seq = 0;
	std::vector<uint8_t> reply;

	~Connection()
	{
		if (sock >= 0)
			close(sock);
	}

	bool open()
	{
		if (sock >= 0)
			return true;
		const char *token = getenv("MACSIM_TASK");
		mw_msg hello = {};
		int s = mw_connect();

		if (s < 0 || !token)
			return false;
		hello.op = MW_HELLO;
		hello.a[0] = MW_ROLE_DEXT;
		hello.a[1] = strtoull(token, nullptr, 0);
		if (mw_call(s, &hello, nullptr, nullptr, nullptr, nullptr) || hello.ret) {
			close(s);
			return false;
		}
		reply.resize(MW_MAX_PAYLOAD);
		sock = s;
		return true;
	}
};

thread_local Connection connection;

} // namespace

KernelCall::KernelCall(mw_op op, std::initializer_list<uint64_t> arguments)
{
	unsigned n = 0;

	message.op = op;
	for (uint64_t value : arguments)
		message.a[n++] = value;
}

KernelCall::~KernelCall()
{
	if (fd >= 0)
		close(fd);
}

IOReturn KernelCall::send(const void *payload, size_t bytes)
{
	int fds[2] = {-1, -1};

	if (bytes > MW_MAX_PAYLOAD || !connection.open())
		return kIOReturnIPCError;
	message.seq = ++connection.seq;
	message.len = static_cast<uint32_t>(bytes);
	if (mw_call(connection.sock, &message, payload, nullptr, connection.reply.data(), fds)) {
		close(connection.sock);
		connection.sock = -1;
		message.len = 0;
		return kIOReturnIPCError;
	}
	fd = fds[0];
	if (fds[1] >= 0)
		close(fds[1]);
	return message.ret;
}

IOReturn KernelCall::send(const char *text)
{
	return send(text, strlen(text) + 1);
}

void KernelCall::post(const void *payload, size_t bytes)
{
	if (bytes > MW_MAX_PAYLOAD || !connection.open())
		return;
	message.seq = ++connection.seq;
	message.len = static_cast<uint32_t>(bytes);
	mw_send(connection.sock, &message, payload, nullptr);
}

uint64_t KernelCall::a(unsigned index) const
{
	return message.a[index];
}

const void *KernelCall::payload() const
{
	return connection.reply.data();
}

uint32_t KernelCall::bytes() const
{
	return message.len;
}

int KernelCall::takeFd()
{
	int taken = fd;

	fd = -1;
	return taken;
}

void DriverKitViolation(const char *what, uint64_t value)
{
	fprintf(stderr, "DriverKit: the kernel sent %s (0x%llx): stopping\n", what, (unsigned long long)value);
	abort();
}
