/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that are written in several turns: the text of a place, the turn of a
 * row, and transforms that stop between two turns and go on, on both engines.
 * How many turns there are is the driver's affair; here it is told three.
 */
#include "columns.h"
#include "opened.h"
#include "transform.h"
#include "transform_place.h"

#define TURNS 3
#define ROWS 4000

static struct mig_value number(int64_t n)
{
    return (struct mig_value){.type = MIG_INT64, .as.int64 = n};
}

/* Four turns, of which none is smaller than another. */
static const struct transform_deal even = {.turns = 4, .ratio = 100};

static void set_key(struct transform_key *key, int64_t n)
{
    struct mig_value value = number(n);
    struct mig_err err;

    cr_assert_eq(transform_key_set(key, &value, 1, &err), MIG_OK);
}

/* ---- the text ---------------------------------------------------------------------- */

static void there_and_back(struct transform_place *place, const char *text)
{
    AUTO(buf) struct buf out = {0};
    struct transform_place read = {0};

    transform_place_write(place, &out);
    cr_assert_str_eq(buf_text(&out), text);
    cr_assert(transform_place_read(&read, 1, text));
    cr_assert_eq(read.last.set, place->last.set);
    cr_assert_eq(read.turn, place->turn);
    cr_assert_eq(read.deal.turns, place->deal.turns);
    cr_assert_eq(read.deal.ratio, place->deal.ratio);
    buf_reset(&out);
    transform_place_write(&read, &out);
    cr_assert_str_eq(buf_text(&out), text);
    transform_place_clear(&read);
    transform_place_clear(place);
}

Test(transform_turns, a_place_is_written_and_read_as_the_same)
{
    struct transform_place place = {0};

    there_and_back(&place, "");
    set_key(&place.last, -7);
    there_and_back(&place, "i-7\n");
    set_key(&place.end, 20);
    place.turn = 1;
    place.deal = even;
    there_and_back(&place, "+1/4:100\ni20\n");
    set_key(&place.last, 5);
    set_key(&place.end, 20);
    place.turn = 3;
    place.deal = (struct transform_deal){.turns = 4, .ratio = 56};
    there_and_back(&place, "i5\n+3/4:56\ni20\n");
}

Test(transform_turns, a_text_that_is_no_place_is_refused)
{
    static const char *const texts[] = {
        "i5\n+1/4:50\n",
        "i5\n+4/4:50\ni9\n",
        "i5\n+0/4:50\ni9\n",
        "+1/17:50\ni9\n",
        "+1/4:50i9\n",
        "i5\n+1/4:50\nx9\n",
        "i5\n+-1/4:50\ni9\n",
        "+",
        "+1/\ni9\n",
        "i5",
        "i5x\n",
        "i 5\n",
        "i\n5\n",
        "i5\ni6\n",
        "i05\n",
        "d1 \n",
        "d\n1\n",
        "i9223372036854775808\n",
        "i5\n+01/4:50\ni9\n",
        "i5\n+1/4:50\ni9\ni10\n",
        "i5\n+1/4\ni9\n",
        "i5\n+1/4:0\ni9\n",
        "i5\n+1/4:101\ni9\n",
        "i5\n+1/4:050\ni9\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct transform_place place = {0};

        cr_assert_not(transform_place_read(&place, 1, texts[i]), "\"%s\"", texts[i]);
        cr_assert_not(place.last.set);
        cr_assert_eq(place.turn, 0);
    }
}

Test(transform_turns, the_turn_of_a_key_never_changes)
{
    struct mig_value text = {.type = MIG_TEXT, .len = 5, .as.data = "seven"};
    struct mig_value pair[] = {number(1), number(2)};
    struct mig_value seven = number(7);

    /* Journals hold on to these. */
    cr_assert_eq(transform_turn(&(struct transform_deal){1, 100}, &seven, 1), 0);
    cr_assert_eq(transform_turn(&even, &seven, 1), 1);
    cr_assert_eq(transform_turn(&(struct transform_deal){4, 50}, &seven, 1), 0);
    cr_assert_eq(transform_turn(&even, &text, 1), 0);
    cr_assert_eq(transform_turn(&(struct transform_deal){7, 100}, pair, 2), 5);
}

static size_t turns_within(int64_t from, int64_t step, size_t rows, unsigned turn)
{
    size_t count = 0;

    for (size_t i = 0; i < rows; i++) {
        struct mig_value key = number(from + (int64_t)i * step);

        count += transform_turn(&even, &key, 1) == turn;
    }
    return count;
}

