/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening what a step runs. A small text is read whole at once, so that its
 * check and its run need no further look at the file; a large one is read in
 * pieces each time, and must not have changed. A module is frozen in memory.
 */
#include "material.h"

#include "fs.h"
#include "module.h"
#include "sha256.h"

#include <unistd.h>

/* A text up to this size is read into memory: nearly all are. */
#define MEMORY_MAX (64 * 1024)

enum mighost_kind material_kind(const struct plan_step *step)
{
    return step->by_carrier || !step->migration ? step->applied->kind : step->migration->kind;
}

void material_clear(struct material *material)
{
    for (size_t i = 0; i < MATERIAL_PARTS; i++) {
        auto_close(&material->fds[i]);
        free(material->memory[i]);
    }
    auto_close(&material->module_fd);
    buf_clear(&material->carrier);
}

/* Whether the one who signed what was applied is still trusted. */
static mig_status check_signer(const struct material_place *place, const struct applied *applied,
                               struct mig_err *err)
{
    AUTO(applied_list) struct applied_list *rows = NULL;

    MIG_TRY(history_find(place->history, applied->id, &rows, err)); /* plans do without it */
    return trust_check_signer(place->trust, rows->items[0].signer, err);
}

/* What the history carries, if it is still what was applied, and whoever signed
 * that is still trusted. */
static mig_status fetch_carrier(const struct material_place *place, const struct applied *applied,
                                struct buf *out, struct mig_err *err)
{
    mig_status status = MIG_OK;

    if (place->trust)
        status = check_signer(place, applied, err);
    if (status == MIG_OK)
        status = history_get_carrier(place->history, applied->id, applied->carrier, out, err);
    if (status == MIG_OK || !place->trust || (status != MIG_E_REFUSED && status != MIG_E_HISTORY))
        return status;
    err_wrap(err, "the way back of migration %s that the history carries is refused",
             applied->id_text);
    err_append(err, "nothing was run; roll back with a signed bundle that has its file");
    err->status = MIG_E_REFUSED;
    return err->status;
}

static mig_status load_carrier(const struct material_place *place, const struct plan_step *step,
                               struct material *material, struct mig_err *err)
{
    MIG_TRY(fetch_carrier(place, step->applied, &material->carrier, err));
    snprintf(material->checksum, sizeof material->checksum, "%s", step->applied->carrier);
    if (step->applied->kind == MIGHOST_NATIVE)
        return fs_memfd_bytes(material->carrier.data, material->carrier.len, step->applied->id_text,
                              &material->module_fd, err);
    material->text = (struct sql_source){
        .name = "the down script in the history",
        .data = buf_text(&material->carrier),
        .fd = -1,
        .len = (int64_t)material->carrier.len,
    };
    return MIG_OK;
}

/* Reads a small text into memory; its descriptor is closed then. */
static mig_status hold(struct sql_source *source, enum material_part part,
                       struct material *material, struct mig_err *err)
{
    size_t got;
    char *memory;

    if (source->len > MEMORY_MAX)
        return MIG_OK;
    memory = material->memory[part] = malloc((size_t)source->len + 1);
    if (!memory)
        return err_nomem(err);
    MIG_TRY(
        fs_pread(source->fd, source->name, memory, (size_t)source->len, source->offset, &got, err));
    if ((int64_t)got < source->len)
        return err_set(err, MIG_E_BUNDLE,
                       "%s became shorter while it was read; leave the bundle alone during a run",
                       source->name);
    close(material->fds[part]);
    source->fd = material->fds[part] = -1;
    source->data = memory;
    return MIG_OK;
}

static mig_status open_part(const struct material_place *place, const struct migration *migration,
                            enum catalog_role role, struct sql_source *source,
                            enum material_part part, struct material *material, struct mig_err *err)
{
    MIG_TRY(catalog_open_part(place->catalog, migration, role, CATALOG_RUN, source, err));
    material->fds[part] = source->fd;
    return hold(source, part, material, err);
}

static mig_status changed_since(const char *file, struct mig_err *err)
{
    return err_set(err, MIG_E_BUNDLE,
                   "%s changed between listing and running: nothing of it was run, run the "
                   "command again",
                   file);
}

