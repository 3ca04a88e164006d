/* SPDX-License-Identifier: MIT */
/* What an encoder fits a model of: products of features, keys, and counts of symbols. */
#include "adaptive.h"

enum { BLOCK = 4, REACH = ABOVE + BELOW }; /* rows: sampled together, and needed above them */

static int open_fitting(struct past *past, const struct adaptive_model *model, const void *bins,
                        size_t itemsize)
{
    size_t numbers = model->frames * model->height * model->width;
    if (past_check(model) < 0 || highest_of(bins, itemsize, numbers) >= model->bins)
        return KERNEL_MISFIT;
    return past_open(past, model, bins, itemsize);
}

/* Pixels of rows that are sampled together: for each feature, and the value, `length` of them. */
struct sample {
    float *feature, *scale;
    size_t count, length;
};

/* Takes the features and the value of a row, less the long mean, into a sample, in standard
   deviations of the noise. */
static inline void sample_row(const struct past *past, const float *scales,
                              const float *const *rows, struct sample *sample)
{
    const struct adaptive_model *model = past->model;
    const float *restrict lasting = rows[LONG], *near = rows[LONG_NEAR], *value = past->value;
    size_t width = model->width, length = sample->length;
    float start = model->start, *restrict scale = sample->scale;
    float *restrict to = sample->feature + sample->count;
    for (size_t x = 0; x < width; x++)
        scale[x] = scales[key_of(near[x], model->dropped)];
    for (size_t x = 0; x < width; x++) {
        to[x] = scale[x] * 16.0f;
        to[LONG * length + x] = scale[x] * (lasting[x] - start);
        to[FEATURES * length + x] = scale[x] * (value[x] - lasting[x]);
    }
    for (size_t i = LONG + 1; i < FEATURES; i++) {
        const float *restrict row = rows[i];
        float *restrict here = to + i * length;
        for (size_t x = 0; x < width && i < GATED; x++)
            here[x] = scale[x] * (row[x] - lasting[x]);
        for (size_t x = 0; x < width && i >= GATED; x++)
            here[x] = scale[x] * row[x];
    }
    sample->count += width;
}

enum { ACROSS = 4, WIDTH = 16 }; /* rows that are multiplied together, sums that are added last */

/* Adds the products of a row with four others, `stride` apart: sixteen sums each, which are added
   in an order that vectors of sixteen have, too. */
static inline void add_four(const float *restrict one, const float *restrict others,
                            size_t stride, size_t count, double *products)
{
    float sums[ACROSS][WIDTH] = {{0}};
    for (size_t x = 0; x < count; x += WIDTH)
        for (size_t k = 0; k < ACROSS; k++)
            for (size_t i = 0; i < WIDTH; i++)
                sums[k][i] += one[x + i] * others[k * stride + x + i];
    for (size_t k = 0; k < ACROSS; k++) {
        const float *of = sums[k];
        float four[4];
        for (size_t i = 0; i < 4; i++)
            four[i] = (of[4 * i] + of[4 * i + 2]) + (of[4 * i + 1] + of[4 * i + 3]);
        products[k] += (four[0] + four[2]) + (four[1] + four[3]);
    }
}

#ifdef AVX2
AVX2 static void sample_row_avx2(const struct past *past, const float *scales,
                                 const float *const *rows, struct sample *sample)
{
    sample_row(past, scales, rows, sample);
}

AVX2 static void add_four_avx2(const float *one, const float *others, size_t stride, size_t count,
                               double *products)
{
    add_four(one, others, stride, count, products);
}


enum { DOWN = 6 }; /* rows of a tile of products, whose sums are in registers */

/* The sum of each of four vectors. */
AVX512 static inline __m128 sums_of(const __m512 of[ACROSS])
{
    __m512 low = _mm512_add_ps(_mm512_unpacklo_ps(of[0], of[1]), _mm512_unpackhi_ps(of[0], of[1]));
    __m512 high = _mm512_add_ps(_mm512_unpacklo_ps(of[2], of[3]), _mm512_unpackhi_ps(of[2], of[3]));
    __m512 both = _mm512_add_ps(_mm512_shuffle_ps(low, high, 0x44),
                                _mm512_shuffle_ps(low, high, 0xee));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(both),
                                _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(both), 1)));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

