/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message.h - results of sending messages. */
#ifndef _MACH_MESSAGE_H_
#define _MACH_MESSAGE_H_

#include <mach/kern_return.h>
#include <mach/port.h>

typedef kern_return_t mach_msg_return_t;

#define MACH_MSG_SUCCESS       0x00000000
#define MACH_SEND_INVALID_DEST 0x10000003

#endif
