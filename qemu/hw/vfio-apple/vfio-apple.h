/*
 * PCI passthrough through the VFIOUserPCIDriver driver extension
 *
 * vfio-apple-pci   a passed-through function: pci.c, config.c, irq.c,
 *                  host.c (calls to the host)
 * vfio-iommu-apple its container, which maps nothing: container.c
 * apple-dma-pci    the companion, through which the guest maps its memory
 *                  for functions: companion.c, companion-dma.c (requests),
 *                  companion-host.c (calls to the host)
 * caller.c         a thread that makes calls to the host
 *
 * Threads.  Each function has two that call the host, and nothing else calls
 * it: one for what the guest asks of the companion, and one for the device's
 * registers and state, which is never in the way of, nor behind, the requests
 * of the first.
 *
 * Locking.  All of it runs under the BQL, except
 * - the library's callbacks in host.c;
 * - a store to the doorbell, up to its last answer, unless the page has a
 *   request that needs the BQL (op_needs_bql());
 * - the threads that call the host, which hold no lock meanwhile.
 *
 * These nest in this order; who has a later one never waits for an earlier:
 *
 *   BQL             registers, functions that come and go, claims, gates,
 *                   generation, memory map; the calls to the host for a
 *                   device's registers and state
 *   slot lock       a request page, from finding it to its answers: so one
 *                   that is replaced or forgotten is not written to afterwards
 *   ownership       of one function at a time: whether it is claimed or gone,
 *                   its mappings, its batch, its calls to the host through
 *                   the first thread.  It is waited for with the BQL by
 *                   whatever ends a claim: reset, release, unplug, removal, a
 *                   change of the memory map
 *   function lock   ownership itself; held for moments
 *   caller lock     what a call hands to a thread and back; held for moments
 *   host lock       what the library's callbacks use, and whether the device
 *                   is still there for them; held for moments
 *   budget lock     what the functions of a companion use of the room that
 *                   some of them share; held for moments
 *
 * Who waits for the host has a slot lock or the BQL, and ownership, for at most
 * three times host-timeout (and 0.2 ms per mapping when all of a function end);
 * or the BQL alone, for at most host-timeout per call, and an access to a
 * register is six calls at most: that is how long the others can wait.
 *
 * A doorbell is one RCU read side critical section, as QEMU's dispatch makes it
 * anyway: the functions it finds and the memory regions it lets go of don't end
 * within.
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
#include "qemu/rcu.h"
#include "qemu/thread.h"
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
 * caller.c: calls to the host
 *
 * Deadlines are g_get_monotonic_time(); INT64_MAX is none.
 */

/* Made without any lock.  0 or -errno. */
typedef int VFIOAppleCall(void *opaque, void *arg);

typedef struct VFIOAppleCaller VFIOAppleCaller;

/*
 * Calls get opaque.  When one returns that was given up, the thread calls quiet
 * as well, to undo what must not happen late: it turns bus mastering off.
 */
VFIOAppleCaller *vfio_apple_caller_new(const char *name, VFIOAppleCall *quiet,
                                       void *opaque);
/*
 * One at a time.  False: it was given up, or one before it was and has not
 * returned.  arg stays with a call that was given up until it returns.
 */
bool vfio_apple_caller_ask(VFIOAppleCaller *c, VFIOAppleCall *call, void *arg,
                           int64_t deadline, int *ret);
/* A call that is given up from the start, unless another one is under way. */
void vfio_apple_caller_begin(VFIOAppleCaller *c, VFIOAppleCall *call);
void vfio_apple_caller_quiet(VFIOAppleCaller *c);
/* A call has not returned.  Nobody asks meanwhile: it was given up. */
bool vfio_apple_caller_busy(VFIOAppleCaller *c);
/* What the last call said, when none is under way. */
int vfio_apple_caller_result(VFIOAppleCaller *c);
/* Tell bh when a call returns that was given up.  NULL: tell nobody. */
void vfio_apple_caller_notify(VFIOAppleCaller *c, QEMUBH *bh);
/*
 * Ends the thread, which makes one last call when the one under way returns.
 * False: it has not done so yet.
 */
bool vfio_apple_caller_end(VFIOAppleCaller *c, VFIOAppleCall *last,
                           int64_t deadline);
/* Waits until signalled or until then; false when it is later than that. */
bool vfio_apple_wait(QemuCond *cond, QemuMutex *lock, int64_t deadline);

/*
 * Companion
 */

typedef struct AppleDMASubmit {
    struct vfa_dma_request *req;
    size_t count;
} AppleDMASubmit;

/* What the companion asks of a function it manages. */
typedef struct AppleDMAFunctionOps {
    /* These are called under the BQL, by a thread that does not own it. */

    /* Open the gate.  Returns ADMA_OK or ADMA_E_*. */
    uint32_t (*claim)(void *opaque);
    /* Close the gate and turn bus mastering off.  Cannot fail. */
    void (*release)(void *opaque);
    uint16_t (*bdf)(void *opaque);
    /* The host does not answer: ask nothing of it while that is so. */
    void (*unresponsive)(void *opaque, bool unresponsive);

    VFIOAppleCall *submit; /* arg: AppleDMASubmit */
    /* Ends all mappings, bus mastering off first. */
    VFIOAppleCall *unmap_all;
    VFIOAppleCall *bus_master_off;
} AppleDMAFunctionOps;

