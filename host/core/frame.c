/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames and fields of the pipe between host and worker. Owns the reader's
 * buffer and nothing else. Every length is checked against the bytes that are
 * there before it is used; what does not fit is skipped, byte by byte, until a
 * token begins again. Knows nothing of processes and of what fields mean.
 */
#include "frame.h"

#include <string.h>

enum { AT_VERSION = 16, AT_TYPE = 17, AT_RESERVED = 18, AT_LENGTH = 20 };

static void put_le(unsigned char *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_le(const unsigned char *in, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

void frame_header(unsigned char out[FRAME_HEADER_SIZE], const struct frame_token *token,
                  enum frame_type type, size_t body_len)
{
    for (size_t i = 0; i < FRAME_TOKEN_SIZE; i++)
        out[i] = token->bytes[i];
    out[AT_VERSION] = FRAME_VERSION;
    out[AT_TYPE] = (unsigned char)type;
    put_le(out + AT_RESERVED, 0, 2);
    put_le(out + AT_LENGTH, body_len, 4);
}

size_t frame_begin(struct buf *out, const struct frame_token *token, enum frame_type type)
{
    unsigned char header[FRAME_HEADER_SIZE];
    size_t begun = out->len;

    frame_header(header, token, type, 0);
    buf_add(out, header, sizeof header);
    return begun;
}

void frame_put_bytes(struct buf *out, uint16_t tag, const void *data, size_t len)
{
    unsigned char header[FRAME_FIELD_HEADER] = {0};

    if (len > FRAME_MAX_BODY) {
        out->failed = true;
        return;
    }
    put_le(header, tag, 2);
    put_le(header + 4, len, 4);
    buf_add(out, header, sizeof header);
    buf_add(out, data, len);
}

void frame_put_text(struct buf *out, uint16_t tag, const char *text)
{
    if (text)
        frame_put_bytes(out, tag, text, strlen(text) + 1);
}

void frame_put_int(struct buf *out, uint16_t tag, int64_t value)
{
    unsigned char bytes[8];

    put_le(bytes, (uint64_t)value, sizeof bytes);
    frame_put_bytes(out, tag, bytes, sizeof bytes);
}

mig_status frame_end(struct buf *out, size_t begun, struct mig_err *err)
{
    size_t body;

    if (!buf_ok(out))
        return buf_check(out, err);
    body = out->len - begun - FRAME_HEADER_SIZE;
    if (body > FRAME_MAX_BODY)
        return err_set(err, MIG_E_LIMIT, "a message of %zu bytes is too long for the worker", body);
    put_le((unsigned char *)out->data + begun + AT_LENGTH, body, 4);
    return MIG_OK;
}

mig_status frame_next_field(const struct frame *frame, size_t *at, struct frame_field *out)
{
    size_t left = frame->len - *at;
    const unsigned char *here = frame->body + *at;
    size_t len;

    if (!left)
        return MIG_OK;
    if (left < FRAME_FIELD_HEADER)
        return MIG_E_IO;
    len = (size_t)get_le(here + 4, 4);
    if (get_le(here + 2, 2) || len > left - FRAME_FIELD_HEADER)
        return MIG_E_IO;
    out->tag = (uint16_t)get_le(here, 2);
    out->data = here + FRAME_FIELD_HEADER;
    out->len = len;
    *at += FRAME_FIELD_HEADER + len;
    return MIG_ROW;
}

const char *frame_field_text(const struct frame_field *field)
{
    if (!field->len || memchr(field->data, '\0', field->len) != field->data + field->len - 1)
        return NULL;
    return (const char *)field->data;
}

bool frame_field_int(const struct frame_field *field, int64_t *out)
{
    if (field->len != 8)
        return false;
    *out = (int64_t)get_le(field->data, 8);
    return true;
}

mig_status frame_reader_feed(struct frame_reader *reader, const void *data, size_t len,
                             struct mig_err *err)
{
    if (reader->consumed) { /* frames handed out are done with */
        reader->buf.len -= reader->consumed;
        memmove(reader->buf.data, reader->buf.data + reader->consumed, reader->buf.len);
        reader->consumed = 0;
    }
    buf_add(&reader->buf, data, len);
    return buf_check(&reader->buf, err);
}

/* Bytes at the beginning of `data` that cannot begin a frame. */
static size_t junk_length(const struct frame_token *token, const unsigned char *data, size_t len)
{
    size_t skip = 0;

    while (skip < len) {
        size_t rest = len - skip < FRAME_TOKEN_SIZE ? len - skip : FRAME_TOKEN_SIZE;

        if (!memcmp(data + skip, token->bytes, rest))
            break;
        skip++;
    }
    return skip;
}

static bool header_is_sound(const unsigned char *header)
{
    return header[AT_VERSION] == FRAME_VERSION && header[AT_TYPE] &&
           header[AT_TYPE] < FRAME_TYPES && !get_le(header + AT_RESERVED, 2) &&
           get_le(header + AT_LENGTH, 4) <= FRAME_MAX_BODY;
}

static void skip(struct frame_reader *reader, size_t count)
{
    reader->consumed += count;
    reader->skipped += count;
}

bool frame_reader_next(struct frame_reader *reader, struct frame *out)
{
    for (;;) {
        const unsigned char *data = (const unsigned char *)reader->buf.data + reader->consumed;
        size_t len = reader->buf.len - reader->consumed;
        size_t body;

        if (!len)
            return false;
        if (!reader->any_token) {
            size_t junk = junk_length(&reader->token, data, len);

            skip(reader, junk);
            data += junk;
            len -= junk;
        }
        if (len < FRAME_HEADER_SIZE)
            return false;
        if (!header_is_sound(data)) {
            skip(reader, 1);
            continue;
        }
        body = (size_t)get_le(data + AT_LENGTH, 4);
        if (len - FRAME_HEADER_SIZE < body)
            return false;
        if (reader->any_token)
            memcpy(reader->token.bytes, data, FRAME_TOKEN_SIZE);
        reader->any_token = false;
        *out = (struct frame){
            .type = (enum frame_type)data[AT_TYPE], .body = data + FRAME_HEADER_SIZE, .len = body};
        reader->consumed += FRAME_HEADER_SIZE + body;
        return true;
    }
}

void frame_reader_clear(struct frame_reader *reader)
{
    buf_clear(&reader->buf);
    reader->consumed = 0;
}
