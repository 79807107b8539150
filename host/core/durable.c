/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal at work. A statement that cannot run in a transaction is
 * journaled as started, run, and journaled as finished; when a run finds it
 * started, the driver looks at the database before it is repeated.
 */
#include "durable.h"

#include "sha256.h"
#include <ctype.h>

static void fingerprint(const char *kind, const char *text, size_t len, char out[HISTORY_HEX],
                        struct mig_err *err, mig_status *status)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];

    *status = sha256_init(&hash, err);
    if (*status < 0)
        return;
    sha256_begin(&hash);
    sha256_add(&hash, kind, strlen(kind) + 1);
    sha256_add(&hash, text, len);
    *status = sha256_finish(&hash, digest, err);
    if (*status == MIG_OK)
        sha256_hex(digest, out);
}

static const struct journal_row *journaled(const struct durable *durable, int64_t step)
{
    for (size_t i = (size_t)step - 1; i < durable->journal->count; i++)
        if (durable->journal->items[i].step == step)
            return &durable->journal->items[i];
    return NULL;
}

/* --- what a step sets for the session ----------------------------------------- */

/* Every step begins in a fresh session, and a run that goes on has not run the
 * steps before. Statements that only set something for the session are said
 * again before each step behind them. A blank here is any white space. */
static const char *const session_words[] = {
    "SET ", "RESET ", "PRAGMA ", "SELECT set_config", "SELECT pg_catalog.set_config",
};

static bool begins_with(const char *text, size_t len, const char *words)
{
    size_t at = 0;

    for (; *words; words++) {
        if (at == len)
            return false;
        if (*words != ' ') {
            if (tolower((unsigned char)text[at++]) != tolower((unsigned char)*words))
                return false;
            continue;
        }
        if (!isspace((unsigned char)text[at]))
            return false;
        while (at < len && isspace((unsigned char)text[at]))
            at++;
    }
    return true;
}

/* A module's text may be several statements: only one alone is meant here. */
static bool sets_session(const struct durable *durable, const char *text, size_t len)
{
    const char *semicolon = memchr(text, ';', len);
    bool sql = strcmp(durable->row.kind, "sql") == 0;

    if (!sql &&
        (strcmp(durable->row.kind, "exec") != 0 || (semicolon && semicolon != text + len - 1)))
        return false;
    for (size_t i = 0; i < sizeof session_words / sizeof *session_words; i++)
        if (begins_with(text, len, session_words[i]))
            return !durable->driver->outside_tx(durable->conn, text, len);
    return false;
}

static mig_status session_note(struct durable *durable, const char *text, size_t len,
                               struct mig_err *err)
{
    if (!sets_session(durable, text, len))
        return MIG_OK;
    buf_add(&durable->session, text, len);
    buf_puts(&durable->session, ";\n");
    return buf_check(&durable->session, err);
}

static mig_status session_say(const struct durable *durable, struct mig_conn *conn,
                              struct mig_err *err)
{
    struct mig_exec_result result = {.size = sizeof result};
    mig_status status;

    if (durable->session.len == 0)
        return MIG_OK;
    durable->driver->guard(conn, history_prefix(durable->history));
    status = durable->driver->exec(conn, durable->session.data, durable->session.len, &result, err);
    durable->driver->guard(conn, NULL);
    if (status >= 0)
        return MIG_OK;
    return err_wrap(err, "setting the session as the steps before did");
}

static mig_status session_again(struct durable *durable, struct mig_err *err)
{
    return session_say(durable, durable->conn, err);
}

static mig_status work_begin(struct durable *durable, struct mig_err *err)
{
    MIG_TRY(durable->driver->begin(durable->conn, &durable->tx, err));
    return session_again(durable, err);
}

/* For one batch of many. It is lost only together with its cursor, and what ends
 * the migration is committed to the disk with all that came before. */
static mig_status batch_begin(const struct durable *durable, struct mig_conn *conn,
                              struct mig_err *err)
{
    struct mig_tx_options tx = durable->batch;

    tx.relaxed = true;
    MIG_TRY(durable->driver->begin(conn, &tx, err));
    return session_say(durable, conn, err);
}

/* --- steps ----------------------------------------------------------------------- */

mig_status durable_open(struct durable *durable, struct mig_err *err)
{
    durable->row = (struct journal_row){0};
    durable->finished = 0;
    return history_journal(durable->history, durable->id, &durable->journal, err);
}

void durable_close(struct durable *durable)
{
    if (durable->driver && durable->driver->in_tx(durable->conn))
        durable->driver->rollback(durable->conn);
    journal_free(durable->journal);
    durable->journal = NULL;
    buf_clear(&durable->session);
    free(durable->cursor);
    durable->cursor = NULL;
}

static mig_status check_fingerprint(const struct journal_row *now, const struct journal_row *then,
                                    struct mig_err *err)
{
    if (strcmp(now->fingerprint, then->fingerprint) == 0)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "step %lld was run by an earlier attempt with another text (%s %.12s..., now "
                   "%s %.12s...): put the old text back, or settle it with `mighost resolve`; "
                   "nothing was run",
                   (long long)now->step, then->kind, then->fingerprint, now->kind,
                   now->fingerprint);
}

