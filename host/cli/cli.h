/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the command: what it was asked, how it may show things, the open
 * host, and the output so far, which is printed once at the end. Commands see
 * this and mighost.h. Their function returns a status; where that is a
 * failure, main prints the error, and JSON output is the error alone.
 */
#ifndef MIGHOST_CLI_CLI_H
#define MIGHOST_CLI_CLI_H

#include "err.h"
#include "help.h"
#include "json_out.h"
#include "listener.h"
#include "render.h"
#include "settings.h"

#include <mighost.h>

struct cli {
    struct settings settings;
    struct listener listener;
    struct mighost *host; /* as the command's row says it needs it */
    struct buf out;       /* for standard output */
    bool json;
    bool quiet;
    bool verbose;
    bool color;    /* on standard output */
    int exit_code; /* when the command did not fail */
};

/* Opens the host as the settings say. */
mig_status cli_open(struct cli *cli, struct mig_err *err);

/* The page to write human output on. */
struct page cli_page(struct cli *cli);
/* The first argument; NULL where it was left out. */
const char *cli_argument(const struct cli *cli);
/* The options of a run, out of --to, --count and so on. */
mig_status cli_options(struct cli *cli, struct mighost_options *out, struct mig_err *err);

/* Pieces that several commands show. `verb`: "Applied", "Rolled back" ... */
void show_outcome(struct cli *cli, enum mighost_direction direction, const char *verb,
                  const struct mighost_result *result);
void show_items(struct cli *cli, const struct mighost_list *list);
void show_attempts(struct page *page, const struct mighost_attempts *attempts);
/* "changed, out of order, waits for ..."; "" where nothing is odd. Returns `out`. */
#define NOTES_SIZE 288 /* with the text of a gate */
const char *item_notes(char out[NOTES_SIZE], const struct mighost_item *item);

AUTO_POINTER(list, struct mighost_list, mighost_list_free)
AUTO_POINTER(overview, struct mighost_overview, mighost_overview_free)
AUTO_POINTER(attempts, struct mighost_attempts, mighost_attempts_free)
AUTO_POINTER(detail, struct mighost_detail, mighost_detail_free)
AUTO_POINTER(findings, struct mighost_findings, mighost_findings_free)

#endif
