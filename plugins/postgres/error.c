/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the server's words to ours: one table of SQLSTATEs gives the status,
 * and message, detail, hint and context are folded into one sentence. It owns
 * the texts that must stay secret. Invariant: no sentence leaves here with a
 * password in it. It must not send anything.
 */
#include "pg.h"

#include <ctype.h>
#include <netdb.h>

#define MASK "***"
#define NO_MEMORY "out of memory" /* in libpq's words */
/* A shorter password is masked only where it stands as a word of its own:
 * blotting out every "a" would hide the message and show the password. */
#define SHORT_SECRET 4

struct sqlstate_row {
    const char *prefix;
    mig_status status;
    const char *advice; /* what to do, or NULL */
};

/* The first row that fits counts. */
static const struct sqlstate_row sqlstates[] = {
    {"40001", MIG_E_CONFLICT, NULL},
    {"40P01", MIG_E_CONFLICT, NULL},
    {"40003", MIG_E_OUTCOME, NULL},
    {"23", MIG_E_CONSTRAINT, NULL},
    {"57014", MIG_E_TIMEOUT, NULL},
    {"55P03", MIG_E_TIMEOUT, NULL},
    {"57P", MIG_E_CONNECTION, NULL},
    {"25P03", MIG_E_CONNECTION, NULL},
    {"25P04", MIG_E_CONNECTION, NULL},
    {"08", MIG_E_CONNECTION, NULL},
    {"53100", MIG_E_FULL, NULL},
    {"53200", MIG_E_NOMEM, NULL},
    {"53300", MIG_E_LIMIT, NULL},
    {"53400", MIG_E_LIMIT, NULL},
    {"58030", MIG_E_IO, NULL},
    {"XX001", MIG_E_CORRUPT, NULL},
    {"XX002", MIG_E_CORRUPT, NULL},
    {"25006", MIG_E_READONLY, NULL},
    {"25001", MIG_E_SQL, "run it in a migration of mode durable or none"},
    {"55P04", MIG_E_SQL, "use the new value in a later migration, or set mode durable"},
};

static const struct sqlstate_row *sqlstate_find(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof sqlstates / sizeof *sqlstates; i++)
        if (!strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)))
            return &sqlstates[i];
    return NULL;
}

mig_status sqlstate_status(const char *sqlstate)
{
    const struct sqlstate_row *row = sqlstate_find(sqlstate);

    return row ? row->status : MIG_E_SQL;
}

bool error_refuses_function(const struct mig_err *err)
{
    static const char *const refusals[] = {"42883", "42501", "0A000"};

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (!strcmp(err->sqlstate, refusals[i]))
            return true;
    return false;
}

void secrets_add(struct secrets *secrets, const char *text, size_t len)
{
    char **grown, *copy;
    size_t place = 0;

    while (place < secrets->count && strlen(secrets->texts[place]) > len)
        place++;
    for (size_t i = place; i < secrets->count && strlen(secrets->texts[i]) == len; i++)
        if (!memcmp(secrets->texts[i], text, len))
            return;
    if (!len)
        return;
    copy = strndup(text, len);
    grown = copy ? realloc(secrets->texts, (secrets->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        secrets->incomplete = true;
        free(copy);
        return;
    }
    secrets->texts = grown;
    memmove(grown + place + 1, grown + place, (secrets->count - place) * sizeof *grown);
    grown[place] = copy;
    secrets->count++;
}

void secrets_clear(struct secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        explicit_bzero(secrets->texts[i], strlen(secrets->texts[i]));
        free(secrets->texts[i]);
    }
    free(secrets->texts);
    *secrets = (struct secrets){0};
}

static bool stands_alone(const char *line, const char *at, size_t len)
{
    return (at == line || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[len]);
}

static void mask_one(const char *secret, char *line, size_t size)
{
    size_t len = strlen(secret), mask = strlen(MASK);
    char *at = line;

    while ((at = strstr(at, secret))) {
        size_t rest = strlen(at + len);

        if (len < SHORT_SECRET && !stands_alone(line, at, len)) {
            at++;
            continue;
        }
        if ((size_t)(at - line) + mask + rest >= size) { /* no room: end here */
            *at = '\0';
            return;
        }
        memmove(at + mask, at + len, rest + 1);
        memcpy(at, MASK, mask);
        at += mask;
    }
}

void secrets_mask(const struct secrets *secrets, char *line, size_t size)
{
    if (secrets->incomplete)
        *line = '\0';
    for (size_t i = 0; i < secrets->count; i++)
        mask_one(secrets->texts[i], line, size);
}

