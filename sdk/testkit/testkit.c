/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test kit, on the host's public face alone. Up and down are calls of a
 * host on the author's bundle. A statement of the test is the up() of a
 * migration that is registered for that moment with a second host, whose
 * history has a prefix of its own: so every engine that has a driver answers,
 * with typed values, and no shell is needed. Owns all it hands out; a test
 * that fails is cleaned up when the process that opened it ends.
 */
#include <mig/testkit.h>
#include <mighost.h>

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER_VARIABLE "MIGHOST_TEST_PG"
#define OWN_HISTORY "mig_testkit"

enum { PARAMS_MAX = 32, GATES_MAX = 32, MODULES_MAX = 32, WALK_DESCRIPTORS = 16 };

struct text {
    struct text *next;
    char data[];
};

/* A text that grows. */
struct lines {
    char *data;
    size_t len;
    size_t room;
};

struct mig_test {
    struct mig_test *next;
    pid_t owner;
    struct text *texts;
    const char *engine;
    const char *url;
    const char *database; /* on the server; NULL: a file */
    const char *folder;
    const char *bundle;
    const char *empty; /* a bundle without migrations */
    const char *params[PARAMS_MAX + 1];
    const char *open_gates[GATES_MAX + 1];
    size_t gate_count;
    const struct mig_module *modules[MODULES_MAX];
    size_t module_count;
    struct lines log;
    struct mig_err err;
    /* The statement that runs: */
    unsigned statements;
    const char *sql;
    struct lines *rows; /* NULL: none are wanted */
};

static struct mig_test *open_tests;
static struct mig_test *running; /* whose statement runs: up() has no argument for it */

/* ---- texts ---------------------------------------------------------------- */

static char *text_new(struct mig_test *test, size_t size)
{
    struct text *text = malloc(sizeof *text + size);

    if (!text)
        cr_assert_fail("out of memory");
    text->next = test->texts;
    test->texts = text;
    return text->data;
}

static char *text_copy(struct mig_test *test, const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(text_new(test, size), text, size);
}

static const char *text_vformat(struct mig_test *test, const char *format, va_list args)
{
    va_list again;
    size_t size;
    char *text;

    va_copy(again, args);
    size = (size_t)vsnprintf(NULL, 0, format, again) + 1;
    va_end(again);
    text = text_new(test, size);
    vsnprintf(text, size, format, args);
    return text;
}

MIG_PRINTF(2, 3)
static const char *text_format(struct mig_test *test, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = text_vformat(test, format, args);
    va_end(args);
    return text;
}

static void lines_add(struct lines *lines, const char *text, size_t len)
{
    if (lines->room - lines->len <= len) {
        size_t room = 2 * lines->room + len + 1;
        char *grown = realloc(lines->data, room);

        if (!grown)
            cr_assert_fail("out of memory");
        lines->data = grown;
        lines->room = room;
    }
    memcpy(lines->data + lines->len, text, len);
    lines->len += len;
    lines->data[lines->len] = '\0';
}

static void lines_add_text(struct lines *lines, const char *text)
{
    lines_add(lines, text, strlen(text));
}

/* ---- making and removing databases ------------------------------------------- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static const char *server(void)
{
    const char *url = getenv(SERVER_VARIABLE);

    if (!url || !*url)
        cr_skip_test(SERVER_VARIABLE " is not set: no PostgreSQL server to test with");
    return url;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 32) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* "%40" becomes "@". In place. */
static void decode(char *text)
{
    char *to = text;

    for (; *text; text++) {
        int high = *text == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;

        *to++ = low >= 0 ? (char)(high * 16 + low) : *text;
        text += low >= 0 ? 2 : 0;
    }
    *to = '\0';
}

/* Everybody can read the arguments of a process, so the password goes into the
 * environment of psql: takes it out of the address. */
static char *hide_password(struct mig_test *test, const char *url)
{
    char *rest = text_copy(test, url);
    char *user = strstr(rest, "://");
    char *at = user ? strchr(user + 3, '@') : NULL;
    char *colon = at ? memchr(user + 3, ':', (size_t)(at - user - 3)) : NULL;

    if (!colon)
        return rest;
    *at = '\0';
    decode(colon + 1);
    setenv("PGPASSWORD", colon + 1, 1);
    *colon = '\0';
    return text_copy(test, text_format(test, "%s@%s", rest, at + 1));
}

/* One statement on the server, by psql. */
static bool server_run(struct mig_test *test, const char *sql)
{
    extern char **environ;
    char *url = hide_password(test, server());
    char *argv[] = {text_copy(test, "psql"),
                    text_copy(test, "-qX"),
                    text_copy(test, "-d"),
                    url,
                    text_copy(test, "-c"),
                    text_copy(test, sql),
                    NULL};
    pid_t child;
    int status;

    if (posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) != 0)
        return false;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void make_on_server(struct mig_test *test)
{
    static int made;
    const char *url = server();
    const char *slash = strrchr(url, '/');
    const char *name = text_format(test, "mig_test_%ld_%d", (long)getpid(), ++made);

    if (!slash)
        cr_assert_fail(SERVER_VARIABLE " names no database");
    test->url = text_format(test, "%.*s/%s", (int)(slash - url), url, name);
    if (!server_run(
            test, text_format(test, "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", name)))
        cr_assert_fail("psql cannot make the database %s on " SERVER_VARIABLE, name);
    test->database = name;
}

