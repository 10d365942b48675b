// SPDX-License-Identifier: GPL-2.0-or-later
/* faults.c - settings that make platform calls fail or slow. */
#include "faults.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "kernel.h"

/* lock */
static struct {
	uint32_t next[FAULT_COMPLETE], nth[FAULT_COMPLETE], every[FAULT_COMPLETE];
	uint32_t one_in, seed;
	uint32_t call_delay_us, complete_delay_us;
	uint32_t hang_ms;
	uint32_t refuse_open, link_fails;
	uint32_t hold[FAULT_HOLDS], hold_bus;
} faults;
static uint64_t made[FAULT_COMPLETE]; /* calls since fail_every_X was set */
static uint64_t rng, failed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	const char *name;
	uint32_t *value;
} settings[] = {
	{"fail_prepare", &faults.next[FAULT_PREPARE]},
	{"fail_descriptor", &faults.next[FAULT_DESCRIPTOR]},
	{"fail_command", &faults.next[FAULT_COMMAND]},
	{"fail_nth_prepare", &faults.nth[FAULT_PREPARE]},
	{"fail_nth_descriptor", &faults.nth[FAULT_DESCRIPTOR]},
	{"fail_nth_command", &faults.nth[FAULT_COMMAND]},
	{"fail_every_prepare", &faults.every[FAULT_PREPARE]},
	{"fail_every_descriptor", &faults.every[FAULT_DESCRIPTOR]},
	{"fail_every_command", &faults.every[FAULT_COMMAND]},
	{"fail_one_in", &faults.one_in},
	{"fail_seed", &faults.seed},
	{"call_delay_us", &faults.call_delay_us},
	{"complete_delay_us", &faults.complete_delay_us},
	{"hang_call_ms", &faults.hang_ms},
	{"refuse_open", &faults.refuse_open},
	{"link_fails", &faults.link_fails},
	{"hold_call", &faults.hold[FAULT_HOLD_CALL]},
	{"hold_map", &faults.hold[FAULT_HOLD_MAP]},
	{"hold_bus", &faults.hold_bus},
};

const char *fault_name(unsigned i)
{
	return i < sizeof(settings) / sizeof(settings[0]) ? settings[i].name : NULL;
}

bool fault_set(const char *name, uint32_t value)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(settings[i].name, name))
			continue;
		*settings[i].value = value;
		memset(made, 0, sizeof(made));
		rng = faults.seed;
		found = true;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

bool fault_fails(enum fault_call call)
{
	bool fails = false;

	pthread_mutex_lock(&lock);
	made[call]++;
	if (faults.next[call]) {
		faults.next[call]--;
		fails = true;
	}
	if (faults.nth[call] && --faults.nth[call] == 0)
		fails = true;
	if (faults.every[call] && made[call] % faults.every[call] == 0)
		fails = true;
	if (faults.one_in && next_random() % faults.one_in == 0)
		fails = true;
	failed += fails;
	pthread_mutex_unlock(&lock);
	return fails;
}

uint64_t fault_count(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = failed;
	pthread_mutex_unlock(&lock);
	return n;
}

void fault_delays(enum fault_call call)
{
	uint64_t busy_us, hang_ms, until;

	pthread_mutex_lock(&lock);
	busy_us = faults.call_delay_us + (call == FAULT_COMPLETE ? faults.complete_delay_us : 0);
	hang_ms = faults.hang_ms;
	faults.hang_ms = 0;
	pthread_mutex_unlock(&lock);
	if (hang_ms)
		nanosleep(&(struct timespec){hang_ms / 1000, hang_ms % 1000 * 1000000}, NULL);
	if (!busy_us)
		return;
	until = now_ns() + 1000 * busy_us;
	while (now_ns() < until)
		;
}

static bool flag(const uint32_t *value)
{
	bool set;

	pthread_mutex_lock(&lock);
	set = *value;
	pthread_mutex_unlock(&lock);
	return set;
}

bool fault_refuse_open(void)
{
	return flag(&faults.refuse_open);
}

bool fault_link_fails(void)
{
	return flag(&faults.link_fails);
}

bool fault_holds(enum fault_hold hold, uint64_t which, unsigned bus)
{
	bool held;

	pthread_mutex_lock(&lock);
	held = faults.hold[hold] && faults.hold[hold] - 1 == which && (!faults.hold_bus || faults.hold_bus == bus);
	pthread_mutex_unlock(&lock);
	return held;
}
