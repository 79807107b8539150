/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives and dies together: many small strings and structs of one
 * catalog or plan. `struct arena a = {0}` is an empty one; arena_clear() frees
 * all at once. Addresses stay valid until then. NULL means out of memory.
 */
#ifndef MIGHOST_ARENA_H
#define MIGHOST_ARENA_H

#include "auto.h"

#include <mig.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* the newest; older ones behind it */
};

/* Zeroed memory, aligned for every type. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
/* A copy of `len` bytes with a NUL behind them. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);
MIG_PRINTF(2, 3)
char *arena_printf(struct arena *arena, const char *format, ...);

void arena_clear(struct arena *arena);

AUTO_VALUE(arena, struct arena, arena_clear)

#endif
