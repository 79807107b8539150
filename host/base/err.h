/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: filling in, wrapping and reading struct mig_err. One row a status in
 * MIG_STATUS_MAP gives its name, exit code and text. A message is one sentence
 * that grows at its front, one clause a level ("loading x.so: ...").
 */
#ifndef MIGHOST_ERR_H
#define MIGHOST_ERR_H

#include <mig.h>

/* Empties `err`: status MIG_OK, no texts, no offset. */
void err_clear(struct mig_err *err);

/* Sets status and message, empties the rest; returns `status`. */
MIG_PRINTF(3, 4)
mig_status err_set(struct mig_err *err, mig_status status, const char *format, ...);

/* As err_set(), with ": " and the text of `errno_value` behind the message. The
 * status is chosen from errno: no memory, disk full, descriptors, else `status`. */
MIG_PRINTF(4, 5)
mig_status err_errno(struct mig_err *err, mig_status status, int errno_value, const char *format,
                     ...);

/* Puts "<clause>: " before the message; returns err->status. */
MIG_PRINTF(2, 3)
mig_status err_wrap(struct mig_err *err, const char *format, ...);

/* Puts "; <clause>" behind the message; returns err->status. */
MIG_PRINTF(2, 3)
mig_status err_append(struct mig_err *err, const char *format, ...);

/* Sets `where`. */
MIG_PRINTF(2, 3)
void err_where(struct mig_err *err, const char *format, ...);

/* Out of memory, in one word for the caller's `return`. */
mig_status err_nomem(struct mig_err *err);

/* "MIG_E_SQL"; "MIG_OK" for all that is not a failure. */
const char *status_name(mig_status status);
/* The row's text. */
const char *status_text(mig_status status);
/* The exit code of the command; 0 for what is not a failure, 70 for unknown. */
int status_exit_code(mig_status status);

#endif
