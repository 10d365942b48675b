#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests have measured ("@@bench key=value...") as one CSV, after the two sides' counts were compared.

    bench/guest-rows.py VM-OUTPUT... >guest.csv      without the endings .txt and .counts

Exit status 1 when the guest's module and the machine have counted different numbers of mappings.
"""
import csv
import os
import sys

# The extension tries an address again when it is to be aligned, and what a driver allocates is.
RETRIES = 60


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
            for what, column, slack in ("maps", 2, RETRIES), ("unmaps", 3, RETRIES):
                host, guest = int(after[column]) - int(before[column]), int(row[what])
                if not guest <= host <= guest + slack:
                    print(f"{path}: {row['policy']} at {row['at']}: the guest counts {guest} {what}, the machine {host}",
                          file=sys.stderr)
                    differ = True
    out = csv.DictWriter(sys.stdout, names or ["kind"], restval="", lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    sys.exit(differ)


if __name__ == "__main__":
    main()
