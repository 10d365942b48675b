/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu_program.h - which QEMU this tool starts. */
#ifndef VFIO_APPLE_QEMU_PROGRAM_H
#define VFIO_APPLE_QEMU_PROGRAM_H

#include <limits.h>

/*
 * chosen if it is not NULL, else $VFIO_APPLE_QEMU, else the one installed with
 * this tool (written to room), else a name for the PATH.
 */
const char *qemu_program(const char *chosen, char room[PATH_MAX]);

#endif
