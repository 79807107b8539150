/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window over a text, on which the lexer works: it moves and grows only
 * as the statement that stands in it needs, and every byte that enters it is
 * hashed and checked to be UTF-8 on its way. A text in memory is its own
 * window. On top of it: statements one by one, in chunks, the check of a whole
 * text, and the quick look at a header. Does not know what the SQL means.
 */
#include "sqltext.h"

#include "fs.h"
#include "sha256.h"
#include "sqllex.h"
#include "sqlsettings.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WINDOW_FIRST ((size_t)256 * 1024)
#define FOLD_SIZE 4096
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* A character that the last window cut: bytes to come, and bounds of the next. */
struct utf8_state {
    unsigned need;
    unsigned char low;
    unsigned char high;
    int64_t began;
};

/* BEGIN and COMMIT around the whole. */
struct wrapping {
    bool work; /* there was a statement that is no setting */
    bool began;
    bool ended;
    int64_t begin_at;
    int64_t end_at;
};

struct sql_reader {
    struct sql_source source;
    struct sqllex lex;
    const char *data; /* the window: source.data, or `memory` */
    char *memory;
    size_t cap;
    size_t len;
    bool unchecked; /* bytes are hashed only */
    bool held_cr;   /* the last byte was a CR that an LF may follow */
    bool complete;  /* `checksum` is final */
    bool pending;   /* the lexer's statement is not handed out yet */
    bool lines;     /* places are counted */
    struct utf8_state utf8;
    struct sha256 hash;
    unsigned char checksum[MIG_SHA256_BYTES];
    size_t statements; /* met so far */
    struct wrapping wrapping;
    size_t chunk; /* where the open chunk begins, with `chunk_count` statements */
    size_t chunk_end;
    size_t chunk_count;
    size_t chunk_first; /* number of its first statement */
    size_t mark;        /* up to here lines are counted */
    size_t mark_line;
    size_t mark_column;
};

/* ---- faults ---------------------------------------------------------- */

static mig_status fault_at(const struct sql_reader *reader, int64_t offset, struct mig_err *err)
{
    sqltext_locate(&reader->source, offset, 0, err);
    return err->status;
}

static mig_status fault_open(const struct sql_reader *reader, struct mig_err *err)
{
    err_set(err, MIG_E_BUNDLE, "the %s that begins here is never closed", reader->lex.what);
    return fault_at(reader, reader->lex.open_at, err);
}

static mig_status fault_nul(const struct sql_reader *reader, int64_t offset, struct mig_err *err)
{
    err_set(err, MIG_E_BUNDLE,
            "a NUL byte, which no SQL text can hold; save the file as UTF-8 without it");
    return fault_at(reader, offset, err);
}

static mig_status fault_utf8(const struct sql_reader *reader, int64_t offset, struct mig_err *err)
{
    err_set(err, MIG_E_BUNDLE, "the text is not valid UTF-8; save the file in that encoding");
    return fault_at(reader, offset, err);
}

/* ---- bytes on their way into the window ------------------------------- */

static size_t ascii_run(const char *data, size_t len)
{
    size_t i = 0;
    uint64_t words[4];

    for (; i + sizeof words <= len; i += sizeof words) {
        memcpy(words, data + i, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & HIGH_BITS)
            break;
    }
    while (i < len && !((unsigned char)data[i] & 0x80))
        i++;
    return i;
}

/* Takes the first byte of a character of several; false where none begins so. */
static bool utf8_begin(struct utf8_state *state, unsigned char c, int64_t offset)
{
    if (c < 0xC2 || c > 0xF4)
        return false;
    state->began = offset;
    state->need = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    state->low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    state->high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    return true;
}

/* -1, or where in the text the character begins that is none. */
static int64_t utf8_scan(struct utf8_state *state, const char *data, size_t len, int64_t offset)
{
    size_t i = 0;

    while (i < len) {
        unsigned char c = (unsigned char)data[i];

        if (state->need > 0) {
            if (c < state->low || c > state->high)
                return state->began;
            state->need--;
            state->low = 0x80;
            state->high = 0xBF;
            i++;
        } else if (c & 0x80) {
            if (!utf8_begin(state, c, offset + (int64_t)i))
                return offset + (int64_t)i;
            i++;
        } else {
            i += ascii_run(data + i, len - i);
        }
    }
    return -1;
}