/* Makes the next step the one at hand; `*before` is its row, or NULL. */
static mig_status step_next(struct durable *durable, const char *kind, const char *text, size_t len,
                            const struct journal_row **before, struct mig_err *err)
{
    mig_status status;

    durable->row.step++;
    durable->row.finished = false;
    durable->row.cursor = NULL;
    durable->row.done = durable->row.rejected = durable->row.total = 0;
    snprintf(durable->row.kind, sizeof durable->row.kind, "%s", kind);
    fingerprint(kind, text, len, durable->row.fingerprint, err, &status);
    if (status < 0)
        return status;
    *before = journaled(durable, durable->row.step);
    durable->stands = *before != NULL;
    if (*before && (*before)->finished)
        return check_fingerprint(&durable->row, *before, err);
    return MIG_OK;
}

/* Another host, which this one knows nothing of, works on the same step. */
static mig_status overtaken(const struct durable *durable, struct mig_err *err)
{
    return err_set(err, MIG_E_PARTIAL,
                   "step %lld was brought on by another host meanwhile, so what this one did in "
                   "it since its last commit was taken back: see to it that one host runs at a "
                   "time",
                   (long long)durable->row.step);
}

/* Writes the row of the step at hand, as it is to be. It is changed only from the
 * cursor where it stood, so that no batch is ever done twice, even where the lock
 * was lost. */
static mig_status row_write(struct durable *durable, const struct journal_row *row,
                            struct mig_err *err)
{
    struct history *history = durable->history;
    mig_status status = durable->stands ? history_journal_update(history, durable->id, row,
                                                                 durable->row.cursor, err)
                                        : history_journal_add(history, durable->id, row, err);

    if (status == MIG_E_CONSTRAINT || status == MIG_E_NOTFOUND)
        return overtaken(durable, err);
    durable->stands = durable->stands || status == MIG_OK;
    return status;
}

mig_status durable_begin(struct durable *durable, const char *kind, const char *text, size_t len,
                         bool *skip, struct mig_err *err)
{
    const struct journal_row *before;

    MIG_TRY(step_next(durable, kind, text, len, &before, err));
    if (before && before->finished) {
        durable->finished++;
        *skip = true;
        return session_note(durable, text, len, err);
    }
    if (before && (before->done > 0 || before->total > 0))
        MIG_TRY(check_fingerprint(&durable->row, before, err));
    if (before) {
        durable->row.cursor = before->cursor;
        durable->row.done = before->done;
        durable->row.rejected = before->rejected;
        durable->row.total = before->total;
    }
    *skip = false;
    if (strcmp(kind, "transform") == 0)
        return batch_begin(durable, durable->conn, err);
    MIG_TRY(work_begin(durable, err));
    return session_note(durable, text, len, err);
}

mig_status durable_end(struct durable *durable, struct mig_err *err)
{
    durable->row.finished = true;
    MIG_TRY(row_write(durable, &durable->row, err));
    MIG_TRY(durable->driver->commit(durable->conn, err));
    durable->finished++;
    if (durable->on_step)
        durable->on_step(durable->arg, durable->finished);
    return MIG_OK;
}

mig_status durable_again(struct durable *durable, int attempt, struct mig_err *err)
{
    durable->driver->rollback(durable->conn);
    durable->row.finished = false;
    durable->stands = journaled(durable, durable->row.step) != NULL;
    if (!durable->again || durable->again(durable->arg, attempt, err) < 0)
        return err->status;
    return work_begin(durable, err);
}

mig_status durable_commit(struct durable *durable, const struct journal_row *mark,
                          struct mig_err *err)
{
    struct journal_row row = durable->row;
    char *cursor = strdup(mark->cursor);
    mig_status status;

    if (!cursor)
        return err_nomem(err);
    row.cursor = cursor;
    row.done = mark->done;
    row.rejected = mark->rejected;
    row.total = mark->total;
    status = row_write(durable, &row, err);
    if (status == MIG_OK)
        status = durable->driver->commit(durable->conn, err);
    if (status < 0) {
        free(cursor);
        return status;
    }
    free(durable->cursor);
    durable->cursor = cursor;
    durable->row = row;
    return MIG_OK;
}

mig_status durable_next(struct durable *durable, struct mig_err *err)
{
    return batch_begin(durable, durable->conn, err);
}

/* --- the ranges of a step ---------------------------------------------------------- */

size_t durable_parts(const struct durable *durable, const struct journal_row **out)
{
    const struct journal *journal = durable->journal;
    size_t first = 0;
    size_t count = 0;

    while (first < journal->count &&
           (journal->items[first].step != durable->row.step || journal->items[first].part == 0))
        first++;
    while (first + count < journal->count &&
           journal->items[first + count].step == durable->row.step)
        count++;
    *out = &journal->items[first];
    return count;
}

/* As the journal has it: of this step, bound to its text. */
static struct journal_row part_of(const struct durable *durable, const struct journal_row *part)
{
    struct journal_row row = *part;

