/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears the events of a run and says them on standard error. Progress is
 * redrawn some times a second on a terminal and is one line now and then
 * elsewhere, so that a log stays short. Everything printed is escaped. It owns
 * the current line of the terminal while a bar is shown.
 */
#include "listener.h"

#include "clock.h"
#include "json_out.h"
#include "render.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define BAR_EVERY_MS 100   /* as often as the eye follows */
#define LINE_EVERY_MS 2000 /* for logs */
#define BAR_CELLS 20
#define WIDTH_DEFAULT 80
#define CLEAR_LINE "\r\033[K"

static void print(struct listener *listener, const struct buf *text)
{
    if (listener->bar_shown)
        fputs(CLEAR_LINE, stderr);
    listener->bar_shown = false;
    fputs(buf_text(text), stderr);
    fflush(stderr);
}

void listener_end(struct listener *listener)
{
    static const struct buf nothing;

    if (listener->bar_shown)
        print(listener, &nothing);
}

static void print_json(struct listener *listener, const struct mighost_event *event)
{
    AUTO(buf) struct buf line = {0};
    struct json json;

    json_init(&json, &line);
    json_event(&json, event);
    buf_putc(&line, '\n');
    print(listener, &line);
}

/* "[2/5] 20240126130000 hash user emails" */
static void add_title(struct page *page, const struct listener *listener,
                      const struct mighost_event *event)
{
    if (listener->count > 1)
        buf_printf(page->out, "[%zu/%zu] ", listener->index, listener->count);
    render_text(page, COLOR_BOLD, event->id ? event->id : "");
    if (event->description && *event->description) {
        buf_putc(page->out, ' ');
        render_text(page, COLOR_NONE, event->description);
    }
}

/* What a data migration tells besides; its own figures are better than ours. */
static void add_pace(struct page *page, const struct mighost_event *event)
{
    static const char *const words[] = {
        [MIGHOST_FULL_SPEED] = "",
        [MIGHOST_THROTTLED] = ", throttled",
        [MIGHOST_LAGGING] = ", waiting for a standby",
        [MIGHOST_PAUSED] = ", paused",
    };
    char text[TEXT_SHORT];

    if (event->batch)
        buf_printf(page->out, ", %s a batch", text_count(text, event->batch));
    if (event->rejected)
        buf_printf(page->out, ", %s rejected", text_count(text, event->rejected));
    if ((size_t)event->pace < sizeof words / sizeof words[0])
        buf_puts(page->out, words[event->pace]);
}

/* "120,000 of 200,000 rows, 60%, 85,000/s, 1 s to go, 4,000 a batch" */
static void add_progress(struct page *page, const struct listener *listener,
                         const struct mighost_event *event, int64_t now)
{
    char text[TEXT_SHORT];
    int64_t took = now - listener->begun_ms;
    int64_t rate = took > 0 ? (event->done - listener->begun_at) * 1000 / took : 0;
    int64_t left_ms;

    rate = event->batch ? event->rate : rate;
    left_ms = event->batch ? event->eta_ms
              : rate > 0   ? (event->total - event->done) * 1000 / rate
                           : 0;

    buf_puts(page->out, text_count(text, event->done));
    if (event->total > 0) {
        buf_printf(page->out, " of %s", text_count(text, event->total));
        buf_printf(page->out, " rows, %lld%%", (long long)(event->done * 100 / event->total));
    } else {
        buf_puts(page->out, " rows");
    }
    if (rate > 0)
        buf_printf(page->out, ", %s/s", text_count(text, rate));
    if (rate > 0 && event->total > event->done)
        buf_printf(page->out, ", %s to go", text_duration(text, left_ms));
    add_pace(page, event);
}

static void add_bar(struct page *page, int64_t done, int64_t total)
{
    int64_t full = total > 0 ? done * BAR_CELLS / total : 0;

    buf_putc(page->out, '[');
    for (int i = 0; i < BAR_CELLS; i++)
        buf_putc(page->out, i < full ? '#' : '.');
    buf_puts(page->out, "] ");
}

static size_t terminal_width(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
        return WIDTH_DEFAULT;
    return size.ws_col;
}

