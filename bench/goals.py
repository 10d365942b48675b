#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The goals, stated before anything is measured, and the judge of what was.

    bench/goals.py                 the thresholds
    bench/goals.py RESULTS-FOLDER  judges what is in it; the last line counts verdicts

A verdict is met, missed, or not measurable here with the reason.  A missed goal is a result, not an error: exit status
1 is for results that are missing or contradict each other.
"""
import csv
import json
import math
import os
import statistics
import sys

MIB = 1 << 20
BUDGET = 1536 * MIB
FRAME = 16 << 10
MAPPINGS = 65536
CALL, EXIT = 30e-6, 4e-6  # seconds that a host call and an exit are taken to cost where time is derived
GPU_SG = ("gpu-t1-sg", "gpu-8-sg", "gpu-t2-sg")
GPU_PAGES = ("gpu-t1-pages", "gpu-8-pages", "gpu-t2-pages")
OVER = ("stream-run4k", "stream-run16k", "stream-run64k", "stream-run512k", "stream-run2m", "stream-1m-run32k")


class Missing(Exception):
    """Why something cannot be measured here."""


class Results:
    def __init__(self, folder):
        self.replay = {}
        for row in self.read(folder, "replay.csv"):
            key = tuple(row[k] for k in ("trace", "phase", "policy", "label"))
            self.replay[key] = {k: float(v) for k, v in row.items() if k not in ("trace", "phase", "policy", "label")}
        self.guest = list(self.read(folder, "guest.csv"))
        path = os.path.join(folder, "hit.json")
        self.hit = json.load(open(path)) if os.path.exists(path) else None

    @staticmethod
    def read(folder, name):
        path = os.path.join(folder, name)
        return csv.DictReader(open(path)) if os.path.exists(path) else ()

    def row(self, trace, phase, policy="default", label=""):
        try:
            return self.replay[trace, phase, policy, label]
        except KeyError:
            raise Missing(f"trace {trace} was not replayed") from None

    def rows(self, policy):
        rows = {k: v for k, v in self.replay.items() if k[2] == policy and not k[3]}
        if not rows:
            raise Missing(f"no trace was replayed under {policy}")
        return rows

    def measured(self, kind, **want):
        rows = [r for r in self.guest if r["kind"] == kind and all(r.get(k) == str(v) for k, v in want.items())]
        if not rows:
            raise Missing("no virtual machine was measured in this run")
        return rows

    # Of the guest: what a policy takes per read, against no translation in the same lap (A B B A).

    def ratios(self, policy, depth, cost, key):
        laps = {}
        for r in self.measured("random", depth=depth, cost=cost):
            value = float(r[key]) / (float(r["reads"]) if key == "us" else 1)
            laps.setdefault(r["at"].split(".")[0], {}).setdefault(r["policy"], []).append(value)
        pairs = [lap for lap in laps.values() if len(lap.get(policy, ())) == 2 and len(lap.get("identity", ())) == 2]
        if not pairs:
            raise Missing(f"{policy} or identity was not measured at depth {depth} and {cost} us")
        ratio = [sum(lap[policy]) / sum(lap["identity"]) for lap in pairs]
        same = [lap["identity"][1] / lap["identity"][0] for lap in pairs]
        return ratio, same


def spread(values):
    """Median and quartiles."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return statistics.median(values), quarters[0], quarters[2]


def calls(row, per="buffers"):
    return (row["maps"] + row["unmaps"]) / max(row[per], 1)


def core_seconds(row):
    """Per GiB: host calls and exits alone."""
    return ((row["maps"] + row["unmaps"]) * CALL + row["exits"] * EXIT) / (row["bytes"] / (1 << 30))


# What each goal measures: (value, text).  The judge compares the value with the threshold.

def g1(r):
    worst = max((max(calls(row, "requests"), row["exits"] / row["requests"]), depth)
                for depth in (1, 32, 128) for row in [r.row(f"nvme-4k-qd{depth}", "steady")])
    return worst[0], f"{worst[0]:.5f} calls or exits per read, at depth {worst[1]}"


def g1_guest(r):
    rows = r.measured("random", policy="default")
    value = sum(int(x["maps"]) + int(x["unmaps"]) for x in rows) / sum(int(x["reads"]) for x in rows)
    return value, f"{value:.5f} in a guest, over {sum(int(x['reads']) for x in rows)} reads"


