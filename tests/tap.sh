# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# TAP for shell scripts, which source this file.
count=0 failed=0

# result STATUS DESCRIPTION [FILE]: FILE explains a failure.  Returns STATUS as 0 or 1.
result()
{
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
		return 0
	fi
	echo "not ok $count - $2"
	[ -z "${3:-}" ] || tail -n 40 "$3" | sed 's/^/#   /'
	failed=1
	return 1
}

# none DESCRIPTION FILE: FILE lists what is wrong.
none()
{
	[ ! -s "$2" ]
	result $? "$1" "$2"
}

skip()
{	# description, reason
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

done_testing()
{
	echo "1..$count"
	exit $failed
}
