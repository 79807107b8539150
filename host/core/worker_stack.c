/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the symbolizing process for as long as it runs, which is bounded: what
 * it has not said within the deadline stays an offset. Its answer is one line
 * a frame, "function TAB file:line", either of them possibly empty, with those
 * that it is inlined into behind it. Knows nothing of why it was stopped.
 */
#include "worker_stack.h"

#include "clock.h"
#include "text.h"
#include "worker_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define SYMBOLIZER "mighost-symbolize"
#define SYMBOLIZE_MS 5000
#define ARGUMENT_SIZE (WIRE_OBJECT_NAME + 24)
#define NAMED_FRAMES (2 * WIRE_FRAMES) /* with those that are inlined */
#define CLAUSE_FRAMES 4

/* One frame in words. */
struct named_frame {
    char function[160];
    char place[200];    /* "file:line" or "" */
    const char *object; /* as in struct wire_stack */
    uint64_t offset;
};

static bool is_module(const struct named_frame *frame)
{
    return strcmp(frame->object, WIRE_MODULE_OBJECT) == 0;
}

static bool is_worker(const struct named_frame *frame)
{
    return !*frame->object;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void read_until(int fd, int64_t deadline_ms, struct buf *out)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char piece[4096];

    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        ssize_t got;

        if (left_ms <= 0 || (poll(&poll_fd, 1, (int)left_ms) < 0 && errno != EINTR))
            return;
        if (!poll_fd.revents)
            continue;
        got = read(fd, piece, sizeof piece);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            return;
        if (got > 0)
            buf_add(out, piece, (size_t)got);
    }
}

/* Runs the symbolizer over all frames; what it said, into `out`. */
static void ask(const struct wire_stack *stack, const struct worker_job *job, struct buf *out)
{
    char arguments[WIRE_FRAMES][ARGUMENT_SIZE];
    const char *argv[WIRE_FRAMES + 2] = {SYMBOLIZER};
    AUTO(buf) struct buf path = {0};
    struct mig_err ignored;
    int ends[2];
    pid_t pid;

    buf_add(&path, job->worker, (size_t)(base_name(job->worker) - job->worker));
    buf_puts(&path, SYMBOLIZER);
    for (size_t i = 0; i < stack->frame_count; i++) {
        uint32_t object = stack->frames[i].object;

        snprintf(arguments[i], sizeof arguments[i], "%llx:%s",
                 (unsigned long long)stack->frames[i].offset,
                 object == WIRE_NO_OBJECT ? "?" : stack->objects[object]);
        argv[i + 1] = arguments[i];
    }
    if (!buf_ok(&path) || pipe2(ends, O_CLOEXEC) < 0)
        return;
    const struct worker_spawn spawn = {.path = buf_text(&path),
                                       .argv = argv,
                                       .output = ends[1],
                                       .error = -1,
                                       .control = -1,
                                       .module = job->module_fd};
    mig_status status = worker_spawn(&spawn, &pid, &ignored);

    close(ends[1]);
    if (status == MIG_OK) {
        read_until(ends[0], clock_mono_ms() + SYMBOLIZE_MS, out);
        kill(pid, SIGKILL); /* it has closed its output, or is too slow */
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
}

/* Copies the piece up to the next tab or line end, and steps over a tab. */
static void take_piece(const char **at, char *out, size_t size)
{
    size_t len = strcspn(*at, "\t\n");
    char text[512];

    snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), *at);
    text_clean(out, size, text);
    *at += len + ((*at)[len] == '\t');
}

/* The next line of the answer: one frame, and those it is inlined into; past
 * the end, an empty one. Returns how many there are. */
static size_t take_line(const char **at, const struct named_frame *raw, struct named_frame *frames,
                        size_t room)
{
    size_t count = 0;

    do {
        frames[count] = *raw;
        take_piece(at, frames[count].function, sizeof frames->function);
        take_piece(at, frames[count].place, sizeof frames->place);
        count++;
    } while (count < room && **at && **at != '\n');
    *at += strcspn(*at, "\n");
    *at += **at == '\n';
    return count;
}

static void name_frame(const struct named_frame *frame, char *out, size_t size)
{
    const char *object = is_worker(frame) ? "mighost-worker" : base_name(frame->object);

    if (*frame->object == '?')
        snprintf(out, size, "address 0x%llx", (unsigned long long)frame->offset);
    else if (!*frame->function)
        snprintf(out, size, "%s+0x%llx", object, (unsigned long long)frame->offset);
    else if (*frame->place)
        snprintf(out, size, "%s at %s", frame->function, frame->place);
    else if (is_module(frame))
        snprintf(out, size, "%s", frame->function);
    else
        snprintf(out, size, "%s (%s)", frame->function, object);
}

__attribute__((format(printf, 3, 4))) static void append(char *out, size_t size, const char *format,
                                                         ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + len, size - len, format, args);
    va_end(args);
}

/* The range of frames worth showing: not the worker's own behind the module's,
 * nor before them the way out of the process that exit() took. */
static void choose(const struct named_frame *frames, size_t count, bool from_module, size_t *first,
                   size_t *end)
{
    *first = 0;
    *end = count;
    for (size_t i = count; i > 0; i--)
        if (is_module(&frames[i - 1])) {
            *end = i;
            break;
        }
    while (from_module && *first < *end && !is_module(&frames[*first]))
        ++*first;
    if (*first == *end)
        *first = 0;
}

/* Where the sentence begins: what the module called, if it crashed in there. */
static size_t first_said(const struct named_frame *frames, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        if (is_module(&frames[i]))
            return i > first ? i - 1 : i;
    return first;
}

static void write_out(const struct named_frame *frames, size_t first, size_t end, char *lines,
                      size_t lines_size, char *clause, size_t clause_size)
{
    char name[sizeof frames->function + sizeof frames->place + 8];
    size_t from = first_said(frames, first, end);
    size_t said = 0;

    for (size_t i = first; i < end; i++) {
        name_frame(&frames[i], name, sizeof name);
        append(lines, lines_size, "%s#%zu %s", i > first ? "\n" : "", i - first, name);
        if (i < from || (i > from && *frames[i].function &&
                         strcmp(frames[i].function, frames[i - 1].function) == 0))
            continue; /* recursion: once is enough in a sentence */
        if (said < CLAUSE_FRAMES)
            append(clause, clause_size, "%s%s", said ? ", called from " : "in ", name);
        said++;
    }
}

void worker_stack_describe(const struct wire_stack *stack, const struct worker_job *job,
                           char *lines, size_t lines_size, char *clause, size_t clause_size)
{
    AUTO(free) struct named_frame *frames = calloc(NAMED_FRAMES, sizeof *frames);
    AUTO(buf) struct buf answer = {0};
    const char *at;
    size_t first, end;
    size_t count = 0;

    lines[0] = clause[0] = '\0';
    if (!frames || !stack->frame_count)
        return;
    ask(stack, job, &answer);
    at = buf_text(&answer);
    for (size_t i = 0; i < stack->frame_count && count < NAMED_FRAMES; i++) {
        uint32_t object = stack->frames[i].object;
        struct named_frame raw = {
            .object = object == WIRE_NO_OBJECT ? "?" : stack->objects[object],
            .offset = stack->frames[i].offset,
        };

        count += take_line(&at, &raw, frames + count, NAMED_FRAMES - count);
    }
    choose(frames, count, stack->cause == WIRE_CAUSE_EXIT, &first, &end);
    write_out(frames, first, end, lines, lines_size, clause, clause_size);
}
