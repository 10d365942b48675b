/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSNumber is declared with its siblings. */
#ifndef _DRIVERKIT_OSNUMBER_H
#define _DRIVERKIT_OSNUMBER_H
#include <DriverKit/OSCollections.h>
#endif
