#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Do the extension, the client and what stands in for Apple's frameworks use Apple's interfaces as they are?

    interfaces.py [--root TREE]

Compares with tests/contract/driverkit-interfaces.txt, and that with Apple's files where they are at hand:
DRIVERKIT_IIG=DIR[:DIR...] holds .iig files and headers of DriverKit and PCIDriverKit, IOKIT_HEADERS=DIR IOKit's.
Prints TAP without numbers.
"""

import glob
import os
import re
import sys

import declarations as d

ALIASES = {'UInt8': 'uint8_t', 'UInt16': 'uint16_t', 'UInt32': 'uint32_t', 'UInt64': 'uint64_t', 'SInt32': 'int32_t',
           'mach_vm_address_t': 'uint64_t', 'mach_vm_size_t': 'uint64_t'}
failed = False


def result(description, problems):
    global failed
    problems = list(problems)
    print(f'{"not ok" if problems else "ok"} - {description}')
    for problem in problems[:30]:
        print(f'# {problem}')
    failed |= bool(problems)


def read(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def resolve(name, typedefs):
    """The end of a chain of typedefs: IOByteCount -> IOByteCount64 -> UInt64 -> uint64_t."""
    array = re.fullmatch(r'(\w+)(\[\d+\])', name)
    if array:
        return resolve(array[1], typedefs) + array[2]
    for _ in range(8):
        following = ALIASES.get(name) or typedefs.get(name)
        if following is None or following == name:
            break
        name = following
    return name


def show(kind, value):
    if kind == 'method':
        return ' or '.join(sorted(f'{k} {r} ({", ".join(p)}){" const" if c else ""}' for k, r, p, c in value))
    if kind == 'function':
        return ' or '.join(sorted(f'{r} ({", ".join(p)})' for r, p in value))
    return hex(value) if isinstance(value, int) else str(value)


def lookup(declarations, kind, name):
    if kind == 'method':
        return declarations.methods.get(tuple(name.split('::')))
    return {'class': declarations.bases, 'function': declarations.functions, 'constant': declarations.constants,
            'macro': declarations.macros, 'struct': declarations.structs, 'typedef': declarations.typedefs,
            'variable': declarations.variables}[kind].get(name)


def differs(kind, ours, theirs, typedefs):
    """What ours declares has to be there as it is; more overloads of theirs do no harm."""
    if kind in ('method', 'function'):
        return not ours <= theirs
    if kind == 'typedef':
        return resolve(ours, typedefs) != resolve(theirs, typedefs)
    return ours != theirs


# ---- macsim/include ----

def check_headers(root, table, ours, folders):
    declared = d.Declarations()
    for folder in folders:
        for path in sorted(glob.glob(f'{root}/macsim/include/{folder}/*.h')):
            d.read_text(read(path), declared, header=True)
    if len(declared.names()) < 50:
        yield 'hardly any declaration was found'
    for kind, name in sorted(declared.names()):
        if name in ours or name.split('::')[0] in ours:
            continue
        theirs = lookup(table, kind, name)
        mine = lookup(declared, kind, name)
        if theirs is None:
            yield f'{kind} {name} is in nothing Apple publishes: {show(kind, mine)}'
        elif differs(kind, mine, theirs, {**declared.typedefs, **table.typedefs}):
            yield f'{kind} {name} is {show(kind, mine)}; Apple: {show(kind, theirs)}'
    for key in sorted({**declared.arguments, **declared.aliases}):
        cls, name = key
        arguments = declared.arguments.get(declared.aliases.get(key, key))
        theirs = table.methods.get(key)
        if cls in ours or theirs is None and table.find_method(cls, name)[0]:
            continue
        if theirs is None:
            yield f'{cls}_{name}_Args: {cls} has no such method'
        elif arguments not in {d.decayed(m[2], table.typedefs) for m in theirs}:
            yield f'{cls}_{name}_Args is ({", ".join(arguments)}); Apple: {show("method", theirs)}'


# ---- the extension ----

def check_classes(root, table):
    parsed = d.Declarations()
    for path in sorted(glob.glob(f'{root}/dext/*.iig')):
        d.read_text(read(path), parsed)
    if not parsed.bases:
        yield 'dext/*.iig: no class found'
    for cls, base in sorted(parsed.bases.items()):
        if base not in table.bases:
            yield f'{cls}: {base} is no class of DriverKit'
    for (cls, name), variants in sorted(parsed.methods.items()):
        if cls not in parsed.bases:
            continue
        text = parsed.texts[cls, name]
        kind, returned, types, const = next(iter(variants))
        owner, theirs = table.find_method(parsed.bases[cls], name)
        model = re.search(r'\bTYPE\s*\(\s*(\w+)::(\w+)\s*\)\s*$', text)
        if len(variants) > 1:
            yield f'{cls}::{name} is declared more than once'
        elif model:
            like = table.methods.get((model[1], model[2]))
            if not like:
                yield f'{cls}::{name}: TYPE({model[1]}::{model[2]}): there is no such method'
            elif (returned, types) not in {(m[1], m[2]) for m in like}:
                yield f'{cls}::{name} is {returned} ({", ".join(types)}); TYPE wants {show("method", like)}'
            elif not re.search(r'OSAction\s*\*\s*\w+\s+TARGET\b', text):
                yield f'{cls}::{name}: the action of a method with TYPE is its TARGET'
        elif owner:
            if (kind, returned, types, const) not in theirs:
                yield f'{cls}::{name} is {show("method", variants)}; {owner} has {show("method", theirs)}'
            if 'override' not in text.split() and not text.endswith('override'):
                yield f'{cls}::{name} overrides that of {owner} and does not say so'
        elif 'override' in text:
            yield f'{cls}::{name} overrides nothing'
        elif kind != d.LOCAL:
            yield f'{cls}::{name} is neither of DriverKit, nor LOCALONLY, nor has it a TYPE'


def words(path):
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', d.strip_comments(read(path)))
    text = re.sub(r'^\s*#\s*(include|import|ifndef|if).*', '', text, flags=re.M)
    return set(re.findall(r'\b[A-Za-z_]\w*\b', text)), text


def check_uses(root, table, ours):
    """Every name of the frameworks the extension mentions is one of Apple's, and none is the stand-in's own."""
    known = {n.split('::')[-1] for _, n in table.names()} | {n.split('::')[0] for _, n in table.names()}
    own = {n.split('::')[-1] for n in ours} - known
    for path in sorted(p for end in ('cpp', 'h', 'iig') for p in glob.glob(f'{root}/dext/*.{end}')):
        found, text = words(path)
        where = os.path.relpath(path, root)
        for name in sorted(found & own):
            yield f'{where}: {name} is not in anything Apple publishes'
        for name in sorted(found):
            if re.match(r'(IO[A-Z]|OS[A-Z]|k(IO|OS|PCI)[A-Z]|KERN_)', name) and name not in known | own and \
                    not re.search(rf'#\s*define\s+{name}\b', text) and not name.startswith('IOVA'):
                yield f'{where}: {name} is not in driverkit-interfaces.txt'


# ---- selectors ----

NEEDS = {'–': 'NEEDS_NOTHING', 'H': 'NEEDS_HELLO', 'O': 'NEEDS_OWNER', 'I': 'NEEDS_IDLE_DEVICE'}


def selectors(root):
    body = re.search(r'enum vfa_selector\s*\{(.*?)\}', d.strip_comments(read(f'{root}/abi/vfa_dext.h')), re.S)[1]
    return [re.match(r'\w+', e)[0] for e in d.split(body)][:-1]


def dispatch_table(root):
    text = read(f'{root}/dext/VFIOUserPCIUserClient.cpp')
    rows = re.findall(r'/\* (\w+) \*/ \{\{(\w+), (\w+), ([^{}]*)\}, (\w+)\}', text)
    table = {}
    for name, _, mode, counts, needs in rows:
        scalars_in, bytes_in, scalars_out, bytes_out = d.split(counts)
        table[name] = {'async': mode == 'ASYNC', 'in': int(scalars_in), 'struct in': bytes_in != '0',
                       'out': int(scalars_out), 'struct out': bytes_out != '0', 'needs': needs}
    return table, [r[0] for r in rows]


def specification(root):
    table = {}
    for line in read(f'{root}/docs/spec-dext.md').split('\n'):
        cells = [c.strip() for c in line.strip().strip('|').split('|')]
        match = re.fullmatch(r'(VFA_\w+)( \(async\))?', cells[0])
        if not match or len(cells) != 5:
            continue

        def count(cell):
            struct = bool(re.fullmatch(r'`struct \w+`|that many bytes', cell))
            return 0 if struct or cell == '–' else len(cell.split(',')), struct
        (scalars_in, struct_in), (scalars_out, struct_out) = count(cells[2]), count(cells[3])
        table[match[1]] = {'async': bool(match[2]), 'in': scalars_in, 'struct in': struct_in, 'out': scalars_out,
                           'struct out': struct_out, 'needs': NEEDS.get(cells[1])}
    return table


def client_calls(root):
    for path in sorted(glob.glob(f'{root}/client/src/*.c')):
        text = d.strip_comments(read(path)).replace('->', '.')
        where = os.path.relpath(path, root)
        for match in re.finditer(r'\.selector = (VFA_\w+)([^{};]*)\}', text):
            fields = dict(re.findall(r'\.(\w+) = ([^,}]+)', match[2]))
            yield where, match[1], {'async': False,
                                    'in': int(fields.get('in_count', '0')), 'struct in': 'in_data' in fields,
                                    'out': int(fields.get('out_count', '0')), 'struct out': 'out_data' in fields}
        for match in re.finditer(r'IOConnectCallAsyncScalarMethod\s*\(', text):
            arguments = d.split(text[match.end():d.matching(text, match.end() - 1)])
            outs = 0 if arguments[8] == 'NULL' else 1
            yield where, arguments[1], {'async': True, 'in': int(arguments[6]), 'struct in': False, 'out': outs,
                                        'struct out': False}


def check_selectors(root):
    names = selectors(root)
    table, order = dispatch_table(root)
    wanted = specification(root)
    if order != names:
        yield f'the dispatch table has {", ".join(order)}; abi/vfa_dext.h {", ".join(names)}'
    if list(wanted) != names:
        yield f'docs/spec-dext.md has {", ".join(wanted)}; abi/vfa_dext.h {", ".join(names)}'
    for name in names:
        if table.get(name) != wanted.get(name):
            yield f'{name}: the dispatch table has {table.get(name)}; docs/spec-dext.md {wanted.get(name)}'
    used = set()
    for where, name, counts in client_calls(root):
        used.add(name)
        expected = {k: v for k, v in table.get(name, {}).items() if k != 'needs'}
        if counts != expected:
            yield f'{where}: {name} is called with {counts}; the dispatch table has {expected}'
    for name in sorted(set(names) - used):
        yield f'no call of {name} was found in client/src'


# ---- the client ----

def check_client(root, table):
    for path in sorted(glob.glob(f'{root}/client/src/*.[ch]') + glob.glob(f'{root}/cli/*.[ch]')):
        text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', d.strip_comments(read(path)))
        where = os.path.relpath(path, root)
        for name in sorted(set(re.findall(r'\b(IO[A-Z]\w+)\s*\(', text))):
            if name not in table.functions:
                yield f'{where}: {name}() is not in driverkit-interfaces.txt'
        for name in sorted(set(re.findall(r'\b(k(?:IO|OS)[A-Z]\w+)\b', text))):
            if name not in table.constants and name not in table.variables:
                yield f'{where}: {name} is not in driverkit-interfaces.txt'


# ---- Apple's own files ----

def check_apple(table, kind, folders):
    files = {}
    for folder in folders:
        for path in sorted(glob.glob(f'{folder}/**/*', recursive=True)):
            if path.endswith(('.iig', '.h')):
                files.setdefault(os.path.basename(path), []).append(path)
    compared, absent = 0, set()
    problems = []
    read_files = {}
    for (what, name), source in table.sources.items():
        if ('IOKit.framework' in source or 'device_types' in source or 'IOMapTypes' in source) != (kind == 'IOKit'):
            continue
        base = os.path.basename(source.split()[-1])
        if base not in files:
            absent.add(source)
            continue
        if base not in read_files:
            known = read_files[base] = d.Declarations()
            for other in ('IOReturn.h', base):      # numbers build on those of IOReturn.h
                for path in files.get(other, []):
                    d.read_text(read(path), known, header=path.endswith('.h'))
                    d.read_extension(read(path), known)
        theirs, ours = lookup(read_files[base], what, name), lookup(table, what, name)
        compared += 1
        if theirs is None:
            problems.append(f'{what} {name} is not in {base}')
        elif differs(what, ours, theirs, {**read_files[base].typedefs, **table.typedefs}):
            problems.append(f'{what} {name} is {show(what, ours)}; {base}: {show(what, theirs)}')
    if not compared:
        problems.append(f'none of the files is in {":".join(folders)}')
    result(f'{compared} interfaces are those of Apple\'s own files ({kind})', problems)
    for source in sorted(absent):
        print(f'# not at hand: {source}')


def main(arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    root = arguments[1] if arguments[:1] == ['--root'] else os.path.normpath(f'{here}/../..')
    table, ours = d.read_table(f'{root}/tests/contract/driverkit-interfaces.txt')

    result('macsim/include/DriverKit and PCIDriverKit declare what Apple declares',
           check_headers(root, table, ours, ('DriverKit', 'PCIDriverKit')))
    result('macsim/include/IOKit declares what Apple declares', check_headers(root, table, ours, ('IOKit',)))
    result('the extension\'s classes override and conform to DriverKit\'s methods', check_classes(root, table))
    result('the extension uses nothing but what Apple publishes', check_uses(root, table, ours))
    result('selectors: header, dispatch table, specification and client agree', check_selectors(root))
    result('the client and the tool use nothing but what IOKitLib has', check_client(root, table))
    if os.environ.get('DRIVERKIT_IIG'):
        check_apple(table, 'DriverKit', os.environ['DRIVERKIT_IIG'].split(':'))
    kit = os.environ.get('IOKIT_HEADERS')
    if not kit and os.environ.get('MACOS_SDK'):
        sdk = os.environ['MACOS_SDK']
        kit = f'{sdk}/System/Library/Frameworks/IOKit.framework/Headers:{sdk}/usr/include/device'
    if kit:
        check_apple(table, 'IOKit', kit.split(':'))
    return failed


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