/* Hashes with CRLF folded to LF, in pieces of a fair size. */
static void fold(struct sql_reader *reader, const char *data, size_t len)
{
    char folded[FOLD_SIZE];
    size_t used = 0;
    size_t i = 0;

    if (reader->held_cr && len > 0 && data[0] != '\n')
        folded[used++] = '\r';
    if (len > 0)
        reader->held_cr = false;
    while (i < len) {
        const char *cr = memchr(data + i, '\r', len - i);
        size_t piece = (cr ? (size_t)(cr - data) : len) - i;

        if (used + piece >= sizeof folded) {
            sha256_add(&reader->hash, folded, used);
            used = 0;
        }
        if (piece >= sizeof folded) {
            sha256_add(&reader->hash, data + i, piece);
        } else {
            memcpy(folded + used, data + i, piece);
            used += piece;
        }
        i += piece;
        if (cr && i + 1 == len)
            reader->held_cr = true;
        else if (cr && data[i + 1] != '\n')
            folded[used++] = '\r';
        i += cr ? 1 : 0;
    }
    sha256_add(&reader->hash, folded, used);
}

static size_t bom_len(const char *data, size_t len)
{
    return len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* The `n` bytes behind the window's end have arrived. */
static mig_status accept(struct sql_reader *reader, size_t n, struct mig_err *err)
{
    const char *data = reader->data + reader->len;
    int64_t offset = reader->lex.base + (int64_t)reader->len;
    size_t bom = offset == 0 ? bom_len(data, n) : 0;
    const char *nul = reader->unchecked ? NULL : memchr(data, '\0', n);
    int64_t bad = reader->unchecked ? -1 : utf8_scan(&reader->utf8, data, n, offset);

    if (offset == 0) {
        reader->lex.pos = bom;
        reader->mark = bom;
    }
    reader->len += n;
    if (nul)
        return fault_nul(reader, offset + (nul - data), err);
    if (bad >= 0)
        return fault_utf8(reader, bad, err);
    fold(reader, data + bom, n - bom);
    return MIG_OK;
}

/* ---- the window ------------------------------------------------------ */

static int64_t unread(const struct sql_reader *reader)
{
    return reader->source.len - reader->lex.base - (int64_t)reader->len;
}

/* Counts lines up to `to`: no byte is looked at twice. */
static void count_to(struct sql_reader *reader, size_t to)
{
    const char *at = reader->data + reader->mark;
    const char *end = reader->data + to;
    const char *newline;

    if (!reader->lines || to <= reader->mark)
        return;
    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        reader->mark_line++;
        reader->mark_column = 1;
        at = newline + 1;
    }
    for (; at < end; at++)
        if (((unsigned char)*at & 0xC0) != 0x80)
            reader->mark_column++;
    reader->mark = to;
}

static void move_back(size_t *place, size_t n)
{
    *place = *place > n ? *place - n : 0;
}

/* Drops what is needed no more from the front of the window. */
static void drop_spent(struct sql_reader *reader)
{
    size_t spent = sqllex_spent(&reader->lex);

    if (reader->chunk_count > 0 && reader->chunk < spent)
        spent = reader->chunk;
    if (spent == 0)
        return;
    count_to(reader, spent);
    memmove(reader->memory, reader->memory + spent, reader->len - spent);
    reader->len -= spent;
    sqllex_shift(&reader->lex, spent);
    move_back(&reader->mark, spent);
    move_back(&reader->chunk, spent);
    move_back(&reader->chunk_end, spent);
}

/* At least half of the window is free after this, so that what is moved never
 * exceeds what is read. */
static mig_status make_room(struct sql_reader *reader, struct mig_err *err)
{
    size_t cap = reader->cap > WINDOW_FIRST ? reader->cap : WINDOW_FIRST;
    char *grown;

    drop_spent(reader);
    while (reader->len > cap / 2)
        cap *= 2;
    if ((int64_t)(cap - reader->len) > unread(reader))
        cap = reader->len + (size_t)unread(reader);
    if (cap <= reader->cap)
        return MIG_OK;
    grown = realloc(reader->memory, cap);
    if (!grown)
        return err_nomem(err);
    reader->memory = grown;
    reader->data = grown;
    reader->cap = cap;
    return MIG_OK;
}

static mig_status fill_from_file(struct sql_reader *reader, struct mig_err *err)
{
    size_t room;
    size_t got;

    MIG_TRY(make_room(reader, err));
    room = reader->cap - reader->len;
    if ((int64_t)room > unread(reader))
        room = (size_t)unread(reader);
    MIG_TRY(fs_pread(reader->source.fd, reader->source.name, reader->memory + reader->len, room,
                     reader->source.offset + reader->lex.base + (int64_t)reader->len, &got, err));
    if (got < room)
        return err_set(err, MIG_E_BUNDLE,
                       "%s became shorter while it was read; leave the bundle alone during a run",
                       reader->source.name);
    return accept(reader, got, err);
}

