# SPDX-License-Identifier: GPL-2.0-or-later
# Packages and releases.

VERSION := $(shell scripts/version.sh)
DEB := $(B)/dist/apple-dma-dkms_$(VERSION)_all.deb

$(DEB): scripts/make-deb.sh cli/cli.h abi/apple_dma.h $(shell find guest/linux -type f) | $(DEPS)
	B=$(B) scripts/make-deb.sh

# A cloud image with the guest's package in it; IMAGE_OPTIONS are those of scripts/make-guest-image.sh.
PACKAGE ?= $(DEB)
OUT ?= guest.qcow2
.PHONY: deb dist guest-image
guest-image:
	@[ -n "$(FROM)" ] || { echo "make guest-image: name a Debian or Ubuntu arm64 cloud image: FROM=cloud.qcow2" >&2; exit 1; }
	@[ -e "$(PACKAGE)" ] || { echo "make guest-image: $(PACKAGE) is missing; make deb makes it on Linux, or name the one of" \
		"a release: PACKAGE=FILE.deb" >&2; exit 1; }
	VFIO_APPLE_QEMU=$${VFIO_APPLE_QEMU:-$(TOP)/$(QEMU_BIN)} scripts/make-guest-image.sh --from "$(FROM)" \
		--package "$(PACKAGE)" $(IMAGE_OPTIONS) "$(OUT)"
deb: $(DEB)
dist: $(DEPS)
	scripts/make-dist.sh
