/*
 * vfio-apple-pci: calls to the host, each within a time
 *
 * A guest waits for its access to a register with the BQL held and perhaps with
 * interrupts off, so a host that never answers must keep neither.  A thread of
 * the function makes the calls, and QEMU waits for each no longer than the
 * companion's host-timeout.
 *
 * A call that took longer can't be taken back.  The function is unresponsive
 * from then on, as with a request of the guest that took too long, see
 * companion-host.c.  What such a call did to the device, nobody asked for any
 * more: the thread turns bus mastering off as soon as it returns, and when the
 * host answers again the device is reset before the guest can claim it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "vfio-apple.h"
#include "trace.h"

/* Arguments and results of a call: the thread's, while one is under way. */
typedef struct VFIOAppleRequest {
    unsigned index;   /* BAR, vector type, kind of reset */
    uint64_t offset;
    uint64_t bytes;
    void *base;
    bool on;          /* bus mastering, in and out; interrupts may be on */
    unsigned count;
    VFIOAppleConfigWrite writes[VFIO_APPLE_CONFIG_WRITES];
    struct vfa_error err;
    uint8_t data[PCIE_CONFIG_SPACE_SIZE];
} VFIOAppleRequest;

QEMU_BUILD_BUG_ON(VFIO_APPLE_BAR_BYTES > PCIE_CONFIG_SPACE_SIZE);

/* What a late call and the library need: it may outlive the device. */
struct VFIOAppleHost {
    char *name;
    VFIOAppleCaller *caller;
    struct vfa_device *dev;
    VFIOAppleRequest req;

    QemuMutex lock;
    VFIOAppleDevice *adev; /* under lock; NULL when it has ended */
};

/*
 * The library's callbacks: on its thread, without the BQL
 */

static void host_interrupt(void *opaque, unsigned vector)
{
    VFIOAppleHost *h = opaque;

    QEMU_LOCK_GUARD(&h->lock);
    if (h->adev) {
        vfio_apple_irq_signal(h->adev, vector);
    }
}

static void host_gone(void *opaque)
{
    VFIOAppleHost *h = opaque;

    QEMU_LOCK_GUARD(&h->lock);
    if (h->adev) {
        qemu_bh_schedule(h->adev->gone_bh);
    }
}

static const struct vfa_callbacks host_callbacks = {
    .interrupt = host_interrupt,
    .gone = host_gone,
};

/*
 * Calls, made by the function's thread
 */

static int call_open(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    return vfa_open(h->name, &host_callbacks, h, &h->dev, &req->err);
}

static int call_close(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;

    if (h->dev) {
        vfa_close(h->dev);
    }
    qemu_mutex_destroy(&h->lock);
    g_free(h->name);
    g_free(h);
    return 0;
}

static int call_quiet(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;

    return h->dev ? vfa_set_bus_master(h->dev, false) : 0;
}

static int call_config_read(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;
    unsigned offset = req->offset, bytes = req->bytes, start, end;
    uint32_t value;
    int ret;

    if (bytes <= 4 && is_power_of_2(bytes) && !(offset & (bytes - 1))) {
        ret = vfa_config_read(h->dev, offset, bytes, &value);
        stl_le_p(req->data, value);
        return ret;
    }
    /* Whole words around what is asked for. */
    start = QEMU_ALIGN_DOWN(offset, 4);
    end = QEMU_ALIGN_UP(offset + bytes, 4);
    ret = vfa_config_read_block(h->dev, start, req->data, end - start);
    memmove(req->data, req->data + (offset - start), bytes);
    return ret;
}

static int call_config_write(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;
    int first = 0;
    unsigned i;

    for (i = 0; i < req->count; i++) {
        const VFIOAppleConfigWrite *w = &req->writes[i];
        int ret = vfa_config_write(h->dev, w->offset, w->bytes, w->value);

        if (ret < 0 && !first) {
            first = ret;
            req->offset = w->offset;
        }
    }
    return first;
}

/* The largest access at offset that is aligned and not too long. */
static unsigned bar_step(uint64_t offset, uint64_t bytes)
{
    return MIN(pow2floor(MIN(bytes, 8)),
               offset ? 1u << MIN(ctz64(offset), 3) : 8);
}

static int bar_read(struct vfa_device *dev, unsigned bar, uint64_t offset,
                    unsigned bytes, uint8_t *data)
{
    while (bytes) {
        unsigned step = bar_step(offset, bytes);
        uint64_t value;

        if (vfa_bar_read(dev, bar, offset, step, &value) < 0) {
            value = UINT64_MAX;
        }
        value = cpu_to_le64(value);
        memcpy(data, &value, step);
        data += step;
        offset += step;
        bytes -= step;
    }
    return 0;
}

