/* Reads frames one after the other, and in each the pixels in the order of coding. */
#include "adaptive.h"

/* A frame in the order of coding: what is expected of each step and lane before the frame, its
   reference, and the innovations, WIDE a step, whose first DELAY are of the lanes before them. */
struct reader {
    const struct adaptive_model *model;
    const uint32_t *all_entries; /* of the first frame, and of the others */
    const uint32_t *entries;     /* of the frame */
    const uint32_t *slots;
    size_t tables;
    struct order order;
    float *expected, *reference, *innovation;
    uint32_t state[LANES];
    const uint16_t *word, *end, *escape, *last_escape;
    int terms;               /* of features within the frame, whose weight is not 0 */
    ptrdiff_t offset[FEATURES - WITHIN];
    float weight[FEATURES - WITHIN];
#ifdef AVX2
    uint8_t spread[256][2 * VECTOR];
#endif
};

static void read_weights(struct reader *reader, const float *weights)
{
    reader->terms = 0;
    for (int i = 0; i < FEATURES - WITHIN; i++)
        if (weights[WITHIN + i] != 0) {
            int up = past_within[i][0], right = past_within[i][1];
            reader->weight[reader->terms] = weights[WITHIN + i];
            reader->offset[reader->terms++] = (right - DELAY * up) * WIDE - up;
        }
}

/* Puts what is expected of a frame into the order of coding. */
static void expect_frame(struct reader *reader, struct past *past, const float *weights)
{
    const struct order *order = &reader->order;
    for (size_t y = 0; y < reader->model->height; y++) {
        size_t first = y / LANES * order->period + y % LANES * DELAY;
        float *expected = reader->expected + first * LANES + y % LANES;
        float *reference = reader->reference + first * LANES + y % LANES;
        past_predict(past, y, weights);
        for (size_t x = 0; x < reader->model->width; x++) {
            expected[x * LANES] = past->expected[x];
            reference[x * LANES] = past->reference[x];
        }
    }
}

static int read_pixel(struct reader *reader, float expected, uint32_t *state, uint16_t *bin)
{
    uint32_t entry = reader->entries[key_of(expected, reader->model->dropped)];
    uint32_t slot = reader->slots[(entry >> 16) * RANS_SLOTS + (*state & (RANS_SLOTS - 1))];
    uint32_t found = (entry & 0xffff) + (slot & 255);
    *state = rans_take(*state, slot);
    if (*state < RANS_LEAST) {
        if (reader->word == reader->end)
            return KERNEL_DAMAGED;
        *state = *state << 16 | *reader->word++;
    }
    if ((slot & 255) == RANS_ESCAPE) {
        if (reader->escape == reader->last_escape)
            return KERNEL_DAMAGED;
        found = *reader->escape++;
    }
    *bin = (uint16_t)found;
    return found < reader->model->bins ? 0 : KERNEL_DAMAGED;
}

/* The innovations of the last lanes are also those above the first ones, a period later. */
static void pass_on(struct reader *reader, size_t step)
{
    float *here = reader->innovation + step * WIDE;
    memcpy(here + (reader->order.period - LANES * DELAY) * WIDE, here + LANES,
           DELAY * sizeof *here);
}

static int read_step(struct reader *reader, size_t step, uint16_t *bins)
{
    const int32_t *place = reader->order.place + step * LANES;
    float *innovation = reader->innovation + step * WIDE + DELAY, expected[LANES];
    memcpy(expected, reader->expected + step * LANES, sizeof expected);
    for (int i = 0; i < reader->terms; i++)
        for (size_t lane = 0; lane < LANES; lane++)
            expected[lane] += reader->weight[i] *
                              innovation[(ptrdiff_t)lane + reader->offset[i]];
    for (size_t lane = 0; lane < LANES; lane++) {
        innovation[lane] = 0;
        if (place[lane] < 0)
            continue;
        uint16_t *bin = bins + place[lane];
        if (read_pixel(reader, expected[lane], reader->state + lane, bin) < 0)
            return KERNEL_DAMAGED;
        innovation[lane] = reader->model->value[*bin] - reader->reference[step * LANES + lane];
    }
    pass_on(reader, step);
    return 0;
}

#ifdef AVX2
/* For each set of eight lanes, where in the next words each of them finds its own; 0x80 gives the
   others 0. */
