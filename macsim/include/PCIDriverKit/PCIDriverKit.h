/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _PCIDRIVERKIT_PCIDRIVERKIT_H
#define _PCIDRIVERKIT_PCIDRIVERKIT_H

#include <PCIDriverKit/IOPCIFamilyDefinitions.h>
#include <PCIDriverKit/IOPCIDevice.h>

#endif
