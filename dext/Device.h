/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device.h - one PCI function as the dext sees it: what it is, who owns it,
 * what is mapped, and the order in which all of that ends.
 *
 * Threads.  Calls of host processes run with Device.lock held; it is taken in
 * one place, VFIOUserPCIUserClient::ExternalMethod, so nothing below takes it
 * unless it says so.  Interrupts run on irq_queue and take irq_lock only.
 * Resets run on reset_queue and drop the lock while the platform works.
 * Order: lock, then irq_lock.
 *
 * Lifetime.  A late interrupt finds irq.client NULL under irq_lock and is
 * dropped; page and action it would have touched are only freed after that.
 * A late reset finds `stopping`, or is waited for: the end of Stop is queued
 * behind it.  Both run on queues that the driver object outlives, because Stop
 * keeps the driver retained until its last block has run.
 */
#ifndef VFA_DEVICE_H
#define VFA_DEVICE_H

#include <DriverKit/IOLib.h>
#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IOInterruptDispatchSource.h>
#include <DriverKit/IOMemoryDescriptor.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "vfa_dext.h"
#include "core/config_policy.h"
#include "core/dma_batch.h"
#include "core/dma_table.h"
#include "core/irq_page.h"
#include "core/padding.h"
#include "core/placement.h"

#include "VFIOUserPCIDriver.h"
#include "VFIOUserPCIUserClient.h"

#define DEVICE_LOG(dev, format, ...) IOLog("%s: " format "\n", (dev)->name, ##__VA_ARGS__)

struct DeviceBar {
	uint8_t memory_index;       /* PCIDriverKit's name for it */
	IOMemoryDescriptor *memory; /* NULL: not to be mapped in a client */
};

struct DeviceVector {
	uint32_t index;                    /* interrupt index of the nub */
	IOInterruptDispatchSource *source; /* made when first enabled, kept until Stop */
	OSAction *action;
};

struct Device {
	/* Constant between device_start() and device_free(). */
	VFIOUserPCIDriver *driver;
	IOPCIDevice *pci;
	char name[16]; /* "03:00.0" */
	struct vfa_device_info info;
	struct vfa_config_policy policy;
	DeviceBar bars[VFA_NUM_BARS];
	IODispatchQueue *reset_queue;
	IODispatchQueue *irq_queue;
	uint32_t nr_vectors; /* delivered by the platform */
	bool level;          /* ... as one level interrupt */

	IOLock *lock;
	VFIOUserPCIUserClient *owner; /* not retained: its Stop clears it */
	bool bus_master;
	bool used;          /* bus master has been on since the last reset: the device may still hold addresses */
	uint32_t resetting; /* resets queued or running, the owner's wish or its legacy: no new owner until 0 */
	bool stopping;
	struct vfa_dma_table dma;
	struct vfa_placement placement;
	uint64_t submit_calls, operations, misaligned, align_attempts;
	uint64_t resets;
	uint64_t config_writes_filtered;
	int32_t last_error;

	IOLock *irq_lock;
	DeviceVector vectors[VFA_MAX_VECTORS];
	struct {
		VFIOUserPCIUserClient *client; /* NULL: nothing is delivered */
		struct vfa_irq_page *page;
		OSAction *notify; /* retained */
		enum vfa_irq_type type;
		uint32_t enabled; /* vectors */
		bool masked;      /* INTx seen and not yet unmasked */
		bool missed;      /* messages that came meanwhile */
		uint64_t wakeups;
		uint64_t interrupts;
	} irq;
};

/* ---- Device.cpp: life and ownership ---- */

/* The session must be open. On failure device_free() is still due. */
IOReturn device_start(Device *dev, VFIOUserPCIDriver *driver, IOPCIDevice *pci);
/* First half of Stop, takes the lock: nothing reaches the device or memory any more when it returns. */
void device_stop(Device *dev);
/* Second half: runs `done` once, after every reset and every interrupt source has ended. */
void device_drain(Device *dev, void (^done)(void));
void device_free(Device *dev);

IOReturn device_claim(Device *dev, VFIOUserPCIUserClient *client);
void device_release(Device *dev);
/* Takes the lock: a connection ended, whatever state it was in. */
void device_client_gone(Device *dev, VFIOUserPCIUserClient *client);
void device_stats(Device *dev, struct vfa_stats *out);

/* ---- Pci.cpp: configuration space, BARs, bus master, reset ---- */

IOReturn device_identify(Device *dev);
IOReturn device_config_read(Device *dev, uint64_t offset, uint64_t bytes, uint32_t *value);
IOReturn device_config_write(Device *dev, uint64_t offset, uint64_t bytes, uint32_t value);
IOReturn device_bar_read(Device *dev, uint64_t bar, uint64_t offset, uint64_t bytes, uint64_t *value);
IOReturn device_bar_write(Device *dev, uint64_t bar, uint64_t offset, uint64_t bytes, uint64_t value);
IOReturn device_set_bus_master(Device *dev, bool on);
void device_bus_master_off(Device *dev);
/* On reset_queue, `resetting` counted; drops and retakes the lock. */
IOReturn device_perform_reset(Device *dev, enum vfa_reset wanted, enum vfa_reset *performed);
/* Answers through the completion, later. */
IOReturn device_reset(Device *dev, VFIOUserPCIUserClient *client, uint64_t type, OSAction *completion);

/* ---- Interrupts.cpp ---- */

void device_configure_interrupts(Device *dev);
IOReturn device_irq_enable(Device *dev, VFIOUserPCIUserClient *client, struct vfa_irq_page *page, uint64_t type,
			   uint64_t wanted, uint64_t *granted);
void device_irq_disable(Device *dev);
void device_irq_notify(Device *dev, VFIOUserPCIUserClient *client, struct vfa_irq_page *page, OSAction *completion);
IOReturn device_irq_unmask(Device *dev);
void device_interrupt(Device *dev, uint32_t vector, uint64_t count);

/* ---- Dma.cpp ---- */

IOReturn device_dma_submit(Device *dev, VFIOUserPCIUserClient *client, const void *data, size_t bytes,
			   struct vfa_dma_results *results);
/* For device_quiesce(): the device must be unable to reach memory. Number completed. */
uint64_t device_dma_complete_all(Device *dev);

/*
 * The one order in which mappings end other than by the owner's own unmap: the
 * device is silenced before the first page leaves the DART.  A device that
 * reaches an unmapped IOVA panics the Mac.  Number of mappings completed.
 */
enum {
	QUIESCE_INTERRUPTS = 1,
	QUIESCE_RESET = 2, /* on reset_queue, `resetting` counted; drops and retakes the lock */
};
uint64_t device_quiesce(Device *dev, unsigned also);

#endif
