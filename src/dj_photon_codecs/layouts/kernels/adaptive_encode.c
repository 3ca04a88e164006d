/* SPDX-License-Identifier: MIT */
/* Writes frames whose keys are known. */
#include "adaptive.h"

enum { OVERLAP = (LANES - 1) * DELAY }; /* steps in which lanes still code the 16 rows before */

struct writer {
    const uint64_t *codes;
    uint32_t none;         /* place of a code that changes no state */
    uint32_t state[LANES];
    uint16_t *word, *escape; /* both are written from the end */
    const uint32_t *entries; /* of the frame */
    const void *bins; /* of 8 or 16 bits */
    size_t itemsize, height, width, keys, period; /* `keys` are as many as there can be */
    uint32_t *place; /* of the codes of 16 rows: of each step, `period` and OVERLAP, and lane */
    uint16_t *row;
};

static void place_plain(const uint32_t *entries, const uint16_t *bins, const uint16_t *keys,
                        size_t count, uint32_t *place, size_t stride)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t entry = entries[keys[i]], symbol = (uint32_t)bins[i] - (entry & 0xffff);
        symbol = symbol < RANS_ESCAPE ? symbol : RANS_ESCAPE; /* below the base: a large number */
        place[i * stride] = (entry >> 16) * RANS_SYMBOLS + symbol;
    }
}

/* Lists the escapes of a step of the rows from `row` on, of all frames. */
static int put_escapes(struct writer *writer, size_t row, size_t step)
{
    for (size_t lane = LANES; lane-- > 0;) {
        uint64_t code = writer->codes[writer->place[step * LANES + lane]];
        size_t x = step - lane * DELAY, y = row + lane;
        if (step >= writer->period + lane * DELAY) { /* the lane is among the rows after */
            x -= writer->period;
            y += LANES;
        }
        if (!(code & RANS_ESCAPED))
            continue;
        if (!(uint32_t)code)
            return KERNEL_MISFIT;
        *--writer->escape = *words_of(writer->bins, writer->itemsize, y * writer->width + x, 1,
                                      writer->row);
    }
    return 0;
}

/* Writes steps of the 16 rows from `row` on, and of those after: from before `step` down to
   `first`. */
static int put_steps_plain(struct writer *writer, size_t row, size_t first, size_t step)
{
    while (step-- > first) {
        uint64_t marks = 0;
        for (size_t lane = LANES; lane-- > 0;) {
            uint64_t code = writer->codes[writer->place[step * LANES + lane]];
            marks |= code;
            writer->state[lane] = rans_put(writer->state[lane], code, &writer->word);
        }
        if (marks & RANS_ESCAPED && put_escapes(writer, row, step) < 0)
            return KERNEL_MISFIT;
    }
    return 0;
}

#ifdef AVX2
/* For each set of four lanes, where their words go: behind those of the others, not kept. */
static uint8_t squeeze[16][8];

__attribute__((constructor)) static void fill_squeeze(void)
{
    for (int set = 0; set < 16; set++)
        for (int lane = 3, at = 8; lane >= 0; lane--)
            if (set >> lane & 1) {
                squeeze[set][--at] = (uint8_t)(8 * (lane & 1) + 4 * (lane >> 1) + 1);
                squeeze[set][--at] = (uint8_t)(8 * (lane & 1) + 4 * (lane >> 1));
            }
}

AVX2 static void place_avx2(const uint32_t *entries, const uint16_t *bins, const uint16_t *keys,
                            size_t count, uint32_t *place, size_t stride)
{
    const __m256i low = _mm256_set1_epi32(0xffff), escape = _mm256_set1_epi32(RANS_ESCAPE);
    uint32_t found[8];
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i key = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(keys + i)));
        __m256i bin = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(bins + i)));
        __m256i entry = _mm256_i32gather_epi32((const int *)entries, key, 4);
        __m256i symbol = _mm256_sub_epi32(bin, _mm256_and_si256(entry, low));
        symbol = _mm256_min_epu32(symbol, escape);
        __m256i table = _mm256_slli_epi32(_mm256_srli_epi32(entry, 16), 8);
        _mm256_storeu_si256((__m256i *)found, _mm256_or_si256(table, symbol));
        for (size_t k = 0; k < 8; k++)
            place[(i + k) * stride] = found[k];
    }
    place_plain(entries, bins + i, keys + i, count - i, place + i * stride, stride);
}

