/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: once on each file that is named, and on
 * each file of the folders that are named, in the order of their names. Needs
 * no compiler with libFuzzer, so every build can do it. To have found no file
 * at all is a failure. Knows nothing of what the target tests.
 */
#include "fuzz.h"

#include <dirent.h>

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes;
    size_t got;
    long size;

    FUZZ_CHECK(file && fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    FUZZ_CHECK(size >= 0);
    rewind(file);
    bytes = malloc(size ? (size_t)size : 1);
    FUZZ_CHECK(bytes);
    got = fread(bytes, 1, (size_t)size, file);
    FUZZ_CHECK(got == (size_t)size);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one is the one that failed */
    LLVMFuzzerTestOneInput(bytes, got);
    free(bytes);
}

static int run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);

    for (int i = 0; i < count; i++) {
        char file[4096];
        int len = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);

        FUZZ_CHECK(len > 0 && (size_t)len < sizeof file);
        run_file(file);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        int in_folder = run_folder(argv[i]);

        if (in_folder < 0)
            run_file(argv[i]);
        count += in_folder < 0 ? 1 : in_folder;
    }
    fprintf(stderr, "%d inputs\n", count);
    return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
