#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Install what building and testing needs, on a bare Debian 12.  Silent and quick when all of it is there.
# Elsewhere: name the missing tools and let the user's own package manager do it.  On a Mac `deps.sh --install` has
# Homebrew install what the Brewfile lists; that part keeps to what bash 3.2 knows.
set -u

# package or package:command     reason.  With a command, any provider of that command will do.
packages='
make                    the build
git:git                 the tests look at the tree as git sees it, and apply the series for QEMU
patch:patch             QEMU patches
perl:perl               checkpatch.pl of QEMU, on our patches
ca-certificates         package downloads
xz-utils                kernel modules and source archives are xz
python3                 meson, and checks of JSON output
python3-yaml            the Xcode project is described in YAML, and checked here
python3-venv            QEMU builds its meson in a virtual environment
clang                   compiler of everything outside QEMU and the guest; the dext uses blocks
libblocksruntime-dev    blocks off a Mac
gcc                     second compiler: the ABI headers must satisfy both; also builds QEMU
g++                     the same for C++
libc6-dev               C library headers
libcmocka-dev           unit tests
ninja-build             QEMU build
pkg-config              QEMU build
libglib2.0-dev          QEMU build
libpixman-1-dev         QEMU build
libfdt-dev              QEMU build: the arm virt machine
libslirp-dev            QEMU build: user networking
flex                    QEMU and kernel build
bison                   QEMU and kernel build
gcc-aarch64-linux-gnu   the guest kernel module
libc6-dev-arm64-cross   static programs in the guest image
libelf-dev              kernel module build tools
libssl-dev              kernel module build tools
bc                      kernel build
patchelf                the compiler of newer kernels, run on its own C library
sparse                  static checks of the guest module
llvm:llvm-objdump       reads the executables that are built for macOS
ruby:ruby               checks the Homebrew formula
cpio                    guest image
kmod                    guest image: module dependencies
dpkg-dev                Debian source packages of QEMU and the kernel
e2fsprogs               disk images for the tests
pci.ids                 device names in `vfio-apple list`
mandoc                  checks the manual page
debhelper               the Debian package of the guest module
dh-dkms                 the same: what a DKMS package has to do when installed and removed
lintian                 checks that package
shellcheck              checks the scripts it installs
mmdebstrap              clean Debian systems, to install it in and to boot
qemu-user-static        arm64 programs while such a system is put together
qemu-utils:qemu-img     guest images
qemu-efi-aarch64        UEFI firmware to boot them with
mtools                  their EFI system partition
dosfstools              the same
fdisk:sfdisk            their partition table
npm:npm                 the Zig compiler, which cross-compiles for macOS, is an npm package
'

tools='make git xz python3 clang gcc g++ ninja pkg-config flex bison aarch64-linux-gnu-gcc bc cpio npm'

fail()
{
	echo "deps.sh: $*" >&2
	exit 1
}

if [ "$(uname -s)" = Darwin ]; then
	[ "$(uname -m)" = arm64 ] ||
		fail "this Mac has an Intel processor (or this shell runs under Rosetta); vfio-apple needs Apple Silicon"
	major=$(sw_vers -productVersion | cut -d. -f1)
	[ "$major" -ge 13 ] || fail "this is macOS $(sw_vers -productVersion); vfio-apple needs macOS 13 or newer"
	xcode-select -p >/dev/null 2>&1 || fail "the command line tools are missing: run xcode-select --install"
	[ "${1:-}" = --install ] || exit 0
	command -v brew >/dev/null || fail "Homebrew is missing: install it from https://brew.sh, then run make deps again"
	exec brew bundle --file="$(dirname "$0")/../Brewfile"
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	absent=
	for t in $tools; do
		command -v "$t" >/dev/null || absent="$absent $t"
	done
	[ -z "$absent" ] || fail "this is not a Debian system and these tools are missing:$absent; install them with your package manager"
	exit 0
fi

declare -A installed
while read -r state name; do
	[ "$state" = ii ] && installed[$name]=1
done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n')

want=()
while read -r entry _; do
	[ -n "$entry" ] || continue
	package=${entry%%:*} command=
	[ "$entry" = "$package" ] || command=${entry#*:}
	[ -n "${installed[$package]:-}" ] && continue
	[ -n "$command" ] && command -v "$command" >/dev/null && continue
	want+=("$package")
done <<<"$packages"
[ ${#want[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || fail "these packages are missing and need root to install: ${want[*]}"
	sudo=(sudo)
fi

log=$(mktemp) || fail "no room for a log file in ${TMPDIR:-/tmp}"
trap 'rm -f "$log"' EXIT
apt()
{
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
		>"$log" 2>&1 </dev/null
}

echo "deps.sh: installing ${want[*]}"
apt install --no-install-recommends "${want[@]}" && exit 0
# Package lists are absent or old on a fresh image.
apt update || fail "package ${want[0]} cannot be installed: the package lists cannot be updated ($(grep -m1 -E '^(E|Err|W):' "$log" || tail -n 1 "$log"))"
apt install --no-install-recommends "${want[@]}" && exit 0

# Name the culprit: together they failed, one by one the first failure shows which.
for p in "${want[@]}"; do
	apt install --no-install-recommends "$p" || fail "package $p cannot be installed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"
done
