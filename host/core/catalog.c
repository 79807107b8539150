/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a folder's names once, sorts them by id, and makes a migration of each
 * group of names that share one. Only up texts and modules are opened, for
 * their header, note and checksum; other files are opened when they run. The
 * folder stays open, so that every later opening is of the very same folder
 * and cannot lead out of it. Everything else lives in one arena. A signed bundle
 * was verified before, and is held to the same list again here, name by name and
 * byte by byte: it may have changed since.
 */
#include "catalog.h"

#include "arena.h"
#include "fs.h"
#include "note.h"
#include "sha256.h"
#include "text.h"
#include "vec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SMALL_FILE 16384 /* read at once, into memory on the stack */

/* Names lie in memory as the folder gave them, so each is waited for when the
 * files are gone through by id: that many ahead they are asked for. */
#define NAMES_AHEAD 8

/* Sorting goes by so many bits of the key at a time. */
#define DIGIT_BITS 11
#define DIGIT_VALUES ((size_t)1 << DIGIT_BITS)

/* A name of the bundle that belongs to a migration, and what it says. There are
 * tens of thousands of them to sort, so they are small. */
struct file {
    uint64_t id;
    const char *name;
    unsigned char type;   /* DT_... of readdir() */
    unsigned char kind;   /* enum bundle_name_kind: SQL, MODULE or SOURCE */
    unsigned char role;   /* enum catalog_role; CATALOG_ROLES: last, a source */
    unsigned char engine; /* enum for_engine */
    unsigned char digits; /* where they begin */
    unsigned char digit_count;
    unsigned char description; /* where it begins */
    unsigned char description_len;
};

enum for_engine { EVERY_ENGINE, THIS_ENGINE, ANOTHER_ENGINE };

VEC_DEFINE(files, struct file);
VEC_DEFINE(migrations, struct migration);
VEC_DEFINE(warnings, const char *);

struct store {
    struct catalog catalog; /* first: what is handed out */
    struct arena arena;
    struct files files; /* by id once they are sorted */
    struct migrations migrations;
    struct warnings warnings;
    struct sha256 hash;
    const struct manifest *manifest; /* NULL: it need not be signed */
    size_t listed;                   /* of its names, in the folder */
    const char *folder;
    const char *engine;
    uint32_t lexis;
    int dir;
    bool own; /* nobody else can write the folder */
};

/* The files of one id. */
struct group {
    const struct file *files;
    size_t count;
    const struct file *best[CATALOG_ROLES]; /* as this engine sees it */
};

static void store_free(struct store *store)
{
    if (!store)
        return;
    files_clear(&store->files);
    migrations_clear(&store->migrations);
    warnings_clear(&store->warnings);
    sha256_clear(&store->hash);
    arena_clear(&store->arena);
    if (store->dir >= 0)
        close(store->dir);
    free(store);
}
AUTO_POINTER(store, struct store, store_free)

void catalog_free(struct catalog *catalog)
{
    store_free((struct store *)catalog);
}

MIG_PRINTF(3, 4)
static mig_status warn(struct store *store, struct mig_err *err, const char *format, ...)
{
    AUTO(buf) struct buf text = {0};
    const char **slot = warnings_add(&store->warnings);
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (slot)
        *slot = arena_strdup(&store->arena, buf_text(&text));
    return slot && *slot && buf_ok(&text) ? MIG_OK : err_nomem(err);
}

/* ---- the folder's names ---------------------------------------------- */

static mig_status check_type(const struct store *store, const char *file, unsigned char type,
                             struct mig_err *err)
{
    if (type == DT_DIR)
        return err_set(err, MIG_E_BUNDLE,
                       "%s/%s is a folder, but named like a migration; rename or remove it",
                       store->folder, file);
    if (type != DT_REG && type != DT_LNK && type != DT_UNKNOWN)
        return err_set(err, MIG_E_REFUSED,
                       "%s/%s is neither a file nor a folder; only regular files can be "
                       "migrations",
                       store->folder, file);
    return MIG_OK;
}

/* Of a link, or where the file system does not tell: what opening it shows. */
static mig_status probe_type(const struct store *store, const char *file, unsigned char type,
                             struct mig_err *err)
{
    AUTO(close) int fd = -1;
    struct stat info;

