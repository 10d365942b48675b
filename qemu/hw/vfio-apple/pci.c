/*
 * vfio-apple-pci: a PCI function of a Mac, passed through
 *
 * A subclass of VFIO's PCI device whose requests to the device go to the
 * VFIOUserPCIDriver driver extension, through its client library.
 *
 * Until the guest has claimed the function through the companion, its BARs
 * read as all ones and bus mastering is off at the device: a driver that does
 * not know about the companion can't start DMA to addresses that mean nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>

#include "hw/pci/msix.h"
#include "hw/vfio/vfio-device.h"
#include "migration/blocker.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/range.h"
#include "qemu/rcu.h"
#include "system/address-spaces.h"
#include "system/kvm.h"
#include "vfio-apple.h"
#include "trace.h"

/* Above MSI-X table, PBA and quirks. */
#define GATE_PRIORITY 100

/*
 * No guest waits for a device that is plugged in, and its host may be at work
 * for who had it before: vfa_open() alone waits that long for a claim to end.
 */
#define REALIZE_FURTHER_MS 2000

static const char *vfio_apple_name(VFIOAppleDevice *adev)
{
    return VFIO_PCI_DEVICE(adev)->vbasedev.name;
}

/*
 * The device
 */

static void vfio_apple_set_bus_master(VFIOAppleDevice *adev, bool on)
{
    int ret;

    if (on == adev->bus_master || adev->unresponsive) {
        return;
    }
    trace_vfio_apple_bus_master(vfio_apple_name(adev), on);
    ret = vfio_apple_host_bus_master(adev, on);
    if (ret == -ETIMEDOUT) {
        return;
    }
    if (ret < 0 && ret != -ENODEV) {
        error_report("%s: bus mastering can't be turned %s: %s",
                     vfio_apple_name(adev), on ? "on" : "off", strerror(-ret));
        /* Say "on" when in doubt, so that it is turned off again later. */
        on = true;
    }
    adev->bus_master = on;
}

void vfio_apple_update_bus_master(VFIOAppleDevice *adev)
{
    vfio_apple_set_bus_master(adev, adev->function &&
                              adev->function->claimed &&
                              (vfio_apple_config_command(adev) &
                               PCI_COMMAND_MASTER));
}

int vfio_apple_reset_device(VFIOAppleDevice *adev, enum vfa_reset type)
{
    int ret;

    if (vfio_apple_unreachable(adev)) {
        return -ENODEV;
    }
    ret = vfio_apple_host_reset(adev, type);
    trace_vfio_apple_reset(vfio_apple_name(adev), type, ret);
    adev->resets++;
    if (ret < 0 && ret != -ENODEV && ret != -ETIMEDOUT) {
        warn_report("%s: reset failed: %s", vfio_apple_name(adev),
                    strerror(-ret));
    }
    /* Mappings and claim outlive a reset, and the command register too. */
    vfio_apple_update_bus_master(adev);
    return ret;
}

static void vfio_apple_reset(DeviceState *dev)
{
    VFIOAppleDevice *adev = VFIO_APPLE_PCI(dev);
    VFIOPCIDevice *vdev = VFIO_PCI_DEVICE(dev);

    if (adev->gone) {
        return;
    }
    if (!adev->unresponsive) {
        vfio_pci_pre_reset(vdev);
        vfio_apple_config_reset(adev);
        vfio_apple_reset_device(adev, VFA_RESET_AUTO);
    }
    if (!adev->unresponsive) {
        vfio_pci_post_reset(vdev);
    }
    adev->reset_missed = adev->unresponsive;
}

/*
 * The gate
 */

static uint64_t vfio_apple_gate_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT64_MAX;
}

static void vfio_apple_gate_write(void *opaque, hwaddr addr, uint64_t value,
                                  unsigned size)
{
}

static const MemoryRegionOps vfio_apple_gate_ops = {
    .read = vfio_apple_gate_read,
    .write = vfio_apple_gate_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
    .impl = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
};

static void vfio_apple_gate_add(VFIOAppleDevice *adev)
{
    VFIOPCIDevice *vdev = VFIO_PCI_DEVICE(adev);
    int i;

    for (i = 0; i < PCI_ROM_SLOT; i++) {
        if (!vdev->bars[i].mr) {
            continue;
        }
        memory_region_init_io(&adev->gate[i], OBJECT(adev),
                              &vfio_apple_gate_ops, adev, "vfio-apple-gate",
                              vdev->bars[i].size);
        memory_region_add_subregion_overlap(vdev->bars[i].mr, 0,
                                            &adev->gate[i], GATE_PRIORITY);
        adev->gate_added[i] = true;
    }
}

