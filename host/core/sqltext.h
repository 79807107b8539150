/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading SQL files: the window over the text, where statements end, what kind
 * they are, the header lines, the checksum, and places as line and column.
 *
 * Memory is bounded by the longest statement, not by the file. Statement ends
 * are found by the lexical rules of the engine (enum mig_lexis), which the
 * driver states; the engine checks them again when it runs the statement.
 * Knows nothing of connections, bundles or history.
 */
#ifndef MIGHOST_SQLTEXT_H
#define MIGHOST_SQLTEXT_H

#include "auto.h"
#include "err.h"
#include "mig/driver.h"
#include <stdbool.h>

/* Where a text comes from: `data`, or bytes of an open file. */
struct sql_source {
    const char *name; /* for messages: the file's name */
    const char *data; /* in memory, or NULL: read from fd */
    int fd;           /* borrowed; read with pread() */
    int64_t offset;   /* of the first byte in the file */
    int64_t len;
};

/* The `-- mig: key = value` lines before the first statement. */
struct sql_settings {
    enum mig_mode mode;
    bool has_mode;
    bool foreign_keys;            /* keep enforcement on (SQLite) */
    int64_t lock_timeout_ms;      /* -1: not given */
    int64_t statement_timeout_ms; /* -1: not given */
    char phase[16];               /* "expand", "contract" or "" */
    char gate[160];               /* text of the gate, or "" */
};

/* What a whole text is, found in one pass. */
struct sql_facts {
    struct sql_settings settings;
    unsigned char checksum[32]; /* CRLF folded to LF, BOM dropped */
    size_t statements;          /* not counting BEGIN and COMMIT of a wrapped text */
    bool wrapped;               /* wholly BEGIN; ... COMMIT; */
};

enum sql_class {
    SQL_PLAIN,
    SQL_BEGIN,   /* BEGIN, START TRANSACTION */
    SQL_COMMIT,  /* COMMIT, END */
    SQL_CONTROL, /* ROLLBACK, ABORT, SAVEPOINT, RELEASE, PREPARE TRANSACTION, SET TRANSACTION */
    SQL_COPY,    /* COPY ... FROM stdin */
    SQL_META     /* a psql backslash or sqlite3 dot command */
};

/* One statement, without its semicolon and the blanks and comments before it.
 * `text` stays valid until the next call on the reader. */
struct sql_statement {
    const char *text;
    size_t len;
    int64_t offset; /* in the text, from its first byte (a BOM counted) */
    size_t line;    /* from 1 */
    size_t column;  /* from 1, in characters */
    size_t number;  /* from 1, of the statements of the text */
    enum sql_class class;
};

/* Statements that stand together, semicolons, comments and all. */
struct sql_chunk {
    const char *text;
    size_t len;
    int64_t offset;
    size_t statements;
    size_t first; /* number of the first of them */
};

struct sql_reader;

/* Reads the header lines, checks the whole text and computes its checksum:
 * NUL bytes, invalid UTF-8, unterminated quotes and comments, unknown header
 * keys, COPY FROM stdin, client commands, and transaction control other than
 * around the whole: MIG_E_BUNDLE with where = "file:line:column" and advice.
 * Nothing is run. */
mig_status sqltext_check(const struct sql_source *source, uint32_t lexis, struct sql_facts *out,
                         struct mig_err *err);

/* As sqltext_check(), but header and checksum only: what a listing needs. Fast:
 * an applied file is not examined further. `statements` is 1 for any number. */
mig_status sqltext_glance(const struct sql_source *source, uint32_t lexis, struct sql_facts *out,
                          struct mig_err *err);

/* The source must outlive the reader. sql_reader_close() accepts NULL. */
mig_status sql_reader_open(const struct sql_source *source, uint32_t lexis, struct sql_reader **out,
                           struct mig_err *err);
void sql_reader_close(struct sql_reader *reader);
AUTO_POINTER(sql_reader, struct sql_reader, sql_reader_close)

/* The next statement: MIG_ROW, or MIG_OK at the end. */
mig_status sql_reader_next(struct sql_reader *reader, struct sql_statement *out,
                           struct mig_err *err);
/* The next statements, at most about `max` bytes of them (one longer statement
 * comes alone): MIG_ROW, or MIG_OK at the end. BEGIN and COMMIT that wrap the
 * whole text are left out. */
mig_status sql_reader_chunk(struct sql_reader *reader, size_t max, struct sql_chunk *out,
                            struct mig_err *err);
/* SHA-256 as in sql_facts, of what was read; MIG_E_MISUSE before the end. */
mig_status sql_reader_checksum(const struct sql_reader *reader, unsigned char out[32],
                               struct mig_err *err);

/* Sets err->where to "name:line:column" of byte `offset` and puts the number of the
 * statement (0: it is none) and the line itself behind the message, cut to a
 * readable length and escaped. */
void sqltext_locate(const struct sql_source *source, int64_t offset, size_t statement,
                    struct mig_err *err);
/* The offset of the `index`th statement (from 0) in a chunk's text. */
size_t sqltext_statement_offset(const char *text, size_t len, uint32_t lexis, size_t index);
/* The index of the statement at `offset`, or of the last one before it. */
size_t sqltext_statement_index(const char *text, size_t len, uint32_t lexis, size_t offset);

#endif
