/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - the claimed device and the calls to its dext.
 *
 * error.c      the one translation of IOReturn to errno, texts
 * address.c    the syntax of device addresses; discovery.c finds the service
 * call.c       one connection and the calls made through it
 * device.c     open, close, termination; config.c, bar.c, reset.c, irq.c, dma.c
 * dma_batch.c  requests to and from the wire format
 */
#ifndef VFAPPLE_INTERNAL_H
#define VFAPPLE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <IOKit/IOKitLib.h>

#include "vfapple.h"

#define VFA_CONFIG_BYTES 4096
#define VFA_IRQ_WORDS    (VFA_MAX_VECTORS / 32)

/* ---- error.c ---- */

int vfa_errno(IOReturn ret); /* 0 or negative; total */
/* Fills *err (may be NULL) and returns error, a negative errno. */
int vfa_fail(struct vfa_error *err, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- address.c ---- */

struct vfa_address {
	bool by_id;
	uint64_t id;
	uint8_t bus, device, function;
};

bool vfa_address_parse(const char *text, struct vfa_address *out);
bool vfa_address_matches(const struct vfa_address *a, const struct vfa_device_info *info);

/* ---- discovery.c ---- */

#define VFA_NAME_BYTES 16
void vfa_format_name(const struct vfa_device_info *info, char name[VFA_NAME_BYTES]);
/* The one service an address names; the caller releases it. */
int vfa_find_service(const char *address, io_service_t *service, struct vfa_listed *out, struct vfa_error *err);

/* ---- call.c ---- */

/* One method call. Counts and sizes of outputs are exact, but for out_data, which may be filled less. */
struct vfa_call {
	uint32_t selector;
	uint32_t in_count, out_count;
	const uint64_t *in;
	uint64_t *out;
	const void *in_data;
	size_t in_bytes;
	void *out_data;
	size_t out_bytes; /* room, then filled */
};

struct vfa_connection {
	io_connect_t port;
	uint16_t minor; /* the dext's, set by HELLO */
	_Atomic uint64_t calls;
};

IOReturn vfa_connection_call(struct vfa_connection *c, struct vfa_call *call);
IOReturn vfa_connection_hello(struct vfa_connection *c);
/* A reply that grows from version to version: what it lacks of `out` is 0.  False when it is shorter than
 * version 1.0's. */
bool vfa_take_known(void *out, size_t out_bytes, size_t least, const void *reply, size_t reply_bytes);
/* Opens and greets; *c is closed again on failure.  `name` is for the message. */
int vfa_connection_open(struct vfa_connection *c, io_service_t service, const char *name, struct vfa_error *err);
void vfa_connection_close(struct vfa_connection *c);

/* ---- device.c ---- */

struct vfa_bar {
	unsigned users; /* of the mapping */
	uint8_t *base;
	uint64_t bytes;
};

struct vfa_reset_wait; /* reset.c */

struct vfa_device {
	/* Constant from vfa_open() to vfa_close(). */
	char name[VFA_NAME_BYTES];
	struct vfa_device_info info;
	struct vfa_callbacks cb;
	void *opaque;
	io_service_t service;
	/*
	 * The user's callbacks run on `callbacks` and may wait for locks whose
	 * holder waits for us.  So completions and the termination notice have
	 * a queue of their own, where nothing ever blocks.
	 */
	dispatch_queue_t callbacks, events;
	IONotificationPortRef irq_port, event_port; /* on `callbacks`, on `events` */
	io_object_t interest;

	struct vfa_connection connection;
	_Atomic bool gone; /* set once, never cleared */

	pthread_rwlock_t bar_lock; /* write: map and unmap; read: access */
	struct vfa_bar bars[VFA_NUM_BARS];

	pthread_mutex_t reset_lock;
	struct vfa_reset_wait *resets; /* under reset_lock: waited for, or given up but perhaps still to complete */

	/* irq_lock serialises enable and disable. */
	pthread_mutex_t irq_lock;
	struct vfa_irq_page *irq_page; /* NULL until the first enable, then mapped until vfa_close() */
	uint64_t irq_base[VFA_MAX_VECTORS];
	_Atomic unsigned irq_vectors;                    /* 0 = off */
	_Atomic uint32_t irq_enabled[VFA_IRQ_WORDS];     /* the truth; the page has a copy for the dext */
	_Atomic uint32_t irq_undelivered[VFA_IRQ_WORDS]; /* taken from the page, not yet given to the user */
};

static inline bool vfa_is_gone(const struct vfa_device *dev)
{
	return atomic_load_explicit(&dev->gone, memory_order_acquire);
}

/* Marks the device gone and tells the user, once. */
void vfa_set_gone(struct vfa_device *dev);
/* errno for the outcome of any IOKit call on the device; notices when it means that the dext is gone. */
int vfa_outcome(struct vfa_device *dev, IOReturn ret);
/* vfa_connection_call() unless gone; negative errno. */
int vfa_device_call(struct vfa_device *dev, struct vfa_call *call);

/* ---- reset.c ---- */

void vfa_reset_wake_all(struct vfa_device *dev);
void vfa_reset_forget_all(struct vfa_device *dev); /* no completion can come any more */

#endif
