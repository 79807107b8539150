/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a URL to an open connection within the time allowed, whatever the other
 * side does: names are resolved aside, the handshake is polled, and each of
 * several hosts gets its share of the time. It owns struct mig_conn. Invariant:
 * what it says of a failure is one line without a secret. It must not know
 * what the connection is for.
 */
#include "pg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 10000
#define SLICE_MS 200
#define HOSTS_MAX 16
#define APPLICATION "mighost"
/* A peer that vanished without a word is noticed after half a minute. */
#define KEEPALIVE_IDLE_S "30"
#define KEEPALIVE_INTERVAL_S "5"
#define KEEPALIVE_COUNT "3"
#define TCP_USER_TIMEOUT_MS "30000"

/* One place to try; NULL members are left to libpq. */
struct place {
    const char *host;
    const char *hostaddr;
    const char *port;
};

struct attempt {
    const struct mig_driver_config *config;
    const char *conninfo;
    struct secrets *secrets;
    int64_t deadline_ms;
};

/* ---- one host ---- */

static mig_status asked_to_stop(const struct attempt *attempt, struct mig_err *err)
{
    mig_status stop = MIG_OK;

    if (attempt->config->cancelled)
        stop = attempt->config->cancelled(attempt->config->arg);
    return stop < 0 ? mig_err_set(err, stop, "stopped while connecting") : MIG_OK;
}

static int64_t slice_left(const struct attempt *attempt)
{
    int64_t left = attempt->deadline_ms - clock_ms();

    return left > SLICE_MS ? SLICE_MS : left;
}

static bool needs_resolving(const struct place *place)
{
    unsigned char address[sizeof(struct in6_addr)];

    return place->host && *place->host && *place->host != '/' && *place->host != '@' &&
           !(place->hostaddr && *place->hostaddr) &&
           inet_pton(AF_INET, place->host, address) != 1 &&
           inet_pton(AF_INET6, place->host, address) != 1;
}

/* A question to the name service; it outlives us when the answer does not
 * come, so it is given up and not freed. */
struct question {
    struct gaicb request;
    char name[256];
};

static mig_status await_name(const struct attempt *attempt, struct question *question,
                             struct mig_err *err)
{
    const struct gaicb *list[] = {&question->request};

    while (gai_error(&question->request) == EAI_INPROGRESS) {
        int64_t left = slice_left(attempt);
        struct timespec slice = {0, left * 1000000};

        if (left <= 0)
            return mig_err_set(err, MIG_E_UNREACHABLE,
                               "the name of the host \"%s\" was not resolved in time",
                               question->name);
        gai_suspend(list, 1, &slice);
        MIG_TRY(asked_to_stop(attempt, err));
    }
    return MIG_OK;
}

/* libpq resolves names without a limit: see first that it can be done. */
static mig_status resolve(const struct attempt *attempt, const struct place *place,
                          struct mig_err *err)
{
    struct question *question = calloc(1, sizeof *question);
    struct gaicb *list[1];
    mig_status status;

    if (!question)
        return error_nomem(err);
    snprintf(question->name, sizeof question->name, "%s", place->host);
    question->request.ar_name = question->name;
    list[0] = &question->request;
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL)) {
        free(question);
        return MIG_OK; /* libpq has to do without */
    }
    status = await_name(attempt, question, err);
    if (gai_error(&question->request) == EAI_INPROGRESS &&
        gai_cancel(&question->request) != EAI_CANCELED)
        return status;
    if (question->request.ar_result)
        freeaddrinfo(question->request.ar_result);
    free(question);
    return status;
}

