/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysctl.h - system variables by name. */
#ifndef _SYS_SYSCTL_H_
#define _SYS_SYSCTL_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0, or -1 with errno: ENOENT no such variable, ENOMEM *oldlenp is too little. */
int sysctlbyname(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);

#ifdef __cplusplus
}
#endif
#endif
