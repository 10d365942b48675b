/* SPDX-License-Identifier: GPL-2.0-or-later */
typedef int mach_error_t;
