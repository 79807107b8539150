/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text: the lines of the key behind which the page begins and, inside of a
 * page, a line "+turn/turns:ratio" and those of the key with which it ends. How turns
 * are dealt out is part of what the journal means, so it never changes.
 */
#include "transform_place.h"

#include "text.h"

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

/* The fraction of the golden ratio, of 2^64. Multiples of it, cut to 64 bits, lie more
 * evenly than chance would have them: the next always falls into a largest gap.
 * Knuth, The Art of Computer Programming, vol. 3, 6.4, theorem S. */
#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

#define FIRST_SHARE (UINT64_C(1) << 20) /* of the first turn; the others have their ratio of it */

void transform_place_clear(struct transform_place *place)
{
    transform_key_clear(&place->last);
    transform_key_clear(&place->end);
    place->deal = (struct transform_deal){0};
    place->turn = 0;
}

void transform_place_write(const struct transform_place *place, struct buf *out)
{
    transform_key_write(&place->last, out);
    if (!place->turn)
        return;
    buf_printf(out, "+%u/%u:%u\n", place->turn, place->deal.turns, place->deal.ratio);
    transform_key_write(&place->end, out);
}

static bool deal_is_sound(const struct transform_place *place)
{
    const struct transform_deal *deal = &place->deal;

    return place->turn > 0 && place->turn < deal->turns && deal->turns <= TRANSFORM_TURNS_MAX &&
           deal->ratio > 0 && deal->ratio <= 100;
}

static bool turns_read(struct transform_place *place, size_t count, const char *line)
{
    struct transform_deal *deal = &place->deal;
    char written[TEXT_SHORT];

    if (sscanf(line, "+%2u/%2u:%3u", &place->turn, &deal->turns, &deal->ratio) != 3)
        return false;
    snprintf(written, sizeof written, "+%u/%u:%u\n", place->turn, deal->turns, deal->ratio);
    return strncmp(line, written, strlen(written)) == 0 && deal_is_sound(place) &&
           transform_key_read(&place->end, count, line + strlen(written)) && place->end.set;
}

bool transform_place_read(struct transform_place *place, size_t count, const char *text)
{
    const char *at = text ? text : "";

    transform_place_clear(place);
    if ((*at == '+' || transform_key_scan(&place->last, count, &at)) &&
        (!*at || turns_read(place, count, at)))
        return true;
    transform_place_clear(place);
    return false;
}

static uint32_t hash_of(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint32_t hash = FNV_BASIS;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash;
}

/* Rows with numbers that follow each other mostly lie beside each other too: each
 * page of the table is to have about as many rows of a turn as another page has.
 * A fraction of 2^32. */
static uint64_t lot_of(const struct mig_value *key, size_t count)
{
    uint64_t lot = 0;

    for (size_t i = 0; i < count; i++) {
        if (key[i].type == MIG_INT64)
            lot += (uint64_t)key[i].as.int64 * GOLDEN;
        else if (key[i].type == MIG_DOUBLE)
            lot += (uint64_t)hash_of(&key[i].as.real, sizeof key[i].as.real) << 32;
        else
            lot += (uint64_t)hash_of(key[i].as.data, key[i].len) << 32;
    }
    return lot >> 32;
}

unsigned transform_turn(const struct transform_deal *deal, const struct mig_value *key,
                        size_t count)
{
    uint64_t share = FIRST_SHARE;
    uint64_t all = 0;
    uint64_t lot;
    unsigned turn = 0;

    for (unsigned i = 0; i < deal->turns; i++, share = share * deal->ratio / 100)
        all += share;
    lot = lot_of(key, count) * all >> 32;
    for (share = FIRST_SHARE; lot >= share && turn + 1 < deal->turns; turn++) {
        lot -= share;
        share = share * deal->ratio / 100;
    }
    return turn;
}
