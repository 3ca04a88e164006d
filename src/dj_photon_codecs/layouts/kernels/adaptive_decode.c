/* SPDX-License-Identifier: MIT */
/* Reads frames one after the other, and in each the pixels in the order of coding.

   Lane i codes rows i, i + 16, ... of a frame, a pixel in a step, each row DELAY steps after the
   row above. Everything that is known of pixels is kept in that order too, LANES floats a step: a
   neighbour to the right is a step later, one in the row below DELAY steps later and a lane
   further, and of the last lane, in the first lane `turn` later still. So what is expected of a
   step does not wait for the symbols of the step before, but for its last innovations. */
#include "adaptive_vectors.h"

enum {
    WINDOW = 32,       /* steps, for which what is read soon again is kept together */
    SUMS = 4,          /* steps whose sums are made together, while symbols are waited for */
    EARLY = 2 * SUMS,  /* steps before a step that its features are made */
    AHEAD = 3 * DELAY, /* steps after a window that are written from within it */
    SLACK = 16,        /* steps beyond those of the images that are read, and words */
};

/* Rows of a window: innovations, those of the rows above them, images of neighbouring rows, sums of
   images over three rows, and what is made of them. */
enum {
    HERE, UP_1, UP_2, UP_3, LAST_ABOVE, LAST_BELOW, LONG_ABOVE, LONG_BELOW, LONG_COLUMN,
    SHORT_COLUMN, FAR_LONG, FAR_SHORT, REFERENCE, EXPECTED, GATE, WINDOW_ROWS = GATE + 5,
};

/* A feature whose weight is not 0: where it is in the first step of the window. */
struct term {
    const float *row;
    float weight;
    int in_window;
};

/* Images have a period of steps, and SLACK, before the first step and after the last. */
struct reader {
    const struct adaptive_model *model;
    const uint32_t *all_entries; /* of the first frame, and of the others */
    const uint32_t *entries;     /* of the frame */
    uint8_t *symbols;            /* of the slots of each table */
    uint32_t *ranges;            /* of the symbols of each table */
    ptrdiff_t period, steps, rounds, turn; /* the last in floats */
    float *room, *mean[2], *near[2], *last, *next; /* images; the last of frames before this one */
    float *passed;           /* innovations of the last steps, as many as `turn` is */
    float *window;           /* WINDOW_ROWS */
    uint16_t *bins;          /* of each step of a round and lane; 0 where there is no pixel */
    ptrdiff_t put;           /* rounds of the frame whose bins were taken from there */
    const struct low_bits *low;
    size_t place;            /* of the next low bits */
    uint8_t *numbers;        /* of the frame, of `itemsize`; NULL if it is not wanted */
    size_t itemsize;
    uint16_t *active;        /* of each step, the lanes that have a pixel */
    float rate[2], constant, nearest; /* the last is the weight of the last innovation */
    int gated, damaged, is_whole; /* the last: bins are taken for their number, plus 1 */
    ptrdiff_t passing;
    struct term term[FEATURES], *first_within, *last_term; /* those within the frame at the end */
    _Alignas(LANES * 4) uint32_t state[LANES]; /* a line of the cache */
    const uint8_t *word, *end; /* of 2 bytes, anywhere */
    const uint16_t *escape, *last_escape;
    uint8_t last_words[6 * SLACK];
};

static inline ptrdiff_t least(ptrdiff_t one, ptrdiff_t other) { return one < other ? one : other; }

enum { ROW_STEPS = DELAY + WINDOW + AHEAD };

static inline float *row_of(const struct reader *reader, int row)
{
    return reader->window + (row * ROW_STEPS + DELAY) * LANES;
}

/* Where a pixel of an image is; rows and columns may be a few beyond the edge. */
static inline ptrdiff_t place_of(const struct reader *reader, ptrdiff_t y, ptrdiff_t x)
{
    ptrdiff_t round = (y + LANES) / LANES - 1, lane = y - round * LANES;
    return (round * reader->period + DELAY * lane + x) * LANES + lane;
}

/* Lists the lanes that have a pixel in each step. */
static void find_active(struct reader *reader)
{
    ptrdiff_t height = (ptrdiff_t)reader->model->height, width = (ptrdiff_t)reader->model->width;
    memset(reader->active, 0, (size_t)reader->steps * sizeof *reader->active);
    for (ptrdiff_t y = 0; y < height; y++) {
        uint16_t *of_row = reader->active + place_of(reader, y, 0) / LANES;
        for (ptrdiff_t x = 0; x < width; x++)
            of_row[x] |= (uint16_t)(1u << y % LANES);
    }
}

