/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata notes. Copies a note's bytes out of the file and reads its members
 * by their offsets, never through a struct laid over the file, so that any bit
 * pattern is safe. Nothing is interpreted before the ABI is known to be ours,
 * and nothing is handed out that does not make sense. Knows nothing of folders.
 */
#include "note.h"

#include "elf_file.h"
#include "text.h"

/* A member of the note as it lies in the file. */
#define MEMBER(raw, member) ((raw) + offsetof(struct mig_note, member))

struct reading {
    struct note note;
    size_t modules; /* module notes seen */
};

mig_status note_check_abi(const char *name, unsigned major, unsigned minor, struct mig_err *err)
{
    if (major == MIG_ABI_MAJOR && minor <= MIG_ABI_MINOR)
        return MIG_OK;
    return err_set(err, MIG_E_REFUSED, "%s was built for ABI %u.%u; this host speaks %d.%d; %s",
                   name, major, minor, MIG_ABI_MAJOR, MIG_ABI_MINOR,
                   major == MIG_ABI_MAJOR ? "use a newer host, or build it with the older SDK"
                                          : "build it with this host's SDK");
}

static mig_status wrong(const struct elf *elf, const char *what, struct mig_err *err)
{
    return err_set(err, MIG_E_BUNDLE, "the metadata note of %s is wrong: %s; build it again",
                   elf->name, what);
}

static bool check_id(const char *id, uint64_t *value)
{
    int64_t parsed;

    if (!text_parse_int(id, 0, INT64_MAX, &parsed) || strlen(id) > 18 || id[0] == '-')
        return false;
    *value = (uint64_t)parsed;
    return true;
}

static bool check_name(const char *name, const char *more)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

    for (; *name; name++) {
        if (!strchr(allowed, *name) && !strchr(more, *name))
            return false;
    }
    return true;
}

/* Copies a text member that must end within its array. */
static bool copy_text(char *out, const unsigned char *from, size_t size)
{
    if (!memchr(from, '\0', size))
        return false;
    memcpy(out, from, size);
    return true;
}

static bool copy_flag(bool *out, const unsigned char *from)
{
    *out = *from != 0;
    return *from <= 1;
}

static mig_status parse_texts(const struct elf *elf, const unsigned char *raw, struct note *note,
                              struct mig_err *err)
{
    if (!copy_text(note->id, MEMBER(raw, id), sizeof note->id) ||
        !check_id(note->id, &note->id_value))
        return wrong(elf, "its id is not 1 to 18 digits", err);
    if (!copy_text(note->description, MEMBER(raw, description), sizeof note->description) ||
        !text_utf8_check(note->description, strlen(note->description), NULL))
        return wrong(elf, "its description is not UTF-8 text", err);
    if (!copy_text(note->drivers, MEMBER(raw, drivers), sizeof note->drivers) ||
        !check_name(note->drivers, ","))
        return wrong(elf, "its list of drivers is not names and commas", err);
    return MIG_OK;
}

static mig_status parse_module(const struct elf *elf, const unsigned char *raw, struct note *note,
                               struct mig_err *err)
{
    mig_status status = parse_texts(elf, raw, note, err);
    uint32_t mode;

    if (status != MIG_OK)
        return status;
    memcpy(&mode, MEMBER(raw, mode), sizeof mode);
    if (mode > MIG_NONE)
        return wrong(elf, "its mode is unknown", err);
    note->mode = (enum mig_mode)mode;
    if (!copy_flag(&note->has_up, MEMBER(raw, up)) ||
        !copy_flag(&note->has_down, MEMBER(raw, down)) ||
        !copy_flag(&note->has_verify, MEMBER(raw, verify)) ||
        !copy_flag(&note->sql_only, MEMBER(raw, sql_only)))
        return wrong(elf, "a flag is neither 0 nor 1", err);
    if (!note->has_up)
        return wrong(elf, "it has no up()", err);
    return MIG_OK;
}

static mig_status visit_module(struct elf *elf, const struct elf_note *found,
                               struct reading *reading, struct mig_err *err)
{
    unsigned char raw[sizeof(struct mig_note)];
    struct note *note = &reading->note;
    size_t head = offsetof(struct mig_note, id);
    uint32_t size;
    mig_status status;

    if (++reading->modules > 1)
        return err_set(err, MIG_E_BUNDLE,
                       "%s has two metadata notes; a module has one MIG_MODULE()", elf->name);
    if (found->desc_size < head)
        return wrong(elf, "it is cut short", err);
    status = elf_read(elf, found->desc_offset, raw, head, err);
    if (status != MIG_OK)
        return status;
    memcpy(&size, MEMBER(raw, size), sizeof size);
    memcpy(&note->abi_major, MEMBER(raw, abi_major), sizeof note->abi_major);
    memcpy(&note->abi_minor, MEMBER(raw, abi_minor), sizeof note->abi_minor);
    status = note_check_abi(elf->name, note->abi_major, note->abi_minor, err);
    if (status != MIG_OK)
        return status;
    if (size < sizeof raw || size > found->desc_size)
        return wrong(elf, "its size is not that of its ABI", err);
    status = elf_read(elf, found->desc_offset, raw, sizeof raw, err);
    return status == MIG_OK ? parse_module(elf, raw, note, err) : status;
}

