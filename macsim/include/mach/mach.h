/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mach.h - the whole of it; IOKit's headers include only parts, as in the SDK. */
#ifndef _MACH_MACH_H_
#define _MACH_MACH_H_

#include <mach/mach_init.h>
#include <mach/mach_types.h>
#include <mach/mig_errors.h>
#include <mach/vm_map.h>

#endif
