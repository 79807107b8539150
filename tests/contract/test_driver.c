/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mig/driver.h promises, tested on every engine alike: each test runs once
 * for each driver on a database of its own. What only one engine can do or
 * refuse is in that engine's own file. The host takes no part.
 */
#include "rig.h"

#include <unistd.h>

Contract(opening_a_database_that_is_not_there_says_so)
{
    struct mig_driver_config config = rig_config(NULL);
    struct mig_conn *conn = NULL;
    mig_status status;

    config.flags = 0;
    if (rig_is(rig, "sqlite")) {
        config.url = test_sqlite();
    } else {
        const char *server = test_postgres_server();

        config.url =
            test_format("%.*s/no_such_database", (int)(strrchr(server, '/') - server), server);
    }
    status = rig->driver->open(&config, &conn, &rig->err);
    cr_assert(status == MIG_E_NOTFOUND || (status == MIG_E_UNREACHABLE && !rig_is(rig, "sqlite")),
              "%d", (int)status);
    cr_assert_null(conn);
    cr_assert(rig->err.message[0]);
}

Contract(the_table_names_its_engine_and_its_schemes)
{
    cr_assert_str_eq(rig->driver->name, rig->engine);
    cr_assert_eq(rig->driver->abi_major, MIG_DRIVER_ABI_MAJOR);
    cr_assert_leq(rig->driver->abi_minor, MIG_DRIVER_ABI_MINOR);
    cr_assert_eq(rig->driver->size, sizeof *rig->driver);
    cr_assert_not_null(rig->driver->schemes[0]);
    cr_assert(rig->driver->blob_type[0]);
    cr_assert(rig->driver->key_type[0]);
}

Contract(a_connection_tells_where_it_goes)
{
    const struct mig_driver *driver = rig->driver;

    cr_assert(driver->info(rig->conn, MIG_INFO_VERSION)[0]);
    cr_assert(driver->info(rig->conn, MIG_INFO_TARGET)[0]);
    cr_assert(driver->info(rig->conn, MIG_INFO_SCHEMA)[0]);
    cr_assert_not_null(driver->info(rig->conn, MIG_INFO_USER));
    cr_assert_not_null(driver->native(rig->conn));
}

/* Statements */

Contract(exec_runs_many_statements_and_counts_them)
{
    rig_exec(rig, "CREATE TABLE t (a integer);\n"
                  "INSERT INTO t VALUES (1), (2);  -- a comment; with a semicolon\n"
                  "/* another; one */ INSERT INTO t VALUES (3);");
    cr_assert_eq(rig->result.statements, 3, "%zu", rig->result.statements);
    cr_assert_eq(rig->result.changes, 1);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t ORDER BY a"), "1\n2\n3");
}

