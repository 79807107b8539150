/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle against its list, and the list against its signature. A bundle is
 * the files of one folder: folders within it are never read, and so are not
 * part of it. Everything goes through one open folder, out of which no name
 * leads. The signature is looked at first, and nothing is believed of a list
 * that it does not fit; only a check, which lists all faults, goes on.
 */
#include "trust.h"

#include "fs.h"
#include "sha256.h"
#include "text.h"

#include <limits.h>
#include <string.h>

#define SIGNATURE_READ_MAX ((size_t)4096) /* more than one is said to be too long */

VEC_DEFINE(file_names, const char *);
VEC_DEFINE(faults, struct mighost_fault);

struct store {
    struct mighost_findings findings; /* first: what is handed out */
    struct arena texts;
    struct faults faults;
    struct file_names names;
    struct sha256 hash;
    const char *folder;
    int dir;
};

static void store_free(struct store *store)
{
    if (!store)
        return;
    arena_clear(&store->texts);
    faults_clear(&store->faults);
    file_names_clear(&store->names);
    sha256_clear(&store->hash);
    auto_close(&store->dir);
    free(store);
}
AUTO_POINTER(store, struct store, store_free)

void mighost_findings_free(struct mighost_findings *findings)
{
    store_free((struct store *)findings);
}

/* --- the files of a bundle ---------------------------------------------------- */

static mig_status add_name(void *arg, const struct dirent *found, struct mig_err *err)
{
    struct store *store = arg;
    const char **slot;

    if (manifest_is_own(found->d_name) || fs_is_folder(store->dir, found))
        return MIG_OK;
    slot = file_names_add(&store->names);
    if (slot)
        *slot = arena_strdup(&store->texts, found->d_name);
    return slot && *slot ? MIG_OK : err_nomem(err);
}

/* In the order of the list. */
static mig_status read_names(struct store *store, struct mig_err *err)
{
    MIG_TRY(fs_each(store->dir, store->folder, MIG_E_BUNDLE, add_name, store, err));
    if (store->names.len > 0)
        qsort(store->names.data, store->names.len, sizeof *store->names.data, text_order);
    return MIG_OK;
}

static mig_status store_new(const char *folder, struct store **out, struct mig_err *err)
{
    AUTO(store) struct store *store = calloc(1, sizeof *store);
    mig_status status;

    if (!store)
        return err_nomem(err);
    store->dir = -1;
    store->folder = arena_strdup(&store->texts, folder);
    if (!store->folder)
        return err_nomem(err);
    MIG_TRY(sha256_init(&store->hash, err));
    status = fs_open_dir(folder, &store->dir, err);
    if (status == MIG_E_NOTFOUND)
        return err_set(err, MIG_E_BUNDLE,
                       "there is no bundle %s; name the folder of the migrations with -m", folder);
    if (status < 0)
        return status;
    MIG_TRY(read_names(store, err));
    *out = TAKE(store);
    return MIG_OK;
}

static mig_status digest_of(struct store *store, const char *name,
                            unsigned char out[MIG_SHA256_BYTES], struct mig_err *err)
{
    AUTO(close) int fd = -1;

    MIG_TRY(fs_open_beneath(store->dir, store->folder, name, &fd, err));
    return sha256_fd(&store->hash, fd, name, out, err);
}

/* --- what is wrong -------------------------------------------------------------- */

static mig_status add_fault(struct store *store, const char *file, const char *kind,
                            const char *text, struct mig_err *err)
{
    struct mighost_fault *fault = faults_add(&store->faults);

    if (!fault)
        return err_nomem(err);
    *fault = (struct mighost_fault){
        .file = arena_strdup(&store->texts, file),
        .kind = kind,
        .text = arena_strdup(&store->texts, text),
    };
    return fault->file && fault->text ? MIG_OK : err_nomem(err);
}

static mig_status compare_file(struct store *store, const struct manifest *manifest,
                               const char *name, struct mig_err *err)
{
    unsigned char digest[MIG_SHA256_BYTES] = {0};
    struct mig_err why;
    mig_status status = MIG_OK;
    bool listed = manifest_find(manifest, name) != NULL;

    if (listed)
        status = digest_of(store, name, digest, &why);
    if (status == MIG_E_NOMEM)
        return err_nomem(err);
    if (status < 0)
        return add_fault(store, name, "unreadable", why.message, err);
    if (manifest_check(manifest, name, digest, &why) < 0)
        return add_fault(store, name, listed ? "changed" : "added", why.message, err);
    return MIG_OK;
}

