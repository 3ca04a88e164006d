/* What an encoder fits a model of: products of features, keys, and counts of symbols. */
#include "adaptive.h"

enum { BLOCK = 4 }; /* rows that are sampled together */

/* The innovations of row y of a frame; those before the first row of a frame are to be 0. */
WIDE_ROWS static void innovate(struct past *past, const uint16_t *bins, size_t y)
{
    float *restrict row = past->innovation[y % (ABOVE + 1)];
    const float *restrict value = past->model->value, *restrict reference = past->reference;
    for (size_t x = 0, width = past->model->width; x < width; x++)
        row[x] = value[bins[x]] - reference[x];
}

static void rows_within(const struct past *past, size_t y, const float *rows[FEATURES - WITHIN])
{
    for (int i = 0; i < FEATURES - WITHIN; i++)
        rows[i] = past->innovation[(y + ABOVE + 1 - (size_t)past_within[i][0]) % (ABOVE + 1)] +
                  past_within[i][1];
}

static void forget_rows(struct past *past)
{
    float *first = past->innovation[0] - MARGIN;
    memset(first, 0, (ABOVE + 1) * past->stride * sizeof *first);
}

static int open_fitting(struct past *past, const struct adaptive_model *model,
                        const uint16_t *bins)
{
    size_t highest = 0;
    for (size_t i = 0; i < model->frames * model->height * model->width; i++)
        highest = bins[i] > highest ? bins[i] : highest;
    if (past_check(model) < 0 || highest >= model->bins)
        return KERNEL_MISFIT;
    return past_open(past, model);
}

/* Adds the products of a row with eight others, `stride` apart. */
WIDE_ROWS static void add_eight(const float *restrict one, const float *restrict others,
                                size_t stride, size_t count, double *products)
{
    float sums[8][VECTOR] = {{0}};
    size_t x = 0;
    for (; x + VECTOR <= count; x += VECTOR)
        for (size_t k = 0; k < 8; k++)
            for (size_t i = 0; i < VECTOR; i++)
                sums[k][i] += one[x + i] * others[k * stride + x + i];
    for (; x < count; x++)
        for (size_t k = 0; k < 8; k++)
            sums[k][0] += one[x] * others[k * stride + x];
    for (size_t k = 0; k < 8; k++)
        for (size_t i = 0; i < VECTOR; i++)
            products[k] += sums[k][i];
}

/* Pixels of rows that are sampled together: for each feature, and the value, `length` of them. */
struct sample {
    float *feature, *precision, *weighted;
    size_t count, length;
};

/* Takes the features and the value of a row, less the long mean, into a sample. */
WIDE_ROWS static void sample_row(const struct past *past, const uint16_t *bins, size_t y,
                                 const float *precision, const float *rows[FEATURES],
                                 struct sample *sample)
{
    const struct adaptive_model *model = past->model;
    const float *lasting = rows[LONG], *near = rows[LONG_NEAR], *value = model->value;
    size_t width = model->width;
    float *weight = sample->precision + sample->count;
    rows_within(past, y, rows + WITHIN);
    for (size_t i = 0; i <= FEATURES; i++) {
        float *restrict to = sample->feature + i * sample->length + sample->count;
        for (size_t x = 0; x < width; x++)
            to[x] = i == 0          ? 16.0f
                    : i == LONG     ? lasting[x] - model->start
                    : i < GATED     ? rows[i][x] - lasting[x]
                    : i == FEATURES ? value[bins[x]] - lasting[x]
                                    : rows[i][x];
    }
    for (size_t x = 0; x < width; x++)
        weight[x] = precision[key_of(near[x], model->dropped)];
    sample->count += width;
}

/* Only those of features and of later ones; rows of products are padded to eights. */
WIDE_ROWS static void add_products(const struct sample *sample, double *products)
{
    size_t length = sample->length, count = sample->count;
    float *restrict weighted = sample->weighted;
    for (size_t i = 0; i <= FEATURES; i++) {
        const float *restrict row = sample->feature + i * length;
        const float *restrict precision = sample->precision;
        for (size_t x = 0; x < count; x++)
            weighted[x] = precision[x] * row[x];
        for (size_t j = i / 8 * 8; j <= FEATURES; j += 8)
            add_eight(weighted, sample->feature + j * length, length, count,
                      products + i * ADAPTIVE_PRODUCTS + j);
    }
}

/* Takes blocks of four rows from a frame, every `every`-th; the three rows above each are needed
   for their innovations. Returns how many rows there were. */
