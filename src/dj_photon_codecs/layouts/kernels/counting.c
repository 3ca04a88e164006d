/* SPDX-License-Identifier: MIT */
/* Counts what models are fitted to: sums of pixels, and symbols of levels. */
#include "lanes.h"
#include "processor.h"

#include <stdlib.h>
#include <string.h>

enum {
    COUNTED = 2048, /* pixels whose sums stay in the nearest cache */
    ADDED = 4,      /* frames at a time */
};

/* Frames of numbers of 8 or 16 bits, `stride` numbers apart. */
struct frames {
    const uint8_t *numbers;
    size_t itemsize, frames, stride;
};

/* The row of a frame from a pixel on; zeros where there is no such frame. */
static inline const void *row_at(const struct frames *of, size_t frame, size_t pixel)
{
    static const uint16_t none[COUNTED];
    return frame < of->frames ? of->numbers + of->itemsize * (frame * of->stride + pixel)
                              : (const uint8_t *)none;
}

/* Of 2^16 frames, squares of 8 bits add up to 32 bits. */
static inline void add_bytes(const struct frames *of, size_t first, size_t pixels,
                             uint32_t *restrict sums, uint32_t *restrict squares)
{
    for (size_t t = 0; t < of->frames; t += ADDED) {
        const uint8_t *a = row_at(of, t, first), *b = row_at(of, t + 1, first);
        const uint8_t *c = row_at(of, t + 2, first), *d = row_at(of, t + 3, first);
        for (size_t i = 0; i < pixels; i++) {
            uint16_t aa = a[i] * a[i], bb = b[i] * b[i], cc = c[i] * c[i], dd = d[i] * d[i];
            sums[i] += (uint16_t)(a[i] + b[i] + c[i] + d[i]);
            squares[i] += (uint32_t)aa + bb + cc + dd;
        }
    }
}

static inline void add_words(const struct frames *of, size_t first, size_t pixels,
                             uint32_t *restrict sums, uint64_t *restrict squares)
{
    for (size_t t = 0; t < of->frames; t += 2) {
        const uint16_t *a = row_at(of, t, first), *b = row_at(of, t + 1, first);
        for (size_t i = 0; i < pixels; i++) {
            uint32_t aa = (uint32_t)a[i] * a[i], bb = (uint32_t)b[i] * b[i];
            sums[i] += (uint32_t)a[i] + b[i];
            squares[i] += (uint64_t)aa + bb;
        }
    }
}

static inline void add_pixels(const struct frames *of, size_t first, size_t pixels, uint32_t *sums,
                              uint64_t *squares)
{
    uint32_t few[COUNTED] = {0};
    memset(sums, 0, pixels * sizeof *sums);
    memset(squares, 0, pixels * sizeof *squares);
    if (of->itemsize == 2)
        add_words(of, first, pixels, sums, squares);
    else
        add_bytes(of, first, pixels, sums, few);
    for (size_t i = 0; i < pixels && of->itemsize == 1; i++)
        squares[i] = few[i];
}

/* The bin of each number, and its low bits << 16, as in lanes.h. */
struct bins {
    const uint32_t *of;
    size_t count;
};

/* Where the symbols of a row are counted: group << 8 | symbol. Returns all low bits. */
static inline uint32_t place_symbols(const void *row, size_t itemsize, const struct bins *bins,
                                     const uint32_t *base, size_t pixels,
                                     uint32_t *restrict place)
{
    const uint8_t *bytes = row;
    const uint16_t *words = row;
    uint32_t low = 0, last = bins->count ? (uint32_t)bins->count - 1 : 0;
    for (size_t i = 0; i < pixels && itemsize == 1; i++)
        place[i] = bytes[i];
    for (size_t i = 0; i < pixels && itemsize == 2; i++)
        place[i] = words[i];
    for (size_t i = 0; i < pixels && bins->count; i++) {
        place[i] = bins->of[place[i] < last ? place[i] : last];
        low += place[i] >> 16;
    }
    for (size_t i = 0; i < pixels; i++)
        place[i] = base[i] >> 16 << 8 | symbol_of(place[i], base[i]);
    return low;
}

#ifdef AVX2
AVX2 static void add_pixels_avx2(const struct frames *of, size_t first, size_t pixels,
                                 uint32_t *sums, uint64_t *squares)
{
    add_pixels(of, first, pixels, sums, squares);
}

AVX2 static uint32_t place_symbols_avx2(const void *row, size_t itemsize, const struct bins *bins,
                                        const uint32_t *base, size_t pixels, uint32_t *place)
{
    return place_symbols(row, itemsize, bins, base, pixels, place);
}
#endif

int static_sum(const void *numbers, size_t itemsize, size_t frames, size_t stride, size_t pixels,
               uint32_t *sums, uint64_t *squares)
{
    const struct frames of = {numbers, itemsize, frames, stride};
    if (frames > 1 << 16)
        return KERNEL_MISFIT;
    for (size_t i = 0; i < pixels; i += COUNTED)
        WITH_AVX2(add_pixels, &of, i, smaller(COUNTED, pixels - i), sums + i, squares + i);
    return 0;
}

/* Counts the symbols of some pixels in frames of each class. Neighbours, which often are alike, are
   counted apart from each other: a counter waits for itself. Returns all low bits. */
static int64_t count_pixels(const struct frames *of, size_t first, size_t pixels,
                            const struct bins *bins, const uint8_t *frame_class,
                            const uint16_t *level, const uint32_t *rows, size_t levels,
                            uint32_t *counts, uint32_t *others)
{
    uint32_t base[COUNTED], place[COUNTED];
    int64_t low = 0;
    for (size_t t = 0; t < of->frames; t++) {
        size_t class = frame_class[t], i = 0;
        for (size_t p = 0; p < pixels && (!t || class != frame_class[t - 1]); p++)
            base[p] = rows[class * levels + level[p]];
        low += WITH_AVX2(place_symbols, row_at(of, t, first), of->itemsize, bins, base, pixels,
                         place);
        for (; i + 1 < pixels; i += 2) {
            counts[place[i]]++;
            others[place[i + 1]]++;
        }
        if (i < pixels)
            counts[place[i]]++;
    }
    return low;
}

int64_t static_count(const void *numbers, size_t itemsize, size_t frames, size_t stride,
                     size_t pixels, const uint32_t *bin_of, size_t bin_count,
                     const uint8_t *frame_class, const uint16_t *level, const uint32_t *rows,
                     size_t classes, size_t levels, uint32_t *counts, size_t groups)
{
    const struct frames of = {numbers, itemsize, frames, stride};
    const struct bins bins = {bin_of, bin_count};
    int64_t low = 0;
    size_t counters = groups * RANS_SYMBOLS;
    for (size_t i = 0; i < classes * levels; i++)
        if (rows[i] >> 16 >= groups)
            return KERNEL_MISFIT;
    for (size_t i = 0; i < pixels; i++)
        if (level[i] >= levels)
            return KERNEL_MISFIT;
    for (size_t t = 0; t < frames; t++)
        if (frame_class[t] >= classes)
            return KERNEL_MISFIT;
    uint32_t *others = calloc(counters + 1, sizeof *others);
    if (!others)
        return KERNEL_MEMORY;
    for (size_t i = 0; i < pixels; i += COUNTED)
        low += count_pixels(&of, i, smaller(COUNTED, pixels - i), &bins, frame_class, level + i,
                            rows, levels, counts, others);
    for (size_t i = 0; i < counters; i++)
        counts[i] += others[i];
    free(others);
    return low;
}
