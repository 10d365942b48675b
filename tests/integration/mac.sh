# SPDX-License-Identifier: GPL-2.0-or-later
# For tests of the tool, to be sourced with $b, the build folder, set: $work, a private folder with the machine under test
# in $work/machine, and what is asked of the tool in it.
macsim=$b/macsim/bin/macsim
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0 failed=0

check()
{	# description, command...
	local description=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $description"
		return
	fi
	echo "not ok $count - $description"
	sed 's/^/#   stdout: /' "$work/out" | head -20
	sed 's/^/#   stderr: /' "$work/err" | head -20
	sed 's/^/#   machine: /' "$work/sim.log" | head -20
	failed=1
}

# Runs the rest inside a simulated Mac with extra settings; leaves $work/out, $work/err and the status of the command itself.
mac()
{	# macsim options... -- command...
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	: >"$work/out" >"$work/err"
	TMPDIR=$work timeout 60 "$macsim" "${options[@]}" "$work/machine" -- \
		sh -c '"$@" >"$0/out" 2>"$0/err"; echo $? >"$0/status"' "$work" "$@" >"$work/sim.log" 2>&1
	sim_status=$?
	status=$(cat "$work/status" 2>/dev/null)
	rm -f "$work/status"
}

# Without a simulated Mac around it.
plain()
{
	: >"$work/sim.log"
	"$@" >"$work/out" 2>"$work/err"
	status=$?
}

says()
{	# status, part of the sentence: exactly one line on stderr that ends as a sentence does
	[ "$status" = "$1" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -qE '^vfio-apple: .*\.$' "$work/err" &&
		grep -qF -- "$2" "$work/err"
}

nothing_left()
{	# processes carry TMPDIR from mac(); macsim's own folder is in there
	! grep -lazF "TMPDIR=$work" /proc/[0-9]*/environ 2>/dev/null && ! ls -d "$work"/macsim.* 2>/dev/null
}
