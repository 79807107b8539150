/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data benchmark's job as a migration module. The build says in which mode
 * (BENCH_MODE) and by how many workers (BENCH_WORKERS); apart from that it is
 * what any author would write.
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
    MIG_TRY(mig_transform(
        db, &(struct mig_transform) {
            .size = sizeof(struct mig_transform), .table = "users", .key = "id", .read = "email",
            .write = "email_hash", .map = hash_email,
#if BENCH_WORKERS > 1
            .workers = BENCH_WORKERS, .flags = MIG_TRANSFORM_THREAD_SAFE,
#endif
        }));
    return mig_exec(db, "CREATE INDEX idx_users_email_hash ON users (email_hash)");
}

MIG_MODULE(.id = "20240126130000", .description = "hash user emails", .mode = BENCH_MODE, .up = up);
