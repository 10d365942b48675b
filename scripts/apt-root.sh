#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make a private apt root: packages of any Debian suite and architecture, fetched through the mirror and the keys this
# machine already trusts, without touching the machine's own apt.
#
#   scripts/apt-root.sh DIR SUITE ARCH [SUITE...]      ARCH is an architecture or "source"
#   apt-get $(cat DIR/options) download PACKAGE        (or: apt-cache $(cat DIR/options) show PACKAGE)
#
# Reads /etc/apt/sources.list and sources.list.d in both formats.  SUITE-security joins when the machine has a
# security mirror that carries it.  Run again: refreshes lists older than a day, else does nothing.
set -eu

fail()
{
	echo "apt-root.sh: $*" >&2
	exit 1
}

[ $# -ge 3 ] || fail "usage: apt-root.sh DIR SUITE ARCH [SUITE...]"
dir=$1 suites=$2 arch=$3
shift 3
suites="$suites $*"

command -v apt-get >/dev/null || fail "apt-get is missing: this needs a Debian system, or the files in \$VFIO_APPLE_CACHE"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
case $dir in *[[:space:]]*) fail "$dir: apt options cannot carry white space in a path" ;; esac

# One line per enabled binary source of the machine: "uri<TAB>suite<TAB>key file or -".
machine_sources()
{
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '
		$1 == "deb" {
			key = "-"
			first = 2
			if ($2 ~ /^\[/) {
				while ($first !~ /\]$/ && first < NF)
					first++
				first++
				for (i = 2; i < first; i++) {
					opt = $i
					gsub(/[][]/, "", opt)
					if (sub(/^signed-by=/, "", opt))
						key = opt
				}
			}
			print $first "\t" $(first + 1) "\t" key
		}'
	for list in /etc/apt/sources.list.d/*.sources; do
		[ -r "$list" ] && cat "$list" && echo
	done | awk '
		function flush(  i, j, u, s, nu, ns) {
			if (types ~ /(^| )deb( |$)/ && enabled != "no") {
				nu = split(uris, u, " ")
				ns = split(list, s, " ")
				for (i = 1; i <= nu; i++)
					for (j = 1; j <= ns; j++)
						print u[i] "\t" s[j] "\t" (key ~ /^\// ? key : "-")
			}
			types = uris = list = key = enabled = field = ""
		}
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		/^[^ \t:]+:/ {
			field = tolower($1)
			sub(/:.*/, "", field)
			value = $0
			sub(/^[^:]*:[ \t]*/, "", value)
			if (field == "types") types = value
			else if (field == "uris") uris = value
			else if (field == "suites") list = value
			else if (field == "signed-by") key = value
			else if (field == "enabled") enabled = value
			next
		}
		field == "uris" { uris = uris " " $0 }
		field == "suites" { list = list " " $0 }
		END { flush() }' /dev/null $(find /etc/apt/sources.list.d -name '*.sources')
}

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
main='' security='' key=-
while IFS=$'\t' read -r uri suite signed; do
	case $suite in
	"$codename"-security | */updates) [ -n "$security" ] || security=$uri ;;
	"$codename" | stable | testing | unstable | sid)
		case $uri in
		*debian*) [ -n "$main" ] || { main=$uri key=$signed; } ;;
		esac
		;;
	esac
done < <(machine_sources)
[ -n "$main" ] || fail "no Debian mirror in /etc/apt/sources.list or sources.list.d: add one, or put the files in \$VFIO_APPLE_CACHE"
[ "$key" != - ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$key" ] || fail "$key is missing: install debian-archive-keyring"

# "source" wants source packages, anything else binary packages of that architecture.
native=$(dpkg --print-architecture)
type=deb binary=$arch
[ "$arch" != source ] || { type=deb-src binary=$native; }

wanted=$(
	for s in $suites; do
		echo "$type [signed-by=$key] $main $s main"
		# unstable has no security suite, backports and updates neither.
		case $s in
		sid | unstable | experimental | *-*) ;;
		*) [ -z "$security" ] || echo "$type [signed-by=$key] $security $s-security main" ;;
		esac
	done
)

# Parallel makes ask for the same root.
exec 9>"$dir/lock"
flock 9
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/state" "$dir/preferences.d"
if [ -e "$dir/updated" ] && [ "$(cat "$dir/sources.list" 2>/dev/null)" = "$wanted" ] &&
	[ -n "$(find "$dir/updated" -mmin -1440)" ]; then
	exit 0
fi
echo "$wanted" >"$dir/sources.list"
: >"$dir/status"
cat >"$dir/apt.conf" <<END
APT::Architecture "$binary";
APT::Architectures { "$binary"; };
APT::Sandbox::User "root";
APT::Get::List-Cleanup "false";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$dir/preferences.d";
Dir::State "$dir/state";
Dir::State::Lists "$dir/lists";
Dir::State::Status "$dir/status";
Dir::Cache "$dir";
Dir::Cache::Archives "$dir/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
echo "-c $dir/apt.conf" >"$dir/options"

if ! apt-get -q -c "$dir/apt.conf" update >"$dir/update.log" 2>&1; then
	fail "cannot read the package lists of $suites from $main ($(grep -m1 -E '^(E|Err|W):' "$dir/update.log" || tail -n1 "$dir/update.log"))"
fi
# apt counts a list it could not fetch as a warning; the main archive's are needed.
if grep -E '^(Err|W: Failed)' "$dir/update.log" | grep -vq -- -security; then
	fail "cannot read the package lists of $suites from $main ($(grep -m1 -E '^(Err|W: Failed)' "$dir/update.log"))"
fi
touch "$dir/updated"
