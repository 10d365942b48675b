# SPDX-License-Identifier: GPL-2.0-or-later
"""Declarations of C++ headers, .iig files and tests/contract/driverkit-interfaces.txt, in one comparable form.

Not a compiler: it reads the plain style these files are written in.  What it does not understand it leaves out, and
the caller, who asks for a declaration by name, finds it missing.
"""

import re

# What a method becomes for those who call or override it.
LOCAL = 'local'             # a plain C++ method
DISPATCHED = 'dispatched'   # sent: M(..., supermethod) and M_Impl()
STATIC = 'static'

# Plain in OSMetaClassBase and OSObject; overrides do not repeat it.
ALWAYS_LOCAL = {'init', 'free', 'retain', 'release', 'isEqualTo', 'getMetaClass'}

# How the files are read: as a dext's compiler sees them.
MACROS = {'__IIG': 1, 'KERNEL': None, 'DRIVERKIT_PRIVATE': None, 'PRIVATE_WIFI_ONLY': None, 'XNU_PLATFORM_DriverKit': 1,
          '__cplusplus': 201703, '__LP64__': 1, '__BLOCKS__': 1, 'XNU_TARGET_OS_OSX': 1, 'TARGET_OS_DRIVERKIT': 1}
NOISE = {'LOCALONLY', 'LOCAL', 'LOCALHOST', 'REMOTE', 'KERNEL', 'NATIVE', 'REPLY', 'INVOKEREPLY', 'TARGET', 'virtual',
         'static', 'inline', 'extern', 'override', 'final', 'PORTMAKESEND', 'PORTCOPYSEND', 'struct', 'enum',
         'CF_RETURNS_RETAINED', 'CF_RELEASES_ARGUMENT', 'IIG_SERIALIZABLE', '_Nonnull', '_Nullable'}


class Declarations:
    def __init__(self):
        self.bases = {}         # class -> base
        self.methods = {}       # (class, name) -> {(kind, result, parameters, const)}
        self.arguments = {}     # (class, name) -> parameters of #define Class_Name_Args
        self.aliases = {}       # (class, name) -> (class, name): #define Class_Name_Args Base_Name_Args
        self.texts = {}         # (class, name) -> the declaration as it stands, without comments
        self.functions = {}     # name -> {(result, parameters)}
        self.constants = {}     # name -> number or text
        self.macros = {}        # name -> number of parameters
        self.structs = {}       # name -> ((type, field), ...)
        self.typedefs = {}      # name -> text
        self.variables = {}     # name -> type
        self.sources = {}       # table only: (kind, name) -> source

    def chain(self, name):
        while name:
            yield name
            name = self.bases.get(name)

    def find_method(self, cls, name):
        for owner in self.chain(cls):
            if (owner, name) in self.methods:
                return owner, self.methods[owner, name]
        return None, set()

    def names(self):
        return ({('class', n) for n in self.bases} | {('method', f'{c}::{n}') for c, n in self.methods} |
                {('function', n) for n in self.functions} | {('constant', n) for n in self.constants} |
                {('macro', n) for n in self.macros} | {('struct', n) for n in self.structs} |
                {('typedef', n) for n in self.typedefs} | {('variable', n) for n in self.variables})


# ---- text ----

def strip_comments(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', lambda m: m[0] if m[0][0] == '"' else
                  re.sub(r'[^\n]', '', m[0]) or ' ', text, flags=re.S)


def condition(expression):
    expression = re.sub(r'defined\s*\(?\s*(\w+)\s*\)?', lambda m: str(int(MACROS.get(m[1]) is not None)), expression)
    expression = re.sub(r'\b\w+\s*\([^()]*\)', '0', expression)     # __has_feature(x)
    expression = re.sub(r'\b[A-Za-z_]\w*', lambda m: str(MACROS.get(m[0]) or 0), expression)
    expression = re.sub(r'\b(\d\w*?)[uUlL]+\b', r'\1', expression)
    expression = expression.replace('&&', ' and ').replace('||', ' or ')
    expression = re.sub(r'!(?!=)', ' not ', expression)
    try:
        return bool(eval(expression, {'__builtins__': {}}))     # numbers and operators only, by now
    except SyntaxError:
        return False


