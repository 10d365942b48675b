/*
 * Interrupts of a passed-through function
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>

#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "vfio-apple.h"
#include "trace.h"

QEMU_BUILD_BUG_ON((int)VFA_IRQ_INTX != (int)VFIO_PCI_INTX_IRQ_INDEX);
QEMU_BUILD_BUG_ON((int)VFA_IRQ_MSI != (int)VFIO_PCI_MSI_IRQ_INDEX);
QEMU_BUILD_BUG_ON((int)VFA_IRQ_MSIX != (int)VFIO_PCI_MSIX_IRQ_INDEX);

void vfio_apple_irq_signal(VFIOAppleDevice *adev, unsigned vector)
{
    VFIOAppleIRQ *irq = &adev->irq;
    static const uint64_t one = 1;

    if (vector < VFA_MAX_VECTORS && irq->fd[vector] >= 0) {
        ssize_t ret;

        qatomic_inc(&irq->delivered);
        trace_vfio_apple_irq(VFIO_PCI_DEVICE(adev)->vbasedev.name, vector);
        /* As event_notifier_set(): a full pipe means "already signalled". */
        do {
            ret = write(irq->fd[vector], &one, sizeof(one));
        } while (ret < 0 && errno == EINTR);
    }
}

/* Replaces the descriptor of a vector.  fd is borrowed, -1 detaches. */
static int vfio_apple_irq_set_fd(VFIOAppleDevice *adev, unsigned vector,
                                 int fd)
{
    VFIOAppleIRQ *irq = &adev->irq;
    int new_fd = -1, old_fd;

    if (fd >= 0) {
        new_fd = qemu_dup(fd);
        if (new_fd < 0) {
            return -errno;
        }
    }

    WITH_QEMU_LOCK_GUARD(vfio_apple_host_lock(adev)) {
        old_fd = irq->fd[vector];
        irq->fd[vector] = new_fd;
    }
    if (old_fd >= 0) {
        close(old_fd);
    }
    return 0;
}

static void vfio_apple_irq_enable_vector(VFIOAppleDevice *adev,
                                         unsigned vector)
{
    VFIOAppleIRQ *irq = &adev->irq;
    bool enabled = irq->fd[vector] >= 0;

    if (irq->type == VFA_IRQ_INTX) {
        enabled &= !irq->intx_masked &&
                   !(vfio_apple_config_command(adev) &
                     PCI_COMMAND_INTX_DISABLE);
    }
    if (!adev->unresponsive) {
        vfa_irq_set_enabled(adev->dev, vector, enabled);
    }
}

static void vfio_apple_irq_disable(VFIOAppleDevice *adev)
{
    VFIOAppleIRQ *irq = &adev->irq;
    unsigned i;

    if (irq->type < 0) {
        return;
    }
    trace_vfio_apple_irq_disable(VFIO_PCI_DEVICE(adev)->vbasedev.name,
                                 irq->type);
    vfio_apple_host_irq_disable(adev);
    irq->type = -1;
    irq->granted = 0;
    for (i = 0; i < VFA_MAX_VECTORS; i++) {
        vfio_apple_irq_set_fd(adev, i, -1);
    }
}

static int vfio_apple_irq_enable(VFIOAppleDevice *adev, int type,
                                 unsigned wanted)
{
    VFIOAppleIRQ *irq = &adev->irq;
    unsigned granted = 0;
    int ret;

    vfio_apple_irq_disable(adev);
    ret = vfio_apple_host_irq_enable(adev, type, wanted, &granted);
    trace_vfio_apple_irq_enable(VFIO_PCI_DEVICE(adev)->vbasedev.name, type,
                                wanted, granted);
    if (ret < 0) {
        return ret;
    }
    irq->type = type;
    irq->granted = MIN(granted, VFA_MAX_VECTORS);
    irq->intx_masked = false;
    return 0;
}

void vfio_apple_irq_update_intx(VFIOAppleDevice *adev)
{
    if (adev->irq.type == VFA_IRQ_INTX) {
        vfio_apple_irq_enable_vector(adev, 0);
    }
}

int vfio_apple_get_irq_info(VFIODevice *vbasedev, struct vfio_irq_info *info)
{
    VFIOAppleDevice *adev = vfio_apple_from_vbasedev(vbasedev);

    if (info->index >= VFA_IRQ_TYPES) {
        return -EINVAL;
    }
    info->count = adev->irq.available[info->index];
    info->flags = VFIO_IRQ_INFO_EVENTFD;
    if (info->index == VFIO_PCI_INTX_IRQ_INDEX) {
        info->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
    }
    return 0;
}

