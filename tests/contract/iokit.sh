#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What IOKitLib promises, on a machine with one function.
set -eu

cd "$(dirname "$0")/../.."
b=${B:-build}
machine=$(mktemp)
trap 'rm -f "$machine"' EXIT
printf '[function 03:00.0]\nmodel = dmatest\n' >"$machine"
"$b/macsim/bin/macsim" "$machine" -- "$b/tests/contract/test_iokit"
