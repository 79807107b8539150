/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Note and dynamic section, copied into the public form. The policy is that of
 * a host without further libraries allowed.
 */
#include "inspect.h"

#include "fs.h"
#include "module.h"
#include "sha256.h"

static void copy_note(const struct note *note, struct mighost_module_info *out)
{
    snprintf(out->id, sizeof out->id, "%s", note->id);
    snprintf(out->description, sizeof out->description, "%s", note->description);
    snprintf(out->drivers, sizeof out->drivers, "%s", note->drivers);
    out->mode = note->mode;
    out->abi_major = note->abi_major;
    out->abi_minor = note->abi_minor;
    out->has_up = note->has_up;
    out->has_down = note->has_down;
    out->has_verify = note->has_verify;
    out->sql_only = note->sql_only;
}

static void copy_needs(const struct elf_facts *facts, struct mighost_module_info *out)
{
    size_t len = 0;

    for (size_t i = 0; i < facts->needed_count && len < sizeof out->needs - 1; i++)
        len += (size_t)snprintf(out->needs + len, sizeof out->needs - len, "%s%s", i ? ", " : "",
                                facts->needed[i]);
}

/* Refusals are part of the answer; damage is an error. */
static mig_status judge(mig_status status, const struct mig_err *why,
                        struct mighost_module_info *out, struct mig_err *err)
{
    if (status == MIG_E_REFUSED)
        snprintf(out->refusal, sizeof out->refusal, "%.*s", (int)sizeof out->refusal - 1,
                 why->message);
    else if (status < 0)
        *err = *why;
    return status == MIG_E_REFUSED ? MIG_OK : status;
}

static mig_status describe(int fd, const char *name, struct mighost_module_info *out,
                           struct mig_err *err)
{
    struct mig_err why;
    struct note note;
    struct elf_facts facts;
    struct elf elf;

    MIG_TRY(note_read_fd(fd, name, &note, err));
    copy_note(&note, out);
    MIG_TRY(elf_open_fd(&elf, fd, name, err));
    MIG_TRY(elf_facts_read(&elf, &facts, err));
    copy_needs(&facts, out);
    return judge(module_check(fd, name, NULL, &note, &why), &why, out, err);
}

mig_status inspect_module(const char *path, struct mighost_module_info *out, struct mig_err *err)
{
    AUTO(close) int fd = -1;
    AUTO(sha256) struct sha256 hash = {0};
    struct mighost_module_info info = {0};
    unsigned char digest[MIG_SHA256_BYTES];

    MIG_TRY(fs_open(path, &fd, err));
    MIG_TRY(describe(fd, path, &info, err));
    MIG_TRY(sha256_init(&hash, err));
    MIG_TRY(sha256_fd(&hash, fd, path, digest, err));
    sha256_hex(digest, info.checksum);
    *out = info;
    return MIG_OK;
}