def g2(r, depths):
    worst = None
    for cost, depth in sorted({(x["cost"], x["depth"]) for x in r.measured("random") if depths(int(x["depth"]))}):
        if not all(x.get("insns") for x in r.measured("random", cost=cost, depth=depth)):
            raise Missing("nobody counted the guest's instructions")
        ratio, same = r.ratios("default", depth, cost, "insns")
        middle, low, high = spread(ratio)
        # What waits for how long depends on the machine, and so does a little of what is executed.
        apart = max(abs(x - 1) for x in (spread(same)[1], spread(same)[2]))
        if apart > 0.05:
            raise Missing(f"no translation against itself differs by {100 * apart:.0f} %: this machine is too uneven")
        if worst is None or middle > worst[0]:
            worst = middle, f"{middle:.3f} ({low:.3f} to {high:.3f}), depth {depth}, calls of {cost} us"
    if not worst:
        raise Missing("not measured at such a depth")
    return worst


def g2_latency(r):
    return g2(r, lambda depth: depth == 1)


def g2_throughput(r):
    return g2(r, lambda depth: depth > 1)


def hit(r):
    if not r.hit:
        raise Missing("hits were not measured in this run")
    return r.hit


def g3_p50(r):
    value = hit(r)["65536"]["p50"]
    return value, f"{value} ns with 65,536 frames mapped"


def g3_p99(r):
    value = hit(r)["65536"]["p99"]
    return value, f"{value} ns (of groups of 16 pairs)"


def g3_growth(r):
    value = hit(r)["65536"]["p50"] / hit(r)["1024"]["p50"]
    return value, f"{value:.2f} times that of 1,024 frames"


def g3_insns(r):
    if not hit(r).get("instructions"):
        raise Missing("no emulator that counts instructions")
    value = hit(r)["instructions"]
    return value, f"{value} instructions of arm64"


def g3_scaling(r):
    if hit(r)["processors"] < 4:
        raise Missing(f"this machine has {hit(r)['processors']} processors; see the table for what two threads do")
    value = hit(r)["threads"]["1"] / hit(r)["threads"]["4"]
    return value, f"{value:.2f} of linear with 4 threads"


def g4(r):
    value = max(r.row(t, "cold")["mappings_peak"] for t in GPU_SG)
    return value, f"{value:.0f} with scatter lists"


def used_blocks(density, frames):
    """Of a block of 256 KiB, cut into pieces of so many frames: how many hold one of its `density` pages, on average."""
    pages = 4 * frames
    return 64 // pages * (1 - math.comb(64 - pages, density) / math.comb(64, density))


def best_mix(density, frames, mappings, blocks=None):
    """Page at a time, nobody knows where the next page will be: a miss maps its frame, or some around it.  Blocks of
    256 KiB that fit into so many frames and mappings, when some are mapped by pieces of one size and some of another;
    or, for a number of blocks, the fewest mappings."""
    sizes = [(used_blocks(density, f), f * used_blocks(density, f)) for f in (1, 2, 4, 8, 16)]
    best = None
    for one in sizes:
        for other in sizes:
            for share in range(101):
                m, f = ((share * a + (100 - share) * b) / 100 for a, b in zip(one, other))
                if blocks:
                    best = min(best or mappings, blocks * m) if blocks * f <= frames else best
                else:
                    best = max(best or 0, min(mappings / m, frames / f))
    return best


