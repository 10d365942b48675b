// SPDX-License-Identifier: GPL-2.0-or-later
/* registry.c - registry entries, their properties, matching and notifications. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

struct notification {
	struct object o;
	unsigned type; /* MW_N_* */
	uint64_t entry;
	char name[128];
};

/* ---- entries ---- */

static void free_properties(struct property *p)
{
	while (p) {
		struct property *next = p->next;
		free(p->key);
		free(p->data);
		free(p);
		p = next;
	}
}

static void entry_free(struct object *o)
{
	struct entry *e = (struct entry *)o;

	free_properties(e->properties);
	if (e->provider)
		object_unref(e->provider);
	free(e);
}

struct entry *entry_new(enum entry_kind kind, struct task *owner, const char *class, struct entry *provider,
			struct function *f)
{
	struct entry *e = calloc(1, sizeof(*e));

	object_init(&e->o, OBJ_ENTRY, owner, entry_free);
	e->kind = kind;
	e->provider = provider ? object_ref(provider) : NULL;
	e->function = f;
	snprintf(e->class, sizeof(e->class), "%s", class);
	snprintf(e->name, sizeof(e->name), "%s", class);
	if (object_publish(&e->o))
		return e;
	object_unref(e);
	return NULL;
}

struct entry *entry_new_kernel(const char *class, const char *superclass, struct entry *provider, struct function *f)
{
	struct entry *e = entry_new(ENTRY_KERNEL, NULL, class, provider, f);

	e->superclass = superclass;
	entry_set_string(e, "IOClass", class);
	pthread_mutex_lock(&kernel.lock);
	e->started = true;
	pthread_mutex_unlock(&kernel.lock);
	entry_register(e);
	return e;
}

void entry_forget(struct entry *e)
{
	struct connect *c;

	object_withdraw(&e->o);
	pthread_mutex_lock(&kernel.lock);
	c = e->connect;
	e->connect = NULL;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	object_unref(c);
}

/* ---- properties ---- */

static struct property *find_property(struct entry *e, const char *key)
{
	struct property *p;

	for (p = e->properties; p && strcmp(p->key, key); p = p->next)
		;
	return p;
}

static void set_property(struct entry *e, const char *key, uint32_t type, uint32_t bits, uint64_t value,
			 const void *data, uint32_t bytes)
{
	struct property *p = find_property(e, key);

	if (!p) {
		p = calloc(1, sizeof(*p));
		p->key = strdup(key);
		p->next = e->properties;
		e->properties = p;
	}
	free(p->data);
	p->data = bytes ? memcpy(malloc(bytes), data, bytes) : NULL;
	p->type = type;
	p->bits = bits;
	p->bytes = bytes;
	p->value = value;
}

void entry_set_number(struct entry *e, const char *key, uint64_t value)
{
	pthread_mutex_lock(&kernel.lock);
	set_property(e, key, MW_T_NUMBER, 64, value, NULL, 0);
	pthread_mutex_unlock(&kernel.lock);
}

void entry_set_data(struct entry *e, const char *key, const void *data, uint32_t bytes)
{
	pthread_mutex_lock(&kernel.lock);
	set_property(e, key, MW_T_DATA, 0, 0, data, bytes);
	pthread_mutex_unlock(&kernel.lock);
}

void entry_set_string(struct entry *e, const char *key, const char *text)
{
	pthread_mutex_lock(&kernel.lock);
	set_property(e, key, MW_T_STRING, 0, 0, text, strlen(text) + 1);
	pthread_mutex_unlock(&kernel.lock);
}

void entry_set_bool(struct entry *e, const char *key, bool value)
{
	pthread_mutex_lock(&kernel.lock);
	set_property(e, key, MW_T_BOOL, 0, value, NULL, 0);
	pthread_mutex_unlock(&kernel.lock);
}

static int32_t reply_property(struct conn *c, struct entry *e, struct mw_msg *out)
{
	struct property *p;
	char key[256];

	payload_string(c, key, sizeof(key));
	pthread_mutex_lock(&kernel.lock);
	p = find_property(e, key);
	if (p) {
		out->a[0] = p->type;
		out->a[1] = p->value;
		out->a[2] = p->bits;
		out->len = p->bytes;
		if (p->bytes)
			memcpy(c->out, p->data, p->bytes);
	}
	pthread_mutex_unlock(&kernel.lock);
	object_unref(e);
	return p ? kIOReturnSuccess : kIOReturnNotFound;
}

/* ---- watchers ---- */

static bool matches(const struct entry *e, const char *name)
{
	return e->registered && !e->inactive && !strcmp(e->name, name);
}

