// SPDX-License-Identifier: GPL-2.0-or-later
// The two contracts' memory layout, as released: independently built guests, hosts and driver extensions rely on it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apple_dma.h"
#include "vfa_dext.h"

#define SIZE(type, bytes)       assert_int_equal(sizeof(struct type), bytes)
#define AT(type, field, offset) assert_int_equal(offsetof(struct type, field), offset)

static void apple_dma_layout(void **state)
{
	(void)state;
	SIZE(adma_page_header, 32);
	AT(adma_page_header, count, 0);
	AT(adma_page_header, bytes, 4);
	AT(adma_page_header, status, 8);
	AT(adma_page_header, done, 12);
	AT(adma_page_header, reserved, 16);
	SIZE(adma_range, 16);
	AT(adma_range, gpa, 0);
	AT(adma_range, length, 8);
	SIZE(adma_req, 24);
	AT(adma_req, op, 0);
	AT(adma_req, length, 2);
	AT(adma_req, function, 4);
	AT(adma_req, status, 8);
	AT(adma_req, flags, 12);
	AT(adma_req, cookie, 16);
	SIZE(adma_function_req, 48);
	AT(adma_function_req, req, 0);
	AT(adma_function_req, bdf, 24);
	AT(adma_function_req, state, 28);
	AT(adma_function_req, iova_first, 32);
	AT(adma_function_req, iova_last, 40);
	SIZE(adma_map_req, 48);
	AT(adma_map_req, req, 0);
	AT(adma_map_req, align, 24);
	AT(adma_map_req, nr_ranges, 28);
	AT(adma_map_req, handle, 32);
	AT(adma_map_req, iova, 40);
	SIZE(adma_unmap_req, 32);
	AT(adma_unmap_req, req, 0);
	AT(adma_unmap_req, handle, 24);
	SIZE(adma_budget_req, 80);
	AT(adma_budget_req, req, 0);
	AT(adma_budget_req, bytes_max, 24);
	AT(adma_budget_req, bytes_used, 32);
	AT(adma_budget_req, mappings_max, 40);
	AT(adma_budget_req, mappings_used, 44);
	AT(adma_budget_req, bytes_quota, ADMA_BUDGET_BYTES_1_0);
	AT(adma_budget_req, bytes_free, 56);
	AT(adma_budget_req, mappings_quota, 64);
	AT(adma_budget_req, mappings_free, 68);
	AT(adma_budget_req, mapper, 72);
	AT(adma_budget_req, reserved, 76);
}

