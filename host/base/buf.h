/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable buffer of bytes or text. `struct buf b = {0}` is an empty one;
 * buf_clear() frees it. What it holds is always followed by a NUL, so that
 * buf_text() is a C string. Running out of memory is remembered and later
 * calls do nothing: check once, at the end, with buf_ok() or buf_check().
 */
#ifndef MIGHOST_BUF_H
#define MIGHOST_BUF_H

#include "auto.h"
#include "err.h"

#include <stdbool.h>

struct buf {
    char *data; /* NULL while nothing was ever added */
    size_t len;
    size_t cap;
    bool failed;
};

/* Frees the memory and leaves an empty buffer. */
void buf_clear(struct buf *buf);
/* Empties the buffer but keeps its memory; forgets a failure. */
void buf_reset(struct buf *buf);

/* Makes room for `more` bytes and a NUL behind the content. */
bool buf_reserve(struct buf *buf, size_t more);
void buf_add(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
MIG_PRINTF(2, 3)
void buf_printf(struct buf *buf, const char *format, ...);
MIG_PRINTF(2, 0)
void buf_vprintf(struct buf *buf, const char *format, va_list args);

/* Shortens the content to `len` bytes; longer than it is changes nothing. */
void buf_cut(struct buf *buf, size_t len);

/* Whether nothing was lost. */
bool buf_ok(const struct buf *buf);
mig_status buf_check(const struct buf *buf, struct mig_err *err);

/* The content as text, "" while empty; valid until the buffer changes. */
const char *buf_text(const struct buf *buf);

AUTO_VALUE(buf, struct buf, buf_clear)

#endif