static mig_status fill(struct sql_reader *reader, struct mig_err *err)
{
    int64_t left = unread(reader);

    if (left == 0)
        return MIG_OK;
    if (reader->source.data)
        return accept(reader, left < (int64_t)WINDOW_FIRST ? (size_t)left : WINDOW_FIRST, err);
    return fill_from_file(reader, err);
}

/* All was read: the text must not end inside a character. */
static mig_status finish(struct sql_reader *reader, struct mig_err *err)
{
    if (reader->complete)
        return MIG_OK;
    if (reader->utf8.need > 0)
        return fault_utf8(reader, reader->utf8.began, err);
    if (reader->held_cr)
        sha256_add(&reader->hash, "\r", 1);
    MIG_TRY(sha256_finish(&reader->hash, reader->checksum, err));
    reader->complete = true;
    return MIG_OK;
}

/* The lexer's next event other than SQLLEX_MORE. */
static mig_status advance(struct sql_reader *reader, enum sqllex_event *event, struct mig_err *err)
{
    for (;;) {
        bool final = unread(reader) == 0;

        if (final)
            MIG_TRY(finish(reader, err));
        *event = sqllex_next(&reader->lex, reader->data, reader->len, final);
        if (*event == SQLLEX_OPEN && !reader->lex.header_only)
            return fault_open(reader, err);
        if (*event == SQLLEX_OPEN)
            *event = SQLLEX_END; /* a check will tell */
        if (*event != SQLLEX_MORE)
            return MIG_OK;
        MIG_TRY(fill(reader, err));
    }
}

/* ---- opening --------------------------------------------------------- */

/* `reader` is zeroed. */
static mig_status reader_init(struct sql_reader *reader, const struct sql_source *source,
                              uint32_t lexis, struct mig_err *err)
{
    reader->source = *source;
    reader->mark_line = reader->mark_column = 1;
    reader->data = source->data ? source->data : "";
    sqllex_init(&reader->lex, lexis, 0);
    MIG_TRY(sha256_init(&reader->hash, err));
    sha256_begin(&reader->hash);
    return MIG_OK;
}

static void reader_clear(struct sql_reader *reader)
{
    free(reader->memory);
    sha256_clear(&reader->hash);
}

AUTO_VALUE(reader, struct sql_reader, reader_clear)

mig_status sql_reader_open(const struct sql_source *source, uint32_t lexis, struct sql_reader **out,
                           struct mig_err *err)
{
    AUTO(sql_reader) struct sql_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return err_nomem(err);
    MIG_TRY(reader_init(reader, source, lexis, err));
    *out = TAKE(reader);
    return MIG_OK;
}

void sql_reader_close(struct sql_reader *reader)
{
    if (!reader)
        return;
    reader_clear(reader);
    free(reader);
}

mig_status sql_reader_checksum(const struct sql_reader *reader, unsigned char out[32],
                               struct mig_err *err)
{
    if (!reader->complete)
        return err_set(err, MIG_E_MISUSE, "the checksum of %s is not known yet",
                       reader->source.name);
    memcpy(out, reader->checksum, sizeof reader->checksum);
    return MIG_OK;
}

/* ---- statements one by one ------------------------------------------- */

mig_status sql_reader_next(struct sql_reader *reader, struct sql_statement *out,
                           struct mig_err *err)
{
    const struct sqllex *lex = &reader->lex;
    enum sqllex_event event;

    reader->lines = true;
    do {
        MIG_TRY(advance(reader, &event, err));
    } while (event == SQLLEX_DIRECTIVE);
    if (event == SQLLEX_END)
        return MIG_OK;
    count_to(reader, lex->start);
    reader->statements++;
    *out = (struct sql_statement){
        .text = reader->data + lex->start,
        .len = lex->end - lex->start,
        .offset = lex->base + (int64_t)lex->start,
        .line = reader->mark_line,
        .column = reader->mark_column,
        .number = reader->statements,
        .class = lex->class,
    };
    return MIG_ROW;
}

/* ---- what a file may hold -------------------------------------------- */

