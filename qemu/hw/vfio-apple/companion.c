/*
 * apple-dma-pci: the companion of passed-through functions
 *
 * The registers, the functions it manages and the events that end their
 * claims.  docs/specs/apple-dma.rst specifies what the guest sees; what a
 * request page makes it do is in companion-dma.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"

#include "hw/core/cpu.h"
#include "migration/blocker.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "system/address-spaces.h"
#include "vfio-apple.h"
#include "trace.h"

/*
 * Functions
 */

/* The guest's claim ends, and with it everything the device can reach. */
void apple_dma_end_claim(AppleDMAFunction *f, const char *why)
{
    unsigned mappings;

    apple_dma_own(f, INT64_MAX);
    mappings = g_hash_table_size(f->mappings);
    if (!f->claimed && !mappings) {
        apple_dma_disown(f);
        return;
    }
    trace_apple_dma_end(f->name, why, mappings);
    f->claimed = false;
    apple_dma_set_sharing(f, false);
    apple_dma_disown(f);

    f->companion->generation++;
    /*
     * Without a claim nothing is mapped any more.  The gate closes and bus
     * mastering goes off before the first unmap.
     */
    f->ops->release(f->opaque);
    apple_dma_own(f, INT64_MAX);
    apple_dma_drop_mappings(f);
    apple_dma_disown(f);
}

static void apple_dma_end_all(AppleDMADevice *s, const char *why)
{
    unsigned i;

    for (i = 0; i < s->nr_functions; i++) {
        if (s->functions[i]) {
            apple_dma_end_claim(s->functions[i], why);
        }
    }
}

AppleDMAFunction *apple_dma_attach(AppleDMADevice *s, const char *name,
                                   const AppleDMAFunctionOps *ops,
                                   void *opaque, VFIOAppleCaller *registers,
                                   const struct vfa_device_info *info,
                                   Error **errp)
{
    AppleDMAFunction *f;

    if (!is_power_of_2(info->dma_page) || info->dma_page < ADMA_PAGE_SIZE) {
        error_setg(errp, "the driver extension reports a DMA page of %u "
                   "bytes: update it", info->dma_page);
        return NULL;
    }
    if (info->dma_page > s->granule) {
        if (s->nr_present || phase_check(PHASE_MACHINE_READY)) {
            error_setg(errp, "DMA pages of %u bytes are larger than the "
                       "companion's granule of %u: start QEMU with "
                       "-device " TYPE_APPLE_DMA_PCI ",granule=%u",
                       info->dma_page, s->granule, info->dma_page);
            return NULL;
        }
        s->granule = info->dma_page;
    }
    if (s->nr_functions == APPLE_DMA_MAX_FUNCTIONS) {
        error_setg(errp, "the companion has no index left: reset the "
                   "virtual machine");
        return NULL;
    }

    f = g_new0(AppleDMAFunction, 1);
    f->companion = s;
    f->index = s->nr_functions;
    f->name = name;
    f->ops = ops;
    f->opaque = opaque;
    f->registers = registers;
    f->info = info;
    f->next_handle = 1;
    f->mappings = apple_dma_mappings_new();
    f->batch = apple_dma_batch_new();
    apple_dma_host_start(f);

    qatomic_rcu_set(&s->functions[s->nr_functions], f);
    qatomic_set(&s->nr_functions, s->nr_functions + 1);
    if (!s->nr_present++) {
        qdev_add_unplug_blocker(DEVICE(s), s->unplug_blocker);
    }
    s->generation++;
    trace_apple_dma_attach(name, f->index, s->granule);
    return f;
}

void apple_dma_detach(AppleDMAFunction *f)
{
    AppleDMADevice *s = f->companion;

    apple_dma_end_claim(f, "unplug");
    trace_apple_dma_detach(f->name, f->index);
    apple_dma_own(f, INT64_MAX);
    f->detached = true;
    apple_dma_disown(f);
    qatomic_rcu_set(&s->functions[f->index], NULL);
    s->generation++;
    if (!--s->nr_present) {
        qdev_del_unplug_blocker(DEVICE(s), s->unplug_blocker);
    }
    /* Otherwise it stays until the host answers. */
    if (!qatomic_read(&f->unresponsive)) {
        apple_dma_host_stop(f);
    }
}

