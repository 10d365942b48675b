#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest sees of a passed-through function: interrupts, BARs, configuration space, resets.

Runs on a machine with two dmatest functions (docs/dmatest.md), 04:00.0 and 05:00.0. TAP.
"""

import sys
import time

from machine import COMMAND, MASTER, MEMORY, OK, RAM, Companion, Machine, host, unmap_req
from tap import expect, main, test

G, ONES = 16384, 0xFFFFFFFF
FN0, FN1 = "vfio-apple-pci,host=04:00.0,id=fn0", "vfio-apple-pci,host=05:00.0,id=fn1"
DATA, MESSAGES = RAM + (64 << 20), RAM + (32 << 20)
ID, SCRATCH, IRQ_TEST = 0x000, 0x01C, 0x200
DMAT = 0x54414D44
CAP_MSI, CAP_EXPRESS, CAP_MSIX = 0x05, 0x10, 0x11


class Function:
    def __init__(self, machine, companion, index=0, claim=True):
        self.m, self.c, self.index = machine, companion, index
        self.devfn = companion.function(index)[1] & 0xFF
        self.bars = machine.place_bars(self.devfn)
        self.command(MEMORY | MASTER)
        if claim:
            expect(companion.claim(index), OK, "claim")

    def command(self, value):
        self.m.set_config(self.devfn, COMMAND, value, 2)

    def config(self, offset, size=4):
        return self.m.config(self.devfn, offset, size)

    def set_config(self, offset, value, size=4):
        self.m.set_config(self.devfn, offset, value, size)

    def capability(self, wanted):
        at = self.config(0x34, 1)
        while at and self.config(at, 1) != wanted:
            at = self.config(at + 1, 1)
        assert at, f"no capability {wanted:#x}"
        return at

    def reg(self, offset):
        return self.m.load(self.bars[0][0] + offset)

    def set_reg(self, offset, value):
        self.m.store(self.bars[0][0] + offset, value)

    def stat(self, name):
        return self.m.qmp("qom-get", path=f"/machine/peripheral/fn{self.index}", property=f"stat-{name}")["return"]

    def enable_msix(self, vectors, messages=MESSAGES):
        """Vector v stores 0xA0 + v to messages + 4 v."""
        cap = self.capability(CAP_MSIX)
        table = self.config(cap + 4)
        base = self.bars[table & 7][0] + (table & ~7)
        for v in range(vectors):
            self.m.store(messages + 4 * v, 0)
            for word, value in enumerate((messages + 4 * v, 0, 0xA0 + v, 0)):
                self.m.store(base + 16 * v + 4 * word, value)
        self.set_config(cap + 2, 0x8000, 2)
        return base


def eventually(get, wanted, what, seconds=5):
    deadline = time.monotonic() + seconds
    while get() != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    expect(get(), wanted, what)


@test
def every_msix_vector_arrives_where_the_guest_wants_it():
    with Machine(FN0) as m:
        f = Function(m, Companion(m))
        expect(f.reg(ID), DMAT, "the device's register")
        vectors = (f.config(f.capability(CAP_MSIX) + 2, 2) & 0x7FF) + 1
        expect(vectors, 8, "vectors")
        f.enable_msix(vectors)
        for v in range(vectors):
            f.set_reg(IRQ_TEST + 4 * v, 1)
            eventually(lambda: m.load(MESSAGES + 4 * v), 0xA0 + v, f"message of vector {v}")
        expect(f.stat("interrupts"), vectors, "interrupts counted")
        # Disabled: nothing arrives, nothing breaks.
        f.set_config(f.capability(CAP_MSIX) + 2, 0, 2)
        m.store(MESSAGES, 0)
        f.set_reg(IRQ_TEST, 2)
        time.sleep(0.1)
        expect(m.load(MESSAGES), 0, "message while MSI-X is off")


@test
def a_masked_vector_is_delivered_when_it_is_unmasked():
    with Machine(FN0) as m:
        f = Function(m, Companion(m))
        table = f.enable_msix(2)
        m.store(table + 12, 1)
        f.set_reg(IRQ_TEST, 1)
        time.sleep(0.2)
        expect(m.load(MESSAGES), 0, "message of a masked vector")
        m.store(table + 12, 0)
        eventually(lambda: m.load(MESSAGES), 0xA0, "message after unmasking")


@test
def two_functions_do_not_receive_each_others_interrupts():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        f0, f1 = Function(m, c, 0), Function(m, c, 1)
        f0.enable_msix(1, MESSAGES)
        f1.enable_msix(1, MESSAGES + 64)
        for _ in range(3):
            m.store(MESSAGES, 0)
            m.store(MESSAGES + 64, 0)
            f1.set_reg(IRQ_TEST, f1.reg(IRQ_TEST) + 1)
            eventually(lambda: m.load(MESSAGES + 64), 0xA0, "message of the second")
            expect(m.load(MESSAGES), 0, "message of the first")


@test
def msi_works_after_msix_and_the_other_way_round():
    with Machine(FN0) as m:
        f = Function(m, Companion(m))
        msi, msix = f.capability(CAP_MSI), f.capability(CAP_MSIX)
        for round_ in range(2):
            f.enable_msix(1)
            f.set_reg(IRQ_TEST, 2 * round_ + 1)
            eventually(lambda: m.load(MESSAGES), 0xA0, "MSI-X message")
            f.set_config(msix + 2, 0, 2)
            m.store(MESSAGES, 0)
            wide = f.config(msi + 2, 2) & 0x80
            f.set_config(msi + 4, MESSAGES)
            if wide:
                f.set_config(msi + 8, 0)
            f.set_config(msi + (12 if wide else 8), 0xB0, 2)
            f.set_config(msi + 2, 1, 2)
            f.set_reg(IRQ_TEST, 2 * round_ + 2)
            eventually(lambda: m.load(MESSAGES), 0xB0, "MSI message")
            f.set_config(msi + 2, 0, 2)


@test
def a_pin_interrupt_is_delivered_again_once_served_unless_disabled():
    with Machine(FN0) as m:
        f = Function(m, Companion(m))
        assert f.config(0x3D, 1), "no interrupt pin"
        # The host runs the device on messages: its first vector stands for the pin.
        f.set_reg(IRQ_TEST, 1)
        eventually(lambda: f.stat("interrupts"), 1, "interrupts")
        f.set_reg(IRQ_TEST, 2)
        eventually(lambda: f.stat("interrupts"), 2, "interrupts after the guest touched the device")
        expect(f.reg(ID), DMAT, "the device's register")
        # INTx disable in the command register holds it back.
        f.command(MEMORY | MASTER | 0x400)
        f.set_reg(IRQ_TEST, 3)
        time.sleep(0.2)
        expect(f.stat("interrupts"), 2, "interrupts while disabled")
        f.command(MEMORY | MASTER)
        eventually(lambda: f.stat("interrupts"), 3, "interrupts after it is enabled again")


@test
def bars_work_mapped_and_trapped():
    for option, mapped in (("", True), (",x-no-mmap=on", False)):
        with Machine(FN0 + option) as m:
            f = Function(m, Companion(m))
            expect(f.stat("bars-mapped") > 0, mapped, "mapped BARs")
            expect(sorted(f.bars), [0, 1, 2, 4], "BARs")
            for size in (1, 2, 4, 8):
                for bar in (1, 2):      # BAR 1 is smaller than a page of the host
                    at, value = f.bars[bar][0] + f.bars[bar][1] - 16, 0x8877665544332211 & ((1 << 8 * size) - 1)
                    m.store(at, value, size)
                    expect(m.load(at, size), value, f"BAR {bar}, {size} bytes{option}")
            at = f.bars[2][0] + 0x101
            m.store(at, 0x11223344)
            expect(m.load(at), 0x11223344, f"unaligned access{option}")
            f.set_reg(SCRATCH, 0x600DF00D)
            expect(f.reg(SCRATCH), 0x600DF00D, f"SCRATCH{option}")


@test
def the_guest_moves_bars_without_moving_the_device():
    with Machine(FN0) as m:
        f = Function(m, Companion(m))
        f.set_reg(SCRATCH, 0x1234)
        for _ in range(4):
            f.command(0)
            f.bars = m.place_bars(f.devfn)
            f.command(MEMORY | MASTER)
            expect(f.reg(SCRATCH), 0x1234, "SCRATCH at another address")
        expect(host("04:00.0")["memory_space"], 1, "memory space at the device")


@test
def a_function_level_reset_resets_the_device_and_keeps_the_mappings():
    with Machine(FN0) as m:
        c = Companion(m)
        f = Function(m, c)
        f.set_reg(SCRATCH, 0x5555)
        handle = c.map((DATA, G))[1]
        express = f.capability(CAP_EXPRESS)
        assert f.config(express + 4) & 1 << 28, "no function-level reset"
        resets = f.stat("resets")
        f.set_config(express + 8, f.config(express + 8, 2) | 0x8000, 2)
        expect(f.stat("resets"), resets + 1, "resets")
        expect(f.config(express + 8, 2) & 0x8000, 0, "the reset bit reads back as 0")
        expect(f.reg(SCRATCH), 0, "SCRATCH after the reset")
        expect(host("04:00.0")["mappings"], 1, "mappings after the reset")
        expect(host("04:00.0")["bus_master"], 1, "bus mastering, which the guest had on")
        f.command(MEMORY)
        f.set_config(express + 8, 0x8000, 2)
        expect(host("04:00.0")["bus_master"], 0, "bus mastering, which the guest had off")
        expect(c.unmap(handle), OK, "unmap after the reset")


@test
def interrupts_survive_a_function_level_reset():
    with Machine(FN0) as m:
        f = Function(m, Companion(m))
        f.enable_msix(2)
        f.set_config(f.capability(CAP_EXPRESS) + 8, 0x8000, 2)
        f.set_reg(IRQ_TEST + 4, 1)
        eventually(lambda: m.load(MESSAGES + 4), 0xA1, "message after the reset")


@test
def what_the_host_owns_is_emulated():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        f, without_flr = Function(m, c, 0), Function(m, c, 1)
        f.set_config(0x3C, 0x42, 1)
        expect(f.config(0x3C, 1), 0x42, "interrupt line")
        express = without_flr.capability(CAP_EXPRESS)
        expect(without_flr.config(express + 4) & 1 << 28, 0, "function-level reset of a device without it")
        expect(f.config(0x30), 0, "expansion ROM of a device without it")
        for offset in (0x00, 0x08, 0x2C):
            before = f.config(offset)
            f.set_config(offset, ONES)
            expect(f.config(offset), before, f"read-only word {offset:#x}")


@test
def statistics_tell_what_happened():
    with Machine(FN0) as m:
        c = Companion(m)
        f = Function(m, c, claim=False)
        expect((f.stat("claimed"), f.stat("bus-master")), (0, 0), "before the claim")
        expect(c.claim(), OK, "claim")
        expect((f.stat("claimed"), f.stat("bus-master")), (1, 1), "after the claim")
        before = [f.stat(f"dma-{s}") for s in ("doorbells", "requests", "runs")]
        handles = [c.map((DATA, G), (DATA + G, G))[1], c.map((DATA, G), (DATA + 2 * G, G))[1], c.map((DATA, G))[1]]
        expect(c.unmap(handles[0]), OK, "unmap")
        c.ring(*[unmap_req(0, 1 << 40)] * 5)
        after = [f.stat(f"dma-{s}") for s in ("doorbells", "requests", "runs")]
        expect([a - b for a, b in zip(after, before)], [5, 9, 4], "doorbells, requests and pieces of memory")
        c.map((0, G))
        expect(f.stat("dma-timeouts"), 0, "timeouts")
        expect([f.stat(f"dma-{s}") for s in ("maps", "unmaps", "map-failures", "mappings", "mappings-peak", "bytes",
                                             "bytes-peak")], [3, 1, 1, 2, 3, 3 * G, 5 * G], "DMA statistics")


if __name__ == "__main__":
    sys.exit(main())
