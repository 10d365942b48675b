/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mach.h - the Mach types and codes that IOKitLib clients see. */
#ifndef _MACH_MACH_H_
#define _MACH_MACH_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int kern_return_t;
typedef int boolean_t;
typedef uint32_t mach_port_t;
typedef mach_port_t mach_port_name_t;
typedef mach_port_t task_port_t;
typedef mach_port_t task_t;
typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_size_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;
typedef kern_return_t mach_msg_return_t;

#define MACH_PORT_NULL ((mach_port_t)0)
#define MACH_PORT_DEAD ((mach_port_t)~0u)

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_

/* Frees memory that a variable-size method output was returned in. */
kern_return_t vm_deallocate(task_t task, vm_address_t address, vm_size_t size);
kern_return_t mach_vm_deallocate(task_t task, mach_vm_address_t address, mach_vm_size_t size);

#define KERN_SUCCESS            0
#define KERN_INVALID_ADDRESS    1
#define KERN_PROTECTION_FAILURE 2
#define KERN_NO_SPACE           3
#define KERN_INVALID_ARGUMENT   4
#define KERN_FAILURE            5
#define KERN_RESOURCE_SHORTAGE  6
#define KERN_MEMORY_FAILURE     9
#define KERN_MEMORY_ERROR       10
#define KERN_INVALID_NAME       15

#define MIG_TYPE_ERROR      -300
#define MIG_REPLY_MISMATCH  -301
#define MIG_REMOTE_ERROR    -302
#define MIG_BAD_ID          -303
#define MIG_BAD_ARGUMENTS   -304
#define MIG_NO_REPLY        -305
#define MIG_EXCEPTION       -306
#define MIG_ARRAY_TOO_LARGE -307
#define MIG_SERVER_DIED     -308

#define MACH_MSG_SUCCESS       0x00000000
#define MACH_SEND_INVALID_DEST 0x10000003

#ifdef __cplusplus
}
#endif
#endif
