/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and numbers of IOPCIFamily's IOKit/pci/IOPCIFamilyDefinitions.h (PF) that drivers use. */
#ifndef _PCIDRIVERKIT_IOPCIFAMILYDEFINITIONS_H
#define _PCIDRIVERKIT_IOPCIFAMILYDEFINITIONS_H

#include <DriverKit/IOTypes.h>
#include <DriverKit/IOLib.h>

#define kIOPCIMatchKey             "IOPCIMatch"
#define kIOPCIPrimaryMatchKey      "IOPCIPrimaryMatch"
#define kIOPCISecondaryMatchKey    "IOPCISecondaryMatch"
#define kIOPCIClassMatchKey        "IOPCIClassMatch"
#define kIOPCIDeviceMemoryArrayKey "IODeviceMemory"
#define kIOPCIDeviceMemoryMapBase  "IOPCIDeviceMemoryMapBase"
#define kIOPCIDeviceMemoryMapSize  "IOPCIDeviceMemoryMapSize"
#define kIOPCIDeviceMapperPageSize "IOPCIDeviceMapperPageSize"
#define kIOPCITunnelCompatibleKey  "IOPCITunnelCompatible"
#define kIOPCITunnelledKey         "IOPCITunnelled"
#define kIOPCIPauseCompatibleKey   "IOPCIPauseCompatible"
#define kIOPCIDeviceCrashResetType "IOPCIDeviceCrashResetType"
#define kIOPCIKernelMemoryAccess   "IOPCIKernelMemoryAccess"

enum {
	kIOInterruptTypePCIMessaged = 0x00010000,
	kIOInterruptTypePCIMessagedX = 0x00020000,
};

enum {
	kIOPCIConfigurationOffsetVendorID = 0x00,
	kIOPCIConfigurationOffsetDeviceID = 0x02,
	kIOPCIConfigurationOffsetCommand = 0x04,
	kIOPCIConfigurationOffsetStatus = 0x06,
	kIOPCIConfigurationOffsetRevisionID = 0x08,
	kIOPCIConfigurationOffsetClassCode = 0x09,
	kIOPCIConfigurationOffsetCacheLineSize = 0x0C,
	kIOPCIConfigurationOffsetLatencyTimer = 0x0D,
	kIOPCIConfigurationOffsetHeaderType = 0x0E,
	kIOPCIConfigurationOffsetBIST = 0x0F,
	kIOPCIConfigurationOffsetBaseAddress0 = 0x10,
	kIOPCIConfigurationOffsetBaseAddress1 = 0x14,
	kIOPCIConfigurationOffsetBaseAddress2 = 0x18,
	kIOPCIConfigurationOffsetBaseAddress3 = 0x1C,
	kIOPCIConfigurationOffsetBaseAddress4 = 0x20,
	kIOPCIConfigurationOffsetBaseAddress5 = 0x24,
	kIOPCIConfigurationOffsetCardBusCISPtr = 0x28,
	kIOPCIConfigurationOffsetSubSystemVendorID = 0x2C,
	kIOPCIConfigurationOffsetSubSystemID = 0x2E,
	kIOPCIConfigurationOffsetExpansionROMBase = 0x30,
	kIOPCIConfigurationOffsetCapabilitiesPtr = 0x34,
	kIOPCIConfigurationOffsetInterruptLine = 0x3C,
	kIOPCIConfigurationOffsetInterruptPin = 0x3D,
	kIOPCIConfigurationOffsetMinimumGrant = 0x3E,
	kIOPCIConfigurationOffsetMaximumLatency = 0x3F,
};

