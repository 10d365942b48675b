// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu_args.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Found by QEMU among the files it is installed with. */
#define DEFAULT_FIRMWARE "edk2-aarch64-code.fd"

static void *must(void *memory)
{
	if (!memory) {
		fputs("vfio-apple: out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

static void add(struct args *args, const char *text)
{
	if (args->count + 2 > args->room) {
		args->room = args->room ? args->room * 2 : 32;
		args->argv = must(realloc(args->argv, args->room * sizeof(*args->argv)));
	}
	args->argv[args->count++] = must(strdup(text));
	args->argv[args->count] = NULL;
}

/* An option and its value, a QEMU list "a=b,c=d": %s stands for a value, whose commas are doubled. */
static void add_list(struct args *args, const char *option, const char *format, ...)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = must(open_memstream(&text, &bytes));
	va_list values;

	va_start(values, format);
	for (; *format; format++) {
		if (format[0] == '%' && format[1] == 's') {
			for (const char *value = va_arg(values, const char *); *value; value++) {
				fputc(*value, out);
				if (*value == ',')
					fputc(',', out);
			}
			format++;
		} else {
			fputc(*format, out);
		}
	}
	va_end(values);
	if (fclose(out))
		must(NULL);
	add(args, option);
	add(args, text);
	free(text);
}

static void add_pair(struct args *args, const char *option, const char *value)
{
	if (value) {
		add(args, option);
		add(args, value);
	}
}

const char *vm_disk_format(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (!dot)
		return NULL;
	if (!strcasecmp(dot, ".qcow2"))
		return "qcow2";
	if (!strcasecmp(dot, ".raw") || !strcasecmp(dot, ".img"))
		return "raw";
	return NULL;
}

static bool parse_number(const char *text, unsigned long long *value, const char **end)
{
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, (char **)end, 10);
	return errno == 0;
}

bool vm_cpus_valid(const char *text)
{
	unsigned long long value;
	const char *end;

	return parse_number(text, &value, &end) && !*end && value >= 1 && value <= 512;
}

bool vm_memory_valid(const char *text)
{
	unsigned long long value;
	const char *end;

	if (!parse_number(text, &value, &end) || value > 1u << 30)
		return false;
	if (!strcasecmp(end, "g"))
		value *= 1024;
	else if (*end && strcasecmp(end, "m"))
		return false;
	return value >= 64;
}

void qemu_args_build(const struct vm_options *vm, struct args *args)
{
	char number[24];

	memset(args, 0, sizeof(*args));
	add(args, vm->qemu);
	add_pair(args, "-machine", "virt,gic-version=3");
	add_pair(args, "-accel", vm->accel);
	/* Without hardware help cortex-a72 is faster to emulate than max. */
	add_pair(args, "-cpu", strcmp(vm->accel, "tcg") ? "host" : "cortex-a72");
	add_pair(args, "-smp", vm->cpus);
	add_pair(args, "-m", vm->memory);
	add(args, "-nographic");

	add_pair(args, "-kernel", vm->kernel);
	add_pair(args, "-initrd", vm->initrd);
	add_pair(args, "-append", vm->append);
	if (!vm->kernel)
		add_pair(args, "-bios", vm->firmware ? vm->firmware : DEFAULT_FIRMWARE);

	for (size_t i = 0; i < vm->nr_disks; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		add_list(args, "-blockdev", "driver=%s,node-name=disk%s,file.driver=file,file.filename=%s",
			 vm_disk_format(vm->disks[i]), number, vm->disks[i]);
		add_list(args, "-device", "virtio-blk-pci,drive=disk%s", number);
	}

	/* The label is how cloud-init's NoCloud knows it.  Behind the disks: their names stay when it is left out. */
	if (vm->seed) {
		add_list(args, "-blockdev", "driver=vvfat,node-name=seed,dir=%s,label=CIDATA,read-only=on", vm->seed);
		add_pair(args, "-device", "virtio-blk-pci,drive=seed");
	}

	if (vm->net) {
		add_pair(args, "-netdev", "user,id=net0");
		add_pair(args, "-device", "virtio-net-pci,netdev=net0,romfile=");
	} else {
		add_pair(args, "-nic", "none");
	}

	for (size_t i = 0; i < vm->nr_devices; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		add_list(args, "-device", "vfio-apple-pci,host=%s,id=vfio%s", vm->devices[i], number);
	}

	for (size_t i = 0; i < vm->nr_extra; i++)
		add(args, vm->extra[i]);
}

void args_free(struct args *args)
{
	for (size_t i = 0; i < args->count; i++)
		free(args->argv[i]);
	free(args->argv);
	memset(args, 0, sizeof(*args));
}

static bool plain(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("%+,-./:=@_", *c))
			return false;
	}
	return *text != '\0';
}

char *args_quote(const struct args *args)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = must(open_memstream(&text, &bytes));

	for (size_t i = 0; i < args->count; i++) {
		if (i)
			fputc(' ', out);
		if (plain(args->argv[i])) {
			fputs(args->argv[i], out);
			continue;
		}
		fputc('\'', out);
		for (const char *c = args->argv[i]; *c; c++) {
			if (*c == '\'')
				fputs("'\\''", out);
			else
				fputc(*c, out);
		}
		fputc('\'', out);
	}
	if (fclose(out))
		must(NULL);
	return text;
}
