/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value is told in one line of UTF-8, whatever the database holds.
 */
#include "say.h"

#include "text.h"

#include <inttypes.h>

#define SAID_TEXT 80 /* bytes of a value in a message */

void say_value(struct buf *out, const struct mig_value *value)
{
    char text[SAID_TEXT + 1];
    char clean[SAID_TEXT + 1];

    switch (value->type) {
    case MIG_NULL: buf_puts(out, "NULL"); break;
    case MIG_INT64: buf_printf(out, "%" PRId64, value->as.int64); break;
    case MIG_DOUBLE: buf_printf(out, "%g", value->as.real); break;
    case MIG_TEXT:
        snprintf(text, sizeof text, "%.*s", value->len > SAID_TEXT ? SAID_TEXT : (int)value->len,
                 (const char *)value->as.data);
        text_clean(clean, sizeof clean, text);
        buf_printf(out, "'%s'", clean);
        break;
    case MIG_BLOB: buf_printf(out, "%zu bytes", value->len); break;
    }
}
