#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that answer slowly, late or never: what that costs the guest, its other CPUs and QEMU.

Runs on a machine with two dmatest functions, 04:00.0 and 05:00.0. TAP.
"""

import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

from machine import (BAD_FUNCTION, BAD_REQUEST, COMMAND, CONTROL, DOORBELL, GENERATION, GONE, MASTER, MEMORY, NOT_CLAIMED, OK,
                     OP_BUDGET, PAGE, RAM, TIMEOUT, Companion, Machine, host, map_req, req, unmap_req)
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


def selector(name):
    """The number of a call, from the contract."""
    with open("abi/vfa_dext.h") as f:
        (names,) = re.findall(r"enum vfa_selector \{(.*?)\n\};", f.read(), re.S)
    return re.findall(r"^\t(VFA_\w+)", names, re.M).index(name)


class Hold:
    """Calls of that kind for 04:00.0 do not come back until the end."""

    def __init__(self, name=None, bar=None):
        self.setting, self.value = ("hold_map", bar) if name is None else ("hold_call", selector(name))

    def __enter__(self):
        control("set", "hold_bus=4")
        control("set", f"{self.setting}={self.value + 1}")

    def __exit__(self, *_):
        control("set", f"{self.setting}=0")


class Stopped:
    """The extension of a function stands still."""

    def __init__(self, bdf):
        self.pid = host(bdf)["dext_pid"]

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


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
    with Machine("apple-dma-pci,host-timeout=1000", FN0, FN1) as m:
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
            assert 0.9 < took < 4, f"answered after {took:.3f} s"
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
    with Machine("apple-dma-pci,id=dma,host-timeout=1000", "pcie-root-port,id=rp,chassis=1,slot=1",
                 FN0 + ",bus=rp", FN1) as m:
        c = Companion(m)
        (port,) = [s << 3 for s in range(32) if m.config(s << 3, 8) >> 16 == 0x0604]
        m.set_config(port, 0x18, 0x010100)
        expect(c.claim(), OK, "claim")
        with Delay(6):
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
    with Machine("apple-dma-pci,host-timeout=1000", FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        with Delay(6):
            expect(c.map((DATA, G))[0], TIMEOUT, "map")
            begin = time.monotonic()
            assert "return" in m.qmp("system_reset")
            assert m.wait_event("RESET"), "no reset"
            took = time.monotonic() - begin
            assert took < 3, f"reset after {took:.3f} s"


# ---- configuration space, BARs and what else QEMU asks the host for with its big lock held

def until(done, what, m=None, seconds=30):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        if m:
            m.qmp("query-status")
        time.sleep(0.02)


class Lost:
    """A guest with two functions, the first of which has a claim, a mapping and BARs that trap. It is about to be lost."""

    TIMEOUT_MS = 1000

    def __init__(self, *more, machine=Machine):
        # Whoever had them before may not have been answered yet.
        for bdf in ("04:00.0", "05:00.0"):
            until(lambda: not host(bdf)["clients"], f"{bdf} is still in use")
        self.m = machine(f"apple-dma-pci,host-timeout={self.TIMEOUT_MS}", FN0 + ",x-no-mmap=on", FN1, *more)
        self.c = Companion(self.m)

    def __enter__(self):
        m, c = self.m, self.c
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        self.fn, self.other = (c.function(i)[1] & 0xFF for i in (0, 1))
        self.bar0 = m.place_bars(self.fn)[0][0]
        m.set_config(self.fn, COMMAND, MEMORY | MASTER, 2)
        expect(c.map((DATA, G))[0], OK, "map")
        expect(m.load(self.bar0), 0x54414D44, "the device's identity")
        return self

    def __exit__(self, *_):
        self.m.close()

    def stat(self, name):
        return self.m.qmp("qom-get", path="/machine/peripheral/fn0", property="stat-" + name)["return"]

    def is_lost(self, calls=1):
        """The call is still under way: nothing waits for it, and nobody else notices."""
        m, c = self.m, self.c
        assert "return" in m.qmp("query-status")
        expect(m.config(self.other, 0), 0x00F11B36, "the other function")
        expect(c.map((DATA, G), function=1)[0], OK, "a request for the other function")
        expect((m.config(self.fn, 0), m.load(self.bar0)), (ONES, ONES), "configuration space and BAR of the lost one")
        m.set_config(self.fn, 0x0C, 0x40, 1)
        m.store(self.bar0 + SCRATCH, 0xBAD)
        expect((c.map((DATA, G))[0], c.claim()), (TIMEOUT, TIMEOUT), "a request and a claim")
        expect(self.stat("dma-timeouts"), calls, "timeouts")
        expect(self.stat("claimed"), 0, "claimed")

    def comes_back(self):
        m, c = self.m, self.c
        until(lambda: c.map((DATA, G))[0] != TIMEOUT, "the device does not come back", m)
        expect(c.map((DATA, G))[0], NOT_CLAIMED, "when the host answers again")
        h = host("04:00.0")
        expect((h["mappings"], h["mapped_bytes"], h["bus_master"], h["clients"]), (0, 0, 0, 1), "what came late")
        expect(c.claim(), OK, "a new claim")
        m.set_config(self.fn, COMMAND, MEMORY | MASTER, 2)
        expect(host("04:00.0")["bus_master"], 1, "bus mastering of the guest that has claimed it")
        expect(c.map((DATA, G))[0], OK, "map")
        expect((m.load(self.bar0), m.load(self.bar0 + SCRATCH)), (0x54414D44, 0), "the device's identity and scratch register")
        text = m.output()
        expect((text.count("has not answered"), text.count("answers again")), (1, 1), text)


SCRATCH, IRQ_TEST, STATUS_REGISTER = 0x01C, 0x200, 0x06


def capability(m, fn, wanted):
    at = m.config(fn, 0x34, 1)
    while m.config(fn, at, 1) != wanted:
        at = m.config(fn, at + 1, 1)
    return at


@test
def a_configuration_read_that_hangs_costs_the_guest_the_device_until_it_returns():
    with Lost() as f:
        with Hold("VFA_CONFIG_READ"):
            expect(f.m.config(f.fn, 0), ONES, "the read")
            f.is_lost()
        f.comes_back()


@test
def a_configuration_write_that_hangs_does_so_as_well():
    with Lost() as f:
        resets = host("04:00.0")["resets"]["flr"]
        with Hold("VFA_CONFIG_WRITE"):
            f.m.set_config(f.fn, STATUS_REGISTER, 0xF900, 2)
            f.is_lost()
        f.comes_back()
        expect(host("04:00.0")["resets"]["flr"], resets + 1, "resets after what came late")


@test
def a_BAR_read_that_hangs_does_so_as_well():
    with Lost() as f:
        resets = host("04:00.0")["resets"]["flr"]
        with Hold("VFA_BAR_READ"):
            expect(f.m.load(f.bar0), ONES, "the read")
            f.is_lost()
        f.comes_back()
        expect(host("04:00.0")["resets"]["flr"], resets, "resets: a read changes nothing")


@test
def a_BAR_write_that_comes_late_is_undone_by_a_reset():
    with Lost() as f:
        with Hold("VFA_BAR_WRITE"):
            f.m.store(f.bar0 + SCRATCH, 0x600D)
            f.is_lost()
        f.comes_back()


@test
def a_reset_by_the_guest_that_hangs_costs_it_the_device_until_it_is_done():
    with Lost() as f:
        f.m.store(f.bar0 + SCRATCH, 0x600D)
        with Hold("VFA_RESET"):
            devctl = capability(f.m, f.fn, 0x10) + 8
            f.m.set_config(f.fn, devctl, f.m.config(f.fn, devctl, 2) | 0x8000, 2)
            f.is_lost()
        f.comes_back()


@test
def bus_mastering_that_is_turned_on_late_goes_off_at_once():
    with Lost() as f:
        f.m.set_config(f.fn, COMMAND, MEMORY, 2)
        expect(host("04:00.0")["bus_master"], 0, "bus mastering that the guest has turned off")
        with Hold("VFA_SET_BUS_MASTER"):
            f.m.set_config(f.fn, COMMAND, MEMORY | MASTER, 2)
            f.is_lost()
        f.comes_back()


@test
def a_claim_that_hangs_is_none():
    with Lost() as f:
        expect(f.c.release(), OK, "release")
        with Hold("VFA_SET_BUS_MASTER"):
            expect(f.c.claim(), TIMEOUT, "the claim")
            f.is_lost()
        f.comes_back()


@test
def interrupts_that_cannot_be_set_up_in_time_work_when_the_host_answers_again():
    with Lost() as f:
        msix = capability(f.m, f.fn, 0x11) + 2
        with Hold("VFA_IRQ_ENABLE"):
            f.m.set_config(f.fn, msix, 0x8000, 2)
            f.is_lost()
        f.comes_back()
        f.m.set_config(f.fn, msix, 0, 2)
        f.m.set_config(f.fn, COMMAND, MEMORY | MASTER, 2)
        # The host runs the device on messages: its first vector stands for the pin.
        f.m.store(f.bar0 + IRQ_TEST, 1)
        until(lambda: f.stat("interrupts"), "no interrupt")


@test
def interrupts_that_cannot_be_turned_off_in_time_are_off_for_the_guest():
    with Lost() as f:
        msix = capability(f.m, f.fn, 0x11) + 2
        with Hold("VFA_IRQ_DISABLE"):
            f.m.set_config(f.fn, msix, 0x8000, 2)
            f.is_lost()
        f.comes_back()
        f.m.set_config(f.fn, msix, 0, 2)
        # The host runs the device on messages: its first vector stands for the pin.
        f.m.store(f.bar0 + IRQ_TEST, 1)
        until(lambda: f.stat("interrupts"), "no interrupt")


@test
def an_extension_that_stands_still_costs_the_guest_its_device_only():
    with Lost() as f:
        with Stopped("04:00.0"):
            expect(f.m.config(f.fn, 0), ONES, "the read")
            f.is_lost()
        f.comes_back()


@test
def a_device_comes_back_when_both_a_request_and_a_register_have_returned():
    for last in ("VFA_CONFIG_READ", "VFA_DMA_SUBMIT"):
        with Lost(machine=Guest) as f:
            fill(f.m, PAGE, map_req(0, [(DATA + G, G)]))
            maps = host("04:00.0")["maps"]
            with Hold(last):
                with Stopped("04:00.0"):
                    f.m.start(0, f.c.base + DOORBELL, 0)
                    time.sleep(0.3)
                    expect(f.m.config(f.fn, 0), ONES, "the read")
                    f.m.finish(0)
                    expect(statuses(f.m, PAGE, map_req(0, [(DATA + G, G)])), [TIMEOUT], "the request")
                    f.is_lost(2)
                # One of them returns.
                until(lambda: last == "VFA_DMA_SUBMIT" or host("04:00.0")["maps"] == maps + 1, "the request does not return", f.m)
                f.is_lost(2)
            f.comes_back()


@test
def a_reset_of_the_machine_that_a_host_missed_is_made_up_for():
    with Lost() as f:
        f.m.store(f.bar0 + SCRATCH, 0x600D)
        resets = host("04:00.0")["resets"]["flr"]
        with Hold("VFA_CONFIG_READ"):
            expect(f.m.config(f.fn, 0), ONES, "the read")
            assert "return" in f.m.qmp("system_reset")
            assert f.m.wait_event("RESET"), "no reset"
            expect(host("04:00.0")["resets"]["flr"], resets, "resets while it does not answer")
        until(lambda: host("04:00.0")["resets"]["flr"] == resets + 1, "no reset", f.m)
        expect(host("04:00.0")["bus_master"], 0, "bus mastering")
        f.c = Companion(f.m)
        f.bar0 = f.m.place_bars(f.fn)[0][0]
        expect(f.c.claim(), OK, "claim")
        f.m.set_config(f.fn, COMMAND, MEMORY, 2)
        expect((f.m.load(f.bar0), f.m.load(f.bar0 + SCRATCH)), (0x54414D44, 0), "the device's identity and scratch register")


@test
def an_extension_that_dies_while_it_does_not_answer_is_gone():
    with Lost() as f:
        with Hold("VFA_CONFIG_READ"):
            expect(f.m.config(f.fn, 0), ONES, "the read")
            f.is_lost()
            control("kill-dext", "04:00.0")
            until(lambda: f.c.claim() == GONE, "the device is not gone", f.m)
        expect(f.m.config(f.fn, 0), ONES, "configuration space of a device that is gone")
        assert "return" in f.m.qmp("system_reset")
        assert f.m.wait_event("RESET"), "no reset"
        expect(f.m.config(f.other, 0), 0x00F11B36, "the other function")
        f.m.process.terminate()
        expect(f.m.process.wait(20), 0, "exit status of QEMU")


@test
def QEMU_ends_while_a_host_does_not_answer():
    with Lost() as f:
        with Hold("VFA_CONFIG_READ"):
            expect(f.m.config(f.fn, 0), ONES, "the read")
            f.is_lost()
            f.m.process.terminate()
            expect(f.m.process.wait(20), 0, "exit status of QEMU")
    until(lambda: not host("04:00.0")["clients"], "the device is not given back")


class Slot:
    """A root port whose guest lets a device go when it is asked to."""

    def __init__(self, m):
        self.m = m
        (self.port,) = [s << 3 for s in range(32) if m.config(s << 3, 8) >> 16 == 0x0604]
        m.set_config(self.port, 0x18, 0x010100)

    def unplug(self, device):
        self.m.set_config(self.port, 0x04, 6, 2)
        assert "return" in self.m.qmp("device_del", id=device)
        self.m.set_config(self.port, capability(self.m, self.port, 0x10) + 0x18, 0x0700, 2)


def footprint(m):
    """Threads and open files of QEMU."""
    return [len(os.listdir(f"/proc/{m.process.pid}/{what}")) for what in ("task", "fd")]


PORT = "pcie-root-port,id=rp,chassis=1,slot=1"


@test
def a_device_whose_registers_hang_is_unplugged_without_waiting_for_it():
    with Machine("apple-dma-pci,id=dma,host-timeout=1000", PORT, FN0 + ",bus=rp", FN1) as m:
        c, slot = Companion(m), Slot(m)
        expect(c.claim(), OK, "claim")
        expect(c.map((DATA, G))[0], OK, "map")
        with Hold("VFA_CONFIG_READ"):
            expect(m.config(0, 0, bus=1), ONES, "the read")
            slot.unplug("fn0")
            until(lambda: c.claim() == BAD_FUNCTION, "still there", m)
            expect(c.budget(1)[0], OK, "the other function")
            expect((host("04:00.0")["clients"], host("04:00.0")["mappings"]), (1, 1), "what the host still has")
        assert m.wait_event("DEVICE_DELETED"), "not deleted"
        until(lambda: not host("04:00.0")["clients"], "not given back")
        h = host("04:00.0")
        expect((h["mappings"], h["bus_master"]), (0, 0), "the device afterwards")


@test
def a_device_that_the_host_is_slow_to_take_back_can_be_plugged_in_again():
    with Machine("apple-dma-pci,id=dma,host-timeout=1000", PORT, FN0 + ",bus=rp", FN1) as m:
        c, slot = Companion(m), Slot(m)
        expect(c.claim(), OK, "claim")
        with Hold("VFA_RELEASE"):
            slot.unplug("fn0")
            assert m.wait_event("DEVICE_DELETED"), "not deleted"
            expect(c.budget(1)[0], OK, "the other function")
            expect(host("04:00.0")["clients"], 1, "clients of the device")
        expect(m.qmp("device_add", driver="vfio-apple-pci", host="04:00.0", id="again", bus="rp"), {"return": {}}, "plugged in")
        expect(host("04:00.0")["clients"], 1, "clients of the device")


@test
def a_device_that_does_not_answer_is_not_plugged_in():
    with Machine("apple-dma-pci,id=dma,host-timeout=1000", PORT, FN1) as m:
        c = Companion(m)
        before = footprint(m)
        for hold in (Hold("VFA_HELLO"), Hold("VFA_CLAIM"), Hold("VFA_SET_BUS_MASTER"), Hold("VFA_IRQ_ENABLE"),
                     Hold("VFA_CONFIG_READ_BLOCK"), Hold("VFA_CONFIG_READ"), Hold(bar=0), Hold(bar=2), Stopped("04:00.0")):
            with hold:
                answer = m.qmp("device_add", driver="vfio-apple-pci", host="04:00.0", id="late", bus="rp")
                assert "has not answered" in answer.get("error", {}).get("desc", ""), f"{vars(hold)}: {answer}"
                expect(c.budget(0)[0], OK, "the other function")
            until(lambda: not host("04:00.0")["clients"], f"{vars(hold)}: not given back", m)
            assert not any(b["mapped_by_client"] for b in host("04:00.0")["bars"]), host("04:00.0")["bars"]
            until(lambda: footprint(m) == before, f"{vars(hold)}: threads and files {footprint(m)}, were {before}", m)
        expect(m.qmp("device_add", driver="vfio-apple-pci", host="04:00.0", id="fn0", bus="rp"), {"return": {}}, "plugged in")
        h = host("04:00.0")
        expect((h["clients"], h["mappings"], h["bus_master"]), (1, 0, 0), "the device")


if __name__ == "__main__":
    sys.exit(main())
