/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to the engine. A whole text goes in chunks of many statements, so that
 * a large file costs few round trips; where the engine stops, the place is
 * found again from the byte it names or from how many statements it finished.
 */
#include "script.h"

#include "buf.h"
#include "say.h"

/* Large enough that a round trip is small beside it, small enough that text,
 * driver and server copies of it stay far below the host's memory target. */
#define CHUNK_BYTES (256 * 1024)

/* Reads on for as long as a statement is as `like` says; `*last`: what the last
 * one is. */
static mig_status look_outside(const struct script *script, bool like, bool *last,
                               struct mig_err *err)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_statement statement;
    bool outside = false;
    mig_status status;

    MIG_TRY(sql_reader_open(script->source, script->driver->lexis, &reader, err));
    while ((status = sql_reader_next(reader, &statement, err)) == MIG_ROW) {
        outside = statement.class == SQL_PLAIN &&
                  script->driver->outside_tx(script->conn, statement.text, statement.len);
        if (outside != like)
            break;
    }
    if (status < 0)
        return status;
    *last = outside;
    return MIG_OK;
}

mig_status script_is_outside(const struct script *script, bool *out, struct mig_err *err)
{
    return look_outside(script, true, out, err);
}

mig_status script_has_outside(const struct script *script, bool *out, struct mig_err *err)
{
    return look_outside(script, false, out, err);
}

static size_t fault_offset(const struct script *script, const struct sql_chunk *chunk,
                           const struct mig_exec_result *result, const struct mig_err *err)
{
    if (err->offset >= 0 && (size_t)err->offset <= chunk->len)
        return (size_t)err->offset;
    return sqltext_statement_offset(chunk->text, chunk->len, script->driver->lexis,
                                    result->statements);
}

/* Says what to do where the engine will not run a statement in a transaction. */
static void advise(const struct script *script, const struct sql_chunk *chunk, size_t statements,
                   struct mig_err *err)
{
    size_t start =
        sqltext_statement_offset(chunk->text, chunk->len, script->driver->lexis, statements);

    if (script->driver->outside_tx(script->conn, chunk->text + start, chunk->len - start))
        err_append(err, "this statement cannot run inside a transaction: put it into a "
                        "migration of its own with `-- mig: mode = durable` in the first line");
}

static mig_status run_chunk(const struct script *script, const struct sql_chunk *chunk,
                            struct mig_err *err)
{
    struct mig_exec_result result = {.size = sizeof result};
    mig_status status;
    bool was_open = script->driver->in_tx(script->conn);

    script->driver->guard(script->conn, script->protect);
    status = script->driver->exec(script->conn, chunk->text, chunk->len, &result, err);
    script->driver->guard(script->conn, NULL);
    if (status < 0) {
        size_t offset = fault_offset(script, chunk, &result, err);
        size_t index =
            sqltext_statement_index(chunk->text, chunk->len, script->driver->lexis, offset);

        if (was_open)
            advise(script, chunk, result.statements, err);
        sqltext_locate(script->source, chunk->offset + (int64_t)offset, chunk->first + index, err);
        return err->status;
    }
    if (was_open && !script->driver->in_tx(script->conn))
        return err_set(err, MIG_E_FAILED, "%s ended the host's transaction", script->source->name);
    return MIG_OK;
}

mig_status script_run(const struct script *script, unsigned char checksum[32], struct mig_err *err)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_chunk chunk;
    mig_status status;

    MIG_TRY(sql_reader_open(script->source, script->driver->lexis, &reader, err));
    while ((status = sql_reader_chunk(reader, CHUNK_BYTES, &chunk, err)) == MIG_ROW)
        MIG_TRY(run_chunk(script, &chunk, err));
    if (status < 0)
        return status;
    return sql_reader_checksum(reader, checksum, err);
}

mig_status script_run_statement(const struct script *script, const struct sql_statement *statement,
                                struct mig_err *err)
{
    struct sql_chunk chunk = {
        .text = statement->text,
        .len = statement->len,
        .offset = statement->offset,
        .statements = 1,
        .first = statement->number,
    };

    return run_chunk(script, &chunk, err);
}

/* --- verifying -------------------------------------------------------------- */

#define ROW_COLUMNS_SHOWN 4

struct query {
    const struct mig_driver *driver;
    struct mig_cursor *cursor;
};

static void query_clear(struct query *query)
{
    if (query->cursor)
        query->driver->finalize(query->cursor);
}
AUTO_VALUE(query, struct query, query_clear)

/* The first columns of the row, as "id = 7, name = 'x'". */
static void say_row(const struct query *query, struct buf *out)
{
    int count = query->driver->column_count(query->cursor);

    for (int i = 0; i < count && i < ROW_COLUMNS_SHOWN; i++) {
        struct mig_value value = {0};
        struct mig_err ignored;
        const char *name = query->driver->column_name(query->cursor, i);

        buf_printf(out, "%s%s = ", i ? ", " : "", name ? name : "?");
        if (query->driver->column(query->cursor, i, &value, &ignored) == MIG_OK)
            say_value(out, &value);
    }
}

static mig_status expect_no_row(const struct script *script, const struct sql_statement *statement,
                                struct mig_err *err)
{
    AUTO(query) struct query query = {.driver = script->driver};
    AUTO(buf) struct buf row = {0};
    mig_status status = script->driver->prepare(script->conn, statement->text, statement->len, 0,
                                                &query.cursor, err);

    if (status == MIG_OK)
        status = script->driver->step(query.cursor, err);
    if (status == MIG_OK)
        return MIG_OK;
    if (status == MIG_ROW) {
        say_row(&query, &row);
        err_set(err, MIG_E_VERIFY, "the verification found what must not be: %s", buf_text(&row));
    }
    sqltext_locate(script->source, statement->offset, statement->number, err);
    return err->status;
}

mig_status script_verify(const struct script *script, struct mig_err *err)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_statement statement;
    mig_status status;

    MIG_TRY(sql_reader_open(script->source, script->driver->lexis, &reader, err));
    while ((status = sql_reader_next(reader, &statement, err)) == MIG_ROW) {
        script->driver->guard(script->conn, script->protect);
        status = expect_no_row(script, &statement, err);
        script->driver->guard(script->conn, NULL);
        MIG_TRY(status);
    }
    return status;
}