static void vfio_apple_gate_remove(VFIOAppleDevice *adev)
{
    VFIOPCIDevice *vdev = VFIO_PCI_DEVICE(adev);
    int i;

    for (i = 0; i < PCI_ROM_SLOT; i++) {
        if (adev->gate_added[i]) {
            memory_region_del_subregion(vdev->bars[i].mr, &adev->gate[i]);
            adev->gate_added[i] = false;
        }
    }
}

static void vfio_apple_gate_set(VFIOAppleDevice *adev, bool closed)
{
    int i;

    trace_vfio_apple_gate(vfio_apple_name(adev), closed);
    memory_region_transaction_begin();
    for (i = 0; i < PCI_ROM_SLOT; i++) {
        if (adev->gate_added[i]) {
            memory_region_set_enabled(&adev->gate[i], closed);
        }
    }
    memory_region_transaction_commit();
}

static bool vfio_apple_gate_closed(VFIOAppleDevice *adev)
{
    return vfio_apple_unreachable(adev) || !adev->function ||
           !adev->function->claimed;
}

/*
 * What the companion asks for
 */

static uint32_t vfio_apple_claim(void *opaque)
{
    VFIOAppleDevice *adev = opaque;

    vfio_apple_update_bus_master(adev);
    if (adev->unresponsive) {
        return ADMA_E_TIMEOUT;
    }
    vfio_apple_gate_set(adev, false);
    return ADMA_OK;
}

static void vfio_apple_release(void *opaque)
{
    VFIOAppleDevice *adev = opaque;

    vfio_apple_set_bus_master(adev, false);
    vfio_apple_gate_set(adev, true);
}

static void vfio_apple_unresponsive(void *opaque, bool unresponsive)
{
    VFIOAppleDevice *adev = opaque;
    bool changed;

    adev->unresponsive = unresponsive;
    if (unresponsive) {
        /* Perhaps. */
        adev->bus_master = true;
        return;
    }
    if (!adev->function) {
        return;
    }
    /* The guest must not find what it has no longer asked for. */
    changed = adev->changed_late;
    adev->changed_late = false;
    if (adev->reset_missed) {
        vfio_apple_reset(DEVICE(adev));
    } else if (changed) {
        vfio_apple_reset_device(adev, VFA_RESET_AUTO);
    }
    vfio_apple_set_bus_master(adev, false);
}

static int vfio_apple_submit(void *opaque, void *arg)
{
    VFIOAppleDevice *adev = opaque;
    AppleDMASubmit *submit = arg;

    return vfa_dma_submit(adev->dev, submit->req, submit->count);
}

static int vfio_apple_unmap_all(void *opaque, void *arg)
{
    VFIOAppleDevice *adev = opaque;

    return vfa_dma_unmap_all(adev->dev);
}

static int vfio_apple_bus_master_off(void *opaque, void *arg)
{
    VFIOAppleDevice *adev = opaque;

    return vfa_set_bus_master(adev->dev, false);
}

static uint16_t vfio_apple_bdf(void *opaque)
{
    return pci_get_bdf(PCI_DEVICE(opaque));
}

static const AppleDMAFunctionOps vfio_apple_function_ops = {
    .claim = vfio_apple_claim,
    .release = vfio_apple_release,
    .bdf = vfio_apple_bdf,
    .unresponsive = vfio_apple_unresponsive,
    .submit = vfio_apple_submit,
    .unmap_all = vfio_apple_unmap_all,
    .bus_master_off = vfio_apple_bus_master_off,
};

/*
 * What VFIO asks for
 */

static int vfio_apple_device_feature(VFIODevice *vbasedev,
                                     struct vfio_device_feature *feature)
{
    return -ENOTTY;
}

static const struct vfa_bar_info *vfio_apple_bar(VFIOAppleDevice *adev,
                                                 unsigned index)
{
    static const struct vfa_bar_info none;
    const struct vfa_bar_info *bar = &vfa_info(adev->dev)->bars[index];

    return bar->type & VFA_BAR_IO ? &none : bar;
}