static void tell_matching(struct entry *e, unsigned type)
{
	void **all = object_all(OBJ_NOTIFICATION, NULL);

	for (void **at = all; *at; at++) {
		struct notification *n = *at;
		if (n->type == type && !strcmp(n->name, e->name)) {
			struct mw_msg m = {.op = MW_EV_MATCH, .len = 8, .a = {n->o.id}};
			outbox_post(&n->o.owner->outbox, &m, &e->o.id);
		}
		object_unref(n);
	}
	free(all);
}

static void tell_interested(struct entry *e, int32_t message)
{
	void **all = object_all(OBJ_NOTIFICATION, NULL);

	for (void **at = all; *at; at++) {
		struct notification *n = *at;
		if (n->type == MW_N_INTEREST && n->entry == e->o.id) {
			struct mw_msg m = {.op = MW_EV_INTEREST, .a = {n->o.id, (uint32_t)message, e->o.id}};
			outbox_post(&n->o.owner->outbox, &m, NULL);
		}
		object_unref(n);
	}
	free(all);
}

void entry_register(struct entry *e)
{
	bool now;

	pthread_mutex_lock(&kernel.lock);
	/* RegisterService inside Start takes effect when Start has succeeded (US 357, 5617). */
	e->want_registered = true;
	now = e->started && !e->registered && !e->inactive;
	if (now) {
		e->registered = true;
		tell_matching(e, MW_N_FIRST_MATCH);
	}
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
}

bool entry_make_inactive(struct entry *e)
{
	bool first;

	pthread_mutex_lock(&kernel.lock);
	first = !e->inactive;
	e->inactive = true;
	if (first) {
		if (e->connect)
			atomic_store(&e->connect->dead, true);
		if (e->registered)
			tell_matching(e, MW_N_TERMINATED);
		tell_interested(e, kIOMessageServiceIsTerminated);
	}
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
	return first;
}

/* ---- a client's requests ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	return x->o.id < y->o.id ? -1 : x->o.id > y->o.id;
}

/* IOServiceMatching knows kernel classes only: every dext service is an IOUserService (US serviceAttach). */
static const char *kernel_class(const struct entry *e)
{
	static const char *const classes[] = {"IOPCIDevice", "IOUserService", "IOUserUserClient"};

	return e->kind == ENTRY_KERNEL ? e->class : classes[e->kind];
}

static bool of_class(const struct entry *e, const void *name)
{
	return e->registered && !e->inactive &&
	       (!strcmp(name, kernel_class(e)) || !strcmp(name, "IOService") ||
		(e->superclass && !strcmp(name, e->superclass)));
}

static bool of_name(const struct entry *e, const void *name)
{
	return matches(e, name);
}

static bool child_of(const struct entry *e, const void *provider)
{
	return e->provider == provider && !e->inactive;
}

/* Ids of the entries that are wanted now, oldest first, into ids; kernel.lock held. */
static unsigned list_entries(bool (*wanted)(const struct entry *e, const void *arg), const void *arg, uint64_t *ids,
			     unsigned room)
{
	void **all = object_all(OBJ_ENTRY, NULL);
	unsigned n = 0, count = 0;

	while (all[count])
		count++;
	qsort(all, count, sizeof(*all), compare_entries);
	for (unsigned i = 0; i < count; i++) {
		struct entry *e = all[i];
		if (n < room && wanted(e, arg))
			ids[n++] = e->o.id;
		object_unref(e);
	}
	free(all);
	return n;
}

int32_t do_match(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	char name[128];

	payload_string(c, name, sizeof(name));
	pthread_mutex_lock(&kernel.lock);
	out->len = 8 * list_entries(in->a[0] == 1 ? of_class : of_name, name, (uint64_t *)c->out, MW_MAX_PAYLOAD / 8);
	pthread_mutex_unlock(&kernel.lock);
	return kIOReturnSuccess;
}

int32_t do_entry_children(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, NULL);

	if (!e)
		return kIOReturnNotFound;
	pthread_mutex_lock(&kernel.lock);
	out->len = 8 * list_entries(child_of, e, (uint64_t *)c->out, MW_MAX_PAYLOAD / 8);
	pthread_mutex_unlock(&kernel.lock);
	object_unref(e);
	return kIOReturnSuccess;
}

static int32_t reply_text(struct conn *c, struct mw_msg *out, const char *text)
{
	out->len = strlen(text) + 1;
	memcpy(c->out, text, out->len);
	return kIOReturnSuccess;
}

int32_t do_entry_class(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, NULL);

	if (!e)
		return kIOReturnNotFound;
	reply_text(c, out, kernel_class(e));
	object_unref(e);
	return kIOReturnSuccess;
}

