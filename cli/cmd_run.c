// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "host.h"
#include "kernel_image.h"
#include "qemu_args.h"
#include "qemu_program.h"

static const char usage[] =
	"Usage: " CLI_NAME " run --device ADDRESS... [OPTION...] [-- QEMU-ARGUMENT...]\n"
	"Start QEMU with the given devices passed through; the guest's serial console is this terminal.\n"
	"\n"
	"  --device ADDRESS   pass this device through (repeatable); 03:00.0 or id:0x1000004f2\n"
	"  --disk FILE        virtio disk (repeatable): FILE.qcow2, FILE.raw or FILE.img\n"
	"  --seed DIR         cloud-init seed: the guest sees the folder as a volume named CIDATA\n"
	"  --kernel FILE      boot this kernel instead of the disk's boot loader\n"
	"  --initrd FILE      its initial RAM disk\n"
	"  --append TEXT      its command line\n"
	"  --firmware FILE    UEFI firmware to boot disks with (default: QEMU's own)\n"
	"  --memory SIZE      guest memory, such as 4G or 512M (default 4G)\n"
	"  --cpus N           guest processors (default 4)\n"
	"  --net user|none    network behind the host's (default none; user needs a QEMU with libslirp)\n"
	"  --accel NAME       hvf, kvm or tcg (default: the fastest this host offers)\n"
	"  --qemu FILE        the QEMU to start (default: $VFIO_APPLE_QEMU, then ../libexec/vfio-apple\n"
	"                     beside this tool, then the PATH)\n"
	"  --dry-run          check everything, print the command, start nothing\n"
	"\n"
	"Arguments behind -- go to QEMU unchanged.\n";

static const char *const accelerators[] = {"hvf", "kvm", "tcg"};

struct run {
	struct vm_options vm;
	bool dry_run, help;
};

static bool known_accelerator(const char *name)
{
	for (size_t i = 0; i < sizeof(accelerators) / sizeof(accelerators[0]); i++) {
		if (!strcmp(name, accelerators[i]))
			return true;
	}
	return false;
}

static int parse(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"device", required_argument, NULL, 'd'}, {"disk", required_argument, NULL, 'b'},
		{"kernel", required_argument, NULL, 'k'}, {"initrd", required_argument, NULL, 'i'},
		{"append", required_argument, NULL, 'a'}, {"firmware", required_argument, NULL, 'f'},
		{"memory", required_argument, NULL, 'm'}, {"cpus", required_argument, NULL, 'c'},
		{"net", required_argument, NULL, 'n'},    {"accel", required_argument, NULL, 'x'},
		{"qemu", required_argument, NULL, 'q'},   {"dry-run", no_argument, NULL, 'y'},
		{"seed", required_argument, NULL, 's'},   {"help", no_argument, NULL, 'h'},
		{0},
	};
	struct vm_options *vm = &run->vm;
	int c;

	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			if (vm->nr_devices == VM_MAX_DEVICES)
				return cli_fail(CLI_USAGE, "run: more than %d devices", VM_MAX_DEVICES);
			vm->devices[vm->nr_devices++] = optarg;
			break;
		case 'b':
			if (vm->nr_disks == VM_MAX_DISKS)
				return cli_fail(CLI_USAGE, "run: more than %d disks", VM_MAX_DISKS);
			if (!vm_disk_format(optarg))
				return cli_fail(
					CLI_USAGE,
					"run: the format of disk '%s' is not known; name it .qcow2, .raw or .img",
					optarg);
			vm->disks[vm->nr_disks++] = optarg;
			break;
		case 's':
			vm->seed = optarg;
			break;
		case 'k':
			vm->kernel = optarg;
			break;
		case 'i':
			vm->initrd = optarg;
			break;
		case 'a':
			vm->append = optarg;
			break;
		case 'f':
			vm->firmware = optarg;
			break;
		case 'm':
			if (!vm_memory_valid(optarg))
				return cli_fail(CLI_USAGE, "run: '%s' is no memory size; say 4G, or 512M", optarg);
			vm->memory = optarg;
			break;
		case 'c':
			if (!vm_cpus_valid(optarg))
				return cli_fail(CLI_USAGE, "run: '%s' is no number of processors from 1 to 512",
						optarg);
			vm->cpus = optarg;
			break;
		case 'n':
			if (strcmp(optarg, "user") && strcmp(optarg, "none"))
				return cli_fail(CLI_USAGE, "run: network '%s' is not known; say user or none", optarg);
			vm->net = !strcmp(optarg, "user");
			break;
		case 'x':
			if (!known_accelerator(optarg))
				return cli_fail(CLI_USAGE, "run: accelerator '%s' is not known; say hvf, kvm or tcg",
						optarg);
			vm->accel = optarg;
			break;
		case 'q':
			vm->qemu = optarg;
			break;
		case 'y':
			run->dry_run = true;
			break;
		case 'h':
			run->help = true;
			return CLI_OK;
		default:
			return cli_bad_option("run", c, argv);
		}
	}
	if (optind < argc)
		return cli_fail(CLI_USAGE, "run: '%s' is not an option; arguments for QEMU come behind --",
				argv[optind]);
	if (!vm->nr_devices)
		return cli_fail(CLI_USAGE, "run: no device given; add --device ADDRESS (" CLI_NAME " list shows them)");
	if (!vm->kernel && !vm->nr_disks)
		return cli_fail(CLI_USAGE, "run: there is nothing to boot; add --disk FILE or --kernel FILE");
	if (!vm->kernel && (vm->initrd || vm->append))
		return cli_fail(CLI_USAGE, "run: --initrd and --append need --kernel");
	if (vm->kernel && vm->firmware)
		return cli_fail(CLI_USAGE, "run: --kernel and --firmware exclude each other");
	return CLI_OK;
}