Contract(exec_discards_rows)
{
    rig_exec(rig, "CREATE TABLE t (a integer); SELECT 1; SELECT 2; INSERT INTO t VALUES (1)");
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

Contract(exec_of_nothing_is_fine)
{
    rig_exec(rig, "");
    cr_assert_eq(rig->result.statements, 0);
    rig_exec(rig, "  -- only a comment\n /* and another */ ");
    cr_assert_eq(rig->result.statements, 0);
    rig_exec(rig, " ; ;\n; ");
}

Contract(exec_reads_no_byte_behind_the_text)
{
    static const char text[] = "CREATE TABLE t (a integer)SYNTAX ERROR";

    rig_expect(rig,
               rig->driver->exec(rig->conn, text, strlen("CREATE TABLE t (a integer)"),
                                 &rig->result, &rig->err),
               MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

Contract(exec_says_which_statement_failed_and_where)
{
    const char *sql = "CREATE TABLE t (a integer);\n"
                      "INSERT INTO t VALUES (1);\n"
                      "INSERT INTO missing VALUES (1);\n"
                      "INSERT INTO t VALUES (2);\n";
    int64_t begins = strstr(sql, "INSERT INTO missing") - sql;

    rig_begin(rig);
    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    cr_assert_eq(rig->result.statements, 2, "%zu", rig->result.statements);
    cr_assert_geq(rig->err.offset, begins, "offset %lld", (long long)rig->err.offset);
    cr_assert_lt(rig->err.offset, begins + (int64_t)strlen("INSERT INTO missing VALUES (1);"));
    cr_assert(strstr(rig->err.message, "missing"), "%s", rig->err.message);
    rig->driver->rollback(rig->conn);
}

Contract(a_syntax_error_points_at_the_token)
{
    const char *sql = "CREATE TABLE t (a integer);\nINSRT INTO t VALUES (1);";

    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    cr_assert_eq(rig->err.offset, strstr(sql, "INSRT") - sql, "offset %lld",
                 (long long)rig->err.offset);
}

Contract(a_fault_behind_letters_of_many_bytes_is_still_found)
{
    const char *sql =
        "CREATE TABLE t (a text);\nINSERT INTO t VALUES ('\u00fc\u00f6\u65e5\u672c') oops;";

    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    cr_assert_eq(rig->err.offset, strstr(sql, "oops") - sql, "offset %lld",
                 (long long)rig->err.offset);
}

Contract(a_message_is_one_line)
{
    rig_expect(rig, rig_try(rig, "SELECT *\nFROM missing\nWHERE a = 1"), MIG_E_SQL);
    cr_assert_null(strchr(rig->err.message, '\n'), "%s", rig->err.message);
}

Contract(a_violated_constraint_has_its_own_status)
{
    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b integer NOT NULL CHECK (b > 0))");
    rig_exec(rig, "INSERT INTO t VALUES (1, 1)");
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (1, 1)"), MIG_E_CONSTRAINT);
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (2, NULL)"), MIG_E_CONSTRAINT);
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (2, -1)"), MIG_E_CONSTRAINT);
}

Contract(an_unterminated_string_is_an_error)
{
    rig_expect(rig, rig_try(rig, "SELECT 'never ends; SELECT 1;"), MIG_E_SQL);
}

/* Transactions */

Contract(what_is_committed_others_see)
{
    struct mig_conn *other = rig_connect(rig);
    bool there = false;

    rig_begin(rig);
    cr_assert(rig->driver->in_tx(rig->conn));
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_commit(rig);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    rig_expect(rig, rig->driver->table_exists(other, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert(there);
    rig->driver->close(other);
}

Contract(a_rollback_leaves_nothing)
{
    bool there = true;

    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1)");
    rig->driver->rollback(rig->conn);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    rig_expect(rig, rig->driver->table_exists(rig->conn, "", "t", &there, &rig->err), MIG_OK);
    cr_assert_not(there);
    rig->driver->rollback(rig->conn); /* once more does no harm */
}

Contract(closing_rolls_back)
{
    struct mig_conn *other = rig_connect(rig);
    bool there = true;

    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_close(rig);
    rig->conn = other;
    rig_expect(rig, rig->driver->table_exists(other, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert_not(there);
}

Contract(after_a_failure_and_a_rollback_the_connection_works_on)
{
    rig_begin(rig);
    rig_expect(rig, rig_try(rig, "SELECT * FROM missing"), MIG_E_SQL);
    rig->driver->rollback(rig->conn);
    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_commit(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

Contract(a_transaction_does_not_begin_twice)
{
    struct mig_tx_options options = {.size = sizeof options};

    rig_begin(rig);
    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_E_MISUSE);
    rig->driver->rollback(rig->conn);
}

Contract(commit_without_a_transaction_fails)
{
    cr_assert_lt(rig->driver->commit(rig->conn, &rig->err), 0);
    cr_assert(rig->err.message[0]);
}

Contract(a_deferred_foreign_key_fails_the_commit)
{
    struct mig_tx_options options = {.size = sizeof options, .foreign_keys = true};

    rig_exec(rig, "CREATE TABLE p (id integer PRIMARY KEY);"
                  "CREATE TABLE c (p integer REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)");
    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_OK);
    rig_exec(rig, "INSERT INTO c VALUES (42)");
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_CONSTRAINT);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM c"), "0");
}

Contract(a_smuggled_commit_never_looks_like_ours)
{
    mig_status status;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (1)");
    status = rig_try(rig, "COMMIT; BEGIN; INSERT INTO t VALUES (2)");
    if (status == MIG_OK)
        status = rig->driver->commit(rig->conn, &rig->err);
    cr_assert_lt(status, 0);
    rig->driver->rollback(rig->conn);
}

Contract(guarded_statements_may_not_control_the_transaction)
{
    static const char *const refused[] = {
        "COMMIT", "ROLLBACK", "SAVEPOINT s", "  -- hidden\n COMMIT", "END",
    };
    size_t i;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        rig_begin(rig);
        rig->driver->guard(rig->conn, "mighost");
        cr_assert_lt(rig_try(rig, refused[i]), 0, "%s was let through", refused[i]);
        cr_assert(rig->err.message[0]);
        rig->driver->guard(rig->conn, NULL);
        rig->driver->rollback(rig->conn);
    }
}

Contract(the_guard_lets_ordinary_work_through)
{
    rig_begin(rig);
    rig->driver->guard(rig->conn, "mighost");
    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b text);"
                  "CREATE INDEX i ON t (b);"
                  "INSERT INTO t VALUES (1, 'begin; commit;');"
                  "UPDATE t SET b = 'x';"
                  "DELETE FROM t;"
                  "ALTER TABLE t ADD COLUMN c integer;"
                  "DROP TABLE t");
    rig->driver->guard(rig->conn, NULL);
    rig_commit(rig);
}

/* Sessions */

Contract(reset_drops_temporary_objects)
{
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_lt(rig_try(rig, "SELECT * FROM scratch"), 0);
}

Contract(a_temporary_table_of_one_transaction_is_not_there_in_the_next)
{
    rig_begin(rig);
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_commit(rig);
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_begin(rig);
    cr_assert_lt(rig_try(rig, "SELECT * FROM scratch"), 0);
    rig->driver->rollback(rig->conn);
}

#define SAID_MAX 1024

static void hear_waiting(void *arg, const char *text)
{
    snprintf(arg, SAID_MAX, "%s", text);
}

Contract(whoever_waits_for_another_says_for_whom)
{
    char said[SAID_MAX] = "";
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_tx_options options = {.size = sizeof options, .lock_timeout_ms = 2000};
    struct mig_conn *other = NULL;
    mig_status status;

    config.busy_timeout_ms = options.lock_timeout_ms;
    config.waiting = hear_waiting;
    config.arg = said;
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_begin(rig);
    rig_exec(rig, "ALTER TABLE t ADD COLUMN b integer");
    rig_expect(rig, rig->driver->open(&config, &other, &rig->err), MIG_OK);
    status = rig->driver->begin(other, &options, &rig->err);
    if (status == MIG_OK)
        status = rig_try_on(rig, other, "ALTER TABLE t ADD COLUMN c integer");
    cr_assert_eq(status, rig_is(rig, "sqlite") ? MIG_E_BUSY : MIG_E_TIMEOUT, "%s",
                 rig->err.message);
    cr_assert(strstr(said, rig_is(rig, "sqlite") ? "has locked" : "held by server process"), "%s",
              said);
    rig->driver->close(other);
}

Contract(a_lock_of_the_session_is_no_lease)
{
    rig_expect(rig, rig->driver->lock_try(rig->conn, "main.mighost", &rig->err), MIG_OK);
    cr_assert_str_eq(rig->driver->info(rig->conn, MIG_INFO_LEASE), "");
}

Contract(the_lock_outlives_a_reset)
{
    struct mig_conn *other = rig_connect(rig);

    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_E_BUSY);
    rig->driver->close(other);
}

