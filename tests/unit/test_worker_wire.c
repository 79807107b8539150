/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of host and worker: each comes back as it went, and a message
 * that is cut, foreign or out of range is refused and never half believed.
 */
#include "core/worker_wire.h"

#include <criterion/criterion.h>

static const struct frame_token TOKEN = {{7, 7, 7}};

/* The one frame in `bytes`; the reader owns it. */
static struct frame read_frame(struct frame_reader *reader, const struct buf *bytes)
{
    struct frame frame;
    struct mig_err err;

    reader->token = TOKEN;
    cr_assert_eq(frame_reader_feed(reader, bytes->data, bytes->len, &err), MIG_OK);
    cr_assert(frame_reader_next(reader, &frame));
    return frame;
}

static struct worker_job sample_job(void)
{
    static const char *const params[] = {"a=1", "b=2", "c=3", "d=4", "e=5", NULL};
    static const char *const secrets[] = {"key=geheim", NULL};

    return (struct worker_job){
        .database = "postgres://u:secret@h/d",
        .history = "app.mighost",
        .id = "20240101000000",
        .checksum = "00",
        .file = "libmig_20240101000000.so",
        .run_id = "run",
        .params = params,
        .secrets = secrets,
        .direction = MIGHOST_DOWN,
        .index = 3,
        .count = 4,
        .wait_ms = -1,
        .timeout_ms = 1500,
        .max_memory = UINT64_C(1) << 40,
        .max_cpu_ms = 2500,
        .max_rejects = 17,
        .throttle = 50,
        .max_lag_ms = 1200,
    };
}

Test(worker_wire, a_job_comes_back)
{
    const struct worker_job job = sample_job();
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {0};
    AUTO(arena) struct arena arena = {0};
    struct worker_job back;
    struct mig_err err;
    struct frame frame;

    cr_assert_eq(wire_put_job(&bytes, &TOKEN, &job, &err), MIG_OK);
    frame = read_frame(&reader, &bytes);
    cr_assert_eq(wire_get_job(&frame, &arena, &back, &err), MIG_OK);
    cr_assert_str_eq(back.database, job.database);
    cr_assert_null(back.driver_dir);
    cr_assert_eq(back.direction, MIGHOST_DOWN);
    cr_assert_eq(back.index, 3);
    cr_assert_eq(back.wait_ms, -1);
    cr_assert_eq(back.max_memory, UINT64_C(1) << 40);
    cr_assert_eq(back.max_cpu_ms, 2500);
    cr_assert_eq(back.max_rejects, 17);
    cr_assert_eq(back.throttle, 50);
    cr_assert_eq(back.max_lag_ms, 1200);
    for (size_t i = 0; i < 5; i++)
        cr_assert_str_eq(back.params[i], job.params[i]);
    cr_assert_null(back.params[5]);
    cr_assert_str_eq(back.secrets[0], "key=geheim");
    cr_assert_null(back.secrets[1]);
    cr_assert_null(back.libraries);
}

Test(worker_wire, a_job_cut_short_is_refused)
{
    const struct worker_job job = sample_job();
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {0};
    struct mig_err err;
    struct frame frame;

    cr_assert_eq(wire_put_job(&bytes, &TOKEN, &job, &err), MIG_OK);
    frame = read_frame(&reader, &bytes);
    for (size_t len = 0; len < frame.len; len++) {
        AUTO(arena) struct arena arena = {0};
        struct frame cut = {.type = FRAME_JOB, .body = frame.body, .len = len};
        struct worker_job back = {.index = 99};
        mig_status status = wire_get_job(&cut, &arena, &back, &err);

        if (status < 0)
            cr_assert_eq(back.index, 99, "a refused job was written out");
    }
}

