# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests are functions; their names are what they assert."""

import traceback

tests = []


def test(f):
    tests.append(f)
    return f


def expect(value, wanted, what=""):
    assert value == wanted, f"{what}: {value!r}, not {wanted!r}"


def main():
    failed = 0
    for number, f in enumerate(tests, 1):
        name = f.__name__.replace("_", " ")
        try:
            f()
            print(f"ok {number} - {name}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    print(f"1..{len(tests)}")
    return 1 if failed else 0
