/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.h - what `vfio-apple doctor` knows and what it thinks of it.
 *
 * Facts are gathered first, all of them, from the system (doctor_facts.c,
 * doctor_registry.c); judging them (doctor_checks.c, doctor_device_checks.c)
 * asks nobody anything.  Text in facts is clean: it can go to a terminal.
 */
#ifndef VFIO_APPLE_DOCTOR_H
#define VFIO_APPLE_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "extension_list.h"
#include "subprocess.h"
#include "vfapple.h"

/* ---- facts ---- */

struct mac_facts {
	char version[32];    /* of macOS; "" = this is not macOS */
	bool arm64;          /* Apple Silicon, also for a translated process */
	bool translated;     /* this process runs under Rosetta */
	char tool[PATH_MAX]; /* path of this program, "" = not known */
};

struct extension_facts {
	enum subprocess_end end; /* of systemextensionsctl */
	bool readable;
	struct extension_list list;
};

/* A PCI function in the I/O registry. */
struct nub_facts {
	uint64_t registry_id;
	char address[16]; /* "03:00.0", "" = not told */
	uint16_t vendor, device;
	uint32_t class_code;
	bool bridge, built_in, tunnelled;
	bool ours;       /* the driver extension has it */
	char driver[64]; /* what else has it, "" = nothing */
	char users[256]; /* ours: the processes that opened it, "" = none */
	bool link_known;
	uint16_t link_status;
	uint32_t link_capabilities;
	bool bars_known;
	uint64_t wanted[VFA_NUM_BARS]; /* bytes; 0 = no such BAR, or not of memory */
	bool assigned[VFA_NUM_BARS];
};

/* A Thunderbolt router other than the Mac's own. */
struct enclosure_facts {
	char vendor[64], model[64];
	unsigned version; /* 64 is Thunderbolt 5, 32 is 4, 16 is 3 */
};

/* A function that the driver extension has. */
struct device_facts {
	struct vfa_listed listed;
	const struct nub_facts *nub; /* NULL: gone meanwhile */
	int opened;                  /* 0 or the negative errno of reading its statistics, which error explains */
	struct vfa_error error;
	struct vfa_stats stats;
	unsigned offered, granted; /* interrupt messages; granted 0 = not measured */
};

struct qemu_facts {
	char program[PATH_MAX];
	enum subprocess_end end; /* of --version */
	char version[64];        /* "10.2.0", "" = it does not tell */
	bool has_device;
	const char *accelerator; /* the one this system should use */
	bool has_accelerator;
	enum subprocess_end signature; /* of codesign */
	bool may_virtualise, may_open;
};

#define DOCTOR_NUBS_MAX       128
#define DOCTOR_ENCLOSURES_MAX 16

struct doctor_facts {
	struct mac_facts mac;
	struct extension_facts extension;
	struct nub_facts nubs[DOCTOR_NUBS_MAX];
	unsigned nr_nubs;
	struct enclosure_facts enclosures[DOCTOR_ENCLOSURES_MAX];
	unsigned nr_enclosures;
	struct device_facts *devices; /* malloc'ed */
	size_t nr_devices;
	struct qemu_facts qemu;
};

/* Ends the program when memory is exhausted. */
struct doctor_facts *doctor_gather(void);
void doctor_free(struct doctor_facts *facts);
/* The part of it that reads the registry, opening nothing. */
void doctor_read_registry(struct doctor_facts *facts);

/* ---- findings ---- */

#define DOCTOR_GROUP_DEVICES "PCI devices"
#define DOCTOR_GROUP_DEVICE  "Device" /* findings about one device that the extension has */
#define DOCTOR_DEVICE_BYTES  32

enum doctor_result { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_PROBLEM, DOCTOR_NOT_APPLICABLE };

struct finding {
	const char *group;                /* heading */
	const char *id;                   /* stable */
	char device[DOCTOR_DEVICE_BYTES]; /* address, "" = not about one device */
	enum doctor_result result;
	char sentence[400];
	char remedy[400]; /* "" unless there is something to do */
};

struct findings {
	struct finding *list; /* malloc'ed */
	size_t count;
};

struct finding *doctor_add(struct findings *findings, const char *group, const char *id, const char *device);
void doctor_say(struct finding *finding, enum doctor_result result, const char *sentence, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_remedy(struct finding *finding, const char *remedy, ...) __attribute__((format(printf, 2, 3)));

/* What concerns all devices: the Mac, the extension, enclosures. */
void doctor_check_host(const struct doctor_facts *facts, struct findings *findings);
void doctor_check_qemu(const struct doctor_facts *facts, struct findings *findings);
/* address: one device as the user wrote it, or NULL for all. */
void doctor_check_devices(const struct doctor_facts *facts, const char *address, struct findings *findings);

#endif
