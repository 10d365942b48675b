// SPDX-License-Identifier: GPL-2.0-or-later
/* irq.c - ConfigureInterrupts and IOInterruptDispatchSource. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

/* ---- which interrupts the nub has; function.lock held ---- */

bool pci_messaged(const struct function *f)
{
	return f->irq_vectors != 0;
}

static unsigned grantable(const struct function *f, unsigned capability)
{
	return f->config.irq_limit && f->config.irq_limit < capability ? f->config.irq_limit : capability;
}

static int32_t resolve_messaged(struct function *f, uint32_t type, unsigned required, unsigned requested)
{
	unsigned capability = type == kIOInterruptTypePCIMessaged ? f->msi_vectors : f->msix_vectors;
	unsigned at = type == kIOInterruptTypePCIMessaged ? f->msi : f->msix, granted = grantable(f, capability);

	if (!at)
		return kIOReturnBadArgument;
	if (granted < required)
		return kIOReturnNoSpace;
	f->irq_type = type;
	f->irq_first = f->legacy_resolved ? 1 : 0;
	f->irq_vectors = requested < granted ? requested : granted;
	if (type == kIOInterruptTypePCIMessagedX)
		f->space[at + 3] |= 0x80;
	else
		f->space[at + 2] |= 0x01;
	return kIOReturnSuccess;
}

/* Touching interrupts first freezes the default: the pin at index 0, one message behind it (PD 1855, PB 6157). */
static void freeze_default(struct function *f)
{
	if (f->irqs_configured)
		return;
	f->irqs_configured = true;
	f->legacy_resolved = f->intx;
	if (resolve_messaged(f, kIOInterruptTypePCIMessaged, 1, 1))
		resolve_messaged(f, kIOInterruptTypePCIMessagedX, 1, 1);
}

static bool index_type(struct function *f, uint64_t index, uint32_t *type)
{
	freeze_default(f);
	if (f->legacy_resolved && index == 0)
		*type = kIOInterruptTypeLevel;
	else if (index >= f->irq_first && index - f->irq_first < f->irq_vectors)
		*type = f->irq_type;
	else
		return false;
	return true;
}

