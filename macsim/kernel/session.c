// SPDX-License-Identifier: GPL-2.0-or-later
/* session.c - a client's connection to a user client of the dext, from IOServiceOpen to Stop. */
#include "faults.h"
#include "kernel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCALARS_MAX     16   /* io_scalar_inband64_t */
#define INLINE_MAX      4096 /* io_struct_inband_t; one byte more goes out of line (KL IOConnectCallMethod) */
#define REFERENCE_MAX   8    /* kOSAsyncRef64Count */
#define ASYNC_ARGS_MAX  16   /* kMaxAsyncArgs */
#define VARIABLE_OUTPUT 0xffffffffu

/* ---- the end of a user client ---- */

static void abort_actions(struct task *dext, const struct connect *of)
{
	void **all = object_all(OBJ_ACTION, dext);

	for (void **at = all; *at; at++) {
		struct action *a = *at;
		if (a->connect == of && !atomic_exchange(&a->aborted, true)) {
			struct mw_msg m = {.op = MW_UP_ABORTED, .a = {a->o.id}};
			outbox_post(&dext->outbox, &m, NULL);
		}
		object_unref(a);
	}
	free(all);
}

static void post_stop(struct entry *e)
{
	struct mw_msg m = {.op = MW_UP_STOP, .a = {e->o.id, e->provider->o.id}};

	outbox_post(&e->o.owner->outbox, &m, NULL);
}

/* Stop of a user client that has been made inactive. */
static void begin_client_stop(struct entry *client)
{
	struct connect *c;

	pthread_mutex_lock(&kernel.lock);
	c = client->connect ? object_ref(client->connect) : NULL;
	pthread_mutex_unlock(&kernel.lock);
	post_stop(client);
	if (c)
		abort_actions(client->o.owner, c);
	object_unref(c);
}

void user_client_stop(struct entry *client)
{
	if (entry_make_inactive(client))
		begin_client_stop(client);
}

/* Clients of a service, referenced, ended by NULL. */
static void **clients_of(struct entry *service)
{
	void **all = object_all(OBJ_ENTRY, service->o.owner), **to = all;

	for (void **at = all; *at; at++) {
		struct entry *e = *at;
		if (e->kind != ENTRY_NUB && e->provider == service)
			*to++ = e;
		else
			object_unref(e);
	}
	*to = NULL;
	return all;
}

void service_stop(struct entry *service, bool wait)
{
	uint64_t deadline = now_ns() + 1000000000;
	void **clients, **at, **to;

	if (!entry_make_inactive(service))
		return;
	/* The subtree is inactive and its ports are dead before anybody stops (SV terminatePhase1 2545). */
	clients = clients_of(service);
	for (to = at = clients; *at; at++) {
		if (entry_make_inactive(*at))
			*to++ = *at;
		else
			object_unref(*at); /* its Stop is under way */
	}
	*to = NULL;
	/* The driver stops before its user clients (SV 3240); under a live provider it is waited for (US 5808). */
	post_stop(service);
	pthread_mutex_lock(&kernel.lock);
	while (wait && !service->stopped && kernel_wait(deadline))
		;
	pthread_mutex_unlock(&kernel.lock);
	for (at = clients; *at; at++) {
		begin_client_stop(*at);
		object_unref(*at);
	}
	free(clients);
}

static void *stop_service_thread(void *arg)
{
	service_stop(arg, true);
	object_unref(arg);
	return NULL;
}

int32_t do_terminate(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, NULL);
	pthread_t thread;

	(void)out;
	if (!e)
		return kIOReturnBadArgument;
	if (in->a[1] || e->o.owner != c->task) { /* US 5243 */
		object_unref(e);
		return in->a[1] ? kIOReturnUnsupported : kIOReturnNotPermitted;
	}
	if (e->kind == ENTRY_USER_CLIENT) {
		user_client_stop(e);
		object_unref(e);
	} else {
		/* The caller may hold the queue that Stop needs. */
		pthread_create(&thread, NULL, stop_service_thread, e);
		pthread_detach(thread);
	}
	return kIOReturnSuccess;
}

