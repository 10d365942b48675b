#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that answer slowly, late or never: what that costs the guest, its other CPUs and QEMU.

Runs on a machine with two dmatest functions, 04:00.0 and 05:00.0. TAP.
"""

import os
import struct
import subprocess
import sys
import tempfile
import time

from machine import (BAD_FUNCTION, BAD_REQUEST, COMMAND, CONTROL, DOORBELL, GENERATION, MASTER, MEMORY, NOT_CLAIMED, OK, OP_BUDGET,
                     PAGE, RAM, TIMEOUT, Companion, Machine, host, map_req, req, unmap_req)
from tap import expect, main, test

G = 16384
FN0, FN1 = "vfio-apple-pci,host=04:00.0,id=fn0", "vfio-apple-pci,host=05:00.0,id=fn1"
DATA = RAM + (64 << 20)
ONES = 0xFFFFFFFF
MAILBOX = RAM + (32 << 20)

# Firmware that rings when it is told to, and says how long that took. One mailbox per CPU, 4 KiB apart:
# 0 slot + 1, or 0 when it has been done; 8 address of the doorbell; 16 ticks it took; 24 ticks in a second.
RINGER = (
    0xD53800A1,     # start: mrs x1, mpidr_el1
    0x92401C21,     #        and x1, x1, #0xff
    0xB50000E1,     #        cbnz x1, ready
    0xD2800060,     #        mov x0, #0x0003          PSCI CPU_ON: the second CPU starts here, too
    0xF2B88000,     #        movk x0, #0xc400, lsl #16
    0xD2800021,     #        mov x1, #1
    0x10FFFF42,     #        adr x2, start
    0xD4000002,     #        hvc #0
    0xD2800001,     #        mov x1, #0
    0xD2A84002,     # ready: mov x2, #0x42000000
    0x8B013042,     #        add x2, x2, x1, lsl #12
    0xD53BE003,     #        mrs x3, cntfrq_el0
    0xF9000C43,     #        str x3, [x2, #24]
    0xB9400043,     # loop:  ldr w3, [x2]
    0x34FFFFE3,     #        cbz w3, loop
    0xF9400444,     #        ldr x4, [x2, #8]
    0x51000463,     #        sub w3, w3, #1
    0xD5033FDF,     #        isb
    0xD53BE045,     #        mrs x5, cntvct_el0
    0xB9000083,     #        str w3, [x4]
    0xD5033FDF,     #        isb
    0xD53BE046,     #        mrs x6, cntvct_el0
    0xCB0500C6,     #        sub x6, x6, x5
    0xF9000846,     #        str x6, [x2, #16]
    0xB900005F,     #        str wzr, [x2]
    0x17FFFFF4,     #        b loop
)


def control(*words):
    subprocess.run([os.environ["HOST_STATUS"], *words], check=True, stdout=subprocess.DEVNULL)


class Delay:
    """Calls that map or unmap take that long."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        control("set", f"call_delay_us={int(self.seconds * 1e6)}")

    def __exit__(self, *_):
        control("set", "call_delay_us=0")


class Guest(Machine):
    """With two CPUs that really run."""

    def __init__(self, *devices):
        with tempfile.NamedTemporaryFile() as firmware:
            firmware.write(b"".join(struct.pack("<I", word) for word in RINGER))
            firmware.truncate(4096)
            super().__init__(*devices, accel="tcg,thread=multi", args=(
                "-smp", "2", "-cpu", "cortex-a57", "-bios", firmware.name))
        assert MAILBOX == 0x4200_0000
        deadline = time.monotonic() + 60
        while not self.load(MAILBOX + 24, 8) or not self.load(MAILBOX + 0x1000 + 24, 8):
            assert time.monotonic() < deadline, "the CPUs do not start"
            time.sleep(0.05)

    def start(self, cpu, doorbell, slot):
        box = MAILBOX + 0x1000 * cpu
        self.store(box + 8, doorbell, 8)
        self.store(box, slot + 1)

    def running(self, cpu):
        return self.load(MAILBOX + 0x1000 * cpu) != 0

    def finish(self, cpu, seconds=60):
        """How long the store to the doorbell took."""
        deadline = time.monotonic() + seconds
        while self.running(cpu):
            assert time.monotonic() < deadline, f"the doorbell of CPU {cpu} is not back"
            time.sleep(0.01)
        box = MAILBOX + 0x1000 * cpu
        return self.load(box + 16, 8) / self.load(box + 24, 8)


def fill(m, page, *requests):
    body = b"".join(requests)
    m.write(page, struct.pack("<IIIIQQ", len(requests), len(body), 0xDEAD, 0, 0, 0) + body)


def statuses(m, page, *requests):
    at, found = page + 32, []
    for r in requests:
        found.append(m.load(at + 8))
        at += len(r)
    return found


