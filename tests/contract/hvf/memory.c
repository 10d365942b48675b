/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP: what QEMU's HVF accelerator maps of guest memory, on a host with pages of 16 KiB.
 *
 * The patched accel/hvf/hvf-all.c is compiled as it is, and told of memory as QEMU's memory core would.  Underneath,
 * hv_vm_map() and hv_vm_unmap() keep book of pages and refuse what the framework refuses: what is not aligned to the
 * host's pages, what is mapped already, what is not mapped.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"

/* Nothing of QEMU's object model is needed to map memory. */
#undef type_init
#define type_init(function)
#define qemu_real_host_page_size() ((uintptr_t)HOST_PAGE)

enum { HOST_PAGE = 16384, GUEST_PAGE = 4096, PAGES = 4096 };

#include "accel/hvf/hvf-accel-ops.c"
#include "accel/hvf/hvf-all.c"

/*
 * The framework
 */

#define WINDOW 0x8000000000ull	/* guest physical address of page 0 */

static struct {
	uint8_t *host;
	unsigned flags;
} pages[PAGES];
static bool refuse_all;
static unsigned calls;

static bool page_range(hv_ipa_t ipa, size_t size, size_t *first, size_t *end)
{
	*first = (ipa - WINDOW) / HOST_PAGE;
	*end = *first + size / HOST_PAGE;
	return ipa >= WINDOW && !(ipa % HOST_PAGE) && size && !(size % HOST_PAGE) && *end <= PAGES;
}

hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
	size_t first, end, i;

	calls++;
	if (refuse_all)
		return HV_ERROR;
	if (!page_range(ipa, size, &first, &end) || (uintptr_t)addr % HOST_PAGE)
		return HV_BAD_ARGUMENT;
	for (i = first; i < end; i++) {
		if (pages[i].host)
			return HV_BUSY;
	}
	for (i = first; i < end; i++) {
		pages[i].host = (uint8_t *)addr + (i - first) * HOST_PAGE;
		pages[i].flags = flags;
	}
	return HV_SUCCESS;
}

hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size)
{
	size_t first, end, i;

	calls++;
	if (!page_range(ipa, size, &first, &end))
		return HV_BAD_ARGUMENT;
	for (i = first; i < end; i++) {
		if (!pages[i].host)
			return HV_BAD_ARGUMENT;
		pages[i].host = NULL;
		pages[i].flags = 0;
	}
	return HV_SUCCESS;
}

hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
	size_t first, end, i;

	calls++;
	if (!page_range(ipa, size, &first, &end))
		return HV_BAD_ARGUMENT;
	for (i = first; i < end; i++)
		pages[i].flags = flags;
	return HV_SUCCESS;
}

static unsigned mapped(void)
{
	unsigned i, count = 0;

	for (i = 0; i < PAGES; i++)
		count += pages[i].host != NULL;
	return count;
}

/*
 * What hvf-all.c needs of QEMU
 */

uint16_t _TRACE_HVF_VM_MAP_DSTATE, _TRACE_HVF_VM_UNMAP_DSTATE;
int trace_events_enabled_count;
unsigned qemu_loglevel;
static unsigned warnings;
static uint8_t *memory;

void qemu_log(const char *fmt, ...)
{
}

void error_report(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

bool warn_report_once_cond(bool *printed, const char *fmt, ...)
{
	warnings++;
	return true;
}

const char *memory_region_name(const MemoryRegion *mr)
{
	return "memory";
}

bool memory_region_is_ram_device(MemoryRegion *mr)
{
	return mr->ram_device;
}

void *memory_region_get_ram_ptr(MemoryRegion *mr)
{
	return memory;
}

/*
 * Tests
 */

static unsigned count, failed;

static void ok(bool good, const char *what)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++count, what);
	failed += !good;
}

static MemoryRegion ram = { .ram = true };
static MemoryRegion rom = { .ram = true, .readonly = true };
static MemoryRegion device = { .ram = true, .ram_device = true };
static MemoryRegion registers;

/* Bytes from..to of a region that begins at WINDOW. */
static MemoryRegionSection section(MemoryRegion *mr, uint64_t from, uint64_t to)
{
	return (MemoryRegionSection) {
		.mr = mr,
		.size = int128_make64(to - from),
		.offset_within_region = from,
		.offset_within_address_space = WINDOW + from,
	};
}

static void add(MemoryRegion *mr, uint64_t from, uint64_t to)
{
	MemoryRegionSection s = section(mr, from, to);

	hvf_memory_listener.region_add(&hvf_memory_listener, &s);
}

static void del(MemoryRegion *mr, uint64_t from, uint64_t to)
{
	MemoryRegionSection s = section(mr, from, to);

	hvf_memory_listener.region_del(&hvf_memory_listener, &s);
}

/* Are the whole pages of from..to mapped, each to its own memory, and nothing else? */
static bool maps_exactly(uint64_t from, uint64_t to, unsigned flags)
{
	unsigned i;

	for (i = 0; i < PAGES; i++) {
		bool inside = (uint64_t)i * HOST_PAGE >= from && (uint64_t)(i + 1) * HOST_PAGE <= to;

		if (inside != (pages[i].host != NULL) ||
		    (inside && (pages[i].host != memory + (size_t)i * HOST_PAGE || pages[i].flags != flags)))
			return false;
	}
	return true;
}

