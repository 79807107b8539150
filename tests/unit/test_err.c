/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: one line, one sentence, growing at its front; and the table of statuses. */
#include "err.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct mig_err err;

Test(err, set_fills_the_message_and_empties_the_rest)
{
    snprintf(err.sqlstate, sizeof err.sqlstate, "40001");
    snprintf(err.where, sizeof err.where, "somewhere");
    err.offset = 7;
    cr_assert_eq(err_set(&err, MIG_E_USAGE, "no %s here", "milk"), MIG_E_USAGE);
    cr_assert_eq(err.status, MIG_E_USAGE);
    cr_assert_str_eq(err.message, "no milk here");
    cr_assert_str_eq(err.sqlstate, "");
    cr_assert_str_eq(err.where, "");
    cr_assert_eq(err.offset, -1);
}

Test(err, set_may_print_the_old_message)
{
    err_set(&err, MIG_E_USAGE, "inner");
    err_set(&err, MIG_E_IO, "outer: %s", err.message);
    cr_assert_str_eq(err.message, "outer: inner");
}

Test(err, nobody_needs_to_listen)
{
    cr_assert_eq(err_set(NULL, MIG_E_USAGE, "x"), MIG_E_USAGE);
    cr_assert_eq(err_nomem(NULL), MIG_E_NOMEM);
    err_clear(NULL);
    err_where(NULL, "x");
}

Test(err, a_message_is_one_line)
{
    err_set(&err, MIG_E_SQL, "ERROR:  bad\nLINE 1: x\r\n\n");
    cr_assert_str_eq(err.message, "ERROR:  bad LINE 1: x");
}

Test(err, a_message_too_long_ends_at_a_whole_character)
{
    char text[4096];

    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA4", 2);
    text[sizeof text - 2] = '\0';
    err_set(&err, MIG_E_SQL, "%s", text);
    cr_assert_eq(strlen(err.message), sizeof err.message - 2);
    err_set(&err, MIG_E_SQL, "x%s", text);
    cr_assert_eq(strlen(err.message), sizeof err.message - 1);
    cr_assert_eq(err.message[strlen(err.message) - 2], '\xC3');
}

Test(err, wrap_and_append_grow_the_sentence_at_its_ends)
{
    err_set(&err, MIG_E_IO, "no such file");
    cr_assert_eq(err_wrap(&err, "loading %s", "x.so"), MIG_E_IO);
    cr_assert_eq(err_append(&err, "run %s again", "it"), MIG_E_IO);
    cr_assert_str_eq(err.message, "loading x.so: no such file; run it again");
}

Test(err, errno_chooses_the_status_for_what_is_exhausted)
{
    cr_assert_eq(err_errno(&err, MIG_E_IO, ENOENT, "opening x"), MIG_E_IO);
    cr_assert_str_eq(err.message, "opening x: No such file or directory");
    cr_assert_eq(err_errno(&err, MIG_E_IO, ENOSPC, "x"), MIG_E_FULL);
    cr_assert_eq(err_errno(&err, MIG_E_IO, EMFILE, "x"), MIG_E_LIMIT);
    cr_assert_eq(err_errno(&err, MIG_E_IO, ENOMEM, "x"), MIG_E_NOMEM);
    err_errno(&err, MIG_E_IO, 12345, "x");
    cr_assert_str_eq(err.message, "x: error 12345");
}

Test(err, each_status_has_its_name_text_and_exit_code)
{
    cr_assert_str_eq(status_name(MIG_E_SQL), "MIG_E_SQL");
    cr_assert_str_eq(status_text(MIG_E_SQL), "the database refused a statement");
    cr_assert_eq(status_exit_code(MIG_E_SQL), 1);
    cr_assert_eq(status_exit_code(MIG_E_REFUSED), 6);
    cr_assert_eq(status_exit_code(MIG_E_TERMINATED), 143);
    cr_assert_str_eq(status_name(MIG_ROW), "MIG_OK");
    cr_assert_eq(status_exit_code(MIG_SKIP), 0);
    cr_assert_eq(status_exit_code(-12345), 70);
    cr_assert_str_eq(status_name(-12345), "MIG_E_UNKNOWN");
}