Test(transform_turns, neighbours_are_dealt_out_evenly)
{
    static const int64_t steps[] = {1, 2, 3, 5, 10, -1};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        for (int64_t from = -400; from < 4000; from += 40)
            for (unsigned turn = 0; turn < 4; turn++) {
                size_t count = turns_within(from, steps[i], 40, turn);

                cr_assert(count >= 6 && count <= 14, "%zu of 40 from %lld by %lld", count,
                          (long long)from, (long long)steps[i]);
            }
}

Test(transform_turns, texts_are_dealt_out_as_by_chance)
{
    size_t counts[4] = {0};

    for (int i = 0; i < 4000; i++) {
        char text[20];
        struct mig_value key = {.type = MIG_TEXT, .as.data = text};

        key.len = (size_t)snprintf(text, sizeof text, "user%04d", i);
        counts[transform_turn(&even, &key, 1)]++;
    }
    for (size_t i = 0; i < 4; i++)
        cr_assert(counts[i] > 800 && counts[i] < 1200, "turn %zu has %zu", i, counts[i]);
}

Test(transform_turns, of_rows_that_grow_the_first_turn_has_most)
{
    /* 1, 1/2, 1/4, 1/8 of 15/8 */
    static const size_t shares[4] = {5333, 2667, 1333, 667};
    const struct transform_deal halves = {.turns = 4, .ratio = 50};
    size_t counts[4] = {0};

    for (int64_t i = 0; i < 10000; i++) {
        struct mig_value key = number(i);

        counts[transform_turn(&halves, &key, 1)]++;
    }
    for (size_t i = 0; i < 4; i++)
        cr_assert(counts[i] > shares[i] - 20 && counts[i] < shares[i] + 20, "turn %zu has %zu", i,
                  counts[i]);
}

/* ---- on a database ------------------------------------------------------------------ */

struct walk {
    struct opened *on;
    char cursor[400];
    int64_t done;
    int64_t mapped;
    int commits;
    int stop_after;        /* commits; 0: never */
    const char *meanwhile; /* what happens to the table when it stops */
    const char *write;     /* another column than the one that is read */
    int64_t row_bytes;     /* that the driver knows of; 0: it knows nothing */
};

static struct walk *walking; /* a driver's function has no place for it */

static mig_status map(const struct mig_row *in, struct mig_row *out, void *user)
{
    struct walk *walk = user;

    walk->mapped++;
    if (walk->write)
        return mig_set_text(out, 0, "a text of twenty-two b");
    return mig_set_int64(out, 0, mig_row_int64(in, 0) + 1);
}

static mig_status estimate(struct mig_conn *conn, const char *table, struct mig_estimate *out,
                           struct mig_err *err)
{
    (void)conn;
    (void)table;
    (void)err;
    out->row_bytes = walking->row_bytes;
    return MIG_OK;
}

static mig_status keep(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    struct walk *walk = ctx;

    snprintf(walk->cursor, sizeof walk->cursor, "%s", mark->cursor);
    walk->done = mark->done;
    walk->commits++;
    return walk->on->driver->commit(walk->on->conn, err);
}

static mig_status begin(void *ctx, struct mig_err *err)
{
    struct walk *walk = ctx;
    struct mig_tx_options options = {.size = sizeof options};

    MIG_TRY(walk->on->driver->begin(walk->on->conn, &options, err));
    if (walk->commits == walk->stop_after)
        return mig_err_set(err, MIG_E_INTERRUPTED, "stopped by the test");
    return MIG_OK;
}

static const struct transform_owner owner = {.commit = keep, .begin = begin};

/* One run, from where the walk is to its end or to where it is stopped. */
static mig_status run(struct walk *walk)
{
    struct opened *on = walk->on;
    struct mig_driver driver = *on->driver;
    const struct mig_transform spec = {.size = sizeof spec,
                                       .table = "t",
                                       .read = "a",
                                       .write = walk->write ? walk->write : "a",
                                       .map = map,
                                       .user = walk,
                                       .batch = 2000};
    const struct db_config config = {.driver = &driver,
                                     .conn = on->conn,
                                     .protect = history_prefix(on->history),
                                     .mode = MIG_DURABLE,
                                     .row_get = row_get,
                                     .row_set = row_set};
    struct db *db = calloc(1, sizeof *db);
    struct transform transform = {
        .db = db,
        .spec = &spec,
        .from = {.cursor = test_format("%s", walk->cursor), .done = walk->done},
        .owner = &owner,
        .ctx = walk};
    mig_status status;

    cr_assert_not_null(db);
    driver.turns = TURNS;
    if (walk->row_bytes) {
        driver.estimate = estimate;
        walking = walk;
    }
    db_open(db, &config);
    db_guard(db, false);
    opened_begin(on);
    status = transform_run(&transform, &on->err);
    if (status == MIG_OK)
        opened_commit(on);
    else
        on->driver->rollback(on->conn);
    db_close(db);
    free(db);
    return status;
}

