// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policies to choose from by the module parameter mode.  A file of its
 * own, so that another build of the module can have others.
 */

#include "apple_dma_priv.h"

/* What is unmapped stays mapped but idle, for a while. */
static const struct adma_policy keep_idle = {
	.name = "default",
};

/* It is unmapped at once. */
static const struct adma_policy strict = {
	.name = "strict",
	.strict = true,
};

const struct adma_policy *const adma_policies[] = { &keep_idle, &strict, NULL };
