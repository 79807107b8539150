/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling in, wrapping and reading struct mig_err. Keeps three promises about
 * every message: it fits its array, it ends at a whole UTF-8 character, and it
 * is one line. Statuses are read from the one table of the SDK. Knows nothing
 * of what failed.
 */
#include "err.h"

#include <errno.h>

/* Length without a character that was cut in its middle. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t lead = len;
    unsigned char c;

    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return len;
    c = (unsigned char)text[lead - 1];
    if (c < 0xC0)
        return len;
    return len - lead + 1 < (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u) ? lead - 1 : len;
}

/* Makes a freshly printed message one line that ends at a whole character. */
static void tidy(char *text, size_t size, int wanted)
{
    size_t len = strlen(text);
    char *at;

    if (wanted >= 0 && (size_t)wanted >= size)
        len = whole_characters(text, len);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    text[len] = '\0';
    for (at = text; *at; at++) {
        if (*at == '\n' || *at == '\r' || *at == '\t')
            *at = ' ';
    }
}

MIG_PRINTF(3, 0)
static void print(char *out, size_t size, const char *format, va_list args)
{
    tidy(out, size, vsnprintf(out, size, format, args));
}

MIG_PRINTF(3, 4)
static void join(char *out, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(out, size, format, args);
    va_end(args);
}

void err_clear(struct mig_err *err)
{
    if (!err)
        return;
    err->status = MIG_OK;
    err->sqlstate[0] = '\0';
    err->where[0] = '\0';
    err->message[0] = '\0';
    err->offset = -1;
}

mig_status err_set(struct mig_err *err, mig_status status, const char *format, ...)
{
    char text[sizeof err->message]; /* an argument may be err->message itself */
    va_list args;

    if (!err)
        return status;
    va_start(args, format);
    print(text, sizeof text, format, args);
    va_end(args);
    err_clear(err);
    err->status = status;
    memcpy(err->message, text, strlen(text) + 1);
    return status;
}

static mig_status status_of_errno(int errno_value, mig_status otherwise)
{
    switch (errno_value) {
    case ENOMEM: return MIG_E_NOMEM;
    case ENOSPC:
    case EFBIG:
    case EDQUOT: return MIG_E_FULL;
    case EMFILE:
    case ENFILE: return MIG_E_LIMIT;
    default: return otherwise;
    }
}

/* The system's own words, but where they leave out what to do. */
static const char *reason_of(int errno_value)
{
    if (errno_value == EFBIG)
        return "the file is as large as this process may make one (ulimit -f)";
    return strerrordesc_np(errno_value);
}

mig_status err_errno(struct mig_err *err, mig_status status, int errno_value, const char *format,
                     ...)
{
    const char *reason = reason_of(errno_value);
    char text[sizeof err->message];
    va_list args;

    va_start(args, format);
    print(text, sizeof text, format, args);
    va_end(args);
    status = status_of_errno(errno_value, status);
    if (!reason)
        return err_set(err, status, "%s: error %d", text, errno_value);
    return err_set(err, status, "%s: %s", text, reason);
}

mig_status err_wrap(struct mig_err *err, const char *format, ...)
{
    char clause[sizeof err->where];
    char old[sizeof err->message];
    va_list args;

    if (!err)
        return MIG_E_INTERNAL;
    va_start(args, format);
    print(clause, sizeof clause, format, args);
    va_end(args);
    memcpy(old, err->message, sizeof old);
    join(err->message, sizeof err->message, "%s: %s", clause, old);
    return err->status;
}

mig_status err_append(struct mig_err *err, const char *format, ...)
{
    char clause[sizeof err->message];
    char old[sizeof err->message];
    va_list args;

    if (!err)
        return MIG_E_INTERNAL;
    va_start(args, format);
    print(clause, sizeof clause, format, args);
    va_end(args);
    memcpy(old, err->message, sizeof old);
    join(err->message, sizeof err->message, "%s; %s", old, clause);
    return err->status;
}

void err_where(struct mig_err *err, const char *format, ...)
{
    va_list args;

    if (!err)
        return;
    va_start(args, format);
    print(err->where, sizeof err->where, format, args);
    va_end(args);
}

mig_status err_nomem(struct mig_err *err)
{
    return err_set(err, MIG_E_NOMEM, "out of memory");
}

/* One row a status, in the order of the numbers, as the SDK lists them. */
static const struct status {
    mig_status code;
    int exit_code;
    const char *name;
    const char *text;
} statuses[] = {
#define STATUS_ROW(name, code, exit_code, text) {(code), (exit_code), #name, (text)},
    MIG_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

static const struct status *status_find(mig_status status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].code == status)
            return &statuses[i];
    }
    return NULL;
}

const char *status_name(mig_status status)
{
    const struct status *row = status_find(status);

    if (status >= 0)
        return "MIG_OK";
    return row ? row->name : "MIG_E_UNKNOWN";
}

const char *status_text(mig_status status)
{
    const struct status *row = status_find(status);

    if (status >= 0)
        return "done";
    return row ? row->text : "an unknown status";
}

int status_exit_code(mig_status status)
{
    const struct status *row = status_find(status);

    if (status >= 0)
        return 0;
    return row ? row->exit_code : 70;
}
