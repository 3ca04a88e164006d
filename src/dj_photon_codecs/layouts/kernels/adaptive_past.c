/* SPDX-License-Identifier: MIT */
/* What is known of the pixels of a frame before it, and what they are expected to be. */
#include "adaptive_vectors.h"

enum { WEIGHT_LIMIT = 1 << 24, MOST_BINS = 1 << 16, SUMS = 4 /* vectors added up together */ };

/* A row whose weight is not 0. */
struct term {
    const float *row;
    float weight;
};

const int8_t past_within[FEATURES - WITHIN][2] = {
    {3, 0}, {2, -2}, {2, -1}, {2, 0}, {2, 1}, {2, 2}, {1, -3}, {1, -2},
    {1, -1}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {0, -3}, {0, -2}, {0, -1},
};

int past_open(struct past *past, const struct adaptive_model *model, const void *bins,
              size_t itemsize)
{
    enum { RINGS = 3 * RING, ROWS = 10 + ABOVE + 1 };
    size_t stride = (model->width + LANES - 1) / LANES * LANES + 2 * MARGIN;
    size_t image = stride * model->height, all = 2 * image + RINGS * stride;
    float *room = malloc((MOST_BINS + all + ROWS * stride + LANES) * sizeof *room);
    *past = (struct past){.model = &past->whole, .whole = *model, .bins = bins,
                          .itemsize = itemsize, .room = room, .stride = stride, .is_whole = 1};
    if (!room)
        return KERNEL_MEMORY;
    memcpy(room, model->value, model->bins * sizeof *room);
    memset(room + model->bins, 0, (MOST_BINS - model->bins) * sizeof *room);
    past->whole.value = room;
    for (size_t i = 0; i < model->bins; i++)
        past->is_whole &= room[i] == (float)(i + 1);
    room += MOST_BINS;
    room += (0 - (uintptr_t)room) % (LANES * sizeof *room) / sizeof *room; /* lines of the cache */
    for (size_t i = 0; i < all; i++)
        room[i] = model->start;
    memset(room + all, 0, ROWS * stride * sizeof *room);
    room += MARGIN;
    float **rings[] = {past->near, past->near + 1, &past->last};
    float **rows[] = {past->far, past->far + 1, &past->reference, &past->value, &past->expected};
    for (int i = 0; i < 2; i++, room += image)
        past->mean[i] = room;
    for (int i = 0; i < 3; i++, room += RING * stride)
        *rings[i] = room;
    for (int i = 0; i < 5; i++, room += stride)
        *rows[i] = room;
    for (int i = 0; i <= ABOVE; i++, room += stride)
        past->innovation[i] = room;
    past->gated = room;
    return 0;
}

/* The nearest row to y that there is. */
static size_t nearest(const struct past *past, ptrdiff_t y)
{
    ptrdiff_t last = (ptrdiff_t)past->model->height - 1;
    return (size_t)(y < 0 ? 0 : y > last ? last : y);
}

static const float *row_of(const struct past *past, const float *image, ptrdiff_t y)
{
    return image + nearest(past, y) * past->stride;
}

static const float *in_ring(const struct past *past, const float *ring, ptrdiff_t y)
{
    return ring + nearest(past, y) % RING * past->stride;
}

static void continue_row(float *row, size_t width)
{
    for (size_t i = 1; i <= EDGE; i++) {
        row[-(ptrdiff_t)i] = row[0];
        row[width - 1 + i] = row[width - 1];
    }
}

#define SET plain
#define TARGET
#include "adaptive_rows.h"
#ifdef AVX2
#define SET avx2
#define TARGET AVX2
#include "adaptive_rows.h"
#define SET avx512
#define TARGET AVX512
#include "adaptive_rows.h"
#endif

void past_learn(struct past *past, size_t t, size_t y)
{
    const float rates[] = {1.0f / (float)smaller(t, LONG_MEAN), t > 1 ? 0.5f : 1.0f};
    if (t && y < past->model->height)
        WITH_VECTORS(learn, past, t - 1, y, rates);
}

