/* What is known of the pixels of a frame before it, and what they are expected to be. */
#include "adaptive.h"

enum { WEIGHT_LIMIT = 1 << 24 };

const int8_t past_within[FEATURES - WITHIN][2] = {
    {3, 0}, {2, -2}, {2, -1}, {2, 0}, {2, 1}, {2, 2}, {1, -3}, {1, -2},
    {1, -1}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {0, -3}, {0, -2}, {0, -1},
};

int past_open(struct past *past, const struct adaptive_model *model)
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
WIDE_ROWS static void blur_row(const struct past *past, const float *image, size_t y,
                               ptrdiff_t distance, float *restrict to)
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

WIDE_ROWS static void learn_row(struct past *past, const uint16_t *bins, size_t y, float rate,
                                float half)
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

void past_blur(struct past *past, size_t y)
{
    for (int i = 0; i < 2; i++) {
        float *near = past->near[i] + y * past->stride;
        blur_row(past, past->mean[i], y, 1, near);
        continue_row(near, past->model->width);
    }
}

void past_learn(struct past *past, const uint16_t *bins, size_t t, int blurred)
{
    size_t width = past->model->width, height = past->model->height;
    float rate = 1.0f / (float)smaller(t + 1, LONG_MEAN), half = t ? 0.5f : 1.0f;
    for (size_t y = 0; y <= height; y++) {
        if (y < height)
            learn_row(past, bins + y * width, y, rate, half);
        if (y && blurred)
            past_blur(past, y - 1);
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

void past_features(struct past *past, size_t y, int gated, const float *rows[WITHIN])
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

void past_add(float *to, const float *const *rows, const float *weights, int count, size_t width)
{
    add_rows(to, rows, weights, count, width);
}

void past_predict(struct past *past, size_t y, const float *weights)
{
    const float *rows[WITHIN];
    float *expected = past->expected, constant = weights[0] * 16.0f;
    size_t width = past->model->width;
    past_features(past, y, is_gated(weights), rows);
    for (size_t x = 0; x < width; x++)
        expected[x] = constant;
    add_rows(expected, rows + 1, weights + 1, WITHIN - 1, width);
}

void past_weigh(const struct adaptive_model *model, size_t t, float weights[FEATURES])
{
    for (int i = 0; i < FEATURES; i++)
        weights[i] = (float)model->weights[epoch_of(t) * FEATURES + (size_t)i] * 0x1p-10f;
}

int past_check(const struct adaptive_model *model)
{
    if (!model->frames || !model->height || model->width < ADAPTIVE_WIDTH ||
        model->width > ADAPTIVE_WIDEST || !model->bins || model->bins > 1 << 16 ||
        model->dropped < 12 || model->dropped > 14)
        return KERNEL_DAMAGED;
    for (size_t i = 0; i < ADAPTIVE_EPOCHS * FEATURES; i++)
        if (model->weights[i] <= -WEIGHT_LIMIT || model->weights[i] >= WEIGHT_LIMIT)
            return KERNEL_DAMAGED;
    return 0;
}
