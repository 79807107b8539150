/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of pooler stands between. One that lends a server process for a
 * transaction gives it to whoever comes next, so a second connection that asks
 * while ours is idle is answered by our process, or each of the two by several.
 * One that lends it for the session gives each of the two the same process of
 * its own every time. Invariant: a session counts as ours only after all
 * answers have said so. It must not leave anything behind on the server.
 */
#include "pg.h"

#define ROUNDS 4
#define ASIDE_PER_ROUND 2 /* so that two processes in turn do not look like one */
#define ASIDE_LIMIT_MS 2000

static const char who_sql[] = "SELECT pg_catalog.pg_backend_pid()";

static int answer(PGresult *result)
{
    return PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1
               ? atoi(PQgetvalue(result, 0, 0))
               : 0;
}

static int ask_aside(PGconn *pg, int64_t deadline_ms)
{
    AUTO(result) PGresult *result = aside_ask(pg, who_sql, deadline_ms, -1);

    return answer(result);
}

/* `*stays`: our process and that of `other` are two, and always the same. */
static mig_status compare(struct mig_conn *conn, PGconn *other, int64_t deadline_ms, bool *stays,
                          int *ours, struct mig_err *err)
{
    int theirs = 0;

    *ours = 0;
    *stays = true;
    for (int i = 0; i < ROUNDS && *stays; i++) {
        AUTO(result) PGresult *result = NULL;
        int mine;

        MIG_TRY(wire_simple(conn, who_sql, OWN_LIMIT_MS, &result, err));
        mine = answer(result);
        *ours = *ours ? *ours : mine;
        *stays = mine && mine == *ours;
        for (int j = 0; j < ASIDE_PER_ROUND && *stays; j++) {
            int now = ask_aside(other, deadline_ms);

            theirs = theirs ? theirs : now;
            *stays = now && now == theirs && now != mine;
        }
    }
    return MIG_OK;
}

mig_status pool_look(struct mig_conn *conn, struct mig_err *err)
{
    int64_t deadline_ms = clock_ms() + ASIDE_LIMIT_MS;
    PGconn *other = aside_open(conn, deadline_ms, -1);
    bool stays;
    int ours;
    mig_status status;

    if (!other)
        return MIG_OK; /* where there is no room for two, what holds for any pooler is right */
    status = compare(conn, other, deadline_ms, &stays, &ours, err);
    PQfinish(other);
    if (status || !stays)
        return status;
    return session_keep(conn, ours, err);
}