static void apple_dma_numbers(void **state)
{
	(void)state;
	assert_int_equal(ADMA_PCI_VENDOR_ID, 0x1b36);
	assert_int_equal(ADMA_PCI_DEVICE_ID, 0x15);
	assert_int_equal(ADMA_PCI_REVISION, 0x1);
	assert_int_equal(ADMA_PCI_BAR, 0x0);
	assert_int_equal(ADMA_BAR_SIZE, 0x1000);
	assert_int_equal(ADMA_REG_MAGIC, 0x0);
	assert_int_equal(ADMA_REG_VERSION, 0x4);
	assert_int_equal(ADMA_REG_FEATURES, 0x8);
	assert_int_equal(ADMA_REG_DRIVER_FEATURES, 0xc);
	assert_int_equal(ADMA_REG_GRANULE, 0x10);
	assert_int_equal(ADMA_REG_MAX_SLOTS, 0x14);
	assert_int_equal(ADMA_REG_MAX_RANGES, 0x18);
	assert_int_equal(ADMA_REG_MAX_ALIGN, 0x1c);
	assert_int_equal(ADMA_REG_FUNCTIONS, 0x20);
	assert_int_equal(ADMA_REG_GENERATION, 0x24);
	assert_int_equal(ADMA_REG_CONTROL, 0x28);
	assert_int_equal(ADMA_REG_STATUS, 0x2c);
	assert_int_equal(ADMA_REG_SLOT_SELECT, 0x30);
	assert_int_equal(ADMA_REG_SLOT_ADDR_LO, 0x34);
	assert_int_equal(ADMA_REG_SLOT_ADDR_HI, 0x38);
	assert_int_equal(ADMA_REG_DOORBELL, 0x3c);
	assert_int_equal(ADMA_MAGIC, 0x414d4441);
	assert_int_equal(ADMA_VERSION_MAJOR, 0x1);
	assert_int_equal(ADMA_VERSION_MINOR, 0x1);
	assert_int_equal(ADMA_VERSION, 0x10001);
	assert_int_equal(ADMA_F_CONGRUENT, 0x1);
	assert_int_equal(ADMA_F_SHARING, 0x2);
	assert_int_equal(ADMA_CTL_RESET, 0x1);
	assert_int_equal(ADMA_ST_SLOT_BAD, 0x1);
	assert_int_equal(ADMA_ST_BROKEN, 0x2);
	assert_int_equal(ADMA_PAGE_SIZE, 0x1000);
	assert_int_equal(ADMA_MAX_RANGES, 0x20);
	assert_int_equal(ADMA_OP_FUNCTION, 0x1);
	assert_int_equal(ADMA_OP_CLAIM, 0x2);
	assert_int_equal(ADMA_OP_RELEASE, 0x3);
	assert_int_equal(ADMA_OP_MAP, 0x4);
	assert_int_equal(ADMA_OP_UNMAP, 0x5);
	assert_int_equal(ADMA_OP_BUDGET, 0x6);
	assert_int_equal(ADMA_FN_PRESENT, 0x1);
	assert_int_equal(ADMA_FN_CLAIMED, 0x2);
	assert_int_equal(ADMA_MAP_DEVICE_READS, 0x1);
	assert_int_equal(ADMA_MAP_DEVICE_WRITES, 0x2);
	assert_int_equal(ADMA_MAP_ALIGN_REQUIRED, 0x4);
	assert_int_equal(ADMA_MAP_CONGRUENT, 0x8);
	assert_int_equal(ADMA_BUDGET_BYTES_1_0, 48);
	assert_int_equal(ADMA_OK, 0x0);
	assert_int_equal(ADMA_E_BAD_REQUEST, 0x1);
	assert_int_equal(ADMA_E_BAD_FUNCTION, 0x2);
	assert_int_equal(ADMA_E_NOT_CLAIMED, 0x3);
	assert_int_equal(ADMA_E_CLAIMED, 0x4);
	assert_int_equal(ADMA_E_NOT_ALIGNED, 0x5);
	assert_int_equal(ADMA_E_BAD_RANGE, 0x6);
	assert_int_equal(ADMA_E_NOT_RAM, 0x7);
	assert_int_equal(ADMA_E_NO_SPACE, 0x8);
	assert_int_equal(ADMA_E_NO_MAPPINGS, 0x9);
	assert_int_equal(ADMA_E_BAD_HANDLE, 0xa);
	assert_int_equal(ADMA_E_GONE, 0xb);
	assert_int_equal(ADMA_E_BUSY, 0xc);
	assert_int_equal(ADMA_E_HOST, 0xd);
	assert_int_equal(ADMA_E_TIMEOUT, 0xe);
}

