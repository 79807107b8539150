/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids are the present UTC second, or one second after the newest id of the
 * bundle where a faster author or a wrong clock was ahead. Names become
 * lower-case words joined by underscores.
 */
#include "create.h"

#include "buf.h"
#include "clock.h"
#include "fs.h"
#include "template.h"
#include "text.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define NAME_MAX_CHARS 100
#define ID_DIGITS 14
#define FILE_MODE 0644
#define FOLDER_MODE 0755

struct names {
    char id[MIG_ID_SIZE];
    char name[NAME_MAX_CHARS + 1];
    char description[NAME_MAX_CHARS + 1];
};

static mig_status clean_name(const char *given, struct names *names, struct mig_err *err)
{
    size_t n = 0;

    for (const char *at = given; *at && n < NAME_MAX_CHARS; at++) {
        bool word = isalnum((unsigned char)*at);

        if (word)
            names->name[n++] = (char)tolower((unsigned char)*at);
        else if (n > 0 && names->name[n - 1] != '_')
            names->name[n++] = '_';
    }
    while (n > 0 && names->name[n - 1] == '_')
        n--;
    names->name[n] = '\0';
    if (n == 0)
        return err_set(err, MIG_E_USAGE,
                       "a migration needs a name of letters and digits, such as add_phone_numbers");
    for (size_t i = 0; i <= n; i++)
        names->description[i] = names->name[i] == '_' ? ' ' : names->name[i];
    return MIG_OK;
}

/* The digits that a file name of a migration begins with, or 0. */
static uint64_t id_of_file(const char *file)
{
    const char *digits = strncmp(file, "libmig_", 7) == 0 ? file + 7 : file;
    size_t len = strspn(digits, "0123456789");

    return len == 0 || len > 18 ? 0 : strtoull(digits, NULL, 10);
}

static uint64_t newest_in(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    uint64_t newest = 0;

    if (!dir)
        return 0;
    while ((entry = readdir(dir))) {
        uint64_t id = id_of_file(entry->d_name);

        newest = id > newest ? id : newest;
    }
    closedir(dir);
    return newest;
}

static uint64_t id_of_second(int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm utc;
    char text[MIG_ID_SIZE];

    gmtime_r(&when, &utc);
    strftime(text, sizeof text, "%Y%m%d%H%M%S", &utc);
    return strtoull(text, NULL, 10);
}

/* The second that a 14-digit id names; -1 where it names none. */
static int64_t second_of_id(uint64_t id)
{
    struct tm utc = {
        .tm_year = (int)(id / 10000000000 % 10000) - 1900,
        .tm_mon = (int)(id / 100000000 % 100) - 1,
        .tm_mday = (int)(id / 1000000 % 100),
        .tm_hour = (int)(id / 10000 % 100),
        .tm_min = (int)(id / 100 % 100),
        .tm_sec = (int)(id % 100),
    };
    int64_t seconds = (int64_t)timegm(&utc);

    return id_of_second(seconds) == id ? seconds : -1;
}

static uint64_t next_id(uint64_t newest)
{
    uint64_t now = id_of_second(clock_wall_ms() / 1000);
    int64_t second;

    if (now > newest)
        return now;
    second = second_of_id(newest);
    return second < 0 ? newest + 1 : id_of_second(second + 1);
}

static mig_status choose_id(const struct create *create, struct names *names, struct mig_err *err)
{
    size_t len;

    if (!create->id) {
        snprintf(names->id, sizeof names->id, "%0*" PRIu64, ID_DIGITS,
                 next_id(newest_in(create->bundle)));
        return MIG_OK;
    }
    len = strlen(create->id);
    if (len != ID_DIGITS || strspn(create->id, "0123456789") != len)
        return err_set(err, MIG_E_USAGE, "\"%s\" is not an id: give 14 digits, YYYYMMDDHHMMSS",
                       create->id);
    snprintf(names->id, sizeof names->id, "%s", create->id);
    return MIG_OK;
}

/* Makes the folder as well, once all that was asked for makes sense. */
static mig_status names_make(const struct create *create, struct names *names, struct mig_err *err)
{
    MIG_TRY(clean_name(create->name, names, err));
    MIG_TRY(choose_id(create, names, err));
    if (mkdir(create->folder, FOLDER_MODE) != 0 && errno != EEXIST)
        return err_errno(err, MIG_E_IO, errno, "making the folder %s", create->folder);
    return MIG_OK;
}

static mig_status write_new(const char *path, const char *text, struct mig_err *err)
{
    return fs_write(path, text, strlen(text), FILE_MODE, 0, err);
}

static mig_status file_path(const struct create *create, const struct names *names,
                            const char *suffix, char out[FS_PATH_SIZE], struct mig_err *err)
{
    char file[MIG_ID_SIZE + NAME_MAX_CHARS + 16];

    snprintf(file, sizeof file, "%s_%s%s", names->id, names->name, suffix);
    return fs_join(out, FS_PATH_SIZE, create->folder, file, err);
}

/* Before anything is written, so that the path of what was is always given. */
static mig_status check_room(const char *path, size_t size, struct mig_err *err)
{
    if (strlen(path) < size)
        return MIG_OK;
    return err_set(err, MIG_E_USAGE, "the path %.60s... is too long", path);
}

mig_status create_sql(const struct create *create, char *path, size_t size, struct mig_err *err)
{
    static const char up_skeleton[] =
        "-- %s\n"
        "-- Runs in one transaction, together with its record in the history.\n\n";
    static const char down_skeleton[] = "-- Undoes: %s\n\n";
    struct names names;
    char up[NAME_MAX_CHARS + sizeof up_skeleton];
    char down[NAME_MAX_CHARS + sizeof down_skeleton];
    char up_path[FS_PATH_SIZE];
    char down_path[FS_PATH_SIZE];
    mig_status status;

    MIG_TRY(names_make(create, &names, err));
    MIG_TRY(file_path(create, &names, ".up.sql", up_path, err));
    MIG_TRY(file_path(create, &names, ".down.sql", down_path, err));
    MIG_TRY(check_room(up_path, size, err));
    snprintf(up, sizeof up, up_skeleton, names.description);
    snprintf(down, sizeof down, down_skeleton, names.description);
    if (access(up_path, F_OK) == 0)
        return err_set(err, MIG_E_USAGE, "%s is there already; nothing was written", up_path);
    MIG_TRY(write_new(down_path, create->down ? create->down : down, err));
    status = write_new(up_path, create->up ? create->up : up, err);
    if (status < 0)
        unlink(down_path);
    else
        snprintf(path, size, "%s", up_path);
    return status;
}

/* The template with @ID@ and @DESCRIPTION@ filled in. */
static void fill_template(const struct names *names, struct buf *out)
{
    for (const char *at = template_migration; *at;) {
        if (strncmp(at, "@ID@", 4) == 0) {
            buf_puts(out, names->id);
            at += 4;
        } else if (strncmp(at, "@DESCRIPTION@", 13) == 0) {
            buf_puts(out, names->description);
            at += 13;
        } else {
            buf_putc(out, *at++);
        }
    }
}

mig_status create_native(const struct create *create, char *path, size_t size, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct names names;
    char file[FS_PATH_SIZE];

    MIG_TRY(names_make(create, &names, err));
    MIG_TRY(file_path(create, &names, ".c", file, err));
    MIG_TRY(check_room(file, size, err));
    fill_template(&names, &text);
    MIG_TRY(buf_check(&text, err));
    MIG_TRY(write_new(file, text.data, err));
    snprintf(path, size, "%s", file);
    return MIG_OK;
}
