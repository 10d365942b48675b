/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSArray is declared with its siblings. */
#ifndef _DRIVERKIT_OSARRAY_H
#define _DRIVERKIT_OSARRAY_H
#include <DriverKit/OSCollections.h>
#endif