static void copy_row(const float *from, float *to, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count * LANES; i += LANES)
        to[i] = from[i];
}

/* Continues an image by so many pixels beyond its edges, when the steps of a round are known: the
   rows of that round begin in these, and those of the round before end. */
static void extend(const struct reader *reader, float *image, ptrdiff_t by, ptrdiff_t round)
{
    ptrdiff_t height = (ptrdiff_t)reader->model->height, width = (ptrdiff_t)reader->model->width;
    ptrdiff_t first = round * LANES, row = width + 2 * by;
    float *left = image + place_of(reader, first, 0), *right = left + (width - 1) * LANES;
    for (ptrdiff_t y = first; y < least(first + LANES, height); y++, left += DELAY * LANES + 1)
        for (ptrdiff_t i = 1; i <= by; i++)
            left[-i * LANES] = *left;
    right -= reader->period * LANES;
    for (ptrdiff_t y = first - LANES; round && y < least(first, height);
         y++, right += DELAY * LANES + 1)
        for (ptrdiff_t i = 1; i <= by; i++)
            right[i * LANES] = *right;
    for (ptrdiff_t i = 1; i <= by && round == 1; i++)
        copy_row(image + place_of(reader, 0, -by), image + place_of(reader, -i, -by), row);
    /* One or two rows are known as they begin, when what is below them is needed. */
    for (ptrdiff_t i = 1; i <= by && first + 2 >= height; i++)
        copy_row(image + place_of(reader, height - 1, -by),
                 image + place_of(reader, height - 1 + i, -by), row);
}

/* What is read of the last steps of a window, and of what is written ahead, becomes its first. */
static void next_window(struct reader *reader)
{
    static const int8_t kept[WINDOW_ROWS][2] = {
        [HERE] = {-3, 0}, [UP_1] = {-3, DELAY}, [UP_2] = {-2, 2 * DELAY}, [UP_3] = {0, AHEAD},
        [LAST_ABOVE] = {SUMS - 1, EARLY + 1}, [LAST_BELOW] = {SUMS - 1, EARLY + 1},
        [LONG_ABOVE] = {SUMS - 1, EARLY + 1}, [LONG_BELOW] = {SUMS - 1, EARLY + 1},
        [LONG_COLUMN] = {EARLY - 2, EARLY + 2}, [SHORT_COLUMN] = {EARLY - 2, EARLY + 2},
        [FAR_LONG] = {SUMS, EARLY}, [FAR_SHORT] = {SUMS, EARLY}, [REFERENCE] = {0, EARLY},
        [EXPECTED] = {0, SUMS}, [GATE] = {SUMS, EARLY}, [GATE + 1] = {SUMS, EARLY},
        [GATE + 2] = {SUMS, EARLY}, [GATE + 3] = {SUMS, EARLY}, [GATE + 4] = {SUMS, EARLY},
    };
    for (int i = 0; i < (reader->gated ? WINDOW_ROWS : GATE); i++) {
        float *row = row_of(reader, i) + kept[i][0] * LANES;
        size_t steps = (size_t)(kept[i][1] - kept[i][0]);
        memcpy(row, row + WINDOW * LANES, steps * LANES * sizeof *row);
    }
    for (struct term *term = reader->term; term < reader->last_term; term++)
        term->row += term->in_window ? 0 : WINDOW * LANES;
}

/* Whether no more words were taken than there were. The last ones are read from a copy with zeros
   behind it, so that a step may always read LANES. */
static inline int has_words(struct reader *reader)
{
    if (reader->end - reader->word >= 2 * LANES)
        return 1;
    if (reader->word > reader->end)
        return 0;
    if (reader->end != reader->last_words + 2 * SLACK) {
        size_t left = (size_t)(reader->end - reader->word);
        memset(reader->last_words, 0, sizeof reader->last_words);
        reader->end = reader->last_words + 2 * SLACK;
        memcpy(reader->last_words + 2 * SLACK - left, reader->word, left);
        reader->word = reader->end - left;
    }
    return 1;
}

static int next_escape(struct reader *reader)
{
    if (reader->escape < reader->last_escape)
        return *reader->escape++;
    reader->damaged = 1;
    return 0;
}

/* ------------------------------------------------------------------------------ symbols */

/* The states of all lanes; and what these expect: entries, and the symbols that follow from both. */
typedef struct {
    uint32_t lane[LANES];
} states_plain;

typedef struct {
    uint32_t entry[LANES], symbol[LANES];
} symbols_plain;

ALWAYS_INLINE states_plain load_states_plain(const uint32_t *from)
{
    states_plain states;
    memcpy(states.lane, from, sizeof states.lane);
    return states;
}

