/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL addresses, opened by the driver up to the point where libpq would
 * reach for the network, which is not there: names are not resolved and sockets
 * not made. The first byte of the input picks a form of address, the rest is a
 * part of the password beside a word that nobody else uses; or it is the whole
 * address. No message has the password in it.
 */
#include "fuzz.h"

#include "postgres/pg.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#define SECRET "Zq7Kx"
#define URL_MAX 4096

/* ---- no network ------------------------------------------------------- */

#define SEEN_BY_LIBPQ __attribute__((visibility("default")))

SEEN_BY_LIBPQ int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                              struct addrinfo **out)
{
    (void)node, (void)service, (void)hints;
    *out = NULL;
    return EAI_NONAME;
}

int getaddrinfo_a(int mode, struct gaicb *list[], int count, struct sigevent *event)
{
    (void)mode, (void)list, (void)count, (void)event;
    return EAI_SYSTEM; /* the driver leaves it to libpq */
}

SEEN_BY_LIBPQ int socket(int domain, int type, int protocol)
{
    (void)domain, (void)type, (void)protocol;
    errno = EACCES;
    return -1;
}

/* What the user has set up is none of the input. */
static void forget_environment(void)
{
    static const char *const names[] = {"PGHOST",     "PGHOSTADDR", "PGPORT",    "PGUSER",
                                        "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSSLMODE"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    setenv("PGSERVICEFILE", "/nonexistent", 1);
    setenv("PGPASSFILE", "/nonexistent", 1);
    setenv("PGSYSCONFDIR", "/nonexistent", 1);
}

/* ---- forms of addresses ----------------------------------------------- */

/* Whether the password, unescaped, leaves it open what the user has meant: then
 * a piece of it rightly counts as something else. One that lets a host begin
 * with "@" is left out as well: libpq 15 shows more of an abstract socket's name
 * than there is of it. */
static bool is_ambiguous_uri(const char *password)
{
    const char *at = strchr(password, '@');
    const char *query = at ? strchr(at, '?') : NULL;

    return (query && strchr(query, '=')) || strstr(password, "@@") || strstr(password, ",@") ||
           strchr(",@", password[strlen(password) - 1]);
}

static bool has_sign(const char *password)
{
    return strchr(password, '=');
}

static bool never(const char *password)
{
    (void)password;
    return false;
}

static const struct form {
    const char *before;
    const char *after;
    const char *escaped; /* characters that get a backslash */
    bool (*is_ambiguous)(const char *password);
} forms[] = {
    {"postgres://alice:", "@db.example.org:5432/shop", "", is_ambiguous_uri},
    {"postgresql://alice:", "@/shop?host=/tmp", "", is_ambiguous_uri},
    {"postgres://db.example.org/shop?user=alice&password=", "", "", has_sign},
    {"host=db.example.org user=alice dbname=shop password=", "", "", has_sign},
    {"postgres:host=db.example.org password='", "' dbname=shop", "'\\", never},
    {"host=db.example.org sslpassword='", "' dbname=shop", "'\\", never},
};

#define FORMS (sizeof forms / sizeof *forms)

static void put_escaped(struct text *out, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (strchr(escaped, *text))
            text_put(out, "\\");
        text_add(out, text, 1);
    }
}

/* The word in the middle of the input is the password. */
static void put_address(struct text *out, const struct form *form, const char *input)
{
    size_t half = strlen(input) / 2;
    struct text password = {0};

    text_add(&password, input, half);
    text_put(&password, SECRET);
    text_put(&password, input + half);
    if (!form->is_ambiguous(text_string(&password))) {
        text_put(out, form->before);
        put_escaped(out, text_string(&password), form->escaped);
        text_put(out, form->after);
    }
    text_clear(&password);
}

/* ---- the checks ------------------------------------------------------- */

static bool is_word_of(const PQconninfoOption *options, const char *keyword)
{
    const char *value = address_option(options, keyword);

    return value && strstr(value, SECRET);
}

/* Whether libpq takes the word for a password, and for nothing else. */
static bool is_password(const char *url)
{
    PQconninfoOption *options = PQconninfoParse(address_words(url), NULL);
    bool found = is_word_of(options, "password") || is_word_of(options, "sslpassword");
    const char *first = strstr(url, SECRET);

    PQconninfoFree(options);
    return found && !strstr(first + 1, SECRET);
}

static void open_address(const char *url, bool secret)
{
    const struct mig_driver_config config = {
        .size = sizeof config, .url = url, .connect_timeout_ms = 60000};
    struct mig_conn *conn = NULL;
    struct mig_err err = {0};

    FUZZ_CHECK(mig_driver.open(&config, &conn, &err) != MIG_OK);
    fuzz_check_error(&err);
    if (secret && strstr(err.message, SECRET)) {
        fprintf(stderr, "\"%s\" gives \"%s\"\n", url, err.message);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text url = {0};
    char *input;
    size_t form;

    if (size == 0 || size > URL_MAX)
        return 0;
    forget_environment();
    form = data[0] % (FORMS + 1);
    input = fuzz_text(data + 1, size - 1);
    if (form < FORMS)
        put_address(&url, &forms[form], input);
    else
        text_put(&url, input);
    if (url.len > 0)
        open_address(text_string(&url), form < FORMS || is_password(text_string(&url)));
    text_clear(&url);
    free(input);
    return 0;
}
