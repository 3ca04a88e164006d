/* Codes chunks whose pixels are predicted from the frames before and the pixels above and to the
   left: docs/reference/format.md, "The adaptive layout".

   Float arithmetic in the documented order, never fused: compiled with -ffp-contract=off. */
#include "processor.h"
#include "rans.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "float arithmetic must be rounded to float: compile with -msse2 -mfpmath=sse"
#endif

/* Rows are worked on by eight pixels at a time where AVX2 is at hand: the same operations. */
#if defined(AVX2) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_ROWS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_ROWS
#endif

enum {
    LANES = ADAPTIVE_LANES,
    FEATURES = ADAPTIVE_FEATURES,
    LONG_MEAN = 64,
    FIRST_KEY = 0x3f000000, /* the bits of .5f */
    LAST_KEY = 0x48000000,  /* of 2^17, which no key reaches */
    WEIGHT_LIMIT = 1 << 24,
    EDGE = 3,               /* pixels that a row is continued by at both ends */
    MARGIN = 4,             /* room for them, at least */
    DELAY = 4,              /* steps from a lane to the next one, which codes the row below */
    ABOVE = 3,              /* rows above that a pixel is predicted from */
    WIDE = LANES + DELAY,   /* innovations of a step: of rows above the first lane, then of lanes */
    BACK = 16,              /* steps before that a step looks back upon: 3 * DELAY + 2 */
    VECTOR = 8,
    BLOCK = 4,              /* rows that are sampled together */
};

/* Features: the constant; means over time and, near and far, over neighbours; the last frame; the
   long mean about the pixel; gated differences; and innovations in the frame itself. */
enum {
    LONG = 1, LONG_NEAR, LONG_FAR, SHORT, SHORT_NEAR, SHORT_FAR,
    LAST, AROUND = LAST + 9, GATED = AROUND + 8, WITHIN = GATED + 5,
};

/* Rows up and columns right of the pixels whose innovations are features. */
static const int8_t within[FEATURES - WITHIN][2] = {
    {3, 0}, {2, -2}, {2, -1}, {2, 0}, {2, 1}, {2, 2}, {1, -3}, {1, -2},
    {1, -1}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {0, -3}, {0, -2}, {0, -1},
};

/* What is known before a frame: images of rows `stride` apart, and rows of what is made of them. */
struct past {
    const struct adaptive_model *model;
    float *room;
    size_t stride;
    float *mean[2], *near[2], *last;                   /* images; the long mean is the first */
    float *sum, *far[2], *reference, *gated, *expected; /* rows; `gated` are five, after the gate */
    float *innovation[ABOVE + 1];                      /* rows of a frame, in turn */
};

static size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

/* ---------------------------------------------------------------------------- prediction */

static int open_past(struct past *past, const struct adaptive_model *model)
{
    enum { IMAGES = 5, ROWS = 11 + ABOVE + 1 };
    size_t stride = model->width + 2 * MARGIN, image = stride * model->height;
    float *room = malloc((IMAGES * image + ROWS * stride) * sizeof *room);
    *past = (struct past){.model = model, .room = room, .stride = stride};
    if (!room)
        return KERNEL_MEMORY;
    for (size_t i = 0; i < IMAGES * image; i++)
        room[i] = model->start;
    memset(room + IMAGES * image, 0, ROWS * stride * sizeof *room);
    float **images[IMAGES] = {past->mean, past->mean + 1, past->near, past->near + 1, &past->last};
    for (int i = 0; i < IMAGES; i++, room += image)
        *images[i] = room + MARGIN;
    float **rows[] = {&past->sum, past->far, past->far + 1, &past->reference, &past->expected};
    for (int i = 0; i < 5; i++, room += stride)
        *rows[i] = room + MARGIN;
    for (int i = 0; i <= ABOVE; i++, room += stride)
        past->innovation[i] = room + MARGIN;
    past->gated = room + MARGIN;
    return 0;
}

/* Row y of an image, or the nearest there is. */
static const float *row_of(const struct past *past, const float *image, ptrdiff_t y)
{
    ptrdiff_t last = (ptrdiff_t)past->model->height - 1;
    return image + (size_t)(y < 0 ? 0 : y > last ? last : y) * past->stride;
}

static void continue_row(float *row, size_t width)
{
    for (size_t i = 1; i <= EDGE; i++) {
        row[-(ptrdiff_t)i] = row[0];
        row[width - 1 + i] = row[width - 1];
    }
}

