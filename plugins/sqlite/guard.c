/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorizer: installed once, because installing it expires every prepared
 * statement, and steered by flags. It refuses what a migration may not do
 * (transactions, ATTACH, the host's tables), remembers whether the session was
 * changed, and notes which tables a statement writes for the foreign key
 * checks. It runs while a statement is compiled and may not use the handle.
 */
#include "conn.h"

#include <strings.h>

/* Pragmas whose argument says what to look at, is stored in the file, or is set
 * anew with every transaction: they leave nothing for a reset to undo. */
static const char *const harmless_pragmas[] = {
    "foreign_keys",      "defer_foreign_keys", "user_version",    "table_info",  "application_id",
    "foreign_key_check", "foreign_key_list",   "index_list",      "index_info",  "index_xinfo",
    "table_xinfo",       "table_list",         "integrity_check", "quick_check", "optimize",
    "wal_checkpoint",    "incremental_vacuum",
};

/* Pragmas that a migration may not set, and why. */
static const struct refused_pragma {
    const char *name;
    const char *why;
} refused_pragmas[] = {
    {"writable_schema", "it could damage the schema"},
    {"hard_heap_limit", "it would hold for the whole process"},
    {"soft_heap_limit", "it would hold for the whole process"},
    {"temp_store_directory", "it would hold for the whole process"},
    {"data_store_directory", "it would hold for the whole process"},
};

/* What the authorizer is told about an action: which argument names the table
 * that is written, which other object is made or changed. */
enum action_is {
    IS_TABLE3 = 1, /* the third argument of the callback is the table written */
    IS_TABLE4 = 2, /* the fourth is */
    IS_NAME3 = 4,  /* the third is a new name, which may shadow a table */
    IS_TEMP = 8,   /* the object is temporary */
};

static const struct action {
    int code;
    unsigned int is;
    const char *verb;
} actions[] = {
    {SQLITE_INSERT, IS_TABLE3, "write to"},
    {SQLITE_UPDATE, IS_TABLE3, "write to"},
    {SQLITE_DELETE, IS_TABLE3, "write to"},
    {SQLITE_CREATE_TABLE, IS_TABLE3, "create"},
    {SQLITE_CREATE_INDEX, IS_TABLE4, "index"},
    {SQLITE_CREATE_VIEW, IS_NAME3, "create"},
    {SQLITE_CREATE_TRIGGER, IS_TABLE4, "put a trigger on"},
    {SQLITE_CREATE_VTABLE, IS_NAME3, "create"},
    {SQLITE_CREATE_TEMP_TABLE, IS_NAME3 | IS_TEMP, "hide"},
    {SQLITE_CREATE_TEMP_VIEW, IS_NAME3 | IS_TEMP, "hide"},
    {SQLITE_CREATE_TEMP_INDEX, IS_TABLE4 | IS_TEMP, "index"},
    {SQLITE_CREATE_TEMP_TRIGGER, IS_TABLE4 | IS_TEMP, "put a trigger on"},
    {SQLITE_ALTER_TABLE, IS_TABLE4, "alter"},
    {SQLITE_DROP_TABLE, IS_TABLE3, "drop"},
    {SQLITE_DROP_VIEW, IS_NAME3, "drop"},
    {SQLITE_DROP_VTABLE, IS_NAME3, "drop"},
    {SQLITE_DROP_INDEX, IS_TABLE4, "drop an index of"},
    {SQLITE_DROP_TRIGGER, IS_TABLE4, "drop a trigger of"},
};

MIG_PRINTF(2, 3)
static int refuse(struct mig_conn *conn, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(conn->refusal, sizeof conn->refusal, format, args);
    va_end(args);
    return SQLITE_DENY;
}

static bool is_protected(const struct mig_conn *conn, const char *name)
{
    return name && conn->guarded && conn->protect[0] &&
           strncasecmp(name, conn->protect, strlen(conn->protect)) == 0;
}

static int judge_pragma(struct mig_conn *conn, const char *name, const char *argument)
{
    size_t i;

    if (!argument)
        return SQLITE_OK;
    for (i = 0; i < sizeof harmless_pragmas / sizeof *harmless_pragmas; i++)
        if (strcasecmp(name, harmless_pragmas[i]) == 0)
            return SQLITE_OK;
    for (i = 0; conn->guarded && i < sizeof refused_pragmas / sizeof *refused_pragmas; i++)
        if (strcasecmp(name, refused_pragmas[i].name) == 0)
            return refuse(conn, "a migration may not set PRAGMA %s: %s", name,
                          refused_pragmas[i].why);
    conn->dirty |= DIRT_SETTINGS;
    conn->journal_named |= strcasecmp(name, "journal_mode") == 0;
    return SQLITE_OK;
}

static int judge_session(struct mig_conn *conn, int code, const char *name)
{
    static const char advice[] = "the host owns the transaction and commits it with the history";

    if (!conn->guarded) {
        if (code == SQLITE_ATTACH || code == SQLITE_DETACH)
            conn->dirty |= DIRT_SETTINGS;
        return SQLITE_OK;
    }
    switch (code) {
    case SQLITE_TRANSACTION:
        return refuse(conn, "a migration may not run %s: %s", name ? name : "BEGIN", advice);
    case SQLITE_SAVEPOINT:
        return refuse(conn, "a migration may not use SAVEPOINT (%s): %s", name ? name : "BEGIN",
                      advice);
    default:
        return refuse(conn,
                      "a migration may not %s a database: the host records what is done to one "
                      "database alone",
                      code == SQLITE_ATTACH ? "attach" : "detach");
    }
}

static void note_write(struct mig_conn *conn, int code, const char *third, const char *fourth)
{
    switch (code) {
    case SQLITE_ALTER_TABLE:
        if (third && strcmp(third, "main") == 0)
            foreign_note(conn, TOUCH_ALTER, fourth, NULL);
        return;
    case SQLITE_INSERT: foreign_note(conn, TOUCH_INSERT, third, NULL); return;
    case SQLITE_UPDATE: foreign_note(conn, TOUCH_UPDATE, third, fourth); return;
    case SQLITE_DELETE: foreign_note(conn, TOUCH_DELETE, third, NULL); return;
    case SQLITE_CREATE_TABLE: foreign_note(conn, TOUCH_CREATE, third, NULL); return;
    case SQLITE_DROP_TABLE: foreign_note(conn, TOUCH_DROP, third, NULL); return;
    default: return;
    }
}

static const struct action *action_find(int code)
{
    size_t i;

    for (i = 0; i < sizeof actions / sizeof *actions; i++)
        if (actions[i].code == code)
            return &actions[i];
    return NULL;
}

static int judge_object(struct mig_conn *conn, int code, const char *third, const char *fourth,
                        const char *database)
{
    const struct action *action = action_find(code);
    const char *table;
    bool temporary = database && strcmp(database, "temp") == 0;

    if (!action)
        return SQLITE_OK;
    table = action->is & IS_TABLE4 ? fourth : third;
    if (is_protected(conn, table))
        return refuse(conn, "a migration may not %s %s: that name is the host's own", action->verb,
                      table);
    if ((action->is & IS_TEMP) || (temporary && (action->is & IS_NAME3)))
        conn->dirty |= DIRT_TEMPORARY;
    if (!temporary)
        note_write(conn, code, third, fourth);
    return SQLITE_OK;
}

static int on_compile(void *arg, int code, const char *third, const char *fourth,
                      const char *database, const char *trigger)
{
    struct mig_conn *conn = (struct mig_conn *)arg;

    (void)trigger;
    if (conn->in_driver || conn->in_vacuum)
        return SQLITE_OK;
    if (code == SQLITE_INSERT || code == SQLITE_UPDATE || code == SQLITE_DELETE)
        conn->noted_writes++;
    switch (code) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_PRAGMA: return judge_pragma(conn, third, fourth);
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return judge_session(conn, code, third);
    default: return judge_object(conn, code, third, fourth, database);
    }
}

void guard_install(struct mig_conn *conn)
{
    sqlite3_set_authorizer(conn->db, on_compile, conn);
}

void guard_set(struct mig_conn *conn, const char *protect)
{
    const char *dot = protect ? strrchr(protect, '.') : NULL;

    conn->guarded = protect != NULL;
    snprintf(conn->protect, sizeof conn->protect, "%s", dot ? dot + 1 : protect ? protect : "");
}
