/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults.h - what the platform may do to a driver at any time: each call that
 * makes or ends a mapping can fail or be slow, by order of macsim-ctl or the
 * machine file's [faults].
 *
 * fail_X=N        the next N calls of X fail
 * fail_nth_X=N    the Nth from now fails, once
 * fail_every_X=N  each Nth fails, until set to 0
 * fail_one_in=N   any of these calls fails with that probability, from fail_seed
 *
 * A client's calls to the dext can be held, too: hold_call=N those with selector
 * N - 1, until set to 0; with hold_bus those to functions of that bus only.
 */
#ifndef MACSIM_KERNEL_FAULTS_H
#define MACSIM_KERNEL_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_call {
	FAULT_PREPARE,    /* a page that cannot be paged in, no IOVA: NoResources (MD 4458, VTD 1204) */
	FAULT_DESCRIPTOR, /* no memory for the descriptor: NoMemory (US 832) */
	FAULT_COMMAND,    /* no memory for the command: NoMemory (US 960) */
	FAULT_COMPLETE, /* cannot fail (MD dmaCommandOperation hides it), only be slow: the IOTLB is flushed (VTD 2209)
			 */
	FAULT_CALLS
};

/* Calls of a client that do not reach the dext, nor return, while they are held. */
enum fault_hold {
	FAULT_HOLD_CALL, /* the method with that selector */
	FAULT_HOLD_MAP,  /* IOConnectMapMemory64 of that type */
	FAULT_HOLDS
};

/* One call is made: true when it is to fail. */
bool fault_fails(enum fault_call call);
/* Takes the time the call is to take. */
void fault_delays(enum fault_call call);

/* false: there is no such setting. Numbers count from the moment any one is set. */
bool fault_set(const char *name, uint32_t value);
const char *fault_name(unsigned i); /* NULL at the end */
uint64_t fault_count(void);         /* calls that were made to fail */
/* Settings that others look at. */
bool fault_refuse_open(void);
bool fault_link_fails(void);
bool fault_holds(enum fault_hold hold, uint64_t which, unsigned bus);

#endif
