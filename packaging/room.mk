# SPDX-License-Identifier: GPL-2.0-or-later
# What users install, and the Homebrew formula.

PREFIX ?= /usr/local

.PHONY: install formula
# QEMU_BIN is known when every room has been read.
install: $(cli_tool) $$(QEMU_BIN)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/vfio-apple $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(cli_tool) $(DESTDIR)$(PREFIX)/bin/vfio-apple
	install -m 755 $(dir $(QEMU_BIN))qemu-* $(DESTDIR)$(PREFIX)/libexec/vfio-apple
	install -m 644 cli/vfio-apple.1 $(DESTDIR)$(PREFIX)/share/man/man1/vfio-apple.1

# For the archive of a release, ARCHIVE=... URL=...; else for what is committed here.
FORMULA := $(B)/formula/vfio-apple
VERSION_HERE := $(shell scripts/version.sh)
ARCHIVE ?= $(FORMULA)-$(VERSION_HERE).tar.gz
formula:
	@mkdir -p $(B)/formula
	[ $(ARCHIVE) != $(FORMULA)-$(VERSION_HERE).tar.gz ] || \
		git archive --format=tar.gz --prefix=vfio-apple-$(VERSION_HERE)/ -o $(ARCHIVE) HEAD
	scripts/make-formula.sh $(ARCHIVE) $(URL) >$(FORMULA).rb.part
	mv $(FORMULA).rb.part $(FORMULA).rb

TESTS += tests/contract/mac-make.sh tests/contract/homebrew.sh