/* Four lanes of a step, as in `rans_put`. */
AVX2 static inline __m256i put_avx2(__m256i state, __m256i code, uint16_t **word)
{
    const __m256i mask = _mm256_set1_epi64x(RANS_SLOTS - 1);
    __m256i complement = _mm256_and_si256(_mm256_srli_epi64(code, RANS_COMPLEMENT), mask);
    __m256i before = _mm256_and_si256(_mm256_srli_epi64(code, RANS_BEFORE), mask);
    __m256i shift = _mm256_and_si256(_mm256_srli_epi64(code, RANS_SHIFT), _mm256_set1_epi64x(63));
    __m256i full = _mm256_add_epi64(_mm256_srli_epi64(state, 19), complement);
    full = _mm256_cmpgt_epi64(full, mask);
    unsigned set = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(full));
    __m128i words = _mm_or_si128(_mm256_castsi256_si128(state),
                                 _mm_slli_epi64(_mm256_extracti128_si256(state, 1), 32));
    words = _mm_shuffle_epi8(words, _mm_loadl_epi64((const __m128i *)squeeze[set]));
    _mm_storel_epi64((__m128i *)(*word - 4), words);
    *word -= __builtin_popcount(set);
    state = _mm256_srlv_epi64(state, _mm256_and_si256(full, _mm256_set1_epi64x(16)));
    __m256i quotient = _mm256_srlv_epi64(_mm256_mul_epu32(state, code), shift);
    return _mm256_add_epi64(_mm256_add_epi64(state, before),
                            _mm256_mul_epu32(quotient, complement));
}

AVX2 static int put_steps_avx2(struct writer *writer, size_t row, size_t first, size_t step)
{
    enum { PARTS = LANES / 4 };
    __m256i state[PARTS];
    int error = 0;
    for (size_t i = 0; i < PARTS; i++)
        state[i] = _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)writer->state + i));
    while (step-- > first && !error) {
        const __m128i *place = (const __m128i *)(writer->place + step * LANES);
        __m256i marks = _mm256_setzero_si256();
        for (size_t i = PARTS; i-- > 0;) {
            __m256i code = _mm256_i32gather_epi64((const long long *)writer->codes,
                                                  _mm_loadu_si128(place + i), 8);
            marks = _mm256_or_si256(marks, code);
            state[i] = put_avx2(state[i], code, &writer->word);
        }
        if (_mm256_movemask_pd(_mm256_castsi256_pd(marks)))
            error = put_escapes(writer, row, step);
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        uint64_t wide[4];
        memcpy(wide, state + lane / 4, sizeof wide);
        writer->state[lane] = (uint32_t)wide[lane % 4];
    }
    return error;
}

AVX512 static void place_avx512(const uint32_t *entries, const uint16_t *bins, const uint16_t *keys,
                                size_t count, uint32_t *place, size_t stride)
{
    const __m512i low = _mm512_set1_epi32(0xffff), escape = _mm512_set1_epi32(RANS_ESCAPE);
    uint32_t found[16];
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512i key = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(keys + i)));
        __m512i bin = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(bins + i)));
        __m512i entry = _mm512_i32gather_epi32(key, entries, 4);
        __m512i symbol = _mm512_sub_epi32(bin, _mm512_and_si512(entry, low));
        symbol = _mm512_min_epu32(symbol, escape);
        __m512i table = _mm512_slli_epi32(_mm512_srli_epi32(entry, 16), 8);
        _mm512_storeu_si512(found, _mm512_or_si512(table, symbol));
        for (size_t k = 0; k < 16; k++)
            place[(i + k) * stride] = found[k];
    }
    place_plain(entries, bins + i, keys + i, count - i, place + i * stride, stride);
}

/* Eight lanes of a step, as in `rans_put`. */
AVX512 static inline __m512i put_avx512(__m512i state, __m512i code, uint16_t **word)
{
    const __m512i mask = _mm512_set1_epi64(RANS_SLOTS - 1);
    __m512i complement = _mm512_and_si512(_mm512_srli_epi64(code, RANS_COMPLEMENT), mask);
    __m512i before = _mm512_and_si512(_mm512_srli_epi64(code, RANS_BEFORE), mask);
    __m512i shift = _mm512_and_si512(_mm512_srli_epi64(code, RANS_SHIFT), _mm512_set1_epi64(63));
    __m512i high = _mm512_add_epi64(_mm512_srli_epi64(state, 19), complement);
    __mmask8 full = _mm512_cmpgt_epu64_mask(high, mask);
    unsigned words = (unsigned)__builtin_popcount(full);
    *word -= words;
    _mm_mask_storeu_epi16(*word, (__mmask8)((1u << words) - 1),
                          _mm_maskz_compress_epi16(full, _mm512_cvtepi64_epi16(state)));
    state = _mm512_mask_srli_epi64(state, full, state, 16);
    __m512i quotient = _mm512_srlv_epi64(_mm512_mul_epu32(state, code), shift);
    return _mm512_add_epi64(_mm512_add_epi64(state, before),
                            _mm512_mul_epu32(quotient, complement));
}

