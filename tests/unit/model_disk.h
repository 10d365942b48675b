/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model_disk.h - what the tests of the disks' models share: one function at a
 * time, and the file behind it, which every test finds empty.
 */
#ifndef MODEL_DISK_H
#define MODEL_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "model_core.h"

#define FILE_BYTES (8u * 1024 * 1024)
#define IOVA(at)   (MEMORY_IOVA + (at))

static struct sim_function *f;
static char path[] = "/tmp/disk-model-XXXXXX";
static int file;

static void empty_file(void)
{
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(ftruncate(file, FILE_BYTES), 0);
}

static int stop(void **state)
{
	(void)state;
	model_stop(f);
	return 0;
}

/* Both are for RUN_ON_A_FILE(). */
static bool make_file(void)
{
	file = mkstemp(path);
	return file >= 0;
}

static int remove_file(int failures)
{
	unlink(path);
	return failures;
}

/* The exit status of a test program. */
#define RUN_ON_A_FILE(tests) (make_file() ? remove_file(cmocka_run_group_tests(tests, NULL, NULL)) : 1)

#endif
