// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What IOKitLib promises a client, seen through the real driver extension.
 * Runs on a machine with one function (iokit.sh).  On a Mac the same calls
 * give the same answers; only kill_dext() is the simulation's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <CoreFoundation/CoreFoundation.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#include <IOKit/IOKitLib.h>
#include <IOKit/IOMessage.h>
#include <mach/mach.h>
#include "vfa_dext.h"
#include "wire.h"

static const io_name_t general_interest = kIOGeneralInterest;
static const io_name_t first_match = kIOFirstMatchNotification;

/* ---- a client of few words ---- */

static io_service_t the_service(void)
{
	for (int i = 0; i < 200; i++) {
		io_service_t s =
			IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(VFA_SERVICE_NAME));

		if (s)
			return s;
		usleep(50000);
	}
	fail_msg("no service named %s", VFA_SERVICE_NAME);
	return 0;
}

static io_connect_t open_service(void)
{
	io_service_t service = the_service();
	io_connect_t connect = 0;

	assert_int_equal(IOServiceOpen(service, mach_task_self(), 0, &connect), kIOReturnSuccess);
	IOObjectRelease(service);
	return connect;
}

static IOReturn hello(io_connect_t connect, uint32_t magic, uint16_t major)
{
	struct vfa_hello in = {.magic = magic, .major = major}, out;
	size_t bytes = sizeof(out);

	return IOConnectCallStructMethod(connect, VFA_HELLO, &in, sizeof(in), &out, &bytes);
}

static IOReturn call(io_connect_t connect, uint32_t selector)
{
	return IOConnectCallScalarMethod(connect, selector, NULL, 0, NULL, NULL);
}

/* A claim waits for the end of the connection before it, which IOServiceClose only starts. */
static IOReturn claim(io_connect_t connect)
{
	IOReturn ret = kIOReturnExclusiveAccess;

	for (int i = 0; i < 200 && ret == kIOReturnExclusiveAccess; i++) {
		ret = call(connect, VFA_CLAIM);
		if (ret)
			usleep(20000);
	}
	return ret;
}

static io_connect_t owner(void)
{
	io_connect_t connect = open_service();

	assert_int_equal(hello(connect, VFA_MAGIC, VFA_VERSION_MAJOR), kIOReturnSuccess);
	assert_int_equal(claim(connect), kIOReturnSuccess);
	return connect;
}

static IOReturn map(io_connect_t connect, uint32_t type, mach_vm_address_t *at, mach_vm_size_t *size)
{
	return IOConnectMapMemory64(connect, type, mach_task_self(), at, size, kIOMapAnywhere);
}

static void kill_dext(const struct vfa_device_info *info)
{
	struct mw_msg m = {.op = MW_HELLO, .a = {MW_ROLE_CONTROL}};
	int sock = mw_connect();
	char bdf[16];

	assert_true(sock >= 0);
	assert_int_equal(mw_call(sock, &m, NULL, NULL, NULL, NULL), 0);
	snprintf(bdf, sizeof(bdf), "%02x:%02x.%x", info->bus, info->device, info->function);
	m = (struct mw_msg){.op = MW_CTL_KILL_DEXT, .len = (uint32_t)strlen(bdf) + 1};
	assert_int_equal(mw_call(sock, &m, bdf, NULL, NULL, NULL), 0);
	assert_int_equal(m.ret, 0);
	close(sock);
}

static struct vfa_device_info the_info(void)
{
	struct vfa_device_info info;
	io_service_t service = the_service();
	CFTypeRef data = IORegistryEntryCreateCFProperty(service, CFSTR(VFA_PROPERTY_INFO), kCFAllocatorDefault, 0);

	assert_non_null(data);
	assert_int_equal(CFGetTypeID(data), CFDataGetTypeID());
	assert_true(CFDataGetLength(data) >= (CFIndex)sizeof(info));
	memcpy(&info, CFDataGetBytePtr(data), sizeof(info));
	CFRelease(data);
	IOObjectRelease(service);
	return info;
}

/* ---- registry ---- */

