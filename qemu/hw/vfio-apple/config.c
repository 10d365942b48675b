/*
 * Configuration space of a passed-through function
 *
 * VFIO sends every write of the guest to the device and expects its backend
 * to keep from the device what belongs to the host.  On Linux the kernel does
 * that; here the driver extension drops such writes, and this file emulates
 * what was dropped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "hw/pci/msix.h"
#include "hw/pci/pci_regs.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "vfio-apple.h"
#include "trace.h"

static void config_virt(VFIOAppleConfig *c, unsigned offset, unsigned bytes,
                        uint32_t value, uint32_t writable)
{
    unsigned i;

    for (i = 0; i < bytes; i++) {
        c->virt[offset + i] = 0xff;
        c->value[offset + i] = value >> (8 * i);
        c->writable[offset + i] = writable >> (8 * i);
        c->pass[offset + i] = 0;
    }
}

/* Reads come from the device, writes stay here. */
static void config_read_only(VFIOAppleConfig *c, unsigned from, unsigned to)
{
    memset(c->pass + from, 0, to - from);
}

static void config_bars(VFIOAppleConfig *c, const struct vfa_device_info *info)
{
    unsigned i;

    for (i = 0; i < PCI_ROM_SLOT; i++) {
        const struct vfa_bar_info *bar = &info->bars[i];
        unsigned offset = PCI_BASE_ADDRESS_0 + 4 * i;
        uint64_t mask = -bar->size;

        /* A Mac has no I/O ports. */
        if (!bar->size || (bar->type & VFA_BAR_IO)) {
            config_virt(c, offset, 4, 0, 0);
        } else {
            config_virt(c, offset, 4, bar->type & 0xf, mask & ~0xf);
            if ((bar->type & VFA_BAR_M64) && i + 1 < PCI_ROM_SLOT) {
                config_virt(c, offset + 4, 4, 0, mask >> 32);
                i++;
            }
        }
    }
    if (info->bars[PCI_ROM_SLOT].size) {
        uint64_t size = MAX(pow2ceil(info->bars[PCI_ROM_SLOT].size), 2 * KiB);

        config_virt(c, PCI_ROM_ADDRESS, 4, 0,
                    (-size & PCI_ROM_ADDRESS_MASK) | PCI_ROM_ADDRESS_ENABLE);
    } else {
        config_virt(c, PCI_ROM_ADDRESS, 4, 0, 0);
    }
}

