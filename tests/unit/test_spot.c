/* SPDX-License-Identifier: Apache-2.0 */
/* The row at hand, read while it may go away. */
#include "spot.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const names[] = {"\"id\"", "\"part\""};
static struct spot spots[2];
static struct spot_row row;

static void set_up(struct spot *spot, size_t keys)
{
    *spot = (struct spot){.table = "people", .keys = names, .key_count = keys};
    spot->thread = gettid();
}

static struct mig_value text(const char *data)
{
    return (struct mig_value){.type = MIG_TEXT, .as.data = data, .len = strlen(data)};
}

Test(spot, there_is_no_row_outside_of_the_callback)
{
    const struct mig_value key = {.type = MIG_INT64, .as.int64 = 7};

    set_up(&spots[0], 1);
    cr_assert_not(spot_read(spots, 2, true, &row));
    spot_enter(&spots[0], &key);
    cr_assert(spot_read(spots, 2, false, &row));
    spot_leave(&spots[0]);
    cr_assert_not(spot_read(spots, 2, true, &row));
}

Test(spot, a_row_is_named_by_its_whole_key)
{
    const struct mig_value key[] = {{.type = MIG_INT64, .as.int64 = -7}, text("left")};

    set_up(&spots[1], 2);
    spot_enter(&spots[1], key);
    cr_assert(spot_read(spots, 2, false, &row));
    cr_assert_str_eq(row.table, "people");
    cr_assert_eq(row.key_count, 2);
    cr_assert_eq((int64_t)row.keys[0].bits, -7);
    cr_assert_str_eq(row.keys[1].name, "\"part\"");
    cr_assert_str_eq(row.keys[1].text, "left");
    cr_assert_eq(row.keys[1].len, 4);
}

Test(spot, that_of_another_thread_is_read_only_where_any_will_do)
{
    const struct mig_value key = {.type = MIG_INT64, .as.int64 = 7};

    set_up(&spots[0], 1);
    spots[0].thread++;
    spot_enter(&spots[0], &key);
    cr_assert_not(spot_read(spots, 2, false, &row));
    cr_assert(spot_read(spots, 2, true, &row));
}

Test(spot, texts_are_cut_and_end_where_memory_does)
{
    long page = sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct mig_value key;

    cr_assert_neq(memory, MAP_FAILED);
    memset(memory, 'x', (size_t)page);
    munmap(memory + page, (size_t)page);
    set_up(&spots[0], 1);
    key = (struct mig_value){.type = MIG_TEXT, .as.data = memory, .len = 1000};
    spot_enter(&spots[0], &key);
    cr_assert(spot_read(spots, 2, false, &row));
    cr_assert_eq(strlen(row.keys[0].text), SPOT_TEXT - 1);
    key.as.data = memory + page - 5;
    cr_assert(spot_read(spots, 2, false, &row));
    cr_assert_str_eq(row.keys[0].text, "xxxxx");
    munmap(memory, (size_t)page);
}

Test(spot, memory_that_is_gone_does_no_harm)
{
    set_up(&spots[0], 2);
    spot_enter(&spots[0], (const struct mig_value *)16);
    spot_read(spots, 2, false, &row);
    cr_assert_str_eq(row.table, "people");
    cr_assert_eq(row.key_count, 0);
}

static atomic_bool stop;

/* Rows whose key says the same twice, in memory that goes away. */
static void *wander(void *arg)
{
    struct spot *spot = arg;

    for (int64_t i = 0; !atomic_load(&stop); i++) {
        struct mig_value *key = calloc(2, sizeof *key);

        key[0] = key[1] = (struct mig_value){.type = MIG_INT64, .as.int64 = i};
        spot_enter(spot, key);
        spot_leave(spot);
        free(key);
    }
    return NULL;
}

Test(spot, a_row_that_is_left_meanwhile_is_read_whole_or_not_at_all)
{
    pthread_t thread;

    set_up(&spots[0], 2);
    spots[0].thread++;
    cr_assert_eq(pthread_create(&thread, NULL, wander, &spots[0]), 0);
    for (int i = 0; i < 20000; i++)
        if (spot_read(spots, 2, true, &row))
            cr_assert_eq(row.keys[0].bits, row.keys[1].bits);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}
