// SPDX-License-Identifier: GPL-2.0-or-later
/* error.c - what went wrong, as errno and as text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <mach/mig_errors.h>

#include "internal.h"

int vfa_errno(IOReturn ret)
{
	switch (ret) {
	case kIOReturnSuccess:
		return 0;
	case MIG_SERVER_DIED:        /* the dext died during the call */
	case MACH_SEND_INVALID_DEST: /* ... or before it */
	case kIOReturnNoDevice:
	case kIOReturnOffline:
	case kIOReturnNotAttached:
	case kIOReturnNotResponding:
		return -ENODEV;
	case kIOReturnExclusiveAccess:
	case kIOReturnBusy:
		return -EBUSY;
	case kIOReturnNotPermitted:
	case kIOReturnNotPrivileged:
		return -EPERM;
	case kIOReturnNotFound:
		return -ENOENT;
	case kIOReturnUnsupported:
	case kIOReturnNoInterrupt:
		return -ENOTSUP;
	case kIOReturnBadArgument:
	case kIOReturnNotAligned:
	case kIOReturnOverrun:
	case KERN_INVALID_ARGUMENT:
	case MIG_BAD_ARGUMENTS:
	case MIG_ARRAY_TOO_LARGE:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int vfa_fail(struct vfa_error *err, int error, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return error;
}

const char *vfa_status_text(enum vfa_status status)
{
	static const char *const text[VFA_STATUS_COUNT] = {
		[VFA_OK] = "success",
		[VFA_E_BAD_REQUEST] = "malformed request",
		[VFA_E_NOT_ALIGNED] = "range is not aligned to the DMA page",
		[VFA_E_BAD_RANGE] = "range is empty, overflows or is not mapped in this process",
		[VFA_E_NO_SPACE] = "out of mapped bytes or IOVA space",
		[VFA_E_NO_MAPPINGS] = "out of mappings",
		[VFA_E_BAD_HANDLE] = "no such mapping",
		[VFA_E_GONE] = "device or driver extension is gone",
		[VFA_E_BUSY] = "device is being reset",
		[VFA_E_PLATFORM] = "refused by the platform",
	};

	return (unsigned)status < VFA_STATUS_COUNT ? text[status] : "unknown status";
}