def preprocess(text):
    """Lines that a dext's compiler would see, and its #defines."""
    lines, defines, stack = [], [], []
    for line in re.sub(r'\\\n', ' ', text).split('\n'):
        match = re.match(r'\s*#\s*(\w+)\s*(.*)', line)
        if not match:
            if all(taken for taken, _ in stack):
                lines.append(line)
            continue
        word, rest = match.groups()
        if word in ('if', 'ifdef', 'ifndef'):
            if word == 'if':
                value = condition(rest)
            else:
                value = (MACROS.get(rest.split()[0]) is not None) == (word == 'ifdef')
            stack.append((value, value))
        elif word == 'elif' and stack:
            value = not stack[-1][1] and condition(rest)
            stack[-1] = (value, stack[-1][1] or value)
        elif word == 'else' and stack:
            stack[-1] = (not stack[-1][1], True)
        elif word == 'endif' and stack:
            stack.pop()
        elif word == 'define' and all(taken for taken, _ in stack):
            defines.append(rest)
    return '\n'.join(lines), defines


def matching(text, start):
    depth = 0
    for i in range(start, len(text)):
        depth += text[i] in '({['
        depth -= text[i] in ')}]'
        if not depth:
            return i
    return len(text)


def split(text, separator=','):
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(text):
        depth += c in '(<[{'
        depth -= c in ')>]}'
        if c == separator and not depth:
            parts.append(text[begin:i])
            begin = i + 1
    return [p.strip() for p in parts + [text[begin:]] if p.strip()]


# ---- types ----

def clean_type(text):
    text = re.sub(r'__attribute__\s*\(\(.*\)\)|\b(?:TYPE|QUEUENAME)\s*\([^)]*\)', ' ', text)
    words = [w for w in re.findall(r'\w+|::|[*&<>,^()\[\]]|\.\.\.', text) if w not in NOISE]
    text = ' '.join(words)
    text = re.sub(r'\b(OS\w+)Ptr\b', r'\1 *', text)
    text = re.sub(r'\bunsigned int\b', 'uint32_t', text)
    text = re.sub(r'\s*([*&])\s*', r' \1', text)
    text = re.sub(r'([*&]) (?=[*&])', r'\1', text)
    text = re.sub(r'\s*\[\s*(\w*)\s*\]', r'[\1]', text)
    return re.sub(r'\s+', ' ', text).strip()


def parameter_type(text):
    text = re.sub(r'\s*=.*', '', text.strip())
    block = re.match(r'(.*)\(\s*([\^*])\s*\w*\s*\)\s*\((.*)\)$', text, re.S)
    if block:
        return f'{clean_type(block[1])} ({block[2]})({", ".join(parameter_types(block[3]))})'
    array = re.search(r'\[[^\]]*\]\s*$', text)
    suffix = clean_type(array[0]) if array else ''
    text = clean_type(text[:array.start()] if array else text)
    named = re.match(r'(.*[\w*&>])\s*\b(\w+)$', text)
    # Not a name: the second word of "const char", "unsigned int".
    if named and not re.fullmatch(r'const|unsigned|signed|long|short', named[1]):
        text = named[1].strip()
    return text + suffix


def parameter_types(text):
    types = tuple(parameter_type(p) for p in split(text))
    return () if types == ('void',) else types


def decayed(types, typedefs):
    """As the same parameters look where arrays have become pointers."""
    def one(text):
        const = 'const ' if text.startswith('const ') else ''
        name = text.removeprefix('const ')
        array = re.fullmatch(r'(\w+)\[\w*\]', typedefs.get(name, name))
        return f'{const}{array[1]} *' if array else text
    return tuple(one(t) for t in types)


# ---- values ----

def number(text, known):
    text = re.sub(r'\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b', r'\1', text.strip())
    text = re.sub(r'\((?:int|signed|unsigned|uint32_t|kern_return_t|\(unsigned\))\)', '', text)
    functions = {'err_system': lambda x: (x & 0x3f) << 26, 'err_sub': lambda x: (x & 0xfff) << 14,
                 'iokit_common_err': lambda x: 0x38 << 26 | x, 'iokit_common_msg': lambda x: 0x38 << 26 | x}
    values = {k: v for k, v in known.items() if isinstance(v, int)}
    if not re.fullmatch(r'[\w\s()|&<>+\-*~^]+', text):
        return None
    try:
        value = eval(text, {'__builtins__': {}}, {**functions, **values})
    except (SyntaxError, NameError, TypeError):
        return None
    return value & 0xffffffff if isinstance(value, int) else None


def constant(text, known):
    strings = re.fullmatch(r'((?:"[^"]*"\s*)+)', text.strip())
    if strings:
        return '"' + ''.join(re.findall(r'"([^"]*)"', text)) + '"'
    return number(text, known)


