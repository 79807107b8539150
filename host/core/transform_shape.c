/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the description of a transform. A struct of an older header is
 * shorter and lacks members at its end.
 */
#include "transform_shape.h"

#define CALLER "mig_transform"

static bool same_names(const struct names *a, const struct names *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->quoted[i], b->quoted[i]) != 0)
            return false;
    return true;
}

/* A table that is not there is the migration's fault, not a database that is not there. */
static mig_status find_primary(const struct transform_shape *shape, const struct mig_driver *driver,
                               struct mig_conn *conn, char *text, size_t size, struct mig_err *err)
{
    mig_status status = driver->primary_key(conn, shape->table, text, size, err);

    if (status >= 0)
        return status;
    if (status == MIG_E_NOTFOUND)
        err->status = MIG_E_SQL;
    return err_wrap(err, "looking for the primary key of table %s", shape->spec.table);
}

/* The author may name what would have been found. */
static mig_status find_keys(struct transform_shape *shape, const struct mig_driver *driver,
                            struct mig_conn *conn, struct mig_err *err)
{
    char text[TRANSFORM_COLUMNS_MAX * 64];
    struct names primary = {0};

    MIG_TRY(find_primary(shape, driver, conn, text, sizeof text, err));
    if (*text)
        MIG_TRY(names_parse(&shape->names, CALLER, text, TRANSFORM_COLUMNS_MAX, &primary, err));
    shape->keys = primary;
    if (shape->spec.key)
        MIG_TRY(names_parse(&shape->names, CALLER, shape->spec.key, TRANSFORM_COLUMNS_MAX,
                            &shape->keys, err));
    else if (!*text)
        return err_set(err, MIG_E_MISUSE,
                       "mig_transform: table %s has no primary key: name a unique key in `.key`",
                       shape->spec.table);
    shape->primary = *text && same_names(&shape->keys, &primary);
    return MIG_OK;
}

static mig_status spec_check(const struct mig_transform *spec, struct mig_err *err)
{
    if (spec->size < offsetof(struct mig_transform, batch) || !spec->table || !spec->read ||
        !spec->write || !spec->map)
        return err_set(err, MIG_E_MISUSE,
                       "mig_transform needs .size, .table, .read, .write and .map");
    return MIG_OK;
}

static mig_status check_protected(const struct transform_shape *shape, const char *protect,
                                  struct mig_err *err)
{
    if (!protect || !names_begin_with(shape->table, protect))
        return MIG_OK;
    return err_set(err, MIG_E_MISUSE,
                   "mig_transform: table %s belongs to the host, and no migration may change it",
                   shape->spec.table);
}

static int place_of(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->quoted[i], name) == 0)
            return (int)i;
    return -1;
}

/* A row whose key grows would be met again, page after page. */
static mig_status check_keys_stay(const struct transform_shape *shape, struct mig_err *err)
{
    for (size_t i = 0; i < shape->writes.count; i++)
        if (place_of(&shape->keys, shape->writes.quoted[i]) >= 0)
            return err_set(err, MIG_E_MISUSE,
                           "mig_transform: .write names %s, a column of the key of table %s, whose "
                           "values must stay: walk the table by another unique key with `.key`, or "
                           "change it with mig_exec()",
                           shape->writes.quoted[i], shape->spec.table);
    return MIG_OK;
}

static mig_status names_fill(struct transform_shape *shape, const struct mig_driver *driver,
                             struct mig_conn *conn, const char *protect, struct mig_err *err)
{
    MIG_TRY(names_table(&shape->names, CALLER, shape->spec.table, &shape->table, err));
    MIG_TRY(check_protected(shape, protect, err));
    MIG_TRY(find_keys(shape, driver, conn, err));
    MIG_TRY(names_parse(&shape->names, CALLER, shape->spec.read, TRANSFORM_COLUMNS_MAX,
                        &shape->reads, err));
    MIG_TRY(names_parse(&shape->names, CALLER, shape->spec.write, TRANSFORM_COLUMNS_MAX,
                        &shape->writes, err));
    if (shape->keys.count == 0 || shape->reads.count == 0 || shape->writes.count == 0)
        return err_set(err, MIG_E_MISUSE, "mig_transform: .key, .read or .write names no column");
    return check_keys_stay(shape, err);
}

mig_status transform_shape_init(struct transform_shape *shape, const struct mig_transform *spec,
                                const struct mig_driver *driver, struct mig_conn *conn,
                                const char *protect, struct mig_err *err)
{
    mig_status status;

    MIG_TRY(spec_check(spec, err));
    memset(shape, 0, sizeof *shape);
    memcpy(&shape->spec, spec, spec->size < sizeof shape->spec ? spec->size : sizeof shape->spec);
    if (shape->spec.workers > 1 && !(shape->spec.flags & MIG_TRANSFORM_THREAD_SAFE))
        return err_set(err, MIG_E_MISUSE,
                       "mig_transform: .workers is %u, so several threads would call the callback "
                       "at once: say with .flags = MIG_TRANSFORM_THREAD_SAFE that it can stand "
                       "that, or leave .workers at 0",
                       (unsigned)shape->spec.workers);
    status = names_fill(shape, driver, conn, protect, err);
    if (status < 0) {
        transform_shape_clear(shape);
        return status;
    }
    for (size_t i = 0; i < shape->writes.count; i++)
        shape->read_of[i] = place_of(&shape->reads, shape->writes.quoted[i]);
    return MIG_OK;
}

mig_status transform_shape_estimate(struct transform_shape *shape, const struct mig_driver *driver,
                                    struct mig_conn *conn, struct mig_err *err)
{
    struct mig_estimate found = {.size = sizeof found};
    mig_status status =
        driver->estimate ? driver->estimate(conn, shape->table, &found, err) : MIG_E_UNSUPPORTED;

    if (status == MIG_OK)
        shape->estimate = found;
    return status == MIG_E_UNSUPPORTED ? MIG_OK : status;
}

void transform_shape_clear(struct transform_shape *shape)
{
    arena_clear(&shape->names);
}

void transform_names_add(struct buf *sql, const struct names *names, const char *between)
{
    for (size_t i = 0; i < names->count; i++)
        buf_printf(sql, "%s%s", i ? between : "", names->quoted[i]);
}
