/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mach_types.h - the Mach types that IOKitLib clients see. */
#ifndef _MACH_MACH_TYPES_H_
#define _MACH_MACH_TYPES_H_

#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>

typedef int boolean_t;
typedef mach_port_t task_port_t;
typedef mach_port_t task_t;
typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_size_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;

#endif
