/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypts a column with AES-256-GCM, through libcrypto. The key, 64 hex
 * digits, is the parameter `totp_key`: give it with --set-file, so that it
 * stands in no argument list. Secrets are sealed in place, so that a kill in
 * the middle leaves rows of both kinds, told apart by their size, and no third.
 *
 *     sealed: u8 format = 1 | nonce, 12 random bytes | ciphertext | tag, 16 bytes
 *     authenticated with it: the table, the column and the row's key
 *
 * so that a sealed secret moved to another row does not open. A key that does
 * not open what is sealed already is refused before a row is written. The
 * plain bytes are still in the database's free pages until VACUUM, and in
 * every backup: a key that matters wants new secrets as well.
 */
#include <mig.h>

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>

enum {
    FORMAT = 1,
    KEY_SIZE = 32,
    KEY_DIGITS = 64,
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    SECRET_SIZE = 20,
    SEALED_SIZE = 1 + NONCE_SIZE + SECRET_SIZE + TAG_SIZE,
    BOUND_SIZE = 64
};
#define SEALED_SIZE_TEXT "49"
_Static_assert(SEALED_SIZE == 49, "SEALED_SIZE_TEXT");

struct vault {
    EVP_CIPHER_CTX *seal; /* each holds the key, expanded once */
    EVP_CIPHER_CTX *open;
};

static void vault_close(struct vault *vault)
{
    EVP_CIPHER_CTX_free(vault->seal);
    EVP_CIPHER_CTX_free(vault->open);
}

/* Of a character that is one. */
static unsigned hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    return (unsigned)(strchr(digits, c) - digits) % 16;
}

/* The key out of the parameter. No message shows any of it. */
static mig_status key_read(struct mig_db *db, unsigned char key[KEY_SIZE])
{
    const char *hex = mig_param(db, "totp_key");

    if (!hex)
        return mig_fail(db,
                        "the key is missing: give --set-file totp_key=FILE, a file that holds "
                        "%d hex digits, such as `openssl rand -hex %d` writes",
                        KEY_DIGITS, KEY_SIZE);
    if (strlen(hex) != KEY_DIGITS || strspn(hex, "0123456789abcdefABCDEF") != KEY_DIGITS)
        return mig_fail(db, "totp_key is not %d hex digits", KEY_DIGITS);
    for (size_t i = 0; i < KEY_SIZE; i++)
        key[i] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return MIG_OK;
}

static mig_status vault_open(struct mig_db *db, struct vault *vault)
{
    unsigned char key[KEY_SIZE];
    bool done;

    MIG_TRY(key_read(db, key));
    vault->seal = EVP_CIPHER_CTX_new();
    vault->open = EVP_CIPHER_CTX_new();
    done = vault->seal && vault->open &&
           EVP_EncryptInit_ex(vault->seal, EVP_aes_256_gcm(), NULL, key, NULL) == 1 &&
           EVP_DecryptInit_ex(vault->open, EVP_aes_256_gcm(), NULL, key, NULL) == 1;
    OPENSSL_cleanse(key, sizeof key);
    if (done)
        return MIG_OK;
    vault_close(vault);
    return mig_fail(db, "libcrypto does not offer AES-256-GCM here");
}

/* What a sealed secret is bound to. */
static int bound_to(int64_t user_id, unsigned char out[BOUND_SIZE])
{
    return snprintf((char *)out, BOUND_SIZE, "user_totp.secret:%" PRId64, user_id);
}

static bool secret_seal(EVP_CIPHER_CTX *ctx, int64_t user_id, const unsigned char *plain,
                        unsigned char sealed[SEALED_SIZE])
{
    unsigned char *nonce = sealed + 1;
    unsigned char *text = nonce + NONCE_SIZE;
    unsigned char bound[BOUND_SIZE];
    int bound_len = bound_to(user_id, bound);
    int len;

    sealed[0] = FORMAT;
    return RAND_bytes(nonce, NONCE_SIZE) == 1 &&
           EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &len, bound, bound_len) == 1 &&
           EVP_EncryptUpdate(ctx, text, &len, plain, SECRET_SIZE) == 1 &&
           EVP_EncryptFinal_ex(ctx, text + len, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, text + SECRET_SIZE) == 1;
}

