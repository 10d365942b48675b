/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel_image.h - is a file what QEMU's arm64 machine can boot with -kernel? */
#ifndef VFIO_APPLE_CLI_KERNEL_IMAGE_H
#define VFIO_APPLE_CLI_KERNEL_IMAGE_H

#include <stdbool.h>

/*
 * QEMU loads anything and lets the virtual CPU run it, which ends in silence.
 * True for a Linux arm64 Image (Documentation/arch/arm64/booting.rst), alone,
 * in an EFI zboot wrapper or gzipped, and for an arm64 ELF file.
 */
bool kernel_image_is_arm64(const char *path);

#endif
