// SPDX-License-Identifier: GPL-2.0-or-later
// The dext protocol (docs/spec-dext.md) spoken without the client library: what is refused, and how; and that a client
// that sends anything at all harms nobody but itself.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <IOKit/IOKitLib.h>

#include <cmocka.h>

#include "vfa_dext.h"
#include "stack.h"

#define ADDRESS "03:00.0"

static io_connect_t connect_only(void)
{
	io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(VFA_SERVICE_NAME));
	io_connect_t c = IO_OBJECT_NULL;

	assert_true(service);
	assert_int_equal(IOServiceOpen(service, mach_task_self(), 1, &c), kIOReturnBadArgument);
	assert_int_equal(IOServiceOpen(service, mach_task_self(), 0, &c), kIOReturnSuccess);
	IOObjectRelease(service);
	return c;
}

static IOReturn scalars(io_connect_t c, uint32_t selector, const uint64_t *in, uint32_t in_count, uint64_t *out,
			uint32_t out_count)
{
	return IOConnectCallScalarMethod(c, selector, in, in_count, out, out_count ? &out_count : NULL);
}

static IOReturn plain(io_connect_t c, uint32_t selector)
{
	return scalars(c, selector, NULL, 0, NULL, 0);
}

static IOReturn structures(io_connect_t c, uint32_t selector, const void *in, size_t in_bytes, void *out,
			   size_t *out_bytes)
{
	return IOConnectCallStructMethod(c, selector, in, in_bytes, out, out_bytes);
}

static IOReturn hello(io_connect_t c, uint32_t magic, uint16_t major, uint16_t minor)
{
	struct vfa_hello in = {.magic = magic, .major = major, .minor = minor, .features = UINT64_MAX}, out;
	size_t bytes = sizeof(out);
	IOReturn ret;

	memset(&out, 0xff, sizeof(out));
	ret = structures(c, VFA_HELLO, &in, sizeof(in), &out, &bytes);
	if (!ret) {
		assert_int_equal(bytes, sizeof(out));
		assert_int_equal(out.magic, VFA_MAGIC);
		assert_int_equal(out.major, VFA_VERSION_MAJOR);
		assert_int_equal(out.features, 0);
	}
	return ret;
}

static io_connect_t observer(void)
{
	io_connect_t c = connect_only();

	assert_int_equal(hello(c, VFA_MAGIC, VFA_VERSION_MAJOR, VFA_VERSION_MINOR), kIOReturnSuccess);
	return c;
}

static IOReturn claim(io_connect_t c)
{
	IOReturn ret;

	for (unsigned waited = 0; waited < 2000; waited += 10) {
		ret = plain(c, VFA_CLAIM);
		if (ret != kIOReturnExclusiveAccess)
			return ret;
		sleep_ms(10);
	}
	return ret;
}

static io_connect_t owner(void)
{
	io_connect_t c = observer();

	assert_int_equal(claim(c), kIOReturnSuccess);
	return c;
}

/* ---- handshake and ownership ---- */

static void hello_comes_first(void **state)
{
	io_connect_t c = connect_only();
	struct vfa_device_info info;
	size_t bytes = sizeof(info);

	(void)state;
	assert_int_equal(structures(c, VFA_GET_INFO, NULL, 0, &info, &bytes), kIOReturnNotReady);
	assert_int_equal(plain(c, VFA_CLAIM), kIOReturnNotReady);
	assert_int_equal(hello(c, 0x12345678, VFA_VERSION_MAJOR, 0), kIOReturnBadArgument);
	assert_int_equal(hello(c, VFA_MAGIC, VFA_VERSION_MAJOR + 1, 0), kIOReturnUnsupported);
	assert_int_equal(plain(c, VFA_CLAIM), kIOReturnNotReady);
	assert_int_equal(hello(c, VFA_MAGIC, VFA_VERSION_MAJOR, 99), kIOReturnSuccess); /* minor versions get along */
	assert_int_equal(hello(c, VFA_MAGIC, VFA_VERSION_MAJOR, 0), kIOReturnSuccess);
	assert_int_equal(structures(c, VFA_GET_INFO, NULL, 0, &info, &bytes), kIOReturnSuccess);
	assert_int_equal(info.struct_bytes, sizeof(info));
	IOServiceClose(c);
}

