/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci_ids.h - names for vendor, device and class numbers from a pci.ids file.
 *
 * The file is not trusted: its size is bounded, long lines are dropped, and
 * names reach the terminal without control characters.
 */
#ifndef VFIO_APPLE_PCI_IDS_H
#define VFIO_APPLE_PCI_IDS_H

#include <stdint.h>
#include <stdio.h>

#define PCI_IDS_NAME_BYTES 128
#define PCI_IDS_MAX_BYTES  (16u << 20)

struct pci_names { /* "" = not known */
	char vendor[PCI_IDS_NAME_BYTES];
	char device[PCI_IDS_NAME_BYTES];
	char class_name[PCI_IDS_NAME_BYTES]; /* the subclass if it has a name, else the base class */
};

/*
 * Opens chosen if it is not NULL, else $VFIO_APPLE_PCI_IDS, else the first of
 * the usual places.  NULL with errno 0 when none of those exists; NULL with
 * errno and *tried set when a file asked for by name cannot be used.
 */
FILE *pci_ids_open(const char *chosen, const char **tried);

/* Reads the file from its start.  file may be NULL: nothing is known then. */
void pci_ids_lookup(FILE *file, uint16_t vendor, uint16_t device, uint32_t class_code, struct pci_names *names);

#endif
