/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inserting a batch of rows by COPY FROM STDIN, in binary where every value has
 * a form that is known here, else as text, which the columns' own types read.
 * The types are asked for by describing an INSERT, which also locks the table:
 * until the transaction ends nobody gives the bytes another meaning. Invariant:
 * the COPY was read to its end, or the connection is lost. It must not know
 * where the rows are from.
 */
#include "pg.h"
#include "words.h"

#include <endian.h>
#include <inttypes.h>

#define CHUNK_BYTES ((size_t)64 << 10) /* is sent while the next is being made */
#define OID_FIRST_USER 16384           /* types below are the server's own, no domains */
#define COLUMNS_MAX 1600               /* of a table */

struct copy {
    struct mig_conn *conn;
    const struct mig_batch *batch;
    Oid types[COLUMNS_MAX]; /* of a domain its base */
    bool binary;
    struct text chunk;
    size_t *failed_row;
    struct mig_err *err;
};

static void auto_copy(struct copy *copy)
{
    text_clear(&copy->chunk);
}

/* ---- the types ---- */

/* OVERRIDING, because COPY writes identity columns as well. */
static void describe_sql(const struct mig_batch *batch, struct text *sql)
{
    text_format(sql, "INSERT INTO %s (", batch->table);
    for (size_t i = 0; i < batch->write_count; i++)
        text_format(sql, "%s%s", i ? ", " : "", batch->writes[i]);
    text_put(sql, ") OVERRIDING SYSTEM VALUE VALUES (");
    for (size_t i = 0; i < batch->write_count; i++)
        text_format(sql, "%s$%zu", i ? ", " : "", i + 1);
    text_put(sql, ")");
}

static mig_status base_type(struct mig_conn *conn, Oid *type, struct mig_err *err)
{
    while (*type >= OID_FIRST_USER) {
        AUTO(result) PGresult *result = NULL;
        char number[16];
        const char *values[] = {number};

        snprintf(number, sizeof number, "%u", *type);
        MIG_TRY(wire_ask(conn,
                         "SELECT typbasetype FROM pg_catalog.pg_type"
                         " WHERE oid = $1::pg_catalog.oid AND typtype = 'd'",
                         1, values, &result, err));
        if (!result || PQntuples(result) != 1)
            return MIG_OK;
        *type = (Oid)strtoul(PQgetvalue(result, 0, 0), NULL, 10);
    }
    return MIG_OK;
}

static mig_status find_types(struct copy *copy)
{
    const struct mig_batch *batch = copy->batch;
    AUTO(result) PGresult *description = NULL;
    AUTO(text) struct text sql = {0};

    describe_sql(batch, &sql);
    if (sql.failed)
        return error_nomem(copy->err);
    MIG_TRY(guard_check(copy->conn, sql.data, sql.len, copy->err));
    MIG_TRY(wire_describe(copy->conn, sql.data, &description, copy->err));
    for (size_t i = 0; i < batch->write_count; i++) {
        copy->types[i] = PQparamtype(description, (int)i);
        MIG_TRY(base_type(copy->conn, &copy->types[i], copy->err));
    }
    return MIG_OK;
}

/* Outside of a transaction the lock is gone again, and only text is safe. */
static bool fits_binary(const struct copy *copy)
{
    const struct mig_batch *batch = copy->batch;

    if (!tx_open(copy->conn))
        return false;
    for (size_t i = 0; i < batch->write_count; i++) {
        const struct binary_kind *kind = binary_kind(copy->types[i]);

        for (size_t row = 0; row < batch->rows; row++)
            if (!kind || !binary_fits(kind, &batch->news[row * batch->write_count + i]))
                return false;
    }
    return true;
}

/* ---- rows ---- */

static mig_status value_refused(const struct copy *copy, size_t row, size_t column, const char *why)
{
    *copy->failed_row = row;
    return mig_err_set(copy->err, MIG_E_TYPE, "column %s: %s", copy->batch->writes[column], why);
}

