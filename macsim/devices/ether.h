/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ether.h - a cable between two network devices of one machine.
 *
 * Each end belongs to one function and is used from its callbacks. Frames have no FCS. The cable keeps what the other
 * end has not taken yet; when that is much, it is full, and the sender waits as for a pause frame. An end that does
 * not listen loses what arrives, and one that takes nothing for a second loses what has piled up: nobody waits forever.
 */
#ifndef MACSIM_ETHER_H
#define MACSIM_ETHER_H

#include "model.h"

#define ETHER_FRAME_MAX 9728 /* jumbo frames of the 82599 */

struct ether;

/* An end of the cable of that name; NULL when it has both already. `index` is 0 at the first end, 1 at the second. */
struct ether *ether_attach(struct sim_function *f, const char *name, unsigned *index);
void ether_detach(struct ether *e);
bool ether_linked(struct ether *e); /* there is another end */
void ether_listen(struct ether *e, bool listening);
bool ether_room(struct ether *e); /* false: wait; the sender is woken when there is */
void ether_send(struct ether *e, const void *frame, size_t bytes);
/* The frame that comes next stays until ether_drop(); 0: there is none. */
size_t ether_peek(struct ether *e, void *frame, size_t size);
void ether_drop(struct ether *e);

#endif
