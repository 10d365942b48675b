/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h - what the simulated kernel is made of.
 *
 *   task          a process that speaks to the kernel: client or dext
 *   object        anything a task can name by id; a task's objects die with it
 *     entry       registry entry: PCI nub, dext service, user client
 *     connect     a client's connection to a user client
 *     action      one asynchronous call, waiting to be completed
 *     descriptor  memory: client ranges, a buffer, a BAR, parts of those
 *     command     IODMACommand: one live DART mapping at most
 *     source      interrupt dispatch source
 *     notification
 *   function      a PCI function: configuration space, BARs, model, poll thread
 *   mapper        a DART with its window; functions may share one
 *   host          keeps one dext process per function running
 *
 * Locks, outermost first: connect.lock, command.lock, function.resetting,
 * kernel.lock, function.lock, mapper.lock, task.lock, outbox.lock, the
 * object table's.  kernel.lock and function.lock are never held across an
 * upcall; kernel.lock is never held while the device works (function.lock is
 * not taken under it).
 *
 * Tags such as US 998 in comments name a source and a line: US IOUserServer.cpp,
 * UC IOUserClient.cpp, MD IOMemoryDescriptor.cpp, DC IODMACommand.cpp, SV
 * IOService.cpp, TK task.c (xnu-11417.101.15); PK PCIDriverKit/IOPCIDevice.cpp,
 * PD IOPCIDevice.cpp, PB IOPCIBridge.cpp, VTD AppleVTD.cpp (IOPCIFamily-726.0.5);
 * KL IOKitLib.c; IIG the code iig generates.
 */
#ifndef MACSIM_KERNEL_H
#define MACSIM_KERNEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "codes.h"
#include "dart.h"
#include "machine.h"
#include "macsim/devices/model.h"
#include "macsim/wire/wire.h"

/* ---- outbox.c: messages to a peer that may be slow; the sender never waits ---- */

struct outbox {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct packet *first, **last;
	int sock; /* -1 before the peer connected and after it died */
	bool running, closed;
	pthread_t thread;
};
void outbox_init(struct outbox *o);
bool outbox_open(struct outbox *o, int sock); /* sends what has waited; false if it was open */
void outbox_close(struct outbox *o);          /* drops what waits; the socket stays the caller's */
void outbox_post(struct outbox *o, const struct mw_msg *m, const void *payload);

/* ---- task.c ---- */

struct upcall {
	uint32_t seq;
	struct upcall *next;
	/* Called once, no lock held, with the answer or with NULL when the dext died. */
	void (*done)(struct upcall *u, const struct mw_msg *answer, const void *payload);
};

struct task {
	atomic_uint refs;
	uint64_t token;
	pid_t pid;
	bool dext;
	atomic_bool alive;
	struct task *next;    /* kernel.lock */
	unsigned sockets;     /* kernel.lock */
	bool has_main_socket; /* kernel.lock: EVENTS or UPCALLS was opened */
	struct outbox outbox;
	struct host *host; /* dext only */
	pthread_mutex_t lock;
	struct upcall *pending; /* task.lock */
	uint32_t next_seq;      /* task.lock */
	struct region *regions; /* memory.c, its lock */
	int maps;               /* memory.c: /proc/PID/maps, -1 before first use */
};
struct task *task_new(pid_t pid, uint64_t token,
		      struct host *host); /* token 0: a new client; in the list; one reference */
struct task *task_find(uint64_t token);   /* +1 reference */
struct task *task_ref(struct task *t);
void task_unref(struct task *t);
void task_died(struct task *t); /* client or dext, once */
bool tasks_clients_left(void);

/* Sends and waits.  false: the dext died.  payload out has room for MW_MAX_PAYLOAD. */
bool task_upcall(struct task *dext, struct mw_msg *m, const void *payload, void *out);
void task_upcall_async(struct task *dext, struct mw_msg *m, const void *payload, struct upcall *u);
void task_answer(struct task *dext, const struct mw_msg *m, const void *payload);
void task_fail_upcalls(struct task *dext);

