#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest asked of the host for traces, beside what the replayer asks for the same ones.

    bench/guest-traces.py REPLAY VM-OUTPUT TRACES-FOLDER      VM-OUTPUT without the ending .txt

Maps and unmaps of a phase may differ by TOLERANCE of the maps, and by as many as SLACK: default maps ahead in up to 2 MiB, and what lies
around a block of 256 KiB is another block in the guest.  A phase before which idle memory ended, as it does in a guest that
is slow, has no counterpart and is not judged.  The replayer has the guest's budget, and pools as large in it.  Exit status 1
when strict or default differ by more.
"""
import csv
import subprocess
import sys

TOLERANCE, SLACK = 0.05, 8
POLICIES = ("strict", "default")


def main():
    replay, vm, folder = sys.argv[1:]
    begun, rows, wrong = {}, [], False
    for line in open(vm + ".txt"):
        if line.startswith(("@@bench kind=trace ", "@@bench kind=trace-begins ")):
            row = dict(word.split("=", 1) for word in line.split()[1:])
            if row["kind"] == "trace":
                rows.append(row)
            else:
                begun[row["trace"], row["policy"]] = row
    replayed = {}
    for (trace, policy), b in begun.items():
        if policy not in POLICIES:
            continue
        out = subprocess.run([replay, "--header", "--policies", policy,
                              "--budget", str(int(b["bytes_max"]) >> 20), "--mappings", b["live_max"],
                              f"{folder}/{trace}.trace"],
                             check=True, capture_output=True, text=True).stdout
        for row in csv.DictReader(out.splitlines()):
            if not row["label"]:
                replayed[trace, policy, row["phase"]] = row
    compared, left = 0, {}
    for row in rows:
        if row["policy"] not in POLICIES:
            continue
        key, live = (row["trace"], row["policy"]), int(row.get("live", 0))
        ended = live - int(row["maps"]) + int(row["unmaps"]) < left.get(key, 0)
        left[key] = live
        if ended:
            print(f"{row['trace']}, {row['phase']}, {row['policy']}: idle memory ended before it, not judged")
            continue
        other = replayed[row["trace"], row["policy"], row["phase"]]
        far_is = TOLERANCE * max(int(row["maps"]), int(other["maps"])) + SLACK
        for what in "maps", "unmaps":
            guest, model = int(row[what]), int(other[what])
            far = abs(guest - model) > far_is
            wrong |= far
            compared += 1
            print(f"{row['trace']}, {row['phase']}, {row['policy']}: {what} {guest} in the guest, {model} in the replayer"
                  + (": FAR APART" if far else ""))
    if not compared:
        sys.exit("guest-traces.py: the guest replayed nothing")
    sys.exit(wrong)


if __name__ == "__main__":
    main()
