/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which row a transform's callback is at, for whoever has to explain why the
 * process died or hung in it. One thread writes its spot; a signal handler,
 * perhaps on another thread, reads it while the row may go away: what it gets
 * is that row whole, or nothing. Knows no transform.
 */
#ifndef MIGHOST_SPOT_H
#define MIGHOST_SPOT_H

#include <mig.h>
#include <stdatomic.h>
#include <stdbool.h>

#define SPOT_KEYS 8
#define SPOT_NAME 128
#define SPOT_TEXT 88

struct spot {
    const char *table; /* as its author wrote it */
    const char *const *keys;
    size_t key_count;
    int thread;                             /* the kernel's number */
    _Atomic(const struct mig_value *) here; /* the row's key; NULL: in no callback */
    atomic_ulong visits;                    /* rows that it was at */
};

/* A row by its key. Texts are cut. */
struct spot_row {
    char table[SPOT_NAME];
    uint32_t key_count;
    uint32_t unused;
    struct spot_key {
        char name[SPOT_NAME];
        uint32_t type; /* enum mig_type */
        uint32_t len;
        uint64_t bits; /* of an integer or a double */
        char text[SPOT_TEXT];
    } keys[SPOT_KEYS];
};

/* Around the callback, by the spot's own thread. */
void spot_enter(struct spot *spot, const struct mig_value *here);
void spot_leave(struct spot *spot);

/* The row at one of `count` spots: of the calling thread, or with `of_any` of
 * another where that one is at none. False: there is none, or it is gone already.
 * May be called by signal handlers. */
bool spot_read(struct spot *spots, size_t count, bool of_any, struct spot_row *out);

#endif