/* ---- object.c ---- */

enum object_kind { OBJ_ENTRY, OBJ_CONNECT, OBJ_ACTION, OBJ_DESCRIPTOR, OBJ_COMMAND, OBJ_SOURCE, OBJ_NOTIFICATION };

struct object {
	uint64_t id;
	enum object_kind kind;
	atomic_uint refs;
	struct task *owner; /* NULL: the kernel's; a reference */
	bool listed;        /* the table's lock */
	struct object *next;
	void (*free)(struct object *o);
};
/* Takes the caller's reference to hand out an id; the table holds one more.  false: the owner is dead. */
void object_init(struct object *o, enum object_kind kind, struct task *owner, void (*free)(struct object *));
bool object_publish(struct object *o);
void object_withdraw(struct object *o); /* unlisted, the table's reference dropped; may be called again */
/* Listed, of that kind and, unless owner is NULL, that owner's; +1 reference. */
void *object_find(uint64_t id, enum object_kind kind, const struct task *owner);
void *object_ref(void *object);
void object_unref(void *object);
/* Every listed object of that kind (of owner unless NULL), referenced, as an array ended by NULL; free() it. */
void **object_all(enum object_kind kind, const struct task *owner);

/* ---- memory.c ---- */

struct backing; /* a shared file mapping that stays valid while referenced */
struct backing *backing_new(const char *name, uint64_t size); /* a sealed memfd of ours; NULL */
struct backing *backing_ref(struct backing *b);
void backing_unref(struct backing *b);
int backing_fd(const struct backing *b);
uint8_t *backing_at(struct backing *b, uint64_t offset, uint64_t length); /* NULL: beyond the file */

enum segment_kind { SEGMENT_CLIENT, SEGMENT_BACKING, SEGMENT_DEVICE };
struct segment {
	enum segment_kind kind;
	struct task *task;       /* CLIENT */
	struct backing *backing; /* BACKING, DEVICE */
	uint64_t at;             /* address in the client, or offset */
	uint64_t length;
};

struct descriptor {
	struct object o;
	unsigned handles; /* references held by the dext; memory.c's lock */
	uint32_t direction;
	bool copy_on_write; /* a mapping shows a snapshot */
	bool write_back;    /* a mapping shows a copy that descriptor_write_back() returns */
	uint64_t capacity;  /* of a buffer; 0 otherwise */
	uint64_t length;
	struct backing *shadow; /* snapshot or write-back copy a mapping of client memory was given */
	struct descriptor *parent;
	unsigned nr_segments;
	struct segment segments[];
};

/* A resolved piece of a prepared descriptor. */
struct chunk {
	uint64_t iova, length;
	uint8_t *host;           /* NULL: reach it in the task */
	struct backing *backing; /* referenced while host is set */
	struct task *task;
	uint64_t address;
};

struct descriptor *descriptor_from_client(struct task *client, struct task *owner, uint32_t options, unsigned n,
					  const uint64_t *address_length, int32_t *ret);
struct descriptor *descriptor_from_backing(struct backing *b, uint64_t length, struct task *owner, bool device,
					   uint32_t direction);
/* The dext's references.  The first makes the id valid, the last ends it; false: the dext is dead. */
bool descriptor_give_handle(struct descriptor *d);
void descriptor_drop_handle(struct descriptor *d);
/* fd (to be closed by the caller), place in it and protection of a part of the memory; for a mapping in the dext or a
 * client. */
int32_t descriptor_map(struct descriptor *d, uint64_t offset, uint64_t length, bool read_only, int *fd, uint64_t *at,
		       uint64_t *mapped);
/* Contents of a write-back copy go to the client. */
void descriptor_write_back(struct descriptor *d);
/* Pieces of [offset, offset + length) of one segment; appends to *chunks. */
int32_t segment_resolve(const struct segment *s, uint64_t offset, uint64_t length, uint32_t direction,
			struct chunk **chunks, unsigned *n, unsigned *room);