static void fill_spread(uint8_t spread[256][2 * VECTOR])
{
    memset(spread, 0x80, 256 * 2 * VECTOR);
    for (int set = 0; set < 256; set++)
        for (int lane = 0, taken = 0; lane < VECTOR; lane++)
            if (set >> lane & 1) {
                spread[set][2 * lane] = (uint8_t)(2 * taken);
                spread[set][2 * lane + 1] = (uint8_t)(2 * taken++ + 1);
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

AVX2 static inline __m256 expect_vector(const struct reader *reader, const float *expected,
                                        const float *innovation)
{
    __m256 sum = _mm256_loadu_ps(expected);
    for (int i = 0; i < reader->terms; i++)
        sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(reader->weight[i]),
                                               _mm256_loadu_ps(innovation + reader->offset[i])));
    return sum;
}

AVX2 static inline __m256i entries_at(const struct reader *reader, __m256 expected)
{
    __m256i bits = _mm256_castps_si256(_mm256_max_ps(expected, _mm256_set1_ps(0.5f)));
    bits = _mm256_sub_epi32(_mm256_min_epi32(bits, all(LAST_KEY - 1)), all(FIRST_KEY));
    return gather(reader->entries,
                  _mm256_srl_epi32(bits, _mm_cvtsi32_si128((int)reader->model->dropped)));
}

/* Takes a symbol from the lanes that are active. */
AVX2 static inline __m256i take_vector(struct reader *reader, __m256i *state, __m256i entries,
                                       __m256i active)
{
    __m256i mask = all(RANS_SLOTS - 1);
    __m256i table = _mm256_slli_epi32(_mm256_srli_epi32(entries, 16), RANS_BITS);
    __m256i slot = gather(reader->slots, _mm256_or_si256(table, _mm256_and_si256(*state, mask)));
    __m256i frequency = _mm256_add_epi32(_mm256_srli_epi32(slot, 20), all(1));
    __m256i taken = _mm256_mullo_epi32(frequency, _mm256_srli_epi32(*state, RANS_BITS));
    taken = _mm256_add_epi32(taken, _mm256_and_si256(_mm256_srli_epi32(slot, 8), mask));
    taken = _mm256_blendv_epi8(*state, taken, active);
    __m256i needed = _mm256_cmpgt_epi32(all(RANS_LEAST), taken);
    unsigned set = signs(needed);
    __m128i words = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)reader->word),
                                     _mm_loadu_si128((const __m128i *)reader->spread[set]));
    reader->word += __builtin_popcount(set);
    taken = _mm256_sllv_epi32(taken, _mm256_and_si256(needed, all(16)));
    *state = _mm256_or_si256(taken, _mm256_cvtepu16_epi32(words));
    return _mm256_and_si256(slot, all(255));
}

/* Puts the escapes among the bins in their places. */
static int take_escapes(struct reader *reader, unsigned escaped, int32_t bins[VECTOR])
{
    for (; escaped; escaped &= escaped - 1) {
        if (reader->escape == reader->last_escape)
            return KERNEL_DAMAGED;
        bins[__builtin_ctz(escaped)] = *reader->escape++;
    }
    return 0;
}

/* Eight lanes of a step. At least VECTOR words are left. */
AVX2 static inline int read_vector(struct reader *reader, size_t step, size_t lane, __m256i *state,
                                   uint16_t *bins)
{
    size_t at = step * LANES + lane;
    float *innovation = reader->innovation + step * WIDE + DELAY + lane;
    const int32_t *place = reader->order.place + at;
    __m256i active = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)place), all(-1));
    __m256i entries = entries_at(reader, expect_vector(reader, reader->expected + at, innovation));
    __m256i symbol = take_vector(reader, state, entries, active);
    __m256i bin = _mm256_add_epi32(_mm256_and_si256(entries, all(0xffff)), symbol);
    unsigned set = signs(active);
    unsigned escaped = signs(_mm256_cmpeq_epi32(symbol, all(RANS_ESCAPE))) & set;
    int32_t found[VECTOR];
    _mm256_storeu_si256((__m256i *)found, bin);
    if (escaped) {
        if (take_escapes(reader, escaped, found) < 0)
            return KERNEL_DAMAGED;
        bin = _mm256_loadu_si256((const __m256i *)found);
    }
    __m256i beyond = _mm256_cmpgt_epi32(bin, all((int)reader->model->bins - 1));
    if (signs(beyond) & set)
        return KERNEL_DAMAGED;
    bin = _mm256_and_si256(bin, active); /* the others may be beyond */
    __m256 value = _mm256_castsi256_ps(gather(reader->model->value, bin));
    __m256 change = _mm256_sub_ps(value, _mm256_loadu_ps(reader->reference + at));
    _mm256_storeu_ps(innovation, _mm256_and_ps(change, _mm256_castsi256_ps(active)));
    for (; set; set &= set - 1) {
        int i = __builtin_ctz(set);
        bins[place[i]] = (uint16_t)found[i];
    }
    return 0;
}