/* Row y of an image, weighted 1 2 1 with those `distance` above and below, left and right. */
WIDE_ROWS static void blur_row(const struct past *past, const float *image, size_t y, ptrdiff_t distance,
                     float *restrict to)
{
    const float *restrict above = row_of(past, image, (ptrdiff_t)y - distance);
    const float *restrict here = row_of(past, image, (ptrdiff_t)y);
    const float *restrict below = row_of(past, image, (ptrdiff_t)y + distance);
    float *restrict sum = past->sum;
    ptrdiff_t width = (ptrdiff_t)past->model->width;
    for (ptrdiff_t x = -distance; x < width + distance; x++)
        sum[x] = (above[x] + below[x]) + (here[x] + here[x]);
    for (ptrdiff_t x = 0; x < width; x++)
        to[x] = ((sum[x - distance] + sum[x + distance]) + (sum[x] + sum[x])) * 0.0625f;
}

WIDE_ROWS static void learn_row(struct past *past, const uint16_t *bins, size_t y, float rate, float half)
{
    size_t width = past->model->width;
    float *restrict lasting = past->mean[0] + y * past->stride;
    float *restrict brief = past->mean[1] + y * past->stride;
    float *restrict last = past->last + y * past->stride;
    const float *value = past->model->value;
    for (size_t x = 0; x < width; x++)
        last[x] = value[bins[x]];
    for (size_t x = 0; x < width; x++) {
        lasting[x] = lasting[x] + (last[x] - lasting[x]) * rate;
        brief[x] = brief[x] + (last[x] - brief[x]) * half;
    }
    continue_row(lasting, width);
    continue_row(brief, width);
    continue_row(last, width);
}

/* Takes a frame, the t-th, into the means. */
static void learn(struct past *past, const uint16_t *bins, size_t t)
{
    size_t width = past->model->width, height = past->model->height;
    float rate = 1.0f / (float)smaller(t + 1, LONG_MEAN), half = t ? 0.5f : 1.0f;
    for (size_t y = 0; y <= height; y++) {
        if (y < height)
            learn_row(past, bins + y * width, y, rate, half);
        for (int i = 0; y && i < 2; i++) {
            float *near = past->near[i] + (y - 1) * past->stride;
            blur_row(past, past->mean[i], y - 1, 1, near);
            continue_row(near, width);
        }
    }
}

/* The gate is near 1 where the brightness has changed by more than the noise, else near 0. */
WIDE_ROWS static void gate_row(struct past *past, const float *rows[WITHIN])
{
    const struct adaptive_model *model = past->model;
    const float *restrict near = rows[LONG_NEAR], *restrict long_far = rows[LONG_FAR];
    const float *restrict short_far = rows[SHORT_FAR], *restrict reference = past->reference;
    float *restrict gate = past->gated;
    float offset = model->gate[0], slope = model->gate[1], least = model->gate[2];
    size_t width = model->width;
    for (size_t x = 0; x < width; x++) {
        float change = short_far[x] - long_far[x], noise = offset + slope * near[x];
        noise = noise > least ? noise : least;
        float square = change * change;
        gate[x] = square / (square + noise);
    }
    static const int gated[] = {LONG, LONG_FAR, SHORT, SHORT_FAR};
    for (int i = 0; i < 4; i++) {
        float *restrict to = gate + (size_t)(i + 1) * past->stride;
        const float *restrict row = rows[gated[i]];
        for (size_t x = 0; x < width; x++)
            to[x] = gate[x] * (row[x] - reference[x]);
        rows[GATED + i] = to;
    }
    rows[GATED + 4] = gate;
}

static int is_gated(const float *weights)
{
    int gated = 0;
    for (int i = GATED; i < WITHIN; i++)
        gated |= weights[i] != 0;
    return gated;
}

