#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What DriverKit promises a dext, on a machine with one function and on one with limits.
set -u

cd "$(dirname "$0")/../.."
b=${B:-build}
machine=$(mktemp)
trap 'rm -f "$machine"' EXIT
status=0

run() {
	{
		printf '[dext]\npath = %s\nclass = ContractDriver\n' "$PWD/$b/tests/contract/dext/ContractDriver"
		printf '[function 03:00.0]\nmodel = dmatest\n%s' "$1"
	} >"$machine"
	shift
	"$b/macsim/bin/macsim" "$machine" -- "$b/tests/contract/test_driverkit" "$@" || status=$?
}

run ''
run $'flr = no\nirq_limit = 2\nbar0 = trapped\n' limited
exit $status
