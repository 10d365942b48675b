/*
 * vfio-iommu-apple: the container of a function behind an Apple DART
 *
 * The platform picks I/O virtual addresses, so guest memory can't be mapped
 * at its guest-physical address: dma_map and dma_unmap have nothing to do.
 * The guest maps what it needs through the companion.  What is left for the
 * container is to refuse a virtual IOMMU and to keep guest memory in place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>

#include "hw/vfio/vfio-device.h"
#include "hw/vfio/vfio-listener.h"
#include "qapi/error.h"
#include "vfio-apple.h"

typedef struct VFIOAppleContainer {
    VFIOContainer parent_obj;
} VFIOAppleContainer;

OBJECT_DECLARE_SIMPLE_TYPE(VFIOAppleContainer, VFIO_IOMMU_APPLE)

static bool vfio_apple_setup(VFIOContainer *bcontainer, Error **errp)
{
    bcontainer->pgsizes = qemu_real_host_page_size();
    bcontainer->dirty_pages_supported = false;
    return true;
}

static int vfio_apple_dma_map(const VFIOContainer *bcontainer, hwaddr iova,
                              uint64_t size, void *vaddr, bool readonly,
                              MemoryRegion *mr)
{
    return 0;
}

static int vfio_apple_dma_unmap(const VFIOContainer *bcontainer, hwaddr iova,
                                uint64_t size, IOMMUTLBEntry *iotlb,
                                bool unmap_all)
{
    return 0;
}

static bool vfio_apple_attach_device(const char *name, VFIODevice *vbasedev,
                                     AddressSpace *as, Error **errp)
{
    struct vfio_device_info info = {
        .argsz = sizeof(info),
        .flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
        .num_regions = VFIO_PCI_CONFIG_REGION_INDEX + 1,
        .num_irqs = VFIO_PCI_MSIX_IRQ_INDEX + 1,
    };
    VFIOAddressSpace *space;
    VFIOContainer *bcontainer;
    int ret;

    if (as != &address_space_memory) {
        error_setg(errp, "the function is behind a virtual IOMMU, which "
                   "can't be combined with addresses picked by the platform: "
                   "remove the IOMMU from the machine");
        return false;
    }

    ret = ram_block_discard_disable(true);
    if (ret) {
        error_setg_errno(errp, -ret, "guest memory can be discarded while the "
                         "device uses it: remove virtio-mem");
        return false;
    }

    space = vfio_address_space_get(as);
    bcontainer = VFIO_IOMMU(object_new(TYPE_VFIO_IOMMU_APPLE));
    vfio_apple_setup(bcontainer, errp);
    vfio_address_space_insert(space, bcontainer);
    if (!vfio_listener_register(bcontainer, errp)) {
        vfio_listener_unregister(bcontainer);
        object_unref(bcontainer);
        vfio_address_space_put(space);
        ram_block_discard_disable(false);
        return false;
    }
    bcontainer->initialized = true;

    vfio_device_prepare(vbasedev, bcontainer, &info);
    return true;
}

static void vfio_apple_detach_device(VFIODevice *vbasedev)
{
    VFIOContainer *bcontainer = vbasedev->bcontainer;
    VFIOAddressSpace *space = bcontainer->space;

    vfio_device_unprepare(vbasedev);
    vfio_listener_unregister(bcontainer);
    object_unref(bcontainer);
    vfio_address_space_put(space);
    ram_block_discard_disable(false);
}

/* Resets go through the device_reset callback. */
static int vfio_apple_pci_hot_reset(VFIODevice *vbasedev, bool single)
{
    return -ENOTSUP;
}

static void vfio_apple_container_class_init(ObjectClass *klass,
                                            const void *data)
{
    VFIOIOMMUClass *vioc = VFIO_IOMMU_CLASS(klass);

    vioc->setup = vfio_apple_setup;
    vioc->dma_map = vfio_apple_dma_map;
    vioc->dma_unmap = vfio_apple_dma_unmap;
    vioc->attach_device = vfio_apple_attach_device;
    vioc->detach_device = vfio_apple_detach_device;
    vioc->pci_hot_reset = vfio_apple_pci_hot_reset;
}

static const TypeInfo vfio_apple_container_types[] = {
    {
        .name = TYPE_VFIO_IOMMU_APPLE,
        .parent = TYPE_VFIO_IOMMU,
        .instance_size = sizeof(VFIOAppleContainer),
        .class_init = vfio_apple_container_class_init,
    },
};

DEFINE_TYPES(vfio_apple_container_types)
