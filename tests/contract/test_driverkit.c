// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What DriverKit and PCIDriverKit promise a dext, told by a dext that does
 * what contract.h asks for (tests/contract/dext).  Runs on a machine with one
 * dmatest function (driverkit.sh); "limited" is one without function-level
 * reset and with two interrupt vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <IOKit/IOKitLib.h>
#include <mach/mig_errors.h>
#include "contract.h"
#include "dmatest_regs.h"

#define PAGE          16384 /* of the mapper */
#define DIRECTION_IN  1
#define DIRECTION_OUT 2
#define NO_SNAPSHOT   0x10
#define MAP_READ_ONLY 2
#define SHARED_BYTES  (1 << 20) /* macsim lets a dext map client memory from this size on; a Mac any */
#define LEVEL         1
#define MSI           0x10000
#define MSIX          0x20000

static io_connect_t connection;

static io_connect_t open_service(void)
{
	io_connect_t connect = 0;

	for (int i = 0; i < 200; i++) {
		io_service_t s =
			IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(CONTRACT_SERVICE));
		IOReturn ret = s ? IOServiceOpen(s, mach_task_self(), 0, &connect) : kIOReturnNotFound;

		if (s)
			IOObjectRelease(s);
		if (!ret)
			return connect;
		usleep(50000);
	}
	fail_msg("the service %s cannot be opened", CONTRACT_SERVICE);
	return 0;
}

static int open_connection(void **state)
{
	(void)state;
	connection = open_service();
	return 0;
}

static int close_connection(void **state)
{
	(void)state;
	return IOServiceClose(connection);
}

/* Calls with these scalars; out has room for 16. */
static void ask_with(uint32_t selector, uint64_t *out, const uint64_t *in, uint32_t n)
{
	uint32_t count = 16;

	memset(out, 0, count * sizeof(*out));
	assert_int_equal(IOConnectCallScalarMethod(connection, selector, in, n, out, &count), kIOReturnSuccess);
}

static void ask(uint32_t selector, uint64_t *out)
{
	ask_with(selector, out, NULL, 0);
}

#define ASK(selector, out, ...)                                                                                        \
	ask_with((selector), (out), (const uint64_t[]){__VA_ARGS__},                                                   \
		 sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static int32_t code(uint64_t scalar)
{
	return (int32_t)(uint32_t)scalar;
}

/* Anonymous memory that begins on a page of the mapper. */
static uint8_t *page_memory(size_t bytes)
{
	uint8_t *memory = aligned_alloc(PAGE, bytes);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	return memory;
}

/* ---- lifecycle ---- */

static void start_sees_an_exclusive_session(void **state)
{
	uint64_t out[16];

	(void)state;
	ask(CONTRACT_START, out);
	assert_int_equal(out[START_CONFIG_CLOSED], 0xffffffff);
	assert_int_equal(out[START_MEMORY_CLOSED], 0xffffffff);
	assert_int_equal(code(out[START_OPEN]), kIOReturnSuccess);
	assert_int_equal(code(out[START_OPEN_AGAIN]), kIOReturnNotOpen);
	assert_int_equal(out[START_CONFIG_OPEN], DMATEST_DEVICE << 16 | DMATEST_VENDOR);
	/* Open enables neither memory space nor bus master. */
	assert_int_equal(out[START_COMMAND] & 6, 0);
	assert_int_equal(code(out[START_REGISTER]), kIOReturnSuccess);
	assert_int_equal(out[START_ON_QUEUE], 1);
	assert_int_equal(out[START_BUS], 3);
	assert_int_equal(out[START_DEVICE], 0);
	assert_int_equal(out[START_FUNCTION], 0);
}

static void create_wants_its_properties(void **state)
{
	uint64_t out[16];

	(void)state;
	ask(CONTRACT_CREATE, out);
	assert_int_equal(code(out[0]), kIOReturnBadArgument);
	assert_int_equal(code(out[1]), kIOReturnUnsupported);
	assert_int_equal(code(out[2]), kIOReturnBadArgument);
	assert_int_equal(code(out[3]), kIOReturnUnsupported);
	assert_int_equal(out[4], 0);
}

static void refused_user_client_types_reach_the_client(void **state)
{
	io_service_t s = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(CONTRACT_SERVICE));
	io_connect_t connect = 0;

	(void)state;
	assert_int_equal(IOServiceOpen(s, mach_task_self(), 1, &connect), kIOReturnUnsupported);
	IOObjectRelease(s);
}

