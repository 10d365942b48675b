// SPDX-License-Identifier: GPL-2.0-or-later
// The tool's parts that need no device: pci.ids, JSON, the QEMU command line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <errno.h>

#include <cmocka.h>

#include "json.h"
#include "pci_ids.h"
#include "qemu_args.h"

static struct pci_names lookup_bytes(const void *bytes, size_t count, uint16_t vendor, uint16_t device,
				     uint32_t class_code)
{
	struct pci_names names;
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	pci_ids_lookup(file, vendor, device, class_code, &names);
	fclose(file);
	return names;
}

static struct pci_names lookup(const char *text, uint16_t vendor, uint16_t device, uint32_t class_code)
{
	return lookup_bytes(text, strlen(text), vendor, device, class_code);
}

static const char sample[] = "# comment\n"
			     "\n"
			     "1af4  Red Hat, Inc.\n"
			     "\t1000  Virtio network device\n"
			     "\t\t1af4 1001  wrong: a subsystem\n"
			     "\t1001  Virtio block device\n"
			     "1b36  Red Hat, Inc. (other)\n"
			     "\t0010  QEMU NVM Express Controller\n"
			     "\t1001  wrong: another vendor's device\n"
			     "C 01  Mass storage controller\n"
			     "\t08  Non-Volatile memory controller\n"
			     "\t\t02  NVM Express\n"
			     "\t06  SATA controller\n"
			     "C 03  Display controller\n";

static void pci_ids_names_are_found(void **state)
{
	struct pci_names names = lookup(sample, 0x1b36, 0x0010, 0x010802);

	(void)state;
	assert_string_equal(names.vendor, "Red Hat, Inc. (other)");
	assert_string_equal(names.device, "QEMU NVM Express Controller");
	assert_string_equal(names.class_name, "Non-Volatile memory controller");

	names = lookup(sample, 0x1af4, 0x1001, 0x038000);
	assert_string_equal(names.device, "Virtio block device");
	assert_string_equal(names.class_name, "Display controller");
}

static void pci_ids_unknown_numbers_have_no_name(void **state)
{
	struct pci_names names = lookup(sample, 0x1af4, 0x0010, 0xff0000);

	(void)state;
	assert_string_equal(names.vendor, "Red Hat, Inc.");
	assert_string_equal(names.device, "");
	assert_string_equal(names.class_name, "");
	pci_ids_lookup(NULL, 0x1af4, 0x1000, 0, &names);
	assert_string_equal(names.vendor, "");
}

static void pci_ids_terminal_escapes_are_defused(void **state)
{
	struct pci_names names = lookup("1234  Ev\x1b[2Jil\xc2\x9b"
					"31m\x7f\r\n\t0001  caf\xc3\xa9\n",
					0x1234, 1, 0);

	(void)state;
	assert_string_equal(names.vendor, "Ev?[2Jil?31m?");
	assert_string_equal(names.device, "caf\xc3\xa9");
}

static void pci_ids_long_names_are_cut_between_characters(void **state)
{
	char text[8 + 200 * 2 + 2] = "1234  x";
	struct pci_names names;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "\xc3\xa9");
	strcat(text, "\n");
	names = lookup(text, 0x1234, 0, 0);
	assert_int_equal(strlen(names.vendor), PCI_IDS_NAME_BYTES - 1);
	assert_int_equal((unsigned char)names.vendor[PCI_IDS_NAME_BYTES - 2], 0xa9);

	text[6] = 'x', text[7] = 'y'; /* now the limit falls inside a character */
	memmove(text + 8, text + 7, strlen(text + 7));
	names = lookup(text, 0x1234, 0, 0);
	assert_true(strlen(names.vendor) < PCI_IDS_NAME_BYTES - 1);
	assert_int_equal((unsigned char)names.vendor[strlen(names.vendor) - 1], 0xa9);
}

static void pci_ids_overlong_line_is_no_line(void **state)
{
	char *text = calloc(1, 4096);
	struct pci_names names;

	(void)state;
	/* The buffer's end falls so that the rest of the comment looks like a vendor. */
	memset(text, '#', 3000);
	for (size_t at = 400; at < 2900; at += 37)
		memcpy(text + at, "1234  false ", 12);
	strcat(text, "\n1234  true\n");
	names = lookup(text, 0x1234, 0, 0);
	assert_string_equal(names.vendor, "true");
	free(text);
}