static PGconn *start(const char *conninfo, const char *application, const struct place *place)
{
    const char *keys[16], *values[16];
    size_t n = 0;

#define GIVE(key, value) (keys[n] = (key), values[n++] = (value))
    GIVE("application_name", application && *application ? application : APPLICATION);
    GIVE("keepalives", "1");
    GIVE("keepalives_idle", KEEPALIVE_IDLE_S);
    GIVE("keepalives_interval", KEEPALIVE_INTERVAL_S);
    GIVE("keepalives_count", KEEPALIVE_COUNT);
    GIVE("tcp_user_timeout", TCP_USER_TIMEOUT_MS);
    /* What stands before the user's words is a default, the rest is forced. */
    if (*conninfo)
        GIVE("dbname", conninfo);
    GIVE("client_encoding", "UTF8");
    if (place->host)
        GIVE("host", place->host);
    if (place->hostaddr)
        GIVE("hostaddr", place->hostaddr);
    if (place->port)
        GIVE("port", place->port);
    GIVE(NULL, NULL);
#undef GIVE
    return PQconnectStartParams(keys, values, 1);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* An address of IP version 6 stands in brackets. */
static void put_host(struct text *text, const char *host)
{
    bool version_6 = strchr(host, ':');

    text_format(text, "%s%s%s", version_6 ? "[" : "", host, version_6 ? "]" : "");
}

/* "postgres://user@host:port/dbname", a socket's folder as libpq takes it;
 * NULL: out of memory. */
static char *describe_target(const PGconn *pg, const struct secrets *secrets)
{
    const char *host = or_empty(PQhost(pg)), *port = or_empty(PQport(pg));
    bool local = *host == '/' || *host == '@';
    AUTO(text) struct text text = {0};

    text_format(&text, "postgres://%s@", or_empty(PQuser(pg)));
    if (!local)
        put_host(&text, host);
    text_format(&text, "%s%s/%s", local || !*port ? "" : ":", local ? "" : port,
                or_empty(PQdb(pg)));
    if (local)
        text_format(&text, "?host=%s&port=%s", host, port);
    return text.failed ? NULL : secrets_hide(secrets, text_string(&text));
}

struct refusal {
    const char *sqlstate;
    mig_status status;
    const char *advice;
};

/* Why a server turns a client away, and what to do about it. */
static const struct refusal refusals[] = {
    {"3D000", MIG_E_NOTFOUND, "create it first, or correct the address"},
    {"28P01", MIG_E_UNREACHABLE, "correct the user or the password"},
    {"28000", MIG_E_UNREACHABLE, "correct the user, or allow it in pg_hba.conf"},
    {"53300", MIG_E_UNREACHABLE, "wait, or raise max_connections"},
    {"57P03", MIG_E_UNREACHABLE, "wait until the server accepts connections"},
};

/* Takes the SQLSTATE out of "FATAL:  28P01: text", and the place in the
 * server's source from the end. In place. */
static void take_sqlstate(char *line, char *sqlstate)
{
    char *at = strstr(line, ":  "), *source = strrchr(line, '\n');
    size_t len = at ? strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;

    sqlstate[0] = '\0';
    if (source && strstr(source, ".c:"))
        *source = '\0';
    if (len != 5 || at[8] != ':')
        return;
    memcpy(sqlstate, at + 3, len);
    sqlstate[len] = '\0';
    memmove(at + 2, at + 9, strlen(at + 9) + 1);
}

/* libpq's words on a socket without a file run on behind its name, into what the
 * memory held before: perhaps a password. */
static bool runs_on(const PGconn *pg, const char *sqlstate)
{
    return *or_empty(PQhost(pg)) == '@' && !*sqlstate;
}

static mig_status refused(const struct attempt *attempt, const PGconn *pg, const char *target,
                          struct mig_err *err)
{
    static const char no_socket[] = "nobody listens on the socket that its host names; if the @ in "
                                    "it belongs to a password, write it as %40";
    AUTO(free) char *said = secrets_hide(attempt->secrets, PQerrorMessage(pg));
    const struct refusal *why = NULL;
    const char *what;
    char sqlstate[6];

    if (!said || error_is_memory(said))
        return error_nomem(err);
    while (*said && said[strlen(said) - 1] == '\n')
        said[strlen(said) - 1] = '\0';
    take_sqlstate(said, sqlstate);
    line_fold(said);
    what = runs_on(pg, sqlstate) ? no_socket : said;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (!strcmp(refusals[i].sqlstate, sqlstate))
            why = &refusals[i];
    mig_err_set(err, why ? why->status : MIG_E_UNREACHABLE, "cannot connect to %s: %.900s%s%s",
                target, *what ? what : "the connection was closed", why ? "; " : "",
                why ? why->advice : "");
    if (err)
        memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
    return why ? why->status : MIG_E_UNREACHABLE;
}

static mig_status unreachable(const struct attempt *attempt, const PGconn *pg, const char *reason,
                              struct mig_err *err)
{
    AUTO(free) char *target = describe_target(pg, attempt->secrets);

    if (!reason)
        return refused(attempt, pg, or_empty(target), err);
    return mig_err_set(err, MIG_E_UNREACHABLE, "cannot connect to %s: %s", or_empty(target),
                       reason);
}

static mig_status shake_hands(const struct attempt *attempt, PGconn *pg, struct mig_err *err)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (want != PGRES_POLLING_OK) {
        struct pollfd fd = {PQsocket(pg), want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, 0};
        int64_t left = slice_left(attempt);

        if (want == PGRES_POLLING_FAILED || fd.fd < 0)
            return unreachable(attempt, pg, NULL, err);
        if (left <= 0)
            return unreachable(attempt, pg, "it did not answer within the time allowed", err);
        if (poll(&fd, 1, (int)left) > 0)
            want = PQconnectPoll(pg);
        else
            MIG_TRY(asked_to_stop(attempt, err));
    }
    return MIG_OK;
}