static void services_are_found_by_name_not_by_class(void **state)
{
	io_service_t service = the_service();
	uint64_t id = 0;
	io_name_t name;

	(void)state;
	assert_int_equal(IORegistryEntryGetName(service, name), kIOReturnSuccess);
	assert_string_equal(name, VFA_SERVICE_NAME);
	assert_int_equal(IORegistryEntryGetRegistryEntryID(service, &id), kIOReturnSuccess);
	assert_true(id != 0);
	/* To the kernel every dext's service is an IOUserService. */
	assert_int_equal(IOServiceGetMatchingService(kIOMainPortDefault, IOServiceMatching(VFA_SERVICE_NAME)), 0);
	IOObjectRelease(service);
}

static void properties_of_the_dext_are_readable_without_opening(void **state)
{
	struct vfa_device_info info = the_info();
	io_service_t service = the_service();

	(void)state;
	assert_true(info.struct_bytes >= sizeof(info));
	assert_true(info.vendor != 0xffff && info.iova_last > info.iova_first);
	assert_null(IORegistryEntryCreateCFProperty(service, CFSTR("NoSuchProperty"), kCFAllocatorDefault, 0));
	IOObjectRelease(service);
}

/* ---- open and call ---- */

static void the_registry_is_walked_from_the_nub_to_the_user_client(void **state)
{
	static const io_name_t plane = kIOServicePlane;
	io_connect_t connect = open_service();
	io_service_t nub, service, client;
	io_iterator_t children;
	char creator[128], pid[32];
	CFTypeRef value;
	io_name_t name;

	(void)state;
	nub = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceMatching("IOPCIDevice"));
	assert_int_not_equal(nub, 0);
	assert_int_equal(IOObjectGetClass(nub, name), KERN_SUCCESS);
	assert_string_equal(name, "IOPCIDevice");
	value = IORegistryEntryCreateCFProperty(nub, CFSTR("IOPCITunnelled"), kCFAllocatorDefault, 0);
	assert_ptr_equal(value, kCFBooleanTrue);
	CFRelease(value);
	/* Itself and four BARs; all have addresses. */
	value = IORegistryEntryCreateCFProperty(nub, CFSTR("reg"), kCFAllocatorDefault, 0);
	assert_int_equal(CFDataGetLength(value), 5 * 20);
	CFRelease(value);
	value = IORegistryEntryCreateCFProperty(nub, CFSTR("assigned-addresses"), kCFAllocatorDefault, 0);
	assert_int_equal(CFDataGetLength(value), 4 * 20);
	CFRelease(value);

	assert_int_equal(IORegistryEntryGetChildIterator(nub, plane, &children), KERN_SUCCESS);
	service = IOIteratorNext(children);
	assert_int_equal(IOIteratorNext(children), 0);
	IOObjectRelease(children);
	assert_int_equal(IORegistryEntryGetName(service, name), KERN_SUCCESS);
	assert_string_equal(name, VFA_SERVICE_NAME);
	assert_int_equal(IOObjectGetClass(service, name), KERN_SUCCESS);
	assert_string_equal(name, "IOUserService");

	assert_int_equal(IORegistryEntryGetChildIterator(service, plane, &children), KERN_SUCCESS);
	client = IOIteratorNext(children);
	assert_int_not_equal(client, 0);
	value = IORegistryEntryCreateCFProperty(client, CFSTR(kIOUserClientCreatorKey), kCFAllocatorDefault, 0);
	assert_non_null(value);
	assert_true(CFStringGetCString(value, creator, sizeof(creator), kCFStringEncodingUTF8));
	CFRelease(value);
	snprintf(pid, sizeof(pid), "pid %d, ", getpid());
	assert_memory_equal(creator, pid, strlen(pid));
	IOObjectRelease(client);
	IOObjectRelease(children);
	IOObjectRelease(service);
	assert_int_not_equal(IORegistryEntryGetChildIterator(0, plane, &children), KERN_SUCCESS);
	IOObjectRelease(nub);
	IOServiceClose(connect);
}

