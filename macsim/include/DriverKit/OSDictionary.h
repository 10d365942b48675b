/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSDictionary is declared with its siblings. */
#ifndef _DRIVERKIT_OSDICTIONARY_H
#define _DRIVERKIT_OSDICTIONARY_H
#include <DriverKit/OSCollections.h>
#endif