Test(worker_wire, an_event_comes_back)
{
    const struct mighost_event event = {.size = sizeof event,
                                        .kind = MIGHOST_EVENT_PROGRESS,
                                        .id = "1",
                                        .text = "half way",
                                        .level = MIG_WARN,
                                        .done = 5,
                                        .total = 10,
                                        .eta_ms = INT64_C(1) << 40,
                                        .rejected = 7,
                                        .pace = MIGHOST_PAUSED};
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {0};
    struct mighost_event back;
    struct mig_err err;
    struct frame frame;

    cr_assert_eq(wire_put_event(&bytes, &TOKEN, &event, &err), MIG_OK);
    frame = read_frame(&reader, &bytes);
    cr_assert(wire_get_event(&frame, &back));
    cr_assert_eq(back.kind, MIGHOST_EVENT_PROGRESS);
    cr_assert_eq(back.level, MIG_WARN);
    cr_assert_eq(back.done, 5);
    cr_assert_eq(back.eta_ms, INT64_C(1) << 40);
    cr_assert_eq(back.rejected, 7);
    cr_assert_eq(back.pace, MIGHOST_PAUSED);
    cr_assert_str_eq(back.text, "half way");
    cr_assert_str_eq(back.description, "");
}

Test(worker_wire, an_event_out_of_range_is_refused)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {0};
    struct mighost_event back;
    struct mig_err err;
    struct frame frame;
    size_t begun = frame_begin(&bytes, &TOKEN, FRAME_EVENT);

    frame_put_int(&bytes, 1, 4711);
    cr_assert_eq(frame_end(&bytes, begun, &err), MIG_OK);
    frame = read_frame(&reader, &bytes);
    cr_assert_not(wire_get_event(&frame, &back));
}

Test(worker_wire, a_result_comes_back)
{
    struct wire_result result = {.skipped = true, .confirmed = true};
    AUTO(buf) struct buf bytes = {0};
    AUTO(frame_reader) struct frame_reader reader = {0};
    struct wire_result back;
    struct mig_err err;
    struct frame frame;

    err_set(&result.err, MIG_E_SQL, "no such table");
    result.err.offset = 17;
    memcpy(result.err.sqlstate, "42P01", 6);
    err_where(&result.err, "x.sql:1:2");
    cr_assert_eq(wire_put_result(&bytes, &TOKEN, &result, &err), MIG_OK);
    frame = read_frame(&reader, &bytes);
    cr_assert(wire_get_result(&frame, &back));
    cr_assert(back.skipped);
    cr_assert(back.confirmed);
    cr_assert_eq(back.err.status, MIG_E_SQL);
    cr_assert_eq(back.err.offset, 17);
    cr_assert_str_eq(back.err.sqlstate, "42P01");
    cr_assert_str_eq(back.err.where, "x.sql:1:2");
    cr_assert_str_eq(back.err.message, "no such table");
}

/* A module that writes "status 0" into the pipe must not be taken for one. */
Test(worker_wire, a_result_without_a_status_is_no_success)
{
    const struct frame empty = {.type = FRAME_RESULT, .body = (const unsigned char *)"", .len = 0};
    struct wire_result back;

    cr_assert_not(wire_get_result(&empty, &back));
}

Test(worker_wire, a_stack_with_wild_numbers_is_tamed)
{
    static struct wire_stack stack, back;
    struct frame frame = {
        .type = FRAME_STACK, .body = (const unsigned char *)&stack, .len = sizeof stack};

    memset(&stack, 0xff, sizeof stack);
    cr_assert_not(wire_get_stack(&frame, &back));
    stack.object_count = 1;
    stack.frame_count = WIRE_FRAMES;
    cr_assert(wire_get_stack(&frame, &back));
    cr_assert_eq(back.frames[5].object, WIRE_NO_OBJECT);
    cr_assert_eq(back.objects[0][WIRE_OBJECT_NAME - 1], '\0');
    frame.len--;
    cr_assert_not(wire_get_stack(&frame, &back));
}

Test(worker_wire, a_row_with_wild_numbers_is_tamed)
{
    static struct spot_row row, back;
    struct frame frame = {
        .type = FRAME_ROW, .body = (const unsigned char *)&row, .len = sizeof row};

    memset(&row, 0xff, sizeof row);
    cr_assert_not(wire_get_row(&frame, &back));
    row.key_count = SPOT_KEYS;
    cr_assert_not(wire_get_row(&frame, &back));
    for (size_t i = 0; i < SPOT_KEYS; i++)
        row.keys[i].type = MIG_TEXT;
    cr_assert(wire_get_row(&frame, &back));
    cr_assert_eq(back.table[SPOT_NAME - 1], '\0');
    cr_assert_eq(back.keys[5].text[SPOT_TEXT - 1], '\0');
    frame.len--;
    cr_assert_not(wire_get_row(&frame, &back));
}
