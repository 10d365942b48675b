// SPDX-License-Identifier: GPL-2.0-or-later
/* main.m - with a word it is a command, without one a window. */
#import <Foundation/Foundation.h>

#include <stdbool.h>
#include <string.h>

#include "command.h"

/* The Finder and Xcode add arguments such as -psn_0_1234 or -NSDocumentRevisionsDebugMode YES. */
static bool is_for_appkit(const char *argument)
{
	return !strncmp(argument, "-psn_", 5) || !strncmp(argument, "-NS", 3) || !strncmp(argument, "-Apple", 6);
}

int main(int argc, char **argv)
{
	@autoreleasepool {
		if (argc > 1 && !is_for_appkit(argv[1]))
			return app_command(argc, argv);
		return app_window();
	}
}