AVX512 static void add_tile(const struct sample *sample, size_t count, size_t row, size_t column,
                            double *products)
{
    const float *one = sample->feature + row * sample->length;
    const float *other = sample->feature + column * sample->length;
    __m512 sums[DOWN][ACROSS];
    for (int i = 0; i < DOWN; i++)
        for (int k = 0; k < ACROSS; k++)
            sums[i][k] = _mm512_setzero_ps();
    for (size_t x = 0; x < count; x += WIDTH) {
        __m512 across[ACROSS];
        for (size_t k = 0; k < ACROSS; k++)
            across[k] = _mm512_loadu_ps(other + k * sample->length + x);
        for (size_t i = 0; i < DOWN; i++) {
            __m512 down = _mm512_loadu_ps(one + i * sample->length + x);
            for (size_t k = 0; k < ACROSS; k++)
                sums[i][k] = _mm512_add_ps(sums[i][k], _mm512_mul_ps(down, across[k]));
        }
    }
    for (size_t i = 0; i < DOWN && row + i <= FEATURES; i++) {
        double *to = products + (row + i) * ADAPTIVE_PRODUCTS + column;
        __m256d found = _mm256_cvtps_pd(sums_of(sums[i]));
        _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), found));
    }
}
#endif

/* Only those of features and of later ones, at least; others are needless. */
static void add_products(struct sample *sample, double *products)
{
    size_t length = sample->length, rest = -sample->count % WIDTH;
    for (size_t i = 0; i < ADAPTIVE_PRODUCTS; i++)
        memset(sample->feature + i * length + sample->count, 0, rest * sizeof(float));
    size_t count = sample->count + rest;
    sample->count = 0;
#ifdef AVX2
    for (size_t i = 0; i <= FEATURES && processor_vectors == VECTORS_AVX512; i += DOWN)
        for (size_t j = i / ACROSS * ACROSS; j <= FEATURES; j += ACROSS)
            add_tile(sample, count, i, j, products);
    if (processor_vectors == VECTORS_AVX512)
        return;
#endif
    for (size_t i = 0; i <= FEATURES; i++)
        for (size_t j = i / ACROSS * ACROSS; j <= FEATURES; j += ACROSS)
            WITH_AVX2(add_four, sample->feature + i * length, sample->feature + j * length, length,
                      count, products + i * ADAPTIVE_PRODUCTS + j);
}

/* Of the rows of the first block of a frame that is sampled. */
static inline size_t first_row(size_t t, size_t every)
{
    return (every - 7 * t % every) % every * BLOCK;
}

/* Notes the last frame before which each row is needed. */
static void note_needed(const struct adaptive_model *model, const uint32_t *every, uint32_t *until)
{
    memset(until, 0, model->height * sizeof *until);
    for (size_t t = 1; t < model->frames; t++) {
        size_t step = every[epoch_of(t)], first = first_row(t, step);
        for (; first < model->height; first += step * BLOCK)
            for (size_t y = first > REACH ? first - REACH : 0;
                 y < smaller(first + BLOCK + BELOW, model->height); y++)
                until[y] = (uint32_t)t;
    }
}

/* Takes blocks of four rows from a frame, every `every`-th; the three rows above each are needed
   for their innovations, and three more on both sides for what is blurred. Returns how many rows
   there were. */
static uint32_t sample_frame(struct past *past, size_t t, size_t every, const uint32_t *until,
                             const float *scales, struct sample *sample, double *products)
{
    size_t height = past->model->height;
    size_t first = first_row(t, every); /* of the next block */
    const float *rows[FEATURES];
    uint32_t sampled = 0;
    past_forget(past);
    for (size_t below = 0, y; below < height + BELOW; below++) {
        if (below < height && t <= until[below])
            past_learn(past, t, below);
        if (below + BELOW + 1 >= first &&
            (below < first + BLOCK + BELOW || below + BELOW + 1 >= first + every * BLOCK))
            past_blur(past, (ptrdiff_t)below - 1);
        if (below < BELOW || (y = below - BELOW) + ABOVE < first)
            continue;
        past_features(past, y, y >= first, rows);
        past_innovate(past, t, y);
        if (y < first)
            continue;
        WITH_AVX2(sample_row, past, scales, rows, sample);
        sampled++;
        if (y + 1 == smaller(first + BLOCK, height)) {
            add_products(sample, products);
            first += every * BLOCK;
        }
    }
    return sampled;
}