static void auto_pg(PGconn **pg)
{
    PQfinish(*pg);
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static mig_status try_place(const struct attempt *attempt, const struct place *place, PGconn **out,
                            struct mig_err *err)
{
    AUTO(pg) PGconn *pg = NULL;

    if (needs_resolving(place))
        MIG_TRY(resolve(attempt, place, err));
    pg = start(attempt->conninfo, attempt->config->application, place);
    if (!pg)
        return error_nomem(err);
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE); /* shows the SQLSTATE of a refusal */
    address_secret(attempt->secrets, PQpass(pg), PQuser(pg), PQdb(pg));
    if (PQstatus(pg) == CONNECTION_BAD)
        return unreachable(attempt, pg, NULL, err);
    MIG_TRY(shake_hands(attempt, pg, err));
    *out = TAKE(pg);
    return MIG_OK;
}

/* ---- several hosts ---- */

/* Cuts "a,b,c" in place; returns how many. An empty list is one empty item. */
static size_t split_list(char *list, const char **items)
{
    size_t n = 0;

    for (char *item; n < HOSTS_MAX && (item = strsep(&list, ","));)
        items[n++] = item;
    return n;
}

/* A single item of a list holds for all places. */
static const char *item_of(const char *const *items, size_t count, size_t i)
{
    return count ? items[count == 1 ? 0 : i < count ? i : count - 1] : NULL;
}

static char *copy_list(const PQconninfoOption *options, const char *keyword, const char *variable)
{
    const char *value = address_option(options, keyword);

    if (!value && !address_option(options, "service") && !getenv("PGSERVICE"))
        value = getenv(variable);
    return value ? strdup(value) : NULL;
}

/* What to try, one after the other. */
struct places {
    char *lists[3];
    const char *hosts[HOSTS_MAX], *addresses[HOSTS_MAX], *ports[HOSTS_MAX];
    size_t host_count, address_count, port_count;
};

static void auto_places(struct places *places)
{
    for (size_t i = 0; i < sizeof places->lists / sizeof *places->lists; i++)
        free(places->lists[i]);
}

static void read_places(const PQconninfoOption *options, struct places *out)
{
    out->lists[0] = copy_list(options, "host", "PGHOST");
    out->lists[1] = copy_list(options, "hostaddr", "PGHOSTADDR");
    out->lists[2] = copy_list(options, "port", "PGPORT");
    out->host_count = out->lists[0] ? split_list(out->lists[0], out->hosts) : 0;
    out->address_count = out->lists[1] ? split_list(out->lists[1], out->addresses) : 0;
    out->port_count = out->lists[2] ? split_list(out->lists[2], out->ports) : 0;
}

static mig_status try_places(struct attempt *attempt, const PQconninfoOption *options, PGconn **out,
                             struct mig_err *err)
{
    AUTO(places) struct places places = {0};
    AUTO(text) struct text said = {0};
    int64_t end = attempt->deadline_ms;
    mig_status status = MIG_E_UNREACHABLE;
    size_t count;

    read_places(options, &places);
    count = places.host_count > places.address_count ? places.host_count : places.address_count;
    count = count ? count : 1;
    for (size_t i = 0; i < count && status == MIG_E_UNREACHABLE; i++) {
        struct place place = {item_of(places.hosts, places.host_count, i),
                              item_of(places.addresses, places.address_count, i),
                              item_of(places.ports, places.port_count, i)};
        int64_t now = clock_ms();

        attempt->deadline_ms = now + (end - now) / (int64_t)(count - i);
        status = try_place(attempt, &place, out, err);
        if (status && err)
            text_format(&said, "%s%s", said.len ? "; " : "", err->message);
    }
    if (status && err && said.data) {
        line_cut(said.data, sizeof err->message);
        memcpy(err->message, said.data, strlen(said.data) + 1);
    }
    return status;
}