int32_t do_did_stop(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, c->task);

	(void)out;
	if (!e)
		return kIOReturnBadArgument;
	entry_make_inactive(e);
	/* A provider left open is closed now (US 5864). */
	pci_close(e->function, e->o.id);
	pthread_mutex_lock(&kernel.lock);
	e->stopped = true;
	pthread_mutex_unlock(&kernel.lock);
	entry_forget(e);
	object_unref(e);
	host_maybe_exit(c->task);
	return kIOReturnSuccess;
}

/* ---- open and close ---- */

static void connect_free(struct object *o)
{
	struct connect *c = (struct connect *)o;

	pthread_rwlock_destroy(&c->lock);
	object_unref(c->client);
	free(c);
}

static struct connect *connect_new(struct task *owner, struct entry *client)
{
	struct connect *c = calloc(1, sizeof(*c));
	pthread_rwlockattr_t attr;

	object_init(&c->o, OBJ_CONNECT, owner, connect_free);
	/* A waiting writer holds up new calls, as the kernel's rwlock does. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&c->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	c->client = object_ref(client);
	c->next_cookie = 1;
	return c;
}

static void forget_map(struct mapping_record *m)
{
	if (m->bar_of)
		atomic_fetch_sub(&m->bar_of->bars[m->bar].client_maps, 1);
	object_unref(m->descriptor);
	free(m);
}

/* connect.lock held exclusively. Mappings made through the connection go away with it. */
static void connect_shut(struct connect *c)
{
	struct mapping_record *m;

	c->closed = true;
	while ((m = c->maps)) {
		c->maps = m->next;
		forget_map(m);
	}
}

/* What a port answers whose user client is gone (UC destroyUserReferences 340); connect.lock held. */
static int32_t dead_code(const struct connect *c)
{
	return c->maps && !c->closed ? kIOReturnBadArgument : MACH_SEND_INVALID_DEST;
}

/* "pid 123, name" (UC is_io_service_open_extended, IOCopyLogNameForPID). */
static void name_creator(struct entry *client, pid_t pid)
{
	char path[32], name[64] = "", creator[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
	snprintf(creator, sizeof(creator), "pid %d, %s", pid, name);
	entry_set_string(client, "IOUserClientCreator", creator);
}

int32_t do_service_open(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *service = object_find(in->a[0], OBJ_ENTRY, NULL), *client;
	struct mw_msg m = {.op = MW_UP_NEW_USER_CLIENT, .a = {in->a[0], in->a[1]}};
	struct connect *connect;
	int32_t ret;

	if (!service)
		return MACH_SEND_INVALID_DEST;
	if (service->kind != ENTRY_SERVICE || service->inactive) {
		ret = service->kind == ENTRY_SERVICE ? kIOReturnOffline : kIOReturnUnsupported;
		object_unref(service);
		return ret;
	}
	if (!task_upcall(service->o.owner, &m, NULL, c->out)) {
		object_unref(service);
		return MIG_SERVER_DIED;
	}
	client = m.ret ? NULL : object_find(m.a[0], OBJ_ENTRY, service->o.owner);
	if (!client || client->kind != ENTRY_USER_CLIENT || client->provider != service || client->connect) {
		object_unref(client);
		object_unref(service);
		return m.ret ? m.ret : kIOReturnUnsupported;
	}
	object_unref(service);
	/* Entitlements are looked at once the dext's object exists; it is terminated then (US 4674). */
	if (!kernel.config.entitled || fault_refuse_open()) {
		user_client_stop(client);
		object_unref(client);
		return kIOReturnNotPermitted;
	}
	connect = connect_new(c->task, client);
	name_creator(client, c->task->pid);
	pthread_mutex_lock(&kernel.lock);
	client->connect = object_ref(connect);
	atomic_store(&connect->dead, client->inactive);
	pthread_mutex_unlock(&kernel.lock);
	ret = object_publish(&connect->o) ? kIOReturnSuccess : kIOReturnIPCError;
	out->a[0] = connect->o.id;
	if (ret)
		user_client_stop(client);
	object_unref(client);
	object_unref(connect);
	return ret;
}

static void stop_after_close(void *arg)
{
	struct connect *connect = arg;

	user_client_stop(connect->client);
	object_unref(connect);
}

int32_t do_service_close(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct connect *connect = object_find(in->a[0], OBJ_CONNECT, c->task);
	int32_t ret = kIOReturnSuccess;

	(void)out;
	if (!connect)
		return MACH_SEND_INVALID_DEST;
	pthread_rwlock_wrlock(&connect->lock);
	if (atomic_load(&connect->dead))
		ret = dead_code(connect);
	connect_shut(connect);
	pthread_rwlock_unlock(&connect->lock);
	object_withdraw(&connect->o);
	/* Close only starts termination: the dext's Stop comes after the answer (US IOUserUserClient::clientClose). */
	c->after = stop_after_close;
	c->after_arg = connect;
	return ret;
}

void connects_of_dead_client(struct task *t)
{
	void **all = object_all(OBJ_CONNECT, t);

	for (void **at = all; *at; at++) {
		struct connect *connect = *at;
		/* Waits for calls in progress, whose dext may take its time (iokit_client_died, UC 730). */
		pthread_rwlock_wrlock(&connect->lock);
		connect_shut(connect);
		pthread_rwlock_unlock(&connect->lock);
		user_client_stop(connect->client);
		object_withdraw(&connect->o);
		object_unref(connect);
	}
	free(all);
}

int32_t do_connect_service(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct connect *connect = object_find(in->a[0], OBJ_CONNECT, c->task);

	if (!connect)
		return MACH_SEND_INVALID_DEST;
	out->a[0] = connect->client->provider->o.id;
	object_unref(connect);
	return kIOReturnSuccess;
}

/* ---- calls ---- */

static void action_free(struct object *o)
{
	struct action *a = (struct action *)o;

	object_unref(a->connect);
	task_unref(a->client);
	free(a);
}

/* Listed; the dext's to release. NULL: the dext is dead. */
static struct action *action_new(struct connect *connect, const uint64_t *reference, unsigned n)
{
	struct action *a = calloc(1, sizeof(*a));

	object_init(&a->o, OBJ_ACTION, connect->client->o.owner, action_free);
	a->client = task_ref(connect->o.owner);
	a->connect = object_ref(connect);
	memcpy(a->reference, reference, n * sizeof(*reference));
	/* Slot 0 is the wake port: it tells the client's library where the completion goes. */
	if (object_publish(&a->o))
		return a;
	object_unref(a);
	return NULL;
}

/* An out-of-line structure: no copy, the dext gets the client's memory (KL; direction Out for input, In for output). */
static struct descriptor *out_of_line(struct connect *connect, uint64_t address, uint64_t bytes, uint32_t direction)
{
	uint64_t range[2] = {address, bytes};
	struct descriptor *d;
	int32_t ret;

	d = descriptor_from_client(connect->o.owner, connect->client->o.owner, direction, 1, range, &ret);
	if (d && direction == kIOMemoryDirectionIn) {
		d->copy_on_write = false;
		d->write_back = true;
	}
	if (d && descriptor_give_handle(d))
		return d;
	object_unref(d);
	return NULL;
}

struct call {
	unsigned scalars_in, scalars_out, references;
	uint64_t bytes_in, bytes_out;
	bool async, ool_in, ool_out, variable;
	const uint64_t *scalars, *reference;
	const uint8_t *structure;
};

static bool call_parse(struct conn *c, const struct mw_msg *in, struct call *call)
{
	uint64_t flags = in->a[6], inline_in, expected;

	*call = (struct call){.async = flags & MW_CALL_ASYNC,
			      .ool_in = flags & MW_CALL_OOL_IN,
			      .ool_out = flags & MW_CALL_OOL_OUT,
			      .variable = flags & MW_CALL_VAR_OUT,
			      .bytes_in = in->a[3],
			      .bytes_out = in->a[5]};
	if (in->a[2] > SCALARS_MAX || in->a[4] > SCALARS_MAX || in->a[7] > REFERENCE_MAX ||
	    (call->async && !in->a[7]) || (!call->ool_in && call->bytes_in > INLINE_MAX) ||
	    (!call->ool_out && !call->variable && call->bytes_out > INLINE_MAX))
		return false;
	call->scalars_in = in->a[2];
	call->scalars_out = in->a[4];
	call->references = in->a[7];
	inline_in = call->ool_in ? 0 : call->bytes_in;
	expected = call->scalars_in * 8 + (call->async ? REFERENCE_MAX * 8 : 0) + inline_in;
	if (in->len != expected)
		return false;
	call->scalars = (const uint64_t *)c->in_payload;
	call->reference = call->scalars + call->scalars_in;
	call->structure = (const uint8_t *)(call->reference + (call->async ? REFERENCE_MAX : 0));
	return true;
}

/* Turns the dext's answer into the client's; outputs travel only on success. */
static int32_t call_answer(struct conn *c, const struct call *call, const struct mw_msg *m, struct mw_msg *out)
{
	uint64_t scalars = m->a[0], bytes = m->a[1], room = call->ool_out ? 0 : call->bytes_out;

	if (m->ret)
		return m->ret;
	if (scalars > SCALARS_MAX || bytes > MW_MAX_PAYLOAD || m->len != scalars * 8 + bytes)
		return kIOReturnIPCError;
	if (!call->variable && bytes > room)
		return kIOReturnBadArgument; /* US 6224 */
	out->a[0] = scalars < call->scalars_out ? scalars : call->scalars_out;
	out->a[1] = call->ool_out ? call->bytes_out : bytes;
	memmove(c->out + out->a[0] * 8, c->out + scalars * 8, bytes);
	out->len = out->a[0] * 8 + bytes;
	return kIOReturnSuccess;
}

static int32_t call_locked(struct conn *c, struct connect *connect, uint64_t selector, const struct call *call,
			   struct mw_msg *out)
{
	struct task *dext = connect->client->o.owner;
	uint8_t payload[SCALARS_MAX * 8 + INLINE_MAX];
	struct descriptor *ool_in = NULL, *ool_out = NULL;
	struct action *action = NULL;
	uint64_t inline_in = call->ool_in ? 0 : call->bytes_in;
	struct mw_msg m = {.op = MW_UP_CALL,
			   .len = call->scalars_in * 8 + inline_in,
			   .a = {connect->client->o.id, selector, call->scalars_in, inline_in, call->scalars_out,
				 call->variable ? VARIABLE_OUTPUT : call->bytes_out}};
	int32_t ret = kIOReturnNoMemory;

	memcpy(payload, call->scalars, call->scalars_in * 8);
	memcpy(payload + call->scalars_in * 8, call->structure, inline_in);
	if (call->async) {
		action = action_new(connect, call->reference, call->references);
		m.a[6] = action ? action->o.id : 0;
	}
	if (call->ool_in) {
		ool_in = out_of_line(connect, c->in->a[8], call->bytes_in, kIOMemoryDirectionOut);
		m.a[7] = ool_in ? ool_in->o.id : 0;
	}
	if (call->ool_out) {
		ool_out = out_of_line(connect, c->in->a[9], call->bytes_out, kIOMemoryDirectionIn);
		m.a[8] = ool_out ? ool_out->o.id : 0;
	}
	if ((!call->async || action) && (!call->ool_in || ool_in) && (!call->ool_out || ool_out)) {
		bool alive = atomic_load(&dext->alive);
		/* A call in progress when the dext dies ends with -308; one that comes later finds no port. */
		if (task_upcall(dext, &m, payload, c->out))
			ret = call_answer(c, call, &m, out);
		else
			ret = alive ? MIG_SERVER_DIED : MACH_SEND_INVALID_DEST;
	}
	if (ool_out) {
		descriptor_write_back(ool_out);
		descriptor_drop_handle(ool_out);
		object_unref(ool_out);
	}
	if (ool_in) {
		descriptor_drop_handle(ool_in);
		object_unref(ool_in);
	}
	object_unref(action);
	return ret;
}

/* As if the dext had not come to it yet. connect.lock held. */
static void wait_while_held(const struct connect *connect, enum fault_hold hold, uint64_t which)
{
	while (fault_holds(hold, which, connect->client->function->config.bus) && !atomic_load(&connect->dead))
		usleep(1000);
}

int32_t do_call(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct connect *connect = object_find(in->a[0], OBJ_CONNECT, c->task);
	struct call call;
	int32_t ret;

	if (!connect)
		return MACH_SEND_INVALID_DEST;
	if (!call_parse(c, in, &call)) {
		object_unref(connect);
		return kIOReturnBadArgument;
	}
	pthread_rwlock_rdlock(&connect->lock);
	wait_while_held(connect, FAULT_HOLD_CALL, in->a[1]);
	if (atomic_load(&connect->dead) || connect->closed)
		ret = dead_code(connect);
	else
		ret = call_locked(c, connect, in->a[1], &call, out);
	pthread_rwlock_unlock(&connect->lock);
	object_unref(connect);
	return ret;
}

int32_t do_async(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct action *a = object_find(in->a[1], OBJ_ACTION, c->task);

	(void)out;
	/* More than 16 arguments are dropped without a word (IIG); a dead client is no error. */
	if (a && in->a[3] <= ASYNC_ARGS_MAX && in->len == in->a[3] * 8) {
		struct mw_msg m = {.op = MW_EV_ASYNC, .len = in->len};
		memcpy(m.a, a->reference, sizeof(a->reference));
		m.a[8] = in->a[2];
		m.a[9] = in->a[3];
		outbox_post(&a->client->outbox, &m, c->in_payload);
	}
	object_unref(a);
	return kIOReturnSuccess;
}

int32_t do_action_release(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct action *a = object_find(in->a[0], OBJ_ACTION, c->task);

	(void)out;
	if (a)
		object_withdraw(&a->o);
	object_unref(a);
	return kIOReturnSuccess;
}

/* ---- memory ---- */

/* Asks the dext for its descriptor of that type; a reference, and the dext's own given up. connect.lock held. */
static int32_t copy_memory(struct conn *c, struct connect *connect, uint64_t type, struct descriptor **d,
			   bool *read_only)
{
	struct task *dext = connect->client->o.owner;
	struct mw_msg m = {.op = MW_UP_COPY_MEMORY, .a = {connect->client->o.id, type}};

	if (!task_upcall(dext, &m, NULL, c->out))
		return MIG_SERVER_DIED;
	if (m.ret)
		return m.ret;
	*d = object_find(m.a[0], OBJ_DESCRIPTOR, dext);
	if (!*d)
		return kIOReturnBadArgument;
	descriptor_drop_handle(*d);
	*read_only = (m.a[1] & kIOUserClientMemoryReadOnly) || (*d)->direction == kIOMemoryDirectionOut;
	return kIOReturnSuccess;
}

static void note_bar(struct mapping_record *m, struct function *f)
{
	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < MACHINE_BARS; i++) {
		if (f->bars[i].descriptor != m->descriptor)
			continue;
		m->bar_of = f;
		m->bar = i;
		atomic_fetch_add(&f->bars[i].client_maps, 1);
		atomic_store(&f->bars[i].client_mapped, true);
	}
	pthread_mutex_unlock(&f->lock);
}

int32_t do_map(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct connect *connect = object_find(in->a[0], OBJ_CONNECT, c->task);
	struct descriptor *d = NULL;
	bool read_only = false;
	int32_t ret;

	if (!connect)
		return MACH_SEND_INVALID_DEST;
	pthread_rwlock_wrlock(&connect->lock);
	wait_while_held(connect, FAULT_HOLD_MAP, in->a[1]);
	if (atomic_load(&connect->dead) || connect->closed) {
		ret = dead_code(connect);
		goto out;
	}
	ret = copy_memory(c, connect, in->a[1], &d, &read_only);
	if (!ret)
		ret = descriptor_map(d, 0, 0, read_only, &c->send_fd, &out->a[2], &out->a[1]);
	if (ret) {
		/* Whatever the dext said (UC 4715). */
		if (ret != MIG_SERVER_DIED)
			ret = kIOReturnBadArgument;
		goto out;
	}
	struct mapping_record *m = calloc(1, sizeof(*m));
	*m = (struct mapping_record){
		.next = connect->maps, .cookie = connect->next_cookie++, .type = in->a[1], .descriptor = object_ref(d)};
	note_bar(m, connect->client->function);
	connect->maps = m;
	out->a[0] = m->cookie;
	out->a[3] = read_only;
	klog(connect->client->function->config.bdf, "process %d maps memory type 0x%llx, %llu bytes, cache mode %llu",
	     c->task->pid, (unsigned long long)in->a[1], (unsigned long long)out->a[1],
	     (unsigned long long)(in->a[2] >> 8 & 0xf));
out:
	pthread_rwlock_unlock(&connect->lock);
	object_unref(d);
	object_unref(connect);
	return ret;
}

int32_t do_unmap(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct connect *connect = object_find(in->a[0], OBJ_CONNECT, c->task);
	struct descriptor *d = NULL;
	struct mapping_record **at, *m;
	bool read_only;
	int32_t ret;

	(void)out;
	if (!connect)
		return MACH_SEND_INVALID_DEST;
	pthread_rwlock_wrlock(&connect->lock);
	if (atomic_load(&connect->dead) || connect->closed) {
		ret = dead_code(connect);
		goto out;
	}
	ret = copy_memory(c, connect, in->a[1], &d, &read_only);
	if (ret)
		goto out;
	/* Found again by descriptor and address: the dext must answer with the same descriptor (UC 4786). */
	for (at = &connect->maps; (m = *at); at = &m->next)
		if (m->cookie == in->a[2] && m->descriptor == d)
			break;
	if (m) {
		*at = m->next;
		forget_map(m);
	} else {
		ret = kIOReturnBadArgument;
	}
out:
	pthread_rwlock_unlock(&connect->lock);
	object_unref(d);
	object_unref(connect);
	return ret;
}

/* ---- the dext's side of a user client ---- */

int32_t do_create(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *service = object_find(in->a[0], OBJ_ENTRY, c->task), *e;
	char class[128];

	if (!service || service->kind != ENTRY_SERVICE) {
		object_unref(service);
		return kIOReturnBadArgument;
	}
	payload_string(c, class, sizeof(class));
	e = service->inactive ? NULL : entry_new(ENTRY_USER_CLIENT, c->task, class, service, service->function);
	object_unref(service);
	if (!e)
		return kIOReturnNotReady;
	entry_set_string(e, "IOClass", "IOUserUserClient");
	entry_set_string(e, "IOUserClass", class);
	out->a[0] = e->o.id;
	object_unref(e);
	return kIOReturnSuccess;
}

static uint32_t put_property(uint8_t *at, const char *key, uint32_t type, uint64_t value, const char *text)
{
	struct mw_property p = {.type = type, .key_bytes = strlen(key) + 1, .bits = 64, .value = value};

	p.value_bytes = text ? strlen(text) + 1 : 0;
	memcpy(at, &p, sizeof(p));
	memcpy(at + sizeof(p), key, p.key_bytes);
	if (text)
		memcpy(at + sizeof(p) + p.key_bytes, text, p.value_bytes);
	return (sizeof(p) + p.key_bytes + p.value_bytes + 7) & ~7u;
}

int32_t do_client_entitlements(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *e = object_find(in->a[0], OBJ_ENTRY, c->task);

	if (!e)
		return kIOReturnBadArgument;
	object_unref(e);
	memset(c->out, 0, 512);
	if (kernel.config.entitled)
		out->len += put_property(c->out + out->len, "com.apple.developer.driverkit.userclient-access",
					 MW_T_STRING, 0, kernel.config.dext_class);
	/* Added by the kernel for uid 0 (US 4674). */
	if (!getuid())
		out->len += put_property(c->out + out->len, "com.apple.developer.driverkit.administrator", MW_T_BOOL, 1,
					 NULL);
	return kIOReturnSuccess;
}
