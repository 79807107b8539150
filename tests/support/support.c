/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders, files, commands and databases for tests. Owns all it hands out: a
 * list of things to undo, last first, when the process that made them ends (a
 * forked child undoes nothing). Knows nothing of the host's insides, so that
 * what it reports about a database is independent of the code under test.
 */
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    DEFAULT_TIMEOUT_SECONDS = 120,
    POLL_STEP_MS = 5,
    READ_STEP = 64 * 1024,
    WALK_DESCRIPTORS = 16,
};

#define MUST(condition, ...)             \
    do {                                 \
        if (!(condition))                \
            cr_assert_fail(__VA_ARGS__); \
    } while (0)

/* ---- what to undo ------------------------------------------------------- */

struct undo {
    struct undo *next;
    void (*action)(char *text);
    char *text;
};

static struct undo *undo_list;
static pid_t undo_owner;

static void undo_all(void)
{
    bool owner = getpid() == undo_owner;

    while (undo_list) {
        struct undo *first = undo_list;

        undo_list = first->next;
        if (owner && first->action)
            first->action(first->text);
        free(first->text);
        free(first);
    }
}

/* Keeps text until the end of the test, then calls action (may be NULL) with it. */
static char *keep(char *text, void (*action)(char *text))
{
    struct undo *undo = malloc(sizeof *undo);

    MUST(text && undo, "out of memory");
    if (!undo_owner) {
        undo_owner = getpid();
        atexit(undo_all);
    }
    *undo = (struct undo){.next = undo_list, .action = action, .text = text};
    undo_list = undo;
    return text;
}

char *test_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return keep(text, NULL);
}

/* ---- folders and files -------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

/* A test may have taken away the right to look into a folder: give it back first. */
static int open_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

static void remove_tree(char *path)
{
    nftw(path, open_entry, WALK_DESCRIPTORS, FTW_PHYS);
    nftw(path, remove_entry, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

void test_remove(const char *path)
{
    remove_tree(test_format("%s", path));
}

char *test_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = test_format("%s/mighost-XXXXXX", parent && *parent ? parent : "/tmp");

    umask(S_IWGRP | S_IWOTH); /* the host runs nothing that others can write */
    MUST(mkdtemp(path), "no folder like %s: %s", path, strerror(errno));
    MUST(chmod(path, 0755) == 0, "chmod %s: %s", path, strerror(errno));
    return keep(strdup(path), remove_tree);
}

static void make_folders_above(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        MUST(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir %s: %s", path, strerror(errno));
        *slash = '/';
    }
}

char *test_write_bytes(const char *folder, const char *name, const void *data, size_t size)
{
    char *path = test_format("%s/%s", folder, name);
    FILE *file;
    bool done;

    make_folders_above(path);
    file = fopen(path, "we");
    MUST(file, "cannot write %s: %s", path, strerror(errno));
    done = fwrite(data, 1, size, file) == size;
    MUST(fclose(file) == 0 && done, "cannot write %s: %s", path, strerror(errno));
    return path;
}

char *test_write(const char *folder, const char *name, const char *text)
{
    return test_write_bytes(folder, name, text, strlen(text));
}

/* Reads to the end of a stream that may have no size. */
static char *read_all(FILE *file, size_t *size)
{
    char *data = NULL;
    size_t used = 0, room = 0;

    do {
        if (room - used < READ_STEP) {
            room = used + 2 * READ_STEP;
            data = realloc(data, room + 1);
            MUST(data, "out of memory");
        }
        used += fread(data + used, 1, room - used, file);
    } while (!feof(file) && !ferror(file));
    data[used] = '\0';
    *size = used;
    return data;
}

char *test_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "re");
    size_t length;
    char *data;

    MUST(file, "cannot read %s: %s", path, strerror(errno));
    data = keep(read_all(file, &length), NULL);
    fclose(file);
    if (size)
        *size = length;
    return data;
}

char *test_copy(const char *from, const char *folder, const char *name)
{
    struct stat info;
    size_t size;
    char *data = test_read(from, &size);
    char *path = test_write_bytes(folder, name, data, size);

    MUST(stat(from, &info) == 0 && chmod(path, info.st_mode & 07777) == 0, "chmod %s: %s", path,
         strerror(errno));
    return path;
}

bool test_exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