static void make_table(struct opened *on)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)");
    opened_exec(on, test_format("INSERT INTO t WITH RECURSIVE n (i) AS"
                                " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                                " SELECT i, 0 FROM n",
                                ROWS));
}

/* Stops after every commit and goes on, until all is done. */
static void walk_through(struct walk *walk)
{
    mig_status status;

    do {
        walk->stop_after = walk->commits + 1;
        status = run(walk);
        if (status != MIG_OK)
            expect_status(walk->on, status, MIG_E_INTERRUPTED);
        if (status != MIG_OK && walk->meanwhile && walk->commits == 1)
            opened_exec(walk->on, walk->meanwhile);
    } while (status != MIG_OK);
}

Engines(transform_turns, a_page_is_committed_turn_by_turn)
{
    struct walk walk = {.on = on, .stop_after = 1};

    make_table(on);
    expect_status(on, run(&walk), MIG_E_INTERRUPTED);
    /* A part of the first page, from all over it. */
    expect_rows(on,
                "SELECT MIN(id) < 20, MAX(id) > 1980, MAX(id) <= 2000,"
                " COUNT(*) BETWEEN 500 AND 800 FROM t WHERE a = 1",
                on_engine(on, "sqlite") ? "1|1|1|1" : "t|t|t|t");
    walk.stop_after = 0;
    expect_status(on, run(&walk), MIG_OK);
    cr_assert_eq(walk.commits, 2 * TURNS);
    expect_rows(on, "SELECT COUNT(*), MIN(a), MAX(a) FROM t", "4000|1|1");
}

Engines(transform_turns, stopped_anywhere_it_maps_and_writes_each_row_once)
{
    struct walk walk = {.on = on};

    make_table(on);
    walk_through(&walk);
    cr_assert_eq(walk.mapped, ROWS);
    cr_assert_eq(walk.done, ROWS);
    expect_rows(on, "SELECT COUNT(*), MIN(a), MAX(a) FROM t", "4000|1|1");
}

Engines(transform_turns, rows_that_come_and_go_inside_of_a_page_change_no_other_rows_turn)
{
    struct walk walk = {.on = on, .meanwhile = "DELETE FROM t WHERE id % 2 = 0"};

    make_table(on);
    walk_through(&walk);
    expect_rows(on, "SELECT COUNT(*), MIN(a), MAX(a) FROM t", "2000|1|1");
}

/* 90 of (90 + 30 + 8): what is written takes 8 beside its bytes, and a version as much. */
Engines(transform_turns, turns_shrink_as_rows_were_seen_to_grow)
{
    struct walk walk = {.on = on, .stop_after = 1, .write = "b", .row_bytes = 90};

    make_table(on);
    opened_exec(on, "ALTER TABLE t ADD COLUMN b VARCHAR(64)");
    expect_status(on, run(&walk), MIG_E_INTERRUPTED);
    cr_assert_str_eq(walk.cursor, "+1/3:100\ni2000\n"); /* nothing was seen yet */
    walk.stop_after = 4;
    expect_status(on, run(&walk), MIG_E_INTERRUPTED);
    cr_assert_str_eq(walk.cursor, "i2000\n+1/3:70\ni4000\n");
    walk.stop_after = 0;
    expect_status(on, run(&walk), MIG_OK);
    expect_rows(on, "SELECT COUNT(b) FROM t", "4000");
}

Engines(transform_turns, a_row_that_is_as_long_as_before_has_not_grown)
{
    struct walk walk = {.on = on, .stop_after = 4, .row_bytes = 90};

    make_table(on);
    expect_status(on, run(&walk), MIG_E_INTERRUPTED);
    cr_assert_str_eq(walk.cursor, "i2000\n+1/3:100\ni4000\n");
}

Engines(transform_turns, small_pages_have_one_turn)
{
    struct walk walk = {.on = on};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)");
    opened_exec(on, "INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)");
    walk.stop_after = 0;
    walk.commits = 0;
    expect_status(on, run(&walk), MIG_OK);
    cr_assert_eq(walk.commits, 1);
    cr_assert_str_eq(walk.cursor, "i3\n");
}