ALWAYS_INLINE void store_states_plain(uint32_t *to, states_plain states)
{
    memcpy(to, states.lane, sizeof states.lane);
}

ALWAYS_INLINE symbols_plain look_up_plain(const struct reader *reader, const states_plain *states,
                                          floats_plain expected)
{
    symbols_plain found;
    float expect[LANES];
    store_plain(expect, expected);
    for (size_t lane = 0; lane < LANES; lane++) {
        uint32_t entry = reader->entries[key_of(expect[lane], reader->model->dropped)];
        uint32_t slot = states->lane[lane] & (RANS_SLOTS - 1);
        found.entry[lane] = entry;
        found.symbol[lane] = reader->symbols[entry >> 16 << RANS_BITS | slot];
    }
    return found;
}

/* Takes the symbol of each active lane, puts its bin, and the value of this, and returns how far it
   is off the reference; of the other lanes, 0. */
ALWAYS_INLINE floats_plain take_plain(struct reader *reader, states_plain *states,
                                      symbols_plain found, floats_plain reference, unsigned active,
                                      float *value, uint16_t *bins)
{
    const uint8_t *word = reader->word;
    const float *of_bin = reader->model->value;
    uint32_t highest = (uint32_t)reader->model->bins - 1;
    float refer[LANES], innovation[LANES] = {0};
    store_plain(refer, reference);
    for (size_t lane = 0; lane < LANES; lane++) {
        bins[lane] = 0;
        if (!(active >> lane & 1))
            continue;
        uint32_t state = states->lane[lane], slot = state & (RANS_SLOTS - 1);
        uint32_t entry = found.entry[lane], symbol = found.symbol[lane];
        uint32_t range = reader->ranges[(entry >> 16) * RANS_SYMBOLS + symbol];
        uint32_t bin = (entry & 0xffff) + symbol;
        uint32_t frequency = (range & (RANS_SLOTS - 1)) + 1, first = range >> RANS_BITS;
        state = frequency * (state >> RANS_BITS) + slot - first;
        if (state < RANS_LEAST) {
            uint16_t next;
            memcpy(&next, word, sizeof next);
            state = state << 16 | next;
            word += sizeof next;
        }
        states->lane[lane] = state;
        if (symbol == RANS_ESCAPE)
            bin = (uint32_t)next_escape(reader);
        reader->damaged |= bin > highest;
        bin = bin < highest ? bin : highest;
        bins[lane] = (uint16_t)bin;
        value[lane] = of_bin[bin];
        innovation[lane] = value[lane] - refer[lane];
    }
    reader->word = word;
    return load_plain(innovation);
}

#ifdef AVX2
enum { VECTOR_8 = 8 };

/* For each set of eight lanes, where in the next words each of them finds its own; 0x80 gives the
   others 0. And their masks. Constant once loaded. */
static uint8_t spread[256][16];
static int32_t chosen[256][8];

__attribute__((constructor)) static void fill_sets(void)
{
    memset(spread, 0x80, sizeof spread);
    for (int set = 0; set < 256; set++)
        for (int lane = 0, taken = 0; lane < VECTOR_8; lane++)
            if (set >> lane & 1) {
                spread[set][2 * lane] = (uint8_t)(2 * taken);
                spread[set][2 * lane + 1] = (uint8_t)(2 * taken++ + 1);
                chosen[set][lane] = -1;
            }
}

AVX2 static inline __m256i all(int number) { return _mm256_set1_epi32(number); }
AVX2 static inline unsigned signs(__m256i of)
{
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(of));
}
AVX2 static inline __m256i gather(const void *from, __m256i index)
{
    return _mm256_i32gather_epi32((const int *)from, index, 4);
}

AVX2 static inline __m256i entries_at(const struct reader *reader, __m256 expected)
{
    __m256i bits = _mm256_castps_si256(_mm256_max_ps(expected, _mm256_set1_ps(0.5f)));
    bits = _mm256_sub_epi32(_mm256_min_epi32(bits, all(LAST_KEY - 1)), all(FIRST_KEY));
    return gather(reader->entries, _mm256_srlv_epi32(bits, all((int)reader->model->dropped)));
}

AVX2 static inline __m256i symbols_at(const struct reader *reader, __m256i state, __m256i entries)
{
    __m256i slot = _mm256_and_si256(state, all(RANS_SLOTS - 1));
    __m256i table = _mm256_slli_epi32(_mm256_srli_epi32(entries, 16), RANS_BITS);
    __m256i place = _mm256_or_si256(table, slot);
    __m256i symbol = _mm256_i32gather_epi32((const int *)(const void *)reader->symbols, place, 1);
    return _mm256_and_si256(symbol, all(RANS_SYMBOLS - 1));
}

