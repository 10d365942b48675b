/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - how the files of the client-side I/O Kit hang together.
 *
 * task.c    the process as the simulated kernel's task: sockets, events thread
 * memory.c  mmap() that keeps large anonymous memory reachable for the kernel
 * object.c  handles (send rights), iterators
 * registry.c, connect.c, notify.c   the calls of IOKitLib.h
 * cf.c, dispatch.c   the parts of CoreFoundation and libdispatch it needs
 */
#ifndef MACSIM_IOKIT_INTERNAL_H
#define MACSIM_IOKIT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include "wire.h"

/* ---- task.c ---- */

/*
 * One request to the kernel on this thread's socket, connecting the task
 * first when needed.  *m becomes the reply; *reply (may be NULL) points at its
 * payload, m->len bytes, until this thread's next call.  fd: in, the one to
 * send or -1; out, the one received or -1.  NULL when there is none either way.
 * MACH_SEND_INVALID_DEST when there is no kernel, else the reply's code.
 */
IOReturn task_call(struct mw_msg *m, const void *payload, const void **reply, int *fd);
void task_start_thread(void *(*run)(void *), void *arg); /* detached, all signals blocked */

/* ---- memory.c ---- */

/* While the task connects: registers what waits with send(), and from now on every new memfd at once. */
void memory_connected(void (*send)(int fd));
void memory_after_fork(void);

/* ---- object.c ---- */

enum object_kind { OBJECT_SERVICE = 1, OBJECT_CONNECT, OBJECT_ITERATOR, OBJECT_INTEREST, OBJECT_MATCHING, OBJECT_PORT };

struct mapping {
	struct mapping *next;
	uint32_t type;
	uint64_t cookie;
	mach_vm_address_t address; /* what the client was given */
	void *base;                /* what mmap gave */
	size_t bytes;
};

/* Guarded by the objects lock, but for what never changes after object_add(): kind, id, callback, refcon. */
struct object {
	enum object_kind kind;
	mach_port_t name;
	uint32_t refs;
	uint64_t id; /* entry, connect or notification id in the kernel */

	/* OBJECT_CONNECT */
	struct mapping *mappings;

	/* OBJECT_ITERATOR, OBJECT_MATCHING */
	uint64_t *entries;
	size_t count, next;
	bool armed; /* drained: the next match calls back */

	/* OBJECT_INTEREST, OBJECT_MATCHING */
	struct IONotificationPort *port;
	void *callback;
	void *refcon;
	uint64_t entry; /* OBJECT_INTEREST */
};

void objects_lock(void);
void objects_unlock(void);
void objects_after_fork(void);

/* With the lock held. */
mach_port_t object_add(struct object *o);                            /* refs becomes 1; takes ownership */
struct object *object_find(mach_port_t name, enum object_kind kind); /* 0 = any kind; NULL for a dead name */
struct object *object_find_id(enum object_kind kind, uint64_t id);
mach_port_t object_service(uint64_t entry); /* one more reference on the entry's handle */
void object_drop_name(struct object *o);    /* the name is dead now; the caller owns *o */
void object_append(struct object *o, const uint64_t *entries, size_t count);

/* Without. */
struct object *object_new(enum object_kind kind, uint64_t id);
void object_free(struct object *o);

/* ---- connect.c ---- */

kern_return_t connect_close(struct object *o); /* nobody can find o any more; frees it */

/* ---- notify.c ---- */

struct IONotificationPort *port_ref(struct IONotificationPort *port);
void port_unref(struct IONotificationPort *port);
void notify_event(const struct mw_msg *m, const uint64_t *payload); /* from the events thread */
void notify_removed(struct object *o);                              /* an OBJECT_INTEREST or OBJECT_MATCHING; frees o */
void notify_after_fork(void);

/* ---- registry.c ---- */

/* MW_MATCH's kind and name out of a matching dictionary. */
bool registry_parse_matching(CFDictionaryRef matching, uint64_t *kind, char name[128]);

#endif