static void vfa_dext_layout(void **state)
{
	(void)state;
	SIZE(vfa_hello, 16);
	AT(vfa_hello, magic, 0);
	AT(vfa_hello, major, 4);
	AT(vfa_hello, minor, 6);
	AT(vfa_hello, features, 8);
	SIZE(vfa_bar_info, 16);
	AT(vfa_bar_info, size, 0);
	AT(vfa_bar_info, type, 8);
	AT(vfa_bar_info, flags, 12);
	SIZE(vfa_device_info, 192);
	AT(vfa_device_info, struct_bytes, 0);
	AT(vfa_device_info, bus, 4);
	AT(vfa_device_info, device, 5);
	AT(vfa_device_info, function, 6);
	AT(vfa_device_info, revision, 7);
	AT(vfa_device_info, registry_id, 8);
	AT(vfa_device_info, vendor, 16);
	AT(vfa_device_info, device_id, 18);
	AT(vfa_device_info, subsystem_vendor, 20);
	AT(vfa_device_info, subsystem, 22);
	AT(vfa_device_info, class_code, 24);
	AT(vfa_device_info, flags, 28);
	AT(vfa_device_info, vectors, 32);
	AT(vfa_device_info, dma_page, 44);
	AT(vfa_device_info, iova_first, 48);
	AT(vfa_device_info, iova_last, 56);
	AT(vfa_device_info, dma_bytes_max, 64);
	AT(vfa_device_info, dma_mappings_max, 72);
	AT(vfa_device_info, reserved, 76);
	AT(vfa_device_info, bars, 80);
	SIZE(vfa_irq_page, 2176);
	AT(vfa_irq_page, armed, 0);
	AT(vfa_irq_page, reserved, 4);
	AT(vfa_irq_page, pending, 64);
	AT(vfa_irq_page, enabled, 96);
	AT(vfa_irq_page, delivered, 128);
	SIZE(vfa_dma_range, 16);
	AT(vfa_dma_range, address, 0);
	AT(vfa_dma_range, length, 8);
	SIZE(vfa_dma_op, 16);
	AT(vfa_dma_op, op, 0);
	AT(vfa_dma_op, flags, 1);
	AT(vfa_dma_op, align, 2);
	AT(vfa_dma_op, nr_ranges, 3);
	AT(vfa_dma_op, reserved, 4);
	AT(vfa_dma_op, handle, 8);
	SIZE(vfa_dma_batch, 8);
	AT(vfa_dma_batch, count, 0);
	AT(vfa_dma_batch, bytes, 4);
	SIZE(vfa_dma_result, 32);
	AT(vfa_dma_result, status, 0);
	AT(vfa_dma_result, reserved, 4);
	AT(vfa_dma_result, handle, 8);
	AT(vfa_dma_result, iova, 16);
	AT(vfa_dma_result, length, 24);
	SIZE(vfa_dma_results, 2056);
	AT(vfa_dma_results, count, 0);
	AT(vfa_dma_results, reserved, 4);
	AT(vfa_dma_results, result, 8);
	SIZE(vfa_stats, 96);
	AT(vfa_stats, struct_bytes, 0);
	AT(vfa_stats, owner, 4);
	AT(vfa_stats, maps, 8);
	AT(vfa_stats, unmaps, 16);
	AT(vfa_stats, map_failures, 24);
	AT(vfa_stats, bytes_live, 32);
	AT(vfa_stats, bytes_peak, 40);
	AT(vfa_stats, mappings_live, 48);
	AT(vfa_stats, mappings_peak, 52);
	AT(vfa_stats, irq_wakeups, 56);
	AT(vfa_stats, irqs, 64);
	AT(vfa_stats, resets, 72);
	AT(vfa_stats, config_writes_filtered, 80);
	AT(vfa_stats, last_error, 88);
	AT(vfa_stats, bus_master, 92);
}