static uint32_t sample_frame(struct past *past, const uint16_t *bins, size_t t, size_t every,
                             const float *precision, struct sample *sample, double *products)
{
    size_t height = past->model->height, width = past->model->width;
    const float *rows[FEATURES];
    uint32_t sampled = 0;
    for (size_t block = (every - 7 * t % every) % every; block * BLOCK < height; block += every) {
        size_t first = block * BLOCK;
        forget_rows(past);
        sample->count = 0;
        for (size_t y = first > ABOVE ? first - ABOVE : 0; y < smaller(first + BLOCK, height); y++) {
            past_features(past, y, y >= first, rows);
            innovate(past, bins + y * width, y);
            if (y < first)
                continue;
            sample_row(past, bins + y * width, y, precision, rows, sample);
            sampled++;
        }
        add_products(sample, products);
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

int adaptive_products(const struct adaptive_model *model, const uint16_t *bins,
                      const float *precision, const uint32_t *every, double *products,
                      uint32_t *sampled, size_t samples)
{
    struct past past;
    size_t pixels = model->height * model->width;
    int error = samples ? open_fitting(&past, model, bins) : KERNEL_MISFIT;
    if (error)
        return error;
    size_t length = BLOCK * model->width;
    float *room = calloc((ADAPTIVE_PRODUCTS + 2) * length, sizeof *room);
    struct sample sample = {room, room + ADAPTIVE_PRODUCTS * length,
                            room + (ADAPTIVE_PRODUCTS + 1) * length, 0, length};
    for (size_t t = 0; room && t < model->frames; t++) {
        size_t step = every[epoch_of(t)] ? every[epoch_of(t)] : 1;
        size_t at = sample_of(t, model->frames, samples);
        sampled[at] += sample_frame(&past, bins + t * pixels, t, step, precision, &sample,
                                    products + at * (FEATURES + 1) * ADAPTIVE_PRODUCTS);
        past_learn(&past, bins + t * pixels, t);
    }
    free(room);
    free(past.room);
    return room ? 0 : KERNEL_MEMORY;
}

/* The keys of a row, how often each occurs, and the squares of what is off the prediction. */
WIDE_ROWS static void key_row(const struct past *past, const uint16_t *bins, uint16_t *keys,
                    uint32_t *counts, double *squares)
{
    const float *restrict expected = past->expected, *restrict value = past->model->value;
    size_t width = past->model->width;
    uint32_t dropped = past->model->dropped;
    for (size_t x = 0; x < width; x++)
        keys[x] = (uint16_t)key_of(expected[x], dropped);
    for (size_t x = 0; counts && x < width; x++) {
        float off = value[bins[x]] - expected[x];
        counts[keys[x]]++;
        squares[keys[x]] += off * off;
    }
}

int adaptive_keys(const struct adaptive_model *model, const uint16_t *bins, uint16_t *keys,
                  uint32_t *counts, double *squares)
{
    enum { EVERY = 4 }; /* rows of the frames after the first that are counted */
    struct past past;
    float weights[FEATURES];
    const float *rows[FEATURES - WITHIN];
    size_t width = model->width, pixels = model->height * width, all = keys_of(model);
    int error = open_fitting(&past, model, bins);
    if (error)
        return error;
    for (size_t t = 0; t < model->frames; t++, bins += pixels, keys += pixels) {
        past_weigh(model, t, weights);
        forget_rows(&past);
        for (size_t y = 0; y < model->height; y++) {
            int counted = !t || (y + t) % EVERY == 0;
            past_predict(&past, y, weights);
            innovate(&past, bins + y * width, y);
            rows_within(&past, y, rows);
            past_add(past.expected, rows, weights + WITHIN, FEATURES - WITHIN, width);
            key_row(&past, bins + y * width, keys + y * width,
                    counted ? counts + (t ? all : 0) : NULL, squares + (t ? all : 0));
        }
        past_learn(&past, bins, t);
    }
    free(past.room);
    return 0;
}

/* The levels of keys are those of the first frame, then those of the others. */
int adaptive_count(const uint16_t *bins, const uint16_t *keys, size_t frames, size_t pixels,
                   const uint16_t *level, size_t all, const uint16_t *base, size_t levels,
                   uint32_t *counts)
{
    for (size_t t = 0; t < frames; t++, level += t == 1 ? all : 0)
        for (size_t i = t * pixels; i < (t + 1) * pixels; i++) {
            if (keys[i] >= all || level[keys[i]] >= levels)
                return KERNEL_MISFIT;
            size_t row = level[keys[i]];
            uint32_t symbol = (uint32_t)bins[i] - base[row]; /* below the base: a large number */
            counts[row * RANS_SYMBOLS + smaller(symbol, RANS_ESCAPE)]++;
        }
    return 0;
}