static int bar_write(struct vfa_device *dev, unsigned bar, uint64_t offset,
                     unsigned bytes, const uint8_t *data)
{
    unsigned step = is_power_of_2(bytes) && !(offset & (bytes - 1)) ? bytes : 1;
    unsigned done;

    for (done = 0; done < bytes; done += step) {
        uint64_t value = 0;

        memcpy(&value, data + done, step);
        vfa_bar_write(dev, bar, offset + done, step, le64_to_cpu(value));
    }
    return 0;
}

static int call_bar_read(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    return bar_read(h->dev, req->index, req->offset, req->bytes, req->data);
}

static int call_bar_write(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    return bar_write(h->dev, req->index, req->offset, req->bytes, req->data);
}

/* A mapping that comes late ends with the device. */
static int call_bar_map(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    return vfa_bar_map(h->dev, req->index, &req->base, &req->bytes);
}

static int call_bar_unmap(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    vfa_bar_unmap(h->dev, req->index);
    return 0;
}

static int call_bus_master(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    return vfa_set_bus_master(h->dev, req->on);
}

static int call_reset(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;
    int ret;

    if (req->on && vfa_set_bus_master(h->dev, false) == 0) {
        req->on = false;
    }
    ret = vfa_reset(h->dev, req->index, NULL);
    if (ret == 0) {
        req->on = false;
    }
    return ret;
}

static int call_irq_enable(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;
    VFIOAppleRequest *req = arg;

    if (req->on) {
        vfa_irq_disable(h->dev);
    }
    return vfa_irq_enable(h->dev, req->index, req->count, &req->count);
}

/* Waits for a running callback, which takes the host lock only. */
static int call_irq_disable(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;

    return vfa_irq_disable(h->dev);
}

static int call_irq_unmask(void *opaque, void *arg)
{
    VFIOAppleHost *h = opaque;

    return vfa_irq_unmask(h->dev);
}

/*
 * Asking for them, under the BQL
 */

/* NULL when the host does not answer: then what there is may be in use. */
static VFIOAppleRequest *host_request(VFIOAppleDevice *adev)
{
    return adev->unresponsive ? NULL : &adev->host->req;
}

/* changes: when it is late, the device is not as the guest knows it. */
static int host_ask(VFIOAppleDevice *adev, VFIOAppleCall *call, bool changes)
{
    VFIOAppleHost *h = adev->host;
    int64_t deadline = g_get_monotonic_time() + adev->host_timeout * 1000LL;
    int ret;

    if (vfio_apple_caller_ask(h->caller, call, &h->req, deadline, &ret)) {
        return ret;
    }
    trace_vfio_apple_timeout(h->name, adev->host_timeout);
    adev->unresponsive = true;
    adev->changed_late |= changes;
    /* Perhaps. */
    adev->bus_master = true;
    if (adev->function) {
        apple_dma_no_answer(adev->function);
    }
    return -ETIMEDOUT;
}

int vfio_apple_host_config_read(VFIOAppleDevice *adev, unsigned offset,
                                unsigned bytes, void *data)
{
    VFIOAppleRequest *req = host_request(adev);
    int ret;

    if (!req) {
        return -ETIMEDOUT;
    }
    req->offset = offset;
    req->bytes = bytes;
    ret = host_ask(adev, call_config_read, false);
    if (ret == 0) {
        memcpy(data, req->data, bytes);
    }
    return ret;
}

int vfio_apple_host_config_write(VFIOAppleDevice *adev,
                                 const VFIOAppleConfigWrite *writes,
                                 unsigned count, unsigned *failed)
{
    VFIOAppleRequest *req = host_request(adev);
    int ret;

    if (!req) {
        return -ETIMEDOUT;
    }
    assert(count <= ARRAY_SIZE(req->writes));
    memcpy(req->writes, writes, count * sizeof(*writes));
    req->count = count;
    ret = host_ask(adev, call_config_write, true);
    if (ret != -ETIMEDOUT) {
        *failed = req->offset;
    }
    return ret;
}

/* What is mapped is reached without the host. */
static bool host_bar_is_mapped(VFIOAppleDevice *adev, unsigned bar,
                               uint64_t offset, unsigned bytes)
{
    uint64_t mapped = bar < PCI_ROM_SLOT ? adev->bar_mapped[bar] : 0;

    return offset < mapped && bytes <= mapped - offset;
}

int vfio_apple_host_bar_read(VFIOAppleDevice *adev, unsigned bar,
                             uint64_t offset, unsigned bytes, void *data)
{
    VFIOAppleRequest *req = host_request(adev);
    int ret;

    if (!req) {
        return -ETIMEDOUT;
    }
    if (host_bar_is_mapped(adev, bar, offset, bytes)) {
        return bar_read(adev->dev, bar, offset, bytes, data);
    }
    assert(bytes <= VFIO_APPLE_BAR_BYTES);
    req->index = bar;
    req->offset = offset;
    req->bytes = bytes;
    ret = host_ask(adev, call_bar_read, false);
    if (ret == 0) {
        memcpy(data, req->data, bytes);
    }
    return ret;
}

