/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a database in messages. Pure.
 */
#ifndef MIGHOST_SAY_H
#define MIGHOST_SAY_H

#include "buf.h"
#include "err.h"

/* Appends one value as it can stand in a message: a long text is cut, bytes are
 * only counted. */
void say_value(struct buf *out, const struct mig_value *value);

#endif
