// SPDX-License-Identifier: GPL-2.0-or-later
#include "subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 20

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In a process group of its own, so that its children end with it. */
static int start(char *const argv[], int out, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int error;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attributes, 0);
	error = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

/* Until end of file; SUBPROCESS_OK, _HUNG or _FLOOD. */
static enum subprocess_end collect(int from, int64_t deadline, char *out, size_t room)
{
	size_t used = 0;

	for (;;) {
		struct pollfd wait = {.fd = from, .events = POLLIN};
		int64_t left = deadline - now_ms();
		ssize_t n;

		out[used] = '\0';
		if (left <= 0)
			return SUBPROCESS_HUNG;
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		n = read(from, out + used, room - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return used == room - 1 ? SUBPROCESS_FLOOD : SUBPROCESS_OK;
		for (ssize_t i = 0; i < n; i++) {
			if (!out[used + (size_t)i])
				out[used + (size_t)i] = ' ';
		}
		used += (size_t)n;
		if (used == room - 1) {
			out[used] = '\0';
			return SUBPROCESS_FLOOD;
		}
	}
}

/* A program may close its output and stay.  Who ignores SIGCHLD is not told how it ended. */
static bool wait_ended(pid_t pid, int64_t deadline, int *status)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 && now_ms() < deadline)
		nanosleep(&step, NULL);
	return got != 0;
}

enum subprocess_end subprocess_run(char *const argv[], unsigned limit_ms, char *out, size_t room)
{
	int64_t deadline = now_ms() + limit_ms;
	enum subprocess_end end;
	int channel[2], status = 0;
	pid_t pid;

	out[0] = '\0';
	if (pipe(channel))
		return SUBPROCESS_FAILED;
	fcntl(channel[0], F_SETFD, FD_CLOEXEC);
	fcntl(channel[1], F_SETFD, FD_CLOEXEC);
	if (start(argv, channel[1], &pid)) {
		close(channel[0]);
		close(channel[1]);
		return SUBPROCESS_MISSING;
	}
	close(channel[1]);
	end = collect(channel[0], deadline, out, room);
	close(channel[0]);
	if (end != SUBPROCESS_OK || !wait_ended(pid, deadline, &status)) {
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		return end == SUBPROCESS_OK ? SUBPROCESS_HUNG : end;
	}
	/* What posix_spawn cannot tell beforehand, it tells like a shell. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return SUBPROCESS_MISSING;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? SUBPROCESS_OK : SUBPROCESS_FAILED;
}
