/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of trusted keys, read anew for each call, so that a key which is
 * taken out counts at once. Whoever could write the store could trust himself:
 * so its files and folder must be as safe from others as a module's.
 */
#include "trust.h"

#include "clock.h"
#include "fs.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define NAMED_KEYS 4 /* in a message */
#define DATE_LEN 10

VEC_DEFINE(key_files, const char *);

void trust_close(struct trust *trust)
{
    if (!trust)
        return;
    manifest_free(trust->manifest);
    trust_keys_clear(&trust->keys);
    arena_clear(&trust->texts);
    ed25519_close(trust->curve);
    free(trust);
}

/* --- reading the store -------------------------------------------------------- */

static mig_status read_keys(struct trust *trust, int fd, const char *path, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};
    mig_status status;

    MIG_TRY(fs_check_owner(fd, path, err));
    status = fs_read_fd(fd, path, TRUST_KEY_FILE_MAX, &text, err);
    if (status == MIG_OK && strlen(buf_text(&text)) != text.len)
        status = err_set(err, MIG_E_USAGE, "%s is no text", path);
    if (status == MIG_OK)
        status = trust_keys_read(buf_text(&text), path, &trust->texts, &trust->keys, err);
    if (status == MIG_E_BUNDLE) /* too large */
        err->status = status = MIG_E_USAGE;
    return status;
}

