#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two functions behind one DART, 04:00.0 and 05:00.0: who may map how much. TAP."""

import struct
import sys

from machine import (DRIVER_FEATURES, F_SHARING, NO_MAPPINGS, NO_SPACE, OK, RAM, Companion, Machine, map_req, unmap_req)
from tap import expect, main, test

G = 16384
MiB = 1 << 20
FN0, FN1 = "vfio-apple-pci,host=04:00.0,id=fn0", "vfio-apple-pci,host=05:00.0,id=fn1"
DATA = RAM + 64 * MiB


def sharing(c, function):
    status, bytes_quota, bytes_free, mappings_quota, mappings_free, mapper = c.sharing(function)
    expect(status, OK, "budget")
    return bytes_quota, bytes_free, mappings_quota, mappings_free, mapper


def fill(c, function, step):
    """Maps as much as it gets, in steps of so many bytes. [handles]"""
    handles = []
    while True:
        status, handle, _ = c.map((DATA, step), function=function)
        if status != OK:
            expect(status, NO_SPACE, "no room")
            return handles
        handles.append(handle)


@test
def a_function_alone_has_all_of_its_DART():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        c.set_reg(DRIVER_FEATURES, F_SHARING)
        expect(c.claim(0), OK, "claim")
        total = sharing(c, 0)
        expect((total[0], total[2]), (total[1], total[3]), "quota and room of the only claimed function")
        mapper = total[4]
        assert mapper, "the host tells of no DART"
        expect(c.claim(1), OK, "claim")
        for function in (0, 1):
            quota = sharing(c, function)
            expect((quota[0], quota[2], quota[4]), (total[0] // 2, total[2] // 2, mapper), f"quota of function {function}")
        expect(c.release(1), OK, "release")
        expect(sharing(c, 0), total, "what it has when the other is not claimed any more")


@test
def room_is_lent_and_a_part_of_each_quota_stays():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        c.set_reg(DRIVER_FEATURES, F_SHARING)
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        quota, free, *_ = sharing(c, 0)
        total = 2 * quota
        expect(free, total - quota // 4, "what an idle neighbour lends")
        step = 32 * MiB
        handles = fill(c, 0, step)
        expect(len(handles), (total - quota // 4) // step, "blocks of a function that borrows")
        # The other one finds its reserve, and then what it is told is free.
        left = sharing(c, 1)[1]
        expect(left, total - len(handles) * step, "what is free for the other")
        assert left >= quota // 4, (left, quota)
        more = fill(c, 1, step)
        expect(len(more), left // step, "its blocks")
        # What the borrower gives back is the other's, up to its quota and beyond.
        for handle in handles[quota // step:]:
            expect(c.unmap(handle, function=0), OK, "unmap")
        more += fill(c, 1, step)
        expect(len(more) * step // (64 * MiB), quota // (64 * MiB), "the other at its quota")
        expect(c.release(1), OK, "release")
        expect(sharing(c, 0)[1], total - quota // step * step, "what is free once it is alone")


@test
def mappings_are_shared_like_bytes():
    with Machine(FN0, FN1) as m:
        c = Companion(m)
        c.set_reg(DRIVER_FEATURES, F_SHARING)
        expect((c.claim(0), c.claim(1)), (OK, OK), "claims")
        _, _, quota, free, _ = sharing(c, 0)
        expect(free, 2 * quota - quota // 4, "mappings that an idle neighbour lends")
        made = 0
        while made < free:
            batch = [map_req(0, [(DATA, G)])] * min(63, free - made)
            status, done, answers = c.ring(*batch)
            expect({struct.unpack_from("<I", a, 8)[0] for a in answers}, {OK}, "maps")
            made += done
        expect(c.map((DATA, G), function=0)[0], NO_MAPPINGS, "one more")
        expect(c.map((DATA, G), function=1)[0], OK, "the other's first")
        expect(sharing(c, 1)[3], quota // 4 - 1, "the other's reserve")
        # A page that makes room and uses it.
        handle = struct.unpack_from("<Q", answers[0], 32)[0]
        status, done, answers = c.ring(unmap_req(0, handle), map_req(0, [(DATA, G)]))
        statuses = [struct.unpack_from("<I", a, 8)[0] for a in answers]
        expect(statuses[0], OK, "unmap")
        assert statuses[1] in (OK, NO_MAPPINGS), statuses


if __name__ == "__main__":
    sys.exit(main())
