/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata note: all that is known of a module without running any of it.
 * Reading it costs one or two system calls whatever the module's size, so that
 * listing thousands is cheap. The file is hostile until proven otherwise; what
 * is handed out is checked, copied and points nowhere.
 */
#ifndef MIGHOST_NOTE_H
#define MIGHOST_NOTE_H

#include "err.h"

#include <stdbool.h>

#define NOTE_SQL_MAX 32

/* One SQL text of a compiled SQL migration, where it lies in the file. */
struct note_sql {
    enum mig_sql_role role;
    char engine[16]; /* "": every engine */
    int64_t offset;
    int64_t len;
};

struct note {
    uint16_t abi_major;
    uint16_t abi_minor;
    char id[MIG_ID_SIZE]; /* 1 to 18 digits */
    uint64_t id_value;
    char description[MIG_DESCRIPTION_SIZE]; /* UTF-8 */
    enum mig_mode mode;
    char drivers[MIG_DRIVERS_SIZE]; /* "sqlite,postgres"; "": every driver */
    bool has_up;                    /* always true */
    bool has_down;
    bool has_verify;
    bool sql_only; /* its SQL lies in the file; never loaded */
    size_t sql_count;
    struct note_sql sql[NOTE_SQL_MAX];
};

/*
 * MIG_E_BUNDLE: not a module, no note, two notes, damaged, cut short;
 * MIG_E_REFUSED: of another machine or ABI, with both sides named. `name` is
 * for messages.
 */
mig_status note_read_fd(int fd, const char *name, struct note *out, struct mig_err *err);
mig_status note_read_bytes(const void *bytes, size_t size, const char *name, struct note *out,
                           struct mig_err *err);

/* The text of `role` for `engine`: its own, else the one for every engine;
 * NULL where there is none. */
const struct note_sql *note_find_sql(const struct note *note, enum mig_sql_role role,
                                     const char *engine);
/* Whether the module may run on the driver `engine`. */
bool note_allows(const struct note *note, const char *engine);

/* MIG_E_REFUSED unless the host of this ABI can run a module built for it. */
mig_status note_check_abi(const char *name, unsigned major, unsigned minor, struct mig_err *err);

#endif