Contract(a_cursor_can_be_used_again_after_a_reset)
{
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    cursor = rig_prepare(rig, "INSERT INTO t VALUES ($1)", 0);
    rig_bind(rig, cursor, 1, rig_int(1));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_bind(rig, cursor, 1, rig_int(2));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig->driver->finalize(cursor);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t ORDER BY a"), "1\n2");
}

/* The lock */

Contract(one_connection_at_a_time_holds_the_lock)
{
    struct mig_conn *other = rig_connect(rig);

    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_E_BUSY);
    cr_assert(rig->err.message[0]);
    rig->driver->unlock(rig->conn);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_BUSY);
    rig->driver->close(other);
}

Contract(the_lock_ends_with_the_connection)
{
    struct mig_conn *other = rig_connect(rig);
    mig_status status = MIG_E_BUSY;
    int tries;

    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig->driver->close(other);
    for (tries = 0; status == MIG_E_BUSY && tries < 100; tries++) {
        status = rig->driver->lock_try(rig->conn, "mighost", &rig->err);
        usleep(10000);
    }
    cr_assert_eq(status, MIG_OK, "%s", rig->err.message);
}

/* By its process, since when and, on a server, its last words. */
Contract(who_holds_the_lock_is_named)
{
    struct mig_conn *other = rig_connect(rig);
    const char *message = rig->err.message;
    long pid = 0;
    long age_s = -1;

    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_BUSY);
    if (rig_is(rig, "sqlite")) {
        cr_assert_eq(sscanf(message, "process %ld on", &pid), 1, "%s", message);
        cr_assert_eq(pid, (long)getpid());
        cr_assert(strstr(message, " since 2"), "%s", message);
    } else {
        cr_assert_eq(sscanf(message, "the run lock is held by server process %ld", &pid), 1, "%s",
                     message);
        cr_assert_gt(pid, 0);
        cr_assert(strstr(message, "connected since 2") && strstr(message, " UTC ("), "%s", message);
        cr_assert_eq(sscanf(strstr(message, " UTC ("), " UTC (%ld s), idle for", &age_s), 1, "%s",
                     message);
        cr_assert_geq(age_s, 0);
        cr_assert(strstr(message, "last statement: SELECT"), "%s", message);
    }
    rig->driver->close(other);
}