void apple_dma_function_gone(AppleDMAFunction *f)
{
    apple_dma_own(f, INT64_MAX);
    f->gone = true;
    apple_dma_disown(f);
    f->companion->generation++;
    apple_dma_end_claim(f, "removal");
}

/*
 * Guest memory that moves
 *
 * The memory map is rebuilt more often than guest RAM really changes, so
 * looking at the result counts, and only after RAM was touched.
 */

static void apple_dma_region_del(MemoryListener *listener,
                                 MemoryRegionSection *section)
{
    AppleDMADevice *s = container_of(listener, AppleDMADevice, listener);

    if (memory_region_is_ram(section->mr) &&
        !memory_region_is_ram_device(section->mr)) {
        s->ram_changed = true;
    }
}

static void apple_dma_commit(MemoryListener *listener)
{
    AppleDMADevice *s = container_of(listener, AppleDMADevice, listener);
    unsigned i;

    if (!s->ram_changed) {
        return;
    }
    s->ram_changed = false;
    for (i = 0; i < s->nr_functions; i++) {
        AppleDMAFunction *f = s->functions[i];
        bool valid = true;

        if (f) {
            apple_dma_own(f, INT64_MAX);
            valid = apple_dma_mappings_valid(f);
            apple_dma_disown(f);
        }
        if (!valid) {
            warn_report("%s: guest memory that the device uses has moved; "
                        "the guest has to claim the device again", f->name);
            apple_dma_end_claim(f, "memory change");
        }
    }
}

/*
 * Registers
 */

static uint32_t apple_dma_status(AppleDMADevice *s)
{
    unsigned i, gone = 0;

    for (i = 0; i < s->nr_functions; i++) {
        gone += s->functions[i] && s->functions[i]->gone;
    }
    return (s->slot_bad ? ADMA_ST_SLOT_BAD : 0) |
           (gone && gone == s->nr_present ? ADMA_ST_BROKEN : 0);
}

/* After this nothing is written to the page it had. */
static void slot_set(AppleDMASlot *slot, hwaddr gpa)
{
    QEMU_LOCK_GUARD(&slot->lock);
    slot->gpa = gpa;
}

static void apple_dma_set_slot(AppleDMADevice *s, uint32_t hi)
{
    hwaddr gpa = (uint64_t)hi << 32 | s->slot_lo;
    bool ok = s->slot_select < APPLE_DMA_MAX_SLOTS &&
              !(gpa & (ADMA_PAGE_SIZE - 1)) &&
              (!gpa || apple_dma_page_is_ram(gpa));

    trace_apple_dma_slot(s->slot_select, gpa, ok);
    s->slot_bad = !ok;
    if (ok) {
        slot_set(&s->slots[s->slot_select], gpa);
    }
}

/* What the guest did to the companion is undone; limits and functions stay. */
static void apple_dma_reset_state(AppleDMADevice *s, const char *why)
{
    unsigned i;

    apple_dma_end_all(s, why);
    for (i = 0; i < APPLE_DMA_MAX_SLOTS; i++) {
        slot_set(&s->slots[i], 0);
    }
    s->slot_bad = false;
    s->slot_select = 0;
    s->slot_lo = 0;
    qatomic_set(&s->driver_features, 0);
}

static uint64_t apple_dma_read(void *opaque, hwaddr addr, unsigned size)
{
    AppleDMADevice *s = opaque;
    hwaddr slot;

    if (size != 4 || addr & 3) {
        return UINT64_MAX;
    }
    BQL_LOCK_GUARD();
    /* Written under the BQL. */
    slot = s->slot_select < APPLE_DMA_MAX_SLOTS ?
           s->slots[s->slot_select].gpa : 0;
    switch (addr) {
    case ADMA_REG_MAGIC:
        return ADMA_MAGIC;
    case ADMA_REG_VERSION:
        return ADMA_VERSION;
    case ADMA_REG_FEATURES:
        return APPLE_DMA_FEATURES;
    case ADMA_REG_DRIVER_FEATURES:
        return s->driver_features;
    case ADMA_REG_GRANULE:
        return s->granule;
    case ADMA_REG_MAX_SLOTS:
        return APPLE_DMA_MAX_SLOTS;
    case ADMA_REG_MAX_RANGES:
        return ADMA_MAX_RANGES;
    case ADMA_REG_MAX_ALIGN:
        return VFA_MAX_ALIGN_SHIFT;
    case ADMA_REG_FUNCTIONS:
        return s->nr_functions;
    case ADMA_REG_GENERATION:
        return s->generation;
    case ADMA_REG_STATUS:
        return apple_dma_status(s);
    case ADMA_REG_SLOT_SELECT:
        return s->slot_select;
    case ADMA_REG_SLOT_ADDR_LO:
        return (uint32_t)slot;
    case ADMA_REG_SLOT_ADDR_HI:
        return slot >> 32;
    default:
        return 0;
    }
}

