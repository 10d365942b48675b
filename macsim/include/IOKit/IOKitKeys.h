/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IOKitKeys.h - keys of matching dictionaries and names of notifications. */
#ifndef _IOKIT_IOKITKEYS_H
#define _IOKIT_IOKITKEYS_H

#define kIOProviderClassKey "IOProviderClass"
#define kIONameMatchKey     "IONameMatch"

#define kIOServicePlane "IOService"

#define kIOUserClientCreatorKey "IOUserClientCreator"

#define kIOGeneralInterest "IOGeneralInterest"

#define kIOPublishNotification	    "IOServicePublish"
#define kIOFirstPublishNotification "IOServiceFirstPublish"
#define kIOMatchedNotification	    "IOServiceMatched"
#define kIOFirstMatchNotification   "IOServiceFirstMatch"
#define kIOTerminatedNotification   "IOServiceTerminate"

#endif
