/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's last words: handlers for fatal signals, for exit() and for the
 * host's wish to end, which send the stack as raw addresses. All that runs
 * there is async-signal-safe; what it needs is set up before module code runs.
 */
#ifndef MIGHOST_WORKER_CRASH_H
#define MIGHOST_WORKER_CRASH_H

#include "frame.h"
#include "spot.h"

/* Frames go to `control`, a socket. Called once. */
mig_status crash_watch(int control, const struct frame_token *token, struct mig_err *err);

/* The module is loaded next: what came through a descriptor before is not it. */
void crash_expect_module(void);

/* For each further thread, at its beginning and its end. */
void crash_thread(bool begins);

/* Where transforms say which row they are at; `*count` of them. */
struct spot *crash_spots(size_t *count);

/* Whether SIGTERM came: the status to end with, as the host has said with it. */
mig_status crash_asked(void *unused);

/* From now on exit() tells nothing: the worker itself is on its way out. */
void crash_done(void);

#endif