static void make_folder(struct mig_test *test)
{
    const char *parent = getenv("TMPDIR");
    const char *form = text_format(test, "%s/mig_test_XXXXXX", parent && *parent ? parent : "/tmp");
    char *folder = text_copy(test, form);

    if (!mkdtemp(folder))
        cr_assert_fail("no folder like %s: %s", form, strerror(errno));
    test->folder = folder;
    test->empty = text_format(test, "%s/empty", folder);
    if (mkdir(test->empty, 0755) != 0)
        cr_assert_fail("no folder %s: %s", test->empty, strerror(errno));
}

static void test_remove(struct mig_test *test)
{
    if (test->owner == getpid()) {
        if (test->database &&
            !server_run(test, text_format(test, "DROP DATABASE %s WITH (FORCE)", test->database)))
            fprintf(stderr, "the database %s stays behind\n", test->database);
        if (test->folder)
            nftw(test->folder, remove_entry, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    }
    while (test->texts) {
        struct text *next = test->texts->next;

        free(test->texts);
        test->texts = next;
    }
    free(test->log.data);
    free(test);
}

static void close_all(void)
{
    while (open_tests)
        mig_test_close(open_tests);
}

struct mig_test *mig_test_open(const char *engine, const char *bundle)
{
    static bool watched;
    struct mig_test *test = calloc(1, sizeof *test);

    if (!test)
        cr_assert_fail("out of memory");
    if (!watched)
        watched = atexit(close_all) == 0;
    test->owner = getpid();
    test->next = open_tests;
    open_tests = test;
    lines_add_text(&test->log, "");
    test->engine = text_copy(test, engine);
    make_folder(test);
    test->bundle = bundle ? text_copy(test, bundle) : test->empty;
    if (strcmp(engine, "postgres") == 0)
        make_on_server(test);
    else if (strcmp(engine, "sqlite") == 0)
        test->url = text_format(test, "sqlite:%s/test.db", test->folder);
    else
        cr_assert_fail("mig_test_open() knows sqlite and postgres, not %s", engine);
    return test;
}

void mig_test_close(struct mig_test *test)
{
    struct mig_test **link = &open_tests;

    while (*link && *link != test)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = test->next;
    test_remove(test);
}

/* ---- running migrations ----------------------------------------------------------- */

const char *mig_test_engine(const struct mig_test *test)
{
    return test->engine;
}

const char *mig_test_url(const struct mig_test *test)
{
    return test->url;
}

const char *mig_test_error(const struct mig_test *test)
{
    return test->err.message;
}

const char *mig_test_log(const struct mig_test *test)
{
    return test->log.data;
}

void mig_test_param(struct mig_test *test, const char *key, const char *value)
{
    size_t len = strlen(key);
    size_t at = 0;

    while (test->params[at] &&
           (strncmp(test->params[at], key, len) != 0 || test->params[at][len] != '='))
        at++;
    if (value) {
        if (at == PARAMS_MAX)
            cr_assert_fail("more than %d parameters", PARAMS_MAX);
        test->params[at] = text_format(test, "%s=%s", key, value);
        return;
    }
    for (; test->params[at]; at++)
        test->params[at] = test->params[at + 1];
}

void mig_test_open_gate(struct mig_test *test, const char *gate)
{
    if (test->gate_count == GATES_MAX)
        cr_assert_fail("more than %d open gates", GATES_MAX);
    test->open_gates[test->gate_count++] = text_copy(test, gate);
}

void mig_test_register(struct mig_test *test, const struct mig_module *module)
{
    if (test->module_count == MODULES_MAX)
        cr_assert_fail("more than %d registered modules", MODULES_MAX);
    test->modules[test->module_count++] = module;
}

static void listen(const struct mighost_event *event, void *user)
{
    struct mig_test *test = user;

    if (event->kind != MIGHOST_EVENT_LOG && event->kind != MIGHOST_EVENT_WARNING)
        return;
    lines_add_text(&test->log, event->text);
    lines_add_text(&test->log, "\n");
}

static mig_status host_open(struct mig_test *test, struct mighost **out)
{
    const struct mighost_config config = {
        .size = sizeof config,
        .database = test->url,
        .bundle = test->bundle,
        .params = test->params,
        .listener = listen,
        .user = test,
    };
    mig_status status;

    test->err.message[0] = '\0';
    test->log.len = 0;
    test->log.data[0] = '\0';
    status = mighost_open(&config, out, &test->err);
    for (size_t i = 0; i < test->module_count && status == MIG_OK; i++)
        status = mighost_register(*out, test->modules[i], &test->err);
    return status;
}

mig_status mig_test_up(struct mig_test *test, const char *id)
{
    const struct mighost_options options = {
        .size = sizeof options, .to = id, .open_gates = test->open_gates};
    struct mighost *host = NULL;
    mig_status status = host_open(test, &host);

    if (status == MIG_OK)
        status = mighost_up(host, &options, NULL, &test->err);
    mighost_close(host);
    return status;
}

mig_status mig_test_down(struct mig_test *test, const char *id)
{
    const struct mighost_options options = {.size = sizeof options, .to = id};
    struct mighost *host = NULL;
    mig_status status = host_open(test, &host);

    if (status == MIG_OK)
        status = mighost_down(host, &options, NULL, &test->err);
    mighost_close(host);
    return status;
}

/* ---- statements of the test -------------------------------------------------------- */

static void value_write(struct lines *rows, const struct mig_value *value)
{
    const unsigned char *bytes = value->as.data;
    char text[64];

    switch (value->type) {
    case MIG_NULL: lines_add_text(rows, "NULL"); break;
    case MIG_TEXT: lines_add(rows, value->as.data, value->len); break;
    case MIG_INT64:
        snprintf(text, sizeof text, "%" PRId64, value->as.int64);
        lines_add_text(rows, text);
        break;
    case MIG_DOUBLE:
        snprintf(text, sizeof text, "%.15g", value->as.real);
        lines_add_text(rows, text);
        break;
    case MIG_BLOB:
        for (size_t i = 0; i < value->len; i++) {
            mig_hex(bytes + i, 1, text);
            lines_add_text(rows, text);
        }
        break;
    }
}

static mig_status row_write(struct lines *rows, struct mig_stmt *stmt)
{
    int columns = mig_column_count(stmt);

    if (rows->len)
        lines_add_text(rows, "\n");
    for (int i = 0; i < columns; i++) {
        struct mig_value value;

        if (i)
            lines_add_text(rows, "|");
        MIG_TRY(mig_column(stmt, i, &value));
        value_write(rows, &value);
    }
    return MIG_OK;
}

static mig_status run_statement(struct mig_db *db)
{
    struct mig_stmt *stmt;
    mig_status status;

    if (!running->rows)
        return mig_exec(db, running->sql);
    MIG_TRY(mig_prepare(db, running->sql, &stmt));
    while ((status = mig_step(stmt)) == MIG_ROW)
        MIG_TRY(row_write(running->rows, stmt));
    mig_finalize(stmt);
    return status;
}

static mig_status statement_host(struct mig_test *test, const struct mig_module *module,
                                 struct mig_err *err)
{
    const struct mighost_config config = {
        .size = sizeof config,
        .database = test->url,
        .bundle = test->empty,
        .history = OWN_HISTORY,
    };
    struct mighost *host = NULL;
    mig_status status = mighost_open(&config, &host, err);

    if (status == MIG_OK)
        status = mighost_register(host, module, err);
    if (status == MIG_OK)
        status = mighost_run(host, module->id, MIGHOST_UP, NULL, NULL, err);
    mighost_close(host);
    return status;
}

static void statement_run(struct mig_test *test, const char *sql, struct lines *rows)
{
    struct mig_module module = {
        .size = sizeof module,
        .abi_major = MIG_ABI_MAJOR,
        .abi_minor = MIG_ABI_MINOR,
        .description = "statement of a test",
        .mode = MIG_ATOMIC,
        .up = run_statement,
    };
    struct mig_err err = {0};
    mig_status status;

    snprintf(module.id, sizeof module.id, "%u", ++test->statements);
    test->sql = sql;
    test->rows = rows;
    running = test;
    status = statement_host(test, &module, &err);
    running = NULL;
    if (status < 0)
        cr_assert_fail("%s: %s", sql, err.message);
}

void mig_test_exec(struct mig_test *test, const char *format, ...)
{
    const char *sql;
    va_list args;

    va_start(args, format);
    sql = text_vformat(test, format, args);
    va_end(args);
    statement_run(test, sql, NULL);
}

const char *mig_test_rows(struct mig_test *test, const char *format, ...)
{
    struct lines rows = {0};
    const char *sql;
    const char *kept;
    va_list args;

    va_start(args, format);
    sql = text_vformat(test, format, args);
    va_end(args);
    statement_run(test, sql, &rows);
    kept = text_copy(test, rows.data ? rows.data : "");
    free(rows.data);
    return kept;
}

const char *mig_test_text(struct mig_test *test, const char *text)
{
    char *literal = text_new(test, 2 * strlen(text) + 3);
    size_t used = 0;

    literal[used++] = '\'';
    for (; *text; text++) {
        if (*text == '\'')
            literal[used++] = '\'';
        literal[used++] = *text;
    }
    literal[used++] = '\'';
    literal[used] = '\0';
    return literal;
}

const char *mig_test_bytes(struct mig_test *test, const void *data, size_t len)
{
    bool postgres = strcmp(test->engine, "postgres") == 0;
    char *hex = text_new(test, 2 * len + 1);

    mig_hex(data, len, hex);
    return text_format(test, postgres ? "'\\x%s'::bytea" : "x'%s'", hex);
}
