# SPDX-License-Identifier: GPL-2.0-or-later
# What the scenarios ask of whoever runs them (bench/in-machine): to count, or to change what a host call costs.

# host COMMAND...: has the host do something, and waits until it has.  Its answers are numbered: $asked.
asked=0
host()
{
	asked=$((asked + 1))
	echo "@@host $asked $*"
	while read -r answer; do
		[ "$answer" = "done $asked" ] && return
	done
}
