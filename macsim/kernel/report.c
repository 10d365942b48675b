// SPDX-License-Identifier: GPL-2.0-or-later
/* report.c - what happened: stray DMA, counters, and the JSON both the report and macsim-ctl show. */
#include "faults.h"
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

static struct stray {
	char bdf[8];
	uint64_t iova, bytes, ns;
	bool write, mapped_before;
} strays[STRAY_LOG_MAX];
static uint64_t nr_strays;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void report_add_stray(const char *bdf, uint64_t iova, uint64_t bytes, bool write, bool mapped_before)
{
	pthread_mutex_lock(&lock);
	if (nr_strays < STRAY_LOG_MAX) {
		struct stray *s = &strays[nr_strays];
		*s = (struct stray){
			.iova = iova, .bytes = bytes, .ns = now_ns(), .write = write, .mapped_before = mapped_before};
		snprintf(s->bdf, sizeof(s->bdf), "%s", bdf);
	}
	nr_strays++;
	pthread_mutex_unlock(&lock);
}

uint64_t report_strays(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = nr_strays;
	pthread_mutex_unlock(&lock);
	return n;
}

void report_print_strays(FILE *out)
{
	pthread_mutex_lock(&lock);
	for (uint64_t i = 0; i < nr_strays && i < STRAY_LOG_MAX; i++)
		fprintf(out, "macsim: %s: stray DMA: %s of %llu bytes at IOVA 0x%llx, which was %s\n", strays[i].bdf,
			strays[i].write ? "write" : "read", (unsigned long long)strays[i].bytes,
			(unsigned long long)strays[i].iova,
			strays[i].mapped_before ? "mapped before but is not now" : "never mapped");
	if (nr_strays)
		fprintf(out, "macsim: %llu stray DMA accesses; a Mac would have panicked at the first\n",
			(unsigned long long)nr_strays);
	pthread_mutex_unlock(&lock);
}

static uint64_t mappings_of(struct function *f)
{
	uint64_t n;

	pthread_rwlock_rdlock(&f->mapper->lock);
	n = f->mappings;
	pthread_rwlock_unlock(&f->mapper->lock);
	return n;
}

uint64_t report_live_mappings(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < nr_functions; i++)
		n += mappings_of(functions[i]);
	return n;
}

void report_print_leaks(FILE *out)
{
	for (unsigned i = 0; i < nr_functions; i++)
		if (mappings_of(functions[i]))
			fprintf(out,
				"macsim: %s: %llu DMA mappings outlived every client; the dext must complete them\n",
				functions[i]->config.bdf, (unsigned long long)mappings_of(functions[i]));
}

static const char *yes(bool b)
{
	return b ? "true" : "false";
}

static unsigned clients_of(const struct function *f)
{
	void **all = object_all(OBJ_ENTRY, NULL);
	unsigned n = 0;

	pthread_mutex_lock(&kernel.lock);
	for (void **at = all; *at; at++) {
		struct entry *e = *at;
		n += e->kind == ENTRY_USER_CLIENT && e->function == f && e->connect && !e->inactive;
	}
	pthread_mutex_unlock(&kernel.lock);
	for (void **at = all; *at; at++)
		object_unref(*at);
	free(all);
	return n;
}

static void write_function(FILE *out, struct function *f)
{
	static const char *const modes[] = {"mapped", "trapped", "unassigned"};
	uint64_t page = f->mapper->dart.config.page;
	unsigned clients = clients_of(f), vectors = FUNCTION_VECTORS;
	bool first = true;

	pthread_mutex_lock(&f->lock);
	pthread_rwlock_rdlock(&f->mapper->lock);
	fprintf(out,
		"{\"bdf\":\"%s\",\"model\":\"%s\",\"registry_id\":%llu,\"mapper\":%u,\"present\":%s,\"mappings\":%llu,"
		"\"mapped_bytes\":%llu,\"peak_mappings\":%llu,\"peak_bytes\":%llu,\"maps\":%llu,\"unmaps\":%llu,"
		"\"map_failures\":%llu,",
		f->config.bdf, f->model->name, (unsigned long long)(f->nub ? f->nub->o.id : 0), f->mapper->phandle,
		yes(f->present), (unsigned long long)f->mappings, (unsigned long long)(f->mapped_pages * page),
		(unsigned long long)f->peak_mappings, (unsigned long long)(f->peak_pages * page),
		(unsigned long long)f->maps, (unsigned long long)f->unmaps, (unsigned long long)f->map_failures);
	pthread_rwlock_unlock(&f->mapper->lock);
	fprintf(out,
		"\"dma_read_bytes\":%llu,\"dma_write_bytes\":%llu,\"dma_blocked\":%llu,\"interrupts\":%llu,\"vectors\":"
		"[",
		(unsigned long long)f->dma_read_bytes, (unsigned long long)f->dma_write_bytes,
		(unsigned long long)f->dma_blocked, (unsigned long long)f->interrupts);
	while (vectors && !f->vector_count[vectors - 1])
		vectors--;
	for (unsigned i = 0; i < vectors; i++)
		fprintf(out, "%s%llu", i ? "," : "", (unsigned long long)f->vector_count[i]);
	fprintf(out,
		"],\"resets\":{\"flr\":%llu,\"hot\":%llu},\"bus_master\":%d,\"memory_space\":%d,\"open\":%s,\"bars\":[",
		(unsigned long long)f->flr_resets, (unsigned long long)f->hot_resets, f->space[4] >> 2 & 1,
		f->space[4] >> 1 & 1, yes(f->open_by));
	for (unsigned i = 0; i < MACHINE_BARS; i++) {
		struct bar *b = &f->bars[i];
		if (!b->size)
			continue;
		fprintf(out, "%s{\"bar\":%u,\"size\":%llu,\"mapped_by_client\":%s,\"was_mapped\":%s,\"mode\":\"%s\"}",
			first ? "" : ",", i, (unsigned long long)b->size, yes(atomic_load(&b->client_maps)),
			yes(atomic_load(&b->client_mapped)), modes[b->mode]);
		first = false;
	}
	pthread_mutex_unlock(&f->lock);
	fprintf(out, "],\"dext_pid\":%d,\"clients\":%u}", f->host ? host_pid(f->host) : 0, clients);
}

