#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write down what was measured: README.md, results.json and plots in the folder of the results.

    bench/report.py RESULTS-FOLDER
"""
import html
import json
import os
import sys

import goals

POLICIES = ("identity", "naive", "window", "strict", "index", "default", "viommu-strict", "viommu-lazy")
COLOURS = {"identity": "#999999", "naive": "#d95f02", "window": "#7570b3", "strict": "#66a61e", "index": "#a6761d", "default": "#1b9e77",
           "viommu-strict": "#e7298a", "viommu-lazy": "#e6ab02"}
MIB = 1 << 20


def table(head, rows):
    def line(cells):
        return "| " + " | ".join(str(c) for c in cells) + " |"
    return "\n".join([line(head), "|" + "---|" * len(head)] + [line(r) for r in rows]) + "\n"


def svg_bars(path, title, groups, series, values, unit, logarithmic=False):
    """Horizontal bars: per group one bar for each of series that has a value."""
    import math
    left, bar, width = 190, 11, 560
    shown = [(g, [(s, values[g, s]) for s in series if (g, s) in values]) for g in groups]
    shown = [(g, v) for g, v in shown if v]
    if not shown:
        return
    top = max(v for _, bars in shown for _, v in bars) or 1
    floor = 1e-4

    def length(v):
        if not logarithmic:
            return v / top * width
        return max(0, math.log10(max(v, floor) / floor) / math.log10(max(top, 10 * floor) / floor)) * width

    height = 60 + sum(len(bars) * bar + 14 for _, bars in shown) + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" height="{height}" '
           f'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="20" font-size="14">{html.escape(title)}</text>']
    x = 10
    for s in series:
        out.append(f'<rect x="{x}" y="30" width="10" height="10" fill="{COLOURS[s]}"/>'
                   f'<text x="{x + 14}" y="39">{s}</text>')
        x += 30 + 7 * len(s)
    y = 56
    for group, bars in shown:
        out.append(f'<text x="{left - 8}" y="{y + len(bars) * bar / 2 + 4}" text-anchor="end">{html.escape(group)}</text>')
        for s, v in bars:
            out.append(f'<rect x="{left}" y="{y}" width="{max(length(v), 1):.1f}" height="{bar - 2}" fill="{COLOURS[s]}"/>'
                       f'<text x="{left + length(v) + 4:.1f}" y="{y + 8}" font-size="9">{v:.4g}{unit}</text>')
            y += bar
        y += 14
    out.append("</svg>")
    open(path, "w").write("\n".join(out) + "\n")


def last_phase(results, trace):
    """What a trace settles to."""
    return next(p for p in ("steady", "quarter4", "all") if (trace, p, "default", "") in results.replay)


def traces(results):
    return list(dict.fromkeys(k[0] for k in results.replay))


def replay_tables(results, out):
    names = traces(results)
    values = {}
    rows = []
    for t in names:
        phase = last_phase(results, t)
        cells = [t, phase]
        for p in POLICIES:
            row = results.replay.get((t, phase, p, ""))
            if row and row["refused"] > 0.01 * row["requests"]:
                cells.append(f"refuses {100 * row['refused'] / row['requests']:.0f} %")
            elif row:
                values[t, p] = goals.calls(row)
                cells.append(f"{values[t, p]:.4f}")
            else:
                cells.append("does not fit")
        rows.append(cells)
    out.append("Host calls (maps and unmaps) per buffer, in the phase that the trace settles to:\n")
    out.append(table(["trace", "phase"] + list(POLICIES), rows))
    rows = []
    for t in names:
        phase = "cold" if (t, "cold", "default", "") in results.replay else last_phase(results, t)
        cells = [t, phase]
        for p in POLICIES:
            row = results.replay.get((t, phase, p, ""))
            if not row:
                cells.append("does not fit")
                continue
            over = (row["mapped_peak"] - row["pooled_peak"]) / row["ideal_peak"] if row["ideal_peak"] else 0
            cells.append(f"{row['mappings_peak']:.0f} / {row['mapped_peak'] / MIB:.0f}" + (f" / {over:.2f}" if over else "") +
                         (f", refuses {100 * row['refused'] / row['requests']:.0f} %" if row["refused"] else ""))
        rows.append(cells)
    out.append("Mappings at most / mapped MiB at most / mapped, but for pools, to the least possible (what drivers use, in 16 KiB "
               "frames), while it is cold:\n")
    out.append(table(["trace", "phase"] + list(POLICIES), rows))
    rows = []
    for t in names:
        phase = last_phase(results, t)
        cells = [t]
        for p in ("window", "strict", "default"):
            row = results.replay.get((t, phase, p, ""))
            cells.append(f"{row['exposed_avg'] / MIB:.0f} / {row['exposed_peak'] / MIB:.0f} / {row['idle_age_s']:.1f}" if row else "")
        rows.append(cells)
    out.append("The price of caching. Memory that the device can reach and no driver uses, MiB on average / at most / "
               "longest time a mapping was wholly idle, s. Pools are not in it (default: bounce buffers of 32 MiB and two chunks of "
               "2 MiB for allocations; strict: bounce buffers):\n")
    out.append(table(["trace", "window", "strict", "default"], rows))
    stream_cost_table(results, out)
    alignment_table(results, out)
    list_table(results, out)
    return values


def stream_cost_table(results, out):
    """What is mapped and what is copied."""
    rows = []
    for t in (t for t in traces(results) if t.startswith("stream")):
        for p in ("index", "bounce-only", "default"):
            row = results.replay.get((t, "steady", p, ""))
            if not row:
                continue
            asking, copying = goals.core_seconds(row)
            rows.append([t, p, f"{goals.per_page(row):.4f}", f"{100 * row['bounced_bytes'] / row['bytes']:.0f} %",
                         f"{row['copied_bytes'] / row['bytes']:.2f}", f"{asking:.3f} + {copying:.3f} = {asking + copying:.3f}"])
    out.append(f"Streams: mapped (index), copied, and what default makes of it. Core-s per GiB are derived, asking and copying, "
               f"with {goals.CALL * 1e6:.0f} us a host call, {goals.EXIT * 1e6:.0f} us an exit and {goals.COPY / 1e9:.1f} GB/s copied:\n")
    out.append(table(["trace", "policy", "host calls per 4 KiB", "of the bytes in copies", "copied per byte", "core-s per GiB"], rows))


def alignment_table(results, out):
    """What it takes the extension to have large memory where it is wished."""
    rows = []
    for t in traces(results):
        phase = "cold" if (t, "cold", "default", "") in results.replay else last_phase(results, t)
        row = results.replay.get((t, phase, "default", ""))
        if row and row["wishes"]:
            rows.append([t, f"{row['maps']:.0f}", f"{row['wishes']:.0f}", f"{row['misaligned']:.0f}", f"{row['mapper_calls'] / row['maps']:.2f}"])
    if not rows:
        return
    out.append("Alignment. Mappings of 64 KiB and more are wished congruent to their memory. A call of the host is one, however often "
               "the extension then has to ask the mapper (default, cold; the mapper is one that takes the lowest gap):\n")
    out.append(table(["trace", "mappings", "with a wish", "not met", "calls of the mapper per mapping"], rows))


def list_table(results, out):
    rows = []
    for t in goals.GPU_SG:
        cells = [t]
        for n in goals.LENGTHS:
            row = results.replay.get((t, "cold", "default", f"small{n}"))
            cells.append(f"{row['maps'] / row['buffers']:.3f} ({row['buffers']:.0f})" if row and row["buffers"] else "")
        rows.append(cells)
    out.append("Short scatter lists are dearer. Host calls per 4 KiB buffer in lists of so many, default, cold (how many buffers):\n")
    out.append(table(["trace"] + [str(n) for n in goals.LENGTHS], rows))


def random_tables(results, out):
    rows = [r for r in results.guest if r["kind"] == "random"]
    if not rows:
        return
    settings = sorted({(int(r["depth"]), int(r["cost"])) for r in rows})
    policies = [p for p in POLICIES if any(r["policy"] == p for r in rows)]
    cells = []
    for p in policies:
        mine = [r for r in rows if r["policy"] == p]
        reads = sum(int(r["reads"]) for r in mine)
        cells.append([p, f"{sum(int(r['maps']) + int(r['unmaps']) for r in mine) / reads:.4f}",
                      f"{sum(int(r['exits']) for r in mine) / reads:.4f}", reads,
                      f"{max(int(r['bytes']) for r in mine) / MIB:.1f}", max(int(r["live"]) for r in mine)])
    out.append("Random 4 KiB reads in a guest (512 MiB of RAM, emulated processors), counted by the module and, the same, "
               "by the machine:\n")
    out.append(table(["policy", "host calls per read", "exits per read", "reads", "mapped MiB afterwards", "mappings"], cells))
    cells = []
    for p in policies:
        line = [p]
        for depth, cost in settings:
            try:
                ratio, same = results.ratios(p, depth, cost, "us")
            except goals.Missing:
                line.append("")
                continue
            middle, low, high = goals.spread(same if p == "identity" else ratio)
            line.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        cells.append(line)
    instruction_table(results, policies, settings, out)
    out.append("Time for all reads against identity in the same lap, median and quartiles; for identity itself, second "
               "against first (A/A):\n")
    out.append(table(["policy"] + [f"depth {d}, {c} us" for d, c in settings], cells))
    fit(rows, settings, out)


def instruction_table(results, policies, settings, out):
    if not all(r.get("insns") for r in results.guest if r["kind"] == "random"):
        return
    cells = []
    for p in policies:
        line = [p]
        for depth, cost in settings:
            mine = [int(r["insns"]) for r in results.measured("random", policy=p, depth=depth, cost=cost)]
            ratio, same = results.ratios(p, depth, cost, "insns")
            middle = goals.spread(same if p == "identity" else ratio)[0]
            line.append(f"{sum(mine) / len(mine):.0f}, {middle:.3f}")
        cells.append(line)
    out.append("Instructions that the guest executes per read, and their ratio to identity's in the same lap; for identity "
               "itself, second against first (A/A):\n")
    out.append(table(["policy"] + [f"depth {d}, {c} us" for d, c in settings], cells))


def trace_table(results, out):
    rows = [r for r in results.guest if r["kind"] == "trace"]
    if not rows:
        return
    out.append("Traces in a guest, through a driver of the dmatest device (fewer requests than above where a name is the same); "
               "the module's and the machine's counts are the same:\n")
    out.append(table(["trace", "phase", "policy", "pieces", "refused", "maps", "unmaps", "exits", "mapped MiB afterwards"],
                     [[r["trace"], r["phase"], r["policy"], r["pieces"], r["refused"], r["maps"], r["unmaps"], r["exits"],
                       f"{int(r['bytes']) / MIB:.0f}"] for r in rows]))


def solve(a, b):
    """Least squares, by the normal equations."""
    n = len(a[0])
    m = [[sum(r[i] * r[k] for r in a) for k in range(n)] + [sum(r[i] * y for r, y in zip(a, b))] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(m[k][i]))
        m[i], m[pivot] = m[pivot], m[i]
        if abs(m[i][i]) < 1e-12:
            return None
        for k in range(n):
            if k != i:
                factor = m[k][i] / m[i][i]
                m[k] = [x - factor * y for x, y in zip(m[k], m[i])]
    return [m[i][n] / m[i][i] for i in range(n)]


def fit(rows, settings, out):
    """us per read = T0 + calls * c + exits * e, over all policies and costs of a depth."""
    lines = []
    for depth in sorted({d for d, _ in settings}):
        a, b = [], []
        for r in rows:
            if int(r["depth"]) != depth:
                continue
            reads = int(r["reads"])
            a.append([1.0, (int(r["maps"]) + int(r["unmaps"])) / reads * int(r["cost"]), int(r["exits"]) / reads])
            b.append(int(r["us"]) / reads)
        x = solve(a, b) if len(a) > 3 else None
        if not x:
            lines.append([depth, "", "", "", "", "too few"])
            continue
        error = [(sum(c * v for c, v in zip(row, x)) - y) / y for row, y in zip(a, b)]
        rms = (sum(e * e for e in error) / len(error)) ** 0.5
        lines.append([depth, f"{x[0]:.0f}", f"{x[1]:.2f}", f"{x[2]:.0f}", f"{100 * rms:.0f} %",
                      "accepted" if rms <= 0.15 else "rejected: says nothing"])
    out.append("Fit of the time of a read, T = T0 + calls * k * c + exits * e, c what a host call is made to cost: k is 1 when "
               "nothing else waits for the host meanwhile. e is an emulator's exit with everything behind it.\n")
    out.append(table(["depth", "T0, us", "k", "e, us", "residual", ""], lines))


def stream_table(results, out):
    rows = [r for r in results.guest if r["kind"] == "stream"]
    if not rows:
        return
    cells = []
    for which in dict.fromkeys(r["which"] for r in rows):
        for p in [p for p in POLICIES if any(r["policy"] == p for r in rows)]:
            mine = [r for r in rows if r["policy"] == p and r["which"] == which]
            if not mine:
                continue
            pages = sum(int(r["mib"]) for r in mine) * 256
            cells.append([which, p, f"{sum(int(r['maps']) + int(r['unmaps']) for r in mine) / pages:.4f}",
                          f"{sum(int(r['exits']) for r in mine) / pages:.4f}",
                          sum(int(r["bounced"] or 0) for r in mine) or "", sum(int(r["failures"]) for r in mine)])
    out.append("A disk read through the guest's page cache, with a host that maps less than the guest has memory:\n")
    out.append(table(["stream", "policy", "host calls per 4 KiB", "exits per 4 KiB", "bounced", "refused"], cells))


def viommu_table(results, out):
    rows = [r for r in results.guest if r["kind"] == "viommu"]
    if not rows:
        out.append("virtio-iommu in a guest: not measured; the columns above are a count of what its driver would ask.\n")
        return
    out.append("virtio-iommu of QEMU with its emulated NVMe disk, the same reads, requests counted by QEMU:\n")
    out.append(table(["mode", "depth", "MAP per read", "UNMAP per read", "reads"],
                     [[r["policy"], r["depth"], f"{int(r['maps']) / int(r['reads']):.3f}",
                       f"{int(r['unmaps']) / int(r['reads']):.3f}", r["reads"]] for r in rows]))


def hit_table(results, out):
    h = results.hit
    if not h:
        return
    out.append("A hit, map and unmap, on the machine this ran on; and in instructions of the guest's processor:\n")
    rows = [[f"{int(live):,} frames", h[live]["p50"], h[live]["p99"]] for live in ("1024", "16384", "65536")]
    out.append(table(["mapped", "median ns", "99th percentile ns"], rows))
    out.append(f"Instructions: {h.get('instructions') or 'not counted'}. ns per pair with 1, 2 and 4 threads on "
               f"{h['processors']} processors: {', '.join(str(h['threads'][n]) for n in ('1', '2', '4'))}.\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip().splitlines()[-1])
    folder = sys.argv[1]
    results = goals.Results(folder)
    if not results.replay:
        sys.exit(f"report.py: {folder} holds no results")
    judged = goals.judge(results)
    about = os.path.join(folder, "about.txt")
    out = ["# Results\n", "Made by `make bench` or `make bench-quick`; [docs/benchmark.md](../../docs/benchmark.md) explains "
           "the method and every column.\n"]
    if os.path.exists(about):
        out.append("\n".join("    " + line for line in open(about).read().splitlines()) + "\n")
    out.append("## Goals\n")
    out.append(table(["goal", "what", "threshold", "verdict", "measured"],
                     [[g, w, f"{rel} {th:g}", f"**{v}**" if v == "missed" else v, text] for g, w, rel, th, v, text in judged]))
    counts = [sum(j[4] == v for j in judged) for v in ("met", "missed", "not measurable here")]
    out.append(f"{counts[0]} met, {counts[1]} missed, {counts[2]} not measurable here.\n")
    out.append("## Replayed traces: 16 GiB of guest RAM, a budget of 1.5 GiB and 65,536 mappings\n")
    values = replay_tables(results, out)
    out.append("![host calls per buffer](calls.svg)\n\n![mapped memory](mapped.svg)\n")
    out.append("## In a guest\n")
    random_tables(results, out)
    stream_table(results, out)
    trace_table(results, out)
    viommu_table(results, out)
    out.append("## A hit\n")
    hit_table(results, out)
    open(os.path.join(folder, "README.md"), "w").write("\n".join(out))
    svg_bars(os.path.join(folder, "calls.svg"), "Host calls per buffer (logarithmic; a bar of 1e-4 is 1e-4 or less)",
             traces(results), [p for p in POLICIES if p != "identity"], values, "", True)
    mapped = {(t, p): results.replay[t, ph, p, ""]["mapped_peak"] / results.replay[t, ph, p, ""]["live_peak"]
              for t in traces(results) if t.startswith(("gpu", "capacity"))
              for ph in [("cold" if (t, "cold", "default", "") in results.replay else "all")]
              for p in ("naive", "window", "default") if (t, ph, p, "") in results.replay}
    svg_bars(os.path.join(folder, "mapped.svg"), "Mapped bytes to bytes in use, at most (what is refused is not in use)",
             traces(results), ["naive", "window", "default"], mapped, "x")
    json.dump({"goals": [dict(zip(("goal", "what", "relation", "threshold", "verdict", "measured"), j)) for j in judged],
               "guest": results.guest, "hit": results.hit}, open(os.path.join(folder, "results.json"), "w"), indent=1)


if __name__ == "__main__":
    main()
