/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text: whether it is UTF-8, how to show it without harm, and numbers, times
 * and sizes as a person writes them. Nothing depends on the locale or the time
 * zone; all times are UTC.
 */
#ifndef MIGHOST_TEXT_H
#define MIGHOST_TEXT_H

#include "buf.h"

/* Bytes of the UTF-8 character that begins at `text`, its value in `*code`
 * (which may be NULL); 0 where none does. */
size_t text_utf8_char(const char *text, size_t len, uint32_t *code);
/* Whether all of it is UTF-8; if not, where the first bad byte is. */
bool text_utf8_check(const char *text, size_t len, size_t *bad);

/* Appends `text` with all that a terminal would act on written out: control
 * characters and bytes that are not UTF-8 as \xNN, invisible and direction
 * changing characters as \u{...}. Control characters in `keep` pass. */
void text_escape_n(struct buf *out, const char *text, size_t len, const char *keep);
void text_escape(struct buf *out, const char *text);

#define TEXT_HIDDEN_LEAST 8 /* bytes: a shorter value could be any word */

/* Puts *** in the place of the values of "key=value" pairs, NULL at their end, or of
 * lines of them, and in that of their beginnings, where something cut them off. */
void text_hide_values(char *text, const char *const *pairs);

#define TEXT_SHORT 32 /* enough for each of the following */

/* "3 ms", "1.2 s", "2 min 5 s", "3 h 20 min". Returns `out`. */
const char *text_duration(char out[TEXT_SHORT], int64_t ms);
/* "200,000". Returns `out`. */
const char *text_count(char out[TEXT_SHORT], int64_t count);
/* "2026-03-01T09:30:00.125Z" from milliseconds since 1970. Returns `out`. */
const char *text_time(char out[TEXT_SHORT], int64_t ms);
/* The way back. Seconds and their fraction may be missing, a space may stand
 * for the T, and "Z", "+00" or "+02:00" may end it. */
bool text_time_parse(const char *text, int64_t *ms);

/* Milliseconds: decades, and few enough to be added to a clock, in nanoseconds as well. */
#define TEXT_DURATION_MAX (INT64_MAX / 4 / 1000000)

/* "200ms", "5s", "2m", "1h", "0" into milliseconds, TEXT_DURATION_MAX at most;
 * MIG_E_USAGE otherwise. */
mig_status text_parse_duration(const char *text, int64_t *ms, struct mig_err *err);
/* "4096", "64K", "64M", "1G" (powers of 1024) into bytes. */
mig_status text_parse_size(const char *text, int64_t *bytes, struct mig_err *err);
/* "50%", "0.5" into 50: from 1 to 100. */
mig_status text_parse_percent(const char *text, int64_t *percent, struct mig_err *err);
/* For qsort() of texts: as strcmp() has them. */
int text_order(const void *left, const void *right);
/* A decimal number from `least` to `most`. */
bool text_parse_int(const char *text, int64_t least, int64_t most, int64_t *out);

/* Copies a text for a message: cut at `size`, bytes that are not UTF-8 replaced,
 * line breaks made blanks. Reads at most as far as the first NUL. */
void text_clean(char *out, size_t size, const char *text);

#endif