static void properties_are_found_where_they_are(void **state)
{
	uint64_t out[16];

	(void)state;
	ask(CONTRACT_PROPERTIES, out);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(code(out[1]), kIOReturnSuccess);
	assert_int_equal(out[2], 7);
	assert_int_equal(code(out[3]), kIOReturnNotFound);
	assert_int_equal(out[4], PAGE);
	assert_int_equal(code(out[5]), kIOReturnNotFound);
	assert_int_equal(code(out[6]), kIOReturnSuccess);
	assert_int_equal(out[7], 3);
}

static void queues_are_serial(void **state)
{
	uint64_t out[16];

	(void)state;
	ask(CONTRACT_QUEUES, out);
	assert_int_equal(out[QUEUES_ORDER], 1);
	assert_int_equal(out[QUEUES_SYNC], 1);
	assert_int_equal(out[QUEUES_ON_QUEUE], 1);
	assert_int_equal(code(out[QUEUES_ACTION]), kIOReturnOverrun);
	assert_int_equal(out[QUEUES_CANCEL], 1);
	assert_int_equal(out[QUEUES_COPY], 1);
}

static void timers_fire_once_in_time(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_TIMER, out, 50);
	assert_int_equal(out[0], 1);
	assert_in_range(out[1], 50, 1000);
}

/* ---- calls ---- */

static IOReturn checked(unsigned scalars, size_t bytes, uint32_t *scalars_out, size_t *bytes_out)
{
	uint64_t in[4] = {40, 2}, out[4] = {0};
	uint8_t structure[16] = {0}, answer[32] = {0};
	IOReturn ret = IOConnectCallMethod(connection, CONTRACT_CHECKED, in, scalars, structure, bytes, out,
					   scalars_out, answer, bytes_out);

	if (!ret)
		assert_int_equal(out[0] + answer[2], 45);
	return ret;
}

static void the_dispatch_table_is_checked(void **state)
{
	uint32_t one = 1, two = 2;
	size_t sixteen = 16, eight = 8;

	(void)state;
	assert_int_equal(checked(2, 8, &one, &sixteen), kIOReturnSuccess);
	assert_int_equal(sixteen, 16);
	assert_int_equal(checked(1, 8, &one, &sixteen), kIOReturnBadArgument);
	assert_int_equal(checked(2, 7, &one, &sixteen), kIOReturnBadArgument);
	assert_int_equal(checked(2, 8, &two, &sixteen), kIOReturnBadArgument);
	assert_int_equal(checked(2, 8, &one, &eight), kIOReturnBadArgument);
	assert_int_equal(IOConnectCallScalarMethod(connection, CONTRACT_NO_FUNCTION, NULL, 0, NULL, NULL),
			 kIOReturnNoCompletion);
	assert_int_equal(IOConnectCallScalarMethod(connection, CONTRACT_ASYNC_ONLY, NULL, 0, NULL, NULL),
			 kIOReturnBadArgument);
}

/* Structures of these sizes, and how the dext saw them. */
static void pass(size_t in_bytes, size_t out_bytes, uint64_t *seen, uint8_t *answer, size_t *answered)
{
	uint8_t *in = malloc(in_bytes + 1);
	uint32_t count = ARGUMENTS_RESULTS;
	uint64_t scalar = 1;

	memset(in, 3, in_bytes);
	*answered = out_bytes;
	assert_int_equal(IOConnectCallMethod(connection, CONTRACT_ARGUMENTS, &scalar, 1, in_bytes ? in : NULL, in_bytes,
					     seen, &count, out_bytes ? answer : NULL, answered),
			 kIOReturnSuccess);
	assert_int_equal(count, ARGUMENTS_RESULTS);
	assert_int_equal(seen[ARGUMENTS_SCALARS_IN], 1);
	assert_int_equal(seen[ARGUMENTS_SCALARS_OUT], ARGUMENTS_RESULTS);
	assert_int_equal(seen[ARGUMENTS_QUEUE], 1);
	assert_int_equal(seen[ARGUMENTS_SUM], in_bytes * 3);
	free(in);
}

