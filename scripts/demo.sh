#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make demo: pass an NVMe disk through to a stock Debian guest, use it hard, and show the evidence.
. "$(dirname "$0")/../tests/e2e/lib.sh"

kernel=6.12
limit=300
MACSIM_DISK=$(new_disk demo)
export MACSIM_DISK

echo "Passing NVMe disk 03:00.0 ($(($(stat -c %s "$MACSIM_DISK") >> 20)) MiB) through to Debian's kernel $(cat "$B/kernels/$kernel/release")"
start=$SECONDS
e2e_memory=1G start_vm $kernel demo nvme

# The guest's steps, as they come.
shown=0
while kill -0 "$vm_pid" 2>/dev/null && [ $((SECONDS - start)) -lt $limit ]; do
	mapfile -t said < <(tr -d '\r' <"$tmp/console" | grep -a '^@@say ')
	while [ "$shown" -lt "${#said[@]}" ]; do
		printf '  [%3ds] %s\n' $((SECONDS - start)) "${said[shown]#@@say }"
		shown=$((shown + 1))
	done
	sleep 0.2
done
wait_vm 1
status=$?
verdict=PASS
fail()
{
	verdict=FAIL
	echo "  failed: $*"
}
[ $status -eq 0 ] || fail "the virtual machine ended with status $status"
grep -aq '^@@ok demo' "$tmp/console" || fail "the guest did not get through"
grep -a '^@@not ok' "$tmp/console"
[ "$verdict" = PASS ] || show_logs

# What arrived on the disk, seen from the host.
printf '  [%3ds] %s\n' $((SECONDS - start)) "host: checking the file system and the files the guest wrote"
e2fsck -fn "$MACSIM_DISK" >"$tmp/fsck" 2>&1 || fail "the file system is damaged: $(tail -n 3 "$tmp/fsck")"
mkdir "$tmp/out"
debugfs -R "rdump /new $tmp/out" "$MACSIM_DISK" >/dev/null 2>&1
debugfs -R "dump /new.sha256 $tmp/new.sha256" "$MACSIM_DISK" >/dev/null 2>&1
new_files=$(cat "$tmp/new.sha256" 2>/dev/null | wc -l)
[ "$new_files" -gt 0 ] && (cd "$tmp/out/new" && sha256sum -c --quiet "$tmp/new.sha256") >/dev/null 2>&1 ||
	fail "the files the guest wrote are not on the disk as written"
[ "$(report stray)" = 0 ] || fail "stray DMA"
[ "$(report functions 0 mappings)" = 0 ] || fail "mappings outlived the guest"

python3 - "$tmp/report.json" "$new_files" "$verdict" $((SECONDS - start)) <<'END'
import json, sys

path, new_files, verdict, seconds = sys.argv[1:]
try:
    report = json.load(open(path))
except OSError:
    print("  the machine left no report")
    sys.exit(0)
f = report["functions"][0]
mib = lambda n: f"{n / 2**20:.1f} MiB"
bars = ", ".join(f"BAR {b['bar']} ({b['size'] >> 10} KiB)" for b in f["bars"] if b["was_mapped"]) or "none"
rows = [
    ("device", f"{f['bdf']} {f['model']}"),
    ("BARs mapped", bars),
    ("vectors delivered", f"{sum(1 for v in f['vectors'] if v)} vectors, {f['interrupts']:,} interrupts"),
    ("resets", f"{f['resets']['flr']} function-level, {f['resets']['hot']} hot"),
    ("DMA mappings made", f"{f['maps']:,}"),
    ("  at most at once", f"{f['peak_mappings']:,} mappings, {mib(f['peak_bytes'])}"),
    ("  left behind", f"{f['mappings']:,}"),
    ("stray DMA", f"{report['stray']:,}"),
    ("device read from guest", mib(f["dma_read_bytes"])),
    ("device wrote to guest", mib(f["dma_write_bytes"])),
    ("new files, verified", f"{int(new_files):,}"),
    ("time", f"{seconds} s"),
]
print()
for name, value in rows:
    print(f"  {name:<24}{value}")
print(f"\n{verdict}")
END
[ "$verdict" = PASS ]