char *secrets_hide(const struct secrets *secrets, const char *text)
{
    size_t size = strlen(text) * strlen(MASK) + 1; /* each byte may be a secret */
    char *copy = secrets->incomplete ? NULL : malloc(size);

    if (!copy)
        return NULL;
    memcpy(copy, text, strlen(text) + 1);
    secrets_mask(secrets, copy, size);
    return copy;
}

mig_status error_nomem(struct mig_err *err)
{
    return mig_err_set(err, MIG_E_NOMEM, "out of memory");
}

/* It has no code for it, and words of its own for each place, or getaddrinfo()'s. */
bool error_is_memory(const char *said)
{
    return said && (strstr(said, NO_MEMORY) || strstr(said, gai_strerror(EAI_MEMORY)));
}

bool error_begins_with_memory(const char *said)
{
    return !strncmp(said, NO_MEMORY, sizeof NO_MEMORY - 1);
}

void error_libpq(const PGconn *pg, const struct secrets *secrets, char *out, size_t size)
{
    AUTO(free) char *line = secrets_hide(secrets, PQerrorMessage(pg));

    out[0] = '\0';
    if (!line)
        return;
    line_fold(line);
    line_cut(line, size);
    memcpy(out, line, strlen(line) + 1);
}

mig_status error_lost(struct mig_conn *conn, struct mig_err *err)
{
    char reason[512];
    bool open = tx_open(conn);

    conn->lost = true;
    if (!open && error_is_memory(PQerrorMessage(conn->pg)))
        return error_nomem(err); /* inside a transaction it counts that this is gone */
    error_libpq(conn->pg, &conn->secrets, reason, sizeof reason);
    return mig_err_set(err, MIG_E_CONNECTION, "the connection to %s was lost: %s", conn->target,
                       reason[0] ? reason : "the server closed it");
}

static void add_part(struct text *text, const struct secrets *secrets, const char *before,
                     const char *part, const char *after)
{
    AUTO(free) char *line = part ? secrets_hide(secrets, part) : NULL;

    if (!line || !*line)
        return;
    line_fold(line);
    text_format(text, "%s%s%s", text->len ? before : "", line, after);
}

static void compose(struct mig_conn *conn, const PGresult *result, const char *sqlstate,
                    struct text *text)
{
    const struct secrets *secrets = &conn->secrets;
    const struct sqlstate_row *row = sqlstate_find(sqlstate);

    add_part(text, secrets, "", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), "");
    if (!text->len)
        add_part(text, secrets, "", PQresultErrorMessage(result), "");
    add_part(text, secrets, ": ", PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL), "");
    add_part(text, secrets, "; hint: ", PQresultErrorField(result, PG_DIAG_MESSAGE_HINT), "");
    add_part(text, secrets, "; in: ", PQresultErrorField(result, PG_DIAG_CONTEXT), "");
    if (row && row->status == MIG_E_TIMEOUT)
        add_part(text, secrets, "; it was waiting for ", watch_found(conn), "");
    if (row && row->advice)
        add_part(text, secrets, "; ", row->advice, "");
    add_part(text, secrets, " (SQLSTATE ", *sqlstate ? sqlstate : NULL, ")");
}

mig_status error_result(struct mig_conn *conn, const PGresult *result, struct mig_err *err)
{
    const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    AUTO(text) struct text text = {0};
    mig_status status;

    if (!result || (!sqlstate && error_is_memory(PQresultErrorMessage(result))))
        return error_nomem(err);
    if (PQstatus(conn->pg) == CONNECTION_BAD &&
        (!sqlstate || sqlstate_status(sqlstate) == MIG_E_SQL))
        return error_lost(conn, err);
    sqlstate = sqlstate ? sqlstate : "";
    status = *sqlstate ? sqlstate_status(sqlstate) : MIG_E_SQL;
    if (conn->ended && status == MIG_E_TIMEOUT)
        status = conn->ended;
    if (status == MIG_E_CONNECTION)
        conn->lost = true;
    compose(conn, result, sqlstate, &text);
    if (text.failed)
        return error_nomem(err);
    if (!err)
        return status;
    mig_err_set(err, status, "%s", "");
    if (text.data) {
        line_cut(text.data, sizeof err->message);
        memcpy(err->message, text.data, strlen(text.data) + 1);
    }
    snprintf(err->sqlstate, sizeof err->sqlstate, "%.5s", sqlstate);
    return status;
}
