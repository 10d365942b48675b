/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error.h - how Mach composes error codes: 6 bits system, 12 bits subsystem, 14 bits code. */
#ifndef _MACH_ERROR_H_
#define _MACH_ERROR_H_

#include <mach/kern_return.h>

typedef kern_return_t mach_error_t;

#define err_system(x) ((signed)((((unsigned)(x)) & 0x3f) << 26))
#define err_sub(x)    (((x) & 0xfff) << 14)

#endif
