/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a worker ended, in one sentence: it reported, it was stopped, a signal
 * ended it, it left by exit(), or it fell silent. Pure but for the looking up
 * of a backtrace. What the migration left behind is not decided here.
 */
#ifndef MIGHOST_WORKER_END_H
#define MIGHOST_WORKER_END_H

#include "worker_wire.h"

enum worker_stop { WORKER_NOT_STOPPED, WORKER_CANCELLED, WORKER_TIMED_OUT };

/* All that was seen of one worker. */
struct worker_report {
    bool started;  /* module code had begun */
    bool reported; /* `result` is there */
    bool has_stack;
    bool killed; /* by us, because nothing milder helped */
    enum worker_stop stop;
    mig_status stop_status;
    int wait_status; /* as waitpid() gives it */
    struct wire_result result;
    struct wire_stack stack;
    bool has_row; /* and the callback of a transform had it */
    struct spot_row row;
    char last_line[512]; /* that the module wrote */
};

mig_status worker_explain(const struct worker_job *job, const struct worker_report *report,
                          struct worker_end *end, struct mig_err *err);

#endif
