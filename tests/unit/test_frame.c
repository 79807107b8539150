/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between host and worker: what goes in comes out, whatever the pieces
 * it arrives in; and no bytes that anybody else writes are taken for a message
 * or make the reader read outside of its buffer.
 */
#include "core/frame.h"

#include <criterion/criterion.h>

static const struct frame_token OURS = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct frame_token THEIRS = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99}};

static void add_event(struct buf *out, const struct frame_token *token, const char *text)
{
    struct mig_err err;
    size_t begun = frame_begin(out, token, FRAME_EVENT);

    frame_put_text(out, 7, text);
    frame_put_int(out, 8, -42);
    cr_assert_eq(frame_end(out, begun, &err), MIG_OK);
}

static void feed(struct frame_reader *reader, const void *data, size_t len)
{
    struct mig_err err;

    cr_assert_eq(frame_reader_feed(reader, data, len, &err), MIG_OK);
}

/* The text of the next frame, or NULL where there is none. */
static const char *next_text(struct frame_reader *reader)
{
    struct frame frame;
    struct frame_field field;
    size_t at = 0;

    if (!frame_reader_next(reader, &frame))
        return NULL;
    cr_assert_eq(frame.type, FRAME_EVENT);
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_ROW);
    cr_assert_eq(field.tag, 7);
    return frame_field_text(&field);
}

Test(frame, fields_come_back_as_they_were_put)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {.token = OURS};
    struct frame frame;
    struct frame_field field;
    int64_t number = 0;
    size_t at = 0;

    add_event(&bytes, &OURS, "it is r\xc3\xa4udig");
    feed(&reader, bytes.data, bytes.len);
    cr_assert(frame_reader_next(&reader, &frame));
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_ROW);
    cr_assert_str_eq(frame_field_text(&field), "it is r\xc3\xa4udig");
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_ROW);
    cr_assert_eq(field.tag, 8);
    cr_assert(frame_field_int(&field, &number));
    cr_assert_eq(number, -42);
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_OK);
    cr_assert_not(frame_reader_next(&reader, &frame));
    cr_assert_eq(reader.skipped, 0);
}

Test(frame, arrives_byte_by_byte)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {.token = OURS};
    int found = 0;

    add_event(&bytes, &OURS, "one");
    add_event(&bytes, &OURS, "two");
    for (size_t i = 0; i < bytes.len; i++) {
        const char *text;

        feed(&reader, bytes.data + i, 1);
        while ((text = next_text(&reader)) != NULL)
            cr_assert_str_eq(text, found++ ? "two" : "one");
    }
    cr_assert_eq(found, 2);
}

Test(frame, junk_before_between_and_behind_is_skipped)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {.token = OURS};

    buf_puts(&bytes, "a module wrote here\n");
    add_event(&bytes, &OURS, "one");
    buf_add(&bytes, OURS.bytes, 9); /* the beginning of a token */
    add_event(&bytes, &OURS, "two");
    buf_puts(&bytes, "and here");
    feed(&reader, bytes.data, bytes.len);
    cr_assert_str_eq(next_text(&reader), "one");
    cr_assert_str_eq(next_text(&reader), "two");
    cr_assert_null(next_text(&reader));
    cr_assert_eq(reader.skipped, 20 + 9 + 8);
}

Test(frame, another_token_is_not_believed)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {.token = OURS};

    add_event(&bytes, &THEIRS, "forged");
    feed(&reader, bytes.data, bytes.len);
    cr_assert_null(next_text(&reader));
}

Test(frame, the_worker_takes_the_token_of_the_job)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {.any_token = true};

    add_event(&bytes, &OURS, "job");
    add_event(&bytes, &THEIRS, "forged");
    add_event(&bytes, &OURS, "more");
    feed(&reader, bytes.data, bytes.len);
    cr_assert_str_eq(next_text(&reader), "job");
    cr_assert_str_eq(next_text(&reader), "more");
    cr_assert_null(next_text(&reader));
}