int vfio_apple_host_bar_write(VFIOAppleDevice *adev, unsigned bar,
                              uint64_t offset, unsigned bytes,
                              const void *data)
{
    VFIOAppleRequest *req = host_request(adev);

    if (!req) {
        return -ETIMEDOUT;
    }
    if (host_bar_is_mapped(adev, bar, offset, bytes)) {
        return bar_write(adev->dev, bar, offset, bytes, data);
    }
    assert(bytes <= VFIO_APPLE_BAR_BYTES);
    req->index = bar;
    req->offset = offset;
    req->bytes = bytes;
    memcpy(req->data, data, bytes);
    return host_ask(adev, call_bar_write, true);
}

int vfio_apple_host_bar_map(VFIOAppleDevice *adev, unsigned bar, void **base,
                            uint64_t *bytes)
{
    VFIOAppleRequest *req = host_request(adev);
    int ret;

    if (!req) {
        return -ETIMEDOUT;
    }
    req->index = bar;
    ret = host_ask(adev, call_bar_map, false);
    if (ret == 0) {
        *base = req->base;
        *bytes = req->bytes;
    }
    return ret;
}

void vfio_apple_host_bar_unmap(VFIOAppleDevice *adev, unsigned bar)
{
    VFIOAppleRequest *req = host_request(adev);

    /* Otherwise it ends with the device. */
    if (req) {
        req->index = bar;
        host_ask(adev, call_bar_unmap, false);
    }
}

int vfio_apple_host_bus_master(VFIOAppleDevice *adev, bool on)
{
    VFIOAppleRequest *req = host_request(adev);

    if (!req) {
        return -ETIMEDOUT;
    }
    req->on = on;
    return host_ask(adev, call_bus_master, false);
}

int vfio_apple_host_reset(VFIOAppleDevice *adev, enum vfa_reset type)
{
    VFIOAppleRequest *req = host_request(adev);
    int ret;

    if (!req) {
        return -ETIMEDOUT;
    }
    req->index = type;
    req->on = adev->bus_master;
    ret = host_ask(adev, call_reset, true);
    if (ret != -ETIMEDOUT) {
        adev->bus_master = req->on;
    }
    return ret;
}

int vfio_apple_host_irq_enable(VFIOAppleDevice *adev, int type,
                               unsigned wanted, unsigned *granted)
{
    VFIOAppleRequest *req = host_request(adev);
    int ret;

    *granted = 0;
    if (!req) {
        return -ETIMEDOUT;
    }
    req->index = type;
    req->count = wanted;
    req->on = adev->irq.stale;
    adev->irq.stale = true;
    ret = host_ask(adev, call_irq_enable, false);
    if (ret != -ETIMEDOUT) {
        adev->irq.stale = false;
    }
    if (ret == 0) {
        *granted = req->count;
    }
    return ret;
}

int vfio_apple_host_irq_disable(VFIOAppleDevice *adev)
{
    int ret = -ETIMEDOUT;

    if (host_request(adev)) {
        ret = host_ask(adev, call_irq_disable, false);
    }
    adev->irq.stale = ret == -ETIMEDOUT;
    return ret;
}

int vfio_apple_host_irq_unmask(VFIOAppleDevice *adev)
{
    return host_request(adev) ? host_ask(adev, call_irq_unmask, false) :
                                -ETIMEDOUT;
}

/*
 * Life
 */

VFIOAppleCaller *vfio_apple_host_caller(VFIOAppleDevice *adev)
{
    return adev->host->caller;
}

QemuMutex *vfio_apple_host_lock(VFIOAppleDevice *adev)
{
    return &adev->host->lock;
}

bool vfio_apple_host_open(VFIOAppleDevice *adev, Error **errp)
{
    VFIOAppleHost *h = g_new0(VFIOAppleHost, 1);
    int ret;

    qemu_mutex_init(&h->lock);
    h->name = g_strdup(adev->address);
    h->adev = adev;
    h->caller = vfio_apple_caller_new("vfio-apple-regs", call_quiet, h);
    adev->host = h;

    ret = host_ask(adev, call_open, false);
    if (ret < 0) {
        /* The rest of a call that was given up is not ours to look at. */
        error_setg(errp, TYPE_VFIO_APPLE_PCI ": %s", ret == -ETIMEDOUT ?
                   strerror(ETIMEDOUT) : h->req.err.text);
        return false;
    }
    adev->dev = h->dev;
    return true;
}

void vfio_apple_host_close(VFIOAppleDevice *adev)
{
    VFIOAppleHost *h = adev->host;
    int64_t deadline = g_get_monotonic_time() + adev->host_timeout * 1000LL;
    g_autofree char *name = NULL;

    if (!h) {
        return;
    }
    name = g_strdup(h->name);
    WITH_QEMU_LOCK_GUARD(&h->lock) {
        h->adev = NULL;
    }
    adev->host = NULL;
    adev->dev = NULL;
    if (!vfio_apple_caller_end(h->caller, call_close, deadline)) {
        warn_report("%s: the device is given back when the host answers", name);
    }
}
