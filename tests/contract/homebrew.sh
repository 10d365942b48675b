#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: the Homebrew formula that scripts/make-formula.sh makes for an archive of the sources.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL SAN HEAD_URL HOMEPAGE
count=0 failed=0

check()
{	# description, command...; its output is shown when it fails
	local description=$1
	shift
	count=$((count + 1))
	if "$@" >"$work/log" 2>&1; then
		echo "ok $count - $description"
	else
		echo "not ok $count - $description"
		head -n 20 "$work/log" | sed 's/^/#   /'
		failed=1
	fi
}

fails_with()
{	# text, command...: fails, and says why in one line
	local text=$1
	shift
	! "$@" >"$work/said" 2>&1 && [ "$(wc -l <"$work/said")" -eq 1 ] && grep -qF "$text" "$work/said" || { cat "$work/said"; false; }
}

version=$(sed -n 's/^#define CLI_VERSION "\(.*\)"/\1/p' cli/cli.h)
sum()
{
	sha256sum "$1" | cut -d ' ' -f 1
}

# A QEMU release of our own making: a table without the real one's would still be tested.
echo source >"$work/qemu-9.8.7.tar.xz"
cat >"$work/versions" <<END
version 9.9.9
state   untried
release 0000000000000000000000000000000000000000000000000000000000000000
version 9.8.7
state   tested
release $(sum "$work/qemu-9.8.7.tar.xz")
END

formula=$work/vfio-apple.rb
make_formula()
{
	QEMU_TABLE=$work/versions scripts/make-formula.sh "$@"
}

# ---- make formula ----

archive=$work/formula/vfio-apple-$version.tar.gz
committed()
{
	QEMU_TABLE=$work/versions make -s "B=$work" formula && grep -qF "url \"file://$archive\"" "$work/formula/vfio-apple.rb" &&
		mkdir -p "$work/unpacked" && tar -xzf "$archive" -C "$work/unpacked" &&
		[ "$(ls "$work/unpacked")" = "vfio-apple-$version" ] &&
		(cd "$work/unpacked/vfio-apple-$version" && [ -x scripts/build-qemu.sh ] && [ ! -e .git ] && make -s help)
}
if git rev-parse HEAD >/dev/null 2>&1; then
	check "make formula packs the committed sources, from which make works" committed
	cp "$archive" "$work/first.tar.gz"
	check "the archive of the same commit is the same" eval 'committed && cmp "$archive" "$work/first.tar.gz"'
fi
archive=$work/vfio-apple-$version.tar.xz
tar -cJf "$archive" COPYING
cp "$archive" "$work/first.tar.gz"
released()
{
	QEMU_TABLE=$work/versions make -s "B=$work/other" formula ARCHIVE="$archive" URL="https://example.org/${archive##*/}" &&
		grep -F "url \"https://example.org/${archive##*/}\"" "$work/other/formula/vfio-apple.rb" && [ ! -e "$work/other/formula/"*.tar.* ]
}
check "make formula for the archive of a release names its URL, and packs nothing" released

# ---- the formula ----

URL=https://example.org/a'&'b/vfio-apple-$version.tar.xz
HEAD_URL=https://user:secret@example.org/vfio-apple.git make_formula "$archive" "$URL" >"$formula"
check "the formula is Ruby, and nothing is left to be filled in" eval 'ruby -c "$formula" && ! grep -n "@[A-Z]" "$formula"'
check "no user name or password of the clone is in it" eval '! grep -n secret "$formula"'

# A stand-in for Homebrew's class: it keeps what the formula declares, and writes down what its install does.
cat >"$work/evaluate.rb" <<'END'
# SPDX-License-Identifier: GPL-2.0-or-later
require "pathname"
require "fileutils"
require "digest"

class Pathname
  def install(*things)
    mkpath
    things.flatten.each do |t|
      t.is_a?(Hash) ? t.each { |from, to| FileUtils.cp(from, self/to) } : FileUtils.cp_r(t, self)
    end
  end
end

class Resource
  def initialize(name, &block)
    @name = name
    instance_eval(&block)
  end

  def url(u = nil) = u ? @url = u : @url
  def sha256(s = nil) = s ? @sha256 = s : @sha256
  def version = @url[/-([\d.]+)\.tar/, 1]
  def fetch = @fetched = true

  def cached_download
    raise "#{@name} is used before it is fetched" unless @fetched

    Pathname.new(File.join(ENV.fetch("WORK"), File.basename(@url)))
  end
end