    if (type == DT_REG)
        return MIG_OK;
    if (fstatat(store->dir, file, &info, 0) == 0 && S_ISDIR(info.st_mode))
        return check_type(store, file, DT_DIR, err);
    return fs_open_beneath(store->dir, store->folder, file, &fd, err);
}

static mig_status warn_engine(struct store *store, const struct bundle_name *name, const char *file,
                              struct mig_err *err)
{
    static const char *const known[] = {"sqlite", "postgres", "mysql", "mariadb"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == name->engine_len &&
            memcmp(known[i], name->engine, name->engine_len) == 0)
            return MIG_OK;
    return warn(store, err,
                "%s is ignored: what stands between the last two dots before its ending, \"%.*s\", "
                "is read as an engine; use underscores in a description",
                file, (int)name->engine_len, name->engine);
}

static enum for_engine for_engine(const struct store *store, const struct bundle_name *name)
{
    if (name->engine_len == 0)
        return EVERY_ENGINE;
    return name->engine_len == strlen(store->engine) &&
                   memcmp(name->engine, store->engine, name->engine_len) == 0
               ? THIS_ENGINE
               : ANOTHER_ENGINE;
}

/* A name has at most 255 bytes (NAME_MAX). */
static unsigned char place_in(const char *name, const char *piece)
{
    return piece ? (unsigned char)(piece - name) : 0;
}

static mig_status check_file(const struct store *store, const struct dirent *found,
                             const struct bundle_name *name, struct mig_err *err)
{
    MIG_TRY(check_type(store, found->d_name, found->d_type, err));
    MIG_TRY(probe_type(store, found->d_name, found->d_type, err));
    if (text_utf8_check(found->d_name, strlen(found->d_name), NULL))
        return MIG_OK;
    return err_set(err, MIG_E_BUNDLE,
                   "a file of the bundle %s has a name that is not UTF-8, with the id %.*s",
                   store->folder, (int)name->digit_count, name->digits);
}

/* Some tools have a folder for each migration. Nobody would notice that what is
 * in it is not read: nothing to do is no failure. */
static mig_status warn_folder(struct store *store, const char *name, struct mig_err *err)
{
    char inside[FS_PATH_SIZE];

    MIG_TRY(fs_join(inside, sizeof inside, name, "up.sql", err));
    if (faccessat(store->dir, inside, F_OK, 0) != 0)
        return MIG_OK;
    return warn(store, err,
                "%s is ignored: it is a folder, and only the bundle's own files are read; move "
                "what is in it here, as <id>_<description>.up.sql and .down.sql",
                name);
}

static mig_status add_file(struct store *store, const struct dirent *found, struct mig_err *err)
{
    struct bundle_name name;
    struct file *file;

    bundle_name_parse(found->d_name, &name);
    if (name.kind == BUNDLE_NAME_OTHER && found->d_type == DT_DIR)
        return warn_folder(store, found->d_name, err);
    if (name.kind == BUNDLE_NAME_OTHER ||
        (name.kind == BUNDLE_NAME_NEAR && found->d_type == DT_DIR))
        return MIG_OK;
    if (name.kind == BUNDLE_NAME_NEAR)
        return warn(store, err, "%s is ignored: it %s", found->d_name, name.why);
    if (name.kind == BUNDLE_NAME_WRONG)
        return err_set(err, MIG_E_BUNDLE, "%s/%s %s", store->folder, found->d_name, name.why);
    if (name.kind != BUNDLE_NAME_SOURCE) /* which nobody opens */
        MIG_TRY(check_file(store, found, &name, err));
    file = files_add(&store->files);
    if (!file)
        return err_nomem(err);
    *file = (struct file){
        .id = name.id,
        .name = arena_strdup(&store->arena, found->d_name),
        .type = found->d_type,
        .kind = (unsigned char)name.kind,
        .role = (unsigned char)name.role,
        .engine = (unsigned char)for_engine(store, &name),
        .digits = place_in(found->d_name, name.digits),
        .digit_count = (unsigned char)name.digit_count,
        .description = place_in(found->d_name, name.description),
        .description_len = (unsigned char)name.description_len,
    };
    if (!file->name)
        return err_nomem(err);
    if (file->engine == ANOTHER_ENGINE)
        return warn_engine(store, &name, file->name, err);
    return MIG_OK;
}

