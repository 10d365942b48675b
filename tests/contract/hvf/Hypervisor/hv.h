/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU asks for this header where it is not compiled for arm64.  The calls that matter are the same. */
#include "../../../../scripts/darwin/Hypervisor/Hypervisor.h"

typedef hv_vcpu_t hv_vcpuid_t;

#define HV_VCPU_DEFAULT NULL
#define hv_vcpu_create(vcpu, config) hv_vcpu_create(vcpu, NULL, config)
