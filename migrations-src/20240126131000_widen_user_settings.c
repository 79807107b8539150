/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Re-encodes a packed struct in a blob from layout 1 to layout 2: two members
 * grow, one is new. SQL cannot do this; the application's own code can. Each
 * layout is written down byte by byte, little-endian, so that neither the
 * compiler's padding nor the machine's byte order has a say. A blob that is
 * not exactly one of the two is refused with the reason, never guessed at.
 *
 *     offset  layout 1, 12 bytes            layout 2, 24 bytes
 *     0       'U' 'S'                       'U' 'S'
 *     2       u8  layout = 1                u8  layout = 2
 *     3       u8  theme: 0, 1, 2            u8  theme: 0, 1, 2
 *     4       u16 rows a page               i16 minutes from UTC
 *     6       i16 minutes from UTC          u16 nothing, 0
 *     8       u32 last visit, seconds       u32 rows a page
 *     12                                    u32 flags, new
 *     16                                    i64 last visit, milliseconds
 */
#include <mig.h>

#include <inttypes.h>
#include <stdbool.h>

enum { V1 = 1, V2 = 2, V1_SIZE = 12, V2_SIZE = 24, HEADER_SIZE = 4 };
enum { THEME_LAST = 2, FLAG_NOTIFY = 1, MS_IN_SECOND = 1000 };

struct settings {
    unsigned layout; /* that it was read from */
    unsigned theme;
    int utc_offset_min;
    uint32_t page_rows;
    uint32_t flags;
    int64_t seen_ms;
};

static uint64_t get(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;

    while (count--)
        value = value << 8 | bytes[count];
    return value;
}

static void put(unsigned char *bytes, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++, value >>= 8)
        bytes[i] = (unsigned char)value;
}

static int get_i16(const unsigned char *bytes)
{
    int value = (int)get(bytes, 2);

    return value <= INT16_MAX ? value : value - (UINT16_MAX + 1);
}

/* What both layouts begin with, and that the size is the layout's. */
static mig_status header_read(struct mig_db *db, const unsigned char *bytes, size_t len,
                              struct settings *out)
{
    size_t wanted;

    *out = (struct settings){0};
    if (!bytes || len < HEADER_SIZE)
        return mig_fail(db, "these settings are %zu bytes, too few for a header", len);
    if (bytes[0] != 'U' || bytes[1] != 'S')
        return mig_fail(db, "these settings do not begin with the mark \"US\"");
    out->layout = bytes[2];
    out->theme = bytes[3];
    if (out->layout != V1 && out->layout != V2)
        return mig_fail(db, "these settings have layout %u; known are 1 and 2", out->layout);
    wanted = out->layout == V1 ? V1_SIZE : V2_SIZE;
    if (len != wanted)
        return mig_fail(db, "settings of layout %u are %zu bytes, these are %zu", out->layout,
                        wanted, len);
    if (out->theme > THEME_LAST)
        return mig_fail(db, "these settings name theme %u; the last one is %d", out->theme,
                        THEME_LAST);
    return MIG_OK;
}

static mig_status settings_read(struct mig_db *db, const unsigned char *bytes, size_t len,
                                struct settings *out)
{
    MIG_TRY(header_read(db, bytes, len, out));
    if (out->layout == V1) {
        out->page_rows = (uint32_t)get(bytes + 4, 2);
        out->utc_offset_min = get_i16(bytes + 6);
        out->seen_ms = (int64_t)get(bytes + 8, 4) * MS_IN_SECOND;
        out->flags = FLAG_NOTIFY; /* what everybody got before there was a choice */
    } else {
        out->utc_offset_min = get_i16(bytes + 4);
        out->page_rows = (uint32_t)get(bytes + 8, 4);
        out->flags = (uint32_t)get(bytes + 12, 4);
        out->seen_ms = (int64_t)get(bytes + 16, 8);
    }
    return MIG_OK;
}

static mig_status to_v2(const struct mig_row *in, struct mig_row *out, void *user)
{
    unsigned char bytes[V2_SIZE] = {'U', 'S', V2};
    struct settings settings;
    size_t len;
    const unsigned char *blob = mig_row_blob(in, 0, &len);

    (void)user;
    MIG_TRY(settings_read(out->db, blob, len, &settings));
    if (settings.layout == V2) /* the new application has been here already */
        return MIG_SKIP;
    put(bytes + 3, 1, settings.theme);
    put(bytes + 4, 2, (uint64_t)settings.utc_offset_min);
    put(bytes + 8, 4, settings.page_rows);
    put(bytes + 12, 4, settings.flags);
    put(bytes + 16, 8, (uint64_t)settings.seen_ms);
    return mig_set_blob(out, 0, bytes, sizeof bytes);
}

/* The flags go, as layout 1 has no place for them; so does the fraction of a
 * second. A number that layout 1 cannot hold would become another number. */
static mig_status to_v1(const struct mig_row *in, struct mig_row *out, void *user)
{
    unsigned char bytes[V1_SIZE] = {'U', 'S', V1};
    struct settings settings;
    size_t len;
    const unsigned char *blob = mig_row_blob(in, 0, &len);

    (void)user;
    MIG_TRY(settings_read(out->db, blob, len, &settings));
    if (settings.layout == V1)
        return MIG_SKIP;
    if (settings.page_rows > UINT16_MAX)
        return mig_fail(out->db, "layout 1 cannot hold %" PRIu32 " rows a page; it ends at %d",
                        settings.page_rows, UINT16_MAX);
    if (settings.seen_ms < 0 || settings.seen_ms / MS_IN_SECOND > UINT32_MAX)
        return mig_fail(out->db, "layout 1 cannot hold a visit at %" PRId64 " ms since 1970",
                        settings.seen_ms);
    put(bytes + 3, 1, settings.theme);
    put(bytes + 4, 2, settings.page_rows);
    put(bytes + 6, 2, (uint64_t)settings.utc_offset_min);
    put(bytes + 8, 4, (uint64_t)(settings.seen_ms / MS_IN_SECOND));
    return mig_set_blob(out, 0, bytes, sizeof bytes);
}

static mig_status recode(struct mig_db *db,
                         mig_status (*map)(const struct mig_row *, struct mig_row *, void *))
{
    return mig_transform(db, &(struct mig_transform){
                                 .size = sizeof(struct mig_transform),
                                 .table = "user_settings",
                                 .read = "settings",
                                 .write = "settings",
                                 .map = map,
                             });
}

static mig_status up(struct mig_db *db)
{
    return recode(db, to_v2);
}

static mig_status down(struct mig_db *db)
{
    return recode(db, to_v1);
}

/* An application that still writes layout 1 is found here, not by its users. */
static mig_status verify(struct mig_db *db)
{
    struct settings settings;
    struct mig_stmt *rows;
    mig_status status;

    MIG_TRY(mig_query(db, "SELECT settings, user_id FROM user_settings", &rows));
    while ((status = mig_step(rows)) == MIG_ROW) {
        size_t len;
        const unsigned char *blob = mig_column_blob(rows, 0, &len);

        status = settings_read(db, blob, len, &settings);
        if (status == MIG_OK && settings.layout != V2)
            status = mig_fail(db, "the settings of user %" PRId64 " have layout %u",
                              mig_column_int64(rows, 1), settings.layout);
        if (status < 0)
            break;
    }
    mig_finalize(rows);
    return status;
}

MIG_MODULE(.id = "20240126131000", .description = "widen user settings", .mode = MIG_DURABLE,
           .up = up, .down = down, .verify = verify);