/* Whether a file of the folder is one that was signed: counted, or refused. */
static mig_status check_listed(struct store *store, const struct dirent *found, struct mig_err *err)
{
    if (!store->manifest || manifest_is_own(found->d_name))
        return MIG_OK;
    if (manifest_find(store->manifest, found->d_name))
        store->listed++;
    else if (!fs_is_folder(store->dir, found))
        return err_set(err, MIG_E_REFUSED, "%s/%s was added to the bundle after it was signed",
                       store->folder, found->d_name);
    return MIG_OK;
}

static mig_status take_name(void *arg, const struct dirent *found, struct mig_err *err)
{
    MIG_TRY(check_listed(arg, found, err));
    return add_file(arg, found, err);
}

static mig_status read_names(struct store *store, struct mig_err *err)
{
    MIG_TRY(fs_each(store->dir, store->folder, MIG_E_BUNDLE, take_name, store, err));
    if (store->manifest && store->listed != store->manifest->count)
        return err_set(err, MIG_E_REFUSED,
                       "a file of the signed " MANIFEST_FILE " is no longer in the bundle %s",
                       store->folder);
    return MIG_OK;
}

/* An id has 18 decimal digits at most, so there is room for the role. */
static uint64_t sort_key(const struct file *file)
{
    return file->id << 2 | file->role;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct file *)left)->name, ((const struct file *)right)->name);
}

/* One pass of a radix sort: from `from` into `to`, by the digit at `shift`.
 * False, and nothing done, where all have the same there. */
static bool sort_pass(const struct file *from, struct file *to, size_t len, unsigned shift)
{
    size_t at[DIGIT_VALUES] = {0};
    size_t sum = 0;

    for (size_t i = 0; i < len; i++)
        at[sort_key(&from[i]) >> shift & (DIGIT_VALUES - 1)]++;
    if (at[sort_key(&from[0]) >> shift & (DIGIT_VALUES - 1)] == len)
        return false;
    for (size_t i = 0; i < DIGIT_VALUES; i++) {
        size_t count = at[i];

        at[i] = sum;
        sum += count;
    }
    for (size_t i = 0; i < len; i++)
        to[at[sort_key(&from[i]) >> shift & (DIGIT_VALUES - 1)]++] = from[i];
    return true;
}

/* Those of one key, by name, so that messages do not depend on the folder. */
static void sort_equals(struct file *files, size_t len)
{
    size_t end;

    for (size_t i = 0; i < len; i = end) {
        for (end = i + 1; end < len && sort_key(&files[end]) == sort_key(&files[i]);)
            end++;
        if (end > i + 1)
            qsort(files + i, end - i, sizeof *files, compare_names);
    }
}

/* By id, role and name. Comparing is most of what sorting tens of thousands
 * would cost, and ids have few digits that differ: so by those. */
static mig_status sort_files(struct files *files, struct mig_err *err)
{
    struct file *other = calloc(files->len + 1, sizeof *other);

    if (!other)
        return err_nomem(err);
    for (unsigned shift = 0; files->len > 0 && shift < 64; shift += DIGIT_BITS)
        if (sort_pass(files->data, other, files->len, shift)) {
            struct file *sorted = other;

            other = files->data;
            files->data = sorted;
            files->cap = files->len + 1;
        }
    free(other);
    sort_equals(files->data, files->len);
    return MIG_OK;
}

/* ---- the files of one id --------------------------------------------- */

static mig_status two_with_one_id(const struct store *store, const struct file *a,
                                  const struct file *b, struct mig_err *err)
{
    return err_set(err, MIG_E_BUNDLE,
                   "%s and %s in %s have the same id; give one of the migrations another", a->name,
                   b->name, store->folder);
}

static bool same_migration(const struct file *a, const struct file *b)
{
    return a->kind == BUNDLE_NAME_SQL && b->kind == BUNDLE_NAME_SQL &&
           a->digit_count == b->digit_count && a->description_len == b->description_len &&
           memcmp(a->name + a->description, b->name + b->description, a->description_len) == 0;
}

