/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the PostgreSQL driver can get wrong: a server that is away, silent
 * or gone in the middle; sessions that a migration has changed; commits that
 * are none; locks and who holds them. Needs the server for tests. What every
 * driver promises is tested elsewhere, over all of them.
 */
#include "support.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <mig/driver.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct mig_driver *driver;
static struct mig_conn *conn;
static struct mig_err err;
static char *url;
static char notices[4096];
static mig_status stop_with;
static int64_t stop_after_ms;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static mig_status cancelled(void *arg)
{
    (void)arg;
    return stop_with && now_ms() >= stop_after_ms ? stop_with : MIG_OK;
}

static void notice(void *arg, const char *text)
{
    size_t used = strlen(notices);

    (void)arg;
    snprintf(notices + used, sizeof notices - used, "%s\n", text);
}

static void load_driver(void)
{
    void *library = dlopen(MIGHOST_DRIVER_DIR "/libmigdrv_postgres.so", RTLD_NOW);

    cr_assert(library, "%s", dlerror());
    driver = dlsym(library, "mig_driver");
    cr_assert(driver);
}

static mig_status open_with(const char *address, int64_t timeout_ms, uint32_t flags,
                            struct mig_conn **out)
{
    struct mig_driver_config config = {.size = sizeof config,
                                       .flags = flags,
                                       .url = address,
                                       .application = "mighost",
                                       .connect_timeout_ms = timeout_ms,
                                       .cancelled = cancelled,
                                       .notice = notice,
                                       .waiting = notice};

    if (!driver)
        load_driver();
    return driver->open(&config, out, &err);
}

static void must(mig_status status)
{
    cr_assert(status >= 0, "%d: %s", (int)status, err.message);
}

static void setup(void)
{
    url = test_postgres();
    must(open_with(url, 5000, 0, &conn));
}

static void teardown(void)
{
    if (conn)
        driver->close(conn);
}

TestSuite(postgres, .init = setup, .fini = teardown, .timeout = 120);
TestSuite(postgres_open, .timeout = 120);

static mig_status run(const char *sql)
{
    struct mig_exec_result result = {.size = sizeof result};

    return driver->exec(conn, sql, strlen(sql), &result, &err);
}

static mig_status run_guarded(const char *sql)
{
    mig_status status;

    driver->guard(conn, "mighost_");
    status = run(sql);
    driver->guard(conn, NULL);
    return status;
}

static mig_status begin(void)
{
    struct mig_tx_options options = {.size = sizeof options};

    return driver->begin(conn, &options, &err);
}

static const char *value_text(const struct mig_value *value)
{
    switch (value->type) {
    case MIG_NULL: return "NULL";
    case MIG_INT64: return test_format("%lld", (long long)value->as.int64);
    case MIG_DOUBLE: return test_format("%g", value->as.real);
    default: return test_format("%.*s", (int)value->len, (const char *)value->as.data);
    }
}

/* The first column of the first row, by the driver's own connection. */
static const char *ask(const char *sql)
{
    struct mig_cursor *cursor;
    struct mig_value value;
    const char *text = "";

    must(driver->prepare(conn, sql, strlen(sql), 0, &cursor, &err));
    must(driver->step(cursor, &err));
    if (driver->column(cursor, 0, &value, &err) == MIG_OK)
        text = value_text(&value);
    driver->finalize(cursor);
    return text;
}

static bool says(const char *text)
{
    return strstr(err.message, text) != NULL;
}

/* Runs psql beside us after a while. */
static void later(double seconds, const char *sql)
{
    char *command =
        test_format("(sleep %g; psql -X -q -c \"%s\" '%s') >/dev/null 2>&1 &", seconds, sql, url);

    cr_assert_eq(test_run("sh", "-c", command).exit_code, 0);
}

/* The server's URL with other words before the '@' and behind the '/'. */
static char *other_url(const char *user, const char *database)
{
    const char *server = test_postgres_server(), *at = strchr(server, '@');
    const char *end = strchr(at, '/');

    return test_format("postgres://%s%.*s/%s", user, (int)(end - at), at, database);
}

/* ---- opening ---- */

Test(postgres_open, a_wrong_password_is_unreachable_and_never_shown)
{
    cr_assert_eq(open_with(other_url("password_user:sesame-17", "postgres"), 5000, 0, &conn),
                 MIG_E_UNREACHABLE);
    cr_assert(says("password_user"), "%s", err.message);
    cr_assert_not(says("sesame"), "%s", err.message);
    cr_assert_null(strchr(err.message, '\n'));
}

Test(postgres_open, the_target_has_no_password)
{
    must(open_with(other_url("password_user:right-password", "postgres"), 5000, 0, &conn));
    cr_assert_null(strstr(driver->info(conn, MIG_INFO_TARGET), "right-password"));
    cr_assert(strstr(driver->info(conn, MIG_INFO_TARGET), "postgres://password_user@127.0.0.1:"));
    cr_assert_str_eq(driver->info(conn, MIG_INFO_USER), "password_user");
    cr_assert_eq(run("DO $$ BEGIN RAISE 'it is right-password'; END $$"), MIG_E_SQL);
    cr_assert_not(says("right-password"), "%s", err.message);
    driver->close(conn);
}

Test(postgres_open, a_refused_port_is_unreachable)
{
    cr_assert_eq(open_with("postgres://u:geheim@127.0.0.1:1/db", 5000, 0, &conn),
                 MIG_E_UNREACHABLE);
    cr_assert(says("127.0.0.1:1"), "%s", err.message);
    cr_assert_not(says("geheim"));
}

Test(postgres_open, an_unknown_host_is_unreachable)
{
    int64_t start = now_ms();

    cr_assert_eq(open_with("postgres://u@no-such-host.invalid/db", 3000, 0, &conn),
                 MIG_E_UNREACHABLE);
    cr_assert(says("no-such-host.invalid"), "%s", err.message);
    cr_assert_lt(now_ms() - start, 15000);
}

Test(postgres_open, an_unknown_database_is_not_found)
{
    cr_assert_eq(open_with(other_url("postgres", "no_such_database"), 5000, 0, &conn),
                 MIG_E_NOTFOUND);
    cr_assert_str_eq(err.sqlstate, "3D000");
    cr_assert_not(says("postinit"), "%s", err.message);
    cr_assert(says("no_such_database"), "%s", err.message);
}

