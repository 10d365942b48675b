#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: promises about the source tree.  The shipped rooms never learn what stands underneath them.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. tests/tap.sh

# Every file of the repository that is text; what is not yet committed counts too.
git ls-files -z --cached --others --exclude-standard >"$work/all" 2>/dev/null ||
	find . -path ./build -prune -o -path ./.git -prune -o -type f -printf '%P\0' >"$work/all"
xargs -0 grep -IlZ '' <"$work/all" >"$work/text" 2>/dev/null

in_rooms()
{	# regular expression of file names: NUL-separated list of them
	grep -zE "$1" "$work/text"
}

shipped='^(abi|dext|client|qemu|guest|cli|app)/'
in_rooms "$shipped" | grep -zvE '(^|/)room\.mk$' >"$work/shipped"
[ "$(tr -cd '\0' <"$work/shipped" | wc -c)" -gt 10 ] || echo "no shipped sources found" >"$work/few"
touch "$work/few"
none "there are shipped sources to look at" "$work/few"

# "this" file lists the words it looks for.
xargs -0 grep -inE 'macsim|simulat|fake device|#[[:space:]]*if.*\bSIM' <"$work/shipped" >"$work/hits"
none "no shipped source mentions macsim or simulation" "$work/hits"

in_rooms "$shipped" | grep -zE '(^|/)room\.mk$' | xargs -0 -r grep -inE 'macsim|simulat' >"$work/hits"
none "build rules of shipped rooms name the platform only through PLATFORM_ variables" "$work/hits"

# The two places where the shipped rooms may differ between host systems are about the system, not about what it is made of.
in_rooms '^(abi|dext|client|cli|app)/' | xargs -0 grep -nE '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif).*(__linux__|__APPLE__|_WIN32)' |
	grep -v '^cli/host\.c:' >"$work/hits"
none "only cli/host.c asks which host system it is" "$work/hits"

in_rooms '\.([chmS]|cpp|cc|hpp|iig|sh|py|mk|awk|dts)$|(^|/)(Makefile|Kbuild)$' |
	xargs -0 grep -LE 'SPDX-License-Identifier: ' >"$work/hits"
none "every source file has an SPDX line" "$work/hits"

# Written in halves, so that this file does not match itself.
h1='registry\.npm''js|deb\.deb''ian|security\.deb''ian|files\.python''hosted|static\.crates|proxy\.gol''ang|snapshot\.deb''ian'
xargs -0 grep -nE "https?://[^ ]*($h1)|($h1)\.(org|com|io)" <"$work/text" >"$work/hits"
none "no file names a package registry's host" "$work/hits"

h2='(^|[^A-Za-z0-9_./-])/wo''rk/|/tmp/br''ief'
xargs -0 grep -nE "$h2" <"$work/text" >"$work/hits"
none "no file holds a path of the machine it was written on" "$work/hits"

h3='TO''DO|FIX''ME|X''XX'
in_rooms '^(abi|dext|client|qemu|guest|cli|app|macsim|scripts|tests)/' | grep -zvE '\.(patch|diff)$' | xargs -0 grep -nwE "$h3" >"$work/hits"
none "no source leaves work for later in a comment" "$work/hits"

for header in abi/apple_dma.h abi/vfa_dext.h; do
	: >"$work/hits"
	for compiler in "gcc -x c -std=c11" "clang -x c -std=c11" "gcc -x c -std=c99 -pedantic" "g++ -x c++ -std=c++17" \
			"clang++ -x c++ -std=c++17"; do
		$compiler -Wall -Wextra -Werror -fsyntax-only -include "$header" /dev/null >"$work/log" 2>&1 ||
			{ echo "$compiler:" && cat "$work/log"; } >>"$work/hits"
	done
	none "$header stands alone in C and C++ with gcc and clang" "$work/hits"
	head -n 1 "$header" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later OR BSD-3-Clause' && : >"$work/hits" ||
		echo "$header" >"$work/hits"
	none "$header may be used under either licence" "$work/hits"
done

# The specification and the header name the same things.
check_spec()
{	# header, specification, pattern of names
	: >"$work/hits"
	grep -oE "\\b$3[A-Z0-9_]+\\b" "$1" | sort -u | while read -r name; do
		grep -qw -- "$name" "$2" 2>/dev/null || echo "$2 does not mention $name"
	done >"$work/hits"
	none "$2 covers every name of $1" "$work/hits"
}
check_spec abi/apple_dma.h docs/spec-guest.md '(ADMA_REG_|ADMA_OP_|ADMA_E_|ADMA_CTL_|ADMA_ST_|ADMA_MAP_|ADMA_FN_)'
check_spec abi/apple_dma.h qemu/docs/apple-dma.rst '(ADMA_REG_|ADMA_OP_|ADMA_E_|ADMA_CTL_|ADMA_ST_|ADMA_MAP_|ADMA_FN_)'
check_spec abi/vfa_dext.h docs/spec-dext.md '(VFA_E_|VFA_DMA_|VFA_CONFIG_|VFA_BAR_READ|VFA_BAR_WRITE|VFA_RESET|VFA_IRQ_|VFA_HELLO|VFA_CLAIM|VFA_RELEASE|VFA_GET_|VFA_SET_)'

# Property lists are read by macOS, not by a compiler.
python3 - >"$work/hits" 2>&1 <<'END'
import glob, plistlib, re

lists = {path: plistlib.load(open(path, "rb")) for path in glob.glob("[!b]*/*.plist") + glob.glob("[!b]*/*.entitlements")}
service = re.search(r'VFA_SERVICE_NAME\s+"(\w+)"', open("abi/vfa_dext.h").read()).group(1)
classes = {p.get("IOUserClass") for p in lists["dext/Info.plist"]["IOKitPersonalities"].values()}
if classes != {service}:
    print(f"dext/Info.plist: IOUserClass is {classes}, clients look for {service}")
bundle = lists["dext/Info.plist"]["CFBundleIdentifier"]
for path, p in lists.items():
    if bundle not in p.get("com.apple.developer.driverkit.userclient-access", [bundle]):
        print(f"{path}: gives no access to {bundle}")
END
none "the extension's property lists are well-formed and carry the name clients look for" "$work/hits"

# Links inside the documentation lead somewhere.
in_rooms '\.md$' | while IFS= read -r -d '' page; do
	grep -oE '\]\([^)#: ]+' "$page" | sed 's/^](//' | while read -r target; do
		[ -e "$(dirname "$page")/$target" ] || echo "$page: $target"
	done
done >"$work/hits"
none "links in the documentation lead to files" "$work/hits"

if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning cli/vfio-apple.1 >"$work/hits" 2>&1
	none "the manual page is clean" "$work/hits"
fi

done_testing