AVX2 static inline __m256i next_states(struct reader *reader, __m256i state, __m256i entries,
                                       __m256i symbol, __m256i active)
{
    __m256i mask = all(RANS_SLOTS - 1);
    __m256i table = _mm256_slli_epi32(_mm256_srli_epi32(entries, 16), 8);
    __m256i range = gather(reader->ranges, _mm256_or_si256(table, symbol));
    __m256i frequency = _mm256_add_epi32(_mm256_and_si256(range, mask), all(1));
    __m256i taken = _mm256_mullo_epi32(frequency, _mm256_srli_epi32(state, RANS_BITS));
    taken = _mm256_add_epi32(taken, _mm256_and_si256(state, mask));
    taken = _mm256_sub_epi32(taken, _mm256_srli_epi32(range, RANS_BITS));
    taken = _mm256_blendv_epi8(state, taken, active);
    __m256i needed = _mm256_cmpgt_epi32(all(RANS_LEAST), taken);
    unsigned set = signs(needed);
    __m128i words = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)reader->word),
                                     _mm_loadu_si128((const __m128i *)spread[set]));
    reader->word += 2 * __builtin_popcount(set);
    taken = _mm256_sllv_epi32(taken, _mm256_and_si256(needed, all(16)));
    return _mm256_or_si256(taken, _mm256_cvtepu16_epi32(words));
}

AVX2 static inline __m256 take_eight(struct reader *reader, __m256i *states, __m256i entries,
                                     __m256i symbol, __m256 reference, unsigned set, float *value,
                                     uint16_t *bins)
{
    __m256i active = _mm256_loadu_si256((const __m256i *)chosen[set]);
    *states = next_states(reader, *states, entries, symbol, active);
    __m256i bin = _mm256_add_epi32(_mm256_and_si256(entries, all(0xffff)), symbol);
    unsigned escaped = signs(_mm256_cmpeq_epi32(symbol, all(RANS_ESCAPE))) & set;
    if (escaped) {
        int32_t found[VECTOR_8];
        _mm256_storeu_si256((__m256i *)found, bin);
        for (; escaped; escaped &= escaped - 1)
            found[__builtin_ctz(escaped)] = next_escape(reader);
        bin = _mm256_loadu_si256((const __m256i *)found);
    }
    __m256i highest = all((int)reader->model->bins - 1);
    reader->damaged |= (signs(_mm256_cmpgt_epi32(bin, highest)) & set) != 0;
    bin = _mm256_min_epi32(bin, highest);
    __m256i kept = _mm256_and_si256(bin, active), packed = _mm256_packus_epi32(kept, kept);
    _mm_storeu_si128((__m128i *)bins,
                     _mm_unpacklo_epi64(_mm256_castsi256_si128(packed),
                                        _mm256_extracti128_si256(packed, 1)));
    __m256 found = reader->is_whole
                       ? _mm256_cvtepi32_ps(_mm256_add_epi32(bin, all(1)))
                       : _mm256_castsi256_ps(gather(reader->model->value, bin));
    _mm256_storeu_ps(value, found);
    return _mm256_and_ps(_mm256_sub_ps(found, reference), _mm256_castsi256_ps(active));
}

typedef struct {
    __m256i low, high;
} states_avx2;

typedef struct {
    __m256i low, high, low_symbol, high_symbol;
} symbols_avx2;

AVX2 ALWAYS_INLINE states_avx2 load_states_avx2(const uint32_t *from)
{
    return (states_avx2){_mm256_loadu_si256((const __m256i *)from),
                         _mm256_loadu_si256((const __m256i *)(from + VECTOR_8))};
}

AVX2 ALWAYS_INLINE void store_states_avx2(uint32_t *to, states_avx2 states)
{
    _mm256_storeu_si256((__m256i *)to, states.low);
    _mm256_storeu_si256((__m256i *)(to + VECTOR_8), states.high);
}

AVX2 ALWAYS_INLINE symbols_avx2 look_up_avx2(const struct reader *reader, const states_avx2 *states,
                                             floats_avx2 expected)
{
    __m256i low = entries_at(reader, expected.low), high = entries_at(reader, expected.high);
    return (symbols_avx2){low, high, symbols_at(reader, states->low, low),
                          symbols_at(reader, states->high, high)};
}

