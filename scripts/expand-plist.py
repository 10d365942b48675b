#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Replace $(NAME) in a property list by its value in app/Identity.xcconfig, as Xcode does.

    expand-plist.py IN.plist OUT.plist [NAME=VALUE ...]     NAME=VALUE adds to the file, or overrules it
    expand-plist.py --value NAME [NAME=VALUE ...]           prints one value

What comes out is plain XML without comments: codesign accepts no other entitlements.
"""

import os
import plistlib
import re
import sys

IDENTITY = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'app', 'Identity.xcconfig')


class Error(Exception):
    """What is wrong, in one sentence."""


def read_identity(path=IDENTITY):
    settings = {}
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line = line.split('//')[0].strip()
            if not line:
                continue
            match = re.fullmatch(r'(\w+)\s*=\s*(.*)', line)
            if not match:
                raise Error(f'{path}:{number}: this is not NAME = VALUE: {line}')
            settings[match.group(1)] = match.group(2)
    return settings


def expand_text(text, settings, depth=0):
    """Innermost names first: $(A_$(B)) is the setting named by B."""
    if depth > 16:
        raise Error(f'{text} refers to itself')
    match = re.search(r'\$\((\w+)\)', text)
    if not match:
        if '$(' in text:
            raise Error(f'{text}: "$(" without a name and ")"')
        return text
    if match.group(1) not in settings:
        raise Error(f'{text}: app/Identity.xcconfig has no setting {match.group(1)}')
    value = settings[match.group(1)]
    return expand_text(text[:match.start()] + value + text[match.end():], settings, depth + 1)


def expand(value, settings):
    if isinstance(value, str):
        return expand_text(value, settings)
    if isinstance(value, list):
        return [expand(v, settings) for v in value]
    if isinstance(value, dict):
        return {expand_text(k, settings): expand(v, settings) for k, v in value.items()}
    return value


def load(path, settings):
    with open(path, 'rb') as f:
        try:
            return expand(plistlib.load(f), settings)
        except Error as e:
            raise Error(f'{path}: {e}') from None
        except Exception as e:      # plistlib passes on whatever the XML parser raises
            raise Error(f'{path}: not a property list: {e}') from None


def main(arguments):
    settings = read_identity()
    files = [a for a in arguments if '=' not in a]
    for definition in arguments:
        if '=' in definition:
            name, value = definition.split('=', 1)
            settings[name] = value
    if len(files) != 2:
        raise Error(__doc__.split('\n\n')[1])
    if files[0] == '--value':
        print(expand_text(f'$({files[1]})', settings))
        return
    with open(files[1], 'wb') as f:
        plistlib.dump(load(files[0], settings), f, sort_keys=False)


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Error, OSError) as error:
        sys.exit(f'expand-plist.py: {error}')
