/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable buffers. Owns the bytes it holds and keeps them NUL-terminated;
 * grows by doubling, so that adding is linear over all. A failure sticks until
 * the buffer is reset or cleared, and what was added before it stays readable.
 * Knows nothing of what the bytes mean.
 */
#include "buf.h"

#include <stdint.h>

#define BUF_FIRST_CAP 64

void buf_clear(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

bool buf_reserve(struct buf *buf, size_t more)
{
    size_t need, cap;
    char *data;

    if (buf->failed)
        return false;
    if (more > SIZE_MAX / 2 - buf->len - 1) {
        buf->failed = true;
        return false;
    }
    need = buf->len + more + 1;
    if (need <= buf->cap)
        return true;
    cap = buf->cap ? buf->cap : BUF_FIRST_CAP;
    while (cap < need)
        cap *= 2;
    data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    data[buf->len] = '\0';
    return true;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
    if (!buf_reserve(buf, len))
        return;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    size_t room;
    int len;

    if (!buf_reserve(buf, 0))
        return;
    room = buf->cap - buf->len;
    va_copy(again, args);
    len = vsnprintf(buf->data + buf->len, room, format, args);
    if (len >= 0 && (size_t)len >= room && buf_reserve(buf, (size_t)len))
        len = vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
    va_end(again);
    if (len < 0)
        buf->failed = true;
    if (buf->failed)
        buf->data[buf->len] = '\0';
    else
        buf->len += (size_t)len;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

void buf_cut(struct buf *buf, size_t len)
{
    if (len >= buf->len)
        return;
    buf->len = len;
    buf->data[len] = '\0';
}

bool buf_ok(const struct buf *buf)
{
    return !buf->failed;
}

mig_status buf_check(const struct buf *buf, struct mig_err *err)
{
    return buf->failed ? err_nomem(err) : MIG_OK;
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}
