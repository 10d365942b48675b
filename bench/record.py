#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn what a guest recorded into a trace of DMA requests (docs/trace-format.md).

    bench/record.py [--function BB:DD.F] [--memory FIRST:BYTES] <trace >out.trace

The input is tracefs' `trace` or `trace_pipe` with the events apple_dma:adma_dma_map and adma_dma_unmap.  What was
mapped before the recording began and is unmapped in it is left out, and told of on standard error.
"""
import argparse
import collections
import re
import sys

# task-pid [cpu] flags seconds: event: ...
LINE = re.compile(r"\[\d+\]\s+(\S{4,5})\s+(\d+)\.(\d+): (adma_dma_map|adma_dma_unmap): (\S+) (.*)")
MAP = re.compile(r"(map|alloc) gpa=(0x[0-9a-f]+|0) bytes=(\d+) iova=(0x[0-9a-f]+|0) dir=(\w+) part=(\d+)/(\d+)")
UNMAP = re.compile(r"iova=(0x[0-9a-f]+|0) bytes=(\d+) part=(\d+)/(\d+)")
REFUSED = 2 ** 64 - 1


def context(flags):
    """The third of tracefs' flags: h, H: hard interrupt; s: soft interrupt."""
    return {"h": "hardirq", "H": "hardirq", "Z": "hardirq", "z": "hardirq", "s": "softirq"}.get(flags[2], "task")


class Recording:
    def __init__(self, function):
        self.function = function
        self.events = []
        self.free, self.next_id = [], 0
        self.held = collections.defaultdict(list)  # (iova, bytes) of its first piece: requests, oldest first
        self.part = {}  # by CPU-independent key: pieces of a call so far
        self.low, self.high = None, 0
        self.unknown = self.refused = 0

    def line(self, text):
        m = LINE.search(text)
        if not m or (self.function and m[5] != self.function):
            return
        ns = int(m[2]) * 10 ** 9 + int(m[3].ljust(9, "0"))
        if m[4] == "adma_dma_map":
            self.mapped(ns, context(m[1]), m[5], text, MAP.search(m[6]))
        else:
            self.unmapped(ns, context(m[1]), m[5], UNMAP.search(m[6]))

    def mapped(self, ns, where, function, text, m):
        if not m:
            sys.exit(f"record.py: what is this? {text}")
        gpa, size, iova, part, parts = int(m[2], 0), int(m[3]), int(m[4], 0), int(m[6]), int(m[7])
        key = (function, re.search(r"\[(\d+)\]", text)[1], where)
        pieces = self.part.setdefault(key, []) if part > 1 else self.part.__setitem__(key, []) or self.part[key]
        pieces.append((gpa, size, iova))
        if part < parts:
            return
        del self.part[key]
        if pieces[0][2] == REFUSED:
            self.refused += 1
            return
        request = self.free.pop() if self.free else self.next_id
        self.next_id += request == self.next_id
        self.held[function, pieces[0][2], pieces[0][1]].append(request)
        self.low = min(p[0] for p in pieces) if self.low is None else min(self.low, *(p[0] for p in pieces))
        self.high = max(self.high, *(p[0] + p[1] for p in pieces))
        listed = ",".join(f"{p[0]:#x}+{p[1]}" for p in pieces)
        self.events.append((ns, f"{m[1]} {request} {where} {m[5]} {listed}"))

    def unmapped(self, ns, where, function, m):
        # The first piece names the request.
        if int(m[3]) > 1:
            return
        requests = self.held[function, int(m[1], 0), int(m[2])]
        if not requests:
            self.unknown += 1
            return
        request = requests.pop(0)
        self.free.append(request)
        self.events.append((ns, f"unmap {request} {where}"))

    def write(self, out, memory):
        if not self.events:
            sys.exit("record.py: no event of that function was recorded")
        if memory:
            first, size = (int(x, 0) for x in memory.split(":"))
        else:
            first = self.low & ~0x3fffffff
            size = (self.high - first + 0x3fffffff) & ~0x3fffffff
        start = self.events[0][0]
        print(f"dma-trace 1\n# recorded\nram {first:#x} {size:#x}", file=out)
        last = 0
        for ns, text in self.events:
            # CPUs' clocks may differ by a little.
            last = max(last, ns - start)
            print(last, text, file=out)
        print(last, "end", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--function", help="only this one")
    parser.add_argument("--memory", help="the guest's RAM (default: whole GiB around what was mapped)")
    args = parser.parse_args()
    r = Recording(args.function)
    for text in sys.stdin:
        r.line(text)
    r.write(sys.stdout, args.memory)
    if r.unknown or r.refused:
        print(f"record.py: left out: {r.unknown} unmaps of what was mapped earlier, {r.refused} requests that were refused",
              file=sys.stderr)


if __name__ == "__main__":
    main()
