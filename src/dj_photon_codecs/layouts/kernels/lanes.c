/* SPDX-License-Identifier: MIT */
/* The steps of lanes.h: in portable C, which defines the result, and with vectors. */
#include "lanes.h"
#include "processor.h"

#include <string.h>

enum { FREQUENCY_MASK = 8191, BEFORE_PLACE = 13 };

static inline uint32_t load_word(const uint8_t *from)
{
    uint16_t word;
    memcpy(&word, from, 2);
    return word;
}

static inline void push_word(uint8_t **word, uint32_t state)
{
    uint16_t low = (uint16_t)state;
    *word -= 2;
    memcpy(*word, &low, 2);
}

/* Whether a step may be read: no more words were taken than there were, and STEP_WORDS can be. */
static inline int has_words(struct reader *reader)
{
    if (reader->end - reader->word >= 2 * STEP_WORDS)
        return 1;
    if (reader->word > reader->end)
        return 0;
    if (!reader->copied) {
        size_t left = (size_t)(reader->end - reader->word);
        memset(reader->copy, 0, sizeof reader->copy);
        memcpy(reader->copy, reader->word, left);
        reader->word = reader->copy;
        reader->end = reader->copy + left;
        reader->copied = 1;
    }
    return 1;
}

/* ------------------------------------------------------------------------------ portable C */

static inline void look_up_plain(const uint32_t *entries, const uint32_t *place, size_t count,
                                 uint32_t *found)
{
    for (size_t i = 0; i < count; i++)
        found[i] = entries[place[i]];
}

/* Adds a word to each state below 2^15. Without branches, which would be predicted badly. */
static inline void refill_plain(uint32_t *restrict state, size_t count, const uint8_t **word)
{
    uint32_t low[LANES], added[LANES];
    const uint8_t *next = *word;
    for (size_t i = 0; i < count; i++)
        low[i] = state[i] < RANS_LEAST;
    for (size_t i = 0; i < count; i++) {
        added[i] = load_word(next);
        next += 2 * low[i];
    }
    for (size_t i = 0; i < count; i++)
        state[i] = state[i] << (low[i] << 4) | (added[i] & (0 - low[i]));
    *word = next;
}

/* Writes a word of each state that is full; of others, one that is written over. */
static inline void spill_plain(uint32_t *restrict state, const uint32_t *restrict full,
                               size_t count, uint8_t **word)
{
    for (size_t i = count; i-- > 0;) {
        push_word(word, state[i]);
        *word += 2 * (1 - full[i]);
    }
    for (size_t i = 0; i < count; i++)
        state[i] >>= full[i] << 4;
}

#define SET plain
#define TARGET
#include "lanes_steps.h"

#ifdef AVX2
/* ------------------------------------------------------------------------------ AVX2 */

/* For each set of eight lanes, where those of the set find their words among the next eight (0x80
   gives the others 0), and from where the last of eight words are taken. Constant once loaded. */
static uint8_t spread[256][16], squeeze[256][16];

__attribute__((constructor)) static void fill_shuffles(void)
{
    memset(spread, 0x80, sizeof spread);
    for (unsigned set = 0; set < 256; set++) {
        unsigned taken = 0, first = 8 - (unsigned)__builtin_popcount(set);
        for (unsigned lane = 0; lane < 8; lane++)
            for (unsigned byte = 0; byte < 2 && set >> lane & 1; byte++, taken++) {
                spread[set][2 * lane + byte] = (uint8_t)taken;
                squeeze[set][2 * first + taken] = (uint8_t)(2 * lane + byte);
            }
    }
}

AVX2 static inline __m128i shuffle(const uint8_t *order, __m128i words)
{
    return _mm_shuffle_epi8(words, _mm_loadu_si128((const __m128i *)order));
}

AVX2 static inline void look_up_avx2(const uint32_t *entries, const uint32_t *place, size_t count,
                                     uint32_t *found)
{
    for (size_t i = 0; i < count; i += 8) {
        __m256i at = _mm256_loadu_si256((const __m256i *)(place + i));
        at = _mm256_i32gather_epi32((const int *)entries, at, 4);
        _mm256_storeu_si256((__m256i *)(found + i), at);
    }
}

AVX2 static inline void refill_avx2(uint32_t *state, size_t count, const uint8_t **word)
{
    for (size_t i = 0; i < count; i += 8) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(state + i));
        __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32(RANS_LEAST), x);
        unsigned set = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(low));
        __m128i added = shuffle(spread[set], _mm_loadu_si128((const __m128i *)*word));
        *word += 2 * __builtin_popcount(set);
        x = _mm256_sllv_epi32(x, _mm256_and_si256(low, _mm256_set1_epi32(16)));
        x = _mm256_or_si256(x, _mm256_cvtepu16_epi32(added));
        _mm256_storeu_si256((__m256i *)(state + i), x);
    }
}