/* Finds MSI-X table and PBA: QEMU and the host own them, not the guest. */
static void vfio_apple_find_holes(VFIOAppleDevice *adev)
{
    unsigned pos = adev->config.msix_cap, entries, i;
    uint8_t cap[MSIX_CAP_LENGTH];

    adev->nr_holes = 0;
    if (!pos || vfio_apple_config_read(adev, pos, sizeof(cap), cap) < 0) {
        return;
    }
    /* The device's own number: the guest may be told of fewer. */
    entries = MAX(vfa_info(adev->dev)->vectors[VFA_IRQ_MSIX],
                  (pci_get_word(cap + PCI_MSIX_FLAGS) &
                   PCI_MSIX_FLAGS_QSIZE) + 1);
    entries = MIN(entries, PCI_MSIX_FLAGS_QSIZE + 1);
    for (i = 0; i < 2; i++) {
        uint32_t where = pci_get_long(cap + (i ? PCI_MSIX_PBA :
                                                 PCI_MSIX_TABLE));
        uint64_t first = where & ~PCI_MSIX_FLAGS_BIRMASK;
        uint64_t bytes = i ? QEMU_ALIGN_UP(entries, 64) / 8 :
                             entries * PCI_MSIX_ENTRY_SIZE;
        VFIOAppleHole *hole = &adev->hole[adev->nr_holes++];

        hole->bar = where & PCI_MSIX_FLAGS_BIRMASK;
        range_set_bounds(&hole->range, first, first + bytes - 1);
    }
    /* In the order of their addresses. */
    if (range_lob(&adev->hole[1].range) < range_lob(&adev->hole[0].range)) {
        VFIOAppleHole first = adev->hole[1];

        adev->hole[1] = adev->hole[0];
        adev->hole[0] = first;
    }
}

/*
 * The parts of a BAR that are mapped into the guest: whole host pages without
 * the holes.  A BAR that is smaller than a page shares it with others.
 */
static unsigned vfio_apple_mappable(VFIOAppleDevice *adev, unsigned index,
                                    struct vfio_region_sparse_mmap_area area[3])
{
    const struct vfa_bar_info *bar = vfio_apple_bar(adev, index);
    uint64_t page = MAX(vfa_info(adev->dev)->dma_page,
                        qemu_real_host_page_size());
    uint64_t from = 0;
    unsigned nr = 0, i;

    if (!(bar->flags & VFA_BAR_MAPPABLE) || bar->size < page) {
        return 0;
    }
    for (i = 0; i <= adev->nr_holes; i++) {
        Range *hole = i < adev->nr_holes ? &adev->hole[i].range : NULL;
        uint64_t to = hole ? range_lob(hole) : bar->size;

        if (hole && adev->hole[i].bar != index) {
            continue;
        }
        to = QEMU_ALIGN_DOWN(MIN(to, bar->size), page);
        if (to > from) {
            area[nr].offset = from;
            area[nr++].size = to - from;
        }
        if (hole) {
            from = MAX(from, QEMU_ALIGN_UP(range_upb(hole) + 1, page));
        }
    }
    return nr;
}

static void vfio_apple_bar_info(VFIOAppleDevice *adev,
                                struct vfio_region_info *info)
{
    const struct vfa_bar_info *bar = vfio_apple_bar(adev, info->index);
    struct vfio_region_sparse_mmap_area area[3];
    struct vfio_region_info_cap_sparse_mmap *sparse;
    unsigned nr = vfio_apple_mappable(adev, info->index, area);
    size_t need = sizeof(*info) + sizeof(*sparse) + nr * sizeof(area[0]);

    info->size = bar->size;
    if (!bar->size) {
        return;
    }
    info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    if (!nr) {
        return;
    }
    info->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
    if (info->argsz < need) {
        info->argsz = need;
        return;
    }
    info->cap_offset = sizeof(*info);
    sparse = (void *)(info + 1);
    sparse->header = (struct vfio_info_cap_header) {
        .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
        .version = 1,
    };
    sparse->nr_areas = nr;
    sparse->reserved = 0;
    memcpy(sparse->areas, area, nr * sizeof(area[0]));
}

static int vfio_apple_get_region_info(VFIODevice *vbasedev,
                                      struct vfio_region_info *info, int *fd)
{
    VFIOAppleDevice *adev = vfio_apple_from_vbasedev(vbasedev);

