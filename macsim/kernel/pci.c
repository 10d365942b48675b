// SPDX-License-Identifier: GPL-2.0-or-later
/* pci.c - what IOPCIDevice gives a dext: the session, configuration space, BARs and reset. */
#include "faults.h"
#include "kernel.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMMAND          0x04
#define COMMAND_MEMORY   0x0002
#define COMMAND_MASTER   0x0004
#define COMMAND_INTX_OFF 0x0400
#define ALL_ONES         (~0ull)
#define FLR_WAIT_NS      100000000ull /* completeFLR, PD */
#define HOT_RESET_NS     100000000ull /* secondary bus reset, PB 7360 */
#define LINK_UP_NS       100000000ull /* after the link is up again */

static void sleep_ns(uint64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	while (nanosleep(&t, &t) < 0)
		;
}

struct function *pci_lock_nub(struct conn *c, uint64_t nub)
{
	struct function *f = host_function(c->task->host);

	pthread_mutex_lock(&f->lock);
	if (f->nub && f->nub->o.id == nub)
		return f;
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static uint16_t command_of(const struct function *f)
{
	uint16_t v;

	memcpy(&v, f->space + COMMAND, 2);
	return v;
}

static void set_command(struct function *f, uint16_t v)
{
	memcpy(f->space + COMMAND, &v, 2);
}

/* ---- the session ---- */

int32_t do_pci_open(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *opener = object_find(in->a[1], OBJ_ENTRY, c->task);
	struct function *f = pci_lock_nub(c, in->a[0]);
	int32_t ret = kIOReturnNotOpen;

	if (!opener) {
		if (f)
			pthread_mutex_unlock(&f->lock);
		return kIOReturnBadArgument;
	}
	if (!f) {
		object_unref(opener);
		return kIOReturnError; /* inactive nub (PD _ManageSession 3099) */
	}
	/* Exclusive, and refused with this code whoever has it, the caller included (SV handleOpen). */
	if (!f->open_by) {
		f->open_by = opener->o.id;
		f->open_task = c->task;
		out->a[0] = f->nr_memory;
		ret = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&f->lock);
	object_unref(opener);
	return ret;
}

void pci_close(struct function *f, uint64_t opener)
{
	pthread_mutex_lock(&f->lock);
	if (f->open_by && f->open_by == opener) {
		/* The saved configuration is cleared too: a reset does not bring these bits back (PD handleClose 2194).
		 */
		set_command(f, command_of(f) & ~(COMMAND_MEMORY | COMMAND_MASTER));
		f->open_by = 0;
		f->open_task = NULL;
		f->reset_before_start = true;
		klog(f->config.bdf, "session closed, bus master and memory space off");
	}
	pthread_mutex_unlock(&f->lock);
}

int32_t do_pci_close(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct entry *opener = object_find(in->a[1], OBJ_ENTRY, c->task);

	(void)out;
	if (opener)
		pci_close(host_function(c->task->host), opener->o.id);
	object_unref(opener);
	return opener ? kIOReturnSuccess : kIOReturnBadArgument;
}

/* ---- configuration space ---- */

static bool config_reachable(const struct function *f, uint64_t offset, uint64_t bytes)
{
	return f->present && f->open_by && !f->in_reset && (bytes == 1 || bytes == 2 || bytes == 4) &&
	       offset % bytes == 0 && offset < sizeof(f->space);
}

int32_t do_pci_config_read(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);

	out->a[0] = ALL_ONES;
	if (!f)
		return kIOReturnSuccess;
	if (config_reachable(f, in->a[1], in->a[2])) {
		out->a[0] = 0;
		memcpy(&out->a[0], f->space + in->a[1], in->a[2]);
	}
	pthread_mutex_unlock(&f->lock);
	return kIOReturnSuccess;
}

static void config_write(struct function *f, unsigned at, unsigned bytes, uint64_t value)
{
	uint16_t before = command_of(f), after;

	for (unsigned i = 0; i < bytes; i++) {
		uint8_t mask = f->writable[at + i];
		f->space[at + i] = (f->space[at + i] & ~mask) | (value >> 8 * i & mask);
	}
	/* The kernel owns BAR addresses and the MSI and MSI-X capabilities; a dext that writes there is wrong. */
	if ((at >= 0x10 && at < 0x34) || (f->msi && at >= f->msi && at < f->msi + 24) ||
	    (f->msix && at >= f->msix && at < f->msix + 12))
		klog(f->config.bdf, "configuration write of 0x%llx at 0x%x ignored: the kernel owns that register",
		     (unsigned long long)value, at);
	after = command_of(f);
	if (before != after) {
		irq_level_changed(f);
		function_kick(f);
	}
}