Test(postgres_open, tls_that_the_server_lacks_is_unreachable)
{
    char *address = test_format("%s?sslmode=require", other_url("postgres", "postgres"));

    cr_assert_eq(open_with(address, 5000, 0, &conn), MIG_E_UNREACHABLE);
    cr_assert(says("SSL"), "%s", err.message);
}

Test(postgres_open, a_malformed_address_does_not_show_its_password)
{
    static const char *const addresses[] = {
        "postgres://u:pa%zzword@127.0.0.1/db", "postgres://u:pass/word@127.0.0.1/db",
        "postgres://u:pass/word@127.0.0.1/db", "postgres://u:p@geheim@127.0.0.1:1/db",
        "postgres://u:se:cret@127.0.0.1:1/db", "host=127.0.0.1 password='geheim",
        "postgres://u:geheim@127.0.0.1:port/db", "postgres://u:p?geheim@127.0.0.1:1/db",
        /* A part of one letter; folded blanks; a list; escaped and cut; quotes. */
        "postgres://u:p@ge!p@127.0.0.1:1/db", "postgres://u:%zz  geheim@127.0.0.1/db",
        "postgres://u:p@a,geheim@127.0.0.1/db", "postgres://u:%20geheim%2c/c@127.0.0.1/db",
        "postgres://u:a@b?geheim@127.0.0.1/db", "host=127.0.0.1 password=a\"b c\"geheim"};
    static const char *const secrets[] = {"zzword", "word",   "pass",   "geheim", "cret",
                                          "geheim", "geheim", "geheim", "ge!",    "geheim",
                                          "geheim", "geheim", "geheim", "geheim"};

    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        cr_assert_lt(open_with(addresses[i], 2000, 0, &conn), 0);
        cr_assert_not(says(secrets[i]), "%s", err.message);
    }
}

/* Without its host, without its slashes, and with a keyword that is escaped. */
Test(postgres_open, an_address_that_lacks_a_piece_does_not_show_its_password)
{
    static const char *const addresses[] = {
        "postgres://u:geheim",
        "postgres://u:ge/heim",
        "postgres://127.0.0.1:1geheim/db",
        "postgres:u:geheim@127.0.0.1:1/db",
        "postgres:/u:geheim@127.0.0.1:1/db",
        "postgres:u:geheim@127.0.0.1:1/db?sslmode=require",
        "postgres:u:p=geheim@127.0.0.1:1/db",
        "postgres://127.0.0.1:1/db?user=u&pass%77ord=%zzgeheim",
    };

    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        cr_assert_lt(open_with(addresses[i], 2000, 0, &conn), 0);
        cr_assert_not(says("heim"), "%s: %s", addresses[i], err.message);
    }
}

Test(postgres_open, of_a_socket_without_a_file_nothing_is_said_but_our_own_words)
{
    cr_assert_lt(open_with("postgres://u:geheim@@nobody/db", 2000, 0, &conn), 0);
    cr_assert(says("nobody listens on the socket"), "%s", err.message);
    cr_assert(says("write it as %40"), "%s", err.message);
    cr_assert_not(says("geheim"), "%s", err.message);
}

static int silent_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

Test(postgres_open, a_silent_port_ends_within_the_timeout)
{
    int port, fd = silent_port(&port);
    int64_t start = now_ms();

    cr_assert_eq(open_with(test_format("postgres://u@127.0.0.1:%d/db", port), 1000, 0, &conn),
                 MIG_E_UNREACHABLE);
    cr_assert(says("did not answer"), "%s", err.message);
    cr_assert_lt(now_ms() - start, 9000);
    close(fd);
}

Test(postgres_open, a_silent_host_leaves_time_for_the_next)
{
    int port, fd = silent_port(&port);
    const char *server = test_postgres_server(), *at = strrchr(server, ':') + 1;

    must(
        open_with(test_format("host=127.0.0.1,127.0.0.1 port=%d,%.*s user=postgres dbname=postgres",
                              port, (int)strcspn(at, "/"), at),
                  2000, 0, &conn));
    driver->close(conn);
    close(fd);
}

Test(postgres_open, connecting_can_be_interrupted)
{
    int port, fd = silent_port(&port);
    int64_t start = now_ms();

    stop_with = MIG_E_INTERRUPTED;
    cr_assert_eq(open_with(test_format("postgres://u@127.0.0.1:%d/db", port), 20000, 0, &conn),
                 MIG_E_INTERRUPTED);
    cr_assert_lt(now_ms() - start, 9000);
    close(fd);
}

Test(postgres_open, key_value_words_are_an_address)
{
    const char *server = test_postgres_server(), *at = strrchr(server, ':') + 1;
    char *words = test_format("host=127.0.0.1 port=%.*s user=postgres dbname=postgres",
                              (int)strcspn(at, "/"), at);

    must(open_with(words, 5000, 0, &conn));
    driver->close(conn);
    must(open_with(test_format("postgres:%s", words), 5000, 0, &conn));
    driver->close(conn);
}

Test(postgres_open, a_read_only_server_is_refused_by_name)
{
    char *address = test_format("%s?options=-cdefault_transaction_read_only%%3Don",
                                other_url("postgres", "postgres"));

    cr_assert_eq(open_with(address, 5000, 0, &conn), MIG_E_READONLY);
    cr_assert(says("default_transaction_read_only"), "%s", err.message);
    must(open_with(address, 5000, MIG_OPEN_READONLY, &conn));
    must(begin());
    must(driver->commit(conn, &err));
    driver->close(conn);
}