void test_use_comma(void)
{
    char *folder = test_folder();
    char *made = test_format("%s/comma", folder);
    struct test_result result = test_run("localedef", "-i", "de_DE", "-f", "UTF-8", made);

    MUST(result.exit_code == 0, "localedef: %s", result.err);
    setenv("LOCPATH", folder, 1);
    MUST(setlocale(LC_ALL, "comma"), "there is no locale in %s", folder);
    MUST(strcmp(test_format("%.1f", 0.5), "0,5") == 0, "numbers have no comma");
}

/* ---- commands ----------------------------------------------------------- */

struct capture {
    int descriptor;
    char *data;
    size_t used, room;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes what is there; closes the descriptor at its end. */
static void capture_some(struct capture *capture)
{
    ssize_t got;

    if (capture->room - capture->used < READ_STEP) {
        capture->room = capture->room * 2 + READ_STEP;
        capture->data = realloc(capture->data, capture->room + 1);
        MUST(capture->data, "out of memory");
    }
    got = read(capture->descriptor, capture->data + capture->used, capture->room - capture->used);
    if (got < 0 && errno == EINTR)
        return;
    if (got > 0) {
        capture->used += (size_t)got;
        return;
    }
    close(capture->descriptor);
    capture->descriptor = -1;
}

/*
 * Reads both streams and waits for the child, at most until the deadline; then
 * kills its group. A process that outlives the child and keeps a stream open
 * is not waited for. Returns the child's wait status.
 */
static int capture_child(pid_t child, struct capture *out, struct capture *err, int64_t deadline,
                         bool *timed_out)
{
    bool ended = false;
    int status = 0, ready;

    do {
        struct pollfd waiting[] = {
            {.fd = out->descriptor, .events = POLLIN},
            {.fd = err->descriptor, .events = POLLIN},
        };

        if (!ended)
            ended = waitpid(child, &status, WNOHANG) == child;
        ready = poll(waiting, 2, ended ? 0 : POLL_STEP_MS);
        if (ready > 0 && waiting[0].revents)
            capture_some(out);
        if (ready > 0 && waiting[1].revents)
            capture_some(err);
        if (!*timed_out && now_ms() >= deadline) {
            *timed_out = true;
            kill(-child, SIGKILL);
        }
    } while (!ended || ready > 0);
    return status;
}

static char *capture_end(struct capture *capture, size_t *size)
{
    if (capture->descriptor >= 0)
        close(capture->descriptor);
    *size = capture->used;
    if (!capture->data)
        return test_format("%s", "");
    capture->data[capture->used] = '\0';
    return keep(capture->data, NULL);
}

/* The environment of this process with the changes that a test asks for. */
static char **environment_with(const char *const *changes)
{
    size_t count = 0, extra = 0, used = 0;
    char **result;

    while (environ[count])
        count++;
    while (changes && changes[extra])
        extra++;
    result = (char **)(void *)keep(calloc(count + extra + 1, sizeof *result), NULL);
    for (size_t i = 0; i < count; i++) {
        size_t name = strcspn(environ[i], "=");
        bool changed = false;

        for (size_t j = 0; j < extra && !changed; j++)
            changed = strcspn(changes[j], "=") == name && !strncmp(environ[i], changes[j], name);
        if (!changed)
            result[used++] = environ[i];
    }
    for (size_t j = 0; j < extra; j++) {
        if (strchr(changes[j], '='))
            result[used++] = test_format("%s", changes[j]);
    }
    return result;
}

/* A file without a name that holds the command's input. */
static int input_descriptor(const char *text)
{
    char *path =
        test_format("%s/mighost-input-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int descriptor = mkostemp(path, O_CLOEXEC);
    size_t size = text ? strlen(text) : 0;

    MUST(descriptor >= 0, "no file like %s: %s", path, strerror(errno));
    unlink(path);
    MUST(!size || write(descriptor, text, size) == (ssize_t)size, "writing input: %s",
         strerror(errno));
    MUST(lseek(descriptor, 0, SEEK_SET) == 0, "lseek: %s", strerror(errno));
    return descriptor;
}

static pid_t start(const struct test_command *command, int input, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t child = -1;
    sigset_t none;
    int failed;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    if (command->folder)
        posix_spawn_file_actions_addchdir_np(&actions, command->folder);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    failed = posix_spawnp(&child, command->argv[0], &actions, &attributes,
                          (char *const *)(uintptr_t)command->argv,
                          environment_with(command->environment));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    MUST(!failed, "cannot start %s: %s", command->argv[0], strerror(failed));
    return child;
}

struct test_result test_run_command(const struct test_command *command)
{
    int seconds = command->timeout_seconds ? command->timeout_seconds : DEFAULT_TIMEOUT_SECONDS;
    int64_t deadline = now_ms() + (int64_t)seconds * 1000;
    struct test_result result = {.exit_code = -1};
    int out[2], err[2], input = input_descriptor(command->input), status;
    struct capture from_out = {0}, from_err = {0};
    pid_t child;

    MUST(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    child = start(command, input, out[1], err[1]);
    close(input);
    close(out[1]);
    close(err[1]);
    from_out.descriptor = out[0];
    from_err.descriptor = err[0];
    status = capture_child(child, &from_out, &from_err, deadline, &result.timed_out);
    result.out = capture_end(&from_out, &result.out_size);
    result.err = capture_end(&from_err, &result.err_size);
    if (WIFEXITED(status))
        result.exit_code = WEXITSTATUS(status);
    else
        result.signal = WTERMSIG(status);
    return result;
}

/* ---- databases ---------------------------------------------------------- */

static const char SQLITE_SCHEME[] = "sqlite:";

static bool is_sqlite(const char *url)
{
    return !strncmp(url, SQLITE_SCHEME, strlen(SQLITE_SCHEME));
}

const char *test_sqlite_path(const char *url)
{
    MUST(is_sqlite(url), "%s is not the address of an SQLite file", url);
    return url + strlen(SQLITE_SCHEME);
}

char *test_sqlite(void)
{
    return test_format("%s%s/test.db", SQLITE_SCHEME, test_folder());
}

static char *shell_answer(struct test_result result, const char *sql)
{
    size_t size = result.out_size;

    MUST(result.exit_code == 0, "the shell refused %s: %s", sql, result.err);
    while (size > 0 && result.out[size - 1] == '\n')
        result.out[--size] = '\0';
    return result.out;
}

char *test_query(const char *url, const char *sql)
{
    if (is_sqlite(url))
        return shell_answer(test_run("sqlite3", "-init", "/dev/null", "-batch", "-bail", "-cmd",
                                     ".timeout 10000", test_sqlite_path(url), sql),
                            sql);
    return shell_answer(
        test_run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql),
        sql);
}

char *test_postgres_server(void)
{
    char *url = getenv("MIGHOST_TEST_PG");

    if (!url || !*url)
        cr_skip_test("MIGHOST_TEST_PG is not set: no PostgreSQL server to test with");
    return url;
}

/* The server's address with another database at its end. */
static char *on_server(const char *database)
{
    const char *server = test_postgres_server();
    const char *slash = strrchr(server, '/');

    MUST(slash, "MIGHOST_TEST_PG has no database: %s", server);
    return test_format("%.*s/%s", (int)(slash - server), server, database);
}

static void drop_database(char *name)
{
    char *sql = test_format("DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    struct test_result result =
        test_run("psql", "-X", "-q", "-d", test_postgres_server(), "-c", sql);

    if (result.exit_code != 0)
        fprintf(stderr, "%s: %s", sql, result.err);
}

char *test_postgres(void)
{
    static int count;
    char *name = test_format("test_%ld_%d", (long)getpid(), ++count);

    test_query(test_postgres_server(),
               test_format("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", name));
    return on_server(keep(strdup(name), drop_database));
}

/* Newer pg_dump frames its text with a key that is random each time: out with it. */
static void drop_random_lines(char *text)
{
    char *to = text;

    while (*text) {
        size_t size = strcspn(text, "\n") + 1;

        if (!text[size - 1])
            size--;
        if (strncmp(text, "\\restrict", 9) != 0 && strncmp(text, "\\unrestrict", 11) != 0) {
            memmove(to, text, size);
            to += size;
        }
        text += size;
    }
    *to = '\0';
}

char *test_dump_schema(const char *url)
{
    char *text;

    if (is_sqlite(url))
        return test_query(url, "SELECT type, name, tbl_name, sql FROM sqlite_schema"
                               " WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'mighost_%'"
                               " AND tbl_name NOT LIKE 'mighost_%' ORDER BY type, name");
    text = shell_answer(test_run("pg_dump", "--schema-only", "--no-owner", "--exclude-table",
                                 "mighost_*", "-d", url),
                        "pg_dump");
    drop_random_lines(text);
    return text;
}