/* The engine's own file wins over the one for every engine. */
static mig_status choose_files(const struct store *store, struct group *group, struct mig_err *err)
{
    const struct file *ups = NULL;

    for (size_t i = 0; i < group->count; i++) {
        const struct file *file = &group->files[i];
        const struct file **best = &group->best[file->role];

        if (i > 0 && !same_migration(&group->files[0], file))
            return two_with_one_id(store, &group->files[0], file, err);
        if (file->role == CATALOG_UP)
            ups = file;
        if (file->engine == THIS_ENGINE || (file->engine == EVERY_ENGINE && !*best))
            *best = file;
    }
    if (!ups)
        return err_set(err, MIG_E_BUNDLE, "%s/%s has no .up.sql beside it; add it, or remove this",
                       store->folder, group->files[0].name);
    return MIG_OK;
}

/* Blanks for underscores, as one reads it. */
static const char *describe(struct store *store, const struct file *file)
{
    char *text =
        arena_strndup(&store->arena, file->name + file->description, file->description_len);

    for (char *at = text; at && *at; at++)
        if (*at == '_')
            *at = ' ';
    return text;
}

static mig_status start_migration(struct store *store, const struct file *file,
                                  struct migration *out, struct mig_err *err)
{
    *out = (struct migration){.id = file->id};
    out->id_text = arena_strndup(&store->arena, file->name + file->digits, file->digit_count);
    out->description = describe(store, file);
    return out->id_text && out->description ? MIG_OK : err_nomem(err);
}

static mig_status add_migration(struct store *store, const struct migration *migration,
                                struct mig_err *err)
{
    struct migration *slot = migrations_add(&store->migrations);

    if (!slot)
        return err_nomem(err);
    *slot = *migration;
    return MIG_OK;
}

static mig_status file_size(int fd, const char *file, int64_t *out, struct mig_err *err)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading the size of %s", file);
    *out = (int64_t)info.st_size;
    return MIG_OK;
}

/* What is to be run must be the caller's own: an SQL text does whatever the
 * database's user may do. */
static mig_status check_owner(const struct store *store, int fd, const char *file,
                              struct mig_err *err)
{
    char path[FS_PATH_SIZE];

    if (!store->own)
        MIG_TRY(fs_check_text(store->dir, store->folder, err));
    MIG_TRY(fs_join(path, sizeof path, store->folder, file, err));
    return fs_check_text(fd, path, err);
}

/* Opens a file of the bundle. What was signed is compared in a copy that nobody
 * can change, and that copy is what is read then. */
static mig_status open_file(const struct store *store, const char *file, enum catalog_use use,
                            int *out, struct mig_err *err)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];
    AUTO(close) int fd = -1;
    AUTO(close) int copy = -1;

    MIG_TRY(fs_open_beneath(store->dir, store->folder, file, &fd, err));
    if (use == CATALOG_RUN)
        MIG_TRY(check_owner(store, fd, file, err));
    if (!store->manifest) {
        *out = fd;
        fd = -1;
        return MIG_OK;
    }
    MIG_TRY(fs_memfd(fd, file, &copy, err));
    MIG_TRY(sha256_init(&hash, err));
    MIG_TRY(sha256_fd(&hash, copy, file, digest, err));
    MIG_TRY(manifest_check(store->manifest, file, digest, err));
    *out = copy;
    copy = -1;
    return MIG_OK;
}

/* Header and checksum of an up text. */
static mig_status glance(struct store *store, struct sql_source source, struct migration *migration,
                         struct mig_err *err)
{
    struct sql_facts facts;

    MIG_TRY(sqltext_glance(&source, store->lexis, &facts, err));
    memcpy(migration->checksum, facts.checksum, sizeof facts.checksum);
    if (facts.settings.has_mode)
        migration->mode = facts.settings.mode;
    if (facts.settings.gate[0]) {
        migration->gate = arena_strdup(&store->arena, facts.settings.gate);
        if (!migration->gate)
            return err_nomem(err);
    }
    migration->is_empty = facts.statements == 0;
    return MIG_OK;
}

/* ---- SQL files ------------------------------------------------------- */

/* A listing opens thousands of files, so a small one costs three system calls:
 * open, read, close. Whatever is not plain goes the careful way. */
