/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between the host and its worker: frames with a body of typed
 * fields, over a stream of bytes that a faulty module may have written into.
 * Every frame begins with a random token that the host made for this worker;
 * bytes that do not fit are skipped until the token comes again, so that junk
 * is neither believed nor fatal. Knows nothing of what the messages mean.
 *
 *   frame:  token (16) | version (1) | type (1) | 0 0 | body length (4)  | body
 *   field:  tag (2) | 0 0 | length (4) | bytes
 *
 * Integers are little-endian. A text carries its NUL, and no other.
 */
#ifndef MIGHOST_FRAME_H
#define MIGHOST_FRAME_H

#include "auto.h"
#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_VERSION 1
#define FRAME_TOKEN_SIZE 16
#define FRAME_HEADER_SIZE 24
#define FRAME_FIELD_HEADER 8
#define FRAME_MAX_BODY (1u << 20)

enum frame_type {
    FRAME_JOB = 1, /* host to worker: what to run */
    FRAME_STARTED, /* worker to host: module code begins now */
    FRAME_EVENT,
    FRAME_RESULT,
    FRAME_STACK,  /* a fatal signal, exit() or a hang: return addresses */
    FRAME_ROW,    /* behind a stack: the row that the callback had */
    FRAME_GO,     /* host to worker: the host's session is closed, open yours */
    FRAME_PAUSE,  /* host to worker: hold transforms up */
    FRAME_RESUME, /* host to worker: let them go on */
    FRAME_TYPES
};

struct frame_token {
    unsigned char bytes[FRAME_TOKEN_SIZE];
};

/* A frame that was read; `body` is valid until the reader's next call. */
struct frame {
    enum frame_type type;
    const unsigned char *body;
    size_t len;
};

struct frame_field {
    uint16_t tag;
    const unsigned char *data;
    size_t len;
};

/* Writes the header alone; what signal handlers use. */
void frame_header(unsigned char out[FRAME_HEADER_SIZE], const struct frame_token *token,
                  enum frame_type type, size_t body_len);

/* Appends a frame: begin, fields, end. frame_begin() returns the place that
 * frame_end() needs; one frame at a time. NULL texts are left out. */
size_t frame_begin(struct buf *out, const struct frame_token *token, enum frame_type type);
void frame_put_text(struct buf *out, uint16_t tag, const char *text);
void frame_put_int(struct buf *out, uint16_t tag, int64_t value);
void frame_put_bytes(struct buf *out, uint16_t tag, const void *data, size_t len);
/* MIG_E_NOMEM, or MIG_E_LIMIT when the body is longer than FRAME_MAX_BODY. */
mig_status frame_end(struct buf *out, size_t begun, struct mig_err *err);

/* Walks the fields of a body: MIG_ROW and the field, MIG_OK at the end,
 * MIG_E_IO where the bytes are no fields. `*at` starts at 0. */
mig_status frame_next_field(const struct frame *frame, size_t *at, struct frame_field *out);
/* NULL where the field is no text. */
const char *frame_field_text(const struct frame_field *field);
bool frame_field_int(const struct frame_field *field, int64_t *out);

/* The reading end. Zero and a token make a reader; frame_reader_clear() frees
 * it. `skipped` counts the bytes that belonged to no frame. */
struct frame_reader {
    struct frame_token token;
    struct buf buf;
    size_t consumed;
    uint64_t skipped;
    bool any_token; /* take the token of the first frame as ours */
};

mig_status frame_reader_feed(struct frame_reader *reader, const void *data, size_t len,
                             struct mig_err *err);
/* Whether a whole frame is there; then in `*out`. */
bool frame_reader_next(struct frame_reader *reader, struct frame *out);
void frame_reader_clear(struct frame_reader *reader);

AUTO_VALUE(frame_reader, struct frame_reader, frame_reader_clear)

#endif
