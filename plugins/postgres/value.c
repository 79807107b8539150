/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on their way to and from the server: text format for all but bytes,
 * which go as they are. It owns the memory of a parameter. Invariant: NULL is
 * a parameter without data, an empty blob is not. It must not know statements.
 */
#include "pg.h"

#include <inttypes.h>

#define FORMAT_TEXT 0
#define FORMAT_BINARY 1

static bool param_reserve(struct param *param, size_t room)
{
    char *data;

    if (room <= param->room)
        return true;
    data = realloc(param->data, room);
    if (!data)
        return false;
    param->data = data;
    param->room = room;
    return true;
}

static mig_status param_copy(struct param *param, const void *data, size_t len, struct mig_err *err)
{
    if (len > INT32_MAX)
        return mig_err_set(err, MIG_E_RANGE, "a value of %zu bytes is too long", len);
    if (!param_reserve(param, len + 1))
        return error_nomem(err);
    if (len)
        memcpy(param->data, data, len);
    param->data[len] = '\0';
    param->len = (int)len;
    return MIG_OK;
}

static mig_status param_blob(struct param *param, const struct mig_value *value, Oid type,
                             int index, struct mig_err *err)
{
    if (type != OID_BYTEA && type != OID_TEXT && type != OID_VARCHAR)
        return mig_err_set(err, MIG_E_TYPE,
                           "parameter $%d is no bytea here, so it cannot take a blob", index);
    MIG_TRY(param_copy(param, value->as.data, value->len, err));
    param->format = FORMAT_BINARY;
    return MIG_OK;
}

static mig_status param_text(struct param *param, const struct mig_value *value, int index,
                             struct mig_err *err)
{
    if (value->len && memchr(value->as.data, '\0', value->len))
        return mig_err_set(err, MIG_E_TYPE,
                           "the text for parameter $%d has a NUL byte, which PostgreSQL cannot "
                           "store in a text; bind it as a blob",
                           index);
    return param_copy(param, value->as.data, value->len, err);
}

mig_status param_set(struct param *param, const struct mig_value *value, Oid type, int index,
                     struct mig_err *err)
{
    char number[NUMBER_ROOM];

    param->format = FORMAT_TEXT;
    param->null = value->type == MIG_NULL;
    switch (value->type) {
    case MIG_NULL: return MIG_OK;
    case MIG_INT64:
        snprintf(number, sizeof number, "%" PRId64, value->as.int64);
        return param_copy(param, number, strlen(number), err);
    case MIG_DOUBLE:
        double_write(number, value->as.real);
        return param_copy(param, number, strlen(number), err);
    case MIG_TEXT: return param_text(param, value, index, err);
    case MIG_BLOB: return param_blob(param, value, type, index, err);
    }
    return mig_err_set(err, MIG_E_TYPE, "parameter $%d has an unknown type (%d)", index,
                       (int)value->type);
}

void param_clear(struct param *param)
{
    free(param->data);
    memset(param, 0, sizeof *param);
}

/* ---- fields ---- */

void bytes_clear(struct bytes *bytes)
{
    if (bytes->data) /* mostly there is none, and a row has many */
        PQfreemem(bytes->data);
    bytes->data = NULL;
    bytes->len = 0;
}

static mig_status get_blob(const char *text, struct bytes *held, struct mig_value *out,
                           struct mig_err *err)
{
    if (!held->data)
        held->data = PQunescapeBytea((const unsigned char *)text, &held->len);
    if (!held->data)
        return error_nomem(err);
    out->type = MIG_BLOB;
    out->len = held->len;
    out->as.data = held->data;
    return MIG_OK;
}

static bool get_number(const char *text, Oid type, struct mig_value *out)
{
    switch (type) {
    case OID_BOOL:
        out->type = MIG_INT64;
        out->as.int64 = *text == 't';
        return true;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        out->type = MIG_INT64;
        out->as.int64 = strtoll(text, NULL, 10);
        return true;
    case OID_FLOAT4:
    case OID_FLOAT8:
        out->type = MIG_DOUBLE;
        out->as.real = double_read(text);
        return true;
    default: return false;
    }
}

mig_status field_get(const PGresult *result, int row, int column, struct bytes *held,
                     struct mig_value *out, struct mig_err *err)
{
    struct mig_value value = {.type = MIG_NULL};
    Oid type = PQftype(result, column);
    const char *text = PQgetvalue(result, row, column);

    if (PQgetisnull(result, row, column)) {
        *out = value;
        return MIG_OK;
    }
    if (type == OID_BYTEA)
        return get_blob(text, held, out, err);
    if (!get_number(text, type, &value)) {
        value.type = MIG_TEXT;
        value.len = (size_t)PQgetlength(result, row, column);
        value.as.data = text;
    }
    *out = value;
    return MIG_OK;
}
