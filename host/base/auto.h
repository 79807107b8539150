/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one cleanup idiom: AUTO(type_clear) runs a destructor on a variable
 * when its scope ends, and TAKE() hands an owned pointer over, so that the
 * destructor finds NULL. Destructors take NULL and half-built objects.
 *
 *     AUTO(bufp) struct buf *b = NULL;     calls auto_bufp(&b)
 *     AUTO(free) char *text = strdup(...);
 *     AUTO(close) int fd = open(...);
 */
#ifndef MIGHOST_AUTO_H
#define MIGHOST_AUTO_H

#include <stdlib.h>
#include <unistd.h>

#define AUTO(name) __attribute__((cleanup(auto_##name)))

/* Defines auto_<name>() for a pointer type with a destructor. */
#define AUTO_POINTER(name, type, destroy)          \
    static inline void auto_##name(type **pointer) \
    {                                              \
        if (*pointer)                              \
            destroy(*pointer);                     \
    }

/* Defines auto_<name>() for a value type with a clear function. */
#define AUTO_VALUE(name, type, clear)           \
    static inline void auto_##name(type *value) \
    {                                           \
        clear(value);                           \
    }

static inline void auto_free(void *pointer)
{
    void *held;

    __builtin_memcpy(&held, pointer, sizeof held);
    free(held);
}

static inline void auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Hands `pointer` over: its value, and NULL left behind. */
#define TAKE(pointer)                           \
    __extension__({                             \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    })

#endif
