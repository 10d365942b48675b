/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of Apple's Hypervisor framework that QEMU's accel/hvf/hvf-all.c names, as its documentation declares it
 * (developer.apple.com/documentation/hypervisor): enough to compile that file where there is no macOS SDK.
 */
#ifndef HYPERVISOR_HYPERVISOR_H
#define HYPERVISOR_HYPERVISOR_H

#include <mach/error.h>
#include <stddef.h>
#include <stdint.h>

typedef mach_error_t hv_return_t;
typedef uint64_t hv_vcpu_t;
typedef uint64_t hv_ipa_t;
typedef uint64_t hv_memory_flags_t;
typedef struct hv_vcpu_exit hv_vcpu_exit_t;

enum {
	HV_SUCCESS = 0,
	HV_ERROR = (int)0xfae94001,
	HV_BUSY = (int)0xfae94002,
	HV_BAD_ARGUMENT = (int)0xfae94003,
	HV_NO_RESOURCES = (int)0xfae94005,
	HV_NO_DEVICE = (int)0xfae94006,
	HV_DENIED = (int)0xfae94007,
	HV_UNSUPPORTED = (int)0xfae9400f,
};

enum {
	HV_MEMORY_READ = 1 << 0,
	HV_MEMORY_WRITE = 1 << 1,
	HV_MEMORY_EXEC = 1 << 2,
};

hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);
hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size);
hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);

#endif
