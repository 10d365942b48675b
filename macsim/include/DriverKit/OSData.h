/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSData is declared with its siblings. */
#ifndef _DRIVERKIT_OSDATA_H
#define _DRIVERKIT_OSDATA_H
#include <DriverKit/OSCollections.h>
#endif
