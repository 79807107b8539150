/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator: chunks of growing size, filled from their start. Owns its
 * chunks; what was handed out never moves and is never freed alone. A request
 * larger than a chunk gets a chunk of its own. Knows nothing of its content.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ARENA_FIRST_CHUNK ((size_t)4 * 1024)
#define ARENA_LARGEST_CHUNK ((size_t)256 * 1024)

struct arena_chunk {
    struct arena_chunk *older;
    size_t used;
    size_t size;
    alignas(max_align_t) char data[];
};

static char *chunk_take(struct arena_chunk *chunk, size_t size, size_t align)
{
    size_t start;

    if (!chunk)
        return NULL;
    start = (chunk->used + align - 1) / align * align;
    if (start > chunk->size || size > chunk->size - start)
        return NULL;
    chunk->used = start + size;
    return chunk->data + start;
}

static struct arena_chunk *chunk_new(struct arena_chunk *older, size_t least)
{
    size_t size = older ? older->size * 2 : ARENA_FIRST_CHUNK;
    struct arena_chunk *chunk;

    if (size > ARENA_LARGEST_CHUNK)
        size = ARENA_LARGEST_CHUNK;
    if (size < least)
        size = least;
    if (size > SIZE_MAX / 2)
        return NULL;
    chunk = malloc(sizeof *chunk + size);
    if (!chunk)
        return NULL;
    chunk->older = older;
    chunk->used = 0;
    chunk->size = size;
    return chunk;
}

static char *take(struct arena *arena, size_t size, size_t align)
{
    char *found = chunk_take(arena->chunk, size, align);
    struct arena_chunk *chunk;

    if (found)
        return found;
    chunk = chunk_new(arena->chunk, size);
    if (!chunk)
        return NULL;
    arena->chunk = chunk;
    return chunk_take(chunk, size, align);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *found = take(arena, size, alignof(max_align_t));

    if (found)
        memset(found, 0, size);
    return found;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? take(arena, len + 1, 1) : NULL;

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = len < 0 ? NULL : take(arena, (size_t)len + 1, 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void arena_clear(struct arena *arena)
{
    while (arena->chunk) {
        struct arena_chunk *older = arena->chunk->older;

        free(arena->chunk);
        arena->chunk = older;
    }
}
