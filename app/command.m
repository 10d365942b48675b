// SPDX-License-Identifier: GPL-2.0-or-later
/* command.m - VFIOApple activate|deactivate|status, for Terminal and scripts. */
#import "request.h"

#include <dispatch/dispatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static int usage(FILE *where, int status)
{
	fputs(app_usage, where);
	return status;
}

int app_command(int argc, char **argv)
{
	static AppRequest *request; /* the framework keeps no reference to its delegate */
	enum app_request kind;
	bool wait = true;

	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return usage(stdout, APP_DONE);
	if (!strcmp(argv[1], "activate"))
		kind = APP_ACTIVATE;
	else if (!strcmp(argv[1], "deactivate"))
		kind = APP_DEACTIVATE;
	else if (!strcmp(argv[1], "status"))
		kind = APP_STATUS;
	else
		return usage(stderr, APP_USAGE);
	if (argc == 3 && kind == APP_ACTIVATE && !strcmp(argv[2], "--no-wait"))
		wait = false;
	else if (argc != 2)
		return usage(stderr, APP_USAGE);

	request = [[AppRequest alloc] initWithReport:^(enum app_outcome outcome, bool ended, NSString *sentence) {
	  fprintf(outcome == APP_DONE ? stdout : stderr, "%s\n", sentence.UTF8String);
	  if (ended || !wait)
		  exit(outcome);
	}];
	[request submit:kind];
	dispatch_main();
}
