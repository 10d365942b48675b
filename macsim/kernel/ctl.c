// SPDX-License-Identifier: GPL-2.0-or-later
/* ctl.c - macsim-ctl: looks at a running machine and does things to it, from inside its command. */
#include "macsim/wire/wire.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: macsim-ctl status | unplug BDF | plug BDF | kill-dext BDF | set KEY=VALUE\n"
			    "Talks to the machine whose command it is run in ($MACSIM_SOCKET).\n";

static const struct {
	const char *name;
	uint32_t op;
	int arguments;
} commands[] = {
	{"status", MW_CTL_STATUS, 0},       {"unplug", MW_CTL_UNPLUG, 1}, {"plug", MW_CTL_PLUG, 1},
	{"kill-dext", MW_CTL_KILL_DEXT, 1}, {"set", MW_CTL_SET, 1},
};

static int ask(int sock, uint32_t op, const char *argument)
{
	static char answer[MW_MAX_PAYLOAD];
	struct mw_msg m = {.op = MW_HELLO, .a = {MW_ROLE_CONTROL}};

	if (mw_call(sock, &m, NULL, NULL, NULL, NULL) || m.ret)
		return 1;
	m = (struct mw_msg){.op = op, .seq = 1, .len = argument ? strlen(argument) + 1 : 0};
	if (mw_call(sock, &m, argument, NULL, answer, NULL)) {
		fprintf(stderr, "macsim-ctl: the machine did not answer\n");
		return 1;
	}
	if (m.ret) {
		fprintf(stderr, "macsim-ctl: %.*s\n", (int)m.len, m.len ? answer : "refused");
		return 1;
	}
	if (m.len)
		fputs(answer, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) || argc != 2 + commands[i].arguments)
			continue;
		int sock = mw_connect();
		if (sock < 0) {
			fprintf(stderr, "macsim-ctl: no machine at $" MW_SOCKET_ENV ": %s\n", strerror(-sock));
			return 1;
		}
		return ask(sock, commands[i].op, argc > 2 ? argv[2] : NULL);
	}
	fputs(usage, stderr);
	return 2;
}
