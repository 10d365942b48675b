// SPDX-License-Identifier: GPL-2.0-or-later
/* command.h - the app as a command, and as a window. */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

/* Neither returns before the work is done; the command ends the process with an enum app_outcome. */
int app_command(int argc, char **argv);
int app_window(void);

#endif