/* ---- the connection ---- */

static void hear_notice(void *arg, const PGresult *result)
{
    struct mig_conn *conn = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    AUTO(text) struct text text = {0};
    AUTO(free) char *line = NULL;

    if (!conn->config.notice || !message)
        return;
    text_format(&text, "%s: %s", severity ? severity : "NOTICE", message);
    line = text.failed ? NULL : secrets_hide(&conn->secrets, text_string(&text));
    if (!line)
        return;
    line_fold(line);
    conn->config.notice(conn->config.arg, line);
}

static mig_status settle_in(struct mig_conn *conn, int64_t deadline_ms, struct mig_err *err)
{
    int64_t left = deadline_ms - clock_ms();
    mig_status status;

    PQsetNoticeReceiver(conn->pg, hear_notice, conn);
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    if (PQsetnonblocking(conn->pg, 1))
        return error_lost(conn, err);
    conn->target = describe_target(conn->pg, &conn->secrets);
    if (!conn->target)
        return error_nomem(err);
    status = session_begin(conn, left > SLICE_MS ? left : SLICE_MS, err);
    if (status == MIG_E_CONNECTION || status == MIG_E_SQL || status == MIG_E_TIMEOUT)
        status = MIG_E_UNREACHABLE;
    if (status && err)
        err->status = status;
    return status;
}

static void auto_conn(struct mig_conn **conn)
{
    connection_close(*conn);
}

static void auto_options(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

mig_status connection_open(const struct mig_driver_config *config, struct mig_conn **out,
                           struct mig_err *err)
{
    AUTO(conn) struct mig_conn *conn = calloc(1, sizeof *conn);
    AUTO(options) PQconninfoOption *options = NULL;
    struct attempt attempt = {.config = config};
    int64_t limit = config->connect_timeout_ms, deadline_ms;

    if (!conn || !(conn->conninfo = strdup(address_words(config->url))))
        return error_nomem(err);
    conn->config = *config;
    conn->config.url = NULL;
    conn->readonly = config->flags & MIG_OPEN_READONLY;
    conn->generation = 1;
    MIG_TRY(address_parse(conn->conninfo, &conn->secrets, &options, err));
    attempt.conninfo = conn->conninfo;
    attempt.secrets = &conn->secrets;
    deadline_ms = clock_ms() + (limit > 0 ? limit : CONNECT_TIMEOUT_MS);
    attempt.deadline_ms = deadline_ms;
    MIG_TRY(try_places(&attempt, options, &conn->pg, err));
    MIG_TRY(settle_in(conn, deadline_ms, err));
    *out = TAKE(conn);
    return MIG_OK;
}

PGconn *connection_again(struct mig_conn *conn)
{
    const char *address = PQhostaddr(conn->pg);
    struct place place = {PQhost(conn->pg), address && *address ? address : NULL, PQport(conn->pg)};
    PGconn *pg = start(conn->conninfo, conn->config.application, &place);

    if (!pg)
        return NULL;
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE); /* shows the SQLSTATE of a refusal */
    return pg;
}

bool connection_answered(const PGconn *pg)
{
    AUTO(free) char *said = strdup(PQerrorMessage(pg));
    char sqlstate[6] = "";

    if (said)
        take_sqlstate(said, sqlstate);
    return *sqlstate;
}

void connection_close(struct mig_conn *conn)
{
    if (!conn)
        return;
    wire_end(conn);
    watch_end(conn);
    lease_release(conn);
    batch_forget(conn);
    statements_clear(conn);
    text_clear(&conn->garbage);
    PQfinish(conn->pg);
    secrets_clear(&conn->secrets);
    if (conn->conninfo)
        explicit_bzero(conn->conninfo, strlen(conn->conninfo));
    free(conn->conninfo);
    free(conn->target);
    free(conn->user);
    free(conn->schema);
    free(conn);
}

const char *connection_info(struct mig_conn *conn, enum mig_info what)
{
    switch (what) {
    case MIG_INFO_VERSION: return conn->version;
    case MIG_INFO_TARGET: return conn->target;
    case MIG_INFO_SCHEMA: return conn->schema;
    case MIG_INFO_USER: return conn->user;
    case MIG_INFO_LEASE: return lease_why(conn);
    }
    return "";
}
