/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structs of mighost.h as JSON: one function a struct, used by every
 * command, so that a thing looks the same wherever it appears. Times are text
 * in UTC, what is not known is null.
 */
#ifndef MIGHOST_CLI_JSON_OUT_H
#define MIGHOST_CLI_JSON_OUT_H

#include "json.h"

#include <mighost.h>

void json_item(struct json *json, const struct mighost_item *item);
void json_items(struct json *json, const char *key, const struct mighost_list *list);
void json_attempts(struct json *json, const char *key, const struct mighost_attempts *attempts);
/* {"error": {...}} */
void json_error(struct json *json, const struct mig_err *err);
/* One line without its end; members that the event does not use are left out. */
void json_event(struct json *json, const struct mighost_event *event);

/* A member that is null where the text is empty or NULL. */
void json_member_text(struct json *json, const char *key, const char *text);
/* A member with a time; null for 0. */
void json_member_time(struct json *json, const char *key, int64_t ms);

const char *direction_name(enum mighost_direction direction);

#endif
