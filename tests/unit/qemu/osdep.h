/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the pure files of qemu/hw/vfio-apple need of QEMU's header of this name. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