void chunk_release(struct chunk *c);
bool chunk_copy(const struct chunk *c, uint64_t offset, void *buf, size_t n, bool write);
void regions_drop(struct task *t);
void memory_start(void); /* installs the handler for memory a client took away under us */

/* ---- registry.c ---- */

enum entry_kind { ENTRY_NUB, ENTRY_SERVICE, ENTRY_USER_CLIENT, ENTRY_KERNEL };

struct property {
	struct property *next;
	char *key;
	uint32_t type, bits, bytes;
	uint64_t value;
	void *data;
};

struct entry {
	struct object o;
	enum entry_kind kind;
	char name[128], class[128];  /* class: IOUserClass of a dext's, else the kernel's */
	const char *superclass;      /* ENTRY_KERNEL: matched by this class too; may be NULL */
	struct property *properties; /* kernel.lock, all below too */
	struct entry *provider;
	struct function *function; /* the PCI function below */
	bool starting, started, want_registered, registered, inactive, stopped;
	struct connect *connect; /* user client: who opened it; a reference until the entry is forgotten */
};

struct entry *entry_new(enum entry_kind kind, struct task *owner, const char *class, struct entry *provider,
			struct function *f);
void entry_set_number(struct entry *e, const char *key, uint64_t value);
void entry_set_data(struct entry *e, const char *key, const void *data, uint32_t bytes);
void entry_set_string(struct entry *e, const char *key, const char *text);
void entry_set_bool(struct entry *e, const char *key, bool value);
/* A service of a kernel driver, which has nothing behind it: registered at once.  One reference is the caller's. */
struct entry *entry_new_kernel(const char *class, const char *superclass, struct entry *provider, struct function *f);
void entry_register(struct entry *e);
/* No longer matched, watchers told, connections dead; idempotent, true the first time. */
bool entry_make_inactive(struct entry *e);
void entry_forget(struct entry *e); /* out of the registry */

/* ---- session.c: user clients, from open to stop ---- */

struct mapping_record {
	struct mapping_record *next;
	uint64_t cookie, type;
	struct descriptor *descriptor;
	struct function *bar_of;
	unsigned bar;
};

struct connect {
	struct object o;
	pthread_rwlock_t lock; /* shared by calls, exclusive for map, unmap, close and death (UC 4440, 4690, 730) */
	struct entry *client;
	atomic_bool dead;            /* the user client is gone */
	bool closed;                 /* connect.lock */
	struct mapping_record *maps; /* connect.lock */
	uint64_t next_cookie;
};

struct action {
	struct object o;
	struct task *client;
	struct connect *connect;
	uint64_t reference[8];
	atomic_bool aborted;
};

void user_client_stop(struct entry *client); /* starts it; done when DidStop arrives */
void service_stop(struct entry *service, bool wait);
void connects_of_dead_client(struct task *t);

/* ---- function.c, config.c, pci.c, irq.c ---- */

#define STRAY_LOG_MAX    32
#define FUNCTION_VECTORS 2048

struct bar {
	uint64_t size; /* 0: not implemented, or upper half */
	uint8_t type;  /* PF numbering: 0, 4, 8, 0xc */
	unsigned memory_index;
	uint64_t address; /* the host's */
	struct backing *backing;
	uint8_t *memory; /* stays where it is when the function is plugged in again */
	enum bar_mode mode;
	struct descriptor *descriptor; /* handed to the dext, function.lock */
	atomic_uint client_maps;
	atomic_bool client_mapped; /* ever */
};

/* Drivers find only what is in the nub's IODeviceMemory: BARs with an address (PB 4315, PD GetBARInfo). */
static inline bool bar_assigned(const struct bar *b)
{
	return b->size && b->mode != BAR_UNASSIGNED;
}