Contract(unlocking_what_is_not_locked_does_no_harm)
{
    rig->driver->unlock(rig->conn);
    rig->driver->unlock(rig->conn);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
}

/* The schema */

Contract(table_exists_knows_tables_alone)
{
    bool there = true;

    rig_exec(rig, "CREATE TABLE \"odd \"\"name\" (a integer)");
    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "odd \"name", &there, &rig->err),
               MIG_OK);
    cr_assert(there);
    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "nothing", &there, &rig->err),
               MIG_OK);
    cr_assert_not(there);
    rig_expect(
        rig,
        rig->driver->table_exists(rig->conn, "no_such_schema", "odd \"name", &there, &rig->err),
        MIG_OK);
    cr_assert_not(there);
    rig_expect(rig,
               rig->driver->table_exists(rig->conn, rig->driver->info(rig->conn, MIG_INFO_SCHEMA),
                                         "odd \"name", &there, &rig->err),
               MIG_OK);
    cr_assert(there);
}

Contract(table_exists_sees_what_others_made_meanwhile)
{
    struct mig_conn *other = rig_connect(rig);
    bool there = true;

    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert_not(there);
    rig_expect(rig, rig_try_on(rig, other, "CREATE TABLE t (a integer)"), MIG_OK);
    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert(there);
    rig->driver->close(other);
}

/* A name that needs no quotes may come without. */
static void expect_key(struct rig *rig, const char *table, const char *quoted, const char *plain)
{
    char key[128] = "";

    rig_expect(rig, rig->driver->primary_key(rig->conn, table, key, sizeof key, &rig->err), MIG_OK);
    cr_assert(strcmp(key, quoted) == 0 || strcmp(key, plain) == 0, "%s", key);
}

Contract(the_primary_key_comes_in_its_own_order)
{
    char key[128];

    rig_exec(rig, "CREATE TABLE simple (v integer, id integer PRIMARY KEY)");
    rig_exec(rig, "CREATE TABLE pair (a integer, \"B c\" integer, PRIMARY KEY (\"B c\", a))");
    expect_key(rig, "\"simple\"", "\"id\"", "id");
    expect_key(rig, "\"pair\"", "\"B c\", \"a\"", "\"B c\", a");
    cr_assert_lt(rig->driver->primary_key(rig->conn, "\"nothing\"", key, sizeof key, &rig->err), 0);
}

Contract(the_primary_key_of_a_table_with_a_schema_is_found)
{
    const char *schema = rig->driver->info(rig->conn, MIG_INFO_SCHEMA);

    rig_exec(rig, "CREATE TABLE simple (id integer PRIMARY KEY)");
    expect_key(rig, test_format("\"%s\".\"simple\"", schema), "\"id\"", "id");
}

static mig_status estimate(struct rig *rig, const char *table, struct mig_estimate *out)
{
    *out = (struct mig_estimate){.size = sizeof *out, .rows = -1};
    return rig->driver->estimate(rig->conn, table, out, &rig->err);
}

