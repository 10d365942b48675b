/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.h - what the tests of client library and dext share.
 *
 * They run inside a machine: build/macsim/bin/macsim FILE -- PROGRAM.
 */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfapple.h"

#define PAGE 16384u

/* Page-aligned memory of this process, filled with zeroes. */
uint8_t *memory(size_t bytes);

struct vfa_dma_request map_request(const struct vfa_dma_range *ranges, unsigned count);
struct vfa_dma_request unmap_request(uint64_t handle);
/* One operation; fails the test when the dext cannot be asked. */
enum vfa_status submit_one(struct vfa_device *dev, struct vfa_dma_request *req);

uint64_t registry_id(const char *address);
/* By an observer, also while the device is claimed. */
struct vfa_stats stats_of(const char *address);
/* Polls until nothing is owned or mapped, fails after 5 s. */
void wait_until_free(const char *address);

/* This program again, as another process with three arguments. Returns when that one has called tell_ready(). */
pid_t start_process(const char *what, const char *address, const char *argument);
/* In that process: never returns. */
void tell_ready(void) __attribute__((noreturn));
void kill_holder(pid_t pid);

/* A process that owns the device, has `mappings` live and bus master on; its main() calls hold(). */
pid_t start_holder(const char *address, unsigned mappings);
void hold(const char *address, unsigned mappings) __attribute__((noreturn));

/* macsim-ctl with these arguments; fails the test when it fails. */
void control(const char *arguments);
/* DMA so far to addresses that were not mapped. */
unsigned stray_accesses(void);

void sleep_ms(unsigned ms);
uint64_t now_ms(void);

#endif
