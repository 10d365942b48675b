#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the iig tool makes of a class description, compiled against the headers it is meant for."""

import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IIG = os.path.join(TOP, 'macsim', 'driverkit', 'iig')
CXX = ['clang++', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-fblocks', '-fno-exceptions', '-fsyntax-only',
       '-I' + os.path.join(TOP, 'macsim', 'include')]

DRIVER = '''/* a comment with class Fake : public Nothing { */
#ifndef Sample_h
#define Sample_h
#include <Availability.h>
#include <DriverKit/IOService.iig>
#include <DriverKit/IOInterruptDispatchSource.iig>
class IOMemoryDescriptor;
class KERNEL Sample : public IOService
{
public:
#pragma mark lifecycle
\tvirtual bool init() override;
\tvirtual void free() override;
\tvirtual kern_return_t
\tStart(IOService * provider) override; // a comment; with a semicolon
\tvirtual void InterruptOccurred(OSAction *action TARGET, uint64_t count, uint64_t time)
\t\tTYPE(IOInterruptDispatchSource::InterruptOccurred) QUEUENAME(interrupts);
\tvirtual kern_return_t Extra(uint32_t a, const uint64_t list[16]);
\tuint64_t Plain(int a, char *b = 0) const LOCALONLY;
};
#endif
'''

SOURCE = '''#include <DriverKit/DriverKit.h>
#include "Sample.h"
struct Sample_IVars { OSAction *action; };
bool Sample::init() { return super::init() && (ivars = IONewZero(Sample_IVars, 1)); }
void Sample::free() { IOSafeDeleteNULL(ivars, Sample_IVars, 1); super::free(); }
kern_return_t IMPL(Sample, Start)
{
\tkern_return_t ret = Start(provider, SUPERDISPATCH);
\treturn ret ? ret : CreateActionInterruptOccurred(sizeof(void *), &ivars->action);
}
void IMPL(Sample, InterruptOccurred) { (void)action; (void)count; (void)time; }
kern_return_t IMPL(Sample, Extra) { uint64_t more[16] = {}; return a ? Extra(0, more) : (int)list[0]; }
uint64_t Sample::Plain(int a, char *) const { return a; }
'''


def run(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return subprocess.run([IIG, path, '--out', os.path.join(folder, 'out')], capture_output=True, text=True, check=False)


def compiles(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    result = subprocess.run(CXX + ['-I' + os.path.join(folder, 'out'), path], capture_output=True, text=True, check=False)
    return result.returncode == 0, result.stderr


def one(body, base='IOService'):
    return '#include <DriverKit/IOService.iig>\nclass Sample : public %s\n{\npublic:\n%s\n};\n' % (base, body)


def test_driver_source_compiles(folder):
    assert run(folder, 'Sample.iig', DRIVER).returncode == 0
    ok, errors = compiles(folder, 'Sample.cpp', SOURCE)
    assert ok, errors
    with open(os.path.join(folder, 'out', 'Sample.iig.cpp'), encoding='utf-8') as f:
        ok, errors = compiles(folder, 'generated.cpp', f.read())
    assert ok, errors


def test_impl_of_the_wrong_type_does_not_compile(folder):
    assert run(folder, 'Sample.iig', DRIVER).returncode == 0
    ok, _ = compiles(folder, 'Sample.cpp', SOURCE.replace('kern_return_t IMPL(Sample, Start)', 'void IMPL(Sample, Start)'))
    assert not ok


def test_plain_method_has_no_impl(folder):
    assert run(folder, 'Sample.iig', DRIVER).returncode == 0
    ok, _ = compiles(folder, 'Sample.cpp', SOURCE + 'uint64_t IMPL(Sample, Plain) { return 0; }\n')
    assert not ok


def test_class_of_an_included_iig_is_known(folder):
    assert run(folder, 'Sample.iig', DRIVER).returncode == 0
    derived = ('#include "Sample.iig"\nclass Derived : public Sample\n{\npublic:\n'
               '\tvirtual kern_return_t Extra(uint32_t a, const uint64_t list[16]) override;\n};\n')
    assert run(folder, 'Derived.iig', derived).returncode == 0
    ok, errors = compiles(folder, 'Derived.cpp', '#include <DriverKit/DriverKit.h>\n#include "Derived.h"\n'
                          'kern_return_t IMPL(Derived, Extra) { return Extra(a, list, SUPERDISPATCH); }\n')
    assert ok, errors


def test_mistakes_name_their_line(folder):
    cases = [
        (one('\tvirtual kern_return_t Strat(IOService *provider) override;'), 5, 'overrides nothing'),
        (one('\tint counter;'), 5, 'Sample_IVars'),
        (one('\tkern_return_t Helper(int a);'), 5, 'neither virtual nor LOCALONLY'),
        (one('\tvirtual kern_return_t Helper(int a) LOCALONYL;'), 5, 'LOCALONYL'),
        (one('\tvirtual void Tick(OSAction *action TARGET) TYPE(IOService::Nothing);'), 5, 'no such method'),
        (one('\tvirtual kern_return_t Helper(int);'), 5, 'needs a type and a name'),
        (one('\tvirtual kern_return_t Helper(int a)'), 5, '";" missing'),
        (one('\tuint32_t Helper(int a) LOCALONLY QUEUENAME(x);'), 5, 'QUEUENAME'),
        (one('', base='IOServise'), 2, 'IOServise is not known'),
        ('#include <DriverKit/IOService.iig>\nclass Sample : public IOService\n{\n', 3, 'never closed'),
        ('int x;\n', 1, 'no class'),
    ]
    for text, line, word in cases:
        result = run(folder, 'Bad.iig', text)
        assert result.returncode != 0, text
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1 and f'Bad.iig:{line}: ' in lines[0] and word in lines[0], (text, result.stderr)


def main():
    tests = [(name, f) for name, f in sorted(globals().items()) if name.startswith('test_')]
    failures = 0
    print(f'1..{len(tests)}')
    for number, (name, function) in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                function(folder)
                print(f'ok {number} - {name}')
            except AssertionError as e:
                failures += 1
                print(f'not ok {number} - {name}')
                print(f'# {e}'.replace('\n', '\n# '))
    sys.exit(failures != 0)


if __name__ == '__main__':
    main()
