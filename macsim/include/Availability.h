/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Availability marks of the SDK: everything here is available. */
#ifndef __AVAILABILITY__
#define __AVAILABILITY__

#define API_AVAILABLE(...)
#define API_DEPRECATED(...)

#endif
