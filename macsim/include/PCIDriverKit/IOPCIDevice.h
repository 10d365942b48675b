/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source: IOPCIFamily PCIDriverKit/IOPCIDevice.{iig,cpp} (PK), IOPCIDevice.cpp (PD).  Open is exclusive (NotOpen when
 * anybody has it) and maps the memory BARs; MemoryRead and MemoryWrite then are plain volatile accesses without bounds
 * check; configuration reads before Open are all ones.  memoryIndex counts the device's memory ranges: it is not the
 * BAR number.  Not here: SetLinkSpeed, GetLinkSpeed, SetASPMState, power management, Save/RestoreDeviceState.
 */
#ifndef _PCIDRIVERKIT_IOPCIDEVICE_H
#define _PCIDRIVERKIT_IOPCIDEVICE_H

#include <DriverKit/IOTypes.h>
#include <DriverKit/IOService.h>
#include <DriverKit/IOMemoryDescriptor.h>

enum IOPCIMemoryRange {
	kPCIMemoryRangeBAR0 = 0,
	kPCIMemoryRangeBAR1 = 1,
	kPCIMemoryRangeBAR2 = 2,
	kPCIMemoryRangeBAR3 = 3,
	kPCIMemoryRangeBAR4 = 4,
	kPCIMemoryRangeBAR5 = 5,
	kPCIMemoryRangeExpansionROM = 6,
};

enum IOPCIBARType {
	kPCIBARTypeM32 = 0x00,
	kPCIBARTypeIO = 0x01,
	kPCIBARTypeM64 = 0x04,
	kPCIBARTypeM32PF = 0x08,
	kPCIBARTypeM64PF = 0x0c,
};

#define IOPCIDevice__CopyDeviceMemoryWithIndex_ID OSMethodID("IOPCIDevice::_CopyDeviceMemoryWithIndex")
#define IOPCIDevice_FindPCICapability_ID          OSMethodID("IOPCIDevice::FindPCICapability")
#define IOPCIDevice_GetBusDeviceFunction_ID       OSMethodID("IOPCIDevice::GetBusDeviceFunction")
#define IOPCIDevice_GetBARInfo_ID                 OSMethodID("IOPCIDevice::GetBARInfo")
#define IOPCIDevice_ConfigureInterrupts_ID        OSMethodID("IOPCIDevice::ConfigureInterrupts")
#define IOPCIDevice_Reset_ID                      OSMethodID("IOPCIDevice::Reset")

#define IOPCIDevice__CopyDeviceMemoryWithIndex_Args                                                                    \
	uint64_t memoryIndex, IOMemoryDescriptor **returnMemory, IOService *forClient
#define IOPCIDevice_FindPCICapability_Args uint32_t capabilityID, uint64_t searchOffset, uint64_t *foundCapabilityOffset
#define IOPCIDevice_GetBusDeviceFunction_Args                                                                          \
	uint8_t *returnBusNumber, uint8_t *returnDeviceNumber, uint8_t *returnFunctionNumber
#define IOPCIDevice_GetBARInfo_Args uint8_t barIndex, uint8_t *memoryIndex, uint64_t *barSize, uint8_t *barType
#define IOPCIDevice_ConfigureInterrupts_Args                                                                           \
	uint32_t interruptType, uint32_t numRequired, uint32_t numRequested, IOOptionBits options
#define IOPCIDevice_Reset_Args IOOptionBits type, IOOptionBits options

class IOPCIDevice : public IOService
{
	OSDeclareClass(IOPCIDevice, IOService);

public:
	bool init() override;
	void free() override;

	kern_return_t Open(IOService *forClient, IOOptionBits options = 0);
	void Close(IOService *forClient, IOOptionBits options = 0);