static void only_the_owner_touches_the_device(void **state)
{
	static const struct {
		uint32_t selector, in, out;
	} calls[] = {
		{VFA_RELEASE, 0, 0},        {VFA_CONFIG_READ, 2, 1},   {VFA_CONFIG_WRITE, 3, 0}, {VFA_BAR_READ, 3, 1},
		{VFA_BAR_WRITE, 4, 0},      {VFA_IRQ_ENABLE, 2, 1},    {VFA_IRQ_DISABLE, 0, 0},  {VFA_IRQ_UNMASK, 0, 0},
		{VFA_SET_BUS_MASTER, 1, 0}, {VFA_DMA_UNMAP_ALL, 0, 1},
	};
	io_connect_t first = owner(), second = observer();
	mach_vm_address_t at = 0;
	mach_vm_size_t size = 0;
	uint64_t in[4] = {0, 0, 4, 0}, out[1];
	struct vfa_stats stats;
	size_t bytes = sizeof(stats);

	(void)state;
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_int_equal(scalars(second, calls[i].selector, in, calls[i].in, out, calls[i].out),
				 kIOReturnNotOpen);
	assert_int_equal(plain(second, VFA_CLAIM), kIOReturnExclusiveAccess);
	assert_int_equal(IOConnectMapMemory64(second, 0, mach_task_self(), &at, &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	assert_int_equal(structures(second, VFA_GET_STATS, NULL, 0, &stats, &bytes), kIOReturnSuccess);
	assert_int_equal(stats.owner, 1);

	assert_int_equal(plain(first, VFA_CLAIM), kIOReturnSuccess); /* has it already */
	assert_int_equal(plain(first, VFA_RELEASE), kIOReturnSuccess);
	assert_int_equal(plain(first, VFA_RELEASE), kIOReturnNotOpen);
	assert_int_equal(claim(second), kIOReturnSuccess);
	assert_int_equal(plain(first, VFA_CLAIM), kIOReturnExclusiveAccess);
	IOServiceClose(second);
	assert_int_equal(claim(first), kIOReturnSuccess);
	IOServiceClose(first);
}

/* ---- arguments ---- */

static void wrong_counts_and_sizes_are_refused(void **state)
{
	io_connect_t c = owner();
	uint64_t in[16] = {0}, out[16];
	static uint8_t large[8192];
	struct vfa_hello greeting = {.magic = VFA_MAGIC, .major = VFA_VERSION_MAJOR};
	size_t bytes;

	(void)state;
	assert_int_equal(plain(c, VFA_NUM_SELECTORS), kIOReturnBadArgument);
	assert_int_equal(plain(c, UINT32_MAX), kIOReturnBadArgument);
	in[1] = 4;
	for (uint32_t n = 0; n <= 16; n++)
		assert_int_equal(scalars(c, VFA_CONFIG_READ, in, n, out, 1),
				 n == 2 ? kIOReturnSuccess : kIOReturnBadArgument);
	assert_int_equal(scalars(c, VFA_CONFIG_READ, in, 2, out, 2), kIOReturnBadArgument);
	assert_int_equal(scalars(c, VFA_CLAIM, in, 1, NULL, 0), kIOReturnBadArgument);

	bytes = sizeof(large);
	assert_int_equal(structures(c, VFA_HELLO, &greeting, sizeof(greeting) - 1, large, &bytes),
			 kIOReturnBadArgument);
	bytes = sizeof(greeting) - 1; /* no room for the answer */
	assert_int_equal(structures(c, VFA_HELLO, &greeting, sizeof(greeting), large, &bytes), kIOReturnBadArgument);
	bytes = 4096;
	assert_int_equal(structures(c, VFA_DMA_SUBMIT, large, sizeof(large), large, &bytes), kIOReturnBadArgument);
	assert_int_equal(structures(c, VFA_DMA_SUBMIT, large, 0, large, &bytes), kIOReturnBadArgument);
	assert_int_equal(plain(c, VFA_RESET), kIOReturnBadArgument);      /* not asynchronous */
	assert_int_equal(plain(c, VFA_IRQ_NOTIFY), kIOReturnBadArgument); /* the same */
	IOServiceClose(c);
}

static void values_out_of_range_are_refused(void **state)
{
	static const struct {
		uint32_t selector, in, out;
		uint64_t values[4];
		IOReturn expected;
	} calls[] = {
		{VFA_CONFIG_READ, 2, 1, {0, 3}, kIOReturnBadArgument},
		{VFA_CONFIG_READ, 2, 1, {1, 2}, kIOReturnBadArgument},
		{VFA_CONFIG_READ, 2, 1, {4096, 4}, kIOReturnBadArgument},
		{VFA_CONFIG_READ, 2, 1, {1ull << 32, 4}, kIOReturnBadArgument},
		{VFA_CONFIG_WRITE, 3, 0, {UINT64_MAX - 3, 4, 0}, kIOReturnBadArgument},
		{VFA_BAR_READ, 3, 1, {7, 0, 4}, kIOReturnBadArgument},
		{VFA_BAR_READ, 3, 1, {1ull << 40, 0, 4}, kIOReturnBadArgument},
		{VFA_BAR_READ, 3, 1, {3, 0, 4}, kIOReturnBadArgument}, /* upper half of BAR 2 */
		{VFA_BAR_READ, 3, 1, {0, 0x4000, 4}, kIOReturnBadArgument},
		{VFA_BAR_READ, 3, 1, {0, UINT64_MAX - 7, 8}, kIOReturnBadArgument},
		{VFA_BAR_READ, 3, 1, {0, 2, 4}, kIOReturnBadArgument},
		{VFA_BAR_READ, 3, 1, {0, 0, 16}, kIOReturnBadArgument},
		{VFA_BAR_WRITE, 4, 0, {0, 0x4000, 8, 1}, kIOReturnBadArgument},
		{VFA_SET_BUS_MASTER, 1, 0, {2}, kIOReturnBadArgument},
		{VFA_IRQ_ENABLE, 2, 1, {VFA_IRQ_TYPES, 1}, kIOReturnBadArgument},
		{VFA_IRQ_ENABLE, 2, 1, {VFA_IRQ_MSIX, 0}, kIOReturnBadArgument},
		{VFA_IRQ_ENABLE, 2, 1, {VFA_IRQ_MSIX, UINT64_MAX}, kIOReturnSuccess}, /* gets what there is */
	};
	io_connect_t c = owner();
	mach_vm_address_t at = 0;
	mach_vm_size_t size = 0;
	uint64_t out[1];

	(void)state;
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		IOReturn ret = scalars(c, calls[i].selector, calls[i].values, calls[i].in, out, calls[i].out);

		if (ret != calls[i].expected)
			fail_msg("call %u: 0x%x instead of 0x%x", i, (unsigned)ret, (unsigned)calls[i].expected);
	}
	for (uint32_t type = 7; type < 0x200; type++)
		if (type != VFA_MEMORY_IRQ_PAGE)
			assert_int_equal(IOConnectMapMemory64(c, type, mach_task_self(), &at, &size, kIOMapAnywhere),
					 kIOReturnBadArgument);
	IOServiceClose(c);
}

/* An older client has less room for a structure that has grown since. */
static void known_prefixes_are_given(void **state)
{
	io_connect_t c = observer();
	struct vfa_device_info info, part;
	struct vfa_stats stats;
	size_t bytes = sizeof(info);

	(void)state;
	assert_int_equal(structures(c, VFA_GET_INFO, NULL, 0, &info, &bytes), kIOReturnSuccess);
	assert_int_equal(bytes, sizeof(info));
	memset(&part, 0, sizeof(part));
	bytes = 40;
	assert_int_equal(structures(c, VFA_GET_INFO, NULL, 0, &part, &bytes), kIOReturnSuccess);
	assert_int_equal(bytes, 40);
	assert_memory_equal(&part, &info, 40);
	bytes = 0;
	assert_int_equal(structures(c, VFA_GET_STATS, NULL, 0, &stats, &bytes), kIOReturnBadArgument);
	IOServiceClose(c);
}

/* ---- interrupt page ---- */

static void each_connection_has_its_own_interrupt_page(void **state)
{
	io_connect_t first = owner(), second = observer();
	struct vfa_irq_page *page;
	mach_vm_address_t at = 0, again = 0;
	mach_vm_size_t size = 0;

	(void)state;
	assert_int_equal(IOConnectMapMemory64(second, VFA_MEMORY_IRQ_PAGE, mach_task_self(), &at, &size, 1),
			 kIOReturnBadArgument);
	assert_int_equal(IOConnectMapMemory64(first, VFA_MEMORY_IRQ_PAGE, mach_task_self(), &at, &size, 1),
			 kIOReturnSuccess);
	assert_true(size >= sizeof(*page));
	page = (struct vfa_irq_page *)(uintptr_t)at;
	assert_int_equal(page->armed, 0);
	page->armed = 77;
	assert_int_equal(plain(first, VFA_RELEASE), kIOReturnSuccess);
	assert_int_equal(claim(second), kIOReturnSuccess);
	assert_int_equal(IOConnectMapMemory64(second, VFA_MEMORY_IRQ_PAGE, mach_task_self(), &again, &size, 1),
			 kIOReturnSuccess);
	assert_int_equal(((struct vfa_irq_page *)(uintptr_t)again)->armed, 0);
	assert_int_equal(IOConnectUnmapMemory64(first, VFA_MEMORY_IRQ_PAGE, mach_task_self(), at), kIOReturnSuccess);
	IOServiceClose(first);
	IOServiceClose(second);
}

/* ---- anything at all ---- */

static uint64_t random_state = 88172645463325252ull;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t hostile_scalar(void)
{
	static const uint64_t likely[] = {0,      1,      2,      4,          8,          6,         7,
					  0x1000, 0x3ffc, 0x4000, UINT32_MAX, 1ull << 32, UINT64_MAX};

	return random64() % 4 ? likely[random64() % (sizeof(likely) / sizeof(likely[0]))] : random64();
}

/* Batches that are mostly well-formed, so that they reach the platform. */
static size_t hostile_batch(uint8_t *data, uint64_t memory_at)
{
	struct vfa_dma_batch head = {0, sizeof(head)};

	for (unsigned n = 1 + (unsigned)(random64() % 6); n; n--) {
		struct vfa_dma_op op = {.op = VFA_DMA_MAP, .flags = 3, .nr_ranges = (uint8_t)(1 + random64() % 4)};

		if (random64() % 2)
			op = (struct vfa_dma_op){.op = VFA_DMA_UNMAP, .handle = 1 + random64() % 40};
		if (random64() % 3 == 0)
			op.handle |= (1 + random64() % 20) << 32;
		if (random64() % 4 == 0)
			op.align = (uint8_t)(random64() % 24);
		memcpy(data + head.bytes, &op, sizeof(op));
		head.bytes += sizeof(op);
		for (unsigned r = 0; r < op.nr_ranges; r++) {
			struct vfa_dma_range range = {memory_at + random64() % 32 * PAGE, (1 + random64() % 3) * PAGE};

			if (random64() % 16 == 0)
				range.address = hostile_scalar() * PAGE;
			if (random64() % 16 == 0)
				range.length = hostile_scalar() * PAGE;
			memcpy(data + head.bytes, &range, sizeof(range));
			head.bytes += sizeof(range);
		}
		head.count++;
	}
	if (random64() % 8 == 0)
		data[random64() % head.bytes] = (uint8_t)random64();
	memcpy(data, &head, sizeof(head));
	return head.bytes;
}

static void a_hostile_owner_harms_nobody_else(void **state)
{
	io_connect_t c = owner(), watcher = observer();
	uint64_t memory_at = (uintptr_t)memory(64 * PAGE);
	struct vfa_stats stats;
	size_t bytes = sizeof(stats);

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t selector = (uint32_t)(random64() % (VFA_NUM_SELECTORS + 2));
		uint64_t in[16], out[16];
		uint32_t outs = (uint32_t)(random64() % 3);
		uint8_t data[VFA_BATCH_BYTES], answer[VFA_BATCH_BYTES];
		size_t answer_bytes = random64() % 2 ? sizeof(answer) : random64() % sizeof(answer), data_bytes = 0;
		uint32_t ins = (uint32_t)(random64() % 5);

		if (selector == VFA_RELEASE)
			continue;
		for (unsigned i = 0; i < 16; i++)
			in[i] = hostile_scalar();
		if (random64() % 3 == 0)
			selector = VFA_DMA_SUBMIT;
		if (selector == VFA_DMA_SUBMIT) {
			ins = outs = 0;
			data_bytes = hostile_batch(data, memory_at);
		} else if (random64() % 4 == 0) {
			data_bytes = random64() % 64;
			for (unsigned i = 0; i < 64; i++)
				data[i] = (uint8_t)random64();
		}
		IOConnectCallMethod(c, selector, in, ins, data, data_bytes, out, &outs, answer, &answer_bytes);
	}
	/* The dext is still the same one: its end would have ended this connection. */
	assert_int_equal(structures(watcher, VFA_GET_STATS, NULL, 0, &stats, &bytes), kIOReturnSuccess);
	assert_true(stats.maps > 1000 && stats.unmaps > 100); /* it was not refused all the time */
	IOServiceClose(c);
	IOServiceClose(watcher);
	wait_until_free(ADDRESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_comes_first),
		cmocka_unit_test(only_the_owner_touches_the_device),
		cmocka_unit_test(wrong_counts_and_sizes_are_refused),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(known_prefixes_are_given),
		cmocka_unit_test(each_connection_has_its_own_interrupt_page),
		cmocka_unit_test(a_hostile_owner_harms_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