AVX2 ALWAYS_INLINE floats_avx2 take_avx2(struct reader *reader, states_avx2 *states,
                                         symbols_avx2 found, floats_avx2 reference, unsigned active,
                                         float *value, uint16_t *bins)
{
    return (floats_avx2){take_eight(reader, &states->low, found.low, found.low_symbol,
                                    reference.low, active & 255, value, bins),
                         take_eight(reader, &states->high, found.high, found.high_symbol,
                                    reference.high, active >> VECTOR_8, value + VECTOR_8,
                                    bins + VECTOR_8)};
}

typedef __m512i states_avx512;

typedef struct {
    __m512i entries, symbol; /* of the latter, the lowest 8 bits */
} symbols_avx512;

AVX512 ALWAYS_INLINE __m512i load_states_avx512(const uint32_t *from)
{
    return _mm512_loadu_si512(from);
}

AVX512 ALWAYS_INLINE void store_states_avx512(uint32_t *to, __m512i states)
{
    _mm512_storeu_si512(to, states);
}

/* The bits of one where those of `where` are set, else of another one. */
AVX512 static inline __m512i choose_bits(__m512i where, __m512i one, __m512i other)
{
    return _mm512_ternarylogic_epi32(where, one, other, 0xca);
}

AVX512 ALWAYS_INLINE symbols_avx512 look_up_avx512(const struct reader *reader,
                                                   const __m512i *states, __m512 expected)
{
    uint32_t dropped = reader->model->dropped;
    __m512i key = _mm512_castps_si512(_mm512_max_ps(expected, _mm512_set1_ps(0.5f)));
    key = _mm512_srlv_epi32(_mm512_min_epi32(key, _mm512_set1_epi32(LAST_KEY - 1)),
                            _mm512_set1_epi32((int)dropped));
    key = _mm512_sub_epi32(key, _mm512_set1_epi32(FIRST_KEY >> dropped));
    __m512i entries = _mm512_i32gather_epi32(key, reader->entries, 4);
    __m512i place = choose_bits(_mm512_set1_epi32(RANS_SLOTS - 1), *states,
                                _mm512_srli_epi32(entries, 16 - RANS_BITS));
    return (symbols_avx512){entries, _mm512_i32gather_epi32(place, reader->symbols, 1)};
}

AVX512 ALWAYS_INLINE __m512 take_avx512(struct reader *reader, __m512i *states, symbols_avx512 of,
                                        __m512 reference, unsigned active, float *value,
                                        uint16_t *bins)
{
    __mmask16 set = (__mmask16)active;
    __m512i mask = _mm512_set1_epi32(RANS_SLOTS - 1), state = *states;
    __m512i byte = _mm512_set1_epi32(RANS_SYMBOLS - 1), one = _mm512_set1_epi32(1);
    __m512i place = choose_bits(byte, of.symbol, _mm512_srli_epi32(of.entries, 8));
    __m512i range = _mm512_i32gather_epi32(place, reader->ranges, 4);
    __m512i symbol = _mm512_and_si512(of.symbol, byte);
    __m512i base = _mm512_and_si512(of.entries, _mm512_set1_epi32(0xffff));
    __m512i bin = _mm512_add_epi32(base, symbol);
    __mmask16 escaped = _mm512_mask_cmpeq_epi32_mask(set, symbol, byte);
    if (escaped) {
        int32_t found[LANES];
        _mm512_storeu_si512(found, bin);
        for (unsigned left = escaped; left; left &= left - 1)
            found[__builtin_ctz(left)] = next_escape(reader);
        bin = _mm512_loadu_si512(found);
    }
    __m512i highest = _mm512_set1_epi32((int)reader->model->bins - 1);
    reader->damaged |= _mm512_mask_cmpgt_epi32_mask(set, bin, highest);
    __m512 found = reader->is_whole
                       ? _mm512_cvtepi32_ps(_mm512_add_epi32(bin, one))
                       : _mm512_i32gather_ps(_mm512_min_epi32(bin, highest), reader->model->value, 4);
    _mm512_storeu_ps(value, found);
    _mm256_storeu_si256((__m256i *)bins, _mm512_maskz_cvtepi32_epi16(set, bin));
    __m512i frequency = _mm512_add_epi32(_mm512_and_si512(range, mask), one);
    __m512i taken = _mm512_mullo_epi32(frequency, _mm512_srli_epi32(state, RANS_BITS));
    taken = _mm512_add_epi32(taken, _mm512_sub_epi32(_mm512_and_si512(state, mask),
                                                     _mm512_srli_epi32(range, RANS_BITS)));
    taken = _mm512_mask_mov_epi32(state, set, taken);
    __mmask16 low = _mm512_cmplt_epu32_mask(taken, _mm512_set1_epi32(RANS_LEAST));
    __m256i words = _mm256_loadu_si256((const __m256i *)reader->word);
    __m512i added = _mm512_cvtepu16_epi32(_mm256_maskz_expand_epi16(low, words));
    reader->word += 2 * __builtin_popcount(low);
    *states = _mm512_mask_or_epi32(taken, low, _mm512_slli_epi32(taken, 16), added);
    return _mm512_maskz_sub_ps(set, found, reference);
}
#endif