int32_t do_entry_name(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, NULL);

	if (!e)
		return kIOReturnNotFound;
	pthread_mutex_lock(&kernel.lock);
	reply_text(c, out, e->name);
	pthread_mutex_unlock(&kernel.lock);
	object_unref(e);
	return kIOReturnSuccess;
}

int32_t do_entry_property(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, NULL);

	return e ? reply_property(c, e, out) : kIOReturnNotFound;
}

static void notification_free(struct object *o)
{
	free(o);
}

int32_t do_notify_add(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct notification *n;
	struct entry *e;
	bool ok;

	if (in->a[0] < MW_N_INTEREST || in->a[0] > MW_N_TERMINATED)
		return kIOReturnBadArgument;
	n = calloc(1, sizeof(*n));
	object_init(&n->o, OBJ_NOTIFICATION, c->task, notification_free);
	n->type = in->a[0];
	n->entry = in->a[1];
	if (n->type != MW_N_INTEREST)
		payload_string(c, n->name, sizeof(n->name));
	/* Under the lock, so that an entry is either in the answer or announced later. */
	pthread_mutex_lock(&kernel.lock);
	ok = object_publish(&n->o);
	if (n->type == MW_N_FIRST_MATCH)
		out->len = 8 * list_entries(of_name, n->name, (uint64_t *)c->out, MW_MAX_PAYLOAD / 8);
	if (ok && n->type == MW_N_INTEREST) {
		e = object_find(n->entry, OBJ_ENTRY, NULL);
		if (!e || e->inactive) {
			object_withdraw(&n->o);
			ok = false;
		}
		object_unref(e);
	}
	pthread_mutex_unlock(&kernel.lock);
	out->a[0] = n->o.id;
	object_unref(n);
	return ok ? kIOReturnSuccess : kIOReturnNotReady;
}

int32_t do_notify_remove(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct notification *n = object_find(in->a[0], OBJ_NOTIFICATION, c->task);

	(void)out;
	if (!n)
		return kIOReturnBadArgument;
	object_withdraw(&n->o);
	object_unref(n);
	return kIOReturnSuccess;
}

/* ---- the dext's requests; it may name its own entries and the nub below them ---- */

static struct entry *entry_of(struct conn *c, uint64_t id)
{
	struct entry *e = object_find(id, OBJ_ENTRY, NULL);

	if (e && e->o.owner != c->task && !(e->kind == ENTRY_NUB && e->function == host_function(c->task->host))) {
		object_unref(e);
		e = NULL;
	}
	return e;
}

int32_t do_set_name(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, c->task);
	char name[128];

	(void)out;
	if (!e)
		return kIOReturnBadArgument;
	payload_string(c, name, sizeof(name));
	pthread_mutex_lock(&kernel.lock);
	memcpy(e->name, name, sizeof(name));
	pthread_mutex_unlock(&kernel.lock);
	object_unref(e);
	return kIOReturnSuccess;
}

int32_t do_register_service(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, c->task);

	(void)out;
	if (!e)
		return kIOReturnBadArgument;
	entry_register(e);
	object_unref(e);
	return kIOReturnSuccess;
}

int32_t do_set_properties(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, c->task);
	uint32_t at = 0;
	int32_t ret = kIOReturnSuccess;

	(void)out;
	if (!e)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&kernel.lock);
	/* They land in IOUserServiceProperties, which reads and matching merge in (US 494, UC 3630). */
	while (at < in->len) {
		const struct mw_property *p = (const struct mw_property *)(c->in_payload + at);
		uint64_t left = in->len - at, need;
		if (left < sizeof(*p) || (need = sizeof(*p) + (uint64_t)p->key_bytes + p->value_bytes) > left ||
		    !p->key_bytes || p->type < MW_T_NUMBER || p->type > MW_T_DATA) {
			ret = kIOReturnBadArgument;
			break;
		}
		const char *key = (const char *)(p + 1);
		if (key[p->key_bytes - 1] ||
		    (p->type == MW_T_STRING && (!p->value_bytes || key[p->key_bytes + p->value_bytes - 1]))) {
			ret = kIOReturnBadArgument;
			break;
		}
		set_property(e, key, p->type, p->bits, p->value, key + p->key_bytes, p->value_bytes);
		at += (need + 7) & ~7u;
	}
	pthread_mutex_unlock(&kernel.lock);
	object_unref(e);
	return ret;
}

int32_t do_property(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = entry_of(c, in->a[0]);

	return e ? reply_property(c, e, out) : kIOReturnBadArgument;
}

int32_t do_entry_id(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = entry_of(c, in->a[0]);

	if (!e)
		return kIOReturnBadArgument;
	out->a[0] = e->o.id;
	object_unref(e);
	return kIOReturnSuccess;
}
