#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Property lists, entitlements and the Xcode project: would macOS and Xcode accept them?

    packaging.py [--root TREE]

What macOS demands is in the comments beside each table.  Prints TAP without numbers.
"""

import fnmatch
import glob
import importlib.util
import os
import re
import sys

try:
    import yaml
except ImportError:     # macOS; scripts/deps.sh installs it elsewhere
    yaml = None

import declarations as d

IDENTIFIER = r'[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+'
VERSION = r'\d+(\.\d+){0,2}'
PCI_MATCH = r'0x[0-9A-Fa-f]{8}(&0x[0-9A-Fa-f]{8})?( 0x[0-9A-Fa-f]{8}(&0x[0-9A-Fa-f]{8})?)*'
PCI_KEYS = ('IOPCIMatch', 'IOPCIPrimaryMatch', 'IOPCISecondaryMatch', 'IOPCIClassMatch')

# What must be there: the very value, or a pattern for a string.  OSBundleUsageDescription: required for every driver
# extension, or activation fails (developer.apple.com).
BUNDLE = {'CFBundleDevelopmentRegion': 'en', 'CFBundleExecutable': re.compile('.+'), 'CFBundleIdentifier': None,
          'CFBundleInfoDictionaryVersion': '6.0', 'CFBundleName': re.compile('.+'), 'CFBundlePackageType': 'DEXT',
          'CFBundleShortVersionString': re.compile(VERSION), 'CFBundleVersion': re.compile(VERSION),
          'OSBundleUsageDescription': re.compile('.{10,}'), 'IOKitPersonalities': dict}
# IOPCIFamily PEX8733/PCIDriverKitPEX8733/Info.plist, Apple's own; IOPCITunnelCompatible: IOPCIBridge.cpp 4600.
PERSONALITY = {'CFBundleIdentifier': None, 'CFBundleIdentifierKernel': 'com.apple.kpi.iokit',
               'IOClass': 'IOUserService', 'IOProviderClass': 'IOPCIDevice', 'IOResourceMatch': 'IOKit',
               'IOUserServerName': None, 'IOPCITunnelCompatible': True, 'IOUserClass': re.compile(r'\w+')}
# IOUserServer.cpp 5168: Create() wants IOClass; a client is an IOUserUserClient.
CLIENT = {'IOClass': 'IOUserUserClient', 'IOUserClass': re.compile(r'\w+')}
APP = {'CFBundleDevelopmentRegion': 'en', 'CFBundleExecutable': 'VFIOApple', 'CFBundleIdentifier': None,
       'CFBundleInfoDictionaryVersion': '6.0', 'CFBundleName': 'VFIOApple', 'CFBundlePackageType': 'APPL',
       'CFBundleShortVersionString': re.compile(VERSION), 'CFBundleVersion': re.compile(VERSION),
       'LSMinimumSystemVersion': re.compile(r'\d+\.\d+'), 'NSHighResolutionCapable': True,
       'NSPrincipalClass': 'NSApplication', 'VFADriverExtension': None}
DRIVERKIT = 'com.apple.developer.driverkit'

failed = False


class Broken(Exception):
    """A file that cannot be looked at any further."""


def result(description, problems):
    global failed
    found = []
    try:
        for problem in problems:
            found.append(problem)
    except Broken as e:
        found.append(str(e))
    problems = found
    print(f'{"not ok" if problems else "ok"} - {description}')
    for problem in problems[:30]:
        print(f'# {problem}')
    failed |= bool(problems)


def load_expander(root):
    spec = importlib.util.spec_from_file_location('expand_plist', f'{root}/scripts/expand-plist.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(where, found, wanted, values, optional=()):
    for key, value in wanted.items():
        value = values.get(key, value)
        if key not in found:
            yield f'{where}: {key} is missing'
        elif isinstance(value, type):
            if not isinstance(found[key], value):
                yield f'{where}: {key} is no {value.__name__}'
        elif isinstance(value, re.Pattern):
            if not isinstance(found[key], str) or not value.fullmatch(found[key]):
                yield f'{where}: {key} is {found[key]!r}'
        elif found[key] != value or type(found[key]) is not type(value):
            yield f'{where}: {key} is {found[key]!r}, not {value!r}'
    for key in sorted(set(found) - set(wanted) - set(optional)):
        yield f'{where}: {key} is not known'


def matches(text):
    for entry in text.split():
        value, _, mask = entry.partition('&')
        yield int(value, 16), int(mask or '0xffffffff', 16)


def covered(wanted, granted):
    """Is every device that `wanted` matches one that `granted` matches?"""
    return all(any(mask & ~m == 0 and (value ^ v) & mask == 0 for value, mask in granted) for v, m in wanted)


class Tree:
    def __init__(self, root, **settings):
        self.root = root
        self.expander = load_expander(root)
        self.settings = self.expander.read_identity(f'{root}/app/Identity.xcconfig')
        self.settings.update(settings)

    def plist(self, path, **more):
        try:
            return self.expander.load(f'{self.root}/{path}', {**self.settings, **more})
        except (self.expander.Error, OSError) as e:
            raise Broken(str(e)) from None

    def value(self, name):
        try:
            return self.expander.expand_text(f'$({name})', self.settings)
        except self.expander.Error as e:
            raise Broken(str(e)) from None

    def text(self, pattern):
        return '\n'.join(open(p, encoding='utf-8').read() for p in sorted(glob.glob(f'{self.root}/{pattern}')))

    def classes(self, base):
        parsed = d.read_text(self.text('dext/*.iig'), d.Declarations())
        return {c for c, b in parsed.bases.items() if b == base}


def check_identity(tree):
    app, dext, team = (tree.value(n) for n in ('VFA_APP_ID', 'VFA_DEXT_ID', 'DEVELOPMENT_TEAM'))
    for name, value in (('VFA_APP_ID', app), ('VFA_DEXT_ID', dext)):
        if not re.fullmatch(IDENTIFIER, value):
            yield f'{name}: {value} is no bundle identifier'
    # Xcode refuses to embed what is not named so, and an app may activate only what it carries.
    if not dext.startswith(app + '.'):
        yield f'VFA_DEXT_ID: {dext} does not begin with {app}.'
    if not re.fullmatch(r'([A-Z0-9]{10})?', team):
        yield f'DEVELOPMENT_TEAM: {team} is not ten capital letters and digits'
    if tree.settings.get('VFA_PCI_DEVICES') not in ('chosen', 'all'):
        yield f'VFA_PCI_DEVICES is {tree.settings.get("VFA_PCI_DEVICES")}'
    if tree.settings.get('VFA_SIGNING') not in ('development', 'distribution'):
        yield f'VFA_SIGNING is {tree.settings.get("VFA_SIGNING")}'
    for name in ('MARKETING_VERSION', 'CURRENT_PROJECT_VERSION'):
        if not re.fullmatch(VERSION, tree.value(name)):
            yield f'{name}: {tree.value(name)} is no version'


def check_extension(tree):
    where, dext = 'dext/Info.plist', tree.value('VFA_DEXT_ID')
    plist = tree.plist(where, EXECUTABLE_NAME='VFIOUserPCIDriver')
    same = {'CFBundleIdentifier': dext, 'IOUserServerName': dext}
    yield from compare(where, plist, BUNDLE, same)
    service = re.search(r'VFA_SERVICE_NAME\s+"(\w+)"', tree.text('abi/vfa_dext.h'))[1]
    created = set(re.findall(r'\bCreate\(\s*this\s*,\s*"(\w+)"', tree.text('dext/*.cpp')))
    if not created:
        yield 'dext/*.cpp: no Create(this, "...") of a user client'
    for name, personality in plist.get('IOKitPersonalities', {}).items():
        here = f'{where}: {name}'
        yield from compare(here, personality, PERSONALITY, same, created | set(PCI_KEYS))
        if not any(k in personality for k in PCI_KEYS):
            yield f'{here}: matches no device'
        for key in PCI_KEYS:
            if not re.fullmatch(PCI_MATCH, personality.get(key, '0x00000000')):
                yield f'{here}: {key} is {personality[key]}'
        if personality.get('IOUserClass') not in tree.classes('IOService'):
            yield f'{here}: IOUserClass {personality.get("IOUserClass")} is no service in dext/*.iig'
        if personality.get('IOUserClass') != service:
            yield f'{here}: IOUserClass is {personality.get("IOUserClass")}, clients look for {service}'
        for key in created:
            if not isinstance(personality.get(key), dict):
                yield f'{here}: {key}, which Create() asks for, is no dictionary'
                continue
            yield from compare(f'{here}: {key}', personality[key], CLIENT, {})
            if personality[key].get('IOUserClass') not in tree.classes('IOUserClient'):
                yield f'{here}: {key}: {personality[key].get("IOUserClass")} is no user client in dext/*.iig'


def pci_matches(where, dictionaries):
    """Key -> list of (value, mask)."""
    found = {}
    for entry in dictionaries:
        for key, text in entry.items():
            if key in PCI_KEYS:
                found.setdefault(key, []).extend(matches(text))
    return found


def check_entitlements(tree, signing):
    where = f'dext/VFIOUserPCIDriver.{signing}.entitlements'
    plist = tree.plist(where)
    wanted = {DRIVERKIT: True, f'{DRIVERKIT}.transport.pci': list, 'com.apple.security.app-sandbox': True}
    # Present is enough, whatever its value (IOUserServer.cpp 4760), so it must be nowhere it is not meant.
    if signing == 'development':
        wanted[f'{DRIVERKIT}.allow-any-userclient-access'] = True
    yield from compare(where, plist, wanted, {})
    entries = plist.get(f'{DRIVERKIT}.transport.pci', [])
    for entry in entries:
        if not isinstance(entry, dict) or not entry or set(entry) - set(PCI_KEYS) or \
                not all(re.fullmatch(PCI_MATCH, v) for v in entry.values()):
            yield f'{where}: transport.pci: {entry!r}'
            return
    granted = pci_matches(where, entries)
    for name, personality in tree.plist('dext/Info.plist', EXECUTABLE_NAME='x')['IOKitPersonalities'].items():
        for key, asked in pci_matches(name, [personality]).items():
            if not covered(asked, granted.get(key, [])):
                yield f'{where}: dext/Info.plist matches more devices by {key} than this allows'
            if signing == 'distribution' and not covered(granted.get(key, []), asked):
                yield f'{where}: allows more devices by {key} than dext/Info.plist matches'


def check_programs(tree):
    dext, app = tree.value('VFA_DEXT_ID'), tree.value('VFA_APP_ID')
    yield from compare('cli/vfio-apple.entitlements', tree.plist('cli/vfio-apple.entitlements'),
                       {f'{DRIVERKIT}.userclient-access': [dext]}, {})
    yield from compare('app/VFIOApple.entitlements', tree.plist('app/VFIOApple.entitlements'),
                       {'com.apple.developer.system-extension.install': True}, {})
    plist = tree.plist('app/Info.plist', EXECUTABLE_NAME='VFIOApple', MACOSX_DEPLOYMENT_TARGET='13.0')
    yield from compare('app/Info.plist', plist, APP, {'CFBundleIdentifier': app, 'VFADriverExtension': dext})
    extension = tree.plist('dext/Info.plist', EXECUTABLE_NAME='x')
    for key in ('CFBundleShortVersionString', 'CFBundleVersion'):
        if plist.get(key) != extension.get(key):
            yield f'app/Info.plist: {key} is not that of the extension'


# ---- the Xcode project ----

def target_files(tree, target):
    files, problems = set(), []
    for source in target.get('sources', []):
        folder = os.path.normpath(f'{tree.root}/app/{source["path"]}')
        if not os.path.isdir(folder):
            problems.append(f'{source["path"]} is no folder')
            continue
        for pattern in source.get('includes', []):
            found = [os.path.relpath(f'{p}/{n}', tree.root) for p, _, names in os.walk(folder) for n in names
                     if fnmatch.fnmatch(os.path.relpath(f'{p}/{n}', folder), pattern) and
                     os.path.relpath(f'{p}/{n}', folder).count('/') == pattern.count('/')]
            if not found:
                problems.append(f'{source["path"]}: nothing matches {pattern}')
            files.update(found)
    return files, problems


def paths_of(tree, value):
    for text in value if isinstance(value, list) else [value]:
        if str(text).startswith('$(SRCROOT)/'):
            yield os.path.normpath(f'{tree.root}/app/{text.removeprefix("$(SRCROOT)/")}')


def check_settings(tree, where, settings):
    for name, value in settings.items():
        for used in re.findall(r'\$\((\w+)\)', str(value)):
            if used not in tree.settings and used not in settings and used != 'SRCROOT':
                yield f'{where}: {name}: app/Identity.xcconfig has no {used}'
        for path in paths_of(tree, value):
            for signing in ('development', 'distribution'):
                path_now = path.replace('$(VFA_SIGNING)', signing)
                if '$(' not in path_now and not os.path.exists(path_now):
                    yield f'{where}: {name}: {os.path.relpath(path_now, tree.root)} is not there'


def check_includes(tree, where, files, settings):
    """Every quoted #include is found beside the file, in a header search path, or made from an .iig of the target."""
    folders = list(paths_of(tree, settings.get('HEADER_SEARCH_PATHS', [])))
    made = {os.path.basename(f)[:-4] + '.h' for f in files if f.endswith('.iig')}
    for file in sorted(files):
        text = d.strip_comments(open(f'{tree.root}/{file}', encoding='utf-8').read())
        for name in re.findall(r'#\s*(?:include|import)\s*"([^"]+)"', text):
            beside = os.path.dirname(f'{tree.root}/{file}')
            if name not in made and not any(os.path.exists(f'{f}/{name}') for f in [beside] + folders):
                yield f'{where}: {file} includes {name}, which is in no header search path'