/* The module's bytes, frozen, and still those that the catalog saw. */
static mig_status freeze_module(const struct material_place *place,
                                const struct migration *migration, struct material *material,
                                struct mig_err *err)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];
    const char *file = migration->parts[CATALOG_UP].file;

    if (module_fetch(place->bundle, file, &material->module_fd, err) < 0)
        return err->status != MIG_E_NOTFOUND
                   ? err->status
                   : err_set(err, MIG_E_BUNDLE,
                             "%s/%s is gone; leave the bundle alone during a run", place->bundle,
                             file);
    MIG_TRY(sha256_init(&hash, err));
    MIG_TRY(sha256_fd(&hash, material->module_fd, file, digest, err));
    if (place->trust)
        MIG_TRY(manifest_check(place->trust->manifest, file, digest, err));
    if (memcmp(digest, migration->checksum, sizeof digest) != 0)
        return changed_since(file, err);
    sha256_hex(digest, material->checksum);
    return MIG_OK;
}

static mig_status open_texts(const struct material_place *place, const struct plan_step *step,
                             struct material *material, struct mig_err *err)
{
    const struct migration *migration = step->migration;
    bool up = step->direction == MIGHOST_UP;

    MIG_TRY(open_part(place, migration, up ? CATALOG_UP : CATALOG_DOWN, &material->text,
                      MATERIAL_TEXT, material, err));
    if (up && migration->has_down)
        MIG_TRY(open_part(place, migration, CATALOG_DOWN, &material->carry, MATERIAL_CARRY,
                          material, err));
    if (up && migration->has_verify)
        MIG_TRY(open_part(place, migration, CATALOG_VERIFY, &material->verify, MATERIAL_VERIFY,
                          material, err));
    return MIG_OK;
}

static mig_status check_text(const struct material_place *place, const struct plan_step *step,
                             struct material *material, struct mig_err *err)
{
    struct sql_facts verify;

    MIG_TRY(sqltext_check(&material->text, place->lexis, &material->facts, err));
    sha256_hex(material->facts.checksum, material->checksum);
    if (material->verify.len >= 0)
        MIG_TRY(sqltext_check(&material->verify, place->lexis, &verify, err));
    if (step->direction == MIGHOST_UP &&
        memcmp(material->facts.checksum, step->migration->checksum, MIG_SHA256_BYTES) != 0)
        return changed_since(step->migration->parts[CATALOG_UP].file, err);
    return MIG_OK;
}

mig_status material_open(const struct material_place *place, const struct plan_step *step,
                         struct material *material, struct mig_err *err)
{
    enum mighost_kind kind = material_kind(step);

    if (kind == MIGHOST_REGISTERED) {
        sha256_hex(step->migration->checksum, material->checksum);
        return MIG_OK;
    }
    if (step->by_carrier)
        MIG_TRY(load_carrier(place, step, material, err));
    else if (kind == MIGHOST_NATIVE)
        MIG_TRY(freeze_module(place, step->migration, material, err));
    else
        MIG_TRY(open_texts(place, step, material, err));
    if (kind != MIGHOST_NATIVE)
        return check_text(place, step, material, err);
    return MIG_OK;
}

/* --- those that wait ----------------------------------------------------------- */

mig_status materials_init(struct materials *materials, size_t count, struct mig_err *err)
{
    materials->items = calloc(count + 1, sizeof *materials->items);
    if (!materials->items)
        return err_nomem(err);
    materials->count = count;
    return MIG_OK;
}

static size_t size_in_memory(const struct material *material)
{
    const struct sql_source *parts[] = {&material->text, &material->carry, &material->verify};
    size_t size = sizeof *material;

    for (size_t i = 0; i < MATERIAL_PARTS; i++)
        size += material->memory[i] ? (size_t)parts[i]->len : 0;
    return size;
}

mig_status materials_keep(struct materials *materials, size_t index, struct material *material,
                          size_t *room, struct mig_err *err)
{
    static const struct material none = MATERIAL_NONE;
    size_t size = size_in_memory(material);
    struct material *kept;

    for (size_t i = 0; i < MATERIAL_PARTS; i++)
        if (material->fds[i] >= 0)
            return MIG_OK;
    if (material->module_fd >= 0 || !material->memory[MATERIAL_TEXT] || size > *room)
        return MIG_OK;
    kept = malloc(sizeof *kept);
    if (!kept)
        return err_nomem(err);
    *room -= size;
    *kept = *material;
    *material = none;
    materials->items[index] = kept;
    return MIG_OK;
}

const struct material *materials_at(const struct materials *materials, size_t index)
{
    return index < materials->count ? materials->items[index] : NULL;
}

void materials_clear(struct materials *materials)
{
    for (size_t i = 0; i < materials->count; i++) {
        if (materials->items[i])
            material_clear(materials->items[i]);
        free(materials->items[i]);
    }
    free(materials->items);
    *materials = (struct materials){0};
}
