/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page is read at once and its rows are dealt out to turns, each mapped and
 * written in one batch that demands the read columns to be still what they
 * were; rows that were not written are read and mapped anew. Why there are
 * turns: where the engine writes a new version of each row and leaves the old
 * one behind, a page of the table is emptied bit by bit, and takes the next
 * turn's rows without an index having to know.
 */
#include "transform_page.h"

#include "clock.h"

#include <inttypes.h>
#include <unistd.h>

#define PAGE_FIRST 10 /* nobody knows yet how large the rows are, nor how slow */
#define PAGE_MAX 10000
#define REREADS_MAX 20    /* of a row that changes again and again */
#define SAID_ROWS 20      /* rejected rows that are named one by one */
#define TURN_ROWS_MIN 500 /* of a page for each of its turns */
#define RATIO_MIN 25      /* of a turn to the one before it, of 100 */
#define VALUE_BYTES 8     /* a number, or what a text takes beside its own bytes */
#define VERSION_BYTES 8   /* what a new version of a row takes beside its values */

void transform_lane_init(struct transform_lane *lane, const struct transform *transform,
                         const struct transform_shape *shape, struct transform_tally *tally,
                         struct db *db, size_t number)
{
    *lane = (struct transform_lane){
        .transform = transform,
        .shape = shape,
        .tally = tally,
        .db = db,
        .driver = db->config.driver,
        .conn = db->config.conn,
        .page_rows = shape->spec.batch ? shape->spec.batch : PAGE_FIRST,
        /* only what is committed makes room */
        .turns = transform->owner && transform->owner->commit ? db->config.driver->turns : 1,
    };
    lane->spot = number < transform->spot_count ? &transform->spots[number] : &lane->own_spot;
    lane->spot->table = shape->spec.table;
    lane->spot->keys = shape->keys.quoted;
    lane->spot->key_count = shape->keys.count;
    lane->spot->thread = gettid();
}

void transform_lane_clear(struct transform_lane *lane)
{
    transform_rows_clear(&lane->rows);
    transform_place_clear(&lane->place);
    transform_key_clear(&lane->until);
}

/* More only step by step; fewer at once, by as much as it took too long. */
static size_t page_rows_for(size_t rows, int64_t took_ms)
{
    size_t fewer;

    if (took_ms < TRANSFORM_BATCH_MS / 2)
        return rows * 2 < PAGE_MAX ? rows * 2 : PAGE_MAX;
    if (took_ms <= TRANSFORM_BATCH_MS * 2)
        return rows;
    fewer = rows * TRANSFORM_BATCH_MS / (size_t)took_ms;
    return fewer ? fewer : 1;
}

void transform_lane_adapt(struct transform_lane *lane, const struct transform_step *step,
                          int64_t took_ms)
{
    size_t fit = step->rows ? TRANSFORM_PAGE_BYTES / (step->bytes / step->rows + 1) : PAGE_MAX;

    lane->longest_ms = took_ms > lane->longest_ms ? took_ms : lane->longest_ms;
    if (lane->shape->spec.batch || !step->page)
        return;
    lane->page_rows = page_rows_for(lane->page_rows, lane->longest_ms);
    lane->longest_ms = 0;
    if (lane->page_rows > fit)
        lane->page_rows = fit ? fit : 1;
}

/* --- the callback ------------------------------------------------------------------ */

static void warn_of_row(const struct transform_lane *lane, const char *where, const char *said)
{
    const struct transform *transform = lane->transform;
    AUTO(buf) struct buf text = {0};

    if (!transform->owner || !transform->owner->warn || lane->tally->said++ >= SAID_ROWS)
        return;
    buf_printf(&text, "the callback rejected the row of table %s with %s%s%s",
               lane->shape->spec.table, where, *said ? ": " : "", said);
    transform->owner->warn(transform->ctx, buf_text(&text));
}

/* A row that the callback calls bad is left as it is, as long as they are few. */
static mig_status row_rejected(struct transform_lane *lane, const struct mig_value *keys,
                               struct mig_err *err)
{
    int64_t most = lane->transform->limits.max_rejects;
    const char *said = lane->db->fail;
    AUTO(buf) struct buf where = {0};

