/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the history as an answer. A row that is gone is as good an answer
 * as one that stands; only a failure to read is none. Owns nothing, decides
 * nothing.
 */
#include "verdict.h"

mig_status verdict_read(struct history *history, uint64_t id, enum mighost_direction direction,
                        const char *run_id, enum verdict *out, struct mig_err *err)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    bool up = direction == MIGHOST_UP;
    mig_status status = history_find(history, id, &list, err);
    const struct applied *row;

    if (status == MIG_E_NOTFOUND) {
        *out = up ? VERDICT_NOT_DONE : VERDICT_DONE;
        return MIG_OK;
    }
    if (status < 0)
        return status;
    row = &list->items[0];
    if (row->state != MIGHOST_APPLIED)
        *out = VERDICT_HALF;
    else if (!up)
        *out = VERDICT_NOT_DONE;
    else
        *out = strcmp(row->run_id, run_id) == 0 ? VERDICT_DONE : VERDICT_SKIPPED;
    return MIG_OK;
}
