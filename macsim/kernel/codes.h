/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codes.h - the result codes and PCI constants this kernel answers with (SDK IOReturn.h, mach/message.h, mig_errors.h;
 * PF). */
#ifndef MACSIM_KERNEL_CODES_H
#define MACSIM_KERNEL_CODES_H

#define IO_CODE(x)               ((int32_t)(0xe0000000u | (x)))
#define kIOReturnSuccess         0
#define kIOReturnError           IO_CODE(0x2bc)
#define kIOReturnNoMemory        IO_CODE(0x2bd)
#define kIOReturnNoResources     IO_CODE(0x2be)
#define kIOReturnIPCError        IO_CODE(0x2bf)
#define kIOReturnNoDevice        IO_CODE(0x2c0)
#define kIOReturnBadArgument     IO_CODE(0x2c2)
#define kIOReturnUnsupported     IO_CODE(0x2c7)
#define kIOReturnNotOpen         IO_CODE(0x2cd)
#define kIOReturnBusy            IO_CODE(0x2d5)
#define kIOReturnTimeout         IO_CODE(0x2d6)
#define kIOReturnOffline         IO_CODE(0x2d7)
#define kIOReturnNotReady        IO_CODE(0x2d8)
#define kIOReturnNoSpace         IO_CODE(0x2db)
#define kIOReturnCannotWire      IO_CODE(0x2de)
#define kIOReturnNoInterrupt     IO_CODE(0x2df)
#define kIOReturnMessageTooLarge IO_CODE(0x2e1)
#define kIOReturnNotPermitted    IO_CODE(0x2e2)
#define kIOReturnOverrun         IO_CODE(0x2e8)
#define kIOReturnAborted         IO_CODE(0x2eb)
#define kIOReturnNotFound        IO_CODE(0x2f0)

#define KERN_PROTECTION_FAILURE 2
#define MACH_SEND_INVALID_DEST  0x10000003
#define MIG_ARRAY_TOO_LARGE     (-307)
#define MIG_SERVER_DIED         (-308)

#define kIOMessageServiceIsTerminated IO_CODE(0x010)

#define kIOMemoryDirectionIn        1u
#define kIOMemoryDirectionOut       2u
#define kIOMemoryDirectionInOut     3u
#define kIOMemoryDisableCopyOnWrite 0x10u
#define kIOMemoryMapReadOnly        2u /* of CreateMapping (IOMemoryDescriptor.iig) */
#define kIOUserClientMemoryReadOnly 1u

#define kIOPCIDeviceResetTypeHot         0x01u
#define kIOPCIDeviceResetTypeFunction    0x10u
#define kIOPCIDeviceResetOptionTerminate 1u
#define kIOInterruptTypeLevel            0x00001u
#define kIOInterruptTypePCIMessaged      0x10000u
#define kIOInterruptTypePCIMessagedX     0x20000u

#endif