    transform_key_say(&lane->shape->keys, keys, &where);
    lane->rejected++;
    if (++lane->tally->rejected > most) {
        err_set(err, MIG_E_FAILED,
                "the callback rejected the row of table %s with %s%s%s; --max-rejects allows "
                "%" PRId64,
                lane->shape->spec.table, buf_text(&where), *said ? ": " : "", said, most);
        lane->db->fail[0] = '\0'; /* said above */
        return err->status;
    }
    warn_of_row(lane, buf_text(&where), said);
    lane->db->fail[0] = '\0';
    return MIG_OK;
}

static mig_status row_failed(struct transform_lane *lane, mig_status status,
                             const struct mig_value *keys, struct mig_err *err)
{
    AUTO(buf) struct buf where = {0};

    transform_key_say(&lane->shape->keys, keys, &where);
    if (status > 0)
        return err_set(err, MIG_E_MISUSE,
                       "the callback answered %d on the row of table %s with %s: MIG_OK, MIG_SKIP, "
                       "MIG_REJECT or a failure is expected",
                       (int)status, lane->shape->spec.table, buf_text(&where));
    return db_callback_failed(lane->db, status, err,
                              "the callback failed on the row of table %s with %s",
                              lane->shape->spec.table, buf_text(&where));
}

/* Maps row `index`; `*keep`: there is something to write. */
static mig_status map_row(struct transform_lane *lane, struct transform_rows *page, size_t index,
                          bool *keep, struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;
    const struct mig_value *keys = &page->keys[index * shape->keys.count];
    struct row in = {
        .base.db = db_handle(lane->db),
        .reads = &page->reads[index * shape->reads.count],
        .count = shape->reads.count,
    };
    struct row out = {
        .base.db = in.base.db,
        .writes = &page->writes[index * shape->writes.count],
        .count = shape->writes.count,
        .texts = &page->texts,
    };
    mig_status status;

    memset(out.writes, 0, shape->writes.count * sizeof *out.writes);
    db_callback_begin(lane->db);
    spot_enter(lane->spot, keys);
    status = shape->spec.map(&in.base, &out.base, shape->spec.user);
    spot_leave(lane->spot);
    if (out.nomem)
        return err_nomem(err);
    *keep = status == MIG_OK;
    if (status == MIG_OK || status == MIG_SKIP)
        return MIG_OK;
    return status == MIG_REJECT ? row_rejected(lane, keys, err)
                                : row_failed(lane, status, keys, err);
}

static void row_move(const struct transform_shape *shape, struct transform_rows *page, size_t from,
                     size_t to)
{
    size_t keys = shape->keys.count;
    size_t reads = shape->reads.count;
    size_t writes = shape->writes.count;

    if (from == to)
        return;
    memcpy(&page->keys[to * keys], &page->keys[from * keys], keys * sizeof *page->keys);
    memcpy(&page->reads[to * reads], &page->reads[from * reads], reads * sizeof *page->reads);
    memcpy(&page->writes[to * writes], &page->writes[from * writes], writes * sizeof *page->writes);
}

static int64_t value_bytes(const struct mig_value *value)
{
    switch (value->type) {
    case MIG_NULL: return 0;
    case MIG_INT64:
    case MIG_DOUBLE: break;
    case MIG_TEXT:
    case MIG_BLOB: return VALUE_BYTES + (int64_t)value->len;
    }
    return VALUE_BYTES;
}

/* By how much the row is larger than it was. A column that is not read is taken for a new
 * one. */
static int64_t row_growth(const struct transform_shape *shape, const struct transform_rows *page,
                          size_t index)
{
    const struct mig_value *reads = &page->reads[index * shape->reads.count];
    const struct mig_value *writes = &page->writes[index * shape->writes.count];
    int64_t growth = 0;

    for (size_t i = 0; i < shape->writes.count; i++) {
        growth += value_bytes(&writes[i]);
        if (shape->read_of[i] >= 0)
            growth -= value_bytes(&reads[shape->read_of[i]]);
    }
    return growth;
}

/* Maps the rows of one turn and closes the gaps of those that stay as they are,
 * so that what is to be written lies together; `*count` of them. */
static mig_status turn_map(struct transform_lane *lane, size_t begin, size_t end, size_t *count,
                           struct mig_err *err)
{
    size_t kept = begin;