/* Keeps the first `width` characters. */
static void cut_to_width(struct buf *line, size_t width)
{
    size_t at = 0;

    while (width > 0 && at < line->len) {
        size_t step = text_utf8_char(line->data + at, line->len - at, NULL);

        at += step ? step : 1;
        width--;
    }
    buf_cut(line, at);
}

static void show_bar(struct listener *listener, const struct mighost_event *event, int64_t now)
{
    AUTO(buf) struct buf line = {0};
    struct page page = {.out = &line}; /* no colour: the line may be cut */

    add_bar(&page, event->done, event->total);
    if (event->kind == MIGHOST_EVENT_STEP)
        buf_printf(&line, "%lld of %lld steps", (long long)event->done, (long long)event->total);
    else
        add_progress(&page, listener, event, now);
    buf_puts(&line, "  ");
    add_title(&page, listener, event);
    cut_to_width(&line, terminal_width() - 1);
    fputs(CLEAR_LINE, stderr);
    fputs(buf_text(&line), stderr);
    fflush(stderr);
    listener->bar_shown = true;
}

static void show_progress_line(struct listener *listener, const struct mighost_event *event,
                               int64_t now)
{
    AUTO(buf) struct buf line = {0};
    struct page page = {.out = &line, .color = listener->color};

    buf_puts(&line, "  ");
    render_text(&page, COLOR_NONE, event->id ? event->id : "");
    buf_puts(&line, ": ");
    add_progress(&page, listener, event, now);
    buf_putc(&line, '\n');
    print(listener, &line);
}

/* Whether a pause or a wait has begun or ended: that is said at once. */
static bool turned(const struct listener *listener, const struct mighost_event *event)
{
    return (listener->pace != event->pace) &&
           (listener->pace > MIGHOST_THROTTLED || event->pace > MIGHOST_THROTTLED);
}

static void hear_progress(struct listener *listener, const struct mighost_event *event)
{
    int64_t now = clock_mono_ms();
    int64_t every = listener->terminal ? BAR_EVERY_MS : LINE_EVERY_MS;

    if (!listener->begun_ms) {
        listener->begun_ms = now;
        listener->begun_at = event->done;
        listener->shown_ms = listener->terminal ? 0 : now;
    }
    if (now - listener->shown_ms < every && !turned(listener, event))
        return;
    listener->shown_ms = now;
    listener->pace = event->pace;
    if (listener->terminal)
        show_bar(listener, event, now);
    else
        show_progress_line(listener, event, now);
}

/* One line: a word in colour, then what it is about. */
static void say(struct listener *listener, enum color color, const char *word,
                const struct mighost_event *event, const char *text)
{
    AUTO(buf) struct buf line = {0};
    struct page page = {.out = &line, .color = listener->color};

    render_text(&page, color, word);
    buf_putc(&line, ' ');
    if (event)
        add_title(&page, listener, event);
    if (event && text && *text)
        buf_puts(&line, ": ");
    render_text(&page, COLOR_NONE, text ? text : "");
    buf_putc(&line, '\n');
    print(listener, &line);
}

static void hear_step(struct listener *listener, const struct mighost_event *event)
{
    char text[48];

    if (listener->terminal && event->total > 0) {
        show_bar(listener, event, clock_mono_ms());
    } else if (listener->verbose) {
        snprintf(text, sizeof text, "step %lld is done", (long long)event->done);
        say(listener, COLOR_DIM, "  ", event, text);
    }
}

static void hear_waiting(struct listener *listener, const struct mighost_event *event)
{
    say(listener, COLOR_YELLOW, "waiting:", NULL, event->text);
}

static void hear_run(struct listener *listener, const struct mighost_event *event)
{
    listener->count = event->count;
    listener->index = 0;
}

static void hear_start(struct listener *listener, const struct mighost_event *event)
{
    const char *word = event->direction == MIGHOST_DOWN ? "rolling back" : "applying";

    listener->begun_ms = 0;
    listener->pace = MIGHOST_FULL_SPEED;
    listener->index = event->index;
    if (event->count)
        listener->count = event->count;
    if (listener->verbose)
        say(listener, COLOR_DIM, word, event, NULL);
}

