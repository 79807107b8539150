/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share: the function that each of them is, copies of the
 * input in memory of just its size, so that a sanitizer sees every byte read
 * past it, and checks that end the process. A target keeps nothing from one
 * input to the next and depends on nothing but its bytes.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <mig.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Returns 0; a finding never returns. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also in builds without assertions. */
#define FUZZ_CHECK(condition)                                                              \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

static inline void *fuzz_copy(const void *data, size_t size)
{
    void *copy = calloc(1, size ? size : 1);

    FUZZ_CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

/* As text: it ends with the first NUL byte, if there is one. */
static inline char *fuzz_text(const void *data, size_t size)
{
    char *text = malloc(size + 1);

    FUZZ_CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* A file that holds the bytes; close() it. */
static inline int fuzz_file(const void *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(write(fd, size ? data : "", size) == (ssize_t)size);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* The texts of an error end within it, and a failure says something. */
static inline void fuzz_check_error(const struct mig_err *err)
{
    FUZZ_CHECK(memchr(err->message, '\0', sizeof err->message));
    FUZZ_CHECK(memchr(err->where, '\0', sizeof err->where));
    FUZZ_CHECK(err->status < 0 && err->message[0]);
}

#endif