    *fd = -1;
    info->flags = 0;
    info->size = 0;
    info->offset = 0;
    info->cap_offset = 0;
    switch (info->index) {
    case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
        vfio_apple_bar_info(adev, info);
        return 0;
    case VFIO_PCI_ROM_REGION_INDEX:
        info->size = vfio_apple_bar(adev, PCI_ROM_SLOT)->size;
        info->flags = info->size ? VFIO_REGION_INFO_FLAG_READ : 0;
        return 0;
    case VFIO_PCI_CONFIG_REGION_INDEX:
        info->size = PCIE_CONFIG_SPACE_SIZE;
        info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        return 0;
    default:
        return -EINVAL;
    }
}

static bool vfio_apple_bar_range(VFIOAppleDevice *adev, unsigned nr,
                                 uint64_t off, uint32_t size)
{
    uint64_t bytes = vfio_apple_bar(adev, nr)->size;

    return off < bytes && size <= bytes - off;
}

/*
 * Reads of any size: the ROM comes in one piece.  Like a request page, such a
 * read begins its last call to the host within twice host-timeout.
 */
static void vfio_apple_read_device(VFIOAppleDevice *adev, unsigned nr,
                                   uint64_t off, uint32_t size, uint8_t *out)
{
    int64_t deadline = g_get_monotonic_time() + 2000LL * adev->host_timeout;

    memset(out, 0xff, size);
    while (size) {
        unsigned step = MIN(size, VFIO_APPLE_BAR_BYTES);

        if (g_get_monotonic_time() >= deadline ||
            vfio_apple_host_bar_read(adev, nr, off, step, out) < 0) {
            break;
        }
        out += step;
        off += step;
        size -= step;
    }
}

static int vfio_apple_region_read(VFIODevice *vbasedev, uint8_t nr, off_t off,
                                  uint32_t size, void *data)
{
    VFIOAppleDevice *adev = vfio_apple_from_vbasedev(vbasedev);

    if (nr == VFIO_PCI_CONFIG_REGION_INDEX) {
        return vfio_apple_config_read(adev, off, size, data);
    }
    if (nr > VFIO_PCI_ROM_REGION_INDEX ||
        !vfio_apple_bar_range(adev, nr, off, size)) {
        return -EINVAL;
    }
    if (vfio_apple_unreachable(adev) ||
        (nr != VFIO_PCI_ROM_REGION_INDEX && vfio_apple_gate_closed(adev))) {
        memset(data, 0xff, size);
    } else {
        vfio_apple_read_device(adev, nr, off, size, data);
    }
    return size;
}

static bool vfio_apple_in_hole(VFIOAppleDevice *adev, unsigned nr, off_t off,
                               uint32_t size)
{
    unsigned i;

    for (i = 0; i < adev->nr_holes; i++) {
        Range *hole = &adev->hole[i].range;

        if (adev->hole[i].bar == nr &&
            ranges_overlap(off, size, range_lob(hole),
                           range_upb(hole) - range_lob(hole) + 1)) {
            return true;
        }
    }
    return false;
}

static int vfio_apple_region_write(VFIODevice *vbasedev, uint8_t nr, off_t off,
                                   uint32_t size, void *data, bool post)
{
    VFIOAppleDevice *adev = vfio_apple_from_vbasedev(vbasedev);

    if (nr == VFIO_PCI_CONFIG_REGION_INDEX) {
        return vfio_apple_config_write(adev, off, size, data);
    }
    if (nr >= VFIO_PCI_ROM_REGION_INDEX || size > VFIO_APPLE_BAR_BYTES ||
        !vfio_apple_bar_range(adev, nr, off, size)) {
        return -EINVAL;
    }
    if (vfio_apple_gate_closed(adev) ||
        vfio_apple_in_hole(adev, nr, off, size)) {
        return size;
    }
    vfio_apple_host_bar_write(adev, nr, off, size, data);
    return size;
}

static int vfio_apple_region_map(VFIODevice *vbasedev, uint8_t nr, off_t off,
                                 size_t size, int prot, void **ptr)
{
    VFIOAppleDevice *adev = vfio_apple_from_vbasedev(vbasedev);
    uint64_t bytes;
    void *base;
    int ret;

    if (nr >= VFIO_PCI_ROM_REGION_INDEX ||
        !vfio_apple_bar_range(adev, nr, off, size)) {
        return -EINVAL;
    }
    ret = vfio_apple_host_bar_map(adev, nr, &base, &bytes);
    if (ret < 0) {
        return ret;
    }
    if (off > bytes || size > bytes - off) {
        vfio_apple_host_bar_unmap(adev, nr);
        return -EINVAL;
    }
    adev->bar_mapped[nr] = bytes;
    adev->bars_mapped++;
    *ptr = base + off;
    return 0;
}