static const char *const refusals[] = {
    [SQL_PLAIN] = "",
    [SQL_BEGIN] = "BEGIN is allowed only as the first statement of a text that COMMIT ends; the "
                  "host runs the whole text in one transaction: remove BEGIN and COMMIT, or split "
                  "the migration",
    [SQL_COMMIT] = "COMMIT is allowed only as the last statement of a text that BEGIN begins; the "
                   "host runs the whole text in one transaction: remove BEGIN and COMMIT, or split "
                   "the migration",
    [SQL_CONTROL] = "transaction control is the host's, which runs the whole text in one "
                    "transaction: remove the statement; a text that must run without a transaction "
                    "says \"-- mig: mode = none\"",
    [SQL_COPY] = "COPY FROM stdin reads its rows from the client, which is not there in a "
                 "migration; write INSERT statements, or a C module for many rows",
    [SQL_META] = "a command of psql or sqlite3, which only these programs know; write it as SQL, "
                 "or as a migration of its own",
};

static mig_status refuse(const struct sql_reader *reader, enum sql_class class, int64_t offset,
                         struct mig_err *err)
{
    err_set(err, MIG_E_BUNDLE, "%s", refusals[class]);
    return fault_at(reader, offset, err);
}

/* SET and PRAGMA may stand around BEGIN and COMMIT, as in SQLite's own recipe for
 * changing a table: they run inside like all the rest. */
static bool is_setting(const struct sql_reader *reader)
{
    static const char *const words[] = {"PRAGMA", "SET", "RESET"};
    const char *text = reader->data + reader->lex.start;
    size_t len = reader->lex.end - reader->lex.start;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);

        if (len > n && strncasecmp(text, words[i], n) == 0 && isspace((unsigned char)text[n]))
            return reader->lex.class == SQL_PLAIN;
    }
    return false;
}

/* Whether the lexer's statement may stand where it does; `*take` is false for
 * BEGIN and COMMIT around the whole, which the host does itself. */
static mig_status admit(struct sql_reader *reader, bool *take, struct mig_err *err)
{
    struct wrapping *wrapping = &reader->wrapping;
    enum sql_class class = reader->lex.class;
    int64_t offset = reader->lex.base + (int64_t)reader->lex.start;
    bool setting = (!wrapping->work || wrapping->ended) && is_setting(reader);

    if (wrapping->ended && !setting)
        return refuse(reader, SQL_COMMIT, wrapping->end_at, err);
    if (class == SQL_BEGIN && !wrapping->work && !wrapping->began) {
        wrapping->began = true;
        wrapping->begin_at = offset;
    } else if (class == SQL_COMMIT && wrapping->began) {
        wrapping->ended = true;
        wrapping->end_at = offset;
    } else if (class != SQL_PLAIN) {
        return refuse(reader, class, offset, err);
    }
    wrapping->work = wrapping->work || !setting;
    reader->statements++;
    *take = class == SQL_PLAIN;
    return MIG_OK;
}

static mig_status admit_end(const struct sql_reader *reader, struct mig_err *err)
{
    if (reader->wrapping.began && !reader->wrapping.ended)
        return refuse(reader, SQL_BEGIN, reader->wrapping.begin_at, err);
    return MIG_OK;
}

/* ---- chunks ---------------------------------------------------------- */

/* Takes the lexer's statement into the open chunk; false when it is full. */
static bool chunk_take(struct sql_reader *reader, size_t max)
{
    const struct sqllex *lex = &reader->lex;

    if (reader->chunk_count > 0 && lex->pos - reader->chunk > max)
        return false;
    if (reader->chunk_count == 0) {
        reader->chunk = lex->start;
        reader->chunk_first = reader->statements;
    }
    reader->chunk_end = lex->pos;
    reader->chunk_count++;
    return true;
}

static mig_status chunk_fill(struct sql_reader *reader, size_t max, struct mig_err *err)
{
    enum sqllex_event event = SQLLEX_STATEMENT;

    for (;;) {
        bool take = reader->pending;

        if (!reader->pending) {
            MIG_TRY(advance(reader, &event, err));
            if (event == SQLLEX_END)
                return admit_end(reader, err);
            if (event == SQLLEX_STATEMENT)
                MIG_TRY(admit(reader, &take, err));
        }
        if (event == SQLLEX_STATEMENT && !take && reader->chunk_count > 0)
            return MIG_OK; /* BEGIN or COMMIT: what follows is a chunk of its own */
        reader->pending = take && !chunk_take(reader, max);
        if (reader->pending)
            return MIG_OK;
    }
}

mig_status sql_reader_chunk(struct sql_reader *reader, size_t max, struct sql_chunk *out,
                            struct mig_err *err)
{
    reader->chunk_count = 0;
    MIG_TRY(chunk_fill(reader, max, err));
    if (reader->chunk_count == 0)
        return MIG_OK;
    *out = (struct sql_chunk){
        .text = reader->data + reader->chunk,
        .len = reader->chunk_end - reader->chunk,
        .offset = reader->lex.base + (int64_t)reader->chunk,
        .statements = reader->chunk_count,
        .first = reader->chunk_first,
    };
    return MIG_ROW;
}

