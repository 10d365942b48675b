# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What qemu/versions says, for the scripts that source this.  QEMU_TABLE names another table.

# qemu_field VERSION FIELD: the values of a field of a version, a line each.
qemu_field()
{
	awk -v version="$1" -v field="$2" '
		$1 == "version" { here = $2 == version }
		here && $1 == field { sub(/^[^ \t]+[ \t]+/, ""); print }' "${QEMU_TABLE:-qemu/versions}"
}

# qemu_versions STATE: the versions of that state, in order of preference.
qemu_versions()
{
	awk -v state="$1" '
		$1 == "version" { version = $2 }
		$1 == "state" && $2 == state { print version }' "${QEMU_TABLE:-qemu/versions}"
}

# qemu_packages VERSION: its Debian packages, a line each: version of the package, suite, then a SHA-256 and a name for
# each of its files.
qemu_packages()
{
	awk -v version="$1" '
		function flush() { if (line != "") print line; line = "" }
		$1 == "version" { flush(); here = $2 == version }
		here && $1 == "debian" { flush(); line = $2 " " $3 }
		here && $1 == "file" { line = line " " $2 " " $3 }
		END { flush() }' "${QEMU_TABLE:-qemu/versions}"
}
