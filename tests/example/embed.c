/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that embeds the host, as an application that migrates its own
 * database would: it registers a migration that is a function of its own,
 * applies what is pending and goes back by itself when that fails, or steps
 * back one migration at a time. Built against mighost.h and the library alone.
 *
 *     embed safe-up   DATABASE BUNDLE DRIVERS   all or nothing of this start
 *     embed step-back DATABASE BUNDLE DRIVERS   one migration back
 */
#include <mighost.h>
#include <stdio.h>
#include <string.h>

/* The newest schema that this program understands is a migration of its own. */
static mig_status add_settings(struct mig_db *db)
{
    struct mig_stmt *stmt;
    mig_status status;

    MIG_TRY(mig_exec(db, "CREATE TABLE settings (name VARCHAR(40) PRIMARY KEY, value TEXT)"));
    MIG_TRY(mig_prepare(db, "INSERT INTO settings (name, value) VALUES ($1, $2)", &stmt));
    status = mig_bind_text(stmt, 1, "made by");
    if (status == MIG_OK)
        status = mig_bind_text(stmt, 2, "embed");
    if (status == MIG_OK)
        status = mig_step(stmt);
    mig_finalize(stmt);
    return status;
}

static mig_status drop_settings(struct mig_db *db)
{
    return mig_exec(db, "DROP TABLE settings");
}

static const struct mig_module settings_module = {
    .size = sizeof(struct mig_module),
    .abi_major = MIG_ABI_MAJOR,
    .abi_minor = MIG_ABI_MINOR,
    .id = "20240101000000",
    .description = "settings of the program",
    .up = add_settings,
    .down = drop_settings,
};

static void say(const struct mighost_event *event, void *user)
{
    (void)user;
    if (event->kind == MIGHOST_EVENT_DONE)
        printf("%s %s %s\n", event->direction == MIGHOST_UP ? "applied" : "rolled back", event->id,
               event->description);
}

/* Applies everything, or leaves the version that was there at the start. */
static mig_status safe_up(struct mighost *host, struct mig_err *err)
{
    char before[MIG_ID_SIZE];
    struct mig_err failure;
    mig_status status;

    MIG_TRY(mighost_current(host, before, err));
    status = mighost_up(host, NULL, NULL, &failure);
    if (status == MIG_OK)
        return MIG_OK;
    printf("failed: %s\n", failure.message);
    status = mighost_down_to(host, before, err);
    if (status < 0) {
        printf("and going back failed: %s\n", err->message);
        return status;
    }
    printf("went back to %s\n", *before ? before : "the empty database");
    *err = failure;
    return failure.status;
}

/* From the current version to the one before it. */
static mig_status step_back(struct mighost *host, struct mig_err *err)
{
    char current[MIG_ID_SIZE];
    char previous[MIG_ID_SIZE];

    MIG_TRY(mighost_current(host, current, err));
    MIG_TRY(mighost_previous(host, current, previous, err));
    printf("from %s to %s\n", current, *previous ? previous : "the empty database");
    return mighost_down_to(host, previous, err);
}

static mig_status work(struct mighost *host, const char *what, struct mig_err *err)
{
    MIG_TRY(mighost_register(host, &settings_module, err));
    MIG_TRY(mighost_init(host, err));
    return strcmp(what, "safe-up") == 0 ? safe_up(host, err) : step_back(host, err);
}

int main(int argc, char **argv)
{
    struct mighost_config config = {.size = sizeof config, .listener = say};
    struct mighost *host = NULL;
    struct mig_err err = {0};
    mig_status status;

    if (argc != 5) {
        fprintf(stderr, "usage: embed safe-up|step-back DATABASE BUNDLE DRIVERS\n");
        return 2;
    }
    config.database = argv[2];
    config.bundle = argv[3];
    config.driver_dir = argv[4];
    status = mighost_open(&config, &host, &err);
    if (status == MIG_OK)
        status = work(host, argv[1], &err);
    mighost_close(host);
    if (status < 0)
        fprintf(stderr, "%s\n", err.message);
    return mighost_exit_code(status);
}
