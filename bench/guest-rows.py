#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests have measured ("@@bench key=value...") as one CSV, after the two sides' counts were compared.

    bench/guest-rows.py VM-OUTPUT... >guest.csv      without the endings .txt and .counts

Exit status 1 when the guest's module and the machine have counted different numbers of mappings.
"""
import csv
import os
import sys

# What is to be aligned the extension maps and unmaps again, so many times at most (VFA_PLACEMENT_CALLS_MAX less one).
ATTEMPTS = 8


def main():
    rows, names, differ = [], [], False
    for path in sys.argv[1:]:
        counts = []
        if os.path.exists(path + ".counts"):
            counts = [line.split() for line in open(path + ".counts")]
        pairs = iter(counts)
        for line in open(path + ".txt"):
            if not line.startswith("@@bench "):
                continue
            row = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
            if row["kind"] != "sides":
                rows.append(row)
                names += [k for k in row if k not in names]
                continue
            # Two counts of the machine go with it, before and after: those that it names, or the next.
            if "from" in row:
                before, after = (next(c for c in counts if c[0] == row[k]) for k in ("from", "to"))
            else:
                before, after = next(pairs), next(pairs)
            host = [int(after[column]) - int(before[column]) for column in (2, 3)]
            guest = [int(row["maps"]), int(row["unmaps"])]
            attempts = [h - g for h, g in zip(host, guest)]
            if attempts[0] != attempts[1] or not 0 <= attempts[0] <= guest[0] * ATTEMPTS:
                print(f"{path}: {row['policy']} at {row['at']}: the guest counts {guest[0]} maps and {guest[1]} unmaps, "
                      f"the machine {host[0]} and {host[1]}", file=sys.stderr)
                differ = True
    out = csv.DictWriter(sys.stdout, names or ["kind"], restval="", lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    sys.exit(differ)


if __name__ == "__main__":
    main()
