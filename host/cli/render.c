/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colours, escaped text and aligned tables, written into a buffer. A table
 * keeps its cells escaped and measured until it is rendered, so that columns
 * are as wide as they need to be and no wider. Lost memory is remembered by
 * the buffer that is written to.
 */
#include "render.h"

#include <string.h>

#define COLUMN_GAP 2
#define FIELD_WIDTH 13

static const char *const color_codes[] = {
    [COLOR_NONE] = "",           [COLOR_RED] = "\033[31m", [COLOR_GREEN] = "\033[32m",
    [COLOR_YELLOW] = "\033[33m", [COLOR_DIM] = "\033[2m",  [COLOR_BOLD] = "\033[1m",
};

#define COLOR_END "\033[0m"

static bool color_begin(struct page *page, enum color color)
{
    if (!page->color || color == COLOR_NONE)
        return false;
    buf_puts(page->out, color_codes[color]);
    return true;
}

void render_text(struct page *page, enum color color, const char *text)
{
    bool colored = color_begin(page, color);

    text_escape(page->out, text);
    if (colored)
        buf_puts(page->out, COLOR_END);
}

void render_format(struct page *page, enum color color, const char *format, ...)
{
    bool colored = color_begin(page, color);
    va_list args;

    va_start(args, format);
    buf_vprintf(page->out, format, args);
    va_end(args);
    if (colored)
        buf_puts(page->out, COLOR_END);
}

void render_field(struct page *page, const char *name, const char *text)
{
    int pad = FIELD_WIDTH - (int)strlen(name);

    if (!text || !*text)
        return;
    render_format(page, COLOR_DIM, "%s:", name);
    buf_printf(page->out, "%*s", pad > 1 ? pad : 1, "");
    render_text(page, COLOR_NONE, text);
    buf_putc(page->out, '\n');
}

void render_block(struct page *page, const char *text)
{
    size_t len = strlen(text);

    text_escape_n(page->out, text, len, "\n\t");
    if (len && text[len - 1] != '\n')
        buf_putc(page->out, '\n');
}

const char *render_time(char out[TEXT_SHORT], int64_t ms)
{
    static const char shown[] = "YYYY-MM-DD hh:mm:ss";

    if (!ms)
        return memcpy(out, "-", 2);
    text_time(out, ms);
    out[strcspn(out, "T")] = ' ';
    out[sizeof shown - 1] = '\0';
    return out;
}

enum color state_color(enum mighost_state state)
{
    static const enum color colors[] = {
        [MIGHOST_PENDING] = COLOR_YELLOW, [MIGHOST_APPLIED] = COLOR_GREEN,
        [MIGHOST_PARTIAL] = COLOR_RED,    [MIGHOST_FAILED] = COLOR_RED,
        [MIGHOST_RUNNING] = COLOR_YELLOW,
    };

    return (size_t)state < sizeof colors / sizeof colors[0] ? colors[state] : COLOR_RED;
}

size_t text_width(const char *text)
{
    size_t len = strlen(text);
    size_t width = 0;

    while (len) {
        size_t step = text_utf8_char(text, len, NULL);

        step = step ? step : 1;
        text += step;
        len -= step;
        width++;
    }
    return width;
}

void table_cell(struct table *table, enum color color, const char *text)
{
    struct cell *cell = cells_add(&table->cells);

    if (!cell) {
        table->failed = true;
        return;
    }
    cell->start = table->text.len;
    cell->color = color;
    text_escape(&table->text, text);
    if (table->text.len == cell->start)
        buf_putc(&table->text, '-');
    cell->width = buf_ok(&table->text) ? text_width(buf_text(&table->text) + cell->start) : 0;
    buf_putc(&table->text, '\0');
}

void table_head(struct table *table, const char *const *names)
{
    for (; *names; names++)
        table_cell(table, COLOR_DIM, *names);
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < table->cells.len; i += table->columns)
        if (table->cells.data[i].width > width)
            width = table->cells.data[i].width;
    return width;
}

static void render_cell(const struct table *table, size_t at, size_t width, struct page *page)
{
    const struct cell *cell = &table->cells.data[at];
    bool last = (at + 1) % table->columns == 0;
    bool colored = color_begin(page, cell->color);

    buf_puts(page->out, buf_text(&table->text) + cell->start);
    if (colored)
        buf_puts(page->out, COLOR_END);
    if (last)
        buf_putc(page->out, '\n');
    else
        buf_printf(page->out, "%*s", (int)(width - cell->width + COLUMN_GAP), "");
}

#define COLUMNS_MAX 12

void table_render(const struct table *table, struct page *page)
{
    size_t widths[COLUMNS_MAX];

    if (table->failed || !table->columns || !buf_ok(&table->text)) {
        page->out->failed = true;
        return;
    }
    for (size_t i = 0; i < table->columns && i < COLUMNS_MAX; i++)
        widths[i] = column_width(table, i);
    for (size_t i = 0; i < table->cells.len; i++)
        render_cell(table, i, widths[i % table->columns], page);
}

void table_clear(struct table *table)
{
    buf_clear(&table->text);
    cells_clear(&table->cells);
}