struct source {
	struct object o;
	struct function *function;
	unsigned index;
	uint32_t type;
	/* function.lock */
	bool enabled, cancelled, outstanding;
	uint64_t pending, pending_time, total, last_time;
	struct upcall upcall;
	struct source *next;
};

/* What iommu-parent names: functions with the same one share its window and its translations (IOMapper.cpp, MAP 163).
 */
struct mapper {
	const char *name; /* NULL: one function's own */
	uint32_t phandle;
	pthread_rwlock_t lock;
	struct dart dart;
};

struct function {
	struct function_config config;
	struct machine *machine;
	const struct sim_model *model;
	void *state;
	bool failed; /* init() called sim_fail */
	char failure[256];
	bool initialising;

	pthread_mutex_t resetting; /* one reset at a time */
	pthread_mutex_t lock;
	pthread_cond_t kick;
	pthread_t poller;
	bool stop_polling, kicked;

	/* function.lock */
	bool present, in_reset;
	uint64_t open_by;       /* entry id of the opener; 0 = closed */
	struct task *open_task; /* not referenced: a dead task's session is closed before it goes */
	struct entry *nub, *kernel_driver;
	uint8_t space[4096], writable[4096], template[4096];
	unsigned next_capability, last_capability;
	unsigned pcie, msi, msix; /* offsets, 0 = absent */
	unsigned msi_vectors, msix_vectors, msix_bar;
	uint32_t msix_table;
	bool intx, intx_level;
	struct bar bars[MACHINE_BARS];
	unsigned nr_memory;
	bool irqs_configured; /* per nub, survives dext restarts (PD 955) */
	bool legacy_resolved;
	uint32_t irq_type;
	unsigned irq_vectors, irq_first; /* messaged interrupts sit at irq_first... */
	struct source *sources;
	uint64_t interrupts, vector_count[FUNCTION_VECTORS];
	uint64_t flr_resets, hot_resets;
	bool reset_before_start;

	struct mapper *mapper;
	/* mapper.lock */
	uint64_t maps, unmaps, map_failures;
	uint64_t mappings, mapped_pages, peak_mappings, peak_pages; /* of this function alone */
	atomic_ullong dma_read_bytes, dma_write_bytes, dma_blocked;

	struct host *host;
};

struct conn;
struct function *function_create(const struct function_config *c, const struct dart_config *dart, struct machine *m,
				 char *err, size_t err_size);
void function_stop(struct function *f);    /* its memory stays: threads that serve sockets may still look at it */
void function_publish(struct function *f); /* plugged in: power-on state, a new nub */
void function_unplug(struct function *f);
void function_restart(struct function *f, enum sim_reset kind); /* registers as after that reset; function.lock */
void function_kick(struct function *f);
bool function_decodes_memory(struct function *f);      /* function.lock */
void function_fill_bars(struct function *f, int byte); /* function.lock */
struct function *function_named(const char *bdf);
extern struct function *functions[MACHINE_FUNCTIONS_MAX];
extern unsigned nr_functions;

void pci_close(struct function *f, uint64_t opener);
void pci_crash_recovery(struct function *f, uint64_t opener);
int32_t pci_reset(struct function *f, uint32_t type, uint32_t options);
/* The nub of the caller's own function with function.lock held, or NULL. */
struct function *pci_lock_nub(struct conn *c, uint64_t nub);
void irq_release_all(struct task *t);
void irq_raise(struct function *f, unsigned index); /* function.lock */
void irq_level_changed(struct function *f);         /* function.lock */
bool pci_messaged(const struct function *f);        /* function.lock: MSI or MSI-X is on */

/* ---- dma.c ---- */

void commands_release_all(struct task *t);
void dma_stray(struct function *f, uint64_t iova, uint64_t bytes, bool write);

/* ---- host.c ---- */

