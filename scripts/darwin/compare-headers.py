#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a C source that compiles against Apple's headers only if ours say the same.

  scripts/darwin/compare-headers.py macsim/include >compare.c

It includes Apple's headers, asks for every function, variable and constant that ours declare, and declares them once
more, as ours do: what Apple does not have or declares differently is a compiler's error.
"""
import pathlib
import re
import sys

# In the SDK a transparent union, so that any dispatch object fits; ours is void *, for the same purpose.
LOOSE = "dispatch_object_t"

root = pathlib.Path(sys.argv[1])
headers = sorted(h for d in ("CoreFoundation", "IOKit", "dispatch", "mach") for h in (root / d).glob("*.h"))
names, constants, declarations = [], [], []

for header in headers:
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.S).replace("\\\n", " ")
    for name, value in re.findall(r"^#define (\w+)[ \t]+(\S.*?)\s*$", text, flags=re.M):
        if value.startswith('"'):
            constants.append(f'_Static_assert(!__builtin_strcmp({name}, {value}), "{name}");')
        elif re.search(r"\d", value) or re.fullmatch(r"\w+\(.*\)", value):
            constants.append(f'_Static_assert(({name}) == ({value}), "{name}");')
    text = re.sub(r"^#.*$", "", text, flags=re.M).replace('extern "C" {', "")
    for body in re.findall(r"enum \{(.*?)\}", text, flags=re.S):
        for name, value in re.findall(r"(\w+) = ([^,]+),", body):
            constants.append(f'_Static_assert({name} == ({value.strip()}), "{name}");')
    text = re.sub(r"(typedef )?(enum|struct) \{.*?\}[^;]*;", "", text, flags=re.S)
    for statement in (" ".join(s.split()) for s in text.replace("}", "").split(";")):
        if not statement or LOOSE in statement:
            continue
        declarations.append(statement + ";")
        if not statement.startswith("typedef"):
            found = re.search(r"(\w+)\(|(\w+)$", statement)
            names.append(found.group(1) or found.group(2))

if len(names) < 50 or len(constants) < 50:
    sys.exit(f"{root}: only {len(names)} names and {len(constants)} constants were found")
print(*(f"#include <{h.relative_to(root)}>" for h in headers), sep="\n")
print(*(f'_Static_assert(sizeof(&{n}) != 0, "{n}");' for n in names), *constants, *declarations, sep="\n")