static void pci_ids_hostile_bytes_end_well(void **state)
{
	static const char nul[] = "1234  a\0b\n\t0001  device\n5678  c\n";
	unsigned char noise[65536];
	uint32_t seed = 1;
	struct pci_names names;

	(void)state;
	names = lookup_bytes(nul, sizeof(nul) - 1, 0x5678, 1, 0);
	assert_string_equal(names.vendor, "c");
	assert_string_equal(names.device, "");

	names = lookup("123", 0x123, 0, 0);
	assert_string_equal(names.vendor, "");
	names = lookup("1234", 0x1234, 0, 0);
	assert_string_equal(names.vendor, "");
	names = lookup("C 0", 0, 0, 0);
	assert_string_equal(names.class_name, "");
	names = lookup("\t0001  orphan\n", 0, 1, 0);
	assert_string_equal(names.device, "");

	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (unsigned char)(seed >> 24);
	}
	names = lookup_bytes(noise, sizeof(noise), 0x1234, 1, 0x010203);
	assert_true(memchr(names.vendor, 0, sizeof(names.vendor)) != NULL);
}

static void pci_ids_only_regular_files_are_opened(void **state)
{
	char fifo[] = "/tmp/test-cli-XXXXXX";
	const char *tried;

	(void)state;
	assert_non_null(mkdtemp(fifo));
	assert_null(pci_ids_open(fifo, &tried));
	assert_string_equal(tried, fifo);
	assert_int_not_equal(errno, 0);
	rmdir(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_null(pci_ids_open(fifo, &tried)); /* and does not wait for a writer */
	unlink(fifo);
	assert_null(pci_ids_open(fifo, &tried));
	assert_int_equal(errno, ENOENT);
}

static void json_text_is_exact(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	struct json json;

	(void)state;
	json_start(&json, out);
	json_array(&json, NULL);
	json_object(&json, NULL);
	json_string(&json, "quote\"", "a\\b\"c\n\x01\x7f");
	json_string(&json, "none", NULL);
	json_number(&json, "most", UINT64_MAX);
	json_hex(&json, "id", 0x1af4, 4);
	json_bool(&json, "yes", true);
	json_array(&json, "empty");
	json_end(&json);
	json_end(&json);
	json_string(&json, NULL, "x");
	json_end(&json);
	fclose(out);
	assert_string_equal(text, "[\n"
				  "  {\n"
				  "    \"quote\\\"\": \"a\\\\b\\\"c\\u000a\\u0001\\u007f\",\n"
				  "    \"none\": null,\n"
				  "    \"most\": 18446744073709551615,\n"
				  "    \"id\": \"0x1af4\",\n"
				  "    \"yes\": true,\n"
				  "    \"empty\": []\n"
				  "  },\n"
				  "  \"x\"\n"
				  "]\n");
	free(text);
}

static void json_strings_are_utf8(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\n"},
		{"\xff", "\"\\ufffd\"\n"},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\"\n"},            /* overlong '/' */
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"\n"}, /* surrogate */
		{"\xe2\x82", "\"\\ufffd\\ufffd\"\n"},            /* ends inside a character */
		{"\xf4\x90\x80\x80z", "\"\\ufffd\\ufffd\\ufffd\\ufffdz\"\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t bytes;
		FILE *out = open_memstream(&text, &bytes);
		struct json json;

		json_start(&json, out);
		json_string(&json, NULL, cases[i].in);
		fputc('\n', out);
		fclose(out);
		assert_string_equal(text, cases[i].out);
		free(text);
	}
}

static void disk_format_comes_from_the_name(void **state)
{
	(void)state;
	assert_string_equal(vm_disk_format("a.qcow2"), "qcow2");
	assert_string_equal(vm_disk_format("dir.qcow2/a.IMG"), "raw");
	assert_string_equal(vm_disk_format("a.raw"), "raw");
	assert_null(vm_disk_format("a"));
	assert_null(vm_disk_format("a.vmdk"));
}

