#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Print the version of all that is released together.  cli/cli.h is the one place that states it.
sed -n 's/^#define CLI_VERSION "\([0-9.]*\)"$/\1/p' "$(dirname "$0")/../cli/cli.h"
