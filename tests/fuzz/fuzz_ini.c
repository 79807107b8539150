/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files. Whatever stands in one, it is read or refused with the
 * line named, and no message shows a value: where the word SECRET stands only
 * behind the sign of a line, the message does not have it.
 */
#include "fuzz.h"

#include "cli/ini_file.h"

#define SECRET "Zq7Kx"

/* Whether some line has it where a key or a section may be. */
static bool is_named(const char *text)
{
    for (; *text; text += strcspn(text, "\n"), text += *text != '\0') {
        const char *found = strstr(text, SECRET);

        if (!found)
            return false;
        if ((size_t)(found - text) < strcspn(text, "=:\n"))
            return true;
    }
    return false;
}

static void check_entries(const struct ini *ini, const char *path)
{
    VEC_EACH(const struct ini_entry, entry, &ini->entries) {
        FUZZ_CHECK(entry->option < OPTION_COUNT && option_specs[entry->option].key);
        FUZZ_CHECK(*entry->section && entry->value && ini_has_section(ini, entry->section));
        FUZZ_CHECK(strncmp(entry->origin, path, strlen(path)) == 0);
        FUZZ_CHECK(strtol(entry->origin + strlen(path) + 1, NULL, 10) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ini ini = {0};
    struct mig_err err = {0};
    char *text = fuzz_text(data, size);
    int fd = fuzz_file(data, size);
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ini_load(&ini, path, &err) != MIG_OK) {
        fuzz_check_error(&err);
        FUZZ_CHECK(err.status == MIG_E_USAGE && strncmp(err.where, path, strlen(path)) == 0);
        FUZZ_CHECK(!strstr(err.message, SECRET) || strlen(text) < size || is_named(text));
    }
    check_entries(&ini, path);
    ini_clear(&ini);
    close(fd);
    free(text);
    return 0;
}
