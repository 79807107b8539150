/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the raw addresses of a crashed worker to words: function, file and line
 * of each frame, looked up by a process of its own (mighost-symbolize, beside
 * the worker), because debug information is input like any other. Without it,
 * frames are object and offset. Never fails: a backtrace only explains.
 */
#ifndef MIGHOST_WORKER_STACK_H
#define MIGHOST_WORKER_STACK_H

#include "worker_wire.h"

/* The frames, one a line, innermost first, from the first that tells something
 * to the module's outermost; and the same in half a sentence, such as
 * "in hash at hash.c:12, called from up at hash.c:30", "" where none is known. */
void worker_stack_describe(const struct wire_stack *stack, const struct worker_job *job,
                           char *lines, size_t lines_size, char *clause, size_t clause_size);

#endif
