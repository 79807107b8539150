/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data benchmark's job on SQLite without mighost: as fast as the engine
 * can (one UPDATE calling a C function), as a guide would have it (index
 * first, then row by row), and the check of what somebody made. Each verb is a
 * row of one table. Everything at synchronous=FULL.
 *
 *     sqlite limit|rows|check FILE [ROWS]
 */
#include "hasher.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADD_COLUMN "ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)"
#define ADD_INDEX "CREATE INDEX idx_users_email_hash ON users (email_hash)"

struct job {
    sqlite3 *db;
    struct hasher hasher;
    int64_t rows; /* at most */
};

static int fail(const struct job *job, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(job->db));
    return 1;
}

static void hash_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct job *job = sqlite3_user_data(context);
    const unsigned char *text = sqlite3_value_text(values[0]);
    char hex[HASH_HEX + 1];

    (void)count;
    if (text && hasher_hex(&job->hasher, text, (size_t)sqlite3_value_bytes(values[0]), hex))
        sqlite3_result_text(context, hex, HASH_HEX, SQLITE_TRANSIENT);
}

static int job_limit(struct job *job)
{
    if (sqlite3_exec(job->db,
                     ADD_COLUMN "; BEGIN; UPDATE users SET email_hash = sha256_hex(email);"
                                " COMMIT; " ADD_INDEX,
                     NULL, NULL, NULL) != SQLITE_OK)
        return fail(job, "limit");
    return 0;
}

static int update_row(struct job *job, sqlite3_stmt *from, sqlite3_stmt *to)
{
    const unsigned char *email = sqlite3_column_text(from, 1);
    char hex[HASH_HEX + 1];

    if (!hasher_hex(&job->hasher, email, (size_t)sqlite3_column_bytes(from, 1), hex))
        return SQLITE_ERROR;
    sqlite3_bind_text(to, 1, hex, HASH_HEX, SQLITE_STATIC);
    sqlite3_bind_int64(to, 2, sqlite3_column_int64(from, 0));
    sqlite3_step(to);
    return sqlite3_reset(to);
}

static int job_rows(struct job *job)
{
    sqlite3_stmt *from = NULL;
    sqlite3_stmt *to = NULL;
    int rc = sqlite3_exec(job->db, ADD_COLUMN "; " ADD_INDEX "; BEGIN", NULL, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(job->db, "SELECT id, email FROM users", -1, &from, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(job->db, "UPDATE users SET email_hash = ? WHERE id = ?", -1, &to,
                                NULL);
    for (int64_t i = 0; rc == SQLITE_OK && i < job->rows; i++) {
        if (sqlite3_step(from) != SQLITE_ROW)
            break;
        rc = update_row(job, from, to);
    }
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(job->db, "COMMIT", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(job, "rows");
}

/* Says how many hashes are right; none is where the index is missing. */
static int job_check(struct job *job)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        job->db,
        "SELECT COUNT(*) FROM users WHERE email_hash = sha256_hex(email) AND EXISTS"
        " (SELECT 1 FROM pragma_index_info('idx_users_email_hash') WHERE name = 'email_hash')",
        -1, &stmt, NULL);

    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        printf("%lld\n", (long long)sqlite3_column_int64(stmt, 0));
    else
        rc = fail(job, "check");
    sqlite3_finalize(stmt);
    return rc;
}

static const struct verb {
    const char *name;
    int (*run)(struct job *job);
} verbs[] = {{"limit", job_limit}, {"rows", job_rows}, {"check", job_check}};

static int job_run(struct job *job, const char *name, const char *path)
{
    if (!hasher_init(&job->hasher) || sqlite3_open(path, &job->db) != SQLITE_OK ||
        sqlite3_exec(job->db, "PRAGMA synchronous=FULL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_create_function(job->db, "sha256_hex", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, job,
                                hash_function, NULL, NULL) != SQLITE_OK)
        return fail(job, path);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(name, verbs[i].name))
            return verbs[i].run(job);
    fprintf(stderr, "no such verb: %s\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    struct job job = {.rows = argc > 3 ? strtoll(argv[3], NULL, 10) : INT64_MAX};
    int code;

    if (argc < 3) {
        fprintf(stderr, "usage: sqlite limit|rows|check FILE [ROWS]\n");
        return 2;
    }
    code = job_run(&job, argv[1], argv[2]);
    sqlite3_close(job.db);
    hasher_clear(&job.hasher);
    return code;
}
