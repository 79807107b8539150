/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What host and worker send each other, as a faulty module may have spoilt it.
 * The first byte of the input below 128 is the type of one frame, and the rest
 * its body; otherwise the rest is a stream, where the same frames must come out
 * whatever the pieces it arrives in. A message that is taken goes back out and
 * in unchanged.
 */
#include "fuzz.h"

#include "core/worker_wire.h"

#define STREAM 128
#define TRACE_MAX 64

static const struct frame_token TOKEN = {"0123456789abcde"};

/* ---- messages --------------------------------------------------------- */

static mig_status put_again(struct buf *out, const struct frame *frame, struct arena *arena)
{
    struct worker_job job;
    struct mighost_event event;
    struct wire_result result;
    struct mig_err err = {0};

    if (wire_get_job(frame, arena, &job, &err) == MIG_OK)
        return wire_put_job(out, &TOKEN, &job, &err);
    fuzz_check_error(&err);
    if (wire_get_event(frame, &event))
        return wire_put_event(out, &TOKEN, &event, &err);
    if (!wire_get_result(frame, &result))
        return MIG_E_IO;
    FUZZ_CHECK(result.err.status <= MIG_OK);
    return wire_put_result(out, &TOKEN, &result, &err);
}

/* What went out once goes in and out again. */
static void check_messages(const struct frame *frame)
{
    AUTO(arena) struct arena arena = {0};
    AUTO(frame_reader) struct frame_reader reader = {.token = TOKEN};
    AUTO(buf) struct buf once = {0};
    AUTO(buf) struct buf twice = {0};
    struct mig_err err;
    struct frame again;

    if (put_again(&once, frame, &arena) != MIG_OK)
        return;
    FUZZ_CHECK(frame_reader_feed(&reader, once.data, once.len, &err) == MIG_OK);
    FUZZ_CHECK(frame_reader_next(&reader, &again) && again.type == frame->type);
    FUZZ_CHECK(put_again(&twice, &again, &arena) == MIG_OK);
    FUZZ_CHECK(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    FUZZ_CHECK(reader.skipped == 0 && !frame_reader_next(&reader, &again));
}

static void check_raw(const struct frame *frame)
{
    static struct wire_stack stack;
    static struct spot_row row;

    if (wire_get_stack(frame, &stack)) {
        FUZZ_CHECK(stack.object_count <= WIRE_OBJECTS && stack.frame_count <= WIRE_FRAMES);
        for (size_t i = 0; i < stack.object_count; i++)
            FUZZ_CHECK(memchr(stack.objects[i], '\0', WIRE_OBJECT_NAME));
        for (size_t i = 0; i < stack.frame_count; i++)
            FUZZ_CHECK(stack.frames[i].object < stack.object_count ||
                       stack.frames[i].object == WIRE_NO_OBJECT);
    }
    if (wire_get_row(frame, &row)) {
        FUZZ_CHECK(row.key_count <= SPOT_KEYS && memchr(row.table, '\0', SPOT_NAME));
        for (size_t i = 0; i < row.key_count; i++)
            FUZZ_CHECK(memchr(row.keys[i].name, '\0', SPOT_NAME) &&
                       memchr(row.keys[i].text, '\0', SPOT_TEXT));
    }
}

static void check_fields(const struct frame *frame)
{
    struct frame_field field;
    size_t at = 0;
    mig_status status;

    while ((status = frame_next_field(frame, &at, &field)) == MIG_ROW) {
        const char *text = frame_field_text(&field);

        FUZZ_CHECK(at <= frame->len && field.data >= frame->body);
        FUZZ_CHECK(field.data + field.len == frame->body + at);
        FUZZ_CHECK(!text || strlen(text) + 1 == field.len);
    }
    FUZZ_CHECK(status == MIG_E_IO || (status == MIG_OK && at == frame->len));
}

static void check_frame(const struct frame *frame)
{
    FUZZ_CHECK(frame->type > 0 && frame->type < FRAME_TYPES && frame->len <= FRAME_MAX_BODY);
    check_fields(frame);
    check_messages(frame);
    check_raw(frame);
}

/* ---- streams ---------------------------------------------------------- */

/* What came out of a stream. */
struct trace {
    size_t frames;
    uint64_t skipped;
    struct {
        enum frame_type type;
        size_t len;
    } items[TRACE_MAX];
};

static void read_stream(const uint8_t *data, size_t len, size_t piece, bool any_token,
                        struct trace *out)
{
    AUTO(frame_reader) struct frame_reader reader = {.token = TOKEN, .any_token = any_token};
    struct frame frame;
    struct mig_err err;

    *out = (struct trace){0};
    for (size_t at = 0; at < len; at += piece) {
        size_t more = len - at < piece ? len - at : piece;

        FUZZ_CHECK(frame_reader_feed(&reader, data + at, more, &err) == MIG_OK);
        while (frame_reader_next(&reader, &frame)) {
            check_frame(&frame);
            if (out->frames < TRACE_MAX) {
                out->items[out->frames].type = frame.type;
                out->items[out->frames].len = frame.len;
            }
            out->frames++;
        }
    }
    out->skipped = reader.skipped;
    FUZZ_CHECK(out->skipped <= len);
}

static void fuzz_stream(const uint8_t *data, size_t len, bool any_token)
{
    static struct trace whole, pieces;

    read_stream(data, len, len + 1, any_token, &whole);
    read_stream(data, len, 1 + len % 29, any_token, &pieces);
    FUZZ_CHECK(whole.frames == pieces.frames && whole.skipped == pieces.skipped);
    for (size_t i = 0; i < whole.frames && i < TRACE_MAX; i++)
        FUZZ_CHECK(whole.items[i].type == pieces.items[i].type &&
                   whole.items[i].len == pieces.items[i].len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *body;

    if (size == 0 || size > FRAME_MAX_BODY)
        return 0;
    body = fuzz_copy(data + 1, size - 1);
    if (data[0] >= STREAM) {
        fuzz_stream(body, size - 1, data[0] & 1);
    } else {
        const struct frame frame = {
            .type = (enum frame_type)(1 + data[0] % (FRAME_TYPES - 1)),
            .body = body,
            .len = size - 1,
        };

        check_frame(&frame);
    }
    free(body);
    return 0;
}
