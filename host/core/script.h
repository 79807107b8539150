/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running the SQL text of a migration on a connection: as a whole inside an
 * open transaction, or one statement. Turns the driver's guard on around it,
 * and a failure into one that names file, line and column. Begins and ends no
 * transaction and knows nothing of the history.
 */
#ifndef MIGHOST_SCRIPT_H
#define MIGHOST_SCRIPT_H

#include "sqltext.h"

struct script {
    const struct mig_driver *driver;
    struct mig_conn *conn;
    const struct sql_source *source;
    const char *protect; /* beginning of the names of the host's own tables */
};

/* Whether the text is made of statements that cannot run in a transaction, and
 * of nothing else. Reads no further than to the first other one. */
mig_status script_is_outside(const struct script *script, bool *out, struct mig_err *err);
/* Whether one of its statements is such. */
mig_status script_has_outside(const struct script *script, bool *out, struct mig_err *err);

/* Runs all of it, in pieces of bounded size. `checksum`: of what was run. */
mig_status script_run(const struct script *script, unsigned char checksum[32], struct mig_err *err);
mig_status script_run_statement(const struct script *script, const struct sql_statement *statement,
                                struct mig_err *err);

/* Runs every statement as a query that must return no row: MIG_E_VERIFY, with
 * the place of the query and the first row, where one does. */
mig_status script_verify(const struct script *script, struct mig_err *err);

#endif
