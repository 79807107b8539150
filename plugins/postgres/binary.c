/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in the server's own binary form: one table of the types whose form is
 * known here. It writes fields as arrays and COPY both have them, length first.
 * Invariant: what fits is stored as the same value that its text would be. It
 * must not know what the fields are for.
 */
#include "pg.h"

#include <endian.h>
#include <math.h>

static const struct binary_kind kinds[] = {
    {OID_INT8, MIG_INT64, 8}, {OID_INT4, MIG_INT64, 4},    {OID_INT2, MIG_INT64, 2},
    {OID_BOOL, MIG_INT64, 1}, {OID_FLOAT8, MIG_DOUBLE, 8}, {OID_FLOAT4, MIG_DOUBLE, 4},
    {OID_TEXT, MIG_TEXT, 0},  {OID_VARCHAR, MIG_TEXT, 0},  {OID_BPCHAR, MIG_TEXT, 0},
    {OID_BYTEA, MIG_BLOB, 0},
};

const struct binary_kind *binary_kind(Oid type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static bool integer_fits(int width, int64_t number)
{
    int64_t half = width == 4 ? INT64_C(1) << 31 : INT64_C(1) << 15;

    if (width == 1) /* a truth value */
        return number == 0 || number == 1;
    return width == 8 || (number >= -half && number < half);
}

/* What becomes infinite or nothing the server has to refuse. */
static bool real_fits(int width, double number)
{
    double narrow = (double)(float)number;

    return width == 8 || (isinf(narrow) == isinf(number) && (narrow == 0) == (number == 0));
}

bool binary_fits(const struct binary_kind *kind, const struct mig_value *value)
{
    if (value->type == MIG_NULL)
        return true;
    if (value->type != kind->value || (!kind->width && value->len > INT32_MAX))
        return false;
    switch (kind->value) {
    case MIG_INT64: return integer_fits(kind->width, value->as.int64);
    case MIG_DOUBLE: return real_fits(kind->width, value->as.real);
    case MIG_TEXT: return !value->len || !memchr(value->as.data, '\0', value->len);
    default: return true;
    }
}

void binary_int32(struct text *out, int64_t number)
{
    uint32_t big = htobe32((uint32_t)number);

    text_add(out, &big, sizeof big);
}

static uint64_t bits_of(const struct binary_kind *kind, const struct mig_value *value)
{
    float narrow;
    uint32_t half;
    uint64_t whole;

    if (kind->value == MIG_INT64)
        return (uint64_t)value->as.int64;
    if (kind->width == 4) {
        narrow = (float)value->as.real;
        memcpy(&half, &narrow, sizeof half);
        return half;
    }
    memcpy(&whole, &value->as.real, sizeof whole);
    return whole;
}

void binary_put(struct text *out, const struct binary_kind *kind, const struct mig_value *value)
{
    unsigned char field[sizeof(uint32_t) + sizeof(uint64_t)];
    size_t width = (size_t)kind->width;
    uint32_t len = htobe32((uint32_t)width);
    uint64_t bits;

    if (value->type == MIG_NULL) {
        binary_int32(out, -1);
        return;
    }
    if (!width) {
        binary_int32(out, (int64_t)value->len);
        text_add(out, value->as.data, value->len);
        return;
    }
    bits = htobe64(bits_of(kind, value));
    memcpy(field, &len, sizeof len);
    memcpy(field + sizeof len, (const char *)&bits + sizeof bits - width, width);
    text_add(out, field, sizeof len + width);
}
