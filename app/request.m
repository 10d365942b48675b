// SPDX-License-Identifier: GPL-2.0-or-later
/* request.m - talking to the SystemExtensions framework; what to say and decide is in messages.c. */
#import "request.h"

#include <dispatch/dispatch.h>
#include <stdlib.h>

_Static_assert(APP_ERROR_UNKNOWN == OSSystemExtensionErrorUnknown, "documented number");
_Static_assert(APP_ERROR_MISSING_ENTITLEMENT == OSSystemExtensionErrorMissingEntitlement, "documented number");
_Static_assert(APP_ERROR_PARENT_LOCATION == OSSystemExtensionErrorUnsupportedParentBundleLocation, "documented number");
_Static_assert(APP_ERROR_NOT_FOUND == OSSystemExtensionErrorExtensionNotFound, "documented number");
_Static_assert(APP_ERROR_NO_IDENTIFIER == OSSystemExtensionErrorExtensionMissingIdentifier, "documented number");
_Static_assert(APP_ERROR_DUPLICATE == OSSystemExtensionErrorDuplicateExtensionIdentifer, "documented number");
_Static_assert(APP_ERROR_UNKNOWN_CATEGORY == OSSystemExtensionErrorUnknownExtensionCategory, "documented number");
_Static_assert(APP_ERROR_SIGNATURE == OSSystemExtensionErrorCodeSignatureInvalid, "documented number");
_Static_assert(APP_ERROR_VALIDATION == OSSystemExtensionErrorValidationFailed, "documented number");
_Static_assert(APP_ERROR_POLICY == OSSystemExtensionErrorForbiddenBySystemPolicy, "documented number");
_Static_assert(APP_ERROR_CANCELED == OSSystemExtensionErrorRequestCanceled, "documented number");
_Static_assert(APP_ERROR_SUPERSEDED == OSSystemExtensionErrorRequestSuperseded, "documented number");
_Static_assert(APP_ERROR_AUTHORIZATION == OSSystemExtensionErrorAuthorizationRequired, "documented number");

@implementation AppRequest {
	AppReport _report;
	enum app_request _kind;
	OSSystemExtensionRequest *_current; /* answers to an earlier one may still come */
	NSString *_newer;                   /* the installed version that was not replaced */
}

- (instancetype)initWithReport:(AppReport)report
{
	self = [super init];
	if (self)
		_report = [report copy];
	return self;
}

- (void)submit:(enum app_request)kind
{
	/* Written into the app's Info.plist from the one file that names things. */
	NSString *extension = [[NSBundle mainBundle] objectForInfoDictionaryKey:@"VFADriverExtension"];
	OSSystemExtensionRequest *request = nil;

	_kind = kind;
	_newer = nil;
	if (!extension) {
		[self endWith:APP_FAILED text:app_error_text(APP_ERROR_NO_IDENTIFIER)];
		return;
	}
	switch (kind) {
	case APP_ACTIVATE:
		request = [OSSystemExtensionRequest activationRequestForExtension:extension
									    queue:dispatch_get_main_queue()];
		break;
	case APP_DEACTIVATE:
		request = [OSSystemExtensionRequest deactivationRequestForExtension:extension
									      queue:dispatch_get_main_queue()];
		break;
	case APP_STATUS:
		request = [OSSystemExtensionRequest propertiesRequestForExtension:extension
									    queue:dispatch_get_main_queue()];
		break;
	}
	_current = request;
	request.delegate = self;
	[[OSSystemExtensionManager sharedManager] submitRequest:request];
}

- (void)endWith:(enum app_outcome)outcome text:(const char *)text
{
	_report(outcome, true, [NSString stringWithUTF8String:text]);
}

- (const char *)approvalText
{
	return app_approval_text([NSProcessInfo processInfo].operatingSystemVersion.majorVersion);
}

/* ---- OSSystemExtensionRequestDelegate ---- */

- (OSSystemExtensionReplacementAction)request:(OSSystemExtensionRequest *)request
		  actionForReplacingExtension:(OSSystemExtensionProperties *)existing
				withExtension:(OSSystemExtensionProperties *)ext
{
	struct app_version installed = {existing.bundleShortVersion.UTF8String, existing.bundleVersion.UTF8String};
	struct app_version offered = {ext.bundleShortVersion.UTF8String, ext.bundleVersion.UTF8String};

	(void)request;
	if (app_may_replace(&installed, &offered))
		return OSSystemExtensionReplacementActionReplace;
	_newer = [NSString stringWithFormat:@"Version %@ (%@) of the driver extension is installed, which is newer than the "
					    @"%@ (%@) in this app: install that version of VFIOApple, or deactivate the "
					    @"extension first.",
					    existing.bundleShortVersion, existing.bundleVersion, ext.bundleShortVersion,
					    ext.bundleVersion];
	return OSSystemExtensionReplacementActionCancel;
}

- (void)requestNeedsUserApproval:(OSSystemExtensionRequest *)request
{
	if (request == _current)
		_report(APP_NEEDS_APPROVAL, false, [NSString stringWithUTF8String:[self approvalText]]);
}

- (void)request:(OSSystemExtensionRequest *)request didFinishWithResult:(OSSystemExtensionRequestResult)result
{
	if (request != _current || _kind == APP_STATUS) /* a status has been told by foundProperties */
		return;
	if (result == OSSystemExtensionRequestWillCompleteAfterReboot)
		[self endWith:APP_NEEDS_RESTART text:app_restart_text(_kind)];
	else
		[self endWith:APP_DONE text:app_done_text(_kind)];
}

- (void)request:(OSSystemExtensionRequest *)request didFailWithError:(NSError *)error
{
	if (request != _current)
		return;
	if (_newer)
		_report(APP_NEWER_INSTALLED, true, _newer);
	else if (![error.domain isEqualToString:OSSystemExtensionErrorDomain])
		_report(APP_FAILED, true, error.localizedDescription);
	else if (app_error_outcome(_kind, error.code) == APP_NOT_ACTIVE)
		[self endWith:APP_NOT_ACTIVE text:app_status_text(APP_NOT_ACTIVE)];
	else
		[self endWith:app_error_outcome(_kind, error.code) text:app_error_text(error.code)];
}

- (void)request:(OSSystemExtensionRequest *)request foundProperties:(NSArray<OSSystemExtensionProperties *> *)properties
{
	unsigned count = (unsigned)properties.count;
	struct app_installed *installed = calloc(count ? count : 1, sizeof(*installed));
	NSString *version = @"";
	enum app_outcome status;

	if (request != _current) {
		free(installed);
		return;
	}
	for (unsigned i = 0; installed && i < count; i++) {
		OSSystemExtensionProperties *p = [properties objectAtIndex:i];

		installed[i].enabled = p.isEnabled;
		installed[i].awaiting_approval = p.isAwaitingUserApproval;
		installed[i].uninstalling = p.isUninstalling;
		if (p.isEnabled && !p.isUninstalling)
			version = [NSString
				stringWithFormat:@" Version %@ (%@).", p.bundleShortVersion, p.bundleVersion];
	}
	status = app_status(installed, installed ? count : 0);
	free(installed);
	if (status == APP_NEEDS_APPROVAL)
		[self endWith:status text:[self approvalText]];
	else
		_report(status, true, [NSString stringWithFormat:@"%s%@", app_status_text(status), version]);
}

@end