static void vfa_dext_numbers(void **state)
{
	(void)state;
	assert_int_equal(VFA_MAGIC, 0x31414656);
	assert_int_equal(VFA_VERSION_MAJOR, 0x1);
	assert_int_equal(VFA_VERSION_MINOR, 0x0);
	assert_int_equal(VFA_BATCH_BYTES, 0x1000);
	assert_int_equal(VFA_MAX_OPS, 0x40);
	assert_int_equal(VFA_MAX_RANGES, 0x20);
	assert_int_equal(VFA_MAX_ALIGN_SHIFT, 0x15);
	assert_int_equal(VFA_MAX_VECTORS, 0x100);
	assert_int_equal(VFA_NUM_BARS, 0x7);
	assert_int_equal(VFA_MEMORY_IRQ_PAGE, 0x100);
	assert_int_equal(VFA_BAR_M32, 0x0);
	assert_int_equal(VFA_BAR_IO, 0x1);
	assert_int_equal(VFA_BAR_M64, 0x4);
	assert_int_equal(VFA_BAR_M32PF, 0x8);
	assert_int_equal(VFA_BAR_M64PF, 0xc);
	assert_int_equal(VFA_BAR_MAPPABLE, 0x1);
	assert_int_equal(VFA_DEV_FLR, 0x1);
	assert_int_equal(VFA_DEV_HOT, 0x2);
	assert_int_equal(VFA_DMA_MAP, 0x1);
	assert_int_equal(VFA_DMA_UNMAP, 0x2);
	assert_int_equal(VFA_DMA_DEVICE_READS, 0x1);
	assert_int_equal(VFA_DMA_DEVICE_WRITES, 0x2);
	assert_int_equal(VFA_DMA_ALIGN_REQUIRED, 0x4);
	assert_int_equal(VFA_HELLO, 0x0);
	assert_int_equal(VFA_GET_INFO, 0x1);
	assert_int_equal(VFA_GET_STATS, 0x2);
	assert_int_equal(VFA_CLAIM, 0x3);
	assert_int_equal(VFA_RELEASE, 0x4);
	assert_int_equal(VFA_CONFIG_READ, 0x5);
	assert_int_equal(VFA_CONFIG_READ_BLOCK, 0x6);
	assert_int_equal(VFA_CONFIG_WRITE, 0x7);
	assert_int_equal(VFA_BAR_READ, 0x8);
	assert_int_equal(VFA_BAR_WRITE, 0x9);
	assert_int_equal(VFA_SET_BUS_MASTER, 0xa);
	assert_int_equal(VFA_RESET, 0xb);
	assert_int_equal(VFA_IRQ_ENABLE, 0xc);
	assert_int_equal(VFA_IRQ_DISABLE, 0xd);
	assert_int_equal(VFA_IRQ_NOTIFY, 0xe);
	assert_int_equal(VFA_IRQ_UNMASK, 0xf);
	assert_int_equal(VFA_DMA_SUBMIT, 0x10);
	assert_int_equal(VFA_DMA_UNMAP_ALL, 0x11);
	assert_int_equal(VFA_NUM_SELECTORS, 0x12);
	assert_int_equal(VFA_IRQ_INTX, 0x0);
	assert_int_equal(VFA_IRQ_MSI, 0x1);
	assert_int_equal(VFA_IRQ_MSIX, 0x2);
	assert_int_equal(VFA_IRQ_TYPES, 0x3);
	assert_int_equal(VFA_RESET_AUTO, 0x0);
	assert_int_equal(VFA_RESET_FLR, 0x1);
	assert_int_equal(VFA_RESET_HOT, 0x2);
	assert_int_equal(VFA_OK, 0x0);
	assert_int_equal(VFA_E_BAD_REQUEST, 0x1);
	assert_int_equal(VFA_E_NOT_ALIGNED, 0x2);
	assert_int_equal(VFA_E_BAD_RANGE, 0x3);
	assert_int_equal(VFA_E_NO_SPACE, 0x4);
	assert_int_equal(VFA_E_NO_MAPPINGS, 0x5);
	assert_int_equal(VFA_E_BAD_HANDLE, 0x6);
	assert_int_equal(VFA_E_GONE, 0x7);
	assert_int_equal(VFA_E_BUSY, 0x8);
	assert_int_equal(VFA_E_PLATFORM, 0x9);
	assert_int_equal(VFA_STATUS_COUNT, 0xa);
	assert_string_equal(VFA_SERVICE_NAME, "VFIOUserPCIDriver");
	assert_string_equal(VFA_PROPERTY_INFO, "VFADeviceInfo");
	assert_string_equal(VFA_PROPERTY_CLAIMED, "VFAClaimed");
}

/* No structure may travel out of line, and a full batch must be answered in one reply. */
static void vfa_dext_structures_travel_inline(void **state)
{
	(void)state;
	assert_true(sizeof(struct vfa_dma_results) <= VFA_BATCH_BYTES);
	assert_true(sizeof(struct vfa_device_info) <= VFA_BATCH_BYTES);
	assert_true(sizeof(struct vfa_stats) <= VFA_BATCH_BYTES);
	assert_true(sizeof(struct vfa_dma_batch) + sizeof(struct vfa_dma_op) +
			    VFA_MAX_RANGES * sizeof(struct vfa_dma_range) <=
		    VFA_BATCH_BYTES);
	assert_true(sizeof(struct vfa_dma_batch) +
			    VFA_MAX_OPS * (sizeof(struct vfa_dma_op) + sizeof(struct vfa_dma_range)) <=
		    VFA_BATCH_BYTES);
}

/* The largest map request fits a request page. */
static void apple_dma_largest_request_fits(void **state)
{
	(void)state;
	assert_true(sizeof(struct adma_page_header) + sizeof(struct adma_map_req) +
			    ADMA_MAX_RANGES * sizeof(struct adma_range) <=
		    ADMA_PAGE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apple_dma_layout),
		cmocka_unit_test(apple_dma_numbers),
		cmocka_unit_test(apple_dma_largest_request_fits),
		cmocka_unit_test(vfa_dext_layout),
		cmocka_unit_test(vfa_dext_numbers),
		cmocka_unit_test(vfa_dext_structures_travel_inline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