static void system_variables_are_read_by_name(void **state)
{
	char version[32], little[2];
	size_t bytes = sizeof(version);
	int32_t arm64 = 0;

	(void)state;
	assert_int_equal(sysctlbyname("kern.osproductversion", version, &bytes, NULL, 0), 0);
	assert_int_equal(bytes, strlen(version) + 1);
	bytes = 0;
	assert_int_equal(sysctlbyname("kern.osproductversion", NULL, &bytes, NULL, 0), 0);
	assert_int_equal(bytes, strlen(version) + 1);
	bytes = sizeof(little);
	assert_int_equal(sysctlbyname("kern.osproductversion", little, &bytes, NULL, 0), -1);
	assert_int_equal(errno, ENOMEM);
	bytes = sizeof(arm64);
	assert_int_equal(sysctlbyname("hw.optional.arm64", &arm64, &bytes, NULL, 0), 0);
	assert_int_equal(arm64, 1);
	assert_int_equal(sysctlbyname("no.such.variable", NULL, &bytes, NULL, 0), -1);
	assert_int_equal(errno, ENOENT);
}

static void open_refuses_other_tasks_and_types(void **state)
{
	io_service_t service = the_service();
	io_connect_t connect = 0;

	(void)state;
	assert_int_equal(IOServiceOpen(service, mach_task_self() + 1, 0, &connect), kIOReturnBadArgument);
	assert_int_equal(IOServiceOpen(service, mach_task_self(), 1, &connect), kIOReturnBadArgument);
	IOObjectRelease(service);
}

static void the_dispatch_table_checks_counts(void **state)
{
	uint64_t scalars[17] = {0, 4}, out = 0x1234;
	io_connect_t connect = owner();
	uint32_t one = 1, none = 0;
	uint8_t big[4097] = {0};
	size_t bytes;

	(void)state;
	assert_int_equal(IOConnectCallScalarMethod(connect, VFA_CONFIG_READ, scalars, 2, &out, &one), kIOReturnSuccess);
	assert_int_equal(one, 1);
	out = 0x1234;
	assert_int_equal(IOConnectCallScalarMethod(connect, VFA_CONFIG_READ, scalars, 1, &out, &one),
			 kIOReturnBadArgument);
	assert_true(out == 0x1234); /* outputs come with success only */
	assert_int_equal(IOConnectCallScalarMethod(connect, VFA_CONFIG_READ, scalars, 2, &out, &none),
			 kIOReturnBadArgument);
	assert_int_equal(IOConnectCallScalarMethod(connect, VFA_CONFIG_READ, scalars, 17, &out, &one),
			 MIG_ARRAY_TOO_LARGE);
	assert_int_equal(call(connect, VFA_NUM_SELECTORS), kIOReturnBadArgument);
	assert_int_equal(call(connect, VFA_RESET), kIOReturnBadArgument); /* asynchronous calls only */
	bytes = sizeof(big);
	assert_int_equal(IOConnectCallStructMethod(connect, VFA_GET_INFO, NULL, 0, big, &bytes), kIOReturnBadArgument);
	bytes = 4096;
	assert_int_equal(IOConnectCallStructMethod(connect, VFA_GET_INFO, NULL, 0, big, &bytes), kIOReturnSuccess);
	assert_int_equal(bytes, sizeof(struct vfa_device_info));
	IOServiceClose(connect);
	assert_int_equal(call(connect, VFA_CLAIM), MACH_SEND_INVALID_DEST);
}

static void handshake_comes_first(void **state)
{
	io_connect_t connect = open_service();

	(void)state;
	assert_int_equal(call(connect, VFA_CLAIM), kIOReturnNotReady);
	assert_int_equal(hello(connect, 0, VFA_VERSION_MAJOR), kIOReturnBadArgument);
	assert_int_equal(hello(connect, VFA_MAGIC, VFA_VERSION_MAJOR + 1), kIOReturnUnsupported);
	assert_int_equal(hello(connect, VFA_MAGIC, VFA_VERSION_MAJOR), kIOReturnSuccess);
	assert_int_equal(call(connect, VFA_RELEASE), kIOReturnNotOpen);
	IOServiceClose(connect);
}

static void one_owner_and_a_quick_reopen_succeeds_in_the_end(void **state)
{
	io_connect_t first = owner(), second = open_service();

	(void)state;
	assert_int_equal(hello(second, VFA_MAGIC, VFA_VERSION_MAJOR), kIOReturnSuccess);
	assert_int_equal(call(second, VFA_CLAIM), kIOReturnExclusiveAccess);
	IOServiceClose(first);
	assert_int_equal(claim(second), kIOReturnSuccess);
	IOServiceClose(second);
}

/* ---- memory ---- */

