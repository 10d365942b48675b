#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a hit costs on this machine, and in instructions of the guest's processor, as JSON.
#
#   bench/hits.sh BUILD-FOLDER PAIRS
set -eu -o pipefail
cd "$(dirname "$0")/.."
bench=$1/bench pairs=$2

declare -A p50 p99
for live in 1024 16384 65536; do
	# The best of three: what else the machine does only adds.
	for _ in 1 2 3; do
		read -r a b < <("$bench/hit" ns $live "$pairs" | sed 's/p50=\([0-9]*\) p99=\([0-9]*\)/\1 \2/')
		[ "$a" -ge "${p50[$live]:-1000000}" ] || p50[$live]=$a
		[ "$b" -ge "${p99[$live]:-1000000}" ] || p99[$live]=$b
	done
done
instructions=null
if command -v qemu-aarch64-static >/dev/null; then
	instructions=$(bench/insns.sh "$bench/hit-arm64" 256)
fi
threads=$("$bench/frames" "$pairs" | awk '$1 == 65536 { printf "%s\"%s\": %s", sep, $2, $3; sep = ", " }')
echo "{"
for live in 1024 16384 65536; do
	echo "  \"$live\": {\"p50\": ${p50[$live]}, \"p99\": ${p99[$live]}},"
done
echo "  \"instructions\": $instructions, \"processors\": $(nproc), \"threads\": {$threads}"
echo "}"