static void vfio_apple_region_unmap(VFIODevice *vbasedev, uint8_t nr,
                                    void *ptr, size_t size)
{
    VFIOAppleDevice *adev = vfio_apple_from_vbasedev(vbasedev);

    adev->bars_mapped--;
    /* Another part of it may be mapped yet, but none has to be. */
    adev->bar_mapped[nr] = 0;
    vfio_apple_host_bar_unmap(adev, nr);
}

static int vfio_apple_device_reset(VFIODevice *vbasedev)
{
    return vfio_apple_reset_device(vfio_apple_from_vbasedev(vbasedev),
                                   VFA_RESET_AUTO);
}

static VFIODeviceIOOps vfio_apple_io_ops = {
    .device_feature = vfio_apple_device_feature,
    .get_region_info = vfio_apple_get_region_info,
    .get_irq_info = vfio_apple_get_irq_info,
    .set_irqs = vfio_apple_set_irqs,
    .device_reset = vfio_apple_device_reset,
    .region_read = vfio_apple_region_read,
    .region_write = vfio_apple_region_write,
    .region_map = vfio_apple_region_map,
    .region_unmap = vfio_apple_region_unmap,
};

static void vfio_apple_compute_needs_reset(VFIODevice *vbasedev)
{
    vbasedev->needs_reset = false;
}

static Object *vfio_apple_get_object(VFIODevice *vbasedev)
{
    return OBJECT(vfio_apple_from_vbasedev(vbasedev));
}

static VFIODeviceOps vfio_apple_ops = {
    .vfio_compute_needs_reset = vfio_apple_compute_needs_reset,
    .vfio_eoi = vfio_pci_intx_eoi,
    .vfio_get_object = vfio_apple_get_object,
};

/*
 * Removal by the host
 */

static void vfio_apple_gone_bh(void *opaque)
{
    VFIOAppleDevice *adev = opaque;
    DeviceState *dev = DEVICE(adev);
    Error *err = NULL;

    if (adev->gone || !adev->function) {
        return;
    }
    trace_vfio_apple_gone(vfio_apple_name(adev));
    warn_report("%s: the device or its driver extension is gone; the guest "
                "sees a removed device", vfio_apple_name(adev));
    adev->gone = true;
    apple_dma_function_gone(adev->function);
    vfio_apple_release(adev);

    if (qdev_get_hotplug_handler(dev) && qdev_hotunplug_allowed(dev, NULL)) {
        qdev_unplug(dev, &err);
        if (err) {
            warn_reportf_err(err, "%s: ", vfio_apple_name(adev));
        }
    }
}

/*
 * Realize
 */

static bool vfio_apple_answers(VFIOAppleDevice *adev, Error **errp)
{
    if (adev->unresponsive) {
        error_setg(errp, TYPE_VFIO_APPLE_PCI " %s: the driver extension has "
                   "not answered within %u ms: try again, or unplug the "
                   "device and plug it in again", adev->address,
                   adev->host_timeout);
    }
    return !adev->unresponsive;
}

static bool vfio_apple_open(VFIOAppleDevice *adev, Error **errp)
{
    VFIODevice *vbasedev = &VFIO_PCI_DEVICE(adev)->vbasedev;
    static unsigned sequence;

    if (DEVICE(adev)->hotplugged) {
        /* A device that was just unplugged lets go of its claim in there. */
        drain_call_rcu();
    }
    adev->gone_bh = qemu_bh_new_guarded(vfio_apple_gone_bh, adev,
                                        &DEVICE(adev)->mem_reentrancy_guard);
    if (!vfio_apple_host_open(adev, errp)) {
        return false;
    }
    /* Unique: VFIO names notifiers after it, and bus addresses repeat. */
    vbasedev->name = g_strdup_printf("%s#%u", vfa_name(adev->dev), sequence++);
    vbasedev->io_ops = &vfio_apple_io_ops;
    /* No IOMMU of the host that QEMU could program. */
    vbasedev->mdev = true;
    vbasedev->enable_migration = ON_OFF_AUTO_OFF;

    adev->bus_master = true;
    vfio_apple_set_bus_master(adev, false);
    vfio_apple_irq_probe(adev);
    if (!vfio_apple_answers(adev, errp) ||
        !vfio_apple_config_init(adev, errp)) {
        return false;
    }
    vfio_apple_find_holes(adev);
    return vfio_apple_answers(adev, errp);
}

