/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one step of a plan runs: its texts or its module, opened and checked.
 * Owns descriptors, and the memory of small texts, which are read once: what
 * was checked is then what runs. Several wait in a struct materials between
 * the check of a whole plan and their turn. Runs nothing and decides nothing.
 */
#ifndef MIGHOST_MATERIAL_H
#define MIGHOST_MATERIAL_H

#include "catalog.h"
#include "history.h"
#include "plan.h"
#include "trust.h"

/* Where the material of a run comes from. */
struct material_place {
    const struct catalog *catalog;
    struct history *history;
    const struct trust *trust; /* NULL: what the history carries need not be signed */
    const char *bundle;
    uint32_t lexis; /* of the driver */
};

enum material_part { MATERIAL_TEXT, MATERIAL_CARRY, MATERIAL_VERIFY, MATERIAL_PARTS };

struct material {
    struct sql_source text;   /* what is run */
    struct sql_source carry;  /* what the history will carry; len -1: nothing */
    struct sql_source verify; /* queries that must find nothing; len -1: none */
    struct sql_facts facts;   /* of an SQL text */
    struct buf carrier;       /* what the history carried */
    int fds[MATERIAL_PARTS];  /* of the texts that are not in memory, or -1 */
    char *memory[MATERIAL_PARTS];
    int module_fd; /* sealed memfd of a module */
    char checksum[HISTORY_HEX];
};

#define MATERIAL_NONE                                                                        \
    {                                                                                        \
        .text = {.fd = -1}, .carry = {.fd = -1, .len = -1}, .verify = {.fd = -1, .len = -1}, \
        .fds = {-1, -1, -1}, .module_fd = -1                                                 \
    }

/* The kind of what a step runs, also where only the history has it. */
enum mighost_kind material_kind(const struct plan_step *step);
/* Opens and checks all that `step` will run; `material` was MATERIAL_NONE. */
mig_status material_open(const struct material_place *place, const struct plan_step *step,
                         struct material *material, struct mig_err *err);
void material_clear(struct material *material);
AUTO_VALUE(material, struct material, material_clear)

/* Materials that wait, one a step. */
struct materials {
    struct material **items; /* NULL: it was not kept */
    size_t count;
};

mig_status materials_init(struct materials *materials, size_t count, struct mig_err *err);
/* Takes the material over for step `index`, if it is wholly in memory and no
 * larger than `*room`, which shrinks. */
mig_status materials_keep(struct materials *materials, size_t index, struct material *material,
                          size_t *room, struct mig_err *err);
/* NULL where it was not kept. */
const struct material *materials_at(const struct materials *materials, size_t index);
void materials_clear(struct materials *materials);

#endif
