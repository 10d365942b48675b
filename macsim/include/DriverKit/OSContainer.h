/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSContainer is declared with its siblings. */
#ifndef _DRIVERKIT_OSCONTAINER_H
#define _DRIVERKIT_OSCONTAINER_H
#include <DriverKit/OSCollections.h>
#endif
