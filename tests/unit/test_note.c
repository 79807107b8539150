/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata notes: what is read out of a built module, out of a made-up one
 * with any content, and that nothing a file holds makes the reader read
 * outside of it. Truncated, flipped and hostile files are tried by thousands.
 */
#include "auto.h"
#include "note.h"
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

static struct mig_err err;

/* A file with one PT_NOTE segment and nothing else. */
struct image {
    ElfW(Ehdr) header;
    ElfW(Phdr) segment;
    size_t len;
    unsigned char notes[4096];
};

#define NOTES_AT offsetof(struct image, notes)

static struct image image_new(void)
{
    struct image image = {0};

    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = ET_DYN;
    image.header.e_machine = EM_X86_64;
    image.header.e_version = EV_CURRENT;
    image.header.e_phoff = offsetof(struct image, segment);
    image.header.e_phentsize = sizeof image.segment;
    image.header.e_phnum = 1;
    image.segment.p_type = PT_NOTE;
    image.segment.p_offset = NOTES_AT;
    image.segment.p_align = 4;
    return image;
}

static void add_words(struct image *image, const uint32_t *words, size_t count)
{
    memcpy(image->notes + image->len, words, count * sizeof *words);
    image->len += count * sizeof *words;
    image->segment.p_filesz = image->len;
}

static void add_note(struct image *image, const char *owner, uint32_t type, const void *desc,
                     size_t size)
{
    uint32_t head[] = {(uint32_t)strlen(owner) + 1, (uint32_t)size, type};

    add_words(image, head, 3);
    memcpy(image->notes + image->len, owner, head[0]);
    image->len += (head[0] + 3) & ~3u;
    memcpy(image->notes + image->len, desc, size);
    image->len += (size + 3) & ~(size_t)3;
    image->segment.p_filesz = image->len;
}

static struct mig_note plain(void)
{
    return (struct mig_note){.size = sizeof(struct mig_note),
                             .abi_major = MIG_ABI_MAJOR,
                             .abi_minor = MIG_ABI_MINOR,
                             .id = "20240126130000",
                             .description = "hash user e-mails",
                             .mode = MIG_DURABLE,
                             .drivers = "sqlite,postgres",
                             .up = true,
                             .down = true};
}

static mig_status read_image(const struct image *image, struct note *out)
{
    return note_read_bytes(image, NOTES_AT + image->len, "x.so", out, &err);
}

static mig_status read_note(const struct mig_note *note, struct note *out)
{
    struct image image = image_new();

    add_note(&image, "GNU", 3, "build-id", 8);
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, note, sizeof *note);
    return read_image(&image, out);
}

static void add_sql(struct image *image, uint32_t role, const char *engine, const char *text)
{
    struct mig_note_sql head = {.size = sizeof head, .role = role};
    char desc[256];

    snprintf(head.engine, sizeof head.engine, "%s", engine);
    memcpy(desc, &head, sizeof head);
    memcpy(desc + sizeof head, text, strlen(text));
    add_note(image, MIG_NOTE_OWNER, MIG_NOTE_SQL, desc, sizeof head + strlen(text));
}

Test(note, all_members_are_read)
{
    struct mig_note raw = plain();
    struct note note;

    cr_assert_eq(read_note(&raw, &note), MIG_OK, "%s", err.message);
    cr_assert_str_eq(note.id, "20240126130000");
    cr_assert_eq(note.id_value, 20240126130000);
    cr_assert_str_eq(note.description, "hash user e-mails");
    cr_assert_str_eq(note.drivers, "sqlite,postgres");
    cr_assert_eq(note.mode, MIG_DURABLE);
    cr_assert(note.has_up && note.has_down && !note.has_verify && !note.sql_only);
    cr_assert_eq(note.sql_count, 0);
}

Test(note, drivers_are_matched_by_whole_names)
{
    struct mig_note raw = plain();
    struct note note;

    cr_assert_eq(read_note(&raw, &note), MIG_OK);
    cr_assert(note_allows(&note, "sqlite"));
    cr_assert(note_allows(&note, "postgres"));
    cr_assert_not(note_allows(&note, "postgre"));
    cr_assert_not(note_allows(&note, "mysql"));
    raw.drivers[0] = '\0';
    cr_assert_eq(read_note(&raw, &note), MIG_OK);
    cr_assert(note_allows(&note, "mysql"));
}

Test(note, the_longest_id_and_leading_zeros_are_fine)
{
    struct mig_note raw = plain();
    struct note note;

    snprintf(raw.id, sizeof raw.id, "999999999999999999");
    cr_assert_eq(read_note(&raw, &note), MIG_OK);
    cr_assert_eq(note.id_value, 999999999999999999);
    snprintf(raw.id, sizeof raw.id, "0007");
    cr_assert_eq(read_note(&raw, &note), MIG_OK);
    cr_assert_eq(note.id_value, 7);
    cr_assert_str_eq(note.id, "0007");
}

