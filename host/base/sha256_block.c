/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256's compression function. Works on whole blocks and holds nothing
 * between calls. The portable one follows the standard's text word by word;
 * the x86 one does four rounds an instruction pair, with the state in the two
 * registers that the instructions ask for: a b e f, and c d g h.
 */
#include "sha256_block.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define ROUNDS 64

static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static uint32_t load_word(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void schedule(uint32_t words[ROUNDS], const unsigned char *block)
{
    for (size_t t = 0; t < 16; t++)
        words[t] = load_word(block + 4 * t);
    for (size_t t = 16; t < ROUNDS; t++) {
        uint32_t near = words[t - 2];
        uint32_t far = words[t - 15];

        words[t] = (rotate(near, 17) ^ rotate(near, 19) ^ near >> 10) + words[t - 7] +
                   (rotate(far, 7) ^ rotate(far, 18) ^ far >> 3) + words[t - 16];
    }
}

static void one_block(uint32_t state[SHA256_WORDS], const unsigned char *block)
{
    uint32_t words[ROUNDS];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    schedule(words, block);
    for (size_t t = 0; t < ROUNDS; t++) {
        uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                         constants[t] + words[t];
        uint32_t second =
            (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_block_portable(uint32_t state[SHA256_WORDS], const unsigned char *blocks, size_t count)
{
    for (; count; count--, blocks += SHA256_BLOCK)
        one_block(state, blocks);
}

#if defined(__x86_64__)

#define X86 __attribute__((target("sha,sse4.1,ssse3")))
#define QUADS (ROUNDS / 4)

/* Four words of the message, from their big-endian bytes. */
X86 static inline __m128i load_quad(const unsigned char *bytes)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)bytes), swap);
}

X86 static void one_block_x86(__m128i *abef, __m128i *cdgh, const unsigned char *block)
{
    const __m128i abef_before = *abef, cdgh_before = *cdgh;
    __m128i quads[QUADS];

#pragma GCC unroll 16
    for (size_t q = 0; q < QUADS; q++) {
        __m128i sum;

        if (q < 4) {
            quads[q] = load_quad(block + 16 * q);
        } else {
            __m128i far = _mm_sha256msg1_epu32(quads[q - 4], quads[q - 3]);
            __m128i middle = _mm_alignr_epi8(quads[q - 1], quads[q - 2], 4);

            quads[q] = _mm_sha256msg2_epu32(_mm_add_epi32(far, middle), quads[q - 1]);
        }
        sum = _mm_add_epi32(quads[q],
                            _mm_loadu_si128((const __m128i *)(const void *)&constants[4 * q]));
        *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
        *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(sum, 0x0E));
    }
    *abef = _mm_add_epi32(*abef, abef_before);
    *cdgh = _mm_add_epi32(*cdgh, cdgh_before);
}

X86 static void block_x86(uint32_t state[SHA256_WORDS], const unsigned char *blocks, size_t count)
{
    __m128i *low = (__m128i *)(void *)&state[0];
    __m128i *high = (__m128i *)(void *)&state[4];
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(low), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(high), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    __m128i feba, dchg;

    for (; count; count--, blocks += SHA256_BLOCK)
        one_block_x86(&abef, &cdgh, blocks);
    feba = _mm_shuffle_epi32(abef, 0x1B);
    dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128(low, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(high, _mm_alignr_epi8(dchg, feba, 8));
}

sha256_block_fn sha256_block_pick(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && (c & bit_SSSE3) &&
        __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA))
        return block_x86;
    return sha256_block_portable;
}

#else

sha256_block_fn sha256_block_pick(void)
{
    return sha256_block_portable;
}

#endif
