#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One virtual machine of the benchmark.
#
#   bench/vm.sh OUT SECONDS SCENARIO MACHINE APPEND [macsim options]
#
# bench_initramfs is what the guest boots with (default: the benchmark's), bench_count=1 counts its instructions.
#
# OUT.txt receives what the guest measured, OUT.counts what the machine counted, OUT.json its report.  Fails with the
# ends of the logs when the guest did not get through, something was not as it should be, or there was stray DMA.
out=$(realpath -m "$1") seconds=$2 scenario=$3 machine=$4 append=$5
shift 5
. "$(dirname "$0")/../tests/e2e/lib.sh"
mkdir -p "$(dirname "$out")"
: >"$tmp/counts"
MACSIM_DISK=$tmp/disk.img
export MACSIM_DISK B
truncate -s "${bench_disk:-512M}" "$MACSIM_DISK"
e2e_wrapper="bench/in-machine $tmp/console $tmp/counts"
e2e_append="$append"
qemu=()
[ -z "${bench_count:-}" ] || qemu=(-- -plugin "file=$B/bench/insn/insn.so")
start_vm 6.12 "$scenario" "$machine" "$@" -- --initrd "${bench_initramfs:-$B/bench/guest/initramfs.gz}" "${qemu[@]}"
wait_vm "$seconds"
status=$?
tr -d '\r' <"$tmp/console" | grep -aE '^(@@|# )' >"$out.txt"
cp "$tmp/counts" "$out.counts"
cp "$tmp/report.json" "$out.json" 2>/dev/null
if [ $status -ne 0 ] || ! grep -q '^@@at end' "$out.txt" || grep -q '^@@not ok' "$out.txt"; then
	echo "vm.sh: $scenario ended with status $status" >&2
	grep '^@@not ok' "$out.txt" >&2
	show_logs >&2
	exit 1
fi
