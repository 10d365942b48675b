/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * os_log to standard error.  Source: developer.apple.com documentation of os_log; %{public} and %{private} are
 * accepted and ignored.
 */
#ifndef _OS_LOG_H
#define _OS_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct os_log_s *os_log_t;
#define OS_LOG_DEFAULT  ((os_log_t)0)
#define OS_LOG_DISABLED ((os_log_t)1)

typedef unsigned char os_log_type_t;
enum {
	OS_LOG_TYPE_DEFAULT = 0x00,
	OS_LOG_TYPE_INFO = 0x01,
	OS_LOG_TYPE_DEBUG = 0x02,
	OS_LOG_TYPE_ERROR = 0x10,
	OS_LOG_TYPE_FAULT = 0x11,
};

os_log_t os_log_create(const char *subsystem, const char *category);
void _os_log_write(os_log_t log, os_log_type_t type, const char *format, ...);

#define os_log_with_type(log, type, ...) _os_log_write((log), (type), __VA_ARGS__)
#define os_log(log, ...)                 os_log_with_type((log), OS_LOG_TYPE_DEFAULT, __VA_ARGS__)
#define os_log_info(log, ...)            os_log_with_type((log), OS_LOG_TYPE_INFO, __VA_ARGS__)
#define os_log_debug(log, ...)           os_log_with_type((log), OS_LOG_TYPE_DEBUG, __VA_ARGS__)
#define os_log_error(log, ...)           os_log_with_type((log), OS_LOG_TYPE_ERROR, __VA_ARGS__)
#define os_log_fault(log, ...)           os_log_with_type((log), OS_LOG_TYPE_FAULT, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
