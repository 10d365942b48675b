# SPDX-License-Identifier: GPL-2.0-or-later
# The vfio-apple tool.

cli_parts := cmd_list cmd_status cmd_run cmd_doctor doctor_facts doctor_registry doctor_checks doctor_device_checks \
	extension_list known_devices subprocess qemu_program qemu_args host kernel_image pci_ids json text
cli_objs := $(cli_parts:%=$(B)/cli/%.o) $(B)/cli/main.o
cli_tool := $(B)/cli/vfio-apple

$(cli_objs) $(B)/tests/unit/test_cli.o $(B)/tests/unit/test_doctor.o: CPPFLAGS += -Icli -Iclient/include -Iabi -D_GNU_SOURCE $(PLATFORM_CPPFLAGS)

$(cli_tool): $(cli_objs) $(B)/client/libvfapple.a $(PLATFORM_DEPS)
	$(CC) $(LDFLAGS) -o $@ $(cli_objs) $(B)/client/libvfapple.a $(PLATFORM_LIBS)

# The parts that need no device are tested by themselves.
$(B)/tests/unit/test_cli: $(B)/tests/unit/test_cli.o $(B)/cli/qemu_args.o $(B)/cli/pci_ids.o $(B)/cli/json.o $(B)/cli/text.o
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka

$(B)/tests/unit/test_doctor.o: CPPFLAGS += -I$(TOP)/dext/core
$(B)/tests/unit/test_doctor: $(B)/tests/unit/test_doctor.o $(B)/dext/core/config_policy.o \
		$(addprefix $(B)/cli/,doctor_checks.o doctor_device_checks.o extension_list.o known_devices.o subprocess.o text.o)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka

# Holds a device while the tool looks at it.
$(B)/tests/integration/cli_holder.o: CPPFLAGS += -Iclient/include -Iabi
$(B)/tests/integration/cli_holder: $(B)/tests/integration/cli_holder.o $(B)/client/libvfapple.a $(PLATFORM_DEPS)
	$(CC) $(LDFLAGS) -o $@ $< $(B)/client/libvfapple.a $(PLATFORM_LIBS)

# The same tool built for the next major version of the contract: what a user meets who updates only one half.
cli_other := $(B)/tests/integration/cli_other_version
$(cli_other): $(cli_objs:$(B)/%.o=%.c) $(wildcard client/src/*.[ch] client/include/*.h abi/*.h) $(PLATFORM_DEPS) | $(DEPS)
	@mkdir -p $@.abi
	sed 's/^\(#define VFA_VERSION_MAJOR\).*/\1 99/' abi/vfa_dext.h >$@.abi/vfa_dext.h
	$(CC) $(CFLAGS) -D_GNU_SOURCE -I$@.abi -Icli -Iclient/include -Iclient/src $(PLATFORM_CPPFLAGS) $(LDFLAGS) -o $@ \
		$(filter %.c,$^) $(PLATFORM_LIBS)

ALL += $(cli_tool)
CHECK_DEPS += $(B)/tests/integration/cli_holder $(cli_other)
TESTS += $(B)/tests/unit/test_cli $(B)/tests/unit/test_doctor tests/integration/cli.sh tests/integration/doctor.sh
SAN_TESTS += $(B)/tests/unit/test_cli $(B)/tests/unit/test_doctor
