// SPDX-License-Identifier: GPL-2.0-or-later
/* systemextensionsctl.c - macOS's program of that name, as far as `list` goes. */
#include "macsim/wire/wire.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static char table[MW_MAX_PAYLOAD];
	struct mw_msg m = {.op = MW_HELLO, .a = {MW_ROLE_CONTROL}};
	int sock;

	if (argc != 2 || strcmp(argv[1], "list")) {
		fputs("usage: systemextensionsctl list\n", stderr);
		return 64;
	}
	sock = mw_connect();
	if (sock < 0 || mw_call(sock, &m, NULL, NULL, NULL, NULL) || m.ret)
		return 1;
	m = (struct mw_msg){.op = MW_CTL_EXTENSIONS, .seq = 1};
	if (mw_call(sock, &m, NULL, NULL, table, NULL) || m.ret)
		return 1;
	fputs(table, stdout);
	return 0;
}
