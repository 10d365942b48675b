# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU `virt` machine without a CPU that runs: registers and memory through qtest, the rest through QMP.

The addresses are those of QEMU's hw/arm/virt.c memory map.
"""

import json
import os
import socket
import struct
import subprocess
import tempfile
import time

RAM = 0x4000_0000
RAM_BYTES = 256 << 20
ECAM = 0x40_1000_0000
FLASH = 0x0
UART = 0x0900_0000
MMIO = 0x1000_0000          # PCI memory window, 32 bits
MMIO_END = 0x3EFF_0000
MMIO64 = 0x80_0000_0000     # PCI memory window, 64 bits

COMMAND, MEMORY, MASTER = 0x04, 0x2, 0x4


class Machine:
    def __init__(self, *devices, args=()):
        self.dir = tempfile.TemporaryDirectory(prefix="qtest-")
        qtest_path = os.path.join(self.dir.name, "qtest")
        qmp_path = os.path.join(self.dir.name, "qmp")
        self.log_path = os.path.join(self.dir.name, "log")
        command = [os.environ.get("VFIO_APPLE_QEMU", "build/qemu/bin/qemu-system-aarch64"),
                   "-machine", "virt,gic-version=3", "-accel", "qtest", "-m", str(RAM_BYTES >> 20), "-nodefaults",
                   "-display", "none", "-qtest", f"unix:{qtest_path},server=on,wait=off", "-qtest-log", "none",
                   "-qmp", f"unix:{qmp_path},server=on,wait=off", *args]
        for device in devices:
            command += ["-device", device]
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.qtest = self._connect(qtest_path)
            self.monitor = self._connect(qmp_path)
            self._line(self.monitor)
            self.qmp("qmp_capabilities")
        except (OSError, RuntimeError) as e:
            # QEMU says why, and closes its sockets before or after that.
            self.process.terminate()
            self.process.wait(20)
            output = self.output().strip()
            self.close()
            raise RuntimeError(output or str(e)) from e
        self.next_bar, self.next_bar64 = MMIO, MMIO64

    def output(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def _connect(self, path):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("QEMU ended without a word")
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(path)
                s.settimeout(60)
                return s.makefile("rw", newline="\n")
            except OSError:
                s.close()
                time.sleep(0.05)
        raise RuntimeError("QEMU does not open its sockets")

    @staticmethod
    def _line(stream):
        line = stream.readline()
        if not line:
            raise RuntimeError("QEMU has gone")
        return line.strip()

    def close(self):
        for stream in (getattr(self, "qtest", None), getattr(self, "monitor", None)):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass    # unsent words to a QEMU that has gone
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        self.dir.cleanup()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- QMP

    def qmp(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self.monitor)
        self.monitor.write("\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self._line(self.monitor))
            if "return" in answer or "error" in answer:
                return answer
            self.events = getattr(self, "events", []) + [answer["event"]]

    def wait_event(self, name, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.qmp("query-status")
            if name in getattr(self, "events", []):
                self.events.remove(name)
                return True
            time.sleep(0.05)
        return False

    # ---- qtest: bus addresses of the CPU

    def command(self, text):
        self.qtest.write(text + "\n")
        self.qtest.flush()
        while True:
            words = self._line(self.qtest).split()
            if words[0] == "OK":
                return words[1:]
            if words[0] in ("FAIL", "ERR"):
                raise RuntimeError(f"qtest: {text}: {' '.join(words)}")

    def load(self, address, size=4):
        return int(self.command(f"read{'bwlq'[size.bit_length() - 1]} {address:#x}")[0], 16) & ((1 << 8 * size) - 1)

    def store(self, address, value, size=4):
        self.command(f"write{'bwlq'[size.bit_length() - 1]} {address:#x} {value:#x}")

    def read(self, address, size):
        return bytes.fromhex(self.command(f"read {address:#x} {size:#x}")[0][2:])

    def write(self, address, data):
        self.command(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    # ---- PCI, bus 0 unless said

    def config(self, devfn, offset, size=4, bus=0):
        return self.load(ECAM + (bus << 20 | devfn << 12 | offset), size)

    def set_config(self, devfn, offset, value, size=4, bus=0):
        self.store(ECAM + (bus << 20 | devfn << 12 | offset), value, size)

    def find(self, vendor, device):
        """devfns on bus 0, in order."""
        return [slot << 3 for slot in range(32) if self.config(slot << 3, 0) == device << 16 | vendor]

    def place_bars(self, devfn, bus=0):
        """Size every BAR as firmware does and give it an address. {bar: (address, size)}"""
        bars, bar = {}, 0
        while bar < 6:
            offset = 0x10 + 4 * bar
            self.set_config(devfn, offset, 0xFFFFFFFF, bus=bus)
            low = self.config(devfn, offset, bus=bus)
            if not low:
                bar += 1
                continue
            mask, wide = low & ~0xF, low & 6 == 4
            if wide:
                self.set_config(devfn, offset + 4, 0xFFFFFFFF, bus=bus)
                mask |= self.config(devfn, offset + 4, bus=bus) << 32
                size = (~mask & (1 << 64) - 1) + 1
                base = self.next_bar64 = (self.next_bar64 + size - 1) & -size
                self.next_bar64 += max(size, 0x10000)
                self.set_config(devfn, offset + 4, base >> 32, bus=bus)
            else:
                size = (~mask & 0xFFFFFFFF) + 1
                base = self.next_bar = (self.next_bar + size - 1) & -size
                self.next_bar += max(size, 0x10000)
            self.set_config(devfn, offset, base & 0xFFFFFFFF, bus=bus)
            bars[bar] = (base, size)
            bar += 2 if wide else 1
        return bars


# ---- the companion (abi/apple_dma.h, docs/spec-guest.md)

MAGIC, VERSION, FEATURES, DRIVER_FEATURES, GRANULE, MAX_SLOTS, MAX_RANGES, MAX_ALIGN = range(0, 0x20, 4)
FUNCTIONS, GENERATION, CONTROL, STATUS, SLOT_SELECT, SLOT_LO, SLOT_HI, DOORBELL = range(0x20, 0x40, 4)
OP_FUNCTION, OP_CLAIM, OP_RELEASE, OP_MAP, OP_UNMAP, OP_BUDGET = range(1, 7)
(OK, BAD_REQUEST, BAD_FUNCTION, NOT_CLAIMED, CLAIMED, NOT_ALIGNED, BAD_RANGE, NOT_RAM, NO_SPACE, NO_MAPPINGS,
 BAD_HANDLE, GONE, BUSY, HOST, TIMEOUT) = range(15)
READS, WRITES, ALIGN_REQUIRED = 1, 2, 4
PAGE = RAM + (16 << 20)     # request page of slot 0


class Companion:
    def __init__(self, machine, page=PAGE):
        self.m, self.page = machine, page
        (self.devfn,) = machine.find(0x1B36, 0x0015)
        self.base = machine.place_bars(self.devfn)[0][0]
        machine.set_config(self.devfn, COMMAND, MEMORY | MASTER, 2)
        self.set_slot(0, page)

    def reg(self, offset):
        return self.m.load(self.base + offset)

    def set_reg(self, offset, value):
        self.m.store(self.base + offset, value)

    def set_slot(self, slot, address):
        self.set_reg(SLOT_SELECT, slot)
        self.set_reg(SLOT_LO, address & 0xFFFFFFFF)
        self.set_reg(SLOT_HI, address >> 32)
        return not self.reg(STATUS) & 1

    def ring(self, *requests, slot=0):
        """(page status, done, [answers])"""
        body = b"".join(requests)
        self.m.write(self.page, struct.pack("<IIIIQQ", len(requests), len(body), 0xDEAD, 0, 0, 0) + body)
        self.set_reg(DOORBELL, slot)
        data = self.m.read(self.page, 32 + len(body))
        _, _, status, done = struct.unpack_from("<IIII", data)
        answers, at = [], 32
        for r in requests:
            answers.append(data[at:at + len(r)])
            at += len(r)
        return status, done, answers

    def one(self, request):
        status, done, (answer,) = self.ring(request)
        assert (status, done) == (OK, 1), f"page status {status}, {done} answered"
        return struct.unpack_from("<I", answer, 8)[0], answer

    def claim(self, function=0):
        return self.one(req(OP_CLAIM, function))[0]

    def release(self, function=0):
        return self.one(req(OP_RELEASE, function))[0]

    def map(self, *ranges, function=0, flags=READS | WRITES, align=0):
        """(status, handle, iova)"""
        status, answer = self.one(map_req(function, ranges, flags, align))
        return (status, *struct.unpack_from("<QQ", answer, 32))

    def unmap(self, handle, function=0):
        return self.one(unmap_req(function, handle))[0]

    def function(self, index):
        """(status, bdf, state, iova_first, iova_last)"""
        status, answer = self.one(req(OP_FUNCTION, index, bytes(24)))
        return (status, *struct.unpack_from("<IIQQ", answer, 24))

    def budget(self, function=0):
        """(status, bytes_max, bytes_used, mappings_max, mappings_used)"""
        status, answer = self.one(req(OP_BUDGET, function, bytes(24)))
        return (status, *struct.unpack_from("<QQII", answer, 24))


def req(op, function, tail=b"", flags=0, length=None):
    return struct.pack("<HHIIIQ", op, 24 + len(tail) if length is None else length, function, 0xDEAD, flags, 0) + tail


def map_req(function, ranges, flags=READS | WRITES, align=0, count=None):
    tail = struct.pack("<IIQQ", align, len(ranges) if count is None else count, 0, 0)
    return req(OP_MAP, function, tail + b"".join(struct.pack("<QQ", *r) for r in ranges), flags)


def unmap_req(function, handle):
    return req(OP_UNMAP, function, struct.pack("<Q", handle))


# ---- what the host says of it

def host(bdf):
    """The state of a function, as the host of the device sees it."""
    text = subprocess.run([os.environ["HOST_STATUS"], "status"], check=True, capture_output=True, text=True).stdout
    status = json.loads(text)
    assert status["stray"] == 0, f"stray DMA: {status['stray_log']}"
    return next(f for f in status["functions"] if f["bdf"] == bdf)