/* With KVM only MSI and MSI-X can bypass QEMU; elsewhere nothing can. */
static void vfio_apple_choose_irq_path(VFIOPCIDevice *vdev)
{
    if (!kvm_msi_via_irqfd_enabled()) {
        vdev->no_kvm_msi = true;
        vdev->no_kvm_msix = true;
    }
    vdev->no_kvm_intx = true;
    vdev->no_kvm_ioeventfd = true;
    vdev->no_vfio_ioeventfd = true;
}

static bool vfio_apple_setup_vfio(VFIOAppleDevice *adev, Error **errp)
{
    ERRP_GUARD();
    VFIOPCIDevice *vdev = VFIO_PCI_DEVICE(adev);
    VFIODevice *vbasedev = &vdev->vbasedev;
    PCIDevice *pdev = PCI_DEVICE(adev);
    int i;

    vfio_apple_choose_irq_path(vdev);
    if (!vfio_device_attach_by_iommu_type(
            TYPE_VFIO_IOMMU_APPLE, vbasedev->name, vbasedev,
            pci_device_iommu_address_space(pdev), errp) ||
        !vfio_pci_populate_device(vdev, errp) ||
        !vfio_pci_config_setup(vdev, errp)) {
        return false;
    }
    vfio_apple_gate_add(adev);

    /* BARs that were not mapped in time are no reason to trap them. */
    if (!vfio_apple_answers(adev, errp) ||
        !vfio_pci_add_capabilities(vdev, errp) ||
        !vfio_config_quirk_setup(vdev, errp)) {
        goto teardown;
    }
    for (i = 0; i < PCI_ROM_SLOT; i++) {
        vfio_bar_quirk_setup(vdev, i);
    }
    error_setg(&vbasedev->migration_blocker, TYPE_VFIO_APPLE_PCI
               " %s: the device can't be migrated", vfa_name(adev->dev));
    if (migrate_add_blocker(&vbasedev->migration_blocker, errp) < 0) {
        goto teardown;
    }
    if (!vfio_apple_answers(adev, errp) ||
        !vfio_pci_interrupt_setup(vdev, errp)) {
        migrate_del_blocker(&vbasedev->migration_blocker);
        goto teardown;
    }
    return true;

teardown:
    vfio_pci_teardown_msi(vdev);
    vfio_apple_gate_remove(adev);
    vfio_pci_bars_exit(vdev);
    return false;
}

static bool vfio_apple_do_realize(VFIOAppleDevice *adev, Error **errp)
{
    ERRP_GUARD();

    if (!vfio_apple_open(adev, errp)) {
        return false;
    }
    adev->function = apple_dma_attach(adev->companion, vfio_apple_name(adev),
                                      &vfio_apple_function_ops, adev,
                                      vfio_apple_host_caller(adev),
                                      vfa_info(adev->dev), errp);
    if (!adev->function || !vfio_apple_setup_vfio(adev, errp)) {
        error_prepend(errp, TYPE_VFIO_APPLE_PCI " %s: ", vfa_name(adev->dev));
        if (adev->function) {
            apple_dma_detach(adev->function);
            adev->function = NULL;
        }
        return false;
    }
    return true;
}

static void vfio_apple_realize(PCIDevice *pdev, Error **errp)
{
    ERRP_GUARD();
    VFIOAppleDevice *adev = VFIO_APPLE_PCI(pdev);

    if (!adev->address) {
        error_setg(errp, TYPE_VFIO_APPLE_PCI ": no device given: add "
                   "host=BUS:DEVICE.FUNCTION or host=id:REGISTRY-ID, as "
                   "\"vfio-apple list\" shows them");
        return;
    }
    if (!adev->companion) {
        AppleDMADevice *companion = apple_dma_companion_get(pdev, errp);

        if (!companion) {
            error_prepend(errp, TYPE_VFIO_APPLE_PCI " %s: ", adev->address);
            return;
        }
        adev->companion = companion;
        object_ref(OBJECT(companion));
    }

    adev->realizing = true;
    adev->host_timeout = adev->companion->host_timeout + REALIZE_FURTHER_MS;
    if (!vfio_apple_do_realize(adev, errp) && adev->unresponsive) {
        /* Whatever else went wrong followed from that. */
        error_free(*errp);
        *errp = NULL;
        vfio_apple_answers(adev, errp);
    }
    adev->host_timeout = adev->companion->host_timeout;
    adev->realizing = false;
}

