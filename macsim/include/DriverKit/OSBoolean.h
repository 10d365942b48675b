/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSBoolean is declared with its siblings. */
#ifndef _DRIVERKIT_OSBOOLEAN_H
#define _DRIVERKIT_OSBOOLEAN_H
#include <DriverKit/OSCollections.h>
#endif