static void structures_above_4096_bytes_go_out_of_line(void **state)
{
	uint64_t seen[ARGUMENTS_RESULTS];
	uint8_t answer[8192];
	size_t answered;

	(void)state;
	pass(0, 0, seen, answer, &answered);
	assert_int_equal(seen[ARGUMENTS_STRUCT_IN], 0);
	assert_int_equal(seen[ARGUMENTS_DESCRIPTOR_IN], 0);
	pass(4096, 4096, seen, answer, &answered);
	assert_int_equal(seen[ARGUMENTS_STRUCT_IN], 4097);
	assert_int_equal(seen[ARGUMENTS_DESCRIPTOR_IN], 0);
	assert_int_equal(seen[ARGUMENTS_DESCRIPTOR_OUT], 0);
	assert_int_equal(seen[ARGUMENTS_MAXIMUM], 4096);
	assert_int_equal(answered, 3);
	assert_memory_equal(answer, "out", 3);
	pass(4097, 5000, seen, answer, &answered);
	assert_int_equal(seen[ARGUMENTS_STRUCT_IN], 0);
	assert_int_equal(seen[ARGUMENTS_DESCRIPTOR_IN], 4098);
	assert_int_equal(seen[ARGUMENTS_DESCRIPTOR_OUT], 5001);
	assert_int_equal(answer[4999], 0x5a);
}

struct completions {
	dispatch_semaphore_t arrived;
	unsigned count, wrong;
};

static void completed(void *refcon, IOReturn result, void **args, uint32_t n)
{
	struct completions *c = refcon;

	c->wrong += result != kIOReturnSuccess || n != 3 || (uint64_t)args[0] != c->count || (uint64_t)args[2] != 102;
	c->count++;
	dispatch_semaphore_signal(c->arrived);
}

static void a_completion_kept_completes_again_and_17_arguments_vanish(void **state)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	dispatch_queue_t queue = dispatch_queue_create("test", NULL);
	struct completions c = {.arrived = dispatch_semaphore_create(0)};
	uint64_t reference[8] = {0, (uint64_t)completed, (uint64_t)&c}, in[2] = {5, 3};

	(void)state;
	IONotificationPortSetDispatchQueue(port, queue);
	assert_int_equal(IOConnectCallAsyncScalarMethod(connection, CONTRACT_COMPLETE,
							IONotificationPortGetMachPort(port), reference, 3, in, 2, NULL,
							NULL),
			 kIOReturnSuccess);
	for (int i = 0; i < 5; i++)
		assert_int_equal(dispatch_semaphore_wait(c.arrived, dispatch_time(DISPATCH_TIME_NOW, 5000000000)), 0);
	assert_int_equal(c.wrong, 0);
	IONotificationPortDestroy(port);
	dispatch_release(queue);
	dispatch_release(c.arrived);
}

/* ---- memory ---- */

static void describe(uint64_t options, unsigned n, uint64_t address, uint64_t length, uint64_t *out)
{
	struct contract_range ranges[40];
	uint64_t in[2] = {options, n};
	uint32_t count = 2;

	for (unsigned i = 0; i < 40; i++)
		ranges[i] = (struct contract_range){address, length};
	assert_int_equal(IOConnectCallMethod(connection, CONTRACT_DESCRIBE, in, 2, ranges, n * sizeof(ranges[0]), out,
					     &count, NULL, NULL),
			 kIOReturnSuccess);
}

static void descriptors_take_32_ranges_and_look_at_nothing(void **state)
{
	uint64_t out[2];

	(void)state;
	describe(3, 32, 0x1000, 4096, out); /* nothing is mapped there */
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(out[1], 32 * 4096);
	describe(3, 33, 0x1000, 4096, out);
	assert_int_equal(code(out[0]), kIOReturnOverrun);
	describe(3, 1, ~0ull - 4096, 8192, out);
	assert_int_equal(code(out[0]), kIOReturnNoMemory);
}

