/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second connection to the same server, for a question on the side, asked by
 * whatever thread. Its waits end by a deadline or when a descriptor says stop.
 * Invariant: nothing here touches what the first connection is doing. It must
 * not explain a failure: whoever asks on the side can do without the answer.
 */
#include "pg.h"

#include <poll.h>

/* Whether `fd` is ready before the deadline and before anybody says stop. */
static bool await(int fd, short events, int64_t deadline_ms, int stop_fd)
{
    struct pollfd fds[] = {{fd, events, 0}, {stop_fd, POLLIN, 0}};
    int64_t left = deadline_ms - clock_ms();

    if (fd < 0 || left <= 0 || poll(fds, 2, (int)left) <= 0)
        return false;
    return !fds[1].revents;
}

PGconn *aside_open(struct mig_conn *conn, int64_t deadline_ms, int stop_fd)
{
    PGconn *pg = connection_again(conn);
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (pg && want != PGRES_POLLING_OK) {
        short events = want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;

        if (PQstatus(pg) == CONNECTION_BAD || want == PGRES_POLLING_FAILED ||
            !await(PQsocket(pg), events, deadline_ms, stop_fd)) {
            PQfinish(pg);
            return NULL;
        }
        want = PQconnectPoll(pg);
    }
    return pg;
}

PGresult *aside_ask(PGconn *pg, const char *sql, int64_t deadline_ms, int stop_fd)
{
    PGresult *last = NULL;

    if (!PQsendQuery(pg, sql))
        return NULL;
    for (;;) {
        PGresult *result;

        while (PQisBusy(pg))
            if (!await(PQsocket(pg), POLLIN, deadline_ms, stop_fd) || !PQconsumeInput(pg))
                return PQclear(last), NULL;
        result = PQgetResult(pg);
        if (!result)
            return last;
        PQclear(last);
        last = result;
    }
}
