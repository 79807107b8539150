/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the module's handle has to know about texts: whether SQL that a module
 * wants to run is the host's alone, whether a statement only reads, and the
 * beginning of one for messages. Pure.
 */
#ifndef MIGHOST_DB_SQL_H
#define MIGHOST_DB_SQL_H

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

#endif
