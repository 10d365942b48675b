/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel_image.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	size_t offset;
	const char *bytes;
	size_t length;
} kinds[] = {
	{0x38, "ARM\x64", 4},  /* Image: magic of its header */
	{0x04, "zimg", 4},     /* EFI zboot (drivers/firmware/efi/libstub/zboot-header.S) */
	{0x00, "\x1f\x8b", 2}, /* gzip */
};

#define ELF_MACHINE_OFFSET 0x12
#define ELF_MACHINE_ARM64  0xb7

bool kernel_image_is_arm64(const char *path)
{
	unsigned char head[64] = {0};
	FILE *f = fopen(path, "rb");
	size_t length;

	if (!f)
		return false;
	length = fread(head, 1, sizeof(head), f);
	fclose(f);
	if (length < sizeof(head))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!memcmp(head + kinds[i].offset, kinds[i].bytes, kinds[i].length))
			return true;
	}
	return !memcmp(head,
		       "\x7f"
		       "ELF",
		       4) &&
	       head[ELF_MACHINE_OFFSET] == ELF_MACHINE_ARM64;
}
