/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 against the vectors of FIPS 180-4 and against itself in pieces. */
#include "sha256.h"
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>

static struct mig_err err;

static char *hex_of(const void *data, size_t len)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];
    char hex[MIG_SHA256_HEX];

    cr_assert_eq(sha256_init(&hash, &err), MIG_OK);
    cr_assert_eq(sha256_data(&hash, data, len, digest, &err), MIG_OK);
    sha256_hex(digest, hex);
    return test_format("%s", hex);
}

Test(sha256, known_answers)
{
    cr_assert_str_eq(hex_of("", 0),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    cr_assert_str_eq(hex_of("abc", 3),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert_str_eq(hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
                     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(sha256, a_million_letters)
{
    char *letters = malloc(1000000);

    memset(letters, 'a', 1000000);
    cr_assert_str_eq(hex_of(letters, 1000000),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

Test(sha256, every_length_around_the_end_of_a_block_agrees_with_the_shell)
{
    const char *folder = test_folder();
    char data[200];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31 + 7);
    for (size_t len = 50; len < 140; len++) {
        const char *path = test_write_bytes(folder, "f", data, len);
        struct test_result said = test_run("sha256sum", path);

        if (said.exit_code != 0)
            cr_skip_test("there is no sha256sum");
        cr_assert_eq(strncmp(said.out, hex_of(data, len), 64), 0, "%zu bytes", len);
    }
}

Test(sha256, one_context_serves_many_messages_in_pieces_of_any_size)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char whole[MIG_SHA256_BYTES], pieces[MIG_SHA256_BYTES];
    char data[1000];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    cr_assert_eq(sha256_init(&hash, &err), MIG_OK);
    for (size_t piece = 1; piece < 200; piece += 13) {
        cr_assert_eq(sha256_data(&hash, data, sizeof data, whole, &err), MIG_OK);
        sha256_begin(&hash);
        for (size_t at = 0; at < sizeof data; at += piece)
            sha256_add(&hash, data + at, at + piece < sizeof data ? piece : sizeof data - at);
        cr_assert_eq(sha256_finish(&hash, pieces, &err), MIG_OK);
        cr_assert_arr_eq(whole, pieces, sizeof whole);
    }
}

Test(sha256, finish_without_begin_is_an_error_and_no_digest)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];

    cr_assert_eq(sha256_init(&hash, &err), MIG_OK);
    sha256_add(&hash, "x", 1);
    cr_assert_lt(sha256_finish(&hash, digest, &err), 0);
    sha256_begin(&hash);
    cr_assert_eq(sha256_finish(&hash, digest, &err), MIG_OK);
}

Test(sha256, a_file_hashes_as_its_bytes)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];
    char hex[MIG_SHA256_HEX];
    size_t size = 300001;
    char *data = calloc(1, size);
    AUTO(close) int fd = open(test_write_bytes(test_folder(), "f", data, size), O_RDONLY);

    cr_assert_eq(sha256_init(&hash, &err), MIG_OK);
    cr_assert_eq(sha256_fd(&hash, fd, "f", digest, &err), MIG_OK);
    sha256_hex(digest, hex);
    cr_assert_str_eq(hex, hex_of(data, size));
    free(data);
}

Test(sha256, parse_takes_64_hex_digits_and_nothing_else)
{
    unsigned char digest[MIG_SHA256_BYTES];
    char hex[MIG_SHA256_HEX];
    const char *text = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    cr_assert(sha256_parse(text, digest));
    sha256_hex(digest, hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert_not(sha256_parse("", digest));
    cr_assert_not(sha256_parse(text + 1, digest));
    cr_assert_not(sha256_parse(test_format("%s0", text), digest));
    cr_assert_not(sha256_parse(test_format("g%s", text + 1), digest));
}
