# SPDX-License-Identifier: GPL-2.0-or-later
# The vfio-apple tool.

cli_parts := cmd_list cmd_status cmd_run qemu_args host pci_ids json
cli_objs := $(cli_parts:%=$(B)/cli/%.o) $(B)/cli/main.o
cli_tool := $(B)/cli/vfio-apple

$(cli_objs) $(B)/tests/unit/test_cli.o: CPPFLAGS += -Icli -Iclient/include -Iabi -D_GNU_SOURCE

$(cli_tool): $(cli_objs) $(B)/client/libvfapple.a $(PLATFORM_DEPS)
	$(CC) $(LDFLAGS) -o $@ $(cli_objs) $(B)/client/libvfapple.a $(PLATFORM_LIBS)

# The parts that need no device are tested by themselves.
$(B)/tests/unit/test_cli: $(B)/tests/unit/test_cli.o $(B)/cli/qemu_args.o $(B)/cli/pci_ids.o $(B)/cli/json.o
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka

ALL += $(cli_tool)
TESTS += $(B)/tests/unit/test_cli tests/integration/cli.sh
SAN_TESTS += $(B)/tests/unit/test_cli
