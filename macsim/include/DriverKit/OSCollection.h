/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSCollection is declared with its siblings. */
#ifndef _DRIVERKIT_OSCOLLECTION_H
#define _DRIVERKIT_OSCOLLECTION_H
#include <DriverKit/OSCollections.h>
#endif
