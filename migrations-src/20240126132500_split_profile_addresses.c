/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON object in a text column becomes five columns; the way back composes
 * it again. One table says which member is which column and of what kind, and
 * both directions read it. An address with a member that has no column, one
 * twice, of another kind or too long for its column stops the migration and is
 * named: what to make of it is for a person to say, and losing it is not. The
 * text that comes back means the same, in the order of the table, without
 * blanks; of {} nothing is left, as of no address.
 */
#include "json_flat.h"

#include <errno.h>
#include <inttypes.h>
#include <mig.h>
#include <stdlib.h>

static const struct member {
    const char *name;
    enum json_kind kind;
    size_t max; /* characters, of a string */
} members[] = {
    {"street", JSON_STRING, 200}, {"city", JSON_STRING, 100}, {"postcode", JSON_STRING, 20},
    {"country", JSON_STRING, 2},  {"floor", JSON_NUMBER, 0},
};
#define MEMBER_COUNT ((int)(sizeof members / sizeof members[0]))
#define COLUMNS "street, city, postcode, country, floor" /* in the order of the table */

/* The column of a member; -1 where there is none. */
static int member_find(const char *name)
{
    for (int i = 0; i < MEMBER_COUNT; i++)
        if (strcmp(members[i].name, name) == 0)
            return i;
    return -1;
}

static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static mig_status set_number(struct mig_row *out, int column, const char *text)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || *end || value < INT32_MIN || value > INT32_MAX)
        return mig_fail(out->db, "the member \"%s\" is no whole number of 32 bits",
                        members[column].name);
    return mig_set_int64(out, column, value);
}

static mig_status set_member(struct mig_row *out, const struct json *json, enum json_kind kind,
                             unsigned *seen)
{
    int column = member_find(json->name);

    if (column < 0)
        return mig_fail(out->db, "the address has a member \"%s\", and no column is for it",
                        json->name);
    if (*seen & 1U << column)
        return mig_fail(out->db, "the address has the member \"%s\" twice", json->name);
    *seen |= 1U << column;
    if (kind == JSON_NULL)
        return MIG_OK;
    if (kind != members[column].kind)
        return mig_fail(out->db, "the member \"%s\" is not a %s", json->name,
                        members[column].kind == JSON_STRING ? "string" : "number");
    if (kind == JSON_NUMBER)
        return set_number(out, column, json->text);
    if (characters(json->text) > members[column].max)
        return mig_fail(out->db, "the member \"%s\" is longer than %zu characters", json->name,
                        members[column].max);
    return mig_set_text(out, column, json->text);
}

static mig_status split(const struct mig_row *in, struct mig_row *out, void *user)
{
    const char *text = mig_row_text(in, 0);
    enum json_kind kind;
    unsigned seen = 0;
    struct json json;

    (void)user;
    json_open(&json, text ? text : "", text ? strlen(text) : 0);
    while ((kind = json_next(&json)) > JSON_END)
        MIG_TRY(set_member(out, &json, kind, &seen));
    if (kind == JSON_FAULT)
        return mig_fail(out->db, "the address is not a flat JSON object: %s, at byte %zu",
                        json.fault, json.at + 1);
    return MIG_OK;
}

/* What the composed text needs at most. */
static size_t composed_size(const struct mig_row *in)
{
    enum { AROUND_MEMBER = 32 }; /* its name, quotes, colon, comma; a number */
    size_t size = AROUND_MEMBER;

    for (int i = 0; i < MEMBER_COUNT; i++) {
        const char *text = mig_row_text(in, i);

        size += AROUND_MEMBER + 6 * (text ? strlen(text) : 0);
    }
    return size;
}

static size_t compose_member(const struct mig_row *in, int column, const struct mig_value *value,
                             size_t used, char *json, size_t size)
{
    used += (size_t)snprintf(json + used, size - used, "%c\"%s\":", used ? ',' : '{',
                             members[column].name);
    if (value->type == MIG_TEXT)
        return used + json_write_string(mig_row_text(in, column), json + used);
    return used + (size_t)snprintf(json + used, size - used, "%" PRId64, mig_row_int64(in, column));
}

static mig_status compose(const struct mig_row *in, struct mig_row *out, void *user)
{
    size_t size = composed_size(in);
    char *json = malloc(size);
    mig_status status = MIG_OK;
    size_t used = 0;

    (void)user;
    if (!json)
        return MIG_E_NOMEM;
    for (int i = 0; i < MEMBER_COUNT && status == MIG_OK; i++) {
        struct mig_value value;

        status = mig_row_get(in, i, &value);
        if (status == MIG_OK && value.type != MIG_NULL)
            used = compose_member(in, i, &value, used, json, size);
    }
    if (status == MIG_OK && used > 0) {
        snprintf(json + used, size - used, "}");
        status = mig_set_text(out, 0, json);
    } else if (status == MIG_OK) {
        status = MIG_SKIP;
    }
    free(json);
    return status;
}

static mig_status up(struct mig_db *db)
{
    MIG_TRY(mig_exec(db, "ALTER TABLE profiles ADD COLUMN street VARCHAR(200);"
                         "ALTER TABLE profiles ADD COLUMN city VARCHAR(100);"
                         "ALTER TABLE profiles ADD COLUMN postcode VARCHAR(20);"
                         "ALTER TABLE profiles ADD COLUMN country VARCHAR(2);"
                         "ALTER TABLE profiles ADD COLUMN floor INTEGER"));
    MIG_TRY(mig_transform(db, &(struct mig_transform){
                                  .size = sizeof(struct mig_transform),
                                  .table = "profiles",
                                  .read = "address",
                                  .write = COLUMNS,
                                  .filter = "address IS NOT NULL",
                                  .map = split,
                              }));
    return mig_exec(db, "ALTER TABLE profiles DROP COLUMN address");
}

static mig_status down(struct mig_db *db)
{
    MIG_TRY(mig_exec(db, "ALTER TABLE profiles ADD COLUMN address TEXT"));
    MIG_TRY(mig_transform(db, &(struct mig_transform){
                                  .size = sizeof(struct mig_transform),
                                  .table = "profiles",
                                  .read = COLUMNS,
                                  .write = "address",
                                  .map = compose,
                              }));
    return mig_exec(db, "ALTER TABLE profiles DROP COLUMN floor;"
                        "ALTER TABLE profiles DROP COLUMN country;"
                        "ALTER TABLE profiles DROP COLUMN postcode;"
                        "ALTER TABLE profiles DROP COLUMN city;"
                        "ALTER TABLE profiles DROP COLUMN street");
}

MIG_MODULE(.id = "20240126132500", .description = "split profile addresses", .mode = MIG_DURABLE,
           .up = up, .down = down);
