# SPDX-License-Identifier: GPL-2.0-or-later
TESTS += tests/qtest/companion.sh tests/qtest/host-calls.sh tests/qtest/sharing.sh tests/qtest/function.sh tests/qtest/versions.sh
