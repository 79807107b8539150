/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing text, and the cleanup idiom of the driver. A failed allocation makes
 * the text `failed` and every later addition a no-op, so that a caller builds
 * first and asks once. The bytes are always NUL-terminated unless failed. It
 * knows nothing of the server.
 */
#ifndef PG_TEXT_H
#define PG_TEXT_H

#include <mig.h>
#include <stdbool.h>
#include <stdlib.h>

#define AUTO(name) __attribute__((cleanup(auto_##name)))

#define TAKE(pointer)                           \
    __extension__({                             \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    })

struct text {
    char *data;
    size_t len;
    size_t room;
    bool failed;
};

void text_clear(struct text *text);
/* Empties the text and keeps its memory. */
void text_reset(struct text *text);
void text_add(struct text *text, const void *data, size_t len);
void text_put(struct text *text, const char *string);
/* Two hex digits a byte. */
void text_hex(struct text *text, const void *data, size_t len);
MIG_PRINTF(2, 3)
void text_format(struct text *text, const char *format, ...);
/* The whole as a string; "" when nothing was added or memory ran out. */
const char *text_string(const struct text *text);

#define NUMBER_ROOM 32 /* any 64-bit integer, any double */

/* As the server writes and reads them, whatever the locale of the program. */
const char *double_write(char out[NUMBER_ROOM], double real);
double double_read(const char *text);

/* Makes one line of a text of many: line breaks become "; ", other white
 * space one blank, and blanks and full stops at the end go. In place. */
void line_fold(char *line);
/* Cuts a UTF-8 text to fewer than `size` bytes, at the start of a character. */
void line_cut(char *line, size_t size);

static inline void auto_text(struct text *text)
{
    text_clear(text);
}

static inline void auto_free(void *pointer)
{
    void *held;

    memcpy(&held, pointer, sizeof held);
    free(held);
}

#endif