static void put_text(struct text *out, const char *data, size_t len)
{
    static const char special[] = "\b\f\n\r\t\v\\";
    static const char letters[] = "bfnrtv\\";
    size_t from = 0;

    for (size_t i = 0; i < len; i++) {
        const char *found = memchr(special, data[i], sizeof special - 1);
        char escape[2] = {'\\', found ? letters[found - special] : 0};

        if (!found)
            continue;
        text_add(out, data + from, i - from);
        text_add(out, escape, sizeof escape);
        from = i + 1;
    }
    text_add(out, data + from, len - from);
}

static mig_status put_value(struct copy *copy, size_t row, size_t column)
{
    const struct mig_value *value = &copy->batch->news[row * copy->batch->write_count + column];
    struct text *out = &copy->chunk;
    char number[NUMBER_ROOM];

    switch (value->type) {
    case MIG_NULL: text_put(out, "\\N"); return MIG_OK;
    case MIG_INT64: text_format(out, "%" PRId64, value->as.int64); return MIG_OK;
    case MIG_DOUBLE: text_put(out, double_write(number, value->as.real)); return MIG_OK;
    case MIG_TEXT:
        if (value->len && memchr(value->as.data, '\0', value->len))
            return value_refused(copy, row, column,
                                 "the text has a NUL byte, which PostgreSQL cannot store in a "
                                 "text; set it as a blob");
        put_text(out, value->as.data, value->len);
        return MIG_OK;
    case MIG_BLOB:
        if (copy->types[column] != OID_BYTEA)
            return value_refused(copy, row, column, "it is no bytea, so it cannot take a blob");
        text_put(out, "\\\\x");
        text_hex(out, value->as.data, value->len);
        return MIG_OK;
    }
    return value_refused(copy, row, column, "the value has an unknown type");
}

static mig_status put_text_row(struct copy *copy, size_t row)
{
    for (size_t i = 0; i < copy->batch->write_count; i++) {
        if (i)
            text_add(&copy->chunk, "\t", 1);
        MIG_TRY(put_value(copy, row, i));
    }
    text_add(&copy->chunk, "\n", 1);
    return MIG_OK;
}

static void put_int16(struct text *out, int number)
{
    uint16_t big = htobe16((uint16_t)number);

    text_add(out, &big, sizeof big);
}

static mig_status put_row(struct copy *copy, size_t row)
{
    const struct mig_batch *batch = copy->batch;

    if (!copy->binary)
        return put_text_row(copy, row);
    put_int16(&copy->chunk, (int)batch->write_count);
    for (size_t i = 0; i < batch->write_count; i++)
        binary_put(&copy->chunk, binary_kind(copy->types[i]),
                   &batch->news[row * batch->write_count + i]);
    return MIG_OK;
}

/* ---- the exchange ---- */

static void copy_sql(const struct copy *copy, struct text *sql)
{
    const struct mig_batch *batch = copy->batch;

    text_format(sql, "COPY %s (", batch->table);
    for (size_t i = 0; i < batch->write_count; i++)
        text_format(sql, "%s%s", i ? ", " : "", batch->writes[i]);
    text_format(sql, ") FROM STDIN%s", copy->binary ? " (FORMAT binary)" : "");
}

/* Hands the chunk to libpq, which sends what the socket takes. */
static mig_status send_chunk(struct copy *copy)
{
    struct text *chunk = &copy->chunk;

    if (chunk->failed)
        return error_nomem(copy->err);
    if (chunk->len && PQputCopyData(copy->conn->pg, chunk->data, (int)chunk->len) != 1)
        return error_lost(copy->conn, copy->err);
    text_reset(chunk);
    return MIG_OK;
}

static mig_status send_rows(struct copy *copy)
{
    /* the signature with its own NUL; then no flags and no extension */
    static const char header[19] = "PGCOPY\n\377\r\n";

    if (copy->binary)
        text_add(&copy->chunk, header, sizeof header);
    for (size_t row = 0; row < copy->batch->rows; row++) {
        MIG_TRY(put_row(copy, row));
        if (copy->chunk.len >= CHUNK_BYTES)
            MIG_TRY(send_chunk(copy));
    }
    if (copy->binary)
        put_int16(&copy->chunk, -1);
    return send_chunk(copy);
}