/* Reads steps while as many words are left as a step may take; returns the next step. */
AVX2 static int64_t read_steps_avx2(struct reader *reader, uint16_t *bins)
{
    enum { VECTORS = LANES / VECTOR };
    __m256i state[VECTORS];
    size_t step = 0;
    memcpy(state, reader->state, sizeof state);
    for (; step < reader->order.steps && reader->end - reader->word >= LANES + VECTOR; step++) {
        for (size_t i = 0; i < VECTORS; i++)
            if (read_vector(reader, step, i * VECTOR, state + i, bins) < 0)
                return KERNEL_DAMAGED;
        pass_on(reader, step);
    }
    memcpy(reader->state, state, sizeof state);
    return (int64_t)step;
}
#endif

static int read_frame(struct reader *reader, uint16_t *bins)
{
    int64_t step = 0;
#ifdef AVX2
    if (processor_vectors >= VECTORS_AVX2)
        step = read_steps_avx2(reader, bins);
#endif
    if (step < 0)
        return KERNEL_DAMAGED;
    for (; (size_t)step < reader->order.steps; step++)
        if (read_step(reader, (size_t)step, bins) < 0)
            return KERNEL_DAMAGED;
    return 0;
}

static int read_frames(struct reader *reader, struct past *past, size_t frames, uint16_t *bins)
{
    const struct adaptive_model *model = reader->model;
    float weights[FEATURES];
    for (size_t t = 0; t < frames; t++, bins += model->height * model->width) {
        past_weigh(model, t, weights);
        read_weights(reader, weights);
        expect_frame(reader, past, weights);
        reader->entries = reader->all_entries + (t ? keys_of(model) : 0);
        if (read_frame(reader, bins) < 0)
            return KERNEL_DAMAGED;
        if (t + 1 < frames)
            past_learn(past, bins, t, 1);
    }
    return 0;
}

static int is_finished(const struct reader *reader)
{
    for (size_t lane = 0; lane < LANES; lane++)
        if (reader->state[lane] != RANS_LEAST)
            return 0;
    return reader->word == reader->end && reader->escape == reader->last_escape;
}

/* Rooms for a frame in the order of coding. Innovations are read from BACK steps before the first
   one, and written up to a period after the last. */
static int open_reader(struct reader *reader)
{
    size_t steps = reader->order.steps, wide = (BACK + steps + reader->order.period) * WIDE;
    reader->expected = calloc(2 * steps * LANES + wide, sizeof *reader->expected);
    if (!reader->expected)
        return KERNEL_MEMORY;
    reader->reference = reader->expected + steps * LANES;
    reader->innovation = reader->reference + steps * LANES + BACK * WIDE;
#ifdef AVX2
    fill_spread(reader->spread);
#endif
    for (size_t lane = 0; lane < LANES; lane++)
        if (reader->state[lane] < RANS_LEAST || reader->state[lane] >> 31)
            return KERNEL_DAMAGED;
    return check_entries(reader->all_entries, reader->tables, keys_of(reader->model));
}

int adaptive_decode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint32_t *slots, size_t tables, const uint32_t *states,
                    const uint16_t *words, size_t word_count, const uint16_t *escapes,
                    size_t escape_count, size_t frames, uint16_t *bins)
{
    struct past past = {0};
    struct reader reader = {.model = model, .all_entries = entries, .slots = slots,
                            .tables = tables, .word = words, .end = words + word_count,
                            .escape = escapes, .last_escape = escapes + escape_count};
    int error = past_check(model);
    memcpy(reader.state, states, sizeof reader.state);
    if (error || !frames) /* without any, nothing bounds the size of a frame */
        return error;
    if (!(error = order_open(&reader.order, model->height, model->width)) &&
        !(error = past_open(&past, model)) && !(error = open_reader(&reader)))
        error = read_frames(&reader, &past, frames, bins);
    if (!error && frames == model->frames && !is_finished(&reader))
        error = KERNEL_DAMAGED;
    free(past.room);
    free(reader.order.place);
    free(reader.expected);
    return error;
}