    db_guard(lane->db, true);
    for (size_t i = begin; i < end; i++) {
        bool keep;

        MIG_TRY(map_row(lane, &lane->rows, i, &keep, err));
        if (!keep)
            continue;
        lane->grown += row_growth(lane->shape, &lane->rows, i);
        lane->kept++;
        row_move(lane->shape, &lane->rows, i, kept++);
    }
    db_guard(lane->db, false);
    *count = kept - begin;
    return MIG_OK;
}

/* --- writing ------------------------------------------------------------------------ */

static mig_status write_batch(struct transform_lane *lane, struct transform_rows *page,
                              size_t first, size_t count, struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;
    const struct mig_batch batch = {
        .size = sizeof batch,
        .table = shape->table,
        .keys = shape->keys.quoted,
        .key_count = shape->keys.count,
        .reads = shape->reads.quoted,
        .read_count = shape->reads.count,
        .writes = shape->writes.quoted,
        .write_count = shape->writes.count,
        .rows = count,
        .key_values = &page->keys[first * shape->keys.count],
        .olds = &page->reads[first * shape->reads.count],
        .news = &page->writes[first * shape->writes.count],
        .sorted = true,
        .filter = shape->spec.filter,
        .exclusive = lane->driver->alone && lane->place.deal.turns < 2,
    };

    return lane->driver->update_batch(lane->conn, &batch, &page->written[first], err);
}

/* Whether a row's values are at fault: a constraint, a type, SQLSTATE class 22. */
static bool is_of_values(const struct mig_err *err)
{
    return err->status == MIG_E_CONSTRAINT || err->status == MIG_E_TYPE ||
           err->status == MIG_E_RANGE || strncmp(err->sqlstate, "22", 2) == 0;
}

/* The first row that is refused by itself, with what the engine says of it; `end`
 * where the transaction answers no more, or none is. */
static size_t find_refused(struct transform_lane *lane, struct transform_rows *page, size_t first,
                           size_t end, struct mig_err *err)
{
    struct mig_err said;

    for (size_t i = first; i < end; i++) {
        err_clear(&said);
        if (write_batch(lane, page, i, 1, &said) >= 0)
            continue;
        if (!is_of_values(&said))
            return end;
        *err = said;
        return i;
    }
    return end;
}

/* Names the row, or those of which it is one. What was written is rolled back. */
static mig_status blame_rows(struct transform_lane *lane, struct transform_rows *page, size_t first,
                             size_t count, struct mig_err *err)
{
    const struct names *names = &lane->shape->keys;
    size_t refused = count > 1 ? find_refused(lane, page, first, first + count, err) : first;
    AUTO(buf) struct buf rows = {0};

    if (refused < first + count) {
        buf_puts(&rows, "the row with ");
        transform_key_say(names, &page->keys[refused * names->count], &rows);
    } else {
        buf_puts(&rows, "one of the rows from ");
        transform_key_say(names, &page->keys[first * names->count], &rows);
        buf_puts(&rows, " to ");
        transform_key_say(names, &page->keys[(refused - 1) * names->count], &rows);
    }
    return err_wrap(err, "%s", buf_text(&rows));
}

static mig_status write_rows(struct transform_lane *lane, struct transform_rows *page, size_t first,
                             size_t count, struct mig_err *err)
{
    mig_status status = write_batch(lane, page, first, count, err);

    return status < 0 && is_of_values(err) ? blame_rows(lane, page, first, count, err) : status;
}

/* A row that another session changed or removed after we read it. */
static mig_status write_again(struct transform_lane *lane, struct transform_rows *page,
                              size_t index, struct mig_err *err)
{
    for (int attempt = 0; attempt < REREADS_MAX; attempt++) {
        bool found = false;
        bool keep = false;

        MIG_TRY(transform_rows_reread(page, lane->db, lane->shape, index, &found, err));
        if (!found)
            return MIG_OK;
        db_guard(lane->db, true);
        MIG_TRY(map_row(lane, page, index, &keep, err));
        db_guard(lane->db, false);
        if (!keep)
            return MIG_OK;
        MIG_TRY(write_rows(lane, page, index, 1, err));
        if (page->written[index])
            return MIG_OK;
    }
    return err_set(err, MIG_E_CONFLICT,
                   "a row of table %s is changed by others faster than it can be transformed",
                   lane->shape->spec.table);
}

static mig_status turn_write(struct transform_lane *lane, size_t begin, size_t count,
                             struct mig_err *err)
{
    if (count == 0)
        return MIG_OK;
    MIG_TRY(write_rows(lane, &lane->rows, begin, count, err));
    for (size_t i = begin; i < begin + count; i++)
        if (!lane->rows.written[i])
            MIG_TRY(write_again(lane, &lane->rows, i, err));
    return MIG_OK;
}

