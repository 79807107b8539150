/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL driver's own view of statements: tokens and phrases lie in the
 * text, one behind the other, and reading comes to an end.
 */
#include "fuzz.h"

#include "postgres/words.h"

#define NAME_SIZE 64

static void check_token(const struct token *token)
{
    char name[NAME_SIZE];

    if (token_name(token, name, sizeof name))
        FUZZ_CHECK(memchr(name, '\0', sizeof name));
    (void)token_is(token, "create");
    (void)token_sign(token, ';');
}

static void read_tokens(const char *text, size_t len)
{
    struct lexer lexer = {text, text + len};
    const char *at = text;
    struct token token;

    while ((token = token_next(&lexer)).kind != TOKEN_END) {
        FUZZ_CHECK(token.len > 0 && token.text >= at);
        at = token.text + token.len;
        FUZZ_CHECK(at <= text + len && lexer.at == at);
        check_token(&token);
    }
}

static void read_phrases(const char *text, size_t len)
{
    static const char *const patterns[] = {"create unique? index concurrently",
                                           "alter type * add value",
                                           "vacuum .",
                                           "* concurrently",
                                           "set session? * transaction",
                                           ""};
    struct lexer lexer = {text, text + len};
    struct phrase phrase;
    const char *at = text;

    while (phrase_next(&lexer, &phrase)) {
        FUZZ_CHECK(phrase.count > 0 && phrase.count <= PHRASE_TOKENS && phrase.text >= at);
        at = phrase.text + phrase.len;
        FUZZ_CHECK(at <= text + len);
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
            size_t behind = 0;

            if (phrase_like(&phrase, patterns[i], &behind))
                FUZZ_CHECK(behind <= phrase.count);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);

    read_tokens(text, size);
    read_phrases(text, size);
    free(text);
    return 0;
}
