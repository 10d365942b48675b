#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Generate traces of DMA requests (docs/trace-format.md).

    bench/traces.py [--quick] [--guest] [--only NAME,...] OUT-FOLDER
    bench/traces.py --list

Everything follows from the seed in each trace's first comment: the same options give the same bytes.  The guest has
16 GiB of RAM in which pages lie anywhere, unless a trace is about runs.
"""
import argparse
import os
import random
import sys

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE, FRAME = 4 * KIB, 16 * KIB
WINDOW = 256 * KIB
RAM = 0x40000000
US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000


class Memory:
    """Guest RAM: hands out naturally aligned runs, anywhere, each once."""

    def __init__(self, rng, size):
        self.rng, self.size = rng, size
        self.taken = set()  # pages

    def run(self, size, within=None):
        """The address of a free run of `size` (a power of two); within: of that aligned block."""
        pages = size // PAGE
        base, room = (within or (0, self.size))
        for _ in range(10000):
            at = base + self.rng.randrange(room // size) * size
            first = at // PAGE
            # Runs are aligned, so looking at a few pages is looking at all, but for smaller ones inside.
            if any(p in self.taken for p in range(first, first + pages)):
                continue
            self.taken.update(range(first, first + pages))
            return RAM + at
        raise SystemExit("traces.py: the guest is out of memory")


class Trace:
    def __init__(self, out, name, quick, ram=16 * GIB):
        self.seed = sum(name.encode()) * 1009
        self.rng = random.Random(self.seed)
        self.mem = Memory(self.rng, ram)
        self.ns, self.id, self.free, self.quick = 0, 0, [], quick
        self.file = open(os.path.join(out, name + ".trace"), "w")
        self.lines = ["dma-trace 1", f"# {name}, seed {self.seed}", f"ram {RAM:#x} {ram:#x}"]

    def line(self, text):
        self.lines.append(text)
        if len(self.lines) > 10000:
            self.file.write("\n".join(self.lines) + "\n")
            self.lines = []

    def phase(self, name):
        self.line(f"phase {name}")

    def map(self, pieces, direction="both", context="task", label=None, op="map"):
        request = self.free.pop() if self.free else self.id
        if request == self.id:
            self.id += 1
        text = ",".join(f"{at:#x}+{size}" for at, size in pieces)
        self.line(f"{self.ns} {op} {request} {context} {direction} {text}" + (f" @{label}" if label else ""))
        return request

    def unmap(self, request, context="task"):
        self.line(f"{self.ns} unmap {request} {context}")
        self.free.append(request)

    def end(self):
        self.line(f"{self.ns} end")
        self.file.write("\n".join(self.lines) + "\n")
        self.file.close()


def scaled(t, full, quick):
    return quick if t.quick else full


# NVMe

def fixed_pool(t, depth):
    """4 KiB reads into 4,096 pages that an application keeps, `depth` at a time."""
    pool = [t.mem.run(PAGE) for _ in range(4096)]
    flight = []
    for phase, ios in ("cold", 40000), ("steady", scaled(t, 400000, 60000)):
        t.phase(phase)
        for _ in range(ios):
            t.ns += 10 * US
            if len(flight) == depth:
                t.unmap(flight.pop(0), "hardirq")
            flight.append(t.map([(t.rng.choice(pool), PAGE)], "from"))
    while flight:
        t.unmap(flight.pop(0), "hardirq")


def merged(pages):
    """As the block layer hands it over: neighbours are one piece."""
    pieces = []
    for at, size in pages:
        if pieces and pieces[-1][0] + pieces[-1][1] == at:
            pieces[-1][1] += size
        else:
            pieces.append([at, size])
    return pieces


def stream(t, run, io, working_set, direction="from"):
    """The page cache, read in turn: `working_set` bytes in physical runs of `run`, in requests of `io` bytes."""
    runs = [t.mem.run(run) for _ in range(working_set // run)]
    pages = [(at + o, min(run, io)) for at in runs for o in range(0, run, min(run, io))]
    per = max(io // min(run, io), 1)
    flight, at = [], 0
    total = working_set // io
    for phase, ios in ("cold", total), ("steady", total + total // 4):
        t.phase(phase)
        for _ in range(ios):
            t.ns += io // 3  # 3 GB/s
            if len(flight) == 16:
                t.unmap(flight.pop(0), "hardirq")
            flight.append(t.map(merged(pages[at:at + per]), direction))
            at = (at + per) % len(pages)
    while flight:
        t.unmap(flight.pop(0), "hardirq")


# Network

def nic(t):
    """Receiving into a page pool, which keeps its pages mapped; sending fragments of 64 MiB that circulate."""
    for _ in range(1024):
        t.map([(t.mem.run(PAGE), PAGE)], "from", "softirq", "rx")
    chunks = [t.mem.run(32 * KIB) for _ in range(2048)]
    heads = [t.mem.run(PAGE) for _ in range(512)]
    flight, chunk, offset = [], 0, 0
    for phase, packets in ("cold", 200000), ("steady", scaled(t, 400000, 60000)):
        t.phase(phase)
        for n in range(packets):
            t.ns += 4 * US
            while len(flight) > 2 * 256:
                t.unmap(flight.pop(0), "softirq")
            head = t.rng.choice(heads) + t.rng.randrange(8) * 512
            flight.append(t.map([(head, 128)], "to", "softirq", "tx"))
            size = t.rng.choice((1448, 2896, 4096, 8192))
            if offset + size > 32 * KIB:
                chunk, offset = (chunk + 1) % len(chunks), 0
            flight.append(t.map([(chunks[chunk] + offset, size)], "to", "softirq", "tx"))
            offset += size
    while flight:
        t.unmap(flight.pop(0), "softirq")


# Graphics

def clusters(t, buffers, density):
    """4 KiB buffers, `density` of them in each of as many blocks of 256 KiB as that takes."""
    pages = []
    while len(pages) < buffers:
        block = t.mem.run(WINDOW)
        # The rest of the block is somebody else's memory.
        pages += [(block + PAGE * p, PAGE) for p in t.rng.sample(range(WINDOW // PAGE), density)]
    return pages[:buffers]


def larger(t, total):
    pieces = []
    while total > 0:
        size = min(t.rng.choice((64, 128, 256, 512, 1024, 2048)) * KIB, max(total, 64 * KIB))
        size = 1 << (size.bit_length() - 1)
        pieces.append((t.mem.run(size), size))
        total -= size
    return pieces


LIST_LENGTHS = (4, 16, 64, 256)


def objects(t, pages):
    """Lists of pages that are mapped together, in requests of one of LIST_LENGTHS; the last is what is left."""
    at = 0
    while at < len(pages):
        n = t.rng.choice(LIST_LENGTHS)
        yield pages[at:at + n], f"small{n}"
        at += n


def gpu(t, buffers, density, large, sg):
    """A game's working set: mapped while it loads, used for a while, then a tenth is replaced over and over."""
    small = clusters(t, buffers, density)
    big = larger(t, large)
    requests = list(objects(t, small)) if sg else [([page], "small") for page in small]
    held = []

    def load(pages, label):
        held.append((t.map(pages, label=label), pages, label))

    t.phase("cold")
    # Neither is loaded before the other: as soon as a large buffer's share of the small ones is there, so is it.
    loaded, at = 0, 0
    for i, b in enumerate(big):
        while at < len(requests) and loaded < len(small) * i // len(big):
            load(*requests[at])
            loaded += len(requests[at][0])
            at += 1
        t.map([b], label="large")
        t.ns += 50 * US
    for request in requests[at:]:
        load(*request)
    t.ns += 2 * SECOND
    t.phase("steady")
    for _ in range(scaled(t, 5, 2)):
        for _ in range(len(held) // 10):
            i = t.rng.randrange(len(held))
            request, pages, label = held[i]
            t.unmap(request)
            held[i] = (t.map(pages, label=label), pages, label)
            t.ns += 20 * US
        t.ns += SECOND


def capacity(t, density, sg=False):
    """4 KiB buffers, `density` in each 256 KiB (64: all of it), until long after nothing fits."""
    full = density * PAGE == WINDOW
    blocks = 1600 * MIB // WINDOW if full else 420 * MIB // PAGE // density
    if full:
        pages = [(block + PAGE * p, PAGE) for block in (t.mem.run(WINDOW) for _ in range(blocks)) for p in range(WINDOW // PAGE)]
    else:
        pages = clusters(t, blocks * density, density)
    for request, _ in objects(t, pages) if sg else (([page], None) for page in pages):
        t.map(request)
        t.ns += len(request) * US


def model_load(t):
    """A file through four staging buffers of 1 MiB, each mapped for the disk again and again, and once for the GPU."""
    buffers = [merged((t.mem.run(64 * KIB), 64 * KIB) for _ in range(16)) for _ in range(4)]
    for b in buffers:
        t.map(b, "to", label="gpu")
    flight = []
    for phase, loads in ("cold", 64), ("steady", scaled(t, 8192, 2048)):
        t.phase(phase)
        for n in range(loads):
            t.ns += 300 * US
            if len(flight) == 4:
                t.unmap(flight.pop(0), "hardirq")
            flight.append(t.map(buffers[n % 4], "from", label="disk"))


def coherent(t):
    """Small memory for devices' own structures, taken and given back."""
    places = [t.mem.run(64 * KIB) for _ in range(64)]
    for phase, rounds in ("cold", 1), ("steady", scaled(t, 200, 50)):
        t.phase(phase)
        for _ in range(rounds):
            held = []
            for place in places:
                t.ns += 10 * US
                held.append(t.map([(place, t.rng.choice((4, 8, 16, 64)) * KIB)], op="alloc"))
            for request in held:
                t.unmap(request)


def soak(t):
    """An hour: a scan of 3 GiB at 160 MiB/s, a disk's hot set, a NIC, and a GPU that replaces, each at its own pace."""
    hot = [t.mem.run(PAGE) for _ in range(128)]
    cold = [[(t.mem.run(256 * KIB), 256 * KIB) for _ in range(4)] for _ in range(3 * GIB // MIB)]
    chunks = [t.mem.run(32 * KIB) for _ in range(64)]
    small = clusters(t, 16384, 8)
    gpu_held = [(t.map(small[i:i + 16], label="gpu"), small[i:i + 16]) for i in range(0, len(small), 16)]
    seconds = scaled(t, 3600, 400)
    scan = 0
    for second in range(seconds):
        # Four quarters, to see whether anything grows.
        if second % (seconds // 4) == 0:
            t.phase(f"quarter{second // (seconds // 4) + 1}")
        start = t.ns
        requests = []
        for _ in range(160):
            requests.append((cold[scan], "from", "scan"))
            scan = (scan + 1) % len(cold)
        requests += [([(t.rng.choice(hot), PAGE)], "from", "hot") for _ in range(120)]
        requests += [([(t.rng.choice(chunks) + 1448 * t.rng.randrange(22), 1448)], "to", "nic") for _ in range(120)]
        t.rng.shuffle(requests)
        flight = []
        for pieces, direction, label in requests:
            t.ns += 2 * MS
            if len(flight) == 16:
                t.unmap(flight.pop(0), "hardirq")
            flight.append(t.map(pieces, direction, label=label))
        for request in flight:
            t.unmap(request, "hardirq")
        for _ in range(8):
            i = t.rng.randrange(len(gpu_held))
            request, pages = gpu_held[i]
            t.unmap(request)
            gpu_held[i] = (t.map(pages, label="gpu"), pages)
        t.ns = start + SECOND


def over(t):
    return scaled(t, 12 * GIB, 3 * GIB)


TRACES = {
    "nvme-4k-qd1": lambda t: fixed_pool(t, 1),
    "nvme-4k-qd32": lambda t: fixed_pool(t, 32),
    "nvme-4k-qd128": lambda t: fixed_pool(t, 128),
    "stream-below": lambda t: stream(t, 64 * KIB, 128 * KIB, GIB),
    "stream-run4k": lambda t: stream(t, 4 * KIB, 128 * KIB, over(t) // 4),
    "stream-run16k": lambda t: stream(t, 16 * KIB, 128 * KIB, over(t)),
    "stream-run64k": lambda t: stream(t, 64 * KIB, 128 * KIB, over(t)),
    "stream-run512k": lambda t: stream(t, 512 * KIB, 128 * KIB, over(t)),
    "stream-run2m": lambda t: stream(t, 2 * MIB, 128 * KIB, over(t)),
    "stream-to-run16k": lambda t: stream(t, 16 * KIB, 128 * KIB, over(t), "to"),
    "stream-1m-run32k": lambda t: stream(t, 32 * KIB, MIB, over(t)),
    "nic": nic,
    "gpu-t1-sg": lambda t: gpu(t, scaled(t, 65536, 65536), 4, 512 * MIB, True),
    "gpu-t1-pages": lambda t: gpu(t, 65536, 4, 512 * MIB, False),
    "gpu-t2-sg": lambda t: gpu(t, 20000, 16, 700 * MIB, True),
    "gpu-t2-pages": lambda t: gpu(t, 20000, 16, 700 * MIB, False),
    "gpu-8-sg": lambda t: gpu(t, 40000, 8, 600 * MIB, True),
    "gpu-8-pages": lambda t: gpu(t, 40000, 8, 600 * MIB, False),
    "capacity-4": lambda t: capacity(t, 4),
    "capacity-4-sg": lambda t: capacity(t, 4, True),
    "capacity-full": lambda t: capacity(t, 64),
    "model-load": model_load,
    "coherent": coherent,
    "soak": soak,
}


# For guests, which are slower than a model

class Part(Trace):
    """Of each phase only its first requests; those are unmapped when they are in the whole of it."""

    def __init__(self, out, name, quick):
        super().__init__(out, name, quick)
        self.left = None

    def phase(self, name):
        super().phase(name)
        self.left = scaled(self, 16000, 2000)

    def map(self, *args, **kwargs):
        if self.left == 0:
            return None
        if self.left:
            self.left -= 1
        return super().map(*args, **kwargs)

    def unmap(self, request, context="task"):
        if request is not None:
            super().unmap(request, context)


def part_of(t, whole):
    """As many of a whole working set: a guest's processor is an emulated one."""
    return scaled(t, whole, whole // 32)


GUEST = {
    "nic": (Part, nic),
    "gpu-t1-sg": (Trace, lambda t: gpu(t, part_of(t, 65536), 4, part_of(t, 512 * MIB), True)),
    "gpu-t1-pages": (Trace, lambda t: gpu(t, part_of(t, 65536), 4, part_of(t, 512 * MIB), False)),
    "gpu-t2-pages": (Trace, lambda t: gpu(t, part_of(t, 20000), 16, part_of(t, 700 * MIB), False)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, over less memory")
    parser.add_argument("--guest", action="store_true", help="the ones that are replayed in a guest")
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("out", nargs="?")
    args = parser.parse_args()
    traces = GUEST if args.guest else {name: (Trace, make) for name, make in TRACES.items()}
    if args.list:
        print("\n".join(traces))
        return
    if not args.out:
        parser.error("where to?")
    names = args.only.split(",") if args.only else list(traces)
    unknown = set(names) - set(traces)
    if unknown:
        sys.exit(f"traces.py: no such trace: {', '.join(sorted(unknown))}")
    os.makedirs(args.out, exist_ok=True)
    for name in names:
        kind, make = traces[name]
        t = kind(args.out, name, args.quick)
        make(t)
        t.end()


if __name__ == "__main__":
    main()
