// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * messages.h - what the app says, and what it decides by comparing versions.  Plain C: no framework, no window.
 *
 * macOS answers a request with a result or an error code; each becomes an outcome, which is also the exit status of
 * the command line, and one sentence that says what to do.
 */
#ifndef APP_MESSAGES_H
#define APP_MESSAGES_H

#include <stdbool.h>

enum app_outcome {
	APP_DONE = 0,            /* activated, deactivated; status: active */
	APP_FAILED = 1,          /* an error that is none of the below */
	APP_USAGE = 2,           /* the command line was not understood */
	APP_NEEDS_APPROVAL = 3,  /* somebody has to click first */
	APP_NEEDS_RESTART = 4,   /* takes effect when the Mac restarts */
	APP_NOT_ACTIVE = 5,      /* status: not installed, or turned off */
	APP_NEWER_INSTALLED = 6, /* activate: never replaces a newer one */
};

enum app_request { APP_ACTIVATE, APP_DEACTIVATE, APP_STATUS };

/* OSSystemExtensionErrorCode, by its documented numbers. */
enum app_error {
	APP_ERROR_UNKNOWN = 1,
	APP_ERROR_MISSING_ENTITLEMENT = 2,
	APP_ERROR_PARENT_LOCATION = 3,
	APP_ERROR_NOT_FOUND = 4,
	APP_ERROR_NO_IDENTIFIER = 5,
	APP_ERROR_DUPLICATE = 6,
	APP_ERROR_UNKNOWN_CATEGORY = 7,
	APP_ERROR_SIGNATURE = 8,
	APP_ERROR_VALIDATION = 9,
	APP_ERROR_POLICY = 10,
	APP_ERROR_CANCELED = 11,
	APP_ERROR_SUPERSEDED = 12,
	APP_ERROR_AUTHORIZATION = 13,
	APP_ERROR_LAST = APP_ERROR_AUTHORIZATION,
};

/* A code this table does not know gets the sentence of APP_ERROR_UNKNOWN. */
const char *app_error_text(long code);
enum app_outcome app_error_outcome(enum app_request request, long code);

/* What to click to approve the extension, on this major version of macOS. */
const char *app_approval_text(long macos_major);
const char *app_done_text(enum app_request request);
const char *app_restart_text(enum app_request request);
extern const char app_usage[];

/* What the system knows of one installed version of the extension. */
struct app_installed {
	bool enabled, awaiting_approval, uninstalling;
};
/* Of all installed versions together: one that is enabled counts more than one that waits, and so on. */
enum app_outcome app_status(const struct app_installed *installed, unsigned count);
const char *app_status_text(enum app_outcome status);

struct app_version {
	const char *marketing, *build; /* CFBundleShortVersionString, CFBundleVersion */
};
/* Numbers between dots, compared one by one; what is missing is 0.  <0, 0, >0 as with strcmp. */
int app_compare_versions(const struct app_version *a, const struct app_version *b);
/* The same version again replaces: a build being worked on keeps its number. */
bool app_may_replace(const struct app_version *installed, const struct app_version *offered);

#endif