/* Written by the owner, read by anyone: qatomic_read(). */
typedef struct AppleDMAStats {
    uint64_t doorbells;
    uint64_t requests;
    uint64_t maps;
    uint64_t unmaps;
    uint64_t map_failures;
    uint64_t runs;
    uint64_t timeouts; /* not the owner's alone: qatomic_inc() */
    uint64_t bytes;
    uint64_t bytes_peak;
    uint64_t mappings;
    uint64_t mappings_peak;
} AppleDMAStats;

static inline void apple_dma_stat_add(uint64_t *stat, int64_t n)
{
    qatomic_set(stat, *stat + n);
}

typedef struct AppleDMABatch AppleDMABatch; /* companion-dma.c */

typedef struct AppleDMAFunction {
    struct rcu_head rcu; /* first, as call_rcu() wants it */
    AppleDMADevice *companion;
    unsigned index;
    const char *name; /* owned by the function's device */
    const AppleDMAFunctionOps *ops;
    void *opaque;     /* the device, an Object: referenced */
    const struct vfa_device_info *info;

    /* Written by the owner under the BQL: either is enough to read them. */
    bool claimed;
    bool gone;
    bool detached;

    /* The owner's. */
    uint64_t next_handle;
    GHashTable *mappings; /* handle -> AppleDMAMapping */
    AppleDMABatch *batch; /* an unresponsive host's, until it answers */
    AppleDMAStats stats;

    /* Under the companion's budget_lock.  Calls under way are included. */
    bool sharing; /* has a quota */
    uint64_t bytes_taken;
    uint64_t mappings_taken;

    QemuMutex lock;
    /* Under lock. */
    bool owned;
    QemuCond disowned;

    VFIOAppleCaller *caller;    /* asked by the owner */
    VFIOAppleCaller *registers; /* the device's own, asked under the BQL */
    /* A call of either was given up: set by who did, qatomic_read(). */
    bool unresponsive;

    /* Under the BQL. */
    bool reported;
    bool recovering; /* both have returned, now the mappings end */
    QEMUBH *bh;
} AppleDMAFunction;

typedef struct AppleDMASlot {
    QemuMutex lock;
    hwaddr gpa; /* 0: none */
} AppleDMASlot;

#define APPLE_DMA_FEATURES (ADMA_F_CONGRUENT | ADMA_F_SHARING)
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

    uint32_t granule; /* constant once the machine runs */
    uint32_t host_timeout; /* milliseconds */
    uint32_t generation;
    uint32_t driver_features;
    bool slot_bad;
    uint32_t slot_select;
    uint32_t slot_lo;
    AppleDMASlot slots[APPLE_DMA_MAX_SLOTS];

    /*
     * An index keeps its meaning while the guest runs: one that was used is
     * not given out again until the companion is reset.  Written under the
     * BQL, read by doorbells with RCU.
     */
    AppleDMAFunction *functions[APPLE_DMA_MAX_FUNCTIONS];
    unsigned nr_functions;
    unsigned nr_present;

    QemuMutex budget_lock;
};

/* The machine's companion, made on the root bus when that is still possible. */
AppleDMADevice *apple_dma_companion_get(PCIDevice *function, Error **errp);
AppleDMAFunction *apple_dma_attach(AppleDMADevice *s, const char *name,
                                   const AppleDMAFunctionOps *ops,
                                   void *opaque, VFIOAppleCaller *registers,
                                   const struct vfa_device_info *info,
                                   Error **errp);
/* Ends claim and mappings, and the index. */
void apple_dma_detach(AppleDMAFunction *f);
/* The function or its host driver is gone: requests answer ADMA_E_GONE. */
void apple_dma_function_gone(AppleDMAFunction *f);

/*
 * companion-dma.c: requests and mappings
 *
 * Runs the slot's page.  Returns false, having done nothing, when that takes
 * the BQL and the caller does not have it.
 */
bool apple_dma_run_page(AppleDMADevice *s, unsigned slot);
bool apple_dma_page_is_ram(hwaddr gpa);
GHashTable *apple_dma_mappings_new(void);
AppleDMABatch *apple_dma_batch_new(void);
void apple_dma_batch_free(AppleDMABatch *b);
/* Ends all mappings.  The caller owns f and has turned bus mastering off. */
void apple_dma_drop_mappings(AppleDMAFunction *f);
/* Lets go of all memory.  The caller owns f; ret is what unmap_all said. */
void apple_dma_forget_mappings(AppleDMAFunction *f, int ret);
/* Is all memory of all mappings still where it was?  The caller owns f. */
bool apple_dma_mappings_valid(AppleDMAFunction *f);
/* A claimed function has a quota of what it shares. */
void apple_dma_set_sharing(AppleDMAFunction *f, bool sharing);
/* Ends the claim if there is one, and all mappings.  Under the BQL. */
void apple_dma_end_claim(AppleDMAFunction *f, const char *why);