/* False where it is not what was sealed with this key for this user. */
static bool secret_open(EVP_CIPHER_CTX *ctx, int64_t user_id,
                        const unsigned char sealed[SEALED_SIZE], unsigned char plain[SECRET_SIZE])
{
    const unsigned char *nonce = sealed + 1;
    const unsigned char *text = nonce + NONCE_SIZE;
    unsigned char tag[TAG_SIZE];
    unsigned char bound[BOUND_SIZE];
    int bound_len = bound_to(user_id, bound);
    int len;

    memcpy(tag, text + SECRET_SIZE, TAG_SIZE);
    return sealed[0] == FORMAT && EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1 &&
           EVP_DecryptUpdate(ctx, NULL, &len, bound, bound_len) == 1 &&
           EVP_DecryptUpdate(ctx, plain, &len, text, SECRET_SIZE) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, plain + len, &len) == 1;
}

static mig_status not_opened(struct mig_db *db, int64_t user_id)
{
    return mig_fail(db,
                    "totp_key does not open the secret of user %" PRId64 ": it was sealed with "
                    "another key, for another row, or was changed since",
                    user_id);
}

static mig_status seal(const struct mig_row *in, struct mig_row *out, void *user)
{
    const struct vault *vault = user;
    int64_t user_id = mig_row_int64(in, 0);
    size_t len;
    const unsigned char *secret = mig_row_blob(in, 1, &len);
    unsigned char plain[SECRET_SIZE];
    unsigned char sealed[SEALED_SIZE];

    if (len == SEALED_SIZE) /* the new application has been here already */
        return secret_open(vault->open, user_id, secret, plain) ? MIG_SKIP
                                                                : not_opened(out->db, user_id);
    if (len != SECRET_SIZE)
        return mig_fail(out->db, "this secret is %zu bytes; a plain one is %d, a sealed one %d",
                        len, SECRET_SIZE, SEALED_SIZE);
    if (!secret_seal(vault->seal, user_id, secret, sealed))
        return mig_fail(out->db, "libcrypto did not encrypt");
    return mig_set_blob(out, 0, sealed, sizeof sealed);
}

static mig_status unseal(const struct mig_row *in, struct mig_row *out, void *user)
{
    const struct vault *vault = user;
    int64_t user_id = mig_row_int64(in, 0);
    size_t len;
    const unsigned char *secret = mig_row_blob(in, 1, &len);
    unsigned char plain[SECRET_SIZE];

    if (len == SECRET_SIZE)
        return MIG_SKIP;
    if (len != SEALED_SIZE || !secret_open(vault->open, user_id, secret, plain))
        return not_opened(out->db, user_id);
    return mig_set_blob(out, 0, plain, sizeof plain);
}

/* The key must open every secret that the query finds. */
static mig_status check_sealed(struct mig_db *db, const struct vault *vault, const char *query)
{
    struct mig_stmt *rows;
    mig_status status;

    MIG_TRY(mig_query(db, query, &rows));
    while ((status = mig_step(rows)) == MIG_ROW) {
        int64_t user_id = mig_column_int64(rows, 0);
        size_t len;
        const unsigned char *secret = mig_column_blob(rows, 1, &len);
        unsigned char plain[SECRET_SIZE];

        if (len != SEALED_SIZE || !secret_open(vault->open, user_id, secret, plain)) {
            status = not_opened(db, user_id);
            break;
        }
    }
    mig_finalize(rows);
    return status;
}

/* One sealed row tells whether this is the key of the rows that are sealed,
 * also when an interrupted run goes on. */
static mig_status run(struct mig_db *db,
                      mig_status (*map)(const struct mig_row *, struct mig_row *, void *))
{
    struct vault vault = {NULL, NULL};
    mig_status status;

    MIG_TRY(vault_open(db, &vault));
    status = check_sealed(db, &vault,
                          "SELECT user_id, secret FROM user_totp"
                          " WHERE length(secret) = " SEALED_SIZE_TEXT " ORDER BY user_id LIMIT 1");
    if (status == MIG_OK)
        status = mig_transform(db, &(struct mig_transform){
                                       .size = sizeof(struct mig_transform),
                                       .table = "user_totp",
                                       .key = "user_id",
                                       .read = "user_id, secret",
                                       .write = "secret",
                                       .map = map,
                                       .user = &vault,
                                   });
    vault_close(&vault);
    return status;
}

static mig_status up(struct mig_db *db)
{
    return run(db, seal);
}

static mig_status down(struct mig_db *db)
{
    return run(db, unseal);
}

/* Every secret can be read again: better to hear of it now than at a login. */
static mig_status verify(struct mig_db *db)
{
    struct vault vault = {NULL, NULL};
    mig_status status;

    MIG_TRY(vault_open(db, &vault));
    status = check_sealed(db, &vault, "SELECT user_id, secret FROM user_totp");
    vault_close(&vault);
    return status;
}

MIG_MODULE(.id = "20240126133500", .description = "encrypt totp secrets", .mode = MIG_DURABLE,
           .up = up, .down = down, .verify = verify);
