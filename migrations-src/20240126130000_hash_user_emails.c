/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives every user the SHA-256 of the e-mail address, in hex, so that other
 * systems can match addresses without being told them. This is what a
 * migration in C is for: the value comes from code, not from the database.
 * The column is filled before it is indexed, since an index that is there
 * already has to be kept up row by row. Knows nothing of engines or batches;
 * an interrupted run goes on at the step, and the row, where it stopped.
 */
#include <mig.h>

static mig_status hash_email(const struct mig_row *in, struct mig_row *out, void *user)
{
    char hex[MIG_SHA256_HEX];

    (void)user;
    mig_sha256_hex(out->db, mig_row_text(in, 0), hex);
    return mig_set_text(out, 0, hex);
}

static mig_status up(struct mig_db *db)
{
    MIG_TRY(mig_exec(db, "ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)"));
    MIG_TRY(mig_transform(db, &(struct mig_transform){
                                  .size = sizeof(struct mig_transform),
                                  .table = "users",
                                  .key = "id",
                                  .read = "email",
                                  .write = "email_hash",
                                  .map = hash_email,
                              }));
    return mig_exec(db, "CREATE INDEX idx_users_email_hash ON users (email_hash)");
}

static mig_status down(struct mig_db *db)
{
    MIG_TRY(mig_exec(db, "DROP INDEX idx_users_email_hash"));
    return mig_exec(db, "ALTER TABLE users DROP COLUMN email_hash");
}

MIG_MODULE(.id = "20240126130000", .description = "hash user emails", .mode = MIG_DURABLE, .up = up,
           .down = down);
