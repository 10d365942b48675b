/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * contract.h - between ContractDriver, a dext that does to DriverKit what a
 * test asks for, and the test.  Every method answers with what each DriverKit
 * call returned, as scalars; the method itself succeeds.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdint.h>

#define CONTRACT_SERVICE "ContractDriver"

enum contract_selector {
	CONTRACT_START,       /* out: what Start saw, enum contract_start */
	CONTRACT_CHECKED,     /* in 2 scalars, struct of 8; out 1 scalar, struct of 16: through a dispatch table */
	CONTRACT_NO_FUNCTION, /* through a dispatch table without function */
	CONTRACT_ASYNC_ONLY,  /* through a dispatch table that wants a completion */
	CONTRACT_ARGUMENTS,   /* struct in/out of any size; out: enum contract_arguments */
	CONTRACT_COMPLETE,    /* async; in times, args: completes that often with that many arguments */
	CONTRACT_DESCRIBE,    /* in options, count; struct ranges -> CreateMemoryDescriptorFromClient, GetLength */
	CONTRACT_PREPARE,     /* in struct contract_prepare + ranges -> out: enum contract_prepared */
	CONTRACT_BUSY,        /* in address, bytes: two descriptors on one command; Complete three times */
	CONTRACT_MAPPING,     /* in options, address, bytes, map options: maps, reads 8 bytes, writes 8 others; out ret,
				 value, length, writable */
	CONTRACT_BUFFER,      /* out: length before and after SetLength, of the range, writable */
	CONTRACT_OUT_BUFFER,  /* a buffer of direction Out -> writable: its range, mapped read-only, as part of another */
	CONTRACT_BAR_INFO,    /* in bar -> ret, memory index, size, type */
	CONTRACT_MEMORY,      /* in index, offset -> MemoryRead32 */
	CONTRACT_COPY_MEMORY, /* in index, 1 = as the driver (which opened), 0 = as the client -> ret */
	CONTRACT_FIND,        /* in capability, start -> ret, offset */
	CONTRACT_RESET,       /* in type, options -> ret */
	CONTRACT_CONFIGURE,   /* in type, required, requested, options -> ret */
	CONTRACT_SOURCE,      /* in index -> ret of Create */
	CONTRACT_INTERRUPTS,  /* in index, n: raise vector 0 n times while the queue is busy -> deliveries, interrupts,
				 last */
	CONTRACT_CANCEL,      /* in index: ret of Cancel, SetEnable afterwards, block ran */
	CONTRACT_CREATE,      /* out: ret of Create with an unknown key, with another provider */
	CONTRACT_QUEUES,      /* out: enum contract_queues */
	CONTRACT_PROPERTIES,  /* out: what SearchProperty found, on the nub and on the driver */
	CONTRACT_TIMER,       /* in milliseconds -> fired, ms it took */
	CONTRACT_SELECTORS
};

enum contract_start {
	START_CONFIG_CLOSED, /* ConfigurationRead32(0) before Open */
	START_MEMORY_CLOSED, /* MemoryRead32 before Open */
	START_OPEN,
	START_OPEN_AGAIN,
	START_CONFIG_OPEN,
	START_COMMAND, /* command register as Open left it */
	START_REGISTER,
	START_ON_QUEUE,
	START_BUS,
	START_DEVICE,
	START_FUNCTION,
	START_RESULTS
};

enum contract_arguments {
	ARGUMENTS_SCALARS_IN,
	ARGUMENTS_SCALARS_OUT,
	ARGUMENTS_STRUCT_IN,     /* OSData length + 1, 0 = NULL */
	ARGUMENTS_DESCRIPTOR_IN, /* descriptor length + 1, 0 = NULL */
	ARGUMENTS_DESCRIPTOR_OUT,
	ARGUMENTS_MAXIMUM,
	ARGUMENTS_QUEUE, /* 1 = on the queue set for external methods */
	ARGUMENTS_SUM,   /* of the input bytes */
	ARGUMENTS_RESULTS
};

struct contract_range {
	uint64_t address, length;
};

struct contract_prepare {
	uint64_t memory_options, options, offset, length, bits;
	uint32_t slots, ranges;
};

enum contract_prepared {
	PREPARED_DESCRIBE,
	PREPARED_CREATE,
	PREPARED_RET,
	PREPARED_FLAGS,
	PREPARED_SEGMENTS,
	PREPARED_SUM,
	PREPARED_ADDRESS,
	PREPARED_LENGTH,
	PREPARED_GET, /* GetPreparation */
	PREPARED_GET_OFFSET,
	PREPARED_GET_LENGTH,
	PREPARED_GET_SAME, /* 1 = the descriptor that was prepared */
	PREPARED_COMPLETE,
	PREPARED_COMPLETE_AGAIN,
	PREPARED_RESULTS
};

enum contract_queues {
	QUEUES_ORDER,    /* 1 = 100 blocks ran in order, one at a time */
	QUEUES_SYNC,     /* 1 = DispatchSync waited */
	QUEUES_ON_QUEUE, /* 1 = OnQueue inside and not outside */
	QUEUES_ACTION,   /* result of RunAction */
	QUEUES_CANCEL,   /* 1 = the cancel block ran behind what was queued, and nothing after it */
	QUEUES_COPY,     /* 1 = CopyDispatchQueue found the default queue, and NotFound for one nobody set */
	QUEUES_RESULTS
};

#endif