static mig_status add_removed(struct store *store, const char *name, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "%s is in the signed " MANIFEST_FILE " and not in the bundle: it was removed",
               name);
    MIG_TRY(buf_check(&text, err));
    return add_fault(store, name, "removed", buf_text(&text), err);
}

/* Both are in the same order. */
static mig_status compare_all(struct store *store, const struct manifest *manifest,
                              struct mig_err *err)
{
    size_t name = 0;
    size_t entry = 0;

    while (name < store->names.len || entry < manifest->count) {
        const char *found = name < store->names.len ? store->names.data[name] : NULL;
        const char *listed = entry < manifest->count ? manifest->items[entry].name : NULL;
        int order = !found ? 1 : !listed ? -1 : strcmp(found, listed);

        MIG_TRY(order > 0 ? add_removed(store, listed, err)
                          : compare_file(store, manifest, found, err));
        name += order <= 0;
        entry += order >= 0;
    }
    return MIG_OK;
}

/* --- list and signature ----------------------------------------------------------- */

static mig_status read_part(const struct store *store, const char *name, size_t limit,
                            struct buf *out, struct mig_err *err)
{
    AUTO(close) int fd = -1;
    mig_status status = fs_open_beneath(store->dir, store->folder, name, &fd, err);

    if (status == MIG_E_NOTFOUND)
        return err_set(err, MIG_E_REFUSED,
                       "the bundle %s is not signed: it has no %s; `mighost sign --key PATH` "
                       "signs it",
                       store->folder, name);
    if (status == MIG_OK)
        status = fs_read_fd(fd, name, limit, out, err);
    if (status == MIG_E_BUNDLE) /* too large */
        err->status = status = MIG_E_REFUSED;
    return status;
}

static mig_status verify_signature(const struct trust *trust, const struct store *store,
                                   const struct buf *list, const struct trust_key **signer,
                                   struct mig_err *err)
{
    AUTO(buf) struct buf signature = {0};

    MIG_TRY(read_part(store, MANIFEST_SIGNATURE, SIGNATURE_READ_MAX, &signature, err));
    return trust_verify(trust, list, &signature, signer, err);
}

/* --- verifying ------------------------------------------------------------------------ */

static mig_status first_fault(const struct store *store, struct mig_err *err)
{
    size_t more = store->faults.len - 1;

    err_set(err, MIG_E_REFUSED, "%s", store->faults.data[0].text);
    if (more > 0)
        err_append(err, "%zu more fault%s: see `mighost check`", more, more == 1 ? "" : "s");
    return err->status;
}

static mig_status verify(struct trust *trust, struct store *store, struct mig_err *err)
{
    AUTO(buf) struct buf list = {0};
    AUTO(manifest) struct manifest *manifest = NULL;
    const struct trust_key *signer = NULL;

    MIG_TRY(read_part(store, MANIFEST_FILE, MANIFEST_BYTES_MAX, &list, err));
    MIG_TRY(verify_signature(trust, store, &list, &signer, err));
    MIG_TRY(manifest_parse(buf_text(&list), list.len, &manifest, err));
    MIG_TRY(compare_all(store, manifest, err));
    if (store->faults.len > 0)
        return first_fault(store, err);
    manifest_free(trust->manifest);
    trust->manifest = TAKE(manifest);
    trust->signer = signer;
    return MIG_OK;
}

mig_status trust_verify_bundle(struct trust *trust, const char *folder, struct mig_err *err)
{
    AUTO(store) struct store *store = NULL;

    MIG_TRY(store_new(folder, &store, err));
    if (verify(trust, store, err) < 0)
        return err->status == MIG_E_REFUSED
                   ? err_append(err, "nothing of the bundle %s was run", folder)
                   : err->status;
    return MIG_OK;
}

/* A refusal is a fault, and all else a failure of the check itself. */
static mig_status note_refusal(struct store *store, const char *file, const char *kind,
                               struct mig_err *err)
{
    struct mig_err why = *err;

    return why.status == MIG_E_REFUSED ? add_fault(store, file, kind, why.message, err)
                                       : why.status;
}

static mig_status check(const struct trust *trust, struct store *store, struct mig_err *err)
{
    AUTO(buf) struct buf list = {0};
    AUTO(manifest) struct manifest *manifest = NULL;
    const struct trust_key *signer = NULL;

    if (read_part(store, MANIFEST_FILE, MANIFEST_BYTES_MAX, &list, err) < 0)
        return note_refusal(store, MANIFEST_FILE, "manifest", err);
    if (verify_signature(trust, store, &list, &signer, err) < 0)
        MIG_TRY(note_refusal(store, MANIFEST_SIGNATURE, "signature", err));
    if (manifest_parse(buf_text(&list), list.len, &manifest, err) < 0)
        return note_refusal(store, MANIFEST_FILE, "manifest", err);
    MIG_TRY(compare_all(store, manifest, err));
    if (!signer)
        return MIG_OK;
    store->findings.signer = arena_strdup(&store->texts, signer->fingerprint);
    store->findings.key_file = arena_strdup(&store->texts, signer->file);
    return store->findings.signer && store->findings.key_file ? MIG_OK : err_nomem(err);
}

