/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL files, by the rules of both engines: they are cut the same whatever the
 * window; each statement alone is that statement again, and between two there
 * is none; check, reader and chunks agree with each other; the checksum is that
 * of the text with its line ends folded; a fault says where it is.
 */
#include "fuzz.h"

#include "base/sha256.h"
#include "base/text.h"
#include "core/sqllex.h"
#include "core/sqltext.h"

#define LEX_POSTGRES                                                            \
    (MIG_LEX_NESTED_COMMENTS | MIG_LEX_DOLLAR_QUOTES | MIG_LEX_ESCAPE_STRINGS | \
     MIG_LEX_ATOMIC_BODIES | MIG_LEX_PAREN_DEPTH | MIG_LEX_COPY_STDIN)
#define LEX_SQLITE (MIG_LEX_BRACKETS | MIG_LEX_TRIGGER_BODIES | MIG_LEX_COPY_STDIN)

#define CUTS_MAX 256 /* statements that are looked at further */

struct cut {
    size_t start;
    size_t end;
    enum sql_class class;
};

struct cuts {
    size_t count;
    enum sqllex_event last; /* SQLLEX_END or SQLLEX_OPEN */
    int64_t open_at;
    struct cut items[CUTS_MAX];
};

struct text {
    const char *data;
    size_t len;
    uint32_t lexis;
};

/* ---- the bare lexer --------------------------------------------------- */

struct window {
    char *data;
    size_t base;
    size_t len;
};

static void window_grow(struct window *window, struct sqllex *lex, const struct text *text,
                        size_t piece)
{
    size_t spent = sqllex_spent(lex);
    size_t end = window->base + window->len;
    size_t more = text->len - end < piece ? text->len - end : piece;

    FUZZ_CHECK(spent <= window->len);
    sqllex_shift(lex, spent);
    window->base += spent;
    window->len = end - window->base + more;
    free(window->data);
    window->data = fuzz_copy(text->data + window->base, window->len);
}

/* In a window that grows by `piece` bytes; false: too many statements. */
static bool cut_text(const struct text *text, size_t piece, struct cuts *out)
{
    struct window window = {0};
    struct sqllex lex;
    enum sqllex_event event;

    memset(out, 0, sizeof *out);
    sqllex_init(&lex, text->lexis, 0);
    window_grow(&window, &lex, text, piece);
    do {
        event = sqllex_next(&lex, window.data, window.len, window.base + window.len == text->len);
        if (event == SQLLEX_MORE) {
            FUZZ_CHECK(window.base + window.len < text->len);
            window_grow(&window, &lex, text, piece);
        }
        if (event == SQLLEX_STATEMENT && out->count < CUTS_MAX)
            out->items[out->count++] =
                (struct cut){window.base + lex.start, window.base + lex.end, lex.class};
    } while (event != SQLLEX_END && event != SQLLEX_OPEN && out->count < CUTS_MAX);
    out->last = event;
    out->open_at = event == SQLLEX_OPEN ? lex.open_at : 0;
    free(window.data);
    return out->count < CUTS_MAX;
}

static bool same_cut(const struct cut *a, const struct cut *b)
{
    return a->start == b->start && a->end == b->end && a->class == b->class;
}

static void check_windows(const struct text *text, const struct cuts *whole)
{
    const size_t pieces[] = {1, 2 + text->len % 31};
    static struct cuts cuts;

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        cut_text(text, pieces[i], &cuts);
        FUZZ_CHECK(cuts.count == whole->count && cuts.last == whole->last);
        FUZZ_CHECK(cuts.open_at == whole->open_at);
        for (size_t j = 0; j < cuts.count; j++)
            FUZZ_CHECK(same_cut(&cuts.items[j], &whole->items[j]));
    }
}

/* The piece alone; true where it is one statement from its first byte to its last. */
static bool is_one(const struct text *text, const struct cut *cut)
{
    char *data = fuzz_copy(text->data + cut->start, cut->end - cut->start);
    const struct text piece = {data, cut->end - cut->start, text->lexis};
    static struct cuts cuts;

    cut_text(&piece, piece.len, &cuts);
    free(data);
    return cuts.count == 1 && cuts.items[0].start == 0 && cuts.items[0].end == piece.len &&
           cuts.items[0].class == cut->class;
}