/* Where the products of a frame go. */
static size_t sample_of(size_t t, size_t frames, size_t samples)
{
    if (t < ADAPTIVE_ALONE || samples <= ADAPTIVE_ALONE)
        return smaller(t, samples - 1);
    size_t room = samples - ADAPTIVE_ALONE, rest = frames - ADAPTIVE_ALONE;
    return ADAPTIVE_ALONE + (t - ADAPTIVE_ALONE) / ((rest + room - 1) / room);
}

int adaptive_products(const struct adaptive_model *model, const void *bins, size_t itemsize,
                      const float *scales, const uint32_t *every, double *products,
                      uint32_t *sampled, size_t samples)
{
    struct past past;
    int error = samples ? 0 : KERNEL_MISFIT;
    for (size_t i = 0; i < ADAPTIVE_EPOCHS; i++)
        error = every[i] ? error : KERNEL_MISFIT;
    error = error ? error : open_fitting(&past, model, bins, itemsize);
    if (error)
        return error;
    size_t length = BLOCK * model->width + WIDTH; /* and padding */
    float *room = calloc((ADAPTIVE_PRODUCTS + 1) * length, sizeof *room);
    uint32_t *until = malloc(model->height * sizeof *until);
    struct sample sample = {room, room + ADAPTIVE_PRODUCTS * length, 0, length};
    if (room && until)
        note_needed(model, every, until);
    for (size_t t = 0; room && until && t < model->frames; t++) {
        size_t at = sample_of(t, model->frames, samples);
        sampled[at] += sample_frame(&past, t, every[epoch_of(t)], until, scales, &sample,
                                    products + at * (FEATURES + 1) * ADAPTIVE_PRODUCTS);
    }
    error = room && until ? 0 : KERNEL_MEMORY;
    free(until);
    free(room);
    free(past.room);
    return error;
}

/* How often each key of a row occurs, and the squares of what is off the prediction, which is 1 more
   than `scale` times what is expected. */
static void count_row(const struct past *past, const uint16_t *keys, float scale, uint32_t *counts,
                      double *squares)
{
    const float *expected = past->expected, *value = past->value;
    for (size_t x = 0; x < past->model->width; x++) {
        float off = (value[x] - 1.0f) - (expected[x] - 1.0f) / scale;
        counts[keys[x]]++;
        squares[keys[x]] += off * off;
    }
}

int adaptive_keys(const struct adaptive_model *model, const void *bins, size_t itemsize,
                  uint16_t *keys, float scale, size_t every, uint32_t *counts, double *squares)
{
    struct past past;
    float weights[FEATURES];
    size_t height = model->height, all = keys_of(model);
    int error = every ? open_fitting(&past, model, bins, itemsize) : KERNEL_MISFIT;
    if (error)
        return error;
    for (size_t t = 0; t < model->frames; t++) {
        size_t from = t ? all : 0;
        past_weigh(model, t, weights);
        past_forget(&past);
        for (size_t below = 0; below < height + BELOW; below++) {
            past_learn(&past, t, below);
            past_blur(&past, (ptrdiff_t)below - 1);
            if (below < BELOW)
                continue;
            size_t y = below - BELOW;
            past_expect(&past, t, y, weights, keys);
            if (!t || (y + t) % every == 0)
                count_row(&past, keys, scale, counts + from, squares + from);
            keys += model->width;
        }
    }
    free(past.room);
    return 0;
}

int adaptive_count(const void *bins, size_t itemsize, const uint16_t *keys, size_t frames,
                   size_t pixels, const uint32_t *entries, size_t all, size_t levels, size_t every,
                   uint32_t *counts)
{
    enum { PART = 1024 }; /* pixels */
    uint32_t place[PART];
    uint16_t room[PART];
    if (!every || every > UINT32_MAX || check_entries(entries, levels, all) < 0)
        return KERNEL_MISFIT;
    for (size_t t = 0; t < frames; t++, keys += pixels, entries += t == 1 ? all : 0)
        for (size_t i = t ? t % every * PART : 0; i < pixels; i += t ? every * PART : PART) {
            size_t count = smaller(PART, pixels - i);
            if (highest_of(keys + i, sizeof *keys, count) >= all)
                return KERNEL_MISFIT;
            encode_places(entries, words_of(bins, itemsize, t * pixels + i, count, room), keys + i,
                          count, place, 1);
            for (size_t k = 0; k < count; k++)
                counts[place[k]]++;
        }
    return 0;
}