static void hear_log(struct listener *listener, const struct mighost_event *event)
{
    static const char *const words[] = {"debug:", "info:", "warning:", "error:"};
    static const enum color colors[] = {COLOR_DIM, COLOR_DIM, COLOR_YELLOW, COLOR_RED};
    unsigned level = (unsigned)event->level & MIG_ERROR;

    if (level > MIG_DEBUG || listener->verbose)
        say(listener, colors[level], words[level], NULL, event->text);
}

static void hear_warning(struct listener *listener, const struct mighost_event *event)
{
    say(listener, COLOR_YELLOW, "warning:", NULL, event->text);
}

static void hear_done(struct listener *listener, const struct mighost_event *event)
{
    AUTO(buf) struct buf line = {0};
    struct page page = {.out = &line, .color = listener->color};
    char took[TEXT_SHORT];

    render_text(&page, COLOR_GREEN, event->direction == MIGHOST_DOWN ? "rolled back" : "applied");
    buf_putc(&line, ' ');
    add_title(&page, listener, event);
    buf_printf(&line, " (%s)\n", text_duration(took, event->duration_ms));
    print(listener, &line);
}

/* The sentence itself ends the command and is printed by main. */
static void hear_failed(struct listener *listener, const struct mighost_event *event)
{
    say(listener, COLOR_RED, "failed", event, NULL);
}

static void hear_skipped(struct listener *listener, const struct mighost_event *event)
{
    say(listener, COLOR_DIM, "skipped", event, "another host has done it");
}

static void (*const hearers[])(struct listener *, const struct mighost_event *) = {
    [MIGHOST_EVENT_WAITING] = hear_waiting,
    [MIGHOST_EVENT_RUN] = hear_run,
    [MIGHOST_EVENT_START] = hear_start,
    [MIGHOST_EVENT_STEP] = hear_step,
    [MIGHOST_EVENT_PROGRESS] = hear_progress,
    [MIGHOST_EVENT_LOG] = hear_log,
    [MIGHOST_EVENT_WARNING] = hear_warning,
    [MIGHOST_EVENT_DONE] = hear_done,
    [MIGHOST_EVENT_FAILED] = hear_failed,
    [MIGHOST_EVENT_SKIPPED] = hear_skipped,
    [MIGHOST_EVENT_END] = NULL,
};

static void keep_done(struct listener *listener, const struct mighost_event *event)
{
    const char *id = arena_strdup(&listener->arena, event->id ? event->id : "");
    const char **slot = id ? ids_add(&listener->done) : NULL;

    if (slot)
        *slot = id;
}

void listener_hear(const struct mighost_event *event, void *user)
{
    struct listener *listener = user;
    size_t kind = (size_t)event->kind;

    if (event->kind == MIGHOST_EVENT_DONE)
        keep_done(listener, event);
    if (listener->events)
        print_json(listener, event);
    else if (!listener->quiet && kind < sizeof hearers / sizeof hearers[0] && hearers[kind])
        hearers[kind](listener, event);
}

static void add_error(struct page *page, const struct mig_err *err)
{
    buf_puts(page->out, "mighost: ");
    render_text(page, COLOR_RED, "error:");
    buf_putc(page->out, ' ');
    if (err->where[0]) {
        render_text(page, COLOR_BOLD, err->where);
        buf_puts(page->out, ": ");
    }
    render_text(page, COLOR_NONE,
                err->message[0] ? err->message : mighost_status_text(err->status));
    if (err->sqlstate[0] && !strstr(err->message, err->sqlstate))
        render_format(page, COLOR_DIM, " (SQLSTATE %s)", err->sqlstate);
    buf_putc(page->out, '\n');
}

void listener_error(struct listener *listener, const struct mig_err *err)
{
    AUTO(buf) struct buf line = {0};
    struct page page = {.out = &line, .color = listener->color};
    struct json json;

    if (listener->events) {
        json_init(&json, &line);
        json_error(&json, err);
        buf_putc(&line, '\n');
    } else {
        add_error(&page, err);
    }
    print(listener, &line);
}

void listener_clear(struct listener *listener)
{
    ids_clear(&listener->done);
    arena_clear(&listener->arena);
}