def read_enums(text, into):
    for match in re.finditer(r'\benum\b\s*(\w+)?\s*(?::\s*\w+\s*)?\{([^{}]*)\}', text):
        following = 0
        for entry in split(match[2]):
            name, _, value = (p.strip() for p in entry.partition('='))
            value = number(value, into) if value else following
            if value is None or not re.fullmatch(r'\w+', name):
                continue
            into[name] = value
            following = value + 1


# ---- files ----

def read_text(text, into, header=False):
    """header: plain C++, where nothing is dispatched that does not say so."""
    text, defines = preprocess(strip_comments(text))
    for define in defines:
        read_define(define, into)
    text = re.sub(r'\b_*API_\w+\s*\((?:[^()]|\([^()]*\))*\)|\bAVAILABLE_MAC_\w+|\bDEPRECATED_\w+', ' ', text)
    read_enums(text, into.constants)
    text = re.sub(r'\bextern\s*"C"(?:\s*\+\+)?\s*\{', ' ', text)
    position = 0
    pattern = re.compile(r'\b(class|struct)\b([^;{}()]*?)([;{])|\b(typedef)\b')
    outside = []
    while True:
        match = pattern.search(text, position)
        if not match:
            outside.append(text[position:])
            break
        outside.append(text[position:match.start()])
        if match[4]:
            end = statement_end(text, match.end())
            body = text[match.end():end]
            read_typedef(body, into)
            position = end + 1
        elif match[3] == ';':
            position = match.end()
        else:
            end = matching(text, match.end() - 1)
            read_class(match[1], match[2], text[match.end():end], into, header)
            position = end + 1
    read_functions(' '.join(outside), into)
    return into


def statement_end(text, start):
    depth = 0
    for i in range(start, len(text)):
        depth += text[i] in '({'
        depth -= text[i] in ')}'
        if text[i] == ';' and not depth:
            return i
    return len(text)


def read_define(define, into):
    match = re.match(r'(\w+)(\(([^)]*)\))?\s*(.*)', define, re.S)
    name, function, parameters, value = match.groups()
    arguments = re.fullmatch(r'(\w+?)_(_?[A-Za-z]\w*)_Args', name)
    if arguments and function is None:
        alias = re.fullmatch(r'(\w+?)_(_?[A-Za-z]\w*)_Args', value.strip())
        key = arguments[1], arguments[2]
        if alias:
            into.aliases[key] = alias[1], alias[2]
        else:
            into.arguments[key] = parameter_types(value)
    elif function is not None:
        into.macros[name] = len(split(parameters))
    elif value and not name.endswith('_ID'):
        found = constant(value, into.constants)
        if found is not None:
            into.constants[name] = found


def read_typedef(body, into):
    body = body.strip()
    inner = re.match(r'(?:struct|enum)\s*(\w*)[^{]*\{(.*)\}\s*(\w+)', body, re.S)
    if inner:
        if body.startswith('struct'):
            read_fields(inner[3], inner[2], into)
        return
    pointer = re.match(r'(.*?)\(\s*([*^])\s*(\w+)\s*\)\s*\((.*)\)', body, re.S)
    if pointer:
        into.typedefs[pointer[3]] = f'{clean_type(pointer[1])} ({pointer[2]})({", ".join(parameter_types(pointer[4]))})'
        return
    plain = re.match(r'(.*[\s*])(\w+)\s*(\[[^\]]*\])?$', body, re.S)
    if plain:
        size = plain[3] or ''
        bound = number(size[1:-1], into.constants) if size else None
        into.typedefs[plain[2]] = clean_type(plain[1]) + (f'[{bound}]' if bound is not None else clean_type(size))


def read_fields(name, body, into):
    fields = []
    for statement in split(body, ';'):
        match = re.match(r'(.*[\s*])(\w+)\s*(\[[^\]]*\])?$', statement, re.S)
        if match and '(' not in statement:
            fields.append((clean_type(match[1]) + clean_type(match[3] or ''), match[2]))
    into.structs[name] = tuple(fields)


def read_class(word, head, body, into, header):
    if 'EXTENDS' in head:       # see read_extension
        return
    names = re.findall(r'\w+', head.split(':')[0])
    names = [n for n in names if n not in NOISE]
    if not names:
        return
    name = names[-1]
    base = re.search(r':\s*public\s+(\w+)', head)
    methods = '(' in re.sub(r'\bstatic_assert\b.*', '', body)
    if word == 'struct' and not methods:
        read_fields(name, body, into)
        return
    if base:
        into.bases[name] = base[1]
    read_methods(name, body, into, header)