char *report_json(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	pthread_mutex_lock(&lock);
	fprintf(out, "{\"stray\":%llu,\"stray_log\":[", (unsigned long long)nr_strays);
	for (uint64_t i = 0; i < nr_strays && i < STRAY_LOG_MAX; i++)
		fprintf(out,
			"%s{\"bdf\":\"%s\",\"iova\":%llu,\"bytes\":%llu,\"write\":%s,\"ns\":%llu,\"mapped_before\":%s}",
			i ? "," : "", strays[i].bdf, (unsigned long long)strays[i].iova,
			(unsigned long long)strays[i].bytes, yes(strays[i].write), (unsigned long long)strays[i].ns,
			yes(strays[i].mapped_before));
	pthread_mutex_unlock(&lock);
	fprintf(out, "],\"panic\":%s,\"functions\":[", yes(atomic_load(&kernel.panicked)));
	for (unsigned i = 0; i < nr_functions; i++) {
		if (i)
			fputc(',', out);
		write_function(out, functions[i]);
	}
	fprintf(out, "]}\n");
	fclose(out);
	return text;
}

/* ---- macsim-ctl ---- */

static int32_t say(struct conn *c, struct mw_msg *out, int32_t ret, const char *text)
{
	out->len = strlen(text) + 1;
	memcpy(c->out, text, out->len);
	return ret;
}

int32_t do_ctl_status(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	char *text = report_json();
	int32_t ret;

	(void)in;
	if (strlen(text) < MW_MAX_PAYLOAD)
		ret = say(c, out, kIOReturnSuccess, text);
	else
		ret = say(c, out, kIOReturnNoSpace, "the status is too long for one message; use --report");
	free(text);
	return ret;
}

static struct function *named(struct conn *c)
{
	char bdf[32];

	payload_string(c, bdf, sizeof(bdf));
	return function_named(bdf);
}

static int32_t unknown(struct conn *c, struct mw_msg *out)
{
	return say(c, out, kIOReturnNotFound, "this machine has no such function; macsim-ctl status lists them");
}

int32_t do_ctl_unplug(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = named(c);

	(void)in;
	if (!f)
		return unknown(c, out);
	host_unplug(f->host);
	return kIOReturnSuccess;
}

int32_t do_ctl_plug(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = named(c);

	(void)in;
	if (!f)
		return unknown(c, out);
	return host_plug(f->host) ? kIOReturnSuccess : say(c, out, kIOReturnBusy, "the function is plugged in already");
}

int32_t do_ctl_kill_dext(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	struct function *f = named(c);

	(void)in;
	if (!f)
		return unknown(c, out);
	host_kill(f->host, 0);
	return kIOReturnSuccess;
}

int32_t do_ctl_set(struct conn *c, const struct mw_msg *in, struct mw_msg *out)
{
	char text[128], names[512], *eq;
	uint64_t value;

	(void)in;
	payload_string(c, text, sizeof(text));
	eq = strchr(text, '=');
	if (eq)
		*eq++ = '\0';
	if (!eq || !machine_parse_size(eq, &value) || value > UINT32_MAX)
		return say(c, out, kIOReturnBadArgument, "expected KEY=NUMBER");
	if (fault_set(text, (uint32_t)value))
		return kIOReturnSuccess;
	snprintf(names, sizeof(names), "there are");
	for (unsigned i = 0; fault_name(i); i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s %s", i ? "," : "", fault_name(i));
	return say(c, out, kIOReturnNotFound, names);
}
