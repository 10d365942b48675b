// SPDX-License-Identifier: GPL-2.0-or-later
/* request.h - asks macOS to activate, replace or remove the driver extension, and what it knows of it.  No window. */
#ifndef APP_REQUEST_H
#define APP_REQUEST_H

#import <Foundation/Foundation.h>
#import <SystemExtensions/SystemExtensions.h>

#include "messages.h"

/* On the main queue.  What has not ended waits for a click, and another report follows. */
typedef void (^AppReport)(enum app_outcome outcome, bool ended, NSString *sentence);

@interface AppRequest : NSObject <OSSystemExtensionRequestDelegate>

- (instancetype)initWithReport:(AppReport)report;
/* One at a time: the next after `ended`. */
- (void)submit:(enum app_request)kind;

@end

#endif
