/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each decision is a few statements on the history, begun and committed here;
 * a failure leaves the history as it was.
 */
#include "settle.h"

#include "clock.h"
#include "sha256.h"

struct settle {
    struct session *session;
    const struct catalog *catalog;
    const struct applied *row;
    enum mighost_resolution how;
    uint64_t id;
    const char *who;
    size_t recorded;
};

static mig_status log_it(struct settle *settle, const char *id_text, const char *action,
                         const char *outcome, struct mig_err *err)
{
    struct attempt attempt = {
        .id_text = id_text,
        .action = action,
        .outcome = outcome,
        .started_at_ms = clock_wall_ms(),
        .run_id = "",
        .who = settle->who,
    };

    return history_log(settle->session->history, &attempt, err);
}

static mig_status in_transaction(struct settle *settle,
                                 mig_status (*work)(struct settle *, struct mig_err *),
                                 struct mig_err *err)
{
    struct session *session = settle->session;
    struct mig_tx_options options = {.size = sizeof options};
    mig_status status;

    MIG_TRY(session->driver->begin(session->conn, &options, err));
    status = work(settle, err);
    if (status == MIG_OK)
        status = session->driver->commit(session->conn, err);
    if (status < 0)
        session->driver->rollback(session->conn);
    return status;
}

/* Try again: a durable one goes on behind its finished steps, with the text
 * that the bundle has now; one without journal begins anew, as pending. */
static mig_status retry(struct settle *settle, struct mig_err *err)
{
    const struct applied *row = settle->row;
    const struct migration *migration = catalog_find(settle->catalog, settle->id);
    char hex[HISTORY_HEX];

    if (row->state == MIGHOST_REVERTING ||
        (row->state == MIGHOST_PARTIAL && row->mode == MIG_DURABLE)) {
        if (!migration)
            return err_set(err, MIG_E_HISTORY,
                           "migration %s is not in the bundle, so it cannot be tried again",
                           row->id_text);
        sha256_hex(migration->checksum, hex);
        return history_set_checksum(settle->session->history, settle->id, hex, err);
    }
    return history_remove(settle->session->history, settle->id, err);
}

static mig_status mark_applied(struct settle *settle, struct mig_err *err)
{
    MIG_TRY(history_journal_clear(settle->session->history, settle->id, err));
    return history_set_state(settle->session->history, settle->id, MIGHOST_APPLIED, 0, err);
}

static mig_status mark_reverted(struct settle *settle, struct mig_err *err)
{
    return history_remove(settle->session->history, settle->id, err);
}

static mig_status resolve_work(struct settle *settle, struct mig_err *err)
{
    static const struct {
        mig_status (*work)(struct settle *, struct mig_err *);
        const char *outcome;
    } decisions[] = {
        [MIGHOST_RETRY] = {retry, "to be retried"},
        [MIGHOST_MARK_APPLIED] = {mark_applied, "applied"},
        [MIGHOST_MARK_REVERTED] = {mark_reverted, "reverted"},
    };

    MIG_TRY(decisions[settle->how].work(settle, err));
    return log_it(settle, settle->row->id_text, "resolve", decisions[settle->how].outcome, err);
}

mig_status settle_resolve(struct session *session, const struct catalog *catalog, uint64_t id,
                          enum mighost_resolution how, const char *who, struct mig_err *err)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    struct settle settle = {
        .session = session, .catalog = catalog, .how = how, .id = id, .who = who};
    mig_status status = history_find(session->history, id, &list, err);

    if (status == MIG_E_NOTFOUND)
        return err_set(err, catalog_find(catalog, id) ? MIG_E_HISTORY : MIG_E_USAGE,
                       "migration %llu is not in the history: there is nothing to resolve",
                       (unsigned long long)id);
    if (status < 0)
        return status;
    settle.row = &list->items[0];
    if (settle.row->state == MIGHOST_APPLIED)
        return err_set(err, MIG_E_HISTORY,
                       "migration %s is applied: there is nothing to resolve; `mighost down` "
                       "rolls it back",
                       settle.row->id_text);
    return in_transaction(&settle, resolve_work, err);
}

static mig_status record(struct settle *settle, const struct migration *migration,
                         struct mig_err *err)
{
    char checksum[HISTORY_HEX];
    const struct applied row = {
        .id = migration->id,
        .id_text = migration->id_text,
        .description = migration->description,
        .state = MIGHOST_APPLIED,
        .kind = MIGHOST_BASELINE,
        .mode = migration->mode,
        .checksum = checksum,
        .carrier = "",
        .run_id = "",
        .host_version = mighost_version(),
        .who = settle->who,
        .signer = "", /* whoever applied it, it was not from this bundle */
    };

    sha256_hex(migration->checksum, checksum);
    MIG_TRY(history_add(settle->session->history, &row, err));
    return log_it(settle, migration->id_text, "baseline", "applied", err);
}

static mig_status baseline_work(struct settle *settle, struct mig_err *err)
{
    for (size_t i = 0; i < settle->catalog->count; i++) {
        if (settle->catalog->items[i].id > settle->id)
            break;
        MIG_TRY(record(settle, &settle->catalog->items[i], err));
        settle->recorded++;
    }
    return MIG_OK;
}

mig_status settle_baseline(struct session *session, const struct catalog *catalog, uint64_t id,
                           const char *who, size_t *recorded, struct mig_err *err)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    struct settle settle = {.session = session, .catalog = catalog, .id = id, .who = who};

    if (!catalog_find(catalog, id))
        return err_set(err, MIG_E_USAGE,
                       "the bundle has no migration %llu: give the newest one that the database "
                       "already contains; nothing was changed",
                       (unsigned long long)id);
    MIG_TRY(history_load(session->history, &list, err));
    if (list->count > 0)
        return err_set(err, MIG_E_HISTORY,
                       "the history already has %zu migration%s: a baseline is for a database "
                       "that has none; nothing was changed",
                       list->count, list->count == 1 ? "" : "s");
    MIG_TRY(in_transaction(&settle, baseline_work, err));
    *recorded = settle.recorded;
    return MIG_OK;
}

/* Where other tools note what they have applied. */
static const char *const OTHER_HISTORIES[] = {
    "schema_migrations", /* golang-migrate, dbmate, Rails */
    "flyway_schema_history", "goose_db_version",
    "databasechangelog",     "__diesel_schema_migrations",
    "_sqlx_migrations",      "_prisma_migrations",
    "knex_migrations",       "alembic_version",
    "django_migrations",
};

mig_status settle_hint(struct session *session, const struct applied_list *history,
                       char out[SETTLE_HINT], struct mig_err *err)
{
    bool found = false;
    size_t i;

    out[0] = '\0';
    if (history->count > 0)
        return MIG_OK;
    for (i = 0; !found && i < sizeof OTHER_HISTORIES / sizeof *OTHER_HISTORIES; i++)
        MIG_TRY(
            session->driver->table_exists(session->conn, NULL, OTHER_HISTORIES[i], &found, err));
    if (found)
        snprintf(
            out, SETTLE_HINT,
            "the database has a table %s, so another tool has migrated it: if these migrations "
            "are among those that it applied, `mighost baseline ID` records them up to ID "
            "without running them",
            OTHER_HISTORIES[i - 1]);
    return MIG_OK;
}