static void prepare(const struct contract_prepare *p, const struct contract_range *ranges, uint64_t *out)
{
	struct {
		struct contract_prepare p;
		struct contract_range ranges[32];
	} in = {.p = *p};
	uint32_t count = 16;

	memset(out, 0, 16 * sizeof(*out));
	memcpy(in.ranges, ranges, p->ranges * sizeof(*ranges));
	assert_int_equal(IOConnectCallMethod(connection, CONTRACT_PREPARE, NULL, 0, &in,
					     sizeof(in.p) + p->ranges * sizeof(*ranges), out, &count, NULL, NULL),
			 kIOReturnSuccess);
}

static void one_range_is_one_segment_that_keeps_its_offset(void **state)
{
	uint8_t *memory = page_memory(8 * PAGE);
	const struct contract_range range = {(uint64_t)memory + 100, 3 * PAGE};
	uint64_t out[16];

	(void)state;
	prepare(&(struct contract_prepare){DIRECTION_IN | DIRECTION_OUT | NO_SNAPSHOT, 0, 0, 0, 0, 32, 1}, &range, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnSuccess);
	assert_int_equal(out[PREPARED_FLAGS], DIRECTION_IN | DIRECTION_OUT);
	assert_int_equal(out[PREPARED_SEGMENTS], 1);
	assert_int_equal(out[PREPARED_LENGTH], 3 * PAGE);
	assert_int_equal(out[PREPARED_ADDRESS] % PAGE, 100);
	assert_true(out[PREPARED_ADDRESS] >= 0x80000000);
	assert_int_equal(code(out[PREPARED_GET]), kIOReturnSuccess);
	assert_int_equal(out[PREPARED_GET_OFFSET], 0);
	assert_int_equal(out[PREPARED_GET_LENGTH], 3 * PAGE);
	assert_int_equal(out[PREPARED_GET_SAME], 1);
	assert_int_equal(code(out[PREPARED_COMPLETE]), kIOReturnSuccess);
	assert_int_equal(code(out[PREPARED_COMPLETE_AGAIN]), kIOReturnNotReady);
	/* Part of it, and only to be read by the device. */
	prepare(&(struct contract_prepare){DIRECTION_OUT | NO_SNAPSHOT, 0, PAGE, 512, 0, 32, 1}, &range, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnSuccess);
	assert_int_equal(out[PREPARED_FLAGS], DIRECTION_OUT);
	assert_int_equal(out[PREPARED_SUM], 512);
	assert_int_equal(out[PREPARED_GET_OFFSET], PAGE);
	free(memory);
}

static void too_few_slots_silently_give_a_prefix(void **state)
{
	uint8_t *memory = page_memory(8 * PAGE);
	/* Edges that are not on pages leave gaps: a segment for each. */
	const struct contract_range gaps[3] = {
		{(uint64_t)memory, 512}, {(uint64_t)memory + 2 * PAGE, 1024}, {(uint64_t)memory + 4 * PAGE, 2048}};
	const struct contract_range pages[2] = {{(uint64_t)memory + 5 * PAGE, PAGE}, {(uint64_t)memory, 2 * PAGE}};
	struct contract_prepare p = {DIRECTION_IN | DIRECTION_OUT | NO_SNAPSHOT, 0, 0, 0, 0, 32, 3};
	uint64_t out[16];

	(void)state;
	prepare(&p, gaps, out);
	assert_int_equal(out[PREPARED_SEGMENTS], 3);
	assert_int_equal(out[PREPARED_SUM], 512 + 1024 + 2048);
	p.slots = 2;
	prepare(&p, gaps, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnSuccess);
	assert_int_equal(out[PREPARED_SEGMENTS], 2);
	assert_int_equal(out[PREPARED_SUM], 512 + 1024);
	p.slots = 0;
	prepare(&p, gaps, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnBadArgument);
	p.slots = 33;
	prepare(&p, gaps, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnOverrun);
	/* Ranges that meet on pages merge. */
	p.slots = 32;
	p.ranges = 2;
	prepare(&p, pages, out);
	assert_int_equal(out[PREPARED_SEGMENTS], 1);
	assert_int_equal(out[PREPARED_SUM], 3 * PAGE);
	free(memory);
}