/* The features of row y but the constant and those within the frame, and the reference. */
WIDE_ROWS static void feature_rows(struct past *past, size_t y, int gated, const float *rows[WITHIN])
{
    for (int i = 0; i < 2; i++) {
        blur_row(past, past->near[i], y, 2, past->far[i]);
        rows[LONG + 3 * i] = past->mean[i] + y * past->stride;
        rows[LONG_NEAR + 3 * i] = past->near[i] + y * past->stride;
        rows[LONG_FAR + 3 * i] = past->far[i];
    }
    float *restrict reference = past->reference;
    const float *restrict long_near = rows[LONG_NEAR], *restrict short_far = past->far[1];
    for (size_t x = 0, width = past->model->width; x < width; x++)
        reference[x] = 0.5f * (long_near[x] + short_far[x]);
    for (int i = 0, k = AROUND; i < 9; i++) {
        rows[LAST + i] = row_of(past, past->last, (ptrdiff_t)y + i / 3 - 1) + i % 3 - 1;
        if (i != 4)
            rows[k++] = row_of(past, past->mean[0], (ptrdiff_t)y + i / 3 - 1) + i % 3 - 1;
    }
    if (gated)
        gate_row(past, rows);
}

/* Adds weighted rows one after the other; those of weight 0 are left out. */
WIDE_ROWS static void add_rows(float *restrict to, const float *const *rows, const float *weights, int count,
                     size_t width)
{
    const float *row[4];
    float weight[4];
    int taken = 0;
    for (int i = 0; i < count; i++) {
        if (weights[i] != 0) {
            row[taken] = rows[i];
            weight[taken++] = weights[i];
        }
        if (taken == 4) {
            const float *restrict a = row[0], *restrict b = row[1];
            const float *restrict c = row[2], *restrict d = row[3];
            for (size_t x = 0; x < width; x++)
                to[x] = (((to[x] + weight[0] * a[x]) + weight[1] * b[x]) + weight[2] * c[x]) +
                        weight[3] * d[x];
            taken = 0;
        }
    }
    for (int i = 0; i < taken; i++)
        for (size_t x = 0; x < width; x++)
            to[x] = to[x] + weight[i] * row[i][x];
}

/* What row y is expected to be before any of its frame is known. */
static void predict_row(struct past *past, size_t y, const float *weights)
{
    const float *rows[WITHIN];
    float *expected = past->expected, constant = weights[0] * 16.0f;
    size_t width = past->model->width;
    feature_rows(past, y, is_gated(weights), rows);
    for (size_t x = 0; x < width; x++)
        expected[x] = constant;
    add_rows(expected, rows + 1, weights + 1, WITHIN - 1, width);
}

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
        rows[i] = past->innovation[(y + ABOVE + 1 - (size_t)within[i][0]) % (ABOVE + 1)] +
                  within[i][1];
}

static void forget_rows(struct past *past)
{
    float *first = past->innovation[0] - MARGIN;
    memset(first, 0, (ABOVE + 1) * past->stride * sizeof *first);
}

/* Frames 0, 1, 2-3, 4-7, 8-15, and those from 16 on share their weights. */
static size_t epoch_of(size_t t)
{
    size_t epoch = 0;
    while (t && epoch < ADAPTIVE_EPOCHS - 1) {
        epoch++;
        t >>= 1;
    }
    return epoch;
}

static void weigh(const struct adaptive_model *model, size_t t, float weights[FEATURES])
{
    for (int i = 0; i < FEATURES; i++)
        weights[i] = (float)model->weights[epoch_of(t) * FEATURES + (size_t)i] * 0x1p-10f;
}

/* The bits of an expected value from .5 to 2^17, without the dropped ones; NaN counts as .5. */
static inline uint32_t key_of(float expected, uint32_t dropped)
{
    uint32_t bits;
    expected = expected > 0.5f ? expected : 0.5f;
    memcpy(&bits, &expected, sizeof bits);
    bits = bits < LAST_KEY ? bits : LAST_KEY - 1;
    return (bits - FIRST_KEY) >> dropped;
}

static size_t keys_of(const struct adaptive_model *model)
{
    return ADAPTIVE_KEYS(model->dropped);
}

static int check_model(const struct adaptive_model *model)
{
    if (!model->frames || !model->height || model->width < ADAPTIVE_WIDTH ||
        model->width > ADAPTIVE_WIDEST || !model->bins || model->bins > 1 << 16 || model->dropped < 12 || model->dropped > 14)
        return KERNEL_DAMAGED;
    for (size_t i = 0; i < ADAPTIVE_EPOCHS * FEATURES; i++)
        if (model->weights[i] <= -WEIGHT_LIMIT || model->weights[i] >= WEIGHT_LIMIT)
            return KERNEL_DAMAGED;
    return 0;
}

/* --------------------------------------------------------------------------------- fitting */

