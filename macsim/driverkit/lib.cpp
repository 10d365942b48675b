/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib.cpp - allocation, time, locks and logging. */
#include "runtime.h"

#include <os/log.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Apple Silicon's timebase: 24 MHz. */
static const uint64_t kTimebaseNumer = 125, kTimebaseDenom = 3;

void *IOMalloc(size_t length)
{
	return malloc(length);
}

void *IOMallocZero(size_t length)
{
	return calloc(1, length);
}

void IOFree(void *address, size_t)
{
	free(address);
}

void IOSleep(uint64_t milliseconds)
{
	IODelay(milliseconds * 1000);
}

void IODelay(uint64_t microseconds)
{
	struct timespec left = {static_cast<time_t>(microseconds / 1000000),
				static_cast<long>(microseconds % 1000000 * 1000)};

	while (nanosleep(&left, &left))
		;
}

uint64_t IOVMPageSize = 16384;

uint64_t NanosecondsToTicks(uint64_t ns)
{
	return static_cast<uint64_t>((__uint128_t)ns * kTimebaseDenom / kTimebaseNumer);
}

uint64_t mach_absolute_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return NanosecondsToTicks(now.tv_sec * 1000000000ULL + now.tv_nsec);
}

uint64_t mach_continuous_time(void)
{
	return mach_absolute_time();
}

kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
	info->numer = kTimebaseNumer;
	info->denom = kTimebaseDenom;
	return KERN_SUCCESS;
}

/* ---- logging ---- */

/* One write for each line: those of several threads do not mix. */
static void WriteLine(const char *format, va_list arguments)
{
	char line[1024];
	int n = vsnprintf(line, sizeof(line) - 1, format, arguments);

	if (n < 0)
		return;
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (!n || line[n - 1] != '\n')
		line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

int IOLogv(const char *format, va_list arguments)
{
	WriteLine(format, arguments);
	return 0;
}

int IOLog(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	WriteLine(format, arguments);
	va_end(arguments);
	return 0;
}

void IOLogBuffer(const char *title, const void *buffer, size_t size)
{
	const uint8_t *bytes = static_cast<const uint8_t *>(buffer);
	char line[16 * 3 + 1];

	for (size_t i = 0; i < size; i += 16) {
		size_t n = 0;
		for (size_t j = i; j < size && j < i + 16; j++)
			n += snprintf(line + n, sizeof(line) - n, " %02x", bytes[j]);
		IOLog("%s %04zx:%s", title, i, line);
	}
}

os_log_t os_log_create(const char *, const char *)
{
	return OS_LOG_DEFAULT;
}

void _os_log_write(os_log_t log, os_log_type_t, const char *format, ...)
{
	std::string plain;
	va_list arguments;

	if (log == OS_LOG_DISABLED)
		return;
	for (const char *c = format; *c; c++) { /* "%{public}s" becomes "%s" */
		plain += *c;
		if (c[0] == '%' && c[1] == '{')
			while (*c && *c != '}')
				c++;
		if (!*c)
			break;
	}
	va_start(arguments, format);
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
	WriteLine(plain.c_str(), arguments);
#pragma clang diagnostic pop
	va_end(arguments);
}

/* ---- locks ---- */

struct IOLock {
	pthread_mutex_t mutex;
};

struct IORecursiveLock {
	pthread_mutex_t mutex;
};

IOLock *IOLockAlloc(void)
{
	IOLock *lock = IONewZero(IOLock, 1);

	if (lock)
		pthread_mutex_init(&lock->mutex, nullptr);
	return lock;
}

void IOLockFree(IOLock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
	free(lock);
}

void IOLockLock(IOLock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

bool IOLockTryLock(IOLock *lock)
{
	return !pthread_mutex_trylock(&lock->mutex);
}

void IOLockUnlock(IOLock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

IORecursiveLock *IORecursiveLockAlloc(void)
{
	IORecursiveLock *lock = IONewZero(IORecursiveLock, 1);
	pthread_mutexattr_t attributes;

	if (!lock)
		return nullptr;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&lock->mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return lock;
}

void IORecursiveLockFree(IORecursiveLock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
	free(lock);
}

void IORecursiveLockLock(IORecursiveLock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

bool IORecursiveLockTryLock(IORecursiveLock *lock)
{
	return !pthread_mutex_trylock(&lock->mutex);
}

void IORecursiveLockUnlock(IORecursiveLock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}
