// SPDX-License-Identifier: GPL-2.0-or-later
/* sysctl.c - system variables by name, read-only. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/sysctl.h>

int sysctlbyname(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
	struct mw_msg m = {.op = MW_SYSCTL, .len = (uint32_t)strlen(name) + 1};
	const void *value;
	size_t room = oldp && oldlenp ? *oldlenp : 0;

	if (newp || newlen) {
		errno = EPERM;
		return -1;
	}
	if (task_call(&m, name, &value, NULL)) {
		errno = ENOENT;
		return -1;
	}
	if (oldlenp)
		*oldlenp = m.len;
	if (!oldp)
		return 0;
	/* What fits is copied all the same (xnu sysctl_old_user). */
	memcpy(oldp, value, m.len < room ? m.len : room);
	if (m.len <= room)
		return 0;
	*oldlenp = room;
	errno = ENOMEM;
	return -1;
}