class Formula
  class << self
    attr_reader :declared, :deps, :resources, :test_block

    def inherited(c)
      super
      c.instance_eval { @declared, @deps, @resources = {}, [], {} }
    end

    %i[desc homepage url version sha256 license head].each do |n|
      define_method(n) { |*a, **o| a.empty? ? @declared[n] : @declared[n] = a.first }
    end
    def depends_on(what) = @deps << what
    def uses_from_macos(what) = @deps << { "macos" => what }
    def resource(name, &block) = @resources[name] = Resource.new(name, &block)
    def test(&block) = @test_block = block
  end

  attr_reader :log

  def initialize = @log = []
  def buildpath = Pathname.pwd
  def prefix = Pathname.new("/opt/homebrew/Cellar/vfio-apple/1")
  def opt_libexec = Pathname.new("/opt/homebrew/opt/vfio-apple/libexec")
  def opt_share = Pathname.new("/opt/homebrew/opt/vfio-apple/share")
  def bin = prefix/"bin"
  def libexec = prefix/"libexec"
  def doc = buildpath/"out/doc"
  def resource(name) = self.class.resources.fetch(name)
  def system(*args) = @log << [args, ENV.to_h.slice("VFIO_APPLE_CACHE", "QEMU_VERSION")]
  def shell_output(command, status = 0) = (@log << [command, status]) && "vfio-apple 1 vfio-apple-pci com.apple.security.hypervisor ff:1f.7"

  def assert_match(pattern, text)
    raise "#{text} does not match #{pattern}" unless Regexp.new(pattern).match?(text)
  end
end

def same(what, found, wanted)
  abort "#{what}: #{found.inspect}, not #{wanted.inspect}" unless found == wanted
end

load ARGV[0]
f = VfioApple
case ARGV[1]
when "declared"
  same "url", f.url, ENV.fetch("URL")
  same "sha256", f.sha256, ENV.fetch("SHA256")
  same "version", f.version, ENV.fetch("VERSION")
  same "license", f.license, "GPL-2.0-or-later"
  same "head", f.head, "https://example.org/vfio-apple.git"
  same "QEMU's version", f.resources["qemu"].version, "9.8.7"
  same "QEMU's checksum", f.resources["qemu"].sha256, Digest::SHA256.file("#{ENV.fetch("WORK")}/qemu-9.8.7.tar.xz").hexdigest
when "deps"
  same "processor", f.deps.include?({ arch: :arm64 }), true
  same "system", f.deps.include?({ macos: :ventura }), true
  same "a dependency on Homebrew's qemu", f.deps.any? { |d| d == "qemu" || (d.is_a?(Hash) && d.key?("qemu")) }, false
  found = f.deps.map { |d| d.is_a?(Hash) ? d.keys.first : d }
  # What only the app and the tests need is not for building the formula.
  wanted = File.readlines("#{ENV.fetch("TOP")}/Brewfile").filter_map { |l| l[/^brew "(.*?)"/, 1] } - %w[xcodegen cmocka]
  same "dependencies of the Brewfile that the formula lacks", wanted - found, []
when "install"
  i = f.new
  i.install
  same "commands", i.log.map(&:first), [%w[make all qemu], ["make", "install", "PREFIX=#{i.prefix}"]]
  env = i.log.first.last
  same "QEMU_VERSION", env["QEMU_VERSION"], "9.8.7"
  same "archive where the build looks", File.read("#{env["VFIO_APPLE_CACHE"]}/qemu-9.8.7.tar.xz"), "source\n"
  same "documentation", File.exist?("out/doc/README.md") && File.exist?("out/doc/testing.md"), true
when "told"
  i = f.new
  text = i.caveats
  ["extension", "make app", "System Settings", "entitlement", "macos.md"].each do |w|
    same "caveats tell of #{w}", text.include?(w), true
  end
  i.instance_eval(&f.test_block)
  same "the test starts QEMU from libexec", i.log.flatten.any? { |c| c.to_s.include?("libexec/vfio-apple/qemu-system-aarch64") }, true
end
END
evaluate()
{
	(cd "$work/tree" && WORK=$work TOP=$OLDPWD URL=$URL SHA256=$(sum "$archive") VERSION=$version ruby "$work/evaluate.rb" "$formula" "$1")
}
mkdir -p "$work/tree" && cp -R README.md docs cli "$work/tree"
check "it names the archive, and the tested QEMU of the table, with their checksums" evaluate declared
check "it is for Apple Silicon from macOS 13 on, needs what the Brewfile lists, and stands beside Homebrew's qemu" evaluate deps
check "it builds and installs with make, from the QEMU that Homebrew fetched" evaluate install
check "it tells of extension, approval and entitlement, and tests what it installed" evaluate told

check "without a URL the formula is for the archive where it lies" eval \
	'make_formula "$archive" | grep -qF "url \"file://$archive\""'
if [ -e qemu/versions ]; then
	check "qemu/versions has a tested QEMU whose release Homebrew can check" eval \
		'scripts/make-formula.sh "$archive" | grep -E "^    sha256 \"[0-9a-f]{64}\"$"'
fi
sed '/^release/d' "$work/versions" >"$work/no-release"
check "a table without checksums is refused" fails_with 'no tested version' \
	env QEMU_TABLE="$work/no-release" scripts/make-formula.sh "$archive"
check "an archive of another name is refused" fails_with 'not named' make_formula "$work/first.tar.gz"
check "an archive that is not there is refused" fails_with 'cannot be read' make_formula "$work/vfio-apple-0.tar.xz"

echo "1..$count"
exit $failed
