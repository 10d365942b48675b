/*
 * Headers that are in hw/core/ from QEMU 11.0 on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_APPLE_COMPAT_H
#define HW_VFIO_APPLE_COMPAT_H

#if __has_include("hw/core/qdev-properties.h")
#include "hw/core/boards.h"
#include "hw/core/hotplug.h"
#include "hw/core/qdev-properties.h"
#include "hw/core/qdev-properties-system.h"
#else
#include "hw/boards.h"
#include "hw/hotplug.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#endif

#endif
