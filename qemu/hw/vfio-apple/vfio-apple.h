/*
 * PCI passthrough through the VFIOUserPCIDriver driver extension
 *
 * vfio-apple-pci   a passed-through function: pci.c, config.c, irq.c
 * vfio-iommu-apple its container, which maps nothing: container.c
 * apple-dma-pci    the companion, through which the guest maps its memory
 *                  for functions: companion.c, companion-dma.c
 *
 * All of it runs under the BQL, except the library's callbacks in irq.c and
 * pci.c, which say so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_APPLE_VFIO_APPLE_H
#define HW_VFIO_APPLE_VFIO_APPLE_H

#include <vfapple.h>

#include "hw/boards.h"
#include "hw/hotplug.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/vfio/pci.h"
#include "qemu/range.h"
#include "qom/object.h"
#include "standard-headers/misc/apple_dma.h"

#define TYPE_VFIO_APPLE_PCI "vfio-apple-pci"
OBJECT_DECLARE_SIMPLE_TYPE(VFIOAppleDevice, VFIO_APPLE_PCI)

#define TYPE_APPLE_DMA_PCI "apple-dma-pci"
OBJECT_DECLARE_SIMPLE_TYPE(AppleDMADevice, APPLE_DMA_PCI)

#ifndef TYPE_VFIO_IOMMU_APPLE
#define TYPE_VFIO_IOMMU_APPLE TYPE_VFIO_IOMMU "-apple"
#endif

/*
 * Companion
 */

/* What the companion asks of a function it manages. */
typedef struct AppleDMAFunctionOps {
    /* Open the gate.  Returns ADMA_OK or ADMA_E_*. */
    uint32_t (*claim)(void *opaque);
    /* Close the gate and turn bus mastering off.  Cannot fail. */
    void (*release)(void *opaque);
    int (*submit)(void *opaque, struct vfa_dma_request *req, size_t count);
    /* Ends all mappings, bus mastering off first.  0 or -errno. */
    int (*unmap_all)(void *opaque);
    uint16_t (*bdf)(void *opaque);
} AppleDMAFunctionOps;

typedef struct AppleDMAStats {
    uint64_t maps;
    uint64_t unmaps;
    uint64_t map_failures;
    uint64_t bytes;
    uint64_t bytes_peak;
    uint64_t mappings;
    uint64_t mappings_peak;
} AppleDMAStats;

typedef struct AppleDMAFunction {
    AppleDMADevice *companion;
    unsigned index;
    const char *name; /* owned by the function's device */
    const AppleDMAFunctionOps *ops;
    void *opaque;
    const struct vfa_device_info *info;
    bool claimed;
    bool gone;
    uint64_t next_handle;
    GHashTable *mappings; /* handle -> AppleDMAMapping */
    AppleDMAStats stats;
} AppleDMAFunction;

#define APPLE_DMA_MAX_FUNCTIONS 256
#define APPLE_DMA_MAX_SLOTS 512 /* one page per CPU of the largest machine */

struct AppleDMADevice {
    PCIDevice parent_obj;

    MemoryRegion bar;
    MemoryListener listener;
    bool ram_changed; /* between a region_del of RAM and the commit */
    bool resetting;
    Error *migration_blocker;
    Error *unplug_blocker;

    uint32_t granule;
    uint32_t generation;
    uint32_t driver_features;
    bool slot_bad;
    uint32_t slot_select;
    uint32_t slot_lo;
    hwaddr slots[APPLE_DMA_MAX_SLOTS]; /* 0: none */

    /*
     * An index keeps its meaning while the guest runs: one that was used is
     * not given out again until the companion is reset.
     */
    AppleDMAFunction *functions[APPLE_DMA_MAX_FUNCTIONS];
    unsigned nr_functions;
    unsigned nr_present;
};

/* The machine's companion, made on the root bus when that is still possible. */
AppleDMADevice *apple_dma_companion_get(PCIDevice *function, Error **errp);
AppleDMAFunction *apple_dma_attach(AppleDMADevice *s, const char *name,
                                   const AppleDMAFunctionOps *ops,
                                   void *opaque,
                                   const struct vfa_device_info *info,
                                   Error **errp);
/* Ends claim and mappings, and the index. */
void apple_dma_detach(AppleDMAFunction *f);
/* The function or its host driver is gone: requests answer ADMA_E_GONE. */
void apple_dma_function_gone(AppleDMAFunction *f);