/*
 * The region does without the BQL.  That counts with KVM; TCG and HVF have
 * taken it before they look at the region (do_st_mmio_leN(), hvf_vcpu_exec()),
 * so it is given back here meanwhile.  Nothing that the caller relies on is
 * the BQL's: memory map and region are kept by RCU.
 */
static void apple_dma_doorbell(AppleDMADevice *s, uint64_t slot)
{
    bool had_bql = bql_locked() && current_cpu;
    bool done;

    if (slot >= APPLE_DMA_MAX_SLOTS) {
        return;
    }
    if (had_bql) {
        bql_unlock();
    }
    done = apple_dma_run_page(s, slot);
    if (had_bql) {
        bql_lock();
    }
    if (!done) {
        BQL_LOCK_GUARD();
        apple_dma_run_page(s, slot);
    }
}

static void apple_dma_write(void *opaque, hwaddr addr, uint64_t value,
                            unsigned size)
{
    AppleDMADevice *s = opaque;

    if (size != 4 || addr & 3) {
        return;
    }
    if (addr == ADMA_REG_DOORBELL) {
        apple_dma_doorbell(s, value);
        return;
    }
    BQL_LOCK_GUARD();
    switch (addr) {
    case ADMA_REG_DRIVER_FEATURES:
        qatomic_set(&s->driver_features, value & APPLE_DMA_FEATURES);
        break;
    case ADMA_REG_CONTROL:
        if (value & ADMA_CTL_RESET) {
            apple_dma_reset_state(s, "reset by the guest");
        }
        break;
    case ADMA_REG_SLOT_SELECT:
        s->slot_select = value;
        break;
    case ADMA_REG_SLOT_ADDR_LO:
        s->slot_lo = value;
        break;
    case ADMA_REG_SLOT_ADDR_HI:
        apple_dma_set_slot(s, value);
        break;
    }
}