/* --- a turn ------------------------------------------------------------------------- */

/* Short turns are not worth their commits. */
static unsigned turns_of(const struct transform_lane *lane)
{
    size_t most = lane->rows.count / TURN_ROWS_MIN;
    unsigned turns = lane->turns < TRANSFORM_TURNS_MAX ? lane->turns : TRANSFORM_TURNS_MAX;

    if (most < turns)
        turns = (unsigned)most;
    return turns ? turns : 1;
}

/* What a turn leaves behind has room for fewer rows than left it when they have grown. */
static unsigned ratio_of(const struct transform_lane *lane)
{
    int64_t before = lane->shape->estimate.row_bytes;
    int64_t growth = lane->kept ? lane->grown / lane->kept : 0;
    int64_t ratio = 100;

    if (before > 0 && growth > 0)
        ratio = 100 * before / (before + growth + VERSION_BYTES);
    return ratio < RATIO_MIN ? RATIO_MIN : (unsigned)ratio;
}

/* Reads the next page, or goes on with one that an earlier run has begun. */
static mig_status page_begin(struct transform_lane *lane, struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;
    struct transform_place *place = &lane->place;
    struct transform_rows *rows = &lane->rows;
    size_t keys = shape->keys.count;
    mig_status status =
        transform_rows_read(rows, lane->db, shape, place, &lane->until, lane->page_rows, err);

    if (status < 0)
        return err_wrap(err, "reading table %s", shape->spec.table);
    lane->at_end = false;
    if (!place->turn) {
        lane->at_end = !rows->cut && rows->count < lane->page_rows;
        place->deal = (struct transform_deal){.turns = turns_of(lane), .ratio = ratio_of(lane)};
        if (rows->count)
            MIG_TRY(
                transform_key_set(&place->end, &rows->keys[(rows->count - 1) * keys], keys, err));
    }
    lane->reading = true;
    return transform_rows_deal(rows, shape, &place->deal, err);
}

static void page_end(struct transform_lane *lane)
{
    struct transform_place *place = &lane->place;

    if (place->end.set) {
        transform_key_clear(&place->last);
        place->last = place->end;
        place->end = (struct transform_key){0};
    }
    place->deal = (struct transform_deal){0};
    place->turn = 0;
    lane->reading = false;
    transform_rows_clear(&lane->rows);
}

static mig_status turn_once(struct transform_lane *lane, struct transform_step *step,
                            struct mig_err *err)
{
    struct transform_place *place = &lane->place;
    int64_t began_ns = clock_mono_ns();
    size_t begin;
    size_t rows;
    size_t count;
    mig_status status;

    if (!lane->reading)
        MIG_TRY(page_begin(lane, err));
    begin = lane->rows.begins[place->turn];
    rows = lane->rows.begins[place->turn + 1] - begin;
    MIG_TRY(turn_map(lane, begin, begin + rows, &count, err));
    status = turn_write(lane, begin, count, err);
    if (status < 0)
        return err_wrap(err, "writing table %s", lane->shape->spec.table);
    lane->done += (int64_t)rows;
    lane->tally->done += (int64_t)rows;
    *step = (struct transform_step){
        .began_ns = began_ns,
        .rows = lane->rows.count,
        .bytes = lane->rows.bytes,
        .page = ++place->turn == place->deal.turns,
    };
    if (step->page)
        page_end(lane);
    step->more = !(step->page && lane->at_end);
    return MIG_OK;
}

/* Its rows are mapped in their place, so they are read anew. */
static void turn_forget(struct transform_lane *lane, int64_t rejected)
{
    lane->tally->rejected -= lane->rejected - rejected;
    lane->rejected = rejected;
    lane->reading = false;
}

mig_status transform_turn_run(struct transform_lane *lane, const struct transform_again *again,
                              struct transform_step *step, struct mig_err *err)
{
    int64_t rejected = lane->rejected;
    mig_status status = turn_once(lane, step, err);

    for (int attempt = 1; status < 0 && again->ask; attempt++) {
        MIG_TRY(again->ask(again->arg, attempt, err));
        turn_forget(lane, rejected);
        status = turn_once(lane, step, err);
    }
    return status;
}
