# SPDX-License-Identifier: GPL-2.0-or-later
# Records what the disk's driver asks for, from its probe on, and what came of it: the replayer is given the same.

tracing=/sys/kernel/debug/tracing
insmod /apple_dma.ko premap=off
check "the disk is found" wait_for 15 test -b $disk
echo "$bdf" >$nvme/unbind
set -- "$(stat_of maps)"
echo 8192 >$tracing/buffer_size_kb
for event in adma_dma_map adma_dma_unmap; do
	echo 1 >$tracing/events/apple_dma/$event/enable
done
echo "$bdf" >$nvme/bind
check "the disk is found again" wait_for 15 test -b $disk
/io $disk 400 8 >/dev/null
dd if=$disk of=/dev/null bs=256k count=40 2>/dev/null
for event in adma_dma_map adma_dma_unmap; do
	echo 0 >$tracing/events/apple_dma/$event/enable
done
echo "@@bench kind=record policy=$(stat_of mode) maps=$(($(stat_of maps) - $1))"
sed -n '/adma_dma/s/^/@@trace /p' $tracing/trace