static void what_cannot_be_prepared(void **state)
{
	uint8_t *memory = page_memory(PAGE);
	const struct contract_range good = {(uint64_t)memory, PAGE}, nothing = {0x10000, PAGE};
	struct contract_prepare p = {DIRECTION_IN | DIRECTION_OUT | NO_SNAPSHOT, 0, 0, 0, 0, 32, 1};
	uint64_t out[16];

	(void)state;
	prepare(&p, &nothing, out);
	assert_int_equal(code(out[PREPARED_DESCRIBE]), kIOReturnSuccess);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnCannotWire);
	assert_int_equal(code(out[PREPARED_COMPLETE]), kIOReturnNotReady);
	p.options = 1;
	prepare(&p, &good, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnBadArgument);
	p.options = 0;
	p.bits = 31;
	prepare(&p, &good, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnMessageTooLarge);
	p.bits = 13;
	prepare(&p, &good, out);
	assert_int_equal(code(out[PREPARED_CREATE]), kIOReturnNoMemory);
	p.bits = 256;
	prepare(&p, &good, out);
	assert_int_equal(code(out[PREPARED_CREATE]), kIOReturnBadArgument);
	/* No descriptor at all. */
	p.bits = 0;
	p.memory_options = DIRECTION_IN;
	p.ranges = 0;
	prepare(&p, &good, out);
	assert_int_equal(code(out[PREPARED_RET]), kIOReturnBadArgument);
	free(memory);
}

static void a_command_holds_one_preparation(void **state)
{
	uint8_t *memory = page_memory(PAGE);
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_BUSY, out, (uint64_t)memory, PAGE);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(code(out[1]), kIOReturnBusy);
	assert_int_equal(code(out[2]), kIOReturnBadArgument);
	assert_int_equal(code(out[3]), kIOReturnSuccess);
	assert_int_equal(code(out[4]), kIOReturnSuccess);
	free(memory);
}

static void a_mapping_is_a_snapshot_unless_asked_otherwise(void **state)
{
	uint8_t *memory = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *word = (uint64_t *)memory, out[16];

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	*word = 0x1234;
	ASK(CONTRACT_MAPPING, out, DIRECTION_IN | DIRECTION_OUT, (uint64_t)memory, PAGE, 0);
	assert_int_equal(code(out[1]), kIOReturnSuccess);
	assert_int_equal(out[2], 0x1234);
	assert_int_equal(*word, 0x1234); /* the dext wrote to its copy */
	ASK(CONTRACT_MAPPING, out, DIRECTION_IN | DIRECTION_OUT | NO_SNAPSHOT, (uint64_t)memory, PAGE, 0);
	assert_int_equal(code(out[1]), kIOReturnSuccess);
	assert_int_equal(out[2], 0x1234);
	assert_int_equal(out[3], PAGE);
	assert_int_equal(*word, 0x1122334455667788);
	ASK(CONTRACT_MAPPING, out, DIRECTION_OUT | NO_SNAPSHOT, (uint64_t)memory, PAGE, 0x1000);
	assert_int_equal(code(out[1]), kIOReturnBadArgument); /* no such cache mode */
	munmap(memory, SHARED_BYTES);
}

static void a_mapping_is_read_only_when_asked_or_when_only_read_from(void **state)
{
	uint8_t *memory = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const struct {
		uint64_t direction, options, writable;
	} cases[] = {
		{DIRECTION_IN | DIRECTION_OUT, 0, 1},
		{DIRECTION_IN | DIRECTION_OUT, MAP_READ_ONLY, 0},
		{DIRECTION_IN, MAP_READ_ONLY, 0},
		{DIRECTION_OUT, 0, 0},
	};
	uint64_t *word = (uint64_t *)memory, out[16];

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		*word = 0x1234;
		ASK(CONTRACT_MAPPING, out, cases[i].direction | NO_SNAPSHOT, (uint64_t)memory, PAGE, cases[i].options);
		assert_int_equal(code(out[1]), kIOReturnSuccess);
		assert_int_equal(out[2], 0x1234);
		assert_int_equal(out[4], cases[i].writable);
		assert_int_equal(*word, cases[i].writable ? 0x1122334455667788 : 0x1234);
	}
	munmap(memory, SHARED_BYTES);
}

/* A part of it is another descriptor, which nobody is the maker of. */
static void a_buffer_is_writable_for_the_dext_that_made_it(void **state)
{
	uint64_t out[16];

	(void)state;
	ask(CONTRACT_OUT_BUFFER, out);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], 1);
	assert_int_equal(out[2], 1);
	assert_int_equal(out[3], 0);
}

