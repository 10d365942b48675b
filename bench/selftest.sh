#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark's own parts, against what is known beforehand: traces repeat, wrong ones are refused, counts are those that
# can be worked out by hand, recordings become traces, the judge knows met from missed.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. tests/tap.sh
replay=$B/bench/replay/replay

# is DESCRIPTION EXPECTED ACTUAL
is()
{
	if [ "$2" = "$3" ]; then : >"$work/hits"; else diff <(echo "$2") <(echo "$3") >"$work/hits"; fi
	none "$1" "$work/hits"
}

bench/traces.py --quick --only coherent,model-load,gpu-t2-sg "$work/a"
bench/traces.py --quick --only coherent,model-load,gpu-t2-sg "$work/b"
is "a trace follows from its seed" "" "$(diff -rq "$work/a" "$work/b")"
"$replay" "$work"/a/*.trace >"$work/first" 2>/dev/null
"$replay" "$work"/b/*.trace >"$work/second" 2>/dev/null
is "so do the counts" "" "$(cmp "$work/first" "$work/second" 2>&1)"

# Two pages of one frame in a list, then one of them alone, then one that crosses the edge of a 256 KiB window.
cat >"$work/known.trace" <<'END'
dma-trace 1
ram 0x40000000 0x40000000
0 map 0 task both 0x40000000+4096,0x40002000+4096
1000 map 1 hardirq from 0x40001000+4096
2000 unmap 0 task
3000 unmap 1 task
phase again
4000 map 0 task both 0x40000000+4096,0x40002000+4096
5000 unmap 0 task
6000 map 0 task to 0x4003f000+8192
7000 unmap 0 task
8000 end
END
# policy and phase: maps, unmaps, exits, mapped bytes at most, mappings at most
counts()
{
	"$replay" --policies "$1" "$work/known.trace" | awk -F, '$4 == "" { print $2, $10, $11, $12, $14, $20 }'
}
is "naive: a mapping per buffer, a trip each way" "all 3 3 6 49152 3
again 3 3 6 32768 2" "$(counts naive)"
is "window: one mapping for all in it, an exact one across its edge" "all 1 1 2 262144 1
again 2 2 4 262144 1" "$(counts window)"
is "strict: frames are shared while they are used; beside bounce buffers" "start 2 0 2 4194304 2
all 1 1 2 4210688 3
again 2 2 4 4227072 3" "$(counts strict)"
is "index: and found again when they are not" "all 1 0 1 16384 1
again 1 0 1 49152 2" "$(counts index)"
is "default: the same behind pools: bounce buffers of 4 MiB, as all of RAM fits, and two chunks of 2 MiB" "start 4 0 4 8388608 4
all 1 0 1 8404992 5
again 1 0 1 8437760 6" "$(counts default)"
is "identity: once, all of it" "start 1 0 1 1073741824 1
all 0 0 0 1073741824 1
again 0 0 0 1073741824 1" "$(counts identity)"
is "virtio-iommu: a MAP per run, an UNMAP per request" "all 3 2 4 12288 2
again 3 2 4 8192 1" "$(counts viommu-strict)"

# 56 of 64 MiB are in use.  What comes once is copied, both ways when the device writes; what comes again is mapped, as is what
# goes both ways, and what is long.  Allocations need no mapping.
cat >"$work/short.trace" <<'END'
dma-trace 1
ram 0x40000000 0x40000000
0 map 0 task both 0x40000000+58720256
phase once
1000 map 1 task from 0x50000000+4096 @read
2000 unmap 1 task
3000 map 1 task to 0x50010000+2048 @written
4000 unmap 1 task
5000 map 1 task both 0x50020000+4096 @both
6000 unmap 1 task
7000 map 1 task from 0x50100000+262144 @long
8000 unmap 1 task
phase again
9000 map 1 task from 0x50000000+4096 @read
10000 unmap 1 task
11000 alloc 1 task both 0x50200000+16384 @alloc
12000 unmap 1 task
13000 end
END
# phase and label: maps, buffers copied, their bytes, bytes moved
copies()
{
	"$replay" --budget 64 --policies "$1" "$work/short.trace" | awk -F, '$4 != "" && $4 != "-" && $5 { print $2, $4, $10, $30, $31, $32 }'
}
is "default: copies what comes once while the budget is short" "once read 0 1 4096 8192
once written 0 1 2048 2048
once both 1 0 0 0
once long 1 0 0 0
again read 1 0 0 0
again alloc 0 0 0 0" "$(copies default)"
is "index: maps all of it" "once read 1 0 0 0
once written 1 0 0 0
once both 1 0 0 0
once long 1 0 0 0
again read 0 0 0 0
again alloc 1 0 0 0" "$(copies index)"
is "bounce-only: copies whatever may be copied" "once read 0 1 4096 8192
once written 0 1 2048 2048
once both 1 0 0 0
once long 0 1 262144 524288
again read 0 1 4096 8192
again alloc 0 0 0 0" "$(copies bounce-only)"

refused()
{	# description, what is said, lines
	printf '%s\n' "dma-trace 1" "ram 0x40000000 0x100000" "$3" >"$work/bad.trace"
	"$replay" "$work/bad.trace" 2>&1 >/dev/null | grep -q "bad.trace:3: .*$2" && : >"$work/hits" || echo "not refused: $3" >"$work/hits"
	none "refused: $1" "$work/hits"
}
refused "a piece that is not RAM" "not in the guest's RAM" "0 map 0 task both 0x400ff000+8192"
refused "a size that wraps around" "not in the guest's RAM" "0 map 0 task both 0x40000000+18446744073709551615"
refused "an unmap of nothing" "not mapped" "0 unmap 0 task"
refused "an unknown context" "no context" "0 map 0 nmi both 0x40000000+1"
refused "a number that is too large" "no request number" "0 map 16777216 task both 0x40000000+1"
refused "no pieces" "pieces" "0 map 0 task both"
refused "a label without a name" "no label" "0 map 0 task both 0x40000000+1 @"
is "refused: another version" "1" "$(printf 'dma-trace 2\n' | "$replay" - 2>&1 | grep -c 'not a dma-trace')"

is "a recording becomes a trace" "dma-trace 1
# recorded
ram 0x40000000 0x40000000
0 map 0 task to 0x40021000+512
2000 map 1 softirq from 0x40300000+4096,0x41000800+1448
4000 unmap 0 hardirq
5000 map 0 task both 0x40021000+4096
5000 end" "$(bench/record.py 2>/dev/null <<'END'
# tracer: nop
  dd-1 [000] d..1.    10.000000: adma_dma_unmap: 00:03.0 iova=0x9 bytes=1 part=1/1
  dd-1 [000] d..1.    10.000001: adma_dma_map: 00:03.0 map gpa=0x40021000 bytes=512 iova=0x80001000 dir=to part=1/1
  kworker-2 [001] d.s1.    10.000002: adma_dma_map: 00:03.0 map gpa=0x40300000 bytes=4096 iova=0x80004000 dir=from part=1/2
  kworker-2 [001] d.s1.    10.000003: adma_dma_map: 00:03.0 map gpa=0x41000800 bytes=1448 iova=0x80008800 dir=from part=2/2
  x-3 [000] d.h1.    10.000005: adma_dma_unmap: 00:03.0 iova=0x80001000 bytes=512 part=1/1
  x-3 [000] d..1.    10.000006: adma_dma_map: 00:03.0 alloc gpa=0x40021000 bytes=4096 iova=0xffffffffffffffff dir=both part=1/1
  x-3 [000] d..1.    10.000006: adma_dma_map: 00:03.0 map gpa=0x40021000 bytes=4096 iova=0x80001000 dir=both part=1/1
END
)"

# The judge: a made-up result, on either side of thresholds.
mkdir "$work/results"
"$replay" --header --policies default "$work/known.trace" | head -n 1 >"$work/results/replay.csv"
row()
{	# trace, phase, label, then COLUMN=VALUE
	python3 - "$work/results/replay.csv" "$@" <<'END'
import sys
path, trace, phase, label, *values = sys.argv[1:]
names = open(path).readline().strip().split(",")
row = dict.fromkeys(names, "0") | {"trace": trace, "phase": phase, "policy": "default", "label": label} | dict(v.split("=") for v in values)
open(path, "a").write(",".join(row[n] for n in names) + "\n")
END
}
for depth in 1 32 128; do
	row "nvme-4k-qd$depth" steady "" requests=100000 buffers=100000 maps=60 unmaps=40 exits=100
done
row nic steady tx requests=100 buffers=100 maps=1 unmaps=1
row capacity-4-sg all "" live_at_refusal=398458880 live_peak=500000000
row capacity-full all "" live_peak=1468006400
row stream-to-run16k steady "" bytes=1073741824 copied_bytes=1368000000
is "the judge: bytes copied cost time" "met                  the same, written (<= 0.18): 0.18, of which 0.18 copying" \
	"$(bench/goals.py "$work/results" | sed -n 's/^G8   \(.*written.*\)/\1/p')"
is "the judge: at the threshold is met, beyond it is missed, absent is not measurable" "G1 met
G10 missed
G6 met
G6 missed
G7 not measurable here" "$(bench/goals.py "$work/results" |
	sed -nE 's/^(G1|G6|G7|G10) +(met|missed|not measurable here) .*(exits per read|frames full: MiB|scatter lists: MiB|scatter lists: calls per buffer|calls per fragment) \(.*/\1 \2/p' | sort)"