	void ConfigurationRead32(uint64_t offset, uint32_t *readData);
	void ConfigurationRead16(uint64_t offset, uint16_t *readData);
	void ConfigurationRead8(uint64_t offset, uint8_t *readData);
	void ConfigurationWrite32(uint64_t offset, uint32_t data);
	void ConfigurationWrite16(uint64_t offset, uint16_t data);
	void ConfigurationWrite8(uint64_t offset, uint8_t data);

	void MemoryRead64(uint8_t memoryIndex, uint64_t offset, uint64_t *readData);
	void MemoryRead64(uint8_t memoryIndex, uint64_t offset, uint64_t *readData, IOOptionBits options);
	void MemoryRead32(uint8_t memoryIndex, uint64_t offset, uint32_t *readData);
	void MemoryRead32(uint8_t memoryIndex, uint64_t offset, uint32_t *readData, IOOptionBits options);
	void MemoryRead16(uint8_t memoryIndex, uint64_t offset, uint16_t *readData);
	void MemoryRead16(uint8_t memoryIndex, uint64_t offset, uint16_t *readData, IOOptionBits options);
	void MemoryRead8(uint8_t memoryIndex, uint64_t offset, uint8_t *readData);
	void MemoryRead8(uint8_t memoryIndex, uint64_t offset, uint8_t *readData, IOOptionBits options);
	void MemoryWrite64(uint8_t memoryIndex, uint64_t offset, uint64_t data);
	void MemoryWrite64(uint8_t memoryIndex, uint64_t offset, uint64_t data, IOOptionBits options);
	void MemoryWrite32(uint8_t memoryIndex, uint64_t offset, uint32_t data);
	void MemoryWrite32(uint8_t memoryIndex, uint64_t offset, uint32_t data, IOOptionBits options);
	void MemoryWrite16(uint8_t memoryIndex, uint64_t offset, uint16_t data);
	void MemoryWrite16(uint8_t memoryIndex, uint64_t offset, uint16_t data, IOOptionBits options);
	void MemoryWrite8(uint8_t memoryIndex, uint64_t offset, uint8_t data);
	void MemoryWrite8(uint8_t memoryIndex, uint64_t offset, uint8_t data, IOOptionBits options);

	kern_return_t FindPCICapability(uint32_t capabilityID, uint64_t searchOffset, uint64_t *foundCapabilityOffset,
					OSDispatchMethod supermethod = NULL);
	kern_return_t GetBusDeviceFunction(uint8_t *returnBusNumber, uint8_t *returnDeviceNumber,
					   uint8_t *returnFunctionNumber, OSDispatchMethod supermethod = NULL);
	kern_return_t GetBARInfo(uint8_t barIndex, uint8_t *memoryIndex, uint64_t *barSize = 0, uint8_t *barType = 0,
				 OSDispatchMethod supermethod = NULL);
	kern_return_t ConfigureInterrupts(uint32_t interruptType, uint32_t numRequired = 1, uint32_t numRequested = 1,
					  IOOptionBits options = 0, OSDispatchMethod supermethod = NULL);
	kern_return_t Reset(IOOptionBits type, IOOptionBits options = 0, OSDispatchMethod supermethod = NULL);
	kern_return_t _CopyDeviceMemoryWithIndex(uint64_t memoryIndex, IOMemoryDescriptor **returnMemory,
						 IOService *forClient, OSDispatchMethod supermethod = NULL);

protected:
	kern_return_t FindPCICapability_Impl(IOPCIDevice_FindPCICapability_Args);
	kern_return_t GetBusDeviceFunction_Impl(IOPCIDevice_GetBusDeviceFunction_Args);
	kern_return_t GetBARInfo_Impl(IOPCIDevice_GetBARInfo_Args);
	kern_return_t ConfigureInterrupts_Impl(IOPCIDevice_ConfigureInterrupts_Args);
	kern_return_t Reset_Impl(IOPCIDevice_Reset_Args);
	kern_return_t _CopyDeviceMemoryWithIndex_Impl(IOPCIDevice__CopyDeviceMemoryWithIndex_Args);
};

#endif