static void a_buffer_has_no_length_until_it_is_set(void **state)
{
	uint64_t out[16];

	(void)state;
	ask(CONTRACT_BUFFER, out);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(out[1], 0);
	assert_int_equal(code(out[2]), kIOReturnSuccess);
	assert_int_equal(out[3], 20000);
	assert_int_equal(code(out[4]), kIOReturnSuccess);
	assert_int_equal(out[5], 20000);
	assert_int_equal(out[6], 0xa5);
	assert_int_not_equal(code(out[7]), kIOReturnSuccess);
	assert_int_equal(code(out[8]), kIOReturnBadArgument);
}

static void a_client_maps_the_descriptor_the_dext_gives(void **state)
{
	mach_vm_address_t a = 0, b = 0, c = 0;
	mach_vm_size_t size = 0;

	(void)state;
	assert_int_equal(IOConnectMapMemory64(connection, 0, mach_task_self(), &a, &size, 1), kIOReturnSuccess);
	assert_int_equal(size, PAGE);
	assert_int_equal(*(volatile uint64_t *)a, 1);
	/* The same memory again, whatever the type: what the dext writes shows in both. */
	assert_int_equal(IOConnectMapMemory64(connection, 1, mach_task_self(), &b, &size, 1), kIOReturnSuccess);
	assert_int_equal(*(volatile uint64_t *)a, 2);
	assert_int_equal(*(volatile uint64_t *)b, 2);
	assert_int_equal(IOConnectUnmapMemory64(connection, 0, mach_task_self(), a), kIOReturnSuccess);
	assert_int_equal(*(volatile uint64_t *)b, 3);
	assert_int_equal(IOConnectMapMemory64(connection, 5, mach_task_self(), &c, &size, 1), kIOReturnBadArgument);
	assert_int_equal(IOConnectMapMemory64(connection, 0x102, mach_task_self(), &c, &size, 1), kIOReturnSuccess);
	assert_int_equal(size, DMATEST_MEM_BYTES);
	assert_int_equal(IOConnectUnmapMemory64(connection, 0x102, mach_task_self(), c), kIOReturnSuccess);
}

/* ---- the PCI device ---- */

static void memory_indices_count_ranges_not_bars(void **state)
{
	static const struct {
		unsigned bar, index;
		uint64_t size;
		unsigned type;
	} bars[] = {{0, 0, DMATEST_REGS_BYTES, 0x0},
		    {1, 1, DMATEST_SMALL_BYTES, 0x8},
		    {2, 2, DMATEST_MEM_BYTES, 0xc},
		    {4, 3, DMATEST_MSIX_BYTES, 0x4}};
	uint64_t out[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		ASK(CONTRACT_BAR_INFO, out, bars[i].bar);
		assert_int_equal(code(out[0]), kIOReturnSuccess);
		assert_int_equal(out[1], bars[i].index);
		assert_int_equal(out[2], bars[i].size);
		assert_int_equal(out[3], bars[i].type);
	}
	/* Upper halves and what is not there. */
	ASK(CONTRACT_BAR_INFO, out, 3);
	assert_int_equal(code(out[0]), kIOReturnNotFound);
	ASK(CONTRACT_BAR_INFO, out, 6);
	assert_int_equal(code(out[0]), kIOReturnNotFound);
	ASK(CONTRACT_BAR_INFO, out, 7);
	assert_int_equal(code(out[0]), kIOReturnBadArgument);
	ASK(CONTRACT_MEMORY, out, 0, DMATEST_ID);
	assert_int_equal(out[0], DMATEST_ID_VALUE);
	ASK(CONTRACT_MEMORY, out, 4, 0); /* one beyond the last index */
	assert_int_equal(out[0], 0xffffffff);
}

static void device_memory_is_for_the_opener(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_COPY_MEMORY, out, 3, 1);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(out[1], DMATEST_MSIX_BYTES);
	ASK(CONTRACT_COPY_MEMORY, out, 3, 0);
	assert_int_equal(code(out[0]), kIOReturnNotOpen);
	ASK(CONTRACT_COPY_MEMORY, out, 7, 1);
	assert_int_equal(code(out[0]), kIOReturnBadArgument);
}