void past_blur(struct past *past, ptrdiff_t y)
{
    if (y < 0 || y >= (ptrdiff_t)past->model->height)
        return;
    for (int i = 0; i < 2; i++) {
        float *near = past->near[i] + (size_t)y % RING * past->stride;
        WITH_VECTORS(blur_near, row_of(past, past->mean[i], y - 1), row_of(past, past->mean[i], y),
                     row_of(past, past->mean[i], y + 1), past->model->width, near);
        continue_row(near, past->model->width);
    }
}

static int is_gated(const float *weights)
{
    int gated = 0;
    for (int i = GATED; i < WITHIN; i++)
        gated |= weights[i] != 0;
    return gated;
}

void past_features(struct past *past, size_t y, int gated, const float *rows[FEATURES])
{
    ptrdiff_t at = (ptrdiff_t)y;
    for (int i = 0; i < 2; i++) {
        const float *near = in_ring(past, past->near[i], at);
        WITH_VECTORS(blur_far, in_ring(past, past->near[i], at - 2), near,
                     in_ring(past, past->near[i], at + 2), past->model->width, past->far[i]);
        rows[LONG + 3 * i] = row_of(past, past->mean[i], at);
        rows[LONG_NEAR + 3 * i] = near;
        rows[LONG_FAR + 3 * i] = past->far[i];
    }
    WITH_VECTORS(refer, past, rows[LONG_NEAR]);
    for (int i = 0, k = AROUND; i < 9; i++) {
        rows[LAST + i] = in_ring(past, past->last, at + i / 3 - 1) + i % 3 - 1;
        if (i != 4)
            rows[k++] = row_of(past, past->mean[0], at + i / 3 - 1) + i % 3 - 1;
    }
    for (int i = 0; i < FEATURES - WITHIN; i++)
        rows[WITHIN + i] = past->innovation[(y + ABOVE + 1 - (size_t)past_within[i][0]) %
                                            (ABOVE + 1)] + past_within[i][1];
    if (gated)
        WITH_VECTORS(gate_row, past, rows);
}

void past_innovate(struct past *past, size_t t, size_t y)
{
    float *row = past->innovation[y % (ABOVE + 1)];
    WITH_VECTORS(innovate, past, t, y, row);
    memset(row + past->model->width, 0, EDGE * sizeof *row);
}

void past_forget(struct past *past)
{
    float *first = past->innovation[0] - MARGIN;
    memset(first, 0, (ABOVE + 1) * past->stride * sizeof *first);
}

void past_expect(struct past *past, size_t t, size_t y, const float *weights, uint16_t *keys)
{
    const float *rows[FEATURES];
    struct term terms[FEATURES], *end = terms;
    past_features(past, y, is_gated(weights), rows);
    past_innovate(past, t, y);
    for (int i = 1; i < FEATURES; i++)
        if (weights[i] != 0)
            *end++ = (struct term){rows[i], weights[i]};
    WITH_VECTORS(expect, past, terms, end, weights[0] * 16.0f, keys);
}

void past_weigh(const struct adaptive_model *model, size_t t, float weights[FEATURES])
{
    for (int i = 0; i < FEATURES; i++)
        weights[i] = (float)model->weights[epoch_of(t) * FEATURES + (size_t)i] * 0x1p-10f;
}

int past_check(const struct adaptive_model *model)
{
    if (!model->frames || !model->height || model->width < ADAPTIVE_WIDTH ||
        model->width > ADAPTIVE_WIDEST || !model->bins || model->bins > MOST_BINS ||
        model->dropped < 12 || model->dropped > 14)
        return KERNEL_DAMAGED;
    for (size_t i = 0; i < ADAPTIVE_EPOCHS * FEATURES; i++)
        if (model->weights[i] <= -WEIGHT_LIMIT || model->weights[i] >= WEIGHT_LIMIT)
            return KERNEL_DAMAGED;
    return 0;
}
