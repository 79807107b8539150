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
#include "db_sql.h"
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

struct link {
    const struct worker_job *job;
    struct worker_report report;
    struct frame_reader reader;
    struct buf outbox; /* the job */
    size_t sent;
    struct buf line; /* of the module's output, unfinished */
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
static int reap(struct link *link)
{
    int status = 0;
    pid_t got;

    if (!link->pid)
        return 0;
    kill(-link->pid, SIGKILL);
    do
        got = waitpid(link->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    link->pid = 0;
    return got < 0 ? 0 : status; /* ECHILD: the program around us ignores SIGCHLD */
}

static void link_clear(struct link *link)
{
    reap(link);
    close_fd(&link->pidfd);
    close_fd(&link->control);
    close_fd(&link->output);
    frame_reader_clear(&link->reader);
    buf_clear(&link->outbox);
    buf_clear(&link->line);
}
AUTO_VALUE(link, struct link, link_clear)

/* --- starting ---------------------------------------------------------------- */

static mig_status fill_outbox(struct link *link, struct mig_err *err)
{
    struct frame_token *token = &link->reader.token;

    if (getrandom(token->bytes, sizeof token->bytes, 0) != (ssize_t)sizeof token->bytes)
        return err_errno(err, MIG_E_INTERNAL, errno, "no random numbers can be had");
    return wire_put_job(&link->outbox, token, link->job, err);
}

static mig_status start_worker(struct link *link, struct mig_err *err)
{
    const char *const argv[] = {"mighost-worker", NULL};
    int control[2] = {-1, -1};
    int output[2] = {-1, -1};
    mig_status status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
        return err_errno(err, MIG_E_LIMIT, errno, "no channel to the worker can be had");
    link->control = control[0];
    if (pipe2(output, O_CLOEXEC) < 0) {
        status = err_errno(err, MIG_E_LIMIT, errno, "no channel to the worker can be had");
    } else {
        const struct worker_spawn spawn = {.path = link->job->worker,
                                           .argv = argv,
                                           .output = output[1],
                                           .error = output[1],
                                           .control = control[1],
                                           .module = link->job->module_fd};

        link->output = output[0];
        fcntl(link->output, F_SETFL, O_NONBLOCK);
        status = worker_spawn(&spawn, &link->pid, err);
        close(output[1]);
    }
    close(control[1]);
    if (status == MIG_OK)
        link->pidfd = pidfd_open(link->pid, 0);
    return status;
}

/* --- the module's output ------------------------------------------------------- */

static void say(const struct link *link, enum mig_level level, const char *text)
{
    const struct worker_job *job = link->job;
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

static void end_line(struct link *link)
{
    char clean[sizeof link->report.last_line];

    db_clean_text(clean, sizeof clean, buf_text(&link->line));
    buf_reset(&link->line);
    if (!*clean)
        return;
    memcpy(link->report.last_line, clean, sizeof clean);
    say(link, MIG_INFO, clean);
}

static void take_output(struct link *link, const char *data, size_t len)
{
    for (size_t i = 0; i < len && link->output_bytes < MAX_OUTPUT; i++) {
        if (data[i] == '\n')
            end_line(link);
        else if (data[i])
            buf_putc(&link->line, data[i]);
        if (link->line.len >= MAX_LINE)
            end_line(link);
        if (++link->output_bytes == MAX_OUTPUT) {
            end_line(link);
            say(link, MIG_WARN,
                "the module wrote more than 64 KB to its output; the rest of it "
                "is left out");
        }
    }
}

/* Reads one piece; false when there is none now, or none will come. */
static bool read_output(struct link *link)
{
    char data[16384];
    ssize_t got;

    if (link->output < 0)
        return false;
    got = read(link->output, data, sizeof data);
    if (got > 0)
        take_output(link, data, (size_t)got);
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        close_fd(&link->output);
    return got > 0;
}

/* --- frames --------------------------------------------------------------------- */

static void take_event(struct link *link, const struct frame *frame)
{
    struct mighost_event event;

    if (wire_get_event(frame, &event) && link->job->listener)
        link->job->listener(&event, link->job->user);
}

static void take_frame(struct link *link, const struct frame *frame)
{
    struct worker_report *report = &link->report;

    switch (frame->type) {
    case FRAME_STARTED:
        if (!report->started && link->job->timeout_ms > 0)
            link->deadline_ms = clock_mono_ms() + link->job->timeout_ms;
        report->started = true;
        break;
    case FRAME_EVENT: take_event(link, frame); break;
    case FRAME_RESULT:
        report->reported = wire_get_result(frame, &report->result);
        link->deadline_ms = 0;
        if (!link->kill_at_ms)
            link->kill_at_ms = clock_mono_ms() + CLOSING_MS;
        break;
    case FRAME_STACK:
        if (!report->has_stack)
            report->has_stack = wire_get_stack(frame, &report->stack);
        break;
    case FRAME_JOB:
    case FRAME_TYPES: break;
    }
}

static mig_status read_control(struct link *link, bool *more, struct mig_err *err)
{
    char data[16384];
    struct frame frame;
    ssize_t got;

    *more = false;
    if (link->control < 0)
        return MIG_OK;
    got = recv(link->control, data, sizeof data, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        close_fd(&link->control);
    if (got <= 0)
        return MIG_OK;
    *more = true;
    MIG_TRY(frame_reader_feed(&link->reader, data, (size_t)got, err));
    while (!link->report.reported && frame_reader_next(&link->reader, &frame))
        take_frame(link, &frame);
    return MIG_OK;
}

static void send_job(struct link *link)
{
    ssize_t sent = send(link->control, link->outbox.data + link->sent,
                        link->outbox.len - link->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0)
        link->sent += (size_t)sent;
    else if (sent < 0 && errno != EINTR && errno != EAGAIN)
        link->sent = link->outbox.len; /* it is gone; how, we shall hear */
    if (link->sent == link->outbox.len)
        buf_clear(&link->outbox); /* it holds the database's address */
}

/* --- the loop --------------------------------------------------------------------- */

static void stop(struct link *link, enum worker_stop reason, mig_status status)
{
    if (link->report.stop != WORKER_NOT_STOPPED)
        return;
    link->report.stop = reason;
    link->report.stop_status = status;
    link->kill_at_ms = clock_mono_ms() + GRACE_MS;
    kill(-link->pid, SIGTERM);
}

static void check_time(struct link *link)
{
    const struct worker_job *job = link->job;
    int64_t now_ms = clock_mono_ms();
    mig_status cancel =
        job->cancelled && !link->report.reported ? job->cancelled(job->cancel_arg) : MIG_OK;

    if (cancel < 0)
        stop(link, WORKER_CANCELLED, cancel);
    if (link->deadline_ms && now_ms >= link->deadline_ms)
        stop(link, WORKER_TIMED_OUT, MIG_E_TIMEOUT);
    if (link->kill_at_ms && now_ms >= link->kill_at_ms) {
        link->report.killed = true;
        kill(-link->pid, SIGKILL);
    }
}

static int wait_ms(const struct link *link)
{
    int64_t now_ms = clock_mono_ms();
    int64_t wait = link->pidfd < 0 ? NO_PIDFD_POLL_MS : CANCEL_POLL_MS;

    if (link->deadline_ms && link->deadline_ms - now_ms < wait)
        wait = link->deadline_ms - now_ms;
    if (link->kill_at_ms && link->kill_at_ms - now_ms < wait)
        wait = link->kill_at_ms - now_ms;
    return wait > 0 ? (int)wait : 0;
}

static bool has_ended(const struct link *link)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)link->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return errno == ECHILD;
    return info.si_pid == link->pid;
}

static mig_status supervise(struct link *link, struct mig_err *err)
{
    bool more;

    while (!has_ended(link)) {
        short wanted = link->sent < link->outbox.len ? POLLIN | POLLOUT : POLLIN;
        struct pollfd fds[] = {{.fd = link->control, .events = wanted},
                               {.fd = link->output, .events = POLLIN},
                               {.fd = link->pidfd, .events = POLLIN}};

        if (poll(fds, sizeof fds / sizeof *fds, wait_ms(link)) < 0 && errno != EINTR)
            return err_errno(err, MIG_E_INTERNAL, errno, "waiting for the worker failed");
        if (fds[0].revents & POLLOUT)
            send_job(link);
        MIG_TRY(read_control(link, &more, err));
        read_output(link);
        check_time(link);
    }
    do
        MIG_TRY(read_control(link, &more, err));
    while (more);
    while (link->output_bytes < MAX_OUTPUT && read_output(link))
        ;
    end_line(link);
    return MIG_OK;
}

mig_status worker_run(const struct worker_job *job, struct worker_end *end, struct mig_err *err)
{
    AUTO(link) struct link link = {.job = job, .pidfd = -1, .control = -1, .output = -1};

    *end = (struct worker_end){0};
    MIG_TRY(fill_outbox(&link, err));
    MIG_TRY(start_worker(&link, err));
    MIG_TRY(supervise(&link, err));
    link.report.wait_status = reap(&link);
    return worker_explain(job, &link.report, end, err);
}
