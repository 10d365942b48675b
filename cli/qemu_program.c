// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu_program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

#define QEMU_PROGRAM "qemu-system-aarch64"

/* The QEMU installed with this tool, "" when there is none. */
static void find_bundled_qemu(char path[PATH_MAX])
{
	static const char relative[] = "/../libexec/vfio-apple/" QEMU_PROGRAM;
	char *slash;

	path[0] = '\0';
	if (!host_executable_path(path, PATH_MAX - sizeof(relative)))
		return;
	slash = strrchr(path, '/');
	if (!slash)
		return;
	memcpy(slash, relative, sizeof(relative));
	if (access(path, X_OK))
		path[0] = '\0';
}

const char *qemu_program(const char *chosen, char room[PATH_MAX])
{
	if (!chosen)
		chosen = getenv("VFIO_APPLE_QEMU");
	if (chosen && *chosen)
		return chosen;
	find_bundled_qemu(room);
	return room[0] ? room : QEMU_PROGRAM;
}
