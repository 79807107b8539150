/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a URL to the name of a driver: the name is fit for a file's name, and a
 * message about a URL does not show what stands behind its scheme.
 */
#include "fuzz.h"

#include "core/driver.h"

#include <stdbool.h>

#define SECRET "zq7kx" /* could be a scheme's letters */
#define NOWHERE "/nonexistent"

static void check_name(const char *name)
{
    size_t len = strlen(name);

    FUZZ_CHECK(len > 0 && len < DRIVER_NAME_SIZE);
    FUZZ_CHECK(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = fuzz_text(data, size);
    const char *secret = strstr(url, SECRET);
    bool in_scheme = secret && (size_t)(secret - url) < strcspn(url, ":");
    char name[DRIVER_NAME_SIZE];
    struct mig_err err = {0};
    struct driver *driver = NULL;

    if (driver_name(url, name, &err) == MIG_OK)
        check_name(name);
    else
        fuzz_check_error(&err);
    FUZZ_CHECK(driver_open(url, NOWHERE, &driver, &err) != MIG_OK);
    fuzz_check_error(&err);
    FUZZ_CHECK(in_scheme || !strstr(err.message, SECRET));
    free(url);
    return 0;
}
