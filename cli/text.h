/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text.h - text that others wrote, made fit for a terminal. */
#ifndef VFIO_APPLE_TEXT_H
#define VFIO_APPLE_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* One line of text, up to its end or to room - 1 bytes, without control characters and outer blanks. */
void text_clean(char *to, size_t room, const char *text);

/* Words of text in lines of 80 columns, each after indent blanks; the first line already has `used` columns. */
void text_wrap(FILE *out, const char *text, unsigned indent, unsigned used);

#endif
