/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data benchmark's job on PostgreSQL without mighost, through libpq: row by
 * row with a prepared UPDATE. `rows` does it in one transaction and makes the
 * index after; `guide` has the index first and commits each row, as a guide
 * would. The limit is one statement, so psql runs that.
 *
 *     postgres rows|guide URL [ROWS]
 */
#include "hasher.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADD_COLUMN "ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)"
#define ADD_INDEX "CREATE INDEX idx_users_email_hash ON users (email_hash)"

static const struct verb {
    const char *name;
    const char *before;
    const char *after;
} verbs[] = {
    {"rows", ADD_COLUMN "; BEGIN", "COMMIT; " ADD_INDEX},
    {"guide", ADD_COLUMN "; " ADD_INDEX, ""},
};

/* The answer where it is one that was asked for, or NULL, said on stderr. */
static PGresult *check(PGconn *conn, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return result;
    fprintf(stderr, "%s", PQerrorMessage(conn));
    PQclear(result);
    return NULL;
}

static bool run(PGconn *conn, const char *sql)
{
    PGresult *result = check(conn, PQexec(conn, sql));

    PQclear(result);
    return result != NULL;
}

static bool update_row(PGconn *conn, struct hasher *hasher, const char *id, const char *email)
{
    char hex[HASH_HEX + 1];
    const char *values[] = {hex, id};
    PGresult *result;

    if (!hasher_hex(hasher, email, strlen(email), hex))
        return false;
    result = check(conn, PQexecPrepared(conn, "write", 2, values, NULL, NULL, 0));
    PQclear(result);
    return result != NULL;
}

static bool update_all(PGconn *conn, int64_t rows)
{
    struct hasher hasher = {0};
    bool ok = hasher_init(&hasher);
    PGresult *users;

    PQclear(PQprepare(conn, "write", "UPDATE users SET email_hash = $1 WHERE id = $2", 0, NULL));
    users = check(conn, PQexec(conn, "SELECT id, email FROM users"));
    ok = ok && users;
    for (int i = 0; ok && i < PQntuples(users) && i < rows; i++)
        ok = update_row(conn, &hasher, PQgetvalue(users, i, 0), PQgetvalue(users, i, 1));
    PQclear(users);
    hasher_clear(&hasher);
    return ok;
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 3 ? strtoll(argv[3], NULL, 10) : INT64_MAX;
    const struct verb *verb = NULL;
    PGconn *conn;
    bool ok;

    for (size_t i = 0; argc > 2 && i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(argv[1], verbs[i].name))
            verb = &verbs[i];
    if (!verb) {
        fprintf(stderr, "usage: postgres rows|guide URL [ROWS]\n");
        return 2;
    }
    conn = PQconnectdb(argv[2]);
    if (PQstatus(conn) != CONNECTION_OK)
        fprintf(stderr, "%s", PQerrorMessage(conn));
    ok = run(conn, verb->before) && update_all(conn, rows) && run(conn, verb->after);
    PQfinish(conn);
    return ok ? 0 : 1;
}
