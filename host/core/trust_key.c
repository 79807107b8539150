/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Ed25519 key has one encoding (RFC 8410): a constant beginning, then its 32
 * bytes. So that is compared and cut off, and there is no reader of DER to get
 * wrong. Texts with a private key in them never grow, since growing would leave
 * a copy behind.
 */
#include "trust_key.h"

#include "fs.h"
#include "pem.h"
#include "sha256.h"
#include "text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define PUBLIC_LABEL "PUBLIC KEY"
#define PRIVATE_LABEL "PRIVATE KEY"
#define PRIVATE_FILE_MAX ((size_t)4096)
#define DATE_FORM "2027-01-01"

static const unsigned char public_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                              0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
static const unsigned char private_prefix[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                               0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

struct der {
    unsigned char bytes[sizeof private_prefix + ED25519_KEY];
    size_t len;
};

static void der_make(const unsigned char *prefix, size_t prefix_len,
                     const unsigned char key[ED25519_KEY], struct der *out)
{
    memcpy(out->bytes, prefix, prefix_len);
    memcpy(out->bytes + prefix_len, key, ED25519_KEY);
    out->len = prefix_len + ED25519_KEY;
}

static bool der_take(const struct pem_block *block, const unsigned char *prefix, size_t prefix_len,
                     unsigned char out[ED25519_KEY])
{
    if (block->len != prefix_len + ED25519_KEY || memcmp(block->bytes, prefix, prefix_len) != 0)
        return false;
    memcpy(out, block->bytes + prefix_len, ED25519_KEY);
    return true;
}

static mig_status fingerprint_of(const unsigned char key[ED25519_KEY], char out[MIG_SHA256_HEX],
                                 struct mig_err *err)
{
    struct der der;

    der_make(public_prefix, sizeof public_prefix, key, &der);
    return sha256_once(der.bytes, der.len, out, err);
}

/* --- public keys -------------------------------------------------------------- */

/* "2027-01-01" to the line's end. */
static bool read_date(const char *text, size_t len, int64_t *out)
{
    char moment[TEXT_SHORT];

    while (len > 0 && strchr(" \t\r", text[len - 1]))
        len--;
    if (len != strlen(DATE_FORM) || memchr(text, ' ', len))
        return false;
    snprintf(moment, sizeof moment, "%.*sT00:00:00Z", (int)len, text);
    return text_time_parse(moment, out) && *out > 0;
}

/* One line above a key. What begins with the word is meant, however it is written:
 * a key must not live on because of a missing colon, or a byte order mark. */
static mig_status read_comment(const char *line, size_t len, const char *file, int64_t *expires_ms,
                               struct mig_err *err)
{
    static const char word[] = "expires";
    static const char passed_over[] = " \t#;/*-\xEF\xBB\xBF";
    const char *end = line + len;
    const char *at = line + strspn(line, passed_over);

    if (end - at < (ptrdiff_t)strlen(word) || strncasecmp(at, word, strlen(word)) != 0)
        return MIG_OK;
    if (*expires_ms)
        return err_set(err, MIG_E_USAGE, "%s says twice when one key expires", file);
    at += strlen(word);
    if (at < end && *at == ':')
        at += 1 + strspn(at + 1, " \t");
    if (at < end && read_date(at, (size_t)(end - at), expires_ms))
        return MIG_OK;
    return err_set(err, MIG_E_USAGE,
                   "%s says in another form than \"# expires: " DATE_FORM "\" when its key expires",
                   file);
}

static mig_status read_comments(const char *line, size_t left, const char *file,
                                int64_t *expires_ms, struct mig_err *err)
{
    *expires_ms = 0;
    while (left > 0) {
        const char *end = memchr(line, '\n', left);
        size_t len = end ? (size_t)(end - line) : left;

        MIG_TRY(read_comment(line, len, file, expires_ms, err));
        len += end != NULL;
        line += len;
        left -= len;
    }
    return MIG_OK;
}

static mig_status refuse_public(const struct pem_block *block, const char *file,
                                struct mig_err *err)
{
    if (strstr(block->label, PRIVATE_LABEL))
        return err_set(err, MIG_E_USAGE,
                       "%s holds a private key: keep that where bundles are signed, and trust its "
                       "public key",
                       file);
    return err_set(err, MIG_E_USAGE, "%s holds a %s that is no public key of Ed25519", file,
                   block->label);
}

static mig_status add_key(const struct pem_block *block, const char *file, struct trust_keys *out,
                          struct mig_err *err)
{
    struct trust_key *key = trust_keys_add(out);

    if (!key)
        return err_nomem(err);
    key->file = file;
    if (strcmp(block->label, PUBLIC_LABEL) != 0 ||
        !der_take(block, public_prefix, sizeof public_prefix, key->bytes))
        return refuse_public(block, file, err);
    MIG_TRY(read_comments(block->before, block->before_len, file, &key->expires_ms, err));
    return fingerprint_of(key->bytes, key->fingerprint, err);
}

/* Behind the last key there is none that a date could be meant for. */
static mig_status check_rest(const char *text, const char *file, struct mig_err *err)
{
    int64_t expires_ms;

    MIG_TRY(read_comments(text, strlen(text), file, &expires_ms, err));
    if (!expires_ms)
        return MIG_OK;
    return err_set(err, MIG_E_USAGE,
                   "%s says below its last key when a key expires: that belongs above the key",
                   file);
}

mig_status trust_keys_read(const char *text, const char *file, struct arena *texts,
                           struct trust_keys *out, struct mig_err *err)
{
    const char *kept = arena_strdup(texts, file);
    size_t before = out->len;
    struct pem_block block;
    mig_status status;

    if (!kept)
        return err_nomem(err);
    while ((status = pem_next(&text, &block, err)) == MIG_ROW)
        MIG_TRY(add_key(&block, kept, out, err));
    if (status < 0)
        return err_wrap(err, "%s", file);
    if (out->len == before)
        return err_set(err, MIG_E_USAGE, "%s holds no public key in PEM", file);
    return check_rest(text, kept, err);
}

/* --- private keys ------------------------------------------------------------- */

void private_key_wipe(struct private_key *key)
{
    explicit_bzero(key, sizeof *key);
}

static mig_status check_private(int fd, const char *path, struct mig_err *err)
{
    struct stat info;

    MIG_TRY(fs_check_owner(fd, path, err));
    if (fstat(fd, &info) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading the properties of %s", path);
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(err, MIG_E_REFUSED,
                       "%s has mode %04o, so others can read it, and a private key must be its "
                       "owner's alone; take that away with `chmod 600`, and think of a new key",
                       path, (unsigned)(info.st_mode & 07777));
    return MIG_OK;
}

static mig_status parse_private(const char *text, const char *path, struct private_key *out,
                                struct mig_err *err)
{
    struct pem_block block = {0};
    mig_status status = pem_next(&text, &block, err);
    bool ok = status == MIG_ROW && strcmp(block.label, PRIVATE_LABEL) == 0 &&
              der_take(&block, private_prefix, sizeof private_prefix, out->bytes);
    bool encrypted = status == MIG_ROW && strstr(block.label, "ENCRYPTED");

    pem_wipe(&block);
    if (ok)
        return MIG_OK;
    if (status < 0)
        return err_wrap(err, "%s", path);
    if (encrypted)
        return err_set(err, MIG_E_USAGE,
                       "%s is encrypted: write it without a password for as long as it signs, with "
                       "`openssl pkey`",
                       path);
    return err_set(err, MIG_E_USAGE,
                   "%s holds no private key of Ed25519; `mighost key new` makes one, and so does "
                   "`openssl genpkey -algorithm ed25519`",
                   path);
}

mig_status private_key_read(const struct ed25519 *curve, const char *path, struct private_key *out,
                            struct mig_err *err)
{
    AUTO(close) int fd = -1;
    char text[PRIVATE_FILE_MAX];
    unsigned char public_key[ED25519_KEY];
    size_t got = 0;
    mig_status status = fs_open(path, &fd, err);

    if (status == MIG_E_NOTFOUND)
        return err_set(err, MIG_E_USAGE, "there is no key %s; `mighost key new` makes one", path);
    if (status == MIG_OK)
        status = check_private(fd, path, err);
    if (status == MIG_OK)
        status = fs_pread(fd, path, text, sizeof text - 1, 0, &got, err);
    text[got] = '\0';
    if (status == MIG_OK)
        status = parse_private(text, path, out, err);
    explicit_bzero(text, sizeof text);
    if (status < 0)
        return status;
    ed25519_public(curve, out->bytes, public_key);
    return fingerprint_of(public_key, out->fingerprint, err);
}

/* --- a new pair --------------------------------------------------------------- */

static mig_status refuse_existing(const char *path, struct mig_err *err)
{
    struct stat info;

    if (lstat(path, &info) == 0)
        return err_set(err, MIG_E_USAGE, "%s exists already and is not overwritten", path);
    return MIG_OK;
}

static mig_status write_key(const char *path, const char *label, const struct der *der, mode_t mode,
                            struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};
    mig_status status;

    buf_reserve(&text, 4 * sizeof der->bytes);
    pem_add(&text, label, der->bytes, der->len);
    status = buf_check(&text, err);
    if (status == MIG_OK)
        status = fs_write(path, text.data, text.len, mode, 0, err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    return status;
}

static mig_status write_pair(const struct ed25519 *curve, const unsigned char key[ED25519_KEY],
                             const char *path, const char *public_path,
                             char fingerprint[MIG_SHA256_HEX], struct mig_err *err)
{
    unsigned char public_key[ED25519_KEY];
    char print[MIG_SHA256_HEX];
    struct der der;
    mig_status status;

    ed25519_public(curve, key, public_key);
    MIG_TRY(fingerprint_of(public_key, print, err));
    der_make(private_prefix, sizeof private_prefix, key, &der);
    status = write_key(path, PRIVATE_LABEL, &der, 0600, err);
    explicit_bzero(&der, sizeof der);
    if (status < 0)
        return status;
    der_make(public_prefix, sizeof public_prefix, public_key, &der);
    status = write_key(public_path, PUBLIC_LABEL, &der, 0644, err);
    if (status < 0)
        unlink(path);
    else
        memcpy(fingerprint, print, sizeof print);
    return status;
}

mig_status trust_key_new(const char *path, char fingerprint[MIG_SHA256_HEX], struct mig_err *err)
{
    AUTO(ed25519) struct ed25519 *curve = NULL;
    AUTO(private_key) struct private_key key = {0};
    char public_path[FS_PATH_SIZE];
    int len = snprintf(public_path, sizeof public_path, "%s" TRUST_PUBLIC_SUFFIX, path);

    if (len < 0 || (size_t)len >= sizeof public_path)
        return err_set(err, MIG_E_USAGE, "the path %.60s... is too long", path);
    MIG_TRY(refuse_existing(path, err));
    MIG_TRY(refuse_existing(public_path, err));
    MIG_TRY(ed25519_open(&curve, err));
    if (getrandom(key.bytes, sizeof key.bytes, 0) != (ssize_t)sizeof key.bytes)
        return err_errno(err, MIG_E_IO, errno, "asking the system for random bytes");
    return write_pair(curve, key.bytes, path, public_path, fingerprint, err);
}
