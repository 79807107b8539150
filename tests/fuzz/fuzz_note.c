/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules as files: their metadata note and what a loader would do with them.
 * Reading from memory and from a file, which goes by windows, must tell the
 * same, and a note that is handed out must make sense and lie in the file.
 */
#include "fuzz.h"

#include "base/elf_file.h"
#include "core/note.h"

static void check_note(const struct note *note, size_t size)
{
    FUZZ_CHECK(note->has_up);
    FUZZ_CHECK(memchr(note->id, '\0', sizeof note->id) &&
               strtoull(note->id, NULL, 10) == note->id_value);
    FUZZ_CHECK(memchr(note->description, '\0', sizeof note->description));
    FUZZ_CHECK(memchr(note->drivers, '\0', sizeof note->drivers));
    FUZZ_CHECK(note->mode <= MIG_NONE && note->sql_count <= NOTE_SQL_MAX);
    FUZZ_CHECK(note->sql_only == (note->sql_count > 0));
    for (size_t i = 0; i < note->sql_count; i++) {
        const struct note_sql *sql = &note->sql[i];

        FUZZ_CHECK(sql->offset >= 0 && sql->len >= 0);
        FUZZ_CHECK((uint64_t)sql->offset + (uint64_t)sql->len <= size);
        FUZZ_CHECK(note_find_sql(note, sql->role, sql->engine) == sql);
        (void)note_allows(note, sql->engine);
    }
    FUZZ_CHECK(note->drivers[0] || note_allows(note, "sqlite"));
}

static void fuzz_notes(const void *bytes, size_t size, int fd)
{
    struct note in_memory, in_file;
    struct mig_err err = {0}, err_file = {0};
    mig_status status;

    memset(&in_memory, 0, sizeof in_memory);
    memset(&in_file, 0, sizeof in_file);
    status = note_read_bytes(bytes, size, "x.so", &in_memory, &err);
    FUZZ_CHECK(note_read_fd(fd, "x.so", &in_file, &err_file) == status);
    FUZZ_CHECK(strcmp(err.message, err_file.message) == 0);
    FUZZ_CHECK(in_memory.id_value == in_file.id_value && in_memory.mode == in_file.mode);
    FUZZ_CHECK(in_memory.sql_count == in_file.sql_count);
    if (status == MIG_OK)
        check_note(&in_memory, size);
    else
        fuzz_check_error(&err);
}

static mig_status read_facts(struct elf *elf, struct elf_facts *facts, struct mig_err *err)
{
    mig_status status = elf_facts_read(elf, facts, err);

    if (status != MIG_OK)
        fuzz_check_error(err);
    for (size_t i = 0; status == MIG_OK && i < facts->needed_count; i++)
        FUZZ_CHECK(memchr(facts->needed[i], '\0', ELF_NAME_SIZE));
    return status;
}

static void fuzz_facts(const void *bytes, size_t size, int fd)
{
    struct elf_facts in_memory = {0}, in_file = {0};
    struct elf elf;
    struct mig_err err = {0};
    mig_status status = elf_open_bytes(&elf, bytes, size, "x.so", &err);

    if (status == MIG_OK)
        status = read_facts(&elf, &in_memory, &err);
    if (elf_open_fd(&elf, fd, "x.so", &err) == MIG_OK)
        FUZZ_CHECK(read_facts(&elf, &in_file, &err) == status);
    if (status != MIG_OK)
        return;
    FUZZ_CHECK(in_memory.needed_count == in_file.needed_count);
    FUZZ_CHECK(in_memory.textrel == in_file.textrel && in_memory.rpath == in_file.rpath);
    FUZZ_CHECK(in_memory.execstack == in_file.execstack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *bytes = fuzz_copy(data, size);
    int fd = fuzz_file(data, size);

    fuzz_notes(bytes, size, fd);
    fuzz_facts(bytes, size, fd);
    close(fd);
    free(bytes);
    return 0;
}
