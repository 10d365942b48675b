# SPDX-License-Identifier: GPL-2.0-or-later
# Packages, as a user installs them.

ifndef SAN
CHECK_DEPS += $(B)/dist/apple-dma-dkms_$(VERSION)_all.deb
TESTS += tests/packages/dkms.sh tests/packages/doctor.sh
endif
