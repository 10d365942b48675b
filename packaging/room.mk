# SPDX-License-Identifier: GPL-2.0-or-later
# What users get: an installation, the archive of a release, the Homebrew formula for it.

PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/^.define CLI_VERSION "\(.*\)"/\1/p' cli/cli.h)
DIST := $(B)/dist/vfio-apple-$(VERSION).tar.gz

.PHONY: install dist formula
# QEMU_BIN is known when every room has been read.
install: $(cli_tool) $$(QEMU_BIN)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/vfio-apple $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(cli_tool) $(DESTDIR)$(PREFIX)/bin/vfio-apple
	install -m 755 $(dir $(QEMU_BIN))qemu-* $(DESTDIR)$(PREFIX)/libexec/vfio-apple
	install -m 644 cli/vfio-apple.1 $(DESTDIR)$(PREFIX)/share/man/man1/vfio-apple.1

dist:
	@mkdir -p $(B)/dist
	git archive --format=tar.gz --prefix=vfio-apple-$(VERSION)/ -o $(DIST) HEAD
formula: dist
	scripts/make-formula.sh $(DIST) $(URL) >$(B)/dist/vfio-apple.rb.part
	mv $(B)/dist/vfio-apple.rb.part $(B)/dist/vfio-apple.rb

TESTS += tests/contract/mac-make.sh tests/contract/homebrew.sh
