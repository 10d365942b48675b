#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: would Apple's tools and systems take the extension, the app and the client as they are?
#
# Interfaces against a table of Apple's, and against Apple's own files where DRIVERKIT_IIG=DIR[:DIR...] and
# IOKIT_HEADERS=DIR or MACOS_SDK name them; property lists, entitlements and the Xcode project against Apple's rules.
# Then both checkers are given trees with one mistake each.  Without Python's yaml the Xcode project is left out.
set -u

cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export PYTHONPYCACHEPREFIX=$work/pycache
. tests/tap.sh

for checker in interfaces packaging; do
	tests/contract/$checker.py >"$work/log" 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok - "*) result 0 "${line#ok - }" ;;
		"not ok - "*) result 1 "${line#not ok - }" ;;
		*) echo "# ${line#\# }" ;;
		esac
	done <"$work/log"
	[ $status -eq 0 ] || failed=1
	grep -qE '^(not )?ok - ' "$work/log" || result 1 "$checker.py ran" "$work/log"
done

# ---- mistakes are noticed ----

tree=$work/tree
mkdir "$tree"
tar -cf - abi app cli client dext docs/spec-dext.md macsim/include scripts/expand-plist.py \
	tests/contract/driverkit-interfaces.txt | tar -xf - -C "$tree" || exit 1

refuses()
{	# checker, description, file, sed script, words the complaint must contain
	local checker=$1 description=$2 file=$3 script=$4 words=$5 status
	sed -E "$script" "$file" >"$tree/$file"
	if cmp -s "$file" "$tree/$file"; then
		echo "$script changes nothing in $file" >"$work/log"
		result 1 "$description" "$work/log"
		return
	fi
	env -u DRIVERKIT_IIG -u IOKIT_HEADERS -u MACOS_SDK tests/contract/$checker.py --root "$tree" >"$work/log" 2>&1
	status=$?
	cp "$file" "$tree/$file"
	[ $status -ne 0 ] && grep -q "^# .*$words" "$work/log"
	result $? "$description" "$work/log"
}

client=dext/VFIOUserPCIUserClient.cpp
iig=dext/VFIOUserPCIUserClient.iig
include=macsim/include
refuses interfaces "an override with another parameter type is refused" $iig \
	's/uint64_t type,/uint32_t type,/' \
	'CopyClientMemoryForType is .*uint32_t'
refuses interfaces "an override without LOCALONLY is refused" $iig 's/ LOCALONLY;/;/' \
	'ExternalMethod is dispatched'
refuses interfaces "an override of nothing is refused" $iig 's/\bStop\(/Halt(/' 'Halt overrides nothing'
refuses interfaces "a handler of another shape than its TYPE is refused" dext/VFIOUserPCIDriver.iig \
	's/uint64_t time\)/uint32_t time)/' 'TYPE wants'
refuses interfaces "a handler whose action is no TARGET is refused" dext/VFIOUserPCIDriver.iig 's/ TARGET,/,/' \
	'its TARGET'
refuses interfaces "a declaration with another type is refused" $include/DriverKit/IODMACommand.h \
	's/uint64_t \*flags, uint32_t/uint32_t *flags, uint32_t/' 'PrepareForDMA is'
refuses interfaces "a dispatched method declared as a plain one is refused" $include/PCIDriverKit/IOPCIDevice.h \
	's/(kern_return_t Reset\(.*), OSDispatchMethod supermethod = NULL/\1/' 'IOPCIDevice::Reset is local'
refuses interfaces "another return code is refused" $include/DriverKit/IOReturn.h 's/0x2c7\)/0x2c8)/' \
	'kIOReturnUnsupported'
refuses interfaces "another reset type is refused" $include/PCIDriverKit/IOPCIFamilyDefinitions.h \
	's/(FunctionReset = 0x000000)10/\120/' 'kIOPCIDeviceResetTypeFunctionReset is 0x20'
refuses interfaces "another interrupt type is refused" $include/PCIDriverKit/IOPCIFamilyDefinitions.h \
	's/(MessagedX = )0x00020000/\10x00040000/' 'kIOInterruptTypePCIMessagedX'
refuses interfaces "another memory direction is refused" $include/DriverKit/IOMemoryDescriptor.h \
	's/(DirectionIn = 0x0000000)1/\14/' 'kIOMemoryDirectionIn'
refuses interfaces "a structure of another shape is refused" $include/DriverKit/IOUserClient.h \
	's/uint32_t checkScalarInputCount;/uint64_t checkScalarInputCount;/' 'IOUserClientMethodDispatch'
refuses interfaces "an IOKitLib function of another shape is refused" $include/IOKit/IOKitLib.h \
	's/(IOServiceOpen\(io_service_t service, task_port_t owningTask, )uint32_t/\1uint64_t/' 'IOServiceOpen'
refuses interfaces "a name that only the stand-in has is refused" dext/Device.cpp \
	's/OSSafeReleaseNULL\(info\)/OSInvoke(info)/' \
	'OSInvoke'