    row.step = durable->row.step;
    memcpy(row.fingerprint, durable->row.fingerprint, sizeof row.fingerprint);
    return row;
}

mig_status durable_divide(struct durable *durable, const struct journal_row *parts, size_t count,
                          const struct journal_row *mark, struct mig_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct journal_row row = part_of(durable, &parts[i]);
        mig_status status = history_journal_add(durable->history, durable->id, &row, err);

        if (status < 0)
            return status == MIG_E_CONSTRAINT ? overtaken(durable, err) : status;
    }
    return durable_commit(durable, mark, err);
}

mig_status durable_part_begin(const struct durable_part *part, struct mig_err *err)
{
    return batch_begin(part->durable, part->conn, err);
}

mig_status durable_part_commit(const struct durable_part *part, const struct journal_row *now,
                               const char *was, struct mig_err *err)
{
    const struct durable *durable = part->durable;
    const struct journal_row row = part_of(durable, now);
    mig_status status = history_journal_update(part->history, durable->id, &row, was, err);

    if (status == MIG_E_NOTFOUND)
        return overtaken(durable, err);
    return status < 0 ? status : durable->driver->commit(part->conn, err);
}

/* --- statements that no transaction holds ------------------------------------------- */

/* Writes the row of the step at hand in a transaction of its own. */
static mig_status row_commit(struct durable *durable, struct mig_err *err)
{
    MIG_TRY(durable->driver->begin(durable->conn, &durable->tx, err));
    MIG_TRY(row_write(durable, &durable->row, err));
    return durable->driver->commit(durable->conn, err);
}

/* Whether a statement that an earlier run started must be run. Where a person
 * has put another text in its place, what was started was not this one. */
static mig_status settle(struct durable *durable, const struct script *script,
                         const struct sql_statement *statement, const struct journal_row *before,
                         bool *run, struct mig_err *err)
{
    bool same = strcmp(durable->row.fingerprint, before->fingerprint) == 0;
    enum mig_settled settled;
    mig_status status;

    MIG_TRY(session_again(durable, err));
    /* On, so that names mean what they mean to the statement. */
    durable->driver->guard(durable->conn, script->protect);
    status = durable->driver->settle(durable->conn, statement->text, statement->len, &settled, err);
    durable->driver->guard(durable->conn, NULL);
    if (status < 0)
        return status;
    *run = settled == MIG_SETTLED_REPEAT || !same;
    if (settled != MIG_SETTLED_UNKNOWN || !same)
        return MIG_OK;
    err_set(err, MIG_E_PARTIAL,
            "step %lld was started by an earlier run, and the database does not tell whether it "
            "took effect: look yourself, then `mighost resolve` it",
            (long long)durable->row.step);
    sqltext_locate(script->source, statement->offset, statement->number, err);
    return err->status;
}

static mig_status run_outside(struct durable *durable, const struct script *script,
                              const struct sql_statement *statement, struct mig_err *err)
{
    const struct journal_row *before;
    bool run = true;

    MIG_TRY(step_next(durable, "sql", statement->text, statement->len, &before, err));
    if (before && before->finished) {
        durable->finished++;
        return MIG_OK;
    }
    if (before)
        MIG_TRY(settle(durable, script, statement, before, &run, err));
    if (run) {
        MIG_TRY(row_commit(durable, err));
        MIG_TRY(session_again(durable, err));
        durable->started = true;
        MIG_TRY(script_run_statement(script, statement, err));
        durable->started = false;
    }
    durable->row.finished = true;
    MIG_TRY(row_commit(durable, err));
    durable->finished++;
    if (durable->on_step)
        durable->on_step(durable->arg, durable->finished);
    return MIG_OK;
}

static mig_status run_and_end(struct durable *durable, const struct script *script,
                              const struct sql_statement *statement, struct mig_err *err)
{
    MIG_TRY(script_run_statement(script, statement, err));
    return durable_end(durable, err);
}

static mig_status run_inside(struct durable *durable, const struct script *script,
                             const struct sql_statement *statement, struct mig_err *err)
{
    bool skip;
    mig_status status;

    MIG_TRY(durable_begin(durable, "sql", statement->text, statement->len, &skip, err));
    if (skip)
        return MIG_OK;
    status = run_and_end(durable, script, statement, err);
    for (int attempt = 1; status < 0 && status != MIG_E_OUTCOME; attempt++) {
        MIG_TRY(durable_again(durable, attempt, err));
        status = run_and_end(durable, script, statement, err);
    }
    return status;
}

mig_status durable_run(struct durable *durable, const struct script *script, struct mig_err *err)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_statement statement;
    mig_status status;

    MIG_TRY(sql_reader_open(script->source, script->driver->lexis, &reader, err));
    while ((status = sql_reader_next(reader, &statement, err)) == MIG_ROW) {
        if (statement.class != SQL_PLAIN)
            continue; /* the BEGIN and COMMIT around the whole, checked before */
        if (durable->driver->outside_tx(durable->conn, statement.text, statement.len))
            MIG_TRY(run_outside(durable, script, &statement, err));
        else
            MIG_TRY(run_inside(durable, script, &statement, err));
    }
    return status;
}
