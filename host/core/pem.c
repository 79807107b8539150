/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is found by its two lines, and what stands between them is decoded
 * by nettle, which steps over blanks and refuses all else that is not base64.
 */
#include "pem.h"

#include <nettle/base64.h>
#include <string.h>

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LINE_BYTES ((size_t)48) /* become the 64 letters of a line */
#define LETTERS_MAX ((size_t)PEM_BYTES / 3 * 4)

/* Where `marker` begins a line, at `text` or behind it. */
static const char *find_line(const char *text, const char *marker)
{
    const char *found = text;

    while ((found = strstr(found, marker)) && found != text && found[-1] != '\n')
        found++;
    return found;
}

/* Reads "LABEL-----", ended by a line end; NULL where it is something else. */
static const char *read_label(const char *text, char label[PEM_LABEL])
{
    const char *end = strstr(text, DASHES);
    size_t len = end ? (size_t)(end - text) : PEM_LABEL;

    if (len >= PEM_LABEL || memchr(text, '\n', len))
        return NULL;
    memcpy(label, text, len);
    label[len] = '\0';
    end += strlen(DASHES);
    end += strspn(end, " \t\r");
    return *end == '\n' || !*end ? end : NULL;
}

static bool decode(const char *text, size_t len, struct pem_block *out)
{
    struct base64_decode_ctx context;
    unsigned char bytes[BASE64_DECODE_LENGTH(LETTERS_MAX + LETTERS_MAX / 8)];
    bool ok = len <= LETTERS_MAX + LETTERS_MAX / 8;

    base64_decode_init(&context);
    out->len = sizeof bytes;
    ok = ok && base64_decode_update(&context, &out->len, bytes, len, text) &&
         base64_decode_final(&context) && out->len <= sizeof out->bytes;
    if (ok)
        memcpy(out->bytes, bytes, out->len);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(&context, sizeof context);
    return ok;
}

mig_status pem_next(const char **at, struct pem_block *out, struct mig_err *err)
{
    const char *begin = find_line(*at, BEGIN);
    char label[PEM_LABEL];
    const char *body;
    const char *end;
    const char *behind;

    if (!begin)
        return MIG_OK;
    body = read_label(begin + strlen(BEGIN), out->label);
    if (!body)
        return err_set(err, MIG_E_USAGE, "a BEGIN line of PEM is not one");
    end = find_line(body, END);
    behind = end ? read_label(end + strlen(END), label) : NULL;
    if (!behind || strcmp(label, out->label) != 0)
        return err_set(err, MIG_E_USAGE, "the %s has no END line, as if the file had been cut",
                       out->label);
    if (!decode(body, (size_t)(end - body), out))
        return err_set(err, MIG_E_USAGE, "the %s is not base64, or longer than any Ed25519 key",
                       out->label);
    out->before = *at;
    out->before_len = (size_t)(begin - *at);
    *at = behind;
    return MIG_ROW;
}

void pem_wipe(struct pem_block *block)
{
    explicit_bzero(block, sizeof *block);
}

void pem_add(struct buf *out, const char *label, const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    char line[BASE64_ENCODE_RAW_LENGTH(LINE_BYTES)];

    buf_printf(out, BEGIN "%s" DASHES "\n", label);
    for (size_t part; len > 0; from += part, len -= part) {
        part = len < LINE_BYTES ? len : LINE_BYTES;
        base64_encode_raw(line, part, from);
        buf_add(out, line, BASE64_ENCODE_RAW_LENGTH(part));
        buf_putc(out, '\n');
    }
    explicit_bzero(line, sizeof line);
    buf_printf(out, END "%s" DASHES "\n", label);
}