/* Says what a server of that version says to whoever logs in, and no more: see
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP */
static void greet_as(int listener, const char *version)
{
    static const char welcome[] = "R\0\0\0\x08\0\0\0\0";        /* no password is needed */
    static const char settled[] = "K\0\0\0\x0c\0\0\0\1\0\0\0\2" /* the session's number and key */
                                  "Z\0\0\0\x05I";               /* ready */
    char setting[64] = "S\0\0\0\0server_version";
    size_t name = strlen(setting + 5) + 1, size = 5 + name + strlen(version) + 1;
    unsigned char word[8];
    int fd = accept(listener, NULL, NULL);

    setting[4] = (char)(size - 1);
    snprintf(setting + 5 + name, sizeof setting - 5 - name, "%s", version);
    while (recv(fd, word, sizeof word, MSG_WAITALL) == sizeof word && word[3] == sizeof word)
        send(fd, "N", 1, MSG_NOSIGNAL); /* neither TLS nor GSSAPI */
    send(fd, welcome, sizeof welcome - 1, MSG_NOSIGNAL);
    send(fd, setting, size, MSG_NOSIGNAL);
    send(fd, settled, sizeof settled - 1, MSG_NOSIGNAL);
    while (recv(fd, word, sizeof word, 0) > 0) {}
    close(fd);
}

Test(postgres_open, a_server_that_is_too_old_is_named)
{
    int port, fd = silent_port(&port);
    pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0) {
        greet_as(fd, "9.6.24");
        _exit(0);
    }
    cr_assert_eq(open_with(test_format("postgres://u@127.0.0.1:%d/db", port), 5000, 0, &conn),
                 MIG_E_UNREACHABLE);
    cr_assert(says("is PostgreSQL 9.6.24; mighost needs 12 or newer"), "%s", err.message);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    close(fd);
}

/* ---- the connection breaks ---- */

Test(postgres, a_terminated_session_is_a_lost_connection)
{
    later(0.5, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
               "'%pg_sleep%' AND pid <> pg_backend_pid()");
    must(begin());
    cr_assert_eq(run("SELECT pg_sleep(20)"), MIG_E_CONNECTION, "%s", err.message);
    cr_assert_str_eq(err.sqlstate, "57P01");
    cr_assert_eq(driver->commit(conn, &err), MIG_E_CONNECTION);
    driver->rollback(conn);
    cr_assert_not(driver->in_tx(conn));
    cr_assert_eq(begin(), MIG_E_CONNECTION);
}

Test(postgres, a_connection_lost_in_commit_leaves_the_outcome_open)
{
    must(run("CREATE TABLE t (id int);"
             "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
             "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
             "CREATE CONSTRAINT TRIGGER bye AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
             "FOR EACH ROW EXECUTE FUNCTION leave()"));
    must(begin());
    must(run("INSERT INTO t VALUES (1)"));
    cr_assert_eq(driver->commit(conn, &err), MIG_E_OUTCOME, "%s", err.message);
    cr_assert_not(driver->in_tx(conn));
}

Test(postgres, a_long_statement_can_be_interrupted)
{
    int64_t start = now_ms();

    stop_after_ms = start + 500;
    stop_with = MIG_E_INTERRUPTED;
    cr_assert_eq(run("SELECT pg_sleep(20)"), MIG_E_INTERRUPTED, "%s", err.message);
    cr_assert_lt(now_ms() - start, 10000);
    stop_with = MIG_OK;
    cr_assert_str_eq(ask("SELECT 7"), "7");
}

/* Stops the server process of our session, as a stalled machine would. */
static pid_t stall(void)
{
    pid_t pid = (pid_t)strtol(ask("SELECT pg_backend_pid()"), NULL, 10);

    cr_assert_eq(kill(pid, SIGSTOP), 0);
    stop_after_ms = now_ms() + 300;
    stop_with = MIG_E_TIMEOUT;
    return pid;
}

Test(postgres, a_stalled_server_is_given_up)
{
    int64_t start = now_ms();
    pid_t pid = stall();
    mig_status status = run("SELECT 1");

    kill(pid, SIGCONT);
    cr_assert_eq(status, MIG_E_TIMEOUT, "%s", err.message);
    cr_assert_lt(now_ms() - start, 15000);
    cr_assert_eq(run("SELECT 1"), MIG_E_CONNECTION);
}

Test(postgres, a_server_that_stalls_in_commit_leaves_the_outcome_open)
{
    mig_status status;
    pid_t pid;

    must(begin());
    must(run("CREATE TABLE t (id int)"));
    pid = stall();
    status = driver->commit(conn, &err);
    kill(pid, SIGCONT);
    cr_assert_eq(status, MIG_E_OUTCOME, "%s", err.message);
    cr_assert_not(driver->in_tx(conn));
}

/* It has what we sent, and nobody will ever answer: as behind a proxy that is
 * there and silent. No limit is set. */
static mig_status wait_for_idle(mig_status (*work)(void))
{
    pid_t pid = stall();
    mig_status status;

    stop_after_ms = 0;
    stop_with = MIG_OK;
    status = work();
    kill(pid, SIGCONT);
    cr_assert(says("was lost: its process"), "%s", err.message);
    cr_assert(says("is idle"), "%s", err.message);
    return status;
}

static mig_status run_one(void)
{
    return run("SELECT 1");
}

static mig_status commit(void)
{
    return driver->commit(conn, &err);
}

Test(postgres, an_answer_that_cannot_come_is_not_waited_for)
{
    cr_assert_eq(wait_for_idle(run_one), MIG_E_CONNECTION, "%s", err.message);
}

Test(postgres, a_commit_whose_answer_cannot_come_leaves_the_outcome_open)
{
    must(begin());
    cr_assert_eq(wait_for_idle(commit), MIG_E_OUTCOME, "%s", err.message);
    cr_assert_not(driver->in_tx(conn));
}

Test(postgres, a_statement_that_runs_long_is_waited_for)
{
    must(begin());
    must(run("DO $$ BEGIN EXECUTE 'SELECT pg_' || 'sleep(17)'; END $$")); /* no other test's */
    must(driver->commit(conn, &err));
}

/* ---- transactions ---- */

Test(postgres, committing_a_failed_transaction_fails)
{
    must(begin());
    must(run("CREATE TABLE t (id int)"));
    cr_assert_eq(run("SELECT 1/0"), MIG_E_SQL);
    cr_assert(driver->in_tx(conn));
    cr_assert_eq(driver->commit(conn, &err), MIG_E_FAILED);
    cr_assert_not(driver->in_tx(conn));
    cr_assert_str_eq(ask("SELECT to_regclass('t')"), "NULL");
}