size_t sqltext_statement_offset(const char *text, size_t len, uint32_t lexis, size_t index)
{
    struct sqllex lex;
    enum sqllex_event event;

    sqllex_init(&lex, lexis, 0);
    while ((event = sqllex_next(&lex, text, len, true)) != SQLLEX_END && event != SQLLEX_OPEN)
        if (event == SQLLEX_STATEMENT && index-- == 0)
            return lex.start;
    return event == SQLLEX_OPEN && lex.inside && index == 0 ? lex.start : len;
}

size_t sqltext_statement_index(const char *text, size_t len, uint32_t lexis, size_t offset)
{
    struct sqllex lex;
    size_t begun = 0;

    sqllex_init(&lex, lexis, 0);
    while (sqllex_next(&lex, text, len, true) == SQLLEX_STATEMENT && lex.start <= offset)
        begun++;
    return begun > 0 ? begun - 1 : 0;
}

/* ---- whole texts ----------------------------------------------------- */

static mig_status read_directive(struct sql_reader *reader, struct sql_settings *settings,
                                 struct sql_settings_seen *seen, struct mig_err *err)
{
    const struct sqllex *lex = &reader->lex;
    int64_t offset = lex->base + (int64_t)lex->mark;
    mig_status status;

    if (lex->inside || reader->statements > 0)
        status = err_set(err, MIG_E_BUNDLE,
                         "a \"-- mig:\" line behind the first statement; move it to the top");
    else
        status = settings_read(reader->data + lex->mark, lex->pos - lex->mark, settings, seen, err);
    return status == MIG_OK ? MIG_OK : fault_at(reader, offset, err);
}

static mig_status check_mode(const struct sql_reader *reader, const struct sql_settings *settings,
                             struct mig_err *err)
{
    if (!reader->wrapping.began || settings->mode == MIG_ATOMIC)
        return MIG_OK;
    err_set(err, MIG_E_BUNDLE,
            "a text in BEGIN and COMMIT is one transaction, and the mode %s is none; remove BEGIN "
            "and COMMIT, or the mode",
            settings->mode == MIG_NONE ? "none" : "durable");
    return fault_at(reader, reader->wrapping.begin_at, err);
}

/* Goes through the text to its end, or to the end of its header. */
static mig_status examine(struct sql_reader *reader, struct sql_facts *facts, struct mig_err *err)
{
    struct sql_settings_seen seen = {0};
    enum sqllex_event event;
    bool take;

    for (;;) {
        MIG_TRY(advance(reader, &event, err));
        if (event == SQLLEX_END)
            break;
        if (event == SQLLEX_DIRECTIVE) {
            MIG_TRY(read_directive(reader, &facts->settings, &seen, err));
        } else {
            MIG_TRY(admit(reader, &take, err));
            facts->statements += take;
        }
    }
    MIG_TRY(admit_end(reader, err));
    return check_mode(reader, &facts->settings, err);
}

/* Hashes what the header's reader has left. */
static mig_status drain(struct sql_reader *reader, struct mig_err *err)
{
    while (unread(reader) > 0) {
        reader->lex.pos = reader->len;
        MIG_TRY(fill(reader, err));
    }
    return finish(reader, err);
}

static mig_status inspect(const struct sql_source *source, uint32_t lexis, bool header_only,
                          struct sql_facts *out, struct mig_err *err)
{
    AUTO(reader) struct sql_reader reader = {0};
    struct sql_facts facts = {0};

    MIG_TRY(reader_init(&reader, source, lexis, err));
    settings_init(&facts.settings);
    reader.lex.header_only = header_only;
    reader.unchecked = header_only;
    MIG_TRY(examine(&reader, &facts, err));
    if (header_only)
        facts.statements = reader.lex.pos < reader.len; /* one begins here */
    MIG_TRY(drain(&reader, err));
    facts.wrapped = reader.wrapping.began;
    memcpy(facts.checksum, reader.checksum, sizeof facts.checksum);
    *out = facts;
    return MIG_OK;
}

mig_status sqltext_check(const struct sql_source *source, uint32_t lexis, struct sql_facts *out,
                         struct mig_err *err)
{
    return inspect(source, lexis, false, out, err);
}

mig_status sqltext_glance(const struct sql_source *source, uint32_t lexis, struct sql_facts *out,
                          struct mig_err *err)
{
    return inspect(source, lexis, true, out, err);
}