int32_t do_pci_configure_irqs(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	uint64_t type = in->a[1], required = in->a[2], requested = in->a[3];
	struct function *f;
	int32_t ret = kIOReturnBadArgument;

	(void)out;
	if (!required || !requested || required > requested || requested > FUNCTION_VECTORS || in->a[4])
		return kIOReturnBadArgument;
	f = pci_lock_nub(c, in->a[0]);
	if (!f)
		return kIOReturnNoDevice;
	if (f->irqs_configured) {
		/* One-shot: only what the present allocation satisfies succeeds, across dext restarts (PD 1886). */
		bool same = type == kIOInterruptTypeLevel ? f->legacy_resolved
							  : f->irq_type == type && f->irq_vectors >= required;
		ret = same ? kIOReturnSuccess : kIOReturnUnsupported;
	} else if (type == kIOInterruptTypeLevel) {
		ret = f->intx ? kIOReturnSuccess : kIOReturnUnsupported;
		f->legacy_resolved = f->irqs_configured = f->intx;
	} else if (type == kIOInterruptTypePCIMessaged || type == kIOInterruptTypePCIMessagedX) {
		if (type == kIOInterruptTypePCIMessaged) {
			uint64_t power = 1;
			while (power < requested)
				power <<= 1;
			requested = power;
		}
		ret = resolve_messaged(f, type, required, requested);
		f->irqs_configured = !ret;
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

/* ---- delivery; function.lock held ---- */

static void library_ready(struct upcall *u, const struct mw_msg *answer, const void *payload);

static bool level_asserted(const struct source *s)
{
	const struct function *f = s->function;

	return s->type == kIOInterruptTypeLevel && f->intx_level && f->present && !(f->space[5] & 4);
}

/* At most one delivery is with the library; what comes meanwhile is counted and coalesces (US 1448). */
static void deliver(struct source *s)
{
	struct mw_msg m = {.op = MW_UP_INTERRUPT};

	if (!s->enabled || s->outstanding || s->cancelled)
		return;
	/* A level is looked at when it can be delivered; it leaves nothing behind when it falls. */
	if (level_asserted(s)) {
		s->pending = 1;
		s->total++;
		s->pending_time = now_ns();
	}
	if (!s->pending)
		return;
	m.a[0] = s->o.id;
	m.a[1] = s->pending;
	m.a[2] = s->pending_time;
	s->last_time = s->pending_time;
	s->pending = 0;
	s->outstanding = true;
	s->upcall.done = library_ready;
	object_ref(s);
	task_upcall_async(s->o.owner, &m, NULL, &s->upcall);
}

static void library_ready(struct upcall *u, const struct mw_msg *answer, const void *payload)
{
	struct source *s = (struct source *)((char *)u - offsetof(struct source, upcall));

	(void)payload;
	if (answer) {
		pthread_mutex_lock(&s->function->lock);
		s->outstanding = false;
		deliver(s);
		pthread_mutex_unlock(&s->function->lock);
	}
	object_unref(s);
}

void irq_raise(struct function *f, unsigned index)
{
	for (struct source *s = f->sources; s; s = s->next) {
		if (s->index != index)
			continue;
		/* A masked vector latches one. */
		if (s->enabled || !s->pending) {
			s->pending++;
			s->total++;
		}
		s->pending_time = now_ns();
		deliver(s);
	}
}

void irq_level_changed(struct function *f)
{
	for (struct source *s = f->sources; s; s = s->next)
		if (s->type == kIOInterruptTypeLevel)
			deliver(s);
}

/* ---- sources ---- */

static void unlink_source(struct source *s)
{
	struct source **at = &s->function->sources;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
}

static void source_free(struct object *o)
{
	free(o);
}

static void source_shut(struct source *s)
{
	pthread_mutex_lock(&s->function->lock);
	s->enabled = false;
	s->cancelled = true;
	unlink_source(s);
	pthread_mutex_unlock(&s->function->lock);
}

void irq_release_all(struct task *t)
{
	void **all = object_all(OBJ_SOURCE, t);

	for (void **at = all; *at; at++) {
		source_shut(*at);
		object_withdraw(*at);
		object_unref(*at);
	}
	free(all);
}

int32_t do_irq_create(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	struct source *s;
	uint32_t type;

	if (!f)
		return kIOReturnNoDevice;
	if (!index_type(f, in->a[1], &type)) {
		pthread_mutex_unlock(&f->lock);
		return kIOReturnNoInterrupt;
	}
	for (s = f->sources; s && s->index != in->a[1]; s = s->next)
		;
	if (s) { /* a handler is registered already */
		pthread_mutex_unlock(&f->lock);
		return kIOReturnNoResources;
	}
	s = calloc(1, sizeof(*s));
	object_init(&s->o, OBJ_SOURCE, c->task, source_free);
	s->function = f;
	s->index = in->a[1];
	s->type = type;
	if (object_publish(&s->o)) {
		s->next = f->sources;
		f->sources = s;
	}
	out->a[0] = s->o.id;
	pthread_mutex_unlock(&f->lock);
	object_unref(s);
	return kIOReturnSuccess;
}

int32_t do_irq_type(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	uint32_t type = 0;
	bool ok;

	if (!f)
		return kIOReturnNoDevice;
	ok = index_type(f, in->a[1], &type);
	out->a[0] = type;
	pthread_mutex_unlock(&f->lock);
	return ok ? kIOReturnSuccess : kIOReturnNoInterrupt;
}

int32_t do_irq_enable(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct source *s = object_find(in->a[0], OBJ_SOURCE, c->task);
	int32_t ret = kIOReturnUnsupported; /* after Cancel */

	(void)out;
	if (!s)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&s->function->lock);
	if (!s->cancelled) {
		s->enabled = in->a[1] != 0;
		deliver(s);
		ret = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&s->function->lock);
	object_unref(s);
	return ret;
}

int32_t do_irq_cancel(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct source *s = object_find(in->a[0], OBJ_SOURCE, c->task);
	struct mw_msg m = {.op = MW_UP_CANCELLED, .a = {in->a[0]}};

	(void)out;
	if (!s)
		return kIOReturnBadArgument;
	source_shut(s);
	outbox_post(&c->task->outbox, &m, NULL);
	object_unref(s);
	return kIOReturnSuccess;
}

int32_t do_irq_last(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct source *s = object_find(in->a[0], OBJ_SOURCE, c->task);

	if (!s)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&s->function->lock);
	out->a[0] = s->total;
	out->a[1] = s->last_time;
	pthread_mutex_unlock(&s->function->lock);
	object_unref(s);
	return kIOReturnSuccess;
}

int32_t do_irq_release(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct source *s = object_find(in->a[0], OBJ_SOURCE, c->task);

	(void)out;
	if (s) {
		source_shut(s);
		object_withdraw(&s->o);
	}
	object_unref(s);
	return kIOReturnSuccess;
}
