/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mighost-worker: the process that loads and runs one migration module. It
 * knows nothing but the job that comes through its control socket, holds one
 * database session, and reports events and one result as frames. It outlives
 * neither its host nor its job, runs no destructor of the module, and is not
 * meant to be started by hand.
 */
#include "apply.h"
#include "crash.h"
#include "driver.h"
#include "fds.h"
#include "fs.h"
#include "module.h"
#include "session.h"
#include "verdict.h"
#include "worker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* The control socket's place, where no counted loop of a module comes by. */
#define HIGH_FD 400
#define CPU_GRACE_S 2 /* between SIGXCPU and SIGKILL */
#define OUTPUT_BUFFER 4096
#define EXIT_USAGE 2
#define STATUS_SIZE 16384 /* of /proc/self/status, at most */

struct worker {
    int control;
    struct frame_reader reader;
    bool paused;
    struct arena arena; /* owns the texts of the job */
    struct worker_job job;
    struct buf outbox;
};

static bool send_outbox(struct worker *worker)
{
    const struct buf *out = &worker->outbox;
    size_t done = 0;

    while (buf_ok(out) && done < out->len) {
        ssize_t sent = send(worker->control, out->data + done, out->len - done, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return false;
        done += sent > 0 ? (size_t)sent : 0;
    }
    return buf_ok(out);
}

static void send_event(const struct mighost_event *event, void *user)
{
    struct worker *worker = user;
    struct mig_err ignored;

    buf_reset(&worker->outbox);
    if (wire_put_event(&worker->outbox, &worker->reader.token, event, &ignored) == MIG_OK)
        send_outbox(worker);
}

static void send_started(struct worker *worker)
{
    struct mig_err ignored;
    size_t begun;

    buf_reset(&worker->outbox);
    begun = frame_begin(&worker->outbox, &worker->reader.token, FRAME_STARTED);
    if (frame_end(&worker->outbox, begun, &ignored) == MIG_OK)
        send_outbox(worker);
}

static bool send_result(struct worker *worker, const struct wire_result *result)
{
    struct mig_err ignored;

    buf_reset(&worker->outbox);
    return wire_put_result(&worker->outbox, &worker->reader.token, result, &ignored) == MIG_OK &&
           send_outbox(worker);
}

/* --- becoming a worker --------------------------------------------------------- */

/* Dies with the thread that started it. The socket knows who made it, which
 * settles the race with a host that has died already. */
static bool tie_to_host(void)
{
    struct ucred host;
    socklen_t len = sizeof host;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return false;
    return getsockopt(WIRE_FD_CONTROL, SOL_SOCKET, SO_PEERCRED, &host, &len) == 0 &&
           getppid() == host.pid;
}

/* Signal dispositions and mask are the default ones: the host has seen to it. */
static void restrict_process(void)
{
    const struct rlimit no_core = {0, 0};

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of writing it */
}

/* Moves the control socket up, as far as the limit of descriptors allows. */
static int lift_control(void)
{
    int fd = fcntl(WIRE_FD_CONTROL, F_DUPFD_CLOEXEC, HIGH_FD);

    if (fd < 0)
        fd = fcntl(WIRE_FD_CONTROL, F_DUPFD_CLOEXEC, WIRE_FD_END);
    if (fd >= 0)
        close(WIRE_FD_CONTROL);
    fcntl(WIRE_FD_MODULE, F_SETFD, FD_CLOEXEC);
    return fd;
}

static mig_status receive(struct worker *worker, struct frame *frame, struct mig_err *err)
{
    char data[16384];

    while (!frame_reader_next(&worker->reader, frame)) {
        ssize_t got = recv(worker->control, data, sizeof data, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set(err, MIG_E_INTERNAL, "the worker heard nothing more from its host");
        MIG_TRY(frame_reader_feed(&worker->reader, data, (size_t)got, err));
    }
    return MIG_OK;
}

/* Behind the job comes another frame, so that its bytes are copied. */
static mig_status receive_job(struct worker *worker, struct mig_err *err)
{
    struct frame frame;

    worker->reader.any_token = true;
    MIG_TRY(receive(worker, &frame, err));
    frame.body =
        (unsigned char *)arena_strndup(&worker->arena, (const char *)frame.body, frame.len);
    if (!frame.body)
        return err_nomem(err);
    return wire_get_job(&frame, &worker->arena, &worker->job, err);
}

/* The host has closed its session: lock, history and work are ours now. */
static mig_status wait_for_go(struct worker *worker, struct mig_err *err)
{
    struct frame frame;

    MIG_TRY(receive(worker, &frame, err));
    return frame.type == FRAME_GO
               ? MIG_OK
               : err_set(err, MIG_E_INTERNAL, "the worker was sent an unexpected message");
}

/* Reads what the host has said since, without waiting for it. */
static bool is_paused(void *arg)
{
    struct worker *worker = arg;
    char data[256];
    struct mig_err ignored;
    struct frame frame;
    ssize_t got;

    while ((got = recv(worker->control, data, sizeof data, MSG_DONTWAIT)) > 0)
        frame_reader_feed(&worker->reader, data, (size_t)got, &ignored);
    while (frame_reader_next(&worker->reader, &frame))
        if (frame.type == FRAME_PAUSE || frame.type == FRAME_RESUME)
            worker->paused = frame.type == FRAME_PAUSE;
    return worker->paused;
}

#ifdef MIGHOST_SANITIZED
/* What a sanitizer has reserved before main() are terabytes. */
static rlim_t data_reserved(void)
{
    AUTO(buf) struct buf text = {0};
    struct mig_err ignored;
    const char *line = NULL;

    if (fs_read("/proc/self/status", STATUS_SIZE, &text, &ignored) == MIG_OK)
        line = strstr(buf_text(&text), "VmData:");
    return line ? (rlim_t)strtoull(line + strlen("VmData:"), NULL, 10) * 1024 : 0;
}
#else
static rlim_t data_reserved(void)
{
    return 0;
}
#endif

/* What a module allocates counts as data. */
static mig_status limit_memory(const struct worker *worker, struct mig_err *err)
{
    const rlim_t most = data_reserved() + worker->job.max_memory;
    const struct rlimit limit = {most, most};

    if (worker->job.max_memory && setrlimit(RLIMIT_DATA, &limit) < 0)
        return err_errno(err, MIG_E_INTERNAL, errno, "the memory of the worker cannot be limited");
    return MIG_OK;
}

/* At the soft limit comes SIGXCPU, which a module may mask; at the hard one SIGKILL. */
static mig_status limit_processor(const struct worker *worker, struct mig_err *err)
{
    rlim_t seconds = (rlim_t)(worker->job.max_cpu_ms + 999) / 1000;
    struct rlimit limit;

    if (!seconds)
        return MIG_OK;
    if (getrlimit(RLIMIT_CPU, &limit) < 0)
        return err_errno(err, MIG_E_INTERNAL, errno,
                         "the limit of the worker's processor time cannot be read");
    if (limit.rlim_max > seconds + CPU_GRACE_S) /* also where there was none */
        limit.rlim_max = seconds + CPU_GRACE_S;
    limit.rlim_cur = seconds < limit.rlim_max ? seconds : limit.rlim_max;
    if (setrlimit(RLIMIT_CPU, &limit) < 0)
        return err_errno(err, MIG_E_INTERNAL, errno,
                         "the processor time of the worker cannot be limited");
    return MIG_OK;
}

/* --- the job --------------------------------------------------------------------- */

static struct session_config session_config_of(struct worker *worker)
{
    const struct worker_job *job = &worker->job;

    return (struct session_config){
        .database = job->database,
        .driver_dir = job->driver_dir,
        .history = job->history,
        .run = job->run_id,
        .wait_ms = job->wait_ms,
        .connect_timeout_ms = job->connect_timeout_ms,
        .busy_timeout_ms = job->busy_timeout_ms,
        .listener = send_event,
        .user = worker,
        .cancelled = crash_asked,
    };
}

static struct apply_session apply_session_of(struct worker *worker, const struct session *session,
                                             const struct session_config *config)
{
    const struct worker_job *job = &worker->job;
    size_t spot_count;
    struct spot *spots = crash_spots(&spot_count);

    return (struct apply_session){
        .driver = session->driver,
        .conn = session->conn,
        .history = session->history,
        .run_id = job->run_id,
        .who = job->who ? job->who : "",
        .signer = job->signer ? job->signer : "",
        .params = job->params,
        .secrets = job->secrets,
        .lock_timeout_ms = job->lock_timeout_ms > 0 ? job->lock_timeout_ms : 0,
        .statement_timeout_ms = job->statement_timeout_ms > 0 ? job->statement_timeout_ms : 0,
        .max_rejects = job->max_rejects,
        .throttle = job->throttle,
        .max_lag_ms = job->max_lag_ms,
        .listener = send_event,
        .user = worker,
        .cancelled = crash_asked,
        .paused = is_paused,
        .spots = spots,
        .spot_count = spot_count,
        .session = session,
        .session_config = config,
        .on_thread = crash_thread,
        .workers = job->workers,
        .cancel_arg = worker,
    };
}

static mig_status item_of(const struct worker_job *job, const struct mig_module *module,
                          struct apply_item *out, struct mig_err *err)
{
    *out = (struct apply_item){
        .direction = job->direction,
        .id_text = job->id,
        .description = job->description ? job->description : "",
        .kind = MIGHOST_NATIVE,
        .mode = (enum mig_mode)module->mode,
        .settings = {.lock_timeout_ms = -1, .statement_timeout_ms = -1},
        .index = job->index,
        .count = job->count,
        .text = {.fd = -1},
        .carry = {.fd = -1, .len = -1},
        .module = module,
    };
    snprintf(out->checksum, sizeof out->checksum, "%s", job->checksum);
    MIG_TRY(id_parse(job->id, &out->id, err));
    return job->direction == MIGHOST_UP ? apply_carry_module(WIRE_FD_MODULE, job->file, out, err)
                                        : MIG_OK;
}

/* What the host can believe without connecting itself: the row, read behind
 * the COMMIT and still under the lock. */
static bool confirm(const struct worker *worker, const struct session *session, uint64_t id,
                    bool skipped)
{
    const struct worker_job *job = &worker->job;
    struct mig_err ignored;
    enum verdict verdict;

    return verdict_read(session->history, id, job->direction, job->run_id, &verdict, &ignored) ==
               MIG_OK &&
           (verdict == VERDICT_DONE || (skipped && verdict == VERDICT_SKIPPED));
}

static mig_status run_module(struct worker *worker, const struct session *session,
                             const struct session_config *config, const struct note *note,
                             struct wire_result *result)
{
    const struct worker_job *job = &worker->job;
    struct apply_session apply = apply_session_of(worker, session, config);
    enum apply_outcome outcome = APPLY_DONE;
    struct module *module; /* never closed: its destructors are not to run */
    struct apply_item item;
    struct mig_err *err = &result->err;

    crash_expect_module();
    send_started(worker);
    MIG_TRY(fds_note(worker->control, err));
    MIG_TRY(module_load(WIRE_FD_MODULE, job->file, note, &module, err));
    MIG_TRY(item_of(job, module->descriptor, &item, err));
    MIG_TRY(apply_migration(&apply, &item, &outcome, err));
    result->skipped = outcome == APPLY_SKIPPED;
    result->confirmed = fds_are_same() && confirm(worker, session, item.id, result->skipped);
    return MIG_OK;
}

/* All that can be done before the host's session is closed. */
static mig_status prepare(struct worker *worker, struct session *session, struct note *note,
                          struct mig_err *err)
{
    const struct worker_job *job = &worker->job;

    MIG_TRY(module_check(WIRE_FD_MODULE, job->file, job->libraries, note, err));
    MIG_TRY(driver_open(job->database, job->driver_dir, &session->plugin, err));
    return wait_for_go(worker, err);
}

/* Reports before it closes the session: what was committed stays so, whatever
 * a damaged process may still do on its way out. */
static int work(struct worker *worker, struct wire_result *result)
{
    const struct session_config config = session_config_of(worker);
    struct session session = {0};
    struct note note;
    mig_status status = prepare(worker, &session, &note, &result->err);
    bool told;

    if (status == MIG_OK)
        status = session_open(&session, &config, SESSION_WORK, &result->err);
    if (status == MIG_OK)
        status = run_module(worker, &session, &config, &note, result);
    if (status == MIG_OK)
        err_clear(&result->err);
    crash_done();
    fflush(stdout);
    told = send_result(worker, result);
    session_close(&session);
    return told ? 0 : WIRE_EXIT_MUTE;
}

int main(void)
{
    static char output[OUTPUT_BUFFER];
    struct worker worker = {0};
    struct wire_result result = {0};
    mig_status status;
    bool told;

    if (!tie_to_host()) {
        fputs("mighost-worker is started by mighost, for one native migration.\n", stderr);
        return EXIT_USAGE;
    }
    restrict_process();
    setvbuf(stdout, output, _IOLBF, sizeof output);
    worker.control = lift_control();
    status = receive_job(&worker, &result.err);
    if (status == MIG_OK)
        status = crash_watch(worker.control, &worker.reader.token, &result.err);
    if (status == MIG_OK)
        status = limit_memory(&worker, &result.err);
    if (status == MIG_OK)
        status = limit_processor(&worker, &result.err);
    if (status == MIG_OK)
        _exit(work(&worker, &result));
    told = send_result(&worker, &result);
    _exit(status == MIG_E_NOMEM ? WIRE_EXIT_MEMORY : told ? 0 : WIRE_EXIT_MUTE);
}
