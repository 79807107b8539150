/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the structs of mighost.h as JSON. Names of members never change and
 * are never reused; new ones may come. The writer escapes everything, so texts
 * from outside need no care here.
 */
#include "json_out.h"

#include "clock.h"
#include "text.h"

const char *direction_name(enum mighost_direction direction)
{
    return direction == MIGHOST_DOWN ? "down" : "up";
}

void json_member_text(struct json *json, const char *key, const char *text)
{
    json_member_string(json, key, text && *text ? text : NULL);
}

void json_member_time(struct json *json, const char *key, int64_t ms)
{
    char text[TEXT_SHORT];

    json_member_string(json, key, ms ? text_time(text, ms) : NULL);
}

static const struct flag_name {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {MIGHOST_CHANGED, "changed"},           {MIGHOST_MISSING, "missing"},
    {MIGHOST_OUT_OF_ORDER, "out_of_order"}, {MIGHOST_HAS_DOWN, "has_down"},
    {MIGHOST_HAS_VERIFY, "has_verify"},
};

static void item_record(struct json *json, const struct mighost_item *item)
{
    bool recorded = item->applied_at_ms != 0;

    json_member_time(json, "applied_at", item->applied_at_ms);
    json_key(json, "sequence");
    recorded ? json_int(json, item->sequence) : json_null(json);
    json_key(json, "duration_ms");
    recorded ? json_int(json, item->duration_ms) : json_null(json);
    json_member_text(json, "run_id", item->run_id);
    json_member_text(json, "host_version", item->host_version);
    json_member_text(json, "who", item->who);
    json_member_text(json, "signer", item->signer);
}

void json_item(struct json *json, const struct mighost_item *item)
{
    json_object(json);
    json_member_string(json, "id", item->id);
    json_member_string(json, "description", item->description);
    json_member_string(json, "state", mighost_state_name(item->state));
    json_member_string(json, "kind", mighost_kind_name(item->kind));
    json_member_string(json, "mode", mighost_mode_name(item->mode));
    json_member_text(json, "file", item->file);
    json_member_text(json, "checksum", item->checksum);
    json_member_text(json, "gate", item->gate);
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++)
        json_member_bool(json, flag_names[i].name, item->flags & flag_names[i].flag);
    item_record(json, item);
    json_object_end(json);
}

void json_items(struct json *json, const char *key, const struct mighost_list *list)
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < list->count; i++)
        json_item(json, &list->items[i]);
    json_array_end(json);
}

static void json_attempt(struct json *json, const struct mighost_attempt *attempt)
{
    json_object(json);
    json_member_int(json, "number", attempt->number);
    json_member_string(json, "id", attempt->id);
    json_member_string(json, "action", attempt->action);
    json_member_string(json, "outcome", attempt->outcome);
    json_member_text(json, "error", attempt->error);
    json_member_time(json, "started_at", attempt->started_at_ms);
    json_member_int(json, "duration_ms", attempt->duration_ms);
    json_member_text(json, "run_id", attempt->run_id);
    json_member_text(json, "who", attempt->who);
    json_member_text(json, "host_version", attempt->host_version);
    json_object_end(json);
}

void json_attempts(struct json *json, const char *key, const struct mighost_attempts *attempts)
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < attempts->count; i++)
        json_attempt(json, &attempts->items[i]);
    json_array_end(json);
}

void json_error(struct json *json, const struct mig_err *err)
{
    json_object(json);
    json_key(json, "error");
    json_object(json);
    json_member_string(json, "status", mighost_status_name(err->status));
    json_member_int(json, "exit_code", mighost_exit_code(err->status));
    json_member_string(json, "message", err->message);
    json_member_text(json, "where", err->where);
    json_member_text(json, "sqlstate", err->sqlstate);
    json_object_end(json);
    json_object_end(json);
}

static const char *const event_names[] = {
    [MIGHOST_EVENT_WAITING] = "waiting",   [MIGHOST_EVENT_RUN] = "run",
    [MIGHOST_EVENT_START] = "start",       [MIGHOST_EVENT_STEP] = "step",
    [MIGHOST_EVENT_PROGRESS] = "progress", [MIGHOST_EVENT_LOG] = "log",
    [MIGHOST_EVENT_WARNING] = "warning",   [MIGHOST_EVENT_DONE] = "done",
    [MIGHOST_EVENT_FAILED] = "failed",     [MIGHOST_EVENT_SKIPPED] = "skipped",
    [MIGHOST_EVENT_END] = "end",
};

static const char *const pace_names[] = {
    [MIGHOST_FULL_SPEED] = "full",
    [MIGHOST_THROTTLED] = "throttled",
    [MIGHOST_LAGGING] = "lagging",
    [MIGHOST_PAUSED] = "paused",
};

static const char *const level_names[] = {
    [MIG_DEBUG] = "debug",
    [MIG_INFO] = "info",
    [MIG_WARN] = "warn",
    [MIG_ERROR] = "error",
};

static void used_text(struct json *json, const char *key, const char *text)
{
    if (text && *text)
        json_member_string(json, key, text);
}

static void used_number(struct json *json, const char *key, int64_t number)
{
    if (number)
        json_member_int(json, key, number);
}

/* Of a data migration; nothing of what a module tells by itself. */
static void json_progress(struct json *json, const struct mighost_event *event)
{
    if (event->kind != MIGHOST_EVENT_PROGRESS || !event->batch)
        return;
    json_member_int(json, "rate", event->rate);
    json_member_int(json, "eta_ms", event->eta_ms);
    json_member_int(json, "batch", event->batch);
    json_member_int(json, "rejected", event->rejected);
    if ((size_t)event->pace < sizeof pace_names / sizeof pace_names[0])
        json_member_string(json, "pace", pace_names[event->pace]);
}

void json_event(struct json *json, const struct mighost_event *event)
{
    char now[TEXT_SHORT];
    bool done = event->kind == MIGHOST_EVENT_DONE || event->kind == MIGHOST_EVENT_END;

    if ((size_t)event->kind >= sizeof event_names / sizeof event_names[0])
        return;
    json_object(json);
    json_member_string(json, "event", event_names[event->kind]);
    json_member_string(json, "time", text_time(now, clock_wall_ms()));
    json_member_string(json, "direction", direction_name(event->direction));
    used_text(json, "id", event->id);
    used_text(json, "description", event->description);
    used_text(json, "run_id", event->run_id);
    if (event->kind == MIGHOST_EVENT_LOG)
        json_member_string(json, "level", level_names[event->level & MIG_ERROR]);
    used_text(json, "text", event->text);
    used_number(json, "index", (int64_t)event->index);
    used_number(json, "count", (int64_t)event->count);
    used_number(json, "done", event->done);
    used_number(json, "total", event->total);
    json_progress(json, event);
    if (done || event->duration_ms)
        json_member_int(json, "duration_ms", event->duration_ms);
    json_object_end(json);
}
