/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the name of a file in a bundle says: <id>_<description>[.<engine>].up.sql,
 * .down.sql, .verify.sql, and libmig_<id>.so. Pure: looks at the name alone.
 * Also tells a name that is nearly one of these, one that cannot be meant
 * otherwise but is wrong, and the C source of a module.
 */
#ifndef MIGHOST_BUNDLE_NAME_H
#define MIGHOST_BUNDLE_NAME_H

#include "err.h"

#include <stdbool.h>

#define ID_DIGITS 18

enum bundle_name_kind {
    BUNDLE_NAME_OTHER, /* nothing of ours */
    BUNDLE_NAME_NEAR,  /* not ours, but looks as if meant: see `why` */
    BUNDLE_NAME_WRONG, /* meant for us and wrong: see `why` */
    BUNDLE_NAME_SQL,
    BUNDLE_NAME_MODULE,
    BUNDLE_NAME_SOURCE /* <id>_<description>.c: of a module, and none itself */
};

/* Texts are pieces of the name that was parsed. */
struct bundle_name {
    enum bundle_name_kind kind;
    unsigned role; /* enum catalog_role; CATALOG_ROLES of a source */
    uint64_t id;
    const char *digits;
    size_t digit_count;
    const char *description;
    size_t description_len;
    const char *engine; /* between dots; length 0: every engine */
    size_t engine_len;
    const char *why; /* a clause for the message */
};

void bundle_name_parse(const char *name, struct bundle_name *out);
/* Parses "1" .. 18 digits; MIG_E_USAGE otherwise. */
mig_status id_parse(const char *text, uint64_t *out, struct mig_err *err);

#endif