static void every_refused_mapping_is_a_bad_argument(void **state)
{
	io_connect_t observer = open_service();
	mach_vm_address_t at = 0;
	mach_vm_size_t size = 0;

	(void)state;
	assert_int_equal(hello(observer, VFA_MAGIC, VFA_VERSION_MAJOR), kIOReturnSuccess);
	assert_int_equal(map(observer, 0, &at, &size), kIOReturnBadArgument);
	assert_int_equal(map(observer, 0x777, &at, &size), kIOReturnBadArgument);
	assert_int_equal(IOConnectMapMemory64(observer, 0, mach_task_self() + 1, &at, &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	IOServiceClose(observer);
}

static void mapping_and_call_see_the_same_bar(void **state)
{
	struct vfa_device_info info = the_info();
	io_connect_t connect = owner();
	mach_vm_address_t at = 0;
	mach_vm_size_t size = 0;
	unsigned bar = 0;

	(void)state;
	while (bar < VFA_NUM_BARS && !(info.bars[bar].flags & VFA_BAR_MAPPABLE))
		bar++;
	assert_true(bar < VFA_NUM_BARS);
	assert_int_equal(map(connect, bar, &at, &size), kIOReturnSuccess);
	assert_true(size >= info.bars[bar].size);
	for (uint64_t offset = 0; offset < 64; offset += 4) {
		uint64_t in[] = {bar, offset, 4}, out = 0;
		uint32_t one = 1;

		assert_int_equal(IOConnectCallScalarMethod(connect, VFA_BAR_READ, in, 3, &out, &one), kIOReturnSuccess);
		assert_int_equal(out, *(volatile uint32_t *)(uintptr_t)(at + offset));
	}
	assert_int_equal(IOConnectUnmapMemory64(connect, bar, mach_task_self(), at), kIOReturnSuccess);
	assert_int_equal(IOConnectUnmapMemory64(connect, bar, mach_task_self(), at), kIOReturnBadArgument);
	IOServiceClose(connect);
}

/* ---- notifications ---- */

static struct {
	dispatch_semaphore_t completed, terminated, matched;
	_Atomic int completions;
	IOReturn status;
	uintptr_t performed;
} seen;

static void completed(void *refcon, IOReturn result, void *arg0)
{
	seen.status = refcon == &seen ? result : kIOReturnError;
	seen.performed = (uintptr_t)arg0;
	seen.completions++;
	dispatch_semaphore_signal(seen.completed);
}

static void woken(void *refcon, IOReturn result)
{
	(void)refcon;
	(void)result;
	seen.completions++;
}

static void message(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	(void)refcon;
	(void)service;
	(void)argument;
	if (type == kIOMessageServiceIsTerminated)
		dispatch_semaphore_signal(seen.terminated);
}

static void drain(io_iterator_t all)
{
	io_service_t s;

	while ((s = IOIteratorNext(all)))
		IOObjectRelease(s);
}

static void matched(void *refcon, io_iterator_t all)
{
	(void)refcon;
	drain(all);
	dispatch_semaphore_signal(seen.matched);
}

static bool within(dispatch_semaphore_t s, int seconds)
{
	return !dispatch_semaphore_wait(s, dispatch_time(DISPATCH_TIME_NOW, seconds * (int64_t)NSEC_PER_SEC));
}

static IOReturn async(io_connect_t connect, uint32_t selector, IONotificationPortRef port, uintptr_t callback,
		      const uint64_t *in, uint32_t count)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0, callback, (uintptr_t)&seen};

	return IOConnectCallAsyncScalarMethod(connect, selector, IONotificationPortGetMachPort(port), reference,
					      kIOAsyncCalloutCount, in, count, NULL, NULL);
}

static void an_asynchronous_call_completes_on_the_queue(void **state)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	dispatch_queue_t queue = dispatch_queue_create("test", DISPATCH_QUEUE_SERIAL);
	uint64_t type = VFA_RESET_AUTO, nonsense = 99;
	io_connect_t connect = owner();

	(void)state;
	IONotificationPortSetDispatchQueue(port, queue);
	assert_int_equal(async(connect, VFA_RESET, port, (uintptr_t)completed, &nonsense, 1), kIOReturnBadArgument);
	assert_false(within(seen.completed, 0)); /* a failed call has no completion */
	assert_int_equal(async(connect, VFA_RESET, port, (uintptr_t)completed, &type, 1), kIOReturnSuccess);
	assert_true(within(seen.completed, 10));
	assert_int_equal(seen.status, kIOReturnSuccess);
	assert_true(seen.performed == VFA_RESET_FLR || seen.performed == VFA_RESET_HOT);
	IOServiceClose(connect);
	IONotificationPortDestroy(port);
	dispatch_release(queue);
}

