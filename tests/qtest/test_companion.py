#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest can and cannot do to the host through vfio-apple-pci and apple-dma-pci.

Runs on a machine with two dmatest functions, 04:00.0 and 05:00.0 (the latter without FLR). TAP.
"""

import random
import struct
import sys
import tempfile
import time

from machine import (ALIGN_REQUIRED, BAD_FUNCTION, BAD_HANDLE, BAD_RANGE, BAD_REQUEST, CLAIMED, COMMAND, CONGRUENT, CONTROL,
                     DOORBELL, DRIVER_FEATURES, ECAM, F_CONGRUENT, F_SHARING, FEATURES, FLASH, FUNCTIONS, GENERATION, GRANULE,
                     MAGIC, MASTER, MAX_RANGES, MAX_SLOTS, MEMORY, MMIO, NO_MAPPINGS, NO_SPACE, NOT_ALIGNED, NOT_CLAIMED,
                     NOT_RAM, OK, OP_BUDGET, OP_CLAIM, OP_MAP, OP_UNMAP, PAGE, RAM, RAM_BYTES, READS,
                     SLOT_HI, SLOT_LO, SLOT_SELECT, UART, VERSION, WRITES, Companion, Machine, host, map_req, req, unmap_req)
from tap import expect, main, test

G = 16384
FN0, FN1 = "vfio-apple-pci,host=04:00.0,id=fn0", "vfio-apple-pci,host=05:00.0,id=fn1"
DATA = RAM + (64 << 20)
ONES = 0xFFFFFFFF


def function_devfn(c, index):
    status, bdf, *_ = c.function(index)
    expect(status, OK, "describing a function")
    expect(bdf >> 8, 0, "bus")
    return bdf & 0xFF


def no_mapping(bdf="04:00.0"):
    h = host(bdf)
    expect((h["mappings"], h["mapped_bytes"]), (0, 0), f"what stays mapped for {bdf}")
    return h


@test
def the_companion_appears_by_itself_and_identifies_itself():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.reg(MAGIC), 0x414D4441, "magic")
        expect(c.reg(VERSION) >> 16, 1, "major version")
        expect(c.reg(GRANULE), G, "granule")
        expect(c.reg(FUNCTIONS), 1, "functions")
        status, bdf, state, first, last = c.function(0)
        expect((status, state), (OK, 1), "an unclaimed function")
        assert 0 < first < last, (first, last)
        assert m.config(bdf & 0xFF, 0) not in (0, ONES), "no device at the BDF the companion tells"


@test
def unclaimed_functions_are_gated_and_a_claim_opens_them():
    with Machine(FN0) as m:
        c = Companion(m)
        fn = function_devfn(c, 0)
        bars = m.place_bars(fn)
        assert bars, "the guest cannot size the BARs"
        m.set_config(fn, COMMAND, MEMORY | MASTER, 2)
        for bar, (base, size) in bars.items():
            expect(m.load(base), ONES, f"BAR {bar} of an unclaimed function")
            m.store(base + size - 4, 0)
            expect(m.load(base + size - 4), ONES, f"BAR {bar} after a store")
        expect(host("04:00.0")["bus_master"], 0, "bus mastering without a claim")
        expect(c.map((DATA, G))[0], NOT_CLAIMED, "mapping without a claim")
        expect(c.claim(), OK, "claim")
        expect(c.claim(), CLAIMED, "second claim")
        expect(host("04:00.0")["bus_master"], 1, "bus mastering that the guest had asked for")
        base, size = bars[2]
        m.store(base + size - 4, 0x12345678)
        expect(m.load(base + size - 4), 0x12345678, "memory of BAR 2")
        m.set_config(fn, COMMAND, MEMORY, 2)
        expect(host("04:00.0")["bus_master"], 0, "bus mastering that the guest took back")
        m.set_config(fn, COMMAND, MEMORY | MASTER, 2)
        expect(c.release(), OK, "release")
        expect(host("04:00.0")["bus_master"], 0, "bus mastering after the release")
        expect(m.load(base), ONES, "BAR 2 after the release")
        expect(c.release(), NOT_CLAIMED, "second release")


@test
def memory_is_mapped_contiguously_and_unmapped():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        status, handle, iova = c.map((DATA, 2 * G), (DATA + 8 * G, G))
        expect(status, OK, "map")
        assert handle and iova and iova % G == 0, (handle, iova)
        h = host("04:00.0")
        expect((h["mappings"], h["mapped_bytes"]), (1, 3 * G), "mapped")
        status, _, used, _, mappings = c.budget()
        expect((status, used, mappings), (OK, 3 * G, 1), "budget")
        expect(c.unmap(handle), OK, "unmap")
        expect(c.unmap(handle), BAD_HANDLE, "second unmap")
        no_mapping()
        many = c.reg(MAX_RANGES)
        status, handle, _ = c.map(*[(DATA + 2 * i * G, G) for i in range(many)])
        expect(status, OK, f"{many} ranges")
        expect(host("04:00.0")["mappings"], 1, "mappings of many ranges")
        again = c.map((DATA, G))[1]
        assert again != handle, "a handle is shared"
        expect(c.release(), OK, "release with live mappings")
        no_mapping()


@test
def only_guest_ram_is_mapped():
    with Machine(FN0) as m:
        c = Companion(m)
        fn = function_devfn(c, 0)
        bars = m.place_bars(fn)
        m.set_config(fn, COMMAND, MEMORY, 2)
        expect(c.claim(), OK, "claim")
        bad = {
            "flash": ((FLASH, G), NOT_RAM),
            "UART": ((UART & -G, G), NOT_RAM),
            "the PCI window": ((MMIO, G), NOT_RAM),
            "configuration space": ((ECAM, G), NOT_RAM),
            "device memory": ((bars[2][0], G), NOT_RAM),
            "nothing": ((RAM + RAM_BYTES, G), NOT_RAM),
            "the end of RAM": ((RAM + RAM_BYTES - G, 2 * G), NOT_RAM),
            "the end of the address space": (((1 << 64) - G, 2 * G), BAD_RANGE),
            "everything": ((0, (1 << 64) - G), NOT_RAM),
            "no bytes": ((DATA, 0), BAD_RANGE),
            "half a granule": ((DATA, G // 2), NOT_ALIGNED),
            "an unaligned address": ((DATA + 4096, G), NOT_ALIGNED),
        }
        for what, (r, wanted) in bad.items():
            status, handle, iova = c.map(r)
            expect(status, wanted, f"mapping {what}")
            expect(c.map((DATA, G), r)[0], wanted, f"mapping RAM and {what}")
            no_mapping()


@test
def malformed_requests_get_a_status():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        good = (DATA, G)
        cases = {
            "unknown operation": req(99, 0),
            "operation 0": req(0, 0),
            "flags of a claim": req(OP_CLAIM, 0, flags=1),
            "no direction": map_req(0, [good], flags=0),
            "unknown flag": map_req(0, [good], flags=READS | 0x80),
            "no ranges": map_req(0, []),
            "more ranges than sent": map_req(0, [good], count=2),
            "fewer ranges than sent": map_req(0, [good, good], count=1),
            "too many ranges": map_req(0, [(DATA + i * G, G) for i in range(c.reg(MAX_RANGES) + 1)]),
            "too large an alignment": map_req(0, [good], align=40),
            "a short unmap": req(OP_UNMAP, 0),
            "a short map": req(OP_MAP, 0, bytes(16), flags=READS),
        }
        for what, request in cases.items():
            expect(c.one(request)[0], BAD_REQUEST, what)
        expect(c.claim(7), BAD_FUNCTION, "function out of range")
        expect(c.unmap(0), BAD_HANDLE, "handle 0")
        expect(c.unmap((1 << 64) - 1), BAD_HANDLE, "a made-up handle")
        no_mapping()
        # A length that cannot be trusted ends the page; what came before has been done.
        for length in (0, 8, 20, 4090, 65528):
            status, done, answers = c.ring(map_req(0, [good]), req(OP_MAP, 0, bytes(40), length=length))
            expect((status, done), (BAD_REQUEST, 1), f"a length of {length}")
            handle = struct.unpack_from("<Q", answers[0], 32)[0]
            expect(c.unmap(handle), OK, "unmapping what was mapped before it")
        m.write(PAGE, struct.pack("<IIIIQQ", 1, 100000, 0, 0, 0, 0))
        c.set_reg(DOORBELL, 0)
        expect(m.load(PAGE + 8), BAD_REQUEST, "a page of 100,000 bytes")
        no_mapping()


@test
def an_alignment_is_kept_or_refused():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        for _ in range(9):
            expect(c.map((DATA, G))[0], OK, "an odd number of frames in front")
            status, handle, iova = c.map((DATA, 64 << 10), align=16, flags=READS | WRITES | ALIGN_REQUIRED)
            assert status == NOT_ALIGNED or (status == OK and iova % (64 << 10) == 0), (status, iova)
            if status == NOT_ALIGNED:
                expect((handle, iova), (0, 0), "answers of a refused map")


@test
def what_1_1_adds_counts_once_it_was_agreed_on():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.reg(VERSION), 0x10001, "version")
        offered = c.reg(FEATURES)
        expect(offered & (F_CONGRUENT | F_SHARING), F_CONGRUENT | F_SHARING, "features")
        expect(c.claim(), OK, "claim")
        long_budget = req(OP_BUDGET, 0, bytes(56))
        congruent = READS | WRITES | CONGRUENT
        # A guest of 1.0.
        expect(c.one(long_budget)[0], BAD_REQUEST, "the longer budget")
        expect(c.budget()[0], OK, "the budget of 1.0")
        expect(c.map((DATA, G), flags=congruent, align=16)[0], BAD_REQUEST, "CONGRUENT")
        c.set_reg(DRIVER_FEATURES, ONES)
        expect(c.reg(DRIVER_FEATURES), offered, "bits that were not offered")
        expect(c.budget()[0], BAD_REQUEST, "the budget of 1.0")
        status, bytes_quota, bytes_free, mappings_quota, mappings_free, mapper = c.sharing()
        expect(status, OK, "the longer budget")
        # Nobody else is there to share with.
        expect((bytes_free, mappings_free), (bytes_quota, mappings_quota), "what is free")
        for n in range(8):
            gpa = DATA + n * G
            status, handle, iova = c.map((gpa, 2 * G), flags=congruent | ALIGN_REQUIRED, align=16)
            assert status == NOT_ALIGNED or (status == OK and iova % (64 << 10) == gpa % (64 << 10)), (status, hex(iova))
        used = c.one(long_budget)[1]
        expect(struct.unpack_from("<Q", used, 32)[0] + c.sharing()[2], bytes_quota, "used and free")
        c.set_reg(CONTROL, 1)
        expect(c.reg(DRIVER_FEATURES), 0, "features after a reset")


@test
def a_flood_is_answered_and_costs_only_its_function():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        c.set_reg(DRIVER_FEATURES, F_SHARING)
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        limit = c.sharing(0)[4]
        assert limit > 60000, f"only {limit} mappings"
        # The same granule, again and again: 63 requests fit in a page.
        page = [map_req(0, [(DATA, G)])] * 63
        body = b"".join(page)
        m.write(PAGE, struct.pack("<IIIIQQ", len(page), len(body), 0, 0, 0, 0) + body)
        for _ in range(limit // len(page)):
            c.set_reg(DOORBELL, 0)
        expect(m.load(PAGE + 12), len(page), "requests answered")
        status, done, answers = c.ring(*page)
        statuses = [struct.unpack_from("<I", a, 8)[0] for a in answers]
        made = limit - limit // len(page) * len(page)
        expect(statuses, [OK] * made + [NO_MAPPINGS] * (len(page) - made), "the last mapping and those behind it")
        expect(host("04:00.0")["mappings"], limit, "mappings at the host")
        handle = struct.unpack_from("<Q", answers[0], 32)[0] if made else 1
        # Thousands of doorbells of nothing, unknown and repeated handles.
        for slot in (0, 1, MAX_SLOTS, ONES):
            m.write(PAGE, bytes(32))
            for _ in range(2000):
                c.set_reg(DOORBELL, slot)
        expect(c.unmap(handle), OK, "unmap")
        status, done, answers = c.ring(*[unmap_req(0, handle)] * 100)
        expect([struct.unpack_from("<I", a, 8)[0] for a in answers], [BAD_HANDLE] * 100, "the same handle again")
        expect(c.map((DATA, G))[0], OK, "room for one more")
        expect(c.map((DATA, G), function=1)[0], OK, "the other function")
        refused = m.qmp("qom-get", path="/machine/peripheral/fn0", property="stat-dma-map-failures")["return"]
        expect(refused, len(page) - made, "refusals")
        expect(c.release(0), OK, "release")
        no_mapping()
        expect(host("05:00.0")["mappings"], 1, "mappings of the other function")


@test
def a_request_page_that_moves_or_goes_away_is_let_go_of():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        other = PAGE + 4096
        fill = struct.pack("<IIIIQQ", 1, 64, 0xDEAD, 0, 0, 0) + map_req(0, [(DATA, G)])
        for address in (other, PAGE, other):
            m.write(PAGE, fill)
            m.write(other, fill)
            expect(c.set_slot(0, address), True, "moving the page")
            c.set_reg(DOORBELL, 0)
            expect(m.load(address + 8), OK, "the page that was named last")
            expect(m.load((PAGE if address == other else other) + 8), 0xDEAD, "the one before it")
        c.set_slot(0, 0)
        m.write(other, fill)
        c.set_reg(DOORBELL, 0)
        expect(m.load(other + 8), 0xDEAD, "a page that was forgotten")
        expect(host("04:00.0")["mappings"], 3, "mappings")


@test
def two_functions_share_a_companion_but_not_their_mappings():
    with Machine(FN0, FN1) as m:
        expect(len(m.find(0x1B36, 0x0015)), 1, "companions")
        c = Companion(m)
        expect(c.reg(FUNCTIONS), 2, "functions")
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        h0, h1 = c.map((DATA, G), function=0)[1], c.map((DATA, G), function=1)[1]
        expect(c.unmap(h0, function=1) if h0 != h1 else BAD_HANDLE, BAD_HANDLE, "unmapping the other's")
        expect((host("04:00.0")["mappings"], host("05:00.0")["mappings"]), (1, 1), "mappings")
        status, done, answers = c.ring(unmap_req(0, h0), map_req(1, [(DATA + G, G)]), unmap_req(0, h0), unmap_req(1, h1))
        expect((status, done), (OK, 4), "a mixed page")
        expect([struct.unpack_from("<I", a, 8)[0] for a in answers], [OK, OK, BAD_HANDLE, OK], "its answers")
        expect((host("04:00.0")["mappings"], host("05:00.0")["mappings"]), (0, 1), "mappings after it")
        expect(c.release(1), OK, "release")
        no_mapping("05:00.0")


@test
def request_pages_must_be_ram():
    with Machine(FN0) as m:
        c = Companion(m)
        slots = c.reg(MAX_SLOTS)
        for what, slot, address in (("flash", 0, FLASH + 4096), ("the UART", 0, UART), ("unaligned", 0, PAGE + 8),
                                    ("nothing", 0, RAM + RAM_BYTES), ("a slot out of range", slots, PAGE)):
            expect(c.set_slot(slot, address), False, f"a page in {what}")
        expect(c.claim(), OK, "the page registered before still serves")
        for value in (slots, ONES, 1):
            c.set_reg(DOORBELL, value)
        assert c.set_slot(slots - 1, PAGE + 4096), "the last slot"
        c.set_reg(CONTROL, 1)
        no_mapping()
        m.write(PAGE, struct.pack("<IIIIQQ", 1, 24, 0xDEAD, 0, 0, 0) + req(OP_CLAIM, 0))
        c.set_reg(DOORBELL, 0)
        expect(m.load(PAGE + 8), 0xDEAD, "a page that a reset has forgotten")


@test
def a_reset_of_the_machine_ends_everything():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        fn = function_devfn(c, 0)
        m.place_bars(fn)
        m.set_config(fn, COMMAND, MEMORY | MASTER, 2)
        generation = c.reg(GENERATION)
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        for i in range(40):
            expect(c.map((DATA + i * G, G), function=i % 2)[0], OK, "map")
        assert "return" in m.qmp("system_reset")
        assert m.wait_event("RESET"), "no reset"
        time.sleep(0.2)
        expect(no_mapping("04:00.0")["bus_master"], 0, "bus mastering after the reset")
        no_mapping("05:00.0")
        m.next_bar, m.next_bar64 = 0x2000_0000, 0x80_8000_0000
        c = Companion(m)
        assert c.reg(GENERATION) != generation, "the generation stays"
        expect(c.map((DATA, G))[0], NOT_CLAIMED, "mapping after the reset")
        expect(c.claim(), OK, "claim after the reset")


@test
def bus_mastering_of_the_companion_or_its_reset_drops_nothing_but_on_request():
    with Machine(FN0) as m:
        c = Companion(m)
        expect(c.claim(), OK, "claim")
        expect(c.map((DATA, G))[0], OK, "map")
        m.set_config(c.devfn, COMMAND, MEMORY, 2)
        m.set_config(c.devfn, COMMAND, MEMORY | MASTER, 2)
        expect(host("04:00.0")["mappings"], 1, "mappings")
        c.set_reg(CONTROL, 0xFFFFFFFE)
        expect(host("04:00.0")["mappings"], 1, "mappings after a store of undefined bits")
        c.set_reg(CONTROL, 1)
        expect(no_mapping()["bus_master"], 0, "bus mastering after the reset")


@test
def functions_come_and_go():
    with Machine("pcie-root-port,id=rp,chassis=1,slot=1", "apple-dma-pci,id=dma") as m:
        c = Companion(m)
        (port,) = [s << 3 for s in range(32) if m.config(s << 3, 8) >> 16 == 0x0604]
        generation = c.reg(GENERATION)
        for _ in range(3):
            answer = m.qmp("device_add", driver="vfio-apple-pci", host="04:00.0", id="fn0", bus="rp", dma="dma")
            assert "return" in answer, answer
            m.set_config(port, 0x18, 0x010100)     # secondary bus 1
            assert c.reg(GENERATION) != generation, "the generation stays when a function appears"
            generation = c.reg(GENERATION)
            present = [i for i in range(c.reg(FUNCTIONS)) if c.function(i)[0] == OK and c.function(i)[2] & 1]
            expect(len(present), 1, "functions present")
            expect(c.function(present[0])[1], 0x100, "BDF behind the port")
            expect(c.claim(present[0]), OK, "claim")
            expect(c.map((DATA, G), function=present[0])[0], OK, "map")
            m.set_config(port, 0x04, 6, 2)
            assert "return" in m.qmp("device_del", id="fn0")
            # The guest's part of an unplug: power off, as its driver does on the attention button.
            slot_control = m.config(port, 0x34, 1)
            while m.config(port, slot_control, 1) != 0x10:
                slot_control = m.config(port, slot_control + 1, 1)
            m.set_config(port, slot_control + 0x18, 0x0700, 2)
            assert m.wait_event("DEVICE_DELETED"), "not unplugged"
            h = no_mapping()
            expect((h["bus_master"], h["clients"]), (0, 0), "the device after the unplug")
            expect(c.claim(present[0]), BAD_FUNCTION, "claim of an absent function")


@test
def errors_are_one_sentence_and_leave_nothing():
    for device, words in ((("vfio-apple-pci,host=09:00.0",), "09:00.0"), (("vfio-apple-pci,host=nonsense",), "nonsense"),
                          (("vfio-apple-pci",), "host"), ((FN0, "vfio-apple-pci,host=04:00.0,id=twice"), "04:00.0")):
        try:
            Machine(*device).close()
            raise AssertionError(f"{device} starts")
        except RuntimeError as e:
            lines = [line for line in str(e).splitlines() if line.strip()]
            expect(len(lines), 1, f"lines of «{e}»")
            assert words in lines[0], lines[0]
    with Machine("apple-dma-pci,id=dma", "pcie-root-port,id=rp,chassis=1,slot=1") as m:
        for _ in range(3):
            assert "error" in m.qmp("device_add", driver="vfio-apple-pci", host="09:00.0", id="x", bus="rp")
        assert "return" in m.qmp("query-status")
    with Machine(FN0) as m:
        answer = m.qmp("migrate", uri="exec:cat>/dev/null")
        assert "error" in answer, "a machine with a passed-through device migrates"
    expect(host("04:00.0")["clients"], 0, "connections left")


@test
def a_device_that_disappears_is_gone_for_the_guest():
    import os
    import subprocess
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        expect(c.map((DATA, G), function=1)[0], OK, "map")
        fn = function_devfn(c, 1)
        bars = m.place_bars(fn)
        m.set_config(fn, COMMAND, MEMORY | MASTER, 2)
        generation = c.reg(GENERATION)
        subprocess.run([os.environ["HOST_STATUS"], "unplug", "05:00.0"], check=True)
        deadline = time.monotonic() + 10
        while c.reg(GENERATION) == generation and time.monotonic() < deadline:
            m.qmp("query-status")
            time.sleep(0.05)
        assert c.reg(GENERATION) != generation, "the guest is not told"
        status = c.map((DATA, G), function=1)[0]
        assert status not in (OK, BAD_REQUEST), status
        expect(m.load(bars[2][0]), ONES, "BAR 2 of a device that is gone")
        expect(c.map((DATA, G), function=0)[0], OK, "mapping for the other function")
    subprocess.run([os.environ["HOST_STATUS"], "plug", "05:00.0"], check=True)


def machine_with_dimms(firmware):
    """Two DIMMs side by side, hot-removable, which on this machine takes ACPI and so some firmware."""
    firmware.truncate(4096)
    args = ["-m", f"{RAM_BYTES >> 20}M,slots=2,maxmem=1G", "-bios", firmware.name]
    for i in range(2):
        args += ["-object", f"memory-backend-ram,id=ram{i},size=128M"]
    return Machine("pc-dimm,id=dimm0,memdev=ram0", "pc-dimm,id=dimm1,memdev=ram1", FN0, args=args)


@test
def memory_that_is_removed_takes_the_mappings_with_it():
    with tempfile.NamedTemporaryFile() as firmware, machine_with_dimms(firmware) as m:
        first, second = (d["data"]["addr"] for d in m.qmp("query-memory-devices")["return"])
        expect(second - first, 128 << 20, "second DIMM behind the first")
        c = Companion(m)
        fn = function_devfn(c, 0)
        m.set_config(fn, COMMAND, MEMORY | MASTER, 2)
        expect(c.claim(), OK, "claim")
        # One block of IOVAs over two pieces of memory.
        expect(c.map((second - G, 2 * G))[0], OK, "mapping across the seam")
        expect(c.map((DATA, G))[0], OK, "mapping elsewhere")
        expect(host("04:00.0")["mapped_bytes"], 3 * G, "bytes mapped")
        generation = c.reg(GENERATION)
        assert "return" in m.qmp("device_del", id="dimm1")
        m.store(0x0907_0000, 1)             # the guest's part: select slot 1, eject (docs/specs/acpi_mem_hotplug.rst)
        m.store(0x0907_0014, 8, 1)
        assert m.wait_event("DEVICE_DELETED"), "the DIMM stays"
        expect(no_mapping()["bus_master"], 0, "bus mastering")
        assert c.reg(GENERATION) != generation, "the guest is not told"
        expect(c.map((DATA, G))[0], NOT_CLAIMED, "mapping without a new claim")
        expect(c.claim(), OK, "claim again")
        expect(c.map((second - G, 2 * G))[0], NOT_RAM, "mapping where the DIMM was")
        expect(c.map((second - G, G))[0], OK, "mapping what is left")


@test
def the_companion_stays_while_it_has_functions():
    with Machine("pcie-root-port,id=rp,chassis=1,slot=1", "apple-dma-pci,id=dma,bus=rp", FN0 + ",dma=dma") as m:
        answer = m.qmp("device_del", id="dma")
        assert "unplug them first" in answer.get("error", {}).get("desc", ""), answer


@test
def random_bytes_do_no_harm():
    seed = 20261122
    rnd = random.Random(seed)
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        for round_ in range(600):
            kind = rnd.random()
            if kind < 0.3:
                page = rnd.randbytes(512)
            elif kind < 0.6:       # a plausible header, random requests
                body = rnd.randbytes(rnd.randrange(0, 600) & ~7)
                page = struct.pack("<IIIIQQ", rnd.randrange(12), len(body), 0, 0, 0, 0) + body
            else:                  # plausible requests with random operands
                body = b""
                for _ in range(rnd.randrange(1, 8)):
                    op = rnd.randrange(0, 8)
                    if op == OP_MAP:
                        body += map_req(rnd.randrange(3), [(rnd.choice((DATA, FLASH, UART, rnd.getrandbits(64))) & -rnd.choice((1, G)),
                                                            rnd.choice((G, 3 * G, rnd.getrandbits(64)))) for _ in range(rnd.randrange(5))],
                                        rnd.getrandbits(3), rnd.randrange(25))
                    else:
                        body += req(op, rnd.randrange(3), rnd.randbytes(rnd.choice((0, 8, 24))), rnd.choice((0, 0, rnd.getrandbits(32))))
                page = struct.pack("<IIIIQQ", rnd.randrange(9), len(body), 0, 0, 0, 0) + body
            m.write(PAGE, page[:4096])
            c.set_reg(DOORBELL, 0)
            if round_ % 10 == 0:
                for _ in range(20):
                    offset = rnd.randrange(0, 0x60, 4)
                    # Slots keep their pages in RAM that this test owns, or are refused.
                    value = rnd.choice((0, 1, PAGE & 0xFFFFFFFF, rnd.getrandbits(32)))
                    if offset not in (SLOT_LO, SLOT_HI, CONTROL, SLOT_SELECT):
                        c.set_reg(offset, value)
                    c.reg(rnd.randrange(0, 0x1000, 4))
        # Every register, every access width and alignment.
        for offset in range(0, 0x48):
            for size in (1, 2, 4, 8):
                m.load(c.base + offset, size)
                if offset not in range(0x28, 0x2C):
                    m.store(c.base + offset, rnd.getrandbits(8 * size), size)
        # Random stores to the configuration space of a function never touch what the host owns.
        fn = function_devfn(Companion(m), 0)
        before = [host(b) for b in ("04:00.0", "05:00.0")]
        for h in before:
            assert h["mapped_bytes"] <= RAM_BYTES * 8, h
        for _ in range(400):
            m.set_config(fn, rnd.randrange(0, 0x200) & ~3, rnd.getrandbits(32))
        expect(host("04:00.0")["memory_space"], 1, "memory space at the device after random configuration stores")
        assert "return" in m.qmp("query-status"), "QEMU has not survived"
        c = Companion(m)
        c.set_reg(CONTROL, 1)
        for bdf in ("04:00.0", "05:00.0"):
            expect(no_mapping(bdf)["bus_master"], 0, f"bus mastering of {bdf}")


if __name__ == "__main__":
    sys.exit(main())