Test(postgres, a_deferred_constraint_fails_the_commit)
{
    must(run("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p "
             "DEFERRABLE INITIALLY DEFERRED)"));
    must(begin());
    must(run("INSERT INTO c VALUES (1)"));
    cr_assert_eq(driver->commit(conn, &err), MIG_E_CONSTRAINT, "%s", err.message);
    cr_assert_str_eq(ask("SELECT count(*) FROM c"), "0");
}

Test(postgres, transaction_control_is_refused_before_anything_runs)
{
    static const char *const texts[] = {"CREATE TABLE t (id int); COMMIT; BEGIN",
                                        "/* a */ Begin",
                                        "-- a\rCOMMIT",
                                        "CREATE TABLE t (id int); END",
                                        "ROLLBACK",
                                        "SAVEPOINT s",
                                        "RELEASE s",
                                        "ABORT",
                                        "START TRANSACTION",
                                        "PREPARE TRANSACTION 'x'",
                                        "SET TRANSACTION READ ONLY",
                                        "DISCARD ALL"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        must(begin());
        cr_assert_eq(run_guarded(texts[i]), MIG_E_FAILED, "%s", texts[i]);
        cr_assert(driver->in_tx(conn));
        driver->rollback(conn);
    }
    cr_assert_str_eq(ask("SELECT to_regclass('t')"), "NULL");
}

Test(postgres, bodies_with_begin_and_end_are_no_transaction_control)
{
    must(begin());
    must(run_guarded("CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT 1; "
                     "SELECT CASE WHEN true THEN 1 END; END; SELECT 'x; COMMIT; BEGIN' AS \"end\";"
                     "DO $x$ BEGIN PERFORM 1; END $x$; -- COMMIT\n"));
    must(driver->commit(conn, &err));
}

Test(postgres, a_transaction_that_is_another_is_not_committed)
{
    must(begin());
    must(run("CREATE TABLE t (id int); COMMIT; BEGIN; CREATE TABLE u (id int)"));
    cr_assert_eq(driver->commit(conn, &err), MIG_E_FAILED);
    cr_assert(says("no longer the one"), "%s", err.message);
    cr_assert_str_eq(ask("SELECT to_regclass('u')"), "NULL");
}

Test(postgres, the_hosts_tables_are_protected)
{
    must(run("CREATE TABLE mighost_history (id int)"));
    cr_assert_eq(run_guarded("SELECT 1; DROP TABLE public.\"mighost_history\""), MIG_E_FAILED);
    cr_assert_eq(err.offset, 10);
    cr_assert_eq(run_guarded("delete from only MIGHOST_history"), MIG_E_FAILED);
    cr_assert_eq(run_guarded("UPDATE mighost_history SET id = 2"), MIG_E_FAILED);
    must(run_guarded("CREATE TABLE seen AS SELECT * FROM mighost_history"));
    must(run_guarded("INSERT INTO seen SELECT id FROM mighost_history"));
}

/* ---- the session ---- */

Test(postgres, the_next_transaction_does_not_see_a_changed_search_path)
{
    must(run("CREATE TABLE t (id int)"));
    must(begin());
    must(run_guarded("SELECT pg_catalog.set_config('search_path', '', false);"
                     "CREATE TEMP TABLE left_over (id int); SET statement_timeout = 1234;"
                     "SET client_encoding = 'LATIN1'; PREPARE mine AS SELECT 1"));
    must(driver->commit(conn, &err));
    must(begin());
    must(run_guarded("INSERT INTO t VALUES (1)"));
    cr_assert_str_eq(ask("SELECT to_regclass('pg_temp.left_over')"), "NULL");
    cr_assert_str_eq(ask("SHOW statement_timeout"), "0");
    cr_assert_str_eq(ask("SHOW client_encoding"), "UTF8");
    cr_assert_str_eq(ask("SHOW client_connection_check_interval"), "500ms");
    cr_assert_str_eq(ask("SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'"), "0");
    must(driver->commit(conn, &err));
}

Test(postgres, a_rolled_back_reset_is_made_again)
{
    must(begin());
    must(run_guarded("SET search_path = pg_catalog"));
    must(driver->commit(conn, &err));
    must(begin());
    driver->rollback(conn);
    must(begin());
    cr_assert_str_eq(ask("SHOW search_path"), "\"$user\", public");
    driver->rollback(conn);
}

Test(postgres, the_host_writes_as_itself_after_a_changed_role)
{
    char *role = test_format("weak_%d", (int)getpid());

    must(run(test_format("CREATE TABLE mine (t text); CREATE ROLE %s", role)));
    must(begin());
    must(run_guarded(test_format("SET ROLE %s; SET client_encoding = 'LATIN1'", role)));
    cr_assert_str_eq(ask("SELECT current_user::text"), "postgres");
    driver->rollback(conn);
    must(begin());
    must(run_guarded(test_format("SET SESSION AUTHORIZATION %s", role)));
    must(run("INSERT INTO public.mine VALUES ('\xc3\xbc')"));
    must(driver->commit(conn, &err));
    cr_assert_str_eq(ask("SELECT session_user::text"), "postgres");
    cr_assert_str_eq(ask("SELECT t FROM mine"), "\xc3\xbc");
    must(run(test_format("DROP ROLE %s", role)));
}

Test(postgres, prepared_statements_outlive_a_reset)
{
    const char *sql = "INSERT INTO t VALUES ($1)";
    struct mig_value value = {.type = MIG_INT64};
    struct mig_cursor *cursor;

    must(run("CREATE TABLE t (id int)"));
    driver->guard(conn, "mighost_");
    must(driver->prepare(conn, sql, strlen(sql), 0, &cursor, &err));
    for (int i = 0; i < 6; i++) {
        value.as.int64 = i;
        if (i % 2 == 0)
            must(begin());
        must(driver->bind(cursor, 1, &value, &err));
        must(driver->step(cursor, &err));
        must(driver->restart(cursor, &err));
        must(run("DEALLOCATE ALL"));
        if (i % 2)
            must(driver->commit(conn, &err));
    }
    driver->finalize(cursor);
    driver->guard(conn, NULL);
    cr_assert_str_eq(ask("SELECT count(*) FROM t"), "6");
}

/* ---- texts ---- */