static bool read_small(const struct store *store, const struct file *file, char *small,
                       int64_t *len)
{
    AUTO(close) int fd = -1;

    if (file->type != DT_REG)
        return false;
    fd = openat(store->dir, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    *len = fd < 0 ? -1 : (int64_t)pread(fd, small, SMALL_FILE, 0);
    return *len >= 0 && *len < SMALL_FILE;
}

static mig_status check_bytes(struct store *store, const char *file, const void *data, int64_t len,
                              struct mig_err *err)
{
    unsigned char digest[MIG_SHA256_BYTES];

    if (!store->manifest)
        return MIG_OK;
    MIG_TRY(sha256_data(&store->hash, data, (size_t)len, digest, err));
    return manifest_check(store->manifest, file, digest, err);
}

static mig_status glance_file(struct store *store, const struct file *up,
                              struct migration *migration, struct mig_err *err)
{
    AUTO(close) int fd = -1;
    char small[SMALL_FILE];
    struct sql_source source = {.name = up->name, .fd = -1};

    if (read_small(store, up, small, &source.len)) {
        MIG_TRY(check_bytes(store, up->name, small, source.len, err));
        source.data = small;
    } else {
        MIG_TRY(open_file(store, up->name, CATALOG_LOOK, &fd, err));
        MIG_TRY(file_size(fd, up->name, &source.len, err));
        source.fd = fd;
    }
    return glance(store, source, migration, err);
}

static mig_status load_sql(struct store *store, const struct group *group, struct mig_err *err)
{
    const struct file *up = group->best[CATALOG_UP];
    struct migration migration;

    MIG_TRY(start_migration(store, up, &migration, err));
    migration.kind = MIGHOST_SQL;
    for (size_t role = 0; role < CATALOG_ROLES; role++)
        if (group->best[role])
            migration.parts[role] =
                (struct catalog_part){.file = group->best[role]->name, .len = -1};
    migration.has_down = group->best[CATALOG_DOWN] != NULL;
    migration.has_verify = group->best[CATALOG_VERIFY] != NULL;
    MIG_TRY(glance_file(store, up, &migration, err));
    return add_migration(store, &migration, err);
}

/* ---- modules --------------------------------------------------------- */

/* The SQL texts lie in the module; one without an up text for this engine is
 * no part of its history, as an .up.sql of another engine is none. */
static mig_status load_sql_module(struct store *store, int fd, const char *file,
                                  const struct note *note, struct migration *migration,
                                  struct mig_err *err)
{
    static const enum mig_sql_role roles[CATALOG_ROLES] = {[CATALOG_UP] = MIG_SQL_UP,
                                                           [CATALOG_DOWN] = MIG_SQL_DOWN,
                                                           [CATALOG_VERIFY] = MIG_SQL_VERIFY};
    struct sql_source source = {.name = file, .fd = fd};

    for (size_t role = 0; role < CATALOG_ROLES; role++) {
        const struct note_sql *sql = note_find_sql(note, roles[role], store->engine);

        if (sql)
            migration->parts[role] = (struct catalog_part){file, sql->offset, sql->len};
    }
    if (!migration->parts[CATALOG_UP].file)
        return MIG_OK;
    migration->kind = MIGHOST_SQL_MODULE;
    migration->has_down = migration->parts[CATALOG_DOWN].file != NULL;
    migration->has_verify = migration->parts[CATALOG_VERIFY].file != NULL;
    source.offset = migration->parts[CATALOG_UP].offset;
    source.len = migration->parts[CATALOG_UP].len;
    MIG_TRY(glance(store, source, migration, err));
    return add_migration(store, migration, err);
}

static mig_status load_native(struct store *store, int fd, const char *file,
                              const struct note *note, struct migration *migration,
                              struct mig_err *err)
{
    const bool has[CATALOG_ROLES] = {note->has_up, note->has_down, note->has_verify};

    for (size_t role = 0; role < CATALOG_ROLES; role++)
        if (has[role])
            migration->parts[role] = (struct catalog_part){.file = file, .len = -1};
    migration->kind = MIGHOST_NATIVE;
    migration->has_down = note->has_down;
    migration->has_verify = note->has_verify;
    MIG_TRY(sha256_fd(&store->hash, fd, file, migration->checksum, err));
    return add_migration(store, migration, err);
}

static mig_status load_module(struct store *store, const struct file *module, struct mig_err *err)
{
    AUTO(close) int fd = -1;
    const char *file = module->name;
    struct migration migration;
    struct note note;

    MIG_TRY(open_file(store, file, CATALOG_LOOK, &fd, err));
    MIG_TRY(note_read_fd(fd, file, &note, err));
    if (note.id_value != module->id)
        return err_set(err, MIG_E_REFUSED,
                       "%s says in its note that it is the migration %s; name the file after the "
                       "id that it was built for",
                       file, note.id);
    if (!note_allows(&note, store->engine))
        return warn(store, err, "%s is left out: it is for %s, not for %s", file, note.drivers,
                    store->engine);
    MIG_TRY(start_migration(store, module, &migration, err));
    migration.description = arena_strdup(&store->arena, note.description);
    if (!migration.description)
        return err_nomem(err);
    migration.mode = note.mode;
    if (note.sql_only)
        return load_sql_module(store, fd, file, &note, &migration, err);
    return load_native(store, fd, file, &note, &migration, err);
}

/* Sources stand last in a group: how many of its files are others. Who deploys
 * the sources in place of what is built of them is told. */
static mig_status leave_sources(struct store *store, const struct file *files, size_t *count,
                                struct mig_err *err)
{
    size_t all = *count;

    while (*count > 0 && files[*count - 1].kind == BUNDLE_NAME_SOURCE)
        --*count;
    if (*count == all || (*count > 0 && files[0].kind == BUNDLE_NAME_MODULE))
        return MIG_OK;
    return warn(store, err,
                "%s is ignored: it is the source of a module that is not here; build it, and name "
                "the folder that it is built into with -m",
                files[*count].name);
}

/* ---- all of them ----------------------------------------------------- */

static mig_status load_group(struct store *store, const struct file *files, size_t count,
                             struct mig_err *err)
{
    struct group group = {.files = files};

    MIG_TRY(leave_sources(store, files, &count, err));
    group.count = count;
    if (count == 0)
        return MIG_OK;
    if (files[0].kind == BUNDLE_NAME_MODULE) {
        if (count > 1)
            return two_with_one_id(store, &files[0], &files[1], err);
        return load_module(store, &files[0], err);
    }
    MIG_TRY(choose_files(store, &group, err));
    return group.best[CATALOG_UP] ? load_sql(store, &group, err) : MIG_OK;
}

static mig_status load_groups(struct store *store, struct mig_err *err)
{
    const struct file *files;
    size_t len = store->files.len;
    size_t end;

    MIG_TRY(sort_files(&store->files, err));
    files = store->files.data;
    for (size_t i = 0; i < len; i = end) {
        for (end = i + 1; end < len && files[end].id == files[i].id;)
            end++;
        for (size_t j = i + NAMES_AHEAD; j < end + NAMES_AHEAD && j < len; j++)
            __builtin_prefetch(files[j].name);
        MIG_TRY(load_group(store, files + i, end - i, err));
    }
    return MIG_OK;
}

static mig_status load_registered(struct store *store, const struct mig_module *module,
                                  struct mig_err *err)
{
    struct migration migration = {.kind = MIGHOST_REGISTERED,
                                  .mode = (enum mig_mode)module->mode,
                                  .id_text = module->id,
                                  .description = module->description,
                                  .has_down = module->down != NULL,
                                  .has_verify = module->verify != NULL,
                                  .registered = module};
    struct note note = {0};

    memcpy(note.drivers, module->drivers, sizeof note.drivers);
    MIG_TRY(id_parse(module->id, &migration.id, err));
    if (!note_allows(&note, store->engine))
        return MIG_OK;
    return add_migration(store, &migration, err);
}

static int compare_migrations(const void *left, const void *right)
{
    uint64_t a = ((const struct migration *)left)->id;
    uint64_t b = ((const struct migration *)right)->id;

    return a < b ? -1 : a > b;
}

static const char *source_of(const struct migration *migration)
{
    return migration->registered ? "a function of the program" : migration->parts[CATALOG_UP].file;
}

/* Sorts them in among those of the bundle. */
static mig_status merge_registered(struct store *store, const struct mig_module *const *registered,
                                   struct mig_err *err)
{
    const struct migration *items;

    if (!registered || !*registered)
        return MIG_OK;
    for (; *registered; registered++)
        MIG_TRY(load_registered(store, *registered, err));
    if (store->migrations.len == 0)
        return MIG_OK;
    qsort(store->migrations.data, store->migrations.len, sizeof *items, compare_migrations);
    items = store->migrations.data;
    for (size_t i = 1; i < store->migrations.len; i++)
        if (items[i].id == items[i - 1].id)
            return err_set(err, MIG_E_BUNDLE, "the id %s is given twice: %s and %s",
                           items[i].id_text, source_of(&items[i - 1]), source_of(&items[i]));
    return MIG_OK;
}

/* A file that cannot be opened or read is a fault of the bundle. */
static mig_status as_bundle(mig_status status, struct mig_err *err)
{
    if (status == MIG_E_IO || status == MIG_E_NOTFOUND)
        err->status = status = MIG_E_BUNDLE;
    return status;
}

static mig_status open_folder(struct store *store, const char *folder, struct mig_err *err)
{
    mig_status status = fs_open_dir(folder, &store->dir, err);
    struct mig_err ignored;

    if (status == MIG_E_NOTFOUND)
        return err_set(err, MIG_E_BUNDLE,
                       "there is no bundle %s; name the folder of the migrations with -m", folder);
    store->own = status == MIG_OK && fs_check_text(store->dir, folder, &ignored) == MIG_OK;
    return as_bundle(status, err);
}

static mig_status store_new(const char *folder, const char *engine, struct store **out,
                            struct mig_err *err)
{
    AUTO(store) struct store *store = calloc(1, sizeof *store);

    if (!store)
        return err_nomem(err);
    store->dir = -1;
    store->folder = arena_strdup(&store->arena, folder);
    store->engine = arena_strdup(&store->arena, engine);
    if (!store->folder || !store->engine)
        return err_nomem(err);
    MIG_TRY(sha256_init(&store->hash, err));
    MIG_TRY(open_folder(store, folder, err));
    *out = TAKE(store);
    return MIG_OK;
}

static void publish(struct store *store)
{
    if (store->warnings.len > 0)
        qsort(store->warnings.data, store->warnings.len, sizeof *store->warnings.data, text_order);
    store->catalog.count = store->migrations.len;
    store->catalog.items = store->migrations.data;
    store->catalog.warning_count = store->warnings.len;
    store->catalog.warnings = store->warnings.data;
}

mig_status catalog_load(const char *folder, const char *engine, uint32_t lexis,
                        const struct mig_module *const *registered, const struct manifest *manifest,
                        struct catalog **out, struct mig_err *err)
{
    AUTO(store) struct store *store = NULL;

    MIG_TRY(store_new(folder, engine, &store, err));
    store->lexis = lexis;
    store->manifest = manifest;
    MIG_TRY(as_bundle(read_names(store, err), err));
    MIG_TRY(as_bundle(load_groups(store, err), err));
    files_clear(&store->files);
    MIG_TRY(merge_registered(store, registered, err));
    publish(store);
    *out = &TAKE(store)->catalog;
    return MIG_OK;
}

const struct migration *catalog_find(const struct catalog *catalog, uint64_t id)
{
    size_t low = 0;
    size_t high = catalog->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (catalog->items[middle].id == id)
            return &catalog->items[middle];
        if (catalog->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

mig_status catalog_open_part(const struct catalog *catalog, const struct migration *migration,
                             enum catalog_role role, enum catalog_use use,
                             struct sql_source *source, struct mig_err *err)
{
    const struct store *store = (const struct store *)catalog;
    const struct catalog_part *part = &migration->parts[role];
    AUTO(close) int fd = -1;
    int64_t len = part->len;
    mig_status status;

    if (!part->file)
        return err_set(err, MIG_E_BUNDLE, "the migration %s has no such text in the bundle",
                       migration->id_text);
    status = open_file(store, part->file, use, &fd, err);
    if (status == MIG_E_NOTFOUND)
        return err_set(err, MIG_E_BUNDLE, "%s/%s is gone; leave the bundle alone during a run",
                       store->folder, part->file);
    if (status == MIG_OK && len < 0)
        status = file_size(fd, part->file, &len, err);
    if (status != MIG_OK)
        return as_bundle(status, err);
    *source = (struct sql_source){
        .name = part->file,
        .fd = fd,
        .offset = part->offset,
        .len = len,
    };
    fd = -1;
    return MIG_OK;
}