refuses interfaces "a name that exists nowhere is refused" dext/Device.cpp 's/kIOReturnNoMemory/kIOReturnNoMemories/' \
	'kIOReturnNoMemories'
refuses interfaces "selectors out of order are refused" $client 's/VFA_CLAIM \*/VFA_CLAIMED */' \
	'dispatch table has'
refuses interfaces "another number of scalars in the dispatch table is refused" $client \
	's/(config_write, SYNC, )3/\12/' 'VFA_CONFIG_WRITE'
refuses interfaces "another state in the specification is refused" docs/spec-dext.md \
	's/(VFA_DMA_SUBMIT \| )O/\1H/' \
	'VFA_DMA_SUBMIT'
refuses interfaces "another number of scalars in the client is refused" client/src/bar.c \
	's/in_count = 4/in_count = 3/' \
	'VFA_BAR_WRITE is called'

plist=dext/Info.plist
refuses packaging "an extension of another family is refused" app/Identity.xcconfig \
	's/^(VFA_DEXT_ID = ).*/\1org.example.Driver/' 'does not begin with'
refuses packaging "a team that is none is refused" app/Identity.xcconfig 's/^(DEVELOPMENT_TEAM =)/\1 me/' \
	'DEVELOPMENT_TEAM'
refuses packaging "a property list without a usage description is refused" $plist \
	's/OSBundleUsageDescription/OSBundleUse/' \
	'OSBundleUsageDescription is missing'
refuses packaging "a misspelt key is refused" $plist 's/IOPCITunnelCompatible</IOPCITunnelCompatibel</' \
	'IOPCITunnelCompatible is missing'
refuses packaging "a string where a boolean is due is refused" $plist 's|<true/>|<string>true</string>|' \
	'IOPCITunnelCompatible is'
refuses packaging "another IOClass is refused" $plist 's/>IOUserService</>IOService</' 'IOClass is'
refuses packaging "a class that is in no .iig is refused" $plist 's/>VFIOUserPCIUserClient</>VFIOUserPCIClient</' \
	'no user client'
refuses packaging "properties by another name than Create() asks for are refused" $plist \
	's/>UserClientProperties</>ClientProperties</' \
	'UserClientProperties'
refuses packaging "a PCI ID that the entitlements lack is refused" dext/VFIOUserPCIDriver.distribution.entitlements \
	's/\$\(VFA_PCI_MATCH\)/0x000010de\&amp;0x0000ffff/' 'matches more devices'
refuses packaging "a PCI ID that the property list lacks is refused" $plist \
	's/\$\(VFA_PCI_MATCH\)/0x000010de\&amp;0x0000ffff/' \
	'allows more devices'
refuses packaging "a PCI ID of the wrong form is refused" app/Identity.xcconfig \
	's/^(VFA_PCI_MATCH_chosen = ).*/\110de/' \
	'IOPCIPrimaryMatch is 10de'
refuses packaging "free access in what is distributed is refused" dext/VFIOUserPCIDriver.distribution.entitlements \
	's|<key>com.apple.security|<key>com.apple.developer.driverkit.allow-any-userclient-access</key><false/>&|' \
	'allow-any-userclient-access is not known'
refuses packaging "a tool entitled to another extension is refused" cli/vfio-apple.entitlements \
	's/\$\(VFA_DEXT_ID\)/$(VFA_APP_ID)/' 'userclient-access is'
refuses packaging "a setting that does not exist is refused" $plist 's/\$\(MARKETING_VERSION\)/$(VERSION)/' \
	'no setting VERSION'
if ! python3 -c 'import yaml' 2>/dev/null; then
	echo "1..$count"
	exit $failed
fi
refuses packaging "a project that leaves out a source is refused" app/project.yml 's|"core/\*.c", ||' \
	'core/window.c is not built'
refuses packaging "a project without a debug configuration is refused" app/project.yml \
	'/^  Debug: debug/d' 'of each kind'
refuses packaging "a project with a file that is not there is refused" app/project.yml \
	's|dext/Info.plist|dext/Infos.plist|' \
	'INFOPLIST_FILE'
refuses packaging "a project without a header search path is refused" app/project.yml \
	's|\[\$\(SRCROOT\)/../abi, \$\(SRCROOT\)/../dext\]|[$(SRCROOT)/../dext]|' 'vfa_dext.h, which is in no header'
refuses packaging "a tool that claims what no profile grants in development is refused" app/project.yml \
	's|(TOOL_ENTITLEMENTS_development: )""|\1$(SRCROOT)/../cli/vfio-apple.entitlements|' 'in development'
refuses packaging "an extension that is not named after its identifier is refused" app/project.yml \
	's/PRODUCT_NAME: \$\(VFA_DEXT_ID\)/PRODUCT_NAME: VFIOUserPCIDriver/' 'PRODUCT_NAME'

done_testing
