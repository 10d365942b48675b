# SPDX-License-Identifier: GPL-2.0-or-later
# The messages between the simulated kernel and the libraries on either side of it.

MACSIM_WIRE := $(B)/macsim/wire/wire.o
