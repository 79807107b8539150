/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that embeds the host, as an application that migrates its own
 * database would: it registers a migration that is a function of its own,
 * applies what is pending and goes back by itself when that fails, or steps
 * back one migration at a time. Built against mighost.h and the library alone.
 *
 *     embed safe-up   DATABASE BUNDLE DRIVERS        all or nothing of this start
 *     embed up-to     DATABASE BUNDLE DRIVERS ID     up to that migration, it included
 *     embed step-back DATABASE BUNDLE DRIVERS        one migration back
 *     embed list      DATABASE BUNDLE DRIVERS        what is applied and what is not
 *     embed new       DATABASE BUNDLE DRIVERS NAME   the files of a new migration
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
static mig_status safe_up(struct mighost *host, const char *unused, struct mig_err *err)
{
    char before[MIG_ID_SIZE];
    struct mig_err failure;
    mig_status status;

    (void)unused;
    MIG_TRY(mighost_init(host, err));
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
static mig_status step_back(struct mighost *host, const char *unused, struct mig_err *err)
{
    char current[MIG_ID_SIZE];
    char previous[MIG_ID_SIZE];

    (void)unused;
    MIG_TRY(mighost_init(host, err));
    MIG_TRY(mighost_current(host, current, err));
    MIG_TRY(mighost_previous(host, current, previous, err));
    printf("from %s to %s\n", current, *previous ? previous : "the empty database");
    return mighost_down_to(host, previous, err);
}

static mig_status up_to(struct mighost *host, const char *id, struct mig_err *err)
{
    return mighost_up_to(host, id, err);
}

static void print_list(const char *what, const struct mighost_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        printf("%s %s %s\n", what, list->items[i].id, list->items[i].description);
}

static mig_status list(struct mighost *host, const char *unused, struct mig_err *err)
{
    struct mighost_list *found;

    (void)unused;
    MIG_TRY(mighost_init(host, err));
    MIG_TRY(mighost_applied(host, &found, err));
    print_list("applied", found);
    mighost_list_free(found);
    MIG_TRY(mighost_pending(host, &found, err));
    print_list("pending", found);
    mighost_list_free(found);
    return MIG_OK;
}

/* A skeleton, with an id behind all that the bundle has. */
static mig_status create(struct mighost *host, const char *name, struct mig_err *err)
{
    char path[4096];

    MIG_TRY(mighost_create(host, NULL, name, NULL, NULL, path, sizeof path, err));
    printf("wrote %s\n", path);
    return MIG_OK;
}

static const struct command {
    const char *name;
    int arguments; /* behind DRIVERS */
    mig_status (*run)(struct mighost *host, const char *argument, struct mig_err *err);
} COMMANDS[] = {
    {"safe-up", 0, safe_up}, {"up-to", 1, up_to}, {"step-back", 0, step_back},
    {"list", 0, list},       {"new", 1, create},
};

static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (argc == 5 + COMMANDS[i].arguments && strcmp(argv[1], COMMANDS[i].name) == 0)
            return &COMMANDS[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const struct command *command = find_command(argc, argv);
    struct mighost_config config = {.size = sizeof config, .listener = say};
    struct mighost *host = NULL;
    struct mig_err err = {0};
    mig_status status;

    if (!command) {
        fprintf(stderr, "usage: embed safe-up|step-back|list DATABASE BUNDLE DRIVERS\n"
                        "       embed up-to DATABASE BUNDLE DRIVERS ID\n"
                        "       embed new DATABASE BUNDLE DRIVERS NAME\n");
        return 2;
    }
    config.database = argv[2];
    config.bundle = argv[3];
    config.driver_dir = argv[4];
    status = mighost_open(&config, &host, &err);
    if (status == MIG_OK)
        status = mighost_register(host, &settings_module, &err);
    if (status == MIG_OK)
        status = command->run(host, argv[5], &err);
    mighost_close(host);
    if (status < 0)
        fprintf(stderr, "%s\n", err.message);
    return mighost_exit_code(status);
}
