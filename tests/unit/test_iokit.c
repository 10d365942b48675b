// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client-side library against a kernel of one screen, played by a thread
 * of this test: what a client of IOKitLib, CoreFoundation and libdispatch sees.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/IOMessage.h>
#include <mach/mach.h>
#include "wire.h"

/* ---- the kernel ---- */

static struct {
	char path[64];
	int listener;
	_Atomic int events; /* the EVENTS socket */
	_Atomic int memories, closes, unmaps, removals, tasks;
	struct mw_msg call; /* the last MW_CALL, and its payload */
	uint8_t call_payload[MW_MAX_PAYLOAD];
	int map_fd;
} kernel = {.events = -1};

enum { ENTRY = 0x100000123, CONNECT = 77, NOTIFICATION = 5 };

/* Selector 0 echoes the inline structure and the scalars; 1 fails; 2 writes out of line; 3 is variable-size. */
static void serve_call(struct mw_msg *m, uint8_t *payload, uint8_t *out)
{
	uint64_t scalars = m->a[2] < m->a[4] ? m->a[2] : m->a[4];
	uint64_t at = m->a[2] * 8 + (m->a[6] & MW_CALL_ASYNC ? 64 : 0);
	uint64_t bytes = m->a[6] & MW_CALL_OOL_IN ? 0 : m->a[3];

	kernel.call = *m;
	memcpy(kernel.call_payload, payload, m->len);
	m->ret = 0;
	switch (m->a[1]) {
	case 0:
		memcpy(out, payload, scalars * 8);
		memcpy(out + scalars * 8, payload + at, bytes);
		m->a[0] = scalars;
		m->a[1] = bytes;
		m->len = (uint32_t)(scalars * 8 + bytes);
		break;
	case 1:
		m->ret = kIOReturnNotOpen;
		m->len = 0;
		break;
	case 2:
		memset((void *)(uintptr_t)m->a[9], 0x5a, m->a[5]);
		m->a[0] = 0;
		m->a[1] = m->a[5];
		m->len = 0;
		break;
	default:
		memset(out, 0x77, 10000);
		m->a[0] = 0;
		m->a[1] = m->len = 10000;
	}
}

static void serve_property(struct mw_msg *m, const char *key, uint8_t *out)
{
	static const char data[] = {1, 2, 3, 0, 5};

	m->ret = m->a[0] == ENTRY ? 0 : kIOReturnBadArgument;
	m->len = 0;
	if (!strcmp(key, "number")) {
		m->a[0] = MW_T_NUMBER;
		m->a[1] = 0x123456789a;
	} else if (!strcmp(key, "bool")) {
		m->a[0] = MW_T_BOOL;
		m->a[1] = 1;
	} else if (!strcmp(key, "string")) {
		m->a[0] = MW_T_STRING;
		memcpy(out, "text", m->len = 5);
	} else if (!strcmp(key, "data")) {
		m->a[0] = MW_T_DATA;
		memcpy(out, data, m->len = sizeof(data));
	} else {
		m->ret = kIOReturnNotFound;
	}
}