def read_extension(text, into):
    """class EXTENDS (Class) Private { ... }: its methods are methods of Class."""
    text, _ = preprocess(strip_comments(text))
    for match in re.finditer(r'\bclass\s+EXTENDS\s*\(\s*(\w+)\s*\)\s*\w+\s*\{', text):
        read_methods(match[1], text[match.end():matching(text, match.end() - 1)], into)


def read_methods(cls, body, into, header=False):
    for statement in split(re.sub(r'\{[^{}]*\}', ';', re.sub(r'\{[^{}]*\}', ';', body)), ';'):
        statement = re.sub(r'OSDeclareClass\([^)]*\)|\b(public|protected|private)\s*:', '', statement).strip()
        match = re.match(r'([\w\s:*&<>,]*?)\b(_?[A-Za-z]\w*)\s*\(', statement)
        if not match or not match[1].strip() or 'operator' in match[1] or match[2].endswith('_Impl'):
            continue
        close = matching(statement, match.end() - 1)
        head, parameters, tail = match[1], statement[match.end():close], statement[close + 1:]
        types = parameter_types(parameters)
        kind = LOCAL if header else DISPATCHED
        if 'static' in head.split():
            kind = STATIC
        elif re.search(r'\bLOCALONLY\b', tail) or match[2] in ALWAYS_LOCAL:
            kind = LOCAL
        if types and types[-1] == 'OSDispatchMethod':
            types, kind = types[:-1], DISPATCHED
        const = bool(re.match(r'\s*const\b', tail))
        into.texts[cls, match[2]] = statement
        into.methods.setdefault((cls, match[2]), set()).add((kind, clean_type(head), types, const))


def read_functions(text, into):
    for statement in split(re.sub(r'\{[^{}]*\}', ';', re.sub(r'\{[^{}]*\}', ';', text)), ';'):
        variable = re.search(r'\bextern\s+([\w\s*]*[\s*])(\w+)$', statement)
        if variable and '(' not in statement:
            into.variables[variable[2]] = clean_type(variable[1])
            continue
        match = re.search(r'((?:\b(?:extern|const|unsigned|struct)\s+)*\b\w+[\s*]+)(\w+)\s*\(', statement)
        if not match or match[1].split()[0] in ('return', 'static_assert', 'typedef', 'define'):
            continue
        close = matching(statement, match.end() - 1)
        types = parameter_types(statement[match.end():close])
        into.functions.setdefault(match[2], set()).add((clean_type(match[1]), types))


# ---- the table ----

def read_table(path):
    """See the head of driverkit-interfaces.txt."""
    table, source = Declarations(), ''
    ours = set()
    with open(path, encoding='utf-8') as f:
        for n, line in enumerate(f, 1):
            line = line.split('#')[0].strip() if not line.strip().startswith('constant') else line.strip()
            if not line:
                continue
            word, _, rest = line.partition(' ')
            if word == 'source':
                source = rest
                continue
            if word == 'ours':
                ours.update(rest.split())
                continue
            key = read_line(word, rest, table, f'{path}:{n}')
            table.sources[key] = source
    return table, ours


def read_line(word, rest, table, where):
    method = re.fullmatch(r'(\w+)::(\w+) (local|dispatched|static) (.*?) ?\((.*)\)( const)?', rest)
    function = re.fullmatch(r'(\w+) (.*?) ?\((.*)\)', rest)
    name, _, value = rest.partition(' ')
    if word == 'method' and method:
        types = tuple(split(method[5]))
        table.methods.setdefault((method[1], method[2]), set()).add((method[3], method[4], types, bool(method[6])))
        return 'method', f'{method[1]}::{method[2]}'
    if word == 'function' and function:
        table.functions.setdefault(function[1], set()).add((function[2], tuple(split(function[3]))))
        return 'function', function[1]
    if word == 'class':
        table.bases[name] = value
    elif word == 'constant':
        table.constants[name] = value if value.startswith('"') else int(value, 0)
    elif word == 'macro':
        table.macros[name] = int(value)
    elif word == 'struct':
        fields = (re.fullmatch(r'(.*[ *])(\w+)', f) for f in split(value, ';'))
        table.structs[name] = tuple((m[1].strip(), m[2]) for m in fields)
    elif word == 'typedef':
        table.typedefs[name] = value
    elif word == 'variable':
        table.variables[name] = value
    else:
        raise ValueError(f'{where}: not understood: {word} {rest}')
    return word, name
