/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading mighost.ini through inih. The reader counts the lines, as inih does
 * not hand them on, and refuses one that is longer than inih would take, so
 * that no value is ever cut. The first fault found ends it, with file and line.
 */
#include "ini_file.h"

#include "err.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_SIZE 8192 /* a URL with every option of libpq in it fits many times */

struct reading {
    struct ini *ini;
    struct mig_err *err;
    const char *path;
    FILE *file;
    int line;
    mig_status status; /* of the first fault */
};

static mig_status fault(struct reading *reading, mig_status status)
{
    err_where(reading->err, "%s:%d", reading->path, reading->line);
    reading->status = status;
    return status;
}

/* As fgets(), one whole line a call. */
static char *read_line(char *line, int size, void *user)
{
    struct reading *reading = user;
    size_t len;

    if (reading->status || !fgets(line, size, reading->file))
        return NULL;
    reading->line++;
    len = strlen(line);
    if (len + 1 == (size_t)size && line[len - 1] != '\n') {
        fault(reading, err_set(reading->err, MIG_E_USAGE, "the line is longer than %d bytes",
                               LINE_SIZE - 2));
        return NULL;
    }
    return line;
}

static mig_status refuse_key(struct reading *reading, const char *key)
{
    const char *near = option_nearest(key);

    if (near && option_specs[option_by_name(near, strlen(near))].key)
        return err_set(reading->err, MIG_E_USAGE, "unknown key \"%s\"; did you mean \"%s\"?", key,
                       near);
    return err_set(reading->err, MIG_E_USAGE, "unknown key \"%s\"", key);
}

static mig_status add_entry(struct reading *reading, const char *section, const char *key,
                            const char *value)
{
    struct arena *arena = &reading->ini->arena;
    enum option_id option = option_by_key(key);
    struct ini_entry *entry;

    if (!*section)
        return err_set(reading->err, MIG_E_USAGE,
                       "\"%s\" stands before any section; put [" INI_DEFAULT_SECTION "] above it",
                       key);
    if (option == OPTION_COUNT)
        return refuse_key(reading, key);
    entry = ini_entries_add(&reading->ini->entries);
    if (!entry)
        return err_nomem(reading->err);
    entry->option = option;
    entry->section = arena_strdup(arena, section);
    entry->value = arena_strdup(arena, value);
    entry->origin = arena_printf(arena, "%s:%d", reading->path, reading->line);
    return entry->section && entry->value && entry->origin ? MIG_OK : err_nomem(reading->err);
}

/* inih's callback: 0 is a fault. */
static int take_entry(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    mig_status status;

    if (reading->status)
        return 0;
    status = add_entry(reading, section, key, value ? value : "");
    if (status)
        fault(reading, status);
    return status == MIG_OK;
}

static mig_status parse(struct reading *reading)
{
    int line;

    ini_allow_multiline = false;
    ini_use_stack = false;
    ini_max_line = LINE_SIZE;
    ini_initial_alloc = LINE_SIZE;
    ini_allow_realloc = false;
    line = ini_parse_stream(read_line, reading, take_entry, reading);
    if (reading->status)
        return reading->status;
    if (line < 0)
        return err_nomem(reading->err);
    if (ferror(reading->file))
        return err_errno(reading->err, MIG_E_USAGE, errno, "reading %s", reading->path);
    if (line > 0) {
        reading->line = line;
        return fault(reading, err_set(reading->err, MIG_E_USAGE,
                                      "neither \"key = value\" nor \"[section]\""));
    }
    return MIG_OK;
}

mig_status ini_load(struct ini *ini, const char *path, struct mig_err *err)
{
    struct reading reading = {.ini = ini, .err = err, .path = path};
    struct stat facts;
    mig_status status;

    reading.file = fopen(path, "re");
    if (!reading.file)
        return err_errno(err, errno == ENOENT ? MIG_E_NOTFOUND : MIG_E_USAGE, errno, "opening %s",
                         path);
    if (fstat(fileno(reading.file), &facts) == 0 && S_ISDIR(facts.st_mode))
        status = err_set(err, MIG_E_USAGE, "%s is a folder, not a configuration file", path);
    else
        status = parse(&reading);
    fclose(reading.file);
    return status;
}

void ini_clear(struct ini *ini)
{
    ini_entries_clear(&ini->entries);
    arena_clear(&ini->arena);
}

bool ini_has_section(const struct ini *ini, const char *section)
{
    VEC_EACH(const struct ini_entry, entry, &ini->entries)
        if (strcmp(entry->section, section) == 0)
            return true;
    return false;
}
