// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "stack.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FREE_WAIT_MS 5000

void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint8_t *memory(size_t bytes)
{
	uint8_t *raw = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(raw != MAP_FAILED);
	return raw + (PAGE - (uintptr_t)raw % PAGE) % PAGE;
}

/* ---- DMA ---- */

struct vfa_dma_request map_request(const struct vfa_dma_range *ranges, unsigned count)
{
	return (struct vfa_dma_request){
		.op = VFA_DMA_MAP,
		.flags = VFA_DMA_DEVICE_READS | VFA_DMA_DEVICE_WRITES,
		.nr_ranges = (uint8_t)count,
		.ranges = ranges,
	};
}

struct vfa_dma_request unmap_request(uint64_t handle)
{
	return (struct vfa_dma_request){.op = VFA_DMA_UNMAP, .handle = handle};
}

enum vfa_status submit_one(struct vfa_device *dev, struct vfa_dma_request *req)
{
	assert_int_equal(vfa_dma_submit(dev, req, 1), 0);
	return req->status;
}

/* ---- looking from outside ---- */

uint64_t registry_id(const char *address)
{
	struct vfa_error err = {.text = ""};
	struct vfa_listed listed;

	if (vfa_parse_address(address, &listed, &err))
		fail_msg("%s", err.text);
	return listed.info.registry_id;
}

struct vfa_stats stats_of(const char *address)
{
	struct vfa_error err = {.text = ""};
	struct vfa_stats stats;

	if (vfa_stats_of(registry_id(address), &stats, &err))
		fail_msg("%s", err.text);
	return stats;
}

void wait_until_free(const char *address)
{
	uint64_t until = now_ms() + FREE_WAIT_MS;

	for (;;) {
		struct vfa_stats stats = stats_of(address);

		if (!stats.owner && !stats.mappings_live && !stats.bytes_live && !stats.bus_master)
			return;
		if (now_ms() > until)
			fail_msg("%s: still owner %u, %u mappings, bus master %u", address, stats.owner,
				 stats.mappings_live, stats.bus_master);
		sleep_ms(10);
	}
}

void control(const char *arguments)
{
	char command[256];

	snprintf(command, sizeof(command), "${MACSIM_CTL:-build/macsim/bin/macsim-ctl} %s >/dev/null", arguments);
	assert_int_equal(system(command), 0);
}

unsigned stray_accesses(void)
{
	FILE *status = popen("${MACSIM_CTL:-build/macsim/bin/macsim-ctl} status", "re");
	char text[65536];
	size_t n;
	char *at;

	assert_non_null(status);
	n = fread(text, 1, sizeof(text) - 1, status);
	text[n] = '\0';
	assert_int_equal(pclose(status), 0);
	at = strstr(text, "\"stray\":");
	assert_non_null(at);
	return (unsigned)strtoul(at + strlen("\"stray\":"), NULL, 10);
}

/* ---- another owner ---- */

void tell_ready(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

void hold(const char *address, unsigned mappings)
{
	struct vfa_error err = {.text = ""};
	struct vfa_device *dev;

	if (vfa_open(address, NULL, NULL, &dev, &err)) {
		fprintf(stderr, "holder: %s\n", err.text);
		exit(1);
	}
	vfa_set_bus_master(dev, true);
	for (unsigned i = 0; i < mappings; i++) {
		uint8_t *mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct vfa_dma_range range = {((uintptr_t)mem + PAGE - 1) / PAGE * PAGE, PAGE};
		struct vfa_dma_request req = map_request(&range, 1);

		if (vfa_dma_submit(dev, &req, 1) || req.status != VFA_OK) {
			fprintf(stderr, "holder: mapping %u: %s\n", i, vfa_status_text(req.status));
			exit(1);
		}
	}
	tell_ready();
}

pid_t start_process(const char *what, const char *address, const char *argument)
{
	char line[16] = "";
	int out[2];
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execl("/proc/self/exe", "holder", what, address, argument, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	n = read(out[0], line, sizeof(line) - 1);
	close(out[0]);
	if (n <= 0 || strcmp(line, "ready\n"))
		fail_msg("%s: the other process did not get the device", address);
	return pid;
}

pid_t start_holder(const char *address, unsigned mappings)
{
	char count[16];

	snprintf(count, sizeof(count), "%u", mappings);
	return start_process("--hold", address, count);
}

void kill_holder(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}
