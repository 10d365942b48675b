/* SPDX-License-Identifier: GPL-2.0-or-later */
enum { QOS_CLASS_USER_INTERACTIVE = 0x21 };

int pthread_set_qos_class_self_np(unsigned int qos_class, int relative_priority);