Test(note, an_id_that_is_not_digits_is_wrong)
{
    const char *const bad[] = {"", "-5", "12a", " 12", "1234567890123456789"};
    struct mig_note raw = plain();
    struct note note;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(raw.id, sizeof raw.id, "%s", bad[i]);
        cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE, "%s", bad[i]);
    }
}

Test(note, texts_must_end_within_their_arrays)
{
    struct mig_note raw = plain();
    struct note note;

    memset(raw.id, '1', sizeof raw.id);
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw = plain();
    memset(raw.description, 'x', sizeof raw.description);
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw = plain();
    memset(raw.drivers, 'x', sizeof raw.drivers);
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
}

Test(note, senseless_members_are_wrong)
{
    struct mig_note raw = plain();
    unsigned char two = 2;
    struct note note;

    raw.mode = 3;
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw = plain();
    raw.description[3] = '\xFF';
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw = plain();
    raw.drivers[3] = ' ';
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw = plain();
    raw.up = false;
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, "no up()"));
    raw = plain();
    memcpy((char *)&raw + offsetof(struct mig_note, verify), &two, 1);
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
}

Test(note, another_abi_is_refused_with_both_sides_named)
{
    struct mig_note raw = plain();
    struct note note;

    raw.abi_major = 2;
    raw.abi_minor = 1;
    memset(raw.id, 'x', sizeof raw.id); /* not even looked at */
    cr_assert_eq(read_note(&raw, &note), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "built for ABI 2.1; this host speaks 1.0"), "%s", err.message);
    raw = plain();
    raw.abi_minor = MIG_ABI_MINOR + 1;
    cr_assert_eq(read_note(&raw, &note), MIG_E_REFUSED);
}

Test(note, its_size_must_fit)
{
    struct mig_note raw = plain();
    struct image image = image_new();
    struct note note;

    raw.size = sizeof raw - 1;
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw.size = sizeof raw + 1;
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw.size = UINT32_MAX;
    cr_assert_eq(read_note(&raw, &note), MIG_E_BUNDLE);
    raw = plain();
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, 7);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
}

Test(note, none_and_two_are_errors)
{
    struct mig_note raw = plain();
    struct image image = image_new();
    struct note note;

    add_note(&image, "GNU", 3, "build-id", 8);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, "not a migration module"));
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    cr_assert_eq(read_image(&image, &note), MIG_OK);
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, "two metadata notes"));
}

Test(note, filling_between_notes_is_skipped_and_other_types_are_ignored)
{
    const uint32_t zeros[11] = {0};
    struct mig_note raw = plain();
    struct image image = image_new();
    struct note note;

    add_words(&image, zeros, 5);
    add_note(&image, MIG_NOTE_OWNER, 77, "later", 5);
    add_note(&image, "MIGHOST but longer than any", MIG_NOTE_MODULE, &raw, sizeof raw);
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    add_words(&image, zeros, 11);
    cr_assert_eq(read_image(&image, &note), MIG_OK, "%s", err.message);
}

Test(note, sql_texts_are_found_by_role_and_engine)
{
    struct mig_note raw = plain();
    struct image image = image_new();
    struct note note;

    raw.sql_only = true;
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    add_sql(&image, MIG_SQL_UP, "", "CREATE TABLE every");
    add_sql(&image, MIG_SQL_UP, "postgres", "CREATE TABLE pg");
    add_sql(&image, MIG_SQL_DOWN, "sqlite", "");
    cr_assert_eq(read_image(&image, &note), MIG_OK, "%s", err.message);
    cr_assert_eq(note.sql_count, 3);
    cr_assert_eq(note_find_sql(&note, MIG_SQL_UP, "postgres")->len, 15);
    cr_assert_arr_eq((char *)&image + note_find_sql(&note, MIG_SQL_UP, "postgres")->offset,
                     "CREATE TABLE pg", 15);
    cr_assert_arr_eq((char *)&image + note_find_sql(&note, MIG_SQL_UP, "sqlite")->offset,
                     "CREATE TABLE every", 18);
    cr_assert_eq(note_find_sql(&note, MIG_SQL_DOWN, "sqlite")->len, 0);
    cr_assert_null(note_find_sql(&note, MIG_SQL_DOWN, "postgres"));
    cr_assert_null(note_find_sql(&note, MIG_SQL_VERIFY, "sqlite"));
}

Test(note, sql_texts_and_flags_must_agree)
{
    struct mig_note raw = plain();
    struct image image = image_new();
    struct note note;

    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    add_sql(&image, MIG_SQL_UP, "", "x");
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE); /* a native one with SQL */
    image = image_new();
    raw.sql_only = true;
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    add_sql(&image, MIG_SQL_UP, "", "x");
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE); /* .down without a text */
    add_sql(&image, MIG_SQL_DOWN, "", "x");
    cr_assert_eq(read_image(&image, &note), MIG_OK);
    add_sql(&image, MIG_SQL_DOWN, "", "x");
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE); /* twice the same */
}

