// SPDX-License-Identifier: GPL-2.0-or-later
/* messages.c - the table of sentences, and comparing versions. */
#include "messages.h"

#include <stdlib.h>

static const char *const errors[APP_ERROR_LAST + 1] = {
	[APP_ERROR_UNKNOWN] =
		"macOS refuses the driver extension without saying why: restart the Mac and try again; if it stays so, "
		"\"log show --last 5m --predicate 'process == \"sysextd\"'\" in Terminal shows the reason.",
	[APP_ERROR_MISSING_ENTITLEMENT] =
		"VFIOApple may not install extensions because it is not signed with the entitlement "
		"com.apple.developer.system-extension.install: install a signed copy, or sign this one with "
		"\"make sign\".",
	[APP_ERROR_PARENT_LOCATION] =
		"VFIOApple has to be in the Applications folder: move it there in the Finder and open it again; if it "
		"is there already, run \"xattr -dr com.apple.quarantine /Applications/VFIOApple.app\" in Terminal.",
	[APP_ERROR_NOT_FOUND] =
		"The driver extension is not inside VFIOApple.app, or this app may not carry it: install a complete "
		"copy of VFIOApple; with one you built, look for Contents/Library/SystemExtensions.",
	[APP_ERROR_NO_IDENTIFIER] = "The driver extension inside VFIOApple.app has no bundle identifier: install a "
				    "complete copy of VFIOApple.",
	[APP_ERROR_DUPLICATE] =
		"VFIOApple.app contains the driver extension twice: delete the app and install a fresh copy.",
	[APP_ERROR_UNKNOWN_CATEGORY] =
		"This macOS does not know driver extensions of this kind: VFIOApple needs macOS 13 or newer.",
	[APP_ERROR_SIGNATURE] =
		"The signature of the driver extension is not accepted: install a fresh copy of VFIOApple; one you "
		"built and signed yourself without a team needs System Integrity Protection off.",
	[APP_ERROR_VALIDATION] =
		"macOS does not accept the driver extension's property list or entitlements: install a fresh copy of "
		"VFIOApple; \"log show --last 5m --predicate 'process == \"sysextd\"'\" in Terminal names what it "
		"objects to.",
	[APP_ERROR_POLICY] =
		"A policy of this Mac forbids the driver extension: ask whoever manages the Mac to allow it.",
	[APP_ERROR_CANCELED] = "The request was cancelled: try again.",
	[APP_ERROR_SUPERSEDED] = "A newer request has taken the place of this one: wait for that one to end.",
	[APP_ERROR_AUTHORIZATION] =
		"An administrator has to allow this: try again and enter an administrator's name and password.",
};

const char *app_error_text(long code)
{
	return errors[code > 0 && code <= APP_ERROR_LAST ? code : APP_ERROR_UNKNOWN];
}

enum app_outcome app_error_outcome(enum app_request request, long code)
{
	/* There is nothing to remove, and nothing to tell about. */
	if (code == APP_ERROR_NOT_FOUND && request != APP_ACTIVATE)
		return APP_NOT_ACTIVE;
	return code == APP_ERROR_AUTHORIZATION ? APP_NEEDS_APPROVAL : APP_FAILED;
}

const char *app_approval_text(long macos_major)
{
	if (macos_major >= 15)
		return "macOS asks for your approval: open System Settings > General > Login Items & Extensions, click "
		       "the (i) "
		       "beside Driver Extensions, turn VFIOApple on and enter your password.";
	return "macOS asks for your approval: open System Settings > Privacy & Security, scroll down to Security, "
	       "click Allow "
	       "(or Details) beside the message about VFIOApple and enter your password.";
}

const char *app_done_text(enum app_request request)
{
	return request == APP_DEACTIVATE ? "The driver extension has been removed; VFIOApple may be deleted."
					 : "The driver extension is active; \"vfio-apple list\" in Terminal shows the "
					   "devices it can pass on.";
}

const char *app_restart_text(enum app_request request)
{
	return request == APP_DEACTIVATE ? "Restart the Mac: the driver extension is removed then."
					 : "Restart the Mac: the driver extension takes the place of the old one then.";
}

const char app_usage[] =
	"usage: VFIOApple activate [--no-wait] | deactivate | status\n"
	"\n"
	"  activate    installs the driver extension, or replaces an installed one that is not newer;\n"
	"              waits for the approval in System Settings unless told not to\n"
	"  deactivate  removes it\n"
	"  status      says whether it is active\n"
	"\n"
	"Without a word it opens a window that does the same.\n"
	"Exit status: 0 done (status: active), 1 failed, 2 not understood, 3 approval is needed,\n"
	"4 the Mac has to restart, 5 not active, 6 a newer version is installed.\n";

enum app_outcome app_status(const struct app_installed *installed, unsigned count)
{
	enum app_outcome found = APP_NOT_ACTIVE;

	for (unsigned i = 0; i < count; i++) {
		if (installed[i].uninstalling)
			found = found == APP_NOT_ACTIVE ? APP_NEEDS_RESTART : found;
		else if (installed[i].enabled)
			return APP_DONE;
		else if (installed[i].awaiting_approval)
			found = APP_NEEDS_APPROVAL;
	}
	return found;
}

const char *app_status_text(enum app_outcome status)
{
	switch (status) {
	case APP_DONE:
		return "The driver extension is active.";
	case APP_NEEDS_RESTART:
		return "The driver extension has been removed; restart the Mac to be rid of it.";
	case APP_NOT_ACTIVE:
		return "The driver extension is not active: activate it.";
	default:
		return "The state of the driver extension is not known.";
	}
}

/* One number of a version, 0 if it is none; moves on behind its dot. */
static unsigned long component(const char **at)
{
	unsigned long value = **at >= '0' && **at <= '9' ? strtoul(*at, NULL, 10) : 0;

	while (**at && **at != '.')
		(*at)++;
	if (**at)
		(*at)++;
	return value;
}

static int compare(const char *a, const char *b)
{
	while (*a || *b) {
		unsigned long x = component(&a), y = component(&b);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

int app_compare_versions(const struct app_version *a, const struct app_version *b)
{
	int order = compare(a->marketing, b->marketing);

	return order ? order : compare(a->build, b->build);
}

bool app_may_replace(const struct app_version *installed, const struct app_version *offered)
{
	return app_compare_versions(offered, installed) >= 0;
}
