/* SPDX-License-Identifier: GPL-2.0-or-later */
/* extension_list.h - what `systemextensionsctl list` says about the driver extension. */
#ifndef VFIO_APPLE_EXTENSION_LIST_H
#define VFIO_APPLE_EXTENSION_LIST_H

#include <stdbool.h>

#define EXTENSION_COPIES_MAX 8

enum extension_state {
	EXTENSION_ENABLED,
	EXTENSION_WAITING,  /* for the user's approval */
	EXTENSION_REBOOT,   /* activated, but only after a restart */
	EXTENSION_DISABLED, /* by the user */
	EXTENSION_REMOVED,  /* ends with the next restart */
	EXTENSION_OTHER,
};

struct extension_copy {
	enum extension_state state;
	char bundle[128];
	char version[48]; /* "1.0/1" */
	char text[64];    /* the state in macOS's words */
};

struct extension_list {
	struct extension_copy copies[EXTENSION_COPIES_MAX];
	unsigned count;
};

/* false: the text is no such list.  Copies beyond the room are not kept. */
bool extension_list_parse(const char *text, struct extension_list *list);

#endif