static int open_fitting(struct past *past, const struct adaptive_model *model,
                        const uint16_t *bins)
{
    size_t highest = 0;
    for (size_t i = 0; i < model->frames * model->height * model->width; i++)
        highest = bins[i] > highest ? bins[i] : highest;
    if (check_model(model) < 0 || highest >= model->bins)
        return KERNEL_MISFIT;
    return open_past(past, model);
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
            feature_rows(past, y, y >= first, rows);
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
        learn(&past, bins + t * pixels, t);
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
        weigh(model, t, weights);
        forget_rows(&past);
        for (size_t y = 0; y < model->height; y++) {
            int counted = !t || (y + t) % EVERY == 0;
            predict_row(&past, y, weights);
            innovate(&past, bins + y * width, y);
            rows_within(&past, y, rows);
            add_rows(past.expected, rows, weights + WITHIN, FEATURES - WITHIN, width);
            key_row(&past, bins + y * width, keys + y * width,
                    counted ? counts + (t ? all : 0) : NULL, squares + (t ? all : 0));
        }
        learn(&past, bins, t);
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

/* ---------------------------------------------------------------------------------- order */

/* Lane i codes rows i, i + 16, ... of a frame, a pixel in a step, each row DELAY steps after the
   row above, so that all pixels of `within` are known. A lane waits between two rows for DELAY
   steps at least, whose innovations are 0. `place` has the pixel of each step and lane, or -1. */
struct order {
    size_t period, steps;
    int32_t *place;
};

static int open_order(struct order *order, size_t height, size_t width)
{
    size_t rounds = (height + LANES - 1) / LANES, lane_delay = (LANES - 1) * DELAY;
    order->period = width + DELAY > LANES * DELAY ? width + DELAY : LANES * DELAY;
    order->steps = (rounds - 1) * order->period + lane_delay + width;
    order->place = malloc(order->steps * LANES * sizeof *order->place);
    if (!order->place)
        return KERNEL_MEMORY;
    memset(order->place, 0xff, order->steps * LANES * sizeof *order->place);
    for (size_t y = 0; y < height; y++) {
        size_t first = y / LANES * order->period + y % LANES * DELAY;
        for (size_t x = 0; x < width; x++)
            order->place[(first + x) * LANES + y % LANES] = (int32_t)(y * width + x);
    }
    return 0;
}

/* ------------------------------------------------------------------------------- encoding */

struct writer {
    const struct rans_code *codes;
    uint32_t state[LANES];
    uint16_t *word, *escape; /* both are written from the end */
};

static int write_pixel(struct writer *writer, uint32_t *state, uint16_t bin, uint32_t entry)
{
    const struct rans_code *codes = writer->codes + (size_t)(entry >> 16) * RANS_SYMBOLS;
    uint32_t symbol = (uint32_t)bin - (entry & 0xffff);
    if (symbol >= RANS_ESCAPE || !codes[symbol].limit) {
        *--writer->escape = bin;
        symbol = RANS_ESCAPE;
        if (!codes[symbol].limit)
            return KERNEL_MISFIT;
    }
    *state = rans_put(*state, codes + symbol, &writer->word);
    return 0;
}

static int write_frame(struct writer *writer, const struct order *order, const uint16_t *bins,
                       const uint16_t *keys, const uint32_t *entries)
{
    for (size_t step = order->steps; step-- > 0;) {
        const int32_t *place = order->place + step * LANES;
        for (size_t lane = LANES; lane-- > 0;)
            if (place[lane] >= 0 &&
                write_pixel(writer, writer->state + lane, bins[place[lane]],
                            entries[keys[place[lane]]]) < 0)
                return KERNEL_MISFIT;
    }
    return 0;
}

static int check_entries(const uint32_t *entries, size_t tables, size_t all)
{
    for (size_t i = 0; i < 2 * all; i++)
        if (entries[i] >> 16 >= tables)
            return KERNEL_DAMAGED;
    return 0;
}

/* `words` and `escapes` have room for a pixel each, and `words` for one more; both are filled from
   their ends. */
int adaptive_encode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint16_t *frequencies, size_t tables, const uint16_t *bins,
                    const uint16_t *keys, uint32_t *states, uint16_t *words, uint16_t *escapes,
                    uint32_t *left)
{
    size_t pixels = model->height * model->width, numbers = pixels * model->frames;
    size_t all = keys_of(model);
    struct order order;
    struct rans_code *codes = malloc((tables + 1) * RANS_SYMBOLS * sizeof *codes);
    struct writer writer = {.codes = codes, .word = words + numbers + 1,
                            .escape = escapes + numbers};
    int error = check_model(model) < 0 || check_entries(entries, tables, all) < 0 ? KERNEL_MISFIT : 0;
    error = !error && !codes ? KERNEL_MEMORY : error;
    for (size_t i = 0; i < tables && !error; i++)
        error = rans_fill_codes(frequencies + i * RANS_SYMBOLS, codes + i * RANS_SYMBOLS);
    size_t highest = 0;
    for (size_t i = 0; i < numbers; i++)
        highest = keys[i] > highest ? keys[i] : highest;
    error = !error && highest >= all ? KERNEL_MISFIT : error;
    for (size_t lane = 0; lane < LANES; lane++)
        writer.state[lane] = RANS_LEAST;
    if (!error && !(error = open_order(&order, model->height, model->width))) {
        for (size_t t = model->frames; t-- > 0 && !error;)
            error = write_frame(&writer, &order, bins + t * pixels, keys + t * pixels,
                                entries + (t ? all : 0));
        free(order.place);
    }
    free(codes);
    memcpy(states, writer.state, sizeof writer.state);
    left[0] = (uint32_t)(writer.word - words);
    left[1] = (uint32_t)(writer.escape - escapes);
    return error;
}