/*
 * companion-host.c: ownership, and calls to the host
 */
int64_t apple_dma_deadline(AppleDMADevice *s);
/* INT64_MAX waits for as long as the owners do, see above. */
bool apple_dma_own(AppleDMAFunction *f, int64_t deadline);
void apple_dma_disown(AppleDMAFunction *f);
/*
 * The caller owns f.  False when the function was unresponsive, or is now: then
 * arg and what it points to stay with the call until it returns.
 */
bool apple_dma_host_call(AppleDMAFunction *f, VFIOAppleCall *call,
                         void *arg, int64_t deadline, int *ret);
/* A call of one of its threads was given up. */
void apple_dma_no_answer(AppleDMAFunction *f);
void apple_dma_host_start(AppleDMAFunction *f);
/* No call is under way.  f ends after the doorbells that may have found it. */
void apple_dma_host_stop(AppleDMAFunction *f);

/*
 * host.c: calls to the host for a function's registers and state
 *
 * They return 0 or -errno: -ETIMEDOUT when the host does not answer, and then
 * nothing is asked of it until it does.
 */
typedef struct VFIOAppleHost VFIOAppleHost;

typedef struct VFIOAppleConfigWrite {
    unsigned offset, bytes;
    uint32_t value;
} VFIOAppleConfigWrite;

/* As many as one write of a guest can lead to. */
#define VFIO_APPLE_CONFIG_WRITES 5

bool vfio_apple_host_open(VFIOAppleDevice *adev, Error **errp);
/* Waits for host-timeout at most; a host that takes longer closes it later. */
void vfio_apple_host_close(VFIOAppleDevice *adev);
VFIOAppleCaller *vfio_apple_host_caller(VFIOAppleDevice *adev);
QemuMutex *vfio_apple_host_lock(VFIOAppleDevice *adev);
int vfio_apple_host_config_read(VFIOAppleDevice *adev, unsigned offset,
                                unsigned bytes, void *data);
/* Tells which of them failed first. */
int vfio_apple_host_config_write(VFIOAppleDevice *adev,
                                 const VFIOAppleConfigWrite *writes,
                                 unsigned count, unsigned *failed);
#define VFIO_APPLE_BAR_BYTES 512
int vfio_apple_host_bar_read(VFIOAppleDevice *adev, unsigned bar,
                             uint64_t offset, unsigned bytes, void *data);
int vfio_apple_host_bar_write(VFIOAppleDevice *adev, unsigned bar,
                              uint64_t offset, unsigned bytes,
                              const void *data);
int vfio_apple_host_bar_map(VFIOAppleDevice *adev, unsigned bar, void **base,
                            uint64_t *bytes);
void vfio_apple_host_bar_unmap(VFIOAppleDevice *adev, unsigned bar);
int vfio_apple_host_bus_master(VFIOAppleDevice *adev, bool on);
/* Bus mastering goes off first, if it is on. */
int vfio_apple_host_reset(VFIOAppleDevice *adev, enum vfa_reset type);
/* Turns them off first if stale. */
int vfio_apple_host_irq_enable(VFIOAppleDevice *adev, int type,
                               unsigned wanted, unsigned *granted);
int vfio_apple_host_irq_disable(VFIOAppleDevice *adev);
int vfio_apple_host_irq_unmask(VFIOAppleDevice *adev);

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
    int fd[VFA_MAX_VECTORS]; /* written with the host lock */
    int type;              /* enum vfa_irq_type, -1: none */
    unsigned granted;
    unsigned available[VFA_IRQ_TYPES]; /* vectors the platform grants */
    bool intx_masked;
    bool stale;            /* the host could not be told that it is off */
    uint64_t delivered;    /* atomic */
} VFIOAppleIRQ;

void vfio_apple_irq_init(VFIOAppleDevice *adev);
void vfio_apple_irq_finalize(VFIOAppleDevice *adev);
void vfio_apple_irq_probe(VFIOAppleDevice *adev);
/* With the host lock, without the BQL. */
void vfio_apple_irq_signal(VFIOAppleDevice *adev, unsigned vector);
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

    VFIOAppleHost *host;
    struct vfa_device *dev;    /* the host's */
    uint32_t host_timeout;     /* milliseconds */
    AppleDMAFunction *function;
    QEMUBH *gone_bh;
    bool realizing;
    bool gone;
    bool unresponsive;         /* the host does not answer */
    bool changed_late;         /* by a call that was given up */
    bool reset_missed;         /* the machine's, while unresponsive */
    bool bus_master;           /* as last set at the device */
    uint64_t bar_mapped[PCI_ROM_SLOT]; /* bytes of it, in this process */

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

/* Nothing must be asked of the host. */
static inline bool vfio_apple_unreachable(const VFIOAppleDevice *adev)
{
    return adev->gone || adev->unresponsive;
}

/* Bring the device's bus master bit in line with claim and command register. */
void vfio_apple_update_bus_master(VFIOAppleDevice *adev);
int vfio_apple_reset_device(VFIOAppleDevice *adev, enum vfa_reset type);

#endif
