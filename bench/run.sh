#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark: states the goals, measures, judges.  docs/benchmark.md explains it.
#
#   bench/run.sh [--quick] [--out FOLDER] [--part replay|hits|guest|viommu]...
#
# Results go to bench/results, replacing the ones of the same parts.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

B=${B:-build} quick='' out=bench/results parts=()
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--out) out=$2 && shift ;;
	--part) parts+=("$2") && shift ;;
	*) sed -n 's/^#   /usage: /p' "$0" >&2; exit 2 ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=(replay hits guest viommu)
export B
status=0
mkdir -p "$out" "$B/bench/vm"
started=$SECONDS

say() { printf '[%4ds] %s\n' $((SECONDS - started)) "$*"; }
failed()
{
	say "FAILED: $*"
	status=1
}

say "goals, stated before anything is measured:"
bench/goals.py
{
	echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD -- . ':!bench/results' 2>/dev/null || echo ', changed'), $(date -u +%Y-%m-%d), ${quick:+quick }run of $(nproc) processors: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
	echo "guest: Debian $(cat "$B/kernels/6.12/release" 2>/dev/null), emulated processors (TCG): its times are ratios within one boot, and no more"
} >"$out/about.txt"

part_replay()
{
	local traces=$B/bench/traces$quick
	say "generating traces"
	bench/traces.py $quick "$traces" || { failed "traces"; return; }
	say "replaying them under every policy"
	# Identity needs a host that can map all of RAM: it says so, and is left out.
	"$B/bench/replay/replay" --header "$traces"/*.trace >"$out/replay.csv" 2>"$B/bench/replay.log" ||
		failed "policies and host disagree: $(grep -v identity "$B/bench/replay.log" | head -n 3)"
}

part_hits()
{
	say "measuring hits"
	bench/hits.sh "$B" "$([ -n "$quick" ] && echo 500000 || echo 5000000)" >"$out/hit.json" || failed "hits"
}

# The replayer, given what a guest's driver asked for, must ask the host as often as the guest did.
replay_recording()
{
	local vm=$B/bench/vm/record guest replayed
	sed -n 's/^@@trace //p' "$vm.txt" | bench/record.py --memory 0x40000000:0x20000000 >"$vm.trace" || return 1
	guest=$(sed -n 's/^@@bench kind=record .*maps=//p' "$vm.txt")
	replayed=$("$B/bench/replay/replay" --policies default "$vm.trace" | awk -F, '$4 == "" { n += $10 } END { print n }')
	say "the guest asked for $guest mappings, the replayer for $replayed"
	echo "recording: $(grep -c ' map ' "$vm.trace") requests of a guest's disk; the guest asked for $guest mappings, the replayer for $replayed" >>"$out/about.txt"
	# Which addresses the host gives out decides a few.
	[ $((guest > replayed ? guest - replayed : replayed - guest)) -le $((guest / 20 + 2)) ]
}

part_guest()
{
	local laps=3 costs=0,10,30,50 depths=1,32,128 reads=1500
	[ -z "$quick" ] || laps=1 costs=0,30 depths=1,32 reads=500
	say "random reads in a guest, $laps laps"
	bench_count=1 bench/vm.sh "$B/bench/vm/random" 1500 random nvme \
		"rounds=$laps costs=$costs depths=$depths reads=$reads policies=identity,naive,window,strict,default module=${BENCH_MODULE:-}" ||
		failed "random reads"
	say "streams in a guest that has more memory than can be mapped"
	bench_disk=768M bench/vm.sh "$B/bench/vm/stream" 900 stream nvme \
		"rounds=1 below=48 above=$([ -n "$quick" ] && echo 96 || echo 640) policies=naive,window,strict,default module=${BENCH_MODULE:-}" \
		--set dart.size=128M || failed "streams"
	say "a recording of a guest, replayed"
	bench/vm.sh "$B/bench/vm/record" 300 record nvme "" && replay_recording || failed "recording"
	say "coherent memory in a guest"
	e2e_devices="--device 04:00.0" bench/vm.sh "$B/bench/vm/coherent" 300 coherent dmatest \
		"policies=naive,window,strict,default module=${BENCH_MODULE:-}" || failed "coherent memory"
	say "traces in a guest, through a test driver"
	guest_traces || failed "traces in a guest"
}

# The traces go into the guest behind its first file system; its memory is not touched, so that it costs nothing here.
guest_traces()
{
	local vm=$B/bench/vm/traces root=$B/bench/guest-traces$quick names=nic,gpu-t1-sg,gpu-t1-pages,gpu-t2-pages
	local policies=naive,window,strict,default
	[ -z "$quick" ] || names=nic,gpu-t1-sg policies=strict,default
	rm -rf "$root"
	bench/traces.py $quick --guest --only "$names" "$root/traces" || return 1
	{
		cat "$B/bench/guest/initramfs.gz"
		(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1
	} >"$vm.initramfs.gz" || return 1
	e2e_memory=$([ -n "$quick" ] && echo 2G || echo 6G) e2e_devices="--device 04:00.0" bench_initramfs=$vm.initramfs.gz \
		bench/vm.sh "$vm" 1500 trace dmatest \
		"traces=$names policies=$policies init_on_alloc=0 module=${BENCH_MODULE:-}" || return 1
	bench/guest-traces.py "$B/bench/replay/replay" "$vm" "$root/traces"
}

part_viommu()
{
	if ! "${VFIO_APPLE_QEMU:-$B/qemu/bin/qemu-system-aarch64}" -device help 2>/dev/null | grep -q virtio-iommu-pci; then
		rm -f "$B/bench/vm/viommu.txt"
		say "this QEMU has no virtio-iommu (CONFIG_VIRTIO_IOMMU in qemu/configs/vfio-apple.mak): it is not measured"
		return
	fi
	say "virtio-iommu in a guest, strict and lazy"
	bench/viommu.sh "$B/bench/vm/viommu" "$([ -n "$quick" ] && echo 1500 || echo 6000)" || failed "virtio-iommu"
}

for part in "${parts[@]}"; do
	"part_$part"
done
vms=()
for vm in random stream viommu coherent traces; do
	[ ! -s "$B/bench/vm/$vm.txt" ] || vms+=("$B/bench/vm/$vm")
done
if [ ${#vms[@]} -gt 0 ]; then
	bench/guest-rows.py "${vms[@]}" >"$out/guest.csv" || failed "guest and machine disagree"
fi
bench/report.py "$out" || failed "report"
say "verdicts:"
bench/goals.py "$out" || failed "judge"
say "results are in $out/README.md"
exit $status
