// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "pci_ids.h"

static const char usage[] =
	"Usage: " CLI_NAME " list [--json] [--pci-ids FILE]\n"
	"List the PCI devices that can be passed through.\n"
	"\n"
	"  --json           print JSON\n"
	"  --pci-ids FILE   take names from FILE (default: $VFIO_APPLE_PCI_IDS, then the usual places)\n";

static const char *or_hex(const char *name, char *hex, size_t bytes, unsigned value, int digits)
{
	if (name[0])
		return name;
	snprintf(hex, bytes, "%0*x", digits, value);
	return hex;
}

static void print_text(const struct vfa_listed *list, size_t count, FILE *ids)
{
	printf("%-8s %-20s %-7s %-9s %s\n", "ADDRESS", "REGISTRY ID", "STATE", "ID", "DEVICE");
	for (size_t i = 0; i < count; i++) {
		const struct vfa_device_info *info = &list[i].info;
		char address[CLI_ADDRESS_BYTES], class_hex[16], vendor_hex[16], device_hex[16];
		struct pci_names names;

		cli_address(info, address);
		pci_ids_lookup(ids, info->vendor, info->device_id, info->class_code, &names);
		printf("%-8s id:0x%-15" PRIx64 " %-7s %04x:%04x %s: %s %s\n", address, info->registry_id,
		       list[i].claimed ? "in use" : "free", info->vendor, info->device_id,
		       or_hex(names.class_name, class_hex, sizeof(class_hex), info->class_code, 6),
		       or_hex(names.vendor, vendor_hex, sizeof(vendor_hex), info->vendor, 4),
		       or_hex(names.device, device_hex, sizeof(device_hex), info->device_id, 4));
	}
}

static void print_json(const struct vfa_listed *list, size_t count, FILE *ids)
{
	static const char *const irq_names[VFA_IRQ_TYPES] = {"intx", "msi", "msix"};
	struct json json;

	json_start(&json, stdout);
	json_array(&json, NULL);
	for (size_t i = 0; i < count; i++) {
		const struct vfa_device_info *info = &list[i].info;
		char address[CLI_ADDRESS_BYTES];
		struct pci_names names;

		cli_address(info, address);
		pci_ids_lookup(ids, info->vendor, info->device_id, info->class_code, &names);
		json_object(&json, NULL);
		json_string(&json, "address", address);
		json_hex(&json, "registry_id", info->registry_id, 0);
		json_string(&json, "state", list[i].claimed ? "in use" : "free");
		json_hex(&json, "vendor_id", info->vendor, 4);
		json_hex(&json, "device_id", info->device_id, 4);
		json_hex(&json, "subsystem_vendor_id", info->subsystem_vendor, 4);
		json_hex(&json, "subsystem_id", info->subsystem, 4);
		json_hex(&json, "class_code", info->class_code, 6);
		json_number(&json, "revision", info->revision);
		json_string(&json, "vendor", names.vendor[0] ? names.vendor : NULL);
		json_string(&json, "device", names.device[0] ? names.device : NULL);
		json_string(&json, "class", names.class_name[0] ? names.class_name : NULL);
		json_object(&json, "interrupts");
		for (int type = 0; type < VFA_IRQ_TYPES; type++)
			json_number(&json, irq_names[type], info->vectors[type]);
		json_end(&json);
		json_bool(&json, "function_level_reset", info->flags & VFA_DEV_FLR);
		json_bool(&json, "hot_reset", info->flags & VFA_DEV_HOT);
		json_number(&json, "dma_bytes_max", info->dma_bytes_max);
		json_number(&json, "dma_mappings_max", info->dma_mappings_max);
		json_array(&json, "bars");
		for (unsigned bar = 0; bar < VFA_NUM_BARS; bar++) {
			if (!info->bars[bar].size)
				continue;
			json_object(&json, NULL);
			json_number(&json, "bar", bar);
			json_number(&json, "size", info->bars[bar].size);
			json_bool(&json, "mappable", info->bars[bar].flags & VFA_BAR_MAPPABLE);
			json_end(&json);
		}
		json_end(&json);
		json_end(&json);
	}
	json_end(&json);
}

int cmd_list(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"pci-ids", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *ids_path = NULL, *tried;
	struct vfa_listed *list = NULL;
	bool as_json = false;
	size_t count = 0;
	FILE *ids;
	int c, status;

	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'p':
			ids_path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return cli_finish();
		default:
			return cli_bad_option("list", c, argv);
		}
	}
	if (optind < argc)
		return cli_fail(CLI_USAGE,
				"list: '%s' is one argument too many; " CLI_NAME " status %s tells about one device",
				argv[optind], argv[optind]);

	ids = pci_ids_open(ids_path, &tried);
	if (!ids && errno)
		return cli_fail(CLI_FAILURE, "%s cannot be used for device names: %s", tried, strerror(errno));
	status = cli_devices(&list, &count);
	if (status == CLI_OK) {
		if (as_json)
			print_json(list, count, ids);
		else if (count)
			print_text(list, count, ids);
		status = count ? cli_finish() : cli_fail_no_devices();
	}
	if (ids)
		fclose(ids);
	free(list);
	return status;
}
