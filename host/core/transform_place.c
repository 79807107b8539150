/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text: the lines of the key behind which the page begins and, inside of a
 * page, a line "+turn/turns" and those of the key with which it ends. How turns
 * are dealt out is part of what the journal means, so it never changes.
 */
#include "transform_place.h"

#include "text.h"

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

void transform_place_clear(struct transform_place *place)
{
    transform_key_clear(&place->last);
    transform_key_clear(&place->end);
    place->turn = place->turns = 0;
}

void transform_place_write(const struct transform_place *place, struct buf *out)
{
    transform_key_write(&place->last, out);
    if (!place->turn)
        return;
    buf_printf(out, "+%u/%u\n", place->turn, place->turns);
    transform_key_write(&place->end, out);
}

static bool turns_read(struct transform_place *place, size_t count, const char *line)
{
    char written[TEXT_SHORT];

    if (sscanf(line, "+%2u/%2u", &place->turn, &place->turns) != 2)
        return false;
    snprintf(written, sizeof written, "+%u/%u\n", place->turn, place->turns);
    return strncmp(line, written, strlen(written)) == 0 && place->turn > 0 &&
           place->turn < place->turns && place->turns <= TRANSFORM_TURNS_MAX &&
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

static uint32_t mix(uint32_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash;
}

unsigned transform_turn(const struct mig_value *key, size_t count, unsigned turns)
{
    uint32_t hash = FNV_BASIS;

    for (size_t i = 0; turns > 1 && i < count; i++) {
        if (key[i].type == MIG_INT64)
            hash = mix(hash, &key[i].as.int64, sizeof key[i].as.int64);
        else if (key[i].type == MIG_DOUBLE)
            hash = mix(hash, &key[i].as.real, sizeof key[i].as.real);
        else
            hash = mix(hash, key[i].as.data, key[i].len);
    }
    return turns > 1 ? (hash >> 16 ^ hash) % turns : 0;
}