@test
def a_slow_call_stalls_neither_QEMU_nor_the_doorbell_of_another_CPU():
    with Guest("apple-dma-pci,host-timeout=30000", FN0, FN1) as m:
        c = Companion(m)
        other = PAGE + 4096
        expect(c.set_slot(1, other), True, "a page for the second CPU")
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        fill(m, PAGE, map_req(0, [(DATA, G)]))
        fill(m, other, req(OP_BUDGET, 1, bytes(24)))
        with Delay(3):
            m.start(0, c.base + DOORBELL, 0)
            time.sleep(0.3)
            begin = time.monotonic()
            assert "return" in m.qmp("query-status")
            answered = time.monotonic() - begin
            m.start(1, c.base + DOORBELL, 1)
            rung = m.finish(1)
            assert m.running(0), "the slow call is over already"
            slow = m.finish(0)
        expect(statuses(m, PAGE, map_req(0, [(DATA, G)])), [OK], "the slow request")
        expect(statuses(m, other, req(OP_BUDGET, 1, bytes(24))), [OK], "the quick request")
        print(f"# the slow doorbell {slow:.3f} s, meanwhile QMP {answered:.3f} s, the other CPU's doorbell {rung:.3f} s")
        assert slow > 2.5, f"the call took {slow:.3f} s: nothing was slow"
        assert answered < 1, f"QEMU answers after {answered:.3f} s"
        assert rung < 1, f"the other CPU's doorbell takes {rung:.3f} s"


@test
def two_CPUs_map_for_one_function_at_the_same_time():
    with Guest(FN0) as m:
        c = Companion(m)
        other = PAGE + 4096
        c.set_slot(1, other)
        expect(c.claim(), OK, "claim")
        many = [map_req(0, [(DATA + i * G, G)]) for i in range(40)]
        for round_ in range(10):
            fill(m, PAGE, *many)
            fill(m, other, *many)
            m.start(0, c.base + DOORBELL, 0)
            m.start(1, c.base + DOORBELL, 1)
            m.finish(0)
            m.finish(1)
            # Handles of both pages are their own.
            handles = [m.load(page + 32 + 64 * i + 32, 8) for page in (PAGE, other) for i in range(40)]
            expect(statuses(m, PAGE, *many) + statuses(m, other, *many), [OK] * 80, "maps")
            expect(len(set(handles)), 80, "handles")
            for page, part in ((PAGE, handles[:40]), (other, handles[40:])):
                fill(m, page, *[unmap_req(0, h) for h in part])
            m.start(0, c.base + DOORBELL, 0)
            m.start(1, c.base + DOORBELL, 1)
            m.finish(0)
            m.finish(1)
        expect(host("04:00.0")["mappings"], 0, "mappings left")


