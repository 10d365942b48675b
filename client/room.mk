# SPDX-License-Identifier: GPL-2.0-or-later
# The client library, and its pkg-config file for those who build against this tree.

CLIENT_LIB := $(B)/client/libvfapple.a
CLIENT_PC := $(B)/client/vfapple.pc
CLIENT_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard client/src/*.c))
CLIENT_CPPFLAGS := -D_GNU_SOURCE -Iclient/include -Iclient/src -Iabi $(PLATFORM_CPPFLAGS)
CLIENT_TESTS := $(addprefix $(B)/tests/unit/,test_client_address test_client_dma test_client_error)

$(CLIENT_OBJS): CPPFLAGS = $(CLIENT_CPPFLAGS)

$(CLIENT_LIB): $(CLIENT_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(CLIENT_PC): client/vfapple.pc.in Makefile client/room.mk
	@mkdir -p $(@D)
	sed -e 's|@TOP@|$(TOP)|g' -e 's|@LIB@|$(TOP)/$(CLIENT_LIB)|g' -e 's|@VERSION@|1.0|g' \
		-e 's|@PLATFORM_LIBS@|$(PLATFORM_LIBS)|g' $< >$@

$(CLIENT_TESTS:=.o): CPPFLAGS = $(CLIENT_CPPFLAGS)
$(CLIENT_TESTS): %: %.o $(CLIENT_LIB) $(PLATFORM_DEPS)
	$(CC) $(LDFLAGS) -o $@ $< $(CLIENT_LIB) $(PLATFORM_LIBS) -lcmocka

ALL += $(CLIENT_LIB) $(CLIENT_PC)
TESTS += $(CLIENT_TESTS)
SAN_TESTS += $(CLIENT_TESTS)
