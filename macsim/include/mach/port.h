/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port.h - names of Mach ports. */
#ifndef _MACH_PORT_H_
#define _MACH_PORT_H_

#include <stdint.h>

typedef uint32_t mach_port_name_t;
typedef mach_port_name_t mach_port_t;

#define MACH_PORT_NULL ((mach_port_t)0)
#define MACH_PORT_DEAD ((mach_port_t)~0u)

#endif
