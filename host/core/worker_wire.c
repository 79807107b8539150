/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as tables: one row a member, its place in the struct being its tag
 * on the wire. Owns nothing. A message that lacks a member leaves it zero; one
 * with an unknown tag is from another version and is refused.
 */
#include "worker_wire.h"

#include <string.h>

enum member_kind { MEMBER_TEXT, MEMBER_LIST, MEMBER_NUMBER };

struct member {
    enum member_kind kind;
    uint16_t tag;
    size_t offset;
    size_t size;
    int64_t least; /* numbers */
    int64_t most;
};

#define TEXT(tag_, type, name)                             \
    {                                                      \
        MEMBER_TEXT, (tag_), offsetof(type, name), 0, 0, 0 \
    }
#define LIST(tag_, type, name)                             \
    {                                                      \
        MEMBER_LIST, (tag_), offsetof(type, name), 0, 0, 0 \
    }
#define NUMBER(tag_, type, name)                                                           \
    {                                                                                      \
        MEMBER_NUMBER, (tag_), offsetof(type, name), sizeof(((type *)0)->name), INT64_MIN, \
            INT64_MAX                                                                      \
    }
#define RANGE(tag_, type, name, least_, most_)                                                    \
    {                                                                                             \
        MEMBER_NUMBER, (tag_), offsetof(type, name), sizeof(((type *)0)->name), (least_), (most_) \
    }
#define END                        \
    {                              \
        MEMBER_TEXT, 0, 0, 0, 0, 0 \
    }

static const struct member JOB[] = {
    TEXT(1, struct worker_job, database),
    TEXT(2, struct worker_job, driver_dir),
    TEXT(3, struct worker_job, history),
    TEXT(4, struct worker_job, id),
    TEXT(5, struct worker_job, description),
    TEXT(6, struct worker_job, checksum),
    TEXT(7, struct worker_job, file),
    TEXT(8, struct worker_job, run_id),
    TEXT(9, struct worker_job, who),
    LIST(10, struct worker_job, params),
    LIST(11, struct worker_job, libraries),
    RANGE(12, struct worker_job, direction, MIGHOST_UP, MIGHOST_DOWN),
    NUMBER(13, struct worker_job, index),
    NUMBER(14, struct worker_job, count),
    NUMBER(15, struct worker_job, wait_ms),
    NUMBER(16, struct worker_job, timeout_ms),
    NUMBER(17, struct worker_job, connect_timeout_ms),
    NUMBER(18, struct worker_job, busy_timeout_ms),
    NUMBER(19, struct worker_job, lock_timeout_ms),
    NUMBER(20, struct worker_job, statement_timeout_ms),
    NUMBER(21, struct worker_job, max_memory),
    NUMBER(22, struct worker_job, max_rejects),
    NUMBER(23, struct worker_job, throttle),
    NUMBER(24, struct worker_job, max_lag_ms),
    NUMBER(25, struct worker_job, workers),
    TEXT(26, struct worker_job, signer),
    NUMBER(27, struct worker_job, max_cpu_ms),
    LIST(28, struct worker_job, secrets),
    END,
};

static const struct member EVENT[] = {
    RANGE(1, struct mighost_event, kind, MIGHOST_EVENT_WAITING, MIGHOST_EVENT_END),
    RANGE(2, struct mighost_event, direction, MIGHOST_UP, MIGHOST_DOWN),
    TEXT(3, struct mighost_event, id),
    TEXT(4, struct mighost_event, description),
    TEXT(5, struct mighost_event, run_id),
    TEXT(6, struct mighost_event, text),
    RANGE(7, struct mighost_event, level, MIG_DEBUG, MIG_ERROR),
    NUMBER(8, struct mighost_event, index),
    NUMBER(9, struct mighost_event, count),
    NUMBER(10, struct mighost_event, done),
    NUMBER(11, struct mighost_event, total),
    NUMBER(12, struct mighost_event, duration_ms),
    NUMBER(13, struct mighost_event, rate),
    NUMBER(14, struct mighost_event, eta_ms),
    NUMBER(15, struct mighost_event, batch),
    NUMBER(16, struct mighost_event, rejected),
    RANGE(17, struct mighost_event, pace, MIGHOST_FULL_SPEED, MIGHOST_PAUSED),
    END,
};

