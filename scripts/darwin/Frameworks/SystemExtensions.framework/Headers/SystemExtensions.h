/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for SystemExtensions where there is no Apple SDK: what app/ uses, as documented at developer.apple.com. */
#ifndef STANDIN_SYSTEMEXTENSIONS_H
#define STANDIN_SYSTEMEXTENSIONS_H

#import <Foundation/Foundation.h>
#include <dispatch/dispatch.h>

extern NSErrorDomain const OSSystemExtensionErrorDomain;
enum {
	OSSystemExtensionErrorUnknown = 1,
	OSSystemExtensionErrorMissingEntitlement = 2,
	OSSystemExtensionErrorUnsupportedParentBundleLocation = 3,
	OSSystemExtensionErrorExtensionNotFound = 4,
	OSSystemExtensionErrorExtensionMissingIdentifier = 5,
	OSSystemExtensionErrorDuplicateExtensionIdentifer = 6, /* spelt so */
	OSSystemExtensionErrorUnknownExtensionCategory = 7,
	OSSystemExtensionErrorCodeSignatureInvalid = 8,
	OSSystemExtensionErrorValidationFailed = 9,
	OSSystemExtensionErrorForbiddenBySystemPolicy = 10,
	OSSystemExtensionErrorRequestCanceled = 11,
	OSSystemExtensionErrorRequestSuperseded = 12,
	OSSystemExtensionErrorAuthorizationRequired = 13,
};

typedef NS_ENUM(NSInteger, OSSystemExtensionReplacementAction) {
	OSSystemExtensionReplacementActionCancel,
	OSSystemExtensionReplacementActionReplace,
};
typedef NS_ENUM(NSInteger, OSSystemExtensionRequestResult) {
	OSSystemExtensionRequestCompleted = 0,
	OSSystemExtensionRequestWillCompleteAfterReboot = 1,
};

@class OSSystemExtensionRequest;

@interface OSSystemExtensionProperties : NSObject
@property (readonly) NSString *bundleIdentifier;
@property (readonly) NSString *bundleVersion;
@property (readonly) NSString *bundleShortVersion;
@property (readonly) BOOL isEnabled;
@property (readonly) BOOL isAwaitingUserApproval;
@property (readonly) BOOL isUninstalling;
@end

@protocol OSSystemExtensionRequestDelegate <NSObject>
@required
- (OSSystemExtensionReplacementAction)request:(OSSystemExtensionRequest *)request
		  actionForReplacingExtension:(OSSystemExtensionProperties *)existing
				withExtension:(OSSystemExtensionProperties *)ext;
- (void)requestNeedsUserApproval:(OSSystemExtensionRequest *)request;
- (void)request:(OSSystemExtensionRequest *)request didFinishWithResult:(OSSystemExtensionRequestResult)result;
- (void)request:(OSSystemExtensionRequest *)request didFailWithError:(NSError *)error;
@optional
- (void)request:(OSSystemExtensionRequest *)request
	foundProperties:(NSArray<OSSystemExtensionProperties *> *)properties;
@end

@interface OSSystemExtensionRequest : NSObject
+ (instancetype)activationRequestForExtension:(NSString *)identifier queue:(dispatch_queue_t)queue;
+ (instancetype)deactivationRequestForExtension:(NSString *)identifier queue:(dispatch_queue_t)queue;
+ (instancetype)propertiesRequestForExtension:(NSString *)identifier queue:(dispatch_queue_t)queue;
@property (weak) id<OSSystemExtensionRequestDelegate> delegate;
@end

@interface OSSystemExtensionManager : NSObject
@property (class, readonly) OSSystemExtensionManager *sharedManager;
- (void)submitRequest:(OSSystemExtensionRequest *)request;
@end

#endif
