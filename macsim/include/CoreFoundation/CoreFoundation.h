/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CoreFoundation.h - the few property-list types that IOKitLib passes around.
 *
 * Types are declared in the headers that declare them in Apple's SDK, so that a source which includes too little fails
 * here as it would there.
 */
#ifndef __COREFOUNDATION_COREFOUNDATION__
#define __COREFOUNDATION_COREFOUNDATION__

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFData.h>
#include <CoreFoundation/CFDictionary.h>
#include <CoreFoundation/CFNumber.h>
#include <CoreFoundation/CFRunLoop.h>
#include <CoreFoundation/CFString.h>

#endif
