/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address as the user gave it: URL, key-value words or the name of a
 * database. It finds every text in it that could be a password or, where the
 * user forgot to escape, a part of one. Invariant: what it says of an address
 * that cannot be read shows none of them. It must not connect.
 */
#include "pg.h"

#include <ctype.h>

const char *address_words(const char *url)
{
    static const char *const schemes[] = {"postgres:", "postgresql:"};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);

        if (!strncmp(url, schemes[i], len) && strncmp(url + len, "//", 2) != 0)
            return url + len;
    }
    return url;
}

const char *address_option(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++)
        if (!strcmp(options->keyword, keyword))
            return options->val;
    return NULL;
}

/* A password that is also a name or a word of ours is no secret, and blotting
 * it out would only make every message unreadable. */
static bool is_public(const char *text, size_t len, const char *user, const char *database)
{
    const char *const known[] = {"postgres", "postgresql", "localhost", "mighost", user, database};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] && strlen(known[i]) == len && !memcmp(known[i], text, len))
            return true;
    return false;
}

void address_secret(struct secrets *secrets, const char *text, const char *user,
                    const char *database)
{
    if (text && !is_public(text, strlen(text), user, database))
        secrets_add(secrets, text, strlen(text));
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* As libpq takes it: without percent signs. */
static void put_decoded(struct text *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        char c = low >= 0 ? (char)(high * 16 + low) : text[i];

        text_add(out, &c, 1);
        i += low >= 0 ? 2 : 0;
    }
}

#define DELIMITERS "@/:?#,[]=&"

static void note_parts(struct secrets *secrets, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, DELIMITERS);

        secrets_add(secrets, text, len);
        text += len + (text[len] != '\0');
    }
}

/* Where user and host begin. Somebody may have forgotten the slashes. */
static const char *authority_of(const char *conninfo)
{
    const char *slashes = strstr(conninfo, "://");

    return slashes ? slashes + 3 : conninfo;
}

/* "user:password" without a host behind it is taken for a host and its port. */
static void note_odd_port(struct secrets *secrets, const char *conninfo)
{
    const char *start = authority_of(conninfo);
    size_t len = strcspn(start, "/?#");
    const char *colon = memchr(start, ':', len);
    size_t rest = colon ? len - (size_t)(colon + 1 - start) : 0;

    if (!rest || *start == '[' || memchr(start, '@', len) || memchr(start, ',', len) ||
        strspn(colon + 1, "0123456789") >= rest)
        return;
    secrets_add(secrets, colon + 1, rest);
    note_parts(secrets, colon + 1);
}

/* The password as it stands in the URL. One with characters in it that should
 * have been escaped lets libpq take its parts for a host, a port, a database or
 * a parameter, so they are secrets as well. `end` is the "@" behind it. */
static void note_raw_password(struct secrets *secrets, const char *conninfo, const char *end,
                              const char *user, const char *database)
{
    const char *start = authority_of(conninfo);
    AUTO(text) struct text raw = {0};
    AUTO(text) struct text decoded = {0};

    start = end && start < end ? memchr(start, ':', (size_t)(end - start)) : NULL;
    if (!start || is_public(start + 1, (size_t)(end - start - 1), user, database))
        return;
    text_add(&raw, start + 1, (size_t)(end - start - 1));
    put_decoded(&decoded, start + 1, (size_t)(end - start - 1));
    secrets->incomplete = secrets->incomplete || raw.failed || decoded.failed;
    secrets_add(secrets, text_string(&raw), strlen(text_string(&raw)));
    secrets_add(secrets, text_string(&decoded), strlen(text_string(&decoded)));
    if (strpbrk(text_string(&raw), DELIMITERS)) {
        note_parts(secrets, text_string(&raw));
        note_parts(secrets, text_string(&decoded));
    }
}

/* The "@" that ends the password: the last one, unless what stands behind a
 * question mark is parameters. */
static const char *password_end(const char *conninfo)
{
    const char *query = strchr(conninfo, '?');
    bool parameters = query && strchr(query, '=');
    const char *end = parameters ? memrchr(conninfo, '@', (size_t)(query - conninfo)) : NULL;

    return end ? end : strrchr(conninfo, '@');
}

/* libpq quotes what it stumbled over: here it may be a piece of a password,
 * which may hold quotes itself. */
static void hide_quoted(char *line)
{
    char *open = strchr(line, '"'), *close = strrchr(line, '"');

    if (open && open < close)
        memset(open + 1, '*', (size_t)(close - open - 1));
}

static bool is_conninfo(const char *text)
{
    return strchr(text, '=') || !strncmp(text, "postgres://", 11) ||
           !strncmp(text, "postgresql://", 13);
}

/* A keyword may be written with percent signs, too. */
static bool speaks_of_password(const char *conninfo)
{
    AUTO(text) struct text decoded = {0};

    put_decoded(&decoded, conninfo, strlen(conninfo));
    return decoded.failed || strcasestr(text_string(&decoded), "password");
}

static mig_status unreadable(const char *conninfo, struct secrets *secrets, const char *reason,
                             struct mig_err *err)
{
    AUTO(free) char *line = NULL;

    /* Perhaps the question mark is of the password, too. */
    note_raw_password(secrets, conninfo, strrchr(conninfo, '@'), NULL, NULL);
    line = secrets_hide(secrets, reason);
    if (!line)
        return error_nomem(err);
    line_fold(line);
    if (speaks_of_password(conninfo))
        hide_quoted(line);
    return mig_err_set(err, MIG_E_USAGE, "the PostgreSQL address cannot be read: %s", line);
}

mig_status address_parse(const char *conninfo, struct secrets *secrets, PQconninfoOption **out,
                         struct mig_err *err)
{
    PQconninfoOption *options = NULL;
    char *reason = NULL;
    const char *user, *database;
    mig_status status = MIG_OK;

    *out = NULL;
    if (!is_conninfo(conninfo)) { /* the name of a database, or nothing */
        note_raw_password(secrets, conninfo, strrchr(conninfo, '@'), NULL, NULL);
        return MIG_OK;
    }
    options = PQconninfoParse(conninfo, &reason);
    user = address_option(options, "user");
    database = address_option(options, "dbname");
    address_secret(secrets, address_option(options, "password"), user, database);
    address_secret(secrets, address_option(options, "sslpassword"), user, database);
    if (strstr(conninfo, "://")) {
        note_raw_password(secrets, conninfo, password_end(conninfo), user, database);
        note_odd_port(secrets, conninfo);
    }
    if (options)
        *out = options;
    else if (!reason || error_begins_with_memory(reason))
        status = error_nomem(err);
    else
        status = unreadable(conninfo, secrets, reason, err);
    PQfreemem(reason);
    return status;
}
