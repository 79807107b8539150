/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading shared objects without loading them: header, segments, notes and
 * what the dynamic section asks for. The file is hostile until proven
 * otherwise: every offset is checked against its end, and every count has a
 * limit. Reads by windows of a few kilobytes, so that looking at one object is
 * one system call whatever its size. Only objects of this very machine are
 * read further than their header.
 */
#ifndef MIGHOST_ELF_FILE_H
#define MIGHOST_ELF_FILE_H

#include "err.h"

#include <link.h>
#include <stdbool.h>

#define ELF_WINDOW 4096
#define ELF_NEEDED_MAX 64
#define ELF_NAME_SIZE 128

struct elf {
    const char *name;           /* for messages */
    const unsigned char *bytes; /* the whole file in memory; NULL: read from fd */
    int fd;
    int64_t size;
    int64_t window_at;
    size_t window_len;
    ElfW(Ehdr) header;
    unsigned char window[ELF_WINDOW];
};

struct elf_note {
    uint32_t type;
    char owner[16]; /* "" where it is longer */
    int64_t desc_offset;
    uint32_t desc_size;
};

/* Returns a failure to end the walk with it. */
typedef mig_status (*elf_note_visit)(struct elf *elf, const struct elf_note *note, void *arg,
                                     struct mig_err *err);

/* What a loader would do with the object, beyond mapping it. */
struct elf_facts {
    size_t needed_count;
    char needed[ELF_NEEDED_MAX][ELF_NAME_SIZE]; /* libraries, as they are written */
    bool shared;    /* a shared object, not a program or an object file */
    bool rpath;     /* DT_RPATH or DT_RUNPATH: searches folders of its own */
    bool audit;     /* DT_AUDIT or DT_DEPAUDIT */
    bool filter;    /* DT_FILTER or DT_AUXILIARY: stands in for another library */
    bool textrel;   /* writes into its code while loading */
    bool execstack; /* asks for an executable stack, also by not saying */
    bool bind_now;  /* its own symbols are resolved at loading, whatever the loader says */
};

/*
 * Checks the header. MIG_E_BUNDLE: not an ELF file, or cut short; MIG_E_REFUSED:
 * of another machine, with both named. `name` and the bytes or the descriptor
 * stay the caller's and must outlive `elf`, which needs no closing.
 */
mig_status elf_open_fd(struct elf *elf, int fd, const char *name, struct mig_err *err);
mig_status elf_open_bytes(struct elf *elf, const void *bytes, size_t size, const char *name,
                          struct mig_err *err);

/* Copies bytes out of the file; MIG_E_BUNDLE where it ends before. */
mig_status elf_read(struct elf *elf, int64_t offset, void *out, size_t size, struct mig_err *err);
/* Calls `visit` for every note of every PT_NOTE segment. */
mig_status elf_notes(struct elf *elf, elf_note_visit visit, void *arg, struct mig_err *err);
mig_status elf_facts_read(struct elf *elf, struct elf_facts *out, struct mig_err *err);
/* Why such an object is not to be loaded, as the end of a sentence that begins
 * with its name; NULL where nothing speaks against it. */
const char *elf_facts_refusal(const struct elf_facts *facts);

#endif
