/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.h - what the tool asks the operating system it runs on. */
#ifndef VFIO_APPLE_HOST_H
#define VFIO_APPLE_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* Absolute path of the running program; false when it cannot be told. */
bool host_executable_path(char *path, size_t bytes);

/* The fastest accelerator for arm64 guests that this host offers: "hvf", "kvm" or "tcg". */
const char *host_accelerator(void);

#endif
