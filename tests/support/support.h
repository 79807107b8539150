/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests share: folders that remove themselves, files, running a command,
 * a fresh database on either engine, and a second opinion on what is in it
 * (the engine's own shell). Everything that these functions return belongs to
 * them and lives until the test ends, so that a test frees nothing. A helper
 * that cannot do its work fails the test and does not return.
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Text of the test's own, made as printf does. */
char *test_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A new empty folder, mode 0755; it and all in it go away when the test ends. */
char *test_folder(void);

/* Writes a file, making the folders above it; returns its path, `folder/name`. */
char *test_write(const char *folder, const char *name, const char *text);
char *test_write_bytes(const char *folder, const char *name, const void *data, size_t size);

/* Copies one file, mode included; returns the path of the copy, `folder/name`. */
char *test_copy(const char *from, const char *folder, const char *name);

/* A whole file, with a NUL after it; size may be NULL. */
char *test_read(const char *path, size_t *size);

bool test_exists(const char *path);

/* Removes a file, or a folder with everything in it. */
void test_remove(const char *path);

/* Numbers have a comma from now on, as in the program of a German. */
void test_use_comma(void);

/*
 * Running a command. Output is text, NUL-terminated. The time limit is a
 * safety net against a hang and no way to measure: past it the command's
 * process group is killed and timed_out is set.
 */
struct test_result {
    int exit_code; /* -1 when a signal ended it */
    int signal;    /* 0 when it exited */
    bool timed_out;
    char *out;
    char *err;
    size_t out_size;
    size_t err_size;
};

struct test_command {
    const char *const *argv;        /* ends with NULL; argv[0] is looked up in PATH */
    const char *const *environment; /* "NAME=value" adds or replaces, "NAME" removes; NULL: none */
    const char *folder;             /* where it starts; NULL: here */
    const char *input;              /* its standard input; NULL: empty */
    int timeout_seconds;            /* 0: 120 */
};

struct test_result test_run_command(const struct test_command *command);

/* test_run("ls", "-l"): a command with its arguments. */
#define test_run(...) \
    test_run_command(&(struct test_command){.argv = (const char *const[]){__VA_ARGS__, NULL}})

/* test_mighost("status", "--json"): the built command with its arguments. */
#define test_mighost(...) test_run(MIGHOST_BIN, __VA_ARGS__)

/* The address of a database file that does not exist yet: sqlite:/.../test.db */
char *test_sqlite(void);

/* The path in such an address. */
const char *test_sqlite_path(const char *url);

/*
 * The address of a new, empty database on the PostgreSQL server for tests,
 * dropped when the test ends. Skips the test where there is no such server.
 */
char *test_postgres(void);

/* The server's own address, for tests that need another role or database. */
char *test_postgres_server(void);

/*
 * A second opinion: what the engine's own shell answers to a statement, one
 * row a line, columns separated by `|`, no newline at the end.
 */
char *test_query(const char *url, const char *sql);

/* The whole schema and, for PostgreSQL, nothing that differs between two equal databases. */
char *test_dump_schema(const char *url);

#endif