/* ------------------------------------------------------------------------------ numbers */

/* Finds the most bits of a bin, and refuses bins beyond 16 bits. */
static int check_low(struct low_bits *low, size_t bins)
{
    for (size_t i = 0; low->of_bin && i < bins; i++) {
        uint32_t first = low->of_bin[i] & 0xffff, bits = low->of_bin[i] >> 16;
        if (bits > 15 || first + (1u << bits) > 1u << 16)
            return KERNEL_DAMAGED;
        low->most = bits > low->most ? bits : low->most;
    }
    return 0;
}

/* Adds their low bits to the first numbers of bins. */
static void add_low(struct reader *reader, uint16_t *numbers, size_t count)
{
    const struct low_bits *low = reader->low;
    size_t place = reader->place, size = low->size;
    for (size_t i = 0; i < count; i++) {
        uint32_t bin = low->of_bin[numbers[i]], bits = bin >> 16 & 15, word = 0;
        if (place / 8 + sizeof word <= size)
            memcpy(&word, low->payload + place / 8, sizeof word);
        else if (place / 8 < size)
            memcpy(&word, low->payload + place / 8, size - place / 8);
        numbers[i] = (uint16_t)(bin + (word >> place % 8 & ((1u << bits) - 1)));
        place += bits; /* a number waits for the place of the one before alone */
    }
    reader->place = place;
}

#ifdef AVX2
enum { FOUR_MOST = 14 }; /* low bits, with which four numbers are found in 64, from any of 8 on */

/* The same of sixteen numbers at a time, as far as there are 64 bits at each place. */
AVX512 static void add_low_avx512(struct reader *reader, uint16_t *numbers, size_t count)
{
    const struct low_bits *low = reader->low;
    __m512i one = _mm512_set1_epi32(1);
    size_t place = reader->place, i = 0;
    for (; i + LANES <= count && place / 8 + LANES / 4 * sizeof(uint64_t) <= low->size; i += LANES) {
        uint64_t number[LANES / 4], mask[LANES / 4];
        __m256i bins = _mm256_loadu_si256((const __m256i *)(const void *)(numbers + i));
        __m512i of = _mm512_i32gather_epi32(_mm512_cvtepu16_epi32(bins), low->of_bin, 4);
        __m512i masks = _mm512_sub_epi32(_mm512_sllv_epi32(one, _mm512_srli_epi32(of, 16)), one);
        _mm256_storeu_si256((__m256i *)(void *)number, _mm512_cvtepi32_epi16(of));
        _mm256_storeu_si256((__m256i *)(void *)mask, _mm512_cvtepi32_epi16(masks));
        for (size_t k = 0; k < LANES / 4; k++) {
            uint64_t word;
            memcpy(&word, low->payload + place / 8, sizeof word);
            number[k] += _pdep_u64(word >> place % 8, mask[k]); /* no number carries into the next */
            place += (size_t)__builtin_popcountll(mask[k]);
        }
        memcpy(numbers + i, number, sizeof number);
    }
    reader->place = place;
    add_low(reader, numbers + i, count - i);
}
#endif

/* Puts a row of bins, each so many lanes after the one before, where its numbers are wanted. */
static void put_row(struct reader *reader, const uint16_t *bins, size_t y)
{
    size_t width = reader->model->width;
    uint16_t *words = (uint16_t *)(void *)reader->numbers + y * width;
    if (reader->itemsize == 1) {
        for (size_t x = 0; x < width; x++)
            reader->numbers[y * width + x] = (uint8_t)bins[x * LANES];
        return;
    }
    for (size_t x = 0; x < width; x++)
        words[x] = bins[x * LANES];
    if (!reader->low->of_bin)
        return;
#ifdef AVX2
    if (processor_vectors == VECTORS_AVX512 && reader->low->most <= FOUR_MOST) {
        add_low_avx512(reader, words, width);
        return;
    }
#endif
    add_low(reader, words, width);
}

static void pass_low(struct reader *reader, const uint16_t *bins, size_t count)
{
    for (size_t i = 0; i < count; i++)
        reader->place += reader->low->of_bin[bins[i]] >> 16;
}

