/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dispatch.h - serial queues and semaphores, function forms only. */
#ifndef __DISPATCH_PUBLIC__
#define __DISPATCH_PUBLIC__

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define USEC_PER_SEC  1000000ull
#define NSEC_PER_USEC 1000ull

typedef void *dispatch_object_t; /* any of the types below */
typedef struct dispatch_queue_s *dispatch_queue_t;
typedef struct dispatch_queue_attr_s *dispatch_queue_attr_t;
typedef struct dispatch_semaphore_s *dispatch_semaphore_t;
typedef void (*dispatch_function_t)(void *);
typedef uint64_t dispatch_time_t;

#define DISPATCH_TIME_NOW     (0ull)
#define DISPATCH_TIME_FOREVER (~0ull)

dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta);

void dispatch_retain(dispatch_object_t object);
void dispatch_release(dispatch_object_t object);
void dispatch_set_context(dispatch_object_t object, void *context);
void *dispatch_get_context(dispatch_object_t object);
/* Runs once, on the queue, when the last reference is gone; the context must not be NULL. */
void dispatch_set_finalizer_f(dispatch_object_t object, dispatch_function_t finalizer);

#define DISPATCH_QUEUE_SERIAL NULL

dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attr);
const char *dispatch_queue_get_label(dispatch_queue_t queue);
void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t work);
/* Traps when the caller runs on that queue already. */
void dispatch_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t work);
void dispatch_after_f(dispatch_time_t when, dispatch_queue_t queue, void *context, dispatch_function_t work);

dispatch_semaphore_t dispatch_semaphore_create(intptr_t value);
/* 0, or non-zero when `timeout` passed first. */
intptr_t dispatch_semaphore_wait(dispatch_semaphore_t dsema, dispatch_time_t timeout);
intptr_t dispatch_semaphore_signal(dispatch_semaphore_t dsema);

#ifdef __cplusplus
}
#endif
#endif
