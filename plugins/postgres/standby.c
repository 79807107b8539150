/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the standbys are behind. The server's own figure stands still while a
 * standby replays nothing at all, so a place of the log is kept with the moment
 * it was written at: as long as a standby has not replayed it, it is at least
 * that far behind. Invariant: the answer never exceeds the truth.
 */
#include "pg.h"

enum { LAG_HIDDEN, LAG_MS, LAG_REACHED, LAG_PLACE };

/* Whoever may not see the standbys sees rows without a state; what never says
 * where its replay is, such as an archiver of the log, is no standby. $1 is the
 * place kept, or "". */
static const char lag_sql[] =
    "SELECT pg_catalog.count(*) FILTER (WHERE state IS NULL),"
    " coalesce(pg_catalog.max(extract(epoch FROM replay_lag) * 1000), 0)::bigint,"
    " coalesce(pg_catalog.bool_and(replay_lsn >= nullif($1, '')::pg_catalog.pg_lsn)"
    " FILTER (WHERE replay_lsn IS NOT NULL), true),"
    " pg_catalog.pg_current_wal_lsn()"
    " FROM pg_catalog.pg_stat_replication";

mig_status standby_lag(struct mig_conn *conn, int64_t *out, struct mig_err *err)
{
    const char *values[] = {conn->wal_place};
    AUTO(result) PGresult *result = NULL;
    int64_t now = clock_ms();
    int64_t lag;

    MIG_TRY(wire_ask(conn, lag_sql, 1, values, &result, err));
    if (PQntuples(result) != 1)
        return mig_err_set(err, MIG_E_INTERNAL, "the standbys were asked for without an answer");
    if (strcmp(PQgetvalue(result, 0, LAG_HIDDEN), "0") != 0)
        return mig_err_set(err, MIG_E_UNSUPPORTED,
                           "the user %s may not see how far the standbys are behind: grant it "
                           "pg_monitor",
                           conn->user);
    lag = strtoll(PQgetvalue(result, 0, LAG_MS), NULL, 10);
    if (*PQgetvalue(result, 0, LAG_REACHED) == 't') {
        snprintf(conn->wal_place, sizeof conn->wal_place, "%s", PQgetvalue(result, 0, LAG_PLACE));
        conn->wal_ms = now;
    } else if (now - conn->wal_ms > lag) {
        lag = now - conn->wal_ms;
    }
    *out = lag;
    return MIG_OK;
}
