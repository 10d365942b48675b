/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu_args.h - the QEMU command line for a VM with passed-through devices. */
#ifndef VFIO_APPLE_QEMU_ARGS_H
#define VFIO_APPLE_QEMU_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#define VM_MAX_DEVICES 32
#define VM_MAX_DISKS   8

struct vm_options {
	const char *qemu;
	const char *accel; /* hvf, kvm, tcg */
	const char *memory;
	const char *cpus;
	const char *kernel, *initrd, *append, *firmware; /* NULL = not given */
	const char *disks[VM_MAX_DISKS];
	size_t nr_disks;
	const char *seed; /* folder for cloud-init, NULL = none */
	const char *devices[VM_MAX_DEVICES]; /* addresses */
	size_t nr_devices;
	bool net;
	char **extra; /* for QEMU, unchanged */
	size_t nr_extra;
};

struct args {
	char **argv; /* NULL-terminated, each string malloc'ed */
	size_t count, room;
};

/* "raw" or "qcow2" from the file's extension, NULL when that does not tell. */
const char *vm_disk_format(const char *path);
bool vm_cpus_valid(const char *text);   /* 1..512 */
bool vm_memory_valid(const char *text); /* number with optional M or G, at least 64M */

/* Options must be valid.  Ends the program when memory is exhausted. */
void qemu_args_build(const struct vm_options *vm, struct args *args);
void args_free(struct args *args);

/* One line that a POSIX shell reads back as the same arguments.  malloc'ed. */
char *args_quote(const struct args *args);

#endif
