/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads: colours, times, tables, escaped text. Everything goes
 * into a buffer; nothing here prints. All text that comes from outside passes
 * through render_text() or a table's cell, which write out what a terminal
 * would act on.
 */
#ifndef MIGHOST_CLI_RENDER_H
#define MIGHOST_CLI_RENDER_H

#include "buf.h"
#include "text.h"
#include "vec.h"

#include <mighost.h>

enum color { COLOR_NONE, COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_DIM, COLOR_BOLD };

/* A buffer and whether colour may go into it. */
struct page {
    struct buf *out;
    bool color;
};

void render_text(struct page *page, enum color color, const char *text);
MIG_PRINTF(3, 4)
void render_format(struct page *page, enum color color, const char *format, ...);
/* "Name:      text" and a new line; nothing where the text is empty. */
void render_field(struct page *page, const char *name, const char *text);
/* Lines of SQL: new lines and tabs stay, the rest is escaped. */
void render_block(struct page *page, const char *text);

/* "2026-03-01 09:30:00", "-" for 0. Returns `out`. */
const char *render_time(char out[TEXT_SHORT], int64_t ms);

enum color state_color(enum mighost_state state);

struct cell {
    size_t start; /* in the table's text */
    size_t width; /* characters */
    enum color color;
};

VEC_DEFINE(cells, struct cell);

/* A table: cells row by row; struct table t = {.columns = n} is an empty one. */
struct table {
    struct buf text;
    struct cells cells;
    size_t columns;
    bool failed;
};

void table_cell(struct table *table, enum color color, const char *text);
/* The first row, from names; NULL at the end. */
void table_head(struct table *table, const char *const *names);
/* Writes it, each column as wide as its widest cell. */
void table_render(const struct table *table, struct page *page);
void table_clear(struct table *table);

/* Characters of a UTF-8 text. */
size_t text_width(const char *text);

AUTO_VALUE(table, struct table, table_clear)

#endif