/* Either is an idea of the truth or says that there is none. */
Contract(how_large_a_table_is_is_estimated_or_not_known)
{
    struct mig_estimate found;
    mig_status status;

    if (!rig->driver->estimate)
        return;
    rig_exec(rig, "CREATE TABLE many (id integer PRIMARY KEY, a text)");
    rig_expect(rig, estimate(rig, "\"many\"", &found), MIG_E_UNSUPPORTED);
    cr_assert_eq(found.rows, -1);
    rig_exec(rig,
             "INSERT INTO many WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
             " FROM n WHERE i < 3000) SELECT i, 'a text of forty bytes, as long as it is.' FROM n");
    rig_exec(rig, "ANALYZE many");
    rig_exec(rig, "INSERT INTO many SELECT id + 3000, a FROM many");
    rig_expect(rig, estimate(rig, "\"many\"", &found), MIG_OK);
    cr_assert(found.rows > 5000 && found.rows < 7000, "%lld", (long long)found.rows);
    cr_assert(found.row_bytes > 44 && found.row_bytes < 100, "%lld", (long long)found.row_bytes);
    status = estimate(rig, "\"nothing\"", &found);
    cr_assert(status < 0 && status != MIG_E_UNSUPPORTED);
}

Contract(without_a_standby_none_is_behind)
{
    int64_t lag_ms = -1;

    if (!rig->driver->lag_ms)
        return;
    rig_expect(rig, rig->driver->lag_ms(rig->conn, &lag_ms, &rig->err), MIG_OK);
    cr_assert_eq(lag_ms, 0);
}

Contract(statements_that_cannot_run_in_a_transaction_are_known)
{
    static const char *const outside[] = {"VACUUM", "vacuum;", " -- why\n VACUUM",
                                          "/* a */ Vacuum"};
    static const char *const inside[] = {"CREATE TABLE vacuum (a integer)", "SELECT 1", "",
                                         "INSERT INTO t VALUES ('VACUUM')"};
    size_t i;

    for (i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_assert(rig->driver->outside_tx(rig->conn, outside[i], strlen(outside[i])), "%s",
                  outside[i]);
    for (i = 0; i < sizeof inside / sizeof *inside; i++)
        cr_assert_not(rig->driver->outside_tx(rig->conn, inside[i], strlen(inside[i])), "%s",
                      inside[i]);
}

Contract(an_interrupted_vacuum_is_run_again)
{
    enum mig_settled settled = MIG_SETTLED_UNKNOWN;

    rig_expect(rig, rig->driver->settle(rig->conn, "VACUUM", 6, &settled, &rig->err), MIG_OK);
    cr_assert_eq(settled, MIG_SETTLED_REPEAT);
}

Contract(a_vacuum_runs_under_the_guard)
{
    rig_exec(rig, "CREATE TABLE mighost_history (a integer); CREATE TABLE t (a integer)");
    rig->driver->guard(rig->conn, "mighost");
    rig_exec(rig, "VACUUM");
    rig->driver->guard(rig->conn, NULL);
}

/* Cancelling */

struct stop {
    bool wanted;
    int asked;
};

static mig_status stop_ask(void *arg)
{
    struct stop *stop = (struct stop *)arg;

    stop->asked++;
    return stop->wanted ? MIG_E_INTERRUPTED : MIG_OK;
}

static struct mig_conn *connect_with(struct rig *rig, struct stop *stop)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_conn *conn = NULL;

    config.cancelled = stop_ask;
    config.arg = stop;
    rig_expect(rig, rig->driver->open(&config, &conn, &rig->err), MIG_OK);
    return conn;
}

static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < 2000000000) SELECT count(*) FROM n";

Contract(a_long_statement_is_interrupted)
{
    struct stop stop = {0};
    struct mig_conn *conn = connect_with(rig, &stop);

    stop.wanted = true;
    rig_expect(rig, rig_try_on(rig, conn, endless), MIG_E_INTERRUPTED);
    cr_assert_gt(stop.asked, 0);
    stop.wanted = false;
    rig_expect(rig, rig_try_on(rig, conn, "SELECT 1"), MIG_OK);
    rig->driver->close(conn);
}

Contract(a_long_step_is_interrupted)
{
    struct stop stop = {0};
    struct mig_conn *conn = connect_with(rig, &stop);
    struct mig_cursor *cursor = NULL;

    rig_expect(rig, rig->driver->prepare(conn, endless, strlen(endless), 0, &cursor, &rig->err),
               MIG_OK);
    stop.wanted = true;
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_E_INTERRUPTED);
    stop.wanted = false;
    rig->driver->finalize(cursor);
    rig->driver->close(conn);
}

Contract(a_statement_that_nobody_stops_runs_to_its_end)
{
    struct stop stop = {0};
    struct mig_conn *conn = connect_with(rig, &stop);

    rig_expect(rig,
               rig_try_on(rig, conn,
                          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                          "WHERE i < 100000) SELECT count(*) FROM n"),
               MIG_OK);
    rig->driver->close(conn);
}