/* Initiate FLR in Device Control, written by the dext: no save, no restore, no wait. */
static bool starts_flr(const struct function *f, unsigned at, unsigned bytes, uint64_t value)
{
	return f->pcie && f->space[f->pcie + 7] & 0x10 && at <= f->pcie + 9 && at + bytes > f->pcie + 9 &&
	       value >> 8 * (f->pcie + 9 - at) & 0x80;
}

int32_t do_pci_config_write(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);

	(void)out;
	if (!f)
		return kIOReturnSuccess; /* writes vanish */
	if (config_reachable(f, in->a[1], in->a[2])) {
		config_write(f, in->a[1], in->a[2], in->a[3]);
		if (starts_flr(f, in->a[1], in->a[2], in->a[3])) {
			set_command(f, 0);
			f->flr_resets++;
			function_restart(f, SIM_RESET_FLR);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return kIOReturnSuccess;
}

/* ---- BARs ---- */

static struct bar *bar_by_memory_index(struct function *f, uint64_t index)
{
	for (unsigned i = 0; i < MACHINE_BARS; i++)
		if (bar_assigned(&f->bars[i]) && f->bars[i].memory_index == index)
			return &f->bars[i];
	return NULL;
}

int32_t do_pci_bar_fd(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	int32_t ret = kIOReturnNotOpen;

	if (!f)
		return kIOReturnError;
	if (f->open_task == c->task) {
		struct bar *b = bar_by_memory_index(f, in->a[1]);
		ret = kIOReturnNotFound;
		if (b && b->mode == BAR_MAPPED) {
			c->send_fd = fcntl(backing_fd(b->backing), F_DUPFD_CLOEXEC, 0);
			out->a[1] = b->size;
			ret = c->send_fd < 0 ? kIOReturnNoMemory : kIOReturnSuccess;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

int32_t do_pci_bar_info(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	int32_t ret = kIOReturnNotFound;

	if (!f)
		return kIOReturnError;
	if (in->a[1] >= MACHINE_BARS) {
		ret = kIOReturnBadArgument;
	} else if (!f->nr_memory) {
		ret = kIOReturnError; /* the nub has no IODeviceMemory (PD GetBARInfo) */
	} else if (bar_assigned(&f->bars[in->a[1]])) {
		struct bar *b = &f->bars[in->a[1]];
		out->a[0] = b->memory_index;
		out->a[1] = b->size;
		out->a[2] = b->type;
		ret = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

static int32_t find_memory(struct function *f, const struct conn *c, const struct mw_msg *in, unsigned bytes,
			   uint8_t **at)
{
	struct bar *b;

	if (f->open_task != c->task)
		return kIOReturnNotOpen;
	b = bar_by_memory_index(f, in->a[1]);
	if (!b || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8))
		return kIOReturnBadArgument;
	/* Through the kernel the bounds are checked (PD 3176). */
	if (in->a[2] > b->size || b->size - in->a[2] < bytes)
		return kIOReturnOverrun;
	if (in->a[2] % bytes)
		return kIOReturnBadArgument;
	*at = b->memory + in->a[2];
	return kIOReturnSuccess;
}

int32_t do_pci_memory_read(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	uint8_t *at;
	int32_t ret;

	out->a[0] = ALL_ONES;
	if (!f)
		return kIOReturnSuccess;
	ret = find_memory(f, c, in, in->a[3], &at);
	if (!ret && function_decodes_memory(f)) {
		switch (in->a[3]) {
		case 1:
			out->a[0] = __atomic_load_n(at, __ATOMIC_ACQUIRE);
			break;
		case 2:
			out->a[0] = __atomic_load_n((uint16_t *)at, __ATOMIC_ACQUIRE);
			break;
		case 4:
			out->a[0] = sim_load32(at);
			break;
		default:
			out->a[0] = sim_load64(at);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

int32_t do_pci_memory_write(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	uint8_t *at;
	int32_t ret;

	(void)out;
	if (!f)
		return kIOReturnSuccess;
	ret = find_memory(f, c, in, in->a[3], &at);
	if (!ret && function_decodes_memory(f)) {
		switch (in->a[3]) {
		case 1:
			__atomic_store_n(at, in->a[4], __ATOMIC_RELEASE);
			break;
		case 2:
			__atomic_store_n((uint16_t *)at, in->a[4], __ATOMIC_RELEASE);
			break;
		case 4:
			sim_store32(at, in->a[4]);
			break;
		default:
			sim_store64(at, in->a[4]);
		}
		f->model->poll((struct sim_function *)f);
		function_kick(f);
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

int32_t do_pci_copy_memory(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);
	struct descriptor *d = NULL, *old = NULL;
	struct bar *b;
	int32_t ret = kIOReturnSuccess;

	if (!f)
		return kIOReturnNotOpen;
	b = bar_by_memory_index(f, in->a[1]);
	if (f->open_task != c->task || f->open_by != in->a[2])
		ret = kIOReturnNotOpen;
	else if (in->a[1] > 6)
		ret = kIOReturnBadArgument;
	else if (!b)
		ret = kIOReturnUnsupported;
	else if (b->mode == BAR_TRAPPED)
		ret = kIOReturnError; /* no-user-memory-mapping */
	if (!ret) {
		/* The device's one IODeviceMemory object, every time. */
		if (!b->descriptor || b->descriptor->o.owner != c->task) {
			old = b->descriptor;
			b->descriptor =
				descriptor_from_backing(b->backing, b->size, c->task, true, kIOMemoryDirectionInOut);
		}
		d = object_ref(b->descriptor);
	}
	pthread_mutex_unlock(&f->lock);
	object_unref(old);
	if (!d)
		return ret;
	if (!descriptor_give_handle(d))
		ret = kIOReturnNotReady;
	out->a[0] = d->o.id;
	object_unref(d);
	return ret;
}

int32_t do_pci_bdf(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);

	if (!f)
		return kIOReturnError;
	out->a[0] = f->config.bus;
	out->a[1] = f->config.device;
	out->a[2] = f->config.function;
	pthread_mutex_unlock(&f->lock);
	return kIOReturnSuccess;
}

/* ---- reset ---- */

static bool supports_flr(const struct function *f)
{
	return f->pcie && f->space[f->pcie + 7] & 0x10;
}

/* One function through a reset; configuration space is saved and restored around it (PD resetFunction). */
static void begin_reset(struct function *f)
{
	pthread_mutex_lock(&f->lock);
	f->in_reset = true;
	pthread_mutex_unlock(&f->lock);
}

static void end_reset(struct function *f, enum sim_reset kind)
{
	pthread_mutex_lock(&f->lock);
	if (f->present) {
		function_restart(f, kind);
		if (kind == SIM_RESET_FLR)
			f->flr_resets++;
		else
			f->hot_resets++;
	}
	f->in_reset = false;
	function_kick(f);
	pthread_mutex_unlock(&f->lock);
}

static int32_t reset_function(struct function *f)
{
	if (!supports_flr(f))
		return kIOReturnUnsupported;
	begin_reset(f);
	sleep_ns(FLR_WAIT_NS);
	end_reset(f, SIM_RESET_FLR);
	return kIOReturnSuccess;
}

/* Everything below the bridge goes through a hot reset together. */
static int32_t reset_bus(struct function *f)
{
	bool link_fails = fault_link_fails();

	for (unsigned i = 0; i < nr_functions; i++)
		if (functions[i]->config.bus == f->config.bus)
			begin_reset(functions[i]);
	sleep_ns(HOT_RESET_NS);
	if (!link_fails)
		sleep_ns(LINK_UP_NS);
	for (unsigned i = 0; i < nr_functions; i++) {
		struct function *sibling = functions[i];
		if (sibling->config.bus != f->config.bus)
			continue;
		end_reset(sibling, SIM_RESET_HOT);
		if (link_fails)
			host_unplug(sibling->host);
	}
	return link_fails ? kIOReturnTimeout : kIOReturnSuccess;
}

int32_t pci_reset(struct function *f, uint32_t type, uint32_t options)
{
	int32_t ret;

	/* Warm resets need a bridge that offers them; one type at a time (PB 7360). */
	if (type != kIOPCIDeviceResetTypeHot && type != kIOPCIDeviceResetTypeFunction)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&f->resetting);
	ret = type == kIOPCIDeviceResetTypeFunction ? reset_function(f) : reset_bus(f);
	pthread_mutex_unlock(&f->resetting);
	/* The nub goes and is probed again, after the answer. */
	if (!ret && (options & kIOPCIDeviceResetOptionTerminate))
		host_replug(f->host);
	return ret;
}

int32_t do_pci_reset(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = pci_lock_nub(c, in->a[0]);

	(void)out;
	if (!f)
		return kIOReturnNoDevice;
	pthread_mutex_unlock(&f->lock);
	return pci_reset(f, in->a[1], in->a[2]);
}

void pci_crash_recovery(struct function *f, uint64_t service)
{
	bool open;

	pthread_mutex_lock(&f->lock);
	/* Skipped when the session belongs to another object than the service (PD ClientCrashed_Impl). */
	open = f->present && f->open_by == service;
	if (open) {
		set_command(f, command_of(f) & ~(COMMAND_MEMORY | COMMAND_MASTER));
		klog(f->config.bdf, "its driver crashed: bus master and memory space off, reset");
	} else if (f->present) {
		klog(f->config.bdf, "its driver crashed without a session of its own: no recovery");
	}
	pthread_mutex_unlock(&f->lock);
	if (open && pci_reset(f, kIOPCIDeviceResetTypeFunction, 0))
		pci_reset(f, kIOPCIDeviceResetTypeHot, 0);
	pci_close(f, service);
	if (open) {
		pthread_mutex_lock(&f->lock);
		f->reset_before_start = false;
		pthread_mutex_unlock(&f->lock);
	}
}
