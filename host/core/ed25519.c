/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three functions of libhogweed, found in it by name. Their types are those
 * that its header declares, so that a version which changes them does not
 * compile; the name of the library is that of the version that was compiled
 * against.
 */
#include "ed25519.h"

#include "dso.h"

#include <nettle/eddsa.h>
#include <string.h>

_Static_assert(ED25519_KEY == ED25519_KEY_SIZE, "as nettle has it");
_Static_assert(ED25519_SIGNATURE == ED25519_SIGNATURE_SIZE, "as nettle has it");

struct ed25519 {
    struct dso *library;
    __typeof__(&nettle_ed25519_sha512_public_key) derive;
    __typeof__(&nettle_ed25519_sha512_sign) sign;
    __typeof__(&nettle_ed25519_sha512_verify) verify;
};

void ed25519_close(struct ed25519 *curve)
{
    if (!curve)
        return;
    dso_close(curve->library);
    free(curve);
}

/* ISO C converts no object's address into a function's; POSIX has both alike. */
static mig_status find(const struct ed25519 *curve, const char *name, void *function,
                       struct mig_err *err)
{
    void *address = dso_symbol(curve->library, name);

    if (!address)
        return err_set(err, MIG_E_REFUSED, "%s has no function %s", MIGHOST_HOGWEED, name);
    memcpy(function, &address, sizeof address);
    return MIG_OK;
}

static mig_status find_all(struct ed25519 *curve, struct mig_err *err)
{
    MIG_TRY(dso_open_system(MIGHOST_HOGWEED, &curve->library, err));
    MIG_TRY(find(curve, "nettle_ed25519_sha512_public_key", &curve->derive, err));
    MIG_TRY(find(curve, "nettle_ed25519_sha512_sign", &curve->sign, err));
    return find(curve, "nettle_ed25519_sha512_verify", &curve->verify, err);
}

mig_status ed25519_open(struct ed25519 **out, struct mig_err *err)
{
    AUTO(ed25519) struct ed25519 *curve = calloc(1, sizeof *curve);

    if (!curve)
        return err_nomem(err);
    if (find_all(curve, err) < 0)
        return err_wrap(err, "signatures need %s, a part of nettle", MIGHOST_HOGWEED);
    *out = TAKE(curve);
    return MIG_OK;
}

void ed25519_public(const struct ed25519 *curve, const unsigned char private_key[ED25519_KEY],
                    unsigned char out[ED25519_KEY])
{
    curve->derive(out, private_key);
}

void ed25519_sign(const struct ed25519 *curve, const unsigned char private_key[ED25519_KEY],
                  const void *data, size_t len, unsigned char out[ED25519_SIGNATURE])
{
    unsigned char public_key[ED25519_KEY];

    curve->derive(public_key, private_key);
    curve->sign(public_key, private_key, len, data, out);
}

bool ed25519_verify(const struct ed25519 *curve, const unsigned char public_key[ED25519_KEY],
                    const void *data, size_t len, const unsigned char signature[ED25519_SIGNATURE])
{
    return curve->verify(public_key, len, data, signature) == 1;
}