static void vfio_apple_exit(PCIDevice *pdev)
{
    VFIOAppleDevice *adev = VFIO_APPLE_PCI(pdev);
    PCIDeviceClass *parent = PCI_DEVICE_CLASS(
        object_class_by_name(TYPE_VFIO_PCI_DEVICE));

    /* Nothing the device could reach outlives it in the guest. */
    vfio_apple_set_bus_master(adev, false);
    apple_dma_detach(adev->function);
    adev->function = NULL;
    vfio_apple_gate_remove(adev);
    parent->exit(pdev);
}

static void vfio_apple_init(Object *obj)
{
    VFIOAppleDevice *adev = VFIO_APPLE_PCI(obj);
    VFIOPCIDevice *vdev = VFIO_PCI_DEVICE(obj);
    PCIDevice *pdev = PCI_DEVICE(obj);

    device_add_bootindex_property(obj, &vdev->bootindex, "bootindex", NULL,
                                  &pdev->qdev);
    vdev->host.domain = ~0U;
    vdev->host.bus = ~0U;
    vdev->host.slot = ~0U;
    vdev->host.function = ~0U;
    vfio_device_init(&vdev->vbasedev, VFIO_DEVICE_TYPE_PCI, &vfio_apple_ops,
                     DEVICE(vdev), false);
    vdev->nv_gpudirect_clique = 0xff;
    vdev->display = ON_OFF_AUTO_OFF;
    pdev->cap_present |= QEMU_PCI_CAP_EXPRESS;
    vfio_apple_irq_init(adev);
}

static void vfio_apple_finalize(Object *obj)
{
    VFIOAppleDevice *adev = VFIO_APPLE_PCI(obj);

    /* Gives mapped BARs back: before the library closes the device. */
    vfio_pci_put_device(VFIO_PCI_DEVICE(obj));
    vfio_apple_irq_finalize(adev);
    vfio_apple_host_close(adev);
    if (adev->gone_bh) {
        qemu_bh_delete(adev->gone_bh);
    }
}

/*
 * Statistics, for qom-get
 */

typedef uint64_t VFIOAppleStat(VFIOAppleDevice *adev);

static uint64_t stat_interrupts(VFIOAppleDevice *adev)
{
    return qatomic_read(&adev->irq.delivered);
}

static uint64_t stat_resets(VFIOAppleDevice *adev)
{
    return adev->resets;
}

static uint64_t stat_bars_mapped(VFIOAppleDevice *adev)
{
    return adev->bars_mapped;
}

static uint64_t stat_claimed(VFIOAppleDevice *adev)
{
    return adev->function && adev->function->claimed;
}

static uint64_t stat_bus_master(VFIOAppleDevice *adev)
{
    return adev->bus_master;
}

static uint64_t stat_host_calls(VFIOAppleDevice *adev)
{
    return adev->dev ? vfa_host_calls(adev->dev) : 0;
}

#define STAT_DMA(field) \
    static uint64_t stat_dma_##field(VFIOAppleDevice *adev) \
    { \
        return adev->function ? \
               qatomic_read(&adev->function->stats.field) : 0; \
    }
STAT_DMA(doorbells)
STAT_DMA(requests)
STAT_DMA(maps)
STAT_DMA(unmaps)
STAT_DMA(map_failures)
STAT_DMA(runs)
STAT_DMA(timeouts)
STAT_DMA(bytes)
STAT_DMA(bytes_peak)
STAT_DMA(mappings)
STAT_DMA(mappings_peak)