AVX2 static inline void spill_avx2(uint32_t *state, const uint32_t *full, size_t count,
                                   uint8_t **word)
{
    for (size_t i = count; i > 0; i -= 8) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(state + i - 8));
        __m256i bits = _mm256_loadu_si256((const __m256i *)(full + i - 8));
        bits = _mm256_slli_epi32(bits, 31);
        unsigned set = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(bits));
        __m256i words = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
        __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(words),
                                          _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(*word - 16), shuffle(squeeze[set], packed));
        *word -= 2 * __builtin_popcount(set);
        x = _mm256_srlv_epi32(x, _mm256_srli_epi32(bits, 27));
        _mm256_storeu_si256((__m256i *)(state + i - 8), x);
    }
}

#define SET avx2
#define TARGET AVX2
#include "lanes_steps.h"

/* ------------------------------------------------------------------------------ AVX-512 */

AVX512 static inline void look_up_avx512(const uint32_t *entries, const uint32_t *place,
                                         size_t count, uint32_t *found)
{
    for (size_t i = 0; i < count; i += 16) {
        __m512i at = _mm512_loadu_si512(place + i);
        _mm512_storeu_si512(found + i, _mm512_i32gather_epi32(at, entries, 4));
    }
}

AVX512 static inline void refill_avx512(uint32_t *state, size_t count, const uint8_t **word)
{
    for (size_t i = 0; i < count; i += 16) {
        __m512i x = _mm512_loadu_si512(state + i);
        __mmask16 low = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(RANS_LEAST));
        __m256i words = _mm256_loadu_si256((const __m256i *)*word);
        __m512i added = _mm512_cvtepu16_epi32(_mm256_maskz_expand_epi16(low, words));
        *word += 2 * __builtin_popcount(low);
        x = _mm512_mask_or_epi32(x, low, _mm512_slli_epi32(x, 16), added);
        _mm512_storeu_si512(state + i, x);
    }
}

AVX512 static inline void spill_avx512(uint32_t *state, const uint32_t *full, size_t count,
                                       uint8_t **word)
{
    for (size_t i = count; i > 0; i -= 16) {
        __m512i x = _mm512_loadu_si512(state + i - 16), bits = _mm512_loadu_si512(full + i - 16);
        __mmask16 set = _mm512_test_epi32_mask(bits, bits);
        unsigned words = (unsigned)__builtin_popcount(set);
        *word -= 2 * words;
        _mm256_mask_storeu_epi16(*word, (__mmask16)(((uint32_t)1 << words) - 1),
                                 _mm256_maskz_compress_epi16(set, _mm512_cvtepi32_epi16(x)));
        _mm512_storeu_si512(state + i - 16, _mm512_mask_srli_epi32(x, set, x, 16));
    }
}

#define SET avx512
#define TARGET AVX512
#include "lanes_steps.h"
#endif

/* ------------------------------------------------------------------------------ rows */

int lanes_read(const struct row *rows, size_t count)
{
    return WITH_VECTORS(read_rows, rows, count);
}

int lanes_begun(const uint32_t *state, size_t lanes)
{
    uint32_t wrong = 0;
    for (size_t lane = 0; lane < lanes; lane++)
        wrong |= (state[lane] < RANS_LEAST) | state[lane] >> 31;
    return !wrong;
}

int lanes_finished(const struct reader *reader, size_t lanes)
{
    for (size_t lane = 0; lane < lanes; lane++)
        if (reader->state[lane] != RANS_LEAST)
            return 0;
    return reader->word == reader->end;
}

void lanes_write(struct writer *writer, const uint32_t *cells, size_t pixels,
                 const uint16_t *numbers)
{
    WITH_VECTORS(write_row, writer, cells, pixels, numbers);
}

void lanes_begin(struct writer *writer, size_t lanes, uint8_t *end)
{
    for (size_t lane = 0; lane < lanes; lane++)
        writer->state[lane] = RANS_LEAST;
    writer->word = end;
}

size_t lanes_store(const struct writer *writer, size_t lanes, const uint8_t *end,
                   uint8_t *payload, size_t size)
{
    size_t words = (size_t)(end - writer->word);
    if (words > size || 4 * lanes > size - words)
        return 0;
    memcpy(payload, writer->state, 4 * lanes);
    memcpy(payload + 4 * lanes, writer->word, words);
    return 4 * lanes + words;
}

int lanes_fill_codes(const uint16_t *frequencies, size_t tables, uint32_t *codes)
{
    for (size_t table = 0; table < tables; table++, frequencies += 256, codes += 256) {
        uint32_t before = 0;
        for (size_t symbol = 0; symbol < RANS_SYMBOLS; symbol++) {
            codes[symbol] = frequencies[symbol] | before << BEFORE_PLACE;
            before += frequencies[symbol];
        }
        if (before != RANS_SLOTS)
            return KERNEL_MISFIT;
        if (frequencies[RANS_ESCAPE])
            codes[RANS_ESCAPE] |= CODE_ESCAPES;
        else
            codes[RANS_ESCAPE] = RANS_SLOTS | CODE_ESCAPES | CODE_IMPOSSIBLE;
        for (size_t symbol = 0; symbol < RANS_ESCAPE; symbol++)
            codes[symbol] = frequencies[symbol] ? codes[symbol] : codes[RANS_ESCAPE];
    }
    return 0;
}