struct host;
/* dext NULL: something else has the nub, or nothing; no process is ever started. */
struct host *host_new(struct function *f, const char *dext, const char *class);
void host_start(struct host *h); /* a thread that keeps the dext running */
/* Waits until the first Start is through; false with a sentence. */
bool host_wait_started(struct host *h, uint64_t deadline, char *err, size_t err_size);
void host_stop(struct host *h); /* the driver stops, the process ends, by force after 3 s; nothing is relaunched */
void host_kill(struct host *h, pid_t pid); /* SIGKILL, if pid (0: any) is its process; relaunched as after any crash */
void host_unplug(struct host *h);          /* the device vanishes */
bool host_plug(struct host *h);            /* and comes back; false: it is there */
void host_replug(struct host *h);          /* both, not waiting */
pid_t host_pid(struct host *h);            /* 0: none */
struct function *host_function(struct host *h);
void host_dext_buried(struct host *h, bool crashed);
void host_maybe_exit(struct task *dext); /* tells the process to leave once it has no services */

/* ---- serve.c ---- */

struct conn {
	int sock;
	struct task *task;
	const struct mw_msg *in;
	uint8_t in_payload[MW_MAX_PAYLOAD + 8];
	uint8_t out[MW_MAX_PAYLOAD];
	int fds[2];               /* received; a handler that keeps one sets it to -1 */
	int send_fd;              /* sent with the reply and closed afterwards; -1 */
	void (*after)(void *arg); /* runs once the reply is on its way */
	void *after_arg;
};
typedef int32_t handler(struct conn *c, const struct mw_msg *in, struct mw_msg *out);
bool serve_start(const char *path);
void payload_string(const struct conn *c, char *text, size_t size); /* the payload, cut and terminated */

handler do_match, do_entry_name, do_entry_property, do_notify_add, do_notify_remove, do_connect_service;
handler do_entry_class, do_entry_children, do_sysctl;
handler do_set_name, do_register_service, do_set_properties, do_property, do_entry_id;
handler do_service_open, do_service_close, do_call, do_map, do_unmap;
handler do_create, do_terminate, do_did_stop, do_async, do_action_release, do_client_entitlements;
handler do_memory, do_md_from_client, do_md_buffer, do_md_set_length, do_md_length, do_md_map, do_md_sub, do_md_concat,
	do_md_retain, do_md_release;
handler do_dma_create, do_dma_prepare, do_dma_complete, do_dma_preparation, do_dma_release;
handler do_pci_open, do_pci_close, do_pci_bar_fd, do_pci_bar_info, do_pci_config_read, do_pci_config_write,
	do_pci_memory_read, do_pci_memory_write, do_pci_copy_memory, do_pci_bdf, do_pci_reset, do_pci_configure_irqs;
handler do_irq_create, do_irq_type, do_irq_enable, do_irq_cancel, do_irq_last, do_irq_release;
handler do_ctl_status, do_ctl_unplug, do_ctl_plug, do_ctl_kill_dext, do_ctl_set, do_ctl_extensions;

/* ---- mac.c: what there is beside PCI functions ---- */

void mac_publish_thunderbolt(void);

/* ---- report.c ---- */

char *report_json(void); /* free() it */
uint64_t report_strays(void);
void report_print_strays(FILE *out);
uint64_t report_live_mappings(void);
void report_print_leaks(FILE *out);
void report_add_stray(const char *bdf, uint64_t iova, uint64_t bytes, bool write, bool mapped_before);

/* ---- main.c ---- */

struct kernel {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* an entry, a task or a host moved on */
	struct task *tasks;
	struct machine_config config;
	atomic_bool panicked;
	char panic[256];
	FILE *log;
};
extern struct kernel kernel;
void klog(const char *who, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void kernel_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);
/* kernel.lock held: waits for a change until the deadline; false when it has passed. */
bool kernel_wait(uint64_t deadline_ns);
/* A process of ours: own signal mask, killed when the calling thread ends. Does not return in the child. */
pid_t spawn(char *const argv[], char *const envp[], bool own_group, int out_fd);
bool interrupted(void); /* SIGINT, SIGTERM or SIGHUP came */

#endif