mig_status trust_check_bundle(const struct trust *trust, const char *folder,
                              struct mighost_findings **out, struct mig_err *err)
{
    AUTO(store) struct store *store = NULL;

    MIG_TRY(store_new(folder, &store, err));
    store->findings.bundle = store->folder;
    store->findings.signer = store->findings.key_file = "";
    store->findings.file_count = store->names.len;
    MIG_TRY(check(trust, store, err));
    store->findings.fault_count = store->faults.len;
    store->findings.faults = store->faults.data;
    *out = &TAKE(store)->findings;
    return MIG_OK;
}

/* --- signing ------------------------------------------------------------------------- */

/* Whether the absolute path is of the bundle, or of something in it. */
static bool is_within(const struct store *store, char *path)
{
    struct stat bundle, found;
    char *slash = path;

    if (fstat(store->dir, &bundle) != 0)
        return false;
    while (slash) {
        if (stat(path, &found) == 0 && found.st_dev == bundle.st_dev &&
            found.st_ino == bundle.st_ino)
            return true;
        slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    }
    return false;
}

/* A key within the bundle would be handed out with it. */
static mig_status check_key_outside(const struct store *store, const char *key_path,
                                    struct mig_err *err)
{
    char parent[FS_PATH_SIZE], target[PATH_MAX];
    bool within;

    MIG_TRY(fs_parent(parent, sizeof parent, key_path, err));
    within = realpath(parent, target) && is_within(store, target);
    if (!within && realpath(key_path, target)) /* where a link leads to */
        within = is_within(store, target);
    if (within)
        return err_set(err, MIG_E_USAGE,
                       "the private key %s lies in the bundle that it signs, and would be handed "
                       "out with it; put it elsewhere",
                       key_path);
    return MIG_OK;
}

static mig_status write_list(struct store *store, struct buf *out, struct mig_err *err)
{
    unsigned char digest[MIG_SHA256_BYTES];

    if (store->names.len == 0)
        return err_set(err, MIG_E_BUNDLE, "the bundle %s holds no file to sign", store->folder);
    for (size_t i = 0; i < store->names.len; i++) {
        if (strcmp(store->names.data[i], "-") == 0)
            return err_set(err, MIG_E_BUNDLE,
                           "the bundle %s has a file named -, which sha256sum would take for its "
                           "input; rename or remove it",
                           store->folder);
        MIG_TRY(digest_of(store, store->names.data[i], digest, err));
        manifest_add(out, store->names.data[i], digest);
    }
    MIG_TRY(buf_check(out, err));
    if (out->len > MANIFEST_BYTES_MAX)
        return err_set(err, MIG_E_BUNDLE, "the bundle %s has more files than a list can hold",
                       store->folder);
    return MIG_OK;
}

static mig_status write_part(const struct store *store, const char *name, const void *data,
                             size_t len, struct mig_err *err)
{
    char path[FS_PATH_SIZE];

    MIG_TRY(fs_join(path, sizeof path, store->folder, name, err));
    return fs_write(path, data, len, 0644, FS_REPLACE, err);
}

mig_status trust_sign_bundle(const char *folder, const char *key_path, struct mighost_signing *out,
                             struct mig_err *err)
{
    AUTO(store) struct store *store = NULL;
    AUTO(ed25519) struct ed25519 *curve = NULL;
    AUTO(private_key) struct private_key key = {0};
    AUTO(buf) struct buf list = {0};
    unsigned char signature[ED25519_SIGNATURE];

    MIG_TRY(store_new(folder, &store, err));
    MIG_TRY(check_key_outside(store, key_path, err));
    MIG_TRY(ed25519_open(&curve, err));
    MIG_TRY(private_key_read(curve, key_path, &key, err));
    MIG_TRY(write_list(store, &list, err));
    ed25519_sign(curve, key.bytes, list.data, list.len, signature);
    MIG_TRY(write_part(store, MANIFEST_FILE, list.data, list.len, err));
    MIG_TRY(write_part(store, MANIFEST_SIGNATURE, signature, sizeof signature, err));
    out->file_count = store->names.len;
    memcpy(out->signer, key.fingerprint, sizeof out->signer);
    return MIG_OK;
}
