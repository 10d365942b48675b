/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli.h - the vfio-apple tool: list devices, show their state, start a VM, look for what is wrong.
 *
 * A command parses its own arguments and returns an exit status; it prints
 * results on stdout and, when it fails, one sentence on stderr.
 */
#ifndef VFIO_APPLE_CLI_H
#define VFIO_APPLE_CLI_H

#include <getopt.h>
#include <stdbool.h>

#include "vfapple.h"

#define CLI_NAME    "vfio-apple"
#define CLI_VERSION "0.1.0"

/* Exit statuses; cli/vfio-apple.1 documents them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILURE = 1,
	CLI_USAGE = 2,
	CLI_NO_DEVICE = 3,     /* no such device, or it went away */
	CLI_BUSY = 4,          /* another process has it */
	CLI_NOT_PERMITTED = 5, /* entitlement missing */
	CLI_WRONG_VERSION = 6, /* the driver extension speaks another version */
};

int cmd_list(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* Prints "vfio-apple: SENTENCE." and returns status; the format has no full stop. */
int cli_fail(enum cli_exit status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a failed call of the client library: rc is its negative errno. */
int cli_fail_client(int rc, const struct vfa_error *err);
/* Reports the option getopt_long() has just refused ('?' or ':'). */
int cli_bad_option(const char *command, int refusal, char **argv);
/* A second ADDRESS, where one or none is wanted. */
int cli_fail_extra_argument(const char *command, const char *argument);
/* Flushes stdout: a full disk or a closed pipe must not look like success. */
int cli_finish(void);

/*
 * Every device, by address; *list is malloc'ed.  CLI_OK or the status of the
 * failure it has reported.  No device at all is *count 0, and not reported.
 */
int cli_devices(struct vfa_listed **list, size_t *count);
int cli_fail_no_devices(void);

#define CLI_ADDRESS_BYTES 16
/* "03:00.0" */
void cli_address(const struct vfa_device_info *info, char text[CLI_ADDRESS_BYTES]);

#endif