static void the_death_of_the_dext(void **state)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	dispatch_queue_t queue = dispatch_queue_create("test", DISPATCH_QUEUE_SERIAL);
	struct vfa_device_info info = the_info();
	io_connect_t mapping = owner(), plain = open_service();
	io_service_t service = the_service(), next;
	mach_vm_address_t at = 0;
	mach_vm_size_t size = 0;
	uint64_t before = 0, after = 0;
	io_object_t interest;
	io_iterator_t all;

	(void)state;
	IONotificationPortSetDispatchQueue(port, queue);
	assert_int_equal(IOServiceAddInterestNotification(port, service, general_interest, message, NULL, &interest),
			 kIOReturnSuccess);
	assert_int_equal(IOServiceAddMatchingNotification(port, first_match, IOServiceNameMatching(VFA_SERVICE_NAME),
							  matched, NULL, &all),
			 kIOReturnSuccess);
	drain(all);
	assert_int_equal(map(mapping, VFA_MEMORY_IRQ_PAGE, &at, &size), kIOReturnSuccess);
	assert_true(size >= sizeof(struct vfa_irq_page));
	assert_int_equal(async(mapping, VFA_IRQ_NOTIFY, port, (uintptr_t)woken, NULL, 0), kIOReturnSuccess);
	((volatile struct vfa_irq_page *)(uintptr_t)at)->reserved[0] = 0xabcd;
	assert_int_equal(hello(plain, VFA_MAGIC, VFA_VERSION_MAJOR), kIOReturnSuccess);

	seen.completions = 0;
	kill_dext(&info);
	assert_true(within(seen.terminated, 10));
	assert_int_equal(seen.completions, 0); /* what was outstanding never completes */
	assert_int_equal(hello(plain, VFA_MAGIC, VFA_VERSION_MAJOR), MACH_SEND_INVALID_DEST);
	/* A port that holds mappings lives on as something that understands nothing. */
	assert_int_equal(hello(mapping, VFA_MAGIC, VFA_VERSION_MAJOR), kIOReturnBadArgument);
	assert_int_equal(((volatile struct vfa_irq_page *)(uintptr_t)at)->reserved[0], 0xabcd);
	IOServiceClose(mapping);
	IOServiceClose(plain);

	/* A new process serves the device under a new registry entry. */
	assert_true(within(seen.matched, 20));
	next = the_service();
	IORegistryEntryGetRegistryEntryID(service, &before);
	IORegistryEntryGetRegistryEntryID(next, &after);
	assert_true(before != after);
	IOObjectRelease(next);
	IOObjectRelease(service);
	IOObjectRelease(interest);
	IOObjectRelease(all);
	mapping = owner();
	IOServiceClose(mapping);
	IONotificationPortDestroy(port);
	dispatch_release(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_found_by_name_not_by_class),
		cmocka_unit_test(properties_of_the_dext_are_readable_without_opening),
		cmocka_unit_test(the_registry_is_walked_from_the_nub_to_the_user_client),
		cmocka_unit_test(system_variables_are_read_by_name),
		cmocka_unit_test(open_refuses_other_tasks_and_types),
		cmocka_unit_test(the_dispatch_table_checks_counts),
		cmocka_unit_test(handshake_comes_first),
		cmocka_unit_test(one_owner_and_a_quick_reopen_succeeds_in_the_end),
		cmocka_unit_test(every_refused_mapping_is_a_bad_argument),
		cmocka_unit_test(mapping_and_call_see_the_same_bar),
		cmocka_unit_test(an_asynchronous_call_completes_on_the_queue),
		cmocka_unit_test(the_death_of_the_dext),
	};

	seen.completed = dispatch_semaphore_create(0);
	seen.terminated = dispatch_semaphore_create(0);
	seen.matched = dispatch_semaphore_create(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
