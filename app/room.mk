# SPDX-License-Identifier: GPL-2.0-or-later
# The host app, with the driver extension and the tool inside: make app, on a Mac with Xcode.
#
# Without DEVELOPMENT_TEAM in app/Identity.xcconfig it is signed ad hoc, for a Mac without System Integrity Protection;
# with one Xcode signs it, and makes the profiles.  APP_XCODEBUILD adds arguments, as VFA_SIGNING=distribution.
# make sign signs what was built once more: SIGN_IDENTITY, "-" (ad hoc) unless given.

APP := $(B)/app/VFIOApple.app
APP_TEAM = $(shell scripts/expand-plist.py --value DEVELOPMENT_TEAM)
APP_XCODEBUILD ?=
SIGN_IDENTITY ?= -

.PHONY: app sign
ifeq ($(shell uname -s),Darwin)
app:
	@command -v xcodegen >/dev/null || { echo "make app: XcodeGen is missing; run brew install xcodegen" >&2; exit 1; }
	@xcodebuild -version >/dev/null 2>&1 || { echo "make app: Xcode is missing; install it (the command line tools have" \
		"no DriverKit) and run sudo xcode-select -s /Applications/Xcode.app" >&2; exit 1; }
	xcodegen generate --quiet --no-env --spec app/project.yml
	xcodebuild -quiet -project app/VFIOApple.xcodeproj -scheme VFIOApple -configuration Release \
		-derivedDataPath $(B)/app/xcode $(if $(APP_TEAM),-allowProvisioningUpdates,CODE_SIGNING_ALLOWED=NO) \
		$(APP_XCODEBUILD) build
	rm -rf $(APP)
	cp -R $(B)/app/xcode/Build/Products/Release/VFIOApple.app $(APP)
	$(if $(APP_TEAM),,scripts/sign-app.sh $(APP) - $(filter VFA_SIGNING=%,$(APP_XCODEBUILD)))
	@echo "$(APP) is built: move it to /Applications and open it"

sign:
	scripts/sign-app.sh $(APP) "$(SIGN_IDENTITY)" $(filter VFA_SIGNING=%,$(APP_XCODEBUILD))
else
app sign:
	@echo "make $@: the app is built by Xcode; run this on a Mac" >&2; exit 1
endif

$(B)/tests/unit/test_app_messages.o: CPPFLAGS += -Iapp
$(B)/app/messages.o: CPPFLAGS += -Iapp
$(B)/tests/unit/test_app_messages: $(B)/tests/unit/test_app_messages.o $(B)/app/messages.o
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka

TESTS += $(B)/tests/unit/test_app_messages scripts/check-darwin-app.sh
SAN_TESTS += $(B)/tests/unit/test_app_messages
