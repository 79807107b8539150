/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker from start to end. Owns the process, its process group and the
 * two channels: frames (a socket, so that a dead worker is no SIGPIPE) and the
 * module's own output (a pipe). All waiting is one poll loop with deadlines,
 * and no way out of it leaves a process behind. How the worker ended is put
 * into words elsewhere.
 */
#include "worker_link.h"

#include "clock.h"
#include "text.h"
#include "worker_end.h"
#include "worker_spawn.h"
#include "worker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define GRACE_MS 2000       /* from TERM to KILL */
#define CLOSING_MS 10000    /* from the result to the end of the process */
#define CANCEL_POLL_MS 100  /* how often the host's own wish to end is asked */
#define NO_PIDFD_POLL_MS 20 /* how often the end is looked for where it cannot be polled */
#define MAX_OUTPUT (64u << 10)
#define MAX_LINE 1000
#define LAST_READS 512 /* of what a worker had sent when it ended: more than a socket holds */

struct worker {
    const struct worker_job *job;
    struct worker_report report;
    struct frame_reader reader;
    struct buf outbox; /* the job, the word to go, pauses */
    size_t sent;
    bool paused;       /* what the worker was told last */
    int64_t paused_ms; /* when it was found paused last; 0: it was not */
    struct buf line;   /* of the module's output, unfinished */
    size_t output_bytes;
    pid_t pid; /* 0: none, or reaped */
    int pidfd;
    int control;
    int output;
    int64_t deadline_ms; /* of the module; 0: none */
    int64_t kill_at_ms;  /* 0: not stopping */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Ends whatever is left of the worker and of what it started. The leader is
 * not reaped before, so that the group's number cannot be another's. */
static int reap(struct worker *worker)
{
    int status = 0;
    pid_t got;

    if (!worker->pid)
        return 0;
    kill(-worker->pid, SIGKILL);
    do
        got = waitpid(worker->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    worker->pid = 0;
    return got < 0 ? 0 : status; /* ECHILD: the program around us ignores SIGCHLD */
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    reap(worker);
    close_fd(&worker->pidfd);
    close_fd(&worker->control);
    close_fd(&worker->output);
    frame_reader_clear(&worker->reader);
    buf_clear(&worker->outbox);
    buf_clear(&worker->line);
    free(worker);
}

/* --- starting ---------------------------------------------------------------- */

static mig_status fill_outbox(struct worker *worker, struct mig_err *err)
{
    struct frame_token *token = &worker->reader.token;

    if (getrandom(token->bytes, sizeof token->bytes, 0) != (ssize_t)sizeof token->bytes)
        return err_errno(err, MIG_E_INTERNAL, errno, "no random numbers can be had");
    return wire_put_job(&worker->outbox, token, worker->job, err);
}

static mig_status spawn(struct worker *worker, struct mig_err *err)
{
    const char *const argv[] = {"mighost-worker", NULL};
    int control[2] = {-1, -1};
    int output[2] = {-1, -1};
    mig_status status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
        return err_errno(err, MIG_E_LIMIT, errno, "no channel to the worker can be had");
    worker->control = control[0];
    if (pipe2(output, O_CLOEXEC) < 0) {
        status = err_errno(err, MIG_E_LIMIT, errno, "no channel to the worker can be had");
    } else {
        const struct worker_spawn spawn = {.path = worker->job->worker,
                                           .argv = argv,
                                           .output = output[1],
                                           .error = output[1],
                                           .control = control[1],
                                           .module = worker->job->module_fd};

        worker->output = output[0];
        fcntl(worker->output, F_SETFL, O_NONBLOCK);
        status = worker_spawn(&spawn, &worker->pid, err);
        close(output[1]);
    }
    close(control[1]);
    if (status == MIG_OK)
        worker->pidfd = pidfd_open(worker->pid, 0);
    return status;
}

/* --- the module's output ------------------------------------------------------- */

static void say(const struct worker *worker, enum mig_level level, const char *text)
{
    const struct worker_job *job = worker->job;
    const struct mighost_event event = {
        .size = sizeof event,
        .kind = MIGHOST_EVENT_LOG,
        .direction = job->direction,
        .id = job->id,
        .description = job->description ? job->description : "",
        .run_id = job->run_id,
        .text = text,
        .level = level,
        .index = job->index,
        .count = job->count,
    };

    if (job->listener)
        job->listener(&event, job->user);
}

static void end_line(struct worker *worker)
{
    char clean[sizeof worker->report.last_line];

    text_clean(clean, sizeof clean, buf_text(&worker->line));
    text_hide_values(clean, worker->job->secrets);
    buf_reset(&worker->line);
    if (!*clean)
        return;
    memcpy(worker->report.last_line, clean, sizeof clean);
    say(worker, MIG_INFO, clean);
}

static void take_output(struct worker *worker, const char *data, size_t len)
{
    for (size_t i = 0; i < len && worker->output_bytes < MAX_OUTPUT; i++) {
        if (data[i] == '\n')
            end_line(worker);
        else if (data[i])
            buf_putc(&worker->line, data[i]);
        if (worker->line.len >= MAX_LINE)
            end_line(worker);
        if (++worker->output_bytes == MAX_OUTPUT) {
            end_line(worker);
            say(worker, MIG_WARN,
                "the module wrote more than 64 KB to its output; the rest of it "
                "is left out");
        }
    }
}

/* Reads one piece; false when there is none now, or none will come. */
static bool read_output(struct worker *worker)
{
    char data[16384];
    ssize_t got;

    if (worker->output < 0)
        return false;
    got = read(worker->output, data, sizeof data);
    if (got > 0)
        take_output(worker, data, (size_t)got);
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        close_fd(&worker->output);
    return got > 0;
}

/* --- frames --------------------------------------------------------------------- */

static void take_event(struct worker *worker, const struct frame *frame)
{
    struct mighost_event event;

    if (wire_get_event(frame, &event) && worker->job->listener)
        worker->job->listener(&event, worker->job->user);
}

static void take_frame(struct worker *worker, const struct frame *frame)
{
    struct worker_report *report = &worker->report;

    switch (frame->type) {
    case FRAME_STARTED:
        if (!report->started && worker->job->timeout_ms > 0)
            worker->deadline_ms = clock_mono_ms() + worker->job->timeout_ms;
        report->started = true;
        break;
    case FRAME_EVENT: take_event(worker, frame); break;
    case FRAME_RESULT:
        report->reported = wire_get_result(frame, &report->result);
        worker->deadline_ms = 0;
        if (!worker->kill_at_ms)
            worker->kill_at_ms = clock_mono_ms() + CLOSING_MS;
        break;
    case FRAME_STACK:
        if (!report->has_stack)
            report->has_stack = wire_get_stack(frame, &report->stack);
        break;
    case FRAME_ROW:
        if (!report->has_row)
            report->has_row = wire_get_row(frame, &report->row);
        break;
    case FRAME_JOB:
    case FRAME_GO:
    case FRAME_PAUSE:
    case FRAME_RESUME:
    case FRAME_TYPES: break;
    }
}

static mig_status read_control(struct worker *worker, bool *more, struct mig_err *err)
{
    char data[16384];
    struct frame frame;
    ssize_t got;

    *more = false;
    if (worker->control < 0)
        return MIG_OK;
    got = recv(worker->control, data, sizeof data, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        close_fd(&worker->control);
    if (got <= 0)
        return MIG_OK;
    *more = true;
    if (worker->report.reported) /* nothing behind the result counts */
        return MIG_OK;
    MIG_TRY(frame_reader_feed(&worker->reader, data, (size_t)got, err));
    while (!worker->report.reported && frame_reader_next(&worker->reader, &frame))
        take_frame(worker, &frame);
    return MIG_OK;
}

static void send_outbox(struct worker *worker)
{
    ssize_t sent = send(worker->control, worker->outbox.data + worker->sent,
                        worker->outbox.len - worker->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0)
        worker->sent += (size_t)sent;
    else if (sent < 0 && errno != EINTR && errno != EAGAIN) {
        worker->sent = worker->outbox.len;  /* it is gone; how, we shall hear */
        shutdown(worker->control, SHUT_WR); /* and it waits for nothing more of us */
    }
    if (worker->sent < worker->outbox.len)
        return;
    buf_clear(&worker->outbox); /* it holds the database's address */
    worker->sent = 0;
}

/* Time that is spent in a pause does not count. */
static void check_pause(struct worker *worker)
{
    const struct worker_job *job = worker->job;
    bool paused = job->paused && job->paused(job->cancel_arg);
    int64_t now_ms = clock_mono_ms();
    struct mig_err ignored;
    size_t begun;

    if (worker->deadline_ms && worker->paused_ms)
        worker->deadline_ms += now_ms - worker->paused_ms;
    worker->paused_ms = paused ? now_ms : 0;
    if (paused == worker->paused)
        return;
    worker->paused = paused;
    begun =
        frame_begin(&worker->outbox, &worker->reader.token, paused ? FRAME_PAUSE : FRAME_RESUME);
    frame_end(&worker->outbox, begun, &ignored);
}

/* --- the loop --------------------------------------------------------------------- */

static void stop(struct worker *worker, enum worker_stop reason, mig_status status)
{
    if (worker->report.stop != WORKER_NOT_STOPPED)
        return;
    worker->report.stop = reason;
    worker->report.stop_status = status;
    worker->kill_at_ms = clock_mono_ms() + GRACE_MS;
    sigqueue(worker->pid, SIGTERM, (union sigval){.sival_int = status}); /* with the reason */
    kill(-worker->pid, SIGTERM);
}

static void check_time(struct worker *worker)
{
    const struct worker_job *job = worker->job;
    int64_t now_ms = clock_mono_ms();
    mig_status cancel =
        job->cancelled && !worker->report.reported ? job->cancelled(job->cancel_arg) : MIG_OK;

    if (cancel < 0)
        stop(worker, WORKER_CANCELLED, cancel);
    if (worker->deadline_ms && now_ms >= worker->deadline_ms)
        stop(worker, WORKER_TIMED_OUT, MIG_E_TIMEOUT);
    if (worker->kill_at_ms && now_ms >= worker->kill_at_ms) {
        worker->report.killed = true;
        kill(-worker->pid, SIGKILL);
    }
}

static int wait_ms(const struct worker *worker)
{
    int64_t now_ms = clock_mono_ms();
    int64_t wait = worker->pidfd < 0 ? NO_PIDFD_POLL_MS : CANCEL_POLL_MS;

    if (worker->deadline_ms && worker->deadline_ms - now_ms < wait)
        wait = worker->deadline_ms - now_ms;
    if (worker->kill_at_ms && worker->kill_at_ms - now_ms < wait)
        wait = worker->kill_at_ms - now_ms;
    return wait > 0 ? (int)wait : 0;
}

static bool has_ended(const struct worker *worker)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)worker->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return errno == ECHILD;
    return info.si_pid == worker->pid;
}

/* What is left in the channels. A child of the module may have them too, and
 * write for ever: the group is ended first, and who has left it is cut off. */
static mig_status read_rest(struct worker *worker, struct mig_err *err)
{
    bool more = true;

    kill(-worker->pid, SIGKILL);
    for (int reads = 0; more && reads < LAST_READS; reads++)
        MIG_TRY(read_control(worker, &more, err));
    while (worker->output_bytes < MAX_OUTPUT && read_output(worker))
        ;
    end_line(worker);
    return MIG_OK;
}

static mig_status supervise(struct worker *worker, struct mig_err *err)
{
    bool more;

    while (!has_ended(worker)) {
        short wanted = worker->sent < worker->outbox.len ? POLLIN | POLLOUT : POLLIN;
        struct pollfd fds[] = {{.fd = worker->control, .events = wanted},
                               {.fd = worker->output, .events = POLLIN},
                               {.fd = worker->pidfd, .events = POLLIN}};

        if (poll(fds, sizeof fds / sizeof *fds, wait_ms(worker)) < 0 && errno != EINTR)
            return err_errno(err, MIG_E_INTERNAL, errno, "waiting for the worker failed");
        if (fds[0].revents & POLLOUT)
            send_outbox(worker);
        MIG_TRY(read_control(worker, &more, err));
        read_output(worker);
        check_pause(worker);
        check_time(worker);
    }
    return read_rest(worker, err);
}

/* --- the whole -------------------------------------------------------------------- */

mig_status worker_start(const struct worker_job *job, struct worker **out, struct mig_err *err)
{
    AUTO(worker) struct worker *worker = calloc(1, sizeof *worker);

    if (!worker)
        return err_nomem(err);
    worker->job = job;
    worker->pidfd = worker->control = worker->output = -1;
    MIG_TRY(fill_outbox(worker, err));
    MIG_TRY(spawn(worker, err));
    send_outbox(worker);
    *out = TAKE(worker);
    return MIG_OK;
}

static mig_status add_go(struct worker *worker, struct mig_err *err)
{
    size_t begun = frame_begin(&worker->outbox, &worker->reader.token, FRAME_GO);

    return frame_end(&worker->outbox, begun, err);
}

mig_status worker_run(struct worker *worker, struct worker_end *end, struct mig_err *err)
{
    mig_status status;

    *end = (struct worker_end){0};
    MIG_TRY(add_go(worker, err));
    MIG_TRY(supervise(worker, err));
    worker->report.wait_status = reap(worker);
    status = worker_explain(worker->job, &worker->report, end, err);
    if (status < 0)
        text_hide_values(err->message, worker->job->secrets);
    text_hide_values(end->backtrace, worker->job->secrets);
    return status;
}
