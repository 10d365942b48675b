/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: xnu iokit/DriverKit/IODispatchSource.iig. */
#ifndef _DRIVERKIT_IODISPATCHSOURCE_H
#define _DRIVERKIT_IODISPATCHSOURCE_H

#include <DriverKit/OSObject.h>

typedef void (^IODispatchSourceCancelHandler)(void);

#define IODispatchSource_Cancel_ID		      OSMethodID("IODispatchSource::Cancel")
#define IODispatchSource_SetEnableWithCompletion_ID   OSMethodID("IODispatchSource::SetEnableWithCompletion")
#define IODispatchSource_SetEnable_ID		      OSMethodID("IODispatchSource::SetEnable")
#define IODispatchSource_Cancel_Args		      IODispatchSourceCancelHandler handler
#define IODispatchSource_SetEnableWithCompletion_Args bool enable, IODispatchSourceCancelHandler handler
#define IODispatchSource_SetEnable_Args		      bool enable

class IODispatchSource : public OSObject
{
	OSDeclareClass(IODispatchSource, OSObject);
public:
	kern_return_t Cancel(IODispatchSourceCancelHandler handler, OSDispatchMethod supermethod = NULL);
	kern_return_t SetEnableWithCompletion(bool enable, IODispatchSourceCancelHandler handler,
					      OSDispatchMethod supermethod = NULL);
	kern_return_t SetEnable(bool enable, OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t SetEnable_Impl(IODispatchSource_SetEnable_Args);
};

#endif
