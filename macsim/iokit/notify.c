// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * notify.c - notification ports: asynchronous completions, interest, matching.
 *
 * A port keeps its messages in order until it has a queue; then each becomes
 * one item on that queue.  What is destroyed or released by the time an item
 * runs is not called back.
 */
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct message {
	struct message *next;
	struct IONotificationPort *port;
	mach_port_t notifier; /* the notification's handle; 0 for an asynchronous completion */

	/* asynchronous completion */
	uint64_t callback, refcon;
	IOReturn status;
	uint32_t count;
	void *args[kMaxAsyncArgs];

	/* interest */
	uint32_t type;
	uint64_t entry;
};

struct IONotificationPort {
	_Atomic int refs;
	mach_port_t name;
	dispatch_queue_t queue;         /* objects lock */
	struct message *waiting, *last; /* objects lock */
	_Atomic bool destroyed;
};

/* Held while a notification is being added, so that its first event finds it. */
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

void notify_after_fork(void)
{
	pthread_mutex_init(&adding, NULL);
}

/* ---- ports ---- */

struct IONotificationPort *port_ref(struct IONotificationPort *port)
{
	port->refs++;
	return port;
}

void port_unref(struct IONotificationPort *port)
{
	if (--port->refs)
		return;
	if (port->queue)
		dispatch_release(port->queue);
	free(port);
}

static void message_free(struct message *msg)
{
	port_unref(msg->port);
	free(msg);
}

static void call_completion(const struct message *msg)
{
	void *refcon = (void *)(uintptr_t)msg->refcon;
	void *args[kMaxAsyncArgs];

	if (!msg->callback)
		return;
	memcpy(args, msg->args, sizeof(args));
	switch (msg->count) {
	case 0:
		((IOAsyncCallback0)(uintptr_t)msg->callback)(refcon, msg->status);
		break;
	case 1:
		((IOAsyncCallback1)(uintptr_t)msg->callback)(refcon, msg->status, args[0]);
		break;
	case 2:
		((IOAsyncCallback2)(uintptr_t)msg->callback)(refcon, msg->status, args[0], args[1]);
		break;
	default:
		((IOAsyncCallback)(uintptr_t)msg->callback)(refcon, msg->status, args, msg->count);
	}
}

static void call_notification(const struct message *msg)
{
	enum object_kind kind = 0;
	io_service_t service = IO_OBJECT_NULL;
	void *callback = NULL, *refcon = NULL;
	struct object *o;

	objects_lock();
	o = object_find(msg->notifier, 0);
	if (o) {
		kind = o->kind;
		callback = o->callback;
		refcon = o->refcon;
		if (kind == OBJECT_INTEREST)
			service = object_service(msg->entry);
	}
	objects_unlock();
	if (kind == OBJECT_INTEREST) {
		((IOServiceInterestCallback)(uintptr_t)callback)(refcon, service, msg->type, NULL);
		IOObjectRelease(service);
	} else if (kind == OBJECT_MATCHING) {
		((IOServiceMatchingCallback)(uintptr_t)callback)(refcon, msg->notifier);
	}
}

static void message_run(void *arg)
{
	struct message *msg = arg;

	if (!msg->port->destroyed) {
		if (msg->notifier)
			call_notification(msg);
		else
			call_completion(msg);
	}
	message_free(msg);
}

/* With the objects lock held; takes over msg, whose port reference the caller has taken. */
static void port_post(struct message *msg)
{
	struct IONotificationPort *port = msg->port;

	msg->next = NULL;
	if (port->queue)
		dispatch_async_f(port->queue, msg, message_run);
	else if (port->waiting)
		port->last = port->last->next = msg;
	else
		port->last = port->waiting = msg;
}

IONotificationPortRef IONotificationPortCreate(mach_port_t mainPort)
{
	struct IONotificationPort *port = calloc(1, sizeof(*port));
	struct object *o = object_new(OBJECT_PORT, 0);

	(void)mainPort;
	if (!port)
		abort();
	port->refs = 1;
	o->port = port_ref(port);
	objects_lock();
	port->name = object_add(o);
	objects_unlock();
	return port;
}

void IONotificationPortDestroy(IONotificationPortRef notify)
{
	struct message *waiting, *next;
	struct object *o;

	notify->destroyed = true;
	objects_lock();
	o = object_find(notify->name, OBJECT_PORT);
	if (o)
		object_drop_name(o);
	waiting = notify->waiting;
	notify->waiting = NULL;
	objects_unlock();
	if (o)
		object_free(o);
	for (; waiting; waiting = next) {
		next = waiting->next;
		message_free(waiting);
	}
	port_unref(notify);
}

mach_port_t IONotificationPortGetMachPort(IONotificationPortRef notify)
{
	return notify->name;
}

void IONotificationPortSetDispatchQueue(IONotificationPortRef notify, dispatch_queue_t queue)
{
	dispatch_queue_t before;

	if (queue)
		dispatch_retain(queue);
	objects_lock();
	before = notify->queue;
	notify->queue = queue;
	while (queue && notify->waiting) {
		struct message *msg = notify->waiting;

		notify->waiting = msg->next;
		dispatch_async_f(queue, msg, message_run);
	}
	objects_unlock();
	if (before)
		dispatch_release(before);
}

/* ---- notifications ---- */