/* Takes the bins of the rounds that are complete when so many steps were read. */
static void put_rounds(struct reader *reader, ptrdiff_t end)
{
    ptrdiff_t height = (ptrdiff_t)reader->model->height, width = (ptrdiff_t)reader->model->width;
    for (; end >= reader->put * reader->period + (LANES - 1) * DELAY + width; reader->put++) {
        ptrdiff_t first = reader->put * LANES, left = end - reader->put * reader->period;
        ptrdiff_t kept = left - reader->period;
        if (reader->numbers)
            for (ptrdiff_t lane = 0; lane < least(LANES, height - first); lane++)
                put_row(reader, reader->bins + lane * (DELAY * LANES + 1), (size_t)(first + lane));
        else if (reader->low->of_bin)
            pass_low(reader, reader->bins,
                     (size_t)(first + LANES < height ? reader->period : left) * LANES);
        if (kept > 0)
            memmove(reader->bins, reader->bins + reader->period * LANES,
                    (size_t)kept * LANES * sizeof *reader->bins);
        if (first + LANES >= height)
            return;
    }
}

/* ------------------------------------------------------------------------------ frames */

#define SET plain
#define TARGET
#include "adaptive_steps.h"
#ifdef AVX2
#define SET avx2
#define TARGET AVX2
#include "adaptive_steps.h"
#define SET avx512
#define TARGET AVX512
#include "adaptive_steps.h"
#endif

/* Where a feature is in the first step of a frame, or of a window. */
static const float *find_feature(const struct reader *reader, int feature, int *in_window)
{
    static const int8_t windows[] = {[LONG_FAR] = FAR_LONG, [SHORT_FAR] = FAR_SHORT};
    *in_window = 1;
    if (feature >= WITHIN) {
        const int8_t *at = past_within[feature - WITHIN];
        return row_of(reader, HERE + at[0]) + at[1] * LANES;
    }
    if (feature >= GATED)
        return row_of(reader, GATE + feature - GATED);
    if (feature >= LAST) {
        int i = feature < AROUND ? feature - LAST : feature - AROUND;
        i += feature >= AROUND && i >= 4;
        int above = feature < AROUND ? LAST_ABOVE : LONG_ABOVE;
        const float *here = feature < AROUND ? reader->last : reader->mean[0];
        *in_window = i / 3 != 1;
        return (i / 3 == 1 ? here : row_of(reader, above + i / 6)) + (i % 3 - 1) * LANES;
    }
    if (feature == LONG_FAR || feature == SHORT_FAR)
        return row_of(reader, windows[feature]);
    *in_window = 0;
    int is_short = feature >= SHORT;
    return feature == LONG || feature == SHORT ? reader->mean[is_short] : reader->near[is_short];
}

static void begin_frame(struct reader *reader, size_t t)
{
    float weights[FEATURES];
    past_weigh(reader->model, t, weights);
    reader->constant = weights[0] * 16.0f;
    reader->gated = 0;
    reader->last_term = reader->term;
    reader->nearest = weights[FEATURES - 1];
    for (int i = 1; i < FEATURES - 1; i++) {
        if (i == WITHIN)
            reader->first_within = reader->last_term;
        if (weights[i] != 0) {
            struct term *term = reader->last_term++;
            term->weight = weights[i];
            term->row = find_feature(reader, i, &term->in_window);
            reader->gated |= i >= GATED && i < WITHIN;
        }
    }
    reader->rate[0] = 1.0f / (float)smaller(t, LONG_MEAN);
    reader->rate[1] = t > 1 ? 0.5f : 1.0f;
    reader->entries = reader->all_entries + (t ? keys_of(reader->model) : 0);
    reader->passing = reader->put = 0;
    memset(reader->passed, 0, (size_t)reader->turn * sizeof *reader->passed);
    memset(reader->window, 0, WINDOW_ROWS * ROW_STEPS * LANES * sizeof *reader->window);
}

/* Reads frames up to one, and puts the numbers of those from another one on. */
static int read_frames(struct reader *reader, size_t start, size_t stop, uint8_t *numbers)
{
    const struct adaptive_model *model = reader->model;
    size_t pixels = model->height * model->width, others = (size_t)reader->steps * LANES - pixels;
    for (size_t t = 0; t < stop; t++) {
        reader->numbers = t < start ? NULL : numbers + (t - start) * pixels * reader->itemsize;
        begin_frame(reader, t);
        int error;
#ifdef AVX2
        if (processor_vectors == VECTORS_AVX512)
            error = read_frame_avx512(reader, !t);
        else if (processor_vectors == VECTORS_AVX2)
            error = read_frame_avx2(reader, !t);
        else
#endif
            error = read_frame_plain(reader, !t);
        if (!reader->numbers && reader->low->of_bin)
            reader->place -= others * (reader->low->of_bin[0] >> 16);
        if (error || reader->word > reader->end || reader->place > 8 * reader->low->size)
            return KERNEL_DAMAGED;
        for (ptrdiff_t round = 0; round <= reader->rounds; round++)
            extend(reader, reader->next, 1, round);
        float *last = reader->last;
        reader->last = reader->next;
        reader->next = last;
    }
    return 0;
}

