/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insns.h - how a guest program reads the count of bench/insn.
 */
#ifndef BENCH_INSNS_H
#define BENCH_INSNS_H

/* HINT #127, the last of those without a meaning: a NOP on every processor. */
#define INSNS_HINT   127
#define INSNS_OPCODE (0xd503201fu | INSNS_HINT << 5)

#ifndef __ASSEMBLER__
#include <stdint.h>

#ifdef __aarch64__
/* Instructions that all processors of this machine have executed, or 0: nobody counts. */
static inline uint64_t insns_now(void)
{
	register uint64_t count __asm__("x0") = 0;

	__asm__ volatile("hint %1" : "+r"(count) : "i"(INSNS_HINT) : "memory");
	return count;
}
#endif
#endif

#endif
