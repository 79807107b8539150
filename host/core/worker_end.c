/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentences about a worker that ended. The order of the questions matters:
 * a result outweighs everything, then what we did to it ourselves, then what
 * the system says. Owns nothing.
 */
#include "worker_end.h"

#include "say.h"
#include "text.h"
#include "worker_stack.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define OVERFLOW_NEAR (64u << 10) /* from the stack pointer, for a fault to be the stack's */

static const struct signal_text {
    int number;
    const char *text;
} SIGNALS[] = {
    {SIGSEGV, "SIGSEGV, invalid access to memory"},
    {SIGBUS, "SIGBUS, access to memory that is not there"},
    {SIGABRT, "SIGABRT, it called abort() or an assertion failed"},
    {SIGFPE, "SIGFPE, faulty arithmetic such as a division by zero"},
    {SIGILL, "SIGILL, an invalid instruction"},
    {SIGSYS, "SIGSYS, a forbidden system call"},
    {SIGKILL, "SIGKILL from outside, perhaps by the kernel for want of memory"},
};

static bool overflowed(const struct wire_stack *stack)
{
    uint64_t apart = stack->address > stack->stack_at ? stack->address - stack->stack_at
                                                      : stack->stack_at - stack->address;

    return stack->number == SIGSEGV && apart < OVERFLOW_NEAR;
}

static void name_signal(const struct worker_report *report, int number, char *out, size_t size)
{
    const struct wire_stack *stack = &report->stack;
    const char *abbreviation = sigabbrev_np(number);

    if (report->has_stack && stack->cause == WIRE_CAUSE_SIGNAL && overflowed(stack)) {
        snprintf(out, size, "SIGSEGV, its stack overflowed");
        return;
    }
    snprintf(out, size, "signal SIG%s", abbreviation ? abbreviation : "?");
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        if (SIGNALS[i].number == number)
            snprintf(out, size, "%s", SIGNALS[i].text);
    if (report->has_stack && (number == SIGSEGV || number == SIGBUS))
        snprintf(out + strlen(out), size - strlen(out), " at address 0x%llx",
                 (unsigned long long)stack->address);
}

/* What explains a failure where memory is limited: how near it was. */
static void add_memory(const struct worker_job *job, const struct worker_report *report,
                       struct mig_err *err)
{
    uint64_t used = report->stack.data_bytes;

    if (!job->max_memory)
        return;
    if (report->has_stack && used > job->max_memory / 2)
        err_append(err, "it held %llu MB of the %llu MB that --max-memory allows",
                   (unsigned long long)(used >> 20), (unsigned long long)(job->max_memory >> 20));
    else if (!report->has_stack)
        err_append(err, "--max-memory allows it %llu MB",
                   (unsigned long long)(job->max_memory >> 20));
}

static void add_last_words(const struct worker_report *report, struct mig_err *err)
{
    if (*report->last_line)
        err_append(err, "the last line of its output was '%.300s'", report->last_line);
}

static const char *comma(const char *clause)
{
    return *clause ? ", " : "";
}

static mig_status explain_timeout(const struct worker_job *job, const struct worker_report *report,
                                  const char *clause, struct mig_err *err)
{
    char limit[TEXT_SHORT];

    text_duration(limit, job->timeout_ms);
    return err_set(err, MIG_E_TIMEOUT,
                   "the module did not end within the %s that --timeout allows and was %s%s%s",
                   limit, report->killed ? "killed, since it did not react to SIGTERM" : "stopped",
                   *clause ? "; it was " : "", clause);
}

static mig_status explain_processor(const struct worker_job *job, const char *clause,
                                    struct mig_err *err)
{
    char limit[TEXT_SHORT];

    text_duration(limit, job->max_cpu_ms);
    return err_set(err, MIG_E_TIMEOUT,
                   "the module used more than the %s of processor time that --max-cpu allows and "
                   "was stopped%s%s",
                   limit, *clause ? "; it was " : "", clause);
}

static mig_status explain_signal(const struct worker_job *job, const struct worker_report *report,
                                 const char *clause, struct mig_err *err)
{
    int number = WTERMSIG(report->wait_status);
    char name[160];

    if (job->max_cpu_ms && number == SIGXCPU)
        return explain_processor(job, clause, err);
    name_signal(report, number, name, sizeof name);
    if (!report->started) /* nobody kills itself so: that is no fault of ours */
        return err_set(err, number == SIGKILL ? MIG_E_CRASHED : MIG_E_INTERNAL,
                       "the worker %s before it ran the module: %s%s%s",
                       number == SIGKILL ? "was killed" : "crashed", name, comma(clause), clause);
    err_set(err, MIG_E_CRASHED, "the module crashed: %s%s%s", name, comma(clause), clause);
    if (number == SIGABRT)
        add_last_words(report, err);
    add_memory(job, report, err);
    if (number == SIGKILL && job->max_cpu_ms)
        err_append(err, "a module that masks SIGXCPU is killed when --max-cpu is used up");
    return err->status;
}