/* ------------------------------------------------------------------------------- decoding */

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
            int up = within[i][0], right = within[i][1];
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
        predict_row(past, y, weights);
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
        weigh(model, t, weights);
        read_weights(reader, weights);
        expect_frame(reader, past, weights);
        reader->entries = reader->all_entries + (t ? keys_of(model) : 0);
        if (read_frame(reader, bins) < 0)
            return KERNEL_DAMAGED;
        if (t + 1 < frames)
            learn(past, bins, t);
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
    int error = check_model(model);
    memcpy(reader.state, states, sizeof reader.state);
    if (error || !frames) /* without any, nothing bounds the size of a frame */
        return error;
    if (!(error = open_order(&reader.order, model->height, model->width)) &&
        !(error = open_past(&past, model)) && !(error = open_reader(&reader)))
        error = read_frames(&reader, &past, frames, bins);
    if (!error && frames == model->frames && !is_finished(&reader))
        error = KERNEL_DAMAGED;
    free(past.room);
    free(reader.order.place);
    free(reader.expected);
    return error;
}

/* ------------------------------------------------------------------------ numbers and bins */

/* `bins` of each number: its bin | how many low bits of it the bin leaves out << 16. Writes these
   bits, from the lowest bit of each byte on. */
int64_t adaptive_split(const uint16_t *numbers, size_t count, const uint32_t *bins, size_t all,
                       uint16_t *found, uint8_t *payload, size_t size)
{
    uint64_t waiting = 0;
    size_t held = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= all || size - used < 4)
            return KERNEL_MISFIT;
        uint32_t bin = bins[numbers[i]], bits = bin >> 16 & 15;
        found[i] = (uint16_t)bin;
        waiting |= (uint64_t)(numbers[i] & ((1u << bits) - 1)) << held;
        held += bits;
        if (held >= 32) {
            memcpy(payload + used, &waiting, 4);
            used += 4;
            held -= 32;
            waiting >>= 32;
        }
    }
    for (; held; held -= smaller(held, 8), waiting >>= 8) {
        if (used == size)
            return KERNEL_MISFIT;
        payload[used++] = (uint8_t)waiting;
    }
    return (int64_t)used;
}

/* The inverse, in place; `bins` of each bin: its first number | its low bits << 16. */
int64_t adaptive_join(uint16_t *numbers, size_t count, const uint32_t *bins, size_t all,
                      const uint8_t *payload, size_t size)
{
    uint64_t waiting = 0;
    size_t held = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= all)
            return KERNEL_DAMAGED;
        uint32_t bin = bins[numbers[i]], bits = bin >> 16 & 15, word;
        if (held < bits && size - used >= 4) {
            memcpy(&word, payload + used, 4);
            waiting |= (uint64_t)word << held;
            used += 4;
            held += 32;
        }
        for (; held < bits; held += 8) {
            if (used == size)
                return KERNEL_DAMAGED;
            waiting |= (uint64_t)payload[used++] << held;
        }
        numbers[i] = (uint16_t)(bin + (waiting & ((1u << bits) - 1)));
        waiting >>= bits;
        held -= bits;
    }
    return (int64_t)(used - held / 8);
}
