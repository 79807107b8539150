/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed growable arrays. VEC_DEFINE(steps, struct step) defines the value type
 * `struct steps` with `data`, `len` and `cap`, steps_add() for a new zeroed
 * element at the end (NULL: out of memory), steps_clear() and AUTO(steps).
 * Elements move when the array grows: keep indexes, not addresses. Clearing
 * frees the array alone; what the elements own is their user's.
 *
 *     VEC_EACH(struct step, step, &steps) puts(step->name);
 */
#ifndef MIGHOST_VEC_H
#define MIGHOST_VEC_H

#include "auto.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_FIRST_CAP 8

/* Grows `data` for one element more; NULL, and `data` kept, without memory. */
static inline void *vec_grow(void *data, size_t *cap, size_t element)
{
    size_t more = *cap ? *cap * 2 : VEC_FIRST_CAP;
    void *grown = more > SIZE_MAX / 2 / element ? NULL : realloc(data, more * element);

    if (grown)
        *cap = more;
    return grown;
}

#define VEC_DEFINE(name, type)                                                \
    struct name {                                                             \
        type *data;                                                           \
        size_t len;                                                           \
        size_t cap;                                                           \
    };                                                                        \
    __attribute__((unused)) static inline type *name##_add(struct name *vec)  \
    {                                                                         \
        if (vec->len == vec->cap) {                                           \
            type *grown = vec_grow(vec->data, &vec->cap, sizeof(type));       \
            if (!grown)                                                       \
                return NULL;                                                  \
            vec->data = grown;                                                \
        }                                                                     \
        memset(&vec->data[vec->len], 0, sizeof(type));                        \
        return &vec->data[vec->len++];                                        \
    }                                                                         \
    __attribute__((unused)) static inline void name##_clear(struct name *vec) \
    {                                                                         \
        free(vec->data);                                                      \
        memset(vec, 0, sizeof *vec);                                          \
    }                                                                         \
    __attribute__((unused)) AUTO_VALUE(name, struct name, name##_clear) struct name

/* Runs the statement behind it for each element, `item` pointing at it. An empty
 * one has no memory, and nothing may be added to NULL, not even 0. */
#define VEC_EACH(type, item, vec)                                                       \
    for (type *item = (vec)->data, *item##_end = (vec)->len ? item + (vec)->len : item; \
         item != item##_end; item++)

#endif