static kern_return_t add_notification(struct object *o, struct mw_msg *m, const char *name, io_object_t *handle)
{
	const void *reply;
	kern_return_t ret;

	m->op = MW_NOTIFY_ADD;
	m->len = name ? (uint32_t)strlen(name) + 1 : 0;
	pthread_mutex_lock(&adding);
	ret = task_call(m, name, &reply, NULL);
	if (!ret) {
		o->id = m->a[0];
		if (o->kind == OBJECT_MATCHING)
			object_append(o, reply, m->len / sizeof(uint64_t));
		objects_lock();
		*handle = object_add(o);
		objects_unlock();
	}
	pthread_mutex_unlock(&adding);
	if (ret)
		object_free(o);
	return ret;
}

void notify_removed(struct object *o)
{
	struct mw_msg m = {.op = MW_NOTIFY_REMOVE, .a = {o->id}};

	task_call(&m, NULL, NULL, NULL);
	object_free(o);
}

kern_return_t IOServiceAddInterestNotification(IONotificationPortRef notifyPort, io_service_t service,
					       const io_name_t interestType, IOServiceInterestCallback callback,
					       void *refCon, io_object_t *notification)
{
	struct mw_msg m = {.a = {MW_N_INTEREST}};
	struct object *o;
	uint64_t entry = 0;

	*notification = IO_OBJECT_NULL;
	objects_lock();
	o = object_find(service, OBJECT_SERVICE);
	if (o)
		entry = o->id;
	objects_unlock();
	if (!o)
		return MACH_SEND_INVALID_DEST;
	if (strcmp(interestType, kIOGeneralInterest))
		return kIOReturnBadArgument;
	o = object_new(OBJECT_INTEREST, 0);
	o->port = port_ref(notifyPort);
	o->callback = (void *)(uintptr_t)callback;
	o->refcon = refCon;
	o->entry = m.a[1] = entry;
	return add_notification(o, &m, NULL, notification);
}

kern_return_t IOServiceAddMatchingNotification(IONotificationPortRef notifyPort, const io_name_t notificationType,
					       CFDictionaryRef matching, IOServiceMatchingCallback callback,
					       void *refCon, io_iterator_t *notification)
{
	struct mw_msg m = {.a = {MW_N_FIRST_MATCH}};
	struct object *o;
	char name[128];
	bool valid;

	*notification = IO_OBJECT_NULL;
	if (!matching)
		return kIOReturnBadArgument;
	valid = registry_parse_matching(matching, &m.a[2], name);
	CFRelease(matching);
	/* The kernel lists a service once it is matched, so publication and match are one event. */
	if (!strcmp(notificationType, kIOTerminatedNotification))
		m.a[0] = MW_N_TERMINATED;
	else if (strcmp(notificationType, kIOFirstMatchNotification) &&
		 strcmp(notificationType, kIOMatchedNotification) && strcmp(notificationType, kIOPublishNotification) &&
		 strcmp(notificationType, kIOFirstPublishNotification))
		valid = false;
	if (!valid)
		return kIOReturnUnsupported;
	o = object_new(OBJECT_MATCHING, 0);
	o->port = port_ref(notifyPort);
	o->callback = (void *)(uintptr_t)callback;
	o->refcon = refCon;
	return add_notification(o, &m, name, notification);
}

/* ---- events from the kernel ---- */

static struct message *message_new(struct IONotificationPort *port)
{
	struct message *msg = calloc(1, sizeof(*msg));

	if (!msg)
		abort();
	msg->port = port_ref(port);
	return msg;
}

static void event_async(const struct mw_msg *m, const uint64_t *payload)
{
	struct message *msg;
	struct object *o;

	objects_lock();
	o = object_find((mach_port_t)m->a[kIOAsyncReservedIndex], OBJECT_PORT);
	if (o && m->a[9] <= kMaxAsyncArgs && m->len == m->a[9] * sizeof(uint64_t)) {
		msg = message_new(o->port);
		msg->callback = m->a[kIOAsyncCalloutFuncIndex];
		msg->refcon = m->a[kIOAsyncCalloutRefconIndex];
		msg->status = (IOReturn)m->a[8];
		msg->count = (uint32_t)m->a[9];
		for (uint32_t i = 0; i < msg->count; i++)
			msg->args[i] = (void *)(uintptr_t)payload[i];
		port_post(msg);
	}
	objects_unlock();
}

static void event_interest(const struct mw_msg *m)
{
	struct message *msg;
	struct object *o;

	objects_lock();
	o = object_find_id(OBJECT_INTEREST, m->a[0]);
	if (o) {
		msg = message_new(o->port);
		msg->notifier = o->name;
		msg->type = (uint32_t)m->a[1];
		msg->entry = o->entry;
		port_post(msg);
	}
	objects_unlock();
}

static void event_match(const struct mw_msg *m, const uint64_t *payload)
{
	struct message *msg;
	struct object *o;

	objects_lock();
	o = object_find_id(OBJECT_MATCHING, m->a[0]);
	if (o) {
		object_append(o, payload, m->len / sizeof(uint64_t));
		if (o->armed) {
			o->armed = false;
			msg = message_new(o->port);
			msg->notifier = o->name;
			port_post(msg);
		}
	}
	objects_unlock();
}

void notify_event(const struct mw_msg *m, const uint64_t *payload)
{
	/* Wait for an addition to be entered: this event may be its own. */
	pthread_mutex_lock(&adding);
	switch (m->op) {
	case MW_EV_ASYNC:
		event_async(m, payload);
		break;
	case MW_EV_INTEREST:
		event_interest(m);
		break;
	case MW_EV_MATCH:
		event_match(m, payload);
		break;
	}
	pthread_mutex_unlock(&adding);
}