static mig_status add_sql(const struct elf *elf, struct note *note, const struct note_sql *sql,
                          struct mig_err *err)
{
    for (size_t i = 0; i < note->sql_count; i++) {
        if (note->sql[i].role == sql->role && strcmp(note->sql[i].engine, sql->engine) == 0)
            return wrong(elf, "it holds two SQL texts for the same purpose", err);
    }
    if (note->sql_count == NOTE_SQL_MAX)
        return wrong(elf, "it holds too many SQL texts", err);
    note->sql[note->sql_count++] = *sql;
    return MIG_OK;
}

static mig_status visit_sql(struct elf *elf, const struct elf_note *found, struct note *note,
                            struct mig_err *err)
{
    struct mig_note_sql raw;
    struct note_sql sql = {0};
    mig_status status;

    if (found->desc_size < sizeof raw)
        return wrong(elf, "an SQL text is cut short", err);
    status = elf_read(elf, found->desc_offset, &raw, sizeof raw, err);
    if (status != MIG_OK)
        return status;
    if (raw.size < sizeof raw || raw.size > found->desc_size)
        return wrong(elf, "an SQL text begins behind its end", err);
    if (raw.role < MIG_SQL_UP || raw.role > MIG_SQL_VERIFY)
        return wrong(elf, "an SQL text has an unknown role", err);
    if (!copy_text(sql.engine, (const unsigned char *)raw.engine, sizeof sql.engine) ||
        !check_name(sql.engine, ""))
        return wrong(elf, "an SQL text names no engine", err);
    sql.role = (enum mig_sql_role)raw.role;
    sql.offset = found->desc_offset + raw.size;
    sql.len = found->desc_size - raw.size;
    return add_sql(elf, note, &sql, err);
}

static mig_status visit(struct elf *elf, const struct elf_note *found, void *arg,
                        struct mig_err *err)
{
    struct reading *reading = arg;

    if (strcmp(found->owner, MIG_NOTE_OWNER) != 0)
        return MIG_OK;
    if (found->type == MIG_NOTE_MODULE)
        return visit_module(elf, found, reading, err);
    if (found->type == MIG_NOTE_SQL)
        return visit_sql(elf, found, &reading->note, err);
    return MIG_OK; /* of a later minor, which may be ignored */
}

static bool has_role(const struct note *note, enum mig_sql_role role)
{
    for (size_t i = 0; i < note->sql_count; i++) {
        if (note->sql[i].role == role)
            return true;
    }
    return false;
}

/* Flags and SQL texts must tell the same. */
static mig_status check_sql(const struct elf *elf, const struct note *note, struct mig_err *err)
{
    if (!note->sql_only && note->sql_count)
        return wrong(elf, "a native module holds SQL texts", err);
    if (note->sql_only &&
        (!has_role(note, MIG_SQL_UP) || has_role(note, MIG_SQL_DOWN) != note->has_down ||
         has_role(note, MIG_SQL_VERIFY) != note->has_verify))
        return wrong(elf, "its flags and its SQL texts disagree", err);
    return MIG_OK;
}

static mig_status note_read(struct elf *elf, struct note *out, struct mig_err *err)
{
    struct reading reading = {0};
    mig_status status = elf_notes(elf, visit, &reading, err);

    if (status != MIG_OK)
        return status;
    if (reading.modules == 0)
        return err_set(err, MIG_E_BUNDLE,
                       "%s is not a migration module: it has no metadata note, which "
                       "MIG_MODULE() writes",
                       elf->name);
    status = check_sql(elf, &reading.note, err);
    if (status == MIG_OK)
        *out = reading.note;
    return status;
}

mig_status note_read_fd(int fd, const char *name, struct note *out, struct mig_err *err)
{
    struct elf elf;
    mig_status status = elf_open_fd(&elf, fd, name, err);

    return status == MIG_OK ? note_read(&elf, out, err) : status;
}

mig_status note_read_bytes(const void *bytes, size_t size, const char *name, struct note *out,
                           struct mig_err *err)
{
    struct elf elf;
    mig_status status = elf_open_bytes(&elf, bytes, size, name, err);

    return status == MIG_OK ? note_read(&elf, out, err) : status;
}

const struct note_sql *note_find_sql(const struct note *note, enum mig_sql_role role,
                                     const char *engine)
{
    const struct note_sql *any = NULL;

    for (size_t i = 0; i < note->sql_count; i++) {
        if (note->sql[i].role != role)
            continue;
        if (strcmp(note->sql[i].engine, engine) == 0)
            return &note->sql[i];
        if (!note->sql[i].engine[0])
            any = &note->sql[i];
    }
    return any;
}

bool note_allows(const struct note *note, const char *engine)
{
    size_t len = strlen(engine);
    const char *at = note->drivers;

    if (!*at)
        return true;
    while (*at) {
        size_t name = strcspn(at, ",");

        if (name == len && memcmp(at, engine, len) == 0)
            return true;
        at += name + (at[name] == ',');
    }
    return false;
}