static void sizes_are_checked(void **state)
{
	(void)state;
	assert_true(vm_memory_valid("4G"));
	assert_true(vm_memory_valid("512m"));
	assert_true(vm_memory_valid("64"));
	assert_false(vm_memory_valid("63"));
	assert_false(vm_memory_valid("4T"));
	assert_false(vm_memory_valid("4G,slots=2"));
	assert_false(vm_memory_valid("-4G"));
	assert_false(vm_memory_valid(""));
	assert_false(vm_memory_valid("99999999999999999999999G"));
	assert_true(vm_cpus_valid("8"));
	assert_false(vm_cpus_valid("0"));
	assert_false(vm_cpus_valid("513"));
	assert_false(vm_cpus_valid("8,sockets=2"));
	assert_false(vm_cpus_valid(" 8"));
}

static void expect_command(const struct vm_options *vm, const char *expected)
{
	struct args args;
	char *line;

	qemu_args_build(vm, &args);
	line = args_quote(&args);
	assert_string_equal(line, expected);
	free(line);
	args_free(&args);
}

static void command_with_kernel(void **state)
{
	char *extra[] = {"-no-reboot", "-d", ""};
	struct vm_options vm = {
		.qemu = "/opt/q/qemu-system-aarch64",
		.accel = "hvf",
		.memory = "4G",
		.cpus = "4",
		.kernel = "Image",
		.initrd = "initrd.img",
		.append = "console=ttyAMA0 msg='hi'",
		.devices = {"03:00.0", "id:0x1000004f2"},
		.nr_devices = 2,
		.extra = extra,
		.nr_extra = 3,
	};

	(void)state;
	expect_command(&vm, "/opt/q/qemu-system-aarch64 -machine virt,gic-version=3 -accel hvf -cpu host -smp 4 -m 4G "
			    "-nographic -kernel Image -initrd initrd.img -append 'console=ttyAMA0 msg='\\''hi'\\''' "
			    "-nic none -device vfio-apple-pci,host=03:00.0,id=vfio0 "
			    "-device vfio-apple-pci,host=id:0x1000004f2,id=vfio1 -no-reboot -d ''");
}

static void command_with_disk(void **state)
{
	struct vm_options vm = {
		.qemu = "qemu-system-aarch64",
		.accel = "tcg",
		.memory = "512M",
		.cpus = "1",
		.disks = {"a,b.qcow2", "data.img"},
		.nr_disks = 2,
		.seed = "my,seed",
		.devices = {"03:00.0"},
		.nr_devices = 1,
		.net = true,
	};

	(void)state;
	expect_command(&vm, "qemu-system-aarch64 -machine virt,gic-version=3 -accel tcg -cpu cortex-a72 -smp 1 -m 512M "
			    "-nographic -bios edk2-aarch64-code.fd "
			    "-blockdev driver=qcow2,node-name=disk0,file.driver=file,file.filename=a,,b.qcow2 "
			    "-device virtio-blk-pci,drive=disk0 "
			    "-blockdev driver=raw,node-name=disk1,file.driver=file,file.filename=data.img "
			    "-device virtio-blk-pci,drive=disk1 "
			    "-blockdev driver=vvfat,node-name=seed,dir=my,,seed,label=CIDATA,read-only=on "
			    "-device virtio-blk-pci,drive=seed "
			    "-netdev user,id=net0 -device virtio-net-pci,netdev=net0,romfile= "
			    "-device vfio-apple-pci,host=03:00.0,id=vfio0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pci_ids_names_are_found),
		cmocka_unit_test(pci_ids_unknown_numbers_have_no_name),
		cmocka_unit_test(pci_ids_terminal_escapes_are_defused),
		cmocka_unit_test(pci_ids_long_names_are_cut_between_characters),
		cmocka_unit_test(pci_ids_overlong_line_is_no_line),
		cmocka_unit_test(pci_ids_hostile_bytes_end_well),
		cmocka_unit_test(pci_ids_only_regular_files_are_opened),
		cmocka_unit_test(json_text_is_exact),
		cmocka_unit_test(json_strings_are_utf8),
		cmocka_unit_test(disk_format_comes_from_the_name),
		cmocka_unit_test(sizes_are_checked),
		cmocka_unit_test(command_with_kernel),
		cmocka_unit_test(command_with_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