static bool is_empty(const struct text *text, size_t from, size_t to)
{
    char *data = fuzz_copy(text->data + from, to - from);
    const struct text piece = {data, to - from, text->lexis};
    static struct cuts cuts;

    cut_text(&piece, piece.len, &cuts);
    free(data);
    return cuts.count == 0 && cuts.last == SQLLEX_END;
}

/* Statements and what stands between them are the text. */
static void check_cuts(const struct text *text, const struct cuts *cuts)
{
    size_t at = 0;

    for (size_t i = 0; i < cuts->count; i++) {
        const struct cut *cut = &cuts->items[i];

        FUZZ_CHECK(at <= cut->start && cut->start < cut->end && cut->end <= text->len);
        FUZZ_CHECK(is_empty(text, at, cut->start));
        FUZZ_CHECK(is_one(text, cut));
        at = cut->end;
    }
    if (cuts->last == SQLLEX_END)
        FUZZ_CHECK(is_empty(text, at, text->len));
    else
        FUZZ_CHECK(cuts->open_at >= (int64_t)at && cuts->open_at < (int64_t)text->len);
}

static void fuzz_lexer(const struct text *text)
{
    static struct cuts cuts;

    if (!cut_text(text, text->len, &cuts))
        return;
    check_windows(text, &cuts);
    check_cuts(text, &cuts);
}

/* ---- the readers ------------------------------------------------------ */

static void check_fault(const struct mig_err *err)
{
    fuzz_check_error(err);
    FUZZ_CHECK(err->status == MIG_E_BUNDLE);
    FUZZ_CHECK(strncmp(err->where, "x.sql:", 6) == 0);
    FUZZ_CHECK(text_utf8_check(err->message, strlen(err->message), NULL));
    for (const char *at = err->message; *at; at++)
        FUZZ_CHECK((unsigned char)*at >= 0x20 || *at == '\n');
}

/* As simply as it can be said. */
static void digest(const struct text *text, unsigned char out[32])
{
    char *folded = malloc(text->len + 1);
    struct sha256 hash = {0};
    struct mig_err err;
    bool bom = text->len >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0;
    size_t len = 0;

    FUZZ_CHECK(folded && sha256_init(&hash, &err) == MIG_OK);
    for (size_t i = bom ? 3 : 0; i < text->len; i++)
        if (text->data[i] != '\r' || i + 1 == text->len || text->data[i + 1] != '\n')
            folded[len++] = text->data[i];
    FUZZ_CHECK(sha256_data(&hash, folded, len, out, &err) == MIG_OK);
    sha256_clear(&hash);
    free(folded);
}

/* Statements one by one, in memory or from a file. */
static size_t read_statements(const struct sql_source *source, const struct text *text,
                              struct mig_err *err)
{
    struct sql_reader *reader = NULL;
    struct sql_statement statement;
    unsigned char checksum[32], expected[32];
    mig_status status;
    int64_t at = 0;
    size_t count = 0;

    FUZZ_CHECK(sql_reader_open(source, text->lexis, &reader, err) == MIG_OK);
    while ((status = sql_reader_next(reader, &statement, err)) == MIG_ROW) {
        FUZZ_CHECK(statement.offset >= at && statement.len > 0);
        at = statement.offset + (int64_t)statement.len;
        FUZZ_CHECK(at <= source->len && statement.line > 0 && statement.column > 0);
        FUZZ_CHECK(memcmp(statement.text, text->data + statement.offset, statement.len) == 0);
        count++;
    }
    if (status == MIG_OK) {
        digest(text, expected);
        FUZZ_CHECK(sql_reader_checksum(reader, checksum, err) == MIG_OK);
        FUZZ_CHECK(memcmp(checksum, expected, sizeof checksum) == 0);
    } else {
        check_fault(err);
    }
    sql_reader_close(reader);
    return status == MIG_OK ? count : SIZE_MAX;
}

