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

/* The fraction of the golden ratio, of 2^64. Multiples of it, cut to 64 bits, lie more
 * evenly than chance would have them: the next always falls into a largest gap.
 * Knuth, The Art of Computer Programming, vol. 3, 6.4, theorem S. */
#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

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

static uint32_t hash_of(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint32_t hash = FNV_BASIS;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash;
}

/* 9/16 x + 7/16 x^2 of a fraction of 2^32: of four turns the first then has 35 of 100
 * rows, and the others 25, 21 and 18. What a turn leaves behind has room for fewer rows
 * than left it when they have grown; this was found by trying. */
static uint64_t bend(uint64_t place)
{
    return (9 * place + 7 * (place * place >> 32)) / 16;
}

/* Rows with numbers that follow each other mostly lie beside each other too: each
 * page of the table is to have about as many rows of a turn as another page has. */
unsigned transform_turn(const struct mig_value *key, size_t count, unsigned turns, bool grow)
{
    uint64_t place = 0;

    for (size_t i = 0; i < count; i++) {
        if (key[i].type == MIG_INT64)
            place += (uint64_t)key[i].as.int64 * GOLDEN;
        else if (key[i].type == MIG_DOUBLE)
            place += (uint64_t)hash_of(&key[i].as.real, sizeof key[i].as.real) << 32;
        else
            place += (uint64_t)hash_of(key[i].as.data, key[i].len) << 32;
    }
    place >>= 32;
    return (unsigned)((grow ? bend(place) : place) * turns >> 32);
}
