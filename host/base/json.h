/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON (RFC 8259) into a buffer, piece by piece: commas and colons are
 * put by the writer. Text that is not valid UTF-8 gets U+FFFD for each bad
 * byte, so that the document is always valid. Nothing here can fail but the
 * buffer: check it once at the end.
 *
 *     struct json j; json_init(&j, &buf);
 *     json_object(&j); json_key(&j, "id"); json_int(&j, 7); json_object_end(&j);
 */
#ifndef MIGHOST_JSON_H
#define MIGHOST_JSON_H

#include "buf.h"

struct json {
    struct buf *out;
    bool comma;     /* the next value follows another one */
    bool after_key; /* the next value is a member's */
};

void json_init(struct json *json, struct buf *out);

void json_object(struct json *json);
void json_object_end(struct json *json);
void json_array(struct json *json);
void json_array_end(struct json *json);
void json_key(struct json *json, const char *key);

/* NULL writes null. */
void json_string(struct json *json, const char *text);
void json_string_n(struct json *json, const char *text, size_t len);
void json_int(struct json *json, int64_t value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* A key and its value in one. */
void json_member_string(struct json *json, const char *key, const char *text);
void json_member_int(struct json *json, const char *key, int64_t value);
void json_member_bool(struct json *json, const char *key, bool value);

#endif