static void config_header(VFIOAppleDevice *adev, const uint8_t *image)
{
    VFIOAppleConfig *c = &adev->config;

    config_read_only(c, 0, PCI_STD_HEADER_SIZEOF);
    config_virt(c, PCI_COMMAND, 2, 0,
                PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                PCI_COMMAND_INVALIDATE | PCI_COMMAND_PARITY |
                PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    /* Bits that clear when written as 1; cache line size, latency timer. */
    memset(c->pass + PCI_STATUS, 1, 2);
    memset(c->pass + PCI_CACHE_LINE_SIZE, 1, 2);
    config_bars(c, vfa_info(adev->dev));
    config_virt(c, PCI_INTERRUPT_LINE, 1, 0, 0xff);
    config_virt(c, PCI_INTERRUPT_PIN, 1,
                adev->irq.available[VFA_IRQ_INTX] ?
                image[PCI_INTERRUPT_PIN] : 0, 0);
}

/* QEMU emulates MSI and MSI-X from what it finds here. */
static void config_msi(VFIOAppleDevice *adev, const uint8_t *image,
                       unsigned pos)
{
    uint16_t flags = pci_get_word(image + pos + PCI_MSI_FLAGS);
    unsigned vectors = MAX(adev->irq.available[VFA_IRQ_MSI], 1);

    flags &= ~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
    if ((flags & PCI_MSI_FLAGS_QMASK) >> 1 > ctz32(pow2floor(vectors))) {
        flags &= ~PCI_MSI_FLAGS_QMASK;
        flags |= ctz32(pow2floor(vectors)) << 1;
    }
    config_virt(&adev->config, pos + PCI_MSI_FLAGS, 2, flags, 0);
}

static void config_msix(VFIOAppleDevice *adev, const uint8_t *image,
                        unsigned pos)
{
    VFIOAppleConfig *c = &adev->config;
    uint16_t flags = pci_get_word(image + pos + PCI_MSIX_FLAGS);
    unsigned vectors = adev->irq.available[VFA_IRQ_MSIX];

    flags &= ~(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    if (vectors && (flags & PCI_MSIX_FLAGS_QSIZE) >= vectors) {
        flags &= ~PCI_MSIX_FLAGS_QSIZE;
        flags |= vectors - 1;
    }
    config_virt(c, pos + PCI_MSIX_FLAGS, 2, flags, 0);
    c->msix_cap = pos;
}

static void config_power(VFIOAppleConfig *c, const uint8_t *image,
                         unsigned pos)
{
    uint16_t pmcsr = pci_get_word(image + pos + PCI_PM_CTRL);

    /* The device stays in D0; the guest sees the state it asked for. */
    pmcsr &= ~(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE |
               PCI_PM_CTRL_PME_STATUS);
    config_virt(c, pos + PCI_PM_CTRL, 2, pmcsr, PCI_PM_CTRL_STATE_MASK);
}

static void config_express(VFIOAppleDevice *adev, const uint8_t *image,
                           unsigned pos, unsigned end)
{
    VFIOAppleConfig *c = &adev->config;
    uint32_t devcap = pci_get_long(image + pos + PCI_EXP_DEVCAP);

    if (!(vfa_info(adev->dev)->flags & VFA_DEV_FLR)) {
        devcap &= ~PCI_EXP_DEVCAP_FLR;
    }
    config_virt(c, pos + PCI_EXP_DEVCAP, 4, devcap, 0);
    config_virt(c, pos + PCI_EXP_DEVCTL, 2,
                pci_get_word(image + pos + PCI_EXP_DEVCTL),
                0xffff & ~PCI_EXP_DEVCTL_BCR_FLR);
    memset(c->pass + pos + PCI_EXP_DEVSTA, 1, 2);
    if (pos + PCI_EXP_LNKCTL + 2 <= end) {
        config_virt(c, pos + PCI_EXP_LNKCTL, 2,
                    pci_get_word(image + pos + PCI_EXP_LNKCTL),
                    PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC |
                    PCI_EXP_LNKCTL_ES);
    }
    if (pos + PCI_EXP_DEVCTL2 + 2 <= end) {
        config_virt(c, pos + PCI_EXP_DEVCTL2, 2,
                    pci_get_word(image + pos + PCI_EXP_DEVCTL2), 0xffff);
    }
    c->pcie_cap = pos;
}

static unsigned config_cap_end(const uint8_t *image, unsigned pos)
{
    unsigned end = PCI_CONFIG_SPACE_SIZE, p, n;

    p = image[PCI_CAPABILITY_LIST] & ~3;
    for (n = 0; p >= PCI_STD_HEADER_SIZEOF && n < 48; n++) {
        if (p > pos) {
            end = MIN(end, p);
        }
        p = image[p + PCI_CAP_LIST_NEXT] & ~3;
    }
    return end;
}

/* The device wrote these lists: bound every length by what follows. */
static void config_capabilities(VFIOAppleDevice *adev, const uint8_t *image)
{
    static const uint8_t needs[] = {
        [PCI_CAP_ID_PM] = PCI_PM_SIZEOF,
        [PCI_CAP_ID_MSI] = 10,
        [PCI_CAP_ID_MSIX] = MSIX_CAP_LENGTH,
        [PCI_CAP_ID_EXP] = PCI_EXP_LNKCAP,
        [PCI_CAP_ID_AF] = 6,
        [PCI_CAP_ID_VPD] = 4,
    };
    VFIOAppleConfig *c = &adev->config;
    unsigned pos, n;

    if (!(image[PCI_STATUS] & PCI_STATUS_CAP_LIST)) {
        return;
    }
    pos = image[PCI_CAPABILITY_LIST] & ~3;
    for (n = 0; pos >= PCI_STD_HEADER_SIZEOF && n < 48; n++) {
        unsigned end = config_cap_end(image, pos);
        uint8_t id = image[pos];

        config_read_only(c, pos, end);
        if (id < ARRAY_SIZE(needs) && pos + needs[id] > end) {
            id = 0;
        }
        switch (id) {
        case PCI_CAP_ID_PM:
            config_power(c, image, pos);
            break;
        case PCI_CAP_ID_VPD:
            memset(c->pass + pos + 2, 1, 2);
            break;
        case PCI_CAP_ID_MSI:
            config_msi(adev, image, pos);
            break;
        case PCI_CAP_ID_MSIX:
            config_msix(adev, image, pos);
            break;
        case PCI_CAP_ID_VNDR:
            if (end > pos + 3) {
                memset(c->pass + pos + 3, 1, end - pos - 3);
            }
            break;
        case PCI_CAP_ID_EXP:
            config_express(adev, image, pos, end);
            break;
        case PCI_CAP_ID_AF:
            c->af_cap = pos;
            break;
        }
        pos = image[pos + PCI_CAP_LIST_NEXT] & ~3;
    }
}

static void config_extended(VFIOAppleConfig *c, const uint8_t *image)
{
    unsigned pos = PCI_CONFIG_SPACE_SIZE, n;

    config_read_only(c, pos, PCIE_CONFIG_SPACE_SIZE);
    for (n = 0; n < 960; n++) {
        uint32_t header = pci_get_long(image + pos);
        unsigned next = PCI_EXT_CAP_NEXT(header);
        unsigned end = next > pos ? next : PCIE_CONFIG_SPACE_SIZE;

        if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_VNDR ||
            PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DVSEC) {
            /* Its own header tells its length; 12 bytes cover both forms. */
            unsigned length = pci_get_word(image + pos + 6) >> 4;

            end = MIN(end, pos + length);
            if (end > pos + 12) {
                memset(c->pass + pos + 12, 1, end - pos - 12);
            }
        }
        if (next < PCI_CONFIG_SPACE_SIZE || next & 3 || !header) {
            break;
        }
        pos = next;
    }
}

bool vfio_apple_config_init(VFIOAppleDevice *adev, Error **errp)
{
    g_autofree uint8_t *image = g_malloc0(PCIE_CONFIG_SPACE_SIZE);
    VFIOAppleConfig *c = &adev->config;
    int ret;

    ret = vfio_apple_host_config_read(adev, 0, PCIE_CONFIG_SPACE_SIZE, image);
    if (ret < 0 || pci_get_word(image) == 0xffff) {
        error_setg(errp, "%s: configuration space can't be read%s%s: "
                   "reconnect the device", vfa_name(adev->dev),
                   ret < 0 ? ": " : "", ret < 0 ? strerror(-ret) : "");
        return false;
    }

    memset(c, 0, sizeof(*c));
    memset(c->pass, 1, sizeof(c->pass));
    config_header(adev, image);
    config_capabilities(adev, image);
    config_extended(c, image);
    memcpy(c->initial, c->value, sizeof(c->initial));
    return true;
}

void vfio_apple_config_reset(VFIOAppleDevice *adev)
{
    memcpy(adev->config.value, adev->config.initial,
           sizeof(adev->config.value));
}

uint16_t vfio_apple_config_command(VFIOAppleDevice *adev)
{
    return pci_get_word(adev->config.value + PCI_COMMAND);
}

static bool config_all_virtual(const VFIOAppleConfig *c, unsigned offset,
                               unsigned bytes)
{
    unsigned i;

    for (i = 0; i < bytes; i++) {
        if (c->virt[offset + i] != 0xff) {
            return false;
        }
    }
    return true;
}

int vfio_apple_config_read(VFIOAppleDevice *adev, unsigned offset,
                           unsigned bytes, void *data)
{
    const VFIOAppleConfig *c = &adev->config;
    uint8_t *out = data;
    unsigned i;

    if (offset >= PCIE_CONFIG_SPACE_SIZE ||
        bytes > PCIE_CONFIG_SPACE_SIZE - offset) {
        return -EINVAL;
    }

    memset(out, 0xff, bytes);
    if (!vfio_apple_unreachable(adev) &&
        !config_all_virtual(c, offset, bytes)) {
        vfio_apple_host_config_read(adev, offset, bytes, out);
    }
    if (vfio_apple_unreachable(adev)) {
        /* A guest reads all ones; what realizes the device must not. */
        return adev->realizing ? -ENODEV : bytes;
    }
    for (i = 0; i < bytes; i++) {
        uint8_t virt = c->virt[offset + i];

        out[i] = (out[i] & ~virt) | (c->value[offset + i] & virt);
    }
    return bytes;
}

/* What a write of the guest means to the device. */
typedef struct ConfigWrites {
    unsigned count;
    VFIOAppleConfigWrite write[VFIO_APPLE_CONFIG_WRITES];
} ConfigWrites;

static void config_to_device(ConfigWrites *w, unsigned offset, unsigned bytes,
                             uint32_t value)
{
    w->write[w->count++] = (VFIOAppleConfigWrite) {
        .offset = offset,
        .bytes = bytes,
        .value = value,
    };
}

static void config_flush(VFIOAppleDevice *adev, const ConfigWrites *w)
{
    unsigned failed;
    int ret = w->count ? vfio_apple_host_config_write(adev, w->write, w->count,
                                                      &failed) : 0;

    if (ret < 0 && ret != -ENODEV && ret != -ETIMEDOUT) {
        error_report("%s: configuration write at 0x%x failed: %s",
                     VFIO_PCI_DEVICE(adev)->vbasedev.name, failed,
                     strerror(-ret));
    }
}

static void config_forward(VFIOAppleDevice *adev, ConfigWrites *w,
                           unsigned offset, unsigned bytes, const uint8_t *in,
                           uint32_t value)
{
    const VFIOAppleConfig *c = &adev->config;
    unsigned i, passing = 0;

    for (i = 0; i < bytes; i++) {
        passing += c->pass[offset + i];
    }
    if (passing != bytes) {
        trace_vfio_apple_config_drop(VFIO_PCI_DEVICE(adev)->vbasedev.name,
                                     offset, bytes, value);
    }
    if (passing == bytes && !(offset & (bytes - 1))) {
        config_to_device(w, offset, bytes, value);
        return;
    }
    for (i = 0; i < bytes; i++) {
        if (c->pass[offset + i]) {
            config_to_device(w, offset + i, 1, in[i]);
        }
    }
}

/* The word at reg, if this write covers all of it. */
static bool config_covers(unsigned offset, unsigned bytes, unsigned reg,
                          unsigned reg_bytes)
{
    return offset <= reg && offset + bytes >= reg + reg_bytes;
}

/* Does it ask for a function level reset? */
static bool config_resets(VFIOAppleDevice *adev, unsigned offset,
                          unsigned bytes, const uint8_t *in)
{
    VFIOAppleConfig *c = &adev->config;
    unsigned devctl = c->pcie_cap + PCI_EXP_DEVCTL;
    unsigned af_ctrl = c->af_cap + PCI_AF_CTRL;

    if (c->pcie_cap && config_covers(offset, bytes, devctl + 1, 1) &&
        ((in[devctl + 1 - offset] << 8) & PCI_EXP_DEVCTL_BCR_FLR) &&
        (pci_get_long(c->value + c->pcie_cap + PCI_EXP_DEVCAP) &
         PCI_EXP_DEVCAP_FLR)) {
        return true;
    }
    return c->af_cap && config_covers(offset, bytes, af_ctrl, 1) &&
           (in[af_ctrl - offset] & PCI_AF_CTRL_FLR) &&
           (vfa_info(adev->dev)->flags & VFA_DEV_FLR);
}

int vfio_apple_config_write(VFIOAppleDevice *adev, unsigned offset,
                            unsigned bytes, const void *data)
{
    VFIOAppleConfig *c = &adev->config;
    uint16_t old_command = vfio_apple_config_command(adev);
    unsigned devctl = c->pcie_cap + PCI_EXP_DEVCTL;
    const uint8_t *in = data;
    ConfigWrites writes = { 0 };
    uint32_t value = 0;
    unsigned i;

    if ((bytes != 1 && bytes != 2 && bytes != 4) ||
        offset >= PCIE_CONFIG_SPACE_SIZE ||
        bytes > PCIE_CONFIG_SPACE_SIZE - offset) {
        return -EINVAL;
    }
    if (vfio_apple_unreachable(adev)) {
        return bytes;
    }

    memcpy(&value, in, bytes);
    value = le32_to_cpu(value);
    for (i = 0; i < bytes; i++) {
        uint8_t mask = c->virt[offset + i] & c->writable[offset + i];

        c->value[offset + i] = (c->value[offset + i] & ~mask) | (in[i] & mask);
    }
    config_forward(adev, &writes, offset, bytes, in, value);
    if (c->pcie_cap && config_covers(offset, bytes, devctl + 1, 1)) {
        config_to_device(&writes, devctl, 2, pci_get_word(c->value + devctl));
    }
    config_flush(adev, &writes);
    if (vfio_apple_config_command(adev) != old_command) {
        vfio_apple_update_bus_master(adev);
        vfio_apple_irq_update_intx(adev);
    }
    if (config_resets(adev, offset, bytes, in)) {
        vfio_apple_reset_device(adev, VFA_RESET_FLR);
    }
    return bytes;
}
