/* SPDX-License-Identifier: GPL-2.0-or-later */
void os_release(void *object);