def g4_pages(r):
    row = r.row("gpu-t1-pages", "cold")
    bound = best_mix(4, (BUDGET - 512 * MIB) / FRAME, MAPPINGS, 65536 // 4)
    return row["mappings_peak"] / bound, f"{row['mappings_peak']:.0f} page at a time, where {bound:.0f} is the least possible"


def g5(r):
    value, trace = max((r.row(t, "cold")["mapped_peak"] / r.row(t, "cold")["ideal_peak"], t) for t in (*GPU_SG, "gpu-t1-pages"))
    return value, f"{value:.3f} at most, {trace}"


def g5_pages(r):
    value, trace = max((r.row(t, "cold")["mapped_peak"] / r.row(t, "cold")["ideal_peak"], t) for t in GPU_PAGES)
    return value, f"{value:.3f} at most, {trace}; it and the {r.row(trace, 'cold', label='small')['maps'] / r.row(trace, 'cold', label='small')['buffers']:.2f} calls per buffer there are a trade"


def g5_refused(r):
    value = sum(r.row(t, p)["refused"] for t in GPU_SG + GPU_PAGES for p in ("cold", "steady"))
    return value, f"{value:.0f} requests refused"


def g6(r):
    row = r.row("capacity-4-sg", "all")
    live = (row["live_at_refusal"] or row["live_peak"]) / MIB
    return live, f"{live:.0f} MiB before the first refusal, {row['mappings_peak']:.0f} mappings"


def g6_pages(r):
    row = r.row("capacity-4", "all")
    live = (row["live_at_refusal"] or row["live_peak"]) / MIB
    bound = best_mix(4, BUDGET / FRAME, MAPPINGS) * 16 / 1024
    return live / bound, f"{live:.0f} MiB page at a time, where {bound:.0f} is the most possible; {row['mappings_peak']:.0f} mappings"


def g6_full(r):
    row = r.row("capacity-full", "all")
    live = (row["live_at_refusal"] or row["live_peak"]) / MIB
    return live, f"{live:.0f} MiB before the first refusal, {row['mappings_peak']:.0f} mappings"


def g7(r):
    value, trace = max((r.row(t, "cold", label="small")["maps"] / r.row(t, "cold", label="small")["buffers"], t) for t in GPU_SG)
    return value, f"{value:.3f} calls per buffer, {trace}"


def g7b_dense(r):
    row = r.row("gpu-t2-pages", "cold", label="small")
    return row["maps"] / row["buffers"], f"{row['maps'] / row['buffers']:.3f}"


def g7b_sparse(r):
    row = r.row("gpu-t1-pages", "cold", label="small")
    return row["maps"] / row["buffers"], f"{row['maps'] / row['buffers']:.3f}"


def g8(r):
    value, trace = max((core_seconds(r.row(t, "steady")), t) for t in OVER)
    return value, f"{value:.2f} by mapping alone, derived with {CALL * 1e6:.0f} us a call and {EXIT * 1e6:.0f} us an exit, {trace}"


def g8_guest(r):
    rows = r.measured("stream", policy="default", which="above")
    if not any(x["bounced"] for x in rows):
        raise Missing("the guest's module counts no bounced requests")
    value = sum((int(x["maps"]) + int(x["unmaps"])) * CALL + int(x["exits"]) * EXIT for x in rows) / \
        (sum(int(x["mib"]) for x in rows) / 1024)
    return value, f"{value:.2f} of calls and exits in a guest; copies come on top"


def per_page(row):
    return (row["maps"] + row["unmaps"]) / (row["bytes"] / 4096)


def g9(r):
    value, trace = max((per_page(r.row(t, "steady")), t) for t in OVER)
    return value, f"{value:.4f} calls per page, {trace}"


def g9_large(r):
    value, trace = max((per_page(r.row(t, "steady")), t) for t in ("stream-1m-run32k", "stream-run2m"))
    return value, f"{value:.4f} calls per page, {trace}"


def g10(r):
    value = calls(r.row("nic", "steady", label="tx"))
    return value, f"{value:.4f} calls per fragment"


def g11(r):
    rows = r.measured("coherent", policy="default")
    value = sum(int(x["maps"]) for x in rows if x["phase"] == "steady")
    return value, f"{value} calls after the first round"


def g11_replay(r):
    row = r.row("coherent", "steady")
    value = row["maps"] + row["unmaps"]
    return value, f"{value:.0f} calls by the frame index alone, over {row['requests']:.0f} allocations"


def g12(r):
    rows = [(r.row(t, "steady", label="-"), r.row(t, "steady"), t) for t in OVER]
    value, everything, trace = max((mine["exits"] / max(mine["missed"], 1), total["exits"] / max(total["missed"], 1), t)
                                   for mine, total, t in rows)
    return value, f"{value:.3f} exits per miss ({everything:.3f} with the background's), {trace}"


def g12_batch(r):
    rows = [(r.row(t, "steady")["unmaps"] / max(r.row(t, "steady")["drop_exits"], 1), t) for t in OVER]
    value, trace = min(rows)
    return value, f"{value:.1f} evictions per doorbell that carries any, {trace}"


def g13_strict(r):
    value = max(row["exposed_peak"] for row in r.rows("strict").values())
    return value, f"{value:.0f} bytes mapped that no driver uses"


def g13_idle(r):
    value, key = max((row["exposed_peak"] / BUDGET, k) for k, row in r.rows("default").items())
    average = r.replay[key]["exposed_avg"] / BUDGET
    return value, f"{100 * value:.0f} % of the budget at most ({100 * average:.0f} % on average), {key[0]}"


def g13_age(r):
    value, key = max((row["idle_age_s"], k) for k, row in r.rows("default").items())
    return value, f"{value:.1f} s, {key[0]}"


def g13_stray(r):
    value = max(row["stray"] for row in r.replay.values())
    return value, f"{value:.0f} addresses that were not what the host has there"


def g14(r):
    quarters = [r.row("soak", f"quarter{q}", label=x) for q in (1, 2, 3, 4) for x in ("hot", "nic")]
    # The first touch of all is no miss of the cache.
    value = min(1 - row["missed"] / row["requests"] for row in quarters[2:])
    return value, f"{100 * value:.2f} % of the hot set's requests hit, in the worst quarter but the first"


def g14_growth(r):
    peaks = [r.row("soak", f"quarter{q}")["mappings_peak"] for q in (1, 2, 3, 4)]
    value = peaks[3] / max(peaks[1], 1)
    return value, f"{value:.3f}: mappings at most, last quarter to second"


AT_MOST, AT_LEAST = "<=", ">="
GOALS = [
    ("G1", "NVMe 4 KiB, fixed pool: host calls and exits per read", AT_MOST, 0.001, g1),
    ("G1", "the same, in a guest, counted by both sides", AT_MOST, 0.001, g1_guest),
    ("G2", "guest instructions per 4 KiB read, one at a time, against no translation", AT_MOST, 1.05, g2_latency),
    ("G2", "the same, many at once (throughput at least 0.97)", AT_MOST, 1 / 0.97, g2_throughput),
    ("G3", "hit, map and unmap, median ns", AT_MOST, 100, g3_p50),
    ("G3", "hit, 99th percentile ns", AT_MOST, 300, g3_p99),
    ("G3", "hit, growth from 1,024 to 65,536 frames", AT_MOST, 1.5, g3_growth),
    ("G3", "hit, instructions", AT_MOST, 250, g3_insns),
    ("G3", "hits of 4 processors, of linear", AT_LEAST, 0.8, g3_scaling),
    ("G4", "GPU, scatter lists: mappings at peak", AT_MOST, 3277, g4),
    ("G4", "GPU, page at a time: mappings at peak, to the least possible", AT_MOST, 1.05, g4_pages),
    ("G5", "GPU, scatter lists, and sparse pages: mapped bytes to the least possible", AT_MOST, 1.05, g5),
    ("G5", "the same, all page at a time", AT_MOST, 1.05, g5_pages),
    ("G5", "GPU: refused requests", AT_MOST, 0, g5_refused),
    ("G6", "4 KiB data in 1.5 GiB, 4 per 256 KiB, in lists of 64: MiB", AT_LEAST, 380, g6),
    ("G6", "the same, page at a time, to the most possible", AT_LEAST, 0.9, g6_pages),
    ("G6", "4 KiB data in 1.5 GiB, frames full: MiB", AT_LEAST, 1433.6, g6_full),
    ("G7", "GPU cold, scatter lists: calls per buffer", AT_MOST, 0.05, g7),
    ("G7b", "GPU cold, page at a time, 16 per 256 KiB", AT_MOST, 0.30, g7b_dense),
    ("G7b", "GPU cold, page at a time, 4 per 256 KiB", AT_MOST, 0.95, g7b_sparse),
    ("G8", "stream over the budget: core-s per GiB", AT_MOST, 0.18, g8),
    ("G8", "the same, in a guest", AT_MOST, 0.18, g8_guest),
    ("G9", "stream over the budget: calls per 4 KiB page", AT_MOST, 0.0625, g9),
    ("G9", "the same, 1 MiB requests or 2 MiB runs", AT_MOST, 0.008, g9_large),
    ("G10", "NIC, sending: calls per fragment", AT_MOST, 0.01, g10),
    ("G11", "coherent memory: calls after the first round", AT_MOST, 0, g11),
    ("G11", "the same without pools", AT_MOST, 0, g11_replay),
    ("G12", "exits per miss", AT_MOST, 1.0, g12),
    ("G12", "evictions per doorbell", AT_LEAST, 32, g12_batch),
    ("G13", "strict: bytes mapped and unused", AT_MOST, 0, g13_strict),
    ("G13", "default: idle memory, of the budget", AT_MOST, 0.5, g13_idle),
    ("G13", "default: age of what is idle, s (and a tick)", AT_MOST, 11, g13_age),
    ("G13", "stray addresses", AT_MOST, 0, g13_stray),
    ("G14", "soak: hit rate of the hot set", AT_LEAST, 0.99, g14),
    ("G14", "soak: growth of mappings", AT_MOST, 1.05, g14_growth),
]


def verdict(relation, threshold, value):
    met = value <= threshold + 1e-9 if relation == AT_MOST else value >= threshold - 1e-9
    return "met" if met else "missed"


def judge(results):
    judged = []
    for goal, what, relation, threshold, measure in GOALS:
        try:
            value, text = measure(results)
            judged.append((goal, what, relation, threshold, verdict(relation, threshold, value), text))
        except Missing as why:
            judged.append((goal, what, relation, threshold, "not measurable here", str(why)))
    return judged


def main():
    if len(sys.argv) == 1:
        for goal, what, relation, threshold, _ in GOALS:
            print(f"{goal:4} {what}: {relation} {threshold:g}")
        return
    results = Results(sys.argv[1])
    if not results.replay:
        sys.exit(f"goals.py: {sys.argv[1]} holds no results")
    judged = judge(results)
    for goal, what, relation, threshold, said, text in judged:
        print(f"{goal:4} {said:20} {what} ({relation} {threshold:g}): {text}")
    count = [sum(j[4] == v for j in judged) for v in ("met", "missed", "not measurable here")]
    print(f"{count[0]} met, {count[1]} missed, {count[2]} not measurable here")


if __name__ == "__main__":
    main()