Test(postgres, an_offset_counts_bytes_and_statements_are_counted)
{
    struct mig_exec_result result = {.size = sizeof result};
    const char *sql =
        "SELECT '\xc3\xbc\xe2\x82\xac'; SELECT 1; SELECT '\xc3\xbc', nothing; SELECT 2";

    cr_assert_eq(driver->exec(conn, sql, strlen(sql), &result, &err), MIG_E_SQL);
    cr_assert_eq(err.offset, strstr(sql, "nothing") - sql);
    cr_assert_eq(result.statements, 2);
    cr_assert_eq(result.offset, (size_t)(strstr(sql, "SELECT '\xc3\xbc',") - sql));
    cr_assert_str_eq(err.sqlstate, "42703");
}

Test(postgres, copy_with_the_client_does_not_hang)
{
    must(run("CREATE TABLE t (id int); INSERT INTO t VALUES (1)"));
    cr_assert_eq(run("COPY t FROM STDIN"), MIG_E_UNSUPPORTED, "%s", err.message);
    cr_assert_eq(run("SELECT 1; COPY t TO STDOUT; SELECT 2"), MIG_E_UNSUPPORTED);
    cr_assert_eq(run_guarded("COPY t (id) FROM stdin"), MIG_E_UNSUPPORTED);
    cr_assert_str_eq(ask("SELECT count(*) FROM t"), "1");
}

Test(postgres, a_large_text_and_a_large_result_are_fast)
{
    enum { SIZE = 1 << 20, STATEMENT = 100 };
    struct mig_exec_result result = {.size = sizeof result};
    char *sql = malloc(SIZE + STATEMENT);
    size_t used = 0, statements = 0;
    int64_t start = now_ms();

    must(run("CREATE TABLE t (id int, t text)"));
    for (; used < SIZE; statements++)
        used += (size_t)snprintf(sql + used, STATEMENT, "INSERT INTO t VALUES (%zu, 'some text');",
                                 statements);
    must(begin());
    must(driver->exec(conn, sql, used, &result, &err));
    cr_assert_eq(result.statements, statements);
    must(run("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"));
    must(driver->commit(conn, &err));
    cr_assert_lt(now_ms() - start, 20000);
    free(sql);
}

Test(postgres, a_text_with_nul_is_refused)
{
    cr_assert_eq(driver->exec(conn, "SELECT\0 1", 9, NULL, &err), MIG_E_SQL);
    cr_assert(says("NUL"));
}

Test(postgres, notices_arrive_in_one_line)
{
    must(run("DO $$ BEGIN RAISE WARNING E'a\\nb'; END $$"));
    cr_assert(strstr(notices, "WARNING: a"), "%s", notices);
    cr_assert_str_eq(strchr(notices, '\n'), "\n");
}

Test(postgres, classes_of_errors_have_their_status)
{
    must(run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)"));
    cr_assert_eq(run("INSERT INTO t VALUES (1)"), MIG_E_CONSTRAINT);
    cr_assert(says("Key (id)=(1) already exists"), "%s", err.message);
    cr_assert_eq(run("DO $$ BEGIN RAISE 'x' USING ERRCODE = '40001'; END $$"), MIG_E_CONFLICT);
    cr_assert_eq(run("DO $$ BEGIN RAISE 'x' USING ERRCODE = '53100'; END $$"), MIG_E_FULL);
    cr_assert_eq(run("SET statement_timeout = 50; SELECT pg_sleep(5)"), MIG_E_TIMEOUT);
    must(begin());
    cr_assert_eq(run("VACUUM"), MIG_E_SQL);
    cr_assert(says("mode durable or none"), "%s", err.message);
}

/* ---- locks ---- */

static bool lock_soon(const char *name)
{
    for (int64_t start = now_ms(); now_ms() - start < 5000; usleep(20000))
        if (driver->lock_try(conn, name, &err) == MIG_OK)
            return true;
    return false;
}

Test(postgres, the_holder_of_the_lock_is_named)
{
    struct mig_conn *other;

    must(driver->lock_try(conn, "mighost", &err));
    must(run("SELECT 'the last words'"));
    must(open_with(url, 5000, 0, &other));
    cr_assert_eq(driver->lock_try(other, "mighost", &err), MIG_E_BUSY);
    cr_assert(says(ask("SELECT pg_backend_pid()")), "%s", err.message);
    cr_assert(says("user postgres"), "%s", err.message);
    cr_assert(says("\"mighost\""), "%s", err.message);
    must(driver->lock_try(other, "another", &err));
    driver->unlock(conn);
    driver->unlock(other);
    must(driver->lock_try(other, "mighost", &err));
    driver->close(other);
    cr_assert(lock_soon("mighost"), "%s", err.message); /* a closed session ends a moment later */
}

Test(postgres, a_session_that_a_migration_changed_can_be_unlocked)
{
    struct mig_conn *other;

    must(driver->lock_try(conn, "mighost", &err));
    must(run_guarded("SET search_path = ''; SET statement_timeout = 1234"));
    driver->unlock(conn);
    must(open_with(url, 5000, 0, &other));
    must(driver->lock_try(other, "mighost", &err));
    cr_assert_eq(driver->lock_try(conn, "mighost", &err), MIG_E_BUSY);
    driver->close(other);
    cr_assert_str_eq(ask("SHOW statement_timeout"), "0");
}

Test(postgres, the_lock_outlives_a_reset)
{
    struct mig_conn *other;

    must(driver->lock_try(conn, "mighost", &err));
    must(run_guarded("SET search_path = x"));
    must(driver->reset(conn, &err));
    must(open_with(url, 5000, 0, &other));
    cr_assert_eq(driver->lock_try(other, "mighost", &err), MIG_E_BUSY);
    driver->close(other);
}

Test(postgres, a_lock_that_a_migration_gave_up_is_taken_again)
{
    struct mig_conn *other;

    must(driver->lock_try(conn, "mighost", &err));
    must(run_guarded("SELECT pg_advisory_unlock_all()"));
    must(begin());
    must(open_with(url, 5000, 0, &other));
    cr_assert_eq(driver->lock_try(other, "mighost", &err), MIG_E_BUSY);
    driver->rollback(conn);
    driver->unlock(conn);
    must(driver->lock_try(other, "mighost", &err));
    driver->close(other);
}

