// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"

static const char usage[] = "Usage: " CLI_NAME " status [--json] [ADDRESS]\n"
			    "Show what the driver extension counts for one device, or for every device.\n"
			    "Neither disturbs the device nor its user.\n"
			    "\n"
			    "  --json   print JSON\n"
			    "\n"
			    "ADDRESS is 03:00.0, or id:0x1000004f2 as " CLI_NAME " list prints it.\n";

static void print_text(const struct vfa_device_info *info, const char *address, const struct vfa_stats *stats)
{
	printf("%s id:0x%" PRIx64 " %04x:%04x\n", address, info->registry_id, info->vendor, info->device_id);
	printf("  state        %s, bus master %s\n", stats->owner ? "in use" : "free",
	       stats->bus_master ? "on" : "off");
	if (info->mapper)
		printf("  mapper       0x%" PRIx64 "\n", info->mapper);
	printf("  mappings     %" PRIu32 " live, %" PRIu32 " at most so far, limit %" PRIu32 "\n", stats->mappings_live,
	       stats->mappings_peak, info->dma_mappings_max);
	printf("  bytes        %" PRIu64 " live, %" PRIu64 " at most so far, limit %" PRIu64 "\n", stats->bytes_live,
	       stats->bytes_peak, info->dma_bytes_max);
	printf("  operations   %" PRIu64 " maps, %" PRIu64 " unmaps, %" PRIu64 " maps refused\n", stats->maps,
	       stats->unmaps, stats->map_failures);
	if (stats->struct_bytes > VFA_STATS_BYTES_1_0) {
		printf("  calls        %" PRIu64 ", with %" PRIu64 " operations in them\n", stats->submit_calls,
		       stats->operations);
		printf("  alignment    %" PRIu64 " maps not at the address they wished, %" PRIu64
		       " further attempts, %" PRIu64 " bytes of padding\n",
		       stats->misaligned, stats->align_attempts, stats->padding_bytes);
	}
	printf("  interrupts   %" PRIu64 ", with %" PRIu64 " wake-ups\n", stats->irqs, stats->irq_wakeups);
	printf("  resets       %" PRIu64 "\n", stats->resets);
	printf("  config       %" PRIu64 " writes kept from the device\n", stats->config_writes_filtered);
	if (stats->last_error)
		printf("  last error   0x%08" PRIx32 " from the platform\n", (uint32_t)stats->last_error);
}

static void print_json(struct json *json, const struct vfa_device_info *info, const char *address,
		       const struct vfa_stats *stats)
{
	json_object(json, NULL);
	json_string(json, "address", address);
	json_hex(json, "registry_id", info->registry_id, 0);
	json_string(json, "state", stats->owner ? "in use" : "free");
	json_bool(json, "bus_master", stats->bus_master);
	if (info->mapper)
		json_hex(json, "mapper", info->mapper, 0);
	else
		json_string(json, "mapper", NULL);
	json_number(json, "mappings_live", stats->mappings_live);
	json_number(json, "mappings_peak", stats->mappings_peak);
	json_number(json, "mappings_max", info->dma_mappings_max);
	json_number(json, "bytes_live", stats->bytes_live);
	json_number(json, "bytes_peak", stats->bytes_peak);
	json_number(json, "bytes_max", info->dma_bytes_max);
	json_number(json, "maps", stats->maps);
	json_number(json, "unmaps", stats->unmaps);
	json_number(json, "map_failures", stats->map_failures);
	if (stats->struct_bytes > VFA_STATS_BYTES_1_0) {
		json_number(json, "submit_calls", stats->submit_calls);
		json_number(json, "operations", stats->operations);
		json_number(json, "misaligned", stats->misaligned);
		json_number(json, "align_attempts", stats->align_attempts);
		json_number(json, "padding_bytes", stats->padding_bytes);
	}
	json_number(json, "interrupts", stats->irqs);
	json_number(json, "interrupt_wakeups", stats->irq_wakeups);
	json_number(json, "resets", stats->resets);
	json_number(json, "config_writes_filtered", stats->config_writes_filtered);
	if (stats->last_error)
		json_hex(json, "last_error", (uint32_t)stats->last_error, 8);
	else
		json_string(json, "last_error", NULL);
	json_end(json);
}

/* Shows the devices whose counters can be read; the first that cannot be decides the exit status. */
static int show(const struct vfa_listed *list, size_t count, bool as_json)
{
	struct vfa_error err = {{0}};
	struct json json;
	int failed = 0;

	json_start(&json, stdout);
	if (as_json)
		json_array(&json, NULL);
	for (size_t i = 0; i < count; i++) {
		char address[CLI_ADDRESS_BYTES];
		struct vfa_stats stats;
		int rc = vfa_stats_of(list[i].info.registry_id, &stats, failed ? NULL : &err);

		if (rc) {
			failed = failed ? failed : rc;
			continue;
		}
		cli_address(&list[i].info, address);
		if (as_json)
			print_json(&json, &list[i].info, address, &stats);
		else
			print_text(&list[i].info, address, &stats);
	}
	if (as_json)
		json_end(&json);
	return failed ? cli_fail_client(failed, &err) : cli_finish();
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct vfa_listed one, *list = NULL;
	struct vfa_error err = {{0}};
	bool as_json = false;
	size_t count = 0;
	int c, rc;

	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return cli_finish();
		default:
			return cli_bad_option("status", c, argv);
		}
	}
	if (argc - optind > 1)
		return cli_fail_extra_argument("status", argv[optind + 1]);

	if (optind < argc) {
		rc = vfa_parse_address(argv[optind], &one, &err);
		return rc ? cli_fail_client(rc, &err) : show(&one, 1, as_json);
	}
	rc = cli_devices(&list, &count);
	if (rc)
		return rc;
	rc = show(list, count, as_json);
	free(list);
	return rc == CLI_OK && count == 0 ? cli_fail_no_devices() : rc;
}