Test(frame, a_header_that_promises_too_much_is_skipped)
{
    AUTO(frame_reader) struct frame_reader reader = {.token = OURS};
    unsigned char header[FRAME_HEADER_SIZE];
    AUTO(buf) struct buf bytes = {0};

    frame_header(header, &OURS, FRAME_EVENT, FRAME_MAX_BODY + 1);
    buf_add(&bytes, header, sizeof header);
    frame_header(header, &OURS, FRAME_TYPES, 0);
    buf_add(&bytes, header, sizeof header);
    frame_header(header, &OURS, FRAME_EVENT, 0);
    header[16] = FRAME_VERSION + 1;
    buf_add(&bytes, header, sizeof header);
    add_event(&bytes, &OURS, "sound");
    feed(&reader, bytes.data, bytes.len);
    cr_assert_str_eq(next_text(&reader), "sound");
}

Test(frame, a_body_too_long_is_refused_by_the_writer)
{
    AUTO(buf) struct buf bytes = {0};
    struct mig_err err;
    AUTO(free) char *half = calloc(1, FRAME_MAX_BODY / 2 + 1);
    size_t begun = frame_begin(&bytes, &OURS, FRAME_EVENT);

    frame_put_bytes(&bytes, 1, half, FRAME_MAX_BODY / 2 + 1);
    frame_put_bytes(&bytes, 1, half, FRAME_MAX_BODY / 2 + 1);
    cr_assert_eq(frame_end(&bytes, begun, &err), MIG_E_LIMIT);
}

Test(frame, a_field_longer_than_its_frame_is_an_error)
{
    unsigned char body[] = {1, 0, 0, 0, 9, 0, 0, 0, 'x'};
    struct frame frame = {.type = FRAME_EVENT, .body = body, .len = sizeof body};
    struct frame_field field;
    size_t at = 0;

    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_E_IO);
    body[4] = 1;
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_ROW);
    at = 0;
    frame.len = 5;
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_E_IO);
    at = 0;
    frame.len = sizeof body;
    memset(body + 4, 0xff, 4);
    cr_assert_eq(frame_next_field(&frame, &at, &field), MIG_E_IO);
}

Test(frame, a_text_needs_its_nul_and_no_other)
{
    const struct frame_field none = {.data = (const unsigned char *)"", .len = 0};
    const struct frame_field open = {.data = (const unsigned char *)"abc", .len = 3};
    const struct frame_field two = {.data = (const unsigned char *)"a\0b", .len = 4};
    const struct frame_field empty = {.data = (const unsigned char *)"", .len = 1};
    int64_t number;

    cr_assert_null(frame_field_text(&none));
    cr_assert_null(frame_field_text(&open));
    cr_assert_null(frame_field_text(&two));
    cr_assert_str_eq(frame_field_text(&empty), "");
    cr_assert_not(frame_field_int(&open, &number));
}

/* A small generator of our own: the same bytes in every run. */
static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

Test(frame, changed_bytes_never_lead_outside_of_the_buffer)
{
    unsigned state = 20261122;

    for (int round = 0; round < 2000; round++) {
        AUTO(buf) struct buf bytes = {0};
        AUTO(frame_reader) struct frame_reader reader = {.token = OURS};
        struct frame frame;

        add_event(&bytes, &OURS, "one");
        add_event(&bytes, &OURS, "a longer text in the second frame");
        for (int i = 0; i < 4; i++)
            bytes.data[next_random(&state) % bytes.len] = (char)next_random(&state);
        feed(&reader, bytes.data, bytes.len);
        while (frame_reader_next(&reader, &frame)) {
            struct frame_field field;
            size_t at = 0;
            size_t sum = 0;

            while (frame_next_field(&frame, &at, &field) == MIG_ROW)
                for (size_t i = 0; i < field.len; i++)
                    sum += field.data[i];
            cr_assert_leq(at, frame.len);
            cr_assert_leq(sum, 255 * frame.len);
        }
    }
}
