/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * count.S - nothing but a loop of known length, on QEMU's bare "virt" machine: prints, as 16 hexadecimal digits, what
 * bench/insn counts between two readings.  Nothing interrupts it, so that is 4 * ROUNDS + 4 each time.
 */
#include "../guest/insns.h"

#define UART	   0x09000000
#define SYSTEM_OFF 0x84000008

	.globl _start
_start:
	mov	x0, #0
	hint	#INSNS_HINT
	mov	x19, x0
	ldr	x1, =ROUNDS
0:	subs	x1, x1, #1
	nop
	nop
	b.ne	0b
	mov	x0, #0
	hint	#INSNS_HINT
	sub	x19, x0, x19

	ldr	x1, =UART
	mov	x2, #16
1:	ror	x19, x19, #60
	and	x3, x19, #15
	add	x4, x3, #'0'
	add	x5, x3, #'a' - 10
	cmp	x3, #10
	csel	x3, x4, x5, lo
	str	w3, [x1]
	subs	x2, x2, #1
	b.ne	1b
	mov	w3, #'\n'
	str	w3, [x1]
	ldr	x0, =SYSTEM_OFF
	hvc	#0
2:	b	2b