static const struct {
    const char *name;
    VFIOAppleStat *get;
    const char *description;
} vfio_apple_stats[] = {
    { "stat-interrupts", stat_interrupts, "interrupts delivered" },
    { "stat-resets", stat_resets, "resets of the device" },
    { "stat-bars-mapped", stat_bars_mapped,
      "parts of BARs mapped into the guest" },
    { "stat-claimed", stat_claimed, "1 while the guest holds its claim" },
    { "stat-bus-master", stat_bus_master,
      "1 while bus mastering is on at the device" },
    { "stat-host-calls", stat_host_calls, "calls made to the host" },
    { "stat-dma-doorbells", stat_dma_doorbells,
      "request pages with a request for the function" },
    { "stat-dma-requests", stat_dma_requests, "requests for the function" },
    { "stat-dma-maps", stat_dma_maps, "mappings made" },
    { "stat-dma-unmaps", stat_dma_unmaps, "mappings ended" },
    { "stat-dma-map-failures", stat_dma_map_failures, "mappings refused" },
    { "stat-dma-runs", stat_dma_runs,
      "pieces of memory in the mappings made" },
    { "stat-dma-timeouts", stat_dma_timeouts,
      "calls that the host has not answered in time" },
    { "stat-dma-bytes", stat_dma_bytes, "bytes mapped now" },
    { "stat-dma-bytes-peak", stat_dma_bytes_peak, "most bytes mapped" },
    { "stat-dma-mappings", stat_dma_mappings, "mappings now" },
    { "stat-dma-mappings-peak", stat_dma_mappings_peak, "most mappings" },
};

static void vfio_apple_get_stat(Object *obj, Visitor *v, const char *name,
                                void *opaque, Error **errp)
{
    VFIOAppleStat *get = opaque;
    uint64_t value = get(VFIO_APPLE_PCI(obj));

    visit_type_uint64(v, name, &value, errp);
}

/*
 * Type
 */

static const VMStateDescription vfio_apple_vmstate = {
    .name = TYPE_VFIO_APPLE_PCI,
    .unmigratable = 1,
};

static const Property vfio_apple_properties[] = {
    DEFINE_PROP_STRING("host", VFIOAppleDevice, address),
    DEFINE_PROP_LINK("dma", VFIOAppleDevice, companion, TYPE_APPLE_DMA_PCI,
                     AppleDMADevice *),
    DEFINE_PROP_BOOL("x-no-mmap", VFIOPCIDevice, vbasedev.no_mmap, false),
    DEFINE_PROP_OFF_AUTO_PCIBAR("x-msix-relocation", VFIOPCIDevice, msix_relo,
                                OFF_AUTO_PCIBAR_OFF),
    DEFINE_PROP_UINT32("x-intx-mmap-timeout-ms", VFIOPCIDevice,
                       intx.mmap_timeout, 1100),
    DEFINE_PROP_BOOL("x-no-geforce-quirks", VFIOPCIDevice, no_geforce_quirks,
                     false),
    DEFINE_PROP_UINT32("x-pci-vendor-id", VFIOPCIDevice, vendor_id,
                       PCI_ANY_ID),
    DEFINE_PROP_UINT32("x-pci-device-id", VFIOPCIDevice, device_id,
                       PCI_ANY_ID),
    DEFINE_PROP_UINT32("x-pci-sub-vendor-id", VFIOPCIDevice, sub_vendor_id,
                       PCI_ANY_ID),
    DEFINE_PROP_UINT32("x-pci-sub-device-id", VFIOPCIDevice, sub_device_id,
                       PCI_ANY_ID),
    DEFINE_PROP_UINT32("x-pci-class-code", VFIOPCIDevice, class_code,
                       PCI_ANY_ID),
};

static void vfio_apple_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pdc = PCI_DEVICE_CLASS(klass);
    unsigned i;

    dc->desc = "PCI passthrough on Apple silicon, through a driver extension";
    dc->vmsd = &vfio_apple_vmstate;
    device_class_set_legacy_reset(dc, vfio_apple_reset);
    device_class_set_props(dc, vfio_apple_properties);
    pdc->realize = vfio_apple_realize;
    pdc->exit = vfio_apple_exit;

    for (i = 0; i < ARRAY_SIZE(vfio_apple_stats); i++) {
        object_class_property_add(klass, vfio_apple_stats[i].name, "uint64",
                                  vfio_apple_get_stat, NULL, NULL,
                                  vfio_apple_stats[i].get);
        object_class_property_set_description(klass, vfio_apple_stats[i].name,
                                              vfio_apple_stats[i].description);
    }
}

static const TypeInfo vfio_apple_types[] = {
    {
        .name = TYPE_VFIO_APPLE_PCI,
        .parent = TYPE_VFIO_PCI_DEVICE,
        .instance_size = sizeof(VFIOAppleDevice),
        .instance_init = vfio_apple_init,
        .instance_finalize = vfio_apple_finalize,
        .class_init = vfio_apple_class_init,
    },
};

DEFINE_TYPES(vfio_apple_types)