enum {
	kIOPCICapabilityIDPowerManagement = 0x01,
	kIOPCICapabilityIDVitalProductData = 0x03,
	kIOPCICapabilityIDMSI = 0x05,
	kIOPCICapabilityIDPCIX = 0x07,
	kIOPCICapabilityIDVendorSpecific = 0x09,
	kIOPCICapabilityIDPCIExpress = 0x10,
	kIOPCICapabilityIDMSIX = 0x11,
	kIOPCICapabilityIDSATAConfiguration = 0x12,
	kIOPCICapabilityIDAF = 0x13,
	kIOPCICapabilityIDEnhancedAllocation = 0x14,
	kIOPCICapabilityIDFPB = 0x15,

	/* extended capabilities: the identifier, negated */
	kIOPCIExpressCapabilityIDErrorReporting = -0x01U,
	kIOPCIExpressCapabilityIDVirtualChannel = -0x02U,
	kIOPCIExpressCapabilityIDDeviceSerialNumber = -0x03U,
	kIOPCIExpressCapabilityIDPowerBudget = -0x04U,
	kIOPCIExpressCapabilityIDVSEC = -0x0BU,
	kIOPCIExpressCapabilityIDAccessControlServices = -0x0DU,
	kIOPCIExpressCapabilityIDAlternativeRoutingID = -0x0EU,
	kIOPCIExpressCapabilityIDATS = -0x0FU,
	kIOPCIExpressCapabilityIDSRIOV = -0x10U,
	kIOPCIExpressCapabilityIDPRI = -0x13U,
	kIOPCIExpressCapabilityIDResizableBAR = -0x15U,
	kIOPCIExpressCapabilityIDDPA = -0x16U,
	kIOPCIExpressCapabilityIDTPHRequester = -0x17U,
	kIOPCIExpressCapabilityIDLatencyTolerenceReporting = -0x18U,
	kIOPCIExpressCapabilityIDSPCIe = -0x19U,
	kIOPCIExpressCapabilityIDPASID = -0x1BU,
	kIOPCIExpressCapabilityIDDPC = -0x1DU,
	kIOPCIExpressCapabilityIDL1PMSubstates = -0x1EU,
	kIOPCIExpressCapabilityIDPrecisionTimeManagement = -0x1FU,
	kIOPCIExpressCapabilityIDDVSEC = -0x23U,
	kIOPCIExpressCapabilityIDVFResizableBAR = -0x24U,
	kIOPCIExpressCapabilityIDDataLinkFeature = -0x25U,
	kIOPCIExpressCapabilityIDPL16GTs = -0x26U,
	kIOPCIExpressCapabilityIDLaneMarginingRx = -0x27U,
};

enum {
	kIOPCICommandIOSpace = 0x0001,
	kIOPCICommandMemorySpace = 0x0002,
	kIOPCICommandBusLead = 0x0004,
	kIOPCICommandBusMaster = kIOPCICommandBusLead,
	kIOPCICommandSpecialCycles = 0x0008,
	kIOPCICommandMemWrInvalidate = 0x0010,
	kIOPCICommandParityError = 0x0040,
	kIOPCICommandSERR = 0x0100,
	kIOPCICommandInterruptDisable = 0x0400,
};

enum {
	kIOPCIStatusInterrupt = 0x0008,
	kIOPCIStatusCapabilities = 0x0010,
};

typedef enum tIOPCIDeviceResetTypes {
	kIOPCIDeviceResetTypeHotReset = 0x00000001,
	kIOPCIDeviceResetTypeWarmReset = 0x00000002,
	kIOPCIDeviceResetTypeWarmResetDisable = 0x00000004,
	kIOPCIDeviceResetTypeWarmResetEnable = 0x00000008,
	kIOPCIDeviceResetTypeFunctionReset = 0x00000010,
} tIOPCIDeviceResetTypes;

typedef enum tIOPCIDeviceResetOptions {
	kIOPCIDeviceResetOptionNone = 0x00000000,
	kIOPCIDeviceResetOptionTerminate = 0x00000001,
} tIOPCIDeviceResetOptions;

typedef enum tIOPCIAccessOptions {
	kIOPCIAccessLatencyTolerantHint = (1 << 0),
} tIOPCIAccessOptions;

#endif