static void hide_advisory_locks(void)
{
    must(run("ALTER FUNCTION pg_try_advisory_lock(bigint) RENAME TO hidden;"
             "ALTER FUNCTION pg_try_advisory_xact_lock(bigint) RENAME TO hidden_in_tx"));
}

Test(postgres, without_advisory_locks_the_lock_is_a_lease_that_a_transaction_holds)
{
    struct mig_conn *other, *mine = conn;

    hide_advisory_locks();
    must(driver->lock_try(conn, "public.mighost", &err));
    must(driver->lock_try(conn, "public.mighost", &err));
    cr_assert(strstr(driver->info(conn, MIG_INFO_LEASE), "advisory"));
    must(open_with(url, 5000, 0, &other));
    cr_assert_eq(driver->lock_try(other, "public.mighost", &err), MIG_E_BUSY);
    cr_assert(says("held by process"), "%s", err.message);
    cr_assert(says("unless it is renewed"), "%s", err.message);

    must(begin());
    conn = other;
    must(run("BEGIN; SET LOCAL lock_timeout = 100"));
    cr_assert_eq(run("UPDATE mighost_lock SET until = 'epoch'"), MIG_E_TIMEOUT);
    driver->rollback(other);
    conn = mine;
    must(driver->commit(conn, &err));

    driver->unlock(conn);
    must(driver->lock_try(other, "public.mighost", &err));
    driver->close(other);
    must(driver->lock_try(conn, "public.mighost", &err));
}

Test(postgres, whoever_lost_its_lease_begins_nothing)
{
    struct mig_conn *other, *mine = conn;

    hide_advisory_locks();
    must(driver->lock_try(conn, "mighost", &err));
    must(open_with(url, 5000, 0, &other));
    conn = other;
    must(run("UPDATE mighost_lock SET until = 'epoch'"));
    must(driver->lock_try(other, "mighost", &err));
    conn = mine;
    cr_assert_eq(begin(), MIG_E_BUSY);
    cr_assert(says("was overtaken"), "%s", err.message);
    cr_assert_not(driver->in_tx(conn));
    driver->unlock(conn); /* gives up nothing that is another's */
    must(driver->begin(other, &(struct mig_tx_options){.size = sizeof(struct mig_tx_options)},
                       &err));
    must(driver->commit(other, &err));
    driver->close(other);
}

Test(postgres, locks_that_are_granted_and_not_kept_are_none)
{
    struct mig_conn *other;

    hide_advisory_locks();
    must(run("CREATE FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RETURNS boolean"
             " LANGUAGE sql AS 'SELECT true'"));
    must(driver->lock_try(conn, "mighost", &err));
    must(open_with(url, 5000, 0, &other));
    cr_assert_eq(driver->lock_try(other, "mighost", &err), MIG_E_BUSY);
    cr_assert(says("held by process"), "%s", err.message);
    driver->close(other);
}

Test(postgres, a_lock_timeout_says_who_was_in_the_way)
{
    struct mig_tx_options options = {.size = sizeof options, .lock_timeout_ms = 6000};
    struct mig_conn *blocker, *mine = conn;

    must(run("CREATE TABLE t (id int)"));
    must(open_with(url, 5000, 0, &blocker));
    conn = blocker;
    must(begin());
    must(run("SELECT count(*) FROM t"));
    conn = mine;
    must(driver->begin(conn, &options, &err));
    cr_assert_eq(run_guarded("ALTER TABLE t ADD COLUMN x int"), MIG_E_TIMEOUT);
    cr_assert_str_eq(err.sqlstate, "55P03");
    cr_assert(says("a lock on t, held by server process"), "%s", err.message);
    cr_assert(strstr(notices, "a lock on t, held by"), "%s", notices);
    driver->rollback(conn);
    driver->close(blocker);
}

/* ---- commits that need not wait for the disk ---- */

Test(postgres, only_a_relaxed_commit_does_not_wait)
{
    struct mig_tx_options options = {.size = sizeof options, .relaxed = true};

    must(driver->begin(conn, &options, &err));
    cr_assert_str_eq(ask("SHOW synchronous_commit"), "off");
    must(driver->commit(conn, &err));
    must(begin());
    cr_assert_str_eq(ask("SHOW synchronous_commit"), "on");
    must(driver->commit(conn, &err));
}

/* ---- statements outside transactions ---- */