static void *serve(void *arg)
{
	static __thread uint8_t payload[MW_MAX_PAYLOAD], out[MW_MAX_PAYLOAD];
	int sock = (int)(intptr_t)arg, got[2], send[2];
	const uint64_t entries[] = {ENTRY, ENTRY + 1};
	struct mw_msg m;

	while (!mw_recv(sock, &m, payload, got)) {
		send[0] = send[1] = -1;
		switch (m.op) {
		case MW_HELLO:
			if (m.a[0] == MW_ROLE_CLIENT_EVENTS) {
				kernel.events = sock;
				m.a[0] = (uint64_t)++kernel.tasks;
			} else {
				assert_int_not_equal(m.a[1], 0);
				m.a[0] = m.a[1];
			}
			break;
		case MW_MATCH:
			m.len = strcmp((char *)payload, "twins") ? 0 : sizeof(entries);
			memcpy(out, entries, m.len);
			break;
		case MW_ENTRY_NAME:
			memcpy(out, "twins", m.len = 6);
			break;
		case MW_ENTRY_PROPERTY:
			serve_property(&m, (char *)payload, out);
			break;
		case MW_SERVICE_OPEN:
			m.ret = m.a[0] == ENTRY ? 0 : kIOReturnUnsupported;
			m.a[0] = CONNECT;
			break;
		case MW_SERVICE_CLOSE:
			kernel.closes++;
			break;
		case MW_CALL:
			serve_call(&m, payload, out);
			break;
		case MW_MAP:
			m.ret = m.a[1] == 9 ? kIOReturnBadArgument : 0;
			send[0] = m.ret ? -1 : kernel.map_fd;
			m.a[0] = 3;
			m.a[3] = m.a[1] == 1;
			m.a[1] = 8192;
			m.a[2] = 4096;
			break;
		case MW_UNMAP:
			kernel.unmaps++;
			m.ret = m.a[1] == 2 ? MACH_SEND_INVALID_DEST : 0;
			break;
		case MW_MEMORY:
			kernel.memories++;
			if (got[0] >= 0)
				close(got[0]);
			break;
		case MW_NOTIFY_ADD:
			memcpy(out, entries, m.len = m.a[0] == MW_N_FIRST_MATCH ? 8 : 0);
			m.a[0] = NOTIFICATION;
			break;
		case MW_NOTIFY_REMOVE:
			kernel.removals++;
			break;
		}
		mw_send(sock, &m, out, send);
	}
	close(sock);
	return NULL;
}

static void *accept_all(void *arg)
{
	pthread_t thread;
	int sock;

	(void)arg;
	while ((sock = accept(kernel.listener, NULL, NULL)) >= 0) {
		pthread_create(&thread, NULL, serve, (void *)(intptr_t)sock);
		pthread_detach(thread);
	}
	return NULL;
}

static int kernel_start(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	pthread_t thread;

	(void)state;
	snprintf(kernel.path, sizeof(kernel.path), "/tmp/test_iokit.%d", getpid());
	strcpy(addr.sun_path, kernel.path);
	kernel.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	kernel.map_fd = memfd_create("device", MFD_CLOEXEC);
	if (bind(kernel.listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(kernel.listener, 8) ||
	    ftruncate(kernel.map_fd, 3 * 4096))
		return -1;
	setenv(MW_SOCKET_ENV, kernel.path, 1);
	return pthread_create(&thread, NULL, accept_all, NULL);
}

static int kernel_stop(void **state)
{
	(void)state;
	unlink(kernel.path);
	return 0;
}

static void send_event(uint32_t op, const uint64_t *a, size_t n, const uint64_t *payload, uint32_t len)
{
	struct mw_msg m = {.op = op, .len = len};

	memcpy(m.a, a, n * sizeof(*a));
	assert_int_equal(mw_send(kernel.events, &m, payload, NULL), 0);
}

static io_service_t twin(void)
{
	return IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("twins"));
}

static io_connect_t open_twin(void)
{
	io_service_t service = twin();
	io_connect_t connect;

	assert_int_equal(IOServiceOpen(service, mach_task_self(), 0, &connect), KERN_SUCCESS);
	IOObjectRelease(service);
	return connect;
}

/* ---- before there is a kernel ---- */

static bool in_memfd(const void *p)
{
	unsigned long from, to;
	bool found = false;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= (uintptr_t)p && (uintptr_t)p < to)
			found = strstr(line, "memfd:memory") != NULL;
	fclose(f);
	return found;
}

#define MIB ((size_t)1 << 20)

