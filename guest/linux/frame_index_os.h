/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the frame index takes from its surroundings: atomics, a lock, the CPU
 * it runs on, and memory at set-up time.  In a kernel these are the kernel's;
 * elsewhere (tests, fuzzing) the compiler's atomics and POSIX threads.
 *
 * The index calls nothing else, so what is tested outside of a kernel is the
 * file the module is built from.
 */
#ifndef FRAME_INDEX_OS_H
#define FRAME_INDEX_OS_H

#ifdef __KERNEL__

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/processor.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>

typedef atomic64_t fi_word_t;
typedef raw_spinlock_t fi_lock_t;

static inline u64 fi_load(const fi_word_t *w)
{
	return atomic64_read(w);
}

/* Whatever was stored before it is seen by those whose fi_cas() finds the value. */
static inline void fi_publish(fi_word_t *w, u64 value)
{
	atomic64_set_release(w, value);
}

static inline void fi_store(fi_word_t *w, u64 value)
{
	atomic64_set(w, value);
}

/* Acquire and release when it succeeds; else *old is what was found. */
static __always_inline bool fi_cas(fi_word_t *w, u64 *old, u64 value)
{
	return atomic64_try_cmpxchg(w, (s64 *)old, value);
}

static inline u64 fi_add(fi_word_t *w, s64 n)
{
	return atomic64_add_return(n, w);
}

/* Counts one more.  Orders nothing. */
static __always_inline u64 fi_note(fi_word_t *w)
{
	return atomic64_inc_return_relaxed(w);
}

#define fi_publish_pointer(p, v) smp_store_release(p, v)

#define fi_irq_save(flags)	local_irq_save(flags)
#define fi_irq_restore(flags)	local_irq_restore(flags)
#define fi_relax()		cpu_relax()
/* Between the parts of a long walk in the background. */
#define fi_breathe()		cond_resched()
#define fi_lock_init(l)		raw_spin_lock_init(l)
/* Interrupts are off already. */
#define fi_lock(l)		raw_spin_lock(l)
#define fi_unlock(l)		raw_spin_unlock(l)

static inline u32 fi_this_cpu(void)
{
	return smp_processor_id();
}

/* With interrupts on: where the caller was a moment ago. */
static inline u32 fi_any_cpu(void)
{
	return raw_smp_processor_id();
}

static inline void *fi_alloc(size_t n, size_t bytes)
{
	return kvcalloc(n, bytes, GFP_KERNEL);
}

static inline void fi_free(void *p)
{
	kvfree(p);
}

static inline u32 fi_hash(u64 key, u32 bits)
{
	return hash_64(key, bits);
}

#else

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef struct {
	u64 value;
} fi_word_t;
typedef pthread_spinlock_t fi_lock_t;

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define ____cacheline_aligned_in_smp
#define noinline		__attribute__((__noinline__))

static inline u64 fi_load(const fi_word_t *w)
{
	return __atomic_load_n(&w->value, __ATOMIC_RELAXED);
}

static inline void fi_publish(fi_word_t *w, u64 value)
{
	__atomic_store_n(&w->value, value, __ATOMIC_RELEASE);
}

static inline void fi_store(fi_word_t *w, u64 value)
{
	__atomic_store_n(&w->value, value, __ATOMIC_RELAXED);
}

static __always_inline bool fi_cas(fi_word_t *w, u64 *old, u64 value)
{
	return __atomic_compare_exchange_n(&w->value, old, value, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

#define fi_publish_pointer(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

static inline u64 fi_add(fi_word_t *w, s64 n)
{
	return __atomic_add_fetch(&w->value, (u64)n, __ATOMIC_ACQ_REL);
}

static __always_inline u64 fi_note(fi_word_t *w)
{
	return __atomic_add_fetch(&w->value, 1, __ATOMIC_RELAXED);
}

/* The thread's number; threads are what CPUs are elsewhere. */
extern __thread u32 fi_thread;

#define fi_irq_save(flags)	((void)((flags) = 0))
#define fi_irq_restore(flags)	((void)(flags))
#define fi_lock_init(l)		pthread_spin_init(l, PTHREAD_PROCESS_PRIVATE)
#define fi_lock(l)		pthread_spin_lock(l)
#define fi_unlock(l)		pthread_spin_unlock(l)
/* Whoever is waited for may need this very processor. */
#define fi_relax()		sched_yield()
#define fi_breathe()		((void)0)

static inline u32 fi_this_cpu(void)
{
	return fi_thread;
}

static inline u32 fi_any_cpu(void)
{
	return fi_thread;
}

static inline void *fi_alloc(size_t n, size_t bytes)
{
	return calloc(n, bytes);
}

static inline void fi_free(void *p)
{
	free(p);
}

static inline u32 fi_hash(u64 key, u32 bits)
{
	return key * 0x61c8864680b583ebull >> (64 - bits);
}

static inline u32 ilog2(u64 n)
{
	return 63 - __builtin_clzll(n);
}

static inline u64 roundup_pow_of_two(u64 n)
{
	return n < 2 ? 1 : 1ull << (64 - __builtin_clzll(n - 1));
}

static inline u32 __ffs64(u64 n)
{
	return __builtin_ctzll(n);
}

#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))

#endif
#endif
