/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OSMessageNotification.h - the layout of the reference array of asynchronous calls. */
#ifndef __OS_OSMESSAGENOTIFICATION_H
#define __OS_OSMESSAGENOTIFICATION_H

#include <stdint.h>

enum {
	kOSAsyncRef64Count = 8,
};

typedef uint64_t io_user_reference_t;
typedef uint64_t OSAsyncReference64[kOSAsyncRef64Count];

enum {
	kIOAsyncReservedIndex = 0,
	kIOAsyncReservedCount,

	kIOAsyncCalloutFuncIndex = kIOAsyncReservedCount,
	kIOAsyncCalloutRefconIndex,
	kIOAsyncCalloutCount,
};

enum {
	kMaxAsyncArgs = 16,
};

#endif
