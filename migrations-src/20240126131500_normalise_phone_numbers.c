/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phone numbers, as people type them, become E.164: "+", calling code, number.
 * The parameter `phone_country` says where a number without a calling code is
 * from; without it only international ones can be read. What cannot be read
 * stays as it is. What was changed is kept in original_phone, so that the way
 * back gives exactly that, unless somebody has entered another number since.
 * Knows calling codes and lengths, not which numbers are in service.
 */
#include <mig.h>

#include <stdbool.h>

enum { E164_MIN = 8, E164_MAX = 15, TYPED_MAX = E164_MAX + 4 /* an exit code before it */ };

static const struct country {
    char name[3];
    const char *code;
    const char *trunk; /* before a number within the country, and left out from abroad */
    const char *exit;  /* before the calling code of another country */
    size_t min;        /* digits behind the calling code */
    size_t max;
} countries[] = {
    {"AT", "43", "0", "00", 4, 13},  {"AU", "61", "0", "0011", 9, 9},
    {"BE", "32", "0", "00", 8, 9},   {"CA", "1", "1", "011", 10, 10},
    {"CH", "41", "0", "00", 9, 9},   {"DE", "49", "0", "00", 5, 13},
    {"DK", "45", "", "00", 8, 8},    {"ES", "34", "", "00", 9, 9},
    {"FR", "33", "0", "00", 9, 9},   {"GB", "44", "0", "00", 9, 10},
    {"IE", "353", "0", "00", 7, 9},  {"IT", "39", "", "00", 6, 11},
    {"JP", "81", "0", "010", 9, 10}, {"NL", "31", "0", "00", 9, 9},
    {"NO", "47", "", "00", 8, 8},    {"NZ", "64", "0", "00", 8, 10},
    {"PL", "48", "", "00", 9, 9},    {"PT", "351", "", "00", 9, 9},
    {"SE", "46", "0", "00", 7, 9},   {"US", "1", "1", "011", 10, 10},
};
#define COUNTRY_COUNT (sizeof countries / sizeof countries[0])

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The digits of what was typed; false where there is anything but digits and
 * what people put between them. `*plus`: a plus stands before them. */
static bool digits_read(const char *typed, char digits[TYPED_MAX + 1], bool *plus)
{
    size_t count = 0;

    typed += strspn(typed, " ");
    *plus = *typed == '+';
    typed += *plus;
    while (*typed) {
        if (*plus && begins(typed, "(0)")) { /* +49 (0)30: the trunk prefix, marked as left out */
            typed += strlen("(0)");
        } else if (*typed >= '0' && *typed <= '9') {
            if (count == TYPED_MAX)
                return false;
            digits[count++] = *typed++;
        } else if (strchr(" -./()", *typed)) {
            typed++;
        } else {
            return false;
        }
    }
    digits[count] = '\0';
    return true;
}

/* Whether calling code and number can be one. */
static bool is_number(const char *number)
{
    size_t len = strlen(number);

    if (len < E164_MIN || len > E164_MAX || number[0] == '0')
        return false;
    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        const struct country *country = &countries[i];
        size_t code = strlen(country->code);

        if (!begins(number, country->code))
            continue;
        if (*country->trunk && begins(number + code, country->trunk))
            return false;
        return len - code >= country->min && len - code <= country->max;
    }
    return true;
}

/* What was typed as E.164; false where it cannot be read. */
static bool e164(const char *typed, const struct country *country, char out[E164_MAX + 2])
{
    char digits[TYPED_MAX + 1];
    char number[TYPED_MAX + 4];
    const char *code = "";
    const char *rest = digits;
    bool plus;

    if (!digits_read(typed, digits, &plus) || (!plus && !country))
        return false;
    if (!plus && begins(digits, country->exit)) {
        rest += strlen(country->exit);
    } else if (!plus) {
        code = country->code;
        if (*country->trunk && begins(digits, country->trunk))
            rest += strlen(country->trunk);
    }
    snprintf(number, sizeof number, "%s%s", code, rest);
    if (!is_number(number))
        return false;
    snprintf(out, E164_MAX + 2, "+%.*s", E164_MAX, number);
    return true;
}

