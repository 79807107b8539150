/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the module's handle has to know about texts: whether SQL that a module
 * wants to run is the host's alone, whether a statement only reads, and short,
 * clean pieces of text for messages. Pure.
 */
#ifndef MIGHOST_DB_SQL_H
#define MIGHOST_DB_SQL_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>

#define DB_EXCERPT 128

/* MIG_E_MISUSE for transaction control, COPY FROM stdin and client commands. */
mig_status db_sql_check(const char *sql, size_t len, uint32_t lexis, struct mig_err *err);

/* Whether the one statement only reads, as far as its words tell; when in
 * doubt, no. */
bool db_sql_reads(const char *sql, size_t len, uint32_t lexis);

/* The beginning of a statement on one line, cut to about 120 bytes. */
void db_excerpt(char out[DB_EXCERPT], const char *sql, size_t len);

/* Copies text of a module: cut at `size`, bytes that are not UTF-8 replaced,
 * line breaks made blanks. Reads at most as far as the first NUL. */
void db_clean_text(char *out, size_t size, const char *text);

/* Appends one value as it can stand in a message: a long text is cut, bytes are
 * only counted. */
void db_say_value(struct buf *out, const struct mig_value *value);

#endif