Test(note, wrong_sql_notes_are_refused)
{
    struct mig_note_sql head = {.size = sizeof head, .role = 4};
    struct image image = image_new();
    struct note note;

    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_SQL, &head, sizeof head);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
    image = image_new();
    head.role = 1;
    head.size = 1000;
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_SQL, &head, sizeof head);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
    image = image_new();
    head.size = sizeof head;
    memset(head.engine, 'x', sizeof head.engine);
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_SQL, &head, sizeof head);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
    image = image_new();
    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_SQL, &head, 23);
    cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE);
}

Test(note, another_machine_is_refused_with_both_sides_named)
{
    struct mig_note raw = plain();
    struct image image = image_new();
    struct note note;

    add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
    image.header.e_machine = EM_AARCH64;
    cr_assert_eq(read_image(&image, &note), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "aarch64") && strstr(err.message, "x86_64"), "%s", err.message);
    image = image_new();
    image.header.e_ident[EI_DATA] = ELFDATA2MSB;
    cr_assert_eq(read_image(&image, &note), MIG_E_REFUSED);
    image = image_new();
    image.header.e_ident[EI_CLASS] = ELFCLASS32;
    cr_assert_eq(read_image(&image, &note), MIG_E_REFUSED);
}

Test(note, what_is_no_shared_object_says_so)
{
    struct note note;

    cr_assert_eq(note_read_bytes("", 0, "x.so", &note, &err), MIG_E_BUNDLE);
    cr_assert_str_eq(err.message, "x.so is empty; build or copy it again");
    cr_assert_eq(note_read_bytes("#!/bin/sh\nexit 0\n and more", 26, "x.so", &note, &err),
                 MIG_E_BUNDLE);
    cr_assert_str_eq(err.message, "x.so is not a shared object");
}

Test(note, sizes_and_offsets_that_overflow_are_caught)
{
    struct mig_note raw = plain();
    struct note note;

    for (int kind = 0; kind < 8; kind++) {
        struct image image = image_new();
        uint32_t *head = (uint32_t *)(void *)image.notes;

        add_note(&image, MIG_NOTE_OWNER, MIG_NOTE_MODULE, &raw, sizeof raw);
        switch (kind) {
        case 0: head[0] = UINT32_MAX; break;
        case 1: head[1] = UINT32_MAX; break;
        case 2: image.segment.p_offset = UINT64_MAX - 4; break;
        case 3: image.segment.p_filesz = UINT64_MAX; break;
        case 4: image.header.e_phoff = UINT64_MAX - 8; break;
        case 5: image.header.e_phoff = INT64_MAX; break;
        case 6: image.header.e_phnum = UINT16_MAX; break;
        default: image.header.e_phentsize = 1; break;
        }
        cr_assert_eq(read_image(&image, &note), MIG_E_BUNDLE, "case %d", kind);
    }
}

/* The bytes of a built module. */
static char *module_bytes(const char *fixture, size_t *size)
{
    struct test_result found =
        test_run("sh", "-c", test_format("ls '%s/%s/'*.so", MIGHOST_FIXTURES, fixture));

    found.out[strcspn(found.out, "\n")] = '\0';
    return test_read(found.out, size);
}

Test(note, a_module_cut_at_any_byte_is_refused)
{
    struct note note;
    size_t size;
    char *bytes = module_bytes("good_table", &size);

    cr_assert_eq(note_read_bytes(bytes, size, "x.so", &note, &err), MIG_OK, "%s", err.message);
    for (size_t len = 0; len < size; len++) {
        char *cut = malloc(len ? len : 1); /* so that a sanitizer sees its end */
        mig_status status;

        memcpy(cut, bytes, len);
        status = note_read_bytes(cut, len, "x.so", &note, &err);
        free(cut);
        cr_assert_eq(status, MIG_E_BUNDLE, "%zu", len);
    }
}

Test(note, a_module_with_any_byte_flipped_is_read_or_refused)
{
    struct note note;
    size_t size;
    char *bytes = module_bytes("good_table", &size);
    size_t head = size < 2048 ? size : 2048;

    for (size_t at = 0; at < head; at++) {
        for (unsigned value = 0; value < 256; value += 15) {
            char kept = bytes[at];

            bytes[at] = (char)value;
            (void)note_read_bytes(bytes, size, "x.so", &note, &err);
            bytes[at] = kept;
        }
    }
}

Test(note, descriptor_and_memory_tell_the_same)
{
    const char *folder = test_folder();
    struct note from_fd, from_bytes;
    size_t size;
    char *bytes = module_bytes("durable_steps", &size);
    AUTO(close) int fd = open(test_write_bytes(folder, "m.so", bytes, size), O_RDONLY);

    memset(&from_fd, 0, sizeof from_fd);
    memset(&from_bytes, 0, sizeof from_bytes);
    cr_assert_eq(note_read_fd(fd, "m.so", &from_fd, &err), MIG_OK);
    cr_assert_eq(note_read_bytes(bytes, size, "m.so", &from_bytes, &err), MIG_OK);
    cr_assert_str_eq(from_fd.id, from_bytes.id);
    cr_assert_str_eq(from_fd.description, "durable steps");
    cr_assert_eq(from_fd.mode, MIG_DURABLE);
}