COMPLETE = {    # everything there is, is built
    'VFIOApple': ('app/*.m', 'app/*.c', 'app/*.h'),
    'VFIOUserPCIDriver': ('dext/*.cpp', 'dext/*.iig', 'dext/*.h', 'dext/core/*.c', 'dext/core/*.h', 'abi/vfa_dext.h'),
    'vfio-apple': ('cli/*.c', 'cli/*.h', 'client/src/*.c', 'client/src/*.h', 'client/include/*.h', 'abi/vfa_dext.h'),
}


def check_project(tree):
    with open(f'{tree.root}/app/project.yml', encoding='utf-8') as f:
        project = yaml.safe_load(f)
    for name, path in project['configFiles'].items():
        if name not in project['configs'] or not os.path.exists(f'{tree.root}/app/{path}'):
            yield f'configFiles: {name}: {path}'
    kinds = set(project['configs'].values())
    if kinds != {'debug', 'release'} or set(project['configFiles']) != set(project['configs']):
        yield 'XcodeGen wants a configuration of each kind, and each needs Identity.xcconfig'
    targets = project['targets']
    yield from check_settings(tree, 'settings', project['settings'])
    for name, target in targets.items():
        settings = target.get('settings', {})
        files, problems = target_files(tree, target)
        yield from (f'{name}: {p}' for p in problems)
        yield from check_settings(tree, name, settings)
        yield from check_includes(tree, name, files, settings)
        for pattern in COMPLETE.get(name, ()):
            for path in sorted(glob.glob(f'{tree.root}/{pattern}')):
                if os.path.relpath(path, tree.root) not in files:
                    yield f'{name}: {os.path.relpath(path, tree.root)} is not built'
        for dependency in target.get('dependencies', []):
            if 'target' in dependency and dependency['target'] not in targets:
                yield f'{name}: there is no target {dependency["target"]}'
    for name in COMPLETE:
        if name not in targets:
            yield f'target {name} is missing'
            return

    dext, app = targets['VFIOUserPCIDriver'], targets['VFIOApple']
    settings = dext['settings']
    # The file name of a driver extension is its identifier (developer.apple.com, SystemExtensions).
    for key, value in {'SDKROOT': 'driverkit', 'PRODUCT_NAME': '$(VFA_DEXT_ID)',
                       'PRODUCT_BUNDLE_IDENTIFIER': '$(VFA_DEXT_ID)'}.items():
        if settings.get(key) != value:
            yield f'VFIOUserPCIDriver: {key} is {settings.get(key)}, not {value}'
    if dext['type'] != 'driver-extension' or app['type'] != 'application' or targets['vfio-apple']['type'] != 'tool':
        yield 'the targets are not a driver extension, an application and a tool'
    if not {'DriverKit', 'PCIDriverKit'} <= set(settings.get('OTHER_LDFLAGS', [])):
        yield 'VFIOUserPCIDriver: DriverKit and PCIDriverKit are not linked'
    oldest = project['options']['deploymentTarget']
    if float(settings['DRIVERKIT_DEPLOYMENT_TARGET']) < 22 or float(oldest['macOS']) < 13:
        yield 'deployment targets: DriverKit 22 and macOS 13 are the oldest'
    embedded = {e['target']: e for e in app['dependencies'] if 'target' in e}
    if not {'VFIOUserPCIDriver', 'vfio-apple'} <= set(embedded):
        yield 'VFIOApple: does not embed the extension and the tool'
    elif embedded['vfio-apple'].get('copy', {}).get('destination') != 'executables':
        yield 'VFIOApple: the tool is not copied to Contents/MacOS'
    # macOS kills a program that claims what no profile grants it; a tool has no place for a profile.
    if targets['vfio-apple']['settings'].get('TOOL_ENTITLEMENTS_development'):
        yield 'vfio-apple: is signed with an entitlement in development'
    used = set(re.findall(r'#\s*import\s*<(\w+)/', tree.text('app/*.[mh]')))
    linked = {e['sdk'].removesuffix('.framework') for e in app['dependencies'] if 'sdk' in e}
    for framework in sorted(used - linked):
        yield f'VFIOApple: {framework} is not linked'


def main(arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    root = arguments[1] if arguments[:1] == ['--root'] else os.path.normpath(f'{here}/../..')
    result('app/Identity.xcconfig names things as Apple demands', check_identity(Tree(root)))
    for devices in ('chosen', 'all'):
        tree = Tree(root, VFA_PCI_DEVICES=devices)
        result(f'dext/Info.plist, {devices} devices: every key is there and well-formed', check_extension(tree))
        for signing in ('development', 'distribution'):
            result(f'{signing} entitlements, {devices} devices: those of the property list, and no more',
                   check_entitlements(tree, signing))
    result('the app and the tool are entitled to what they do', check_programs(Tree(root)))
    if yaml:
        result('app/project.yml builds every source, with settings and files that exist', check_project(Tree(root)))
    else:
        print('ok - app/project.yml # SKIP python3 has no yaml')
    return failed


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