/* Other files may lie beside the keys, such as one that says whose they are. */
static bool is_key_file(const char *name)
{
    static const char *const suffixes[] = {TRUST_PUBLIC_SUFFIX, ".pem"};
    size_t len = strlen(name);

    for (size_t i = 0; name[0] != '.' && i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (len > strlen(suffixes[i]) && strcmp(name + len - strlen(suffixes[i]), suffixes[i]) == 0)
            return true;
    return false;
}

struct key_list {
    struct trust *trust;
    struct key_files *files;
};

static mig_status list_key(void *arg, const struct dirent *found, struct mig_err *err)
{
    struct key_list *list = arg;
    const char **slot;

    if (!is_key_file(found->d_name))
        return MIG_OK;
    slot = key_files_add(list->files);
    if (slot)
        *slot = arena_strdup(&list->trust->texts, found->d_name);
    return slot && *slot ? MIG_OK : err_nomem(err);
}

static mig_status read_folder(struct trust *trust, struct mig_err *err)
{
    AUTO(key_files) struct key_files files = {0};
    struct key_list list = {.trust = trust, .files = &files};
    AUTO(close) int dir = -1;

    MIG_TRY(fs_open_dir(trust->path, &dir, err));
    MIG_TRY(fs_check_owner(dir, trust->path, err));
    MIG_TRY(fs_each(dir, trust->path, MIG_E_USAGE, list_key, &list, err));
    if (files.len > 0)
        qsort(files.data, files.len, sizeof *files.data, text_order);
    for (size_t i = 0; i < files.len; i++) {
        AUTO(close) int fd = -1;
        char path[FS_PATH_SIZE];

        MIG_TRY(fs_join(path, sizeof path, trust->path, files.data[i], err));
        MIG_TRY(fs_open_beneath(dir, trust->path, files.data[i], &fd, err));
        MIG_TRY(read_keys(trust, fd, path, err));
    }
    return MIG_OK;
}

/* Whoever can write the folder of a file can put another in its place. */
static mig_status check_folder_of(const char *path, struct mig_err *err)
{
    char folder[FS_PATH_SIZE];
    AUTO(close) int dir = -1;

    MIG_TRY(fs_parent(folder, sizeof folder, path, err));
    MIG_TRY(fs_open_dir(folder, &dir, err));
    return fs_check_owner(dir, folder, err);
}

static mig_status read_file(struct trust *trust, struct mig_err *err)
{
    AUTO(close) int fd = -1;
    char target[PATH_MAX];

    MIG_TRY(check_folder_of(trust->path, err));
    if (realpath(trust->path, target)) /* where a link leads to */
        MIG_TRY(check_folder_of(target, err));
    MIG_TRY(fs_open(trust->path, &fd, err));
    return read_keys(trust, fd, trust->path, err);
}

static mig_status read_store(struct trust *trust, struct mig_err *err)
{
    struct stat info;
    mig_status status;

    if (stat(trust->path, &info) != 0)
        return err_errno(err, MIG_E_USAGE, errno, "reading the trusted keys %s", trust->path);
    status = S_ISDIR(info.st_mode) ? read_folder(trust, err) : read_file(trust, err);
    if (status == MIG_E_NOTFOUND)
        err->status = MIG_E_USAGE;
    if (status < 0)
        return err_wrap(err, "reading the trusted keys");
    if (trust->keys.len == 0)
        return err_set(err, MIG_E_REFUSED,
                       "no key is trusted: the folder %s holds no file whose name ends in .pub or "
                       ".pem; nothing was run",
                       trust->path);
    return MIG_OK;
}

mig_status trust_open(const char *path, struct trust **out, struct mig_err *err)
{
    AUTO(trust) struct trust *trust = calloc(1, sizeof *trust);

    if (!trust)
        return err_nomem(err);
    if (!path)
        return err_set(err, MIG_E_REFUSED,
                       "a signature is required and no key is trusted: name the trusted public "
                       "keys with --trust PATH; nothing was run");
    trust->path = arena_strdup(&trust->texts, path);
    if (!trust->path)
        return err_nomem(err);
    MIG_TRY(read_store(trust, err));
    MIG_TRY(ed25519_open(&trust->curve, err));
    *out = TAKE(trust);
    return MIG_OK;
}

/* --- asking it ---------------------------------------------------------------- */

static bool is_expired(const struct trust_key *key)
{
    return key->expires_ms && clock_wall_ms() >= key->expires_ms;
}

static mig_status refuse_expired(const struct trust_key *key, const char *what, struct mig_err *err)
{
    char date[TEXT_SHORT];

    return err_set(err, MIG_E_REFUSED, "%s by the key %s in %s, which expired on %.*s", what,
                   key->fingerprint, key->file, DATE_LEN, text_time(date, key->expires_ms));
}

/* "a.pub, b.pub and 3 more" */
static void name_keys(const struct trust *trust, struct buf *out)
{
    size_t named = trust->keys.len <= NAMED_KEYS + 1 ? trust->keys.len : NAMED_KEYS;

    for (size_t i = 0; i < named; i++)
        buf_printf(out, "%s%s", i ? ", " : "", trust->keys.data[i].file);
    if (named < trust->keys.len)
        buf_printf(out, " and %zu more", trust->keys.len - named);
}

static mig_status refuse_unknown(const struct trust *trust, struct mig_err *err)
{
    AUTO(buf) struct buf names = {0};

    name_keys(trust, &names);
    return err_set(err, MIG_E_REFUSED,
                   MANIFEST_SIGNATURE
                   " was made by none of the trusted keys (%s): " MANIFEST_FILE
                   " was changed after it was signed, or its key is unknown or was revoked",
                   buf_text(&names));
}

mig_status trust_verify(const struct trust *trust, const struct buf *data,
                        const struct buf *signature, const struct trust_key **out,
                        struct mig_err *err)
{
    const struct trust_key *expired = NULL;

    if (signature->len != ED25519_SIGNATURE)
        return err_set(err, MIG_E_REFUSED,
                       MANIFEST_SIGNATURE " has %zu bytes, and an Ed25519 signature has %d: it was "
                                          "cut, or is something else",
                       signature->len, ED25519_SIGNATURE);
    VEC_EACH(const struct trust_key, key, &trust->keys) {
        if (!ed25519_verify(trust->curve, key->bytes, data->data, data->len,
                            (const unsigned char *)signature->data))
            continue;
        if (!is_expired(key)) {
            *out = key;
            return MIG_OK;
        }
        expired = key;
    }
    return expired ? refuse_expired(expired, MANIFEST_SIGNATURE " was made", err)
                   : refuse_unknown(trust, err);
}

mig_status trust_check_signer(const struct trust *trust, const char *fingerprint,
                              struct mig_err *err)
{
    const struct trust_key *expired = NULL;

    if (!*fingerprint)
        return err_set(err, MIG_E_REFUSED, "nobody had signed it when it was applied");
    VEC_EACH(const struct trust_key, key, &trust->keys) {
        if (strcmp(key->fingerprint, fingerprint) != 0)
            continue;
        if (!is_expired(key))
            return MIG_OK;
        expired = key;
    }
    if (expired)
        return refuse_expired(expired, "it was signed", err);
    return err_set(err, MIG_E_REFUSED,
                   "it was signed by the key %s, which is unknown or was revoked", fingerprint);
}
