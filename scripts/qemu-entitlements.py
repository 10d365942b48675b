#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write what QEMU is signed with on a Mac.

    qemu-entitlements.py QEMU.plist OUT.plist [NAME=VALUE ...]

QEMU.plist is accel/hvf/entitlements.plist of its source, which everybody may sign with.  That is all that a driver
extension built for development asks for.  One built for distribution (VFA_SIGNING in app/Identity.xcconfig, or a
NAME=VALUE) also asks for the tool's entitlement, which only counts in a signature of the extension's team.
"""

import importlib.util
import os
import plistlib
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location('expand_plist', os.path.join(HERE, 'expand-plist.py'))
expand_plist = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(expand_plist)


def main(qemu, out, *definitions):
    settings = expand_plist.read_identity()
    settings.update(definition.split('=', 1) for definition in definitions)
    entitlements = expand_plist.load(qemu, settings)
    signing = expand_plist.expand_text('$(VFA_SIGNING)', settings)
    if signing == 'distribution':
        entitlements.update(expand_plist.load(os.path.join(HERE, '..', 'cli', 'vfio-apple.entitlements'), settings))
    elif signing != 'development':
        raise expand_plist.Error(f'VFA_SIGNING is {signing}: not development or distribution')
    with open(out, 'wb') as f:
        plistlib.dump(entitlements, f)


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (expand_plist.Error, OSError, ValueError) as error:
        sys.exit(f'qemu-entitlements.py: {error}')
