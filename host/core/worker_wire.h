/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of host and worker as fields of frames: the job, events, the
 * result, and the raw stack of a module that crashed. Both sides include this;
 * each message is one table of members, so that writing and reading agree.
 * What is read has been checked: enumerations in range, texts ended. Pure.
 */
#ifndef MIGHOST_WORKER_WIRE_H
#define MIGHOST_WORKER_WIRE_H

#include "arena.h"
#include "frame.h"
#include "spot.h"
#include "worker_link.h"

/* Descriptors that the worker starts with, behind the standard three. */
enum { WIRE_FD_CONTROL = 3, WIRE_FD_MODULE = 4, WIRE_FD_END = 5 };

/* The worker could not write its result: somebody closed the descriptor. */
#define WIRE_EXIT_MUTE 98
/* It had too little memory even to hear what it is to do. */
#define WIRE_EXIT_MEMORY 97

struct wire_result {
    bool skipped;
    bool confirmed;     /* by the history, read behind the COMMIT */
    struct mig_err err; /* status MIG_OK: it went well */
};

/* Members that only one side has (listener, descriptors) are left alone. */
mig_status wire_put_job(struct buf *out, const struct frame_token *token,
                        const struct worker_job *job, struct mig_err *err);
/* Texts point into the frame, lists into the arena. */
mig_status wire_get_job(const struct frame *frame, struct arena *arena, struct worker_job *job,
                        struct mig_err *err);

mig_status wire_put_event(struct buf *out, const struct frame_token *token,
                          const struct mighost_event *event, struct mig_err *err);
bool wire_get_event(const struct frame *frame, struct mighost_event *event);

mig_status wire_put_result(struct buf *out, const struct frame_token *token,
                           const struct wire_result *result, struct mig_err *err);
bool wire_get_result(const struct frame *frame, struct wire_result *result);

/*
 * A stack, filled in by a signal handler and sent as it is: the body of a
 * FRAME_STACK. Addresses are relative to their object, so that they can be
 * looked up in its file; those of calls point into the calling instruction.
 */
#define WIRE_FRAMES 48
#define WIRE_OBJECTS 12
#define WIRE_OBJECT_NAME 192
#define WIRE_NO_OBJECT 0xffffffffu
#define WIRE_MODULE_OBJECT "module"
#define WIRE_DRIVER_OBJECT "driver"
#define WIRE_DESCRIPTOR "/proc/self/fd/" /* how both of them were loaded */

enum wire_stack_cause { WIRE_CAUSE_SIGNAL = 1, WIRE_CAUSE_EXIT, WIRE_CAUSE_ASKED };

struct wire_stack {
    uint32_t cause;
    int32_t number;      /* the signal, or the status given to exit() */
    uint64_t address;    /* that could not be accessed */
    uint64_t stack_at;   /* the stack pointer at that moment */
    uint64_t data_bytes; /* private memory of the process */
    uint32_t object_count;
    uint32_t frame_count;
    uint32_t cut; /* there were more frames */
    /* Files, or one of the names above; "" is the worker itself. */
    char objects[WIRE_OBJECTS][WIRE_OBJECT_NAME];
    struct {
        uint64_t offset;
        uint32_t object; /* index, or WIRE_NO_OBJECT */
        uint32_t unused;
    } frames[WIRE_FRAMES];
};

bool wire_get_stack(const struct frame *frame, struct wire_stack *stack);

/* The row whose callback was running, likewise filled in by a signal handler: it
 * goes after the stack and on its own, since its values may be what the module
 * has spoilt. */
bool wire_get_row(const struct frame *frame, struct spot_row *row);

#endif
