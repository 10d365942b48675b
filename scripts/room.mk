# SPDX-License-Identifier: GPL-2.0-or-later
# Packages and releases.

VERSION := $(shell scripts/version.sh)
DEB := $(B)/dist/apple-dma-dkms_$(VERSION)_all.deb

$(DEB): scripts/make-deb.sh cli/cli.h abi/apple_dma.h $(shell find guest/linux -type f) | $(DEPS)
	B=$(B) scripts/make-deb.sh

.PHONY: deb dist
deb: $(DEB)
dist: $(DEPS)
	scripts/make-dist.sh
