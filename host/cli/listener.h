/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said on standard error while a call runs: a progress bar on a
 * terminal, plain lines elsewhere, JSON lines with --events, nothing with
 * --quiet. It also keeps the ids that the run has finished, for the JSON
 * document of the command. Trouble with writing is no failure of the run.
 */
#ifndef MIGHOST_CLI_LISTENER_H
#define MIGHOST_CLI_LISTENER_H

#include "arena.h"
#include "vec.h"

#include <mighost.h>

VEC_DEFINE(ids, const char *);

struct listener {
    bool events;
    bool quiet;
    bool verbose;
    bool terminal; /* standard error is one */
    bool color;
    bool bar_shown;         /* a progress bar stands on the current line */
    int64_t shown_ms;       /* steady clock when progress was shown last */
    int64_t begun_ms;       /* when the first progress of this migration came */
    int64_t begun_at;       /* and how far it was */
    enum mighost_pace pace; /* that was shown last */
    size_t index;           /* the migration now running */
    size_t count;
    struct ids done;
    struct arena arena;
};

/* The mighost_listener; `user` is the struct listener. */
void listener_hear(const struct mighost_event *event, void *user);
/* Takes a progress bar off the terminal. */
void listener_end(struct listener *listener);
/* The error that ends the command, in the form of the events. */
void listener_error(struct listener *listener, const struct mig_err *err);
void listener_clear(struct listener *listener);

#endif
