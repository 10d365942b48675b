/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm_map.h - memory of a task. */
#ifndef _MACH_VM_MAP_H_
#define _MACH_VM_MAP_H_

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Frees memory that a variable-size method output was returned in. */
kern_return_t vm_deallocate(task_t task, vm_address_t address, vm_size_t size);

#ifdef __cplusplus
}
#endif

#endif