is "bounds: all pages, one, any of two by hand, and frames that pages fall into" "1.0000 16.0000
2.0000
1.9524
3.7204 11.1001" "$(python3 - <<'END'
import sys
sys.path.insert(0, "bench")
from bounds import *
print(f"{least(64, 1, 0):.4f} {least(64, 0, 1):.4f}")
print(f"{least(1, 1, 1):.4f}")
# A frame each: the second is in the first's in 3 of 63 cases.
print(f"{fewest_mappings(2, 2 - 3 / 63):.4f}")
print(f"{least(4, 0, 1):.4f} {least(16, 0, 1):.4f}")
END
)"
check_fails()
{
	if "$@" >/dev/null 2>&1; then echo "$* succeeded"; fi
}
check_fails bench/goals.py "$work/nothing" >"$work/hits"
none "no results are no verdict" "$work/hits"

printf '@@bench kind=sides policy=naive at=1.1 maps=10 unmaps=10\n@@bench kind=random policy=naive reads=5\n' >"$work/vm.txt"
printf '1 naive 100 100 0 0\n2 naive 110 110 0 0\n' >"$work/vm.counts"
is "both sides agree" "kind,policy,reads
random,naive,5" "$(bench/guest-rows.py "$work/vm")"
printf '1 naive 100 100 0 0\n2 naive 109 110 0 0\n' >"$work/vm.counts"
check_fails bench/guest-rows.py "$work/vm" >"$work/hits"
none "both sides disagree: the run fails" "$work/hits"

is "instructions are counted, each once" "$(printf '%016x' $((4 * 100000 + 4)))" "$(
	timeout 60 "$B/qemu/bin/qemu-system-aarch64" -M virt -cpu max -nographic -nodefaults -serial stdio \
		-kernel "$B/bench/insn/count" -plugin "file=$B/bench/insn/insn.so" </dev/null 2>&1)"

printf '@@bench kind=trace-begins trace=known policy=strict bytes_max=1610612736 live_max=65536\n@@bench kind=trace trace=known policy=strict phase=all maps=1 unmaps=1\n' >"$work/tr.txt"
bench/guest-traces.py "$replay" "$work/tr" "$work" >"$work/hits" && : >"$work/hits"
none "a guest that asks as often as the replayer" "$work/hits"
sed -i 's/maps=1 unmaps/maps=20 unmaps/' "$work/tr.txt"
check_fails bench/guest-traces.py "$replay" "$work/tr" "$work" >"$work/hits"
none "one that asks more often: the run fails" "$work/hits"
done_testing