/* cloud-init passes over a seed that lacks one of these, and the guest comes up without a word about it. */
static int check_seed(const char *seed)
{
	static const char *const files[] = {"user-data", "meta-data"};
	char path[PATH_MAX];
	struct stat status;

	if (stat(seed, &status))
		return cli_fail(CLI_FAILURE, "the seed %s cannot be read: %s", seed, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return cli_fail(CLI_FAILURE, "the seed %s is not a folder; give one with user-data and meta-data", seed);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", seed, files[i]) >= (int)sizeof(path))
			return cli_fail(CLI_FAILURE, "the path of the seed is too long");
		if (stat(path, &status) || !S_ISREG(status.st_mode) || access(path, R_OK))
			return cli_fail(CLI_FAILURE, "the seed %s has no file %s that can be read; cloud-init needs it",
					seed, files[i]);
	}
	return CLI_OK;
}

static int check_files(const struct vm_options *vm)
{
	const char *files[3 + VM_MAX_DISKS] = {vm->kernel, vm->initrd, vm->firmware};

	memcpy(files + 3, vm->disks, sizeof(vm->disks));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i] && access(files[i], R_OK))
			return cli_fail(CLI_FAILURE, "%s cannot be read: %s", files[i], strerror(errno));
	}
	if (vm->kernel && !kernel_image_is_arm64(vm->kernel))
		return cli_fail(CLI_FAILURE, "%s is not an arm64 Linux kernel; give the Image or vmlinuz of one",
				vm->kernel);
	if (vm->seed)
		return check_seed(vm->seed);
	return CLI_OK;
}

/* QEMU would find out too, but only after building the whole machine. */
static int check_devices(const struct vm_options *vm)
{
	uint64_t ids[VM_MAX_DEVICES];

	for (size_t i = 0; i < vm->nr_devices; i++) {
		struct vfa_error err = {{0}};
		struct vfa_listed listed;
		int rc = vfa_parse_address(vm->devices[i], &listed, &err);

		if (rc)
			return cli_fail_client(rc, &err);
		if (listed.claimed)
			return cli_fail(CLI_BUSY, "%s is in use by another process; stop that one first",
					vm->devices[i]);
		for (size_t j = 0; j < i; j++) {
			if (ids[j] == listed.info.registry_id)
				return cli_fail(CLI_USAGE, "run: device %s is given twice", vm->devices[i]);
		}
		ids[i] = listed.info.registry_id;
	}
	return CLI_OK;
}

int cmd_run(int argc, char **argv)
{
	struct run run = {.vm = {.memory = "4G", .cpus = "4", .accel = host_accelerator()}};
	char bundled[PATH_MAX];
	struct args args;
	int status;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			run.vm.extra = argv + i + 1;
			run.vm.nr_extra = (size_t)(argc - i - 1);
			argv[i] = NULL;
			argc = i;
		}
	}
	status = parse(&run, argc, argv);
	if (status != CLI_OK)
		return status;
	if (run.help) {
		fputs(usage, stdout);
		return cli_finish();
	}

	run.vm.qemu = qemu_program(run.vm.qemu, bundled);
	status = check_files(&run.vm);
	if (status == CLI_OK)
		status = check_devices(&run.vm);
	if (status != CLI_OK)
		return status;

	qemu_args_build(&run.vm, &args);
	if (run.dry_run) {
		char *line = args_quote(&args);

		puts(line);
		free(line);
		args_free(&args);
		return cli_finish();
	}
	execvp(args.argv[0], args.argv);
	status = errno;
	args_free(&args);
	return cli_fail(CLI_FAILURE, "QEMU cannot be started as %s: %s; name it with --qemu or $VFIO_APPLE_QEMU",
			run.vm.qemu, strerror(status));
}
