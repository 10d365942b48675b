// SPDX-License-Identifier: GPL-2.0-or-later
/* function.c - a PCI function and the model behind it: everything model.h promises. */
#include "kernel.h"

#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define POLL_FIRST_NS       20000ull
#define POLL_ACTIVE_NS      200000ull   /* longest sleep shortly after activity */
#define POLL_ACTIVE_SPAN_NS 50000000ull /* what shortly means */
#define POLL_IDLE_NS        20000000ull

struct function *functions[MACHINE_FUNCTIONS_MAX];
unsigned nr_functions;

/* ---- models ---- */

#define MODELS_MAX 32
static const struct sim_model *models[MODELS_MAX];
static unsigned nr_models;

void sim_register_model(const struct sim_model *m)
{
	if (nr_models < MODELS_MAX)
		models[nr_models++] = m;
}

static const struct sim_model *model_named(const char *name)
{
	for (unsigned i = 0; i < nr_models; i++)
		if (!strcmp(models[i]->name, name))
			return models[i];
	return NULL;
}

/* ---- what a model asks of its function ---- */

static struct function *of(struct sim_function *f)
{
	return (struct function *)f;
}

static struct sim_function *for_model(struct function *f)
{
	return (struct sim_function *)f;
}

void sim_fail(struct sim_function *sf, const char *fmt, ...)
{
	struct function *f = of(sf);
	va_list ap;

	if (f->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(f->failure, sizeof(f->failure), fmt, ap);
	va_end(ap);
	f->failed = true;
}

void sim_log(struct sim_function *sf, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	klog(of(sf)->config.bdf, "%s: %s", of(sf)->model->name, text);
}

void *sim_state(struct sim_function *f)
{
	return of(f)->state;
}

const char *sim_option(struct sim_function *sf, const char *key)
{
	return machine_value(of(sf)->machine, of(sf)->config.section, key);
}

static void bad_option(struct sim_function *sf, const char *key, const char *text, const char *wanted)
{
	sim_fail(sf, "%s: %s=%s must be %s", machine_place(of(sf)->machine, of(sf)->config.section, key), key, text,
		 wanted);
}

uint64_t sim_option_size(struct sim_function *f, const char *key, uint64_t def)
{
	const char *text = sim_option(f, key);

	if (text && !machine_parse_size(text, &def))
		bad_option(f, key, text, "a number (decimal or 0x, with K, M or G)");
	return def;
}

bool sim_option_bool(struct sim_function *f, const char *key, bool def)
{
	const char *text = sim_option(f, key);

	if (text && !machine_parse_bool(text, &def))
		bad_option(f, key, text, "yes or no");
	return def;
}

void *sim_bar(struct sim_function *f, unsigned index)
{
	return index < MACHINE_BARS ? of(f)->bars[index].memory : NULL;
}

uint64_t sim_now_ns(void)
{
	return now_ns();
}

static bool may_interrupt(struct function *f)
{
	return f->present && !f->in_reset;
}

void sim_msi(struct sim_function *sf, unsigned vector)
{
	struct function *f = of(sf);

	/* A message is a write of the device: it needs bus master, and a vector the platform granted. */
	if (!may_interrupt(f) || !(f->space[4] & 4) || !pci_messaged(f))
		return;
	if (vector < FUNCTION_VECTORS) {
		f->vector_count[vector]++;
		f->interrupts++;
	}
	/* MSI takes the low bits of the vector modulo what it got; MSI-X entries beyond stay masked. */
	if (f->irq_type == kIOInterruptTypePCIMessaged)
		vector %= f->irq_vectors;
	if (vector < f->irq_vectors)
		irq_raise(f, f->irq_first + vector);
}

void sim_intx(struct sim_function *sf, bool level)
{
	struct function *f = of(sf);

	if (f->intx_level == level || !f->intx)
		return;
	f->intx_level = level;
	f->space[6] = (f->space[6] & ~8) | level << 3;
	if (level && may_interrupt(f) && !(f->space[5] & 4)) {
		f->vector_count[0]++;
		f->interrupts++;
	}
	irq_level_changed(f);
}

/* ---- power, plug and unplug ---- */

void function_fill_bars(struct function *f, int byte)
{
	for (unsigned i = 0; i < MACHINE_BARS; i++)
		if (f->bars[i].backing)
			memset(f->bars[i].memory, byte, f->bars[i].size);
}

/* New memory at the old place: models keep their pointers, old client mappings keep the old memory. */
static bool renew_bars(struct function *f)
{
	for (unsigned i = 0; i < MACHINE_BARS; i++) {
		struct bar *b = &f->bars[i];
		if (!b->size)
			continue;
		struct backing *fresh = backing_new("macsim-bar", b->size);
		if (!fresh || mmap(b->memory, b->size, PROT_READ | PROT_WRITE, MAP_SHARED | (b->memory ? MAP_FIXED : 0),
				   backing_fd(fresh), 0) != b->memory) {
			backing_unref(fresh);
			return false;
		}
		backing_unref(b->backing);
		b->backing = fresh;
		if (b->descriptor)
			object_unref(b->descriptor);
		b->descriptor = NULL;
	}
	return true;
}

void function_kick(struct function *f)
{
	f->kicked = true;
	pthread_cond_signal(&f->kick);
}

void function_restart(struct function *f, enum sim_reset kind)
{
	function_fill_bars(f, 0);
	f->intx_level = false;
	f->space[6] &= ~8;
	for (unsigned i = 0; i < f->msix_vectors; i++)
		f->bars[f->msix_bar].memory[f->msix_table + 16 * i + 12] = 1; /* masked */
	f->model->reset(for_model(f), kind);
	function_kick(f);
}

/* Entry of "reg" and "assigned-addresses", in the order of 64-bit Arm (IOPCIDevice.h, struct IOPCIPhysicalAddress). */
struct physical_address {
	uint32_t space, low, high, length_low, length_high;
};

static struct physical_address address_of_bar(const struct function *f, unsigned index)
{
	const struct bar *b = &f->bars[index];
	uint32_t register_number = index == 6 ? 0x30 : 0x10 + 4 * index;

	return (struct physical_address){
		.space = 2u << 24 | (uint32_t)(b->type & 8) << 27 | (uint32_t)f->config.bus << 16 |
			 (uint32_t)f->config.device << 11 | (uint32_t)f->config.function << 8 | register_number,
		.length_low = (uint32_t)b->size,
		.length_high = b->size >> 32,
	};
}

/*
 * "reg" tells what every BAR asks for, "assigned-addresses" what those got that
 * have an address; without any the property is missing
 * (IOPCIConfigurator::constructAddressingProperties).
 */
static void publish_addresses(struct function *f, struct entry *nub)
{
	struct physical_address reg[1 + MACHINE_BARS] = {{0}}, assigned[MACHINE_BARS];
	unsigned nr_reg = 1, nr_assigned = 0;

	reg[0].space = address_of_bar(f, 0).space & 0x00ffff00;
	for (unsigned i = 0; i < MACHINE_BARS; i++) {
		if (!f->bars[i].size)
			continue;
		reg[nr_reg] = address_of_bar(f, i);
		if (bar_assigned(&f->bars[i])) {
			assigned[nr_assigned] = reg[nr_reg];
			assigned[nr_assigned].space |= 1u << 31;
			assigned[nr_assigned].low = (uint32_t)f->bars[i].address;
			assigned[nr_assigned++].high = f->bars[i].address >> 32;
		}
		nr_reg++;
	}
	entry_set_data(nub, "reg", reg, nr_reg * sizeof(*reg));
	if (nr_assigned)
		entry_set_data(nub, "assigned-addresses", assigned, nr_assigned * sizeof(*assigned));
	entry_set_bool(nub, "IOPCIResourced", true);
}

static void publish_place(struct function *f, struct entry *nub)
{
	const uint8_t nothing = 0;
	uint16_t status;
	uint32_t capabilities;
	char place[16];

	snprintf(place, sizeof(place), "%u:%u:%u", f->config.bus, f->config.device, f->config.function);
	entry_set_string(nub, "pcidebug", place);
	if (f->config.built_in)
		entry_set_data(nub, "built-in", &nothing, 1);
	else
		entry_set_bool(nub, "IOPCITunnelled", true);
	if (!f->pcie)
		return;
	/* PB 2996-3005 */
	memcpy(&capabilities, f->template + f->pcie + 0x0c, 4);
	memcpy(&status, f->template + f->pcie + 0x12, 2);
	entry_set_number(nub, "IOPCIExpressLinkCapabilities", capabilities);
	entry_set_number(nub, "IOPCIExpressLinkStatus", status);
}

void function_publish(struct function *f)
{
	char name[32];
	uint16_t ids[4];
	struct entry *nub;

	pthread_mutex_lock(&f->lock);
	memcpy(f->space, f->template, sizeof(f->space));
	memcpy(ids, f->space, 4);
	memcpy(ids + 2, f->space + 0x2c, 4);
	if (!renew_bars(f))
		klog(f->config.bdf, "no memory for new BARs");
	f->irqs_configured = f->legacy_resolved = false;
	f->irq_vectors = 0;
	f->open_by = 0;
	f->open_task = NULL;
	f->reset_before_start = false;
	function_restart(f, SIM_RESET_POWER);
	f->present = true;
	pthread_mutex_unlock(&f->lock);

	snprintf(name, sizeof(name), "pci%x,%x", ids[0], ids[1]);
	nub = entry_new(ENTRY_NUB, NULL, name, NULL, f);
	/* Registers' values as data, as IOPCIFamily publishes them. */
	uint32_t vendor = ids[0], device = ids[1], sub_vendor = ids[2], sub = ids[3], revision = f->template[8];
	uint32_t class_code = f->template[9] | f->template[10] << 8 | f->template[11] << 16;
	entry_set_data(nub, "vendor-id", &vendor, 4);
	entry_set_data(nub, "device-id", &device, 4);
	entry_set_data(nub, "subsystem-vendor-id", &sub_vendor, 4);
	entry_set_data(nub, "subsystem-id", &sub, 4);
	entry_set_data(nub, "revision-id", &revision, 4);
	entry_set_data(nub, "class-code", &class_code, 4);
	entry_set_string(nub, "IOClass", "IOPCIDevice");
	entry_set_string(nub, "IOName", name);
	publish_place(f, nub);
	publish_addresses(f, nub);
	/* PB 4431-4458. The unit of the window is not published; bytes are this kernel's choice. */
	entry_set_number(nub, "IOPCIDeviceMapperPageSize", f->mapper->dart.config.page);
	entry_set_number(nub, "IOPCIDeviceMemoryMapBase", f->mapper->dart.config.base);
	/* As from the device tree: a phandle for each mapper, as data (IOMapper.cpp copyMapperForDeviceWithIndex). */
	entry_set_data(nub, "iommu-parent", &f->mapper->phandle, sizeof(f->mapper->phandle));
	entry_set_number(nub, "IOPCIDeviceMemoryMapSize", f->mapper->dart.config.size);
	pthread_mutex_lock(&kernel.lock);
	nub->started = true;
	pthread_mutex_unlock(&kernel.lock);
	pthread_mutex_lock(&f->lock);
	f->nub = nub;
	pthread_mutex_unlock(&f->lock);
	entry_register(nub);
	if (strcmp(f->config.driver, "dext") && strcmp(f->config.driver, "none"))
		f->kernel_driver = entry_new_kernel(f->config.driver, NULL, nub, f);
}

void function_unplug(struct function *f)
{
	struct entry *nub;

	pthread_mutex_lock(&f->lock);
	nub = f->nub;
	f->nub = NULL;
	f->present = false;
	/* Loads of a vanished device give all ones; mappings show that from now on. */
	function_fill_bars(f, 0xff);
	pthread_mutex_unlock(&f->lock);
	if (!nub)
		return;
	if (f->kernel_driver) {
		entry_make_inactive(f->kernel_driver);
		entry_forget(f->kernel_driver);
		object_unref(f->kernel_driver);
		f->kernel_driver = NULL;
	}
	entry_make_inactive(nub);
	entry_forget(nub);
	object_unref(nub);
}

struct function *function_named(const char *bdf)
{
	for (unsigned i = 0; i < nr_functions; i++)
		if (!strcmp(functions[i]->config.bdf, bdf))
			return functions[i];
	return NULL;
}

/* ---- the device's own time ---- */

bool function_decodes_memory(struct function *f)
{
	return f->present && !f->in_reset && f->open_by && (f->space[4] & 2);
}

static void sleep_until(struct function *f, uint64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	while (!f->kicked && !f->stop_polling && pthread_cond_timedwait(&f->kick, &f->lock, &t) == 0)
		;
}

static void *poll_device(void *arg)
{
	struct function *f = arg;
	uint64_t pause = POLL_FIRST_NS, active = 0;

	pthread_mutex_lock(&f->lock);
	while (!f->stop_polling) {
		if (!function_decodes_memory(f)) {
			f->kicked = false;
			pthread_cond_wait(&f->kick, &f->lock);
			continue;
		}
		f->kicked = false;
		if (f->model->poll(for_model(f))) {
			active = now_ns();
			pause = POLL_FIRST_NS;
			pthread_mutex_unlock(&f->lock);
			sched_yield();
			pthread_mutex_lock(&f->lock);
			continue;
		}
		uint64_t now = now_ns();
		uint64_t longest = now - active < POLL_ACTIVE_SPAN_NS ? POLL_ACTIVE_NS : POLL_IDLE_NS;
		sleep_until(f, now + pause);
		pause = pause * 2 < longest ? pause * 2 : longest;
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- creation ---- */

static bool refuse(struct function *f, char *err, size_t err_size)
{
	snprintf(err, err_size, "%s (%s): %s", f->config.bdf, f->config.model, f->failure);
	return false;
}

#define FIRST_PHANDLE 0x60

static struct mapper mappers[MACHINE_FUNCTIONS_MAX];
static unsigned nr_mappers;

/* The one of that name, or a new one; they live as long as the machine. */
static struct mapper *mapper_for(const struct function_config *c, const struct dart_config *dart, char *why,
				 size_t why_size)
{
	struct mapper *m = &mappers[nr_mappers];
	pthread_rwlockattr_t rw;

	for (unsigned i = 0; c->dart && i < nr_mappers; i++)
		if (mappers[i].name && !strcmp(mappers[i].name, c->dart))
			return &mappers[i];
	if (!dart_init(&m->dart, dart, why, why_size))
		return NULL;
	m->name = c->dart;
	m->phandle = FIRST_PHANDLE + nr_mappers++;
	/* A busy device must not keep CompleteDMA waiting. */
	pthread_rwlockattr_init(&rw);
	pthread_rwlockattr_setkind_np(&rw, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&m->lock, &rw);
	pthread_rwlockattr_destroy(&rw);
	return m;
}

static bool build(struct function *f, const struct dart_config *dart, char *err, size_t err_size)
{
	char why[256];

	f->model = model_named(f->config.model);
	if (!f->model) {
		snprintf(err, err_size, "%s: there is no device model '%s'",
			 machine_place(f->machine, f->config.section, "model"), f->config.model);
		return false;
	}
	f->mapper = mapper_for(&f->config, dart, why, sizeof(why));
	if (!f->mapper) {
		snprintf(err, err_size, "%s: %s", f->config.bdf, why);
		return false;
	}
	f->state = calloc(1, f->model->state_bytes ? f->model->state_bytes : 1);
	f->initialising = true;
	if (!f->model->init(for_model(f)) || f->failed) {
		if (!f->failed)
			sim_fail(for_model(f), "the device model could not start");
		return refuse(f, err, err_size);
	}
	f->initialising = false;
	memcpy(f->template, f->space, sizeof(f->template));
	return true;
}

struct function *function_create(const struct function_config *c, const struct dart_config *dart, struct machine *m,
				 char *err, size_t err_size)
{
	struct function *f = calloc(1, sizeof(*f));
	pthread_condattr_t cond;

	f->config = *c;
	f->machine = m;
	pthread_mutex_init(&f->resetting, NULL);
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&f->kick, &cond);
	pthread_condattr_destroy(&cond);
	if (!build(f, dart, err, err_size)) {
		free(f->state);
		free(f);
		return NULL;
	}
	pthread_create(&f->poller, NULL, poll_device, f);
	return f;
}

void function_stop(struct function *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop_polling = true;
	function_kick(f);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->poller, NULL);
	pthread_mutex_lock(&f->lock);
	if (f->model->exit)
		f->model->exit(for_model(f));
	pthread_mutex_unlock(&f->lock);
	function_unplug(f);
}
