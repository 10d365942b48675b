// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int cli_fail(enum cli_exit status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs(CLI_NAME ": ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(".\n", stderr);
	return status;
}

static enum cli_exit exit_status(int rc)
{
	switch (-rc) {
	case 0:
		return CLI_OK;
	case EINVAL:
		return CLI_USAGE;
	case ENOENT:
	case ENODEV:
		return CLI_NO_DEVICE;
	case EBUSY:
		return CLI_BUSY;
	case EPERM:
		return CLI_NOT_PERMITTED;
	case EPROTO:
		return CLI_WRONG_VERSION;
	default:
		return CLI_FAILURE;
	}
}

int cli_fail_client(int rc, const struct vfa_error *err)
{
	const char *text = err->text[0] ? err->text : strerror(-rc);
	size_t length = strlen(text);

	return cli_fail(exit_status(rc), "%.*s", (int)(length && text[length - 1] == '.' ? length - 1 : length), text);
}

int cli_bad_option(const char *command, int refusal, char **argv)
{
	const char *what = refusal == ':' ? "a value is missing after" : "unknown option";

	return cli_fail(CLI_USAGE, "%s: %s '%s'; see " CLI_NAME " %s --help", command, what, argv[optind - 1], command);
}

int cli_fail_extra_argument(const char *command, const char *argument)
{
	return cli_fail(CLI_USAGE, "%s: '%s' is one argument too many; give one ADDRESS or none", command, argument);
}

static int by_address(const void *a, const void *b)
{
	const struct vfa_device_info *x = &((const struct vfa_listed *)a)->info;
	const struct vfa_device_info *y = &((const struct vfa_listed *)b)->info;

	if (x->bus != y->bus)
		return x->bus - y->bus;
	if (x->device != y->device)
		return x->device - y->device;
	if (x->function != y->function)
		return x->function - y->function;
	return (x->registry_id > y->registry_id) - (x->registry_id < y->registry_id);
}

int cli_devices(struct vfa_listed **list, size_t *count)
{
	struct vfa_error err = {{0}};
	int rc = vfa_list(list, count, &err);

	if (rc)
		return cli_fail_client(rc, &err);
	if (*count)
		qsort(*list, *count, sizeof(**list), by_address);
	return CLI_OK;
}

int cli_fail_no_devices(void)
{
	return cli_fail(CLI_NO_DEVICE, "there is no device to pass through; attach one, and allow the " VFA_SERVICE_NAME
				       " driver extension in System Settings");
}

int cli_finish(void)
{
	if (fflush(stdout) || ferror(stdout))
		return cli_fail(CLI_FAILURE, "the output cannot be written: %s", strerror(errno));
	return CLI_OK;
}

void cli_address(const struct vfa_device_info *info, char text[CLI_ADDRESS_BYTES])
{
	snprintf(text, CLI_ADDRESS_BYTES, "%02x:%02x.%x", info->bus, info->device, info->function);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"list", cmd_list},
	{"status", cmd_status},
	{"run", cmd_run},
	{"doctor", cmd_doctor},
};

static const char usage[] = "Usage: " CLI_NAME " COMMAND [OPTION...]\n"
			    "Give PCI devices of this Mac to a virtual machine.\n"
			    "\n"
			    "  list      the devices that can be passed through\n"
			    "  status    mappings, interrupts and resets of each\n"
			    "  run       start QEMU with one or more of them\n"
			    "  doctor    check everything that passthrough needs\n"
			    "\n"
			    "  --help, --version\n"
			    "\n" CLI_NAME " COMMAND --help tells the options of a command.\n";

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs(usage, stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		fputs(usage, stdout);
		return cli_finish();
	}
	if (!strcmp(argv[1], "--version")) {
		printf(CLI_NAME " " CLI_VERSION " (driver extension interface %u.%u)\n", VFA_VERSION_MAJOR,
		       VFA_VERSION_MINOR);
		return cli_finish();
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	return cli_fail(CLI_USAGE, "unknown command '%s'; the commands are list, status, run and doctor", argv[1]);
}
