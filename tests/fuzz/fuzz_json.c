/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer, driven by the input: whatever is written, another library
 * reads it as valid JSON, and a text that was UTF-8 comes out of it unchanged.
 * That library is loaded and not linked, since names of its functions are names
 * of ours.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/text.h"

#include <dlfcn.h>

#define DEPTH_MAX 32
#define JANSSON "libjansson.so.4"
#define ALLOW_NUL 0x10
#define STRING_TYPE 2

/* What is needed of jansson. */
struct peer_value {
    int type;
    volatile size_t references;
};

static struct {
    struct peer_value *(*load)(const char *text, size_t len, size_t flags, void *error);
    void (*free)(struct peer_value *value);
    size_t (*string_len)(const struct peer_value *value);
    const char *(*string)(const struct peer_value *value);
    struct peer_value *(*element)(const struct peer_value *array, size_t index);
} peer;

static void load_symbol(void *library, const char *name, void *out)
{
    void *symbol = dlsym(library, name);

    FUZZ_CHECK(symbol);
    memcpy(out, &symbol, sizeof symbol);
}

static void load_peer(void)
{
    void *library = dlopen(JANSSON, RTLD_NOW | RTLD_LOCAL);

    FUZZ_CHECK(library);
    load_symbol(library, "json_loadb", &peer.load);
    load_symbol(library, "json_delete", &peer.free);
    load_symbol(library, "json_string_length", &peer.string_len);
    load_symbol(library, "json_string_value", &peer.string);
    load_symbol(library, "json_array_get", &peer.element);
}

/* The input as instructions. */
struct script {
    const uint8_t *data;
    size_t len;
    size_t at;
    bool objects[DEPTH_MAX]; /* what is open, an object or an array */
    size_t depth;
};

static size_t take(struct script *script, size_t size)
{
    size_t left = script->len - script->at;
    size_t from = script->at;

    script->at += left < size ? left : size;
    return from;
}

static void write_text(struct script *script, struct json *json, bool key)
{
    size_t size = script->data[take(script, 1)];
    size_t from = take(script, size);
    char *text = fuzz_text(script->data + from, script->at - from);

    if (key)
        json_key(json, text);
    else
        json_string_n(json, text, script->at - from);
    free(text);
}

static void write_number(struct script *script, struct json *json)
{
    int64_t value = 0;
    size_t from = take(script, sizeof value);

    memcpy(&value, script->data + from, script->at - from);
    json_int(json, value);
}

static void open_one(struct script *script, struct json *json, bool object)
{
    if (script->depth == DEPTH_MAX) {
        json_null(json);
        return;
    }
    script->objects[script->depth++] = object;
    if (object)
        json_object(json);
    else
        json_array(json);
}

static void close_one(struct script *script, struct json *json)
{
    if (script->objects[--script->depth])
        json_object_end(json);
    else
        json_array_end(json);
}

static void write_value(struct script *script, struct json *json, unsigned kind)
{
    switch (kind % 8) {
    case 0: open_one(script, json, true); break;
    case 1: open_one(script, json, false); break;
    case 2: write_number(script, json); break;
    case 4: json_bool(json, kind & 8); break;
    case 5: json_string(json, NULL); break;
    default: script->at < script->len ? write_text(script, json, false) : json_null(json);
    }
}

static void write_all(struct script *script, struct json *json)
{
    open_one(script, json, false);
    while (script->at < script->len) {
        unsigned kind = script->data[take(script, 1)];

        if (kind >= 0xC0 && script->depth > 1) {
            close_one(script, json);
            continue;
        }
        if (script->objects[script->depth - 1]) {
            if (script->at == script->len)
                break;
            write_text(script, json, true);
        }
        write_value(script, json, kind);
    }
    while (script->depth > 0)
        close_one(script, json);
}

static struct peer_value *read_back(const struct buf *out)
{
    unsigned char error[1024]; /* larger than what it fills in */
    struct peer_value *value;

    FUZZ_CHECK(buf_ok(out) && text_utf8_check(out->data, out->len, NULL));
    value = peer.load(out->data, out->len, ALLOW_NUL, error);
    FUZZ_CHECK(value);
    return value;
}

static void fuzz_script(const uint8_t *data, size_t size)
{
    struct script script = {.data = data, .len = size};
    AUTO(buf) struct buf out = {0};
    struct json json;

    json_init(&json, &out);
    write_all(&script, &json);
    peer.free(read_back(&out));
}

/* The whole input as one text. */
static void fuzz_string(const char *text, size_t len)
{
    AUTO(buf) struct buf out = {0};
    struct peer_value *array, *string;
    struct json json;

    json_init(&json, &out);
    json_array(&json);
    json_string_n(&json, text, len);
    json_array_end(&json);
    array = read_back(&out);
    string = peer.element(array, 0);
    FUZZ_CHECK(string && string->type == STRING_TYPE);
    if (text_utf8_check(text, len, NULL)) {
        FUZZ_CHECK(peer.string_len(string) == len);
        FUZZ_CHECK(memcmp(peer.string(string), text, len) == 0);
    }
    peer.free(array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);

    if (!peer.load)
        load_peer();
    fuzz_script((const uint8_t *)bytes, size);
    fuzz_string(bytes, size);
    free(bytes);
    return 0;
}
