// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random operations on the frame index, as many as asked for, each run of 4,000 under another budget and another host.
 *
 *	fuzz_frame_index [OPERATIONS [SEED]]
 */
#include "frames_model.h"

#include <stdio.h>

#define PART 4000000ull

int main(int argc, char **argv)
{
	uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	for (uint64_t done = 0; done < operations;) {
		uint64_t part = operations - done < PART ? operations - done : PART;

		fprintf(stderr, "# %llu of %llu operations, seed %llu\n", (unsigned long long)done,
			(unsigned long long)operations, (unsigned long long)seed);
		model_random(seed, part);
		done += part;
		seed += part / 4000;
	}
	printf("ok 1 - %llu random operations on the frame index\n1..1\n", (unsigned long long)operations);
	return 0;
}
