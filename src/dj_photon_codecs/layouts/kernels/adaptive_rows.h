/* SPDX-License-Identifier: MIT */
/* Works on rows of pixels with a set of vectors, SET, in functions with the attributes TARGET:
   included once for each set. Vectors may go beyond the end of a row, into its margin. */
#define NAME(function) JOIN(function, SET)

/* Three rows at a place, weighted 1 2 1. */
#define COLUMN(x) \
    NAME(add)(NAME(add)(NAME(load)(above + (x)), NAME(load)(below + (x))), \
              NAME(add)(NAME(load)(here + (x)), NAME(load)(here + (x))))

/* A row weighted 1 2 1 with those above and below, `by` rows away, left and right. */
#define BLUR(function, by) \
    TARGET static void NAME(function)(const float *above, const float *here, const float *below, \
                                      size_t width, float *restrict to) \
    { \
        NAME(floats) left = COLUMN(-LANES), middle = COLUMN(0), right; \
        for (size_t x = 0; x < width; x += LANES, left = middle, middle = right) { \
            right = COLUMN(x + LANES); \
            NAME(floats) sides = NAME(add)(NAME(moved_down)(middle, left, by), \
                                           NAME(moved_up)(middle, right, by)); \
            NAME(store)(to + x, NAME(mul)(NAME(add)(sides, NAME(add)(middle, middle)), \
                                          NAME(splat)(0.0625f))); \
        } \
    }
BLUR(blur_near, 1)
BLUR(blur_far, 2)

TARGET static void NAME(take_values)(const struct past *past, size_t t, size_t y,
                                     float *restrict to)
{
    const float *restrict value = past->model->value;
    size_t width = past->model->width, from = (t * past->model->height + y) * width;
    const uint8_t *restrict bytes = (const uint8_t *)past->bins + from;
    const uint16_t *restrict words = (const uint16_t *)past->bins + from;
    if (past->itemsize == 1 && past->is_whole)
        for (size_t x = 0; x < width; x++)
            to[x] = (float)(bytes[x] + 1);
    else if (past->itemsize == 1)
        for (size_t x = 0; x < width; x++)
            to[x] = value[bytes[x]];
    else if (past->is_whole)
        for (size_t x = 0; x < width; x++)
            to[x] = (float)(words[x] + 1);
    else
        for (size_t x = 0; x < width; x++)
            to[x] = value[words[x]];
}

/* Takes row y of a frame into the means. */
TARGET static void NAME(learn)(struct past *past, size_t t, size_t y, const float rates[2])
{
    float *last = past->last + y % RING * past->stride;
    size_t width = past->model->width;
    NAME(take_values)(past, t, y, last);
    for (int i = 0; i < 2; i++) {
        float *mean = past->mean[i] + y * past->stride;
        NAME(floats) rate = NAME(splat)(rates[i]);
        for (size_t x = 0; x < width; x += LANES) {
            NAME(floats) old = NAME(load)(mean + x);
            NAME(floats) change = NAME(sub)(NAME(load)(last + x), old);
            NAME(store)(mean + x, NAME(add)(old, NAME(mul)(change, rate)));
        }
        continue_row(mean, width);
    }
    continue_row(last, width);
}

TARGET static void NAME(refer)(struct past *past, const float *near)
{
    for (size_t x = 0; x < past->model->width; x += LANES) {
        NAME(floats) sum = NAME(add)(NAME(load)(near + x), NAME(load)(past->far[1] + x));
        NAME(store)(past->reference + x, NAME(mul)(NAME(splat)(0.5f), sum));
    }
}

/* The gate is near 1 where the brightness has changed by more than the noise, else near 0. */
TARGET static void NAME(gate_row)(struct past *past, const float *rows[WITHIN])
{
    static const int gated[] = {LONG, LONG_FAR, SHORT, SHORT_FAR};
    const float *gate = past->model->gate;
    float *to = past->gated;
    NAME(floats) offset = NAME(splat)(gate[0]), slope = NAME(splat)(gate[1]);
    for (size_t x = 0; x < past->model->width; x += LANES) {
        NAME(floats) reference = NAME(load)(past->reference + x);
        NAME(floats) change = NAME(sub)(NAME(load)(rows[SHORT_FAR] + x),
                                        NAME(load)(rows[LONG_FAR] + x));
        NAME(floats) near = NAME(load)(rows[LONG_NEAR] + x), square = NAME(mul)(change, change);
        NAME(floats) noise = NAME(add)(offset, NAME(mul)(slope, near));
        noise = NAME(larger)(noise, NAME(splat)(gate[2]));
        NAME(floats) open = NAME(divide)(square, NAME(add)(square, noise));
        NAME(store)(to + x, open);
        for (size_t i = 0; i < 4; i++) {
            NAME(floats) off = NAME(sub)(NAME(load)(rows[gated[i]] + x), reference);
            NAME(store)(to + (i + 1) * past->stride + x, NAME(mul)(open, off));
        }
    }
    for (size_t i = 0; i < 5; i++)
        rows[GATED + i] = to + (i + 1) % 5 * past->stride;
}

TARGET static void NAME(innovate)(struct past *past, size_t t, size_t y, float *to)
{
    const float *value = past->value, *reference = past->reference;
    NAME(take_values)(past, t, y, past->value);
    for (size_t x = 0; x < past->model->width; x += LANES)
        NAME(store)(to + x, NAME(sub)(NAME(load)(value + x), NAME(load)(reference + x)));
}

/* Adds up so many vectors of weighted rows together, as each sum waits for its terms. */
TARGET ALWAYS_INLINE void NAME(add_terms)(const struct term *term, const struct term *end,
                                          float constant, size_t x, int vectors, float *to)
{
    NAME(floats) sum[SUMS];
    for (int k = 0; k < vectors; k++)
        sum[k] = NAME(splat)(constant);
    for (; term < end; term++) {
        NAME(floats) weight = NAME(splat)(term->weight);
        for (int k = 0; k < vectors; k++)
            sum[k] = NAME(add)(sum[k], NAME(mul)(weight, NAME(load)(term->row + x + k * LANES)));
    }
    for (int k = 0; k < vectors; k++)
        NAME(store)(to + x + k * LANES, sum[k]);
}

TARGET static void NAME(expect)(struct past *past, const struct term *term, const struct term *end,
                                float constant, uint16_t *restrict keys)
{
    size_t x = 0, width = past->model->width;
    float *restrict expected = past->expected;
    uint32_t dropped = past->model->dropped;
    for (; x + SUMS * LANES <= width; x += SUMS * LANES)
        NAME(add_terms)(term, end, constant, x, SUMS, expected);
    for (; x < width; x += LANES)
        NAME(add_terms)(term, end, constant, x, 1, expected);
    for (x = 0; x < width; x++)
        keys[x] = (uint16_t)key_of(expected[x], dropped);
}

#undef NAME
#undef COLUMN
#undef BLUR
#undef SET
#undef TARGET
