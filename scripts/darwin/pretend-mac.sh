#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fill a folder with programs that answer as they do on an Apple Silicon Mac.  As the PATH, they let makefiles and scripts
# take their way through a Mac, where what macOS does not have is not found.  Those that would change something only write
# down how they were called.
#
#   scripts/darwin/pretend-mac.sh DIR      DIR/calls gets the calls; HOMEBREW, where Homebrew is (default /opt/homebrew)
set -eu

dir=$1
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
: >"$dir/calls"

program()
{	# name; its body on standard input
	{
		echo '#!/bin/sh'
		echo "echo \"$1 \$*\" >>'$dir/calls'"
		cat
	} >"$dir/$1"
	chmod +x "$dir/$1"
}

program uname <<'END'
case ${1:-} in
-m | -p) echo arm64 ;;
-sm) echo Darwin arm64 ;;
-r) echo 22.6.0 ;;
*) echo Darwin ;;
esac
END
program sw_vers <<<'echo 13.6'
program xcode-select <<<'echo /Applications/Xcode.app/Contents/Developer'
program brew <<END
[ "\$1" != --prefix ] || echo ${HOMEBREW:-/opt/homebrew}
END
for name in xcodebuild xcodegen codesign; do
	program $name </dev/null
done

# Of what macOS and its command line tools bring, what makefiles and scripts may use; found here under the same names.
for name in awk basename bash bison cat chmod clang clang++ cmp cp curl cut date diff dirname echo env expr false find flex \
		getconf git grep gunzip gzip head hostname id install ln ls make mkdir mktemp mv od patch perl printf ps pwd \
		python3 rm rmdir sed sh shasum sleep sort stat tail tar tee test touch tr true tty uniq wc which xargs; do
	real=$(command -v "$name") || continue
	[ -e "$dir/$name" ] || ln -s "$real" "$dir/$name"
done