/* The table's own name, as the server says it. */
static void table_name(const char *table, char name[NAME_SIZE])
{
    struct lexer lexer = {table, table + strlen(table)};
    struct token token = token_next(&lexer);

    name[0] = '\0';
    for (; token.kind != TOKEN_END; token = token_next(&lexer))
        token_name(&token, name, NAME_SIZE);
}

/* The server names the row at the end of its context: "COPY table, line 3,
 * column a". The words may be in any language; the first number behind the
 * table's name counts. It is a number within the batch, which would mislead:
 * so it is taken out of the message. */
static void find_row(struct copy *copy, const PGresult *result)
{
    static const char digits[] = "0123456789";
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    const char *newline = context ? strrchr(context, '\n') : NULL;
    const char *line = newline ? newline + 1 : context;
    char name[NAME_SIZE];
    const char *behind;
    char *said;
    size_t from, to;

    table_name(copy->batch->table, name);
    behind = line && !strncmp(line, "COPY ", 5) ? strstr(line + 5, name) : NULL;
    if (!behind)
        return;
    from = (size_t)(behind - line) + strlen(name);
    to = from + strcspn(line + from, digits);
    if (!line[to])
        return;
    *copy->failed_row = strtoul(line + to, NULL, 10) - 1;
    to += strspn(line + to, digits);
    said = copy->err ? memmem(copy->err->message, strlen(copy->err->message), line, to) : NULL;
    if (said)
        memmove(said + from, said + to, strlen(said + to) + 1);
}

/* Reads the answers; the first failure goes into `err`, unless `status` says
 * that there was one on our side. */
static mig_status read_end(struct copy *copy, mig_status status)
{
    struct mig_conn *conn = copy->conn;

    for (;;) {
        AUTO(result) PGresult *result = NULL;
        mig_status waited = wire_next(conn, &result, status ? NULL : copy->err);

        if (waited)
            return status ? status : waited;
        if (!result)
            return status;
        if (PQresultStatus(result) == PGRES_COMMAND_OK) {
            conn->changes = strtoll(PQcmdTuples(result), NULL, 10);
        } else if (!status) {
            status = error_result(conn, result, copy->err);
            find_row(copy, result);
        }
    }
}

static mig_status run(struct copy *copy, const char *sql)
{
    struct mig_conn *conn = copy->conn;
    AUTO(result) PGresult *result = NULL;
    mig_status status;

    MIG_TRY(wire_start(conn, 0, copy->err));
    if (!PQsendQuery(conn->pg, sql))
        return error_lost(conn, copy->err);
    MIG_TRY(wire_next(conn, &result, copy->err));
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return read_end(copy, error_result(conn, result, copy->err));
    status = send_rows(copy);
    if (conn->lost)
        return status;
    if (PQputCopyEnd(conn->pg, status ? "a row was refused" : NULL) != 1)
        return error_lost(conn, copy->err);
    return read_end(copy, status);
}

mig_status copy_batch(struct mig_conn *conn, const struct mig_batch *batch, size_t *failed_row,
                      struct mig_err *err)
{
    AUTO(copy)
    struct copy copy = {.conn = conn, .batch = batch, .failed_row = failed_row, .err = err};
    AUTO(text) struct text sql = {0};
    bool in_tx = tx_open(conn);
    mig_status status;

    *failed_row = batch->rows;
    if (!batch->rows)
        return MIG_OK;
    if (!batch->write_count || batch->write_count > COLUMNS_MAX)
        return mig_err_set(err, MIG_E_MISUSE, "a batch cannot have %zu columns",
                           batch->write_count);
    conn->watching = true;
    status = find_types(&copy);
    copy.binary = !status && fits_binary(&copy);
    copy_sql(&copy, &sql);
    if (!status && sql.failed)
        status = error_nomem(err);
    if (!status && conn->guarded)
        session_touched(conn, sql.data);
    if (!status)
        status = run(&copy, sql.data);
    conn->watching = false;
    watch_end(conn);
    return status || !conn->guarded ? status : tx_check(conn, in_tx, err);
}