static void capabilities_are_found_from_where_the_search_starts(void **state)
{
	uint64_t out[16], first;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		static const uint64_t ids[] = {0x05, 0x10, 0x11};
		ASK(CONTRACT_FIND, out, ids[i], 0);
		assert_int_equal(code(out[0]), kIOReturnSuccess);
		assert_in_range(out[1], 0x40, 0xfc);
		first = out[1];
		ASK(CONTRACT_FIND, out, ids[i], first); /* behind the only one */
		assert_int_equal(code(out[0]), kIOReturnNotFound);
		assert_int_equal(out[1], 0);
	}
	ASK(CONTRACT_FIND, out, 0x14, 0);
	assert_int_equal(code(out[0]), kIOReturnNotFound);
	ASK(CONTRACT_FIND, out, (uint32_t)-0x10, 0); /* extended */
	assert_int_equal(code(out[0]), kIOReturnNotFound);
}

static void function_reset_works_and_others_are_refused(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_RESET, out, 0x10, 0);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	ASK(CONTRACT_MEMORY, out, 0, DMATEST_ID);
	assert_int_equal(out[0], DMATEST_ID_VALUE);
	ASK(CONTRACT_RESET, out, 0x11, 0);
	assert_int_equal(code(out[0]), kIOReturnBadArgument);
	ASK(CONTRACT_RESET, out, 2, 0);
	assert_int_equal(code(out[0]), kIOReturnBadArgument);
}

/* ---- interrupts ---- */

static IOReturn configure(uint64_t type, uint64_t required, uint64_t requested, uint64_t options)
{
	uint64_t out[16];

	ASK(CONTRACT_CONFIGURE, out, type, required, requested, options);
	return code(out[0]);
}

static void interrupts_are_configured_once(void **state)
{
	uint64_t out[16];

	(void)state;
	assert_int_equal(configure(MSIX, 0, 1, 0), kIOReturnBadArgument);
	assert_int_equal(configure(MSIX, 2, 1, 0), kIOReturnBadArgument);
	assert_int_equal(configure(MSIX, 1, 1, 1), kIOReturnBadArgument);
	assert_int_equal(configure(MSIX, 9, 9, 0), kIOReturnNoSpace);
	assert_int_equal(configure(MSIX, 1, 8, 0), kIOReturnSuccess);
	/* Later calls succeed only when what there is will do. */
	assert_int_equal(configure(MSIX, 8, 8, 0), kIOReturnSuccess);
	assert_int_equal(configure(MSIX, 9, 9, 0), kIOReturnUnsupported);
	assert_int_equal(configure(MSI, 1, 1, 0), kIOReturnUnsupported);
	assert_int_equal(configure(LEVEL, 1, 1, 0), kIOReturnUnsupported);
	ASK(CONTRACT_SOURCE, out, 7);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(out[2], MSIX);
	ASK(CONTRACT_SOURCE, out, 8);
	assert_int_equal(code(out[0]), kIOReturnNoInterrupt);
	assert_int_equal(code(out[1]), kIOReturnNoInterrupt);
}

static void interrupts_coalesce_while_the_handler_cannot_run(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_INTERRUPTS, out, 0, 6);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(out[2], 6);
	assert_in_range(out[1], 1, 2); /* the first, and all that came meanwhile */
	assert_int_equal(out[3], 6);
}

static void cancel_ends_a_source_later(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_CANCEL, out, 1);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	assert_int_equal(code(out[1]), kIOReturnSuccess);
	assert_int_equal(code(out[2]), kIOReturnUnsupported);
	assert_int_equal(out[3], 1);
}

/* ---- a crash ---- */

static void an_access_beyond_a_bar_kills_the_dext(void **state)
{
	uint64_t in[2] = {2, DMATEST_MEM_BYTES}, out[16];
	uint32_t count = 1;

	(void)state;
	assert_int_equal(IOConnectCallScalarMethod(connection, CONTRACT_MEMORY, in, 2, out, &count), MIG_SERVER_DIED);
	IOServiceClose(connection);
	/* The next instance finds its device reset, and the interrupt allocation as it was. */
	connection = open_service();
	start_sees_an_exclusive_session(NULL);
	assert_int_equal(configure(MSIX, 8, 8, 0), kIOReturnSuccess);
	assert_int_equal(configure(MSI, 1, 1, 0), kIOReturnUnsupported);
	interrupts_coalesce_while_the_handler_cannot_run(NULL);
}

