/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursor of a transform as the journal has it: a text that is taken means
 * one place and no other, so that written again it is the same text, or, where
 * floating-point numbers are in it, one that stays the same. The first byte of
 * the input says how many columns the key has.
 */
#include "fuzz.h"

#include "core/transform_place.h"

static bool has_real(const struct transform_key *key)
{
    for (size_t i = 0; key->set && i < key->count; i++)
        if (key->values[i].type == MIG_DOUBLE)
            return true;
    return false;
}

static void check_again(const struct transform_place *place, size_t count, const char *text)
{
    struct transform_place again = {0};
    AUTO(buf) struct buf once = {0};
    AUTO(buf) struct buf twice = {0};

    transform_place_write(place, &once);
    FUZZ_CHECK(buf_ok(&once));
    FUZZ_CHECK(has_real(&place->last) || has_real(&place->end) ||
               strcmp(buf_text(&once), text) == 0);
    FUZZ_CHECK(transform_place_read(&again, count, buf_text(&once)));
    transform_place_write(&again, &twice);
    FUZZ_CHECK(strcmp(buf_text(&once), buf_text(&twice)) == 0);
    transform_place_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transform_place place = {0};
    size_t count;
    char *text;

    if (size == 0)
        return 0;
    count = data[0] % (TRANSFORM_COLUMNS_MAX + 1u);
    text = fuzz_text(data + 1, size - 1);
    if (transform_place_read(&place, count, text)) {
        FUZZ_CHECK(!place.last.set || place.last.count == count);
        FUZZ_CHECK(!place.end.set || place.end.count == count);
        check_again(&place, count, text);
    }
    transform_place_clear(&place);
    free(text);
    return 0;
}
