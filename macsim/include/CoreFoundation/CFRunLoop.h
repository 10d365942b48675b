/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CFRunLoop.h - run loops are not offered; what the SDK's header includes is. */
#ifndef __COREFOUNDATION_CFRUNLOOP__
#define __COREFOUNDATION_CFRUNLOOP__

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFString.h>
#include <mach/port.h>

#endif