/* companion-dma.c: requests and mappings */
void apple_dma_run_page(AppleDMADevice *s, unsigned slot);
bool apple_dma_page_is_ram(hwaddr gpa);
GHashTable *apple_dma_mappings_new(void);
/* Ends all mappings.  The caller has turned bus mastering off. */
void apple_dma_drop_mappings(AppleDMAFunction *f);
/* Is all memory of all mappings still where it was? */
bool apple_dma_mappings_valid(AppleDMAFunction *f);
/* Ends the claim if there is one, and all mappings. */
void apple_dma_end_claim(AppleDMAFunction *f, const char *why);

/*
 * Configuration space of a function
 *
 * Three masks say, bit by bit, what a guest sees and may write:
 * where virt is set, reads come from value and writes reach value where
 * writable is set; elsewhere reads come from the device, and writes reach
 * the device where pass is set.
 */
typedef struct VFIOAppleConfig {
    uint8_t virt[PCIE_CONFIG_SPACE_SIZE];
    uint8_t value[PCIE_CONFIG_SPACE_SIZE];
    uint8_t initial[PCIE_CONFIG_SPACE_SIZE];
    uint8_t writable[PCIE_CONFIG_SPACE_SIZE];
    uint8_t pass[PCIE_CONFIG_SPACE_SIZE]; /* per byte: 0 or 1 */
    uint8_t msix_cap, pcie_cap, af_cap;   /* offsets, 0: none */
} VFIOAppleConfig;

bool vfio_apple_config_init(VFIOAppleDevice *adev, Error **errp);
void vfio_apple_config_reset(VFIOAppleDevice *adev);
uint16_t vfio_apple_config_command(VFIOAppleDevice *adev);
int vfio_apple_config_read(VFIOAppleDevice *adev, unsigned offset,
                           unsigned bytes, void *data);
int vfio_apple_config_write(VFIOAppleDevice *adev, unsigned offset,
                            unsigned bytes, const void *data);

/*
 * Interrupts of a function
 *
 * A vector's descriptor is a duplicate of the write side of the notifier
 * that VFIO wants to be told by.  Where KVM listens to it, the write is the
 * interrupt.  Elsewhere QEMU's main loop wakes up and raises the message:
 * one change of thread, the least there is without an irqfd, because the
 * message has to be raised under the BQL, which the library's thread must
 * not wait for.
 */
typedef struct VFIOAppleIRQ {
    QemuMutex lock;        /* protects fd[]; taken by the library's thread */
    int fd[VFA_MAX_VECTORS];
    int type;              /* enum vfa_irq_type, -1: none */
    unsigned granted;
    unsigned available[VFA_IRQ_TYPES]; /* vectors the platform grants */
    bool intx_masked;
    uint64_t delivered;    /* atomic */
} VFIOAppleIRQ;

void vfio_apple_irq_init(VFIOAppleDevice *adev);
void vfio_apple_irq_finalize(VFIOAppleDevice *adev);
void vfio_apple_irq_probe(VFIOAppleDevice *adev);
void vfio_apple_irq_callback(void *opaque, unsigned vector);
void vfio_apple_irq_update_intx(VFIOAppleDevice *adev);
int vfio_apple_get_irq_info(VFIODevice *vbasedev, struct vfio_irq_info *info);
int vfio_apple_set_irqs(VFIODevice *vbasedev, struct vfio_irq_set *set);

/*
 * Function
 */

/* A part of a BAR that is kept from the guest: MSI-X table or PBA. */
typedef struct VFIOAppleHole {
    unsigned bar;
    Range range;
} VFIOAppleHole;

struct VFIOAppleDevice {
    VFIOPCIDevice parent_obj;

    char *address;             /* property "host" */
    AppleDMADevice *companion; /* property "dma" */

    struct vfa_device *dev;
    AppleDMAFunction *function;
    QEMUBH *gone_bh;
    bool gone;
    bool bus_master;           /* as last set at the device */

    /* Closed while the function is not claimed: covers all of each BAR. */
    MemoryRegion gate[PCI_NUM_REGIONS - 1];
    bool gate_added[PCI_NUM_REGIONS - 1];

    VFIOAppleConfig config;
    VFIOAppleIRQ irq;
    VFIOAppleHole hole[2];     /* in the order of their addresses */
    unsigned nr_holes;

    uint64_t bars_mapped;      /* parts of BARs mapped into the guest */
    uint64_t resets;
};

static inline VFIOAppleDevice *vfio_apple_from_vbasedev(VFIODevice *vbasedev)
{
    return VFIO_APPLE_PCI(container_of(vbasedev, VFIOPCIDevice, vbasedev));
}

/* Bring the device's bus master bit in line with claim and command register. */
void vfio_apple_update_bus_master(VFIOAppleDevice *adev);
int vfio_apple_reset_device(VFIOAppleDevice *adev, enum vfa_reset type);

#endif