static mig_status normalise(const struct mig_row *in, struct mig_row *out, void *user)
{
    const struct country *country = user; /* NULL: none was given */
    const char *typed = mig_row_text(in, 0);
    char number[E164_MAX + 2];

    if (!typed || !e164(typed, country, number) || strcmp(typed, number) == 0)
        return MIG_SKIP;
    MIG_TRY(mig_set_text(out, 0, number));
    return mig_set_text(out, 1, typed);
}

/* The original comes back where the number still is what was made of it, by
 * whichever country: the parameter need not be known any more. */
static mig_status restore(const struct mig_row *in, struct mig_row *out, void *user)
{
    const char *phone = mig_row_text(in, 0);
    const char *original = mig_row_text(in, 1);
    char number[E164_MAX + 2];

    (void)user;
    if (!phone || !original)
        return MIG_SKIP;
    for (size_t i = 0; i < COUNTRY_COUNT; i++)
        if (e164(original, &countries[i], number) && strcmp(phone, number) == 0)
            return mig_set_text(out, 0, original);
    return MIG_SKIP;
}

static mig_status country_find(struct mig_db *db, const struct country **out)
{
    const char *name = mig_param(db, "phone_country");

    *out = NULL;
    if (!name) {
        mig_log(db, MIG_WARN,
                "no country is given (--set phone_country=DE): only numbers that begin with \"+\" "
                "are read");
        return MIG_OK;
    }
    for (size_t i = 0; i < COUNTRY_COUNT; i++)
        if (strcmp(countries[i].name, name) == 0)
            *out = &countries[i];
    if (*out)
        return MIG_OK;
    return mig_fail(db, "phone_country is not among the countries that are known here; it is two "
                        "capitals, such as DE or US");
}

/* How many could not be read is asked of the table: what `normalise` counted would
 * be lost with a run that is interrupted. */
static mig_status tell_unread(struct mig_db *db, const struct country *country)
{
    char number[E164_MAX + 2];
    struct mig_stmt *rows;
    mig_status status;
    long unread = 0;

    MIG_TRY(mig_query(
        db, "SELECT phone FROM users WHERE phone IS NOT NULL AND original_phone IS NULL", &rows));
    while ((status = mig_step(rows)) == MIG_ROW) {
        const char *phone = mig_column_text(rows, 0);

        unread += !phone || !e164(phone, country, number);
    }
    mig_finalize(rows);
    if (status == MIG_OK && unread)
        mig_log(db, MIG_WARN, "phone numbers that could not be read and stay as they are: %ld",
                unread);
    return status;
}

static mig_status up(struct mig_db *db)
{
    const struct country *country;

    MIG_TRY(country_find(db, &country));
    MIG_TRY(mig_exec(db, "ALTER TABLE users ADD COLUMN original_phone VARCHAR(20)"));
    MIG_TRY(mig_transform(db, &(struct mig_transform){
                                  .size = sizeof(struct mig_transform),
                                  .table = "users",
                                  .key = "id",
                                  .read = "phone",
                                  .write = "phone, original_phone",
                                  .filter = "phone IS NOT NULL",
                                  .map = normalise,
                                  .user = (void *)country,
                              }));
    return tell_unread(db, country);
}

static mig_status down(struct mig_db *db)
{
    MIG_TRY(mig_transform(db, &(struct mig_transform){
                                  .size = sizeof(struct mig_transform),
                                  .table = "users",
                                  .key = "id",
                                  .read = "phone, original_phone",
                                  .write = "phone",
                                  .filter = "original_phone IS NOT NULL",
                                  .map = restore,
                              }));
    return mig_exec(db, "ALTER TABLE users DROP COLUMN original_phone");
}

MIG_MODULE(.id = "20240126131500", .description = "normalise phone numbers", .mode = MIG_DURABLE,
           .up = up, .down = down);