static void test_every_alignment(void)
{
	const unsigned steps = 5 * HOST_PAGE / GUEST_PAGE;
	bool all_mapped = true, all_gone = true;
	unsigned from, to;

	for (from = 0; from < steps; from++) {
		for (to = from + 1; to <= steps; to++) {
			add(&device, from * GUEST_PAGE, to * GUEST_PAGE);
			all_mapped &= maps_exactly(from * GUEST_PAGE, to * GUEST_PAGE, HV_MEMORY_READ | HV_MEMORY_WRITE);
			del(&device, from * GUEST_PAGE, to * GUEST_PAGE);
			all_gone &= !mapped();
		}
	}
	ok(all_mapped, "of a section at any guest page, exactly the whole host pages are mapped");
	ok(all_gone, "they are unmapped when the section goes");
}

static void test_permissions(void)
{
	const unsigned all = HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC;

	add(&device, 0, HOST_PAGE);
	ok(pages[0].flags == (HV_MEMORY_READ | HV_MEMORY_WRITE), "memory of a device is not executable");
	del(&device, 0, HOST_PAGE);
	add(&ram, 0, HOST_PAGE);
	ok(pages[0].flags == all, "RAM can be read, written and executed");
	del(&ram, 0, HOST_PAGE);
	add(&rom, 0, HOST_PAGE);
	ok(pages[0].flags == (HV_MEMORY_READ | HV_MEMORY_EXEC), "ROM can't be written");
	del(&rom, 0, HOST_PAGE);
	add(&registers, 0, HOST_PAGE);
	ok(!mapped(), "emulated registers are not mapped");
	del(&registers, 0, HOST_PAGE);
}

static void test_graphics_card(void)
{
	/* A BAR of 16 MiB in which a quirk watches one guest page. */
	add(&device, 0, 0x88000);
	add(&registers, 0x88000, 0x89000);
	add(&device, 0x89000, 0x1000000);
	ok(mapped() == 1024 - 1, "a trapped guest page in a BAR costs one host page");
	del(&device, 0, 0x88000);
	del(&registers, 0x88000, 0x89000);
	del(&device, 0x89000, 0x1000000);
	ok(!mapped(), "the BAR goes as a whole");
}

static void test_not_congruent(void)
{
	MemoryRegionSection s = section(&device, 0, 4 * HOST_PAGE);

	s.offset_within_region = GUEST_PAGE;
	hvf_memory_listener.region_add(&hvf_memory_listener, &s);
	ok(!mapped() && !warnings, "memory whose pages lie across those of the guest traps");
	hvf_memory_listener.region_del(&hvf_memory_listener, &s);
}

static void test_many(void)
{
	const unsigned many = 2000;
	unsigned i;

	for (i = 0; i < many; i++)
		add(&device, 2ull * i * HOST_PAGE, (2ull * i + 1) * HOST_PAGE);
	ok(mapped() == many, "there is no limit to the number of sections");
	for (i = 0; i < many; i++)
		del(&device, 2ull * i * HOST_PAGE, (2ull * i + 1) * HOST_PAGE);
	ok(!mapped(), "all of them go");
}

static void test_refused(void)
{
	unsigned before;

	refuse_all = true;
	add(&device, 0, 2 * HOST_PAGE);
	ok(warnings == 1 && !mapped(), "memory of a device that can't be mapped is a warning");
	before = calls;
	del(&device, 0, 2 * HOST_PAGE);
	ok(calls == before, "what was not mapped is not unmapped");
	refuse_all = false;
	add(&device, 0, 2 * HOST_PAGE);
	ok(mapped() == 2, "it is mapped when it can be again");
	del(&device, 0, 2 * HOST_PAGE);
}

static void test_dirty_log(void)
{
	MemoryRegionSection s = section(&ram, GUEST_PAGE, 3 * HOST_PAGE), small = section(&ram, 0, GUEST_PAGE);
	unsigned before;

	add(&ram, GUEST_PAGE, 3 * HOST_PAGE);
	hvf_memory_listener.log_start(&hvf_memory_listener, &s, 0, 1);
	ok(pages[1].flags == (HV_MEMORY_READ | HV_MEMORY_EXEC) && pages[2].flags == pages[1].flags,
	   "tracking of writes protects what is mapped of a section");
	hvf_memory_listener.log_stop(&hvf_memory_listener, &s, 1, 0);
	ok(pages[1].flags & HV_MEMORY_WRITE, "and lifts the protection");
	del(&ram, GUEST_PAGE, 3 * HOST_PAGE);
	before = calls;
	hvf_memory_listener.log_start(&hvf_memory_listener, &small, 0, 1);
	hvf_memory_listener.log_stop(&hvf_memory_listener, &small, 1, 0);
	ok(calls == before, "a section that is not mapped is left alone");
}

int main(void)
{
	static HVFState state;

	setvbuf(stdout, NULL, _IOLBF, 0);
	hvf_state = &state;
	memory = aligned_alloc(HOST_PAGE, (size_t)PAGES * HOST_PAGE);
	if (!memory)
		return 1;
	test_every_alignment();
	test_permissions();
	test_graphics_card();
	test_not_congruent();
	test_many();
	test_refused();
	test_dirty_log();
	printf("1..%u\n", count);
	return failed ? 1 : 0;
}
