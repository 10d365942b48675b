// SPDX-License-Identifier: GPL-2.0-or-later
#include "pci_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

#define LINE_BYTES 512

static const char *const usual_places[] = {
	"/usr/share/misc/pci.ids",          "/usr/share/hwdata/pci.ids",
	"/opt/homebrew/share/misc/pci.ids", "/opt/homebrew/share/hwdata/pci.ids",
	"/opt/homebrew/share/pci.ids",      "/usr/local/share/misc/pci.ids",
	"/usr/local/share/hwdata/pci.ids",  "/usr/local/share/pci.ids",
};

/* Regular files only, opened without blocking: a FIFO of that name must not hang the tool. */
static FILE *open_regular(const char *path)
{
	struct stat st;
	FILE *file;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > PCI_IDS_MAX_BYTES) {
		close(fd);
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

FILE *pci_ids_open(const char *chosen, const char **tried)
{
	if (!chosen) {
		chosen = getenv("VFIO_APPLE_PCI_IDS");
		if (chosen && !*chosen)
			chosen = NULL;
	}
	*tried = chosen;
	if (chosen)
		return open_regular(chosen);
	for (size_t i = 0; i < sizeof(usual_places) / sizeof(usual_places[0]); i++) {
		FILE *file = open_regular(usual_places[i]);

		if (file)
			return file;
	}
	errno = 0;
	return NULL;
}

/* Exactly digits lower- or upper-case hex digits, then white space. */
static bool parse_id(const char *text, unsigned digits, unsigned *id)
{
	unsigned value = 0;

	for (unsigned i = 0; i < digits; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*id = value;
	return text[digits] == ' ' || text[digits] == '\t';
}

static void copy_name(char name[PCI_IDS_NAME_BYTES], const char *text)
{
	text_clean(name, PCI_IDS_NAME_BYTES, text);
}

/*
 *	vvvv  vendor name
 *		dddd  device name
 *			ssss ssss  subsystem name
 *	C cc  class name
 *		ss  subclass name
 *			pp  programming interface
 */
struct scan {
	enum { SECTION_OTHER, SECTION_VENDOR, SECTION_CLASS } section;
	uint16_t vendor, device;
	unsigned base_class, subclass;
};

static void scan_line(struct scan *scan, const char *line, struct pci_names *names)
{
	unsigned id;

	if (line[0] == '#' || line[0] == '\n' || line[0] == '\0')
		return;
	if (line[0] == '\t') {
		if (line[1] == '\t')
			return;
		if (scan->section == SECTION_VENDOR && parse_id(line + 1, 4, &id) && id == scan->device)
			copy_name(names->device, line + 5);
		else if (scan->section == SECTION_CLASS && parse_id(line + 1, 2, &id) && id == scan->subclass)
			copy_name(names->class_name, line + 3);
		return;
	}
	scan->section = SECTION_OTHER;
	if (line[0] == 'C' && line[1] == ' ') {
		if (parse_id(line + 2, 2, &id) && id == scan->base_class) {
			scan->section = SECTION_CLASS;
			copy_name(names->class_name, line + 4);
		}
	} else if (parse_id(line, 4, &id) && id == scan->vendor) {
		scan->section = SECTION_VENDOR;
		copy_name(names->vendor, line + 4);
	}
}

void pci_ids_lookup(FILE *file, uint16_t vendor, uint16_t device, uint32_t class_code, struct pci_names *names)
{
	struct scan scan = {.vendor = vendor,
			    .device = device,
			    .base_class = class_code >> 16 & 0xff,
			    .subclass = class_code >> 8 & 0xff};
	char line[LINE_BYTES];
	size_t left = PCI_IDS_MAX_BYTES; /* the file may grow while it is read */
	bool in_long_line = false;

	memset(names, 0, sizeof(*names));
	if (!file)
		return;
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		size_t length = strlen(line);
		bool complete = length && line[length - 1] == '\n';

		if (length >= left)
			return;
		left -= length ? length : 1; /* a line that starts with NUL */
		if (!in_long_line && (complete || feof(file)))
			scan_line(&scan, line, names);
		in_long_line = !complete;
	}
}