@test
def requests_that_another_CPU_changes_are_read_once():
    with Guest(FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        request = map_req(0, [(DATA, G)])
        good = request
        bad = map_req(0, [(1 << 40, G)])
        outcome = {}
        fill(m, PAGE, request)
        # While one CPU rings, this process rewrites the range and the length of its request.
        for round_ in range(300):
            m.store(PAGE + 8, 0xDEAD)
            m.start(0, c.base + DOORBELL, 0)
            for torn in (bad, good, good[:2] + struct.pack("<H", round_ * 8 & 0xFFFF) + good[4:]):
                m.write(PAGE + 32, torn)
            m.finish(0)
            page = m.load(PAGE + 8)
            outcome[page] = outcome.get(page, 0) + 1
            assert page in (OK, BAD_REQUEST), f"page status {page:#x}"
            m.write(PAGE + 32, good)
        # Whatever was made is whole, and goes with the claim.
        h = host("04:00.0")
        expect(h["mapped_bytes"], h["mappings"] * G, "bytes mapped")
        expect(c.release(), OK, "release")
        expect(host("04:00.0")["mappings"], 0, "mappings left")


@test
def a_page_that_is_forgotten_while_its_requests_run_is_not_written_to_afterwards():
    with Guest("apple-dma-pci,host-timeout=20000", FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        fill(m, PAGE, map_req(0, [(DATA, G)]))
        with Delay(2):
            m.start(0, c.base + DOORBELL, 0)
            time.sleep(0.3)
            assert m.running(0), "the call is over already"
            c.set_slot(0, 0)
            m.write(PAGE, bytes([0x5A]) * 4096)
            m.finish(0)
        expect(m.read(PAGE, 4096), bytes([0x5A]) * 4096, "the page")
        expect(host("04:00.0")["mappings"], 1, "what was asked for before")


@test
def a_reset_of_the_companion_waits_for_requests_under_way():
    with Guest("apple-dma-pci,host-timeout=20000", FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        fill(m, PAGE, *[map_req(0, [(DATA + i * G, G)]) for i in range(4)])
        with Delay(0.5):
            m.start(0, c.base + DOORBELL, 0)
            time.sleep(0.2)
            assert m.running(0), "the calls are over already"
            c.set_reg(CONTROL, 1)
            expect(host("04:00.0")["mappings"], 0, "mappings after the reset")
        m.finish(0)
        expect(host("04:00.0")["mappings"], 0, "mappings left")


@test
def a_host_that_does_not_answer_costs_the_guest_the_device_until_it_does():
    with Machine("apple-dma-pci,host-timeout=500", FN0, FN1) as m:
        c = Companion(m)
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        fn = c.function(0)[1] & 0xFF
        bars = m.place_bars(fn)
        m.set_config(fn, COMMAND, MEMORY | MASTER, 2)
        handle = c.map((DATA, G))[1]
        generation = c.reg(GENERATION)
        with Delay(5):
            begin = time.monotonic()
            status, done, answers = c.ring(map_req(0, [(DATA + G, G)]), unmap_req(0, handle))
            took = time.monotonic() - begin
            expect([struct.unpack_from("<I", a, 8)[0] for a in answers], [TIMEOUT, TIMEOUT], "answers")
            assert 0.4 < took < 3, f"answered after {took:.3f} s"
            begin = time.monotonic()
            expect(c.map((DATA, G))[0], TIMEOUT, "the next request")
            expect(c.claim(), TIMEOUT, "a claim")
            assert "return" in m.qmp("query-status")
            assert time.monotonic() - begin < 2, "the next request waits again"
            assert c.reg(GENERATION) != generation, "the guest is not told"
            expect(m.load(bars[2][0]), ONES, "BAR 2 of a device that does not answer")
            expect(m.config(fn, 0), ONES, "its configuration space")
            expect(c.budget(1)[0], OK, "the other function")
            expect(m.qmp("qom-get", path="/machine/peripheral/fn0", property="stat-dma-timeouts")["return"], 1, "timeouts")
        deadline = time.monotonic() + 30
        while (status := c.map((DATA, G))[0]) == TIMEOUT and time.monotonic() < deadline:
            m.qmp("query-status")
            time.sleep(0.05)
        expect(status, NOT_CLAIMED, "when the host answers again")
        h = host("04:00.0")
        expect((h["mappings"], h["bus_master"]), (0, 0), "what came late, and bus mastering")
        expect(c.unmap(handle), NOT_CLAIMED, "the old handle")
        expect(c.claim(), OK, "a new claim")
        expect(c.map((DATA, G))[0], OK, "map")
        text = m.output()
        expect(text.count("has not answered"), 1, text)
        expect(text.count("answers again"), 1, text)


@test
def a_device_that_does_not_answer_is_unplugged_without_waiting_for_it():
    with Machine("apple-dma-pci,id=dma,host-timeout=300", "pcie-root-port,id=rp,chassis=1,slot=1",
                 FN0 + ",bus=rp", FN1) as m:
        c = Companion(m)
        (port,) = [s << 3 for s in range(32) if m.config(s << 3, 8) >> 16 == 0x0604]
        m.set_config(port, 0x18, 0x010100)
        expect(c.claim(), OK, "claim")
        with Delay(4):
            expect(c.map((DATA, G))[0], TIMEOUT, "map")
            begin = time.monotonic()
            m.set_config(port, 0x04, 6, 2)
            assert "return" in m.qmp("device_del", id="fn0")
            slot_control = m.config(port, 0x34, 1)
            while m.config(port, slot_control, 1) != 0x10:
                slot_control = m.config(port, slot_control + 1, 1)
            m.set_config(port, slot_control + 0x18, 0x0700, 2)
            while c.claim() != BAD_FUNCTION:
                m.qmp("query-status")
                took = time.monotonic() - begin
                assert took < 3, f"still there after {took:.3f} s"
            expect(c.budget(1)[0], OK, "the other function")
        # QEMU lets go of it when the call has returned.
        assert m.wait_event("DEVICE_DELETED"), "not deleted"
        deadline = time.monotonic() + 10
        while host("04:00.0")["clients"] and time.monotonic() < deadline:
            time.sleep(0.05)
        h = host("04:00.0")
        expect((h["clients"], h["mappings"], h["bus_master"]), (0, 0, 0), "the device afterwards")


@test
def a_reset_of_the_machine_does_not_wait_for_a_host_that_does_not_answer():
    with Machine("apple-dma-pci,host-timeout=300", FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        with Delay(4):
            expect(c.map((DATA, G))[0], TIMEOUT, "map")
            begin = time.monotonic()
            assert "return" in m.qmp("system_reset")
            assert m.wait_event("RESET"), "no reset"
            took = time.monotonic() - begin
            assert took < 3, f"reset after {took:.3f} s"


if __name__ == "__main__":
    sys.exit(main())