static const MemoryRegionOps apple_dma_ops = {
    .read = apple_dma_read,
    .write = apple_dma_write,
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

/*
 * Device
 */

static void apple_dma_realize(PCIDevice *pdev, Error **errp)
{
    AppleDMADevice *s = APPLE_DMA_PCI(pdev);

    if (!is_power_of_2(s->granule) || s->granule < ADMA_PAGE_SIZE ||
        s->granule > (1u << VFA_MAX_ALIGN_SHIFT)) {
        error_setg(errp, TYPE_APPLE_DMA_PCI ": granule=%u is not a power of "
                   "two from %u to %u", s->granule, ADMA_PAGE_SIZE,
                   1u << VFA_MAX_ALIGN_SHIFT);
        return;
    }

    if (!s->host_timeout || s->host_timeout > 60 * 1000) {
        error_setg(errp, TYPE_APPLE_DMA_PCI ": host-timeout=%u is not from 1 "
                   "to 60000 milliseconds", s->host_timeout);
        return;
    }

    error_setg(&s->migration_blocker, TYPE_APPLE_DMA_PCI ": memory mapped for "
               "a device of this host can't be migrated");
    if (migrate_add_blocker(&s->migration_blocker, errp) < 0) {
        return;
    }
    error_setg(&s->unplug_blocker, TYPE_APPLE_DMA_PCI ": it manages "
               "passed-through functions: unplug them first");

    memory_region_init_io(&s->bar, OBJECT(s), &apple_dma_ops, s,
                          TYPE_APPLE_DMA_PCI, ADMA_BAR_SIZE);
    memory_region_enable_lockless_io(&s->bar);
    pci_register_bar(pdev, ADMA_PCI_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->bar);

    s->generation = 1;
    s->listener = (MemoryListener) {
        .name = TYPE_APPLE_DMA_PCI,
        .region_del = apple_dma_region_del,
        .commit = apple_dma_commit,
        .priority = MEMORY_LISTENER_PRIORITY_DEV_BACKEND,
    };
    memory_listener_register(&s->listener, &address_space_memory);
}

static void apple_dma_exit(PCIDevice *pdev)
{
    AppleDMADevice *s = APPLE_DMA_PCI(pdev);

    apple_dma_end_all(s, "companion unplug");
    memory_listener_unregister(&s->listener);
    migrate_del_blocker(&s->migration_blocker);
    error_free(s->unplug_blocker);
    s->unplug_blocker = NULL;
}

static void apple_dma_init(Object *obj)
{
    AppleDMADevice *s = APPLE_DMA_PCI(obj);
    unsigned i;

    for (i = 0; i < APPLE_DMA_MAX_SLOTS; i++) {
        qemu_mutex_init(&s->slots[i].lock);
    }
    qemu_mutex_init(&s->budget_lock);
}

static void apple_dma_finalize(Object *obj)
{
    AppleDMADevice *s = APPLE_DMA_PCI(obj);
    unsigned i;

    for (i = 0; i < APPLE_DMA_MAX_SLOTS; i++) {
        qemu_mutex_destroy(&s->slots[i].lock);
    }
    qemu_mutex_destroy(&s->budget_lock);
}

/*
 * Reset.  Functions are silenced in their hold phase, in any order among the
 * devices; mappings end in the exit phase, when all of that has happened.
 */
static void apple_dma_reset_enter(Object *obj, ResetType type)
{
    qatomic_set(&APPLE_DMA_PCI(obj)->resetting, true);
}

static void apple_dma_reset_exit(Object *obj, ResetType type)
{
    AppleDMADevice *s = APPLE_DMA_PCI(obj);

    apple_dma_reset_state(s, "reset");
    /* No guest runs that could know an old index. */
    while (s->nr_functions && !s->functions[s->nr_functions - 1]) {
        qatomic_set(&s->nr_functions, s->nr_functions - 1);
    }
    qatomic_set(&s->resetting, false);
}

AppleDMADevice *apple_dma_companion_get(PCIDevice *function, Error **errp)
{
    bool ambiguous = false;
    Object *obj = object_resolve_path_type("", TYPE_APPLE_DMA_PCI, &ambiguous);
    PCIBus *bus;
    PCIDevice *pdev;

    if (ambiguous) {
        error_setg(errp, "there is more than one " TYPE_APPLE_DMA_PCI
                   ": name the one to use with dma=ID");
        return NULL;
    }
    if (obj) {
        return APPLE_DMA_PCI(obj);
    }
    if (phase_check(PHASE_MACHINE_READY)) {
        error_setg(errp, "the machine has no companion, and it is too late to "
                   "add one: start QEMU with -device " TYPE_APPLE_DMA_PCI);
        return NULL;
    }

    bus = pci_device_root_bus(function);
    pdev = pci_new(-1, TYPE_APPLE_DMA_PCI);
    if (!pci_realize_and_unref(pdev, bus, errp)) {
        return NULL;
    }
    return APPLE_DMA_PCI(pdev);
}

static const VMStateDescription apple_dma_vmstate = {
    .name = TYPE_APPLE_DMA_PCI,
    .unmigratable = 1,
};

static const Property apple_dma_properties[] = {
    DEFINE_PROP_UINT32("granule", AppleDMADevice, granule, 16384),
    DEFINE_PROP_UINT32("host-timeout", AppleDMADevice, host_timeout, 3000),
};

static void apple_dma_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pdc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "Maps guest memory for functions behind an Apple DART";
    dc->vmsd = &apple_dma_vmstate;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, apple_dma_properties);
    rc->phases.enter = apple_dma_reset_enter;
    rc->phases.exit = apple_dma_reset_exit;
    pdc->realize = apple_dma_realize;
    pdc->exit = apple_dma_exit;
    pdc->vendor_id = ADMA_PCI_VENDOR_ID;
    pdc->device_id = ADMA_PCI_DEVICE_ID;
    pdc->revision = ADMA_PCI_REVISION;
    pdc->class_id = PCI_CLASS_SYSTEM_OTHER;
}

static const TypeInfo apple_dma_types[] = {
    {
        .name = TYPE_APPLE_DMA_PCI,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(AppleDMADevice),
        .instance_init = apple_dma_init,
        .instance_finalize = apple_dma_finalize,
        .class_init = apple_dma_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(apple_dma_types)
