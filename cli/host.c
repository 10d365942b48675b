// SPDX-License-Identifier: GPL-2.0-or-later
#include "host.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

bool host_executable_path(char *path, size_t bytes)
{
#ifdef __APPLE__
	char found[PATH_MAX], resolved[PATH_MAX];
	uint32_t size = sizeof(found);

	if (_NSGetExecutablePath(found, &size) || !realpath(found, resolved) || strlen(resolved) >= bytes)
		return false;
	memcpy(path, resolved, strlen(resolved) + 1);
	return true;
#else
	ssize_t length = readlink("/proc/self/exe", path, bytes);

	if (length < 0 || (size_t)length >= bytes)
		return false;
	path[length] = '\0';
	return true;
#endif
}

const char *host_accelerator(void)
{
#ifdef __APPLE__
	return "hvf";
#else
	struct utsname name;

	if (uname(&name) == 0 && !strcmp(name.machine, "aarch64") && !access("/dev/kvm", R_OK | W_OK))
		return "kvm";
	return "tcg";
#endif
}