static int vfio_apple_set_trigger(VFIOAppleDevice *adev,
                                  struct vfio_irq_set *set)
{
    VFIOAppleIRQ *irq = &adev->irq;
    const int32_t *fds = (const int32_t *)set->data;
    unsigned i, end = set->start + set->count;
    int ret;

    if (end > VFA_MAX_VECTORS || end < set->start) {
        return -EINVAL;
    }
    if (irq->type != (int)set->index) {
        /* MSI-X vectors come and go one by one: take all of them at once. */
        ret = vfio_apple_irq_enable(adev, set->index,
                                    set->index == VFIO_PCI_MSIX_IRQ_INDEX ?
                                    adev->irq.available[VFA_IRQ_MSIX] : end);
        if (ret) {
            return ret;
        }
    }
    if (end > irq->granted) {
        unsigned granted = irq->granted;

        vfio_apple_irq_disable(adev);
        /* VFIO tries again with fewer MSI vectors. */
        return set->index == VFIO_PCI_MSI_IRQ_INDEX && granted ? granted :
                                                                 -ENOSPC;
    }
    for (i = 0; i < set->count; i++) {
        ret = vfio_apple_irq_set_fd(adev, set->start + i, fds[i]);
        if (ret) {
            return ret;
        }
        vfio_apple_irq_enable_vector(adev, set->start + i);
    }
    return 0;
}

static int vfio_apple_set_intx_mask(VFIOAppleDevice *adev, bool masked)
{
    int ret;

    if (adev->irq.type != VFA_IRQ_INTX) {
        return 0;
    }
    adev->irq.intx_masked = masked;
    vfio_apple_irq_update_intx(adev);
    /* A level that is still asserted fires again. */
    ret = masked ? 0 : vfio_apple_host_irq_unmask(adev);
    return ret == -ETIMEDOUT ? 0 : ret;
}

static int vfio_apple_do_set_irqs(VFIOAppleDevice *adev,
                                  struct vfio_irq_set *set)
{
    switch (set->flags) {
    case VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER:
        if (set->index >= VFA_IRQ_TYPES || !set->count) {
            return -EINVAL;
        }
        return vfio_apple_set_trigger(adev, set);
    case VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER:
        if (set->count || set->index >= VFA_IRQ_TYPES) {
            return -EINVAL;
        }
        if (adev->irq.type == (int)set->index) {
            vfio_apple_irq_disable(adev);
        }
        return 0;
    case VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK:
    case VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK:
        if (set->index != VFIO_PCI_INTX_IRQ_INDEX) {
            return -EINVAL;
        }
        return vfio_apple_set_intx_mask(adev, set->flags &
                                        VFIO_IRQ_SET_ACTION_MASK);
    default:
        return -EINVAL;
    }
}

int vfio_apple_set_irqs(VFIODevice *vbasedev, struct vfio_irq_set *set)
{
    int ret = vfio_apple_do_set_irqs(vfio_apple_from_vbasedev(vbasedev), set);

    /* Callers print errno. */
    if (ret < 0) {
        errno = -ret;
    }
    return ret;
}

/*
 * The platform may grant fewer vectors than the device has.  Ask now, so
 * that the guest is told of no vector that would never fire.
 */
void vfio_apple_irq_probe(VFIOAppleDevice *adev)
{
    const struct vfa_device_info *info = vfa_info(adev->dev);
    VFIOAppleIRQ *irq = &adev->irq;
    int type;

    for (type = 0; type < VFA_IRQ_TYPES; type++) {
        unsigned wanted = MIN(info->vectors[type], VFA_MAX_VECTORS);
        unsigned granted = wanted;

        if (type != VFA_IRQ_INTX && wanted > 1) {
            if (vfio_apple_host_irq_enable(adev, type, wanted,
                                           &granted) < 0) {
                granted = 0;
            } else {
                vfio_apple_host_irq_disable(adev);
            }
        }
        irq->available[type] = MIN(granted, wanted);
    }
}

void vfio_apple_irq_init(VFIOAppleDevice *adev)
{
    unsigned i;

    adev->irq.type = -1;
    for (i = 0; i < VFA_MAX_VECTORS; i++) {
        adev->irq.fd[i] = -1;
    }
}

void vfio_apple_irq_finalize(VFIOAppleDevice *adev)
{
    unsigned i;

    for (i = 0; adev->host && i < VFA_MAX_VECTORS; i++) {
        vfio_apple_irq_set_fd(adev, i, -1);
    }
}