static void *anonymous(void *at, size_t bytes, int prot, int flags)
{
	void *p = mmap(at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void large_anonymous_memory_is_shared_with_the_kernel(void **state)
{
	uint8_t *p, *q;

	(void)state;
	p = anonymous(NULL, 8 * MIB, PROT_NONE, MAP_NORESERVE);
	assert_false(in_memfd(p));
	/* As QEMU allocates guest RAM: a reservation, then memory over a part of it. */
	q = anonymous(p + 2 * MIB, 4 * MIB, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE);
	assert_ptr_equal(q, p + 2 * MIB);
	assert_true(in_memfd(q));
	assert_true(in_memfd(q + 4 * MIB - 1));
	assert_false(in_memfd(p));
	assert_false(in_memfd(p + 6 * MIB));
	assert_int_equal(q[4 * MIB - 1], 0);
	q[4 * MIB - 1] = 1;
	munmap(p, 8 * MIB);
}

static void other_memory_is_left_alone(void **state)
{
	static const struct {
		size_t bytes;
		int prot, flags;
	} kinds[] = {
		{MIB - 4096, PROT_READ | PROT_WRITE, 0},
		{2 * MIB, PROT_READ, 0},
		{2 * MIB, PROT_READ | PROT_WRITE, MAP_STACK},
		{2 * MIB, PROT_READ | PROT_WRITE | PROT_EXEC, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		void *p = anonymous(NULL, kinds[i].bytes, kinds[i].prot, kinds[i].flags);

		assert_false(in_memfd(p));
		munmap(p, kinds[i].bytes);
	}
}

static void a_failing_mmap_says_why(void **state)
{
	(void)state;
	errno = 0;
	assert_ptr_equal(mmap(NULL, SIZE_MAX / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			 MAP_FAILED);
	assert_int_equal(errno, ENOMEM);
}

static void memory_waits_for_the_connection(void **state)
{
	void *before = anonymous(NULL, MIB, PROT_READ | PROT_WRITE, 0), *after;
	int first;

	(void)state;
	assert_int_equal(kernel.memories, 0);
	IOObjectRelease(twin());
	first = kernel.memories;
	assert_true(first >= 1); /* one for each of the tests above, too */
	after = anonymous(NULL, MIB, PROT_READ | PROT_WRITE, 0);
	assert_true(in_memfd(after));
	assert_int_equal(kernel.memories, first + 1);
	munmap(before, MIB);
	munmap(after, MIB);
}

static void mapping_often_does_not_use_up_descriptors(void **state)
{
	struct rlimit limit;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned i = 0; i < 2000; i++) {
		void *p = anonymous(NULL, MIB, PROT_READ | PROT_WRITE, 0);

		assert_true(in_memfd(p));
		munmap(p, MIB);
	}
	assert_true(dup(0) < 100);
}

/* ---- CoreFoundation ---- */

static void strings_and_dictionaries_compare_by_value(void **state)
{
	CFStringRef made = CFStringCreateWithCString(kCFAllocatorDefault, "key", kCFStringEncodingUTF8);
	CFMutableDictionaryRef d =
		CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
	char text[4];

	(void)state;
	assert_ptr_equal(CFSTR("key"), CFSTR("key"));
	assert_true(CFEqual(made, CFSTR("key")));
	assert_true(CFStringGetCString(made, text, 4, kCFStringEncodingUTF8));
	assert_false(CFStringGetCString(made, text, 3, kCFStringEncodingUTF8));
	CFDictionarySetValue(d, made, kCFBooleanTrue);
	CFDictionarySetValue(d, CFSTR("key"), kCFBooleanFalse);
	assert_int_equal(CFDictionaryGetCount(d), 1);
	assert_ptr_equal(CFDictionaryGetValue(d, CFSTR("key")), kCFBooleanFalse);
	assert_int_equal(CFGetRetainCount(made), 2);
	CFRelease(d);
	assert_int_equal(CFGetRetainCount(made), 1);
	CFRelease(made);
}

static void numbers_report_what_does_not_fit(void **state)
{
	int64_t big = 0x1ffffffff, back64;
	int32_t minus = -2, back32;
	CFNumberRef n;

	(void)state;
	n = CFNumberCreate(NULL, kCFNumberSInt64Type, &big);
	assert_true(CFNumberGetValue(n, kCFNumberSInt64Type, &back64));
	assert_true(back64 == big);
	assert_false(CFNumberGetValue(n, kCFNumberSInt32Type, &back32));
	CFRelease(n);
	n = CFNumberCreate(NULL, kCFNumberSInt32Type, &minus);
	assert_true(CFNumberGetValue(n, kCFNumberSInt64Type, &back64));
	assert_true(back64 == -2);
	CFRelease(n);
}

/* ---- libdispatch ---- */

static _Atomic int ran;
static int order[8];

static void note(void *arg)
{
	order[ran] = (int)(intptr_t)arg;
	ran++;
}

static void queues_are_serial_and_delays_are_kept(void **state)
{
	dispatch_queue_t q = dispatch_queue_create("test", DISPATCH_QUEUE_SERIAL);

	(void)state;
	ran = 0;
	dispatch_after_f(dispatch_time(DISPATCH_TIME_NOW, 50 * (int64_t)NSEC_PER_MSEC), q, (void *)9, note);
	for (intptr_t i = 0; i < 4; i++)
		dispatch_async_f(q, (void *)i, note);
	dispatch_sync_f(q, (void *)4, note);
	assert_int_equal(ran, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(order[i], i);
	dispatch_release(q); /* what waits keeps the queue alive */
	for (int i = 0; i < 200 && ran < 6; i++)
		usleep(10000);
	assert_int_equal(ran, 6);
	assert_int_equal(order[5], 9);
}

static void signal_it(void *arg)
{
	dispatch_semaphore_signal(arg);
}

static void semaphores_time_out(void **state)
{
	dispatch_semaphore_t s = dispatch_semaphore_create(0);
	dispatch_queue_t q = dispatch_queue_create("test", NULL);
	dispatch_time_t start = dispatch_time(DISPATCH_TIME_NOW, 0);

	(void)state;
	assert_int_not_equal(dispatch_semaphore_wait(s, DISPATCH_TIME_NOW), 0);
	assert_int_not_equal(dispatch_semaphore_wait(s, dispatch_time(DISPATCH_TIME_NOW, 20 * (int64_t)NSEC_PER_MSEC)),
			     0);
	assert_true(dispatch_time(DISPATCH_TIME_NOW, 0) - start >= 20 * NSEC_PER_MSEC);
	dispatch_async_f(q, s, signal_it);
	assert_int_equal(dispatch_semaphore_wait(s, DISPATCH_TIME_FOREVER), 0);
	dispatch_release(q);
	dispatch_release(s);
}

static void sync_itself(void *q)
{
	dispatch_sync_f(q, NULL, note);
}

static void sync_on_the_own_queue_traps(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dispatch_queue_t q = dispatch_queue_create("test", NULL);

		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		dispatch_async_f(q, q, sync_itself);
		sleep(10);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* ---- matching and properties ---- */

static void matching_consumes_the_dictionary(void **state)
{
	CFMutableDictionaryRef d = IOServiceNameMatching("nobody");
	io_iterator_t all;

	(void)state;
	CFRetain(d);
	assert_int_equal(IOServiceGetMatchingServices(kIOMainPortDefault, d, &all), KERN_SUCCESS);
	assert_int_equal(CFGetRetainCount(d), 1);
	assert_int_equal(IOIteratorNext(all), 0);
	IOObjectRelease(all);
	assert_int_equal(IOServiceGetMatchingService(kIOMainPortDefault, d), 0);
}

static void a_service_has_one_name(void **state)
{
	io_service_t one, two, again;
	io_iterator_t all;
	uint64_t id;

	(void)state;
	IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceNameMatching("twins"), &all);
	one = IOIteratorNext(all);
	two = IOIteratorNext(all);
	assert_int_equal(IOIteratorNext(all), 0);
	IOObjectRelease(all);
	assert_int_not_equal(IOObjectRelease(all), KERN_SUCCESS);
	again = twin();
	assert_true(one && two && one != two);
	assert_int_equal(one, again);
	assert_int_equal(IOObjectRelease(one), KERN_SUCCESS);
	assert_int_equal(IORegistryEntryGetRegistryEntryID(again, &id), KERN_SUCCESS);
	assert_true(id == ENTRY);
	assert_int_equal(IOObjectRelease(again), KERN_SUCCESS);
	assert_int_not_equal(IORegistryEntryGetRegistryEntryID(again, &id), KERN_SUCCESS);
	IOObjectRelease(two);
}

static void properties_have_types(void **state)
{
	io_service_t service = twin();
	int64_t number = 0;
	io_name_t name;
	CFTypeRef p;

	(void)state;
	p = IORegistryEntryCreateCFProperty(service, CFSTR("number"), kCFAllocatorDefault, 0);
	assert_int_equal(CFGetTypeID(p), CFNumberGetTypeID());
	assert_true(CFNumberGetValue(p, kCFNumberSInt64Type, &number));
	assert_true(number == 0x123456789a);
	CFRelease(p);
	p = IORegistryEntryCreateCFProperty(service, CFSTR("bool"), kCFAllocatorDefault, 0);
	assert_ptr_equal(p, kCFBooleanTrue);
	CFRelease(p);
	p = IORegistryEntryCreateCFProperty(service, CFSTR("string"), kCFAllocatorDefault, 0);
	assert_true(CFEqual(p, CFSTR("text")));
	CFRelease(p);
	p = IORegistryEntryCreateCFProperty(service, CFSTR("data"), kCFAllocatorDefault, 0);
	assert_int_equal(CFDataGetLength(p), 5);
	assert_memory_equal(CFDataGetBytePtr(p), "\1\2\3\0\5", 5);
	CFRelease(p);
	assert_null(IORegistryEntryCreateCFProperty(service, CFSTR("none"), kCFAllocatorDefault, 0));
	assert_int_equal(IORegistryEntryGetName(service, name), KERN_SUCCESS);
	assert_string_equal(name, "twins");
	IOObjectRelease(service);
}

/* ---- method calls ---- */

static void structures_split_at_4096_bytes(void **state)
{
	io_connect_t connect = open_twin();
	static uint8_t in[4097], out[4097];
	size_t bytes = 4096;

	(void)state;
	memset(in, 0x31, sizeof(in));
	assert_int_equal(IOConnectCallStructMethod(connect, 0, in, 4096, out, &bytes), KERN_SUCCESS);
	assert_int_equal(kernel.call.a[6], 0);
	assert_int_equal(bytes, 4096);
	assert_memory_equal(in, out, 4096);
	bytes = 4097;
	assert_int_equal(IOConnectCallStructMethod(connect, 2, in, 4097, out, &bytes), KERN_SUCCESS);
	assert_int_equal(kernel.call.a[6], MW_CALL_OOL_IN | MW_CALL_OOL_OUT);
	assert_true(kernel.call.a[8] == (uintptr_t)in);
	assert_int_equal(bytes, 4097);
	assert_int_equal(out[4096], 0x5a);
	IOServiceClose(connect);
}

static void scalars_are_limited_and_counted(void **state)
{
	io_connect_t connect = open_twin();
	uint64_t in[17] = {5, 6, 7}, out[17] = {0};
	uint32_t count = 2;

	(void)state;
	assert_int_equal(IOConnectCallScalarMethod(connect, 0, in, 17, out, &count), MIG_ARRAY_TOO_LARGE);
	assert_int_equal(IOConnectCallScalarMethod(connect, 0, in, 3, out, &count), KERN_SUCCESS);
	assert_int_equal(count, 2);
	assert_true(out[0] == 5 && out[1] == 6 && out[2] == 0);
	count = 16;
	assert_int_equal(IOConnectCallScalarMethod(connect, 0, in, 1, out, &count), KERN_SUCCESS);
	assert_int_equal(count, 1);
	out[0] = 99;
	assert_int_equal(IOConnectCallScalarMethod(connect, 1, in, 1, out, &count), kIOReturnNotOpen);
	assert_true(out[0] == 99); /* outputs come with success only */
	IOServiceClose(connect);
	assert_int_equal(IOConnectCallScalarMethod(connect, 0, in, 1, out, &count), MACH_SEND_INVALID_DEST);
}

static void variable_output_is_the_callers_to_free(void **state)
{
	io_connect_t connect = open_twin();
	size_t bytes = (size_t)kIOConnectMethodVarOutputSize;
	uint8_t *out = NULL;

	(void)state;
	assert_int_equal(IOConnectCallStructMethod(connect, 3, NULL, 0, &out, &bytes), KERN_SUCCESS);
	assert_int_equal(bytes, 10000);
	assert_int_equal(out[9999], 0x77);
	assert_int_equal(vm_deallocate(mach_task_self(), (vm_address_t)out, bytes), KERN_SUCCESS);
	IOServiceClose(connect);
}

/* ---- notifications ---- */

static struct {
	dispatch_semaphore_t called;
	_Atomic int shape, times;
	void *refcon;
	IOReturn result;
	uintptr_t args[16];
	io_service_t service;
	uint32_t message;
} seen;

static void saw(int shape, void *refcon, IOReturn result)
{
	seen.shape = shape;
	seen.refcon = refcon;
	seen.result = result;
	seen.times++;
	dispatch_semaphore_signal(seen.called);
}

static void callback0(void *refcon, IOReturn result)
{
	saw(0, refcon, result);
}

static void callback1(void *refcon, IOReturn result, void *arg0)
{
	seen.args[0] = (uintptr_t)arg0;
	saw(1, refcon, result);
}

static void callback2(void *refcon, IOReturn result, void *arg0, void *arg1)
{
	seen.args[0] = (uintptr_t)arg0;
	seen.args[1] = (uintptr_t)arg1;
	saw(2, refcon, result);
}

static void callback_n(void *refcon, IOReturn result, void **args, uint32_t n)
{
	memcpy(seen.args, args, n * sizeof(*args));
	saw((int)n, refcon, result);
}

static void interest(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	assert_null(argument);
	seen.service = service;
	seen.message = type;
	saw(0, refcon, 0);
}

static void matched(void *refcon, io_iterator_t iterator)
{
	(void)iterator;
	saw(0, refcon, 0);
}

static bool called_within(int ms)
{
	return !dispatch_semaphore_wait(seen.called, dispatch_time(DISPATCH_TIME_NOW, ms * (int64_t)NSEC_PER_MSEC));
}

static void completions_have_the_shape_of_their_results(void **state)
{
	static const struct {
		uintptr_t callback;
		uint64_t n;
	} shapes[] = {{(uintptr_t)callback0, 0},
		      {(uintptr_t)callback1, 1},
		      {(uintptr_t)callback2, 2},
		      {(uintptr_t)callback_n, 3},
		      {(uintptr_t)callback_n, 16}};
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	dispatch_queue_t q = dispatch_queue_create("test", NULL);
	io_connect_t connect = open_twin();
	uint64_t args[16], event[10];

	(void)state;
	IONotificationPortSetDispatchQueue(port, q);
	for (uint64_t i = 0; i < 16; i++)
		args[i] = 100 + i;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		uint64_t reference[8] = {0, shapes[i].callback, 0xfeed};

		assert_int_equal(IOConnectCallAsyncScalarMethod(connect, 0, IONotificationPortGetMachPort(port),
								reference, kIOAsyncCalloutCount, NULL, 0, NULL, NULL),
				 KERN_SUCCESS);
		assert_int_equal(kernel.call.a[7], kIOAsyncCalloutCount);
		memcpy(event, kernel.call_payload, 64);
		event[8] = (uint64_t)(int64_t)kIOReturnTimeout;
		event[9] = shapes[i].n;
		send_event(MW_EV_ASYNC, event, 10, args, (uint32_t)shapes[i].n * 8);
		assert_true(called_within(5000));
		assert_int_equal(seen.shape, shapes[i].n);
		assert_ptr_equal(seen.refcon, (void *)0xfeed);
		assert_int_equal(seen.result, kIOReturnTimeout);
		for (uint64_t k = 0; k < shapes[i].n; k++)
			assert_int_equal(seen.args[k], 100 + k);
	}
	IONotificationPortDestroy(port);
	send_event(MW_EV_ASYNC, event, 10, args, 16 * 8);
	assert_false(called_within(50));
	IOServiceClose(connect);
	dispatch_release(q);
}

static void reference_limits(void **state)
{
	io_connect_t connect = open_twin();
	uint64_t reference[9] = {0};

	(void)state;
	assert_int_equal(IOConnectCallAsyncScalarMethod(connect, 0, 0x1003, reference, 0, NULL, 0, NULL, NULL),
			 kIOReturnBadArgument);
	assert_int_equal(IOConnectCallAsyncScalarMethod(connect, 0, 0x1003, reference, 9, NULL, 0, NULL, NULL),
			 MIG_ARRAY_TOO_LARGE);
	/* Without a wake port the call is an ordinary one. */
	assert_int_equal(IOConnectCallAsyncScalarMethod(connect, 0, 0, reference, 3, NULL, 0, NULL, NULL),
			 KERN_SUCCESS);
	assert_int_equal(kernel.call.a[6], 0);
	IOServiceClose(connect);
}

static void messages_wait_for_a_queue(void **state)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t event[10] = {IONotificationPortGetMachPort(port), (uintptr_t)callback0, 1};
	dispatch_queue_t q = dispatch_queue_create("test", NULL);

	(void)state;
	send_event(MW_EV_ASYNC, event, 10, NULL, 0);
	send_event(MW_EV_ASYNC, event, 10, NULL, 0);
	assert_false(called_within(50));
	IONotificationPortSetDispatchQueue(port, q);
	assert_true(called_within(5000));
	assert_true(called_within(5000));
	IONotificationPortDestroy(port);
	dispatch_release(q);
}

static void interest_ends_with_its_release(void **state)
{
	uint64_t event[] = {NOTIFICATION, kIOMessageServiceIsTerminated, ENTRY};
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	static const io_name_t general = kIOGeneralInterest;
	dispatch_queue_t q = dispatch_queue_create("test", NULL);
	io_object_t notification;
	io_service_t service = twin();
	int removals = kernel.removals;

	(void)state;
	IONotificationPortSetDispatchQueue(port, q);
	assert_int_equal(IOServiceAddInterestNotification(port, service, general, interest, (void *)4, &notification),
			 KERN_SUCCESS);
	send_event(MW_EV_INTEREST, event, 3, NULL, 0);
	assert_true(called_within(5000));
	assert_int_equal(seen.message, 0xE0000010);
	assert_int_equal(seen.service, service);
	assert_ptr_equal(seen.refcon, (void *)4);
	IOObjectRelease(notification);
	assert_int_equal(kernel.removals, removals + 1);
	send_event(MW_EV_INTEREST, event, 3, NULL, 0);
	assert_false(called_within(50));
	IOObjectRelease(service);
	IONotificationPortDestroy(port);
	dispatch_release(q);
}

static void matching_calls_back_only_after_a_drain(void **state)
{
	uint64_t event[] = {NOTIFICATION}, entry = ENTRY + 1;
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	static const io_name_t first = kIOFirstMatchNotification;
	dispatch_queue_t q = dispatch_queue_create("test", NULL);
	io_iterator_t all;
	io_service_t s;

	(void)state;
	IONotificationPortSetDispatchQueue(port, q);
	assert_int_equal(
		IOServiceAddMatchingNotification(port, first, IOServiceNameMatching("twins"), matched, NULL, &all),
		KERN_SUCCESS);
	send_event(MW_EV_MATCH, event, 1, &entry, 8);
	assert_false(called_within(50)); /* not drained yet */
	for (int i = 0; i < 2; i++) {
		s = IOIteratorNext(all);
		assert_int_not_equal(s, 0);
		IOObjectRelease(s);
	}
	assert_int_equal(IOIteratorNext(all), 0);
	send_event(MW_EV_MATCH, event, 1, &entry, 8);
	assert_true(called_within(5000));
	send_event(MW_EV_MATCH, event, 1, &entry, 8);
	assert_false(called_within(50));
	IOObjectRelease(all);
	IONotificationPortDestroy(port);
	dispatch_release(q);
}

/* ---- memory ---- */

static bool is_mapped(mach_vm_address_t at)
{
	unsigned char resident;

	return !mincore((void *)(uintptr_t)(at & ~4095ul), 1, &resident);
}

static void mappings_live_until_unmapped_or_closed(void **state)
{
	io_connect_t connect = open_twin();
	mach_vm_address_t one = 0, two = 0, fixed;
	mach_vm_size_t size = 0;
	int unmaps = kernel.unmaps;
	uint32_t word = 42;

	(void)state;
	assert_int_equal(IOConnectMapMemory64(connect, 0, mach_task_self(), &one, &size,
					      kIOMapAnywhere | kIOMapWriteCombineCache),
			 KERN_SUCCESS);
	assert_int_equal(size, 8192);
	pwrite(kernel.map_fd, &word, 4, 4096); /* the fd's offset counts */
	assert_int_equal(*(volatile uint32_t *)(uintptr_t)one, 42);
	assert_int_equal(IOConnectUnmapMemory64(connect, 0, mach_task_self(), one + 4096), kIOReturnBadArgument);
	assert_int_equal(IOConnectUnmapMemory64(connect, 0, mach_task_self(), one), KERN_SUCCESS);
	assert_int_equal(kernel.unmaps, unmaps + 1);
	assert_false(is_mapped(one));

	/* Type 2: the dext is dead by the time it is unmapped. */
	assert_int_equal(IOConnectMapMemory64(connect, 2, mach_task_self(), &two, &size, kIOMapAnywhere), KERN_SUCCESS);
	assert_int_equal(IOConnectUnmapMemory64(connect, 2, mach_task_self(), two), MACH_SEND_INVALID_DEST);
	assert_true(is_mapped(two));
	fixed = two;
	assert_int_equal(IOConnectMapMemory64(connect, 0, mach_task_self(), &fixed, &size, 0), kIOReturnBadArgument);
	assert_int_equal(IOConnectMapMemory64(connect, 9, mach_task_self(), &one, &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	IOServiceClose(connect);
	assert_false(is_mapped(two));
}

static void releasing_the_last_right_closes(void **state)
{
	int closes = kernel.closes;

	(void)state;
	assert_int_equal(IOObjectRelease(open_twin()), KERN_SUCCESS);
	assert_int_equal(kernel.closes, closes + 1);
}

/* ---- fork ---- */

static void a_child_is_a_new_task_without_rights(void **state)
{
	io_service_t service = twin();
	int tasks = kernel.tasks, status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		uint64_t id;

		if (IORegistryEntryGetRegistryEntryID(service, &id) == KERN_SUCCESS)
			_exit(1);
		_exit(twin() ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(kernel.tasks, tasks + 1);
	assert_int_equal(IOObjectRelease(service), KERN_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_anonymous_memory_is_shared_with_the_kernel),
		cmocka_unit_test(other_memory_is_left_alone),
		cmocka_unit_test(a_failing_mmap_says_why),
		cmocka_unit_test(memory_waits_for_the_connection),
		cmocka_unit_test(mapping_often_does_not_use_up_descriptors),
		cmocka_unit_test(strings_and_dictionaries_compare_by_value),
		cmocka_unit_test(numbers_report_what_does_not_fit),
		cmocka_unit_test(queues_are_serial_and_delays_are_kept),
		cmocka_unit_test(semaphores_time_out),
		cmocka_unit_test(sync_on_the_own_queue_traps),
		cmocka_unit_test(matching_consumes_the_dictionary),
		cmocka_unit_test(a_service_has_one_name),
		cmocka_unit_test(properties_have_types),
		cmocka_unit_test(structures_split_at_4096_bytes),
		cmocka_unit_test(scalars_are_limited_and_counted),
		cmocka_unit_test(variable_output_is_the_callers_to_free),
		cmocka_unit_test(completions_have_the_shape_of_their_results),
		cmocka_unit_test(reference_limits),
		cmocka_unit_test(messages_wait_for_a_queue),
		cmocka_unit_test(interest_ends_with_its_release),
		cmocka_unit_test(matching_calls_back_only_after_a_drain),
		cmocka_unit_test(mappings_live_until_unmapped_or_closed),
		cmocka_unit_test(releasing_the_last_right_closes),
		cmocka_unit_test(a_child_is_a_new_task_without_rights),
	};

	seen.called = dispatch_semaphore_create(0);
	return cmocka_run_group_tests(tests, kernel_start, kernel_stop);
}
