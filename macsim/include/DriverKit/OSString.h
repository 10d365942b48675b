/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSString is declared with its siblings. */
#ifndef _DRIVERKIT_OSSTRING_H
#define _DRIVERKIT_OSSTRING_H
#include <DriverKit/OSCollections.h>
#endif
