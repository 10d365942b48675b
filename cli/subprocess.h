/* SPDX-License-Identifier: GPL-2.0-or-later */
/* subprocess.h - ask another program something, without trusting it to answer, to end or to be brief. */
#ifndef VFIO_APPLE_SUBPROCESS_H
#define VFIO_APPLE_SUBPROCESS_H

#include <stddef.h>

enum subprocess_end {
	SUBPROCESS_OK,      /* it ended with status 0 */
	SUBPROCESS_MISSING, /* there is no such program, or it may not be run */
	SUBPROCESS_FAILED,  /* it ended otherwise */
	SUBPROCESS_HUNG,    /* it had to be killed when the time was up */
	SUBPROCESS_FLOOD,   /* it had to be killed because it wrote more than fits */
};

/*
 * Runs argv, found in the PATH unless argv[0] has a slash, with nothing to
 * read and its errors dropped.  out gets what it wrote, ended by NUL, whatever
 * the end was; NUL bytes in it become blanks.
 */
enum subprocess_end subprocess_run(char *const argv[], unsigned limit_ms, char *out, size_t room);

#endif