static mig_status explain_exit(const struct worker_report *report, const char *clause,
                               struct mig_err *err)
{
    int code = WEXITSTATUS(report->wait_status);

    if (!report->started && code == WIRE_EXIT_MEMORY)
        return err_set(err, MIG_E_NOMEM, "there is not enough memory for a worker");
    if (!report->started) {
        err_set(err, MIG_E_INTERNAL, "the worker ended with status %d before it ran the module",
                code);
        add_last_words(report, err);
        return err->status;
    }
    if (report->has_stack && report->stack.cause == WIRE_CAUSE_EXIT)
        return err_set(err, MIG_E_CRASHED,
                       "the module called exit(%d) instead of returning a status%s%s", code,
                       comma(clause), clause);
    if (code == WIRE_EXIT_MUTE)
        return err_set(err, MIG_E_CRASHED,
                       "the worker could not report how the module ended: the module closed "
                       "descriptors that are not its own");
    return err_set(err, MIG_E_CRASHED,
                   "the module ended the process with _exit(%d), or without a report in another "
                   "way, instead of returning a status",
                   code);
}

static mig_status explain_result(const struct worker_job *job, const struct worker_report *report,
                                 const char *clause, struct mig_err *err)
{
    const struct mig_err *reported = &report->result.err;
    bool gave_way = reported->status == MIG_E_TERMINATED || reported->status == MIG_E_INTERRUPTED;

    if (reported->status == MIG_OK)
        return MIG_OK;
    if (gave_way && report->stop == WORKER_TIMED_OUT)
        return explain_timeout(job, report, clause, err);
    *err = *reported;
    if (gave_way && report->stop == WORKER_CANCELLED)
        err->status = report->stop_status;
    if (err->status == MIG_E_NOMEM && job->max_memory) {
        err->status = MIG_E_FAILED; /* it was the module's limit, not the machine's */
        err_append(err, "--max-memory allows %llu MB", (unsigned long long)(job->max_memory >> 20));
    }
    return err->status;
}

static struct mig_value key_value(const struct spot_key *key)
{
    struct mig_value value = {.type = (enum mig_type)key->type, .len = key->len};

    if (value.type == MIG_INT64)
        memcpy(&value.as.int64, &key->bits, sizeof key->bits);
    else if (value.type == MIG_DOUBLE)
        memcpy(&value.as.real, &key->bits, sizeof key->bits);
    else
        value.as.data = key->text;
    if (value.type == MIG_TEXT)
        value.len = strlen(key->text);
    return value;
}

/* "on the row of table people with "id" = 7", behind what the clause says. */
static void add_row(const struct spot_row *row, char *clause, size_t size)
{
    AUTO(buf) struct buf text = {0};
    size_t used = strlen(clause);

    buf_printf(&text, "%son the row of table %s with ", used ? ", " : "", row->table);
    for (size_t i = 0; i < row->key_count; i++) {
        const struct mig_value value = key_value(&row->keys[i]);

        buf_printf(&text, "%s%s = ", i ? ", " : "", row->keys[i].name);
        say_value(&text, &value);
    }
    text_clean(clause + used, size - used, buf_text(&text));
}

mig_status worker_explain(const struct worker_job *job, const struct worker_report *report,
                          struct worker_end *end, struct mig_err *err)
{
    int status = report->wait_status;
    bool by_itself = !(report->reported && report->result.err.status == MIG_OK) &&
                     report->stop != WORKER_CANCELLED;
    char clause[1600] = "";

    end->reported = report->reported;
    end->skipped = report->reported && report->result.skipped;
    end->timed_out = report->stop == WORKER_TIMED_OUT;
    end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    end->confirmed =
        report->reported && report->result.confirmed && !end->signal && !end->exit_status;
    if (report->has_stack && by_itself)
        worker_stack_describe(&report->stack, job, end->backtrace, sizeof end->backtrace, clause,
                              sizeof clause);
    if (report->has_row && by_itself)
        add_row(&report->row, clause, sizeof clause);
    if (report->reported)
        return explain_result(job, report, clause, err);
    if (report->stop == WORKER_TIMED_OUT)
        return explain_timeout(job, report, clause, err);
    if (report->stop == WORKER_CANCELLED)
        return err_set(err, report->stop_status, "%s%s", status_text(report->stop_status),
                       report->killed ? "; the module did not react to SIGTERM and was killed"
                                      : "");
    return end->signal ? explain_signal(job, report, clause, err)
                       : explain_exit(report, clause, err);
}
