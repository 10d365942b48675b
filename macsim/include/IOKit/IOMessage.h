/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IOMessage.h - message types of interest notifications. */
#ifndef __IOKIT_IOMESSAGE_H
#define __IOKIT_IOMESSAGE_H

#include <IOKit/IOReturn.h>

#define kIOMessageServiceIsTerminated iokit_common_msg(0x010)
#define kIOMessageServiceIsSuspended  iokit_common_msg(0x020)
#define kIOMessageServiceIsResumed    iokit_common_msg(0x030)
#define kIOMessageServiceWasClosed    iokit_common_msg(0x110)
#define kIOMessageServiceBusyStateChange iokit_common_msg(0x120)

#endif