static int is_finished(const struct reader *reader)
{
    for (size_t lane = 0; lane < LANES; lane++)
        if (reader->state[lane] != RANS_LEAST)
            return 0;
    return reader->word == reader->end && reader->escape == reader->last_escape &&
           (reader->place + 7) / 8 == reader->low->size;
}

static int open_reader(struct reader *reader, const uint16_t *frequencies, size_t tables)
{
    enum { IMAGES = 6 };
    const struct adaptive_model *model = reader->model;
    ptrdiff_t width = (ptrdiff_t)model->width;
    reader->period = width + DELAY > LANES * DELAY ? width + DELAY : LANES * DELAY;
    reader->rounds = (ptrdiff_t)(model->height + LANES - 1) / LANES;
    reader->steps = (reader->rounds - 1) * reader->period + (LANES - 1) * DELAY + width;
    reader->turn = (reader->period - LANES * DELAY) * LANES;
    size_t before = (size_t)(reader->period + SLACK) * LANES;
    size_t image = (size_t)reader->steps * LANES + 2 * before;
    size_t others = (size_t)reader->turn + WINDOW_ROWS * ROW_STEPS * LANES;
    size_t bins = (size_t)((LANES - 1) * DELAY + width + WINDOW) * LANES / 2, active = (size_t)reader->steps / 2 + 1;
    float *room = reader->room = malloc((IMAGES * image + others + bins + active + 2 * LANES +
                                         tables * (RANS_SYMBOLS + RANS_SLOTS / 4)) * sizeof *room);
    if (!room)
        return KERNEL_MEMORY;
    room += (0 - (uintptr_t)room) % (LANES * sizeof *room) / sizeof *room; /* lines of the cache */
    for (size_t i = 0; i < IMAGES * image; i++)
        room[i] = model->start;
    float **images[IMAGES] = {reader->mean, reader->mean + 1, reader->near, reader->near + 1,
                              &reader->last, &reader->next};
    for (int i = 0; i < IMAGES; i++, room += image)
        *images[i] = room + before;
    reader->passed = room;
    reader->window = room + reader->turn;
    reader->bins = (uint16_t *)(room + others);
    reader->active = reader->bins + 2 * bins;
    find_active(reader);
    reader->ranges = (uint32_t *)(room + others + bins + active);
    reader->symbols = (uint8_t *)(reader->ranges + tables * RANS_SYMBOLS);
    for (size_t i = 0; i < tables; i++)
        if (rans_fill_symbols(frequencies + i * RANS_SYMBOLS, reader->symbols + i * RANS_SLOTS,
                              reader->ranges + i * RANS_SYMBOLS) < 0)
            return KERNEL_DAMAGED;
    reader->is_whole = 1;
    for (size_t i = 0; i < model->bins; i++)
        reader->is_whole &= model->value[i] == (float)(i + 1);
    for (size_t lane = 0; lane < LANES; lane++)
        if (reader->state[lane] < RANS_LEAST || reader->state[lane] >> 31)
            return KERNEL_DAMAGED;
    return 0;
}

int adaptive_decode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint16_t *frequencies, size_t tables, const uint32_t *states,
                    const uint8_t *words, size_t size, const uint16_t *escapes,
                    size_t escape_count, struct low_bits low, size_t start, size_t stop,
                    void *numbers, size_t itemsize)
{
    struct reader reader = {.model = model, .all_entries = entries, .low = &low,
                            .word = words, .end = words + size, .itemsize = itemsize,
                            .escape = escapes, .last_escape = escapes + escape_count};
    int error = past_check(model);
    memcpy(reader.state, states, sizeof reader.state);
    if (error || start == stop) /* without any, nothing bounds the size of a frame */
        return error;
    if (!(error = check_low(&low, model->bins)) &&
        !(error = check_entries(entries, tables, keys_of(model))) &&
        !(error = open_reader(&reader, frequencies, tables)))
        error = read_frames(&reader, start, stop, numbers);
    if (!error && stop == model->frames && !is_finished(&reader))
        error = KERNEL_DAMAGED;
    free(reader.room);
    return error;
}
