// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims a device, runs a command while it holds it, and ends with that command's status: ADDRESS COMMAND... */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfapple.h"

int main(int argc, char **argv)
{
	struct vfa_device *dev;
	struct vfa_error err;
	int status;
	pid_t child;

	if (argc < 3)
		return 99;
	if (vfa_open(argv[1], NULL, NULL, &dev, &err)) {
		fprintf(stderr, "holder: %s\n", err.text);
		return 99;
	}
	child = fork();
	if (child == 0) {
		execv(argv[2], argv + 2);
		_exit(99);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 99;
	vfa_close(dev);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
