/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench itself. Drivers are loaded once a process and stay loaded, as they
 * do in the host. Whatever a helper returns belongs to the test and lives as
 * long; connections that a test opens beside the rig's own it closes itself.
 */
#include "rig.h"

#include <dlfcn.h>
#include <inttypes.h>

const struct mig_driver *rig_driver(const char *engine)
{
    char *path = test_format("%s/libmigdrv_%s.so", MIGHOST_DRIVER_DIR, engine);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct mig_driver *driver;

    cr_assert_not_null(library, "%s", dlerror());
    driver = (const struct mig_driver *)dlsym(library, "mig_driver");
    cr_assert_not_null(driver, "%s exports no mig_driver", path);
    return driver;
}

struct mig_driver_config rig_config(const char *url)
{
    return (struct mig_driver_config){
        .size = sizeof(struct mig_driver_config),
        .flags = MIG_OPEN_CREATE,
        .url = url,
        .application = "contract test",
        .connect_timeout_ms = 10000,
        .busy_timeout_ms = 100,
    };
}

struct mig_conn *rig_connect(struct rig *rig)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_conn *conn = NULL;

    rig_expect(rig, rig->driver->open(&config, &conn, &rig->err), MIG_OK);
    return conn;
}

struct rig rig_open(const char *engine)
{
    struct rig rig = {.engine = engine};

    rig.url = strcmp(engine, "sqlite") == 0 ? test_sqlite() : test_postgres();
    rig.driver = rig_driver(engine);
    rig.result.size = sizeof rig.result;
    rig.conn = rig_connect(&rig);
    return rig;
}

void rig_close(struct rig *rig)
{
    rig->driver->close(rig->conn);
    rig->conn = NULL;
}

bool rig_is(const struct rig *rig, const char *engine)
{
    return strcmp(rig->engine, engine) == 0;
}

mig_status rig_try_on(struct rig *rig, struct mig_conn *conn, const char *sql)
{
    return rig->driver->exec(conn, sql, strlen(sql), &rig->result, &rig->err);
}

mig_status rig_try(struct rig *rig, const char *sql)
{
    return rig_try_on(rig, rig->conn, sql);
}

void rig_exec(struct rig *rig, const char *sql)
{
    mig_status status = rig_try(rig, sql);

    cr_assert_eq(status, MIG_OK, "%s: %s", sql, rig->err.message);
}

void rig_begin(struct rig *rig)
{
    struct mig_tx_options options = {.size = sizeof options};

    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_OK);
}

void rig_commit(struct rig *rig)
{
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_OK);
}

struct mig_cursor *rig_prepare(struct rig *rig, const char *sql, uint32_t flags)
{
    struct mig_cursor *cursor = NULL;
    mig_status status =
        rig->driver->prepare(rig->conn, sql, strlen(sql), flags, &cursor, &rig->err);

    cr_assert_eq(status, MIG_OK, "%s: %s", sql, rig->err.message);
    return cursor;
}

static char *value_text(const struct mig_value *value)
{
    switch (value->type) {
    case MIG_INT64: return test_format("%" PRId64, value->as.int64);
    case MIG_DOUBLE: return test_format("%g", value->as.real);
    case MIG_TEXT:
    case MIG_BLOB: return test_format("%.*s", (int)value->len, (const char *)value->as.data);
    case MIG_NULL: break;
    }
    return test_format("null");
}

char *rig_rows(struct rig *rig, const char *sql)
{
    const struct mig_driver *driver = rig->driver;
    struct mig_cursor *cursor = rig_prepare(rig, sql, 0);
    char *rows = test_format("%s", "");
    mig_status status;

    while ((status = driver->step(cursor, &rig->err)) == MIG_ROW) {
        int column;

        for (column = 0; column < driver->column_count(cursor); column++) {
            struct mig_value value;

            rig_expect(rig, driver->column(cursor, column, &value, &rig->err), MIG_OK);
            rows = test_format("%s%s%s", rows,
                               column  ? "|"
                               : *rows ? "\n"
                                       : "",
                               value_text(&value));
        }
    }
    cr_assert_eq(status, MIG_OK, "%s: %s", sql, rig->err.message);
    driver->finalize(cursor);
    return rows;
}

struct mig_value rig_int(int64_t value)
{
    struct mig_value out = {.type = MIG_INT64};

    out.as.int64 = value;
    return out;
}

struct mig_value rig_double(double value)
{
    struct mig_value out = {.type = MIG_DOUBLE};

    out.as.real = value;
    return out;
}

struct mig_value rig_text(const char *value)
{
    struct mig_value out = {.type = MIG_TEXT, .len = strlen(value)};

    out.as.data = value;
    return out;
}

struct mig_value rig_blob(const void *data, size_t len)
{
    struct mig_value out = {.type = MIG_BLOB, .len = len};

    out.as.data = data;
    return out;
}

struct mig_value rig_null(void)
{
    return (struct mig_value){.type = MIG_NULL};
}

void rig_bind(struct rig *rig, struct mig_cursor *cursor, int index, struct mig_value value)
{
    rig_expect(rig, rig->driver->bind(cursor, index, &value, &rig->err), MIG_OK);
}