AVX512 static int put_steps_avx512(struct writer *writer, size_t row, size_t first, size_t step)
{
    __m512i low = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)writer->state));
    __m512i high = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)writer->state + 1));
    int error = 0;
    while (step-- > first && !error) {
        const __m256i *place = (const __m256i *)(writer->place + step * LANES);
        __m512i code = _mm512_i32gather_epi64(_mm256_loadu_si256(place), writer->codes, 8);
        __m512i after = _mm512_i32gather_epi64(_mm256_loadu_si256(place + 1), writer->codes, 8);
        high = put_avx512(high, after, &writer->word);
        low = put_avx512(low, code, &writer->word);
        if (_mm512_cmplt_epi64_mask(_mm512_or_si512(code, after), _mm512_setzero_si512()))
            error = put_escapes(writer, row, step);
    }
    _mm256_storeu_si256((__m256i *)writer->state, _mm512_cvtepi64_epi32(low));
    _mm256_storeu_si256((__m256i *)writer->state + 1, _mm512_cvtepi64_epi32(high));
    return error;
}
#endif

void encode_places(const uint32_t *entries, const uint16_t *bins, const uint16_t *keys,
                   size_t count, uint32_t *place, size_t stride)
{
    WITH_VECTORS(place, entries, bins, keys, count, place, stride);
}

/* 16 rows at a time, whose first steps are also the last ones of the rows before. */
static int write_frame(struct writer *writer, size_t t, const uint16_t *keys)
{
    size_t period = writer->period, width = writer->width, end = period + OVERLAP;
    int error = 0;
    for (size_t i = 0; i < end * LANES; i++)
        writer->place[i] = writer->none;
    for (size_t row = (writer->height - 1) / LANES * LANES;; row -= LANES) {
        size_t first = t * writer->height + row;
        for (size_t lane = 0; lane < smaller(LANES, writer->height - row); lane++) {
            size_t from = (first + lane) * width;
            if (highest_of(keys + from, sizeof *keys, width) >= writer->keys)
                return KERNEL_MISFIT;
            encode_places(writer->entries,
                          words_of(writer->bins, writer->itemsize, from, width, writer->row),
                          keys + from, width, writer->place + lane * DELAY * LANES + lane, LANES);
        }
        error = error ? error : WITH_VECTORS(put_steps, writer, first, row ? OVERLAP : 0, end);
        if (error || !row)
            return error;
        memcpy(writer->place + period * LANES, writer->place,
               OVERLAP * LANES * sizeof *writer->place);
    }
}

static int write_frames(struct writer *writer, const struct adaptive_model *model,
                        const uint32_t *entries, const uint16_t *keys)
{
    int error = 0;
    for (size_t t = model->frames; t-- > 0 && !error;) {
        writer->entries = entries + (t ? writer->keys : 0);
        error = write_frame(writer, t, keys);
    }
    return error;
}

/* `keys` and `escapes` have room for a pixel each, and `keys` for one more; both are filled from
   their ends. A pixel takes 12 bits at most, and the keys of 16 are known before the first is
   written: words, and the three that may be written before them, are where keys are needless. */
int adaptive_encode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint16_t *frequencies, size_t tables, const void *bins, size_t itemsize,
                    uint16_t *keys, uint32_t *states, uint16_t *escapes, uint32_t *left)
{
    size_t numbers = model->frames * model->height * model->width;
    size_t period = order_period(model->width), steps = period + OVERLAP;
    uint64_t *codes = malloc((tables * RANS_SYMBOLS + 1) * sizeof *codes);
    uint32_t *place = malloc(steps * LANES * sizeof *place + model->width * sizeof(uint16_t));
    struct writer writer = {.codes = codes, .none = (uint32_t)(tables * RANS_SYMBOLS),
                            .word = keys + numbers + 1, .escape = escapes + numbers,
                            .bins = bins, .itemsize = itemsize, .height = model->height,
                            .width = model->width, .keys = keys_of(model), .period = period,
                            .place = place};
    int error = past_check(model) < 0 || check_entries(entries, tables, writer.keys) < 0
                    ? KERNEL_MISFIT
                    : 0;
    error = !error && !(codes && place) ? KERNEL_MEMORY : error;
    for (size_t i = 0; i < tables && !error; i++)
        error = rans_fill_codes(frequencies + i * RANS_SYMBOLS, codes + i * RANS_SYMBOLS);
    for (size_t lane = 0; lane < LANES; lane++)
        writer.state[lane] = RANS_LEAST;
    if (!error) {
        codes[tables * RANS_SYMBOLS] = 0;
        writer.row = (uint16_t *)(place + steps * LANES);
        error = write_frames(&writer, model, entries, keys);
    }
    free(codes);
    free(place);
    memcpy(states, writer.state, sizeof writer.state);
    left[0] = (uint32_t)(writer.word - keys);
    left[1] = (uint32_t)(writer.escape - escapes);
    return error;
}