/* ---- the limited machine ---- */

static void without_function_reset_it_is_unsupported(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_RESET, out, 0x10, 0);
	assert_int_equal(code(out[0]), kIOReturnUnsupported);
	ASK(CONTRACT_RESET, out, 1, 0); /* hot */
	assert_int_equal(code(out[0]), kIOReturnSuccess);
}

static void fewer_vectors_than_wished_for(void **state)
{
	uint64_t out[16];

	(void)state;
	assert_int_equal(configure(MSIX, 3, 8, 0), kIOReturnNoSpace);
	assert_int_equal(configure(MSIX, 1, 8, 0), kIOReturnSuccess);
	assert_int_equal(configure(MSIX, 3, 8, 0), kIOReturnUnsupported);
	ASK(CONTRACT_SOURCE, out, 1);
	assert_int_equal(code(out[0]), kIOReturnSuccess);
	ASK(CONTRACT_SOURCE, out, 2);
	assert_int_equal(code(out[0]), kIOReturnNoInterrupt);
}

static void a_trapped_bar_goes_through_the_kernel(void **state)
{
	uint64_t out[16];

	(void)state;
	ASK(CONTRACT_MEMORY, out, 0, DMATEST_ID);
	assert_int_equal(out[0], DMATEST_ID_VALUE);
	ASK(CONTRACT_MEMORY, out, 0, DMATEST_REGS_BYTES); /* bounds are checked there */
	assert_int_equal(out[0], 0xffffffff);
	ASK(CONTRACT_COPY_MEMORY, out, 0, 1);
	assert_int_equal(code(out[0]), kIOReturnError);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_sees_an_exclusive_session),
		cmocka_unit_test(create_wants_its_properties),
		cmocka_unit_test(refused_user_client_types_reach_the_client),
		cmocka_unit_test(properties_are_found_where_they_are),
		cmocka_unit_test(queues_are_serial),
		cmocka_unit_test(timers_fire_once_in_time),
		cmocka_unit_test(the_dispatch_table_is_checked),
		cmocka_unit_test(structures_above_4096_bytes_go_out_of_line),
		cmocka_unit_test(a_completion_kept_completes_again_and_17_arguments_vanish),
		cmocka_unit_test(descriptors_take_32_ranges_and_look_at_nothing),
		cmocka_unit_test(one_range_is_one_segment_that_keeps_its_offset),
		cmocka_unit_test(too_few_slots_silently_give_a_prefix),
		cmocka_unit_test(what_cannot_be_prepared),
		cmocka_unit_test(a_command_holds_one_preparation),
		cmocka_unit_test(a_mapping_is_a_snapshot_unless_asked_otherwise),
		cmocka_unit_test(a_mapping_is_read_only_when_asked_or_when_only_read_from),
		cmocka_unit_test(a_buffer_is_writable_for_the_dext_that_made_it),
		cmocka_unit_test(a_buffer_has_no_length_until_it_is_set),
		cmocka_unit_test(a_client_maps_the_descriptor_the_dext_gives),
		cmocka_unit_test(memory_indices_count_ranges_not_bars),
		cmocka_unit_test(device_memory_is_for_the_opener),
		cmocka_unit_test(capabilities_are_found_from_where_the_search_starts),
		cmocka_unit_test(function_reset_works_and_others_are_refused),
		cmocka_unit_test(interrupts_are_configured_once),
		cmocka_unit_test(interrupts_coalesce_while_the_handler_cannot_run),
		cmocka_unit_test(cancel_ends_a_source_later),
		cmocka_unit_test(an_access_beyond_a_bar_kills_the_dext),
	};
	const struct CMUnitTest limited[] = {
		cmocka_unit_test(without_function_reset_it_is_unsupported),
		cmocka_unit_test(fewer_vectors_than_wished_for),
		cmocka_unit_test(a_trapped_bar_goes_through_the_kernel),
	};

	if (argc > 1 && !strcmp(argv[1], "limited"))
		return cmocka_run_group_tests(limited, open_connection, close_connection);
	return cmocka_run_group_tests(tests, open_connection, close_connection);
}
