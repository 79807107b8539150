/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row is read as memory that may be gone: through the kernel, which answers
 * with an error where a pointer would fault. That it was still the same row at
 * the end shows by the number of rows visited.
 */
#include "spot.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PEEK_ALIGN ((uintptr_t)4096) /* no page is smaller */

void spot_enter(struct spot *spot, const struct mig_value *here)
{
    unsigned long visits = atomic_load_explicit(&spot->visits, memory_order_relaxed);

    atomic_store_explicit(&spot->visits, visits + 1, memory_order_relaxed);
    atomic_store_explicit(&spot->here, here, memory_order_release);
}

void spot_leave(struct spot *spot)
{
    atomic_store_explicit(&spot->here, NULL, memory_order_release);
}

static bool peek(void *out, const void *from, size_t len)
{
    const struct iovec to = {.iov_base = out, .iov_len = len};
    const struct iovec at = {.iov_base = (void *)(uintptr_t)from, .iov_len = len};

    return process_vm_readv(getpid(), &to, 1, &at, 1, 0) == (ssize_t)len;
}

/* As much of a text of at most `len` bytes as there is room for and as can be
 * read, page by page. */
static void peek_text(char *out, size_t size, const char *text, size_t len)
{
    size_t want = len < size - 1 ? len : size - 1;
    size_t done = 0;

    memset(out, 0, size);
    while (done < want && !memchr(out, '\0', done)) {
        size_t piece = PEEK_ALIGN - (uintptr_t)(text + done) % PEEK_ALIGN;

        if (piece > want - done)
            piece = want - done;
        if (!peek(out + done, text + done, piece))
            return;
        done += piece;
    }
}

static bool peek_key(const struct spot *spot, const struct mig_value *here, size_t index,
                     struct spot_key *out)
{
    struct mig_value value;
    const char *name;

    if (!peek(&name, &spot->keys[index], sizeof name) || !peek(&value, &here[index], sizeof value))
        return false;
    peek_text(out->name, sizeof out->name, name, SIZE_MAX);
    out->type = (uint32_t)value.type;
    out->len = (uint32_t)value.len;
    if (value.type == MIG_INT64 || value.type == MIG_DOUBLE)
        memcpy(&out->bits, &value.as, sizeof out->bits);
    else if (value.type == MIG_TEXT)
        peek_text(out->text, sizeof out->text, value.as.data, value.len);
    return true;
}

static struct spot *find(struct spot *spots, size_t count, bool of_any)
{
    struct spot *found = NULL;
    int thread = gettid();

    for (size_t i = 0; i < count; i++) {
        if (!atomic_load_explicit(&spots[i].here, memory_order_acquire))
            continue;
        if (spots[i].thread == thread)
            return &spots[i];
        if (of_any && !found)
            found = &spots[i];
    }
    return found;
}

bool spot_read(struct spot *spots, size_t count, bool of_any, struct spot_row *out)
{
    struct spot *spot = find(spots, count, of_any);
    const struct mig_value *here;
    unsigned long visits;

    memset(out, 0, sizeof *out);
    if (!spot)
        return false;
    visits = atomic_load(&spot->visits);
    here = atomic_load(&spot->here);
    peek_text(out->table, sizeof out->table, spot->table, SIZE_MAX);
    while (here && out->key_count < spot->key_count && out->key_count < SPOT_KEYS &&
           peek_key(spot, here, out->key_count, &out->keys[out->key_count]))
        out->key_count++;
    return here && atomic_load(&spot->here) == here && atomic_load(&spot->visits) == visits;
}
