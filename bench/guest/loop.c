// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A loop of known length between two readings of the count of instructions: what it should count, and the least that it
 * counts in some tries; the kernel interrupts the others for longer.
 *
 *	loop ROUNDS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "insns.h"

#define TRIES 10

static uint64_t once(uint64_t rounds)
{
	uint64_t begin = insns_now();

	__asm__ volatile("0: subs %0, %0, #1\n"
			 "   nop\n"
			 "   nop\n"
			 "   b.ne 0b"
			 : "+r"(rounds)
			 :
			 : "cc");
	return insns_now() - begin;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc == 2 ? strtoull(argv[1], NULL, 0) : 0, least = UINT64_MAX;

	if (!rounds) {
		fputs("usage: loop ROUNDS\n", stderr);
		return 2;
	}
	for (int i = 0; i < TRIES; i++) {
		uint64_t counted = once(rounds);

		least = counted < least ? counted : least;
	}
	printf("expected=%" PRIu64 " counted=%" PRIu64 "\n", rounds * 4, least);
	return 0;
}
