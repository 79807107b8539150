/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address as the user gave it: URL, key-value words or the name of a
 * database. It finds every text in it that could be a password or, where the
 * user forgot to escape, a part of one. Invariant: what it says of an address
 * that cannot be read shows none of them. It must not connect.
 */
#include "pg.h"

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

/* The password as it stands in the URL, percent signs and all. One with
 * characters in it that should have been escaped lets libpq take its parts for
 * a host, a port or a database, so they are secrets as well. */
static void note_raw_password(struct secrets *secrets, const char *conninfo, const char *user,
                              const char *database)
{
    const char *start = strstr(conninfo, "://"), *end, *query, *part;

    if (!start)
        return;
    query = strchr(start, '?');
    end = query ? memrchr(start, '@', (size_t)(query - start)) : NULL;
    end = end ? end : strrchr(start, '@');
    start = end ? memchr(start + 3, ':', (size_t)(end - start - 3)) : NULL;
    if (!start || is_public(start + 1, (size_t)(end - start - 1), user, database))
        return;
    start++;
    secrets_add(secrets, start, (size_t)(end - start));
    for (part = start; part < end; part = start + 1) {
        for (start = part; start < end && !strchr("@/:?#", *start);)
            start++;
        secrets_add(secrets, part, (size_t)(start - part));
    }
}

/* libpq quotes what it stumbled over: here it may be a piece of a password. */
static void hide_quoted(char *line)
{
    char *open = strchr(line, '"'), *close;

    while (open && (close = strchr(open + 1, '"'))) {
        memset(open + 1, '*', (size_t)(close - open - 1));
        open = strchr(close + 1, '"');
    }
}

static bool is_conninfo(const char *text)
{
    return strchr(text, '=') || !strncmp(text, "postgres://", 11) ||
           !strncmp(text, "postgresql://", 13);
}

mig_status address_parse(const char *conninfo, struct secrets *secrets, PQconninfoOption **out,
                         struct mig_err *err)
{
    PQconninfoOption *options = NULL;
    char *reason = NULL;
    const char *user, *database;

    *out = NULL;
    if (!is_conninfo(conninfo))
        return MIG_OK; /* the name of a database, or nothing */
    options = PQconninfoParse(conninfo, &reason);
    user = address_option(options, "user");
    database = address_option(options, "dbname");
    address_secret(secrets, address_option(options, "password"), user, database);
    address_secret(secrets, address_option(options, "sslpassword"), user, database);
    note_raw_password(secrets, conninfo, user, database);
    *out = options;
    if (options)
        return MIG_OK;
    if (reason)
        line_fold(reason);
    if (reason && strcasestr(conninfo, "password"))
        hide_quoted(reason);
    mig_err_set(err, MIG_E_USAGE, "the PostgreSQL address cannot be read: %s",
                reason ? reason : "out of memory");
    if (err)
        secrets_mask(secrets, err->message, sizeof err->message);
    PQfreemem(reason);
    return MIG_E_USAGE;
}