Test(postgres, statements_that_cannot_run_in_a_transaction_are_known)
{
    static const char *const yes[] = {"VACUUM",
                                      "-- x\n vacuum full t",
                                      "CREATE INDEX CONCURRENTLY i ON t (a)",
                                      "/* /* x */ */ create unique index concurrently i on t (a)",
                                      "DROP INDEX CONCURRENTLY i",
                                      "REINDEX INDEX CONCURRENTLY i",
                                      "REINDEX (VERBOSE, CONCURRENTLY) TABLE t",
                                      "CREATE DATABASE d",
                                      "DROP DATABASE d",
                                      "ALTER SYSTEM SET work_mem = '1MB'",
                                      "CREATE TABLESPACE s LOCATION '/x'"};
    static const char *const no[] = {"CREATE INDEX i ON t (a)",
                                     "REINDEX TABLE t",
                                     "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
                                     "ALTER TYPE e ADD VALUE 'x'",
                                     "ANALYZE",
                                     "",
                                     "CLUSTER t",
                                     "SELECT 'VACUUM'"};

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        cr_assert(driver->outside_tx(conn, yes[i], strlen(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_assert_not(driver->outside_tx(conn, no[i], strlen(no[i])), "%s", no[i]);
}

static enum mig_settled settled(const char *sql)
{
    enum mig_settled out = MIG_SETTLED_UNKNOWN;

    must(driver->settle(conn, sql, strlen(sql), &out, &err));
    return out;
}

Test(postgres, an_invalid_index_is_dropped_and_built_again)
{
    const char *sql = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"An idx\" ON app.t (id)";

    must(run("CREATE SCHEMA app; CREATE TABLE app.t (id int); INSERT INTO app.t VALUES (1), (1)"));
    cr_assert_eq(settled(sql), MIG_SETTLED_REPEAT);
    cr_assert_eq(run_guarded(sql), MIG_E_CONSTRAINT);
    cr_assert_eq(run_guarded(sql), MIG_E_FAILED);
    cr_assert(says("INVALID"), "%s", err.message);
    cr_assert_eq(settled(sql), MIG_SETTLED_REPEAT);
    cr_assert_str_eq(ask("SELECT to_regclass('app.\"An idx\"')"), "NULL");
    must(run("TRUNCATE app.t"));
    must(run_guarded(sql));
    must(run_guarded(sql));
    cr_assert_eq(settled(sql), MIG_SETTLED_DONE);
    cr_assert_eq(settled("CREATE INDEX CONCURRENTLY ON app.t (id)"), MIG_SETTLED_UNKNOWN);
    cr_assert_eq(settled("DROP INDEX CONCURRENTLY app.\"An idx\""), MIG_SETTLED_REPEAT);
    cr_assert_eq(settled("DROP INDEX CONCURRENTLY IF EXISTS app.nothing"), MIG_SETTLED_DONE);
}

Test(postgres, what_else_can_be_settled)
{
    must(run("CREATE TYPE mood AS ENUM ('glad')"));
    cr_assert_eq(settled("ALTER TYPE mood ADD VALUE 'glad'"), MIG_SETTLED_DONE);
    cr_assert_eq(settled("ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'it''s' AFTER 'glad'"),
                 MIG_SETTLED_REPEAT);
    cr_assert_eq(settled("VACUUM ANALYZE"), MIG_SETTLED_REPEAT);
    cr_assert_eq(settled("CREATE DATABASE postgres"), MIG_SETTLED_DONE);
    cr_assert_eq(settled("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p"), MIG_SETTLED_UNKNOWN);
    cr_assert_eq(settled("INSERT INTO t VALUES (1)"), MIG_SETTLED_UNKNOWN);
}

/* ---- statements with values ---- */

Test(postgres, values_have_the_types_of_their_columns)
{
    const char *sql = "SELECT true, 1::int2, 2::int4, -3::int8, 1.5::float8, 'x'::text, "
                      "'\\x00ff'::bytea, NULL::int, 12.50::numeric, 'NaN'::float8";
    static const enum mig_type types[] = {MIG_INT64, MIG_INT64, MIG_INT64, MIG_INT64, MIG_DOUBLE,
                                          MIG_TEXT,  MIG_BLOB,  MIG_NULL,  MIG_TEXT,  MIG_DOUBLE};
    struct mig_cursor *cursor;
    struct mig_value value;

    must(driver->prepare(conn, sql, strlen(sql), 0, &cursor, &err));
    cr_assert_eq(driver->column_count(cursor), 10);
    cr_assert_eq(driver->column(cursor, 0, &value, &err), MIG_E_MISUSE);
    cr_assert_eq(driver->step(cursor, &err), MIG_ROW);
    for (int i = 0; i < 10; i++) {
        must(driver->column(cursor, i, &value, &err));
        cr_assert_eq(value.type, types[i], "column %d", i);
    }
    must(driver->column(cursor, 6, &value, &err));
    cr_assert_eq(value.len, 2);
    cr_assert_eq(memcmp(value.as.data, "\0\xff", 2), 0);
    cr_assert_eq(driver->column(cursor, 10, &value, &err), MIG_E_RANGE);
    cr_assert_eq(driver->step(cursor, &err), MIG_OK);
    driver->finalize(cursor);
}

/* Counts the rows of a stream and changes the table under it. */
static int read_and_write(const char *write)
{
    const char *sql = "SELECT id, t FROM t WHERE id >= $1 ORDER BY id";
    struct mig_value value = {.type = MIG_INT64, .as.int64 = 1};
    struct mig_cursor *cursor;
    int rows = 0;

    must(driver->prepare(conn, sql, strlen(sql), MIG_PREPARE_STREAM, &cursor, &err));
    must(driver->bind(cursor, 1, &value, &err));
    while (driver->step(cursor, &err) == MIG_ROW) {
        must(driver->column(cursor, 0, &value, &err));
        cr_assert_eq(value.as.int64, ++rows);
        if (rows % 1000 == 0)
            must(run(write));
    }
    cr_assert_eq(driver->step(cursor, &err), MIG_OK);
    driver->finalize(cursor);
    return rows;
}

Test(postgres, a_stream_reads_what_was_there_while_others_write)
{
    must(run("CREATE TABLE t AS SELECT i AS id, repeat('x', 200) AS t "
             "FROM generate_series(1, 7000) i"));
    must(begin());
    cr_assert_eq(read_and_write("DELETE FROM t WHERE id > 6000"), 7000);
    driver->rollback(conn);
    cr_assert_eq(read_and_write("DELETE FROM t WHERE id > 6000"), 7000);
    cr_assert_eq(read_and_write("SELECT 1"), 6000);
}

Test(postgres, a_stream_outlives_transactions_begun_after_it)
{
    const char *sql = "SELECT i FROM generate_series(1, 500) i";
    struct mig_cursor *cursor;
    int rows = 0;

    must(run("CREATE TABLE t (id int)"));
    driver->guard(conn, "mighost_");
    must(driver->prepare(conn, sql, strlen(sql), MIG_PREPARE_STREAM, &cursor, &err));
    while (driver->step(cursor, &err) == MIG_ROW) {
        if (rows++ % 100)
            continue;
        must(begin());
        must(run("INSERT INTO t VALUES (1)"));
        must(driver->commit(conn, &err));
    }
    driver->finalize(cursor);
    driver->guard(conn, NULL);
    cr_assert_eq(rows, 500);
}

Test(postgres, a_failed_step_is_not_an_end)
{
    const char *sql = "INSERT INTO t VALUES ($1)";
    struct mig_value value = {.type = MIG_INT64, .as.int64 = 1};
    struct mig_cursor *cursor;

    must(run("CREATE TABLE t (id int PRIMARY KEY)"));
    must(driver->prepare(conn, sql, strlen(sql), 0, &cursor, &err));
    cr_assert_eq(driver->bind(cursor, 2, &value, &err), MIG_E_RANGE);
    must(driver->bind(cursor, 1, &value, &err));
    must(driver->step(cursor, &err));
    cr_assert_eq(driver->changes(conn), 1);
    for (int i = 0; i < 3; i++) {
        must(driver->restart(cursor, &err));
        cr_assert_eq(driver->step(cursor, &err), MIG_E_CONSTRAINT);
        cr_assert_eq(driver->step(cursor, &err), MIG_E_MISUSE);
    }
    must(driver->restart(cursor, &err));
    value.as.int64 = 2;
    must(driver->bind(cursor, 1, &value, &err));
    must(driver->step(cursor, &err));
    driver->finalize(cursor);
}

Test(postgres, the_primary_key_comes_quoted_and_in_order)
{
    char key[128];
    bool exists;

    must(run("CREATE SCHEMA app; CREATE TABLE app.\"T\" (a int, \"B c\" int, "
             "PRIMARY KEY (\"B c\", a)); CREATE TABLE bare (a int)"));
    must(driver->primary_key(conn, "app.\"T\"", key, sizeof key, &err));
    cr_assert_str_eq(key, "\"B c\", \"a\"");
    must(driver->primary_key(conn, "bare", key, sizeof key, &err));
    cr_assert_str_eq(key, "");
    cr_assert_eq(driver->primary_key(conn, "app.\"T\"", key, 4, &err), MIG_E_RANGE);
    cr_assert_lt(driver->primary_key(conn, "nothing", key, sizeof key, &err), 0);
    must(driver->table_exists(conn, "app", "T", &exists, &err));
    cr_assert(exists);
    must(driver->table_exists(conn, NULL, "bare", &exists, &err));
    cr_assert(exists);
    must(driver->table_exists(conn, "app", "t", &exists, &err));
    cr_assert_not(exists);
}

static struct mig_value text_value(const char *text)
{
    struct mig_value value = {.type = text ? MIG_TEXT : MIG_NULL};

    value.len = text ? strlen(text) : 0;
    value.as.data = text;
    return value;
}

static struct mig_value int_value(int64_t number)
{
    struct mig_value value = {.type = MIG_INT64};

    value.as.int64 = number;
    return value;
}

Test(postgres, a_batch_writes_only_rows_that_stayed_as_they_were_read)
{
    static const char *const keys[] = {"\"id\""}, *const reads[] = {"\"a\"", "\"j\""},
                             *const writes[] = {"\"B\"", "n"};
    struct mig_value key_values[] = {int_value(1), int_value(2), int_value(3), int_value(9)};
    struct mig_value olds[] = {text_value("one"), text_value("{\"x\": 1}"), text_value(NULL),
                               text_value(NULL),  text_value("old"),        text_value(NULL),
                               text_value("x"),   text_value(NULL)};
    struct mig_value news[] = {text_value("a\"b\\,{}"), text_value("1.50"),  text_value(""),
                               text_value(NULL),        text_value("never"), int_value(1),
                               text_value("never"),     int_value(1)};
    struct mig_batch batch = {.size = sizeof batch,
                              .table = "\"app\".\"t\"",
                              .keys = keys,
                              .key_count = 1,
                              .reads = reads,
                              .read_count = 2,
                              .writes = writes,
                              .write_count = 2,
                              .rows = 4,
                              .key_values = key_values,
                              .olds = olds,
                              .news = news};
    bool written[4] = {false, false, true, true};

    must(run("CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, a varchar(10), j json, "
             "\"B\" text, n numeric(10, 2)); INSERT INTO app.t VALUES (1, 'one', '{\"x\": 1}'), "
             "(2, NULL, NULL), (3, 'changed', NULL)"));
    must(begin());
    must(driver->update_batch(conn, &batch, written, &err));
    must(driver->update_batch(conn, &batch, written, &err));
    must(driver->commit(conn, &err));
    cr_assert(written[0] && written[1] && !written[2] && !written[3]);
    cr_assert_str_eq(ask("SELECT \"B\" || n FROM app.t WHERE id = 1"), "a\"b\\,{}1.50");
    cr_assert_str_eq(ask("SELECT \"B\" = '' AND n IS NULL FROM app.t WHERE id = 2"), "1");
    cr_assert_str_eq(ask("SELECT \"B\" FROM app.t WHERE id = 3"), "NULL");
}

/* Whoever changed an e-mail's case, or 1.0 to 1.00, has changed it. */
Test(postgres, a_batch_leaves_rows_whose_change_the_types_own_equality_ignores)
{
    static const char *const keys[] = {"id"}, *const reads[] = {"a", "n", "i"},
                             *const writes[] = {"w"};
    struct mig_value key_values[] = {int_value(1), int_value(2), int_value(3), int_value(4)};
    struct mig_value olds[] = {
        text_value("same"),  text_value("1.0"),   text_value("1 day"), text_value("case"),
        text_value("1.0"),   text_value("1 day"), text_value("same"),  text_value("1.0"),
        text_value("1 day"), text_value("same"),  text_value("1.0"),   text_value("1 day"),
    };
    struct mig_value news[] = {int_value(1), int_value(1), int_value(1), int_value(1)};
    struct mig_batch batch = {.size = sizeof batch,
                              .table = "\"t\"",
                              .keys = keys,
                              .key_count = 1,
                              .reads = reads,
                              .read_count = 3,
                              .writes = writes,
                              .write_count = 1,
                              .rows = 4,
                              .key_values = key_values,
                              .olds = olds,
                              .news = news};
    bool written[4] = {false, true, true, true};

    must(run("CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2',"
             " deterministic = false);"
             "CREATE TABLE t (id int PRIMARY KEY, a text COLLATE ignore_case, n numeric,"
             " i interval, w int);"
             "INSERT INTO t VALUES (1, 'same', 1.0, '1 day'), (2, 'CASE', 1.0, '1 day'),"
             " (3, 'same', 1.00, '1 day'), (4, 'same', 1.0, '24 hours')"));
    must(begin());
    must(driver->update_batch(conn, &batch, written, &err));
    must(driver->commit(conn, &err));
    cr_assert(written[0]);
    cr_assert_not(written[1], "another case");
    cr_assert_not(written[2], "another scale");
    cr_assert_not(written[3], "another unit");
}