/* Chunks hold every statement, and say truly where each of them begins. */
static void read_chunks(const struct sql_source *source, const struct text *text,
                        const struct sql_facts *facts)
{
    struct sql_reader *reader = NULL;
    struct sql_chunk chunk;
    struct mig_err err = {0};
    mig_status status;
    size_t count = 0;
    int64_t at = 0;

    FUZZ_CHECK(sql_reader_open(source, text->lexis, &reader, &err) == MIG_OK);
    while ((status = sql_reader_chunk(reader, 1 + text->len % 61, &chunk, &err)) == MIG_ROW) {
        size_t last = 0;

        FUZZ_CHECK(chunk.offset >= at && chunk.statements > 0);
        at = chunk.offset + (int64_t)chunk.len;
        FUZZ_CHECK(at <= source->len);
        FUZZ_CHECK(memcmp(chunk.text, text->data + chunk.offset, chunk.len) == 0);
        for (size_t i = 0; i < chunk.statements && i < CUTS_MAX; i++) {
            size_t offset = sqltext_statement_offset(chunk.text, chunk.len, text->lexis, i);

            FUZZ_CHECK(i == 0 ? offset == 0 : offset > last);
            FUZZ_CHECK(offset < chunk.len);
            last = offset;
        }
        count += chunk.statements;
    }
    FUZZ_CHECK(status == MIG_OK);
    FUZZ_CHECK(count == facts->statements);
    sql_reader_close(reader);
}

static void check_glance(const struct sql_source *source, const struct text *text,
                         const struct sql_facts *facts)
{
    struct sql_facts glance;
    struct mig_err err = {0};

    FUZZ_CHECK(sqltext_glance(source, text->lexis, &glance, &err) == MIG_OK);
    FUZZ_CHECK(memcmp(glance.checksum, facts->checksum, sizeof facts->checksum) == 0);
    FUZZ_CHECK(glance.settings.mode == facts->settings.mode);
    FUZZ_CHECK(strcmp(glance.settings.gate, facts->settings.gate) == 0);
    FUZZ_CHECK(glance.settings.has_mode == facts->settings.has_mode);
    FUZZ_CHECK(glance.settings.lock_timeout_ms == facts->settings.lock_timeout_ms);
}

static void fuzz_reader(const struct text *text, int fd)
{
    const struct sql_source memory = {
        .name = "x.sql", .data = text->data, .fd = -1, .len = (int64_t)text->len};
    const struct sql_source file = {.name = "x.sql", .fd = fd, .len = (int64_t)text->len};
    struct sql_facts facts = {0}, again = {0};
    struct mig_err err = {0}, err_file = {0};
    mig_status status = sqltext_check(&memory, text->lexis, &facts, &err);
    size_t count = read_statements(&memory, text, &err_file);

    FUZZ_CHECK(read_statements(&file, text, &err_file) == count);
    if (status == MIG_OK) {
        FUZZ_CHECK(count >= facts.statements && count != SIZE_MAX);
        FUZZ_CHECK(count == facts.statements + (facts.wrapped ? 2 : 0));
        read_chunks(&memory, text, &facts);
        read_chunks(&file, text, &facts);
        check_glance(&memory, text, &facts);
    } else {
        check_fault(&err);
        FUZZ_CHECK(sqltext_check(&file, text->lexis, &again, &err_file) == status);
        FUZZ_CHECK(strcmp(err.where, err_file.where) == 0);
        FUZZ_CHECK(strcmp(err.message, err_file.message) == 0);
        (void)sqltext_glance(&memory, text->lexis, &again, &err_file);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t lexes[] = {LEX_POSTGRES, LEX_SQLITE};
    char *bytes = fuzz_copy(data, size);
    int fd = fuzz_file(data, size);

    for (size_t i = 0; i < sizeof lexes / sizeof *lexes; i++) {
        const struct text text = {bytes, size, lexes[i]};

        fuzz_lexer(&text);
        fuzz_reader(&text, fd);
    }
    close(fd);
    free(bytes);
    return 0;
}