/* The result, flat, as it travels. */
struct flat_result {
    int64_t status;
    int64_t skipped;
    int64_t confirmed;
    int64_t offset;
    const char *sqlstate;
    const char *where;
    const char *message;
};

static const struct member RESULT[] = {
    RANGE(1, struct flat_result, status, INT32_MIN, MIG_OK),
    RANGE(2, struct flat_result, skipped, 0, 1),
    NUMBER(3, struct flat_result, offset),
    TEXT(4, struct flat_result, sqlstate),
    TEXT(5, struct flat_result, where),
    TEXT(6, struct flat_result, message),
    RANGE(7, struct flat_result, confirmed, 0, 1),
    END,
};

/* Members are 4 bytes (enumerations) or 8 wide. */
static int64_t number_at(const void *at, size_t size)
{
    int32_t narrow;
    int64_t wide;

    if (size == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static void set_number(void *at, size_t size, int64_t value)
{
    int32_t narrow = (int32_t)value;

    if (size == sizeof narrow)
        memcpy(at, &narrow, sizeof narrow);
    else
        memcpy(at, &value, sizeof value);
}

static void put_member(struct buf *out, const struct member *member, const char *at)
{
    const char *text;
    const char *const *list;

    switch (member->kind) {
    case MEMBER_TEXT:
        memcpy(&text, at, sizeof text);
        frame_put_text(out, member->tag, text);
        break;
    case MEMBER_LIST:
        memcpy(&list, at, sizeof list);
        for (; list && *list; list++)
            frame_put_text(out, member->tag, *list);
        break;
    case MEMBER_NUMBER: frame_put_int(out, member->tag, number_at(at, member->size)); break;
    }
}

static mig_status put(struct buf *out, const struct frame_token *token, enum frame_type type,
                      const struct member *members, const void *from, struct mig_err *err)
{
    size_t begun = frame_begin(out, token, type);

    for (; members->tag; members++)
        put_member(out, members, (const char *)from + members->offset);
    return frame_end(out, begun, err);
}

/* Appends to a list, which moves: its older self stays in the arena. */
static bool grow_list(char *at, const char *text, struct arena *arena)
{
    const char *const *old;
    const char **list;
    size_t count = 0;

    memcpy(&old, at, sizeof old);
    while (old && old[count])
        count++;
    if (count & (count + 1)) { /* full only at 0, 1, 3, 7 ... */
        list = (const char **)(void *)(uintptr_t)old;
    } else {
        list = arena_alloc(arena, (2 * count + 2) * sizeof *list);
        if (!list)
            return false;
        for (size_t i = 0; i < count; i++)
            list[i] = old[i];
    }
    list[count] = text;
    list[count + 1] = NULL;
    memcpy(at, &list, sizeof list);
    return true;
}

static bool get_member(const struct member *member, const struct frame_field *field, char *at,
                       struct arena *arena)
{
    const char *text = frame_field_text(field);
    int64_t value;

    if (member->kind == MEMBER_NUMBER) {
        if (!frame_field_int(field, &value) || value < member->least || value > member->most)
            return false;
        set_number(at, member->size, value);
        return true;
    }
    if (!text)
        return false;
    if (member->kind == MEMBER_LIST)
        return grow_list(at, text, arena);
    memcpy(at, &text, sizeof text);
    return true;
}

static bool get(const struct frame *frame, const struct member *members, void *into,
                struct arena *arena)
{
    struct frame_field field;
    size_t at = 0;
    mig_status status;

    while ((status = frame_next_field(frame, &at, &field)) == MIG_ROW) {
        const struct member *member = members;

        while (member->tag && member->tag != field.tag)
            member++;
        if (!member->tag || !get_member(member, &field, (char *)into + member->offset, arena))
            return false;
    }
    return status == MIG_OK;
}

mig_status wire_put_job(struct buf *out, const struct frame_token *token,
                        const struct worker_job *job, struct mig_err *err)
{
    return put(out, token, FRAME_JOB, JOB, job, err);
}

mig_status wire_get_job(const struct frame *frame, struct arena *arena, struct worker_job *job,
                        struct mig_err *err)
{
    struct worker_job read = {0};

    if (frame->type != FRAME_JOB || !get(frame, JOB, &read, arena) || !read.database || !read.id ||
        !read.file || !read.checksum || !read.run_id)
        return err_set(err, MIG_E_INTERNAL,
                       "the job that the worker was given cannot be read: "
                       "host and worker may be of different versions");
    *job = read;
    return MIG_OK;
}

mig_status wire_put_event(struct buf *out, const struct frame_token *token,
                          const struct mighost_event *event, struct mig_err *err)
{
    return put(out, token, FRAME_EVENT, EVENT, event, err);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

bool wire_get_event(const struct frame *frame, struct mighost_event *event)
{
    *event = (struct mighost_event){.size = sizeof *event};
    if (frame->type != FRAME_EVENT || !get(frame, EVENT, event, NULL))
        return false;
    event->id = or_empty(event->id);
    event->description = or_empty(event->description);
    event->run_id = or_empty(event->run_id);
    event->text = or_empty(event->text);
    return true;
}

mig_status wire_put_result(struct buf *out, const struct frame_token *token,
                           const struct wire_result *result, struct mig_err *err)
{
    const struct flat_result flat = {
        .status = result->err.status,
        .skipped = result->skipped,
        .confirmed = result->confirmed,
        .offset = result->err.offset,
        .sqlstate = result->err.sqlstate,
        .where = result->err.where,
        .message = result->err.message,
    };

    return put(out, token, FRAME_RESULT, RESULT, &flat, err);
}

bool wire_get_result(const struct frame *frame, struct wire_result *result)
{
    struct flat_result flat = {.status = 1};

    if (frame->type != FRAME_RESULT || !get(frame, RESULT, &flat, NULL) || flat.status > MIG_OK)
        return false;
    *result = (struct wire_result){.skipped = flat.skipped, .confirmed = flat.confirmed};
    err_set(&result->err, (mig_status)flat.status, "%s", or_empty(flat.message));
    err_where(&result->err, "%s", or_empty(flat.where));
    snprintf(result->err.sqlstate, sizeof result->err.sqlstate, "%s", or_empty(flat.sqlstate));
    result->err.offset = flat.offset;
    return true;
}

bool wire_get_stack(const struct frame *frame, struct wire_stack *stack)
{
    if (frame->type != FRAME_STACK || frame->len != sizeof *stack)
        return false;
    memcpy(stack, frame->body, sizeof *stack);
    if (stack->object_count > WIRE_OBJECTS || stack->frame_count > WIRE_FRAMES)
        return false;
    for (size_t i = 0; i < WIRE_OBJECTS; i++)
        stack->objects[i][WIRE_OBJECT_NAME - 1] = '\0';
    for (size_t i = 0; i < stack->frame_count; i++)
        if (stack->frames[i].object >= stack->object_count)
            stack->frames[i].object = WIRE_NO_OBJECT;
    return true;
}

bool wire_get_row(const struct frame *frame, struct spot_row *row)
{
    if (frame->type != FRAME_ROW || frame->len != sizeof *row)
        return false;
    memcpy(row, frame->body, sizeof *row);
    if (row->key_count > SPOT_KEYS)
        return false;
    row->table[SPOT_NAME - 1] = '\0';
    for (size_t i = 0; i < row->key_count; i++) {
        row->keys[i].name[SPOT_NAME - 1] = '\0';
        row->keys[i].text[SPOT_TEXT - 1] = '\0';
        if (row->keys[i].type > MIG_BLOB)
            return false;
    }
    return true;
}
